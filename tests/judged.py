"""A judged change made of records: everything that can be said about one, in the words that a test gives."""

from __future__ import annotations

from route_agent.records.change import REGULAR, Change, FileChange
from route_agent.records.checks import (
    CheckKind,
    CheckResult,
    CheckRun,
    Isolation,
    IsolationLevel,
    Outcome,
    Raised,
)
from route_agent.records.experiments import Known, Mutants
from route_agent.records.findings import Finding, LineCoverage, Weight
from route_agent.records.grades import Failure, Grade, Verdict
from route_agent.records.judgements import Judgement
from route_agent.records.reviews import Opinion, Review
from route_agent.records.risk import Decision, Provenance, Risk, Signal
from route_agent.records.runs import Evidence

WALLS = Isolation(IsolationLevel.NAMESPACES, "bwrap")


def judgement(words: str = "plain words", path: str = "sync/worker.py") -> Judgement:
    """A change that fails in every way at once; `words` stand wherever somebody else's may."""
    new, old = f"tests/test_{words}.py::test_new", "tests/test_old.py::TestX::test_old"
    unit = CheckResult(
        "unit",
        CheckKind.TEST,
        Outcome.FAILED,
        reason=f"3 failed: {words}",
        exit_code=1,
        seconds=1.5,
        output=f"out: {words}\n___ test_new ___\nE   {words}\n\ntests/test_{words}.py:12: {words}\n___ TestX.test_old ___\nold\n",
        tests={new: "failed", old: "failed", "calc::shaky": "failed", "tests/t.py::ok": "passed"},
        raised={new: Raised("call", words)},
    )
    lint = CheckResult("lint", CheckKind.LINT, Outcome.FAILED, f"exit 2: {words}", 2, 0.5, words)
    types = CheckResult("types", CheckKind.TYPECHECK, Outcome.NOT_RUN, f"no mypy: {words}")
    later = CheckResult("later", CheckKind.TEST, Outcome.NOT_RUN, "lint had failed", cancelled=True)
    known = Known(
        findings=(
            Finding("test-skipped", path, 7, words, Weight.CONVICTS),
            Finding("assertion-weakened", path, 0, words, Weight.LOWERS),
        ),
        lines=LineCoverage(frozenset((path, line) for line in (3, 4, 5, 9)), frozenset({(path, 4)})),
        mutants=Mutants(4, ((path, 5, words),)),
    )
    evidence = Evidence(
        CheckRun("b" * 40, (unit, lint, types, later), WALLS),
        Grade.NONE,
        Failure.REGRESSION,
        (words,),
        pre_existing=(f"unit::{old}",),
        flaky=("unit::calc::shaky",),
        known=known,
    )
    return Judgement(
        change=Change("a" * 40, "b" * 40, (FileChange(path, REGULAR, REGULAR, "c" * 40, "d" * 40, 3, 1),)),
        risk=Risk(
            6, (Signal("files", 1, 1, Provenance.TRUSTED), Signal("auth_code", True, 5, Provenance.TAINTED))
        ),
        decision=Decision("fast", ("fast", "strong"), (words,), "bug", words, "3f9c2e1"),
        verdict=Verdict.NOT_PROVED,
        reason=words,
        isolation=WALLS,
        seconds=3.25,
        notices=(words,),
        baseline=CheckRun("a" * 40, (lint,), WALLS),
        evidence=evidence,
        head="b" * 40,
        failure=Failure.REGRESSION,
        blocks=True,
        reviews=(Review("verifier", "small-1", Opinion.REJECT, (words,), (f"{path}:4",)),),
    )
