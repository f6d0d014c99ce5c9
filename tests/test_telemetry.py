"""Traces: what a collector receives of real runs, and what a collector can do to a run, which is nothing."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest
from loopback import Fault, Loopback, Reply
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest
from sandpit import BREAKS, FIX, PROGRAM, Sandpit, provider_env, replies

from route_agent.config import Config, Telemetry, load_config
from route_agent.errors import ConfigError, UsageError
from route_agent.records.events import Event, Step
from route_agent.telemetry import BOUND_S, traced

BRIEF = "sums must be right, and quickly"
CLIENT = 3  # OTLP's number of the kind
ERROR = 2  # of the status


@dataclass
class Collector:
    """An OTLP receiver on this machine; every span it got, by name, with plain attributes."""

    status: int = 200
    drips: bool = False
    bodies: list[bytes] = field(default_factory=list)
    headers: list[dict[str, str]] = field(default_factory=list)
    paths: list[str] = field(default_factory=list)
    url: str = ""
    over: threading.Event = field(default_factory=threading.Event)

    @property
    def spans(self) -> list[Any]:
        assert len(self.bodies) == 1
        request = ExportTraceServiceRequest.FromString(self.bodies[0])
        return [span for it in request.resource_spans for scope in it.scope_spans for span in scope.spans]


@contextmanager
def collecting(**how: Any) -> Iterator[Collector]:
    collector = Collector(**how)

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            collector.bodies.append(self.rfile.read(int(self.headers["content-length"])))
            collector.headers.append({name.lower(): value for name, value in self.headers.items()})
            collector.paths.append(self.path)
            if collector.drips:  # a byte now and then: no single read takes long
                self.wfile.write(b"HTTP/1.1 200 OK\r\nx-slow: ")
                while not collector.over.wait(0.05):
                    self.wfile.write(b"a")
                    self.wfile.flush()
            self.send_response(collector.status)
            self.end_headers()

        def log_message(self, *_: Any) -> None:
            return

    class Server(ThreadingHTTPServer):
        daemon_threads = True

        def handle_error(self, request: Any, client_address: Any) -> None:
            return  # nobody may be listening any more

    server = Server(("127.0.0.1", 0), Handler)
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01}, daemon=True)
    thread.start()
    collector.url = f"http://127.0.0.1:{server.server_address[1]}"
    try:
        yield collector
    finally:
        collector.over.set()
        server.shutdown()
        thread.join()
        server.server_close()


def attributes(span: Any) -> dict[str, Any]:
    def plain(value: Any) -> Any:
        kind = value.WhichOneof("value")
        return (
            [plain(it) for it in value.array_value.values] if kind == "array_value" else getattr(value, kind)
        )

    return {it.key: plain(it.value) for it in span.attributes}


def configured(env: dict[str, str], **telemetry: Any) -> dict[str, str]:
    """The same environment, with telemetry in the user's configuration."""
    file = Path(env["XDG_CONFIG_HOME"], "route-agent", "config.yaml")
    file.write_text(json.dumps(json.loads(file.read_text()) | {"telemetry": telemetry}))
    return env


@dataclass(frozen=True)
class Traces:
    """What one escalating run sent to its models and to its collector."""

    spans: list[Any]
    body: bytes
    headers: dict[str, str]
    path: str
    requests: list[dict[str, str]]
    told: str

    def named(self, name: str) -> list[Any]:
        return [span for span in self.spans if span.name == name]

    def above(self, span: Any) -> str:
        return next((it.name for it in self.spans if it.span_id == span.parent_span_id), "")


@pytest.fixture(scope="module")
def escalated(tmp_path_factory: pytest.TempPathFactory) -> Traces:
    """In a process of its own, whose environment asks OpenTelemetry for a tracer of the whole process."""
    pit = Sandpit(tmp_path_factory.mktemp("traces") / "pit")
    with Loopback() as server, collecting() as collector:
        server.script("small-1", Reply(BREAKS, cache_read=300))
        server.script("large-1", Fault.status(529), Reply(FIX, served_model="large-1-20260901"))
        env = configured(provider_env(pit, server), endpoint=collector.url, headers={"x-team": "TEAM_TOKEN"})
        state = {f"XDG_{it}_HOME": str(pit.root.parent / it.lower()) for it in ("STATE", "CACHE", "DATA")}
        done = subprocess.run(
            [PROGRAM, "--task", BRIEF],
            cwd=pit.root,
            capture_output=True,
            text=True,
            env={
                **os.environ, **env, **state,
                "TEAM_TOKEN": "team-token-of-ours", "OTEL_PYTHON_TRACER_PROVIDER": "sdk_tracer_provider",
            },
        )  # fmt: skip
        assert done.returncode == 0, done.stderr
        requests = [request.headers for request in server.requests]
        return Traces(
            collector.spans,
            collector.bodies[0],
            collector.headers[0],
            collector.paths[0],
            requests,
            done.stderr,
        )


def test_a_run_is_one_trace_with_the_decision_every_attempt_call_and_check(escalated: Traces) -> None:
    (root,) = (span for span in escalated.spans if not span.parent_span_id)

    assert root.name == "invoke_agent route-agent"
    assert len({span.trace_id for span in escalated.spans}) == 1
    below = sorted((escalated.above(span), span.name) for span in escalated.spans if span is not root)
    assert below == sorted(
        [
            (root.name, "check unit"),
            (root.name, "route"),
            (root.name, "attempt fast"),
            ("attempt fast", "chat small-1"),
            ("attempt fast", "check unit"),
            (root.name, "attempt strong"),
            ("attempt strong", "chat large-1"),
            ("attempt strong", "chat large-1"),
            ("attempt strong", "check unit"),
        ]
    )
    assert escalated.path == "/v1/traces"
    assert "traces:" not in escalated.told


def test_spans_lie_within_those_above_them_and_in_their_order(escalated: Traces) -> None:
    by_id = {span.span_id: span for span in escalated.spans}
    slack = 50_000_000  # nanoseconds: an attempt's own seconds end just before it is told
    for span in escalated.spans:
        assert span.start_time_unix_nano <= span.end_time_unix_nano
        if above := by_id.get(span.parent_span_id):
            assert above.start_time_unix_nano - slack <= span.start_time_unix_nano
            assert span.end_time_unix_nano <= above.end_time_unix_nano + slack
    route, fast, strong = (escalated.named(name)[0] for name in ("route", "attempt fast", "attempt strong"))
    assert route.end_time_unix_nano <= fast.start_time_unix_nano + slack
    assert fast.end_time_unix_nano <= strong.start_time_unix_nano + slack


def test_spans_say_models_tokens_money_and_failures_by_their_usual_names(escalated: Traces) -> None:
    small, (failed, large) = escalated.named("chat small-1")[0], escalated.named("chat large-1")
    told = attributes(small)

    assert small.kind == CLIENT
    assert told["gen_ai.operation.name"] == "chat"
    assert (told["gen_ai.provider.name"], told["gen_ai.request.model"]) == ("openai", "small-1")
    assert told["gen_ai.usage.input_tokens"] == 1200
    assert told["gen_ai.usage.cache_read.input_tokens"] == 300
    assert told["gen_ai.usage.output_tokens"] == 80
    assert told["route_agent.cost.usd"] > 0
    assert attributes(failed)["error.type"] == "overloaded"
    assert failed.status.code == ERROR
    assert attributes(large)["gen_ai.response.model"] == "large-1-20260901"
    fast, strong = (attributes(escalated.named(f"attempt {lane}")[0]) for lane in ("fast", "strong"))
    assert (fast["error.type"], fast["route_agent.accepted"]) == ("still_failing", False)
    assert (strong["route_agent.grade"], strong["route_agent.accepted"]) == ("discriminating", True)
    root = attributes(escalated.named("invoke_agent route-agent")[0])
    assert (root["route_agent.verdict"], root["route_agent.exit_code"]) == ("accepted", 0)
    assert root["route_agent.lane"] == "strong"
    assert attributes(escalated.named("route")[0])["route_agent.ladder"] == ["fast", "strong"]
    red = [attributes(it)["route_agent.check.outcome"] for it in escalated.named("check unit")]
    assert sorted(red) == ["failed", "failed", "passed"]


def test_no_content_leaves_unasked_and_a_headers_value_comes_from_its_variable(escalated: Traces) -> None:
    for content in (BRIEF, "calc.py", "return a", "adds again", "sandpit", "/pit"):
        assert content.encode() not in escalated.body
    assert escalated.headers["x-team"] == "team-token-of-ours"
    assert b"team-token" not in escalated.body


def test_no_request_to_a_model_carries_the_traces_id(escalated: Traces) -> None:
    assert len(escalated.requests) == 3
    for headers in escalated.requests:
        assert not {"traceparent", "tracestate", "baggage"} & headers.keys()


def test_content_leaves_where_the_user_wants_it_and_no_secret_in_it(tmp_path: Path) -> None:
    pit = Sandpit(tmp_path / "pit")
    secret = "ghp_" + "a1B2" * 9
    with Loopback() as server, collecting() as collector:
        env = configured(provider_env(pit, server), endpoint=collector.url, content=True)
        recorded = replies(tmp_path, ("fast", FIX))
        done = pit.run("--task", f"{BRIEF} {secret}", "--replay", str(recorded), env=env)

        assert done.exit_code == 0, done.stderr
        told = {span.name: attributes(span) for span in collector.spans}
        assert BRIEF in told["invoke_agent route-agent"]["route_agent.task"]
        assert "+    return a + b" in told["attempt fast"]["route_agent.patch"]
        assert told["attempt fast"]["route_agent.paths"] == ["calc.py"]
        assert secret.encode() not in collector.bodies[0]


def test_nothing_is_sent_unless_the_user_s_own_configuration_says_so(tmp_path: Path) -> None:
    with collecting() as collector, pytest.MonkeyPatch.context() as patch:
        patch.setenv("OTEL_EXPORTER_OTLP_ENDPOINT", collector.url)
        told: list[str] = []

        for wanted, arrived in ((Telemetry(), 0), (Telemetry(endpoint="environment"), 1)):
            with traced(Config(telemetry=wanted), told_to_nobody, problem=told.append):
                pass
            assert len(collector.bodies) == arrived
        patch.setenv("OTEL_SDK_DISABLED", "true")
        with traced(Config(telemetry=Telemetry(endpoint="environment")), told_to_nobody, problem=told.append):
            pass

    assert len(collector.bodies) == 1
    assert told == []
    pit = Sandpit(tmp_path / "pit")
    pit.write(".route-agent/policy.yaml", f"version: 1\ntelemetry: {{endpoint: {collector.url}}}\n")
    pit.commit("we want to know what you do")
    assert 'unknown key "telemetry"' in pit.run("explain", "--task", "x").stderr


def told_to_nobody(event: Event) -> None:
    return


def bounded(telemetry: Telemetry, **env: str) -> tuple[list[str], float]:
    """Why a trace did not leave, and how long its end took."""
    told: list[str] = []
    with traced(Config(telemetry=telemetry), told_to_nobody, problem=told.append, environment=env) as trace:
        trace.on(Event(Step.READ, "x"))
        began = time.monotonic()
    return told, time.monotonic() - began


def test_a_collector_that_never_ends_its_answer_is_waited_for_two_seconds_at_most() -> None:
    with collecting(drips=True) as collector:
        told, seconds = bounded(Telemetry(endpoint=collector.url))

    assert told == ["not taken within 2 s"]
    assert seconds < BOUND_S + 0.5


def test_a_collector_that_refuses_or_is_not_there_is_told_in_a_line() -> None:
    with collecting(status=503) as collector:
        assert bounded(Telemetry(endpoint=collector.url))[0] == ["HTTP 503"]
    assert bounded(Telemetry(endpoint=collector.url))[0] == ["ConnectError"]


def test_a_collector_that_is_not_there_changes_nothing_of_a_run(tmp_path: Path) -> None:
    pit = Sandpit(tmp_path / "pit")
    with Loopback() as server:
        env = configured(provider_env(pit, server), endpoint="http://127.0.0.1:9")
        recorded = ("--replay", str(replies(tmp_path, ("fast", FIX))))
        done = pit.run("--task", BRIEF, *recorded, env=env)
        as_json = pit.run("--task", BRIEF, *recorded, "--json", env=env)

    assert done.exit_code == as_json.exit_code == 0
    assert done.stderr.splitlines()[-1] == "traces: ConnectError"
    assert as_json.stderr == ""


def test_a_header_without_its_variable_sends_nothing_at_all() -> None:
    with collecting() as collector:
        telemetry = Telemetry(endpoint=collector.url, headers={"authorization": "TEAM_TOKEN"})

        assert bounded(telemetry)[0] == ["TEAM_TOKEN is not set"]
        assert collector.bodies == []
        assert bounded(telemetry, TEAM_TOKEN="Bearer x")[0] == []
        assert collector.headers[0]["authorization"] == "Bearer x"


def test_a_proxy_of_the_environment_gets_nothing_that_is_for_this_machine(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    with collecting() as collector, collecting() as proxy:
        monkeypatch.setenv("HTTP_PROXY", proxy.url)

        assert bounded(Telemetry(endpoint=collector.url))[0] == []
        assert (len(collector.bodies), len(proxy.bodies)) == (1, 0)


def test_a_run_that_could_not_begin_is_a_trace_with_its_error() -> None:
    with collecting() as collector:
        config = Config(telemetry=Telemetry(endpoint=f"{collector.url}/v1/traces"))
        with pytest.raises(UsageError), traced(config, told_to_nobody):
            raise UsageError("no such lane")

        (root,) = collector.spans
    assert attributes(root)["error.type"] == "UsageError"
    assert collector.paths == ["/v1/traces"]
    assert b"no such lane" not in collector.bodies[0]


def test_without_the_extra_a_run_says_what_to_install(monkeypatch: pytest.MonkeyPatch) -> None:
    import route_agent

    monkeypatch.setitem(sys.modules, "route_agent.otlp", None)
    monkeypatch.delattr(route_agent, "otlp", raising=False)

    assert bounded(Telemetry(endpoint="http://127.0.0.1:9"))[0] == [
        "the extra `otel` is not installed: pip install 'route-agent[otel]'"
    ]


@pytest.mark.parametrize(
    ("endpoint", "why"),
    [
        ("http://collector.example.com:4318", "use https"),
        ("https://me:pw@example.com", "no user or password"),
    ],
)
def test_traces_go_nowhere_in_the_clear(tmp_path: Path, endpoint: str, why: str) -> None:
    file = tmp_path / "config.yaml"
    file.write_text(json.dumps({"telemetry": {"endpoint": endpoint}}))

    with pytest.raises(ConfigError, match=why):
        load_config((file,))
    told, _ = bounded(Telemetry(endpoint="environment"), OTEL_EXPORTER_OTLP_ENDPOINT=endpoint)
    assert len(told) == 1
    assert why in told[0]


def test_the_page_names_every_attribute_that_is_sent(escalated: Traces) -> None:
    page = (Path(__file__).parents[1] / "docs/telemetry.md").read_text()
    for span in escalated.spans:
        for name in attributes(span):
            short = name.removeprefix("route_agent.check").removeprefix("route_agent")
            assert f"`{name}`" in page or f"`{short}`" in page, name
