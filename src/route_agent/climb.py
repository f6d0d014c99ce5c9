"""Try lanes one above the other until a patch is proved. The loop, and nothing else, on one screen."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from route_agent.records.events import Event, Step
from route_agent.records.grades import Failure, Verdict

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from route_agent.attempting import Attempting
    from route_agent.lanes.base import Lane
    from route_agent.policy import Policy
    from route_agent.records.events import Listener
    from route_agent.records.risk import Decision
    from route_agent.records.runs import Attempt
    from route_agent.reproducing.reproducer import Reproducer


@dataclass(frozen=True, slots=True)
class Climb:
    """One run's way up, chosen before the first lane is asked.

    Attributes:
        policy: the rules in force.
        decision: which lanes, in which order.
        rungs: the lane of every attempt that this run may make, in order.
        lanes: every lane by name.
        attempting: makes an attempt.
        reproducer: has a test for the brief, where one can be had.
        record: keeps an attempt the moment it ended.
        on: told what goes on.
    """

    policy: Policy
    decision: Decision
    rungs: tuple[str, ...]
    lanes: Mapping[str, Lane]
    attempting: Attempting
    reproducer: Reproducer
    record: Callable[[Attempt], None]
    on: Listener

    def run(self) -> tuple[list[Attempt], Verdict, str]:
        """Climb until a patch is accepted or no lane may follow; with the verdict, the reason in words."""
        attempts: list[Attempt] = []
        for number, name in enumerate(self.rungs):
            if attempts and self._passes_by(name, self.rungs[number:], attempts[-1]):
                continue
            attempt = self.attempting.attempt(self.lanes[name], attempts)
            if ending := self._ended(attempt, attempts):
                return attempts, *ending
            if not self._may_follow(attempt):
                break
        spared = self.reproducer.doubted(attempts)
        if spared and (ending := self._ended(self.attempting.judged_again(spared), attempts)):
            return attempts, *ending
        return attempts, *self._unsolved(attempts)

    def _passes_by(self, name: str, rest: Sequence[str], last: Attempt) -> bool:
        """Whether a lane is left out after what became of the attempt before it."""
        if last.lane == name:
            return last.failure not in _WORTH_ANOTHER_TRY
        higher = last.second.belongs_to if last.second else ""
        return name != higher and higher in rest

    def _ended(self, attempt: Attempt, attempts: list[Attempt]) -> tuple[Verdict, str] | None:
        """Keep an attempt; how the run ends, if it does with this one."""
        attempts.append(attempt)
        self.record(attempt)
        told = attempt.failure.value if attempt.failure else "accepted"
        ended = f"{attempt.lane}: {told}"
        self.on(Event(Step.RESULT, ended, stage="ended", lane=attempt.lane, about=attempt))
        if attempt.failure is None:
            return Verdict.ACCEPTED, f"accepted at {attempt.grade.value} by {attempt.lane}"
        return (_ENDINGS[attempt.failure], attempt.reason) if attempt.failure in _ENDINGS else None

    def _may_follow(self, attempt: Attempt) -> bool:
        """Whether a higher lane may be asked after this failure."""
        always = (Failure.PROVIDER, Failure.RAISED, Failure.CAPPED)
        fixer = self.policy.models[attempt.lane][0].is_fixer
        return (
            attempt.failure in always
            or fixer
            or bool(attempt.failure and self.policy.escalates_on(attempt.failure))
        )

    def _unsolved(self, attempts: list[Attempt]) -> tuple[Verdict, str]:
        if not attempts:
            return Verdict.NOT_PROVED, "; ".join(self.decision.skipped) or "no lane could be tried"
        if all(attempt.failure is Failure.PROVIDER for attempt in attempts):
            return Verdict.PROVIDER, attempts[-1].reason
        if len(attempts) == self.policy.limits.max_attempts and attempts[-1].lane != self.decision.ladder[-1]:
            return Verdict.LIMIT, f"{len(attempts)} attempts are the limit. Raise it: --max-attempts"
        if attempts[-1].failure is Failure.CAPPED:
            return Verdict.LIMIT, attempts[-1].reason
        return Verdict.NOT_PROVED, attempts[-1].reason


# after these the same lane may be told what failed and try again; the others it would only repeat
_WORTH_ANOTHER_TRY = (
    Failure.UNAPPLIABLE,
    Failure.REGRESSION,
    Failure.STILL_FAILING,
    Failure.WEAK,
    Failure.DOUBTFUL,
    Failure.DISPUTED,
)
_ENDINGS = {Failure.HOSTILE: Verdict.HOSTILE, Failure.LIMIT: Verdict.LIMIT}
