"""How quick is the ledger when it is large?

Makes ledgers of so many attempts, and for each says how long `route-agent stats` takes, how long bare SQL for
the same aggregates takes on the same file in the same run, how long an append takes, and how long the report
page takes and how large it is.

    python scripts/bench_ledger.py                         10,000, 100,000 and 1,000,000 attempts
    python scripts/bench_ledger.py 10000 --appends 50      quicker
"""

from __future__ import annotations

import argparse
import json
import os
import random
import sqlite3
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import TypeVar

from route_agent.ledger import tally
from route_agent.ledger.budget import Purse
from route_agent.ledger.store import Ledger
from route_agent.ledger.sums import SUMS
from route_agent.pricing import Prices
from route_agent.records.checks import CheckKind, CheckResult, CheckRun, Isolation, IsolationLevel, Outcome
from route_agent.records.grades import Grade, Verdict
from route_agent.records.lanes import ModelReply, Prompt, Usage
from route_agent.records.runs import Attempt, Evidence, Run, written_form

Result = TypeVar("Result")

CLASSES = ("docs", "tests", "types", "lint", "bug", "feature", "refactor", "migration")
FAILURES = ("regression", "still_failing", "weak", "unappliable", "disputed", "doubtful")
MODELS = {"fast": "small-1", "strong": "large-1", "fixer": "fixer"}
LIMITS = (
    json.dumps({"limit": 1.0, "limit of the day": 10.0}),
    json.dumps({"limit": 5.0, "limit of the day": 50.0}),
)
END = datetime(2026, 11, 20, tzinfo=UTC)
WEEKS = 52
BATCH = 20_000
STATE = "route-agent/ledger.sqlite3"

# the same figures, asked of SQLite and nothing else
_ORDERED = (
    "SELECT lane, seconds, ROW_NUMBER() OVER (PARTITION BY lane ORDER BY seconds) AS place,"
    " COUNT(*) OVER (PARTITION BY lane) AS n FROM {table} WHERE {which}"
)
_QUANTILES = "SELECT * FROM ({ordered}) WHERE place IN (n / 2, n / 2 + 1, n * 9 / 10, n * 9 / 10 + 1)"
BARE = (
    f"SELECT lane, task_class, {SUMS} FROM tally GROUP BY lane, task_class",
    _QUANTILES.format(ordered=_ORDERED.format(table="tally", which="counts")),
    "SELECT lane, failure, COUNT(*) FROM tally WHERE failure IS NOT NULL GROUP BY lane, failure",
    "SELECT last_lane, COUNT(*) FROM tally WHERE first GROUP BY last_lane",
    "SELECT lane, limits, COUNT(*) FROM tally WHERE limits IS NOT NULL GROUP BY lane, limits",
    _QUANTILES.format(ordered=_ORDERED.format(table="review", which="answered AND NOT other_model")),
    (
        "SELECT review.lane, task_class, COUNT(*), SUM(is_canary) FROM review JOIN tally"
        " ON tally.run_id = review.run_id AND first GROUP BY review.lane, task_class"
    ),
    "SELECT COUNT(*), SUM(reused) FROM judgement",
    "SELECT model, SUM(is_canary), SUM(is_canary AND opinion <> 'approve') FROM review GROUP BY model",
)
# and without the tally, of the tables that it is derived from: lanes and classes alone
PLAIN = (
    "SELECT lane, task_class, COUNT(*), SUM(failure IS NULL), SUM(attempt.cost_micro_usd) FROM attempt"
    " JOIN run ON run.id = run_id WHERE replayed = 0 GROUP BY lane, task_class"
)


def main() -> None:
    """Print a line for each size, and the growth from the smallest to the largest."""
    typed = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    typed.add_argument("sizes", nargs="*", type=int, default=[10_000, 100_000, 1_000_000])
    typed.add_argument("--appends", type=int, default=300)
    typed.add_argument("--folder", type=Path, default=None)
    asked = typed.parse_args()
    names = ("attempts", "MB", "made s", "stats 1st s", "stats s", "bare s", "1st ratio", "ratio", "plain s",
             "append p50 ms", "append p99 ms", "report 1st s", "report s", "report MB")  # fmt: skip
    print(" ".join(f"{name:>13}" for name in names))
    rows = []
    for size in asked.sizes:
        with tempfile.TemporaryDirectory(dir=asked.folder) as folder:
            rows.append(measured(size, Path(folder), asked.appends))
        print(
            " ".join(f"{value:13.2f}" if isinstance(value, float) else f"{value:>13}" for value in rows[-1]),
            flush=True,
        )
    first, last = rows[0], rows[-1]
    print(f"growth for {last[0] / first[0]:.0f} x the attempts: stats {last[4] / first[4]:.1f} x,"
          f" the first {last[3] / first[3]:.1f} x, append p99 {last[10] / first[10]:.1f} x")  # fmt: skip


def measured(size: int, folder: Path, appends: int) -> list[float | int]:
    """One size: everything that is printed of it."""
    path = folder / STATE
    began = time.perf_counter()
    make(path, size)
    made = time.perf_counter() - began
    environment = {**os.environ, "XDG_STATE_HOME": str(folder), "HOME": str(folder), "NO_COLOR": "1"}
    cold = timed(lambda: program(environment, folder, "stats"))
    stats = timed(lambda: program(environment, folder, "stats"))
    bare = least(lambda: queries(path, BARE))
    plain = timed(lambda: queries(path, (PLAIN,)))
    page = folder / "page.html"
    report = timed(lambda: program(environment, folder, "report", "--html", str(page)))
    forget(path)
    report_cold = timed(lambda: program(environment, folder, "report", "--html", str(page)))
    weight = page.stat().st_size / 1e6 if page.exists() else 0.0
    times = sorted(append(path, appends))
    p50, p99 = (times[min(len(times) - 1, int(share * len(times)))] * 1000 for share in (0.5, 0.99))
    of_file = path.stat().st_size / 1e6
    times_of_stats = [cold, stats, bare, cold / bare, stats / bare]
    return [size, of_file, made, *times_of_stats, plain, p50, p99, report_cold, report, weight]


def forget(path: Path) -> None:
    """Throw away what is kept of whole weeks, as on a ledger that nobody has asked yet."""
    database = sqlite3.connect(path)
    with database:
        database.execute("DELETE FROM summed")
    database.close()


def timed(work: Callable[[], object]) -> float:
    began = time.perf_counter()
    work()
    return time.perf_counter() - began


def least(work: Callable[[], object]) -> float:
    """The quicker of two: the first one reads the file from the disk."""
    return min(timed(work), timed(work))


def program(environment: dict[str, str], folder: Path, *arguments: str) -> None:
    argv = [sys.executable, "-m", "route_agent", *arguments, "-C", str(folder)]
    ended = subprocess.run(argv, env=environment, capture_output=True, text=True)
    if ended.returncode:
        print(f"{' '.join(arguments)}: exit {ended.returncode}: {ended.stderr[-300:]}", file=sys.stderr)


def queries(path: Path, several: tuple[str, ...]) -> None:
    database = sqlite3.connect(path)
    for query in several:
        database.execute(query, {"check": 0.0}).fetchall()
    database.close()


def append(path: Path, runs: int) -> list[float]:
    """Seconds for each write of whole runs through the library: begin, reserve, settle, attempt, finish."""
    ledger, times = Ledger(path), []

    def write(work: Callable[[], Result]) -> Result:
        began = time.perf_counter()
        told = work()
        times.append(time.perf_counter() - began)
        return told

    for number in range(runs):
        run = one_run(f"append{number}", END)
        purse = Purse(ledger, run.id, Prices({}, frozenset({"here"})), max_usd=1.0, per_day_usd=1e6)
        write(lambda: ledger.begin(run, forced_lane=False, author="one@example.org"))  # noqa: B023
        held = write(lambda: purse.reserve("fast", "here", "small-1", Prompt("", "x"), 10))  # noqa: B023
        reply = ModelReply("ok", "small-1", Usage(100, 0, 0, 10))
        write(lambda: purse.settle(held, reply, 1.0))  # noqa: B023
        write(lambda: ledger.add_attempt(run.id, 1, run.attempts[0]))  # noqa: B023
        told = written_form().dump_json(run).decode()
        write(lambda: ledger.finish(run, told))  # noqa: B023
    ledger.close()
    return times


def one_run(run_id: str, at: datetime) -> Run:
    """A small whole run, as the program writes it."""
    passed = CheckResult("pytest", CheckKind.TEST, Outcome.PASSED, seconds=2.0)
    checks = CheckRun("t", (passed,), Isolation(IsolationLevel.NONE))
    attempt = Attempt(
        "fast", "here", "small-1", evidence=Evidence(checks, Grade.RAN), seconds=4.0, patch="+x\n"
    )
    return Run(
        id=run_id,
        started_at=at.isoformat(timespec="milliseconds"),
        repository="/src/shop",
        brief="mend it",
        base="b" * 40,
        start="c" * 40,
        verdict=Verdict.ACCEPTED,
        reason="accepted at ran by fast",
        isolation=Isolation(IsolationLevel.NONE),
        attempts=(attempt,),
        seconds=6.0,
    )


def make(path: Path, attempts: int) -> None:
    """A ledger of so many attempts over a year, in their order of time."""
    Ledger(path).close()
    database = sqlite3.connect(path)
    database.execute("PRAGMA synchronous = OFF")
    database.execute("PRAGMA cache_size = -200000")
    reports = report_of(one_run("RUN", END))
    batch: dict[str, list[tuple[object, ...]]] = {}
    for rows in synthetic(attempts, random.Random(attempts), reports):
        for statement, values in rows:
            batch.setdefault(statement, []).append(values)
        if sum(map(len, batch.values())) > BATCH:
            flush(database, batch)
    flush(database, batch)
    with database:
        database.execute(tally.OF_ENDED)
    database.close()


def report_of(run: Run) -> str:
    return written_form().dump_json(replace(run)).decode()


def flush(database: sqlite3.Connection, batch: dict[str, list[tuple[object, ...]]]) -> None:
    with database:
        for statement, values in batch.items():
            database.executemany(statement, values)
    batch.clear()


def into(table: str, columns: str) -> str:
    return f"INSERT INTO {table} ({columns}) VALUES ({', '.join('?' * (columns.count(',') + 1))})"


RUN = into("run", "id, started_at, finished_at, repository, brief, base, start, replayed, policy, policy_hash,"  # noqa: E501
    " task_class, score, first_lane, accepted_lane, verdict, exit_code, isolation, seconds, cost_micro_usd,"
    " unknown_calls, forced_lane, report, mode, author, limits")  # fmt: skip
ATTEMPT = into("attempt", "run_id, number, at, lane, provider, model, failure, grade, seconds, cost_micro_usd,"  # noqa: E501
    " unknown_calls, other_model, files, added, deleted, reason, confidence")  # fmt: skip
CALL = into("call", "run_id, at, lane, provider, model_requested, state, replayed, reserved_micro_usd,"
    " cost_micro_usd, input_total, cache_read, output_total, seconds, reply, repository, author, key_name,"
    " endpoint")  # fmt: skip
CHECK = into("check_result", "run_id, attempt, name, kind, outcome, reason, seconds")
REVIEW = into("review", "run_id, attempt, at, lane, model, is_canary, opinion, answered, other_model, cited,"
    " reasons, seconds, cost_micro_usd, unknown_calls")  # fmt: skip
Rows = list[tuple[str, tuple[object, ...]]]


def synthetic(attempts: int, dice: random.Random, report: str) -> Iterator[Rows]:
    """The rows of one run after another."""
    made = number = 0
    while made < attempts:
        at = END - timedelta(weeks=WEEKS) * (1 - made / attempts)
        rows = one(f"r{number:07d}", at.isoformat(timespec="milliseconds"), dice, report)
        made += sum(statement is ATTEMPT for statement, _ in rows)
        number += 1
        yield rows


def one(run_id: str, at: str, dice: random.Random, report: str) -> Rows:
    """One run: it begins at some lane, and climbs until something is accepted."""
    repository, author = f"/src/shop{dice.randrange(20)}", f"dev{dice.randrange(15)}@example.org"
    task_class, lane = dice.choice(CLASSES), dice.choices(("fixer", "fast", "strong"), (1, 7, 2))[0]
    first, cost, seconds, accepted, number = lane, 0, 5.0, "", 0
    rows: Rows = []
    while not accepted and number < 3:
        number += 1
        passes = dice.random() < {"fixer": 0.5, "fast": 0.7, "strong": 0.85}[lane]
        paid = 0 if lane == "fixer" else round(dice.lognormvariate(9 if lane == "fast" else 11, 0.6))
        took = dice.lognormvariate(2, 0.6)
        failure = None if passes else dice.choice(FAILURES)
        grade = "covered" if passes else "ran"
        rows.append((ATTEMPT, (run_id, number, at, lane, "here", MODELS[lane], failure, grade, took, paid, 0, 0, 1,  # noqa: E501
                               3, 1, "", dice.random())))  # fmt: skip
        rows.append(
            (CHECK, (run_id, number, "pytest", "test", "passed" if passes else "failed", "", took / 2))
        )
        rows.append((CALL, (run_id, at, lane, "here", MODELS[lane], "done", 0, paid, paid, 4000, 1000, 300, took,  # noqa: E501
                            "ok", repository, author, "HERE_API_KEY", "https://here.example/v1")))  # fmt: skip  # noqa: E501
        if passes and dice.random() < 0.3:
            rows.append(
                (REVIEW, (run_id, number, at, "verifier", "critic-1", 0, "approve", 1, 0, 1, "", 3.0, 900, 0))
            )
            rows.append((CALL, (run_id, at, "verifier", "here", "critic-1", "done", 0, 900, 900, 2000, 0, 50, 3.0,  # noqa: E501
                                "ok", repository, author, "CRITIC_KEY", "https://critic.example/v1")))  # fmt: skip  # noqa: E501
            cost += 900
        cost, seconds = cost + paid, seconds + took
        accepted = lane if passes else ""
        lane = {"fixer": "fast"}.get(lane, "strong")
    verdict = "accepted" if accepted else "not proved"
    told = report.replace('"RUN"', f'"{run_id}"')
    rows.append((RUN, (run_id, at, at, repository, "mend it", "b", "c", 0, "default", "h", task_class, 4, first,  # noqa: E501
                       accepted or None, verdict, 0 if accepted else 1, "none", seconds, cost, 0, 0, told, "rules",  # noqa: E501
                       author, dice.choice(LIMITS))))  # fmt: skip
    return rows


if __name__ == "__main__":
    main()
