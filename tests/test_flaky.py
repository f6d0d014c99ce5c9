"""Red tests are run once more by themselves: what is green then proves nothing, and is never silently green."""

from __future__ import annotations

import json
import os
import time
from collections.abc import Sequence
from pathlib import Path

import pytest
import sandpit
from sandpit import Sandpit

from route_agent.checks.alone import MAX_ALONE, alone, narrowed, with_flaky
from route_agent.evidence import broken_environment, grade, targets
from route_agent.policy import CheckSpec
from route_agent.records.checks import CheckKind, CheckResult, CheckRun, Isolation, IsolationLevel, Outcome
from route_agent.records.experiments import Experiment, Known, Trial
from route_agent.records.grades import Failure, Grade

PYTEST = json.dumps([*sandpit.PYTEST, "tests"])
POLICY = f"version: 1\nchecks:\n  - {{name: pytest, run: {PYTEST}}}\n"
SOURCE = "VERSION = 1\n\n\ndef add(a, b):\n    return a + b\n"
# in the whole run the second finds what the first has left, unless the source is of another version
TESTS = """\
import calc


def test_first():
    calc.seen = True
    assert calc.add(2, 2) == 4


def test_second():
    assert calc.VERSION == 2 or not hasattr(calc, "seen")
"""
SECOND = "tests/test_calc.py::test_second"


@pytest.fixture
def pit(tmp_path: Path) -> Sandpit:
    return Sandpit(tmp_path / "pit", {"calc.py": SOURCE, "tests/test_calc.py": TESTS}, POLICY)


def test_a_test_that_is_green_by_itself_at_start_is_flaky_and_its_turning_green_proves_nothing(
    pit: Sandpit,
) -> None:
    pit.write("calc.py", SOURCE.replace("VERSION = 1", "VERSION = 2"))

    done = pit.run("verify", "--json")

    assert done.exit_code == 0, done.stdout + done.stderr
    assert done.json["baseline"][0]["flaky"] == [SECOND]
    assert (done.json["baseline"][0]["outcome"], done.json["baseline"][0]["failed"]) == ("failed", 0)
    assert done.json["grade"] != "discriminating"
    assert f"flaky at start, proves nothing: pytest::{SECOND}" in pit.run("verify").stdout


def test_without_reruns_the_same_is_taken_for_a_mended_test(pit: Sandpit, tmp_path: Path) -> None:
    policy = tmp_path / "p.yaml"
    policy.write_text(POLICY + "flaky: {reruns: 0}\n")
    pit.write("calc.py", SOURCE.replace("VERSION = 1", "VERSION = 2"))

    done = pit.run("verify", "--json", "--policy", str(policy))

    assert done.json["baseline"][0]["flaky"] == []
    assert done.json["grade"] == "discriminating"


def test_a_test_that_was_flaky_at_start_and_is_red_for_good_now_is_the_patchs_fault(pit: Sandpit) -> None:
    pit.write("calc.py", SOURCE + "\n\nseen = True\n")

    done = pit.run("verify", "--json")

    assert (done.exit_code, done.json["failure"]) == (1, "regression"), done.stdout + done.stderr
    assert done.json["reason"] == f"{SECOND} is flaky at start and red"


def test_a_red_command_without_test_ids_is_run_once_more_as_a_whole(tmp_path: Path) -> None:
    runs = tmp_path / "runs"
    runs.write_text("")
    # red the first time that it runs, green ever after
    script = (
        f"import pathlib, sys\nruns = pathlib.Path({str(runs)!r})\n"
        "runs.write_text(runs.read_text() + 'x')\nsys.exit(len(runs.read_text()) == 1)\n"
    )
    policy = "version: 1\nchecks:\n  - {name: unit, kind: test, run: [python3, unit.py], timeout: 60}\n"
    pit = Sandpit(tmp_path / "pit", {"unit.py": script}, policy)
    pit.write("calc.py", "def add(a, b):\n    return a + b\n")
    folder = tmp_path / "bin"
    folder.mkdir()
    for name in ("bwrap", "unshare"):
        (folder / name).write_text("#!/bin/sh\nexit 1\n")
        (folder / name).chmod(0o755)

    without = {"PATH": f"{folder}{os.pathsep}{os.environ['PATH']}", "CI": ""}  # in CI walls are compulsory
    done = pit.run("verify", "--json", env=without)

    assert done.exit_code == 0, done.stdout + done.stderr
    assert (done.json["baseline"][0]["outcome"], done.json["baseline"][0]["flaky"]) == ("failed", ["exit"])
    assert done.json["grade"] == "ran"


# --- the reruns themselves ---

HERE = Isolation(IsolationLevel.NONE)
UNIT = CheckSpec(name="unit", run=("pytest", "-q", "tests"))


def suite(green: str = "", red: str = "", *, name: str = "unit", flaky: Sequence[str] = ()) -> CheckResult:
    tests = {f"t.py::{it}": "passed" for it in green.split()} | {
        f"t.py::{it}": "failed" for it in red.split()
    }
    outcome = Outcome.FAILED if red else Outcome.PASSED
    ids = tuple(f"t.py::{it}" for it in flaky)
    return CheckResult(name, CheckKind.TEST, outcome, "", int(bool(red)), 0.5, tests=tests, flaky=ids)


def run(*results: CheckResult, changed: tuple[str, ...] = ()) -> CheckRun:
    return CheckRun("tree", results, HERE, 1.0, changed)


class Again:
    """Answers every rerun in turn, and remembers what was asked."""

    def __init__(self, *answers: CheckRun) -> None:
        self.answers = list(answers)
        self.asked: list[list[CheckSpec]] = []

    def __call__(self, specs: Sequence[CheckSpec]) -> CheckRun:
        self.asked.append(list(specs))
        return self.answers.pop(0)


def test_only_what_is_still_red_runs_again_and_one_green_run_is_enough() -> None:
    again = Again(run(suite("a", "b c")), run(suite("b", "c")), run(suite("", "c")))

    found = with_flaky(run(suite("x", "a b c")), [UNIT], again, reruns=3)

    assert [list(specs[0].run[2:]) for specs in again.asked] == [
        ["t.py::a", "t.py::b", "t.py::c"],
        ["t.py::b", "t.py::c"],
        ["t.py::c"],
    ]
    assert found.results[0].flaky == ("t.py::a", "t.py::b")
    assert found.results[0].red == {"t.py::c"}
    assert found.results[0].outcome is Outcome.FAILED


def test_no_more_than_fifty_run_again_and_not_after_the_time_box() -> None:
    many = " ".join(f"t{number:03}" for number in range(80))
    again = Again(run(suite("", many)))
    with_flaky(run(suite("", many)), [UNIT], again, reruns=1)
    assert len(again.asked[0][0].run) == 2 + MAX_ALONE

    class Slow(Again):
        def __call__(self, specs: Sequence[CheckSpec]) -> CheckRun:
            time.sleep(0.2)
            return super().__call__(specs)

    slow = Slow(*[run(suite("", "a"))] * 5)
    alone([UNIT], ["unit::t.py::a"], slow, reruns=5, seconds=0.1)
    assert len(slow.asked) == 1
    assert slow.asked[0][0].timeout <= 1


def test_what_was_killed_or_is_no_test_is_not_run_again() -> None:
    killed = CheckResult("unit", CheckKind.TEST, Outcome.FAILED, "timeout after 5 s", None, 5.0)
    lint = CheckResult("ruff", CheckKind.LINT, Outcome.FAILED, "", 1, 0.1)
    slow = CheckResult("unit", CheckKind.TEST, Outcome.FAILED, "", 1, 100.0)
    again = Again()

    for result in (killed, lint, slow):
        assert with_flaky(run(result), [UNIT], again, reruns=2) == run(result)


def test_zero_reruns_run_nothing() -> None:
    assert alone([UNIT], ["unit::t.py::a"], Again(), reruns=0) is None


@pytest.mark.parametrize(
    ("command", "narrow"),
    [
        ("pytest -q tests", "pytest -q ID"),
        ("pytest tests src/deep/test_x.py::test_y -x", "pytest -x ID"),
        ("python3 -m pytest -n 2 -k fast tests", "python3 -m pytest -n 2 -k fast ID"),
        ("pytest -c tests/pytest.ini --cov=src .", "pytest -c tests/pytest.ini --cov=src ID"),
        ("./bin/pytest", "./bin/pytest ID"),
        ("make tests", "make tests"),
    ],
)
def test_by_itself_means_without_the_folders_that_the_command_names(command: str, narrow: str) -> None:
    spec = UNIT.model_copy(update={"run": tuple(command.split()), "when": ("*.py",)})

    (found,) = narrowed([spec], ["unit::t.py::a", "other::t.py::b"])

    assert " ".join(found.run) == narrow.replace("ID", "t.py::a")
    assert found.when == ()


# --- what they mean for the grade ---


def test_flaky_at_start_is_neither_wanted_nor_mended_nor_an_excuse() -> None:
    before = run(suite("a", "b c", flaky="b"))

    assert targets(before, "bug", "t.py is wrong: b and c", ()) == {"unit::t.py::c"}
    assert grade(before, run(suite("a b", "c")), frozenset()).grade is Grade.RAN
    assert grade(before, run(suite("a b c")), frozenset()).reasons == (
        "unit::t.py::c red at start, green now",
    )
    assert grade(before, run(suite("a", "b c")), frozenset()).failure is Failure.REGRESSION
    asked = grade(before, run(suite("a", "b c")), frozenset(), known=Known())
    assert asked == Experiment(Trial.ALONE, frozenset({"unit::t.py::b"}))


def test_flaky_at_start_and_on_the_patch_is_flaky_and_holds_the_grade() -> None:
    before, now = run(suite("a", "b", flaky="b")), run(suite("a", "b"))

    found = grade(before, now, frozenset(), known=Known(alone=run(suite("b"))))

    assert not isinstance(found, Experiment)
    assert (found.failure, found.grade, found.flaky) == (None, Grade.RAN, ("unit::t.py::b",))


def test_a_suite_of_which_everything_red_is_flaky_is_no_broken_environment() -> None:
    assert broken_environment(run(suite("", "a", flaky="a"))) == ""


def test_a_command_that_is_flaky_at_start_proves_nothing_by_turning_green() -> None:
    before = CheckResult("unit", CheckKind.TEST, Outcome.FAILED, "exit code 1", 1, flaky=("exit",))
    now = CheckResult("unit", CheckKind.TEST, Outcome.PASSED, "", 0)

    assert targets(run(before), "bug", "unit is wrong", ()) == frozenset()
    assert grade(run(before), run(now), frozenset()).grade is Grade.RAN
    assert grade(run(before), run(before), frozenset()).pre_existing == ("unit::exit",)


def test_what_the_runner_found_flaky_on_the_patch_is_not_mended() -> None:
    now = suite("a", flaky="a")

    assert grade(run(suite("", "a")), run(now), frozenset()).grade is not Grade.DISCRIMINATING
