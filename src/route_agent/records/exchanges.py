"""One request and what came of it, as it is kept for reading and for playing again."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from route_agent.records.lanes import CallState, Purpose

if TYPE_CHECKING:
    from route_agent.records.lanes import Prompt, Usage


@dataclass(frozen=True, slots=True)
class Exchange:
    """A request as it left, and its answer or what there was instead of one.

    Attributes:
        call_id: the row of the ledger that has its cost.
        conversation: the same for every request of one conversation.
        model: what was asked for; `served` is the provider's own word for who answered.
        prompt: the words that left, secrets redacted.
        settings: the limits of this request, by name.
        stop: why the answer ended.
        error: the class of the failure, and `message` the provider's words; empty where an answer came.
        retryable: whether the same request might have succeeded later.
        maybe_billed: whether it may have been paid although no answer came.
        seconds: wall time.
    """

    call_id: int
    conversation: str
    lane: str
    provider: str
    model: str
    purpose: Purpose
    prompt: Prompt
    settings: dict[str, float | int | str] = field(default_factory=dict)
    state: CallState = CallState.DONE
    served: str = ""
    reply: str = ""
    stop: str = ""
    usage: Usage | None = None
    request_id: str = ""
    error: str = ""
    message: str = ""
    retryable: bool = False
    maybe_billed: bool = False
    fallback_for: str = ""
    seconds: float = 0.0
