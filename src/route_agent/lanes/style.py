"""How an endpoint is asked: everything of a request but its words. What it refuses by name is left out.

The endpoints that copied a wire format know different parts of it, and say so only when they are asked. The
words of a request never depend on this, so what a provider has cached stays what it was.
"""

from __future__ import annotations

import hashlib
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any, Literal
from urllib.parse import urlsplit

if TYPE_CHECKING:
    from route_agent.config import Endpoint
    from route_agent.lanespec import Effort, LaneSpec
    from route_agent.records.lanes import Prompt

Output = Literal["schema", "json", "text"]
CacheMarking = Literal["marks", "key", "off"]
LimitName = Literal["max_tokens", "max_completion_tokens"]

_FORMS: tuple[Output, ...] = ("text", "json", "schema")  # each asks for more than the one before


@dataclass(frozen=True, slots=True)
class Style:
    """One way of asking.

    Attributes:
        stream: whether the answer is asked for in pieces.
        usage_in_stream: whether the counts are asked for at the end of a stream.
        output: what the answer is held to where the prompt has a shape.
        limit_name: what the limit of an answer is called.
        cache: how the unchanging part is marked for the provider's cache.
        cache_ttl: how long it is kept there.
        effort: how long the model is to think; None leaves it to the provider.
        temperature: None sends none, since newer models refuse it.
        has_json: whether the wire can ask for JSON without a schema.
    """

    stream: bool = True
    usage_in_stream: bool = True
    output: Output = "text"
    limit_name: LimitName = "max_tokens"
    cache: CacheMarking = "off"
    cache_ttl: Literal["5m", "1h"] = "5m"
    effort: Effort | None = None
    temperature: float | None = None
    has_json: bool = True

    def without(self, parameter: str, *, lenient: bool = False) -> Style | None:
        """The next lesser way of asking, without what was refused by name; None where there is none.

        Args:
            parameter: a name from `answers.refused_parameter`.
            lenient: whether the policy's own wishes (effort, temperature) may be left out too.
        """
        match parameter:
            case "output" if self.output != "text":
                lesser = _FORMS[_FORMS.index(self.output) - 1]
                return replace(self, output=lesser if self.has_json else "text")
            case "stream_options" if self.stream and self.usage_in_stream:
                return replace(self, usage_in_stream=False)
            case "stream" if self.stream:
                return replace(self, stream=False)
            case "cache" if self.cache != "off":
                return replace(self, cache="off")
            case "limit":
                older = self.limit_name == "max_tokens"
                return replace(self, limit_name="max_completion_tokens" if older else "max_tokens")
            case "effort" if lenient and self.effort:
                return replace(self, effort=None)
            case "temperature" if lenient and self.temperature is not None:
                return replace(self, temperature=None)
        return None


def style_of(endpoint: Endpoint, model: str, spec: LaneSpec | None = None) -> Style:
    """How an endpoint is first asked for a model: as its settings say, else by its address."""
    provider = endpoint.provider
    limit = provider.output_limit
    if limit == "auto":
        # the servers that copied the format know the older name
        limit = "max_completion_tokens" if _is_at(endpoint, "api.openai.com") else "max_tokens"
    return Style(
        stream=provider.stream,
        output=_output(endpoint, spec),
        limit_name=limit,
        cache=_cache(endpoint, model),
        cache_ttl=spec.cache_ttl if spec else "5m",
        effort=spec.effort if spec else None,
        temperature=spec.temperature if spec else None,
        has_json=provider.wire == "openai",
    )


def _is_at(endpoint: Endpoint, domain: str) -> bool:
    return f".{urlsplit(endpoint.provider.base_url).hostname or ''}".endswith(f".{domain}")


def _output(endpoint: Endpoint, spec: LaneSpec | None) -> Output:
    """What the lane wants, within what the endpoint can do."""
    wanted, able = spec.output if spec else "auto", endpoint.provider.output
    said: list[Output] = [form for form in (wanted, able) if form != "auto"]
    official = _is_at(endpoint, "api.openai.com") or _is_at(endpoint, "api.anthropic.com")
    output: Output = min(said, key=_FORMS.index) if said else "schema" if official else "text"
    return "text" if output == "json" and endpoint.provider.wire == "anthropic" else output


def _cache(endpoint: Endpoint, model: str) -> CacheMarking:
    provider = endpoint.provider
    if provider.wire == "anthropic":
        return "marks" if provider.cache in ("auto", "marks") else "off"
    if provider.cache != "auto":
        return provider.cache
    if _is_at(endpoint, "api.openai.com"):
        return "key"
    # of the models there, these are cached only where a mark says so
    return "marks" if _is_at(endpoint, "openrouter.ai") and model.startswith("anthropic/") else "off"


def cache_key(prompt: Prompt) -> str:
    """One name for all requests that begin alike; it tells nothing of the words."""
    whole = f"{prompt.system}\0{prompt.project}".encode("utf-8", "surrogateescape")
    return f"route-agent-{hashlib.sha256(whole).hexdigest()[:32]}"


def text_block(text: str, style: Style, *, mark: Literal["long", "short", ""] = "") -> dict[str, Any]:
    """A part of a message, and whether a provider is to cache everything up to its end.

    Args:
        mark: `long` for what outlives the task and is kept for `cache_ttl`, `short` for five minutes.
    """
    block: dict[str, Any] = {"type": "text", "text": text}
    if mark and style.cache == "marks":
        kept = {"ttl": "1h"} if mark == "long" and style.cache_ttl == "1h" else {}
        block["cache_control"] = {"type": "ephemeral", **kept}
    return block


def fixed_blocks(prompt: Prompt, style: Style) -> list[dict[str, Any]]:
    """The parts before the first turn: what never changes, and what is the same for one repository."""
    return [text_block(text, style, mark="long") for text in (prompt.system, prompt.project) if text]


def turn_blocks(prompt: Prompt, style: Style) -> list[dict[str, Any]]:
    """The turns as messages of blocks, marked at the task and at the end: four marks are the most allowed."""
    last = len(prompt.turns) - 1
    return [
        {
            "role": turn.role,
            "content": [text_block(turn.text, style, mark="short" if number in (0, last) else "")],
        }
        for number, turn in enumerate(prompt.turns)
    ]
