"""What one tree changes in another, as git tells it."""

from __future__ import annotations

from dataclasses import dataclass

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


@dataclass(frozen=True, slots=True)
class Edit:
    """One file's edit as a reply asks for it, before it has found its place.

    Exactly one of the three forms is used: `hunks` (replace these lines by those), `content` (the whole
    file) or `delete`. `source` is the path a rename comes from.
    """

    path: str
    hunks: tuple[Hunk, ...] = ()
    content: str | None = None
    delete: bool = False
    source: str | None = None


@dataclass(frozen=True, slots=True)
class Hunk:
    """Lines to find and lines to put in their place.

    `line` is the 1-based line that a diff header claims, a hint and never trusted; 0 where none is given.
    """

    old: tuple[str, ...]
    new: tuple[str, ...]
    line: int = 0
