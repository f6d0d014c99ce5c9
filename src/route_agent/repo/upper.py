"""The layer above a checkout in which an overlay finds how a tree differs from it.

Only the differences are written: changed files, and a mark (a character device 0/0) for each path that is not
to be seen. The checkout itself is read for its folders' permissions and never written.
"""

from __future__ import annotations

import os
import posixpath
import stat
import time
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from route_agent.records.change import EXECUTABLE, SYMLINK
from route_agent.sandbox.environment import DEPENDENCY_DIRS, is_what_it_says, misplaced_link

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from route_agent.repo.trees import Entry, Trees

MAX_ASKED = 2000
_SUBMODULE = "160000"


@dataclass(frozen=True, slots=True)
class _Item:
    """One path of a layer: nothing is written to a file without its ctime being another one."""

    mode: int
    inode: int
    ctime_ns: int = 0


Contents = dict[str, _Item]


def fill(trees: Trees, upper: Path, start: str, tree: str, hidden: Iterable[str]) -> tuple[str, ...]:
    """Make an empty layer show `tree` above a checkout whose files are `start`.

    Returns:
        The checkout's folders of dependencies that the tree does not bring itself.

    Raises:
        EnvironmentBroken: the tree has a link where dependencies belong.
        RepositoryState: objects of the tree cannot be read.
        OSError: the layer cannot be written.
    """
    layer = _Layer(trees.repository.root, upper)
    differences = trees.differences(start, tree)
    gone = [path for path, entry in differences.items() if entry is None]
    new = {path: entry for path, entry in differences.items() if entry is not None}
    files = {path: entry for path, entry in new.items() if entry.mode != _SUBMODULE}
    asked = [*_folders_of(gone), *layer.attributes_of(files)]
    wanted = [name for name in DEPENDENCY_DIRS if name in new or layer.stands_below(name)]
    known = trees.named(tree, [*wanted, *asked])
    attributes = {path: entry for path, entry in known.items() if path.endswith(".gitattributes")}
    if files:
        trees.export(files | attributes, upper)
        layer.adopt(files)
    for path in new.keys() - files.keys():  # a submodule at another commit: empty, as in a fresh checkout
        layer.empty(path)
    for path in gone:
        layer.hide(_topmost_gone(path, known))
    for path in hidden:
        layer.hide(path)
    for path in (*new, *gone):
        layer.forget_compiled(path)
    return layer.dependencies(known)


def _folders_of(paths: Iterable[str]) -> Iterator[str]:
    for path in paths:
        while path := posixpath.dirname(path):
            yield path


def _topmost_gone(path: str, known: dict[str, Entry]) -> str:
    """The highest folder of a removed path that the tree has no more: ignored files in it go as well."""
    for folder in reversed(list(_folders_of([path]))):
        if folder not in known:
            return folder
    return path


def contents(upper: Path) -> Contents:
    """What lies in a layer, by path, and how to tell that it was written again. Links are not followed."""
    found: Contents = {}
    folders = [""]
    while folders:
        folder = folders.pop()
        with os.scandir(upper / folder) as entries:
            for entry in entries:
                path = f"{folder}{entry.name}"
                about = entry.stat(follow_symlinks=False)
                if not stat.S_ISDIR(about.st_mode):
                    found[path] = _Item(about.st_mode, about.st_ino, about.st_ctime_ns)
                    continue
                folders.append(f"{path}/")
                if _hides_what_is_below(upper / path):
                    found[path] = _Item(about.st_mode, about.st_ino)
    return found


def _hides_what_is_below(folder: Path) -> bool:
    """A folder that was removed and made again."""
    for mark in ("trusted.overlay.opaque", "user.overlay.opaque"):
        with suppress(OSError):
            return os.getxattr(folder, mark) == b"y"
    return False


def changed_above(trees: Trees, upper: Path, tree: str, laid: Contents) -> tuple[str, ...]:
    """The paths of a tree that are something else by now, as the layer tells; sorted.

    Args:
        trees: where the tree is read.
        upper: the layer, with what commands have written to it.
        tree: what it showed at first.
        laid: the layer's contents then.
    """
    now = contents(upper)
    written = tuple(path for path in now.keys() | laid.keys() if laid.get(path) != now.get(path))
    known = trees.entries(tree, written if len(written) <= MAX_ASKED else None)
    above = frozenset(written)
    known = {
        path: entry for path, entry in known.items() if not above.isdisjoint((path, *_folders_of([path])))
    }
    present = {path: entry for path, entry in known.items() if path in now and entry.mode != _SUBMODULE}
    blobs = trees.read(present)
    same = {path for path, entry in present.items() if _holds(upper / path, entry, blobs[path])}
    return tuple(
        sorted(path for path, entry in known.items() if entry.mode != _SUBMODULE and path not in same)
    )


def _holds(path: Path, entry: Entry, blob: bytes) -> bool:
    """Whether a file of hostile origin is what a tree says, line ends apart."""
    with suppress(OSError):
        about = path.lstat()
        if stat.S_ISLNK(about.st_mode):
            return entry.mode == SYMLINK and os.fsencode(path.readlink()) == blob
        is_executable = entry.mode == EXECUTABLE
        if stat.S_ISREG(about.st_mode) and entry.mode != SYMLINK:
            if bool(about.st_mode & stat.S_IXUSR) != is_executable:
                return False
            with path.open("rb") as file:
                data = file.read(2 * len(blob) + 2)
            return data == blob or data.replace(b"\r\n", b"\n") == blob.replace(b"\r\n", b"\n")
    return False


class _Layer:
    def __init__(self, project: Path, upper: Path) -> None:
        self._project = project
        self._upper = upper
        self._adopted: set[str] = set()
        self._adopt_folder("")

    def _adopt_folder(self, folder: str) -> None:
        """A folder in the layer decides the permissions of what is seen: give it the checkout's own."""
        if folder in self._adopted:
            return
        self._adopted.add(folder)
        if folder:
            self._adopt_folder(posixpath.dirname(folder))
        ours, theirs = self._upper / folder, self._project / folder
        ours.mkdir(exist_ok=True)
        with suppress(OSError):
            about = theirs.lstat()
            if stat.S_ISDIR(about.st_mode):
                ours.chmod(stat.S_IMODE(about.st_mode) | stat.S_IRWXU)

    def attributes_of(self, files: dict[str, Entry]) -> list[str]:
        """The files that say how these are to be written, as far as there can be any."""
        folders = dict.fromkeys((*_folders_of(files), *([""] if files else [])))
        named = [posixpath.join(folder, ".gitattributes") for folder in folders]
        return [name for name in named if name in files or self.stands_below(name)]

    def stands_below(self, path: str) -> bool:
        """Whether the checkout has anything at a path."""
        return os.path.lexists(self._project / path)

    def adopt(self, files: Iterable[str]) -> None:
        """What git wrote: the folders' permissions, and times that no cache of the checkout knows."""
        now = time.time()
        for path in files:
            self._adopt_folder(posixpath.dirname(path))
            with suppress(OSError):
                known = int((self._project / path).lstat().st_mtime)
                if known >= int(now):
                    os.utime(self._upper / path, (known + 1, known + 1), follow_symlinks=False)

    def hide(self, path: str) -> None:
        """Nothing is seen at a path, unless the tree has something there."""
        if self._is_ours(path):
            return
        if not self.stands_below(path):
            return
        self._adopt_folder(posixpath.dirname(path))
        os.mknod(self._upper / path, stat.S_IFCHR)

    def _is_ours(self, path: str) -> bool:
        """Whether the layer has something at a path, or something else than a folder above it."""
        for folder in (path, *_folders_of([path])):
            with suppress(FileNotFoundError, NotADirectoryError):
                mode = (self._upper / folder).lstat().st_mode
                return folder == path or not stat.S_ISDIR(mode)
        return False

    def empty(self, path: str) -> None:
        """An empty folder, whatever the checkout has below it."""
        for entry in _names(self._project / path):
            self.hide(f"{path}/{entry}")

    def forget_compiled(self, path: str) -> None:
        """Compiled files of a Python source that is another one here."""
        stem, ending = posixpath.splitext(path)
        if ending not in (".py", ".pyw"):
            return
        folder, name = posixpath.split(stem)
        cache = posixpath.join(folder, "__pycache__")
        for entry in _names(self._project / cache):
            if entry.startswith(f"{name}."):
                self.hide(f"{cache}/{entry}")
        for old in (f"{stem}.pyc", f"{stem}.pyo"):
            self.hide(old)

    def dependencies(self, known: dict[str, Entry]) -> tuple[str, ...]:
        """The folders of dependencies that come from the checkout."""
        found = []
        for name in DEPENDENCY_DIRS:
            theirs = self._project / name
            if name in known:
                if known[name].mode == SYMLINK:
                    raise misplaced_link(name)
            elif theirs.is_dir() and is_what_it_says(theirs):
                found.append(name)
                if theirs.is_symlink():  # mounts do not follow links
                    (self._upper / name).mkdir(exist_ok=True)
        return tuple(found)


def _names(folder: Path) -> list[str]:
    try:
        return [path.name for path in folder.iterdir()]
    except OSError:
        return []
