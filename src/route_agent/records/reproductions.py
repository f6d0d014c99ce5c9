"""A test for the brief, written before any patch is seen and by another lane than the patch's author."""

from __future__ import annotations

from dataclasses import dataclass

from route_agent.records.change import Change
from route_agent.records.checks import CheckRun
from route_agent.records.lanes import Call


@dataclass(frozen=True, slots=True)
class Reproduction:
    """The test, or why there is none.

    Attributes:
        lane: who wrote it.
        model: the same, by its model.
        tests: the ids that are red at start and that a patch must turn green, as `check::test`.
        change: start against start with the test; None where none was had.
        baseline: the checks at start with the test put there: its tests are red, the rest as at start.
        patch: the change as a diff.
        reason: one line: why it counts, or why there is none.
        attempts: how often the lane was asked.
        suspect: every lane's patch failed it: why it did not block, or what the verifier said of it.
    """

    lane: str
    model: str
    tests: tuple[str, ...] = ()
    change: Change | None = None
    baseline: CheckRun | None = None
    patch: str = ""
    reason: str = ""
    attempts: int = 0
    calls: tuple[Call, ...] = ()
    seconds: float = 0.0
    suspect: str = ""

    @property
    def is_usable(self) -> bool:
        """Whether there is a test that a patch can be held against."""
        return self.change is not None and bool(self.tests)
