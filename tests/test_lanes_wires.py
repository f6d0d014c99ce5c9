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
from loopback import KEY_ENV, Fault, Loopback, Reply, Request

from route_agent.config import Endpoint, Provider, Wire
from route_agent.errors import ProviderError
from route_agent.lanes import anthropic, openai
from route_agent.lanes.answers import require_whole
from route_agent.records.lanes import ModelReply, Prompt

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

    def provider(self, **fields: Any) -> Provider:
        url = self.server.anthropic_url if self.wire == "anthropic" else self.server.openai_url
        return Provider(**{"wire": self.wire, "base_url": url, "key_env": KEY_ENV, **fields})

    def ask(
        self, *answers: Reply | Fault, timeout_s: float = 20.0, key: str = KEY, **fields: Any
    ) -> ModelReply:
        """Script the answers for the model `small` and ask it once."""
        self.server.script("small", *answers)
        complete = anthropic.complete if self.wire == "anthropic" else openai.complete
        endpoint = Endpoint("loop", self.provider(**fields), key)
        return complete(endpoint, "small", PROMPT, max_output_tokens=900, timeout_s=timeout_s)

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


@pytest.fixture(params=["anthropic", "openai"])
def wired(request: pytest.FixtureRequest, server: Loopback) -> Wired:
    return Wired(request.param, server)


@pytest.fixture
def chat(server: Loopback) -> Wired:
    return Wired("openai", server)


@pytest.fixture
def messages(server: Loopback) -> Wired:
    return Wired("anthropic", server)


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

    body = messages.sent.body
    assert body["system"] == [{"type": "text", "text": PROMPT.system, "cache_control": {"type": "ephemeral"}}]
    assert body["messages"] == [{"role": "user", "content": PROMPT.user}]
    assert body["max_tokens"] == 900
    assert "temperature" not in body


def test_a_chat_completion_is_asked_with_what_every_server_knows(chat: Wired) -> None:
    chat.ask(Reply("ok"))

    assert chat.sent.body == {
        "model": "small",
        "messages": [
            {"role": "system", "content": PROMPT.system},
            {"role": "user", "content": PROMPT.user},
        ],
        "max_tokens": 900,
    }


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
    assert openai._limit_name(Endpoint("any", Provider(base_url=base_url))) == name


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

    error = chat.fail(Fault.raw(json.dumps(body).encode()))

    assert error.kind == "overloaded"
    assert "provider went away" in str(error)


def test_an_error_in_the_middle_of_a_stream_ends_it(messages: Wired) -> None:
    error = messages.fail(Fault.error_in_stream("overloaded_error"))

    assert (error.kind, error.retryable, error.maybe_billed) == ("overloaded", True, True)


def test_a_gateway_that_does_not_stream_is_told_as_one(messages: Wired) -> None:
    whole = json.dumps({"type": "message", "content": [{"type": "text", "text": "hi"}]}).encode()

    error = messages.fail(Fault.raw(whole, content_type="application/json"))

    assert "does not stream" in str(error)


@pytest.mark.parametrize("politely", [False, True])
def test_a_reply_that_is_cut_off_is_never_used(wired: Wired, politely: bool) -> None:
    error = wired.fail(Fault.cut_off(politely=politely))

    assert error.kind in {"cut_off", "bad_response"}
    assert error.retryable
    assert error.maybe_billed


def test_a_body_that_ends_too_early_at_any_place_is_never_a_reply(wired: Wired) -> None:
    wired.ask(Reply("--- a/x.py\n+++ b/x.py\n@@ -1 +1 @@\n-a\n+b\n"))
    whole = _recorded_body(wired)
    places = range(0, len(whole) - 2, max(1, len(whole) // 15))

    errors = [wired.fail(Fault.raw(whole[:place])) for place in places]

    assert {error.kind for error in errors} <= {"cut_off", "bad_response"}
    assert wired.ask(Fault.raw(whole)).text.startswith("--- a/x.py")


def _recorded_body(wired: Wired) -> bytes:
    """The bytes of the last answer, fetched once more without an SDK."""
    import http.client

    wired.server.script("small", Reply("--- a/x.py\n+++ b/x.py\n@@ -1 +1 @@\n-a\n+b\n"))
    connection = http.client.HTTPConnection(wired.server.address)
    connection.request("POST", wired.sent.path, json.dumps(wired.sent.body))
    body = connection.getresponse().read()
    connection.close()
    return body


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
    ],
    ids=lambda body: repr(body[:20]),
)
def test_a_body_of_another_shape_never_becomes_a_patch(chat: Wired, body: bytes) -> None:
    with pytest.raises(ProviderError) as refused:
        require_whole(chat.ask(Fault.raw(body)), "small")

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


def test_a_reply_with_half_a_surrogate_pair_can_be_stored(wired: Wired) -> None:
    reply = wired.ask(Reply("before \ud83d after"))

    assert reply.text.encode() == b"before ? after"


STOPS: dict[Literal["anthropic", "openai"], dict[str, str]] = {
    "anthropic": {
        "max_tokens": "max_tokens",
        "refusal": "refusal",
        "model_context_window_exceeded": "context_window",
    },
    "openai": {
        "length": "max_tokens",
        "refusal": "refusal",
        "content_filter": "content_filter",
        "error": "error",
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
