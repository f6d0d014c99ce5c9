"""What an organisation or a user asks of every policy: it can make one stricter and never looser. Pure."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from functools import cache
from typing import TYPE_CHECKING, Annotated, Any, Literal, TypeVar

from pydantic import Field

from route_agent.lanespec import MAX_USD, Name, PathPattern
from route_agent.policy import GateRules, Limits, Policy, parse_policy, presets
from route_agent.records.grades import Failure, Grade, TaskClass
from route_agent.routingspec import ESCALATION_WORDS, Condition, Routing, Share, SignalRule
from route_agent.schema import Strict

if TYPE_CHECKING:
    from collections.abc import Sequence

Usd = Annotated[float, Field(gt=0, le=MAX_USD)]
Critique = Literal["always", "when_weak", "never"]
BarName = Literal["default"] | TaskClass
Bars = dict[BarName, Grade]
Value = TypeVar("Value")
Section = TypeVar("Section", bound=Strict)

EVERY_LANE = "default"  # in a floor's `accept`: each lane that it does not name
_MILD_TO_STRICT: tuple[Critique, ...] = ("never", "when_weak", "always")


class FloorRouting(Strict):
    """What of a policy's `routing` can be asked for."""

    always_strong_if: tuple[Condition, ...] = ()
    fast_max_score: Annotated[int, Field(ge=0)] | None = None
    strong_min_score: Annotated[int, Field(ge=1)] | None = None
    confidence_threshold: Share | None = None


class FloorVerify(Strict):
    """What of a policy's `verify` can be asked for."""

    critique: Critique | None = None


class FloorGate(Strict):
    """What of a policy's `gate` can be asked for: what must block, and when a second model must look."""

    least: Grade | None = None
    on_error: dict[Failure, Literal["block"]] = {}
    on_deadline: Literal["block"] | None = None
    critique: Critique | None = None


class FloorPaths(Strict):
    """What of a policy's `paths` can be asked for."""

    deny: tuple[PathPattern, ...] = ()


class FloorLimits(Strict):
    """The most that a policy's own `limits` may allow. What is left out stays as the policy has it."""

    max_usd: Usd | None = None
    per_day_usd: Usd | None = None
    repository_per_day_usd: Usd | None = None
    author_per_day_usd: Usd | None = None
    lane_per_day_usd: dict[Name, Usd] = {}
    unpriced: Literal["refuse"] | None = None
    max_attempts: Annotated[int, Field(ge=1, le=20)] | None = None
    deadline_s: Annotated[float, Field(gt=0)] | None = None


class Floor(Strict):
    """What holds whatever a policy says, written as the parts of a policy that it bounds.

    `by` is who asks for it, as reports name it. `accept` has the least bars by lane, `default` those of each
    lane that is not named.
    """

    by: str = "you"
    routing: FloorRouting = FloorRouting()
    accept: dict[Name, Grade | Bars] = {}
    verify: FloorVerify = FloorVerify()
    gate: FloorGate = FloorGate()
    limits: FloorLimits = FloorLimits()
    paths: FloorPaths = FloorPaths()
    no_send: tuple[PathPattern, ...] = ()

    def bars(self, lane: str) -> Bars:
        """What this floor asks of a lane's patches; one grade stands for every class, as in a policy."""
        asked = self.accept.get(lane, self.accept.get(EVERY_LANE, {}))
        return {"default": asked} if isinstance(asked, Grade) else asked


def stricter(policy: Policy, floor: Floor) -> tuple[Policy, tuple[str, ...]]:
    """The policy with everything at least as strict as the floor, and what that changed, in words."""
    told: list[str] = []
    update = {
        "routing": _routing(policy, floor, told),
        "signals": _signals(policy, floor, told),
        "accept": _accept(policy, floor, told),
        "verify": _changed(
            policy.verify, "verify", {"critique": (floor.verify.critique, _stricter_word)}, told
        ),
        "gate": _gate(policy.gate, floor.gate, told),
        "limits": _limits(policy, floor, told),
        "paths": policy.paths.model_copy(
            update={"deny": _union("paths.deny", policy.paths.deny, floor.paths.deny, told)}
        ),
        "no_send": _union("no_send", policy.no_send, floor.no_send, told),
    }
    return (policy.model_copy(update=update) if told else policy), tuple(told)


def held(floors: Iterable[Floor]) -> dict[Condition, str]:
    """The conditions that a floor makes always strong, each with who asks: no option reaches below them."""
    return {name: floor.by for floor in floors for name in floor.routing.always_strong_if}


def tightened(policy: Policy, floors: Iterable[Floor]) -> tuple[Policy, tuple[str, ...]]:
    """The policy above every floor, one after the other, and a sentence for each that changed anything."""
    told: list[str] = []
    for floor in floors:
        policy, reasons = stricter(policy, floor)
        if reasons:
            told.append(f"stricter than the policy, by {floor.by}: {'; '.join(reasons)}")
    return policy, tuple(told)


def _routing(policy: Policy, floor: Floor, told: list[str]) -> Routing:
    routing, asked = policy.routing, floor.routing
    always = _union("always_strong_if", routing.always_strong_if, asked.always_strong_if, told)
    strong = _lower(routing.strong_min_score, asked.strong_min_score)
    # a threshold that comes down takes the other along: they stay in order
    fast = min(_lower(routing.fast_max_score, asked.fast_max_score), strong - 1)
    confidence = _higher(routing.confidence_threshold, asked.confidence_threshold)
    update: dict[str, Any] = {
        "fast_max_score": fast,
        "strong_min_score": strong,
        "confidence_threshold": confidence,
    }
    mode, may_demote = routing.mode, routing.complexity.demote
    if asked.fast_max_score is not None or asked.strong_min_score is not None:
        # a mode that begins below the thresholds would make words of them
        mode, may_demote = "hybrid" if mode == "complexity" else mode, False
    update["mode"] = mode
    told += [
        f"{key} {_shown(before)} → {_shown(now)}"
        for key, now in update.items()
        if now != (before := getattr(routing, key))
    ]
    if routing.complexity.demote and not may_demote:
        update["complexity"] = routing.complexity.model_copy(update={"demote": False})
        told.append("complexity.demote true → false")
    if asked.confidence_threshold is not None:  # what nothing follows from is no threshold
        word = ESCALATION_WORDS[Failure.DOUBTFUL]
        update["escalate_on"] = _union("escalate_on", routing.escalate_on, (word,), told)
    return routing.model_copy(update={**update, "always_strong_if": always})


def _signals(policy: Policy, floor: Floor, told: list[str]) -> dict[str, SignalRule]:
    """The policy's signals; a condition that is asked for is found by the built-in rule at least."""
    signals = dict(policy.signals)
    for name in floor.routing.always_strong_if:
        own, known = signals.get(name, SignalRule()), _built_in().get(name, SignalRule())
        more = {
            key: (*getattr(own, key), *lacking)
            for key in ("paths", "words", "content")
            if (lacking := [it for it in getattr(known, key) if it not in getattr(own, key)])
        }
        if more:
            signals[name] = own.model_copy(update=more)
            told.append(f"signals.{name} + the built-in {', '.join(more)}")
    return signals


@cache
def _built_in() -> Mapping[str, SignalRule]:
    return parse_policy(presets()["default"].read_bytes(), "default").signals


def _accept(policy: Policy, floor: Floor, told: list[str]) -> dict[str, Bars]:
    accept: dict[str, Bars] = dict(policy.accept)
    for lane in policy.models:
        own, asked = policy.accept.get(lane, {}), floor.bars(lane)
        bars: Bars = dict(own)
        names: tuple[BarName, ...] = ("default", *own, *asked)
        for name in names:
            before = own.get(name, own.get("default", Grade.RAN))
            least = asked.get(name, asked.get("default", Grade.NONE))
            if name in own or name in asked or not before.reaches(least):
                bars[name] = before if before.reaches(least) else least
        if raised := [it for it in bars if bars[it] != own.get(it, own.get("default", Grade.RAN))]:
            accept[lane] = bars
            told.append(f"accept.{lane} {', '.join(f'{it}: {bars[it].value}' for it in raised)}")
    return accept


def _gate(gate: GateRules, asked: FloorGate, told: list[str]) -> GateRules:
    rules: dict[str, tuple[Any, Callable[[Any, Any], Any]]] = {
        "least": (asked.least, _higher),
        "on_error": (asked.on_error or None, lambda before, blocks: before | blocks),
        "on_deadline": (asked.on_deadline, lambda before, blocks: blocks),
        "critique": (asked.critique, _stricter_word),
    }
    # what is not named blocks anyway, so that naming it changes nothing
    before = gate.model_copy(update={"on_error": dict.fromkeys(asked.on_error, "block") | gate.on_error})
    return _changed(before, "gate", rules, told)


def _limits(policy: Policy, floor: Floor, told: list[str]) -> Limits:
    rules: dict[str, tuple[Any, Callable[[Any, Any], Any]]] = {
        key: (getattr(floor.limits, key), _lower)
        for key in FloorLimits.model_fields
        if key not in ("lane_per_day_usd", "unpriced")
    }
    rules["unpriced"] = (floor.limits.unpriced, lambda before, asked: asked or before)
    limits = _changed(policy.limits, "limits", rules, told)
    lanes = dict(limits.lane_per_day_usd)
    for lane, usd in floor.limits.lane_per_day_usd.items():
        # a race is not paid by itself, and of a lane that is not there nothing can be asked
        if lane in policy.models and not any(spec.race for spec in policy.models[lane]):
            lanes[lane] = _lower(lanes.get(lane), usd)
    if lanes == limits.lane_per_day_usd:
        return limits
    told.append(f"limits.lane_per_day_usd {_shown(limits.lane_per_day_usd)} → {_shown(lanes)}")
    return limits.model_copy(update={"lane_per_day_usd": lanes})


def _changed(
    section: Section, name: str, rules: Mapping[str, tuple[Any, Callable[[Any, Any], Any]]], told: list[str]
) -> Section:
    """A section with each key as strict as what is asked; a key of which nothing is asked stays."""
    update = {}
    for key, (asked, choose) in rules.items():
        before = getattr(section, key)
        now = before if asked is None else choose(before, asked)
        if now != before:
            update[key] = now
            told.append(f"{name}.{key} {_shown(before)} → {_shown(now)}")
    return section.model_copy(update=update) if update else section


def _union(name: str, own: Sequence[Value], asked: Sequence[Value], told: list[str]) -> tuple[Value, ...]:
    more = [value for value in dict.fromkeys(asked) if value not in own]
    if more:
        told.append(f"{name} + {', '.join(map(str, more))}")
    return (*own, *more)


def _lower(before: Any, asked: Any) -> Any:
    return min((value for value in (before, asked) if value is not None), default=None)


def _higher(before: Any, asked: Any) -> Any:
    if isinstance(before, Grade):
        return before if before.reaches(asked) else asked
    return before if asked is None else max(before, asked)


def _stricter_word(before: Critique, asked: Critique) -> Critique:
    return max(before, asked, key=_MILD_TO_STRICT.index)


def _shown(value: Any) -> str:
    if value is None or value == {}:
        return "none"
    if isinstance(value, Mapping):
        return ", ".join(f"{key}: {_shown(it)}" for key, it in value.items())
    return (
        str(value.value)
        if isinstance(value, Grade)
        else f"{value:g}"
        if isinstance(value, float)
        else str(value)
    )
