"""Two lanes at the same task. Which patch counts is not for them to say: both are handed over."""

from __future__ import annotations

from dataclasses import replace
from functools import partial
from typing import TYPE_CHECKING

from route_agent import beside
from route_agent.policy import RACE
from route_agent.prompt import told_more
from route_agent.records.lanes import Proposal

if TYPE_CHECKING:
    from collections.abc import Callable

    from route_agent.lanes.base import Lane
    from route_agent.lanes.desk import Desk
    from route_agent.records.lanes import Request

BETWEEN = " | "

ASK = """\
Somebody else works at the same task, and you do not see each other's work. Your patch must also bring tests,
in the project's own way and place, that fail without it: they will be run on the other patch, and theirs on
yours. Test what the task asks for, not how your patch does it. Answer with the whole patch, tests included.
"""


class RaceLane:
    """Asks both lanes; those that only wait for a model do so at the same time.

    Args:
        lanes: the two.
        at_once: whether both may work at the same time; what edits the one scratch may not.
    """

    provider = RACE

    def __init__(self, name: str, lanes: tuple[Lane, Lane], *, at_once: bool) -> None:
        self.name = name
        self.model = BETWEEN.join(lane.model or lane.provider for lane in lanes)
        self._lanes = lanes
        self._at_once = at_once

    def of(self, change: Callable[[Lane], Lane]) -> RaceLane:
        """The race with each lane as it is after a change, such as behind a plan."""
        one, other = map(change, self._lanes)
        return RaceLane(self.name, (one, other), at_once=self._at_once)

    def propose(self, request: Request, desk: Desk) -> Proposal:
        """Both proposals, with all that was paid for them.

        Raises:
            ProviderError: one of them could not be had: one patch is no race.
            LimitReached: the budget or the deadline does not allow another call.
        """
        asked = [_with_tests(it) for it in request.racers or (request, request)]
        works = [partial(_propose, lane, it, desk) for lane, it in zip(self._lanes, asked, strict=True)]
        if self._at_once:
            futures = [beside.begin(work, self.name) for work in works]
            for future in futures:
                beside.is_done(future)
            made = [future.result() for future in futures]
        else:
            made = [work() for work in works]
        rivals = tuple(
            replace(it, model=it.model or lane.model or lane.provider)
            for it, lane in zip(made, self._lanes, strict=True)
        )
        return Proposal(
            calls=tuple(call for it in rivals for call in it.calls),
            repairs=sum(it.repairs for it in rivals),
            iterations=max(it.iterations for it in rivals),
            reads=tuple(read for it in rivals for read in it.reads),
            rivals=rivals,
        )


def _propose(lane: Lane, request: Request, desk: Desk) -> Proposal:
    return lane.propose(request, desk.of(lane.name))  # whose clock begins now


def _with_tests(request: Request) -> Request:
    told = "\n".join(it for it in (request.told, ASK) if it)
    return replace(request, prompt=told_more(request.prompt, ASK), told=told)
