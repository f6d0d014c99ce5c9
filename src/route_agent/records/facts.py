"""What is known about a task before any lane is asked; the signals are computed from this alone."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Mapping

    from route_agent.records.change import Change


@dataclass(frozen=True, slots=True)
class ChangedText:
    """The changed lines of one file.

    Attributes:
        path: the file, by its name afterwards; of a deleted file, before.
        text: the added and removed lines without their marks, one below the other.
        numbers: of each line of `text` its number from 1: on the new side; negative, on the old side, where
            it is gone.
    """

    path: str
    text: str
    numbers: tuple[int, ...]


@dataclass(frozen=True, slots=True)
class Facts:
    """What is known about a task before any lane is asked.

    None is not known, everywhere, and never the same as nothing.

    Attributes:
        brief: the task's text, cleaned.
        change: what start differs in from base.
        named: files at start that the brief names.
        unknown_symbols: classes and functions that the brief names and that start does not have.
        failures: red tests or checks at start.
        failing: their names.
        texts: the changed lines, by file.
        unread: files whose changed lines are too many to be read, or code that is no text to git.
        hunks: how many separate places are changed.
        untested: touched places that no test is known to execute, each with the reason.
        commits: by touched path, the commits that changed it lately, by their ids.
        reverts: by touched path, the commits that took back a change of it.
        escalations: by touched path, the earlier runs that a lane below the last had failed on.
        novel: new files and new names with nothing like them in the tree, each with the reason; those whose
            name only the brief says stand in `novel_names`.
    """

    brief: str
    change: Change
    named: tuple[str, ...] = ()
    unknown_symbols: tuple[str, ...] = ()
    failures: int | None = None
    failing: tuple[str, ...] = ()
    texts: tuple[ChangedText, ...] = ()
    unread: tuple[str, ...] = ()
    hunks: int | None = None
    untested: tuple[str, ...] | None = None
    commits: Mapping[str, frozenset[str]] | None = None
    reverts: Mapping[str, frozenset[str]] | None = None
    escalations: Mapping[str, int] | None = None
    novel: tuple[str, ...] | None = None
    novel_names: tuple[str, ...] = ()

    @property
    def touched(self) -> tuple[str, ...]:
        """The files of the diff; where it is empty, the files that the brief names."""
        return self.change.paths or self.named
