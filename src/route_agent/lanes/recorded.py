"""A lane that plays recorded replies, for demonstrations and replays: no model is called."""

from __future__ import annotations

import time
from collections import deque
from typing import TYPE_CHECKING, Annotated, Literal

from pydantic import Field

from route_agent.errors import ProviderError, UsageError
from route_agent.lanes.answers import require_whole, summary_in
from route_agent.policy import RECORDED, Name
from route_agent.records.lanes import ModelReply, Proposal, Usage
from route_agent.schema import SchemaError, Strict, read, validate

if TYPE_CHECKING:
    from pathlib import Path

    from route_agent.lanes.desk import Desk
    from route_agent.records.lanes import Request


class RecordedReply(Strict):
    """One reply of one lane. `seconds` is how long it takes to come."""

    lane: Name
    model: str = RECORDED
    seconds: Annotated[float, Field(ge=0, le=600)] = 0.0
    reply: str


class RecordedReplies(Strict):
    """A whole file, played from the top, each lane its own replies."""

    version: Literal[1]
    replies: tuple[RecordedReply, ...] = ()

    def of(self, lane: str) -> tuple[RecordedReply, ...]:
        """The replies of one lane, in order."""
        return tuple(reply for reply in self.replies if reply.lane == lane)


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
    """Plays the replies recorded for a lane's name, one for each request."""

    provider = RECORDED

    def __init__(self, name: str, replies: RecordedReplies) -> None:
        self.name = name
        self._left = deque(replies.of(name))
        self.model = self._left[0].model if self._left else RECORDED

    def propose(self, request: Request, desk: Desk) -> Proposal:
        """Give the next reply, through the desk, so that it is recorded like a model's.

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
        reply, call = desk.ask(
            provider=self.provider,
            model=recorded.model,
            prompt=request.prompt,
            max_output_tokens=0,
            timeout_s=recorded.seconds,
            send=lambda seconds: _play(recorded, seconds),
        )
        require_whole(reply, recorded.model)
        return Proposal(calls=(call,), reply=reply.text, summary=summary_in(reply.text))


def _play(recorded: RecordedReply, seconds: float) -> ModelReply:
    time.sleep(min(recorded.seconds, seconds))
    if seconds < recorded.seconds:
        raise ProviderError(
            f"the recorded reply takes {recorded.seconds:g} s, and {seconds:.3g} s were left", kind="timeout"
        )
    return ModelReply(text=recorded.reply, model_served=recorded.model, usage=Usage(), stop="end")
