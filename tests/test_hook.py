"""The pre-push hook, by real pushes to a real repository: what it stops, lets go, and gives back."""

from __future__ import annotations

import os
import subprocess
from pathlib import Path

import pytest
from sandpit import Result, Sandpit

from route_agent.hooks.refs import Ref, read_refs
from route_agent.hooks.script import KEPT
from route_agent.errors import UsageError

QUICK = """\
version: 1
checks:
  - {name: unit, kind: test, run: [sh, -c, "test ! -f broken"]}
"""
ZEROS = "0" * 40


class Clone(Sandpit):
    """A repository whose `main` has been pushed to a bare one beside it, before any hook was there."""

    def __init__(self, root: Path, policy: str = QUICK) -> None:
        super().__init__(root, policy=policy)
        self.remote = root.parent / "remote.git"
        subprocess.run(["git", "init", "--quiet", "--bare", "-b", "main", str(self.remote)], check=True)
        self.git("remote", "add", "origin", str(self.remote))
        self.git("push", "--quiet", "origin", "main")

    @property
    def hooks(self) -> Path:
        return self.root / ".git" / "hooks"

    def install(self) -> Result:
        done = self.run("hook", "install")
        assert done.exit_code == 0, done.stderr
        return done

    def push(self, *arguments: str, cwd: Path | None = None, **env: str) -> Result:
        done = subprocess.run(
            ["git", "push", *(arguments or ("origin", "main"))],
            cwd=cwd or self.root,
            capture_output=True,
            text=True,
            timeout=60,
            env={**os.environ, **env},
        )
        return Result(done.returncode, done.stdout, done.stderr)

    def change(self, message: str = "more") -> str:
        self.write("calc.py", (self.root / "calc.py").read_text() + f"# {message}\n")
        return self.commit(message)

    def break_it(self) -> str:
        self.write("broken", "")
        return self.commit("break it")

    def has(self, ref: str) -> str:
        """The commit that the remote has under a name, or nothing."""
        command = ["git", "rev-parse", "--verify", "--quiet", f"{ref}^{{commit}}"]
        return subprocess.run(command, cwd=self.remote, capture_output=True, text=True).stdout.strip()


@pytest.fixture
def clone(tmp_path: Path) -> Clone:
    return Clone(tmp_path / "work")


def script(file: Path, text: str) -> bytes:
    file.parent.mkdir(parents=True, exist_ok=True)
    file.write_text(f"#!/bin/sh\n{text}\n")
    file.chmod(0o755)
    return file.read_bytes()


def test_a_push_that_passes_goes_on_and_its_report_is_shown(clone: Clone) -> None:
    clone.install()
    head = clone.change()

    done = clone.push()

    assert done.exit_code == 0, done.stderr
    assert clone.has("main") == head
    assert "unit passed" in done.stderr
    assert "result    passed at ran" in done.stderr
    assert "isolation: " in done.stderr


def test_a_push_that_fails_is_stopped_and_the_way_round_is_named(clone: Clone) -> None:
    clone.install()
    before = clone.has("main")
    head = clone.break_it()

    done = clone.push()

    assert done.exit_code != 0
    assert clone.has("main") == before
    assert "unit passed at start, fails now" in done.stderr
    assert "git push --no-verify" in done.stderr
    assert clone.push("--no-verify", "origin", "main").exit_code == 0
    assert clone.has("main") == head


def test_the_pushed_commit_is_judged_and_never_the_dirty_tree(clone: Clone) -> None:
    clone.install()
    good = clone.change()
    clone.write("broken", "")
    clone.git("add", "broken")

    assert clone.push().exit_code == 0
    assert clone.has("main") == good

    clone.git("commit", "--quiet", "-m", "break it")
    clone.git("rm", "--quiet", "broken")

    assert clone.push().exit_code != 0
    assert clone.has("main") == good


def test_the_exit_code_is_that_of_the_worst_ref(clone: Clone) -> None:
    start = clone.git("rev-parse", "HEAD").strip()
    good = clone.change()
    bad = clone.break_it()
    told = f"a {good} refs/heads/a {start}\nb {bad} refs/heads/b {start}\n"

    done = clone.run("hook", "run", "origin", str(clone.remote), stdin=told)

    assert done.exit_code == 1
    assert done.stdout == ""
    assert done.stderr.count("result    passed") == 1
    assert done.stderr.count("result    not proved") == 1


def test_a_deleted_branch_is_not_judged(clone: Clone) -> None:
    clone.break_it()
    clone.git("push", "--quiet", "origin", "main:old")
    clone.install()

    done = clone.push("origin", ":old")

    assert done.exit_code == 0, done.stderr
    assert clone.has("old") == ""
    assert "refs/heads/old: deleted, nothing to judge" in done.stderr


def test_a_new_branch_is_compared_with_the_default_branch_of_the_remote(clone: Clone) -> None:
    clone.install()
    start = clone.git("rev-parse", "HEAD").strip()
    clone.git("switch", "--quiet", "--create", "topic")
    clone.change("one")
    clone.break_it()

    done = clone.push("origin", "topic")

    assert done.exit_code != 0
    assert f"refs/heads/topic: {start[:10]}.." in done.stderr
    assert clone.has("topic") == ""


def test_where_the_remote_has_nothing_to_compare_with_the_push_goes_on_and_says_so(clone: Clone) -> None:
    empty = clone.root.parent / "empty.git"
    subprocess.run(["git", "init", "--quiet", "--bare", str(empty)], check=True)
    clone.git("remote", "add", "empty", str(empty))
    clone.install()
    clone.break_it()

    by_name = clone.push("empty", "main")
    by_address = clone.push(str(empty), "main:other")

    assert by_name.exit_code == by_address.exit_code == 0
    assert "refs/heads/main: not judged: nothing to compare with on empty" in by_name.stderr
    assert "nothing to compare with on an address without a name" in by_address.stderr


def test_history_without_a_common_commit_is_not_judged_and_says_so(clone: Clone) -> None:
    clone.install()
    clone.git("switch", "--quiet", "--orphan", "pages")
    clone.break_it()

    done = clone.push("origin", "pages")

    assert done.exit_code == 0, done.stderr
    assert "refs/heads/pages: not judged: nothing to compare with on origin" in done.stderr


def test_a_tag_is_judged_as_its_commit_and_equal_commits_once(clone: Clone) -> None:
    clone.install()
    clone.break_it()
    clone.git("tag", "--annotate", "v1", "-m", "first")

    done = clone.push("origin", "main:topic", "v1")

    assert done.exit_code != 0
    assert clone.has("v1") == clone.has("topic") == ""
    assert done.stderr.count("result    not proved") == 1
    assert "refs/tags/v1: the commits judged above" in done.stderr


def test_a_tag_on_a_pushed_commit_or_on_a_file_holds_nothing_new(clone: Clone) -> None:
    clone.install()
    clone.git("tag", "v1")
    clone.git("tag", "file", "HEAD:calc.py")

    done = clone.push("origin", "v1", "file")

    assert done.exit_code == 0, done.stderr
    assert "refs/tags/v1: nothing new, nothing to judge" in done.stderr
    assert "refs/tags/file: not a commit, nothing to judge" in done.stderr


def test_a_forced_push_is_judged_from_where_the_histories_part(clone: Clone) -> None:
    start = clone.git("rev-parse", "HEAD").strip()
    clone.change()
    clone.git("push", "--quiet", "origin", "main")
    clone.install()
    clone.git("reset", "--quiet", "--hard", start)
    clone.break_it()

    done = clone.push("--force", "origin", "main")

    assert done.exit_code != 0
    assert f"refs/heads/main: {start[:10]}.." in done.stderr


def test_a_remote_value_that_is_not_here_is_replaced_by_the_default_branch(clone: Clone) -> None:
    start = clone.git("rev-parse", "HEAD").strip()
    head = clone.break_it()

    done = clone.run(
        "hook", "run", "origin", "url", stdin=f"refs/heads/main {head} refs/heads/main {'1' * 40}\n"
    )

    assert done.exit_code == 1
    assert f"{start[:10]}..{head[:10]}" in done.stderr


def test_an_earlier_hook_runs_first_with_the_same_arguments_and_input(clone: Clone, tmp_path: Path) -> None:
    seen = tmp_path / "seen"
    script(clone.hooks / "pre-push", f'echo "$@" >"{seen}"; cat >>"{seen}"')
    clone.install()
    start = clone.git("rev-parse", "HEAD").strip()
    head = clone.change()

    done = clone.push()

    assert done.exit_code == 0, done.stderr
    assert "result    passed" in done.stderr
    told = f"refs/heads/main {head} refs/heads/main {start}\n"
    assert seen.read_text() == f"origin {clone.remote}\n{told}"


def test_an_earlier_hook_that_says_no_stops_the_push_before_anything_is_judged(clone: Clone) -> None:
    script(clone.hooks / "pre-push", "echo no >&2; exit 3")
    clone.install()
    clone.change()

    done = clone.push()

    assert done.exit_code != 0
    assert done.stderr.startswith("no\n")
    assert "route-agent" not in done.stderr


@pytest.mark.parametrize("mode", [0o755, 0o644])
def test_uninstall_gives_the_earlier_hook_back_byte_for_byte(clone: Clone, mode: int) -> None:
    hook = clone.hooks / "pre-push"
    script(hook, "printf 'caf\\351'\r")
    hook.chmod(mode)
    before = {name: it for name, it in clone.state().items() if "hooks" in name}
    clone.install()
    assert hook.read_bytes() != b""
    assert (clone.hooks / KEPT).stat().st_mode & 0o777 == mode

    done = clone.run("hook", "uninstall")

    assert done.exit_code == 0
    assert {name: it for name, it in clone.state().items() if "hooks" in name} == before


def test_an_earlier_hook_that_is_a_link_is_kept_and_given_back_as_one(clone: Clone) -> None:
    hook = clone.hooks / "pre-push"
    script(clone.root / "tools" / "check", "exit 0")
    hook.symlink_to("../../tools/check")
    clone.install()
    assert not hook.is_symlink()

    clone.run("hook", "uninstall")

    assert hook.readlink() == Path("../../tools/check")


def test_to_install_twice_changes_nothing_and_keeps_the_earlier_hook(clone: Clone) -> None:
    before = script(clone.hooks / "pre-push", "exit 0")
    clone.install()
    once = (clone.hooks / "pre-push").read_bytes()

    done = clone.install()

    assert "already installed" in done.stdout
    assert (clone.hooks / "pre-push").read_bytes() == once
    assert (clone.hooks / KEPT).read_bytes() == before


def test_uninstall_without_install_says_so_and_removes_nothing(clone: Clone) -> None:
    done = clone.run("hook", "uninstall")
    assert done.exit_code == 0
    assert "not installed" in done.stdout

    foreign = script(clone.hooks / "pre-push", "exit 0")
    done = clone.run("hook", "uninstall")

    assert "not route-agent's: left alone" in done.stdout
    assert (clone.hooks / "pre-push").read_bytes() == foreign


def test_a_second_foreign_hook_is_not_put_over_the_kept_one(clone: Clone) -> None:
    first = script(clone.hooks / "pre-push", "exit 1")
    clone.install()
    second = script(clone.hooks / "pre-push", "exit 2")

    done = clone.run("hook", "install")

    assert done.exit_code == 2
    assert "kept in" in done.stderr
    assert (clone.hooks / KEPT).read_bytes() == first
    assert (clone.hooks / "pre-push").read_bytes() == second


def test_a_hook_that_another_tool_moved_aside_is_not_installed_a_second_time(clone: Clone) -> None:
    clone.install()
    (clone.hooks / "pre-push").rename(clone.hooks / "pre-push.legacy")
    other = script(clone.hooks / "pre-push", 'exec "$(dirname "$0")/pre-push.legacy" "$@"')

    assert "already installed" in clone.install().stdout
    assert not (clone.hooks / KEPT).exists()
    clone.break_it()
    assert clone.push().exit_code != 0

    clone.run("hook", "uninstall")

    assert (clone.hooks / "pre-push").read_bytes() == other
    assert not (clone.hooks / "pre-push.legacy").exists()


@pytest.mark.parametrize("absolute", [True, False])
def test_a_folder_of_hooks_that_the_repository_names_is_used(clone: Clone, absolute: bool) -> None:
    folder = clone.root / "githooks"
    clone.git("config", "core.hooksPath", str(folder) if absolute else "githooks")

    done = clone.install()

    assert (folder / "pre-push").is_file()
    assert not (clone.hooks / "pre-push").exists()
    assert "do not commit" in done.stdout
    head = clone.git("rev-parse", "HEAD").strip()
    assert "refs/tags/v1: nothing new" in clone.push("origin", f"{head}:refs/tags/v1").stderr
    clone.run("hook", "uninstall")
    assert not (folder / "pre-push").exists()


def test_a_folder_that_serves_all_repositories_is_refused_with_the_line_to_add(
    clone: Clone, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    shared = tmp_path / "all hooks"
    shared.mkdir()
    settings = tmp_path / "gitconfig"
    settings.write_text(f"[core]\n\thooksPath = {shared}\n")
    monkeypatch.setenv("GIT_CONFIG_GLOBAL", str(settings))

    done = clone.run("hook", "install")

    assert done.exit_code == 2
    assert f"core.hooksPath (global) is {shared}" in done.stderr
    assert 'hook run "$@"' in done.stderr
    assert list(shared.iterdir()) == []

    # the line does what it says
    line = done.stderr.partition("yourself: ")[2]
    script(shared / "pre-push", line)
    clone.break_it()
    assert "git push --no-verify" in clone.push().stderr


def test_a_folder_that_husky_writes_anew_is_refused_with_the_file_to_change(clone: Clone) -> None:
    clone.git("config", "core.hooksPath", ".husky/_")

    done = clone.run("hook", "install")

    assert done.exit_code == 2
    assert f"add this line to {clone.root}/.husky/pre-push instead" in done.stderr
    assert not (clone.root / ".husky").exists()


def test_hooks_that_are_switched_off_are_not_switched_on(clone: Clone) -> None:
    clone.git("config", "core.hooksPath", "/dev/null")

    done = clone.run("hook", "install")

    assert done.exit_code == 2
    assert "git runs no hooks here" in done.stderr


def test_a_push_from_a_linked_worktree_judges_that_worktrees_commit(clone: Clone, tmp_path: Path) -> None:
    clone.install()
    linked = tmp_path / "linked"
    clone.git("worktree", "add", "--quiet", "-b", "topic", str(linked))
    (linked / "broken").touch()
    for arguments in (("add", "broken"), ("commit", "--quiet", "-m", "break it")):
        subprocess.run(["git", *arguments], cwd=linked, check=True)

    done = clone.push("origin", "topic", cwd=linked)  # git exports GIT_DIR to the hook here

    assert done.exit_code != 0
    assert "unit passed at start, fails now" in done.stderr
    assert clone.has("topic") == ""


def test_variables_of_git_that_point_elsewhere_are_not_obeyed(clone: Clone, tmp_path: Path) -> None:
    other = Sandpit(tmp_path / "other", policy=None)
    before = other.state()
    start = clone.git("rev-parse", "HEAD").strip()
    head = clone.break_it()
    env = {"GIT_DIR": str(other.root / ".git"), "GIT_WORK_TREE": str(other.root), "GIT_INDEX_FILE": "x"}

    done = clone.run("hook", "run", "origin", "url", stdin=f"a {head} a {start}\n", env=env)
    installed = clone.run("hook", "install", env=env)

    assert done.exit_code == 1, done.stderr
    assert str(clone.hooks) in installed.stdout
    assert other.state() == before


def test_a_program_that_is_gone_does_not_stop_the_push(clone: Clone, tmp_path: Path) -> None:
    clone.install()
    hook = clone.hooks / "pre-push"
    broken = tmp_path / "route-agent"
    script(broken, "exit 1")
    told = hook.read_text().splitlines(keepends=True)
    line = next(number for number, text in enumerate(told) if text.startswith("for program in "))
    told[line] = f"for program in {broken} route-agent; do\n"
    hook.write_text("".join(told))
    head = clone.break_it()

    done = clone.push("origin", "main", PATH="/usr/bin:/bin")

    assert done.exit_code == 0, done.stderr
    assert clone.has("main") == head
    assert [line for line in done.stderr.splitlines() if "route-agent" in line] == [
        "route-agent: nothing is judged: the program that this hook calls does not start. The push goes on."
    ]


def test_checks_that_cannot_run_stop_the_push_with_the_reason(tmp_path: Path) -> None:
    clone = Clone(tmp_path / "work", policy=QUICK.replace("[sh,", "[no-such-program,"))
    start = clone.git("rev-parse", "HEAD").strip()
    head = clone.change()

    done = clone.run("hook", "run", "origin", "url", stdin=f"a {head} refs/heads/a {start}\n")

    assert done.exit_code == 6
    assert "error: checks cannot run here: unit: not found: no-such-program" in done.stderr
    assert "git push --no-verify" in done.stderr


def test_a_branch_name_is_never_read_by_a_shell(clone: Clone) -> None:
    clone.install()
    name = "$(touch${IFS}pwned)`touch${IFS}pwned`;'\"&"
    clone.git("switch", "--quiet", "--create", name)
    clone.change()

    done = clone.push("origin", name)

    assert done.exit_code == 0, done.stderr
    assert f"refs/heads/{name}: " in done.stderr
    assert not list(clone.root.parent.rglob("pwned"))


def test_a_repository_whose_path_has_quotes_and_spaces_is_pushed_from(tmp_path: Path) -> None:
    clone = Clone(tmp_path / "it's a $(touch x) place")
    script(clone.hooks / "pre-push", "exit 0")
    clone.install()
    clone.break_it()

    assert "unit passed at start, fails now" in clone.push().stderr


def test_what_git_never_says_is_a_usage_error(clone: Clone) -> None:
    assert clone.run("hook", "run", "origin", "url", stdin="two words\n").exit_code == 2
    assert clone.run("hook", "run", "origin", "url", stdin="").exit_code == 0


def test_a_local_ref_may_be_an_expression_with_spaces() -> None:
    assert read_refs(f"HEAD^{{/fix it}} {'a' * 40} refs/heads/x {ZEROS}\n".encode()) == [
        Ref("HEAD^{/fix it}", "a" * 40, "refs/heads/x", ZEROS)
    ]
    with pytest.raises(UsageError, match="not what git tells"):
        read_refs(b"nonsense\n")
