"""When a test counts as a reproduction: asked of a lane, fitted, and run on start in a real repository."""

from __future__ import annotations

import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from sandpit import Sandpit
from test_reproduction import BROKEN, FIX, GREEN, POLICY, RED, TASK, TEST_ID, TESTS, WITNESS, new_file

from route_agent import reproduction
from route_agent.config import load_config
from route_agent.decide import opened
from route_agent.ground import Opened
from route_agent.lanes.recorded import RecordedLane, RecordedReplies, RecordedReply
from route_agent.ledger.budget import Purse
from route_agent.ledger.store import Ledger
from route_agent.pricing import Prices
from route_agent.proof import Prover
from route_agent.records.change import ABSENT, EXECUTABLE, REGULAR, Change, FileChange
from route_agent.records.checks import (
    CheckKind,
    CheckResult,
    CheckRun,
    Isolation,
    IsolationLevel,
    Outcome,
    Raised,
)
from route_agent.records.grades import Failure, Grade
from route_agent.records.lanes import Prompt, Request
from route_agent.records.reproductions import Reproduction
from route_agent.records.runs import Attempt, Evidence
from route_agent.reproducing.making import Making, Means
from route_agent.sandbox.walls import best_walls

Turns = str | tuple[str, ...]


def result(
    tests: dict[str, str] | None,
    outcome: Outcome = Outcome.PASSED,
    *,
    name: str = "unit",
    output: str = "",
    raised: dict[str, Raised] | None = None,
) -> CheckResult:
    code = 0 if outcome is Outcome.PASSED else 1
    kind = CheckKind.TEST
    return CheckResult(name, kind, outcome, exit_code=code, output=output, tests=tests, raised=raised or {})


def checks(*results: CheckResult) -> CheckRun:
    return CheckRun("0" * 40, results, Isolation(IsolationLevel.NONE))


# the two tests of the project as they are at start
AT_START = checks(
    result(
        dict.fromkeys(("tests/test_calc.py::test_twice", "tests/test_calc.py::test_add"), "passed"),
        name="pytest",
    )
)


def means(ground: Opened, folder: Path, replies: tuple[Turns, ...], *, attempts: int, brief: str) -> Means:
    policy = ground.policy.policy
    rules = policy.reproduce.model_copy(update={"attempts": attempts})
    policy = policy.model_copy(update={"reproduce": rules})
    turns = [(it,) if isinstance(it, str) else it for it in replies]
    said = tuple(RecordedReply(lane="verifier", reply=first, then=tuple(then)) for first, *then in turns)
    recorded = RecordedReplies(version=1, replies=said)
    walls = best_walls(ground.repository.root)

    @contextmanager
    def prover(stop: threading.Event) -> Iterator[Prover]:
        yield Prover(ground.slot, walls, policy, stop=stop)

    prices = Prices({}, frozenset({"recorded"}))
    return Means(
        brief=brief,
        wanted=True,
        start=ground.start,
        baseline=AT_START,
        policy=policy,
        writers=((RecordedLane("verifier", recorded), policy.models["verifier"][0]),),
        off="",
        reviewers=(),
        specs={},
        ask=lambda spec: Request(ground.start, Prompt("", brief)),
        prover=prover,
        trees=ground.slot.trees,
        purse=Purse(Ledger(folder / "ledger.sqlite3"), "run1", prices, max_usd=1, per_day_usd=1),
        deadline=time.monotonic() + 120,
        on=lambda event: None,
    )


def made(folder: Path, *replies: Turns, attempts: int = 1, brief: str = TASK) -> Reproduction:
    """What becomes of a lane's replies on the project with a wrong `add`."""
    pit = Sandpit(folder / "pit", {"tests/test_calc.py": TESTS}, POLICY)
    with opened(pit.root, load_config()) as ground:
        all_means = means(ground, folder, replies, attempts=attempts, brief=brief)
        return Making(all_means, all_means.writers[0], 0, threading.Event()).make().reproduction


def test_a_red_test_counts_with_its_baseline_and_its_patch(tmp_path: Path) -> None:
    done = made(tmp_path, RED)

    assert done.tests == (TEST_ID,), done.reason
    assert done.change is not None
    assert done.change.paths == ("tests/test_sum.py",)
    assert done.baseline is not None
    assert done.baseline.results[0].red == {"tests/test_sum.py::test_add_returns_the_sum"}
    assert "+++ b/tests/test_sum.py" in done.patch


def of(text: str) -> str:
    return new_file("tests/test_sum.py", text)


FIXTURE = "import pytest\nimport calc\n\n\n@pytest.fixture\ndef three():\n    assert calc.add(1, 2) == 3\n"


@pytest.mark.parametrize(
    ("reply", "why"),
    [
        pytest.param(GREEN, "it is green at start", id="green"),
        pytest.param(BROKEN, "tests/test_sum.py cannot be collected", id="import error"),
        pytest.param(of("def test_add(:\n    pass\n"), "cannot be", id="syntax error"),
        pytest.param(
            of(
                "import sys\n\n\ndef test_add():\n    assert 'tests.test_calc' not in str(sys.modules) and 'test_calc' not in str(sys.modules)\n"
            ),
            "is flaky: red in one run and not in the next",
            id="flaky",
        ),
        pytest.param(
            of("import calc\n\n\ndef test_add():\n    assert calc.sum_of(1, 1) == 2\n"),
            "red by AttributeError of the test's own",
            id="an error of its own",
        ),
        pytest.param(
            of(f"{FIXTURE}\n\ndef test_add(three):\n    assert three\n"),
            "AssertionError in its setup",
            id="fixture",
        ),
        pytest.param(of("def test_add(nobody):\n    assert nobody\n"), "in its setup", id="no such fixture"),
        pytest.param(
            of(WITNESS + "\n\ndef test_two():\n    raise KeyError(1)\n"),
            "red by KeyError",
            id="one good, one bad",
        ),
    ],
)
def test_what_is_not_red_for_the_task_does_not_count(tmp_path: Path, reply: str, why: str) -> None:
    done = made(tmp_path, reply)

    assert why in done.reason
    assert (done.tests, done.change, done.attempts) == ((), None, 1)


@pytest.mark.parametrize(
    ("reply", "why"),
    [
        pytest.param(FIX, "calc.py is no test file", id="source"),
        pytest.param(FIX + RED, "calc.py is no test file", id="source and test"),
        pytest.param(
            new_file("tests/conftest.py", WITNESS), "conftest.py decides how other tests run", id="conftest"
        ),
        pytest.param(
            of("import pytest\n\npytestmark = pytest.mark.skip\n" + WITNESS), "are left out", id="skipped"
        ),
        pytest.param(of("import socket\n" + WITNESS), "do without socket", id="network"),
        pytest.param(of("import os, socket\n" + WITNESS), "do without socket", id="network-second"),
        pytest.param(
            of("import calc\ncalc.twice = None\n" + WITNESS), "replaces calc.twice", id="patches the source"
        ),
        pytest.param(
            of("import os\nos._exit(0)\n" + WITNESS), "tests/test_sum.py:2", id="forces the exit code"
        ),
        pytest.param(new_file("../test_a.py", WITNESS), "refused", id="leaves the tree"),
        pytest.param("I would write a test.", "none counts", id="no patch"),
    ],
)
def test_what_leaves_its_bounds_is_refused_before_it_runs(tmp_path: Path, reply: str, why: str) -> None:
    assert why in made(tmp_path, reply).reason


def test_an_error_that_the_brief_names_counts_where_the_source_raises_it(tmp_path: Path) -> None:
    test = of("import calc\n\n\ndef test_texts():\n    calc.add('a', 'b')\n")

    named = made(tmp_path / "named", test, brief="fix add: TypeError for two texts")
    silent = made(tmp_path / "silent", test, brief="fix add for two texts")

    assert named.tests == ("pytest::tests/test_sum.py::test_texts",), named.reason
    assert silent.tests == ()
    assert "red by TypeError: no failed assertion, and no error that the task names" in silent.reason


def test_a_refused_reply_is_repaired_and_a_test_that_does_not_count_is_tried_again(tmp_path: Path) -> None:
    done = made(tmp_path, (FIX + RED, GREEN), RED, attempts=2)

    assert done.tests == (TEST_ID,), done.reason
    assert (done.attempts, len(done.calls)) == (2, 3)


def test_a_failing_provider_leaves_the_reason_and_that_of_the_try_before(tmp_path: Path) -> None:
    done = made(tmp_path, GREEN, attempts=2)

    assert done.reason.startswith(
        "no recorded reply is left for lane verifier (before: none counts in the one try"
    )
    assert len(done.calls) == 1


# --- the rules by themselves


@pytest.mark.parametrize(
    ("output", "counts"),
    [
        ("AssertionError: 1 != 2", True),
        ("AssertionError [ERR_ASSERTION]: Expected values to be strictly equal", True),
        ("    --- FAIL: TestAdd\n        add_test.go:9: expected 5 but got -1", True),
        ("SyntaxError: expected ':'", False),
        ("ModuleNotFoundError: No module named 'x'\nassert x", False),
        ("./add_test.go:4:2: undefined: Sum", False),
        ("    assert calc.nope(2, 3) == 5\nAttributeError: module 'calc' has no attribute 'nope'", False),
        ("    assert.equal(nope(2), 5)\nTypeError: nope is not a function", False),
        ("    assert.equal(nope(2), 5)\n  cause: TypeError: nope is not a function", False),
        ("    assert not add(1, 2)\nValueError: odd\nAssertionError: 3", True),
        ("Error: expect(received).toBe(expected)", True),
        ("killed", False),
    ],
)
def test_words_of_a_command_tell_a_failed_assertion_from_an_error_of_the_tests_own(
    output: str, counts: bool
) -> None:
    seen = reproduction.seen(
        checks(result(None, output="1 ok: what is expected is here")),
        checks(result(None, Outcome.FAILED, output=output)),
        TASK,
    )
    assert bool(seen.tests) is counts, seen


def test_what_was_printed_at_start_says_nothing_about_the_test() -> None:
    seen = reproduction.seen(
        checks(result(None, output="assert: strict mode\n")),
        checks(result(None, Outcome.FAILED, output="assert: strict mode\nboom")),
        TASK,
    )
    assert "names no failed assertion" in seen.why_not


def test_the_baseline_with_the_test_is_start_and_its_own_tests_alone() -> None:
    start = checks(result({"t::a": "passed", "t::b": "failed"}, Outcome.FAILED))
    raised = {"t::new": Raised("call", "AssertionError", is_assertion=True)}
    now = checks(
        result({"t::a": "failed", "t::b": "passed", "t::new": "failed"}, Outcome.FAILED, raised=raised)
    )

    seen = reproduction.seen(start, now, TASK)
    merged = reproduction.baseline_with(start, now, seen.tests)

    assert seen == reproduction.Seen(frozenset({"unit::t::new"}), frozenset({"unit::t::a"}))
    assert merged.results[0].tests == {"t::a": "passed", "t::b": "failed", "t::new": "failed"}


@pytest.mark.parametrize(
    ("files", "why"),
    [
        ([FileChange("tests/test_a.py", ABSENT, REGULAR, "0", "1")], ""),
        ([FileChange("tests/test_a.py", REGULAR, REGULAR, "0", "1")], ""),
        ([FileChange("tests/test_a.py", ABSENT, EXECUTABLE, "0", "1")], "is not executable"),
        ([FileChange("tests/test_a.py", REGULAR, ABSENT, "1", "0")], "is not removed"),
        ([FileChange("tests/pytest.ini", ABSENT, REGULAR, "0", "1")], "decides how other tests run"),
        ([FileChange(f"tests/test_{n}.py", ABSENT, REGULAR, "0", "1") for n in "ab"], "the patch touches 2"),
        ([FileChange("a.py", REGULAR, REGULAR, "0", "1")], "a.py is no test file"),
    ],
)
def test_only_one_file_of_tests_is_a_reproduction(files: list[FileChange], why: str) -> None:
    told = reproduction.out_of_bounds(Change("0", "1", tuple(files)))
    assert why in told if why else not told


def test_no_money_is_spent_where_no_check_could_tell() -> None:
    assert "names no single tests" in reproduction.blind(checks(result(None, Outcome.FAILED)))
    assert reproduction.blind(checks()) == "no check runs tests"
    assert not reproduction.blind(checks(result(None)))
    assert not reproduction.blind(checks(result({"a": "failed"}, Outcome.FAILED)))


def test_what_another_test_says_once_is_chance_and_twice_the_tests_doing() -> None:
    first = reproduction.Seen(frozenset({"unit::new"}), frozenset({"unit::a"}))

    by_chance = checks(result({"new": "failed", "a": "passed"}, Outcome.FAILED))
    for_good = checks(result({"new": "failed", "a": "failed"}, Outcome.FAILED))

    assert not reproduction.confirmed(first, by_chance)
    assert reproduction.confirmed(first, for_good) == "unit::a is green at start and red with it there"


def attempt(tests: dict[str, str], failure: Failure | None, pre_existing: tuple[str, ...] = ()) -> Attempt:
    outcome = Outcome.FAILED if "failed" in tests.values() else Outcome.PASSED
    found = Evidence(checks(result(tests, outcome)), Grade.NONE, failure, (), pre_existing)
    return Attempt("fast", "openai", "small-1", evidence=found, failure=failure)


def test_a_test_is_suspect_where_nothing_but_it_speaks_against_a_patch_and_no_patch_passes_it() -> None:
    test = Reproduction("verifier", "judge-1", tests=("unit::new",))
    only = attempt({"a": "passed", "new": "failed"}, Failure.STILL_FAILING)
    old = attempt({"old": "failed", "new": "failed"}, Failure.STILL_FAILING, ("unit::old",))
    more = attempt({"a": "failed", "new": "failed"}, Failure.REGRESSION)
    passed = attempt({"a": "failed", "new": "passed"}, Failure.REGRESSION)

    assert [reproduction.failed_only(it, test) for it in (only, old, more, passed)] == [
        True,
        True,
        False,
        False,
    ]
    assert [reproduction.was_met(it, test) for it in (only, old, more, passed)] == [False, False, False, True]
