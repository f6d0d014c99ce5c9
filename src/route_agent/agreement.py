"""Whether the parts of a policy agree with one another: every lane that is named is there, and can do it.

Each function raises `ValueError` with the first thing that does not hold.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from route_agent.lanespec import RACE, VERIFIER

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

    from route_agent.lanespec import Fallback, LaneSpec
    from route_agent.routingspec import Routing

    Models = Mapping[str, tuple[LaneSpec, ...]]


def ladder(models: Models, routing: Routing) -> None:
    """The ladder and everything that chooses a lane of it name lanes that there are."""
    named(models, "routing.ladder", routing.ladder)
    named(models, "routing.start", routing.start.values())
    named(models, "routing.phases", routing.phases.values())
    named(models, "routing.learned", routing.learned)
    for name in routing.start.values():
        if name not in routing.ladder or models[name][0].is_fixer:
            raise ValueError(f"routing.start names {name}, which is no lane of the ladder with a model")
    if all(spec.is_fixer for lane in routing.ladder for spec in models[lane]):
        raise ValueError("routing.ladder needs at least one lane with a model")


def named(models: Models, section: str, lanes: Iterable[str]) -> None:
    """Every lane that a section names is among the models."""
    for name in lanes:
        if name not in models:
            raise ValueError(f'{section} names the lane "{name}", which is not in models')


def paid(models: Models, lanes: Iterable[str]) -> None:
    """Lanes with a limit of their own are paid themselves."""
    for name in lanes:
        if any(spec.race for spec in models[name]):
            raise ValueError(f"limits.lane_per_day_usd names {name}, a race: name its lanes, which are paid")


def adviser(models: Models, section: str, lane: str) -> None:
    """Who gives opinions or writes tests has a model; a lane called `verifier` need not be there."""
    if lane not in models and lane != VERIFIER:
        raise ValueError(f'{section} names the lane "{lane}", which is not in models')
    if any(not spec.has_model for spec in models.get(lane, ())):
        raise ValueError(f"{section}.lane has no model, so it has no opinion and writes no tests")


def unique(checks: Sequence[str]) -> None:
    """No two checks share a name."""
    if twice := {name for name in checks if checks.count(name) > 1}:
        raise ValueError(f"two checks are called {min(twice)}")


def helpers(models: Models, ladder: Sequence[str]) -> None:
    """Lanes that plan, sum up or race for another lane can do that."""
    dearest = [it for it in ladder if _has_model(models, it)][-1:]
    for lane, specs in models.items():
        for spec in specs:
            for key, name in (("compact_with", spec.compact_with), ("plan_with", spec.plan_with)):
                if name is not None and not _has_model(models, name):
                    raise ValueError(f'models.{lane}.{key} names "{name}", which is no lane with a model')
            if len(ladder) > 1 and spec.compact_with in dearest:
                raise ValueError(
                    f"models.{lane}.compact_with names {spec.compact_with}, the top of the ladder: a"
                    " summary is work for a cheaper lane"
                )
            _racers(models, lane, spec)


def _racers(models: Models, lane: str, spec: LaneSpec) -> None:
    for name in spec.race:
        if any(it.provider == RACE or it.is_fixer for it in models.get(name, (spec,))):
            raise ValueError(f'models.{lane}.race names "{name}", which is no lane that can race')
    racing = {_plain(it.model) for name in spec.race for it in models[name]}
    if len(racing) == 1 and racing != {""}:
        raise ValueError(f"models.{lane}.race: both lanes are {racing.pop()}: it agrees with itself")


def fallbacks(models: Models, ladder: Sequence[str]) -> None:
    """No fallback makes a lane cheaper."""
    for lane, specs in models.items():
        for fallback in (it for spec in specs for it in spec.fallbacks):
            if below := _lane_below(models, ladder, lane, fallback):
                raise ValueError(
                    f"models.{lane}.fallbacks: {fallback.model} is the model of {below}, further down"
                    " the ladder; a provider that fails never makes a lane cheaper"
                )


def _has_model(models: Models, name: str) -> bool:
    return name in models and all(spec.has_model for spec in models[name])


def _lane_below(models: Models, ladder: Sequence[str], lane: str, fallback: Fallback) -> str:
    """The lane further down the ladder that a fallback's model belongs to; empty where none is."""
    lower = ladder[: ladder.index(lane)] if lane in ladder else ()
    asked = _plain(fallback.model)
    own = {_plain(spec.model) for spec in models[lane]}
    found = (it for it in lower for spec in models[it] if _plain(spec.model) == asked and asked not in own)
    return next(found, "")


def _plain(model: str) -> str:
    """A model's name without who offers it: `anthropic/claude-haiku-5.5` is `claude-haiku-5-5`."""
    return model.rsplit("/", 1)[-1].lower().replace(".", "-")
