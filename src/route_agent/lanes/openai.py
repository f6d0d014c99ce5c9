"""One request as a chat completion: the format that OpenAI, OpenRouter, Ollama, vLLM and gateways share."""

from __future__ import annotations

import json
import re
from typing import TYPE_CHECKING, Any

from route_agent.errors import ProviderError
from route_agent.lanes.answers import (
    broken_off,
    dig,
    failure,
    messages,
    name_of,
    status_named,
    stop_named,
    storable,
    usage_of,
)
from route_agent.lanes.style import cache_key, fixed_blocks, style_of, turn_blocks
from route_agent.records.lanes import ModelReply

if TYPE_CHECKING:
    from collections.abc import Iterable

    from route_agent.config import Endpoint
    from route_agent.lanes.line import Line
    from route_agent.lanes.style import Style
    from route_agent.records.lanes import Prompt, Usage

# a line of its own: in the JSON of a reply's words a line break is never a raw one
_DONE = re.compile(rb"(?:^|[\r\n])data: ?\[DONE\]")


def complete(
    endpoint: Endpoint,
    model: str,
    prompt: Prompt,
    *,
    max_output_tokens: int,
    timeout_s: float,
    style: Style | None = None,
) -> ModelReply:
    """Ask once, by the same terms as `anthropic.complete`."""
    import httpx2
    import openai

    from route_agent.lanes.line import MAX_REPLY_BYTES, opened

    style = style or style_of(endpoint, model)
    came = _Pieces()
    # every few letters of a stream travel in a frame that is longer than they are
    room = MAX_REPLY_BYTES * (4 if style.stream else 1)
    with opened(endpoint, timeout_s, openai.OpenAI, max_bytes=room) as (line, client):
        create: Any = client.chat.completions.create
        try:
            answer = create(
                model=model,
                messages=_messages(prompt, style),
                extra_body=_settings(prompt, style, max_output_tokens),
                **_streaming(style),
            )
            body = _read(answer, came, line) if style.stream else answer
            if error := _error_inside(body):
                refusal = _refusal_inside(endpoint, model, error, begun=bool(came.text))
            elif reply := _reply(body):
                return reply
            elif body is came:
                refusal = line.failure(httpx2.RemoteProtocolError("the stream ended before the reply did"))
            else:
                refusal = line.failure(ValueError("no choices in it"))
        except openai.APIStatusError as error:
            refusal = failure(
                endpoint,
                model,
                error.status_code,
                words=(error.code, error.type),
                message=_message(error.body),
                headers=error.response.headers,
            )
        except (openai.APIError, httpx2.HTTPError, ValueError, RecursionError) as error:
            told = error.body if isinstance(error, openai.APIError) else None
            refusal = (
                _refusal_inside(endpoint, model, told, begun=True)  # of a stream that was under way
                if told
                else line.failure(error)
            )
    # raised outside the handler: the SDK's own error would take request and key along as its context
    raise broken_off(refusal, prompt, came.text)


def _messages(prompt: Prompt, style: Style) -> list[Any]:
    """The conversation. As plain text where nothing is marked: not every server reads a message in parts."""
    if style.cache == "marks":
        return [{"role": "system", "content": fixed_blocks(prompt, style)}, *turn_blocks(prompt, style)]
    # one message: some models' templates know no second one, and its beginning is the same either way
    fixed = "\n\n".join(text for text in (prompt.system, prompt.project) if text)
    return [{"role": "system", "content": fixed}, *messages(prompt)]


def _settings(prompt: Prompt, style: Style, max_output_tokens: int) -> dict[str, Any]:
    settings: dict[str, Any] = {style.limit_name: max_output_tokens}
    if style.effort is not None:
        settings["reasoning_effort"] = style.effort
    if style.temperature is not None:
        settings["temperature"] = style.temperature
    if style.cache == "key":
        settings["prompt_cache_key"] = cache_key(prompt)
    if prompt.shape and style.output == "schema":
        shape = {"name": prompt.shape.name, "schema": dict(prompt.shape.schema), "strict": True}
        settings["response_format"] = {"type": "json_schema", "json_schema": shape}
    elif prompt.shape and style.output == "json":
        settings["response_format"] = {"type": "json_object"}
    return settings


def _streaming(style: Style) -> dict[str, Any]:
    if not style.stream:
        return {}
    return {"stream": True} | ({"stream_options": {"include_usage": True}} if style.usage_in_stream else {})


class _Pieces:
    """A stream's pieces, put together under the names that a whole answer has."""

    def __init__(self) -> None:
        self._texts: list[str] = []
        self._refused = False
        self._reason: Any = None
        self.is_whole = False
        self.error: Any = None
        self.model: Any = None
        self.id: Any = None
        self.request_id: Any = None
        self.usage: Any = None

    @property
    def text(self) -> str:
        return "".join(self._texts)

    @property
    def choices(self) -> list[Any]:
        """The one choice; none where the stream ended before it did."""
        if not self.is_whole or not self._reason:
            return []
        message = {"content": self.text, "refusal": self._refused}
        return [{"message": message, "finish_reason": self._reason}]

    def add(self, chunk: Any) -> None:
        self.error = self.error or _error_inside(chunk)
        self.model = dig(chunk, "model") or self.model
        self.id = dig(chunk, "id") or self.id
        self.usage = (
            dig(chunk, "usage") or self.usage
        )  # the last one has the sum, often in a chunk of its own
        choice = _first(dig(chunk, "choices"))
        self._texts.append(_text(dig(choice, "delta", "content")))
        self._refused = self._refused or bool(dig(choice, "delta", "refusal"))
        self._reason = dig(choice, "finish_reason") or self._reason


def _read(stream: Any, came: _Pieces, line: Line) -> Any:
    """The stream to its end; or the whole answer of a server that does not stream, whatever was asked."""
    if "json" in stream.response.headers.get("content-type", ""):
        return json.loads(stream.response.read())
    chunks: Iterable[Any] = stream
    came.request_id = stream.response.headers.get("x-request-id")
    for chunk in chunks:
        came.add(chunk)
    came.is_whole = bool(_DONE.search(line.ending))
    return came


def _first(choices: Any) -> Any:
    return choices[0] if isinstance(choices, list) and choices else None


def _text(content: Any) -> str:
    """A message's words: text, or with some servers a list of parts."""
    if isinstance(content, list):
        return "".join(_text(dig(part, "text")) for part in content if not isinstance(part, str))
    return content if isinstance(content, str) else ""


def _error_inside(body: Any) -> Any:
    """The error object of an answer that came with status 200."""
    return dig(body, "error") or dig(_first(dig(body, "choices")), "error")


def _refusal_inside(endpoint: Endpoint, model: str, error: Any, *, begun: bool = False) -> ProviderError:
    code, kind = dig(error, "code"), dig(error, "type")
    return failure(
        endpoint,
        model,
        status_named(code, kind),
        words=(kind, code),
        message=_message(error),
        begun=begun,
    )


def _message(error: Any) -> str:
    """The sentence in an error, which is an object, or with some servers the sentence itself."""
    return error if isinstance(error, str) else str(dig(error, "message") or dig(error, "detail") or "")


def _reply(body: Any) -> ModelReply | None:
    """The reply in the answer, or None where there is none."""
    choice = _first(dig(body, "choices"))
    if choice is None:
        return None
    message = dig(choice, "message")
    text = storable(_text(dig(message, "content")))
    # a server that gives no reason in a whole answer has nothing to say of it
    stop = stop_named(dig(choice, "finish_reason")) or "end"
    ids = (dig(body, "request_id"), dig(body, "_request_id"), dig(body, "id"))
    return ModelReply(
        text=text,
        model_served=name_of(dig(body, "model")),
        usage=_usage(text, dig(body, "usage")),
        stop="refusal" if dig(message, "refusal") else stop,
        request_id=next((name for name in map(name_of, ids) if name), ""),
    )


def _usage(text: str, usage: Any) -> Usage | None:
    read, made = dig(usage, "prompt_tokens_details"), dig(usage, "completion_tokens_details")
    written, thought = dig(usage, "completion_tokens"), dig(made, "reasoning_tokens")
    try:
        # some servers count what was thought apart from what was written, and show it in the sum
        if thought and dig(usage, "total_tokens") == dig(usage, "prompt_tokens") + written + thought:
            written += thought
    except TypeError:
        return None
    return usage_of(
        text,
        input_total=dig(usage, "prompt_tokens"),
        # a provider and a proxy have names of their own for the same counts
        cache_read=dig(read, "cached_tokens") or dig(usage, "prompt_cache_hit_tokens"),
        cache_write=dig(read, "cache_write_tokens") or dig(read, "cache_creation_tokens"),
        cache_write_1h=dig(read, "cache_creation_token_details", "ephemeral_1h_input_tokens"),
        output_total=written,
        reasoning=thought,
        provider_cost_usd=dig(usage, "cost"),
    )
