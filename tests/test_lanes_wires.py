"""Both wire formats through the real SDKs: one set of words whatever the provider does."""

from __future__ import annotations

import gzip
import json
import socket
import threading
import time
import traceback
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from email.utils import format_datetime
from importlib import import_module
from typing import Any, Literal

import pytest
from loopback import KEY_ENV, Fault, Loopback, Reply, Request, encoded

from route_agent.config import Endpoint, Provider, Wire
from route_agent.errors import ProviderError
from route_agent.lanes import anthropic, openai
from route_agent.lanes.answers import require_whole
from route_agent.lanes.style import cache_key, style_of
from route_agent.policy import LaneSpec
from route_agent.records.lanes import ModelReply, Prompt, Shape, Turn

KEY = "sk-loop-0123456789abcdef"
PROMPT = Prompt("You write patches.", "Fix the retry leak.")
# two cores are shared by many tests: generous against the noise, small against a minute of hanging
SLACK_S = 2.0


@pytest.fixture(scope="module", autouse=True)
def sdks() -> None:
    """Import both SDKs before a test looks at the clock."""
    import_module("anthropic")
    import_module("openai")


@pytest.fixture
def server() -> Iterator[Loopback]:
    with Loopback() as running:
        yield running


@dataclass(frozen=True)
class Wired:
    """One wire format against the server."""

    wire: Wire
    server: Loopback
    stream: bool = True

    def provider(self, **fields: Any) -> Provider:
        url = self.server.anthropic_url if self.wire == "anthropic" else self.server.openai_url
        own = {"wire": self.wire, "base_url": url, "key_env": KEY_ENV, "stream": self.stream}
        return Provider(**{**own, **fields})

    def ask(
        self,
        *answers: Reply | Fault,
        timeout_s: float = 20.0,
        key: str = KEY,
        prompt: Prompt = PROMPT,
        spec: dict[str, Any] | None = None,
        **fields: Any,
    ) -> ModelReply:
        """Script the answers for the model `small` and ask it once, as a lane of these settings would."""
        self.server.script("small", *answers)
        complete = anthropic.complete if self.wire == "anthropic" else openai.complete
        endpoint = Endpoint("loop", self.provider(**fields), key)
        style = style_of(endpoint, "small", LaneSpec(provider="loop", model="small", **(spec or {})))
        return complete(endpoint, "small", prompt, max_output_tokens=900, timeout_s=timeout_s, style=style)

    def fail(self, *answers: Reply | Fault, **options: Any) -> ProviderError:
        """Ask once and return the error; the key is in no part of it."""
        with pytest.raises(ProviderError) as caught:
            self.ask(*answers, **options)
        error = caught.value
        assert KEY not in "".join(traceback.format_exception(error)) + error.hint + repr(vars(error))
        assert error.__cause__ is None
        assert error.__context__ is None
        return error

    @property
    def sent(self) -> Request:
        return self.server.requests[-1]


@pytest.fixture(params=["anthropic", "openai", "openai-whole"])
def wired(request: pytest.FixtureRequest, server: Loopback) -> Wired:
    wire, _, whole = request.param.partition("-")
    return Wired(wire, server, stream=not whole)


@pytest.fixture
def chat(server: Loopback) -> Wired:
    return Wired("openai", server)


@pytest.fixture
def messages(server: Loopback) -> Wired:
    return Wired("anthropic", server)


@pytest.fixture(params=["anthropic", "openai"])
def streamed(request: pytest.FixtureRequest, server: Loopback) -> Wired:
    return Wired(request.param, server)


@pytest.fixture(params=["anthropic", "openai"])
def whole(request: pytest.FixtureRequest, server: Loopback) -> Wired:
    return Wired(request.param, server, stream=False)


def test_a_reply_comes_back_whole_with_its_counts_and_the_model_that_answered(wired: Wired) -> None:
    text = "SUMMARY: mend it\n--- a/sync.py\n+++ b/sync.py\n" + "+größer ≥ 1\r\n" * 200

    reply = wired.ask(
        Reply(
            text,
            served_model="small-2026-10-01",
            input_tokens=1000,
            cache_read=600,
            cache_write=100,
            output_tokens=70,
            reasoning=20,
        )
    )

    assert reply.text == text
    assert reply.model_served == "small-2026-10-01"
    assert reply.stop == "end"
    assert reply.request_id == "req_scripted"
    assert reply.usage is not None
    assert (reply.usage.input_total, reply.usage.cache_read, reply.usage.cache_write) == (1000, 600, 100)
    assert (reply.usage.output_total, reply.usage.reasoning) == (70, 20)
    assert wired.server.calls == [(wired.wire, "small")]


def test_the_unchanging_part_goes_first_and_is_marked_for_the_cache(messages: Wired) -> None:
    messages.ask(Reply("ok"))

    mark = {"type": "ephemeral"}
    assert messages.sent.body == {
        "model": "small",
        "system": [{"type": "text", "text": PROMPT.system, "cache_control": mark}],
        "messages": [
            {"role": "user", "content": [{"type": "text", "text": PROMPT.user, "cache_control": mark}]}
        ],
        "max_tokens": 900,
        "stream": True,
    }


def test_a_chat_completion_is_asked_with_what_every_server_knows(chat: Wired) -> None:
    chat.ask(Reply("ok"))
    chat.ask(Reply("ok"), stream=False)

    streamed, whole = (request.body for request in chat.server.requests)
    assert whole == {
        "model": "small",
        "messages": [
            {"role": "system", "content": PROMPT.system},
            {"role": "user", "content": PROMPT.user},
        ],
        "max_tokens": 900,
    }
    assert streamed == {**whole, "stream": True, "stream_options": {"include_usage": True}}


LONG = Prompt("Rules.", "The task.", (Turn("assistant", "a patch"), Turn("user", "refused")), "The outline.")


def test_what_is_kept_longest_stands_first_and_at_most_four_marks_are_set(messages: Wired) -> None:
    messages.ask(Reply("ok"), prompt=LONG, spec={"cache_ttl": "1h"})

    body = messages.sent.body
    long, short = {"type": "ephemeral", "ttl": "1h"}, {"type": "ephemeral"}
    assert [(block["text"], block["cache_control"]) for block in body["system"]] == [
        ("Rules.", long),
        ("The outline.", long),
    ]
    turns = [turn["content"][0] for turn in body["messages"]]
    assert [(turn["text"], turn.get("cache_control")) for turn in turns] == [
        ("The task.", short),
        ("a patch", None),
        ("refused", short),
    ]


@pytest.mark.parametrize("cache", ["off", "key"])
def test_no_mark_is_set_where_the_endpoint_is_not_to_have_any(messages: Wired, cache: str) -> None:
    messages.ask(Reply("ok"), prompt=LONG, cache=cache)

    assert "cache_control" not in json.dumps(messages.sent.body)


def test_the_parts_that_never_change_are_the_beginning_of_a_chat_completion(chat: Wired) -> None:
    chat.ask(Reply("ok"), prompt=LONG)

    assert chat.sent.body["messages"] == [
        {"role": "system", "content": "Rules.\n\nThe outline."},
        {"role": "user", "content": "The task."},
        {"role": "assistant", "content": "a patch"},
        {"role": "user", "content": "refused"},
    ]
    assert "prompt_cache_key" not in chat.sent.body


def test_a_chat_completion_can_carry_marks(chat: Wired) -> None:
    chat.ask(Reply("ok"), prompt=LONG, cache="marks")

    (system, *turns) = chat.sent.body["messages"]
    assert [block["text"] for block in system["content"]] == ["Rules.", "The outline."]
    assert sum("cache_control" in part for it in (system, *turns) for part in it["content"]) == 4


def test_requests_that_begin_alike_have_the_same_key_and_it_tells_nothing(chat: Wired) -> None:
    other_task = Prompt(LONG.system, "Another task.", project=LONG.project)
    other_project = Prompt(LONG.system, LONG.user, project="Another outline.")

    for prompt in (LONG, other_task, other_project):
        chat.ask(Reply("ok"), prompt=prompt, cache="key")

    first, second, third = (request.body["prompt_cache_key"] for request in chat.server.requests)
    assert first == second == cache_key(LONG) != third
    assert len(first) <= 64
    assert "outline" not in first


@pytest.mark.parametrize(
    ("base_url", "model", "expected"),
    [
        ("https://api.openai.com/v1", "gpt-6", "key"),
        ("https://openrouter.ai/api/v1", "anthropic/claude-opus-5", "marks"),
        ("https://openrouter.ai/api/v1", "openai/gpt-6", "off"),
        ("http://localhost:11434/v1", "anthropic/claude-opus-5", "off"),
        ("https://openrouter.ai.example.org/api/v1", "anthropic/claude-opus-5", "off"),
    ],
)
def test_how_the_cache_is_marked_goes_by_the_address(base_url: str, model: str, expected: str) -> None:
    assert style_of(Endpoint("any", Provider(base_url=base_url)), model).cache == expected


SHAPED = Prompt("Rules.", "The task.", shape=Shape("patch", {"type": "object"}))


@pytest.mark.parametrize(
    ("wire", "base_url", "able", "wanted", "expected"),
    [
        ("openai", "https://api.openai.com/v1", "auto", "auto", "schema"),
        ("anthropic", "https://api.anthropic.com", "auto", "auto", "schema"),
        ("openai", "https://openrouter.ai/api/v1", "auto", "auto", "text"),
        ("anthropic", "http://localhost:4000", "auto", "auto", "text"),
        ("openai", "http://localhost:4000/v1", "schema", "auto", "schema"),
        ("openai", "http://localhost:4000/v1", "json", "schema", "json"),
        ("openai", "http://localhost:4000/v1", "auto", "schema", "schema"),
        ("openai", "https://api.openai.com/v1", "schema", "text", "text"),
        ("anthropic", "https://api.anthropic.com", "auto", "json", "text"),
    ],
)
def test_what_an_answer_is_held_to_is_what_the_lane_wants_and_the_endpoint_can(
    wire: Wire, base_url: str, able: Any, wanted: Any, expected: str
) -> None:
    endpoint = Endpoint("any", Provider(wire=wire, base_url=base_url, output=able))

    assert (
        style_of(endpoint, "small", LaneSpec(provider="any", model="small", output=wanted)).output == expected
    )


def test_a_shape_is_sent_in_the_words_of_the_wire(wired: Wired) -> None:
    wired.ask(Reply('{"edits": []}'), prompt=SHAPED, output="schema")

    if wired.wire == "anthropic":
        assert wired.sent.body["output_config"] == {
            "format": {"type": "json_schema", "schema": {"type": "object"}}
        }
    else:
        assert wired.sent.body["response_format"] == {
            "type": "json_schema",
            "json_schema": {"name": "patch", "schema": {"type": "object"}, "strict": True},
        }


def test_json_without_a_schema_is_asked_for_where_no_more_can_be_had(chat: Wired) -> None:
    chat.ask(Reply("{}"), prompt=SHAPED, output="json")

    assert chat.sent.body["response_format"] == {"type": "json_object"}


def test_the_words_of_a_request_are_the_same_whatever_its_answer_is_held_to(chat: Wired) -> None:
    for output in ("schema", "json", "text"):
        chat.ask(Reply("{}"), prompt=SHAPED, output=output)

    first, *others = (request.body["messages"] for request in chat.server.requests)
    assert all(it == first for it in others)
    assert "response_format" not in chat.sent.body


@pytest.mark.parametrize(
    ("effort", "expected"),
    [
        ("high", {"output_config": {"effort": "high"}}),
        ("minimal", {"output_config": {"effort": "low"}}),
        ("none", {"thinking": {"type": "disabled"}}),
    ],
)
def test_effort_is_said_in_the_words_of_the_wire(
    server: Loopback, effort: str, expected: dict[str, Any]
) -> None:
    messages, chat = Wired("anthropic", server), Wired("openai", server)

    messages.ask(Reply("ok"), spec={"effort": effort})
    chat.ask(Reply("ok"), spec={"effort": effort})

    assert (
        expected.items() <= messages.sent.body.items() or expected.items() <= server.requests[0].body.items()
    )
    assert chat.sent.body["reasoning_effort"] == effort


def test_a_temperature_is_sent_where_the_policy_gives_one(wired: Wired) -> None:
    wired.ask(Reply("ok"), spec={"temperature": 0.0})

    assert wired.sent.body["temperature"] == 0.0


def test_a_long_answer_may_come_as_a_whole(messages: Wired) -> None:
    endpoint = Endpoint("loop", messages.provider(stream=False), KEY)
    messages.server.script("small", Reply("ok"))

    reply = anthropic.complete(endpoint, "small", PROMPT, max_output_tokens=64_000, timeout_s=20)

    assert reply.text == "ok"
    assert messages.sent.body["stream"] is False


@pytest.mark.parametrize(
    ("base_url", "name"),
    [
        ("https://api.openai.com/v1", "max_completion_tokens"),
        ("https://eu.api.openai.com/v1", "max_completion_tokens"),
        ("https://openrouter.ai/api/v1", "max_tokens"),
        ("https://api.openai.com.example.org/v1", "max_tokens"),
        ("https://myapi.openai.com/v1", "max_tokens"),
    ],
)
def test_only_openai_itself_is_sent_the_newer_name_of_the_output_limit(base_url: str, name: str) -> None:
    assert style_of(Endpoint("any", Provider(base_url=base_url)), "small").limit_name == name


def test_a_server_may_be_told_to_know_the_newer_name(chat: Wired) -> None:
    chat.ask(Reply("ok"), output_limit="max_completion_tokens")

    assert chat.sent.body["max_completion_tokens"] == 900
    assert "max_tokens" not in chat.sent.body


def test_the_providers_own_cost_is_kept(chat: Wired) -> None:
    reply = chat.ask(Reply("ok", cost=0.00123))

    assert reply.usage is not None
    assert reply.usage.provider_cost_usd == 0.00123


@pytest.mark.parametrize("cost", [-1, True, "0.5", float("nan"), float("inf")])
def test_a_cost_that_cannot_be_true_is_left_out(chat: Wired, cost: Any) -> None:
    reply = chat.ask(Reply("ok", cost=cost))

    assert reply.usage is not None
    assert reply.usage.provider_cost_usd is None


@pytest.mark.parametrize(
    "counts",
    [None, {}, (-5, 10), (10, -5), (10, 10**12), (0, 10), (10, 0), ("many", 10), (10, None)],
    ids=str,
)
def test_counts_that_are_missing_or_cannot_be_true_are_unknown_and_not_zero(
    wired: Wired, counts: tuple[Any, Any] | dict[str, Any] | None
) -> None:
    names = ("input_tokens", "output_tokens")
    if wired.wire == "openai":
        names = ("prompt_tokens", "completion_tokens")
    usage = dict(zip(names, counts, strict=True)) if isinstance(counts, tuple) else counts

    reply = wired.ask(Reply("text that took tokens", usage=usage))

    assert reply.text == "text that took tokens"
    assert reply.usage is None


@pytest.mark.parametrize(
    ("wire", "usage"),
    [
        ("openai", {"prompt_tokens_details": {"cached_tokens": 101}}),
        ("openai", {"prompt_tokens_details": {"cached_tokens": 60, "cache_write_tokens": 60}}),
        ("openai", {"completion_tokens_details": {"reasoning_tokens": 51}}),
        ("openai", {"completion_tokens_details": {"reasoning_tokens": "many"}, "total_tokens": 150}),
        ("anthropic", {"cache_creation_input_tokens": 5, "cache_creation": {"ephemeral_1h_input_tokens": 6}}),
        ("anthropic", {"cache_read_input_tokens": -1}),
        ("anthropic", {"output_tokens_details": {"thinking_tokens": 51}}),
    ],
)
def test_a_part_that_is_more_than_its_whole_makes_the_counts_unknown(
    server: Loopback, wire: Wire, usage: dict[str, Any]
) -> None:
    totals = {"prompt_tokens": 100, "completion_tokens": 50, "input_tokens": 100, "output_tokens": 50}

    for stream in (True, False):
        assert Wired(wire, server, stream).ask(Reply("text", usage=totals | usage)).usage is None


def test_thinking_that_is_counted_apart_is_output_too(chat: Wired) -> None:
    usage = {
        "prompt_tokens": 100,
        "completion_tokens": 50,
        "total_tokens": 170,
        "completion_tokens_details": {"reasoning_tokens": 20},
    }

    counted = chat.ask(Reply("text", usage=usage)).usage

    assert counted is not None
    assert (counted.output_total, counted.reasoning) == (70, 20)


@pytest.mark.parametrize("stream", [True, False])
def test_what_is_written_to_the_cache_for_an_hour_is_told_apart(messages: Wired, stream: bool) -> None:
    reply = messages.ask(Reply("text", cache_write=300, cache_write_1h=200), stream=stream)

    assert reply.usage is not None
    assert (reply.usage.cache_write, reply.usage.cache_write_1h) == (300, 200)


def test_nothing_leaves_but_the_protocol_and_what_the_user_configured(
    wired: Wired, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name, value in {
        "OPENAI_ORG_ID": "org-secret",
        "OPENAI_PROJECT_ID": "proj-secret",
        "OPENAI_API_KEY": "sk-other",
        "OPENAI_ADMIN_KEY": "sk-admin",
        "OPENAI_CUSTOM_HEADERS": "x-corporate: secret\nauthorization: Bearer other",
        "ANTHROPIC_API_KEY": "sk-ant-other",
        "ANTHROPIC_AUTH_TOKEN": "token-other",
        "ANTHROPIC_CUSTOM_HEADERS": "x-corporate: secret\nauthorization: Bearer other",
    }.items():
        monkeypatch.setenv(name, value)

    wired.ask(Reply("ok"), headers={"X-Team": "sync"})

    headers = wired.sent.headers
    assert headers.pop("authorization") == f"Bearer {KEY}"
    assert headers.pop("x-team") == "sync"
    headers.pop("anthropic-version", None)
    assert set(headers) == {
        "host",
        "accept",
        "accept-encoding",
        "connection",
        "content-length",
        "content-type",
        "user-agent",
    }
    assert "secret" not in repr(wired.sent)
    assert "other" not in repr(wired.sent)


def test_an_address_from_the_environment_is_not_used(wired: Wired, monkeypatch: pytest.MonkeyPatch) -> None:
    with Loopback() as elsewhere:
        monkeypatch.setenv("ANTHROPIC_BASE_URL", elsewhere.anthropic_url)
        monkeypatch.setenv("OPENAI_BASE_URL", elsewhere.openai_url)

        assert wired.ask(Reply("ok")).text == "ok"
        assert elsewhere.requests == []


def test_a_proxy_from_the_environment_is_not_used_for_this_machine(
    wired: Wired, monkeypatch: pytest.MonkeyPatch
) -> None:
    with Loopback() as proxy:
        for name in ("HTTP_PROXY", "http_proxy", "ALL_PROXY", "all_proxy"):
            monkeypatch.setenv(name, proxy.anthropic_url)
        monkeypatch.delenv("NO_PROXY", raising=False)
        monkeypatch.delenv("no_proxy", raising=False)

        assert wired.ask(Reply("ok")).text == "ok"
        assert proxy.requests == []


def test_a_gateway_may_want_the_key_in_the_older_header(wired: Wired) -> None:
    wired.ask(Reply("ok"), key_header="x-api-key")

    assert wired.sent.headers["x-api-key"] == KEY
    assert "authorization" not in wired.sent.headers


def test_a_gateway_may_want_an_older_version_of_the_protocol(messages: Wired) -> None:
    messages.ask(Reply("ok"), version="2023-06-01")

    assert messages.sent.headers["anthropic-version"] == "2023-06-01"


def test_a_server_that_needs_no_key_is_sent_none(wired: Wired) -> None:
    wired.ask(Reply("ok"), key="", key_env="")

    assert not {"authorization", "x-api-key"} & set(wired.sent.headers)


@pytest.mark.parametrize(
    ("status", "word", "kind", "retryable", "billed"),
    [
        (400, "invalid_request_error", "bad_request", False, False),
        (401, "authentication_error", "authentication", False, False),
        (402, "", "quota", False, False),
        (403, "permission_error", "permission", False, False),
        (404, "not_found_error", "not_found", False, False),
        (408, "", "timeout", True, True),
        (413, "request_too_large", "request_too_large", False, False),
        (422, "", "bad_request", False, False),
        (429, "rate_limit_error", "rate_limit", True, False),
        (429, "insufficient_quota", "quota", False, False),
        (500, "api_error", "server_error", True, False),
        (503, "", "overloaded", True, False),
        (504, "", "timeout", True, True),
        (529, "overloaded_error", "overloaded", True, False),
    ],
)
def test_an_error_status_has_one_meaning_in_both_formats(
    wired: Wired, status: int, word: str, kind: str, retryable: bool, billed: bool
) -> None:
    error = wired.fail(Fault.status(status, "the provider's sentence", kind=word))

    assert (error.kind, error.retryable, error.maybe_billed) == (kind, retryable, billed)
    assert str(error).startswith(f"loop answered {status}")
    assert "the provider's sentence" in str(error)
    assert len(wired.server.calls) == 1, "the SDK retried by itself"


@pytest.mark.parametrize(
    ("word", "message"),
    [
        ("context_length_exceeded", "too many tokens"),
        ("invalid_request_error", "prompt is too long: 210000 tokens > 200000 maximum"),
        ("", "This model's maximum context length is 8192 tokens"),
    ],
)
def test_a_request_that_is_too_long_is_told_from_other_bad_requests(
    wired: Wired, word: str, message: str
) -> None:
    error = wired.fail(Fault.status(400, message, kind=word))

    assert error.kind == "context_window"
    assert "max_context_tokens" in error.hint


@pytest.mark.parametrize("status", [401, 403])
def test_a_refused_key_is_named_by_its_variable_and_never_shown(wired: Wired, status: int) -> None:
    error = wired.fail(Fault.status(status, f"Incorrect API key provided: {KEY}."))

    assert KEY_ENV in error.hint
    assert "[key]" in str(error)


def test_a_secret_header_of_the_user_is_not_shown_either(wired: Wired) -> None:
    secret = {"x-portkey-api-key": "pk-very-secret-1"}

    error = wired.fail(Fault.status(401, "no such key: pk-very-secret-1"), headers=secret)

    assert "pk-very-secret-1" not in str(error)


def test_a_key_with_a_newline_at_its_end_is_used_without_it(wired: Wired) -> None:
    wired.ask(Reply("ok"), key=KEY + "\n")

    assert wired.sent.headers["authorization"] == f"Bearer {KEY}"


def test_a_key_that_cannot_be_one_is_refused_before_anything_is_sent(wired: Wired) -> None:
    error = wired.fail(key=f"{KEY}\r\nx-evil: 1")

    assert error.kind == "bad_key"
    assert KEY_ENV in error.hint
    assert wired.server.requests == []


def test_a_providers_words_cannot_write_on_the_terminal(wired: Wired) -> None:
    error = wired.fail(Fault.status(400, "\x1b]52;c;aGk=\x07first\r\n\u202esecond " + "x" * 5000))

    assert str(error).isprintable()
    assert "first second" in str(error)
    assert len(str(error)) <= 300


@pytest.mark.parametrize(
    ("asked", "expected"),
    [
        ("7", 7.0),
        ("0.5", 0.5),
        ("3600", 3600.0),
        ("-3", None),
        ("soon", None),
        ("1e999", None),
        ("nan", None),
        ("Wed, 99 Foo 2026", None),
    ],
)
def test_the_wait_that_a_provider_asks_for_is_read_in_seconds(
    wired: Wired, asked: str, expected: float | None
) -> None:
    assert wired.fail(Fault.status(429, retry_after=asked)).retry_after == expected


def test_the_wait_that_a_provider_asks_for_may_be_a_date(wired: Wired) -> None:
    later = format_datetime(datetime.now(UTC) + timedelta(seconds=40), usegmt=True)

    wait = wired.fail(Fault.status(503, retry_after=later)).retry_after

    assert wait is not None
    assert 30 < wait <= 40


def test_a_provider_can_say_that_trying_again_is_no_use(wired: Wired) -> None:
    error = wired.fail(Fault.status(529, headers={"x-should-retry": "false"}))

    assert (error.kind, error.retryable) == ("overloaded", False)


@pytest.mark.parametrize(
    "fault", [Fault.hang(), Fault.drip(), Fault.drip(headers=True), Fault.pings()], ids=lambda _: ""
)
def test_no_server_can_hold_a_request_beyond_its_deadline(wired: Wired, fault: Fault) -> None:
    began = time.monotonic()

    error = wired.fail(fault, timeout_s=0.3)

    assert 0.3 <= time.monotonic() - began < 0.3 + SLACK_S
    assert (error.kind, error.retryable, error.maybe_billed) == ("timeout", True, True)
    assert "within 0.3 s" in str(error)


def test_a_request_leaves_no_thread_behind(wired: Wired) -> None:
    before = set(threading.enumerate())

    wired.ask(Reply("ok"))
    wired.fail(Fault.refuse())

    timers = [thread for thread in set(threading.enumerate()) - before if isinstance(thread, threading.Timer)]
    assert timers == []


def test_a_port_where_nobody_listens_is_told_at_once(wired: Wired) -> None:
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        address = f"127.0.0.1:{free.getsockname()[1]}"
    began = time.monotonic()

    error = wired.fail(base_url=f"http://{address}/v1")

    assert time.monotonic() - began < SLACK_S
    assert (error.kind, error.retryable, error.maybe_billed) == ("connection", False, False)
    assert address in str(error)
    assert "Connection refused" in str(error)
    assert "is a server running there?" in error.hint


def test_a_server_that_accepts_nobody_is_given_up_before_the_deadline(
    wired: Wired, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("route_agent.lanes.line._CONNECT_S", 0.3)
    with socket.socket() as busy, socket.socket() as first, socket.socket() as second:
        busy.bind(("127.0.0.1", 0))
        busy.listen(0)
        for waiting in (first, second):
            waiting.setblocking(False)
            waiting.connect_ex(busy.getsockname())
        began = time.monotonic()

        error = wired.fail(base_url=f"http://127.0.0.1:{busy.getsockname()[1]}/v1")

    assert 0.3 <= time.monotonic() - began < 0.3 + SLACK_S
    assert (error.kind, error.maybe_billed) == ("connection", False)


def test_a_server_that_speaks_no_tls_is_a_connection_error(wired: Wired) -> None:
    error = wired.fail(base_url=f"https://{wired.server.address}/v1")

    assert (error.kind, error.maybe_billed) == ("connection", False)
    assert wired.server.requests == []


def test_a_proxy_that_wants_credentials_is_named_and_asked_once(
    wired: Wired, monkeypatch: pytest.MonkeyPatch
) -> None:
    with socket.create_server(("127.0.0.1", 0)) as proxy:
        refusal = b"HTTP/1.1 407 Proxy Authentication Required\r\ncontent-length: 0\r\n\r\n"

        def answer() -> None:
            connection, _ = proxy.accept()
            with connection:
                connection.recv(4096)
                connection.sendall(refusal)

        threading.Thread(target=answer, daemon=True).start()
        for name in ("HTTPS_PROXY", "https_proxy"):
            monkeypatch.setenv(name, f"http://127.0.0.1:{proxy.getsockname()[1]}")
        for name in ("NO_PROXY", "no_proxy"):
            monkeypatch.delenv(name, raising=False)

        error = wired.fail(base_url="https://models.example.org/v1")

    assert (error.kind, error.retryable, error.maybe_billed) == ("proxy", False, False)
    assert "HTTPS_PROXY" in error.hint


def test_a_connection_that_breaks_without_a_word_may_have_been_billed(wired: Wired) -> None:
    error = wired.fail(Fault.refuse())

    assert (error.kind, error.retryable, error.maybe_billed) == ("cut_off", True, True)


def test_a_web_page_instead_of_a_reply_is_told_as_one(wired: Wired) -> None:
    error = wired.fail(Fault.html())

    assert (error.kind, error.retryable, error.maybe_billed) == ("bad_response", False, False)
    assert "web page" in str(error)
    assert "base_url" in error.hint


def test_a_web_page_with_an_error_status_is_not_printed(wired: Wired) -> None:
    error = wired.fail(Fault.html(502))

    assert error.kind == "server_error"
    assert str(error) == "loop answered 502: a web page"


@pytest.mark.parametrize(
    ("code", "kind", "retryable"),
    [
        (429, "rate_limit", True),
        ("402", "quota", False),
        (502, "server_error", True),
        ("invalid_api_key", "authentication", False),
        ("something_new", "server_error", True),
    ],
)
def test_an_error_inside_a_200_is_an_error(chat: Wired, code: int | str, kind: str, retryable: bool) -> None:
    error = chat.fail(Fault.error_in_200("upstream said no", code))

    assert (error.kind, error.retryable) == (kind, retryable)
    assert "upstream said no" in str(error)


@pytest.mark.parametrize(
    ("code", "kind"), [("rate_limit_error", "rate_limit"), ("authentication_error", "authentication")]
)
def test_an_error_inside_a_200_instead_of_a_stream_is_an_error(messages: Wired, code: str, kind: str) -> None:
    assert messages.fail(Fault.error_in_200(code=code)).kind == kind


def test_an_error_inside_a_choice_is_an_error(chat: Wired) -> None:
    body = {
        "choices": [
            {
                "message": {"role": "assistant", "content": "half a pat"},
                "finish_reason": "error",
                "error": {"code": 503, "message": "provider went away"},
            }
        ]
    }

    error = chat.fail(Fault.raw(json.dumps(body).encode(), content_type="application/json"))

    assert error.kind == "overloaded"
    assert "provider went away" in str(error)


def test_an_error_inside_a_choice_of_a_stream_is_an_error(chat: Wired) -> None:
    first = {"choices": [{"index": 0, "delta": {"content": "half a pat"}}]}
    last = {
        "choices": [
            {
                "index": 0,
                "delta": {"content": ""},
                "finish_reason": "error",
                "error": {"code": 503, "message": "provider went away"},
            }
        ]
    }
    body = b"".join(f"data: {json.dumps(it)}\n\n".encode() for it in (first, last)) + b"data: [DONE]\n\n"

    error = chat.fail(Fault.raw(body))

    assert (error.kind, error.maybe_billed) == ("overloaded", True)
    assert "provider went away" in str(error)


def test_an_error_in_the_middle_of_a_stream_ends_it(streamed: Wired) -> None:
    error = streamed.fail(Fault.error_in_stream("overloaded_error"))

    assert (error.kind, error.retryable, error.maybe_billed) == ("overloaded", True, True)


def test_a_server_that_does_not_stream_although_it_was_asked_is_understood(streamed: Wired) -> None:
    reply = streamed.ask(Reply("the whole of it", deaf=True, output_tokens=7))

    assert streamed.sent.body["stream"] is True
    assert (reply.text, reply.stop) == ("the whole of it", "end")
    assert reply.usage is not None
    assert reply.usage.output_total == 7


def test_a_message_without_a_reason_for_its_end_is_no_reply(messages: Wired) -> None:
    whole = json.dumps({"type": "message", "content": [{"type": "text", "text": "hi"}]}).encode()

    assert messages.fail(Fault.raw(whole, content_type="application/json")).kind == "bad_response"


def test_a_stream_that_names_no_counts_has_none(streamed: Wired) -> None:
    assert streamed.ask(Reply("words", usage=None)).usage is None


def test_a_stream_without_its_end_mark_is_no_reply_although_it_says_why_it_ended(chat: Wired) -> None:
    last = {"choices": [{"index": 0, "delta": {"content": "data: [DONE]"}, "finish_reason": "stop"}]}

    error = chat.fail(Fault.raw(f"data: {json.dumps(last)}\n\n".encode()))

    assert (error.kind, error.maybe_billed) == ("cut_off", True)


def test_a_stream_without_a_reason_for_its_end_is_no_reply(chat: Wired) -> None:
    last = {"choices": [{"index": 0, "delta": {"content": "half a patch"}}]}

    error = chat.fail(Fault.raw(f"data: {json.dumps(last)}\n\ndata: [DONE]\n\n".encode()))

    assert error.kind == "cut_off"


def test_how_much_had_come_of_a_reply_that_broke_off_is_estimated_and_said(streamed: Wired) -> None:
    error = streamed.fail(Fault.cut_at(Reply("x" * 3500), 5000))

    assert error.partial is not None
    assert error.partial.is_estimate
    assert error.partial.output_total > 0
    assert f"about {error.partial.output_total} output tokens had arrived" in str(error)


def test_nothing_is_estimated_of_a_reply_that_never_began(wired: Wired) -> None:
    assert wired.fail(Fault.refuse()).partial is None


CUT = Reply("--- a/x.py\n+++ b/x.py\n@@ -1 +1 @@\n-größer\n+b\n")


def test_a_body_that_ends_too_early_at_any_place_is_never_a_reply(wired: Wired) -> None:
    wired.ask(CUT)
    whole = len(encoded(CUT, wired.sent))
    end = whole - 2 if wired.stream else whole  # the empty line at the end of a stream may be missing

    places = {*range(0, end, end // 25), *range(end - 20, end)}  # scripts/bench_faults.py takes every byte

    errors = [wired.fail(Fault.cut_at(CUT, place)) for place in sorted(places)]

    assert {error.kind for error in errors} <= {"cut_off", "bad_response"}
    assert wired.ask(Fault.cut_at(CUT, whole)).text == CUT.text


@pytest.mark.parametrize("politely", [False, True])
def test_a_reply_that_is_cut_off_is_never_used(wired: Wired, politely: bool) -> None:
    error = wired.fail(Fault.cut_off(politely=politely))

    assert error.kind in {"cut_off", "bad_response"}
    assert error.retryable
    assert error.maybe_billed


def test_a_flood_is_cut_off(wired: Wired) -> None:
    began = time.monotonic()

    error = wired.fail(Fault.flood())

    assert time.monotonic() - began < 10
    assert (error.kind, error.retryable, error.maybe_billed) == ("reply_too_large", False, True)
    assert "MiB" in str(error)


def test_a_flood_with_an_error_status_is_cut_off_too(wired: Wired) -> None:
    error = wired.fail(Fault.raw(b"x" * 33 * 1024 * 1024, status=500, content_type="text/plain"))

    assert error.kind == "reply_too_large"


def test_a_compressed_answer_is_refused_unread(wired: Wired) -> None:
    bomb = gzip.compress(b" " * 1_000_000)

    error = wired.fail(Fault.raw(bomb, headers={"content-encoding": "gzip"}))

    assert wired.sent.headers["accept-encoding"] == "identity"
    assert "compressed" in str(error)


@pytest.mark.parametrize("status", [301, 302, 303, 307, 308])
def test_a_redirect_is_not_followed(wired: Wired, status: int) -> None:
    with Loopback() as elsewhere:
        elsewhere.script("small", Reply("from somewhere else"))
        target = f"{elsewhere.anthropic_url}{'/v1/messages' if wired.wire == 'anthropic' else ''}"

        error = wired.fail(Fault.redirect(target, status), key_header="x-api-key")

        assert elsewhere.requests == []
    assert (error.kind, error.retryable) == ("redirect", False)
    assert elsewhere.address in str(error)
    assert "base_url" in error.hint


@pytest.mark.parametrize("wire", ["anthropic", "openai"])
@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"null",
        b"[]",
        b'"text"',
        b"{}",
        b'{"choices": []}',
        b'{"choices": null}',
        b'{"choices": 3}',
        b'{"choices": [null], "usage": []}',
        b"\xff\xfe not UTF-8",
        b"{" * 100_000,
        b"[" * 100_000,
        b'{"a":' * 100_000,
        b'{"choices": [{"message": {"content": ["a", 3]}, "finish_reason": {}}]}',
        b'{"error": {"code": {}, "type": [], "message": {}}}',
        b'{"error": true}',
        b'{"content": "text", "stop_reason": "end_turn"}',
        b'{"content": [3, {"type": "text", "text": 3}], "stop_reason": "end_turn"}',
        b'{"content": [{"type": "text", "text": "half"}], "stop_reason": {}}',
    ],
    ids=lambda body: repr(body[:20]),
)
@pytest.mark.parametrize("stream", [True, False])
def test_a_body_of_another_shape_never_becomes_a_patch(
    server: Loopback, wire: Wire, stream: bool, body: bytes
) -> None:
    answer, asked = Fault.raw(body, content_type="application/json"), Wired(wire, server, stream)

    with pytest.raises(ProviderError) as refused:
        require_whole(asked.ask(answer), "small")

    assert refused.value.kind in {"bad_response", "empty_reply", "server_error"}


@pytest.mark.parametrize(
    "events",
    [
        b"",
        b": only a comment\n\n",
        b"event: message_start\ndata: {not json}\n\n",
        b"event: message_start\ndata: []\n\n",
        b'event: content_block_delta\ndata: {"type": "content_block_delta", "index": 9}\n\n',
        b'event: message_delta\ndata: {"type": "message_delta", "delta": null}\n\n',
        b'event: message_stop\ndata: {"type": "message_stop"}\n\n',
        b'event: news\ndata: {"type": "news"}\n\n',
        b"event: message_start\ndata: \xff\xfe\n\n",
        b"event: message_start\ndata: " + b"[" * 100_000 + b"\n\n",
        b'event: error\ndata: {"error": {"type": ["odd"], "message": {}}}\n\n',
        b"event: error\ndata: odd\n\n",
    ],
    ids=lambda events: repr(events[:60]),
)
def test_events_of_another_shape_never_become_a_reply(messages: Wired, events: bytes) -> None:
    assert messages.fail(Fault.raw(events)).kind in {"cut_off", "bad_response", "server_error"}


@pytest.mark.parametrize(
    "frames",
    [
        b"",
        b": only a comment\n\n",
        b"data: {not json}\n\ndata: [DONE]\n\n",
        b"data: []\n\ndata: [DONE]\n\n",
        b"data: 3\n\ndata: [DONE]\n\n",
        b"data: null\n\ndata: [DONE]\n\n",
        b'data: "text"\n\ndata: [DONE]\n\n',
        b'data: {"choices": {"0": 1}}\n\ndata: [DONE]\n\n',
        b'data: {"choices": [null]}\n\ndata: [DONE]\n\n',
        b'data: {"choices": [{"delta": "text", "finish_reason": {}}]}\n\ndata: [DONE]\n\n',
        b"data: \xff\xfe\n\ndata: [DONE]\n\n",
        b"data: " + b"[" * 100_000 + b"\n\n",
        b'data: {"error": {"code": ["odd"], "message": {}}}\n\n',
        b'data: {"error": "odd"}\n\n',
        b"event: error\ndata: odd\n\n",
        b'event: thread.error\ndata: {"error": 3}\n\n',
        b"event: thread.news\ndata: {}\n\ndata: [DONE]\n\n",
        b"data: [DONE]\n\n",
    ],
    ids=lambda frames: repr(frames[:60]),
)
def test_chunks_of_another_shape_never_become_a_reply(chat: Wired, frames: bytes) -> None:
    assert chat.fail(Fault.raw(frames)).kind in {"cut_off", "bad_response", "server_error"}


def test_a_reply_with_half_a_surrogate_pair_can_be_stored(wired: Wired) -> None:
    reply = wired.ask(Reply("before \ud83d after"))

    assert reply.text.encode() == b"before ? after"


STOPS: dict[Literal["anthropic", "openai"], dict[str, str]] = {
    "anthropic": {
        "max_tokens": "max_tokens",
        "pause_turn": "pause_turn",
        "tool_use": "tool_use",
        "brand_new": "stopped_early",
        "refusal": "refusal",
        "model_context_window_exceeded": "context_window",
    },
    "openai": {
        "length": "max_tokens",
        "refusal": "refusal",
        "content_filter": "content_filter",
        "error": "error",
        "tool_calls": "tool_use",
        "insufficient_system_resource": "stopped_early",
    },
}


@pytest.mark.parametrize(
    ("wire", "told", "kind"),
    [(wire, told, kind) for wire, stops in STOPS.items() for told, kind in stops.items()],
)
def test_a_reply_that_stopped_early_is_costed_and_then_refused(
    server: Loopback, wire: Wire, told: str, kind: str
) -> None:
    reply = Wired(wire, server).ask(Reply("--- a/x.py\n+++ b/", stop=told, output_tokens=900))

    assert reply.usage is not None
    assert reply.usage.output_total == 900
    with pytest.raises(ProviderError) as refused:
        require_whole(reply, "small")
    assert refused.value.kind == kind
    assert not refused.value.retryable
    assert str(refused.value).startswith("small ")


@pytest.mark.parametrize("text", ["", " \n\t"])
def test_an_empty_reply_is_refused(wired: Wired, text: str) -> None:
    reply = wired.ask(Reply(text))

    with pytest.raises(ProviderError, match="empty reply") as refused:
        require_whole(reply, "small")
    assert refused.value.kind == "empty_reply"
