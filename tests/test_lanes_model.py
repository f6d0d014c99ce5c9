"""A lane with a model: which model got which call, what each try cost, and when it gives up."""

from __future__ import annotations

import time
from collections.abc import Iterator
from importlib import import_module
from pathlib import Path

import pytest
from desks import Bench, bench
from loopback import KEY_ENV, Fault, Loopback, Reply

from route_agent.config import Endpoint, Provider, Wire
from route_agent.errors import LimitReached, ProviderError
from route_agent.lanes.model import TRIES, ModelLane
from route_agent.policy import LaneSpec
from route_agent.records.lanes import CallState, Prompt, Request

KEY = "sk-loop-0123456789abcdef"
REQUEST = Request(start="0" * 40, prompt=Prompt("You write patches.", "Fix the retry leak."))
DIFF = "--- a/sync.py\n+++ b/sync.py\n@@ -1 +1 @@\n-a\n+b\n"
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


@pytest.fixture
def means(tmp_path: Path) -> Iterator[Bench]:
    with bench(tmp_path) as made:
        yield made


def lane(
    server: Loopback,
    *,
    name: str = "fast",
    model: str = "small",
    wire: Wire = "openai",
    key: str = KEY,
    timeout_s: float = 30.0,
    first_wait_s: float = 0.01,
) -> ModelLane:
    url = server.anthropic_url if wire == "anthropic" else server.openai_url
    endpoint = Endpoint("loop", Provider(wire=wire, base_url=url, key_env=KEY_ENV), key)
    spec = LaneSpec(provider="loop", model=model, max_output_tokens=1000, timeout_s=timeout_s)
    return ModelLane(name, spec, endpoint, first_wait_s=first_wait_s)


@pytest.mark.parametrize("wire", ["anthropic", "openai"])
def test_a_proposal_is_the_reply_with_its_call_and_what_it_cost(
    server: Loopback, means: Bench, wire: Wire
) -> None:
    server.script(
        "small", Reply(f"SUMMARY: reset after success\n{DIFF}", input_tokens=1000, output_tokens=100)
    )

    proposal = lane(server, wire=wire).propose(REQUEST, means.desk)

    assert proposal.reply == f"SUMMARY: reset after success\n{DIFF}"
    assert proposal.summary == "reset after success"
    (call,) = proposal.calls
    assert (call.lane, call.provider, call.model_requested) == ("fast", "loop", "small")
    assert call.cost_micro_usd == 1000 * 1 + 100 * 5
    assert [event.text for event in means.events if event.text] == ["fast · small"]
    assert server.calls == [(wire, "small")]


def test_every_lane_asks_its_own_model_over_its_own_wire(server: Loopback, means: Bench) -> None:
    server.script("small", Reply("no idea"))
    server.script("large", Reply(DIFF))

    lane(server, name="fast", model="small", wire="openai").propose(REQUEST, means.desk)
    lane(server, name="strong", model="large", wire="anthropic").propose(REQUEST, means.desk)

    assert server.calls == [("openai", "small"), ("anthropic", "large")]


@pytest.mark.parametrize("wire", ["anthropic", "openai"])
def test_a_provider_that_stumbles_is_asked_again_and_every_try_is_written_down(
    server: Loopback, means: Bench, wire: Wire
) -> None:
    server.script("small", Fault.status(529), Fault.cut_off(), Reply(DIFF))

    proposal = lane(server, wire=wire).propose(REQUEST, means.desk)

    assert proposal.reply == DIFF
    assert server.calls == [(wire, "small")] * 3
    assert [call.state for call in means.purse.calls][-1] is CallState.DONE
    assert len(means.purse.calls) == 3
    assert means.purse.calls[0].error.startswith("overloaded: loop answered 529")
    assert means.purse.calls[1].error.startswith("cut_off: ")


def test_a_provider_that_stays_down_is_asked_three_times_and_no_more(server: Loopback, means: Bench) -> None:
    server.script("small", *[Fault.status(503, "down for maintenance")] * 5)

    with pytest.raises(ProviderError, match="down for maintenance"):
        lane(server).propose(REQUEST, means.desk)

    assert len(server.calls) == len(means.purse.calls) == TRIES == 3


@pytest.mark.parametrize(
    "fault", [Fault.status(401), Fault.status(404), Fault.html()], ids=["401", "404", "html"]
)
def test_what_will_not_change_is_asked_once(server: Loopback, means: Bench, fault: Fault) -> None:
    server.script("small", fault, Reply(DIFF))

    with pytest.raises(ProviderError):
        lane(server).propose(REQUEST, means.desk)

    assert len(server.calls) == 1


def test_the_waits_are_spread_and_double(server: Loopback) -> None:
    patient, error = (
        lane(server, first_wait_s=1.0),
        ProviderError("no answer", kind="timeout", retryable=True),
    )

    for tries, longest in ((1, 1.0), (2, 2.0), (3, 4.0)):
        waits = [patient._wait_after(error, tries) for _ in range(200)]
        assert longest / 2 <= min(waits) < max(waits) <= longest
        assert max(waits) - min(waits) > longest / 4


def test_the_wait_that_a_provider_asks_for_is_kept(server: Loopback, means: Bench) -> None:
    server.script("small", Fault.status(429, retry_after=0.4), Reply(DIFF))
    began = time.monotonic()

    lane(server).propose(REQUEST, means.desk)

    assert 0.4 <= time.monotonic() - began < 0.4 + SLACK_S


@pytest.mark.parametrize("retry_after", [3600, 10**300])
def test_a_wait_of_an_hour_is_not_waited(tmp_path: Path, server: Loopback, retry_after: float) -> None:
    server.script("small", Fault.status(429, retry_after=retry_after), Reply(DIFF))
    began = time.monotonic()

    with bench(tmp_path, seconds=100_000) as means, pytest.raises(ProviderError, match="429"):
        lane(server).propose(REQUEST, means.desk)

    assert time.monotonic() - began < SLACK_S
    assert len(server.calls) == 1


def test_no_wait_goes_beyond_the_runs_deadline(tmp_path: Path, server: Loopback) -> None:
    server.script("small", Fault.status(429, retry_after=20), Reply(DIFF))
    began = time.monotonic()

    with bench(tmp_path, seconds=3) as means, pytest.raises(ProviderError, match="429"):
        lane(server).propose(REQUEST, means.desk)

    assert time.monotonic() - began < SLACK_S


@pytest.mark.parametrize("wire", ["anthropic", "openai"])
def test_a_request_ends_with_the_run_even_if_the_lane_may_take_longer(
    tmp_path: Path, server: Loopback, wire: Wire
) -> None:
    server.script("small", Fault.drip(), Reply(DIFF))
    began = time.monotonic()

    with bench(tmp_path, seconds=0.5) as means, pytest.raises(ProviderError) as stopped:
        lane(server, wire=wire, timeout_s=180).propose(REQUEST, means.desk)

    assert time.monotonic() - began < 0.5 + SLACK_S
    assert stopped.value.kind == "timeout"
    assert len(server.calls) == 1


def test_a_request_ends_with_the_lanes_own_limit(server: Loopback, means: Bench) -> None:
    server.script("small", Fault.hang(), Reply(DIFF))
    began = time.monotonic()

    proposal = lane(server, timeout_s=0.3).propose(REQUEST, means.desk)

    assert proposal.reply == DIFF
    assert 0.3 <= time.monotonic() - began < 0.3 + SLACK_S


def test_nothing_is_sent_once_the_deadline_has_passed(tmp_path: Path, server: Loopback) -> None:
    with bench(tmp_path, seconds=-1) as means, pytest.raises(LimitReached, match="deadline"):
        lane(server).propose(REQUEST, means.desk)

    assert server.requests == []


def test_nothing_is_sent_that_the_budget_could_not_pay(tmp_path: Path, server: Loopback) -> None:
    with bench(tmp_path, max_usd=0.001) as means, pytest.raises(LimitReached, match="next call could cost"):
        lane(server).propose(REQUEST, means.desk)

    assert server.requests == []


@pytest.mark.parametrize("key", ["", " \n"])
def test_a_missing_key_is_named_before_anything_is_sent(server: Loopback, means: Bench, key: str) -> None:
    with pytest.raises(ProviderError) as refused:
        lane(server, key=key).propose(REQUEST, means.desk)

    assert str(refused.value) == f"no key for lane fast: {KEY_ENV} is not set"
    assert refused.value.kind == "no_key"
    assert KEY_ENV in refused.value.hint
    assert server.requests == []
    assert means.purse.calls == []


@pytest.mark.parametrize(
    ("wire", "stop"), [("anthropic", "max_tokens"), ("openai", "length")], ids=["anthropic", "openai"]
)
def test_a_patch_that_was_cut_off_is_paid_for_and_never_used(
    server: Loopback, means: Bench, wire: Wire, stop: str
) -> None:
    server.script("small", Reply(DIFF, stop=stop, input_tokens=1000, output_tokens=1000))

    with pytest.raises(ProviderError, match="never used") as refused:
        lane(server, wire=wire).propose(REQUEST, means.desk)

    assert refused.value.kind == "max_tokens"
    assert "max_output_tokens" in refused.value.hint
    (call,) = means.purse.calls
    assert call.state is CallState.DONE
    assert call.cost_micro_usd == 1000 * 1 + 1000 * 5
    assert len(server.calls) == 1


def test_a_reply_without_counts_has_no_known_cost(server: Loopback, means: Bench) -> None:
    server.script("small", Reply(DIFF, usage=None))

    (call,) = lane(server).propose(REQUEST, means.desk).calls

    assert call.cost_micro_usd is None
    assert call.reserved_micro_usd > 0


@pytest.mark.parametrize(("served", "other"), [("small-2026-10-01", False), ("tiny-1", True)])
def test_another_model_than_the_one_asked_is_seen(
    server: Loopback, means: Bench, served: str, other: bool
) -> None:
    server.script("small", Reply(DIFF, served_model=served))

    (call,) = lane(server).propose(REQUEST, means.desk).calls

    assert call.model_served == served
    assert call.other_model_answered is other


@pytest.mark.parametrize(
    ("reply", "summary"),
    [
        (f"SUMMARY: one\nSUMMARY: two\n{DIFF}", "one"),
        (f"{DIFF}SUMMARY: at the end\r\n", "at the end"),
        (DIFF, ""),
        (f"SUMMARY:\n{DIFF}", ""),
        (f"+SUMMARY: part of the patch\n SUMMARY: and this\n{DIFF}", ""),
        (f"SUMMARY: \x1b[31mred\x07 \u202eturned\u2069  wide\n{DIFF}", "[31mred turned wide"),
        (f"SUMMARY: {'x' * 500}\n{DIFF}", "x" * 199 + "…"),
    ],
)
def test_the_summary_is_the_first_line_that_says_it_is_one(
    server: Loopback, means: Bench, reply: str, summary: str
) -> None:
    server.script("small", Reply(reply))

    assert lane(server).propose(REQUEST, means.desk).summary == summary


def test_the_server_says_so_when_a_test_asks_more_than_was_scripted(server: Loopback, means: Bench) -> None:
    with pytest.raises(ProviderError, match=r'nothing is scripted .* for model "small"'):
        lane(server).propose(REQUEST, means.desk)
