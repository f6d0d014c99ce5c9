"""What a green run is worth: grades from coverage, findings and experiments, and what caps them."""

from __future__ import annotations

import pytest

from route_agent.evidence import grade
from route_agent.records.checks import CheckKind, CheckResult, CheckRun, Isolation, IsolationLevel, Outcome
from route_agent.records.experiments import Experiment, Known, Mutants, Trial
from route_agent.records.findings import Finding, LineCoverage, Weight
from route_agent.records.grades import Failure, Grade, TaskClass
from route_agent.records.runs import Evidence

HERE = Isolation(IsolationLevel.NONE)
FULL = LineCoverage(frozenset({("m.py", 1), ("m.py", 2)}), frozenset({("m.py", 1), ("m.py", 2)}))
PART = LineCoverage(frozenset({("m.py", 1), ("m.py", 2)}), frozenset({("m.py", 1)}))


def run(**tests: str) -> CheckRun:
    told = {f"t/test_m.py::{name}": outcome for name, outcome in tests.items()}
    outcome = Outcome.FAILED if "failed" in told.values() else Outcome.PASSED
    code = 1 if outcome is Outcome.FAILED else 0
    return CheckRun("t", (CheckResult("pytest", CheckKind.TEST, outcome, "", code, tests=told),), HERE)


def graded(
    before: CheckRun, now: CheckRun, known: Known, task_class: TaskClass = "bug", *judges: str
) -> Evidence:
    found = grade(before, now, frozenset(), judges=frozenset(judges), task_class=task_class, known=known)
    assert isinstance(found, Evidence), found
    return found


def lowers(rule: str = "assertion-loosened") -> Finding:
    return Finding(rule, "t/test_m.py", 3, "it was weakened", Weight.LOWERS)


GREEN = run(a="passed", b="passed")


@pytest.mark.parametrize(("lines", "expected"), [(FULL, Grade.COVERED), (PART, Grade.RAN), (None, Grade.RAN)])
def test_only_full_coverage_lifts_green_tests(lines: LineCoverage | None, expected: Grade) -> None:
    assert graded(GREEN, GREEN, Known(lines=lines)).grade is expected


def test_what_was_not_executed_is_named() -> None:
    assert "m.py:2" in graded(GREEN, GREEN, Known(lines=PART)).reasons[0]


def test_a_file_that_nobody_measured_keeps_the_grade_at_ran() -> None:
    lines = LineCoverage(FULL.changed, FULL.executed, ("web/app.ts",))

    assert graded(GREEN, GREEN, Known(lines=lines)).grade is Grade.RAN


@pytest.mark.parametrize(
    ("rule", "weight", "expected"),
    [
        ("assertion-loosened", Weight.LOWERS, Grade.RAN),
        ("comment-only", Weight.LOWERS, Grade.STATIC),
        ("special-cased", Weight.NOTES, Grade.COVERED),
        ("mocked", Weight.NOTES, Grade.DISCRIMINATING),
    ],
)
def test_a_finding_caps_even_what_turned_green(rule: str, weight: Weight, expected: Grade) -> None:
    known = Known((Finding(rule, "m.py", 1, "look", weight),), FULL)

    found = graded(run(a="failed", b="passed"), GREEN, known)

    assert found.grade is expected
    assert expected is Grade.DISCRIMINATING or "m.py:1: look" in found.reasons[1]


def test_a_convicting_finding_refuses_a_green_patch() -> None:
    finding = Finding("test-skipped", "t/test_m.py", 7, "it is skipped now", Weight.CONVICTS)

    found = graded(GREEN, GREEN, Known((finding,), FULL))

    assert (found.failure, found.reasons) == (Failure.TAMPERED, ("t/test_m.py:7: it is skipped now",))


def test_a_test_that_turned_red_is_first_run_alone() -> None:
    red = run(a="failed", b="passed")

    asked = grade(GREEN, red, frozenset(), known=Known())

    assert asked == Experiment(Trial.ALONE, frozenset({"pytest::t/test_m.py::a"}))
    stays = graded(GREEN, red, Known(alone=run(a="failed")))
    assert stays.failure is Failure.REGRESSION
    flaky = graded(GREEN, red, Known(alone=run(a="passed"), lines=FULL))
    assert (flaky.failure, flaky.grade, flaky.flaky) == (None, Grade.RAN, ("pytest::t/test_m.py::a",))


def test_changed_tests_are_judged_by_those_of_start() -> None:
    before, judge = run(a="failed", b="passed"), "t/test_m.py"

    asked = grade(before, GREEN, frozenset(), judges=frozenset({judge}), known=Known())

    assert asked == Experiment(Trial.RESTORED)
    confirmed = graded(before, GREEN, Known(restored=GREEN), "bug", judge)
    assert confirmed.grade is Grade.DISCRIMINATING
    rewritten = graded(before, GREEN, Known(restored=before), "bug", judge)
    assert rewritten.failure is Failure.TAMPERED
    assert "only with the patch's own version" in rewritten.reasons[0]


def test_a_test_of_start_that_fails_against_the_patch_keeps_the_grade_down() -> None:
    hides = Known((lowers("expectation-changed"),), FULL, restored=run(a="failed", b="passed"))
    clean = Known((lowers("expectation-changed"),), FULL, restored=GREEN)

    assert graded(GREEN, GREEN, hides, "bug", "t/test_m.py").grade is Grade.RAN
    assert graded(GREEN, GREEN, clean, "bug", "t/test_m.py").grade is Grade.COVERED


def test_a_test_that_went_out_of_an_edited_file_is_no_regression_but_caps() -> None:
    now = run(b="passed")

    edited = graded(GREEN, now, Known(lines=FULL, restored=GREEN), "bug", "t/test_m.py")
    assert (edited.failure, edited.grade) == (None, Grade.RAN)
    assert "no longer runs" in edited.reasons[1]
    assert graded(GREEN, now, Known(lines=FULL)).failure is Failure.REGRESSION


def test_mutants_are_asked_for_where_behaviour_is_kept_and_only_there() -> None:
    known = Known(lines=FULL)

    assert grade(GREEN, GREEN, frozenset(), task_class="refactor", known=known) == Experiment(Trial.MUTANTS)
    assert graded(GREEN, GREEN, known, "bug").grade is Grade.COVERED


@pytest.mark.parametrize(
    ("mutants", "expected"),
    [
        (Mutants(5), Grade.DISCRIMINATING),
        (Mutants(2), Grade.COVERED),
        (Mutants(5, (("m.py", 2, "boundary"),)), Grade.COVERED),
    ],
)
def test_enough_mutants_must_all_be_noticed(mutants: Mutants, expected: Grade) -> None:
    assert graded(GREEN, GREEN, Known(lines=FULL, mutants=mutants), "refactor").grade is expected


def test_a_runner_that_names_files_from_a_deeper_root_still_means_the_edited_one() -> None:
    found = graded(GREEN, run(b="passed"), Known(lines=FULL, restored=GREEN), "bug", "py/t/test_m.py")

    assert (found.failure, found.grade) == (None, Grade.RAN)
