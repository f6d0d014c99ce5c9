"""What is told of checks while they run."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from route_agent.records.events import Event, Step
from route_agent.records.experiments import Trial

if TYPE_CHECKING:
    from collections.abc import Mapping

    from route_agent.records.checks import CheckResult
    from route_agent.records.events import Listener

_TRIALS = {
    Trial.ALONE: "red tests once more by themselves",
    Trial.RESTORED: "the tests as they were at start",
    Trial.WITHOUT_SOURCE: "the patch's tests without its source",
    Trial.MUTANTS: "changed lines broken on purpose",
}


def _to_nobody(event: Event) -> None:
    return


@dataclass(frozen=True, slots=True)
class Telling:
    """Tells a listener, from whichever thread.

    Attributes:
        on: who is told.
        usual: seconds that a check usually takes here, by its name; unknown where it is not named.
    """

    on: Listener = _to_nobody
    usual: Mapping[str, float] = field(default_factory=dict)

    def begun(self, name: str) -> None:
        """A check runs from now on."""
        usual = self.usual.get(name)
        told = f"{name} runs" if usual is None else f"{name} runs, usually {usual:.1f} s"
        self.on(Event(Step.CHECK, told, stage="begun", check=name, usual_s=usual))

    def ended(self, result: CheckResult) -> None:
        """A check has ended."""
        told = f"{result.name} {result.outcome.value}"
        self.on(Event(Step.CHECK, told, stage="ended", check=result.name, about=result))

    def trying(self, trial: Trial) -> None:
        """The checks are run once more, for one question."""
        self.on(Event(Step.CHECK, _TRIALS[trial]))
