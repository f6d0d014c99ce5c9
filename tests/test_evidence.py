"""What results prove, and what they do not."""

from __future__ import annotations

import pytest

from route_agent.evidence import broken_environment, grade, reachable, targets
from route_agent.judges import judging
from route_agent.policy import CheckSpec
from route_agent.prompt import OUTPUT_CHARACTERS, OUTPUT_LINES, ends
from route_agent.records.change import Change, FileChange
from route_agent.records.checks import (
    CheckKind,
    CheckResult,
    CheckRun,
    Isolation,
    IsolationLevel,
    Outcome,
)
from route_agent.records.grades import Failure, Grade, TaskClass
from route_agent.records.runs import Evidence

NOWHERE = Isolation(IsolationLevel.NONE)


def suite(green: str = "", red: str = "", skipped: str = "", *, reason: str = "") -> CheckResult:
    """A test check with ids, from words."""
    ids = dict.fromkeys(green.split(), "passed") | dict.fromkeys(red.split(), "failed")
    ids |= dict.fromkeys(skipped.split(), "skipped")
    outcome = Outcome.FAILED if red or reason else Outcome.PASSED
    return CheckResult("pytest", CheckKind.TEST, outcome, reason, int(outcome is Outcome.FAILED), tests=ids)


def check(name: str, outcome: Outcome, kind: CheckKind = CheckKind.LINT, reason: str = "") -> CheckResult:
    return CheckResult(name, kind, outcome, reason)


def run(*results: CheckResult) -> CheckRun:
    return CheckRun("tree", results, NOWHERE)


def judged(before: CheckRun, after: CheckRun, *wanted: str) -> Evidence:
    return grade(before, after, frozenset(wanted))


GREEN, RED = Outcome.PASSED, Outcome.FAILED


def test_green_before_and_after_is_only_ran() -> None:
    found = judged(run(suite("a b")), run(suite("a b")))

    assert (found.grade, found.failure) == (Grade.RAN, None)
    assert "whether they execute the change is unknown" in found.reasons[0]


def test_red_at_start_and_green_now_is_discriminating() -> None:
    found = judged(run(suite("a", "b")), run(suite("a b")), "pytest::b")

    assert found.grade is Grade.DISCRIMINATING
    assert found.reasons == ("pytest::b red at start, green now",)


def test_green_at_start_and_red_now_is_a_regression() -> None:
    found = judged(run(suite("a b")), run(suite("a", "b")))

    assert found.failure is Failure.REGRESSION
    assert found.reasons == ("b green at start, red now",)


def test_a_test_that_is_gone_or_skipped_now_is_a_regression() -> None:
    for after in (suite("a"), suite("a", skipped="b")):
        found = judged(run(suite("a b")), run(after))

        assert found.failure is Failure.REGRESSION
        assert found.reasons == ("b green at start, no longer runs",)


def test_a_new_test_that_is_red_is_a_regression() -> None:
    assert judged(run(suite("a")), run(suite("a", "mine"))).failure is Failure.REGRESSION


def test_what_the_task_should_mend_and_is_still_red_fails_the_patch() -> None:
    found = judged(run(suite("a", "b c")), run(suite("a b", "c")), "pytest::b", "pytest::c")

    assert found.failure is Failure.STILL_FAILING
    assert found.reasons == ("pytest::c was red at start and still is",)


def test_what_was_red_and_is_nobodys_task_is_not_blamed_on_the_patch() -> None:
    found = judged(run(suite("a", "old")), run(suite("a", "old")))

    assert (found.grade, found.failure) == (Grade.RAN, None)
    assert found.pre_existing == ("pytest::old",)


def test_a_red_command_without_ids_is_never_excused_and_never_evidence() -> None:
    before = run(CheckResult("unit", CheckKind.TEST, RED))
    wanted = targets(before, "other", "sums", ())

    assert wanted == {"unit::exit"}
    assert grade(before, before, wanted).failure is Failure.STILL_FAILING
    assert grade(before, before, frozenset()).grade is Grade.NONE


def test_an_exit_code_that_fails_although_no_test_is_red_is_a_regression() -> None:
    found = judged(run(suite("a")), run(suite("a", reason="exit code 0 but the session never ended")))

    assert found.failure is Failure.REGRESSION


def test_a_check_that_cannot_run_any_more_is_a_regression() -> None:
    before = run(suite("a"), check("mypy", GREEN, CheckKind.TYPECHECK))
    after = run(suite("a"), check("mypy", Outcome.NOT_RUN, CheckKind.TYPECHECK, "not found: mypy"))

    assert judged(before, after).failure is Failure.REGRESSION


def test_only_static_checks_is_static_and_none_is_none() -> None:
    assert judged(run(check("ruff", GREEN)), run(check("ruff", GREEN))).grade is Grade.STATIC
    assert judged(run(), run()).grade is Grade.NONE


def test_a_lint_check_that_turns_green_proves_only_a_lint_task() -> None:
    before, after = run(suite("a"), check("ruff", RED)), run(suite("a"), check("ruff", GREEN))

    assert grade(before, after, targets(before, "lint", "fix lint", ())).grade is Grade.DISCRIMINATING
    assert grade(before, after, targets(before, "bug", "fix leak", ())).grade is Grade.RAN


def test_a_lint_task_whose_check_is_still_red_is_still_failing() -> None:
    before = run(suite("a"), check("ruff", RED))

    assert grade(before, before, targets(before, "lint", "x", ())).failure is Failure.STILL_FAILING


def test_the_tests_that_belong_to_a_task_are_named_by_brief_or_file() -> None:
    before = run(
        suite("a", "tests/test_worker.py::test_reset tests/test_store.py::test_put[1] t/test_x.py::T::test_q")
    )

    assert targets(before, "bug", "the sync worker leaks", ()) == {"pytest::tests/test_worker.py::test_reset"}
    assert targets(before, "bug", "it leaks", ["src/store.py"]) == {
        "pytest::tests/test_store.py::test_put[1]"
    }
    assert targets(before, "bug", "mend test_q", ()) == {"pytest::t/test_x.py::T::test_q"}
    assert targets(before, "bug", "it leaks", ["src/other.py"]) == set()


def test_an_environment_in_which_nothing_can_be_proved_is_told_before_any_money_is_spent() -> None:
    missing = check("mypy", Outcome.NOT_RUN, CheckKind.TYPECHECK, "not found: mypy")

    assert broken_environment(run(suite("a"), missing)) == "mypy: not found: mypy"
    assert broken_environment(run(check("unit", RED, CheckKind.TEST, "timeout after 3 s"))) != ""
    flood = check("unit", RED, CheckKind.TEST, "printed more than 64 MiB")
    assert broken_environment(run(suite("a"), flood)) == "unit: printed more than 64 MiB at start"
    assert broken_environment(run(suite(red="a.py b.py", reason="2 failed"))) != ""
    assert broken_environment(run(suite(red="a.py::t", reason="1 failed"))) == ""
    assert broken_environment(run(suite("a", "b"))) == ""
    nothing = check("pytest", Outcome.NOT_RUN, CheckKind.TEST, "no tests were collected")
    assert broken_environment(run(nothing)) == ""


def test_a_failing_output_is_told_to_a_model_in_bounds_and_without_secrets_that_the_bounds_cut_in_two() -> (
    None
):
    key = "-----BEGIN RSA PRIVATE KEY-----\n" + "MIIEvQIBADANBg\n" * 60 + "-----END RSA PRIVATE KEY-----\n"
    told = ends(f"first\n{key}{'x' * 5_000_000}\nlast\n")

    assert len(told) < OUTPUT_CHARACTERS + 100
    assert told.startswith("first\n[redacted:private-key]\nxxx")
    assert told.endswith("xxx\nlast")
    assert "characters left out" in told
    assert ends("\n".join(map(str, range(100)))).count("\n") == OUTPUT_LINES
    assert ends("short\n\n") == "short"


def test_what_could_be_proved_at_all_is_known_from_the_baseline() -> None:
    assert reachable(run(suite("a"))) is Grade.DISCRIMINATING
    assert reachable(run(check("ruff", GREEN))) is Grade.STATIC
    assert reachable(run(check("ruff", RED))) is Grade.DISCRIMINATING
    assert reachable(run(check("pytest", Outcome.NOT_RUN, CheckKind.TEST, "no tests"))) is Grade.NONE


def spec(*run: str, coverage: str = "") -> CheckSpec:
    return CheckSpec(name="pytest", run=run, kind=CheckKind.TEST, coverage=coverage)


def mute(outcome: Outcome = GREEN) -> CheckRun:
    """A test check that tells no ids."""
    return run(CheckResult("pytest", CheckKind.TEST, outcome))


def test_with_nothing_red_and_no_reproduction_the_highest_grade_is_what_coverage_gives() -> None:
    def best(baseline: CheckRun, *checks: CheckSpec, about: TaskClass = "bug") -> Grade:
        return reachable(baseline, checks=checks, task_class=about, wanted=frozenset(), reproducible=False)

    assert best(run(suite("a")), spec("pytest")) is Grade.COVERED
    assert best(mute(), spec("node", "--test")) is Grade.COVERED
    assert best(mute(), spec("npm", "test")) is Grade.COVERED
    assert best(mute(), spec("go", "test", coverage="cover.lcov")) is Grade.COVERED
    assert best(mute(), spec("go", "test")) is Grade.RAN
    assert best(mute(), spec("make", "check")) is Grade.RAN
    assert best(run(suite("a")), spec("make", "check")) is Grade.COVERED
    assert best(run(check("ruff", GREEN))) is Grade.STATIC


def test_mutants_a_red_test_or_a_reproduction_may_give_the_highest_grade() -> None:
    def best(wanted: str, about: TaskClass, *, reproducible: bool, command: str = "pytest") -> Grade:
        return reachable(
            mute(RED if wanted else GREEN),
            checks=[spec(command)],
            task_class=about,
            wanted=frozenset(wanted.split()),
            reproducible=reproducible,
        )

    assert best("pytest::exit", "bug", reproducible=False, command="make") is Grade.DISCRIMINATING
    assert best("", "bug", reproducible=True, command="make") is Grade.DISCRIMINATING
    assert best("", "refactor", reproducible=False) is Grade.DISCRIMINATING
    assert best("", "tests", reproducible=False) is Grade.DISCRIMINATING
    assert best("", "refactor", reproducible=False, command="make") is Grade.RAN
    assert best("", "bug", reproducible=False) is Grade.COVERED


def test_a_patch_that_rewrites_the_test_that_should_judge_it_is_tampering() -> None:
    before, after = run(suite("a", "t/test_w.py::test_b")), run(suite("a t/test_w.py::test_b"))
    wanted = frozenset({"pytest::t/test_w.py::test_b"})

    found = grade(before, after, wanted, judges=frozenset({"t/test_w.py"}))

    assert found.failure is Failure.TAMPERED
    assert "the patch changes t/test_w.py, which decides" in found.reasons[0]
    assert grade(before, after, wanted, judges=frozenset({"conftest.py"})).failure is Failure.TAMPERED
    assert grade(before, after, wanted, judges=frozenset({"t/test_other.py"})).grade is Grade.DISCRIMINATING


def test_a_red_test_that_vanishes_is_tampering_and_no_solution() -> None:
    for after in (suite("a"), suite("a", skipped="b")):
        assert judged(run(suite("a", "b")), run(after), "pytest::b").failure is Failure.TAMPERED
        assert judged(run(suite("a", "b")), run(after)).failure is Failure.TAMPERED


def test_a_check_that_ends_without_telling_why_is_a_regression_whatever_it_was_before() -> None:
    hanging = CheckResult("pytest", CheckKind.TEST, RED, "timeout after 4 s", None, tests={"a": "passed"})
    silent = CheckResult("pytest", CheckKind.TEST, RED, "exit code 0 but …", 0, tests={"a": "passed"})

    for after in (hanging, silent):
        assert judged(run(suite("a", "b")), run(after), "pytest::b").failure is Failure.REGRESSION


def test_a_check_that_told_its_tests_and_tells_none_now_is_a_regression() -> None:
    mute = CheckResult("pytest", CheckKind.TEST, GREEN)

    assert judged(run(suite("a")), run(mute)).failure is Failure.REGRESSION


def test_what_is_wanted_of_a_check_that_did_not_run_is_still_failing() -> None:
    before = run(CheckResult("unit", CheckKind.TEST, RED), suite("a"))

    assert judged(before, run(suite("a")), "unit::exit").failure is Failure.STILL_FAILING


def test_what_decides_about_checks_is_known_by_its_place() -> None:
    def file(path: str, old: str = "100644") -> FileChange:
        return FileChange(path, old, "100644", "1", "2")

    new = "000000"
    change = Change(
        "a",
        "b",
        (
            file("conftest.py", new),
            file("run.py"),
            file("src/a.py"),
            file("tests/helper.py"),
            file("tests/test_n.py", new),
        ),
    )

    assert judging(change, [("python", "./run.py")], False) == {"conftest.py", "run.py", "tests/helper.py"}
    assert judging(change, [], True) >= {"pyproject.toml"}


def judges(*argv: str, path: str) -> bool:
    """Whether a file that a patch changes decides what a check with this command says."""
    change = Change("a", "b", (FileChange(path, "100644", "100644", "1", "2"),))
    return path in judging(change, [argv], False)


@pytest.mark.parametrize(
    "command",
    [
        "grep x calc.py",
        "grep -n x ./calc.py",
        "mypy --strict calc.py",
        "mypy --ignore-missing-imports calc.py",
        "ruff check --fix calc.py",
        "python -m py_compile calc.py",
        "python3.12 -B tools/lint.py calc.py",
        "python -W error tools/lint.py calc.py",
        "python -c pass calc.py",
        "perl -ne print calc.py",
        "pre-commit run --files calc.py",
        "bash -e check.sh calc.py",
        "uv run --frozen mypy calc.py",
        "timeout 60 ruff check calc.py",
        "env -i LANG=C grep x calc.py",
        "coverage report --fail-under=80 calc.py",
    ],
)
def test_a_source_file_that_a_check_only_looks_at_is_no_judge_of_itself(command: str) -> None:
    assert not judges(*command.split(), path="calc.py")


def test_a_shell_line_that_looks_at_a_file_does_not_run_it() -> None:
    assert not judges("sh", "-c", "grep -q 'return a + b' calc.py && echo found", path="calc.py")
    assert not judges("markdownlint", "README.md", path="README.md")


@pytest.mark.parametrize(
    ("command", "path"),
    [
        ("./check.sh", "check.sh"),
        ("tools/check", "tools/check"),
        ("python tools/check.py", "tools/check.py"),
        ("python3.12 -I -W error tools/check.py calc.py", "tools/check.py"),
        ("/usr/bin/python3 -- check.py", "check.py"),
        ("python -m tools.check", "tools/check.py"),
        ("python -Im tools", "tools/__main__.py"),
        ("python tools", "tools/__main__.py"),
        ("python -mtools.check", "tools/check.py"),
        ("python -m coverage run check.py", "check.py"),
        ("bash -e -o pipefail x.sh", "x.sh"),
        ("make -fchecks.py", "checks.py"),
        ("find . -name *.py -exec ./check.sh {} +", "check.sh"),
        ("bash x.sh", "x.sh"),
        ("bash -eu -o pipefail ./x.sh", "x.sh"),
        ("sh /home/me/project/x.sh", "x.sh"),
        ("node --require ./hook.js run.js", "run.js"),
        ("node --require ./hook.js run.js", "hook.js"),
        ("perl -I lib check.pl", "check.pl"),
        ("ruby check.rb", "check.rb"),
        ("tsx check.ts", "check.ts"),
        ("make", "sub/Makefile"),
        ("make", "GNUmakefile"),
        ("make -f checks.py", "checks.py"),
        ("make --file=checks.py", "checks.py"),
        ("env FOO=1 ./check.sh", "check.sh"),
        ("env -u FOO ./check.sh", "check.sh"),
        ("timeout -k 5 60 ./check.sh", "check.sh"),
        ("uv run --with pytest check.py", "check.py"),
        ("poetry run python check.py", "check.py"),
        ("coverage run --source calc check.py", "check.py"),
        ("go run check.go", "check.go"),
        ("pytest -c own.py", "own.py"),
        ("eslint --config rules.js calc.js", "rules.js"),
        ("pylint --rcfile=rc.py calc.py", "rc.py"),
        ("mypy --config-file own.ini calc.py", "own.ini"),
        ("grep -f words.txt calc.py", "words.txt"),
        ("schemacheck expected.json calc.py", "expected.json"),
        ("diff calc.py expected.py", "expected.py"),
        ("pytest -q checks/verify.py", "checks/verify.py"),
        ("python -m pytest checks/verify.py", "checks/verify.py"),
        ("node node_modules/.bin/jest checks/verify.js", "checks/verify.js"),
        ("python -m unittest tests/test_calc.py", "tests/test_calc.py"),
    ],
)  # fmt: skip
def test_what_a_check_runs_or_is_configured_by_is_a_judge(command: str, path: str) -> None:
    assert judges(*command.split(), path=path)


@pytest.mark.parametrize(
    "line",
    ["./check.sh", "cd . && bash check.sh calc.py", 'test "$(./check.sh)" = ok', "if ! ./check.sh; then exit 1; fi",
     ". ./check.sh", "A=1 ./check.sh | tee log"],
)  # fmt: skip
@pytest.mark.parametrize("shell", [("sh", "-c"), ("bash", "-euc"), ("env", "bash", "-l", "-c")], ids=" ".join)
def test_what_a_shells_line_runs_is_a_judge(shell: tuple[str, ...], line: str) -> None:
    assert judges(*shell, line, path="check.sh")


def test_a_new_test_that_a_check_names_is_a_judge() -> None:
    new = Change("a", "b", (FileChange("tests/test_new.py", "000000", "100644", "1", "2"),))

    assert judging(new, [("python", "-m", "unittest", "tests/test_new.py")], False) == {"tests/test_new.py"}
    assert judging(new, [("pytest",)], False) == set()
