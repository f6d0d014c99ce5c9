"""What both wire formats share: how turns are written, and what a provider's answer means in our words.

Statuses, early stops, token counts. No network here.

Everything read here was written by a provider, so nothing is taken on trust: a count may be missing or
negative, a message may repeat the key or hold control characters.
"""

from __future__ import annotations

import math
import re
import unicodedata
from collections.abc import Mapping
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from typing import TYPE_CHECKING, Any, TypeGuard

from route_agent.asking import object_in
from route_agent.errors import ProviderError
from route_agent.records.lanes import Prompt, Usage
from route_agent.redaction import redact

if TYPE_CHECKING:
    from route_agent.config import Endpoint
    from route_agent.records.lanes import ModelReply

_MESSAGE_LETTERS = 300
_SUMMARY_LETTERS = 200
_SUMMARY = re.compile(r"^SUMMARY:[ \t]*(.*)$", re.MULTILINE)
_MOST_TOKENS = 1_000_000_000
_MOST_USD = 1_000_000  # sums of a day's calls must fit the ledger's whole numbers

# status -> our word for it, and whether the same request may succeed a little later
_STATUSES: Mapping[int, tuple[str, bool]] = {
    401: ("authentication", False),
    402: ("quota", False),
    403: ("permission", False),
    404: ("not_found", False),
    407: ("proxy", False),
    408: ("timeout", True),
    409: ("conflict", True),
    413: ("request_too_large", False),
    429: ("rate_limit", True),
    503: ("overloaded", True),
    504: ("timeout", True),
    524: ("timeout", True),
    529: ("overloaded", True),
}

# the providers' own words for an error that came without a status: in a stream, or inside a 200
_STATUS_OF_WORD: Mapping[str, int] = {
    "authentication_error": 401,
    "invalid_api_key": 401,
    "billing_error": 402,
    "insufficient_quota": 402,
    "permission_error": 403,
    "model_not_found": 404,
    "not_found_error": 404,
    "request_too_large": 413,
    "context_length_exceeded": 400,
    "invalid_request_error": 400,
    "rate_limit_error": 429,
    "rate_limit_exceeded": 429,
    "timeout_error": 504,
    "overloaded_error": 529,
}
_QUOTA_WORDS = frozenset({"insufficient_quota", "billing_error", "billing_hard_limit_reached"})
_REFUSING = re.compile(
    r"unsupported|not (?:be )?(?:supported|permitted|allowed|implemented|recogni[sz]ed)|not support"
    r"|un(?:known|recogni[sz]ed|expected)|extra (?:inputs|fields)|only support|invalid|use '?max_",
    re.IGNORECASE,
)
# what a request may have and a server may not know: the first that an error names is what it refused
_PARAMETERS: tuple[tuple[str, re.Pattern[str]], ...] = (
    ("effort", re.compile(r"reasoning_effort|\beffort\b")),
    ("temperature", re.compile(r"\btemperature\b")),
    ("stream_options", re.compile(r"stream_options|include_usage")),
    ("output", re.compile(r"response_format|output_config|output_format|json_schema|json_object")),
    ("cache", re.compile(r"prompt_cache_key|cache_control")),
    ("limit", re.compile(r"max_tokens|max_completion_tokens")),
    ("stream", re.compile(r"\bstream(?:ing|ed)?\b")),
)
_WISHES = ("effort", "temperature")
_PARAMETER_STATUSES = (400, 404, 415, 422, 501)
_CONTEXT_PHRASES = ("context_length_exceeded", "prompt is too long", "context length", "context window")

# how a reply may end early: why it cannot be used, and what a person can do
_EARLY_STOPS: Mapping[str, tuple[str, str]] = {
    "max_tokens": (
        "stopped at the lane's limit of output tokens; a patch that was cut off is never used",
        "raise max_output_tokens of the lane in the policy",
    ),
    "context_window": ("ran out of its context window", "lower max_context_tokens of the lane in the policy"),
    "refusal": ("refused the task", ""),
    "content_filter": ("was stopped by the provider's content filter", ""),
    "error": ("stopped with an error that the provider does not name", ""),
    "abort": ("was stopped by its server", ""),
    "pause_turn": ("paused in the middle of its answer, which it was not asked to do", ""),
    "tool_use": ("called a tool instead of answering, and none was offered", ""),
}

# the wire formats' and their imitators' words for the end of an answer; every other end is an early one
_ENDS = frozenset(
    {"end_turn", "stop", "stop_sequence", "eos", "eos_token", "end", "complete", "completed", "done"}
)
_STOPS: Mapping[str, str] = {
    "length": "max_tokens",
    "model_length": "context_window",
    "model_context_window_exceeded": "context_window",
    "tool_calls": "tool_use",
    "function_call": "tool_use",
}

# what a model made of the request by itself: nobody failed to deliver it, and it is no patch
MODELS_OWN = frozenset({"max_tokens", "refusal", "content_filter", "empty_reply", "stopped_early"})


def messages(prompt: Prompt) -> list[Any]:
    """The turns after the system part, which both wire formats write alike.

    Untyped, since each SDK has a type of its own for each role.
    """
    return [{"role": turn.role, "content": turn.text} for turn in prompt.turns]


def dig(value: Any, *path: str) -> Any:
    """The attribute or entry at the end of the path, or None.

    The SDKs do not check a 200: an object may lack any attribute that its type promises.
    """
    for name in path:
        value = value.get(name) if isinstance(value, Mapping) else getattr(value, name, None)
    return value


def one_line(text: str, letters: int) -> str:
    """The text on one line of at most so many letters, without control and direction characters."""
    spaced = " ".join(text.split())
    kept = "".join(letter for letter in spaced if unicodedata.category(letter)[0] != "C")
    return kept if len(kept) <= letters else kept[: letters - 1] + "…"


def name_of(value: Any) -> str | None:
    """A name that the provider gave (model, request), fit for a report; None where it gave none."""
    return one_line(value, 200) or None if isinstance(value, str) else None


def storable(text: str) -> str:
    """The text with lone surrogates replaced: JSON can carry them, files and the ledger cannot."""
    return text.encode("utf-8", "replace").decode("utf-8")


def stop_named(reason: Any) -> str:
    """Our word for how an answer ended: `end`, or why it broke off; empty where nothing is said."""
    word = one_line(reason, 40) if isinstance(reason, str) else ""
    return "end" if word.lower() in _ENDS else _STOPS.get(word, word)


def refused_parameter(status: int, message: str) -> str:
    """The part of the request that a provider says it does not know; empty where it names none."""
    if status not in _PARAMETER_STATUSES or not _REFUSING.search(message):
        return ""
    return next((name for name, words in _PARAMETERS if words.search(message)), "")


def broken_off(error: ProviderError, prompt: Prompt, text: str) -> ProviderError:
    """The error of an answer that broke off, with about how much of it had come: that may be billed."""
    if not text:
        return error
    written = estimated_tokens(text)
    what = f"{error.what}; about {written} output tokens had arrived"
    partial = Usage(input_total=prompt.estimated_tokens, output_total=written, is_estimate=True)
    return ProviderError(
        what,
        kind=error.kind,
        retryable=error.retryable,
        maybe_billed=True,
        retry_after=error.retry_after,
        partial=partial,
        hint=error.hint,
    )


def estimated_tokens(text: str) -> int:
    """About how many tokens a text is, by the rule of `Prompt.estimated_tokens`."""
    return Prompt("", text).estimated_tokens


def scrubbed(endpoint: Endpoint, text: str) -> str:
    """A provider's words for a person: short, on one line, without the key or any header we sent."""
    sent = (endpoint.key, endpoint.key.strip(), *endpoint.provider.headers.values())
    for value in sorted(sent, key=len, reverse=True):
        if len(value) >= 8 or (value and value in (endpoint.key, endpoint.key.strip())):
            text = text.replace(value, "[key]")
    return one_line(redact(text), _MESSAGE_LETTERS)


def failure(
    endpoint: Endpoint,
    model: str,
    status: int,
    *,
    words: tuple[Any, ...] = (),
    message: str = "",
    headers: Mapping[str, str] | None = None,
    begun: bool = False,
) -> ProviderError:
    """What an error answer means.

    Args:
        status: of the HTTP answer, or from `status_named` where the error came inside a 200.
        words: the provider's own type and code.
        message: the provider's own sentence.
        headers: of the answer: when to come back, where it points to.
        begun: whether part of a reply had already come.
    """
    headers = headers or {}
    told = tuple(str(word) for word in words if word)
    kind, retryable = _meaning(status, told, message)
    if headers.get("x-should-retry") == "false":
        retryable = False
    if message.lstrip().startswith("<"):
        message = "a web page"
    if kind == "redirect":
        message = f"pointed to {headers.get('location', 'no address')}; a key is never sent on"
    refused = kind == "bad_request" or (kind == "not_found" and status == 404) or status == 501
    parameter = refused_parameter(status, " ".join((message, *told))) if refused and not begun else ""
    label = f" ({told[0]})" if told and told[0] != str(status) else ""
    sentence = f"{endpoint.name} answered {status}{label}" + (f": {message}" if message else "")
    return ProviderError(
        scrubbed(endpoint, sentence),
        kind=kind,
        retryable=retryable,
        maybe_billed=begun or kind == "timeout",
        retry_after=_seconds_to_wait(headers) if retryable else None,
        parameter=parameter,
        hint=_hint(parameter if parameter in _WISHES else kind, endpoint, model),
    )


def status_named(*words: Any) -> int:
    """The HTTP status that a provider's own code or type stands for; 500 where it says neither."""
    for word in words:
        text = str(word)
        if len(text) == 3 and text.isdecimal() and 300 <= int(text) <= 599:
            return int(text)
        if text in _STATUS_OF_WORD:
            return _STATUS_OF_WORD[text]
    return 500


def _meaning(status: int, words: tuple[str, ...], message: str) -> tuple[str, bool]:
    if _QUOTA_WORDS & set(words):
        return "quota", False  # no money does not pass by waiting, though some answer 429 to it
    if status in (400, 413) and any(
        phrase in text.lower() for phrase in _CONTEXT_PHRASES for text in (*words, message)
    ):
        return "context_window", False
    if status in _STATUSES:
        return _STATUSES[status]
    if 300 <= status < 400:
        return "redirect", False
    return ("server_error", True) if status >= 500 else ("bad_request", False)


def _hint(kind: str, endpoint: Endpoint, model: str) -> str:
    key = endpoint.provider.key_env
    return {
        "authentication": (
            f"check the key in {key}"
            if key
            else f"provider {endpoint.name} is set up without a key (key_env): route-agent config edit"
        ),
        "permission": f"may the key in {key} use {model}?" if key else f"who may use {model} there?",
        "not_found": f'is "{model}" a model of {endpoint.name}, and base_url right? route-agent config show',
        "quota": f"add credit for {'the key in ' + key if key else endpoint.name}, or choose another model",
        "context_window": "lower max_context_tokens of the lane in the policy",
        "request_too_large": "lower max_context_tokens of the lane in the policy",
        "redirect": f"set base_url of provider {endpoint.name} to the final address: route-agent config edit",
        "proxy": "the proxy of HTTPS_PROXY wants credentials",
        "effort": f"leave out effort of the lane in the policy, or name one that {model} knows",
        "temperature": "leave out temperature of the lane in the policy",
    }.get(kind, "")


def _seconds_to_wait(headers: Mapping[str, str]) -> float | None:
    """Seconds asked for by `Retry-After` (a number or a date) or its finer form; None for nonsense."""
    try:
        if milliseconds := headers.get("retry-after-ms"):
            wait = float(milliseconds) / 1000
        else:
            wait = float(headers.get("retry-after", ""))
    except ValueError:
        try:
            moment = parsedate_to_datetime(headers.get("retry-after", ""))
            wait = (moment.astimezone(UTC) - datetime.now(UTC)).total_seconds()
        except (ValueError, OverflowError):
            return None
    return wait if math.isfinite(wait) and wait >= 0 else None


def usage_of(
    text: str,
    *,
    input_total: Any,
    output_total: Any,
    cache_read: Any = None,
    cache_write: Any = None,
    cache_write_1h: Any = None,
    reasoning: Any = None,
    provider_cost_usd: Any = None,
) -> Usage | None:
    """The counts as a `Usage`, or None where they cannot be true: what is unknown is never counted as 0.

    Args:
        text: the reply, which took more than no tokens if there is one.
    """
    totals = (input_total, output_total)
    parts = tuple(
        0 if part is None else part for part in (cache_read, cache_write, reasoning, cache_write_1h)
    )
    if not all(_is_count(value) for value in (*totals, *parts)):
        return None
    if input_total == 0 or (text and output_total == 0):
        return None
    if parts[0] + parts[1] > input_total or parts[3] > parts[1] or parts[2] > output_total:
        return None  # a part is never more than its whole
    return Usage(
        input_total=input_total,
        cache_read=parts[0],
        cache_write=parts[1],
        output_total=output_total,
        reasoning=parts[2],
        cache_write_1h=parts[3],
        provider_cost_usd=float(provider_cost_usd) if is_price(provider_cost_usd) else None,
    )


def _is_count(value: Any) -> bool:
    return isinstance(value, int) and not isinstance(value, bool) and 0 <= value <= _MOST_TOKENS


def is_price(value: Any) -> TypeGuard[int | float]:
    """Whether a provider's figure can be what a call has cost, in dollars."""
    return isinstance(value, int | float) and not isinstance(value, bool) and 0 <= value <= _MOST_USD


def summary_in(reply: str) -> str:
    """What the reply says of itself, as `SUMMARY: …` or under `summary` of its JSON, fit for a report."""
    told = (object_in(reply) or {}).get("summary")
    if not isinstance(told, str):
        found = _SUMMARY.search(reply)
        told = found[1] if found else ""
    return one_line(told, _SUMMARY_LETTERS)


def require_whole(reply: ModelReply, model: str) -> None:
    """Refuse a reply that is not the model's whole answer.

    Called once the reply is recorded, since a reply that was cut short is paid for like any other.

    Raises:
        ProviderError: it stopped early, was refused or is empty; asking again would not help.
    """
    if early := _EARLY_STOPS.get(reply.stop):
        why, hint = early
        raise ProviderError(f"{model} {why}", kind=reply.stop, hint=hint)
    if reply.stop not in ("", "end"):
        raise ProviderError(f'{model} stopped early: "{reply.stop}"', kind="stopped_early")
    if not reply.text.strip():
        raise ProviderError(f"{model} sent an empty reply", kind="empty_reply")
