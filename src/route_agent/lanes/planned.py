"""A lane that writes what another has planned: the dear model thinks once, the cheap one does the work."""

from __future__ import annotations

import secrets
from dataclasses import replace
from typing import TYPE_CHECKING

from route_agent.prompt import part, told_more
from route_agent.records.lanes import Purpose
from route_agent.redaction import redact

if TYPE_CHECKING:
    from collections.abc import Callable

    from route_agent.lanes.base import Answerer
    from route_agent.lanes.desk import Desk
    from route_agent.records.lanes import Call, ModelReply, Prompt, Proposal, Request

PLAN_CHARACTERS = 12_000

# said in a turn of its own at the end, so that all before it is what the planner would read for a patch too
ASK = """\
Do not write the patch. Another model will, and it sees the same files. Write a plan for it, in plain words
and in at most forty lines: which functions in which files change and how, which cases must hold afterwards
(also at the edges), what must stay as it is, and which test would notice a mistake. No code of more than a
line at a time, no JSON, no diff.
"""

FOLLOW = """\
A plan for this task, made by another model. Follow it where it is right; where the files show that it is
not, do what the task asks. Answer with the whole patch, in the form described above.

{plan}"""


class PlannedLane:
    """A lane behind a plan. It is made once in a run, however often the lane tries.

    Args:
        lane: who writes the patch.
        planner: who plans.
        question: what the planner is shown of the task.
    """

    def __init__(self, lane: Answerer, planner: Answerer, question: Callable[[], Prompt]) -> None:
        self.name = lane.name
        self.provider = lane.provider
        self.model = lane.model
        self._lane = lane
        self._planner = planner
        self._question = question
        self._plan = ""

    def propose(self, request: Request, desk: Desk) -> Proposal:
        """Have the plan made if there is none yet, then the patch.

        Raises:
            ProviderError: no plan or no patch could be had.
            LimitReached: the budget or the deadline does not allow another call.
        """
        planned: tuple[Call, ...] = ()
        if not self._plan:
            reply, call = self._planner.answer(self._asked(), desk.of(self._planner.name).doing(Purpose.PLAN))
            self._plan, planned = _bounded(reply.text), (call,)
        told = part("plan", self._plan, secrets.token_hex(6))
        prompt = told_more(request.prompt, FOLLOW.format(plan=told))
        proposal = self._lane.propose(replace(request, prompt=prompt), desk)
        return replace(proposal, calls=(*planned, *proposal.calls), plan=redact(self._plan))

    def answer(self, prompt: Prompt, desk: Desk) -> tuple[ModelReply, Call]:
        """Answer a question; that takes no plan."""
        return self._lane.answer(prompt, desk)

    def _asked(self) -> Prompt:
        return replace(told_more(self._question(), ASK), shape=None)


def _bounded(plan: str) -> str:
    plan = plan.strip()
    return plan if len(plan) <= PLAN_CHARACTERS else f"{plan[:PLAN_CHARACTERS]}\n…"
