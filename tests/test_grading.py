"""What a green run is worth: grades from coverage, findings and experiments, and what caps them."""

from __future__ import annotations

from dataclasses import replace

import pytest

from route_agent.evidence import grade
from route_agent.mutants.reverts import TAKEN_BACK
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
    known = Known((Finding(rule, "m.py", 1, "look", weight),), FULL, mutants=Mutants(4))

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
    confirmed = graded(before, GREEN, Known(restored=GREEN, mutants=Mutants(4)), "bug", judge)
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


RED_THEN_GREEN = run(a="failed", b="passed"), GREEN


def test_a_test_that_turned_green_must_notice_mistakes_in_what_was_changed() -> None:
    asked = grade(*RED_THEN_GREEN, frozenset(), known=Known(lines=FULL))

    assert asked == Experiment(Trial.MUTANTS, frozenset({"pytest::t/test_m.py::a"}))
    sharp = graded(*RED_THEN_GREEN, Known(lines=FULL, mutants=Mutants(2)))
    assert sharp.grade is Grade.DISCRIMINATING
    blunt = graded(*RED_THEN_GREEN, Known(lines=FULL, mutants=Mutants(4, (("m.py", 2, "boundary"),))))
    assert blunt.grade is Grade.COVERED
    assert "a mistake at m.py:2 (boundary) would go unnoticed" in blunt.reasons[1]
    spare = graded(*RED_THEN_GREEN, Known(lines=FULL, mutants=Mutants(1, (("m.py", 2, TAKEN_BACK),))))
    assert "m.py:2 as it was at start would go unnoticed" in spare.reasons[1]


@pytest.mark.parametrize(
    ("mutants", "expected"),
    [
        (Mutants(0), Grade.COVERED),
        (Mutants(7, cut_short=True), Grade.COVERED),
        (Mutants(8, cut_short=True), Grade.DISCRIMINATING),
    ],
)
def test_too_few_mistakes_that_could_be_tried_tell_nothing(mutants: Mutants, expected: Grade) -> None:
    assert graded(*RED_THEN_GREEN, Known(lines=FULL, mutants=mutants)).grade is expected


def test_a_test_that_turned_green_tells_nothing_of_lines_that_it_does_not_execute() -> None:
    found = graded(*RED_THEN_GREEN, Known(lines=PART))

    assert found.grade is Grade.RAN
    assert "of the change not executed: m.py:2" in found.reasons[1]


@pytest.mark.parametrize("rule", ["narrow", "caught", "default", "left-alone", "untested"])
def test_code_that_may_only_fit_the_example_stays_below_the_highest_grade(rule: str) -> None:
    doubt = Finding(rule, "m.py", 2, "'kg' is asked for, which stands in t/test_m.py", Weight.NOTES)

    assert graded(*RED_THEN_GREEN, Known((doubt,), FULL)).grade is Grade.COVERED


def test_a_reproduction_needs_no_mutants_since_no_patch_was_made_for_it() -> None:
    doubt = Finding("untested", "m.py", 0, "the task names 'kg'", Weight.NOTES)
    known = Known((doubt,), FULL, reproduced=frozenset({"pytest::t/test_m.py::a"}))

    assert graded(*RED_THEN_GREEN, known).grade is Grade.DISCRIMINATING


def test_what_turned_green_is_looked_at_without_the_source_where_tests_changed_too() -> None:
    known = Known(lines=FULL, own_tests=frozenset({"t/test_n.py"}))

    assert grade(*RED_THEN_GREEN, frozenset(), known=known) == Experiment(Trial.WITHOUT_SOURCE)
    needed = Known(lines=FULL, own_tests=known.own_tests, without=RED_THEN_GREEN[0], mutants=Mutants(3))
    assert graded(*RED_THEN_GREEN, needed).grade is Grade.DISCRIMINATING
    idle = Known(lines=FULL, own_tests=known.own_tests, without=GREEN, mutants=Mutants(3))
    assert graded(*RED_THEN_GREEN, idle).grade is Grade.COVERED
    assert "green without the patch's source too" in graded(*RED_THEN_GREEN, idle).reasons[1]


def test_tests_of_ones_own_never_lift_above_covered() -> None:
    own = frozenset({"t/test_m.py"})
    known = Known(lines=FULL, own_tests=own, without=run(a="passed", b="passed", mine="failed"))

    assert graded(GREEN, run(a="passed", b="passed", mine="passed"), known).grade is Grade.COVERED


def test_where_start_had_no_tests_those_of_the_patch_tell_little() -> None:
    none = CheckRun(
        "t", (CheckResult("pytest", CheckKind.TEST, Outcome.NOT_RUN, "no tests were collected"),), HERE
    )

    found = graded(none, run(mine="passed"), Known(lines=FULL))

    assert found.grade is Grade.RAN
    assert "all tests that ran came with the patch" in found.reasons[1]


def test_no_tests_collected_proves_nothing() -> None:
    none = CheckResult("pytest", CheckKind.TEST, Outcome.NOT_RUN, "no tests were collected")
    lint = CheckResult("ruff", CheckKind.LINT, Outcome.PASSED)

    assert graded(CheckRun("t", (none,), HERE), CheckRun("t", (none,), HERE), Known()).grade is Grade.NONE
    both = CheckRun("t", (none, lint), HERE)
    assert graded(both, both, Known(lines=PART)).grade is Grade.STATIC
    assert graded(GREEN, CheckRun("t", (none,), HERE), Known()).failure is Failure.REGRESSION


ABOUT_TESTS = Known(own_tests=frozenset({"t/test_m.py"}), only_tests=True)


@pytest.mark.parametrize(
    ("mutants", "expected"),
    [
        (Mutants(6, fresh=True), Grade.DISCRIMINATING),
        (Mutants(6, fresh=False), Grade.RAN),
        (Mutants(6, (("m.py", 9, "boundary"),), fresh=True), Grade.RAN),
        (Mutants(2, fresh=True), Grade.RAN),
        (Mutants(6, fresh=True, cut_short=True), Grade.RAN),
    ],
)
def test_a_change_of_tests_alone_must_notice_what_start_did_not(mutants: Mutants, expected: Grade) -> None:
    assert grade(GREEN, GREEN, frozenset(), task_class="tests", known=ABOUT_TESTS) == Experiment(
        Trial.MUTANTS
    )

    known = replace(ABOUT_TESTS, mutants=mutants)

    assert graded(GREEN, run(a="passed", b="passed", mine="passed"), known, "tests").grade is expected


def test_a_test_that_was_to_go_is_not_missed() -> None:
    gone = Finding("test-removed", "t/test_m.py", 3, "the test a is gone", Weight.NOTES)
    now = run(b="passed")

    def found(*findings: Finding) -> Grade:
        return graded(GREEN, now, Known(findings, FULL, restored=GREEN), "bug", "t/test_m.py").grade

    assert found(gone) is Grade.COVERED
    assert found() is Grade.RAN
    assert found(gone, Finding("expectation-changed", "t/test_m.py", 9, "b", Weight.NOTES)) is Grade.RAN


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
