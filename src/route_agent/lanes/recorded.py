"""A lane that plays recorded replies, for demonstrations and replays: no model is called."""

from __future__ import annotations

import time
from collections import deque
from typing import TYPE_CHECKING, Annotated, Literal

from pydantic import Field

from route_agent.errors import ProviderError, UsageError
from route_agent.lanes.answers import require_whole
from route_agent.lanes.base import converse
from route_agent.policy import RECORDED, Name
from route_agent.records.lanes import ModelReply, Usage
from route_agent.schema import SchemaError, Strict, read, validate

if TYPE_CHECKING:
    from pathlib import Path

    from route_agent.lanes.desk import Desk
    from route_agent.records.lanes import Call, Prompt, Proposal, Request


class RecordedReply(Strict):
    """One attempt of one lane: its reply, and in `then` what it says in later turns, as to a refused patch.

    `kind` is what it answers to: a task that wants a patch, or a question for an opinion; each kind is played
    in its own order. `seconds` is how long each of the replies takes to come.
    """

    lane: Name
    kind: Literal["patch", "opinion"] = "patch"
    model: str = RECORDED
    seconds: Annotated[float, Field(ge=0, le=600)] = 0.0
    reply: str
    then: tuple[str, ...] = ()


class RecordedReplies(Strict):
    """A whole file, played from the top, each lane its own replies."""

    version: Literal[1]
    replies: tuple[RecordedReply, ...] = ()

    def of(self, lane: str, kind: str = "patch") -> tuple[RecordedReply, ...]:
        """The replies of one lane to one kind of question, in order."""
        return tuple(reply for reply in self.replies if (reply.lane, reply.kind) == (lane, kind))


def load_replies(path: Path) -> RecordedReplies:
    """Read recorded replies.

    Raises:
        UsageError: a file that cannot be read or says what it may not say; names file and line.
    """
    try:
        document = read(path.read_bytes(), str(path))
        return validate(RecordedReplies, document.data, document, str(path))
    except OSError as error:
        raise UsageError(
            f"{path}: {error.strerror}", hint="--replay takes a file of recorded replies"
        ) from error
    except SchemaError as error:
        raise UsageError(str(error)) from error


class RecordedLane:
    """Plays the replies recorded for a lane's name, one entry for each attempt."""

    provider = RECORDED

    def __init__(self, name: str, replies: RecordedReplies) -> None:
        self.name = name
        self._left = deque(replies.of(name))
        self._opinions = deque(replies.of(name, "opinion"))
        first = next(iter((*self._left, *self._opinions)), None)
        self.model = first.model if first else RECORDED

    def propose(self, request: Request, desk: Desk) -> Proposal:
        """Give the next reply, through the desk, so that it is recorded like a model's.

        A refused patch is repaired where the recording goes on, and else stays refused.

        Raises:
            ProviderError: every recorded reply of this lane was played, or the next one is empty.
            LimitReached: the deadline has passed.
        """
        if not self._left:
            raise ProviderError(
                f"no recorded reply is left for lane {self.name}",
                kind="no_recorded_reply",
                hint=f"add one to the file: - {{lane: {self.name}, reply: …}}",
            )
        recorded = self._left.popleft()
        texts = deque((recorded.reply, *recorded.then))
        return converse(request.prompt, desk, lambda prompt: self._ask(prompt, desk, recorded, texts))

    def answer(self, prompt: Prompt, desk: Desk) -> tuple[ModelReply, Call]:
        """Give the next recorded opinion, through the desk.

        Raises:
            ProviderError: every recorded opinion of this lane was played, or the next one is empty.
            LimitReached: the deadline has passed.
        """
        if not self._opinions:
            raise ProviderError(
                f"no recorded opinion is left for lane {self.name}",
                kind="no_recorded_reply",
                hint=f"add one to the file: - {{lane: {self.name}, kind: opinion, reply: …}}",
            )
        recorded = self._opinions.popleft()
        reply, call = self._ask(prompt, desk, recorded, deque((recorded.reply,)))
        require_whole(reply, call.model_requested)
        return reply, call

    def _ask(
        self, prompt: Prompt, desk: Desk, recorded: RecordedReply, texts: deque[str]
    ) -> tuple[ModelReply, Call]:
        if not texts:
            raise ProviderError(
                f"no later turn is recorded for this reply of lane {self.name}",
                kind="no_recorded_reply",
                hint=f"add one to it: - {{lane: {self.name}, reply: …, then: […]}}",
            )
        text = texts.popleft()
        return desk.ask(
            provider=self.provider,
            model=recorded.model,
            prompt=prompt,
            max_output_tokens=0,
            timeout_s=recorded.seconds,
            send=lambda _, seconds: _play(recorded, text, seconds),
        )


def _play(recorded: RecordedReply, text: str, seconds: float) -> ModelReply:
    time.sleep(min(recorded.seconds, seconds))
    if seconds < recorded.seconds:
        raise ProviderError(
            f"the recorded reply takes {recorded.seconds:g} s, and {seconds:.3g} s were left", kind="timeout"
        )
    return ModelReply(text=text, model_served=recorded.model, usage=Usage(), stop="end")
