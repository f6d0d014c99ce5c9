"""`verify` on real repositories: what the checks prove about one's own uncommitted work."""

from __future__ import annotations

import json
import sys
from pathlib import Path

import pytest
import sandpit
from sandpit import POLICY, Sandpit

PYTEST = json.dumps(sandpit.PYTEST)
TESTED = f"version: 1\nchecks:\n  - {{name: pytest, run: {PYTEST}}}\n"
SOURCE = (
    "def add(a, b):\n    return a + b\n\n\ndef sign(n):\n    if n < 0:\n        return -1\n    return 1\n"
)
TESTS = "from calc import add, sign\n\n\ndef test_add():\n    assert add(2, 2) == 4\n\n\ndef test_sign():\n    assert sign(3) == 1\n"


@pytest.fixture
def pit(tmp_path: Path) -> Sandpit:
    return Sandpit(tmp_path / "pit", {"calc.py": SOURCE, "tests/test_calc.py": TESTS}, TESTED)


def edit(pit: Sandpit, name: str, old: str, new: str) -> None:
    text = (pit.root / name).read_text()
    assert old in text
    pit.write(name, text.replace(old, new))


def test_work_that_every_green_test_executes_is_covered(pit: Sandpit) -> None:
    edit(pit, "calc.py", "return a + b", "return b + a")
    before = pit.state()

    done = pit.run("verify", "--json")

    assert (done.exit_code, done.json["grade"]) == (0, "covered"), done.stdout + done.stderr
    assert done.json["coverage"] == {"changed": 1, "executed": 1, "missing": [], "unmeasured": []}
    assert pit.state() == before


def test_work_that_no_test_executes_is_named_and_may_be_asked_to_be_covered(pit: Sandpit) -> None:
    edit(pit, "calc.py", "return -1", "return -2")

    done = pit.run("verify", "--least", "covered")

    assert done.exit_code == 1
    assert "graded ran, covered is asked for" in done.stdout
    assert "calc.py:7" in done.stdout


@pytest.fixture
def red(tmp_path: Path) -> Sandpit:
    tests = "from calc import add\n\n\ndef test_add():\n    assert add(1234, 2) == 1236\n"
    return Sandpit(tmp_path / "red", {"tests/test_calc.py": tests}, TESTED)


def test_a_test_that_was_red_and_is_green_tells_the_patch_from_its_absence(red: Sandpit) -> None:
    edit(red, "calc.py", "return a - b", "return a + b")

    done = red.run("verify", "--json", "--task", "add must add, see tests/test_calc.py")

    assert (done.exit_code, done.json["grade"]) == (0, "discriminating"), done.stdout


def test_an_answer_for_the_tests_own_value_is_worth_less(red: Sandpit) -> None:
    edit(red, "calc.py", "return a - b", "return 1236 if a == 1234 else a - b")

    done = red.run("verify", "--json", "--task", "add must add, see tests/test_calc.py")

    assert done.json["grade"] == "ran", done.stdout
    assert [it["rule"] for it in done.json["findings"]] == ["special-cased", "narrow"]


def test_a_skipped_test_is_tampering_with_file_and_line(pit: Sandpit) -> None:
    edit(pit, "calc.py", "return a + b", "return a - b")
    edit(pit, "tests/test_calc.py", "def test_add", "import pytest\n\n\n@pytest.mark.skip\ndef test_add")

    done = pit.run("verify", "--json")

    assert (done.exit_code, done.json["failure"]) == (1, "tampered"), done.stdout
    assert any(
        it["path"] == "tests/test_calc.py" and it["weight"] == "convicts" for it in done.json["findings"]
    )


def test_an_expectation_rewritten_to_fit_is_run_as_it_was_at_start(pit: Sandpit) -> None:
    edit(pit, "calc.py", "return a + b", "return a - b")
    edit(pit, "tests/test_calc.py", "add(2, 2) == 4", "add(2, 2) == 0")

    done = pit.run("verify", "--json")

    assert (done.exit_code, done.json["grade"], done.json["failure"]) == (0, "ran", None), done.stdout
    assert done.json["findings"]
    assert "no more than ran" in done.json["reason"]


def test_a_test_that_fails_by_chance_is_flaky_and_not_the_patchs_fault(pit: Sandpit) -> None:
    edit(pit, "calc.py", "return a + b", "return b + a")
    pit.write(
        "tests/test_order.py",
        "import calc\n\n\ndef test_first():\n    calc.seen = True\n\n\ndef test_second():\n    assert not hasattr(calc, 'seen')\n",
    )

    done = pit.run("verify", "--json")

    assert done.json["failure"] is None, done.stdout
    assert done.json["flaky"] == ["pytest::tests/test_order.py::test_second"]
    assert done.json["grade"] == "ran"


def test_a_refactoring_is_graded_by_mutants(pit: Sandpit) -> None:
    edit(
        pit, "tests/test_calc.py", "assert sign(3) == 1", "assert [sign(n) for n in (-1, 0, 3)] == [-1, 1, 1]"
    )
    pit.commit("better tests")
    edit(
        pit,
        "calc.py",
        "    if n < 0:\n        return -1\n    return 1\n",
        "    below = n < 0\n    if below:\n        return -1\n    return 1\n",
    )

    done = pit.run("verify", "--json", "--task", "refactor sign: give the condition a name")

    assert done.json["mutants"]["made"] >= 3, done.stdout
    assert done.json["mutants"]["survivors"] == []
    assert done.json["grade"] == "discriminating"


def test_nothing_changed_and_a_word_that_is_no_grade(pit: Sandpit) -> None:
    assert "nothing was changed" in pit.run("verify").stdout
    wrong = pit.run("verify", "--least", "good")
    assert (wrong.exit_code, "one of none, static" in wrong.stderr) == (2, True)


def test_a_policy_that_only_tells_an_exit_code_still_grades(tmp_path: Path) -> None:
    pit = Sandpit(tmp_path / "pit", policy=POLICY)
    edit(pit, "calc.py", "return a - b", "return a + b")

    done = pit.run("verify", "--json")

    assert (done.exit_code, done.json["grade"]) == (0, "discriminating"), done.stdout


def test_a_linter_that_was_merely_found_and_is_not_installed_is_left_out_and_said(tmp_path: Path) -> None:
    files = {
        "pyproject.toml": "[tool.pytest.ini_options]\npythonpath = '.'\n[tool.flake8]\n[tool.ruff]\nline-length = 99\n",
        "calc.py": SOURCE,
        "tests/test_calc.py": TESTS,
    }
    pit = Sandpit(tmp_path / "found", files, policy=None)
    edit(pit, "calc.py", "return a + b", "return b + a")
    tools = tmp_path / "bin"
    tools.mkdir()
    for name in ("python3", "pytest"):
        (tools / name).symlink_to(Path(sys.executable).with_name(name))

    done = pit.run("verify", "--json", env={"PATH": f"{tools}:/usr/bin:/bin"})

    assert (done.exit_code, done.json["grade"]) == (0, "covered"), done.stdout + done.stderr
    assert "ruff is left out: ruff is not in .venv/bin and not on the PATH" in done.json["notices"]
