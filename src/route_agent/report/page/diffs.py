"""A git diff, line by line, with what each line is; a hunk's head says how many lines are its own."""

from __future__ import annotations

import re
from itertools import groupby, islice
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

FILE, HUNK, ADDED, REMOVED, CONTEXT = "file", "hunk", "added", "removed", "context"
_HUNK = re.compile(r"@@ -\d+(?:,(\d+))? \+\d+(?:,(\d+))? @@")
_LONGEST = 300  # characters of a line


def blocks(diff: str, most: int) -> tuple[list[tuple[str, str]], int]:
    """Lines of one kind that follow each other, as pairs of the kind and their text; and how many were cut.

    Args:
        most: lines that are told.
    """
    lines = diff.split("\n")
    if lines and not lines[-1]:
        lines.pop()
    told = islice(_kinds(lines), most)
    found = [
        (kind, "\n".join(_short(line) for _, line in group))
        for kind, group in groupby(told, key=lambda pair: pair[0])
    ]
    return found, max(0, len(lines) - most)


def _kinds(lines: Iterable[str]) -> Iterator[tuple[str, str]]:
    """A removed line of SQL begins with `---` as a file's head does: only the count tells them apart."""
    olds = news = 0
    for line in lines:
        mark = line[:1]
        if mark == "\\":  # git's own word about the line above
            yield CONTEXT, line
        elif olds <= 0 and news <= 0:
            hunk = _HUNK.match(line)
            if hunk:
                olds, news = (1 if number is None else int(number) for number in hunk.groups())
            yield (HUNK if hunk else FILE), line
        elif mark == "-":
            olds -= 1
            yield REMOVED, line
        elif mark == "+":
            news -= 1
            yield ADDED, line
        else:
            olds, news = olds - 1, news - 1
            yield CONTEXT, line


def _short(line: str) -> str:
    return line if len(line) <= _LONGEST else f"{line[:_LONGEST]}…"
