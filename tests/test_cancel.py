"""A cheap check that fails on a patch cancels dear ones where the policy says so; what it cancels is no pass."""

from __future__ import annotations

import sys
import time
from pathlib import Path

import pytest
from sandpit import Sandpit

from route_agent.checks.haste import Haste
from route_agent.checks.runner import run_checks
from route_agent.evidence import grade
from route_agent.policy import CheckSpec, parse_policy
from route_agent.records.checks import CheckKind, CheckResult, CheckRun, Isolation, IsolationLevel, Outcome
from route_agent.records.grades import Failure
from route_agent.sandbox.walls import Place, Unwalled

HERE = Isolation(IsolationLevel.NONE, "asked")


def python(code: str, name: str, kind: str = "test") -> CheckSpec:
    values = {"name": name, "kind": kind, "run": (sys.executable, "-c", code), "timeout": 60}
    return CheckSpec.model_validate(values)


SLOW = python("import time; time.sleep(30)", "slow")
QUICK = python("raise SystemExit(3)", "quick", "lint")


def result(name: str, outcome: Outcome, seconds: float, **more: object) -> CheckResult:
    code = None if outcome is Outcome.NOT_RUN else int(outcome is Outcome.FAILED)
    return CheckResult(name, CheckKind.TEST, outcome, "", code, seconds, **more)  # type: ignore[arg-type]


def start(*results: CheckResult) -> CheckRun:
    return CheckRun("start", results, HERE)


GREEN = start(result("slow", Outcome.PASSED, 30.0), result("quick", Outcome.PASSED, 0.1))


@pytest.fixture
def place(tmp_path: Path) -> Place:
    made = Place(
        tmp_path / "tree", tmp_path / "project", tmp_path / "home", tmp_path / "results", tmp_path / "tools"
    )
    for folder in (made.tree, made.project, made.home):
        folder.mkdir()
    return made


def checked(place: Place, *specs: CheckSpec, before: CheckRun | None) -> tuple[CheckRun, float]:
    began = time.monotonic()
    haste = Haste(before) if before else None
    return run_checks(specs, place, Unwalled(HERE), tree_id="t", haste=haste), time.monotonic() - began


def test_a_running_check_is_stopped_and_says_for_whom(place: Place) -> None:
    found, seconds = checked(place, SLOW, QUICK, before=GREEN)

    assert seconds < 20
    slow, quick = found.results
    assert (slow.name, slow.outcome, slow.cancelled, slow.reason) == (
        "slow",
        Outcome.NOT_RUN,
        True,
        "cancelled: quick failed",
    )
    assert (quick.outcome, quick.cancelled) == (Outcome.FAILED, False)


def test_a_waiting_check_does_not_begin(place: Place) -> None:
    before = start(*(result(f"slow{n}", Outcome.PASSED, 30.0) for n in range(6)), *GREEN.results)
    many = [SLOW.model_copy(update={"name": f"slow{n}"}) for n in range(6)]

    found, seconds = checked(place, *many, QUICK, before=before)

    assert seconds < 20
    assert [it.cancelled for it in found.results] == [True] * 6 + [False]


def test_without_the_policys_word_every_check_runs_to_its_end(place: Place) -> None:
    slow = python("import time; time.sleep(1)", "slow")

    found, _ = checked(place, slow, QUICK, before=None)

    assert [it.outcome for it in found.results] == [Outcome.PASSED, Outcome.FAILED]


def test_what_was_red_at_start_cancels_nothing(place: Place) -> None:
    before = start(result("slow", Outcome.PASSED, 30.0), result("quick", Outcome.FAILED, 0.1))
    slow = python("import time; time.sleep(1)", "slow")

    found, _ = checked(place, slow, QUICK, before=before)

    assert [it.outcome for it in found.results] == [Outcome.PASSED, Outcome.FAILED]


def test_only_dearer_checks_are_cancelled_and_never_by_tests_that_could_be_flaky() -> None:
    haste = Haste(start(result("a", Outcome.PASSED, 1.0), result("b", Outcome.PASSED, 2.0), *GREEN.results))

    assert haste.cancels(result("b", Outcome.FAILED, 0.1)) == {"slow"}
    assert haste.cancels(result("slow", Outcome.FAILED, 0.1)) == frozenset()
    assert haste.cancels(result("a", Outcome.PASSED, 1.0)) == frozenset()
    assert haste.cancels(result("new", Outcome.FAILED, 0.1)) == frozenset()
    assert haste.cancels(result("a", Outcome.FAILED, 0.1, tests={"t": "failed"})) == frozenset()
    specs = [SLOW, QUICK, SLOW.model_copy(update={"name": "new"})]
    assert [it.name for it in haste.cheapest_first(specs)] == ["quick", "slow", "new"]


def test_a_cancelled_check_is_no_regression_of_its_own_and_no_pass() -> None:
    slow = CheckResult(
        "slow", CheckKind.TEST, Outcome.NOT_RUN, "cancelled: quick failed", None, 1.0, cancelled=True
    )
    now = CheckRun("t", (slow, result("quick", Outcome.FAILED, 0.1)), HERE)

    found = grade(GREEN, now, frozenset())

    assert found.failure is Failure.REGRESSION
    assert found.reasons == ("quick passed at start, fails now: ",)


def test_a_patch_is_refused_for_the_cheap_check_in_a_fraction_of_the_time(tmp_path: Path) -> None:
    lint = "import sys; sys.exit('eval' in open('calc.py').read())"
    unit = "import time; time.sleep(6)"
    policy = (
        "version: 1\nstop_checks: first_failure\nchecks:\n"
        f'  - {{name: unit, kind: test, run: [python3, -c, "{unit}"], timeout: 60}}\n'
        f'  - {{name: words, kind: lint, run: [python3, -c, "{lint}"], timeout: 60}}\n'
    )
    pit = Sandpit(tmp_path / "pit", policy=policy)
    pit.write("calc.py", "def add(a, b):\n    return eval('a + b')\n")

    done = pit.run("verify", "--json")

    assert (done.exit_code, done.json["failure"]) == (1, "regression"), done.stdout + done.stderr
    assert done.json["reason"].startswith("words passed at start, fails now")
    told = {it["name"]: it for it in done.json["checks"]}
    assert (told["unit"]["outcome"], told["unit"]["reason"]) == ("not-run", "cancelled: words failed")
    assert [it["outcome"] for it in done.json["baseline"]] == ["passed", "passed"]
    assert "unit not run (cancelled: words failed)" in pit.run("verify").stdout


def test_it_is_off_unless_the_policy_says_so() -> None:
    assert parse_policy("version: 1", "p.yaml").stop_checks == "never"
