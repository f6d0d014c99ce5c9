"""What the risk of a task was judged by, and where it goes for that."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum

from route_agent.records.grades import TaskClass


class Provenance(StrEnum):
    """Where a fact comes from. Tainted facts may raise a score or a lane and never lower one."""

    TRUSTED = "trusted"  # git and the results of checks
    TAINTED = "tainted"  # the brief, file names in it, anything an outsider may have written


@dataclass(frozen=True, slots=True)
class Signal:
    """One fact about a task, with the points that the policy gives it.

    `evidence` holds a few short strings that let a reader check the fact.
    """

    name: str
    value: bool | int
    points: int
    provenance: Provenance
    evidence: tuple[str, ...] = ()

    @property
    def raised(self) -> bool:
        """Whether the fact holds at all: a true flag or a count above zero."""
        return bool(self.value)


@dataclass(frozen=True, slots=True)
class Risk:
    """The score, and every signal behind it, raised or not."""

    score: int
    signals: tuple[Signal, ...]

    def raised(self, name: str) -> bool:
        """Whether the signal of that name holds."""
        return any(signal.raised for signal in self.signals if signal.name == name)


@dataclass(frozen=True, slots=True)
class Decision:
    """Where the task goes first, what stands above, and every reason."""

    lane: str
    ladder: tuple[str, ...]
    reasons: tuple[str, ...]
    task_class: TaskClass
    policy_name: str
    policy_hash: str
    skipped: tuple[str, ...] = ()
