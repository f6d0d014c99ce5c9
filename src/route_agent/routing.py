"""Which lane first, and what stands above it. Pure: a risk and a policy in, a decision with reasons out."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from route_agent.errors import UsageError
from route_agent.fixing import FIXED_BY_CLASS, commands_for
from route_agent.globs import any_match
from route_agent.records.checks import CheckKind
from route_agent.records.risk import Decision

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from route_agent.policy import NamedPolicy, Phase, Policy
    from route_agent.records.change import Change
    from route_agent.records.grades import Grade, TaskClass
    from route_agent.records.risk import Risk

_DOCS = ("**/*.md", "**/*.rst", "**/*.adoc", "**/LICENSE", "**/CHANGELOG")
_TESTS = (
    "**/tests/**",
    "**/test/**",
    "**/test_*",
    "**/*_test.*",
    "**/*.test.*",
    "**/*.spec.*",
    "**/__tests__/**",
)


@dataclass(frozen=True, slots=True)
class Wish:
    """What the operator asked for on the command line; it is trusted.

    `lane` starts there and still escalates; `only` does not escalate; `force` allows a lane below an
    always-strong condition. `task_class` says what kind of task it is, `phase` which step of the development
    loop.
    """

    lane: str = ""
    only: bool = False
    force: bool = False
    task_class: TaskClass | None = None
    phase: Phase | None = None


def route(
    risk: Risk,
    named: NamedPolicy,
    task_class: TaskClass,
    *,
    red_kinds: frozenset[CheckKind] = frozenset(),
    red: frozenset[str] = frozenset(),
    wish: Wish | None = None,
) -> Decision:
    """Choose the first lane and the ladder from there up.

    Args:
        risk: the assessed risk.
        named: the policy in force.
        task_class: what the brief describes.
        red_kinds: the kinds of the checks that are red at start; a fixer is only tried on those.
        red: their names; a fixer none of whose commands answers any of them is not tried.
        wish: the operator's choice of lane.

    Raises:
        UsageError: the wished lane is unknown, or lies below an always-strong condition.
    """
    policy = named.policy
    ladder = policy.routing.ladder
    models = tuple(lane for lane in ladder if not _is_fixer(policy, lane))
    always = [name for name in policy.routing.always_strong_if if risk.raised(name)]
    reasons = _reasons(risk, policy, models, always)
    first = models[-1] if always or risk.score > policy.routing.fast_max_score else models[0]
    if wish and wish.lane:
        first = _wished(wish, policy, models[-1], always)
        reasons = (f"--{'only-' if wish.only else ''}lane {first} was asked for", *reasons)
    elif not always and (fixer := _fixer_for(policy, task_class, red_kinds, red)):
        first = fixer
        reasons = (f"class {task_class}, and its check is red at start: {fixer} costs nothing", *reasons)
    rest = _above(first, ladder, models[-1], risk, policy)
    chosen = (first,) if wish and wish.only else rest
    return Decision(first, chosen, reasons, task_class, named.name, policy.hash)


def _above(first: str, ladder: tuple[str, ...], top: str, risk: Risk, policy: Policy) -> tuple[str, ...]:
    """The lanes from `first` up. After a fixer, a task that scores for the top lane goes there at once."""
    if first not in ladder:
        return (first, top)
    rest = tuple(
        lane for lane in ladder[ladder.index(first) :] if lane == first or not _is_fixer(policy, lane)
    )
    if _is_fixer(policy, first) and risk.score > policy.routing.fast_max_score:
        return (first, top)
    return rest


def _reasons(risk: Risk, policy: Policy, models: tuple[str, ...], always: Sequence[str]) -> tuple[str, ...]:
    routing = policy.routing
    if always:
        return (f"always {models[-1]}: {', '.join(always)}",)
    if risk.score <= routing.fast_max_score:
        return (f"score {risk.score} ≤ {routing.fast_max_score}, nothing always-{models[-1]}",)
    if risk.score >= routing.strong_min_score:
        return (f"score {risk.score} ≥ {routing.strong_min_score}",)
    return (f"score {risk.score} lies between the thresholds: the stricter lane",)


def _wished(wish: Wish, policy: Policy, top: str, always: Sequence[str]) -> str:
    if wish.lane not in policy.models:
        raise UsageError(f'unknown lane "{wish.lane}" (the policy has: {", ".join(policy.models)})')
    if always and wish.lane != top and not wish.force:
        raise UsageError(
            f"this task always goes to {top} ({', '.join(always)}), not to {wish.lane}",
            hint="if you mean it: --force-lane (the ledger keeps that)",
        )
    return wish.lane


def _is_fixer(policy: Policy, lane: str) -> bool:
    return policy.models[lane][0].is_fixer


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


def within_reach(decision: Decision, policy: Policy, highest: Grade) -> Decision:
    """The decision without the lanes whose bar no check here could reach, each named with its reason."""
    bars = {lane: _lowest_bar(policy, lane, decision.task_class) for lane in decision.ladder}
    kept = [lane for lane, bar in bars.items() if highest.reaches(bar)]
    skipped = tuple(
        f"{lane} skipped: it needs {bar.value}, and no check here can prove more than {highest.value}"
        for lane, bar in bars.items()
        if lane not in kept
    )
    return replace(
        decision,
        lane=kept[0] if kept else decision.lane,
        ladder=tuple(kept),
        skipped=(*decision.skipped, *skipped),
    )


def rungs(ladder: Sequence[str], attempts: Mapping[str, int], most: int) -> tuple[str, ...]:
    """Which lane each attempt of a run is, in order: a lane stands there as often as it may try.

    Args:
        attempts: how often a lane may try; once, where it is not named.
        most: how many attempts a run makes.
    """
    return tuple(lane for lane in ladder for _ in range(attempts.get(lane, 1)))[:most]


def _lowest_bar(policy: Policy, lane: str, task_class: TaskClass) -> Grade:
    return min(policy.bar(lane, task_class), policy.bar(lane, "other"), key=lambda grade: grade.rank)


def is_confirmed(task_class: TaskClass, change: Change) -> bool:
    """Whether the touched files confirm what kind of task the brief describes.

    The brief alone lowers no bar: `docs` and `tests` hold only where every touched file is of that kind. The
    other classes are never confirmed by files; a lint, format or type task is confirmed by its check, which
    turns green and so proves more than any bar asks.
    """
    kinds = {"docs": _DOCS, "tests": _TESTS}.get(task_class)
    return kinds is not None and all(any_match(path, kinds) for path in change.paths)


def is_test_path(path: str) -> bool:
    """Whether a path is one of the usual places of tests."""
    return any_match(path, _TESTS)
