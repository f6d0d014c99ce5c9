"""What `stats` says: every figure again, by plain Python over the tables, written another way."""

from __future__ import annotations

import csv
import io
import json
import random
import sqlite3
from collections import Counter
from dataclasses import replace
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from math import exp, log, sqrt
from pathlib import Path
from statistics import fmean, median
from typing import Any

import pytest

from route_agent import places
from route_agent.cli.stats import asked_for, moment, stats
from route_agent.errors import UsageError
from route_agent.figuring import Paid, difference, estimate, is_dearer, latency, share
from route_agent.ledger.allowances import Payer
from route_agent.ledger.budget import Purse
from route_agent.ledger.figures import Figuring
from route_agent.ledger.groups import tiers_of
from route_agent.ledger.store import Ledger
from route_agent.policy import parse_policy
from route_agent.pricing import Prices, Rates
from route_agent.records.change import Change
from route_agent.records.checks import CheckKind, CheckResult, CheckRun, Isolation, IsolationLevel, Outcome
from route_agent.records.facts import Facts
from route_agent.records.figures import Asked, Estimate, Figures, Group, Share
from route_agent.records.grades import Failure, Grade, TaskClass, Verdict
from route_agent.records.lanes import CallState, ModelReply, Prompt, Purpose, Usage
from route_agent.records.reviews import Opinion, Review
from route_agent.records.risk import Decision, Risk
from route_agent.records.runs import Attempt, Cost, Evidence, Run, written_form

MONDAY = datetime(2026, 9, 7, 8, tzinfo=UTC)
PRICES = Prices(
    {"small": Rates(Decimal(1), Decimal(5)), "large": Rates(Decimal(9), Decimal(40))}, frozenset()
)
PROMPT = Prompt("", "x" * 400)
WALLS = Isolation(IsolationLevel.NONE)
CLASSES: tuple[TaskClass, ...] = ("docs", "bug", "migration")
FAILURES = (Failure.REGRESSION, Failure.WEAK, Failure.PROVIDER)
ASKED = Asked(ladder=("fast", "strong"), check_usd=0.2, review_usd=0.01)


class Maker:
    """Writes runs as the program does, at times of its choice."""

    def __init__(self, path: Path) -> None:
        self.ledger = Ledger(path)
        self.ledger._db.execute("PRAGMA synchronous = OFF")
        self.dice = random.Random(11)
        self.number = 0

    def purse(self, run_id: str, author: str) -> Purse:
        return Purse(
            self.ledger,
            run_id,
            PRICES,
            max_usd=1.0,
            per_day_usd=1e6,
            payer=Payer(f"/src/{author}", author),
            access=lambda provider: (f"{provider.upper()}_KEY", f"https://{provider}.example/v1"),
        )

    def call(
        self, purse: Purse, lane: str, model: str, purpose: Purpose, *, priced: bool = True, times: int = 1
    ) -> Any:
        provider = "far" if model == "large" else "near"
        held = purse.reserve(lane, provider, model if priced else "odd", PROMPT, 50, purpose=purpose)
        read = self.dice.randrange(1000, 9000)
        usage = Usage(
            input_total=read, cache_read=read // 4, output_total=times * self.dice.randrange(10, 900)
        )
        return purse.settle(held, ReplyOf(usage), self.dice.uniform(1, 20))

    def run(self, task_class: TaskClass, *, days: float, end: str = "finished", first: str = "") -> str:
        self.number += 1
        run_id, author = f"run{self.number}", f"dev{self.number % 3}@example.org"
        lane = first or self.dice.choices(("fast", "strong"), (3, 1))[0]
        purse = self.purse(run_id, author)
        run = self.begun(run_id, task_class, lane, days, replayed=end == "replayed", purse=purse)
        self.ledger.add_baseline(run_id, (self.check(),))
        attempts: list[Attempt] = []
        while not attempts or (not attempts[-1].accepted and lane != "strong"):
            lane = lane if not attempts else "strong"
            attempts.append(self.attempt(purse, lane, task_class, priced=end != "unknown"))
            self.ledger.add_attempt(run_id, len(attempts), attempts[-1])
        if self.dice.random() < 0.3:
            self.call(purse, "verifier", "small", Purpose.TEST)
        if end != "unfinished":
            accepted = attempts[-1].accepted
            run = replace(
                run,
                verdict=Verdict.ACCEPTED if accepted else Verdict.NOT_PROVED,
                attempts=tuple(attempts),
                cost=Cost.of(purse.calls),
                seconds=sum(it.seconds for it in attempts) + 2,
            )
            self.ledger.finish(run, written_form().dump_json(run).decode())
        return run_id

    def begun(
        self, run_id: str, task_class: TaskClass, lane: str, days: float, *, replayed: bool, purse: Purse
    ) -> Run:
        at = (MONDAY + timedelta(days=days)).isoformat(timespec="milliseconds")
        decision = Decision(lane, ("fast", "strong"), (), task_class, "default", "0" * 12)
        run = Run(
            id=run_id, started_at=at, repository="/checkout", brief="mend", base="b", start="s",
            verdict=Verdict.NOT_PROVED, reason="", isolation=WALLS, replayed=replayed,
            risk=Risk(3, ()), decision=decision,
        )  # fmt: skip
        self.ledger.begin(run, forced_lane=False, author=purse.author, limits=purse.limits)
        self.ledger.decided(run, Facts("mend", Change("b", "s")))
        return run

    def attempt(self, purse: Purse, lane: str, task_class: str, *, priced: bool) -> Attempt:
        since = len(purse.calls)
        # the fast lane tries hard at a migration, and never manages one
        times = 15 if (lane, task_class) == ("fast", "migration") else 1
        model = "small" if lane == "fast" else "large"
        self.call(purse, lane, model, Purpose.PATCH, priced=priced, times=times)
        passes = self.dice.random() < (
            0.85 if lane == "strong" else 0.0 if task_class == "migration" else 0.7
        )
        failure = None if passes else self.dice.choice(FAILURES)
        calls = purse.made(since, lane)
        reviews = (self.review(purse),) if passes and self.dice.random() < 0.5 else ()
        return Attempt(
            lane,
            calls[0].provider,
            model,
            calls,
            failure=failure,
            evidence=Evidence(CheckRun("t", (self.check(),), WALLS), Grade.RAN),
            seconds=self.dice.lognormvariate(2, 0.5),
            reviews=reviews,
            confidence=self.dice.random(),
            same_model_as="fast" if self.dice.random() < 0.05 else "",
        )

    def review(self, purse: Purse) -> Review:
        call = self.call(purse, "verifier", "small", Purpose.OPINION)
        is_canary = self.dice.random() < 0.5
        opinion = self.dice.choice((Opinion.APPROVE, Opinion.REJECT))
        return Review(
            "verifier", "small", opinion, (), calls=(call,), is_canary=is_canary, seconds=call.seconds
        )

    def check(self) -> CheckResult:
        return CheckResult("pytest", CheckKind.TEST, Outcome.PASSED, seconds=self.dice.uniform(1, 30))

    def read(self, run_id: str, minutes: float | None, outcome: str = "accept") -> None:
        self.ledger._insert(
            "reception",
            {"run_id": run_id, "at": MONDAY.isoformat(), "source": "person", "outcome": outcome,
             "minutes": minutes, "reviewer": "one"},
        )  # fmt: skip


def ReplyOf(usage: Usage) -> ModelReply:  # noqa: N802 - reads as what it makes
    return ModelReply("ok", None, usage)


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Some ten weeks of runs of every kind."""
    path = tmp_path_factory.mktemp("figures") / "ledger.sqlite3"
    maker = Maker(path)
    for number in range(150):
        run_id = maker.run(CLASSES[number % 3], days=number / 2)
        if number % 7 == 0:
            maker.read(run_id, 4.0 + number % 5, "reject" if number % 2 else "accept")
    for end in ("unfinished", "replayed", "replayed"):
        maker.run("bug", days=70, end=end)
    maker.ledger.close()
    return path


@pytest.fixture(scope="module")
def rows(made: Path) -> dict[str, list[dict[str, Any]]]:
    """The tables themselves, without the tally."""
    database = sqlite3.connect(made)
    database.row_factory = sqlite3.Row
    names = ("run", "attempt", "call", "check_result", "review", "reception")
    found = {name: [dict(it) for it in database.execute(f"SELECT * FROM {name}")] for name in names}
    database.close()
    return found


@pytest.fixture(scope="module")
def told(made: Path) -> Figures:
    return Figuring(made).figures(ASKED)


# --- the other way: a list of plain runs, and textbook formulas ------------------------------------------------


class Plain:
    """One run from its rows."""

    def __init__(self, run: dict[str, Any], rows: dict[str, list[dict[str, Any]]]) -> None:
        def mine(table: str) -> list[dict[str, Any]]:
            return [it for it in rows[table] if it["run_id"] == run["id"]]

        self.run = run
        self.attempts = sorted(mine("attempt"), key=lambda it: it["number"])
        self.calls, self.checks, self.reviews = mine("call"), mine("check_result"), mine("review")
        self.minutes = [it["minutes"] for it in mine("reception") if it["minutes"] is not None]
        self.lane = self.attempts[0]["lane"]
        self.ended = run["verdict"] is not None
        self.accepted = run["verdict"] == "accepted"
        self.counts = not self.attempts[0]["same_model"]
        self.usd = sum(it["cost_micro_usd"] for it in self.calls) / 1e6
        self.check_minutes = sum(it["seconds"] for it in self.checks) / 60
        self.all_usd = self.usd + 0.2 * self.check_minutes + 0.01 * sum(self.minutes)

    @property
    def escalated(self) -> bool:
        return any(it["lane"] != self.lane and not it["same_model"] for it in self.attempts[1:])


@pytest.fixture(scope="module")
def plain(rows: dict[str, list[dict[str, Any]]]) -> list[Plain]:
    return [Plain(it, rows) for it in rows["run"] if not it["replayed"]]


def wilson(part: int, whole: int) -> tuple[float, float]:
    """The two roots of (p - part/whole)² = 1.96² p (1 - p) / whole."""
    a, b, c = 1 + 1.96**2 / whole, -(2 * part + 1.96**2) / whole, (part / whole) ** 2
    root = sqrt(max(0.0, b * b - 4 * a * c))
    return (-b - root) / (2 * a), (-b + root) / (2 * a)


def is_share(found: Share, hits: list[bool]) -> None:
    assert (found.part, found.whole) == (sum(hits), len(hits))
    assert (found.low, found.high) == pytest.approx(wilson(sum(hits), len(hits)), abs=1e-9)


def is_ratio(found: Estimate, costs: list[float], good: list[int], t: float) -> None:
    """Sum over sum, with the interval from residuals, in dollars."""
    ratio = sum(costs) / sum(good)
    residuals = [cost - ratio * one for cost, one in zip(costs, good, strict=True)]
    variance = sum(it * it for it in residuals) / (len(costs) - 1)
    error = sqrt(len(costs) * variance) / sum(good)
    assert found.n == len(costs)
    assert found.value == pytest.approx(ratio * 1e6)
    assert found.low is not None
    assert found.high is not None
    assert found.low == pytest.approx(1e6 * exp(log(ratio) - t * error / ratio), rel=2e-3)
    assert found.high == pytest.approx(1e6 * exp(log(ratio) + t * error / ratio), rel=2e-3)


# Student's t at 97.5 %, from a table
STUDENT = {9: 2.262, 29: 2.045, 59: 2.001, 99: 1.984, 119: 1.980}


def t_for(freedom: int) -> float:
    """Between the table's entries, linearly in 1 / freedom."""
    below = max(it for it in STUDENT if it <= freedom)
    above = min((it for it in STUDENT if it >= freedom), default=below)
    if below == above:
        return STUDENT[below]
    part = (1 / freedom - 1 / below) / (1 / above - 1 / below)
    return STUDENT[below] + part * (STUDENT[above] - STUDENT[below])


def same(group: Group, runs: list[Plain]) -> None:
    """A group's run figures against the runs that it is of."""
    accepted = [it.accepted for it in runs]
    assert (group.runs, group.accepted) == (len(runs), sum(accepted))
    is_share(group.first_try, [it.attempts[0]["failure"] is None for it in runs if it.ended and it.counts])
    is_share(group.escalated, [it.escalated for it in runs if it.ended and it.counts])
    costs = [it.all_usd for it in runs]
    is_ratio(group.per_run, costs, [1] * len(runs), t_for(len(runs) - 1))
    is_ratio(group.per_accepted, costs, [int(it) for it in accepted], t_for(sum(accepted) - 1))
    spend = group.spend
    assert spend.calls == round(1e6 * sum(it.usd for it in runs))
    assert spend.check_seconds == pytest.approx(60 * sum(it.check_minutes for it in runs))
    assert spend.review_minutes == pytest.approx(sum(sum(it.minutes) for it in runs))
    assert spend.reviewed == sum(bool(it.minutes) for it in runs)
    assert spend.total == pytest.approx(1e6 * sum(costs), abs=2)


def test_groups_by_lane_are_what_plain_python_makes_of_the_rows(told: Figures, plain: list[Plain]) -> None:
    # the run that never ended counts with its money alone; its attempts are in rates like any other
    for it in plain:
        it.ended = True

    assert [it.name for it in told.groups] == ["fast", "strong"]
    for group in told.groups:
        runs = [it for it in plain if it.lane == group.name]
        same(group, runs)
        own = [one for it in plain for one in it.attempts if one["lane"] == group.name]
        seconds = sorted(one["seconds"] for one in own if not one["same_model"])
        assert group.attempts == len(own)
        assert group.latency.median.n == len(seconds)
        assert group.latency.median.value == pytest.approx(median(seconds))
        place = 0.9 * (len(seconds) - 1)
        high = seconds[int(place)] + (place % 1) * (seconds[int(place) + 1] - seconds[int(place)])
        assert group.latency.p90.value == pytest.approx(high)
        failures = Counter(one["failure"] for one in own if one["failure"])
        assert {it.failure: it.share.part for it in group.failures} == dict(failures)
        assert all(it.share.whole == len(own) for it in group.failures)
    same(told.whole, plain)


def test_the_parts_of_the_cost_add_up_and_are_where_they_belong(told: Figures, plain: list[Plain]) -> None:
    spend = told.whole.spend

    def paid(it: Plain, *purposes: str) -> int:
        return sum(one["cost_micro_usd"] for one in it.calls if one["purpose"] in purposes)

    first = sum(one["cost_micro_usd"] for it in plain for one in it.attempts if one["lane"] == it.lane)
    later = sum(one["cost_micro_usd"] for it in plain for one in it.attempts if one["lane"] != it.lane)
    assert (spend.model, spend.escalation) == (first, later)
    assert spend.verifier == sum(paid(it, "opinion") for it in plain) > 0
    assert spend.tests == sum(paid(it, "test") for it in plain) > 0
    assert spend.other == 0
    assert spend.check == round(1e6 * 0.2 * sum(it.check_minutes for it in plain))
    assert spend.review == round(1e6 * 0.01 * sum(sum(it.minutes) for it in plain))


@pytest.mark.parametrize("by", ["model", "class", "repo", "author", "week"])
def test_the_other_groups_are_the_same_runs_put_together_otherwise(
    made: Path, plain: list[Plain], by: Any
) -> None:
    def name(it: Plain) -> str:
        if by == "week":
            year, week, _ = date.fromisoformat(it.run["started_at"][:10]).isocalendar()
            return f"{year}-W{week:02d}"
        key = {"class": "task_class", "author": "author"}.get(by)
        if key:
            return str(it.run[key])
        return str(it.attempts[0]["model"] if by == "model" else it.calls[0]["repository"])

    groups = Figuring(made).figures(replace(ASKED, by=by)).groups

    assert [it.name for it in groups] == sorted({name(it) for it in plain})
    for group in groups:
        runs = [it for it in plain if name(it) == group.name]
        assert (group.runs, group.accepted) == (len(runs), sum(it.accepted for it in runs))
        assert group.per_run.value == pytest.approx(1e6 * fmean(it.all_usd for it in runs))
        if by != "model":
            assert group.latency.median.value == pytest.approx(median(it.run["seconds"] or 0 for it in runs))
        if by == "author":
            assert group.limits == ("$1 limit · $1e+06 limit of the day",)


@pytest.mark.parametrize(("by", "column"), [("key", "key_name"), ("endpoint", "endpoint")])
def test_by_key_and_by_endpoint_every_call_is_where_its_key_is(
    made: Path, rows: dict[str, list[dict[str, Any]]], by: Any, column: str
) -> None:
    calls = [it for it in rows["call"] if not it["replayed"]]

    groups = Figuring(made).figures(replace(ASKED, by=by)).groups

    assert [it.name for it in groups] == sorted({it[column] for it in calls})
    for group in groups:
        own = [it for it in calls if it[column] == group.name]
        costs: Counter[str] = Counter()
        for it in own:
            costs[it["run_id"]] += it["cost_micro_usd"]
        assert (group.calls, group.runs) == (len(own), len(costs))
        assert group.spend.total == sum(costs.values())
        assert group.per_run.value == pytest.approx(fmean(costs.values()))
        assert group.latency.median.value == pytest.approx(median(it["seconds"] for it in own))
        assert group.cache.read_tokens == sum(it["cache_read"] for it in own)
        assert group.limits == ("$1 limit · $1e+06 limit of the day",)


def test_tiers_are_held_against_the_targets_with_their_intervals(told: Figures, plain: list[Plain]) -> None:
    last = [it.attempts[-1]["lane"] for it in plain]

    is_share(told.tiers.cheap, [it == "fast" for it in last])
    is_share(told.tiers.frontier, [it == "strong" for it in last])
    assert told.tiers.lanes == (("fast", last.count("fast")), ("strong", last.count("strong")))
    assert told.tiers.frontier_alarm is (told.tiers.frontier.low > 0.15) is True
    assert told.tiers.cheap_alarm is (told.tiers.cheap.high < 0.80) is True


def test_a_share_above_its_target_by_chance_alone_is_no_alarm() -> None:
    few, many = (tiers_of(ASKED, Counter({"fast": 3 * n, "strong": n})) for n in (1, 100))

    assert few.frontier.value == many.frontier.value == 0.25
    assert (few.frontier_alarm, few.cheap_alarm) == (False, False)
    assert (many.frontier_alarm, many.cheap_alarm) == (True, True)
    assert tiers_of(Asked(), Counter({"fast": 9})).cheap_alarm is False  # there is no ladder to speak of
    alone = [tiers_of(ASKED, Counter({"strong": n})) for n in (1, 2)]  # 0.15 and 0.0225 by chance
    assert [it.frontier_alarm for it in alone] == [False, True]
    assert [it.cheap_alarm for it in alone] == [False, False]  # 0.2 and 0.04
    assert tiers_of(ASKED, Counter({"strong": 3})).cheap_alarm is True  # 0.008


def test_a_lane_that_loses_money_is_told_with_a_rule_that_the_policy_takes(
    told: Figures, plain: list[Plain]
) -> None:
    (losing,) = told.losing

    assert (losing.lane, losing.last, losing.task_class) == ("fast", "strong", "migration")
    runs = [it for it in plain if it.run["task_class"] == "migration" and it.lane == "fast"]
    attempts_usd = [
        sum(one["cost_micro_usd"] for one in (*it.attempts, *it.reviews)) / 1e6
        + 0.2 / 60 * sum(one["seconds"] for one in it.checks if one["attempt"] > 0)
        for it in runs
    ]
    assert losing.through.n == len(runs)
    assert losing.through.value == pytest.approx(1e6 * sum(attempts_usd) / sum(it.accepted for it in runs))
    direct = [
        (one, it)
        for it in plain
        if it.run["task_class"] == "migration"
        for one in it.attempts
        if one["lane"] == "strong" and not one["same_model"]
    ]
    strong_usd = sum(
        one["cost_micro_usd"] / 1e6
        + sum(read["cost_micro_usd"] for read in it.reviews if read["attempt"] == one["number"]) / 1e6
        + 0.2 / 60 * sum(check["seconds"] for check in it.checks if check["attempt"] == one["number"])
        for one, it in direct
    )
    assert losing.direct.n == len(direct)
    assert losing.direct.value == pytest.approx(
        1e6 * strong_usd / sum(one["failure"] is None for one, _ in direct)
    )
    assert losing.difference.low is not None
    assert losing.difference.low > 0
    policy = parse_policy(f"version: 1\n{losing.rule}", "proposed")
    assert policy.routing.start == {"migration": "strong"}


def test_what_is_saved_is_held_against_runs_that_began_at_the_last_lane(
    told: Figures, plain: list[Plain]
) -> None:
    compared: list[Plain] = []
    strong_usd = 0.0
    for task_class in CLASSES:
        every = [it for it in plain if it.run["task_class"] == task_class]
        last = [it for it in every if it.lane == "strong"]
        if len(last) >= 10:
            compared += every
            each = sum(it.all_usd for it in last) / sum(it.accepted for it in last)
            strong_usd += each * sum(it.accepted for it in every)

    assert told.savings.runs.part == len(compared) > 0
    assert told.savings.share.value == pytest.approx(1 - sum(it.all_usd for it in compared) / strong_usd)
    assert told.savings.share.value is not None
    assert told.savings.share.low is not None
    assert told.savings.share.high is not None
    assert told.savings.share.low < told.savings.share.value < told.savings.share.high


def test_the_classic_table_is_from_the_rows(
    told: Figures, plain: list[Plain], rows: dict[str, list[dict[str, Any]]]
) -> None:
    assert [it.lane for it in told.table] == ["fast", "strong", "verifier"]
    for row in told.table[:2]:
        uses = Counter(it.run["task_class"] for it in plain for one in it.attempts if one["lane"] == row.lane)
        assert dict(row.uses) == dict(uses)
        assert row.failure is not None
        assert row.failure.share.part == max(it.share.part for it in _group(told, row.lane).failures)
    verifier = told.table[2]
    mine = {it.run["id"] for it in plain if it.run["verdict"]} | {it.run["id"] for it in plain}
    read = [it for it in rows["review"] if it["run_id"] in mine and it["answered"]]
    missed = [it["opinion"] == "approve" for it in read if it["is_canary"]]
    assert verifier.failure is not None
    is_share(verifier.failure.share, missed)


def _group(told: Figures, name: str) -> Group:
    return next(it for it in told.groups if it.name == name)


def test_weeks_cells_and_confidence_are_the_same_runs_again(
    made: Path, told: Figures, plain: list[Plain]
) -> None:
    figuring = Figuring(made)

    weeks, cells, bins = figuring.weeks(ASKED), figuring.cells(ASKED), figuring.confidence(ASKED)

    assert sum(it.runs for it in weeks) == len(plain)
    assert [it.begins for it in weeks] == sorted(it.begins for it in weeks)
    assert all(date.fromisoformat(it.begins).weekday() == 0 for it in weeks)
    for cell in cells:
        own = [
            one["failure"] is None
            for it in plain
            if it.run["task_class"] == cell.task_class
            for one in it.attempts
            if one["lane"] == cell.lane and not one["same_model"]
        ]
        is_share(cell.accepted, own)
    known = [one for it in plain for one in it.attempts if not one["same_model"]]
    for found in bins:
        within = [one for one in known if found.low <= one["confidence"] < found.high]
        is_share(found.accepted, [one["failure"] is None for one in within])
        assert found.mean == pytest.approx(fmean(one["confidence"] for one in within))
    assert sum(it.kept.whole for it in bins) > sum(it.kept.part for it in bins) > 0


def test_what_is_kept_of_a_week_is_what_it_comes_to_and_goes_when_the_week_changes(
    made: Path, told: Figures, tmp_path: Path
) -> None:
    path = tmp_path / "ledger.sqlite3"
    path.write_bytes(made.read_bytes())
    kept = sqlite3.connect(path)

    first, again = (Figuring(path).figures(ASKED) for _ in range(2))
    (weeks,) = kept.execute("SELECT COUNT(*) FROM summed").fetchone()
    maker = Maker(path)
    maker.number = 1000
    maker.run("docs", days=0.5, first="fast")  # in a week that is long over
    (left,) = kept.execute("SELECT COUNT(*) FROM summed").fetchone()
    later = Figuring(path)

    assert first == again == told
    assert (weeks, left) == (11, 10)
    assert later.figures(ASKED).whole.runs == first.whole.runs + 1
    assert later.figures(ASKED).whole.attempts > first.whole.attempts
    kept.execute("DELETE FROM summed")
    kept.commit()
    kept.close()
    fresh = Figuring(path)
    assert (fresh.figures(ASKED), fresh.weeks(ASKED)) == (later.figures(ASKED), later.weeks(ASKED))
    assert (fresh.confidence(ASKED), fresh.cells(ASKED)) == (later.confidence(ASKED), later.cells(ASKED))


def test_recorded_and_unfinished_runs_are_told_and_what_was_spent_in_them_counts(told: Figures) -> None:
    assert (told.replayed, told.unfinished, told.imported) == (2, 1, 0)


def test_a_window_holds_only_what_began_in_it(made: Path, plain: list[Plain]) -> None:
    since, until = (MONDAY + timedelta(days=days) for days in (10, 30))
    asked = replace(
        ASKED, since=since.isoformat(timespec="milliseconds"), until=until.isoformat(timespec="milliseconds")
    )

    whole = Figuring(made).figures(asked).whole

    within = [it for it in plain if since <= datetime.fromisoformat(it.run["started_at"]) < until]
    assert (whole.runs, whole.accepted) == (len(within), sum(it.accepted for it in within))
    assert whole.per_run.value == pytest.approx(1e6 * fmean(it.all_usd for it in within))


def test_one_call_of_unknown_price_makes_every_sum_of_its_group_unknown(tmp_path: Path) -> None:
    path = tmp_path / "ledger.sqlite3"
    maker = Maker(path)
    for end in ("finished", "finished", "unknown"):
        maker.run("docs", days=1, end=end, first="fast")
    maker.ledger.close()

    group = Figuring(path).figures(ASKED).groups[0]

    assert group.spend.unknown_calls >= 1
    assert (group.spend.total, group.per_run.value, group.per_accepted.value) == (None, None, None)
    assert group.spend.calls > 0


def test_minutes_without_a_rate_are_counted_and_not_priced(made: Path, told: Figures) -> None:
    free = Figuring(made).figures(replace(ASKED, check_usd=None, review_usd=None)).whole.spend

    assert (free.check, free.review) == (None, None)
    assert (free.check_seconds, free.review_minutes) == (
        told.whole.spend.check_seconds,
        told.whole.spend.review_minutes,
    )
    assert free.total == free.calls


def test_too_few_runs_have_a_value_and_no_interval() -> None:
    assert estimate(Paid(1, 5.0, 25.0, 1, 5.0)) == Estimate(1, 5.0)
    assert estimate(Paid(3, 9.0, 30.0, 0, 0.0)) == Estimate(3)
    assert latency([3.0]).median == Estimate(1, 3.0)
    assert latency([]).median == Estimate()
    # between the 40th and the 61st of a hundred, by the table of the binomial
    assert latency([float(it) for it in range(100, 0, -1)]).median == Estimate(100, 50.5, 40.0, 61.0)
    assert latency([1.0, 2.0, 3.0]).p90.high is None
    assert share(0, 0).value is None
    assert difference(Paid(1, 5.0, 25.0, 1, 5.0), Paid(1, 3.0, 9.0, 1, 3.0)).value == 2.0
    assert not is_dearer(Paid(9, 90.0, 900.0, 9, 90.0), Paid(99, 9.0, 1.0, 99, 9.0), 1)


def test_intervals_hold_as_often_as_they_say() -> None:
    dice, held, rounds = random.Random(5), 0, 400
    for _ in range(rounds):
        several = [(dice.lognormvariate(0, 0.8), dice.random() < 0.8) for _ in range(60)]
        cost, good = sum(it for it, _ in several), sum(it for _, it in several)
        of_good = sum(it for it, right in several if right)
        found = estimate(Paid(60, cost, sum(it * it for it, _ in several), good, of_good))
        held += (found.low or 0) <= exp(0.32) / 0.8 <= (found.high or 0)
    assert 0.91 <= held / rounds <= 0.98


# --- as it is printed ------------------------------------------------------------------------------------------


@pytest.fixture
def here(made: Path, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Path:
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path / "state"))
    places.ledger_file().parent.mkdir(parents=True)
    places.ledger_file().write_bytes(made.read_bytes())
    return tmp_path


def test_the_tables_the_object_and_the_csv_tell_the_same(
    here: Path, capsys: pytest.CaptureFixture[str], told: Figures
) -> None:
    stats("lane", "", "", here, as_csv=False, as_json=False)
    text = capsys.readouterr().out
    stats("lane", "", "", here, as_csv=False, as_json=True)
    told_json = json.loads(capsys.readouterr().out)
    stats("lane", "", "", here, as_csv=True, as_json=False)
    told_csv = list(csv.DictReader(io.StringIO(capsys.readouterr().out)))

    assert "fast loses money for class migration" in text
    assert "routing: {start: {migration: strong}}" in text
    assert "not priced (minutes.check_usd in the configuration)" in text
    assert "alarm: strong ends more runs than its target allows" in text
    assert "1 runs never finished" in text
    assert "2 runs of recorded replies" in text
    assert [it["name"] for it in told_json["groups"]] == [it["lane"] for it in told_csv] == ["fast", "strong"]
    assert [it["runs"] for it in told_json["groups"]] == [int(it["runs"]) for it in told_csv]
    shown = [line.split()[1] for line in text.splitlines() if line.startswith(("fast ", "strong "))][:2]
    assert shown == [it["runs"] for it in told_csv]
    assert told_json["verifiers"][0]["model"] == "small"
    stats("lane", "2030-01-01", "", here, as_csv=False, as_json=True)
    assert json.loads(capsys.readouterr().out)["verifiers"] == []


def test_times_and_groups_that_are_none_are_refused(tmp_path: Path) -> None:
    for by, since in (
        ("colour", ""), ("lane", "yesterday"), ("lane", "30"), ("lane", "9999-12-31T23:59:59-14:00")
    ):  # fmt: skip
        with pytest.raises(UsageError):
            asked_for(tmp_path, by, since, "")
    with pytest.raises(UsageError, match="not later"):
        asked_for(tmp_path, "lane", "2026-11-02", "2026-11-01")
    assert moment("2026-11-01") == "2026-11-01T00:00:00.000+00:00"
    assert moment("2026-11-01T02:00:00+02:00") == "2026-11-01T00:00:00.000+00:00"
    assert moment("1w") < moment("6d") < moment("1h")
    assert moment("0001-01-01") == moment("99999w") == "1970-01-01T00:00:00.000+00:00"


def test_no_cell_of_the_csv_is_a_formula(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path))
    maker = Maker(places.ledger_file())
    run_id = maker.run("docs", days=1)
    maker.ledger._write("UPDATE tally SET author = '=HYPERLINK(\"x\")' WHERE run_id = :id", {"id": run_id})
    maker.ledger.close()

    stats("author", "", "", tmp_path, as_csv=True, as_json=False)

    assert "'=HYPERLINK" in capsys.readouterr().out


def test_without_a_run_nothing_is_made_up(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path))

    stats("lane", "", "", tmp_path, as_csv=False, as_json=False)
    assert capsys.readouterr().out == "no attempts yet; recorded replies are not counted\n"
    stats("lane", "", "", tmp_path, as_csv=False, as_json=True)
    whole = json.loads(capsys.readouterr().out)["whole"]

    assert (whole["per_accepted_usd"]["value"], whole["first_try"]["value"], whole["runs"]) == (None, None, 0)


def test_a_lost_call_is_of_unknown_cost_in_a_run_that_never_ended(tmp_path: Path) -> None:
    path = tmp_path / "ledger.sqlite3"
    maker = Maker(path)
    purse = maker.purse("lost", "one@example.org")
    maker.begun("lost", "bug", "fast", 1, replayed=False, purse=purse)
    purse.fail(purse.reserve("fast", "near", "small", PROMPT, 50), CallState.LOST, "Timeout", 1.0)
    maker.ledger.close()

    (group,) = Figuring(path).figures(ASKED).groups

    assert (group.name, group.runs, group.attempts, group.spend.unknown_calls) == ("fast", 1, 0, 1)
