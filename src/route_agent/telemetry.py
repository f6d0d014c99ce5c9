"""Traces of runs by OTLP over HTTP, to where the user's own configuration says; off without that.

Nothing of it may hold up or fail a run: what is needed for it is imported beside the run, and when that has
ended the trace gets two seconds to leave. No tracer is made known to the rest of the process, so that no
request to a model carries a trace's id.
"""

from __future__ import annotations

import os
import threading
import time
from contextlib import contextmanager
from dataclasses import dataclass, field
from functools import partial
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

from route_agent.config import TELEMETRY_OF_ENVIRONMENT, refuse_address
from route_agent.tracing import AGENT, Seen, Traced, spans

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping, Sequence

    from route_agent.config import Config
    from route_agent.records.events import Event, Listener
    from route_agent.records.runs import Run
    from route_agent.records.spans import Span

BOUND_S = 2.0
_PATH = "/v1/traces"
_EXTRA = "the extra `otel` is not installed: pip install 'route-agent[otel]'"


@dataclass(slots=True)
class Trace:
    """One run's trace while it is made.

    Attributes:
        on: told what goes on, in the place of the listener that it was made with.
    """

    on: Listener
    _run: Run | None = None

    def ended(self, run: Run) -> Run:
        """Take note of what the run came to."""
        self._run = run
        return run


@contextmanager
def traced(
    config: Config,
    on: Listener,
    *,
    problem: Callable[[str], None] = lambda why: None,
    environment: Mapping[str, str] = os.environ,
) -> Iterator[Trace]:
    """Have a run traced until the block ends, if the configuration wants that; nothing is raised for it.

    Args:
        config: the user's own configuration.
        on: told what goes on all the same.
        problem: told why a trace that was wanted does not leave.
        environment: where `endpoint: environment` and the values of headers are looked up.
    """
    trace = Trace(on)
    address, headers, why = _destination(config, environment)
    if not address:
        if why:
            problem(why)
        yield trace
        return
    sender = _Sender(address, headers)
    seen: list[Seen] = []

    def listen(event: Event) -> None:
        if event.about is not None:
            seen.append(Seen(time.time_ns(), event))
        on(event)

    trace.on = listen
    began, error = time.time_ns(), ""
    try:
        yield trace
    except BaseException as cause:
        error = type(cause).__name__
        raise
    finally:
        whole = Traced(began, time.time_ns(), tuple(seen), trace._run, error)  # noqa: SLF001 - our own
        if why := sender.send(partial(spans, whole, content=config.telemetry.content)):
            problem(why)


def _destination(config: Config, environment: Mapping[str, str]) -> tuple[str, dict[str, str], str]:
    """Where traces go, with which headers, or why they cannot; all empty where none are wanted."""
    wanted = config.telemetry
    address = wanted.endpoint
    if address == TELEMETRY_OF_ENVIRONMENT:
        named = (environment.get(f"OTEL_EXPORTER_OTLP_{it}ENDPOINT", "").strip() for it in ("TRACES_", ""))
        whole, base = named
        address = whole or base
    if not address or environment.get("OTEL_SDK_DISABLED", "").strip().lower() == "true":
        return "", {}, ""
    try:
        refuse_address(address)
    except ValueError as why:
        return "", {}, f"{address}: {why}"
    if missing := [name for name in wanted.headers.values() if not environment.get(name, "").strip()]:
        return "", {}, f"{missing[0]} is not set"
    headers = {name: environment[variable].strip() for name, variable in wanted.headers.items()}
    return address if address.endswith(_PATH) else address.rstrip("/") + _PATH, headers, ""


@dataclass(slots=True)
class _Sender:
    """Sends one trace from a thread of its own, which nobody waits for longer than the bound."""

    address: str
    headers: Mapping[str, str]
    _wanted: threading.Event = field(default_factory=threading.Event)
    _made: Callable[[], Sequence[Span]] = tuple
    _problem: str = ""
    _thread: threading.Thread = field(init=False)

    def __post_init__(self) -> None:
        self._thread = threading.Thread(target=self._work, name="traces", daemon=True)
        self._thread.start()

    def send(self, made: Callable[[], Sequence[Span]]) -> str:
        """Have it made and sent; why it did not leave, or nothing."""
        self._made = made
        self._wanted.set()
        self._thread.join(BOUND_S)
        return f"not taken within {BOUND_S:g} s" if self._thread.is_alive() else self._problem

    def _work(self) -> None:
        try:
            import httpx2

            from route_agent import otlp
        except ImportError:
            self._problem = _EXTRA
            return
        self._wanted.wait()
        try:
            content = {"content-type": "application/x-protobuf", "user-agent": AGENT}
            answer = httpx2.post(
                self.address,
                content=otlp.encoded(self._made()),
                headers={**content, **self.headers},
                timeout=BOUND_S,
                follow_redirects=False,
                # a proxy from the environment is for the world outside, and reads what is not encrypted
                trust_env=urlsplit(self.address).scheme == "https",
            )
        except Exception as error:  # noqa: BLE001 - whatever a collector does, the run has nothing to do with it
            self._problem = type(error).__name__
        else:
            self._problem = "" if answer.is_success else f"HTTP {answer.status_code}"
