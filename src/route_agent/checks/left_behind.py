"""Files below a tree that a check leaves behind, and that nobody may be trusted to keep in order."""

from __future__ import annotations

import os
import re
import stat
from contextlib import contextmanager, suppress
from typing import TYPE_CHECKING

from route_agent.checks.probe import MAX_BYTES

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path


@contextmanager
def _parent(tree: Path, relative: str) -> Iterator[tuple[int, str] | None]:
    """The folder of a file, reached without following any link below the tree, and the file's name."""
    *folders, name = relative.split("/")
    held: list[int] = []
    try:
        with suppress(OSError):
            held.append(os.open(tree, os.O_RDONLY | os.O_DIRECTORY))
            for folder in folders:
                held.append(os.open(folder, os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW, dir_fd=held[-1]))
        yield (held[-1], name) if len(held) == len(folders) + 1 else None
    finally:
        for descriptor in held:
            os.close(descriptor)


def names(pattern: str, path: str) -> bool:
    """Whether a path is what a pattern means: `*` stands for anything in its last part."""
    folder, _, name = path.rpartition("/")
    wanted_folder, _, wanted = pattern.rpartition("/")
    return folder == wanted_folder and bool(_regex(wanted).fullmatch(name))


def _regex(name: str) -> re.Pattern[str]:
    return re.compile(".*".join(re.escape(part) for part in name.split("*")), re.DOTALL)


def matching(tree: Path, pattern: str) -> list[str]:
    """What stands at a path, or at all paths that match it: `*` in its last part stands for anything."""
    with _parent(tree, pattern) as found:
        if found is None:
            return []
        wanted = _regex(found[1])
        folder = pattern[: -len(found[1])]
        return [f"{folder}{name}" for name in sorted(os.listdir(found[0])) if wanted.fullmatch(name)]  # noqa: PTH208 - a descriptor, not a path


def remove(tree: Path, relative: str) -> bool:
    """Take a file away, so that what stands there later is new; whether nothing stands there now."""
    with _parent(tree, relative) as found:
        if found is None:
            return not os.path.lexists(tree / relative)
        try:
            os.unlink(found[1], dir_fd=found[0])
        except FileNotFoundError:
            return True
        except OSError:
            return False
        return True


def read(tree: Path, relative: str) -> bytes | None:
    """A regular file of up to 64 MiB; None for all else."""
    with _parent(tree, relative) as found:
        if found is None:
            return None
        flags = os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC
        try:
            descriptor = os.open(found[1], flags, dir_fd=found[0])
        except OSError:
            return None
    about = os.fstat(descriptor)
    if not stat.S_ISREG(about.st_mode) or about.st_size > MAX_BYTES:
        os.close(descriptor)
        return None
    with os.fdopen(descriptor, "rb") as file:
        return file.read(MAX_BYTES)
