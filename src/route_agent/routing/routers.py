"""The routers of `routing.mode`, behind one signature: a situation in, an advice with its reasons out. Pure.

What outsiders can write may only raise what a router says: it goes by signals and classes that a longer text
can only add to, and lowers a task by none of them.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from route_agent.records.risk import Advice

if TYPE_CHECKING:
    from collections.abc import Mapping

    from route_agent.policy import Mode, Policy
    from route_agent.records.grades import TaskClass
    from route_agent.records.lanes import Call
    from route_agent.records.risk import Risk

LOW, MEDIUM, HIGH = "LOW", "MEDIUM", "HIGH"

# what makes a task complex, in tenths: together 1. Judgement, and no measurement
COMPLEXITY: Mapping[str, int] = {"files": 3, "cross_module": 3, "external_api": 2, "novelty": 2}
# a task that fits one of these is never sent down: what it decides is dearer than the lane
NEVER_DEMOTED: frozenset[TaskClass] = frozenset(
    {"incident", "auth", "migration", "deploy", "architecture", "research", "review"}
)


@dataclass(frozen=True, slots=True)
class Level:
    """What a model said to the question how difficult a task is.

    Attributes:
        word: LOW, MEDIUM or HIGH; empty where there is no such answer.
        why: its reason, or why there is no answer.
        calls: what was asked.
    """

    word: str = ""
    why: str = "nobody was asked"
    calls: tuple[Call, ...] = ()


@dataclass(frozen=True, slots=True)
class Situation:
    """What a router goes by.

    Attributes:
        fits: every class that the task fits.
        level: what the lane of `routing.shadow` said, in mode `shadow`.
    """

    risk: Risk
    policy: Policy
    fits: frozenset[TaskClass] = frozenset()
    level: Level = Level()

    @property
    def models(self) -> tuple[str, ...]:
        """The lanes of the ladder that are no fixers, the lowest first."""
        return model_lanes(self.policy)

    @property
    def always(self) -> tuple[str, ...]:
        """The always-strong conditions that hold."""
        return tuple(name for name in self.policy.routing.always_strong_if if self.risk.raised(name))


Router = Callable[[Situation], Advice]


def model_lanes(policy: Policy) -> tuple[str, ...]:
    """The lanes of the ladder that are no fixers, the lowest first."""
    return tuple(lane for lane in policy.routing.ladder if not policy.models[lane][0].is_fixer)


def middle(models: tuple[str, ...]) -> str:
    """The second of three or more lanes, else the highest."""
    return models[1] if len(models) > 2 else models[-1]


def rules(it: Situation) -> Advice:
    """By the always-strong conditions and the score."""
    routing, score, models = it.policy.routing, it.risk.score, it.models
    if it.always:
        lane, reason = models[-1], f"always {models[-1]}: {', '.join(it.always)}"
    elif score <= routing.fast_max_score:
        lane, reason = models[0], f"score {score} ≤ {routing.fast_max_score}, nothing always-{models[-1]}"
    elif score >= routing.strong_min_score:
        lane, reason = models[-1], f"score {score} ≥ {routing.strong_min_score}"
    else:
        lane = middle(models)
        reason = f"score {score} lies between the thresholds: {lane}"
    return Advice("rules", lane, (reason,))


def complexity_of(risk: Risk, files: int) -> tuple[float, tuple[str, ...]]:
    """How complex a task looks (0 to 1), and which signals say so.

    Args:
        files: the number of files above which a change counts as large.
    """
    values = {signal.name: signal.value for signal in risk.signals}
    least = {"files": files, "cross_module": 1}
    found = [name for name in COMPLEXITY if int(values.get(name) or 0) > least.get(name, 0)]
    told = [f"{name} {values[name]} > {least[name]}" if name in least else name for name in found]
    told += [f"{name} unknown" for name in COMPLEXITY if values.get(name, 0) is None]
    return sum(COMPLEXITY[name] for name in found) / 10, tuple(told)


def complexity(it: Situation) -> Advice:
    """By how complex the task looks; an always-strong condition still counts."""
    bounds, models = it.policy.routing.complexity, it.models
    value, told = complexity_of(it.risk, bounds.files)
    if it.always:
        return replace(rules(it), router="complexity", complexity=value)
    said = f"complexity {value:g}"
    because = f" ({', '.join(told)})" if told else ""
    if value > bounds.high:
        lane, reason = models[-1], f"{said} > {bounds.high:g}{because}"
    elif value > bounds.low:
        lane, reason = middle(models), f"{said} > {bounds.low:g}{because}"
    else:
        lane, reason = models[0], f"{said} ≤ {bounds.low:g}{because}, nothing always-{models[-1]}"
    return Advice("complexity", lane, (reason,), complexity=value)


def hybrid(it: Situation) -> Advice:
    """By the rules; complexity may send a task up, and down only where the policy says so.

    Down is one lane, and only where hardly anything is complex: below half of `complexity.low`.
    """
    bounds, models = it.policy.routing.complexity, it.models
    by_rules, by_complexity = rules(it), complexity(it)
    value = by_complexity.complexity or 0.0
    at = models.index(by_rules.lane)
    said = replace(by_rules, router="hybrid", complexity=value)
    if models.index(by_complexity.lane) > at:
        return replace(
            said,
            lane=by_complexity.lane,
            reasons=(*by_complexity.reasons, f"the rules alone: {by_rules.lane}"),
        )
    if not bounds.demote or it.always or at == 0 or value >= bounds.low / 2:
        return said
    if kept := sorted(it.fits & NEVER_DEMOTED):
        return replace(said, reasons=(*said.reasons, f"never sent down: {', '.join(kept)}"))
    below = models[at - 1]
    why = f"complexity {value:g} is below half of {bounds.low:g}: one lane down, to {below}"
    return replace(said, lane=below, reasons=(*said.reasons, why))


def shadow(it: Situation) -> Advice:
    """By the word of a cheap model. It fails open: without a word, the rules have the say."""
    models, level = it.models, it.level
    if level.word not in (LOW, MEDIUM, HIGH):
        by_rules = rules(it)
        why = f"no word of the shadow ({level.why}): the rules decide"
        return replace(by_rules, router="shadow", reasons=(*by_rules.reasons, why))
    lane = {LOW: models[0], MEDIUM: middle(models), HIGH: models[-1]}[level.word]
    told = f"the shadow ({it.policy.routing.shadow.lane}) says {level.word}"
    reason = f"{told}: {level.why}" if level.why else told
    return Advice("shadow", lane, (reason,), level=level.word)


def learned(it: Situation) -> Advice:
    """By the rules, with the thresholds that `tune` has fitted; its accept rules count after an attempt."""
    by_rules, fitted = rules(it), it.policy.routing.learned
    told = ", ".join(f"{lane} on {rule.outcomes} outcomes" for lane, rule in fitted.items())
    what = (
        f"accept rules fitted: {told}" if told else "no accept rule is fitted yet (route-agent tune --write)"
    )
    return replace(by_rules, router="learned", reasons=(*by_rules.reasons, what))


ROUTERS: Mapping[Mode, Router] = {
    "rules": rules,
    "complexity": complexity,
    "hybrid": hybrid,
    "shadow": shadow,
    "learned": learned,
}
