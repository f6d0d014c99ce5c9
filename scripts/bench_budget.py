"""Do budgets hold when many processes spend at once and half of them are killed?

Each round, some processes share one ledger and reserve, settle and lose calls as fast as they can, until no
limit lets another one through. Half of them are killed with SIGKILL in the middle. A trigger in the ledger
looks at every single write: a limit that was passed for a moment only is seen as well.

    python scripts/bench_budget.py                  20 rounds of 8 processes
    python scripts/bench_budget.py --rounds 2 --processes 4
"""

from __future__ import annotations

import argparse
import random
import sqlite3
import subprocess
import sys
import tempfile
import time
from dataclasses import dataclass
from decimal import Decimal
from pathlib import Path

from route_agent.config import Budgets
from route_agent.errors import LimitReached
from route_agent.ledger.allowances import Payer
from route_agent.ledger.budget import Purse
from route_agent.ledger.store import Ledger
from route_agent.policy import Policy, parse_policy
from route_agent.pricing import Prices, Rates
from route_agent.records.lanes import CallState, ModelReply, Prompt, Usage

DAY_USD, REPOSITORY_USD, AUTHOR_USD, LANE_USD, RUN_USD = 2.0, 1.1, 1.3, 1.2, 0.7
REPOSITORIES, AUTHORS, LANES = ("/a", "/b"), ("one@example.org", "two@example.org"), ("fast", "strong")
PRICES = Prices({"m": Rates(Decimal(1), Decimal(10))}, frozenset())
PAID = "COALESCE(cost_micro_usd, reserved_micro_usd)"
SCOPES = (
    ("day", "", DAY_USD),
    ("repository", "repository = new.repository", REPOSITORY_USD),
    ("author", "author = new.author", AUTHOR_USD),
    ("lane", "lane = new.lane AND new.lane = 'strong'", LANE_USD),
    ("run", "run_id = new.run_id", RUN_USD),
)


@dataclass(frozen=True)
class Outcome:
    """What one round came to, in micro-dollars."""

    spent: int
    calls: int
    killed: int
    left_reserved: int
    passed: int
    seconds: float


def policy() -> Policy:
    """Every limit that there is, each of them reached by some process."""
    return parse_policy(
        f"""version: 1
checks: [{{name: t, run: ["true"]}}]
limits:
  max_usd: {RUN_USD}
  per_day_usd: {DAY_USD}
  repository_per_day_usd: {REPOSITORY_USD}
  lane_per_day_usd: {{strong: {LANE_USD}}}
""",
        "bench",
    )


def work(path: Path, number: int) -> None:
    """One process: spend until nothing fits any more."""
    dice = random.Random(number)
    payer = Payer(REPOSITORIES[number % 2], AUTHORS[number // 2 % 2])
    purse = Purse.of(
        Ledger(path),
        f"run{number}",
        PRICES,
        policy=policy(),
        budgets=Budgets(author_per_day_usd=AUTHOR_USD),
        payer=payer,
    )
    refused: set[str] = set()
    while len(refused) < len(LANES):
        lane = dice.choice([it for it in LANES if it not in refused])
        try:
            held = purse.reserve(lane, "p", "m", Prompt("", "x" * dice.randrange(2000)), 1000)
        except LimitReached:
            refused.add(lane)
            continue
        match dice.randrange(4):
            case 0:
                usage = Usage(input_total=dice.randrange(1, 900), output_total=dice.randrange(1001))
                purse.settle(held, ModelReply("x", "m", usage), 0.0)
            case 1:
                purse.fail(held, CallState.FAILED, "429", 0.0)
            case 2:
                purse.fail(held, CallState.LOST, "timeout", 0.0)
            case _:
                pass  # as after a crash: it stays set aside


def watch(path: Path) -> None:
    """Have the ledger itself look after every write."""
    Ledger(path).close()
    database = sqlite3.connect(path)
    database.execute("CREATE TABLE passed (scope TEXT, spent INTEGER)")
    for scope, condition, usd in SCOPES:
        where = f"WHERE {condition}" if condition else ""
        spent, limit = f"(SELECT SUM({PAID}) FROM call {where})", round(usd * 1e6)
        for event in ("INSERT", "UPDATE"):
            database.execute(
                f"CREATE TRIGGER watch_{scope}_{event} AFTER {event} ON call WHEN {spent} > {limit}"
                f" BEGIN INSERT INTO passed VALUES ('{scope}', {spent}); END"
            )
    database.commit()
    database.close()


def race(folder: Path, *, processes: int, seed: int) -> Outcome:
    """One round; the processes that are killed are its own children, by their handles."""
    path = folder / "ledger.sqlite3"
    watch(path)
    dice = random.Random(seed)
    began = time.monotonic()
    command = [sys.executable, __file__, "--work", str(path), "--number"]
    workers = [subprocess.Popen([*command, str(seed * 100 + it)]) for it in range(processes)]
    wait_for_calls(path, 10 * processes)
    doomed = dice.sample(workers, processes // 2)
    for worker in doomed:
        time.sleep(dice.random() * 0.05)
        worker.kill()
    codes = [worker.wait(timeout=120) for worker in workers]
    if any(code not in (0, -9) for code in codes):
        raise SystemExit(f"a process failed: {codes}")
    database = sqlite3.connect(path)
    spent, calls, left = database.execute(
        f"SELECT SUM({PAID}), COUNT(*), SUM(state = 'reserved') FROM call"
    ).fetchone()
    (passed,) = database.execute("SELECT COUNT(*) FROM passed").fetchone()
    database.close()
    return Outcome(spent, calls, codes.count(-9), left, passed, time.monotonic() - began)


def wait_for_calls(path: Path, number: int) -> None:
    """Until the race is under way: a process that is killed before its first call proves nothing."""
    database = sqlite3.connect(path)
    until = time.monotonic() + 60
    while time.monotonic() < until:
        if database.execute("SELECT COUNT(*) FROM call").fetchone()[0] >= number:
            break
        time.sleep(0.005)
    database.close()


def main() -> None:
    """Run the rounds and print one line for each."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else "")
    parser.add_argument("--rounds", type=int, default=20)
    parser.add_argument("--processes", type=int, default=8)
    parser.add_argument("--work", type=Path, help=argparse.SUPPRESS)
    parser.add_argument("--number", type=int, default=0, help=argparse.SUPPRESS)
    chosen = parser.parse_args()
    if chosen.work:
        work(chosen.work, chosen.number)
        return
    print("round | spent $ | of the day's | calls | killed | left reserved | passed | s")
    worst = 0
    for number in range(1, chosen.rounds + 1):
        with tempfile.TemporaryDirectory(prefix="route-agent-bench-") as folder:
            it = race(Path(folder), processes=chosen.processes, seed=number)
        worst += it.passed
        print(
            f"{number} | {it.spent / 1e6:.6f} | {100 * it.spent / 1e6 / DAY_USD:.1f} % | {it.calls}"
            f" | {it.killed} | {it.left_reserved} | {it.passed} | {it.seconds:.1f}",
            flush=True,
        )
    print(f"limits passed: {worst}")
    raise SystemExit(bool(worst))


if __name__ == "__main__":
    main()
