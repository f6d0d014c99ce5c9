"""The functions of shell-init, loaded into the real shells and called with tasks that shells expand."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
import warm
from sandpit import PROGRAM, Sandpit

HOSTILE = 'it\'s "half" $(touch pwned) `touch pwned` $HOME ${PATH} * ~ !! \\n; touch pwned & # end'
NO_CHECKS = """\
version: 1
models:
  Tidy.up_2: {provider: fixer, run: [[ruff, check, --fix, .]]}
  cheap-1: {provider: openai, model: small-1}
  dear: {provider: openai, model: large-1}
  critic: {provider: openai, model: other-1}
routing: {ladder: [Tidy.up_2, cheap-1, dear]}
accept: {cheap-1: ran, dear: ran}
"""
LOAD = {
    "bash": 'eval "$(route-agent shell-init bash)"',
    "zsh": 'eval "$(route-agent shell-init zsh)"',
    "fish": "route-agent shell-init fish | source",
}
START = {"bash": ["bash", "--norc", "--noprofile"], "zsh": ["zsh", "-f"], "fish": ["fish", "--no-config"]}


@pytest.fixture(params=START)
def shell(request: pytest.FixtureRequest) -> str:
    name: str = request.param
    if shutil.which(name) is None:
        missing = f"{name} is not installed"
        pytest.fail(missing) if os.environ.get("ROUTE_AGENT_CI") else pytest.skip(missing)
    return name


@pytest.fixture
def stub(tmp_path: Path) -> Path:
    """A folder for PATH whose `route-agent` prints its arguments, and for shell-init what lies beside it."""
    folder = tmp_path / "bin"
    folder.mkdir()
    program = folder / "route-agent"
    program.write_text(
        f"#!/bin/sh\n"
        f'[ "$1" = shell-init ] && exec cat "{folder}/$2"\n'
        f'exec "{sys.executable}" -I -c \'import json, sys; print(json.dumps(sys.argv[1:]))\' "$@"\n'
    )
    program.chmod(0o755)
    return folder


@pytest.fixture
def pit(tmp_path: Path) -> Sandpit:
    return Sandpit(tmp_path / "pit", policy=NO_CHECKS)


def init(shell: str, cwd: Path) -> str:
    command = [PROGRAM, "shell-init", shell]
    code, out, err = warm.run(command, cwd=cwd, environment={**os.environ}, stdin="", timeout=60)
    assert code == 0, err
    return out


def typed(shell: str, line: str, cwd: Path, stub: Path, **env: str) -> list[list[str]]:
    """What the stub was called with when a person types the line, with the start file that we tell of."""
    (stub / shell).write_text(init(shell, cwd))
    done = subprocess.run(
        [*START[shell], "-c", f"{LOAD[shell]}\n{line}"],
        cwd=cwd,
        capture_output=True,
        text=True,
        timeout=30,
        env={
            **os.environ,
            "PATH": f"{stub}{os.pathsep}{os.environ['PATH']}",
            "HOME": str(stub.parent),
            **env,
        },
    )
    assert done.returncode == 0, done.stderr
    assert done.stderr == ""
    return [json.loads(printed) for printed in done.stdout.splitlines()]


def test_the_text_is_valid_in_its_shell_and_says_how_it_is_loaded(shell: str, pit: Sandpit) -> None:
    told = init(shell, pit.root)

    assert f"#   {LOAD[shell]}" in told.splitlines()
    check = subprocess.run([*START[shell], "-n"], input=told, capture_output=True, text=True, timeout=30)

    assert (check.returncode, check.stderr) == (0, "")


def test_every_lane_has_a_command_and_a_task_arrives_as_it_was_given(
    shell: str, pit: Sandpit, stub: Path
) -> None:
    commands = {"ra": [], "ra-Tidy.up_2": ["--lane", "Tidy.up_2"], "ra-cheap-1": ["--lane", "cheap-1"],
                "ra-dear": ["--lane", "dear"], "ra-critic": ["--lane", "critic"]}  # fmt: skip
    calls = "\n".join(f'{name} "$TASK"' for name in commands)

    asked = typed(shell, calls, pit.root, stub, TASK=HOSTILE)

    assert asked == [[*options, "--task", HOSTILE] for options in commands.values()]
    assert not list(pit.root.parent.rglob("pwned"))


def test_the_words_after_the_name_are_one_task(shell: str, pit: Sandpit, stub: Path) -> None:
    asked = typed(shell, "ra-dear fix the '$(touch pwned)' leak -v --apply", pit.root, stub)

    assert asked == [["--lane", "dear", "--task", "fix the $(touch pwned) leak -v --apply"]]
    assert not list(pit.root.parent.rglob("pwned"))


@pytest.mark.parametrize("shell", ["bash", "zsh"])
def test_another_word_separator_does_not_get_into_the_task(shell: str, pit: Sandpit, stub: Path) -> None:
    if shutil.which(shell) is None:
        pytest.skip(f"{shell} is not installed")

    asked = typed(shell, 'IFS=,\nra-dear fix it\necho "[\\"$IFS\\"]"', pit.root, stub)

    assert asked == [["--lane", "dear", "--task", "fix it"], [","]]


def test_outside_a_repository_the_built_in_lanes_have_commands(
    shell: str, tmp_path: Path, stub: Path
) -> None:
    asked = typed(shell, "ra-fast a\nra-strong b", tmp_path, stub)

    assert asked == [["--lane", "fast", "--task", "a"], ["--lane", "strong", "--task", "b"]]


def test_a_fixer_that_the_project_brings_has_a_command(tmp_path: Path) -> None:
    project = {"pyproject.toml": "[tool.ruff]\nline-length = 100\n"}
    pit = Sandpit(tmp_path / "pit", project, policy=None)

    assert "ra-fixer" in init("bash", pit.root)


def test_an_unknown_shell_is_answered_with_the_three_that_are_known(tmp_path: Path) -> None:
    done = subprocess.run([PROGRAM, "shell-init", "tcsh"], cwd=tmp_path, capture_output=True, text=True)

    assert done.returncode == 2
    assert done.stdout == ""
    assert 'error: unknown shell "tcsh": there are bash, zsh and fish' in done.stderr


def test_a_broken_policy_is_told_and_nothing_is_printed_to_be_evaluated(tmp_path: Path) -> None:
    pit = Sandpit(tmp_path / "pit", policy=NO_CHECKS.replace("dear:", '"dear; touch pwned":'))

    done = pit.run("shell-init", "bash")

    assert done.exit_code == 2
    assert done.stdout == ""
    assert "dear; touch pwned" in done.stderr
