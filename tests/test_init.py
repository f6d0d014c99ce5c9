"""`init` in real repositories: what it writes, what it refuses, and what it says."""

from __future__ import annotations

import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from route_agent import places, trust
from route_agent.cli.init import init
from route_agent.config import load_config
from route_agent.errors import ConfigError, RepositoryState, UsageError
from route_agent.policy import POLICY_PATH, parse_policy


@pytest.fixture(autouse=True)
def own_folders(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("CONFIG", "STATE", "CACHE"):
        monkeypatch.setenv(f"XDG_{name}_HOME", str(tmp_path / name.lower()))
    monkeypatch.setenv("XDG_CONFIG_DIRS", str(tmp_path / "site"))


@pytest.fixture(autouse=True)
def tools(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """What the projects here use is installed, whatever else this machine has."""
    folder = tmp_path / "tools"
    folder.mkdir()
    for name, does in (("python3", f'exec {sys.executable} "$@"'), ("ruff", "exit 0")):
        (folder / name).write_text(f"#!/bin/sh\n{does}\n")
        (folder / name).chmod(0o755)
    (folder / "git").symlink_to(shutil.which("git") or "/usr/bin/git")
    monkeypatch.setenv("PATH", str(folder))
    return folder


@pytest.fixture
def project(tmp_path: Path) -> Path:
    """A repository without a commit, whose files were not even added."""
    root = tmp_path / "project"
    (root / "tests").mkdir(parents=True)
    git(root, "init", "--quiet")
    (root / "pyproject.toml").write_text("[tool.pytest.ini_options]\n[tool.ruff]\n")
    (root / "tests" / "test_a.py").write_text("def test_a():\n    pass\n")
    return root


def git(root: Path, *arguments: str) -> str:
    done = subprocess.run(["git", *arguments], cwd=root, check=True, capture_output=True, text=True)
    return done.stdout


def run(directory: Path, *, routing_md: bool = False, force: bool = False) -> None:
    init(directory, routing_md=routing_md, force=force)


def test_writes_a_policy_with_the_checks_of_the_project(project: Path) -> None:
    run(project / "tests")

    policy = parse_policy((project / POLICY_PATH).read_bytes(), POLICY_PATH)
    assert [check.name for check in policy.checks] == ["pytest", "ruff"]
    assert policy.routing.ladder == ("fixer", "fast", "strong")


def test_touches_nothing_else_in_the_repository(project: Path) -> None:
    def git_folder() -> dict[Path, bytes]:
        return {file: file.read_bytes() for file in (project / ".git").rglob("*") if file.is_file()}

    before = git_folder()

    run(project)

    assert git_folder() == before
    assert sorted(git(project, "status", "--porcelain").split()[1::2]) == [
        ".route-agent/",
        "pyproject.toml",
        "tests/",
    ]
    assert [file.name for file in (project / ".route-agent").iterdir()] == ["policy.yaml"]


def test_ignored_files_are_not_looked_at(project: Path) -> None:
    (project / ".gitignore").write_text("go.mod\n")
    (project / "go.mod").write_text("module x\n")

    run(project)

    policy = parse_policy((project / POLICY_PATH).read_bytes(), POLICY_PATH)
    assert [check.name for check in policy.checks] == ["pytest", "ruff"]


def test_trusts_what_it_wrote_and_nothing_that_came_later(project: Path) -> None:
    run(project)

    written = (project / POLICY_PATH).read_bytes()
    assert trust.is_trusted(load_config(), project, written)
    assert not trust.is_trusted(load_config(), project, written + b"#")


def test_says_what_it_found_where_and_what_comes_next(
    project: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    run(project)

    told = capsys.readouterr().out
    assert "check  pytest: python3 -m pytest -q   (pyproject.toml:1 [tool.pytest.ini_options])" in told
    assert "fixer  ruff check --fix ." in told
    assert f"wrote  {POLICY_PATH}" in told
    assert f"git add {POLICY_PATH} && git commit" in told
    assert "route-agent explain --task" in told


def test_a_check_that_cannot_run_here_is_written_as_a_comment_and_said(
    project: Path, capsys: pytest.CaptureFixture[str], tools: Path
) -> None:
    (project / ".venv" / "bin").mkdir(parents=True)
    (tools / "ruff").rename(project / ".venv" / "bin" / "ruff")
    run(project)
    assert "cannot run here" not in capsys.readouterr().out
    (project / ".venv" / "bin" / "ruff").unlink()

    run(project, force=True)

    told, text = capsys.readouterr().out, (project / POLICY_PATH).read_text()
    assert "cannot run here yet: ruff is not in .venv/bin and not on the PATH" in told
    assert f"it stands in {POLICY_PATH} as a comment" in told
    assert "fixer" not in told
    assert "\n  # - {name: ruff, kind: lint, run: [ruff, check, .]}\n" in text
    policy = parse_policy(text, POLICY_PATH)
    assert [check.name for check in policy.checks] == ["pytest"]
    assert policy.routing.ladder == ("fast", "strong")
    again = parse_policy(text.replace("  # - {", "  - {"), POLICY_PATH)
    assert [check.name for check in again.checks] == ["pytest", "ruff"]


def test_where_no_check_can_run_the_policy_is_still_one_and_says_what_to_do(
    project: Path, capsys: pytest.CaptureFixture[str], tools: Path
) -> None:
    (tools / "ruff").unlink()
    (project / "pyproject.toml").write_text("[tool.ruff]\n")
    (project / "tests" / "test_a.py").unlink()

    run(project)

    text = (project / POLICY_PATH).read_text()
    assert "No check can run here: without one no patch can be proved." in capsys.readouterr().out
    assert parse_policy(text, POLICY_PATH).checks == ()
    again = parse_policy(text.replace("# checks:", "checks:").replace("  # - {", "  - {"), POLICY_PATH)
    assert [check.name for check in again.checks] == ["ruff"]


def test_a_broken_file_is_told_and_does_not_stop_the_rest(
    project: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (project / "package.json").write_text("{")

    run(project)

    assert "note   package.json: skipped" in capsys.readouterr().out


def test_without_any_check_it_still_writes_and_says_so(
    project: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (project / "pyproject.toml").unlink()
    (project / "tests" / "test_a.py").unlink()

    run(project)

    assert "No checks were found: without one no patch can be proved." in capsys.readouterr().out
    assert parse_policy((project / POLICY_PATH).read_bytes(), POLICY_PATH).checks == ()


def test_writes_a_routing_page_only_when_asked(project: Path) -> None:
    run(project)
    assert not (project / "ROUTING.md").exists()

    run(project, routing_md=True, force=True)
    assert (project / "ROUTING.md").read_text().startswith("# Routing\n")


def test_a_policy_that_is_there_gets_a_routing_page_of_its_own(
    project: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    text = "version: 1\nrouting: {fast_max_score: 3, strong_min_score: 4}\n"
    (project / ".route-agent").mkdir()
    (project / POLICY_PATH).write_text(text)

    run(project, routing_md=True)

    assert (project / POLICY_PATH).read_text() == text
    assert "A score up to 3 starts at" in (project / "ROUTING.md").read_text()
    assert "git add ROUTING.md" in capsys.readouterr().out
    assert not places.config_file().exists()


@pytest.mark.parametrize("path", [POLICY_PATH, "ROUTING.md"])
def test_replaces_nothing_unless_forced(project: Path, path: str) -> None:
    (project / ".route-agent").mkdir()
    (project / path).write_text("mine")

    with pytest.raises(UsageError, match="there already") as refusal:
        run(project, routing_md=path == "ROUTING.md")

    assert "--force" in refusal.value.hint
    assert (project / path).read_text() == "mine"
    assert not places.config_file().exists()
    run(project, routing_md=True, force=True)
    assert (project / path).read_text() != "mine"


def test_a_link_in_the_place_of_the_policy_is_never_followed(project: Path, tmp_path: Path) -> None:
    outside = tmp_path / "outside"
    outside.write_text("precious")
    (project / ".route-agent").mkdir()
    (project / POLICY_PATH).symlink_to(outside)

    with pytest.raises(UsageError):
        run(project)
    run(project, force=True)

    assert outside.read_text() == "precious"
    assert not (project / POLICY_PATH).is_symlink()


def test_a_link_in_the_place_of_the_folder_is_refused(project: Path, tmp_path: Path) -> None:
    (project / ".route-agent").symlink_to(tmp_path)

    with pytest.raises(UsageError, match="not a folder of this repository"):
        run(project, force=True)

    assert not (tmp_path / "policy.yaml").exists()


def test_outside_a_repository_it_says_so(tmp_path: Path) -> None:
    with pytest.raises(RepositoryState, match="not in a git repository") as refusal:
        run(tmp_path)

    assert refusal.value.exit_code == 6
    assert "-C DIR" in refusal.value.hint


def test_in_a_bare_repository_it_says_what_git_says(tmp_path: Path) -> None:
    git(tmp_path, "init", "--quiet", "--bare", "bare.git")

    with pytest.raises(RepositoryState, match="work tree"):
        run(tmp_path / "bare.git")


def test_with_a_broken_configuration_nothing_is_written(project: Path) -> None:
    places.config_file().parent.mkdir(parents=True)
    places.config_file().write_text("nonsense: 1\n")

    with pytest.raises(ConfigError, match="nonsense"):
        run(project)

    assert not (project / ".route-agent").exists()
