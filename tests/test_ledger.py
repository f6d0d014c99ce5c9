"""The ledger: it only grows, a budget holds across processes, and nothing secret is in it."""

from __future__ import annotations

import json
import sqlite3
import subprocess
import sys
from dataclasses import replace
from decimal import Decimal
from math import inf
from pathlib import Path

import pytest

from route_agent.confidence import Efforts
from route_agent.errors import LedgerError, LimitReached, UsageError
from route_agent.ledger.allowances import Payer
from route_agent.ledger.budget import Purse
from route_agent.ledger.reuse import request_key
from route_agent.ledger.schema import SCHEMA_VERSION
from route_agent.ledger.store import Ledger, now
from route_agent.pricing import Prices, Rates
from route_agent.records.change import Change, FileChange
from route_agent.records.checks import Isolation, IsolationLevel
from route_agent.records.facts import Facts
from route_agent.records.grades import Failure, TaskClass, Verdict
from route_agent.records.lanes import (
    Call,
    CallState,
    ModelReply,
    Prompt,
    Purpose,
    Shape,
    Turn,
    Usage,
    is_other_model,
)
from route_agent.records.risk import Advice, Decision, Provenance, Risk, SecondDecision, Signal
from route_agent.records.runs import Attempt, Cost, Quote, Run

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
        ({"max_usd": 0.02}, r"next call could cost \$0.011, \$0.009 of the \$0.020 limit is left"),
        ({"per_day_usd": 0.02}, r"\$0.009 of the \$0.020 limit of the day is left"),
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


@pytest.mark.parametrize("usd", [0.0, 0.002])
def test_the_limit_that_a_refusal_names_is_enough_for_the_call(ledger: Ledger, usd: float) -> None:
    with pytest.raises(LimitReached) as refused:
        purse(ledger, max_usd=usd).reserve("fast", "p", "m", PROMPT, 1000)

    assert refused.value.hint == "raise it: --max-usd 0.02"
    assert purse(ledger, max_usd=0.02).reserve("fast", "p", "m", PROMPT, 1000).micro_usd == 11_017


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


@pytest.mark.parametrize(
    ("served", "dollars"),
    [("gpt-6-luna", "0.15"), ("gpt-6.1-sol-2026-09-01", "3"), ("a-model-of-no-price", "3"), (None, "3")],
)
def test_the_model_that_answered_is_paid_where_its_price_is_known(
    ledger: Ledger, served: str | None, dollars: str
) -> None:
    mine = Purse(ledger, "r1", Prices({}, frozenset()), max_usd=50, per_day_usd=50)
    held = mine.reserve("fast", "openai", "gpt-6.1-sol", PROMPT, 1000)

    # a thousand tokens at 2 or 0.1 dollars a million, and a hundred at 10 or 0.5
    call = mine.settle(held, ModelReply("hi", served, Usage(1000, 0, 0, 100)), 1)

    assert call.cost_micro_usd == Decimal(dollars) * 1000


@pytest.mark.parametrize(("served", "micro_usd"), [("dear", 60_000), ("gpt-6.1-sol", 1_500)])
def test_rates_for_the_name_that_was_asked_give_way_only_to_rates_for_the_one_that_answered(
    ledger: Ledger, served: str, micro_usd: int
) -> None:
    stated = {"m": Rates(Decimal(1), Decimal(5)), "dear": Rates(Decimal(10), Decimal(500))}
    mine = Purse(ledger, "r1", Prices(stated, frozenset()), max_usd=50, per_day_usd=50)

    held = mine.reserve("fast", "openai", "m", PROMPT, 1000)
    call = mine.settle(held, ModelReply("hi", served, Usage(1000, 0, 0, 100)), 1)

    assert call.cost_micro_usd == micro_usd


@pytest.mark.parametrize(
    ("requested", "served", "is_other"),
    [
        ("gpt-6", "gpt-6", False),
        ("gpt-6", "gpt-6-2026-09-01", False),
        ("gpt-6", "openai/gpt-6-0613", False),
        ("anthropic/claude-opus-5.5", "claude-opus-5-5-20260901", False),
        ("claude-opus-5-5", "claude-opus-5-5@20260901", False),
        ("mistral-large-latest", "mistral-large-2411", False),
        ("llama3.2", "llama3.2:latest", False),
        ("m:free", "m", False),
        ("gpt-6", None, False),
        ("gpt-6", "gpt-6-luna", True),
        ("claude-opus-5", "claude-opus-5-5", True),
        ("claude-opus-5-5", "claude-haiku-5-5", True),
        ("openrouter/auto", "gpt-6", True),
    ],
)
def test_an_edition_of_a_model_is_the_model_and_a_longer_name_is_another(
    requested: str, served: str | None, is_other: bool
) -> None:
    assert is_other_model(requested, served) is is_other


def test_what_had_come_of_a_lost_reply_is_kept_as_an_estimate_and_prices_nothing(ledger: Ledger) -> None:
    mine = purse(ledger)
    came = Usage(1000, 0, 0, 7, is_estimate=True)

    lost = mine.fail(mine.reserve("fast", "p", "m", PROMPT, 1000), CallState.LOST, "cut", 1, partial=came)

    assert (lost.usage, lost.cost_micro_usd) == (came, None)
    assert mine.spent_today() == pytest.approx(0.011017)
    assert ledger.calibration("fast", "m") == 1.0


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


# --- files of older versions -------------------------------------------------------------------------------

OLD = Path(__file__).parent / "ledgers"


@pytest.mark.parametrize("version", [1, 2, 3])
def test_a_file_that_an_older_version_wrote_is_brought_up_to_date_and_nothing_is_lost(
    tmp_path: Path, version: int
) -> None:
    path = tmp_path / "ledger.sqlite3"
    database = sqlite3.connect(path)
    database.executescript((OLD / f"version-{version}.sql").read_text())
    before = database.execute("SELECT id, lane, cost_micro_usd, reply FROM call ORDER BY id").fetchall()
    assert database.execute("PRAGMA user_version").fetchone()[0] == version
    database.close()

    ledger = Ledger(path)

    (told,) = ledger.runs()
    assert (told["verdict"], told["cost_micro_usd"], told["accepted_lane"]) == ("accepted", 19_250, "strong")
    assert ledger.report("latest")["id"] == told["id"]
    assert [lane.lane for lane in ledger.lane_statistics()] == ["fast", "strong"]
    assert ledger.spent("repository = :it", {"it": told["repository"]}) == 19_250
    # what was estimated before version 3, nobody wrote down
    assert (ledger.calibration("fast", "small-1") == 1.0) is (version < 3)
    assert ledger.stored_reply("") is None
    assert ledger.integrity() == "ok"
    mine = purse(ledger, "new")
    mine.settle(mine.reserve("fast", "p", "m", PROMPT, 10), ModelReply("hi", "m", Usage(5, 0, 0, 5)), 1)
    ledger.begin(run("new"), forced_lane=False)
    ledger.add_attempt("new", 1, Attempt("fast", "p", "m", mine.made(0, "fast")))
    ledger.quote("new", Quote(expected=1, low=1, high=2))
    ledger.close()

    database = sqlite3.connect(path)
    assert database.execute("PRAGMA user_version").fetchone()[0] == SCHEMA_VERSION == 5
    kept = database.execute("SELECT id, lane, cost_micro_usd, reply FROM call ORDER BY id").fetchall()
    assert kept[: len(before)] == before
    mode, signals, paths = database.execute("SELECT mode, signals, paths FROM run ORDER BY rowid").fetchone()
    assert (mode, paths) == ("rules", None)  # which files it was, nobody wrote down
    assert {"name", "value", "points", "provenance"} <= json.loads(signals)[0].keys()
    assert database.execute("SELECT calls, effort, paths FROM attempt").fetchone() == (None, None, None)
    fresh = Ledger(tmp_path / "fresh.sqlite3")
    fresh.close()
    assert _tables(path) == _tables(tmp_path / "fresh.sqlite3")
    database.close()


def _tables(path: Path) -> dict[str, list[tuple[str, str, int]]]:
    """Every table's columns with their types, and every index with none."""
    database = sqlite3.connect(path)
    names = [row[0] for row in database.execute("SELECT name FROM sqlite_master")]
    found = {
        name: [(row[1], row[2], row[3]) for row in database.execute(f"PRAGMA table_info({name})")]
        for name in names
    }
    database.close()
    return found


def test_of_an_agent_that_chooses_its_model_every_attempt_tells_what_one_takes(ledger: Ledger) -> None:
    ledger.begin(run("a"), forced_lane=False)
    for number in range(1, 11):
        ledger.add_attempt("a", number, Attempt("agent", "command", f"m{number % 2}", (answered(),)))

    assert ledger.lane_quantile("agent", "", "usd", 0.9) == pytest.approx(0.003)
    assert ledger.lane_quantile("agent", "m1", "usd", 0.9) is None


def test_a_fallback_of_the_same_name_is_the_lanes_own_model() -> None:
    same = answered(model_requested="anthropic/m-5.5", model_served=None, fallback_for="m-5-5")
    other = answered(model_requested="n", model_served="n", fallback_for="m")

    assert not same.fallback_answered
    assert not replace(other, state=CallState.LOST).fallback_answered
    assert not answered().fallback_answered
    assert other.fallback_answered


def test_two_processes_that_open_an_old_file_at_once_bring_it_up_to_date_once(tmp_path: Path) -> None:
    path = tmp_path / "ledger.sqlite3"
    database = sqlite3.connect(path)
    database.executescript((OLD / "version-1.sql").read_text())
    database.close()
    script = (
        "import sys; from pathlib import Path; from route_agent.ledger.store import Ledger\n"
        "print(len(Ledger(Path(sys.argv[1])).runs()))\n"
    )

    opened = [
        subprocess.Popen([sys.executable, "-c", script, str(path)], stdout=subprocess.PIPE, text=True)
        for _ in range(4)
    ]

    assert [process.communicate(timeout=60)[0].strip() for process in opened] == ["1"] * 4


# --- what is left out of what lanes are worth --------------------------------------------------------------


def answered(**facts: object) -> Call:
    told: dict[str, object] = {
        "id": 1,
        "lane": "fast",
        "provider": "p",
        "model_requested": "m",
        "model_served": "m",
        "state": CallState.DONE,
        "usage": Usage(1000, 0, 0, 200),
        "cost_micro_usd": 3000,
        "reserved_micro_usd": 9000,
        "seconds": 1.0,
    }
    return Call(**{**told, **facts})  # type: ignore[arg-type]


@pytest.mark.parametrize(
    "odd",
    [
        Attempt("fast", "p", "m", (answered(model_served="another"),)),
        Attempt("fast", "p", "m", (answered(model_requested="n", model_served="n", fallback_for="m"),)),
        Attempt("fast", "p", "m", (answered(reused=True, cost_micro_usd=0),)),
        Attempt("fast", "p", "m", (answered(),), same_model_as="lower"),
    ],
    ids=[
        "another model answered",
        "a fallback answered",
        "a stored reply answered",
        "the same model as below answered",
    ],
)
def test_what_says_nothing_of_a_lane_is_left_out_of_everything_that_is_learnt(
    ledger: Ledger, odd: Attempt
) -> None:
    ledger.begin(run("a"), forced_lane=False)
    for number in range(1, 11):
        ledger.add_attempt("a", number, Attempt("fast", "p", "m", (answered(),), seconds=2.0))
    ledger.begin(run("odd"), forced_lane=False)
    for number in range(1, 31):
        ledger.add_attempt("odd", number, replace(odd, seconds=900.0))

    (fast,) = ledger.lane_statistics()
    assert (fast.attempts, fast.median_seconds) == (10, 2.0)
    assert ledger.usual("fast", "m").runs == 10
    assert ledger.lane_quantile("fast", "m", "seconds", 0.9) == 2.0


def test_a_quantile_is_what_so_many_attempts_stayed_within(ledger: Ledger) -> None:
    ledger.begin(run("a"), forced_lane=False)
    for number in range(1, 10):
        call = answered(cost_micro_usd=number * 1000, usage=Usage(number * 100, 0, 0, 1))
        ledger.add_attempt("a", number, Attempt("fast", "p", "m", (call,), seconds=float(number)))
    assert ledger.lane_quantile("fast", "m", "usd", 0.9) is None  # nine are too few

    call = answered(cost_micro_usd=10_000, usage=Usage(1000, 0, 0, 1))
    ledger.add_attempt("a", 10, Attempt("fast", "p", "m", (call,), seconds=10.0))

    assert ledger.lane_quantile("fast", "m", "usd", 0.9) == 0.009
    assert ledger.lane_quantile("fast", "m", "tokens", 0.5) == 501
    assert ledger.lane_quantile("fast", "m", "seconds", 0.99) == 10.0
    assert ledger.lane_quantile("fast", "other", "seconds", 0.9) is None


def test_an_attempt_that_was_stopped_would_have_taken_more_so_that_no_cap_lowers_the_next(
    ledger: Ledger,
) -> None:
    ledger.begin(run("a"), forced_lane=False)
    for number in range(1, 11):
        stopped = Failure.CAPPED if number == 1 else None
        call = answered(cost_micro_usd=number * 1000, usage=Usage(number * 100, 0, 0, 0))
        made = Attempt("fast", "p", "m", (call,) * number, failure=stopped, seconds=float(number))
        ledger.add_attempt("a", number, made)
    for failure in (Failure.CAPPED, Failure.LIMIT):  # before its first call
        ledger.add_attempt("a", 20 + len(failure), Attempt("fast", "p", "m", failure=failure))

    # of ten, the one at the cap of one call stands last; without that the half would lie at five
    assert ledger.lane_quantile("fast", "m", "calls", 0.5) == 6
    assert ledger.lane_quantile("fast", "m", "calls", 0.9) == 10
    assert ledger.lane_quantile("fast", "m", "calls", 0.99) == 10
    found = ledger.efforts("fast", "m")
    assert list(found.calls) == [10, 9, 8, 7, 6, 5, 4, 3, 2, inf]
    assert list(found.usd)[:2] == [100_000, 81_000]
    assert ledger.efforts("fast", "other") == ledger.efforts("strong", "m") == Efforts()


def test_attempts_without_an_answer_or_a_price_say_nothing_of_what_one_takes(ledger: Ledger) -> None:
    ledger.begin(run("a"), forced_lane=False)
    for number in range(1, 11):
        ledger.add_attempt("a", number, Attempt("fast", "p", "m", failure=Failure.PROVIDER, seconds=0.1))
        unknown = answered(cost_micro_usd=None, usage=None)
        ledger.add_attempt("a", number + 50, Attempt("fast", "p", "m", (unknown,), seconds=3.0))

    assert ledger.lane_quantile("fast", "m", "usd", 0.5) is None
    assert ledger.lane_quantile("fast", "m", "tokens", 0.5) is None
    assert ledger.lane_quantile("fast", "m", "seconds", 0.5) == 3.0
    assert ledger.lane_quantile("fast", "m", "calls", 0.5) == 1


def test_the_calibration_is_the_median_of_what_was_counted_and_bounded(ledger: Ledger) -> None:
    mine = purse(ledger)

    def count(tokens: int, *, model: str = "m", served: str = "m", is_estimate: bool = False) -> None:
        held = mine.reserve("fast", "p", model, Prompt("", "x" * 3500), 10)  # taken for 1,000 tokens
        usage = Usage(tokens, 0, 0, 5, is_estimate=is_estimate)
        mine.settle(held, ModelReply("hi", served, usage), 0.1)

    assert ledger.calibration("fast", "m") == 1.0
    for tokens in (1200, 1300, 9000):
        count(tokens)
    assert ledger.calibration("fast", "m") == 1.3
    count(8000, served="another")
    count(8000, is_estimate=True)
    assert ledger.calibration("fast", "m") == 1.3
    for _ in range(10):
        count(9000, model="big", served="big")
        count(10, model="tiny", served="tiny")
    assert (ledger.calibration("fast", "big"), ledger.calibration("fast", "tiny")) == (3.0, 0.3)
    assert ledger.calibration("strong", "m") == 1.0


# --- both decisions ---------------------------------------------------------------------------------------


def change(*paths: str) -> Change:
    return Change("1", "2", tuple(FileChange(it, "100644", "100644", "a", "b", 1, 0) for it in paths))


def row(ledger: Ledger, table: str) -> dict[str, object]:
    database = sqlite3.connect(ledger.path)
    database.row_factory = sqlite3.Row
    found = dict(database.execute(f"SELECT * FROM {table}").fetchone())
    database.close()
    return found


def test_what_another_policy_would_decide_by_is_written_down_with_the_decision(ledger: Ledger) -> None:
    key = "sk-ant-api03-" + "A" * 40
    advice = Advice("complexity", "strong", ("complexity 0.9",), complexity=0.9)
    decided = replace(
        run(),
        risk=Risk(3, (Signal("files", 2, 2, Provenance.TRUSTED, ("a.py",)), Signal("untested", None, 0, Provenance.TRUSTED))),
        decision=Decision(
            "fast", ("fast", "strong"), ("why",), "bug", "default", "0" * 12, mode="hybrid", phase="implement",
            advice=(advice,), class_named=True,
        ),
    )  # fmt: skip
    ledger.begin(decided, forced_lane=False)

    ledger.decided(decided, Facts("b", change("a.py", f"{key}.py"), named=("c.py",)))

    kept = row(ledger, "run")
    told = ("mode", "phase", "class_named", "task_class", "score", "first_lane")
    assert [kept[name] for name in told] == ["hybrid", "implement", 1, "bug", 3, "fast"]
    assert json.loads(str(kept["paths"])) == {
        "changed": ["a.py", "[redacted:anthropic-key].py"], "named": ["c.py"], "left_out": 0
    }  # fmt: skip
    assert [(it["name"], it["value"], it["points"]) for it in json.loads(str(kept["signals"]))] == [
        ("files", 2, 2),
        ("untested", None, 0),
    ]
    assert json.loads(str(kept["advice"]))[0]["complexity"] == 0.9


def test_an_attempt_keeps_what_its_second_decision_went_by(ledger: Ledger) -> None:
    ledger.begin(run(), forced_lane=False)
    second = SecondDecision(accepts=True, reasons=(), score=4, effort=0.75, likely=0.9)
    failed = answered(state=CallState.FAILED, cost_micro_usd=0)
    made = Attempt(
        "fast",
        "p",
        "m",
        (failed, answered(), answered()),
        change=change("a/é.py"),
        confidence=0.8,
        second=second,
    )

    ledger.add_attempt("r1", 1, made)

    kept = row(ledger, "attempt")
    told = ("calls", "score", "effort", "likely", "confidence", "paths")
    assert [kept[name] for name in told] == [2, 4, 0.75, 0.9, 0.8, json.dumps(["a/é.py"])]


def test_paths_are_counted_by_the_runs_that_left_their_lane_over_them(ledger: Ledger) -> None:
    def climbed(run_id: str, *attempts: Attempt, repository: str = "/r", replayed: bool = False) -> None:
        ledger.begin(replace(run(run_id, replayed=replayed), repository=repository), forced_lane=False)
        for number, made in enumerate(attempts, 1):
            ledger.add_attempt(run_id, number, made)

    weak = Attempt("fast", "p", "m", failure=Failure.WEAK, change=change("a.py", "b.py"))
    strong = Attempt("strong", "p", "n", change=change("a.py"))
    climbed("one", weak, strong)
    climbed("two", weak, strong)
    climbed("again", weak, weak)
    climbed("accepted", replace(weak, failure=None))
    climbed("weather", replace(weak, failure=Failure.PROVIDER), strong)
    climbed("fixed", Attempt("fixer", "fixer", "", failure=Failure.STILL_FAILING), strong)
    climbed("elsewhere", weak, strong, repository="/other")
    climbed("recorded", weak, strong, replayed=True)

    assert ledger.escalated_paths("/r") == {"a.py": 2, "b.py": 2}
    assert ledger.escalated_paths("/nowhere") == {}


def test_statistics_are_by_lane_and_class_as_well(ledger: Ledger) -> None:
    decision = Decision("fast", ("fast",), (), "bug", "default", "0" * 12)
    classes: dict[str, TaskClass] = {"a": "bug", "b": "docs", "c": "docs"}
    for run_id, task_class in classes.items():
        told = replace(run(run_id), risk=Risk(0, ()), decision=replace(decision, task_class=task_class))
        ledger.begin(told, forced_lane=False)
        ledger.decided(told, Facts("", change()))
        ledger.add_attempt(
            run_id, 1, Attempt("fast", "p", "m", failure=Failure.WEAK if run_id == "c" else None)
        )
    ledger.begin(run("dead"), forced_lane=False)
    ledger.add_attempt("dead", 1, Attempt("fast", "p", "m"))

    found = [
        (it.lane, it.task_class, it.accepted, it.attempts) for it in ledger.lane_statistics(by_class=True)
    ]

    assert found == [("fast", "bug", 1, 1), ("fast", "docs", 1, 2), ("fast", "unknown", 1, 1)]
    assert [(it.task_class, it.attempts) for it in ledger.lane_statistics()] == [("", 4)]


# --- the same request again --------------------------------------------------------------------------------

KEY = "k" * 64


def asked(mine: Purse, reply: ModelReply, key: str = KEY) -> Call:
    held = mine.reserve("fast", "p", "m", PROMPT, 10, request_key=key)
    return mine.settle(held, reply, 1.0)


def again(mine: Purse, key: str = KEY) -> tuple[ModelReply, Call] | None:
    return mine.again("fast", "p", "m", PROMPT, key, purpose=Purpose.PATCH)


def test_a_stored_reply_answers_for_nothing_and_is_marked(ledger: Ledger) -> None:
    asked(purse(ledger), ModelReply("the patch", "m", Usage(100, 0, 0, 10), stop="end"))
    mine = purse(ledger, "r2")

    found = again(mine)

    assert found
    reply, call = found
    assert (reply.text, reply.model_served, reply.stop) == ("the patch", "m", "end")
    assert (call.cost_micro_usd, call.reserved_micro_usd, call.reused) == (0, 0, True)
    assert (call.state, call.price_basis, call.usage) == (CallState.DONE, "reused", Usage())
    assert mine.calls == [call]
    assert purse(ledger).spent_today() == pytest.approx(0.0002)  # of the one that was sent
    assert again(purse(ledger, "r3"), key="another") is None


@pytest.mark.parametrize(
    "reply",
    [
        ModelReply("use sk-ant-api03-" + "A" * 40, "m", None, stop="end"),
        ModelReply("half of it", "m", None, stop="max_tokens"),
        ModelReply("not by it", "another-model", None, stop="end"),
        ModelReply("  ", "m", None, stop="end"),
    ],
    ids=["redacted", "cut short", "another model", "empty"],
)
def test_a_reply_that_is_not_whole_or_not_the_models_own_never_answers_again(
    ledger: Ledger, reply: ModelReply
) -> None:
    asked(purse(ledger), reply)

    assert again(purse(ledger, "r2")) is None


def test_a_recorded_or_failed_or_reused_reply_never_answers_again(ledger: Ledger) -> None:
    mine = purse(ledger)
    held = mine.reserve("fast", "recorded", "m", PROMPT, 10, request_key=KEY)
    mine.settle(held, ModelReply("played", "m", None, stop="end"), 0.0)
    assert again(mine) is None
    mine.fail(mine.reserve("fast", "p", "m", PROMPT, 10, request_key=KEY), CallState.LOST, "timeout", 1.0)
    assert again(mine) is None


def test_a_request_is_the_same_only_if_every_part_of_it_is() -> None:
    shape = Shape("patch", {"type": "object"})
    prompt = Prompt("s", "u", (Turn("assistant", "a"), Turn("user", "b")), "p", shape)
    settings = {"effort": "low", "max_output_tokens": 10}
    others = (
        ("q", "m", settings, prompt, "t"),
        ("p", "n", settings, prompt, "t"),
        ("p", "m", {**settings, "effort": "high"}, prompt, "t"),
        ("p", "m", settings, prompt, "another tree"),
        *(
            ("p", "m", settings, replace(prompt, **change), "t")
            for change in (
                {"system": "S"},
                {"user": "U"},
                {"project": "P"},
                {"later": ()},
                {"later": (Turn("assistant", "ab"), Turn("user", ""))},
                {"shape": None},
                {"shape": Shape("patch", {"type": "array"})},
                {"system": "su", "user": ""},
            )
        ),
    )

    keys = {request_key(*it) for it in (("p", "m", settings, prompt, "t"), *others)}

    assert len(keys) == len(others) + 1
    assert request_key("p", "m", dict(reversed(settings.items())), prompt, "t") in keys


def test_everything_that_a_call_tells_is_written_down(ledger: Ledger) -> None:
    mine = Purse(
        ledger,
        "r1",
        Prices({"m": Rates(Decimal(2), Decimal(10), Decimal("0.2"), Decimal(4), Decimal(8))}, frozenset()),
        max_usd=1,
        per_day_usd=1,
        payer=Payer("/r", "one@example.org"),
    )
    held = mine.reserve("fast", "p", "m", PROMPT, 100, purpose=Purpose.PLAN, fallback_for="dear")
    usage = Usage(1000, 300, 200, 50, 20, cache_write_1h=100)

    call = mine.settle(held, ModelReply("hi", "m", usage), 1.0)

    assert call.saved_micro_usd == 300 * (2 - 0.2) + 100 * (2 - 4) + 100 * (2 - 8)
    database = sqlite3.connect(ledger.path)
    database.row_factory = sqlite3.Row
    row = dict(database.execute("SELECT * FROM call").fetchone())
    database.close()
    assert row["cost_micro_usd"] == 500 * 2 + 300 * 0.2 + 100 * 4 + 100 * 8 + 50 * 10
    told = ("repository", "author", "purpose", "fallback_for", "price_basis", "cache_write", "cache_write_1h")
    assert [row[name] for name in told] == ["/r", "one@example.org", "plan", "dear", "rates", 200, 100]
    assert row["saved_micro_usd"] == call.saved_micro_usd
    assert (row["estimated_tokens"], call.estimated_tokens) == (572, 572)
