"""One request in Anthropic's wire format: streamed, with the unchanging part marked for caching."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

from route_agent.errors import ProviderError
from route_agent.lanes.answers import (
    dig,
    failure,
    messages,
    name_of,
    one_line,
    status_named,
    storable,
    usage_of,
)
from route_agent.records.lanes import ModelReply

if TYPE_CHECKING:
    from collections.abc import Iterable

    from httpx2 import Response

    from route_agent.config import Endpoint
    from route_agent.records.lanes import Prompt, Usage

_STOPS = {"end_turn": "end", "stop_sequence": "end", "model_context_window_exceeded": "context_window"}


def complete(
    endpoint: Endpoint, model: str, prompt: Prompt, *, max_output_tokens: int, timeout_s: float
) -> ModelReply:
    """Ask once; never retries.

    A reply that stopped early comes back with its `stop` and its usage, for it is paid:
    `answers.require_whole` refuses it once it is recorded.

    Args:
        timeout_s: wall time from the first byte sent to the last one received.

    Raises:
        ProviderError: no reply; its kind is the same word whatever the wire format.
    """
    import anthropic
    import httpx2

    from route_agent.lanes.line import MAX_REPLY_BYTES, opened

    with opened(
        endpoint,
        timeout_s,
        anthropic.Anthropic,
        # every few letters of a stream travel in a frame that is longer than they are
        max_bytes=4 * MAX_REPLY_BYTES,
        open_telemetry={"traces": False, "propagation": False},
    ) as (line, client):
        try:
            with client.messages.create(
                model=model,
                max_tokens=max_output_tokens,
                system=[{"type": "text", "text": prompt.system, "cache_control": {"type": "ephemeral"}}],
                messages=messages(prompt),
                stream=True,
            ) as stream:
                if "json" in stream.response.headers.get("content-type", ""):
                    refusal = _unstreamed(endpoint, model, stream.response)
                elif reply := _collect(stream, stream.response.headers.get("request-id", "")):
                    return reply
                else:
                    refusal = line.failure(
                        httpx2.RemoteProtocolError("the stream ended before the reply did")
                    )
        except anthropic.APIStatusError as error:
            status, begun = error.status_code, error.status_code < 300
            refusal = failure(
                endpoint,
                model,
                status_named(error.type) if begun else status,
                words=(error.type,),
                message=error.api_message or ("" if isinstance(error.body, dict) else str(error.body or "")),
                headers=error.response.headers,
                begun=begun,
            )
        except (anthropic.APIError, httpx2.HTTPError, ValueError, RecursionError) as error:
            refusal = line.failure(error)
    # raised outside the handler: the SDK's own error would take request and key along as its context
    raise refusal


def _collect(events: Iterable[Any], request_id: str) -> ModelReply | None:
    """The reply that the events make up; None where they end before it does."""
    text: list[str] = []
    served, stop, ended = None, "", False
    counts: dict[str, Any] = {}
    for event in events:
        match dig(event, "type"):
            case "message_start":
                served = dig(event, "message", "model")
                counts |= _counts(dig(event, "message", "usage"))
                counts.pop("output", None)  # what was made so far; only the last event has the sum
            case "content_block_start":
                text.append(dig(event, "content_block", "text") or "")
            case "content_block_delta":
                text.append(dig(event, "delta", "text") or "")
            case "message_delta":
                stop = dig(event, "delta", "stop_reason") or stop
                counts |= _counts(dig(event, "usage"))
            case "message_stop":
                ended = True
    if not ended or not stop:
        return None
    whole = "".join(part for part in text if isinstance(part, str))
    return ModelReply(
        text=storable(whole),
        model_served=name_of(served),
        usage=_usage(whole, counts),
        stop=_STOPS.get(str(stop), one_line(str(stop), 40)),
        request_id=name_of(request_id) or "",
    )


def _counts(usage: Any) -> dict[str, Any]:
    """The counts that an event tells; later events complete and correct earlier ones."""
    told = {
        "input": dig(usage, "input_tokens"),
        "cache_read": dig(usage, "cache_read_input_tokens"),
        "cache_write": dig(usage, "cache_creation_input_tokens"),
        "output": dig(usage, "output_tokens"),
        "reasoning": dig(usage, "output_tokens_details", "thinking_tokens"),
    }
    return {name: count for name, count in told.items() if count is not None}


def _usage(text: str, counts: dict[str, Any]) -> Usage | None:
    # this wire counts cached input apart, ours within
    apart = (counts.get("input"), counts.get("cache_read", 0), counts.get("cache_write", 0))
    if not all(isinstance(count, int) and count >= 0 for count in apart):
        return None
    return usage_of(
        text,
        input_total=sum(apart),
        cache_read=apart[1],
        cache_write=apart[2],
        output_total=counts.get("output"),
        reasoning=counts.get("reasoning"),
    )


def _unstreamed(endpoint: Endpoint, model: str, response: Response) -> ProviderError:
    """An answer that is no stream although one was asked for: an error inside a 200, or a deaf gateway."""
    body = json.loads(response.read())
    error = dig(body, "error")
    if error is None:
        return ProviderError(
            f"{endpoint.name} does not stream, and this wire format is only read as a stream",
            kind="bad_response",
            maybe_billed=True,
        )
    kind = dig(error, "type")
    return failure(
        endpoint,
        model,
        status_named(dig(error, "code"), kind),
        words=(kind, dig(error, "code")),
        message=str(dig(error, "message") or ""),
    )
