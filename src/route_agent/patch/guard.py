"""May this change be made at all? Judged on the tree that came out, never on what a patch's headers say.

The rules follow what git itself lets through: names that other file systems read as `.git`, links that
leave the tree, submodules, odd modes.
"""

from __future__ import annotations

import posixpath
import re
import unicodedata
from typing import TYPE_CHECKING

from route_agent.errors import HostilePatch
from route_agent.records.change import EXECUTABLE, GITLINK, REGULAR, SYMLINK
from route_agent.redaction import redact

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from route_agent.records.change import Change, FileChange

MAX_FILES = 500
MAX_ADDED_LINES = 50_000
MAX_PATH_BYTES = 1024
MAX_NAME_BYTES = 255
MAX_DEPTH = 40

_DRIVE = re.compile(r"^[A-Za-z]:")
# what a person cannot see in a file's name: controls, bidirectional marks, zero-width and tag characters
_UNSEEN = frozenset({"Cc", "Cf", "Cs", "Co", "Zl", "Zp"})


def judge_paths(paths: Iterable[str]) -> None:
    """Refuse names before anything is written under them.

    Raises:
        HostilePatch: names the path, escaped.
    """
    for path in paths:
        if reason := _bad_name(path):
            raise HostilePatch(f"patch refused: it names {path!r}, {reason}. Nothing was applied")


def _bad_name(path: str) -> str:
    parts = path.split("/")
    if not path or path.startswith("/") or _DRIVE.match(path):
        return "which is not a path inside the tree"
    if any(part in ("", ".", "..") for part in parts):
        return "which leaves the tree or goes around in it"
    if "\\" in path or any(unicodedata.category(letter) in _UNSEEN for letter in path):
        return "which holds a backslash or an invisible character"
    if any(_is_git(part) for part in parts):
        return "which is git's own folder"
    raw = path.encode("utf-8", "surrogateescape")
    if len(raw) > MAX_PATH_BYTES or len(parts) > MAX_DEPTH:
        return "which is too long or too deep"
    if any(len(part.encode("utf-8", "surrogateescape")) > MAX_NAME_BYTES for part in parts):
        return "which has too long a part"
    return ""


def _is_git(part: str) -> bool:
    """Whether any common file system would read this name as `.git`."""
    plain = part.split(":", maxsplit=1)[0].rstrip(". ").casefold()
    return plain in (".git", "git~1") or part.casefold().rstrip(". ") in (".gitmodules", "gitmod~1")


def judge(change: Change, links: Mapping[str, str]) -> None:
    """Refuse a change that leaves its bounds.

    Args:
        change: what the patched tree differs in from start.
        links: where each symbolic link that it writes points to.

    Raises:
        HostilePatch: names the path and the reason.
    """
    judge_paths(change.paths)
    if len(change.files) > MAX_FILES or change.added > MAX_ADDED_LINES:
        raise HostilePatch(f"patch refused: it is too large ({change.summary}). Nothing was applied")
    for file in change.files:
        if reason := _bad_file(file, links):
            raise HostilePatch(f"patch refused: {file.path!r} {reason}. Nothing was applied")


def _bad_file(file: FileChange, links: Mapping[str, str]) -> str:
    if GITLINK in (file.new_mode, file.old_mode):
        return "is a submodule"
    if file.new_mode == SYMLINK and _leaves(file.path, links.get(file.path, "/")):
        return "is a link that leaves the tree"
    if not file.is_deleted and file.new_mode not in (REGULAR, EXECUTABLE, SYMLINK):
        return f"gets the file mode {file.new_mode}"
    if file.binary:
        return "is binary"
    if file.path.casefold().startswith(".route-agent/"):
        return "belongs to the policy that judges it"
    return ""


def judge_added(diff: str) -> None:
    """Refuse added lines that hold a secret, or characters that show other code than they are.

    Raises:
        HostilePatch: names the file.
    """
    path = ""
    for line in diff.splitlines():
        if line.startswith("+++ "):
            path = line[4:].removeprefix("b/")
        elif line.startswith("+"):
            if redact(line) != line:
                raise HostilePatch(
                    f"patch refused: a line added to {path!r} holds a secret. Nothing was applied"
                )
            if _DECEIVING.search(line):
                raise HostilePatch(
                    f"patch refused: {path!r} gets text that hides its order. Nothing was applied"
                )


# bidirectional overrides and isolates: source that reads otherwise than it runs
_DECEIVING = re.compile(r"[\u202a-\u202e\u2066-\u2069]")


def _leaves(path: str, target: str) -> bool:
    joined = posixpath.normpath(posixpath.join(posixpath.dirname(path), target))
    return posixpath.isabs(target) or joined == ".." or joined.startswith("../")
