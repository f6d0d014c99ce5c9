"""The changed lines of a git diff, by file. Pure, and quick on tens of thousands of lines."""

from __future__ import annotations

import re
from dataclasses import dataclass, field

from route_agent.hunks import told_path
from route_agent.records.facts import ChangedText

_HUNK = re.compile(r"@@ -(\d+)(?:,(\d+))? \+(\d+)(?:,(\d+))? @@")


@dataclass(frozen=True, slots=True)
class Read:
    """The changed lines by file, and how many hunks they stand in."""

    texts: tuple[ChangedText, ...] = ()
    hunks: int = 0


@dataclass(slots=True)
class _File:
    old: str = ""
    new: str = ""
    lines: list[str] = field(default_factory=list)
    numbers: list[int] = field(default_factory=list)


def read_diff(diff: str) -> Read:
    """What a git diff adds and removes, with or without context; binary files have no lines."""
    files: list[_File] = []
    hunks = 0
    lines = diff.split("\n")
    at, end = 0, len(lines)
    while at < end:
        line = lines[at]
        at += 1
        if line.startswith("diff --git "):
            files.append(_File())
        elif not files:
            continue
        elif line.startswith("--- "):
            files[-1].old = told_path(line[4:], "a/")
        elif line.startswith("+++ "):
            files[-1].new = told_path(line[4:])
        elif line.startswith("@@ ") and (found := _HUNK.match(line)):
            hunks += 1
            at = _read_hunk(lines, at, found, files[-1])
    texts = tuple(
        ChangedText(file.new or file.old, "\n".join(file.lines), tuple(file.numbers))
        for file in files
        if file.numbers
    )
    return Read(texts, hunks)


def _read_hunk(lines: list[str], at: int, head: re.Match[str], file: _File) -> int:
    """Read as many lines as the hunk's head says, whatever they look like; returns where the next begins."""
    old_at, old, new_at, new = (1 if number is None else int(number) for number in head.groups())
    end = len(lines)
    while (old > 0 or new > 0) and at < end:
        line = lines[at]
        at += 1
        mark = line[:1]
        if mark == "-":
            file.lines.append(line[1:].removesuffix("\r"))
            file.numbers.append(-old_at)
            old, old_at = old - 1, old_at + 1
        elif mark == "+":
            file.lines.append(line[1:].removesuffix("\r"))
            file.numbers.append(new_at)
            new, new_at = new - 1, new_at + 1
        elif mark != "\\":
            old, old_at, new, new_at = old - 1, old_at + 1, new - 1, new_at + 1
    return at
