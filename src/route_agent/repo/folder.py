"""A reply applied to a folder as it lies there: all of its edits or none, and nothing through a link."""

from __future__ import annotations

import os
import tempfile
from collections.abc import Iterator, Mapping
from pathlib import Path

from route_agent.errors import HostilePatch, UsageError
from route_agent.patch.fit import Fitted, fit
from route_agent.patch.formats import read_reply
from route_agent.records.change import EXECUTABLE
from route_agent.repo.git import GitFailed, git, lines


class FolderFiles(Mapping[str, bytes]):
    """The files of a folder that a patch may read: in a git checkout those that git does not ignore."""

    def __init__(self, root: Path) -> None:
        self._root = root
        self._names = dict.fromkeys(_listed(root))

    def __getitem__(self, path: str) -> bytes:
        if path not in self:
            raise KeyError(path)
        return (self._root / path).read_bytes()

    def __contains__(self, path: object) -> bool:
        return path in self._names and _is_plain(self._root, str(path))

    def __iter__(self) -> Iterator[str]:
        return (path for path in self._names if path in self)

    def __len__(self) -> int:
        return sum(1 for _ in self)


def _listed(root: Path) -> list[str]:
    try:
        return lines(git("ls-files", "--cached", "--others", "--exclude-standard", "-z", cwd=root))
    except GitFailed:
        return list(_walked(root))


def _walked(root: Path) -> Iterator[str]:
    for folder, inner, names in os.walk(root):
        inner[:] = [name for name in inner if name != ".git"]
        for name in names:
            yield str(Path(folder, name).relative_to(root))


def _is_plain(root: Path, path: str) -> bool:
    """Whether a path is a regular file that no link leads to."""
    at = root / path
    return at.is_file() and not any(
        it.is_symlink() for it in (at, *at.parents) if it.is_relative_to(root) and it != root
    )


def apply_to_folder(root: Path, reply: str, *, check: bool = False) -> Fitted:
    """Apply a reply to the files of a folder.

    Args:
        root: the folder; paths of the reply are relative to it.
        reply: a patch in any known format, with whatever stands around it.
        check: only say what would be done.

    Raises:
        BadPatch: no patch, or an edit without one home. Nothing was written.
        HostilePatch: the patch leaves its bounds. Nothing was written.
        UsageError: no such folder, or it cannot be written.
    """
    if not root.is_dir():
        raise UsageError(f"{root} is not a folder")
    fitted = fit(read_reply(reply), FolderFiles(root))
    for path in {*fitted.contents, *fitted.modes}:
        for part in (root / path, *(root / path).parents):
            if part != root and part.is_relative_to(root) and part.is_symlink():
                raise HostilePatch(f"patch refused: {path!r} leads through a link. Nothing was applied")
    if not check:
        _write(root, fitted)
    return fitted


def _write(root: Path, fitted: Fitted) -> None:
    """Write everything beside its place first, then move it there; undo what was moved if a move fails."""
    drafts: dict[Path, Path] = {}
    before: dict[Path, bytes | None] = {}
    try:
        for path, data in fitted.contents.items():
            target = root / path
            if data is not None:
                target.parent.mkdir(parents=True, exist_ok=True)
                drafts[target] = _draft(target, data)
        for path, data in fitted.contents.items():
            target = root / path
            kept = target.read_bytes() if target.is_file() else None
            if data is None:
                target.unlink()
            else:
                drafts[target].replace(target)
            before[target] = kept
        for path, mode in fitted.modes.items():
            (root / path).chmod(0o755 if mode == EXECUTABLE else 0o644)
    except OSError as error:
        for target, data in before.items():
            if data is None:
                target.unlink(missing_ok=True)
            else:
                target.write_bytes(data)
        raise UsageError(f"{error.filename}: {error.strerror}; nothing was applied") from error
    finally:
        for draft in drafts.values():
            draft.unlink(missing_ok=True)


def _draft(target: Path, data: bytes) -> Path:
    descriptor, name = tempfile.mkstemp(dir=target.parent, prefix=f".{target.name}.")
    draft = Path(name)
    with os.fdopen(descriptor, "wb") as file:
        file.write(data)
    mode = target.stat().st_mode & 0o777 if target.exists() else 0o666 & ~_umask()
    draft.chmod(mode)
    return draft


def _umask() -> int:
    current = os.umask(0)
    os.umask(current)
    return current
