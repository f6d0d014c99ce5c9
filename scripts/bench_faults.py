"""What becomes of a run when its provider fails: every fault on every kind of model lane, in one table.

Each row is a whole run of the program, in a small real repository, against a server on this machine that
fails in one way. Told are the class of the last call, how many requests were made, what was counted against
the budget, the exit code, and the seconds against the run's deadline. Then the stream of a recorded reply is
cut at every single byte, in all formats.

A run that hangs, prints a traceback, delivers anything of an answer that was not whole, or asks a model of
another lane is a fault of ours, and so is an exit code that is not the expected one: the script ends with 1.
"""

from __future__ import annotations

import argparse
import gzip
import json
import socket
import sqlite3
import sys
import tempfile
import threading
import time
from collections import Counter
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from email.utils import format_datetime
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).parents[1] / "tests"))

from loopback import Fault, Loopback, Reply, Request, encoded
from sandpit import CHECK, FIX, Result, Sandpit

from route_agent.config import Endpoint, Provider
from route_agent.errors import ProviderError
from route_agent.lanes import anthropic, openai
from route_agent.lanes.answers import require_whole
from route_agent.records.lanes import Prompt

DEADLINE_S = 20.0
SLACK_S = 3.0  # the program's own start, and what stands after the last call
LANES = ("anthropic", "openai", "openai-whole")
KEY = "sk-loop-0123456789abcdef"
WHOLE = Reply(FIX)


@dataclass(frozen=True)
class Case:
    """A fault, the answers that make it, and how the run must end.

    `base_url` and `env` are made from the server's address where the fault lies before the server.
    """

    number: int
    name: str
    answers: tuple[Reply | Fault, ...] = ()
    exit_code: int = 3
    timeout_s: float = 5.0
    base_url: Callable[[Place], str] | None = None
    env: Callable[[Place], dict[str, str]] = lambda place: {}


@dataclass(frozen=True)
class Place:
    """What stands around the server: another one, a proxy with a password, a port that accepts nobody."""

    server: Loopback
    elsewhere: Loopback
    proxy: str
    busy: str
    closed: str


@dataclass(frozen=True)
class Row:
    """What became of one fault on one lane."""

    case: Case
    lane: str
    kind: str
    requests: int
    counted_usd: float
    exit_code: int
    seconds: float
    wrong: tuple[str, ...] = field(default=())


def busy_until(seconds: int) -> Fault:
    """A 429 that names the moment when it is over."""

    def act(handler: Any, request: Request) -> None:
        moment = format_datetime(datetime.now(UTC) + timedelta(seconds=seconds), usegmt=True)
        Fault.status(429, retry_after=moment).act(handler, request)

    return Fault(act)


def spoiled(reply: Reply) -> Fault:
    """A whole reply with a byte in its words that no UTF-8 text has."""

    def act(handler: Any, request: Request) -> None:
        body = encoded(reply, request).replace(b"again", b"ag\xffin", 1).replace(b"ad", b"\xffd")
        kind = "text/event-stream" if request.streamed else "application/json"
        handler.send_whole(body, kind)

    return Fault(act)


def thrice(fault: Fault) -> tuple[Fault, ...]:
    return (fault,) * 3


def usage(wire_input: int, wire_output: int) -> dict[str, int]:
    """Counts under the names of both wire formats."""
    return {
        "input_tokens": wire_input,
        "output_tokens": wire_output,
        "prompt_tokens": wire_input,
        "completion_tokens": wire_output,
    }


CASES = (
    Case(50, "429, Retry-After 1 s, then an answer", (Fault.status(429, retry_after=1), WHOLE), 0),
    Case(50, "429, Retry-After a date, then an answer", (busy_until(2), WHOLE), 0),
    Case(50, "429, Retry-After 1 h", (Fault.status(429, retry_after=3600),)),
    Case(50, "429, Retry-After 1e300", (Fault.status(429, retry_after=1e300),)),
    Case(50, "429, Retry-After -5", thrice(Fault.status(429, retry_after=-5))),
    Case(50, "429, no credit left", (Fault.status(429, kind="insufficient_quota"),)),
    Case(50, "529", thrice(Fault.status(529, kind="overloaded_error"))),
    Case(50, "503", thrice(Fault.status(503))),
    Case(50, "500", thrice(Fault.status(500, kind="api_error"))),
    Case(50, "500, then an answer", (Fault.status(500), WHOLE), 0),
    Case(51, "nobody listens", base_url=lambda place: place.closed),
    Case(51, "connect timeout", base_url=lambda place: place.busy, timeout_s=15),
    Case(51, "read timeout", thrice(Fault.hang()), timeout_s=1),
    Case(51, "headers without end", thrice(Fault.drip(headers=True)), timeout_s=1),
    Case(51, "TLS error", base_url=lambda place: f"https://{place.server.address}"),
    Case(51, "DNS failure", base_url=lambda place: "https://no-such-host.invalid"),
    Case(
        51,
        "proxy 407",
        base_url=lambda place: "https://models.example.org",
        env=lambda place: dict.fromkeys(("HTTPS_PROXY", "https_proxy"), place.proxy),
    ),
    Case(51, "captive portal, 200 and HTML", (Fault.html(),)),
    Case(51, "gateway page, 502 and HTML", thrice(Fault.html(502))),
    Case(52, "cut in the middle", thrice(Fault.cut_off())),
    Case(52, "truncated, politely", thrice(Fault.cut_off(politely=True))),
    Case(52, "hangs up without a word", thrice(Fault.refuse())),
    Case(52, "stopped at max_tokens", (Reply(FIX, stop="cut"),), 1),
    Case(52, "invalid UTF-8", thrice(spoiled(WHOLE))),
    Case(52, "a comment and no more", thrice(Fault.raw(b": nothing\n\n"))),
    Case(52, "keep-alive without data", thrice(Fault.pings()), timeout_s=1),
    Case(52, "an error in the middle", thrice(Fault.error_in_stream())),
    Case(52, "an error inside a 200", thrice(Fault.error_in_200())),
    Case(53, "refusal", (Reply("No.", stop="refusal"),), 1),
    Case(53, "empty", (Reply(""),), 1),
    Case(53, "prose, twice", (Reply("I would change it."), Reply("As I said.")), 1),
    Case(54, "a flood without end", (Fault.flood(),)),
    Case(54, "gzip bomb", (Fault.raw(gzip.compress(bytes(10**7)), headers={"content-encoding": "gzip"}),)),
    Case(55, "401", (Fault.status(401, kind="authentication_error"),)),
    Case(55, "403", (Fault.status(403, kind="permission_error"),)),
    Case(55, "404, model gone", (Fault.status(404, kind="not_found_error"),)),
    Case(55, "400, context too long", (Fault.status(400, "prompt is too long: 9 > 8 maximum"),)),
    Case(55, "413", (Fault.status(413, kind="request_too_large"),)),
    Case(55, "400", (Fault.status(400, kind="invalid_request_error"),)),
    Case(56, "redirect to another host", (Fault.raw(b"", status=307, headers={"location": "ELSEWHERE"}),)),
    Case(57, "no usage", (Reply(FIX, usage=None),), 0),
    Case(57, "negative usage", (Reply(FIX, usage=usage(-5, 10)),), 0),
    Case(57, "another model answered", (Reply(FIX, served_model="tiny-9"),), 0),
    Case(58, "lost, then delivered again", (Fault.cut_off(), WHOLE), 0),
)
STOPS = {"anthropic": "max_tokens", "openai": "length"}


def main() -> int:
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--only", default="", help="faults whose name has this text")
    parser.add_argument("--no-cuts", action="store_true", help="leave out the cuts at every byte")
    chosen = parser.parse_args()
    cases = [case for case in CASES if chosen.only in case.name]
    heads = f"{'class':<18} {'asked':>5} {'counted':>9} {'exit':>4} {'seconds':>8}"
    print(f"{'':3} {'fault':<40} {'lane':<13} {heads}")
    with ThreadPoolExecutor(2) as pool:
        rows = []
        for row in pool.map(lambda it: played(*it), [(case, lane) for case in cases for lane in LANES]):
            rows.append(row)
            print(shown(row), flush=True)
    wrong = [f"{row.case.name}, {row.lane}: {it}" for row in rows for it in row.wrong]
    print(f"{len(rows)} runs, {len(wrong)} not as they should be")
    if not chosen.no_cuts:
        wrong += [it for lane in LANES for it in cut_everywhere(lane)]
    print("\n".join(wrong), end="\n" if wrong else "")
    return int(bool(wrong))


def shown(row: Row) -> str:
    return (
        f"{row.case.number:3} {row.case.name:<40} {row.lane:<13} {row.kind:<18} {row.requests:>5} "
        f"${row.counted_usd:.6f} {row.exit_code:>4} {row.seconds:>5.1f}/{DEADLINE_S:.0f}"
        + (f"  ! {'; '.join(row.wrong)}" if row.wrong else "")
    )


def played(case: Case, lane: str) -> Row:
    """One run of the program with this fault on this kind of lane."""
    wire, _, whole = lane.partition("-")
    with tempfile.TemporaryDirectory(prefix="bench-faults-") as folder, surroundings() as place:
        here = Path(folder)
        for answer in case.answers:
            place.server.script("small-1", fitted(answer, wire, place))
        env = environment(case, here, place, wire=wire, stream=not whole)
        pit = Sandpit(here / "repo", policy=policy_text(case))
        before = pit.git("status", "--porcelain")
        began = time.monotonic()
        done = pit.run("--task", "sums must be right", "--json", env=env, timeout=DEADLINE_S * 3)
        seconds = time.monotonic() - began
        kind, counted = account(here)
        wrong = mistakes(case, done, place, seconds, unchanged=pit.git("status", "--porcelain") == before)
        return Row(case, lane, kind, len(place.server.calls), counted, done.exit_code, seconds, tuple(wrong))


def fitted(answer: Reply | Fault, wire: str, place: Place) -> Reply | Fault:
    """An answer in the words of the wire, and with the address of the other server."""
    if isinstance(answer, Reply) and answer.stop == "cut":
        return Reply(answer.text, stop=STOPS[wire])
    if answer is REDIRECT:
        return Fault.redirect(f"{place.elsewhere.anthropic_url}/v1/messages")
    return answer


REDIRECT = next(case.answers[0] for case in CASES if case.number == 56)


def mistakes(case: Case, done: Result, place: Place, seconds: float, *, unchanged: bool) -> Iterator[str]:
    if done.exit_code != case.exit_code:
        yield f"exit {done.exit_code}, not {case.exit_code}: {done.stderr[-300:]}"
    if "Traceback" in done.stdout + done.stderr:
        yield "a traceback"
    if seconds > DEADLINE_S + SLACK_S:
        yield f"{seconds:.1f} s"
    if KEY in done.stdout + done.stderr:
        yield "the key is shown"
    if not unchanged:
        yield "the checkout was changed"
    if done.stdout and case.exit_code and done.json["patch_path"]:
        yield "a patch came of it"
    if any(model != "small-1" for _, model in place.server.calls) or place.elsewhere.requests:
        yield "somebody else was asked"


def account(here: Path) -> tuple[str, float]:
    """From the ledger: the class of the last call, and the dollars that count against the budget."""
    with sqlite3.connect(next((here / "state").rglob("ledger.sqlite3"))) as ledger:
        rows = ledger.execute(
            "SELECT error, COALESCE(cost_micro_usd, reserved_micro_usd) FROM call ORDER BY id"
        ).fetchall()
        failures = ledger.execute("SELECT reason FROM attempt WHERE failure IS NOT NULL").fetchall()
    ledger.close()
    last = (rows[-1][0] or (failures[-1][0] if failures else "")) if rows else ""
    return last.partition(":")[0][:18] or "-", sum(cost for _, cost in rows) / 1e6


def policy_text(case: Case) -> str:
    check = json.dumps(["python3", "-c", CHECK])
    return f"""\
version: 1
models: {{fast: {{provider: loop, model: small-1, timeout_s: {case.timeout_s}, max_output_tokens: 1000}}}}
routing: {{ladder: [fast]}}
checks: [{{name: unit, kind: test, run: {check}, timeout: 60}}]
accept: {{fast: ran}}
limits: {{deadline_s: {DEADLINE_S}}}
"""


def environment(case: Case, here: Path, place: Place, *, wire: str, stream: bool) -> dict[str, str]:
    host = case.base_url(place) if case.base_url else place.server.anthropic_url
    provider = {
        "wire": wire,
        "base_url": host if wire == "anthropic" else f"{host}/v1",
        "key_env": "LOOP_KEY",
        "stream": stream,
    }
    config = here / "config" / "route-agent" / "config.yaml"
    config.parent.mkdir(parents=True)
    rates = {"small-1": {"input_usd": 1, "output_usd": 5}}
    config.write_text(json.dumps({"providers": {"loop": provider}, "rates": rates}))
    folders = {f"XDG_{kind.upper()}_HOME": str(here / kind) for kind in ("config", "state", "cache")}
    no_proxy = dict.fromkeys(
        ("HTTPS_PROXY", "https_proxy", "ALL_PROXY", "all_proxy", "NO_PROXY", "no_proxy"), ""
    )
    return {**folders, "LOOP_KEY": KEY, **no_proxy, **case.env(place)}


class _Password(BaseHTTPRequestHandler):
    """A proxy that wants to know who asks."""

    def do_CONNECT(self) -> None:
        self.send_error(407)

    def log_message(self, *_: Any) -> None:
        """Keep the output clean."""


@contextmanager
def surroundings() -> Iterator[Place]:
    with ExitStack() as stack:
        server, elsewhere = stack.enter_context(Loopback()), stack.enter_context(Loopback())
        proxy = stack.enter_context(ThreadingHTTPServer(("127.0.0.1", 0), _Password))
        threading.Thread(target=proxy.serve_forever, daemon=True).start()
        stack.callback(proxy.shutdown)
        with socket.socket() as free:
            free.bind(("127.0.0.1", 0))
            closed = free.getsockname()[1]
        busy = stack.enter_context(socket.socket())
        busy.bind(("127.0.0.1", 0))
        busy.listen(0)
        for _ in range(2):
            waiting = stack.enter_context(socket.socket())
            waiting.setblocking(False)
            waiting.connect_ex(busy.getsockname())
        yield Place(
            server,
            elsewhere,
            f"http://127.0.0.1:{proxy.server_address[1]}",
            f"http://127.0.0.1:{busy.getsockname()[1]}",
            f"http://127.0.0.1:{closed}",
        )


def cut_everywhere(lane: str) -> list[str]:
    """Cut the body of a recorded reply at every byte, politely, and ask; what was taken for a reply."""
    wire, _, whole = lane.partition("-")
    began, kinds, wrong = time.monotonic(), Counter[str](), []
    complete = anthropic.complete if wire == "anthropic" else openai.complete
    with Loopback() as server:
        url = server.anthropic_url if wire == "anthropic" else server.openai_url
        provider = Provider.model_validate({"wire": wire, "base_url": url, "stream": not whole})

        def ask() -> str:
            reply = complete(
                Endpoint("loop", provider), "small-1", Prompt("Rules.", "Fix it."),
                max_output_tokens=900, timeout_s=20,
            )  # fmt: skip
            require_whole(reply, "small-1")
            return reply.text

        server.script("small-1", WHOLE)
        text = ask()
        body = len(encoded(WHOLE, server.requests[-1]))
        # the empty line after a stream's last event says nothing that has not been said
        for place in range(body if whole else body - 2):
            server.script("small-1", Fault.cut_at(WHOLE, place))
            try:
                ask()
            except ProviderError as error:
                kinds[error.kind] += 1
            except Exception as error:  # noqa: BLE001 - whatever it is, it is what is looked for
                wrong.append(f"{lane}, cut at byte {place}: {type(error).__name__}: {error}")
            else:
                wrong.append(f"{lane}, cut at byte {place}: taken for a reply")
        server.script("small-1", WHOLE)
        assert ask() == text == FIX
    told = ", ".join(f"{count} {kind}" for kind, count in kinds.most_common())
    seconds = time.monotonic() - began
    print(f"{lane}: {body} bytes, cut at every one: {len(wrong)} wrong; {told}; {seconds:.0f} s", flush=True)
    return wrong


if __name__ == "__main__":
    sys.exit(main())
