"""A lane that plays recorded replies, for demonstrations and replays: no model is called."""

from __future__ import annotations

import time
from collections import deque
from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING, Annotated, Literal

from pydantic import Field

from route_agent.errors import CapReached, ProviderError, UsageError
from route_agent.lanes.answers import require_whole
from route_agent.lanes.base import converse
from route_agent.policy import RECORDED, Name
from route_agent.records.lanes import ModelReply, Purpose, Usage
from route_agent.schema import SchemaError, Strict, read, validate

if TYPE_CHECKING:
    from pathlib import Path

    from route_agent.lanes.desk import Desk
    from route_agent.records.lanes import Call, Prompt, Proposal, Request


Kind = Literal["patch", "opinion", "test", "plan", "compact", "level"]
MAX_BYTES = 64 * 1024 * 1024  # of a file of replies: a real run's are long
FILE = "replies.yaml"


class RecordedTurn(Strict):
    """One answer, or in its place the provider's failure.

    `error` is the failure's class and `message` its words; with `again` the same was asked once more after
    it, as a lane does where waiting may help. `served` is who answered, `stop` why the answer ended.
    `redacted` says how many secrets were taken out of the reply, and `cut` how many of its characters are
    missing: such a reply may not do what the original did. `capped` are the words with which the lane
    stopped at its cap then.
    """

    reply: str
    model: str = RECORDED
    served: str = ""
    stop: str = "end"
    error: str = ""
    message: str = ""
    again: bool = False
    maybe_billed: bool = False
    redacted: Annotated[int, Field(ge=0)] = 0
    cut: Annotated[int, Field(ge=0)] = 0
    capped: str = ""


class RecordedReply(RecordedTurn):
    """One attempt of one lane: its reply, and in `then` what it says in later turns, as to a refused patch.

    `kind` is what it answers to: a task that wants a patch, or a test; a question for an opinion, a plan, a
    summary of the conversation, or how difficult the task is. Each kind is played in its own order. `seconds`
    is how long each of the replies takes to come.
    """

    lane: Name
    kind: Kind = "patch"
    seconds: Annotated[float, Field(ge=0, le=600)] = 0.0
    then: tuple[str | RecordedTurn, ...] = ()

    @property
    def turns(self) -> tuple[RecordedTurn, ...]:
        """Every answer of the conversation; one that is only a text comes from the same model."""
        usual = {"model": self.model, "served": self.served}
        later = (RecordedTurn(reply=it, **usual) if isinstance(it, str) else it for it in self.then)
        return (self, *later)


class About(Strict):
    """Which run was recorded: its id, base commit and start tree, its policy, and what it ended with."""

    run: str
    base: str
    start: str
    policy: str = ""
    policy_hash: str = ""
    verdict: str = ""


class RecordedReplies(Strict):
    """A whole file, played from the top, each lane its own replies."""

    version: Literal[1]
    about: About | None = None
    replies: tuple[RecordedReply, ...] = ()

    def of(self, lane: str, kind: Kind = "patch") -> tuple[RecordedReply, ...]:
        """The replies of one lane to one kind of question, in order."""
        return tuple(reply for reply in self.replies if (reply.lane, reply.kind) == (lane, kind))

    def models(self, lane: str, *kinds: Kind) -> tuple[str, ...]:
        """The models that answered for a lane, in the order in which they first did."""
        return tuple(dict.fromkeys(it.model for it in self.replies if it.lane == lane and it.kind in kinds))

    def by(self, model: str) -> RecordedReplies:
        """What one model said."""
        return self.model_copy(update={"replies": tuple(it for it in self.replies if it.model == model)})

    def notices(self, base: str, start: str, policy_hash: str = "") -> tuple[str, ...]:
        """What a person should know who plays it on these trees, under this policy where one is given."""
        told = []
        if self.about and policy_hash and self.about.policy_hash not in ("", policy_hash):
            told.append(f"recorded under another policy ({self.about.policy}@{self.about.policy_hash[:7]})")
        if self.about and self.about.base != base:
            told.append(f"recorded at {self.about.base[:10]}, and this is {base[:10]}")
        elif self.about and self.about.start != start:
            told.append("recorded with other uncommitted changes than are here")
        turns = [turn for reply in self.replies for turn in reply.turns]
        if redacted := sum(turn.redacted > 0 for turn in turns):
            told.append(
                f"{redacted} recorded replies had secrets, which were taken out: they may end otherwise"
            )
        if cut := sum(turn.cut > 0 for turn in turns):
            told.append(f"{cut} recorded replies are cut: they may end otherwise")
        return tuple(told)

    def ended(self, verdict: str) -> tuple[str, ...]:
        """The same where the replay has ended otherwise than the run that was recorded."""
        if self.about is None or self.about.verdict in ("", verdict):
            return ()
        return (f"the recorded run ended as: {self.about.verdict}; this replay as: {verdict}",)


def load_replies(path: Path) -> RecordedReplies:
    """Read recorded replies: a file, or a folder that `route-agent record` has written.

    Raises:
        UsageError: a file that cannot be read or says what it may not say; names file and line.
    """
    try:
        path = path / FILE if path.is_dir() else path
        document = read(path.read_bytes(), str(path), limit=MAX_BYTES)
        return validate(RecordedReplies, document.data, document, str(path))
    except OSError as error:
        raise UsageError(
            f"{path}: {error.strerror}", hint="--replay takes a file or folder of recorded replies"
        ) from error
    except SchemaError as error:
        raise UsageError(str(error)) from error


class RecordedLane:
    """Plays the replies recorded for a lane's name, one entry for each attempt."""

    provider = RECORDED

    def __init__(self, name: str, replies: RecordedReplies) -> None:
        self.name = name
        self._left: dict[Kind, deque[RecordedReply]] = {
            kind: deque(replies.of(name, kind)) for kind in _WORDS
        }
        first = next((replies[0] for replies in self._left.values() if replies), None)
        self.model = first.model if first else RECORDED

    def propose(self, request: Request, desk: Desk) -> Proposal:
        """Give the next reply, through the desk, so that it is recorded like a model's.

        A refused patch is repaired where the recording goes on, and else stays refused.

        Raises:
            ProviderError: every recorded reply of this lane was played, or the next is empty or a failure.
            LimitReached: the deadline has passed.
        """
        is_test = desk.purpose is Purpose.TEST and bool(self._left["test"])
        conversation = self._next("test" if is_test else "patch")
        return converse(request.prompt, desk, lambda prompt: self._ask(prompt, desk, conversation))

    def answer(self, prompt: Prompt, desk: Desk) -> tuple[ModelReply, Call]:
        """Give the next recorded opinion, plan, summary or level, through the desk.

        Raises:
            ProviderError: every one of them was played, or the next one is empty or a failure.
            LimitReached: the deadline has passed.
        """
        kind = _ASKED_FOR.get(desk.purpose, "opinion")
        reply, call = self._ask(
            prompt, desk, self._next(kind if self._left[kind] or kind == "level" else "opinion")
        )
        require_whole(reply, call.model_requested)
        return reply, call

    def _next(self, kind: Kind) -> _Conversation:
        if not self._left[kind]:
            word = _WORDS[kind]
            told = "" if kind == "patch" else f" kind: {kind},"
            raise ProviderError(
                f"no recorded {word} is left for lane {self.name}",
                kind="no_recorded_reply",
                hint=f"add one to the file: - {{lane: {self.name},{told} reply: …}}",
            )
        recorded = self._left[kind].popleft()
        return _Conversation(deque(recorded.turns), recorded.seconds)

    def _ask(self, prompt: Prompt, desk: Desk, conversation: _Conversation) -> tuple[ModelReply, Call]:
        while True:
            if not conversation.left:
                raise ProviderError(
                    f"no later turn is recorded for this reply of lane {self.name}",
                    kind="no_recorded_reply",
                    hint=f"add one to it: - {{lane: {self.name}, reply: …, then: […]}}",
                )
            turn = conversation.left.popleft()
            try:
                answered = desk.ask(
                    provider=self.provider,
                    model=turn.model,
                    prompt=prompt,
                    max_output_tokens=0,
                    timeout_s=conversation.seconds,
                    send=partial(_play, turn, conversation.seconds),
                )
            except ProviderError as error:
                if turn.capped:
                    raise CapReached(turn.capped) from error
                if not turn.again:
                    raise
                continue
            if turn.capped:
                raise CapReached(turn.capped)
            return answered


# what is recorded, by the word for it; the first that a lane has names its model
_WORDS: dict[Kind, str] = {
    "patch": "reply",
    "opinion": "opinion",
    "test": "test",
    "plan": "plan",
    "compact": "summary",
    "level": "level",
}
_ASKED_FOR: dict[Purpose, Kind] = {
    Purpose.PLAN: "plan",
    Purpose.COMPACT: "compact",
    Purpose.LEVEL: "level",
}


@dataclass(frozen=True, slots=True)
class _Conversation:
    """What is still to be said in one attempt, and how long each of it takes."""

    left: deque[RecordedTurn]
    seconds: float


def _play(turn: RecordedTurn, takes: float, _: Prompt, seconds: float) -> ModelReply:
    time.sleep(min(takes, seconds))
    if seconds < takes:
        raise ProviderError(
            f"the recorded reply takes {takes:g} s, and {seconds:.3g} s were left", kind="timeout"
        )
    if turn.error:
        raise ProviderError(turn.message or turn.error, kind=turn.error, maybe_billed=turn.maybe_billed)
    return ModelReply(text=turn.reply, model_served=turn.served or turn.model, usage=Usage(), stop=turn.stop)
