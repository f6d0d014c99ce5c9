"""Which checks need not go on once a cheaper one has failed."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from route_agent.records.checks import Outcome

if TYPE_CHECKING:
    from collections.abc import Sequence

    from route_agent.policy import CheckSpec
    from route_agent.records.checks import CheckResult, CheckRun


@dataclass(frozen=True, slots=True)
class Haste:
    """What the same checks said and took at start.

    Attributes:
        before: their results there.
    """

    before: CheckRun

    def cheapest_first(self, specs: Sequence[CheckSpec]) -> list[CheckSpec]:
        """In the order of what they took at start; what was not there comes last."""
        return sorted(specs, key=lambda spec: self._seconds(spec.name))

    def cancels(self, result: CheckResult) -> frozenset[str]:
        """The names of the checks that took longer at start, where a result settles the matter by itself.

        It does where the check passed at start, fails now, and tells no single tests: those could be flaky.
        """
        before = self.before.named(result.name)
        settled = before and before.passed and result.outcome is Outcome.FAILED and result.tests is None
        if not settled or result.exit_code is None:
            return frozenset()
        mine = self._seconds(result.name)
        return frozenset(it.name for it in self.before.results if it.seconds > mine)

    def _seconds(self, name: str) -> float:
        before = self.before.named(name)
        return before.seconds if before else float("inf")
