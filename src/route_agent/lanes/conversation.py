"""One attempt's conversation: a model may look things up, answers with a patch, and may repair it once.

It is bounded by turns, and by what the desk lets it spend. What is looked up comes from the start tree alone,
and a model can ask for nothing else: no word of it is ever run.
"""

from __future__ import annotations

import secrets
from dataclasses import replace
from typing import TYPE_CHECKING

from route_agent.asking import MAX_NEEDS, needs_in
from route_agent.errors import BadPatch, HostilePatch, LimitReached, ProviderError
from route_agent.lanes.answers import require_whole, summary_in
from route_agent.patch.formats import read_reply
from route_agent.prompt import leaving, write_answers, write_repair
from route_agent.records.lanes import Proposal
from route_agent.summing import write_summary, write_sums

if TYPE_CHECKING:
    from collections.abc import Callable

    from route_agent.asking import Need
    from route_agent.lanes.desk import Desk
    from route_agent.records.lanes import Call, ModelReply, Prompt

    Ask = Callable[[Prompt], tuple[ModelReply, Call]]

REPAIR_TURNS = 1
_READ_LETTERS = 200

ANSWERED = "this was answered above, and has not changed"
TOO_MANY = f"not looked up: at most {MAX_NEEDS} wishes in one turn"
TOLD_BEFORE = """\
You have asked for exactly this before, and the answer stands above. Answer with the patch, or ask for
something else; the same again ends this attempt.
"""


class Conversation:
    """One attempt of a lane that answers in text.

    Args:
        prompt: the request.
        desk: the attempt's means.
        ask: makes one request through the desk.
    """

    def __init__(self, prompt: Prompt, desk: Desk, ask: Ask) -> None:
        self._prompt = prompt
        self._desk = desk
        self._ask = ask
        self._terms = desk.terms
        self._calls: list[Call] = []
        self._asked: set[Need] = set()  # what is answered in the conversation as it stands
        self._latest: set[Need] = set()
        self._warned = False
        self._refusal = ""  # why the latest patch has no home
        self._repairs = 0
        self._can_compact = self._terms.can_compact

    def held(self) -> Proposal:
        """Hold it until there is a patch that fits, or no more can be done about one that does not."""
        patch = ""
        while (reply := self._next()) is not None:
            if needs := _wishes(reply):
                self._look_up(reply, needs)
                continue
            self._repairs += bool(patch)
            patch, self._refusal = reply, self._judged(reply)
            if not self._refusal or self._repairs >= REPAIR_TURNS:
                break
            self._prompt = write_repair(self._prompt, reply, self._refusal, marker=secrets.token_hex(6))
        talk = self._desk.talk
        return Proposal(
            calls=tuple(self._calls),
            reply=patch,
            summary=summary_in(patch),
            repairs=self._repairs,
            iterations=talk.iterations,
            reads=tuple(talk.reads),
        )

    def _next(self) -> str | None:
        """The next reply; None where none comes and a patch is there that was refused."""
        try:
            self._desk.talk.begin(self._terms.max_iterations)
            self._compact()
            reply, call = self._ask(self._prompt)
            self._calls.append(call)
            require_whole(reply, call.model_requested)
        except LimitReached as stop:
            if not self._refusal:
                raise
            which = self._refusal.partition("\n")[0].partition(";")[0]  # the rest is for a model
            raise type(stop)(f"{stop.what}; the patch so far was refused: {which}", hint=stop.hint) from stop
        except ProviderError:
            if not self._refusal:
                raise
            return None  # the failed call is recorded with its reason
        return reply.text

    def _judged(self, reply: str) -> str:
        """Why the reply's patch has no home; empty where it has one."""
        try:
            self._desk.fit(reply)
        except BadPatch as refusal:
            return str(refusal)
        except HostilePatch:
            pass  # never repaired: it is refused for good where the proposal is judged
        return ""

    def _look_up(self, reply: str, needs: tuple[Need, ...]) -> None:
        """Give what was asked for, each thing once.

        Raises:
            BadPatch: nothing else was asked for than before, for the second time.
        """
        wanted = needs[:MAX_NEEDS]
        stuck = all(need in self._asked for need in wanted)
        if stuck and self._warned:
            raise BadPatch(
                f"the lane asked for the same again and gave no patch: {'; '.join(map(str, wanted))[:300]}"
            )
        self._warned = self._warned or stuck
        left = self._terms.looked_up_bytes
        answers: list[tuple[str, str]] = []
        for need in wanted:
            told = ANSWERED if need in self._asked else self._desk.look_up(need, left)
            left = max(400, left - len(told))
            answers.append((str(need), told))
            if need not in self._asked:
                self._desk.talk.reads.append(leaving(str(need))[:_READ_LETTERS])
        self._latest = set(wanted) - self._asked
        self._asked |= self._latest
        answers += [(str(need), TOO_MANY) for need in needs[MAX_NEEDS : 2 * MAX_NEEDS]]
        turns = self._terms.max_iterations - self._desk.talk.iterations
        words = TOLD_BEFORE if stuck else _turns_left(turns)
        self._prompt = write_answers(self._prompt, reply, answers, words)

    def _compact(self) -> None:
        """Have older turns summed up where the conversation has grown too long; if that fails it goes on."""
        terms, later = self._terms, self._prompt.later
        last = max((at for at, turn in enumerate(later) if turn.role == "assistant"), default=0)
        if not (self._can_compact and terms.compact_at and last):
            return
        if terms.estimate(self._prompt) <= terms.compact_at:
            return
        self._can_compact = False  # until it has worked: what fails once is not paid for at every turn
        try:
            reply, call = self._desk.compact(write_sums(self._prompt.user, later[:last]))
        except (ProviderError, LimitReached):
            return
        self._calls.append(call)
        kept = replace(self._prompt, later=())
        self._prompt = write_summary(kept, reply.text, self._desk.talk.reads).followed_by(*later[last:])
        self._can_compact = terms.estimate(self._prompt) <= terms.compact_at
        self._asked = set(self._latest)  # of older answers a summary may have left out what is needed now


def _wishes(reply: str) -> tuple[Need, ...]:
    """What the reply asks to see; where it holds a patch as well, the patch counts."""
    if not (needs := needs_in(reply)):
        return ()
    try:
        read_reply(reply.encode("utf-8", "replace").decode())
    except BadPatch:
        return needs
    return ()


def _turns_left(turns: int) -> str:
    if turns <= 1:
        return "This is the last turn: answer with the patch now."
    return f"{turns} turns are left."
