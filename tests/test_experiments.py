"""What is tried on a patch before it is graded, on real repositories: other tests, other source, mistakes."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
import sandpit
from sandpit import Sandpit

PYTEST = json.dumps(sandpit.PYTEST)
POLICY = f"version: 1\nchecks:\n  - {{name: pytest, run: {PYTEST}}}\n"
CALC = "def add(a, b):\n    return a - b\n\n\ndef twice(a):\n    return a + a\n"
RED = "from calc import add, twice\n\n\ndef test_add():\n    assert add(2, 2) == 4\n    assert twice(2)\n"


@pytest.fixture
def red(tmp_path: Path) -> Sandpit:
    return Sandpit(tmp_path / "red", {"calc.py": CALC, "tests/test_calc.py": RED}, POLICY)


def test_a_part_of_a_patch_that_no_test_asks_for_keeps_the_grade_down(red: Sandpit) -> None:
    red.write("calc.py", CALC.replace("a - b", "a + b").replace("a + a", "a * 3"))

    done = red.run("verify", "--json", "--task", "add must add, see tests/test_calc.py")

    assert (done.exit_code, done.json["grade"]) == (0, "covered"), done.stdout + done.stderr
    assert "calc.py:6 as it was at start would go unnoticed" in done.json["reason"]


def test_what_turned_green_and_notices_every_mistake_is_the_highest_grade(red: Sandpit) -> None:
    red.write("calc.py", CALC.replace("a - b", "a + b"))

    done = red.run("verify", "--json", "--task", "add must add, see tests/test_calc.py")

    assert (done.exit_code, done.json["grade"]) == (0, "discriminating"), done.stdout + done.stderr
    assert done.json["mutants"]["made"] >= 2


def test_tests_of_ones_own_are_told_by_what_they_say_without_the_source(red: Sandpit) -> None:
    red.write("calc.py", CALC.replace("a - b", "a + b"))
    red.write("tests/test_more.py", "from calc import add\n\n\ndef test_more():\n    assert add(1, 1) == 2\n")

    done = red.run("verify", "--json", "--task", "add must add, see tests/test_calc.py")

    assert (done.exit_code, done.json["grade"]) == (0, "discriminating"), done.stdout + done.stderr


# scripts without a runner are quick, so that the time box matters little
SCRIPTS = """\
version: 1
checks:
  - {name: unit, kind: test, run: [sh, -c, "for it in tests/*.py; do PYTHONPATH=. python3 -B $it || exit 1; done"]}
"""
GOOD_TESTS = (
    "from calc import add, twice\n\nassert twice(3) == 6\nassert twice(0) == 0\nassert add(5, 3) == 2\n"
)


@pytest.mark.parametrize(
    ("tests", "expected"),
    [(GOOD_TESTS, "discriminating"), (GOOD_TESTS.replace("assert add(5, 3) == 2", "add(5, 3)"), "ran")],
)
def test_a_change_of_tests_alone_is_graded_by_what_they_notice(
    tmp_path: Path, tests: str, expected: str
) -> None:
    start = "from calc import twice\n\nassert twice(2)\n"
    pit = Sandpit(tmp_path / "pit", {"calc.py": CALC, "tests/test_some.py": start}, SCRIPTS)
    pit.write("tests/test_calc.py", tests)

    done = pit.run("verify", "--json", "--task", "tests for add and twice")

    assert (done.exit_code, done.json["grade"]) == (0, expected), done.stdout + done.stderr
