"""A believable ledger of some months, the same each time: written through the ledger's own interface."""

from __future__ import annotations

import json
import random
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING

from route_agent.ledger.store import Ledger
from route_agent.records.change import ABSENT, REGULAR, Change, FileChange
from route_agent.records.checks import CheckKind, CheckResult, CheckRun, Isolation, IsolationLevel, Outcome
from route_agent.records.experiments import Known, Mutants
from route_agent.records.facts import Facts
from route_agent.records.findings import Finding, LineCoverage, Weight
from route_agent.records.grades import Failure, Grade, Verdict
from route_agent.records.lanes import Call, CallState, Purpose, Usage
from route_agent.records.reviews import Opinion, Review, Track
from route_agent.records.risk import Decision, Provenance, Risk, SecondDecision, Signal
from route_agent.records.runs import Attempt, Cost, Evidence, Run, written_form

if TYPE_CHECKING:
    from pathlib import Path

    from route_agent.records.grades import TaskClass

END = datetime(2026, 11, 20, 15, 30, tzinfo=UTC)
DAYS = 84
CHECKS = "pytest -q && ruff check ."
ISOLATION = Isolation(IsolationLevel.NAMESPACES, "bubblewrap 0.8.0, no network")
MODELS = {"fast": "small-1", "strong": "large-1", "verifier": "critic-1"}
# class: weight, brief, file, how often the fast lane is right
TASKS: dict[TaskClass, tuple[int, str, str, float]] = {
    "docs": (5, "Say in the README how to set a timeout", "README.md", 0.95),
    "tests": (5, "Add a test for an empty cart", "tests/test_cart.py", 0.85),
    "types": (4, "Make mypy accept shop/prices.py", "shop/prices.py", 0.9),
    "bug": (6, "Prices are rounded down at half a cent", "shop/prices.py", 0.6),
    "feature": (4, "Add a discount code to the checkout", "shop/checkout.py", 0.45),
    "refactor": (3, "Split parse() of the importer into two", "shop/importer.py", 0.4),
    "auth": (2, "A session must end when its user is blocked", "shop/sessions.py", 0.0),
    "migration": (1, "Add an index on orders.created_at", "migrations/0042.sql", 0.0),
}
FAILURES = (
    Failure.REGRESSION,
    Failure.STILL_FAILING,
    Failure.WEAK,
    Failure.UNAPPLIABLE,
    Failure.DISPUTED,
    Failure.DOUBTFUL,
)
REASONS = {
    Failure.REGRESSION: "turned red: pytest::tests/test_prices.py::test_half_a_cent",
    Failure.STILL_FAILING: "still red: pytest::tests/test_prices.py::test_total",
    Failure.WEAK: "ran is below the bar covered of fast for bug",
    Failure.UNAPPLIABLE: "no place for the edit of shop/prices.py: its lines are not there",
    Failure.DISPUTED: "verifier critic-1 rejects it",
    Failure.DOUBTFUL: "confidence 0.48 is below 0.65",
}


@dataclass(frozen=True, slots=True)
class Seeded:
    """One run as it was written down, and when its attempts were."""

    run: Run
    author: str


def seed(path: Path, *, runs: int = 140, strong: float = 0.12, number: int = 7) -> list[Seeded]:
    """Write a ledger of so many runs, the oldest first, and return them.

    Args:
        strong: how many of the tasks that fast may begin were given to strong at once.
    """
    dice = random.Random(number)
    made = [_seeded(dice, index, runs, strong) for index in range(runs)]
    ledger = Ledger(path)
    ledger._db.execute("PRAGMA synchronous = OFF")
    for it in made:
        write(ledger, it)
    ledger.close()
    return made


def write(ledger: Ledger, made: Seeded) -> None:
    """One run with its attempts, as the loop writes it, at its own time."""
    run = made.run
    ledger.begin(run, forced_lane=run.forced_lane)
    ledger.decided(run, Facts(run.brief, Change(run.base, run.start)))
    for number, attempt in enumerate(run.attempts, 1):
        ledger.add_attempt(run.id, number, attempt)
    if run.verdict is not Verdict.INTERRUPTED:
        ledger.finish(run, written_form().dump_json(run).decode())
    at = {"id": run.id, "at": run.started_at, "author": made.author}
    for statement in (
        "UPDATE attempt SET at = :at WHERE run_id = :id",
        "UPDATE review SET at = :at WHERE run_id = :id",
        "UPDATE run SET finished_at = :at WHERE id = :id AND finished_at IS NOT NULL",
        "UPDATE run SET author = :author WHERE id = :id",
    ):
        ledger._write(statement, {key: value for key, value in at.items() if f":{key}" in statement})


def receive(
    ledger: Ledger, run_id: str, outcome: str, *, minutes: float | None = None, note: str = ""
) -> None:
    """A person's word about a run's patch."""
    ledger._insert(
        "reception",
        {
            "run_id": run_id,
            "at": END.isoformat(timespec="milliseconds"),
            "source": "person",
            "outcome": outcome,
            "minutes": minutes,
            "note": note,
            "reviewer": "one",
        },
    )


def judge(
    ledger: Ledger, name: str, *, verdict: str = "accepted", reused: int = 0, report: str = "{}"
) -> None:
    """A judgement of the gate."""
    ledger._insert(
        "judgement",
        {
            "id": name,
            "at": END.isoformat(timespec="milliseconds"),
            "repository": "/src/shop",
            "author": "one",
            "base": "b" * 40,
            "head": "c" * 40,
            "policy_hash": "0" * 64,
            "verdict": verdict,
            "exit_code": 0 if verdict == "accepted" else 1,
            "failure": None if verdict == "accepted" else "regression",
            "grade": "covered",
            "score": 4,
            "lane": "fast",
            "task_class": "bug",
            "seconds": 8.5,
            "check_seconds": 8.1,
            "cost_micro_usd": 0,
            "unknown_calls": 0,
            "reused": reused,
            "report": report,
        },
    )


def _seeded(dice: random.Random, index: int, runs: int, strong: float) -> Seeded:
    task_class = dice.choices(list(TASKS), [it[0] for it in TASKS.values()])[0]
    _, brief, file, right = TASKS[task_class]
    started = END - timedelta(days=DAYS * (runs - 1 - index) / max(1, runs - 1), minutes=dice.randrange(300))
    first = "strong" if right == 0.0 or dice.random() < strong else "fast"
    attempts = []
    lane = first
    while True:
        passes = dice.random() < (right if lane == "fast" else 0.88)
        attempts.append(_attempt(dice, lane, task_class, file, passes=passes))
        if passes or lane == "strong":
            break
        lane = "strong"
    accepted = attempts[-1].accepted
    calls = [call for it in attempts for call in (*it.calls, *(c for r in it.reviews for c in r.calls))]
    run = Run(
        id=f"{started:%m%d}{index:04d}",
        started_at=started.isoformat(timespec="milliseconds"),
        repository="/src/shop",
        brief=f"{brief} ({index})",
        base=f"{dice.getrandbits(160):040x}",
        start=f"{dice.getrandbits(160):040x}",
        verdict=Verdict.ACCEPTED if accepted else Verdict.NOT_PROVED,
        reason=attempts[-1].reason,
        isolation=ISOLATION,
        risk=_risk(dice, task_class, file),
        decision=_decision(first, task_class),
        baseline=_checks("0" * 40, red=task_class == "bug"),
        attempts=tuple(attempts),
        cost=Cost.of(calls),
        seconds=sum(it.seconds for it in attempts) + 6.0,
        verification=CHECKS,
        patch_path=f"/home/one/.local/state/route-agent/patches/{index}.patch" if accepted else None,
    )
    return Seeded(run, dice.choice(("one", "two", "three")))


def _attempt(dice: random.Random, lane: str, task_class: TaskClass, file: str, *, passes: bool) -> Attempt:
    failure = None if passes else dice.choices(FAILURES, (5, 4, 4, 2, 2, 1))[0]
    dear = 9 if lane == "strong" else 1
    cost = round(dear * dice.lognormvariate(8.2, 0.5))
    seconds = dear**0.5 * dice.lognormvariate(2.3, 0.4)
    grade = dice.choice((Grade.COVERED, Grade.DISCRIMINATING)) if passes else Grade.RAN
    lost = failure is Failure.UNAPPLIABLE
    confidence = dice.uniform(0.66, 0.97) if passes else dice.uniform(0.3, 0.8)
    return Attempt(
        lane=lane,
        provider="openai",
        model=MODELS[lane],
        calls=(_call(lane, cost, seconds),),
        summary="" if lost else f"mend {file}",
        change=None
        if lost
        else Change("0" * 40, "1" * 40, (FileChange(file, REGULAR, REGULAR, "2" * 40, "3" * 40, 2, 1),)),
        evidence=None if lost else _evidence(grade, failure, file),
        failure=failure,
        reason="green tests executed every changed statement" if passes else REASONS[failure or Failure.WEAK],
        seconds=seconds,
        patch="" if lost else patch_of(file),
        reviews=() if lost else _reviews(failure, dear),
        confidence=None if lost else round(confidence, 2),
        confidence_reasons=() if lost else (f"grade {grade.value}", "cost as usual"),
        second=None
        if lost
        else SecondDecision(passes, ("score 4 is below 7",), 4, 0.4, "cost of 40 attempts"),
    )


def patch_of(file: str) -> str:
    """A small diff of one file."""
    return (
        f"diff --git a/{file} b/{file}\nindex 2222222..3333333 100644\n--- a/{file}\n+++ b/{file}\n"
        "@@ -3,4 +3,5 @@ def total(rows):\n     amount = sum(row.cents for row in rows)\n"
        "-    return amount // 100\n+    # half a cent goes up\n+    return (amount + 50) // 100\n \n \n"
    )


def _evidence(grade: Grade, failure: Failure | None, file: str) -> Evidence:
    place = (file, 4)
    both = frozenset({place, (file, 5)})
    known = Known(
        findings=(Finding("assertion-loosened", file, 4, "an assertion asks for less", Weight.NOTES),),
        lines=LineCoverage(both, both if grade.reaches(Grade.COVERED) else frozenset({place})),
        mutants=Mutants(4, ((file, 5, "+ to -"),)),
    )
    red = failure in (Failure.REGRESSION, Failure.STILL_FAILING)
    return Evidence(_checks("1" * 40, red=red), grade, failure, ("tests passed",), known=known)


def _checks(tree: str, *, red: bool) -> CheckRun:
    tests = {f"tests/test_prices.py::test_{name}": "passed" for name in ("empty", "total", "many")}
    tests["tests/test_prices.py::test_half_a_cent"] = "failed" if red else "passed"
    outcome = Outcome.FAILED if red else Outcome.PASSED
    results = (
        CheckResult(
            "pytest",
            CheckKind.TEST,
            outcome,
            "1 failed: test_half_a_cent" if red else "",
            int(red),
            3.4,
            ">       assert total([50]) == 1\nE       assert 0 == 1\n1 failed, 3 passed" if red else "",
            tests,
        ),
        CheckResult("ruff", CheckKind.LINT, Outcome.PASSED, "", 0, 0.1),
    )
    return CheckRun(tree, results, ISOLATION, 3.5)


def _call(lane: str, cost: int, seconds: float, purpose: Purpose = Purpose.PATCH) -> Call:
    return Call(
        id=0,
        lane=lane,
        provider="openai",
        model_requested=MODELS[lane],
        model_served=MODELS[lane],
        state=CallState.DONE,
        usage=Usage(input_total=4200, cache_read=3000, output_total=310),
        cost_micro_usd=cost,
        reserved_micro_usd=cost * 3,
        seconds=seconds,
        purpose=purpose,
        price_basis="rates",
    )


def _reviews(failure: Failure | None, dear: int) -> tuple[Review, ...]:
    opinion = Opinion.REJECT if failure is Failure.DISPUTED else Opinion.APPROVE
    call = _call("verifier", 900 * dear, 2.0, Purpose.OPINION)
    track = Track(20, 17, 40, 6)
    return (
        Review(
            "verifier",
            "critic-1",
            opinion,
            ("the edge is right",),
            ("shop/prices.py:4",),
            False,
            (call,),
            2.0,
            track,
        ),
    )


def _risk(dice: random.Random, task_class: TaskClass, file: str) -> Risk:
    trusted, tainted = Provenance.TRUSTED, Provenance.TAINTED
    files = dice.randrange(1, 4)
    signals = (
        Signal("files", files, files, trusted, (file,), "policy.yaml:12"),
        Signal(
            "schema_change",
            task_class == "migration",
            5 * (task_class == "migration"),
            trusted,
            (),
            "policy.yaml:13",
        ),
        Signal("auth_code", task_class == "auth", 5 * (task_class == "auth"), trusted, (), "policy.yaml:14"),
        Signal("test_failures", int(task_class == "bug"), 2 * (task_class == "bug"), trusted),
        Signal("new_code", task_class == "feature", 3 * (task_class == "feature"), tainted, ("add",)),
        Signal("untested", None, 0, trusted),
    )
    return Risk(sum(it.points for it in signals), signals)


def _decision(first: str, task_class: TaskClass) -> Decision:
    ladder = ("fast", "strong") if first == "fast" else ("strong",)
    reason = "score 3 is at most 6" if first == "fast" else "always strong: auth_code"
    return Decision(first, ladder, (reason,), task_class, ".route-agent/policy.yaml", "ab12cd34" * 8)


def hostile(run: Run, text: str) -> Run:
    """The same run, with a text of somebody's choice wherever a stranger may have written."""
    attempts = tuple(
        replace(
            it,
            summary=text,
            reason=text,
            patch=f"diff --git a/x b/x\n--- a/x\n+++ b/x\n@@ -1 +1,2 @@\n-{text}\n+{text}\n+new\n",
            change=Change("0" * 40, "1" * 40, (FileChange(text, ABSENT, REGULAR, "2" * 40, "3" * 40, 2, 1),)),
        )
        for it in run.attempts
    )
    return replace(run, brief=text, reason=text, repository=text, attempts=attempts, notices=(text,))


def dumped(run: Run) -> str:
    """As the ledger keeps it."""
    return json.dumps(json.loads(written_form().dump_json(run)))
