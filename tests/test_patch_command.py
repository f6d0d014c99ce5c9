"""The applier by itself, on a folder as it lies there."""

from __future__ import annotations

import resource
from pathlib import Path

import pytest
from sandpit import FIX, Sandpit

from route_agent.errors import UsageError
from route_agent.repo.folder import apply_to_folder


@pytest.fixture
def pit(tmp_path: Path) -> Sandpit:
    return Sandpit(tmp_path / "pit")


def test_a_reply_on_standard_input_is_applied_to_the_folder(pit: Sandpit) -> None:
    done = pit.run("patch", "apply", "-", stdin=f"Sure!\n\n{FIX}\nThat should do.\n")

    assert (done.exit_code, done.stdout) == (0, "write calc.py\n"), done.stderr
    assert pit.git("status", "--porcelain") == " M calc.py\n"
    assert "return a + b" in (pit.root / "calc.py").read_text()


def test_check_only_says_what_would_be_done(pit: Sandpit) -> None:
    before = pit.state()

    done = pit.run("patch", "apply", "-", "--check", "--json", stdin=FIX)

    assert done.json == {"schema": 1, "applied": False, "files": [{"path": "calc.py", "action": "write"}]}
    assert pit.state() == before


def test_a_patch_without_a_home_is_refused_with_the_lines_that_stand_there(pit: Sandpit) -> None:
    before = pit.state()
    two = FIX.replace("return a - b", "return a -- bb") + "\n--- /dev/null\n+++ b/new.py\n@@ -0,0 +1 @@\n+x\n"

    done = pit.run("patch", "apply", "-", stdin=two)

    assert done.exit_code == 1
    assert "calc.py, hunk 1" in done.stderr
    assert "return a - b" in done.stderr
    assert pit.state() == before


@pytest.mark.parametrize("path", ["../x.py", ".git/hooks/pre-commit", "out/x.py"])
def test_a_patch_that_leaves_the_folder_is_hostile(pit: Sandpit, path: str) -> None:
    (pit.root / "out").symlink_to(pit.root.parent)
    before = pit.state()

    done = pit.run("patch", "apply", "-", stdin=f"--- /dev/null\n+++ b/{path}\n@@ -0,0 +1 @@\n+x\n")

    assert done.exit_code == 4
    assert pit.state() == before
    assert not (pit.root.parent / "x.py").exists()


def test_an_ignored_file_is_not_copied_into_a_tracked_one(pit: Sandpit) -> None:
    pit.write(".gitignore", ".env\n")
    pit.write(".env", "KEY=1\n")

    done = pit.run(
        "patch",
        "apply",
        "-",
        stdin="diff --git a/.env b/open.txt\nsimilarity index 100%\ncopy from .env\ncopy to open.txt\n",
    )

    assert done.exit_code == 1
    assert not (pit.root / "open.txt").exists()


def test_a_write_that_fails_half_way_leaves_every_file_as_it_was(tmp_path: Path) -> None:
    (tmp_path / "a").write_text("one\n")
    long = "".join(f"+line {number}\n" for number in range(100))
    reply = (
        f"--- a/a\n+++ b/a\n@@ -1 +1 @@\n-one\n+two\n--- /dev/null\n+++ b/new/b\n@@ -0,0 +1,100 @@\n{long}"
    )
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (200, hard))  # as on a disk that is full
    try:
        with pytest.raises(UsageError, match="nothing was applied"):
            apply_to_folder(tmp_path, reply)
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))

    assert (tmp_path / "a").read_text() == "one\n"
    assert [path.name for path in tmp_path.iterdir()] == ["a"]


def test_show_tells_what_a_reply_asks_for(pit: Sandpit) -> None:
    done = pit.run("patch", "show", "-", stdin=FIX)

    assert done.stdout == "edit       calc.py  +1 −1 in 1 hunks\n"
