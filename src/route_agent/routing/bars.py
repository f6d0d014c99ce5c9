"""What a lane's patch must prove, and which lanes could ever prove it. Pure."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from route_agent.classes import CONFIRMABLE, is_confirmed

if TYPE_CHECKING:
    from collections.abc import Collection, Mapping, Sequence

    from route_agent.classes import Contents
    from route_agent.policy import Policy
    from route_agent.records.change import Change
    from route_agent.records.grades import Grade, TaskClass
    from route_agent.records.risk import Decision


def bar_of(
    policy: Policy,
    lane: str,
    task_class: TaskClass,
    change: Change,
    *,
    fits: Collection[TaskClass] = (),
    trusted: bool = False,
    contents: Contents | None = None,
) -> Grade:
    """The grade from which a lane's patch is accepted.

    The brief alone lowers none, and a sentence more lowers none. It begins with the bar of `other`; a class
    that files can confirm counts where they do, up or down, and any other that the task fits only upward.

    Args:
        fits: every class that the task fits.
        trusted: whether the operator named the class: its bar holds as it is, whatever the files are.
        contents: both versions of the touched files, without which no class `comments` is confirmed.
    """
    if trusted:
        return policy.bar(lane, task_class)
    bar = policy.bar(lane, "other")
    if is_confirmed(task_class, change, contents):
        bar = policy.bar(lane, task_class)
    upward = {*fits, task_class} - CONFIRMABLE
    upward |= {name for name in CONFIRMABLE if is_confirmed(name, change, contents)}
    # of what the files alone confirm, only what asks for more than no class does
    usual = policy.bar(lane, "other")
    higher = (asked for name in upward if (asked := policy.bar(lane, name)).rank > usual.rank)
    return max((bar, *higher), key=lambda grade: grade.rank)


def wants_reproduction(policy: Policy, decision: Decision) -> bool:
    """Whether a test for the brief is to be written first: where the task fits one of the policy's classes.

    Each class that fits counts, so that a sentence more ("this is an outage") takes no test away.
    """
    return not {*decision.fits, decision.task_class}.isdisjoint(policy.reproduce.when)


def within_reach(decision: Decision, policy: Policy, highest: Grade) -> Decision:
    """The decision without the lanes whose bar no check here could reach, each named with its reason."""
    bars = {lane: _lowest_bar(policy, lane, decision) for lane in decision.ladder}
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


def _lowest_bar(policy: Policy, lane: str, decision: Decision) -> Grade:
    own = policy.bar(lane, decision.task_class)
    if decision.class_named:
        return own
    return min(own, policy.bar(lane, "other"), key=lambda grade: grade.rank)


def rungs(ladder: Sequence[str], attempts: Mapping[str, int], most: int) -> tuple[str, ...]:
    """Which lane each attempt of a run is, in order: a lane stands there as often as it may try.

    Args:
        attempts: how often a lane may try; once, where it is not named.
        most: how many attempts a run makes.
    """
    return tuple(lane for lane in ladder for _ in range(attempts.get(lane, 1)))[:most]
