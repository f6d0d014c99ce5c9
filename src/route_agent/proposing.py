"""Only ask for a patch: nothing of the repository is run, and so nothing is proved.

For a job that holds a key and must not run a stranger's code. What comes of it is judged
elsewhere, without one.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from route_agent import decide
from route_agent.errors import UsageError
from route_agent.records.checks import CheckRun, IsolationLevel
from route_agent.records.events import Event, Step
from route_agent.records.grades import Failure, Verdict
from route_agent.redaction import knowing
from route_agent.task import TaskRun

if TYPE_CHECKING:
    from route_agent.ground import Opened
    from route_agent.ledger.store import Ledger
    from route_agent.policy import LaneSpec
    from route_agent.records.events import Listener
    from route_agent.records.runs import Attempt, Run
    from route_agent.task import Options

ASKED = "only asked: nothing was run, so nothing is proved"
_ENDINGS = {
    Failure.PROVIDER: Verdict.PROVIDER,
    Failure.HOSTILE: Verdict.HOSTILE,
    Failure.LIMIT: Verdict.LIMIT,
    Failure.CAPPED: Verdict.LIMIT,
}


@dataclass(frozen=True, slots=True)
class Asked:
    """What came of asking: the run as the ledger has it, never better than not proved, and the proposal.

    `proposal.failure` is None where there is a patch that fits the start and keeps within its bounds.
    """

    run: Run
    proposal: Attempt


def ask_only(ground: Opened, brief: str, options: Options, ledger: Ledger, on: Listener) -> Asked:
    """Ask the first lane that is a model for a patch, fit it to the start, and judge its bounds.

    The attempt does not count for or against the lane, since nobody knows what it is worth; its calls do.

    Raises:
        RouteError: it could not begin; the ledger has what was spent.
    """
    asking = _Asking(ground, brief, options, ledger, on)
    with knowing(asking.outward.knowledge):
        run = asking.go()
    if asking.proposal is None:
        raise UsageError(run.reason)
    return Asked(run, asking.proposal)


class _Asking(TaskRun):
    """A run that ends where the checks would begin."""

    proposal: Attempt | None = None

    def _required(self) -> IsolationLevel:
        return IsolationLevel.NONE  # there is nothing to keep behind walls

    def _go(self) -> Run:
        lanes, unusable, specs = self._lanes()
        unusable = {**_running(specs), **unusable}
        self.outward.look_over(self.run.brief)
        known = decide.facts(self.ground, self.run.brief, None)
        risk, decision = decide.decide(self.ground, known, None, self.options.wish)
        decision = decide.with_usable_lanes(decision, unusable)
        withheld = self.outward.told((*known.change.paths, *known.named))
        self.run = replace(self.run, risk=risk, decision=decision, withheld=withheld)
        self.on(Event(Step.DECIDED, f"score {risk.score} → {decision.lane}: {'; '.join(decision.reasons)}"))
        self._begin()
        self.ledger.decided(self.run, known)
        nothing = CheckRun(self.ground.start, (), self.run.isolation)
        climb = self._climb(decision, nothing, known, lanes, specs)
        self.proposal = climb.attempting.asked(climb.lanes[decision.lane])
        failure = self.proposal.failure
        verdict = _ENDINGS.get(failure, Verdict.NOT_PROVED) if failure else Verdict.NOT_PROVED
        return self._finish(verdict, self.proposal.reason if failure else ASKED)


def _running(specs: dict[str, LaneSpec]) -> dict[str, str]:
    """The lanes that would run something, and what is said of them."""
    return {
        name: "it runs commands, and here nothing is run"
        for name, spec in specs.items()
        if not spec.has_model
    }
