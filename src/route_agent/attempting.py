"""One lane's attempt: ask for a patch, fit it, prove it, decide. What fails becomes its failure class."""

from __future__ import annotations

import time
from dataclasses import dataclass, replace
from functools import cache
from typing import TYPE_CHECKING

from route_agent import afterwards, evidence, racing
from route_agent.afterwards import Standing
from route_agent.confidence import NOTHING_KNOWN
from route_agent.errors import BadPatch, CapReached, HostilePatch, LimitReached, ProviderError
from route_agent.lanes.answers import MODELS_OWN
from route_agent.patch import guard
from route_agent.policy import RECORDED
from route_agent.prompt import tellable
from route_agent.records.events import Event, Step
from route_agent.records.grades import Failure
from route_agent.records.lanes import Purpose
from route_agent.records.runs import Attempt
from route_agent.redaction import is_secret_name
from route_agent.repo.apply import TreeFiles, apply_reply, judge_patch
from route_agent.repo.secrets import refuse_unseen
from route_agent.suspicions import versions
from route_agent.verifying import same_model

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from route_agent.classes import Contents
    from route_agent.confidence import Efforts
    from route_agent.lanes.base import Lane
    from route_agent.lanes.desk import Desk
    from route_agent.ledger.budget import Purse
    from route_agent.policy import Policy
    from route_agent.proof import Prover
    from route_agent.records.change import Change
    from route_agent.records.checks import CheckRun
    from route_agent.records.events import Listener
    from route_agent.records.lanes import Call, Proposal, Request
    from route_agent.records.risk import Decision
    from route_agent.records.runs import Evidence
    from route_agent.reproducing.reproducer import Reproducer
    from route_agent.review import Reviewer


@dataclass(frozen=True, slots=True)
class Attempting:
    """What an attempt of any lane is made with.

    Attributes:
        brief: the task's text.
        start: the tree that lanes edit.
        policy: the rules in force.
        decision: which lanes, in which order.
        baseline: the checks at start.
        touched: paths that the task is about, for telling which red tests are its own.
        desk_for: a lane's desk, with what tells it whether a reply fits.
        ask: writes the request for a lane, with what was tried before.
        prover: proves a change.
        reviewer: looks again at what met its bar.
        reproducer: has a test for the brief, where one can be had.
        purse: the run's money.
        efforts: what the earlier attempts of an attempt's lane took.
        on: told what goes on.
        last: the lane after which there is no other in this run.
        forced: whether the operator allowed a lane below an always-strong condition.
        held: the conditions that a floor asks for: below these nobody allows a lane.
        withheld: whether no model is shown a file.
    """

    brief: str
    start: str
    policy: Policy
    decision: Decision
    baseline: CheckRun
    touched: tuple[str, ...]
    desk_for: Callable[[Lane, Callable[[str], Change]], Desk]
    ask: Callable[[Lane, Sequence[Attempt]], Request]
    prover: Prover
    reviewer: Reviewer
    reproducer: Reproducer
    purse: Purse
    efforts: Callable[[Attempt], Efforts]
    on: Listener
    last: str
    forced: bool = False
    held: frozenset[str] = frozenset()
    withheld: Callable[[str], bool] = is_secret_name

    def attempt(self, lane: Lane, tried: Sequence[Attempt]) -> Attempt:
        """One lane's attempt.

        Args:
            tried: the attempts before it.
        """
        began, paid = time.monotonic(), len(self.purse.calls)
        attempt = Attempt(lane.name, lane.provider, lane.model)
        fit = cache(self._fit)  # what a lane has tried on its desk is not worked out twice
        desk = self.desk_for(lane, fit)
        try:
            request = self.ask(lane, tried)
            self.reproducer.begin(lane, request)
            proposal = lane.propose(request, desk)
            attempt = _proposed(replace(attempt, calls=self._paid(paid)), proposal)
            attempt = replace(attempt, same_model_as=_same_model(attempt, tried))
            if proposal.rivals:
                attempt = self._raced(attempt, proposal.rivals, fit, tried)
            else:
                attempt = self._changed(attempt, proposal, fit)
                attempt = self._judge(attempt, tried)
        except (LimitReached, ProviderError, BadPatch, HostilePatch) as error:
            attempt = _failed(attempt, error)
        # a conversation that ended without a patch is told all the same
        turns, reads = attempt.iterations or desk.talk.iterations, attempt.reads or tuple(desk.talk.reads)
        attempt = replace(attempt, iterations=turns, reads=reads)
        return self._decided(replace(attempt, calls=self._paid(paid), seconds=time.monotonic() - began))

    def asked(self, lane: Lane) -> Attempt:
        """What a lane proposes, fitted and within its bounds. Nothing is run, so it proves nothing."""
        began, paid = time.monotonic(), len(self.purse.calls)
        attempt = Attempt(lane.name, lane.provider, lane.model)
        fit = cache(self._fit)
        try:
            proposal = lane.propose(self.ask(lane, ()), self.desk_for(lane, fit))
            attempt = self._changed(_proposed(attempt, proposal), proposal, fit)
        except (LimitReached, ProviderError, BadPatch, HostilePatch) as error:
            attempt = _failed(attempt, error)
        return replace(attempt, calls=self._paid(paid), seconds=time.monotonic() - began)

    def _paid(self, since: int) -> tuple[Call, ...]:
        """The calls that went into patches, whichever lanes they asked; others are made at the same time."""
        return tuple(call for call in self.purse.calls[since:] if call.purpose in _FOR_A_PATCH)

    def judged_again(self, spared: Attempt) -> Attempt:
        """What becomes of a patch once the test that alone spoke against it was set aside."""
        began = time.monotonic()
        if spared.change is None:
            return spared
        attempt = self._judge(replace(spared, evidence=None, failure=None, second=None), ())
        reason = f"judged again without the reproduction: {attempt.reason}"
        return replace(attempt, calls=(), repairs=0, reason=reason, seconds=time.monotonic() - began)

    def _changed(self, attempt: Attempt, proposal: Proposal, fit: Callable[[str], Change]) -> Attempt:
        """The attempt with what its proposal changes."""
        change = self._bounded(proposal.tree) if proposal.tree else fit(proposal.reply or "")
        patch = self.prover.slot.trees.diff(self.start, change.new_tree)
        return replace(attempt, change=change, patch=patch)

    def _raced(
        self,
        attempt: Attempt,
        rivals: Sequence[Proposal],
        fit: Callable[[str], Change],
        tried: Sequence[Attempt],
    ) -> Attempt:
        """Of two patches the better one, if they agree; where they do not, how they differ."""
        trees = self.prover.slot.trees
        changes = [self._rival(attempt, it, fit) for it in rivals]
        if author := racing.one_author(rivals):
            reason = f"{author} answered for both lanes: two patches of one model prove no agreement"
            return replace(attempt, failure=Failure.WEAK, reason=reason)
        self.on(Event(Step.CHECK, "each patch with the other's tests"))
        one, other = (
            racing.Side(it, change, self._prove(change))
            for it, change in zip(rivals, changes, strict=True)
            if change
        )
        ended = racing.compare(one, other, trees=trees, run=self.prover.run_only)
        better, both = ended.better, attempt.model
        attempt = _proposed(
            replace(attempt, model=better.model, difference=ended.difference), better.proposal
        )
        patch = trees.diff(self.start, better.change.new_tree)
        attempt = replace(attempt, change=better.change, patch=patch, evidence=better.evidence)
        if ended.difference:
            reason = f"the two patches do not agree:\n{ended.difference}"
            return replace(attempt, failure=Failure.DISPUTED, reason=reason, model=both)
        if ended.silent:
            who = " and ".join(f"{model}'s patch" for model in ended.silent)
            reason = f"no agreement: {who} brought no test that is red without it"
            return replace(attempt, failure=Failure.WEAK, reason=reason, model=both)
        attempt = self._judge(attempt, tried)
        agreed = f"both patches pass each other's tests ({len(ended.crossed)})"
        return replace(attempt, reason=f"{agreed}; {attempt.reason}")

    def _rival(self, attempt: Attempt, proposal: Proposal, fit: Callable[[str], Change]) -> Change | None:
        """What one side of a race changes; a patch that is refused is told with its model's name."""
        try:
            return self._changed(attempt, proposal, fit).change
        except (BadPatch, HostilePatch) as refusal:
            raise type(refusal)(f"{proposal.model}: {refusal}") from refusal

    def _fit(self, reply: str) -> Change:
        """The reply as a change of trees: all of it or none, and within its bounds."""
        self.on(Event(Step.FIT, ""))
        trees = self.prover.slot.trees
        try:
            tree = apply_reply(trees, self.start, reply)
        except BadPatch as refusal:
            raise BadPatch(
                tellable(str(refusal), reply, TreeFiles(trees, self.start), self.withheld)
            ) from refusal
        return self._bounded(tree)

    def _bounded(self, tree: str) -> Change:
        """What a proposed tree changes, where that is anything and within its bounds."""
        trees = self.prover.slot.trees
        change = trees.change(self.start, tree)
        if not change.files:
            raise BadPatch("the patch changes nothing")
        judge_patch(trees, change, self.policy.paths)
        refuse_unseen(change, self.withheld)
        return change

    def _judge(self, attempt: Attempt, tried: Sequence[Attempt]) -> Attempt:
        """Is it this lane's to change, is it proved, is that enough?"""
        change = attempt.change
        if change is None:
            return attempt
        standing = self._standing(attempt)
        odd = guard.remarks(change, attempt.patch)
        higher, why = afterwards.belongs_higher(attempt, standing, odd)
        is_held = standing.touched and not self.held.isdisjoint(standing.touched.always)
        if higher and (is_held or not self.forced):
            raised = replace(attempt, failure=Failure.RAISED, reason=f"this patch belongs to {higher}: {why}")
            return afterwards.decided(raised, standing, belongs_to=higher)
        self.on(Event(Step.CHECK, change.summary))
        found = self._prove(change)
        found = replace(found, reasons=(*found.reasons, *odd))
        attempt = replace(attempt, evidence=found)
        if found.failure:
            stalled = any(it.evidence and it.evidence.failing == found.failing for it in tried)
            failure = Failure.STALLED if stalled else found.failure
            attempt = replace(attempt, failure=failure, reason="; ".join(found.reasons))
            return afterwards.decided(attempt, standing)
        if afterwards.is_worth_an_opinion(attempt, standing):
            attempt = self.reviewer.look(attempt, self._prove)
        attempt = self.reviewer.weighed(attempt, is_confirmed=standing.confirms(change))
        return afterwards.decided(attempt, standing)

    def _decided(self, attempt: Attempt) -> Attempt:
        """The attempt with the decision after it."""
        return attempt if attempt.second else afterwards.decided(attempt, self._standing(attempt))

    def _standing(self, attempt: Attempt) -> Standing:
        change = attempt.change
        return Standing(
            policy=self.policy,
            claimed=self.decision.task_class,
            is_claim_trusted=self.decision.class_named,
            fits=self.decision.fits,
            contents=self._contents(attempt),
            efforts=self.efforts(attempt) if attempt.requests else NOTHING_KNOWN,
            higher=attempt.lane != self.last,
            touched=afterwards.touched(change, attempt.patch, self.policy, frozenset(self.decision.fits))
            if change
            else None,
        )

    def _contents(self, attempt: Attempt) -> Contents | None:
        """Both versions of what the attempt touches, for the one class that they can confirm."""
        if attempt.change is None or self.decision.task_class != "comments":
            return None
        return versions(self.prover.slot.trees, attempt.change)

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


_FOR_A_PATCH = (Purpose.PATCH, Purpose.PLAN, Purpose.COMPACT)


def _failed(attempt: Attempt, error: LimitReached | ProviderError | BadPatch | HostilePatch) -> Attempt:
    """The attempt as it failed before there was a patch to prove."""
    failure, reason = Failure.UNAPPLIABLE, str(error)
    match error:
        case LimitReached():
            failure = Failure.CAPPED if isinstance(error, CapReached) else Failure.LIMIT
            reason = f"{error}. {error.hint}" if error.hint else reason
        case ProviderError():
            failure = Failure.UNAPPLIABLE if error.kind in MODELS_OWN else Failure.PROVIDER
            reason = f"{error.kind}: {error}"
        case HostilePatch():
            failure = Failure.HOSTILE
    return replace(attempt, failure=failure, reason=reason)


def _proposed(attempt: Attempt, proposal: Proposal) -> Attempt:
    """The attempt with what a proposal says of itself."""
    return replace(
        attempt,
        model=proposal.model or attempt.model,
        summary=proposal.summary,
        repairs=proposal.repairs,
        iterations=proposal.iterations,
        reads=proposal.reads,
        plan=proposal.plan,
    )


def _same_model(attempt: Attempt, tried: Sequence[Attempt]) -> str:
    """The other lane for which the model of this attempt had answered before; empty where none had."""
    served = _served(attempt)
    for earlier in tried:
        if earlier.lane != attempt.lane and any(same_model(a, b) for a in served for b in _served(earlier)):
            return earlier.lane
    return ""


def _served(attempt: Attempt) -> set[str]:
    """Who wrote the patch, by the provider's own word."""
    calls = (it for it in attempt.calls if it.purpose is Purpose.PATCH and it.provider != RECORDED)
    return {it.model_served for it in calls if it.model_served}
