"""The one protocol: a request goes in, a proposal comes out, everything else a lane needs is on the desk."""

from __future__ import annotations

from typing import TYPE_CHECKING, Protocol

from route_agent.lanes.conversation import REPAIR_TURNS, Conversation

if TYPE_CHECKING:
    from route_agent.lanes.conversation import Ask
    from route_agent.lanes.desk import Desk
    from route_agent.records.lanes import Call, ModelReply, Prompt, Proposal, Request

__all__ = ["REPAIR_TURNS", "Answerer", "Lane", "converse"]


class Lane(Protocol):
    """One way of getting a patch.

    `provider` and `model` are what a report calls the lane; a fixer has no model.
    """

    name: str
    provider: str
    model: str

    def propose(self, request: Request, desk: Desk) -> Proposal:
        """Return a patch for the request; that it fits is for the caller to find.

        Raises:
            ProviderError: no answer could be had.
            LimitReached: the budget or the deadline does not allow another call.
        """
        ...


class Answerer(Lane, Protocol):
    """A lane with a model: it also answers a question in text."""

    def answer(self, prompt: Prompt, desk: Desk) -> tuple[ModelReply, Call]:
        """Answer a question that wants no patch; that the answer can be read is for the caller to find.

        Raises:
            ProviderError: no whole answer could be had; a call that was paid is recorded all the same.
            LimitReached: the budget or the deadline does not allow the call.
        """
        ...


def converse(prompt: Prompt, desk: Desk, ask: Ask) -> Proposal:
    """One attempt of a lane that answers in text, within the desk's terms.

    It may ask to see more of the start tree before it answers, and once more where its patch has no home. A
    repair that the provider does not answer leaves the first patch: what failed then is the patch, which was
    refused, and not the provider.

    Args:
        ask: makes one request through the desk.

    Raises:
        ProviderError: no patch could be had.
        LimitReached: the budget, the deadline or a cap of the lane does not allow another call.
        BadPatch: it asks for the same things again and again, and gives no patch.
    """
    return Conversation(prompt, desk, ask).held()
