"""The ledger: it only grows, a budget holds across processes, and nothing secret is in it."""

from __future__ import annotations

import subprocess
import sys
from decimal import Decimal
from pathlib import Path

import pytest

from route_agent.errors import LedgerError, LimitReached, UsageError
from route_agent.ledger.budget import Purse
from route_agent.ledger.store import Ledger, now
from route_agent.pricing import Prices, Rates
from route_agent.records.checks import Isolation, IsolationLevel
from route_agent.records.grades import Failure, Verdict
from route_agent.records.lanes import CallState, ModelReply, Prompt, Usage
from route_agent.records.runs import Attempt, Cost, Run

PRICES = Prices({"m": Rates(Decimal(1), Decimal(10))}, frozenset({"recorded", "here"}))
PROMPT = Prompt("", "x" * 2000)  # 1,017 tokens at worst: 1,001 and 16 around the message


@pytest.fixture
def ledger(tmp_path: Path) -> Ledger:
    return Ledger(tmp_path / "state" / "ledger.sqlite3")


def purse(ledger: Ledger, run: str = "r1", max_usd: float = 1.0, per_day_usd: float = 10.0) -> Purse:
    return Purse(ledger, run, PRICES, max_usd=max_usd, per_day_usd=per_day_usd)


def run(run_id: str = "r1", *, brief: str = "b", replayed: bool = False) -> Run:
    return Run(
        id=run_id,
        started_at=now(),
        repository="/r",
        brief=brief,
        base="1",
        start="2",
        verdict=Verdict.NOT_PROVED,
        reason="",
        isolation=Isolation(IsolationLevel.NONE),
        replayed=replayed,
    )


def test_the_worst_case_is_set_aside_and_the_real_cost_settled(ledger: Ledger) -> None:
    mine = purse(ledger)

    reservation = mine.reserve("fast", "p", "m", PROMPT, 1000)
    assert reservation.micro_usd == 1017 + 10_000
    call = mine.settle(reservation, ModelReply("hi", "m", Usage(input_total=500, output_total=100)), 1.5)

    assert call.cost_micro_usd == 500 + 1000
    assert mine.spent_today() == pytest.approx(0.0015)


@pytest.mark.parametrize(
    ("limits", "told"),
    [
        ({"max_usd": 0.02}, r"next call could cost \$0.01, \$0.01 of the \$0.02 limit is left"),
        ({"per_day_usd": 0.02}, r"\$0.01 of the \$0.02 limit of the day is left"),
    ],
)
def test_a_call_that_does_not_fit_is_refused_and_nothing_is_set_aside(
    ledger: Ledger, limits: dict[str, float], told: str
) -> None:
    mine = purse(ledger, max_usd=limits.get("max_usd", 1), per_day_usd=limits.get("per_day_usd", 10))
    mine.reserve("fast", "p", "m", PROMPT, 1000)

    with pytest.raises(LimitReached, match=told):
        mine.reserve("fast", "p", "m", PROMPT, 1000)
    assert mine.spent_today() == pytest.approx(0.011017)


def test_an_unknown_price_is_unknown_and_still_counts_against_the_budget(ledger: Ledger) -> None:
    mine = purse(ledger)

    reservation = mine.reserve("fast", "nobody", "unheard-of", PROMPT, 1000)
    call = mine.settle(reservation, ModelReply("hi", "unheard-of", Usage(10, 0, 0, 10)), 1)

    assert call.cost_micro_usd is None
    assert Cost.of([call]).usd is None
    assert mine.spent_today() == pytest.approx(reservation.micro_usd / 1e6)
    assert reservation.micro_usd > 10_000


def test_a_refused_call_costs_nothing_and_a_lost_one_what_was_set_aside(ledger: Ledger) -> None:
    mine = purse(ledger)

    refused = mine.fail(mine.reserve("fast", "p", "m", PROMPT, 1000), CallState.FAILED, "429", 0.1)
    lost = mine.fail(mine.reserve("fast", "p", "m", PROMPT, 1000), CallState.LOST, "timeout", 9)

    assert (refused.cost_micro_usd, lost.cost_micro_usd) == (0, None)
    assert mine.spent_today() == pytest.approx(0.011017)


def test_recorded_replies_leave_the_days_budget_alone(ledger: Ledger) -> None:
    mine = purse(ledger)
    mine.settle(mine.reserve("fast", "recorded", "recorded", PROMPT, 1000), ModelReply("hi", None, None), 0)

    assert mine.spent_today() == 0
    assert mine.calls[0].cost_micro_usd == 0


def test_a_budget_holds_across_processes(tmp_path: Path) -> None:
    path = tmp_path / "ledger.sqlite3"
    Ledger(path).close()
    script = (
        "import sys; from decimal import Decimal; from pathlib import Path; from route_agent.ledger.store import Ledger\n"
        "from route_agent.ledger.budget import Purse; from route_agent.pricing import Prices, Rates\n"
        "from route_agent.records.lanes import Prompt; from route_agent.errors import LimitReached\n"
        "purse = Purse(Ledger(Path(sys.argv[1])), 'run', Prices({'m': Rates(Decimal(0), Decimal(10))}, frozenset()),"
        " max_usd=1.0, per_day_usd=10.0)\n"
        "taken = 0\n"
        "try:\n"
        "    while True: purse.reserve('fast', 'p', 'm', Prompt('', ''), 1000); taken += 1\n"
        "except LimitReached: print(taken)\n"
    )
    workers = [
        subprocess.Popen([sys.executable, "-c", script, str(path)], stdout=subprocess.PIPE, text=True)
        for _ in range(6)
    ]

    taken = [int(worker.communicate(timeout=60)[0]) for worker in workers]

    assert sum(taken) == 100  # a hundred reservations of one cent each


def test_secrets_are_redacted_at_the_one_writing_place(ledger: Ledger) -> None:
    key = "sk-ant-api03-" + "A" * 40
    mine = purse(ledger)
    mine.settle(mine.reserve("fast", "p", "m", PROMPT, 100), ModelReply(f"use {key}", "m", None), 1)
    ledger.begin(run(brief=f"rotate {key}"), forced_lane=False)
    ledger.add_attempt("r1", 1, Attempt("fast", "p", "m", failure=Failure.WEAK, reason=f"saw {key}"))
    ledger.finish(run(), f'{{"x": "{key}"}}')
    ledger.close()

    stored = b"".join(file.read_bytes() for file in ledger.path.parent.iterdir())

    assert key.encode() not in stored
    assert b"[redacted:anthropic-key]" in stored


def test_a_damaged_ledger_is_told_and_never_overwritten(tmp_path: Path) -> None:
    path = tmp_path / "ledger.sqlite3"
    path.write_bytes(b"this is no database, but it may be all that is left of one" * 20)
    before = path.read_bytes()

    with pytest.raises(LedgerError, match="cannot be used"):
        Ledger(path)
    assert path.read_bytes() == before


def test_a_ledger_of_a_newer_version_is_left_alone(tmp_path: Path) -> None:
    import sqlite3

    path = tmp_path / "ledger.sqlite3"
    with sqlite3.connect(path) as database:
        database.execute("PRAGMA user_version = 99")
    database.close()

    with pytest.raises(LedgerError, match="newer route-agent"):
        Ledger(path)


def test_statistics_are_per_lane_and_without_replays_and_other_models(ledger: Ledger) -> None:
    ledger.begin(run("a"), forced_lane=False)
    ledger.begin(run("b"), forced_lane=False)
    ledger.begin(run("c", replayed=True), forced_lane=False)
    for run_id, seconds, failure in (("a", 2.0, None), ("b", 4.0, Failure.WEAK), ("c", 9.0, None)):
        ledger.add_attempt(run_id, 1, Attempt("fast", "p", "m", failure=failure, seconds=seconds))
    ledger.add_attempt("b", 2, Attempt("strong", "p", "m", seconds=20.0))

    fast, strong = ledger.lane_statistics()

    assert (fast.lane, fast.attempts, fast.accepted, fast.median_seconds) == ("fast", 2, 1, 3.0)
    assert (strong.attempts, strong.first_tries) == (1, 0)


def test_a_run_is_found_by_the_beginning_of_its_id(ledger: Ledger) -> None:
    for run_id in ("abc1", "abd2"):
        ledger.begin(run(run_id), forced_lane=False)
        ledger.finish(run(run_id), f'{{"id": "{run_id}"}}')
    ledger.begin(run("dead"), forced_lane=False)

    assert ledger.report("abd")["id"] == "abd2"
    assert ledger.report("abc1")["id"] == "abc1"
    with pytest.raises(UsageError, match="several runs"):
        ledger.report("ab")
    with pytest.raises(UsageError, match="there is no run"):
        ledger.report("x%")
    with pytest.raises(LedgerError, match="never finished"):
        ledger.report("dead")
