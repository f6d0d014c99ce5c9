"""The hook under frameworks of others: their files are added to and never spoilt, and they really run it."""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path

import pytest
import yaml
from clones import Clone, script
from sandpit import PROGRAM

from route_agent.hooks.framework import entry, has_entry, with_entry

ROOT = Path(__file__).parents[1]
PRE_COMMIT = str(Path(sys.executable).with_name("pre-commit"))
OTHERS = "- repo: local\n  hooks:\n  - {id: say, name: say, entry: echo, language: system}\n"


@pytest.fixture
def clone(tmp_path: Path) -> Clone:
    return Clone(tmp_path / "work")


def config(clone: Clone) -> Path:
    return clone.root / ".pre-commit-config.yaml"


def test_real_pre_commit_runs_the_entry_that_install_writes(
    clone: Clone, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PRE_COMMIT_HOME", str(tmp_path / "pre-commit"))
    config(clone).write_text(f"# ours\nrepos:\n{OTHERS}")
    done = clone.run("hook", "install", "--framework", "pre-commit")
    assert done.exit_code == 0, done.stderr
    assert f"added to: {config(clone)}" in done.stdout
    assert "pre-commit install --hook-type pre-push" in done.stdout
    installed = [PRE_COMMIT, "install", "--hook-type", "pre-push"]
    subprocess.run(installed, cwd=clone.root, check=True, capture_output=True)
    start, head = clone.head, clone.commit("with the framework")
    first = clone.push()
    clone.git("switch", "--quiet", "--create", "topic")
    clone.break_it()

    second = clone.push("origin", "topic")

    assert first.exit_code == 0, first.stdout + first.stderr
    assert clone.has("main") == head
    told = first.stdout + first.stderr
    assert f"refs/heads/main: {start[:10]}..{head[:10]}" in told
    assert "result    passed at ran" in told
    assert second.exit_code != 0
    assert clone.has("topic") == ""
    assert "unit passed at start, fails now" in second.stdout + second.stderr


def test_a_whole_new_history_is_judged_by_the_branch_that_the_framework_names(clone: Clone) -> None:
    clone.git("remote", "remove", "origin")
    clone.break_it()
    told = {"PRE_COMMIT": "1", "PRE_COMMIT_LOCAL_BRANCH": "refs/heads/main", "PRE_COMMIT_REMOTE_NAME": "new"}

    done = clone.run("hook", "run", env=told)

    assert done.exit_code == 1
    assert "nothing to compare with, and unit is red" in done.stderr


def test_what_the_framework_installs_from_this_repository_is_a_valid_manifest() -> None:
    manifest = ROOT / ".pre-commit-hooks.yaml"
    done = subprocess.run([PRE_COMMIT, "validate-manifest", str(manifest)], capture_output=True, text=True)

    (hook,) = yaml.safe_load(manifest.read_text())
    (local,) = yaml.safe_load(entry())
    assert done.returncode == 0, done.stdout
    assert hook["stages"] == ["pre-push"]
    for key, value in local["hooks"][0].items():
        assert key == "language" or hook[key] == value, key


BEGINNING = "repos:\n- repo: x\n  rev: v1\n  hooks:\n  - id: a\n"
ALL_FORMS = (
    "",
    BEGINNING,
    BEGINNING.rstrip("\n"),
    BEGINNING.replace("\n", "\r\n"),
    f"# first\ndefault_stages: [pre-commit]\n{BEGINNING}",
    "repos:\n  - repo: x\n    rev: v1  # keep\n    hooks:\n      - id: a\n\n# about ci\nci:\n  skip: [a]\n",
    "repos:  # all\n-   repo: x\n    rev: v1\n    hooks:\n    -   id: a\n# the end\n...\n",
)


@pytest.mark.parametrize("text", ALL_FORMS)
def test_all_that_stood_in_the_file_stays_and_a_second_time_changes_nothing(text: str) -> None:
    changed = with_entry(text)

    assert changed is not None
    added = {line.strip() for line in entry().splitlines()}
    left = [line for line in changed.splitlines() if line.strip() not in added]
    assert not text or left == [line for line in text.splitlines() if line.strip() not in added]
    assert yaml.safe_load(changed)["repos"][-1]["hooks"][0]["id"] == "route-agent"
    assert ("\r\n" in text) == ("\r\n" in changed)
    assert has_entry(changed)
    assert not has_entry(text)


@pytest.mark.parametrize(
    "text",
    [
        "repos: [{repo: x, rev: v1, hooks: [{id: a}]}]\n",
        "repos: []\n",
        "- not a mapping\n",
        "repos: &all\n- repo: x\n  hooks: []\n",
        "a: [\n",
        f"{BEGINNING}repos:\n- repo: twice\n  hooks: []\n",
        "{}\n",
    ],
)
def test_a_file_of_another_form_is_left_alone_and_told_what_to_add(clone: Clone, text: str) -> None:
    assert with_entry(text) is None
    config(clone).write_text(text)

    if text == "repos: []\n":  # one of them as a user sees it
        done = clone.run("hook", "install", "--framework", "pre-commit")
        assert done.exit_code == 2
        assert "is left as it is" in done.stderr
        assert "entry: route-agent hook run" in done.stderr
    assert config(clone).read_text() == text


def test_installing_twice_writes_once_and_says_that_two_hooks_would_judge_twice(clone: Clone) -> None:
    clone.install()
    first = clone.run("hook", "install", "--framework", "pre-commit")
    text = config(clone).read_bytes()

    again = clone.run("hook", "install", "--framework", "pre-commit")

    assert f"written: {config(clone)}" in first.stdout
    assert f"already there, nothing was changed: {config(clone)}" in again.stdout
    assert "would judge a second time: route-agent hook uninstall" in again.stdout
    assert config(clone).read_bytes() == text


def test_a_link_is_not_written_through_and_another_framework_is_not_known(
    clone: Clone, tmp_path: Path
) -> None:
    elsewhere = tmp_path / "shared.yaml"
    elsewhere.write_text(BEGINNING)
    config(clone).symlink_to(elsewhere)

    linked = clone.run("hook", "install", "--framework", "pre-commit")
    unknown = clone.run("hook", "install", "--framework", "overcommit")

    assert (linked.exit_code, unknown.exit_code) == (2, 2)
    assert elsewhere.read_text() == BEGINNING
    assert 'unknown framework "overcommit"' in unknown.stderr


def blocks(language: str) -> list[str]:
    """What the page on the hook shows in a language."""
    return re.findall(rf"```{language}\n(.*?)```", (ROOT / "docs" / "hook.md").read_text(), re.DOTALL)


def test_the_page_shows_the_entry_as_it_is_written() -> None:
    assert f"repos:\n{entry()}" in blocks("yaml")


@pytest.mark.parametrize("framework", ["husky", "lefthook"])
def test_what_the_page_says_for_other_frameworks_judges_and_stops_a_push(
    clone: Clone, tmp_path: Path, framework: str
) -> None:
    """As they run it: husky a file with git's arguments, lefthook a line with `{1}` and `{2}` filled in."""
    line = blocks("sh")[-1].strip()
    if framework == "lefthook":
        told = next(it for block in blocks("yaml") if "pre-push" in (it := yaml.safe_load(block)))
        told = told["pre-push"]["commands"]["route-agent"]
        assert told["use_stdin"] is True
        line = told["run"].replace("{1}", '"$1"').replace("{2}", '"$2"')
    start, head = clone.head, clone.break_it()
    program = script(tmp_path / "pre-push", line)
    assert b"route-agent hook run" in program

    done = subprocess.run(
        ["sh", "-e", str(tmp_path / "pre-push"), "origin", str(clone.remote)],
        cwd=clone.root,
        input=f"refs/heads/main {head} refs/heads/main {start}\n",
        capture_output=True,
        text=True,
        env={"PATH": f"{Path(PROGRAM).parent}:/usr/bin:/bin", "HOME": str(tmp_path)},
    )

    assert done.returncode == 1, done.stderr
    assert "unit passed at start, fails now" in done.stderr
