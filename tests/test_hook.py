"""The pre-push hook, by real pushes to a real repository: what it stops, lets go, and gives back."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest
from clones import QUICK, ZEROS, Clone, script
from sandpit import PROGRAM, Sandpit

from route_agent.errors import UsageError
from route_agent.hooks.refs import Ref, read_refs
from route_agent.hooks.script import KEPT


@pytest.fixture
def clone(tmp_path: Path) -> Clone:
    return Clone(tmp_path / "work")


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
    start, good = clone.head, clone.change()
    clone.write("broken", "")
    clone.git("add", "broken")

    assert clone.told(f"refs/heads/main {good} refs/heads/main {start}").exit_code == 0

    clone.git("commit", "--quiet", "-m", "break it")
    bad = clone.head
    clone.git("rm", "--quiet", "broken")

    assert clone.told(f"refs/heads/main {bad} refs/heads/main {good}").exit_code == 1


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
    start = clone.head
    clone.git("switch", "--quiet", "--create", "topic")
    clone.change("one")
    head = clone.break_it()

    done = clone.told(f"refs/heads/topic {head} refs/heads/topic {ZEROS}")

    assert done.exit_code == 1
    assert f"refs/heads/topic: {start[:10]}.." in done.stderr


def test_a_tag_is_judged_as_its_commit_and_equal_commits_once(clone: Clone) -> None:
    head = clone.break_it()
    clone.git("tag", "--annotate", "v1", "-m", "first")
    tag = clone.git("rev-parse", "v1").strip()

    done = clone.told(
        f"refs/heads/main {head} refs/heads/topic {ZEROS}", f"refs/tags/v1 {tag} refs/tags/v1 {ZEROS}"
    )

    assert tag != head
    assert done.exit_code == 1
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
    start, there = clone.head, clone.change()
    clone.git("push", "--quiet", "origin", "main")
    clone.git("reset", "--quiet", "--hard", start)
    head = clone.break_it()

    done = clone.told(f"refs/heads/main {head} refs/heads/main {there}")

    assert done.exit_code == 1
    assert f"refs/heads/main: {start[:10]}..{head[:10]}" in done.stderr


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


OLD = """\
#!/bin/sh
# route-agent pre-push hook: made by `route-agent hook install`, removed by `route-agent hook uninstall`.
kept=$(dirname -- "$0")/pre-push.route-agent-kept
refs=$(cat && printf .)
for program in {program}; do
  "$program" --version </dev/null >/dev/null 2>&1 || continue
  printf %s "${{refs%.}}" | "$program" hook run -- "$@"
  exit
done
"""


def test_a_hook_that_an_earlier_version_wrote_still_works_and_is_renewed(clone: Clone) -> None:
    clone.install()
    now = (clone.hooks / "pre-push").read_bytes()
    kept = script(clone.hooks / KEPT, "exit 0")
    (clone.hooks / "pre-push").write_text(OLD.format(program=PROGRAM))
    start, head = clone.head, clone.change()

    told = clone.told(f"refs/heads/main {head} refs/heads/main {start}")
    renewed = clone.install()

    assert "was written by an earlier version: route-agent hook install renews it" in told.stderr
    assert "renewed (an earlier version had written it)" in renewed.stdout
    assert (clone.hooks / "pre-push").read_bytes() == now
    assert (clone.hooks / KEPT).read_bytes() == kept
    assert "earlier version" not in clone.install().stdout


def test_what_has_a_verdict_is_told_again_and_nothing_runs(clone: Clone) -> None:
    clone.install()
    start, head = clone.head, clone.change()
    line = f"refs/heads/{{}} {head} refs/heads/{{}} {start}"
    first = clone.told(line.format("a", "a"))

    again = clone.told(line.format("b", "b"))
    clone.write(".git/info/exclude", "seen\n")
    clone.write("seen", "an ignored file, which checks can see")
    otherwise = clone.told(line.format("c", "c"))

    assert "checks: unit passed" in first.stderr
    assert again.exit_code == 0
    assert "result    passed at ran" in again.stderr
    assert "from an earlier run, nothing was run" in again.stderr
    assert "checks" not in again.stderr
    assert "from an earlier run, nothing was run" not in otherwise.stderr


def test_what_failed_is_looked_at_anew(clone: Clone) -> None:
    line = f"refs/heads/a {clone.break_it()} refs/heads/a {ZEROS}"

    assert [clone.told(line).stderr.count("checks: unit failed") for _ in range(2)] == [1, 1]


def test_to_tell_a_verdict_again_hardly_anything_is_imported(clone: Clone) -> None:
    start, head = clone.head, clone.change()
    line = f"refs/heads/a {head} refs/heads/a {start}\n"
    clone.told(line.strip())
    code = (
        "import atexit, sys\n"
        "atexit.register(lambda: print(*{it.partition('.')[0] for it in sys.modules}))\n"
        "sys.argv = ['route-agent', 'hook', 'run', '--', 'origin', 'x']\n"
        "from route_agent.__main__ import main; main()\n"
    )

    done = subprocess.run(
        [sys.executable, "-c", code], cwd=clone.root, input=line, capture_output=True, text=True, check=True
    )

    assert "nothing was run" in done.stderr
    assert "route_agent" in done.stdout
    assert not set(done.stdout.split()) & {"typer", "click", "pydantic", "yaml", "rich", "psutil", "git"}


def test_where_nothing_is_pushed_the_program_is_not_even_started(clone: Clone) -> None:
    clone.install()
    hook = clone.hooks / "pre-push"
    hook.write_text(hook.read_text().replace(f"for program in {PROGRAM}", "exit 9; for program in"))

    done = clone.push()

    assert done.exit_code == 0
    assert done.stderr == "Everything up-to-date\n"


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
    objects = str(other.root / ".git" / "objects")
    env = {
        "GIT_DIR": str(other.root / ".git"),
        "GIT_WORK_TREE": str(other.root),
        "GIT_INDEX_FILE": "x",
        "GIT_OBJECT_DIRECTORY": objects,
        "GIT_ALTERNATE_OBJECT_DIRECTORIES": objects,
        "GIT_QUARANTINE_PATH": objects,
        "GIT_NAMESPACE": "x",
        "GIT_CONFIG_PARAMETERS": "'core.hooksPath=/nowhere'",
    }

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
    assert "checks cannot run here: unit: not found: no-such-program" in done.stderr
    assert "git push --no-verify" in done.stderr


def test_a_branch_name_is_never_read_by_a_shell(clone: Clone) -> None:
    name = "$(touch${IFS}pwned)`touch${IFS}pwned`;'\"&"
    clone.install()
    clone.git("push", "--quiet", "--no-verify", "origin", f"main:refs/heads/{name}")

    done = clone.push("origin", f":refs/heads/{name}")

    assert done.exit_code == 0, done.stderr
    assert f"refs/heads/{name}: deleted" in done.stderr
    assert not list(clone.root.parent.rglob("pwned"))


@pytest.mark.parametrize(
    "name", ["refs/heads/caf\u00e9", "refs/heads/\u202egnp", "refs/x/HEAD", "refs/notes/commits"]
)
def test_a_ref_of_any_name_is_judged_and_shown_without_being_obeyed(clone: Clone, name: str) -> None:
    done = clone.told(f"{name} {clone.head} {name} {ZEROS}")

    assert done.exit_code == 0
    assert "nothing new, nothing to judge" in done.stderr
    assert "\u202e" not in done.stderr


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
    assert read_refs(f"HEAD^{{/fix it}} {'a' * 40} refs/heads/x {ZEROS}\n".encode()) == (
        Ref("HEAD^{/fix it}", "a" * 40, "refs/heads/x", ZEROS),
    )
    with pytest.raises(UsageError, match="not what git tells"):
        read_refs(b"nonsense\n")
