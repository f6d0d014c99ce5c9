"""What a provider's failures are called, how often each is asked again, and what is counted: the short table.

`scripts/bench_faults.py` plays the long one through whole runs of the program, with exit codes and deadlines.
"""

from __future__ import annotations

import gzip
import sqlite3
from collections.abc import Iterator
from importlib import import_module
from pathlib import Path

import pytest
from desks import Bench, bench
from loopback import KEY_ENV, Fault, Loopback, Reply

from route_agent.config import Endpoint, Provider, Wire
from route_agent.errors import ProviderError
from route_agent.lanes.model import ModelLane
from route_agent.policy import LaneSpec
from route_agent.records.lanes import Prompt, Request

KEY = "sk-loop-0123456789abcdef"
REQUEST = Request(start="0" * 40, prompt=Prompt("You write patches.", "Fix the retry leak."))
DIFF = "--- a/sync.py\n+++ b/sync.py\n@@ -1 +1 @@\n-a\n+b\n"
REDIRECT = Fault.redirect("https://example.org/v1")
GZIP = Fault.raw(gzip.compress(bytes(10**6)), headers={"content-encoding": "gzip"})

# fault, its class, how often it is asked, and how many of the calls are counted at what was set aside
FAULTS: dict[str, tuple[Fault | Reply, str, int, int]] = {
    "429": (Fault.status(429, retry_after=0.01), "rate_limit", 3, 0),
    "429, an hour": (Fault.status(429, retry_after=3600), "rate_limit", 1, 0),
    "429, for ever": (Fault.status(429, retry_after=1e300), "rate_limit", 1, 0),
    "429, negative": (Fault.status(429, retry_after=-5), "rate_limit", 3, 0),
    "429, no credit": (Fault.status(429, kind="insufficient_quota"), "quota", 1, 0),
    "529": (Fault.status(529), "overloaded", 3, 0),
    "503": (Fault.status(503), "overloaded", 3, 0),
    "500": (Fault.status(500), "server_error", 3, 0),
    "504": (Fault.status(504), "timeout", 3, 3),
    "silence": (Fault.hang(), "timeout", 3, 3),
    "a byte now and then": (Fault.drip(), "timeout", 3, 3),
    "keep-alive without data": (Fault.pings(), "timeout", 3, 3),
    "web page": (Fault.html(), "bad_response", 1, 0),
    "cut": (Fault.cut_off(), "cut_off", 3, 3),
    "hang-up": (Fault.refuse(), "cut_off", 3, 3),
    "error in the stream": (Fault.error_in_stream(), "overloaded", 3, 3),
    "error in a 200": (Fault.error_in_200(code="invalid_api_key"), "authentication", 1, 0),
    "compressed": (GZIP, "bad_response", 1, 0),
    "flood": (Fault.flood(), "reply_too_large", 1, 1),
    "401": (Fault.status(401), "authentication", 1, 0),
    "403": (Fault.status(403), "permission", 1, 0),
    "404": (Fault.status(404), "not_found", 1, 0),
    "400": (Fault.status(400), "bad_request", 1, 0),
    "413": (Fault.status(413), "request_too_large", 1, 0),
    "too long": (Fault.status(400, "prompt is too long"), "context_window", 1, 0),
    "redirect": (REDIRECT, "redirect", 1, 0),
    "empty": (Reply(""), "empty_reply", 1, 0),
    "refusal": (Reply("No.", stop="refusal"), "refusal", 1, 0),
    "unheard-of end": (Reply(DIFF, stop="brand_new"), "stopped_early", 1, 0),
}


# of which only the clock tells
SILENT = ("silence", "a byte now and then", "keep-alive without data")


@pytest.fixture(scope="module", autouse=True)
def sdks() -> None:
    """Import both SDKs before a test looks at the clock."""
    import_module("anthropic")
    import_module("openai")


@pytest.fixture
def server() -> Iterator[Loopback]:
    with Loopback() as running:
        yield running


@pytest.fixture
def means(tmp_path: Path) -> Iterator[Bench]:
    with bench(tmp_path) as made:
        yield made


def asked(server: Loopback, wire: Wire, *, stream: bool, timeout_s: float = 20.0) -> ModelLane:
    url = server.anthropic_url if wire == "anthropic" else server.openai_url
    endpoint = Endpoint("loop", Provider(wire=wire, base_url=url, key_env=KEY_ENV, stream=stream), KEY)
    spec = LaneSpec(provider="loop", model="small", max_output_tokens=1000, timeout_s=timeout_s)
    return ModelLane("fast", spec, endpoint, first_wait_s=0.01)


LANES = pytest.mark.parametrize(
    ("wire", "stream"),
    [("anthropic", True), ("openai", True), ("openai", False)],
    ids=["anthropic", "openai", "openai-whole"],
)


@LANES
@pytest.mark.parametrize("fault", FAULTS)
def test_a_fault_has_its_class_its_tries_and_its_price(
    server: Loopback, means: Bench, tmp_path: Path, wire: Wire, stream: bool, fault: str
) -> None:
    answer, kind, tries, counted = FAULTS[fault]
    if fault == "error in the stream" and not stream:
        kind = "bad_response"  # a stream that was not asked for
    server.script("small", *[answer] * tries, Reply(DIFF))

    lane = asked(server, wire, stream=stream, timeout_s=0.3 if fault in SILENT else 20.0)
    with pytest.raises(ProviderError) as failed:
        lane.propose(REQUEST, means.desk)

    assert (failed.value.kind, len(server.calls)) == (kind, tries)
    assert KEY not in f"{failed.value} {failed.value.hint}"
    with sqlite3.connect(tmp_path / "ledger.sqlite3") as ledger:
        lost = ledger.execute("SELECT COUNT(*) FROM call WHERE cost_micro_usd IS NULL").fetchone()
    ledger.close()
    assert lost == (counted,)


@LANES
def test_an_answer_that_was_lost_and_then_delivered_again_is_counted_twice(
    server: Loopback, means: Bench, wire: Wire, stream: bool
) -> None:
    server.script("small", Fault.cut_off(), Reply(DIFF, input_tokens=1000, output_tokens=100))

    proposal = asked(server, wire, stream=stream).propose(REQUEST, means.desk)

    assert proposal.reply == DIFF
    first, second = means.purse.calls
    assert (first.cost_micro_usd, second.cost_micro_usd) == (None, 1500)
    assert first.reserved_micro_usd > 0
