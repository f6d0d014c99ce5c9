"""The throw-away worktree in which a patch is applied and checked.

It is of one of two kinds. A *mirror* is a worktree of its own, which the walls put in the checkout's place.
An *overlay* is the checkout itself with a layer above it: see `sandbox.overlay`. It takes the same few
milliseconds at any size, and is only used where a trial has shown that it holds.

A *slot* is a folder in the user's cache that one process owns by a file lock; the lock ends with the
process, however it ends, so a slot whose lock is free is stale and may be used or swept. Slots are kept
warm: putting the next tree into one costs what differs, not the whole checkout.
"""

from __future__ import annotations

import contextlib
import fcntl
import os
import threading
import time
from contextlib import contextmanager
from pathlib import Path
from types import MappingProxyType
from typing import TYPE_CHECKING

from route_agent import places
from route_agent.errors import EnvironmentBroken, RepositoryState
from route_agent.repo.around import Around, around
from route_agent.repo.clearing import empty, remove, remove_what_git_overlooks
from route_agent.repo.git import GitFailed
from route_agent.repo.trees import Trees
from route_agent.repo.upper import Contents, changed_above, contents, fill
from route_agent.sandbox.overlay import Overlay, Refused, mount
from route_agent.sandbox.place import Place

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping

    from route_agent.repo.repository import Repository
    from route_agent.repo.working import Snapshot

KEPT_SLOTS = 2
MAX_SLOTS = 64
MAX_AGE_S = 14 * 24 * 3600
LOOK_LASTS_S = 10.0
NO_FILES: Mapping[str, str] = MappingProxyType({})
_DEAD = "dead-"
MAX_LOOSE_OBJECTS = 20_000  # our store is never packed: a slot that has grown so far is made anew


class Slot:
    """One scratch: a private repository, the worktree beside it, and room for results.

    Attributes:
        overlaid: whether trees are shown by an overlay; without, by a mirror.
        home: a private home folder for checks.
        results: where they leave result files.
        tools: what we put beside them, read-only for them.
    """

    def __init__(self, repository: Repository, folder: Path) -> None:
        self.folder = folder
        self.trees = Trees(repository, folder)
        self.home = folder / "home"
        self.results = folder / "results"
        self.tools = folder / "tools"
        self.overlaid = False
        self._shown = ""
        self._overlay: Overlay | None = None
        self._dependencies: tuple[str, ...] = ()
        self._laid: Contents = {}
        self._below: tuple[Snapshot, Around] | None = None
        self._looked = 0.0
        self._is_looked_at = False  # since something was last shown

    @property
    def tree(self) -> Path:
        """What was shown last, for this process to read. See `Place.tree` for what it is not."""
        return self._overlay.tree if self._overlay else self.folder / "tree"

    @property
    def place(self) -> Place:
        """Where commands find what was shown last, at the checkout's own path."""
        mounted = self._overlay
        return Place(
            tree=self.tree,
            project=self.trees.repository.root,
            home=self.home,
            results=self.results,
            tools=self.tools,
            entrance=mounted.entrance if mounted else (),
            dependencies=self._dependencies if mounted else None,
        )

    def prepare(self) -> None:
        """Make it ready for its new owner.

        Raises:
            EnvironmentBroken: nothing can be written there.
        """
        try:
            self.trees.prepare()
            self._dispose(self._layers)
        except (OSError, GitFailed) as error:
            self.discard()
            raise _unusable(self.folder, error) from error

    def show(self, tree: str, *, mirrored: bool = False) -> Path:
        """Put a tree into the worktree, and empty everything that an earlier check left behind.

        Args:
            tree: its id.
            mirrored: in a mirror whatever the kind is, so that git may be used on it.

        Raises:
            EnvironmentBroken: the disk is full, or does not let go of something.
            RepositoryState: the tree cannot be read.
        """
        try:
            self._clear()
            if self.overlaid and not mirrored:
                self._lay(tree)
            else:
                self._checkout(tree)
                remove_what_git_overlooks(self.tree)
        except OSError as error:
            raise _unusable(self.folder, error) from error
        except Refused as error:
            raise EnvironmentBroken(
                f"no overlay can be mounted any more: {error}", hint="scratch: mirror in the configuration"
            ) from error
        self._shown = tree
        return self.tree

    def close(self) -> None:
        """Unmount what is mounted, and remove what was written there."""
        overlay, self._overlay = self._overlay, None
        if overlay:
            overlay.release()
            self._dispose(self._layers)

    def _dispose(self, folder: Path) -> None:
        """Take a folder out of the way at once, and remove it beside what comes next: that can be slow."""
        with contextlib.suppress(FileNotFoundError):
            dead = _renamed(folder, self.folder.parent)
            threading.Thread(target=_remove_quietly, args=(dead,)).start()

    @property
    def _layers(self) -> Path:
        return self.folder / "layers"

    def _clear(self) -> None:
        self.close()
        for folder in (self.home, self.results, self.tools):
            empty(folder)

    def lay_trial(self, files: dict[str, str], taken: Iterable[str]) -> frozenset[str]:
        """Show the checkout with some text files more and some paths less, in an overlay.

        Returns:
            What is hidden of it besides.

        Raises:
            EnvironmentBroken: nothing can be written for it.
            Refused: the system does not mount it.
            RepositoryState: the checkout cannot be read.
        """
        try:
            self._clear()
            below, around_it = self._known_below()
            self._lay(below.tree, files, taken)
        except OSError as error:
            raise _unusable(self.folder, error) from error
        return frozenset(around_it.hidden)

    def _lay(self, tree: str, files: Mapping[str, str] = NO_FILES, taken: Iterable[str] = ()) -> None:
        below, around_it = self._known_below()
        upper, work = self._layers / "upper", self._layers / "work"
        for folder in (self._layers, upper, work):
            folder.mkdir(mode=0o700)
        self._dependencies = fill(self.trees, upper, below.tree, tree, (*around_it.hidden, *taken))
        for name, text in files.items():
            (upper / name).write_text(text)
        self._laid = contents(upper)
        self._is_looked_at = False
        self._overlay = mount(self.trees.repository.root, upper, work)

    def _known_below(self) -> tuple[Snapshot, Around]:
        """What the checkout holds, as far as we know."""
        if self._below is None:
            snapshot = self.trees.taken or self.trees.snapshot()
            self._below = snapshot, around(self.trees.repository.root, snapshot)
            self._looked = time.monotonic()
        return self._below

    def is_undisturbed(self) -> bool:
        """Whether the checkout below is still what it was taken for. A mirror has nothing below.

        Raises:
            RepositoryState: git cannot read it.
        """
        if not self.overlaid or self._below is None or self._is_looked_at:
            return True
        self._looked = time.monotonic()
        self._is_looked_at = self.trees.is_still(self._below[0])
        return self._is_looked_at

    def look_again(self) -> None:
        """Take the checkout for what it is now, if somebody may have worked in it since the last look.

        Raises:
            RepositoryState: git cannot read it.
        """
        is_old = time.monotonic() - self._looked > LOOK_LASTS_S
        if self.overlaid and self._below and is_old:
            self._is_looked_at = False
            if not self.is_undisturbed():
                self._below = None
                self.trees.snapshot()

    def changed_since_shown(self) -> tuple[str, ...]:
        """The files of the tree last shown that checks have changed or removed since, sorted.

        Whatever the kind of scratch: paths relative to the tree, of files that are in the tree shown, and
        whose content, mode or kind is another one now; nothing that a check merely touched, and nothing new.
        An overlay finds the candidates among what lies in its upper layer (whiteouts are removals).

        Raises:
            EnvironmentBroken: the scratch cannot be read any more.
        """
        try:
            if self._overlay is None:
                return self.trees.changed_in(self.tree)
            return changed_above(self.trees, self._layers / "upper", self._shown, self._laid)
        except (OSError, GitFailed) as error:
            raise _unusable(self.folder, error) from error

    @property
    def surroundings(self) -> str:
        """What else decides how checks end here, for the keys of cached results; equal where nothing differs.

        In a mirror there is nothing but the tree shown. In an overlay checks also see ignored files.

        Raises:
            RepositoryState: git cannot read the checkout.
        """
        return self.surroundings_of(overlaid=self.overlaid)

    def surroundings_of(self, *, overlaid: bool) -> str:
        """The same for one kind of scratch, whichever it is here."""
        return f"overlay {self._known_below()[1].stamp}" if overlaid else "mirror"

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
        mine.close()
        mine.discard()
        raise
    finally:
        mine.close()
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
        remove(_renamed(folder, folder.parent))


def _renamed(folder: Path, pool: Path) -> Path:
    """A folder under a name by which every process knows that it is to be removed."""
    return folder.rename(pool / f"{_DEAD}{folder.name}-{os.getpid()}-{time.monotonic_ns()}")


def _remove_quietly(folder: Path) -> None:
    with contextlib.suppress(OSError):  # another process sweeps as well
        remove(folder)


def _is_spare(folder: Path) -> bool:
    return int(folder.name) >= KEPT_SLOTS or _is_old(folder) or _has_grown(folder)


def _is_old(folder: Path) -> bool:
    return time.time() - folder.stat().st_mtime > MAX_AGE_S


def _has_grown(folder: Path) -> bool:
    # git's own estimate: objects are spread evenly over 256 folders, so one of them tells
    sample = folder / "git" / "objects" / "17"
    return sample.is_dir() and sum(1 for _ in sample.iterdir()) * 256 > MAX_LOOSE_OBJECTS
