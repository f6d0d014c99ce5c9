"""Red at start and red now is nobody's fault, except for tests that the patch itself has edited."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
import sandpit
from sandpit import Sandpit

from route_agent.records.findings import Weight
from route_agent.tampering.still_red import still_red

PYTEST = json.dumps(sandpit.PYTEST)
POLICY = f"version: 1\nchecks:\n  - {{name: pytest, run: {PYTEST}}}\n"
SOURCE = "def add(a, b):\n    return a + b\n"
TESTS = """\
from calc import add


def test_add():
    assert add(2, 2) == 4


class TestOld:
    def test_red(self):
        assert add(2, 2) == 5
"""
OLD = "pytest::tests/test_calc.py::TestOld::test_red"


@pytest.fixture
def pit(tmp_path: Path) -> Sandpit:
    made = Sandpit(tmp_path / "pit", {"calc.py": SOURCE, "tests/test_calc.py": TESTS}, POLICY)
    made.write("calc.py", SOURCE.replace("a + b", "b + a"))
    return made


def test_what_was_red_before_is_not_blamed_and_is_shown(pit: Sandpit) -> None:
    done = pit.run("verify")

    assert done.exit_code == 0, done.stdout + done.stderr
    assert f"red before as well: {OLD}" in done.stdout


def test_a_test_that_is_red_before_and_after_and_was_edited_is_not_excused(pit: Sandpit) -> None:
    pit.write("tests/test_calc.py", TESTS.replace("== 5", "== 6"))

    done = pit.run("verify", "--json")

    assert (done.exit_code, done.json["failure"]) == (1, "tampered"), done.stdout + done.stderr
    (finding,) = [it for it in done.json["findings"] if it["rule"] == "red-test-edited"]
    assert (finding["path"], finding["line"], finding["weight"]) == ("tests/test_calc.py", 9, "convicts")


def test_another_test_in_the_same_file_may_be_added(pit: Sandpit) -> None:
    pit.write("tests/test_calc.py", f"{TESTS}\n\ndef test_more():\n    assert add(1, 1) == 2\n")

    done = pit.run("verify", "--json")

    assert (done.exit_code, done.json["failure"]) == (0, None), done.stdout + done.stderr


def found(before: str, after: str | None, name: str) -> list[str]:
    files = {"tests/test_a.py": (before.encode(), None if after is None else after.encode())}
    told = [*still_red(files, [name])]
    assert all(it.weight is Weight.CONVICTS for it in told)
    return [str(it) for it in told]


def test_only_the_tests_own_code_counts() -> None:
    red, other = "def test_a(x):\n    assert x == 1\n", "def test_a(x):\n    assert x == 2\n"
    words = "test_a was red at start and is red still, and the patch edits it"

    assert found(red, other, "c::tests/test_a.py::test_a[3]") == [f"tests/test_a.py:1: {words}"]
    assert found(red, f"# why\n{red}\nX = 1\n", "c::tests/test_a.py::test_a") == []
    assert found(red, other, "c::test_a.py::test_a")  # runners name files from a root of their own
    assert found(red, other, "c::tests/test_b.py::test_a") == []
    assert found(red, None, "c::tests/test_a.py::test_a") == []
    assert found(red, "def test_a(:", "c::tests/test_a.py::test_a") == []
    assert found(red, other, "c::exit") == []
