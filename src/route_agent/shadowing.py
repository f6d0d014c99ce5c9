"""Ask a cheap model how difficult a task is, for mode `shadow`. Whatever goes wrong, the rules decide."""

from __future__ import annotations

import secrets
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, cast

from route_agent.errors import LimitReached, ProviderError
from route_agent.lanes.desk import Desk
from route_agent.records.lanes import Purpose
from route_agent.review import wants_no_patch
from route_agent.routing.difficulty import read_level, write_question
from route_agent.routing.routers import Level

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from route_agent.lanes.base import Answerer, Lane
    from route_agent.lanes.desk import Workspace
    from route_agent.ledger.budget import Purse
    from route_agent.outward import Outward
    from route_agent.policy import Policy
    from route_agent.records.events import Listener
    from route_agent.records.facts import Facts


@dataclass(frozen=True, slots=True)
class Shadow:
    """What it takes to ask.

    Attributes:
        policy: which lane is asked.
        lanes: every lane that can be called here, by name.
        unusable: why the others cannot, by name.
        purse: the run's money.
        outward: what may leave, and what of it is kept.
        deadline: the `time.monotonic()` after which nothing begins.
        on: told what goes on.
    """

    policy: Policy
    lanes: Mapping[str, Lane]
    unusable: Mapping[str, str]
    purse: Purse
    outward: Outward
    deadline: float
    on: Listener

    def level(self, known: Facts) -> Level:
        """What the lane says of a task, or why it says nothing."""
        name = self.policy.routing.shadow.lane
        lane = cast("Answerer | None", self.lanes.get(name))
        if lane is None:
            return Level("", self.unusable.get(name, f'the policy has no lane "{name}"'))
        paths = [path for path in known.touched if not self.outward.withheld(path)]
        question = write_question(known.brief, paths, known.failing, secrets.token_hex(8))
        paid = len(self.purse.calls)
        try:
            reply, _ = lane.answer(question, self._desk(name))
        except ProviderError as error:
            said = Level("", f"{error.kind}: {error}")
        except LimitReached as stop:
            said = Level("", str(stop))
        else:
            said = read_level(reply.text)
        return replace(said, calls=self.purse.made(paid, name))

    def _desk(self, lane: str) -> Desk:
        return Desk(
            lane=lane,
            purse=self.purse,
            deadline=self.deadline,
            workspace=_nowhere,
            fit=wants_no_patch,
            on=self.on,
            purpose=Purpose.LEVEL,
            leaving=self.outward.leaving,
            keep=self.outward.keep,
        )


def _nowhere(start: str) -> Iterator[Workspace]:
    """No scratch: a question about a task needs none."""
    yield from ()
