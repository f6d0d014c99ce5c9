"""A task as the ledger remembers it: enough to decide again where it would go, and what came of it."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Mapping

    from route_agent.records.checks import CheckKind
    from route_agent.records.grades import TaskClass


@dataclass(frozen=True, slots=True)
class PastSignal:
    """What a signal was at the time; `value` is None where it was not known."""

    value: bool | int | None
    evidence: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class PastTask:
    """One run that did its work.

    Attributes:
        started_at: ISO 8601 in UTC.
        signals: by name; a signal that did not exist then is not there.
        changed: the files that start differed in from base; None where they were not kept, or not all.
        named: the files that the brief named.
        red: the checks that were red at start, each with its kind.
        class_named: whether the operator said what kind of task it was.
        phase: the step of the development loop; empty where none was named.
        level: what the shadow lane said; empty where nobody was asked.
        by_hand: whether the operator chose the lane.
        first_try: whether the first lane's own patch was accepted; None where it made no attempt.
        touched: the files that its patches touched.
        cost_micro_usd: everything it paid; None where a part is not known.
    """

    id: str
    started_at: str
    brief: str
    task_class: TaskClass
    score: int
    first_lane: str
    accepted_lane: str
    signals: Mapping[str, PastSignal] = field(default_factory=dict)
    changed: tuple[str, ...] | None = None
    named: tuple[str, ...] = ()
    red: tuple[tuple[str, CheckKind], ...] = ()
    class_named: bool = False
    phase: str = ""
    level: str = ""
    by_hand: bool = False
    first_try: bool | None = None
    touched: tuple[str, ...] = ()
    cost_micro_usd: int | None = None

    @property
    def failed(self) -> bool:
        """Whether the lane that it began at was not the one whose patch was accepted."""
        return self.accepted_lane != self.first_lane
