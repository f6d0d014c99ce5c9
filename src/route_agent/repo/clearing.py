"""Clear away what checks left behind: nothing in it may be trusted, and no link in it is followed."""

from __future__ import annotations

import contextlib
import os
import shutil
import stat
from pathlib import Path


def remove_what_git_overlooks(tree: Path) -> None:
    """A `.git` of the checks' own, and pipes, sockets and devices: cleaning leaves them lying."""
    remove(tree / ".git")
    folders = [str(tree)]
    while folders:
        with os.scandir(folders.pop()) as entries:
            for entry in entries:
                if entry.is_dir(follow_symlinks=False):
                    folders.append(entry.path)
                elif not entry.is_file(follow_symlinks=False) and not entry.is_symlink():
                    os.unlink(entry.path)  # noqa: PTH108 - a Path for every file of a tree is slow


def empty(folder: Path) -> None:
    """A private folder with nothing in it. Emptied rather than made anew: removing a folder can take long."""
    try:
        if folder.is_symlink():
            folder.unlink()
        folder.mkdir(mode=0o700)
    except FileExistsError:
        folder.chmod(0o700)
        for path in folder.iterdir():
            remove(path)


def remove(folder: Path) -> None:
    """Remove a folder and all it holds, also what a check made unreadable; links are not followed."""
    try:
        if not stat.S_ISDIR(folder.lstat().st_mode):
            folder.unlink()
            return
    except FileNotFoundError:
        return
    for path, folders, _ in os.walk(folder):
        for name in folders:  # before the walk goes into them
            with contextlib.suppress(OSError):
                if not (inner := Path(path, name)).is_symlink():
                    inner.chmod(0o700)
    shutil.rmtree(folder, ignore_errors=False)
