"""One request in Anthropic's wire format, with the unchanging parts marked for caching."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

from route_agent.lanes.answers import (
    broken_off,
    dig,
    failure,
    name_of,
    status_named,
    stop_named,
    storable,
    usage_of,
)
from route_agent.lanes.style import fixed_blocks, style_of, turn_blocks
from route_agent.records.lanes import ModelReply

if TYPE_CHECKING:
    from route_agent.config import Endpoint
    from route_agent.errors import ProviderError
    from route_agent.lanes.style import Style
    from route_agent.records.lanes import Prompt, Usage


def complete(
    endpoint: Endpoint,
    model: str,
    prompt: Prompt,
    *,
    max_output_tokens: int,
    timeout_s: float,
    style: Style | None = None,
) -> ModelReply:
    """Ask once; never retries.

    A reply that stopped early comes back with its `stop` and its usage, for it is paid:
    `answers.require_whole` refuses it once it is recorded.

    Args:
        timeout_s: wall time from the first byte sent to the last one received.
        style: how to ask; by the endpoint's settings and address where none is given.

    Raises:
        ProviderError: no reply; its kind is the same word whatever the wire format.
    """
    import anthropic
    import httpx2

    from route_agent.lanes.line import MAX_REPLY_BYTES, opened

    style = style or style_of(endpoint, model)
    came = _Pieces()
    with opened(
        endpoint,
        timeout_s,
        anthropic.Anthropic,
        # every few letters of a stream travel in a frame that is longer than they are
        max_bytes=MAX_REPLY_BYTES * (4 if style.stream else 1),
        open_telemetry={"traces": False, "propagation": False},
    ) as (line, client):
        create: Any = client.messages.create
        try:
            answer = create(
                model=model,
                max_tokens=max_output_tokens,
                messages=turn_blocks(prompt, style),
                stream=style.stream,
                timeout=line.timeout,  # without one the SDK refuses long answers that are not streamed
                **_settings(prompt, style),
            )
            body = _read(answer, came) if style.stream else answer
            if error := dig(body, "error"):
                refusal = _refusal_inside(endpoint, model, error)
            elif reply := _reply(body):
                return reply
            elif body is came:
                refusal = line.failure(httpx2.RemoteProtocolError("the stream ended before the reply did"))
            else:
                refusal = line.failure(ValueError("no message in it"))
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
    raise broken_off(refusal, prompt, came.text)


def _settings(prompt: Prompt, style: Style) -> dict[str, Any]:
    settings: dict[str, Any] = {}
    if fixed := fixed_blocks(prompt, style):
        settings["system"] = fixed
    output: dict[str, Any] = {}
    if prompt.shape and style.output == "schema":
        output["format"] = {"type": "json_schema", "schema": dict(prompt.shape.schema)}
    if style.effort == "none":
        settings["thinking"] = {"type": "disabled"}
    elif style.effort is not None:
        # the least that this wire has a word for
        output["effort"] = "low" if style.effort == "minimal" else style.effort
    if output:
        settings["output_config"] = output
    if style.temperature is not None:
        settings["extra_body"] = {"temperature": style.temperature}  # of older models; the SDK has it no more
    return settings


class _Pieces:
    """A stream's events, put together under the names that a whole message has."""

    def __init__(self) -> None:
        self._texts: list[str] = []
        self._is_whole = False
        self._stop: Any = None
        self.model: Any = None
        self.request_id: Any = None
        self.counts: dict[str, Any] = {}

    @property
    def text(self) -> str:
        return "".join(self._texts)

    @property
    def content(self) -> list[Any]:
        return [{"type": "text", "text": self.text}]

    @property
    def stop_reason(self) -> Any:
        """Why it ended; None where the stream ended before it did."""
        return self._stop if self._is_whole else None

    def add(self, event: Any) -> None:
        match dig(event, "type"):
            case "message_start":
                self.model = dig(event, "message", "model")
                self.counts |= _counts(dig(event, "message", "usage"))
                self.counts.pop("output", None)  # what was made so far; only the last event has the sum
            case "content_block_start":
                self._say(dig(event, "content_block", "text"))
            case "content_block_delta":
                self._say(dig(event, "delta", "text"))
            case "message_delta":
                self._stop = dig(event, "delta", "stop_reason") or self._stop
                self.counts |= _counts(dig(event, "usage"))
            case "message_stop":
                self._is_whole = True

    def _say(self, text: Any) -> None:
        if isinstance(text, str):
            self._texts.append(text)


def _read(stream: Any, came: _Pieces) -> Any:
    """The stream to its end; or the whole answer of a server that does not stream, whatever was asked."""
    if "json" in stream.response.headers.get("content-type", ""):
        return json.loads(stream.response.read())
    came.request_id = stream.response.headers.get("request-id")
    for event in stream:
        came.add(event)
    return came


def _reply(body: Any) -> ModelReply | None:
    """The reply in the message, or None where there is none, or not all of it."""
    content, stop = dig(body, "content"), stop_named(dig(body, "stop_reason"))
    if not isinstance(content, list) or not stop:
        return None
    parts = (dig(block, "text") for block in content if dig(block, "type") == "text")
    text = storable("".join(part for part in parts if isinstance(part, str)))
    counts = body.counts if isinstance(body, _Pieces) else _counts(dig(body, "usage"))
    ids = (dig(body, "request_id"), dig(body, "_request_id"), dig(body, "id"))
    return ModelReply(
        text=text,
        model_served=name_of(dig(body, "model")),
        usage=_usage(text, counts),
        stop=stop,
        request_id=next((name for name in map(name_of, ids) if name), ""),
    )


def _counts(usage: Any) -> dict[str, Any]:
    """The counts that an event tells; later events complete and correct earlier ones."""
    told = {
        "input": dig(usage, "input_tokens"),
        "cache_read": dig(usage, "cache_read_input_tokens"),
        "cache_write": dig(usage, "cache_creation_input_tokens"),
        "cache_write_5m": dig(usage, "cache_creation", "ephemeral_5m_input_tokens"),
        "cache_write_1h": dig(usage, "cache_creation", "ephemeral_1h_input_tokens"),
        "output": dig(usage, "output_tokens"),
        "reasoning": dig(usage, "output_tokens_details", "thinking_tokens"),
        "cost": dig(usage, "cost"),
    }
    return {name: count for name, count in told.items() if count is not None}


def _usage(text: str, counts: dict[str, Any]) -> Usage | None:
    try:
        written = counts.get("cache_write")
        if written is None:
            written = counts.get("cache_write_5m", 0) + counts.get("cache_write_1h", 0)
        read = counts.get("cache_read", 0)
        if counts["input"] < 0 or read < 0 or written < 0:
            return None
        # this wire counts cached input apart, ours within
        total = counts["input"] + read + written
    except (KeyError, TypeError):
        return None
    return usage_of(
        text,
        input_total=total,
        cache_read=read,
        cache_write=written,
        cache_write_1h=counts.get("cache_write_1h"),
        output_total=counts.get("output"),
        reasoning=counts.get("reasoning"),
        provider_cost_usd=counts.get("cost"),
    )


def _refusal_inside(endpoint: Endpoint, model: str, error: Any) -> ProviderError:
    """An error object in an answer that came with status 200."""
    kind, code = dig(error, "type"), dig(error, "code")
    return failure(
        endpoint,
        model,
        status_named(code, kind),
        words=(kind, code),
        message=str(dig(error, "message") or ""),
    )
