"""A reply applied to a folder as it lies there: all of its edits or none, and nothing through a link."""

from __future__ import annotations

import contextlib
import hashlib
import os
import tempfile
from collections import Counter
from collections.abc import Iterator, Mapping
from contextlib import ExitStack
from pathlib import Path, PurePosixPath
from stat import S_IMODE

from route_agent.errors import BadPatch, HostilePatch, UsageError
from route_agent.patch import guard
from route_agent.patch.fit import Fitted, fit
from route_agent.patch.formats import read_reply
from route_agent.records.change import ABSENT, EXECUTABLE, REGULAR, Change, FileChange
from route_agent.redaction import is_secret_name
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

    @property
    def names(self) -> tuple[str, ...]:
        """Every path that is listed, links and what is gone from the disk included."""
        return tuple(self._names)


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
    files = FolderFiles(root)
    fitted = fit(read_reply(reply), files)
    for path in {*fitted.contents, *fitted.modes}:
        _refuse_beyond(root, path)
    _judge(root, fitted, files)
    new = {path for path, data in fitted.contents.items() if data is not None}
    gone = {path.casefold() for path, data in fitted.contents.items() if data is None}
    for path, data in fitted.contents.items():
        at = root / path
        # another case of what is removed is that file
        hidden = os.path.lexists(at) and path.casefold() not in gone
        if data is not None and at.is_dir() and not at.is_symlink():
            raise BadPatch(f"{path} cannot be written: a folder stands there")
        if data is not None and (
            above := next((it for it in map(str, PurePosixPath(path).parents) if it in new), "")
        ):
            raise BadPatch(f"{path} cannot be written: {above} is a file")
        if data is not None and path not in files and hidden:
            raise BadPatch(f"{path} is there already and is none of the files that may be edited")
    if not check:
        _write(root, fitted)
    return fitted


def _refuse_beyond(root: Path, path: str) -> None:
    """Nothing is written through a link, or into a repository that lies inside the folder."""
    above = [part for part in reversed((root / path).parents) if part.is_relative_to(root) and part != root]
    for part in (*above, root / path):
        name = part.relative_to(root)
        if part.is_symlink():
            if _leads_out(root, part):
                raise HostilePatch(
                    f"patch refused: {path!r} leads through {str(name)!r}, a link that leaves the folder. "
                    "Nothing was applied"
                )
            raise BadPatch(f"{path} cannot be written: {name} is a link")
        if part in above and os.path.lexists(part / ".git"):
            raise BadPatch(f"{path} cannot be written: {name} is another repository")
        if part in above and part.exists() and not part.is_dir():
            raise BadPatch(f"{path} cannot be written: {name} is a file")


def _leads_out(root: Path, link: Path) -> bool:
    inside, target = root.resolve(), Path(os.path.realpath(link))
    return not target.is_relative_to(inside) or ".git" in target.relative_to(inside).parts


def _judge(root: Path, fitted: Fitted, files: FolderFiles) -> None:
    """The rules for a tree, as far as a folder has what they ask about."""
    secrets = {path: _digest(files[path]) for path in files.names if is_secret_name(path) and path in files}
    changed: list[FileChange] = []
    added: dict[str, str] = {}
    for path in sorted({*fitted.contents, *fitted.modes}):
        before = files.get(path)
        after = fitted.contents.get(path, before)
        lines_added = Counter((after or b"").split(b"\n")) - Counter((before or b"").split(b"\n"))
        added[path] = b"\n".join(lines_added.elements()).decode("utf-8", "surrogateescape")
        count = None if b"\0" in (after or b"") else lines_added.total()
        known = ABSENT if before is None else _mode(root / path)
        wanted = ABSENT if after is None else fitted.modes.get(path, REGULAR if before is None else known)
        changed.append(FileChange(path, known, wanted, "", _digest(after or b""), count, None))
    start = guard.Start({path: secrets.get(path, "") for path in files.names})
    guard.judge(Change("", "", tuple(changed)), {}, start)
    if sum(map(len, added.values())) > guard.MAX_ADDED_CHARACTERS:
        raise HostilePatch("patch refused: it is too large. Nothing was applied")
    for path, text in added.items():
        guard.judge_text(path, text)


def _digest(data: bytes) -> str:
    return hashlib.sha256(data).hexdigest()


def _mode(path: Path) -> str:
    return EXECUTABLE if path.stat().st_mode & 0o100 else REGULAR


def _write(root: Path, fitted: Fitted) -> None:
    """Write everything beside its place first, then move it there; whatever stops that, undo all of it."""
    try:
        with ExitStack() as undo:
            drafts: dict[str, Path] = {}
            for path, data in fitted.contents.items():
                if data is not None:
                    _make_folder((root / path).parent, undo)
                    drafts[path] = _draft(root / path, data, fitted.modes.get(path, ""), undo)
            # removed first: where case does not matter, the new name of a file is still the old file
            for path in sorted(fitted.contents, key=drafts.__contains__):
                _keep(root / path, undo)
                if path in drafts:
                    drafts[path].replace(root / path)
                else:
                    (root / path).unlink()
            for path in fitted.modes.keys() - drafts.keys():
                target = root / path
                before = S_IMODE(target.stat().st_mode)
                undo.callback(target.chmod, before)
                target.chmod(_with_bits(before, fitted.modes[path]))
            undo.pop_all()
    except OSError as error:
        raise UsageError(f"{error.filename}: {error.strerror}; nothing was applied") from error


def _make_folder(folder: Path, undo: ExitStack) -> None:
    for part in reversed([it for it in (folder, *folder.parents) if not it.exists()]):
        part.mkdir()
        undo.callback(_remove_folder, part)


def _remove_folder(folder: Path) -> None:
    with contextlib.suppress(OSError):  # somebody else has put something into it since
        folder.rmdir()


def _draft(target: Path, data: bytes, mode: str, undo: ExitStack) -> Path:
    """The new content in a file of our own beside its place, with the mode and owner of what it replaces."""
    # a short name of its own: the target's may be as long as names can be
    descriptor, name = tempfile.mkstemp(dir=target.parent, prefix=".route-agent-")
    draft = Path(name)
    undo.callback(draft.unlink, missing_ok=True)
    with os.fdopen(descriptor, "wb") as file:
        file.write(data)
    there = target.stat() if target.is_file() else None
    bits = there.st_mode & 0o777 if there else 0o666 & ~_umask()
    if there:
        _give(draft, there)
    draft.chmod(_with_bits(bits, mode) if mode else bits)
    return draft


def _give(draft: Path, to: os.stat_result) -> None:
    with contextlib.suppress(PermissionError):  # only root can give a file away
        os.chown(draft, to.st_uid, to.st_gid)


def _with_bits(bits: int, mode: str) -> int:
    """File permissions with or without the right to execute, for those who may read."""
    return bits | (bits & 0o444) >> 2 if mode == EXECUTABLE else bits & ~0o111


def _keep(target: Path, undo: ExitStack) -> None:
    """Put back what stands at a place, or its absence, if it comes to that."""
    if target.is_dir():
        return
    if not target.exists():
        undo.callback(target.unlink, missing_ok=True)
        return
    data, status = target.read_bytes(), target.stat()

    def restore() -> None:
        target.write_bytes(data)
        _give(target, status)
        target.chmod(S_IMODE(status.st_mode))

    undo.callback(restore)


def _umask() -> int:
    current = os.umask(0)
    os.umask(current)
    return current
