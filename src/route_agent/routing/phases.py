"""The steps of the development loop: which of them end in a patch, in a text, or without any model. Pure."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from route_agent.errors import UsageError
from route_agent.fixing import FIXED_BY_CLASS, commands_for
from route_agent.records.grades import Verdict

if TYPE_CHECKING:
    from collections.abc import Collection

    from route_agent.policy import Phase, Policy
    from route_agent.records.checks import CheckKind, CheckRun
    from route_agent.records.grades import TaskClass
    from route_agent.records.risk import Decision

PATCHES: tuple[Phase, ...] = ("implement", "remediate", "e2e", "final-remediate", "commit")
AUTOMATED: tuple[Phase, ...] = ("preflight", "smoke")
TEXTS: tuple[Phase, ...] = (
    "research", "plan", "validate-requirements", "validate-integration", "build-plan", "check-plan", "review",
    "audit",
)  # fmt: skip
_MENDED: tuple[TaskClass, ...] = ("lint", "format", "types")


def lane_of(phase: Phase, policy: Policy) -> str:
    """The lane that the policy gives a step.

    Raises:
        UsageError: the policy gives it none, or one that cannot be had here.
    """
    lane = policy.routing.phases.get(phase)
    if lane is None:
        raise UsageError(
            f"--phase {phase}: this policy gives it no lane",
            hint="routing.phases of the policy does, or --policy three-tier",
        )
    if lane not in policy.models and phase not in AUTOMATED:
        raise UsageError(f"--phase {phase}: its lane {lane} cannot be had here")
    return lane


def refuse_text(decision: Decision) -> None:
    """Refuse a run of a step that ends in a text.

    Raises:
        UsageError: only patches are made.
    """
    if decision.phase in TEXTS:
        raise UsageError(
            f"--phase {decision.phase} ends in a text, and route-agent makes patches only so far"
            f" (it would go to {decision.lane})",
            hint=f"steps that end in a patch: {', '.join(PATCHES)}",
        )


def class_of_red(red_kinds: Collection[CheckKind]) -> TaskClass | None:
    """What a step without a model is about: the kind of red check that a fixer can answer; None for tests."""
    return next((name for name in _MENDED if FIXED_BY_CLASS[name][0] in red_kinds), None)


@dataclass(frozen=True, slots=True)
class Ended:
    """How a step without a model has ended before any lane is tried."""

    verdict: Verdict
    reason: str


def settled(decision: Decision, policy: Policy, baseline: CheckRun) -> Ended | None:
    """How a step without a model ends by the checks at start alone; None where there is something to do.

    A pre-flight check and a smoke test are the project's own checks. What is red, a fixer may mend; no model
    is asked.
    """
    if decision.phase not in AUTOMATED:
        return None
    red = [result.name for result in baseline.failed]
    if not red:
        return Ended(Verdict.PLANNED, f"{decision.phase}: every check is green at start, no model is needed")
    for lane in decision.ladder:
        spec = policy.models[lane][0]
        if not spec.is_fixer or commands_for(spec.run, policy.checks, red, decision.task_class):
            return None
    told = f"{decision.phase}: red at start: {', '.join(red)}; no fixer answers that, and no model is asked"
    return Ended(Verdict.NOT_PROVED, told)
