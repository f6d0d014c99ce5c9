"""Which lane first, and what stands above it: the router's advice, and what no router may overrule. Pure."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from route_agent.errors import UsageError
from route_agent.fixing import FIXED_BY_CLASS, commands_for
from route_agent.records.risk import Decision
from route_agent.routing.phases import AUTOMATED, class_of_red, lane_of
from route_agent.routing.routers import ROUTERS, Level, Situation, rules

if TYPE_CHECKING:
    from collections.abc import Collection

    from route_agent.policy import NamedPolicy, Phase, Policy
    from route_agent.records.checks import CheckKind
    from route_agent.records.grades import TaskClass
    from route_agent.records.risk import Advice, Risk


PREFERRED = "ROUTE_AGENT_LANE"


@dataclass(frozen=True, slots=True)
class Wish:
    """What the operator asked for on the command line; it is trusted.

    `lane` starts there and still escalates; `only` does not escalate; `force` allows a lane below an
    always-strong condition. `task_class` says what kind of task it is, `phase` which step of the development
    loop. `preferred` is the lane that the environment names where nobody typed one: it starts there unless an
    always-strong condition holds, and with `only_up` it may only lift.
    """

    lane: str = ""
    only: bool = False
    force: bool = False
    task_class: TaskClass | None = None
    phase: Phase | None = None
    preferred: str = ""
    only_up: bool = False


def route(
    risk: Risk,
    named: NamedPolicy,
    task_class: TaskClass,
    *,
    fits: Collection[TaskClass] = (),
    red_kinds: frozenset[CheckKind] = frozenset(),
    red: frozenset[str] = frozenset(),
    wish: Wish | None = None,
    level: Level | None = None,
) -> Decision:
    """Choose the first lane and the ladder from there up.

    Args:
        risk: the assessed risk.
        named: the policy in force.
        task_class: what the brief and its paths describe; the operator's own word for it goes first.
        fits: every class that they fit.
        red_kinds: the kinds of the checks that are red at start; a fixer is only tried on those.
        red: their names; a fixer none of whose commands answers any of them is not tried.
        wish: the operator's choice of lane, class and step.
        level: what the shadow lane said, in mode `shadow`.

    Raises:
        UsageError: the wished lane is unknown, or lies below an always-strong condition; or the policy
            has no lane for the step.
    """
    policy, wish = named.policy, wish or Wish()
    task_class = wish.task_class or task_class
    if wish.phase in AUTOMATED and not wish.task_class:
        task_class = class_of_red(red_kinds) or task_class
    fitting = frozenset({task_class}) if wish.task_class else frozenset({*fits, task_class})
    situation = Situation(risk, policy, fitting, level or Level())
    advice = _advice(situation)
    ladder, reasons = _ladder(situation, advice[0], task_class, wish, red_kinds, red)
    if wish.task_class:
        reasons = (*reasons, f"class {task_class}: named by --class")
    return Decision(
        lane=ladder[0],
        ladder=() if ladder[0] not in policy.models else ladder[:1] if wish.only else ladder,
        reasons=reasons,
        task_class=task_class,
        policy_name=named.name,
        policy_hash=policy.hash,
        mode=policy.routing.mode,
        phase=wish.phase or "",
        advice=advice,
        fits=tuple(sorted(fitting)),
        class_named=wish.task_class is not None,
        calls=situation.level.calls,
    )


def _advice(it: Situation) -> tuple[Advice, ...]:
    """What the policy's router says, and what the rules would have said; first the one that decides."""
    routing = it.policy.routing
    said = ROUTERS[routing.mode](it)
    if routing.mode == "rules":
        return (said,)
    by_rules = rules(it)
    if routing.mode == "shadow" and said.level:
        lifts = it.models.index(said.lane) > it.models.index(by_rules.lane)
        if not (lifts and routing.shadow.raises):
            return by_rules, said
    return said, by_rules


def _ladder(
    it: Situation,
    decides: Advice,
    task_class: TaskClass,
    wish: Wish,
    red_kinds: frozenset[CheckKind],
    red: frozenset[str],
) -> tuple[tuple[str, ...], tuple[str, ...]]:
    """The lanes to try and every reason, the weightiest first."""
    policy = it.policy
    start, reasons = _lifted(it, decides)
    if wish.lane:
        first = _wished(wish, policy, it)
        reasons = (f"--{'only-' if wish.only else ''}lane {first} was asked for", *reasons)
        return _above(first, start, it), reasons
    if wish.phase:
        return _of_phase(wish.phase, it, start, reasons, force=wish.force)
    if wish.preferred:
        preferred, reasons = _preferred(wish, it, start, reasons)
        if preferred:
            return _above(preferred, start, it), reasons
    if not it.always and (fixer := _fixer_for(policy, task_class, red_kinds, red)):
        reasons = (f"class {task_class}, and its check is red at start: {fixer} costs nothing", *reasons)
        return _above(fixer, start, it), reasons
    return _above(start, start, it), reasons


def _lifted(it: Situation, decides: Advice) -> tuple[str, tuple[str, ...]]:
    """The model lane to begin at: what the router says, or higher where the policy lifts a class."""
    models, reasons, lane = it.models, decides.reasons, decides.lane
    if decides.router == "rules" and it.level.word:
        kept = "is written down only" if not it.policy.routing.shadow.raises else "may only raise"
        reasons = (*reasons, f"the shadow's {it.level.word} {kept}")
    for task_class, least in sorted(it.policy.routing.start.items()):
        if task_class in it.fits and least in models[models.index(lane) + 1 :]:
            lane = least
            reasons = (f"class {task_class} starts at {least} (routing.start)", *reasons)
    return lane, reasons


def _above(first: str, start: str, it: Situation) -> tuple[str, ...]:
    """The lanes from `first` up. After a fixer the task goes on where it would have begun without."""
    models = it.models
    if first in models:
        return models[models.index(first) :]
    if it.policy.models[first][0].is_fixer and first in it.policy.routing.ladder:
        return (first, *models[models.index(start) :])
    return (first, models[-1])


def _of_phase(
    phase: Phase, it: Situation, start: str, reasons: tuple[str, ...], *, force: bool
) -> tuple[tuple[str, ...], tuple[str, ...]]:
    """The policy's lane for a step, and what stands above it; a step without a model has nothing above it."""
    lane, models = lane_of(phase, it.policy), it.models
    if phase in AUTOMATED:
        return (lane,), (f"phase {phase}: the project's own checks, and {lane} for what is red; no model",)
    told = f"phase {phase} goes to {lane}"
    if it.always and lane != models[-1] and not force:
        return models[-1:], (*reasons, f"{told}, but for that")
    return _above(lane, start, it), (told, *reasons)


def _wished(wish: Wish, policy: Policy, it: Situation) -> str:
    top = it.models[-1]
    if wish.lane not in policy.models:
        raise UsageError(f'unknown lane "{wish.lane}" (the policy has: {", ".join(policy.models)})')
    if it.always and wish.lane != top and not wish.force:
        raise UsageError(
            f"this task always goes to {top} ({', '.join(it.always)}), not to {wish.lane}",
            hint="if you mean it: --force-lane (the ledger keeps that)",
        )
    return wish.lane


def _preferred(
    wish: Wish, it: Situation, start: str, reasons: tuple[str, ...]
) -> tuple[str, tuple[str, ...]]:
    """The lane that the environment chose, empty where it may not, and why."""
    lane, models = wish.preferred, it.models
    said = f"{PREFERRED}={lane}"
    if lane not in it.policy.models:
        raise UsageError(f"{said}: unknown lane (the policy has: {', '.join(it.policy.models)})")
    if it.always and lane != models[-1]:
        return "", (*reasons, f"{said} is passed over for that")
    if wish.only_up and (lane not in models or models.index(lane) <= models.index(start)):
        return "", (*reasons, f"{said} is passed over: here it may only raise")
    return lane, (f"{said} chose the lane", *reasons)


def _fixer_for(
    policy: Policy, task_class: TaskClass, red_kinds: frozenset[CheckKind], red: frozenset[str]
) -> str:
    """The fixer of the ladder that takes this class, where such a check is red and it has an answer."""
    if not red_kinds & set(FIXED_BY_CLASS.get(task_class, ())):
        return ""
    for lane in policy.routing.ladder:
        spec = policy.models[lane][0]
        if spec.is_fixer and task_class in spec.classes:
            named = any(check.name in red for check in policy.checks)
            if not named or commands_for(spec.run, policy.checks, red, task_class):
                return lane
    return ""
