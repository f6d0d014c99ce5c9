"""A mutant, an edit, and a source in bytes to look up offsets in and to edit."""

from __future__ import annotations

import bisect
from dataclasses import dataclass
from itertools import accumulate
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import ast

    _Placed = ast.expr | ast.stmt

CONSTANT, DEFAULT = "constant", "default"


@dataclass(frozen=True, slots=True)
class Mutant:
    """A file with one deliberate mistake.

    Attributes:
        path: as it was given.
        line: the first changed line that the mistake touches, 1-based.
        operator: what was done, such as `boundary` or `statement removed`.
        content: the whole mutated file.
    """

    path: str
    line: int
    operator: str
    content: bytes


@dataclass(frozen=True, slots=True)
class Edit:
    operator: str
    start: int
    end: int
    new: bytes
    statement: int = 0  # where the statement that it stands in begins


@dataclass(frozen=True, slots=True)
class Text:
    """A source in bytes, to look up offsets in; `encoding` is the file's, where these are UTF-8 instead."""

    body: bytes
    starts: tuple[int, ...]
    encoding: str = ""

    @classmethod
    def of(cls, body: bytes, encoding: str = "") -> Text:
        starts = accumulate(
            (len(line) for line in body.split(b"\n")), lambda at, size: at + size + 1, initial=0
        )
        return cls(body, tuple(starts)[:-1], encoding)

    def line(self, offset: int) -> int:
        return bisect.bisect_right(self.starts, offset)

    def first(self, node: _Placed) -> int:
        return self.starts[node.lineno - 1] + node.col_offset

    def last(self, node: _Placed) -> int:
        return self.starts[(node.end_lineno or node.lineno) - 1] + (node.end_col_offset or 0)

    def changed_line(self, edit: Edit, lines: frozenset[int]) -> int:
        """The first of the lines that the edit touches, or 0."""
        touched = range(self.line(edit.start), self.line(edit.end - 1) + 1)
        return next((line for line in touched if line in lines), 0)

    def edited(self, edit: Edit) -> bytes:
        before, new, after = self.body[: edit.start], edit.new, self.body[edit.end :]
        if _wordy(before[-1:]) and _wordy(new[:1] or after[:1]):  # `return-1` must not become `returnNone`
            new = b" " + new
        if new and _wordy(new[-1:]) and _wordy(after[:1]):
            new += b" "
        whole = before + new + after
        return whole.decode().encode(self.encoding) if self.encoding else whole


def _wordy(letter: bytes) -> bool:
    return letter.isalnum() or letter == b"_" or letter > b"\x7f"


NOTHING: tuple[Text, list[Edit]] = (Text(b"", (0,)), [])
