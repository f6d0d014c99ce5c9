"""The throw-away worktree in which a patch is applied and checked.

A *slot* is a folder in the user's cache that one process owns by a file lock; the lock ends with the
process, however it ends, so a slot whose lock is free is stale and may be used or swept. Slots are kept
warm: putting the next tree into one costs what differs, not the whole checkout.
"""

from __future__ import annotations

import contextlib
import fcntl
import os
import shutil
import time
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

from route_agent import places
from route_agent.errors import EnvironmentBroken, RepositoryState
from route_agent.repo.git import GitFailed
from route_agent.repo.trees import Trees

if TYPE_CHECKING:
    from collections.abc import Iterator

    from route_agent.repo.repository import Repository

KEPT_SLOTS = 2
MAX_SLOTS = 64
MAX_AGE_S = 14 * 24 * 3600
_DEAD = "dead-"
MAX_LOOSE_OBJECTS = 20_000  # our store is never packed: a slot that has grown so far is made anew


class Slot:
    """One scratch: a private repository, the worktree beside it, and room for results.

    Attributes:
        tree: the worktree; checks run in it.
        home: a private home folder for them.
        results: where they leave result files.
        tools: what we put beside them, read-only for them.
    """

    def __init__(self, repository: Repository, folder: Path) -> None:
        self.folder = folder
        self.trees = Trees(repository, folder)
        self.tree = folder / "tree"
        self.home = folder / "home"
        self.results = folder / "results"
        self.tools = folder / "tools"

    def prepare(self) -> None:
        """Make it ready for its new owner.

        Raises:
            EnvironmentBroken: nothing can be written there.
        """
        try:
            self.trees.prepare()
        except (OSError, GitFailed) as error:
            self.discard()
            raise _unusable(self.folder, error) from error

    def show(self, tree: str) -> Path:
        """Put a tree into the worktree, and empty everything that an earlier check left beside it.

        Raises:
            EnvironmentBroken: the disk is full, or does not let go of something.
            RepositoryState: the tree cannot be read.
        """
        try:
            for leftover in (self.home, self.results, self.tools):
                remove(leftover)
                leftover.mkdir(mode=0o700)
            self._checkout(tree)
            _remove_what_git_overlooks(self.tree)
        except OSError as error:
            raise _unusable(self.folder, error) from error
        return self.tree

    def discard(self) -> None:
        """Let the next run have a new one: what git stumbled over may lie in here, as after a power cut."""
        _discard(self.folder)

    def _checkout(self, tree: str) -> None:
        try:
            self.trees.checkout(tree, self.tree)
        except RepositoryState:  # a check left something that git cannot clear away: begin anew
            remove(self.tree)
            (self.folder / "index-scratch").unlink(missing_ok=True)
            self.trees.checkout(tree, self.tree)


@contextmanager
def slot(repository: Repository) -> Iterator[Slot]:
    """A slot of our own, until the block ends.

    Raises:
        EnvironmentBroken: no folder can be made for it.
    """
    pool = places.repository_cache(repository.git_dir) / "slots"
    try:
        pool.mkdir(parents=True, exist_ok=True, mode=0o700)
        sweep(pool)
        descriptor, folder = _acquire(pool)
    except OSError as error:
        raise _unusable(pool, error) from error
    mine = Slot(repository, folder)
    try:
        mine.prepare()
        yield mine
    except RepositoryState:
        mine.discard()
        raise
    finally:
        os.close(descriptor)


def _unusable(folder: Path, error: OSError | GitFailed) -> EnvironmentBroken:
    why = error.words if isinstance(error, GitFailed) else error.strerror
    return EnvironmentBroken(
        f"no scratch can be made in {folder}: {why}",
        hint="set XDG_CACHE_HOME to a writable folder",
    )


def _acquire(pool: Path) -> tuple[int, Path]:
    for number in range(MAX_SLOTS):
        folder = pool / str(number)
        folder.mkdir(exist_ok=True, mode=0o700)
        try:
            descriptor = _try_lock(folder / "lock")
        except FileNotFoundError:  # swept away since the line before
            continue
        if descriptor is not None:
            os.utime(folder)
            return descriptor, folder
    raise EnvironmentBroken(f"{MAX_SLOTS} runs are under way here", hint="wait for one to end")


def _try_lock(path: Path) -> int | None:
    """The descriptor that holds the lock, never inherited by a child; None where another process has it."""
    descriptor = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        os.close(descriptor)
        return None
    try:
        same = path.stat().st_ino == os.fstat(descriptor).st_ino
    except FileNotFoundError:
        same = False
    if not same:  # a sweeper removed the file between our opening and locking it
        os.close(descriptor)
        return None
    return descriptor


def sweep(pool: Path) -> list[Path]:
    """Remove slots that nobody owns and nobody will miss: beyond the warm ones, old, or grown too large."""
    removed: list[Path] = []
    for folder in sorted(pool.iterdir(), key=lambda path: (len(path.name), path.name)):
        with contextlib.suppress(OSError):  # another process sweeps as well, or a folder does not let go
            if folder.name.startswith(_DEAD):
                remove(folder)
            elif folder.name.isdigit() and _is_spare(folder) and _sweep_one(folder):
                removed.append(folder)
    return removed


def _sweep_one(folder: Path) -> bool:
    descriptor = _try_lock(folder / "lock")
    if descriptor is None:
        return False
    try:
        _discard(folder)
    finally:
        os.close(descriptor)
    return True


def _discard(folder: Path) -> None:
    """Remove a slot that we hold. Renamed first: nobody shall take it while it is half gone."""
    with contextlib.suppress(OSError):
        dead = folder.with_name(f"{_DEAD}{folder.name}-{os.getpid()}-{time.monotonic_ns()}")
        folder.rename(dead)
        remove(dead)


def _is_spare(folder: Path) -> bool:
    return int(folder.name) >= KEPT_SLOTS or _is_old(folder) or _has_grown(folder)


def _is_old(folder: Path) -> bool:
    return time.time() - folder.stat().st_mtime > MAX_AGE_S


def _has_grown(folder: Path) -> bool:
    # git's own estimate: objects are spread evenly over 256 folders, so one of them tells
    sample = folder / "git" / "objects" / "17"
    return sample.is_dir() and sum(1 for _ in sample.iterdir()) * 256 > MAX_LOOSE_OBJECTS


def _remove_what_git_overlooks(tree: Path) -> None:
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


def remove(folder: Path) -> None:
    """Remove a folder and all it holds, also what a check made unreadable; links are not followed."""
    if folder.is_symlink() or folder.is_file():
        folder.unlink()
        return
    if not folder.exists():
        return
    for path, folders, _ in os.walk(folder):
        for name in folders:  # before the walk goes into them
            with contextlib.suppress(OSError):
                if not (inner := Path(path, name)).is_symlink():
                    inner.chmod(0o700)
    shutil.rmtree(folder, ignore_errors=False)
