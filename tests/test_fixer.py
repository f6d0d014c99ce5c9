"""The lane at no cost: which of its commands answer what is red, with the project's real tools."""

from __future__ import annotations

import json
import os
import shutil
import sys
from collections.abc import Sequence
from pathlib import Path

import pytest
from loopback import Loopback
from sandpit import Result, Sandpit, provider_env

from route_agent.fixing import Tool, commands_for, tool_of
from route_agent.policy import CheckSpec
from route_agent.records.checks import CheckKind

LINT, FORMAT, TYPES = CheckKind.LINT, CheckKind.FORMAT, CheckKind.TYPECHECK
RUFF = shutil.which("ruff", path=str(Path(sys.executable).parent)) or ""


def words(*lines: str) -> tuple[tuple[str, ...], ...]:
    return tuple(tuple(line.split()) for line in lines)


def check(name: str, kind: CheckKind, run: str) -> CheckSpec:
    return CheckSpec(name=name, kind=kind, run=tuple(run.split()))


# --- the rule ----------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("command", "tool"),
    [
        ("ruff check --fix .", Tool("ruff", LINT)),
        ("ruff format --check .", Tool("ruff-format", FORMAT)),
        ("/opt/venv/bin/black --check .", Tool("black", FORMAT)),
        ("python3 -m black .", Tool("black", FORMAT)),
        ("python3.11 -m ruff format .", Tool("ruff-format", FORMAT)),
        ("npx --no-install eslint --fix .", Tool("eslint", LINT)),
        ("npx prettier@3 --write .", Tool("prettier", FORMAT)),
        ("uv run --frozen ruff check .", Tool("ruff", LINT)),
        ("bundle exec rubocop", Tool("rubocop", LINT)),
        ("cargo clippy --fix --allow-no-vcs", Tool("clippy", LINT)),
        ("cargo fmt", Tool("rustfmt", FORMAT)),
        ("npm run lint", None),
        ("make lint", None),
        ("python3 -m", None),
        ("npx --yes", None),
        ("black", Tool("black", FORMAT)),
    ],
)
def test_a_tool_is_told_by_its_name_wherever_it_stands(command: str, tool: Tool | None) -> None:
    assert tool_of(command.split()) == tool


PYTHON = (
    check("tests", CheckKind.TEST, "pytest -q"),
    check("ruff", LINT, "ruff check ."),
    check("style", FORMAT, "ruff format --check ."),
    check("mypy", TYPES, "mypy ."),
)
RUN = words("ruff check --fix .", "ruff format .", "black .", "eslint --fix .")


@pytest.mark.parametrize(
    ("red", "task", "chosen"),
    [
        # the formatter's own check is green: it only puts in order what the linter leaves
        (["ruff"], "lint", ["ruff check --fix .", "ruff format ."]),
        (["style"], "format", ["ruff format ."]),
        (["style"], "lint", ["ruff format ."]),
        # the format is red as well, but it is not what is asked for
        (["ruff", "style"], "lint", ["ruff check --fix ."]),
        (["ruff", "style"], "format", ["ruff format ."]),
        (["ruff"], "format", ["ruff check --fix .", "ruff format ."]),
        (["tests"], "lint", []),
        (["mypy"], "types", []),
        (["ruff"], "bug", []),
        ([], "lint", []),
    ],
)
def test_only_what_is_red_is_answered(red: list[str], task: str, chosen: list[str]) -> None:
    assert [" ".join(it) for it in commands_for(RUN, PYTHON, red, task)] == chosen


def test_a_check_whose_tool_is_hidden_or_has_no_fixer_is_answered_by_its_kind() -> None:
    hidden = [check("lint", LINT, "npm run lint")]
    without = [check("lint", LINT, "flake8 src")]

    for checks in (hidden, without):
        found = commands_for(RUN, checks, ["lint"], "lint")
        assert found == words("ruff check --fix .", "eslint --fix .")


def test_a_command_that_only_the_policy_knows_always_answers() -> None:
    run = words("./scripts/tidy --all", "ruff check --fix .")

    assert commands_for(run, PYTHON, ["mypy"], "types") == run[:1]
    assert commands_for(run, PYTHON, ["ruff"], "lint") == run


# --- with real tools ---------------------------------------------------------------------------------------

POLICY = """\
version: 1
models:
  fixer: {{provider: fixer, run: {run}}}
  fast: {{provider: openai, model: small-1}}
routing: {{ladder: [fixer, fast]}}
accept: {{fixer: static, fast: static}}
reproduce: {{when: []}}
verify: {{critique: never}}
checks: {checks}
"""
UNTIDY = "import os\nimport sys\n\n\ndef shout( word ):\n    return  word.upper( )\n"
TIDY = "def shout(word):\n    return word.upper()\n"
OTHER = "CONST = {  'a':1 }\n"


class Project:
    """A project whose checks and fixers are commands of the test's choice, and no model that answers."""

    def __init__(
        self, folder: Path, files: dict[str, str], checks: Sequence[CheckSpec], run: Sequence[Sequence[str]]
    ) -> None:
        self.tools = folder / "tools"
        self.tools.mkdir()
        shown = [{"name": it.name, "kind": it.kind.value, "run": list(it.run)} for it in checks]
        policy = POLICY.format(run=json.dumps(run), checks=json.dumps(shown))
        self.pit = Sandpit(folder / "pit", files, policy)

    def do(self, task: str, server: Loopback) -> Result:
        path = os.pathsep.join([str(self.tools), str(Path(RUFF).parent), os.environ["PATH"]])
        env = {**provider_env(self.pit, server), "PATH": path}
        return self.pit.run("--task", task, "--json", env=env)

    def after(self, done: Result, file: str) -> str:
        """A file with the accepted patch."""
        assert done.exit_code == 0, done.stdout + done.stderr
        self.pit.git("apply", done.json["patch_path"])
        return (self.pit.root / file).read_text()


RUFF_CHECKS = (check("ruff", LINT, "ruff check ."), check("style", FORMAT, "ruff format --check ."))
RUFF_FIXES = words("ruff check --fix .", "ruff format .")


@pytest.fixture
def server() -> Loopback:
    return Loopback()


def test_a_lint_task_is_solved_without_a_model_and_reformats_nothing_else(
    tmp_path: Path, server: Loopback
) -> None:
    files = {"ruff.toml": "", "shout.py": UNTIDY, "calc.py": OTHER}
    project = Project(tmp_path, files, RUFF_CHECKS, RUFF_FIXES)

    with server:
        done = project.do("fix the lint errors", server)

        assert server.calls == []
    attempt = done.json["attempts"][0]
    assert (attempt["lane"], attempt["calls"]) == ("fixer", [])
    assert attempt["summary"] == "ran: ruff check --fix ."
    assert project.after(done, "shout.py") == UNTIDY.replace("import os\nimport sys\n", "")
    assert (project.pit.root / "calc.py").read_text() == OTHER


def test_a_format_task_is_solved_by_the_formatter_alone(tmp_path: Path, server: Loopback) -> None:
    files = {"ruff.toml": "", "shout.py": "import os\n\n\n" + UNTIDY.partition("\n\n\n")[2], "calc.py": OTHER}
    project = Project(tmp_path, files, RUFF_CHECKS, RUFF_FIXES)

    with server:
        done = project.do("reformat the code: the format check is red", server)

        assert server.calls == []
    assert done.json["attempts"][0]["summary"] == "ran: ruff format ."
    assert project.after(done, "shout.py") == "import os\n\n\n" + TIDY
    assert (project.pit.root / "calc.py").read_text() == 'CONST = {"a": 1}\n'


def test_what_the_linter_leaves_is_put_in_order_where_the_project_is_formatted(
    tmp_path: Path, server: Loopback
) -> None:
    # taking the unused name out leaves brackets that the formatter would not
    text = "from os import (\n    path,\n    sep,\n)\n\nprint(sep)\n"
    project = Project(tmp_path, {"ruff.toml": "", "shout.py": text, "calc.py": ""}, RUFF_CHECKS, RUFF_FIXES)

    with server:
        done = project.do("fix the lint errors", server)

    assert done.json["attempts"][0]["summary"] == "ran: ruff check --fix .; ruff format ."
    assert "path" not in project.after(done, "shout.py")
    assert [it["outcome"] for it in done.json["attempts"][0]["checks"]] == ["passed", "passed"]


def test_the_fixer_is_not_tried_where_it_has_no_answer(tmp_path: Path, server: Loopback) -> None:
    checks = (check("types", TYPES, "false"), check("ruff", LINT, "ruff check ."))
    project = Project(tmp_path, {"ruff.toml": "", "calc.py": ""}, checks, RUFF_FIXES)

    with server:
        done = project.do("fix the lint errors", server)

    assert [it["lane"] for it in done.json["attempts"]] == ["fast"]


def test_a_fixer_that_is_not_installed_is_left_out_and_that_is_said(tmp_path: Path, server: Loopback) -> None:
    files = {"ruff.toml": "", "shout.py": UNTIDY, "calc.py": ""}
    run = [*RUFF_FIXES, ("no-such-tidier", "--write", ".")]
    project = Project(tmp_path, files, RUFF_CHECKS, run)

    with server:
        done = project.do("fix the lint errors", server)

    assert done.exit_code == 0, done.stdout
    told = [it for it in done.json["notices"] if it.startswith("fixer without no-such-tidier --write .: ")]
    assert len(told) == 1
    assert "is not in .venv/bin and not on the PATH" in told[0]


def test_a_fixer_lane_of_which_nothing_is_installed_leaves_the_ladder(
    tmp_path: Path, server: Loopback
) -> None:
    files = {"ruff.toml": "", "shout.py": UNTIDY, "calc.py": ""}
    project = Project(tmp_path, files, RUFF_CHECKS, words("no-such-tidier --write ."))

    with server:
        done = project.do("fix the lint errors", server)

    assert done.json["decision"]["ladder"] == ["fast"]


# stand-ins: the real eslint and prettier cannot be had without a network
FAKE_TIDIER = """\
#!/usr/bin/env python3
# a stand-in for {name}: "var " is a fault of lint, two spaces in a row are one of format
import pathlib, sys
bad, good = ("var ", "let ") if {name!r} == "eslint" else ("  ", " ")
red = False
for file in pathlib.Path(".").glob("*.js"):
    text = file.read_text()
    red |= bad in text
    if "--fix" in sys.argv or "--write" in sys.argv:
        file.write_text(text.replace(bad, good))
sys.exit(1 if red else 0)
"""


@pytest.mark.parametrize(
    ("script", "task", "expected"),
    [
        ("eslint .", "fix the lint errors", "let  a = 1\n"),
        ("prettier --check .", "the format is wrong: reformat", "var a = 1\n"),
    ],
    ids=["eslint", "prettier"],
)
def test_a_found_project_is_mended_by_the_tool_whose_check_is_red(
    tmp_path: Path, server: Loopback, script: str, task: str, expected: str
) -> None:
    tool = script.split(maxsplit=1)[0]
    kind = LINT if tool == "eslint" else FORMAT
    project = Project(
        tmp_path,
        {"a.js": "var  a = 1\n", "calc.py": ""},
        [check("style", kind, script)],
        words("eslint --fix .", "prettier --write ."),
    )
    for name in ("eslint", "prettier"):
        (project.tools / name).write_text(FAKE_TIDIER.format(name=name))
        (project.tools / name).chmod(0o755)

    with server:
        done = project.do(task, server)

        assert server.calls == []
    assert project.after(done, "a.js") == expected
