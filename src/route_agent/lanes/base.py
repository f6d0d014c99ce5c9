"""The one protocol: a request goes in, a proposal comes out, everything else a lane needs is on the desk."""

from __future__ import annotations

import secrets
from dataclasses import dataclass
from typing import TYPE_CHECKING, Protocol

from route_agent.errors import BadPatch, HostilePatch, LimitReached, ProviderError
from route_agent.lanes.answers import require_whole, summary_in
from route_agent.prompt import write_repair
from route_agent.records.lanes import Proposal

if TYPE_CHECKING:
    from collections.abc import Callable

    from route_agent.lanes.desk import Desk
    from route_agent.records.lanes import Call, ModelReply, Prompt, Request

    Ask = Callable[[Prompt], tuple[ModelReply, Call]]

REPAIR_TURNS = 1


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


@dataclass(frozen=True, slots=True)
class _Answer:
    """A whole reply, its call, and why its patch has no home; empty where that is not so."""

    text: str
    call: Call
    refusal: str


def converse(prompt: Prompt, desk: Desk, ask: Ask) -> Proposal:
    """One attempt of a lane that answers in text: a reply, and once more where its patch has no home.

    A repair that the provider does not answer leaves the first reply: what failed then is the patch, which
    was refused, and not the provider.

    Args:
        ask: makes one request through the desk.

    Raises:
        ProviderError: no first reply.
        LimitReached: the budget or the deadline does not allow the first call, or not the repair.
    """
    answers = [_answer(prompt, desk, ask)]
    while answers[-1].refusal and len(answers) <= REPAIR_TURNS:
        last = answers[-1]
        prompt = write_repair(prompt, last.text, last.refusal, marker=secrets.token_hex(6))
        try:
            answers.append(_answer(prompt, desk, ask))
        except LimitReached as stop:
            which = last.refusal.partition("\n")[0].partition(";")[0]  # the rest is for a model
            raise LimitReached(
                f"{stop.what}; the patch so far was refused: {which}", hint=stop.hint
            ) from stop
        except ProviderError:
            break  # the failed call is recorded with its reason
    return Proposal(
        calls=tuple(answer.call for answer in answers),
        reply=answers[-1].text,
        summary=summary_in(answers[-1].text),
        repairs=len(answers) - 1,
    )


def _answer(prompt: Prompt, desk: Desk, ask: Ask) -> _Answer:
    reply, call = ask(prompt)
    require_whole(reply, call.model_requested)
    try:
        desk.fit(reply.text)
    except BadPatch as refusal:
        return _Answer(reply.text, call, str(refusal))
    except HostilePatch:
        pass  # never repaired: it is refused for good where the proposal is judged
    return _Answer(reply.text, call, "")
