"""The scratch that is an overlay over the checkout: what it shows, what it keeps back, and when it gives way."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import textwrap
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import psutil
import pytest
from sandpit import ADD, FIX, Sandpit, replies

from route_agent.checks.runner import run_checks
from route_agent.errors import EnvironmentBroken
from route_agent.policy import CheckSpec
from route_agent.records.checks import CheckKind, IsolationLevel, Outcome
from route_agent.repo.repository import Repository
from route_agent.repo.scratch import Slot, slot
from route_agent.repo.trees import Content
from route_agent.sandbox import overlay
from route_agent.sandbox.environment import clean_environment
from route_agent.sandbox.process import MARK
from route_agent.sandbox.trial import walls_for
from route_agent.sandbox.walls import Walls, best_walls

KINDS = ("overlay", "mirror")
IGNORED = ".env\n*.pem\n__pycache__/\nbuilt/\n.venv\n.pytest_cache/\n"


@pytest.fixture
def pit(tmp_path: Path) -> Sandpit:
    return Sandpit(tmp_path / "pit", {".gitignore": IGNORED, "a/b/c.py": "c = 1\n", "a/d.py": "d = 1\n"})


@dataclass
class Shown:
    """A slot and its walls."""

    slot: Slot
    walls: Walls

    def tree(self, **files: str | None) -> str:
        """The checkout with other files; `__` stands for a slash, `_py` ends a module's name."""
        named = {name.replace("__", "/").replace("_py", ".py"): text for name, text in files.items()}
        start = self.slot.trees.snapshot().tree
        return self.slot.trees.write(
            start, {n: None if t is None else Content("100644", t.encode()) for n, t in named.items()}
        )

    def shell(self, script: str) -> str:
        place = self.slot.place
        ended = self.walls.run(["sh", "-c", script], place, env=clean_environment(place), timeout_s=30)
        return ended.output or ended.reason

    def python(self, code: str, **env: str) -> str:
        place = self.slot.place
        argv = [sys.executable, "-c", code]
        return self.walls.run(argv, place, env=clean_environment(place) | env, timeout_s=30).output


def has_namespaces() -> None:
    walls = best_walls(Path("/nonexistent"))
    if walls.isolation.level is not IsolationLevel.NAMESPACES:
        if os.environ.get("ROUTE_AGENT_CI") and MARK not in os.environ:
            pytest.fail(f"no namespaces here: {walls.isolation.detail}")
        pytest.skip(f"no namespaces here: {walls.isolation.detail}")


@contextmanager
def opened(pit: Sandpit, kind: str = "overlay") -> Iterator[Shown]:
    has_namespaces()
    with slot(Repository.open(pit.root)) as mine:
        yield Shown(mine, walls_for(mine, scratch=kind))  # type: ignore[arg-type]


# --- what it shows ---


@pytest.mark.parametrize("kind", KINDS)
def test_a_tree_stands_at_the_checkouts_path_and_nothing_reaches_the_checkout(
    pit: Sandpit, kind: str
) -> None:
    pit.write("calc.py", ADD + "# not committed\n")
    pit.write("new.py", "n = 1\n")
    before = pit.state()
    with opened(pit, kind) as it:
        tree = it.tree(a__b__c_py=None, a__d_py="d = 2\n", deep__er__e_py="e = 1\n")
        it.slot.show(tree)

        assert it.shell("pwd; cat a/d.py deep/er/e.py new.py; tail -n1 calc.py; ls -A . a") == (
            f"{pit.root}\nd = 2\ne = 1\nn = 1\n# not committed\n"
            ".:\n.gitignore\n.route-agent\na\ncalc.py\ndeep\nnew.py\n\na:\nd.py\n"
        )
        it.shell(
            "git init -q; git config alias.x '!true'; echo x > calc.py; rm -r a; mkdir a; echo > a/new; echo > n"
        )
        assert it.slot.changed_since_shown() == ("a/d.py", "calc.py")
        it.slot.show(tree)
        assert it.slot.changed_since_shown() == ()
        assert it.shell("ls -A . a | tr '\\n' ' '; cat a/d.py") == (
            ".: .gitignore .route-agent a calc.py deep new.py  a: d.py d = 2\n"
        )
    assert pit.state() == before


@pytest.mark.parametrize("kind", KINDS)
def test_a_file_that_was_only_touched_or_written_anew_is_no_change(pit: Sandpit, kind: str) -> None:
    with opened(pit, kind) as it:
        it.slot.show(it.tree(a__d_py="d = 2\n"))
        it.shell(
            "touch a/d.py calc.py; echo 'd = 2' > a/d.py; cp a/b/c.py x; rm a/b/c.py; mv x a/b/c.py; echo > new"
        )
        assert it.slot.changed_since_shown() == ()
        it.shell("chmod +x a/b/c.py; rm calc.py; ln -s a/d.py calc.py")
        assert it.slot.changed_since_shown() == ("a/b/c.py", "calc.py")


def test_ignored_files_are_there_and_secrets_among_them_are_not(pit: Sandpit) -> None:
    for name in (".env", "a/.env", "built/deploy.pem", "built/x/.git/config", "id_rsa"):
        pit.write(name, "hunter2\n")
    pit.write("built/generated.py", "g = 1\n")
    pit.write("a/.venv/lib/site-packages/certifi/cacert.pem", "public\n")
    subprocess.run(["git", "init", "-q", pit.root / "nested"], check=True)
    pit.write("nested/token", "hunter2\n")
    with opened(pit) as it:
        it.slot.show(it.tree())

        assert (
            it.shell("cat built/generated.py a/.venv/lib/site-packages/certifi/cacert.pem")
            == "g = 1\npublic\n"
        )
        assert it.shell("grep -rs hunter2 . ; ls -d .git .env id_rsa nested 2>/dev/null; echo end") == "end\n"


def test_a_folder_that_is_gone_leaves_nothing_that_could_be_imported(pit: Sandpit) -> None:
    pit.write("a/b/__pycache__/c.cpython-311.pyc", "compiled")
    with opened(pit) as it:
        it.slot.show(it.tree(a__b__c_py=None))

        assert it.shell("ls a") == "d.py\n"
        assert "No module named 'a.b'" in it.python("import a.b")


@pytest.mark.parametrize("name", ["file", "folder"])
def test_a_file_may_become_a_folder_and_a_folder_a_file(pit: Sandpit, name: str) -> None:
    changes: dict[str, str | None] = (
        {"calc_py": None, "calc.py/x": "x\n"}
        if name == "file"
        else {"a__b__c_py": None, "a__d_py": None, "a": "file\n"}
    )
    with opened(pit) as it:
        it.slot.show(it.tree(**changes))

        assert it.shell("cat calc.py/x" if name == "file" else "cat a") == (
            "x\n" if name == "file" else "file\n"
        )


def test_a_link_in_the_checkout_is_not_written_through(pit: Sandpit, tmp_path: Path) -> None:
    outside = tmp_path / "outside"
    outside.mkdir()
    (pit.root / "built").symlink_to(outside)
    with opened(pit) as it:
        it.slot.show(it.tree(built__x_py="x = 1\n"))

        assert it.shell("cat built/x.py") == "x = 1\n"
    assert list(outside.iterdir()) == []


def test_line_ends_are_what_a_checkout_would_make_of_them(pit: Sandpit) -> None:
    pit.write(".gitattributes", "*.txt text eol=crlf\n")
    pit.commit("attributes")
    with opened(pit) as it:
        tree = it.slot.trees.write(it.tree(), {"a/x.txt": Content("100644", b"one\n")})
        it.slot.show(tree)

        assert it.shell("od -c a/x.txt | head -n1").split() == ["0000000", "o", "n", "e", "\\r", "\\n"]
        assert it.slot.changed_since_shown() == ()


def test_the_interpreter_of_the_checkout_is_there_and_cannot_be_written(pit: Sandpit, tmp_path: Path) -> None:
    subprocess.run([sys.executable, "-m", "venv", "--without-pip", tmp_path / "elsewhere"], check=True)
    (pit.root / ".venv").symlink_to(tmp_path / "elsewhere")
    with opened(pit) as it:
        it.slot.show(it.tree())

        assert it.shell("python -c 'import sys; print(sys.prefix)'") == f"{pit.root}/.venv\n"
        assert "Read-only file system" in it.shell("echo > .venv/evil.pth")


def test_a_link_that_a_tree_brings_for_its_dependencies_is_refused(pit: Sandpit) -> None:
    with opened(pit) as it:
        tree = it.slot.trees.write(it.tree(), {".venv": Content("120000", b"/etc")})

        with pytest.raises(EnvironmentBroken, match=r"\.venv is a symbolic link"):
            it.slot.show(tree)


# --- what an earlier run left behind ---


@pytest.mark.parametrize("kind", KINDS)
def test_a_change_of_equal_size_in_the_same_second_is_what_python_runs(pit: Sandpit, kind: str) -> None:
    """Compiled files are believed by whole seconds and size: the users', and those of the mutant before."""
    value = pit.write("value.py", "V = 1\n")
    second = int(time.time())
    os.utime(value, (second, second))
    subprocess.run([sys.executable, "-m", "compileall", "-q", value], check=True)
    for compiled in (
        pit.root / "__pycache__"
    ).iterdir():  # as each Python that may be first here would name it
        (compiled.parent / "value.cpython-311.pyc").write_bytes(compiled.read_bytes())
    with opened(pit, kind) as it:
        for number in (2, 3, 4):
            it.slot.show(it.tree(value_py=f"V = {number}\n"))

            assert [it.python("import value; print(value.V)", PYTHONDONTWRITEBYTECODE="") for _ in "ab"] == [
                f"{number}\n"
            ] * 2


def test_compiled_files_that_are_older_than_their_source_are_not_believed(pit: Sandpit) -> None:
    value = pit.write("value.py", "V = 1\n")
    second = int(time.time()) - 100
    os.utime(value, ns=(second * 10**9 + 10**8,) * 2)
    subprocess.run([sys.executable, "-m", "compileall", "-q", value], check=True)
    (compiled,) = (pit.root / "__pycache__").iterdir()
    os.utime(compiled, ns=(second * 10**9 + 2 * 10**8,) * 2)
    pit.write("value.py", "V = 2\n")
    os.utime(value, ns=(second * 10**9 + 3 * 10**8,) * 2)
    code = "import value; print(value.V)"
    believed = subprocess.run(
        [sys.executable, "-c", code], cwd=pit.root, capture_output=True, text=True, check=True
    ).stdout

    with opened(pit) as it:
        it.slot.show(it.tree())

        assert (believed, it.python(code)) == ("1\n", "2\n")


def test_what_pytest_remembers_of_other_runs_is_not_there(pit: Sandpit) -> None:
    pit.write(".pytest_cache/v/cache/lastfailed", "{}")
    with opened(pit) as it:
        it.slot.show(it.tree())

        assert it.shell("ls -d .pytest_cache 2>&1").endswith("No such file or directory\n")


def test_what_is_ignored_is_part_of_the_surroundings(pit: Sandpit) -> None:
    told = []
    for text in ("one", "one", "three"):
        if not (pit.root / "built" / "x").exists() or text != "one":
            pit.write("built/x", text)
        with opened(pit) as it:
            told.append(it.slot.surroundings)
    with opened(pit, "mirror") as it:
        told.append(it.slot.surroundings)

    assert told[0] == told[1] != told[2]
    assert told[3] == "mirror"


# --- which code is under test ---


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("good", ["scratch", "checkout"])
def test_an_editable_install_tests_the_scratch_and_never_the_checkout(
    pit: Sandpit, kind: str, good: str
) -> None:
    subprocess.run([sys.executable, "-m", "venv", "--without-pip", pit.root / ".venv"], check=True)
    (site,) = (pit.root / ".venv").glob("lib/python3*/site-packages")
    (site / "__editable__.retry.pth").write_text(f"{pit.root}/src\n")
    texts = {"scratch": "def cap(): return 64\n", "checkout": "def cap(): return 1\n"}
    pit.write("src/retry/__init__.py", texts["checkout" if good == "scratch" else "scratch"])
    pit.write("test_cap.py", "from retry import cap\nassert cap() == 64\n")
    pit.commit("retry")
    spec = CheckSpec.model_validate({"name": "unit", "kind": "test", "run": ["python", "test_cap.py"]})
    with opened(pit, kind) as it:
        tree = it.slot.trees.write(
            it.tree(), {"src/retry/__init__.py": Content("100644", texts[good].encode())}
        ) if good == "scratch" else it.slot.trees.write(
            it.tree(), {"src/retry/__init__.py": Content("100644", texts["checkout"].encode())}
        )  # fmt: skip
        it.slot.show(tree)
        (result,) = run_checks([spec], it.slot.place, it.walls, tree_id=tree).results
        where = it.shell("python -c 'import retry; print(retry.__file__)'")

    assert result.kind is CheckKind.TEST
    assert where == f"{pit.root}/src/retry/__init__.py\n"
    assert result.outcome is (Outcome.PASSED if good == "scratch" else Outcome.FAILED), result


# --- when it gives way ---


def detail(pit: Sandpit) -> str:
    with opened(pit, "auto") as it:
        return it.walls.isolation.detail


def test_files_of_another_user_are_left_to_a_mirror(pit: Sandpit) -> None:
    if os.geteuid():
        pytest.skip("only root can give files away")
    os.chown(pit.root / "calc.py", 12345, 12345)

    assert detail(pit).startswith(f"mirror: {pit.root}/calc.py belongs to another user, bwrap ")


def test_a_path_that_mount_options_cannot_hold_is_left_to_a_mirror(tmp_path: Path) -> None:
    assert "mirror: a path has a character" in detail(Sandpit(tmp_path / "a,b"))


def test_a_sparse_checkout_is_left_to_a_mirror(pit: Sandpit) -> None:
    pit.git("sparse-checkout", "set", "a")

    assert "mirror: a sparse checkout" in detail(pit)


@pytest.mark.parametrize(
    ("hold", "why"),
    [
        ('echo "mount: permission denied"', "mirror: mount: permission denied, bwrap"),
        ("echo ready; read -r _", "mirror: nothing was mounted, bwrap"),
        (
            'd=$(mktemp -d); mount -t tmpfs none "$d"; cp -r "$1/." "$d"; mount --bind "$d" "$1"; umount "$d";'
            ' rmdir "$d"; echo ready; read -r _',
            "mirror: bwrap: the walls do not hold: ",
        ),
    ],
)
def test_what_is_no_overlay_is_not_believed(
    pit: Sandpit, monkeypatch: pytest.MonkeyPatch, hold: str, why: str
) -> None:
    before = pit.state()
    monkeypatch.setattr(overlay, "_HOLD", hold)

    assert why in detail(pit)
    assert pit.state() == before


def test_an_overlay_that_is_asked_for_and_cannot_be_had_ends_the_run(
    pit: Sandpit, apart: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    pit.git("sparse-checkout", "set", "a")
    (apart / "config" / "route-agent").mkdir(parents=True)
    (apart / "config" / "route-agent" / "config.yaml").write_text("scratch: overlay\n")
    has_namespaces()
    pit.write("a/more.py", "x = 1\n")  # of no change nothing has to be found out

    done = pit.run("verify", "--base", "HEAD")

    assert done.exit_code == 6, done
    assert "cannot be had: a sparse checkout does not hold all files" in done.stderr


@pytest.mark.parametrize("kind", KINDS)
def test_the_report_names_the_kind_of_scratch(pit: Sandpit, apart: Path, tmp_path: Path, kind: str) -> None:
    has_namespaces()
    (apart / "config" / "route-agent").mkdir(parents=True)
    (apart / "config" / "route-agent" / "config.yaml").write_text(f"scratch: {kind}\n")

    done = pit.run(
        "--task", "sums must be right", "--replay", str(replies(tmp_path, ("fast", FIX), ("strong", FIX)))
    )

    assert f"isolation: namespaces ({kind}, bwrap " in done.stdout, done


def test_work_in_the_checkout_while_it_is_checked_is_checked_again_in_a_mirror(tmp_path: Path) -> None:
    has_namespaces()
    slow = "import time, calc; time.sleep(2); raise SystemExit(calc.add(2, 2) != 4)"
    policy = f"version: 1\nchecks:\n  - {{name: unit, kind: test, run: [python3, -c, {json.dumps(slow)}]}}\n"
    pit = Sandpit(tmp_path / "pit", policy=policy)
    pit.write("calc.py", ADD.replace("a - b", "a + b"))
    argv = [str(Path(sys.executable).with_name("route-agent")), "verify"]
    running = subprocess.Popen(argv, cwd=pit.root, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
    deadline = time.monotonic() + 30
    while not any(
        "time.sleep(2)" in " ".join(it.info["cmdline"] or ()) for it in psutil.process_iter(["cmdline"])
    ):
        assert time.monotonic() < deadline
        time.sleep(0.05)
    pit.write("other.py", "my next thought\n")

    said, errors = running.communicate(timeout=60)

    assert "namespaces (mirror: files of the checkout were changed while they were checked" in said, (
        said + errors
    )
    assert "my next thought" not in said


def test_nothing_stays_mounted_when_the_run_is_killed(pit: Sandpit) -> None:
    has_namespaces()
    holder = textwrap.dedent("""
        import sys, time
        from pathlib import Path
        from route_agent.repo.repository import Repository
        from route_agent.repo.scratch import slot
        from route_agent.sandbox.trial import walls_for
        with slot(Repository.open(Path(sys.argv[1]))) as mine:
            walls_for(mine)
            mine.show(mine.trees.snapshot().tree)
            print(mine.place.entrance[2], flush=True)
            time.sleep(60)
    """)
    killed = subprocess.Popen(
        [sys.executable, "-c", holder, str(pit.root)], stdout=subprocess.PIPE, text=True
    )
    assert killed.stdout
    pid = int(killed.stdout.readline())
    assert psutil.pid_exists(pid)

    killed.send_signal(signal.SIGKILL)
    killed.wait()
    killed.stdout.close()

    deadline = time.monotonic() + 5
    while psutil.pid_exists(pid) and time.monotonic() < deadline:
        time.sleep(0.02)
    assert not psutil.pid_exists(pid)
    with opened(pit) as it:  # what it left is swept by the next
        it.slot.show(it.tree())
        assert it.shell("cat a/d.py") == "d = 1\n"
