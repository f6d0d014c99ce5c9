"""One request as a chat completion: the format that OpenAI, OpenRouter, Ollama, vLLM and gateways share."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

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
    from route_agent.config import Endpoint
    from route_agent.records.lanes import Prompt, Usage

_STOPS = {"stop": "end", "length": "max_tokens"}


def complete(
    endpoint: Endpoint, model: str, prompt: Prompt, *, max_output_tokens: int, timeout_s: float
) -> ModelReply:
    """Ask once, by the same terms as `anthropic.complete`."""
    import openai

    from route_agent.lanes.line import opened

    # not streamed: usage comes with every whole answer, while many servers leave it out of a stream
    with opened(endpoint, timeout_s, openai.OpenAI) as (line, client):
        try:
            body = client.chat.completions.create(
                model=model,
                messages=[{"role": "system", "content": prompt.system}, *messages(prompt)],
                extra_body={_limit_name(endpoint): max_output_tokens},
            )
            if error := _error_inside(body):
                refusal = _refusal_inside(endpoint, model, error)
            elif reply := _reply(body):
                return reply
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
        except (openai.APIError, ValueError, RecursionError) as error:
            refusal = line.failure(error)
    # raised outside the handler: the SDK's own error would take request and key along as its context
    raise refusal


def _limit_name(endpoint: Endpoint) -> str:
    """Only OpenAI itself knows the newer name; the servers that copied the format know the older one."""
    host = urlsplit(endpoint.provider.base_url).hostname or ""
    return "max_completion_tokens" if f".{host}".endswith(".api.openai.com") else "max_tokens"


def _error_inside(body: Any) -> Any:
    """The error object of an answer that came with status 200."""
    choices = dig(body, "choices")
    first = choices[0] if isinstance(choices, list) and choices else None
    return dig(body, "error") or dig(first, "error")


def _refusal_inside(endpoint: Endpoint, model: str, error: Any) -> ProviderError:
    code, kind = dig(error, "code"), dig(error, "type")
    return failure(
        endpoint,
        model,
        status_named(code, kind),
        words=(kind, code),
        message=_message(error),
    )


def _message(error: Any) -> str:
    """The sentence in an error, which is an object, or with some servers the sentence itself."""
    return error if isinstance(error, str) else str(dig(error, "message") or dig(error, "detail") or "")


def _reply(body: Any) -> ModelReply | None:
    """The reply in the answer, or None where there is none."""
    choices = dig(body, "choices")
    if not isinstance(choices, list) or not choices:
        return None
    message, reason = dig(choices[0], "message"), str(dig(choices[0], "finish_reason") or "end")
    content = dig(message, "content")
    text = storable(content) if isinstance(content, str) else ""
    return ModelReply(
        text=text,
        model_served=name_of(dig(body, "model")),
        usage=_usage(text, dig(body, "usage")),
        stop="refusal" if dig(message, "refusal") else _STOPS.get(reason, one_line(reason, 40)),
        request_id=name_of(dig(body, "_request_id")) or name_of(dig(body, "id")) or "",
    )


def _usage(text: str, usage: Any) -> Usage | None:
    read, made = dig(usage, "prompt_tokens_details"), dig(usage, "completion_tokens_details")
    return usage_of(
        text,
        input_total=dig(usage, "prompt_tokens"),
        cache_read=dig(read, "cached_tokens"),
        cache_write=dig(read, "cache_write_tokens"),
        output_total=dig(usage, "completion_tokens"),
        reasoning=dig(made, "reasoning_tokens"),
        provider_cost_usd=dig(usage, "cost"),
    )
