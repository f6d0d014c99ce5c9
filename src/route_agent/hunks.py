"""Which lines a git diff writes, and where it leaves gaps. Pure."""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator

_REMARKS = ("#", "//", '"""', "'''")
_HUNK = re.compile(r"@@ -\d+(?:,(\d+))? \+(\d+)(?:,(\d+))? @@")
_ESCAPE = re.compile(rb'\\([0-7]{3}|[abtnvfr"\\])')
_ESCAPED = {b"a": 7, b"b": 8, b"t": 9, b"n": 10, b"v": 11, b"f": 12, b"r": 13, b'"': 34, b"\\": 92}


@dataclass(slots=True)
class Gap:
    """Where lines are gone.

    Attributes:
        after: the new side's line before the gap; 0 at the top.
        depth: the least indentation of what is gone, in characters.
        added: the lines that stand there instead.
    """

    after: int
    depth: int
    added: tuple[int, ...] = ()


@dataclass(slots=True)
class Touched:
    """The lines that are new in a file, 1-based, and the places where lines are gone."""

    added: set[int] = field(default_factory=set)
    gaps: list[Gap] = field(default_factory=list)


def changed_lines(diff: str) -> dict[str, frozenset[int]]:
    """The lines that a git diff writes, 1-based on the new side, by path.

    Beside a pure deletion these are the lines before and after it. Deleted files are left out, and files
    of which only the mode or binary content changes have no lines.
    """
    return {
        path: frozenset(touched.added | {line for gap in touched.gaps for line in _beside(gap) if line})
        for path, touched in touched_by(diff).items()
    }


def _beside(gap: Gap) -> tuple[int, ...]:
    return () if gap.added else (gap.after, gap.after + 1)


def touched_by(diff: str) -> dict[str, Touched]:
    """What a git diff does to each file that is there afterwards, by path."""
    found: dict[str, Touched] = {}
    lines = iter(diff.split("\n"))
    path = ""
    for line in lines:
        if line.startswith("diff --git "):
            path = ""
        elif line.startswith("+++ "):
            path = told_path(line[4:])
            if path:
                found.setdefault(path, Touched())
        elif path and (hunk := _HUNK.match(line)):
            old, start, new = (1 if number is None else int(number) for number in hunk.groups())
            _read_hunk(lines, old, start + (new == 0), new, found[path])
    return found


def _read_hunk(lines: Iterator[str], old: int, at: int, new: int, touched: Touched) -> None:
    """Read as many lines as the hunk's head says: what they contain can look like anything."""
    gone: list[str] = []
    added: list[int] = []

    def close() -> None:
        depths = [len(text) - len(text.lstrip()) for text in gone if not _is_remark(text)]
        if depths:
            after = added[0] - 1 if added else at - 1
            touched.gaps.append(Gap(after, min(depths), tuple(added)))
        touched.added.update(added)
        gone.clear()
        added.clear()

    while old > 0 or new > 0:
        line = next(lines, None)
        if line is None:
            break
        mark = line[:1]
        if mark == "-":
            old -= 1
            gone.append(line[1:])
        elif mark == "+":
            new -= 1
            added.append(at)
            at += 1
        elif mark != "\\":
            close()
            old, new, at = old - 1, new - 1, at + 1
    close()


def _is_remark(text: str) -> bool:
    text = text.strip()
    return not text or text.startswith(_REMARKS)


def told_path(told: str, side: str = "b/") -> str:
    """The path of a `+++` line without its `b/`; empty for a deleted file."""
    told = told.removesuffix("\t").removesuffix("\r")
    if told.startswith('"') and told.endswith('"'):
        raw = told[1:-1].encode(errors="surrogateescape")
        told = _ESCAPE.sub(_unescaped, raw).decode(errors="surrogateescape")
    return told.removeprefix(side) if told != "/dev/null" else ""


def _unescaped(found: re.Match[bytes]) -> bytes:
    word = found[1]
    return bytes([_ESCAPED[word] if word in _ESCAPED else int(word, 8) & 0xFF])
