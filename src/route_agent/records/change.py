"""What one tree changes in another, as git tells it."""

from __future__ import annotations

from dataclasses import dataclass, replace

REGULAR = "100644"
EXECUTABLE = "100755"
SYMLINK = "120000"
GITLINK = "160000"
ABSENT = "000000"


@dataclass(frozen=True, slots=True)
class FileChange:
    """One path that differs. Modes are git's six digits; `ABSENT` where the side has no such file.

    `added` and `deleted` count lines and are None for binary files.
    """

    path: str
    old_mode: str
    new_mode: str
    old_id: str
    new_id: str
    added: int | None = 0
    deleted: int | None = 0

    @property
    def binary(self) -> bool:
        return self.added is None

    @property
    def is_new(self) -> bool:
        return self.old_mode == ABSENT

    @property
    def is_deleted(self) -> bool:
        return self.new_mode == ABSENT


@dataclass(frozen=True, slots=True)
class Change:
    """Everything that differs between two trees (git object ids), sorted by path."""

    old_tree: str
    new_tree: str
    files: tuple[FileChange, ...] = ()

    @property
    def paths(self) -> tuple[str, ...]:
        return tuple(file.path for file in self.files)

    @property
    def added(self) -> int:
        return sum(file.added or 0 for file in self.files)

    @property
    def deleted(self) -> int:
        return sum(file.deleted or 0 for file in self.files)

    @property
    def summary(self) -> str:
        """As in a report: ``+4 −1 in 2 files``."""
        count = len(self.files)
        return f"+{self.added} −{self.deleted} in {count} file{'' if count == 1 else 's'}"


CONTEXT, ADDED, REMOVED, UNMARKED = " ", "+", "-", "?"


@dataclass(frozen=True, slots=True)
class Hunk:
    """Lines to find and what to put in their place.

    Attributes:
        lines: pairs of a mark and a text. `UNMARKED` lines stand in a diff without any mark: context whose
            blank was lost, or prose.
        line: the 1-based line that a header claims, a hint and never trusted; 0 where none is given.
        heading: a line that stands above the place, as some formats give it.
        missing: how many lines more than there are the header announces, on the old and the new side.
        open_end: nothing follows in the reply, not even a line break: it may be cut off here.
        final_newline: whether the new file ends with a line break, where the reply says so.
    """

    lines: tuple[tuple[str, str], ...]
    line: int = 0
    heading: str = ""
    missing: tuple[int, int] = (0, 0)
    open_end: bool = False
    final_newline: bool | None = None

    @property
    def old(self) -> tuple[str, ...]:
        """The lines to find."""
        return tuple(text for mark, text in self.lines if mark != ADDED)

    @property
    def new(self) -> tuple[str, ...]:
        """The lines that stand there afterwards."""
        return tuple(text for mark, text in self.lines if mark != REMOVED)

    @property
    def added(self) -> tuple[str, ...]:
        return tuple(text for mark, text in self.lines if mark == ADDED)

    @property
    def removed(self) -> tuple[str, ...]:
        return tuple(text for mark, text in self.lines if mark == REMOVED)

    def marked(self, *marks: str) -> Hunk:
        """The hunk with only the lines of these marks."""
        return replace(self, lines=tuple(pair for pair in self.lines if pair[0] in marks))


@dataclass(frozen=True, slots=True)
class Edit:
    """One file's edit as a reply asks for it, before it has found its place.

    One of the forms is used: `hunks`, `content` (the whole file), `delete`, or nothing but a new `mode` or a
    rename. `source` is the other path of the header: where a rename (`moved`) or copy comes from, or just
    another name of the same file. `mode` is git's six digits where the reply
    gives them; `binary` says that the reply holds something that is no text.
    """

    path: str
    hunks: tuple[Hunk, ...] = ()
    content: str | None = None
    delete: bool = False
    source: str | None = None
    moved: bool = False
    keep_source: bool = False
    mode: str = ""
    binary: bool = False
    overwrite: bool = False
