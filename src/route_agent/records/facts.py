"""What is known about a task before any lane is asked; the signals are computed from this alone."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from route_agent.records.change import Change


@dataclass(frozen=True, slots=True)
class Facts:
    """What is known about a task before any lane is asked.

    Attributes:
        brief: the task's text, cleaned.
        change: what start differs in from base.
        named: files at start that the brief names.
        unknown_symbols: classes and functions that the brief names and that start does not have.
        failures: red tests or checks at start; None where the checks have not been run.
        failing: their names.
    """

    brief: str
    change: Change
    named: tuple[str, ...] = ()
    unknown_symbols: tuple[str, ...] = ()
    failures: int | None = None
    failing: tuple[str, ...] = ()

    @property
    def touched(self) -> tuple[str, ...]:
        """The files of the diff; where it is empty, the files that the brief names."""
        return self.change.paths or self.named
