"""What lies in a checkout beside its tree: what checks must not see there, and what else may sway them.

An overlay shows the ignored files of the checkout, as a run by hand would: generated code, extensions built
in place. Secrets among them are hidden, and so is what an earlier run left behind that could speak for it.
"""

from __future__ import annotations

import hashlib
import os
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

from route_agent.redaction import is_secret_name
from route_agent.sandbox.overlay import Refused

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from route_agent.repo.working import Snapshot

MAX_ENTRIES = 200_000

# installed packages: their own `*.pem` files are no secrets, and the walls show them as they are
_PACKAGES = frozenset({".venv", "venv", "node_modules", "site-packages"})
# what a package manager writes there when it installs; the folder itself changes with what lies in it
_INSTALLED = ("", ".package-lock.json", ".yarn-integrity", ".modules.yaml", "pyvenv.cfg")
# speaks of other runs: the tests that failed last, results that a check may take for its own
_OF_OTHER_RUNS = frozenset({".pytest_cache", ".hypothesis"})
# kept by tools for themselves and true to the files: it makes them quicker and decides nothing
_CACHES = frozenset({"__pycache__", ".mypy_cache", ".ruff_cache", ".git"})


@dataclass(frozen=True, slots=True)
class Around:
    """What is known of the files around a tree.

    Attributes:
        hidden: the paths that are taken out of sight, folders without a slash.
        stamp: equal where all that is left in sight has the same names, sizes and times.
    """

    hidden: tuple[str, ...]
    stamp: str


def around(root: Path, snapshot: Snapshot) -> Around:
    """Look through what a snapshot left out.

    Raises:
        Refused: more than `MAX_ENTRIES` files and folders.
    """
    look = _Look(root)
    look.hidden += [".git", *(path.rstrip("/") for path in snapshot.left_out), *_sockets(root)]
    for path in snapshot.ignored:
        name = path.rstrip("/").rpartition("/")[2]
        look.take(path.rstrip("/"), name, is_folder=path.endswith("/"))
    return Around(tuple(dict.fromkeys(look.hidden)), look.digest.hexdigest())


def stamp_of(root: Path, ignored: Iterable[str]) -> str:
    """The stamp alone, of paths that git ignores; folders end with a slash.

    Raises:
        Refused: more than `MAX_ENTRIES` files and folders.
    """
    look = _Look(root)
    for path in ignored:
        name = path.rstrip("/").rpartition("/")[2]
        look.take(path.rstrip("/"), name, is_folder=path.endswith("/"))
    return look.digest.hexdigest()


@dataclass(slots=True)
class _Look:
    root: Path
    hidden: list[str] = field(default_factory=list)
    digest: hashlib._Hash = field(default_factory=hashlib.sha256)
    seen: int = 0

    def take(self, path: str, name: str, *, is_folder: bool) -> None:
        """Look at one ignored path, and at all below it."""
        self.seen += 1
        if self.seen > MAX_ENTRIES:
            raise Refused(f"more than {MAX_ENTRIES} ignored files to look through")
        if name == ".git" or name in _OF_OTHER_RUNS or is_secret_name(path):
            self.hidden.append(path)
        elif not is_folder:
            self._stamp(path)
        elif name == "__pycache__":
            self.hidden += _stale(self.root, path)
        elif name in _PACKAGES:
            self._installed(path)
        elif name not in _CACHES:
            self._below(path)

    def _below(self, folder: str) -> None:
        if (self.root / folder / "pyvenv.cfg").exists():
            self._installed(folder)
            return
        with suppress(OSError):  # what we cannot read, no check of ours can
            for entry in _entries(self.root / folder):
                self.take(f"{folder}/{entry.name}", entry.name, is_folder=entry.is_dir(follow_symlinks=False))

    def _installed(self, folder: str) -> None:
        """When something was last installed in a folder of packages: too many files to look at each."""
        place = self.root / folder
        for path in (
            *(place / name for name in _INSTALLED),
            *sorted(place.glob("lib/python3*/site-packages")),
        ):
            self._stamp(os.path.relpath(path, self.root))

    def _stamp(self, path: str) -> None:
        with suppress(OSError):
            about = (self.root / path).lstat()
            told = f"{path}\0{about.st_size}\0{about.st_mtime_ns}\0{about.st_mode}\0"
            self.digest.update(told.encode(errors="surrogateescape"))


def _sockets(root: Path) -> Iterator[str]:
    """Where programs of the user's listen inside the checkout: no namespace keeps checks from them."""
    with suppress(OSError):
        for line in Path("/proc/net/unix").read_text(encoding="utf-8", errors="surrogateescape").splitlines():
            path = line.split(" ", 7)[-1].strip()
            if path.startswith(f"{root}/"):
                yield path[len(f"{root}/") :]


def _entries(folder: Path) -> Iterator[os.DirEntry[str]]:
    with os.scandir(folder) as entries:
        yield from sorted(entries, key=lambda entry: entry.name)


def _stale(root: Path, folder: str) -> Iterator[str]:
    """Compiled files that Python would believe although their source was written after them.

    It compares the source's time in whole seconds and its size: a change of equal size within the same second
    is not noticed.
    """
    parent = folder.rpartition("/")[0]
    with suppress(OSError):
        for entry in _entries(root / folder):
            with suppress(OSError):
                source = (root / parent / f"{entry.name.partition('.')[0]}.py").lstat()
                compiled = entry.stat(follow_symlinks=False)
                if source.st_mtime_ns > compiled.st_mtime_ns and _same_second(source, compiled):
                    yield f"{folder}/{entry.name}"


def _same_second(one: os.stat_result, other: os.stat_result) -> bool:
    return int(one.st_mtime) == int(other.st_mtime)
