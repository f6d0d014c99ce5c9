"""Try lanes one above the other until a patch is proved. The loop, and nothing else, on one screen."""

from __future__ import annotations

import time
from dataclasses import dataclass, replace
from functools import cache
from typing import TYPE_CHECKING

from route_agent import evidence, risk, routing
from route_agent.errors import BadPatch, HostilePatch, LimitReached, ProviderError
from route_agent.patch import guard
from route_agent.prompt import tellable
from route_agent.records.events import Event, Step
from route_agent.records.grades import Failure, Verdict
from route_agent.records.runs import Attempt
from route_agent.repo.apply import TreeFiles, apply_reply, judge_patch

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from route_agent.lanes.base import Lane
    from route_agent.lanes.desk import Desk
    from route_agent.ledger.budget import Purse
    from route_agent.policy import Policy
    from route_agent.proof import Prover
    from route_agent.records.change import Change
    from route_agent.records.checks import CheckRun
    from route_agent.records.events import Listener
    from route_agent.records.lanes import Request
    from route_agent.records.risk import Decision
    from route_agent.records.runs import Evidence
    from route_agent.reproducing.reproducer import Reproducer
    from route_agent.review import Reviewer


@dataclass(frozen=True, slots=True)
class Climb:
    """One run's means, all of them chosen before the first lane is asked.

    Attributes:
        brief: the task's text.
        start: the tree that lanes edit.
        policy: the rules in force.
        decision: which lanes, in which order.
        baseline: the checks at start.
        touched: paths that the task is about, for telling which red tests are its own.
        lanes: every lane by name.
        desk_for: a lane's desk, with what tells it whether a reply fits.
        ask: writes the request for a lane, with what was tried before.
        prover: proves a change.
        reviewer: looks again at what met its bar.
        reproducer: has a test for the brief, where one can be had.
        purse: the run's money.
        forced: whether the operator allowed a lane below an always-strong condition.
        record: keeps an attempt the moment it ended.
        on: told what goes on.
    """

    brief: str
    start: str
    policy: Policy
    decision: Decision
    baseline: CheckRun
    touched: tuple[str, ...]
    lanes: Mapping[str, Lane]
    desk_for: Callable[[Lane, Callable[[str], Change]], Desk]
    ask: Callable[[Lane, Sequence[Attempt]], Request]
    prover: Prover
    reviewer: Reviewer
    reproducer: Reproducer
    purse: Purse
    record: Callable[[Attempt], None]
    on: Listener
    forced: bool = False

    def run(self) -> tuple[list[Attempt], Verdict, str]:
        """Climb until a patch is accepted or no lane may follow; with the verdict, the reason in words."""
        attempts: list[Attempt] = []
        for name in self.decision.ladder[: self.policy.limits.max_attempts]:
            attempt = self._try(self.lanes[name], attempts)
            if ending := self._ended(attempt, attempts):
                return attempts, *ending
            if not self._may_follow(attempt):
                break
        spared = self.reproducer.doubted(attempts)
        if spared and (ending := self._ended(self._judged_again(spared), attempts)):
            return attempts, *ending
        return attempts, *self._unsolved(attempts)

    def _ended(self, attempt: Attempt, attempts: list[Attempt]) -> tuple[Verdict, str] | None:
        """Keep an attempt; how the run ends, if it does with this one."""
        attempts.append(attempt)
        self.record(attempt)
        told = attempt.failure.value if attempt.failure else "accepted"
        self.on(Event(Step.RESULT, f"{attempt.lane}: {told}"))
        if attempt.failure is None:
            return Verdict.ACCEPTED, f"accepted at {attempt.grade.value} by {attempt.lane}"
        return (_ENDINGS[attempt.failure], attempt.reason) if attempt.failure in _ENDINGS else None

    def _judged_again(self, spared: Attempt) -> Attempt:
        """What becomes of a patch once the test that alone spoke against it was set aside."""
        began = time.monotonic()
        if spared.change is None:
            return spared
        attempt = self._judge(replace(spared, evidence=None, failure=None), spared.change, ())
        reason = f"judged again without the reproduction: {attempt.reason}"
        return replace(attempt, calls=(), repairs=0, reason=reason, seconds=time.monotonic() - began)

    def _may_follow(self, attempt: Attempt) -> bool:
        """Whether a higher lane may be asked after this failure."""
        always = (Failure.PROVIDER, Failure.RAISED)
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
        if len(attempts) == self.policy.limits.max_attempts < len(self.decision.ladder):
            return Verdict.LIMIT, f"{len(attempts)} attempts are the limit. Raise it: --max-attempts"
        return Verdict.NOT_PROVED, attempts[-1].reason

    def _try(self, lane: Lane, tried: Sequence[Attempt]) -> Attempt:
        """One lane's attempt: propose, fit, prove. What fails becomes the attempt's failure class."""
        began, paid = time.monotonic(), len(self.purse.calls)
        attempt = Attempt(lane.name, lane.provider, lane.model)
        fit = cache(self._fit)  # what a lane has tried on its desk is not worked out twice
        try:
            request = self.ask(lane, tried)
            self.reproducer.begin(lane, request)
            proposal = lane.propose(request, self.desk_for(lane, fit))
            calls = self.purse.made(paid, lane.name)  # before a reviewer's, whose lane may have the same name
            attempt = replace(attempt, calls=calls, summary=proposal.summary, repairs=proposal.repairs)
            change = self._bounded(proposal.tree) if proposal.tree else fit(proposal.reply or "")
            attempt = replace(
                attempt, change=change, patch=self.prover.slot.trees.diff(self.start, change.new_tree)
            )
            attempt = self._judge(attempt, change, tried)
        except LimitReached as stop:
            reason = f"{stop}. {stop.hint}" if stop.hint else str(stop)
            attempt = replace(attempt, failure=Failure.LIMIT, reason=reason)
        except ProviderError as error:
            attempt = replace(attempt, failure=Failure.PROVIDER, reason=f"{error.kind}: {error}")
        except BadPatch as error:
            attempt = replace(attempt, failure=Failure.UNAPPLIABLE, reason=str(error))
        except HostilePatch as error:
            attempt = replace(attempt, failure=Failure.HOSTILE, reason=str(error))
        calls = attempt.calls or self.purse.made(paid, lane.name)
        return replace(attempt, calls=calls, seconds=time.monotonic() - began)

    def _fit(self, reply: str) -> Change:
        """The reply as a change of trees: all of it or none, and within its bounds."""
        self.on(Event(Step.FIT, ""))
        trees = self.prover.slot.trees
        try:
            tree = apply_reply(trees, self.start, reply)
        except BadPatch as refusal:
            raise BadPatch(tellable(str(refusal), reply, TreeFiles(trees, self.start))) from refusal
        return self._bounded(tree)

    def _bounded(self, tree: str) -> Change:
        """What a proposed tree changes, where that is anything and within its bounds."""
        trees = self.prover.slot.trees
        change = trees.change(self.start, tree)
        if not change.files:
            raise BadPatch("the patch changes nothing")
        judge_patch(trees, change, self.policy.paths)
        return change

    def _judge(self, attempt: Attempt, change: Change, tried: Sequence[Attempt]) -> Attempt:
        """Is it this lane's to change, is it proved, is that enough?"""
        odd = guard.remarks(change, attempt.patch)
        below = attempt.lane != self.top and not self.forced
        if below and (why := self._belongs_higher(change) or "; ".join(odd)):
            return replace(attempt, failure=Failure.RAISED, reason=f"this patch belongs to {self.top}: {why}")
        self.on(Event(Step.CHECK, change.summary))
        found = self._prove(change)
        found = replace(found, reasons=(*found.reasons, *odd))
        attempt = replace(attempt, evidence=found)
        if found.failure:
            stalled = any(it.evidence and it.evidence.failing == found.failing for it in tried)
            failure = Failure.STALLED if stalled else found.failure
            return replace(attempt, failure=failure, reason="; ".join(found.reasons))
        return self._accept(attempt, found, change)

    def _prove(self, change: Change) -> Evidence:
        about = (*self.touched, *change.paths)
        wanted = evidence.targets(self.baseline, self.decision.task_class, self.brief, about)
        return self.prover.prove(
            change,
            self.baseline,
            wanted,
            task_class=self.decision.task_class,
            brief=self.brief,
            reproduction=self.reproducer.test(),
        )

    @property
    def top(self) -> str:
        """The highest lane of the policy's own ladder, whatever this run's ladder was cut to."""
        models = self.policy.models
        return next(lane for lane in reversed(self.policy.routing.ladder) if not models[lane][0].is_fixer)

    def _belongs_higher(self, change: Change) -> str:
        """Why a patch of these files may not come from below the top lane; empty where it may."""
        if kept := risk.touched_conditions(change, self.policy):
            return kept[0][1]
        scored = risk.assess(risk.Facts("", change), self.policy).score
        if scored > self.policy.routing.fast_max_score:
            return f"it scores {scored} by the files that it touches"
        return ""

    def _accept(self, attempt: Attempt, found: Evidence, change: Change) -> Attempt:
        claimed = self.decision.task_class
        bar = self.policy.bar(attempt.lane, "other")
        if routing.is_confirmed(claimed, change) or self.policy.bar(attempt.lane, claimed).rank > bar.rank:
            bar = self.policy.bar(attempt.lane, claimed)
        if found.grade.reaches(bar):
            tried = self.decision.ladder[: self.policy.limits.max_attempts]
            attempt = replace(attempt, reason="; ".join(found.reasons))
            return self.reviewer.look(attempt, self._prove, higher=attempt.lane != tried[-1])
        attempt = self.reviewer.weighed(attempt)
        reason = f"graded {found.grade.value}, {attempt.lane} needs {bar.value}: {'; '.join(found.reasons)}"
        return replace(attempt, failure=Failure.WEAK, reason=reason)


_ENDINGS = {Failure.HOSTILE: Verdict.HOSTILE, Failure.LIMIT: Verdict.LIMIT}
