"""The scratch: the user's repository is read and never written, whatever happens."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
from sandpit import ADD, Sandpit

from route_agent import places
from route_agent.repo.clearing import remove
from route_agent.repo.repository import Repository
from route_agent.repo.scratch import KEPT_SLOTS, slot
from route_agent.repo.trees import Content


@pytest.fixture
def pit(tmp_path: Path) -> Sandpit:
    return Sandpit(tmp_path / "pit")


def opened(pit: Sandpit) -> Repository:
    return Repository.open(pit.root)


def test_the_scratch_holds_staged_unstaged_and_untracked_work_and_the_user_loses_nothing(
    pit: Sandpit,
) -> None:
    pit.write("staged.py", "s = 1\n")
    pit.git("add", "staged.py")
    pit.write("calc.py", ADD + "# mine\n")
    pit.write("sub/new file é.py", "n = 1\n")
    pit.write(".gitignore", "ignored/\n")
    pit.write("ignored/x", "x")
    pit.write(".env", "KEY=1\n")
    (pit.root / "link").symlink_to("calc.py")
    before = pit.state()

    with slot(opened(pit)) as mine:
        snapshot = mine.trees.snapshot()
        mine.show(snapshot.tree)
        found = {str(path.relative_to(mine.tree)) for path in mine.tree.rglob("*") if not path.is_dir()}

        assert found == {
            "calc.py",
            "staged.py",
            "sub/new file é.py",
            ".gitignore",
            "link",
            ".route-agent/policy.yaml",
        }
        assert (mine.tree / "calc.py").read_text().endswith("# mine\n")
        assert snapshot.left_out == (".env",)
    assert pit.state() == before


def test_hooks_filters_and_monitors_of_the_user_do_not_run(pit: Sandpit, tmp_path: Path) -> None:
    mark = tmp_path / "ran"
    script = tmp_path / "leave-a-mark"
    script.write_text(f"#!/bin/sh\necho ran >> {mark}\ncat\n")
    script.chmod(0o755)
    pit.write(".gitattributes", "*.py filter=f diff=d\n")
    pit.commit("attributes")
    for name in ("filter.f.clean", "filter.f.smudge", "diff.d.textconv", "diff.external", "core.fsmonitor"):
        pit.git("config", name, str(script))
    hook = pit.root / ".git/hooks/post-checkout"
    hook.parent.mkdir(exist_ok=True)
    hook.write_text(script.read_text())
    hook.chmod(0o755)
    pit.write("calc.py", ADD + "# mine\n")

    with slot(opened(pit)) as mine:
        snapshot = mine.trees.snapshot()
        mine.show(snapshot.tree)
        mine.trees.diff(mine.trees.tree_of(mine.trees.repository.head), snapshot.tree)

    assert not mark.exists()


def test_a_warm_scratch_shows_exactly_the_next_tree(pit: Sandpit) -> None:
    with slot(opened(pit)) as mine:
        start = mine.trees.snapshot().tree
        other = mine.trees.write(start, {"b/c.py": Content("100755", b"c = 1\n"), "calc.py": None})
        mine.show(other)
        (mine.tree / "litter.pyc").write_text("x")
        (mine.tree / "b/c.py").write_text("changed by a check")
        mine.show(start)

        assert sorted(path.name for path in mine.tree.rglob("*") if path.is_file()) == [
            "calc.py",
            "policy.yaml",
        ]
        assert mine.trees.tree_in(mine.tree) == start


def test_what_a_check_left_behind_is_cleared_away(pit: Sandpit) -> None:
    with slot(opened(pit)) as mine:
        start = mine.trees.snapshot().tree
        mine.show(start)
        (mine.tree / "locked").mkdir()
        (mine.tree / "locked/file").write_text("x")
        (mine.tree / "locked").chmod(0)
        (mine.tree / "out").symlink_to(pit.root)
        os.mkfifo(mine.tree / "pipe")
        (mine.tree / ".git").mkdir()
        mine.show(start)

        assert sorted(path.name for path in mine.tree.iterdir()) == [".route-agent", "calc.py"]
    assert (pit.root / "calc.py").exists()


def test_removing_a_folder_does_not_follow_links(tmp_path: Path) -> None:
    kept = tmp_path / "kept"
    kept.mkdir(mode=0o700)
    kept.chmod(0o500)
    gone = tmp_path / "gone"
    gone.mkdir()
    (gone / "link").symlink_to(kept)

    remove(gone)

    assert not gone.exists()
    assert kept.stat().st_mode & 0o777 == 0o500
    kept.chmod(0o700)


def test_a_slot_is_one_owners_and_comes_free_when_its_owner_is_killed(pit: Sandpit) -> None:
    holder = subprocess.Popen(
        [
            sys.executable,
            "-c",
            "import sys, time; from pathlib import Path; from route_agent.repo.repository import Repository;"
            "from route_agent.repo.scratch import slot\n"
            "with slot(Repository.open(Path(sys.argv[1]))) as mine: print(mine.folder.name, flush=True); time.sleep(60)",
            str(pit.root),
        ],
        stdout=subprocess.PIPE,
        text=True,
    )
    assert holder.stdout
    held = holder.stdout.readline().strip()
    before = pit.state()
    with slot(opened(pit)) as mine:
        assert mine.folder.name != held

    holder.send_signal(signal.SIGKILL)
    holder.wait()
    holder.stdout.close()

    with slot(opened(pit)) as mine:
        assert mine.folder.name == held
        mine.show(mine.trees.snapshot().tree)
    assert pit.state() == before


def test_slots_beyond_the_warm_ones_are_swept(pit: Sandpit) -> None:
    pool = places.repository_cache(pit.root / ".git") / "slots"
    for number in range(KEPT_SLOTS + 3):
        (pool / str(number) / "tree").mkdir(parents=True)
    old = pool / "0"
    os.utime(old, (time.time() - 10**8, time.time() - 10**8))
    (old / "tree/mark").write_text("x")

    with slot(opened(pit)):
        left = sorted(int(path.name) for path in pool.iterdir())

    assert left == list(range(KEPT_SLOTS))
    assert not (old / "tree/mark").exists()


def test_a_change_names_every_path_mode_and_count(pit: Sandpit) -> None:
    with slot(opened(pit)) as mine:
        start = mine.trees.snapshot().tree
        new = mine.trees.write(
            start,
            {"a\tb é.txt": Content("100644", b"x\n"), "calc.py": Content("100755", ADD.encode() + b"#\n")},
        )
        change = mine.trees.change(start, new)

    assert [(it.path, it.old_mode, it.new_mode, it.added, it.deleted) for it in change.files] == [
        ("a\tb é.txt", "000000", "100644", 1, 0),
        ("calc.py", "100644", "100755", 1, 0),
    ]
    assert change.summary == "+2 −0 in 2 files"


def test_windows_line_ends_are_read_as_the_user_reads_them(pit: Sandpit) -> None:
    pit.git("config", "core.autocrlf", "true")
    (pit.root / "calc.py").write_bytes(ADD.replace("\n", "\r\n").encode())

    with slot(opened(pit)) as mine:
        snapshot = mine.trees.snapshot()

        assert mine.trees.change(mine.trees.tree_of(mine.trees.repository.head), snapshot.tree).files == ()


def test_trees_that_are_written_at_the_same_time_do_not_get_into_each_other(pit: Sandpit) -> None:
    def content(text: str) -> Content:
        return Content("100644", text.encode())

    with slot(opened(pit)) as mine, ThreadPoolExecutor(4) as pool:
        trees = mine.trees
        start = trees.snapshot().tree
        wanted = {f"side_{number}.py": f"side = {number}\n" for number in range(12)}
        made = pool.map(lambda it: (it[0], trees.write(start, {it[0]: content(it[1])})), wanted.items())

        for path, tree in made:
            assert trees.change(start, tree).paths == (path,)
        assert not list(mine.folder.glob("index-own-*"))
