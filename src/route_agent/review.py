"""What is said of a patch that met its bar: a second model's opinion, and the computed confidence.

Neither can raise a grade, and what follows from them is decided elsewhere. The verifier is watched: now and
then it is shown a patch that is known to be bad, and what it says of that is written down and changes nothing
else.
"""

from __future__ import annotations

import secrets
import time
from dataclasses import dataclass, replace
from itertools import chain, islice, zip_longest
from typing import TYPE_CHECKING

from route_agent import mutants, verifying
from route_agent.confidence import confidence
from route_agent.errors import BadPatch, EnvironmentBroken, LimitReached, ProviderError
from route_agent.records.events import Event, Step
from route_agent.records.grades import Failure, Grade
from route_agent.records.lanes import Purpose
from route_agent.records.reviews import Opinion, Review
from route_agent.repo.trees import Content
from route_agent.routing import is_test_path

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from route_agent.confidence import Usual
    from route_agent.lanes.base import Answerer
    from route_agent.lanes.desk import Desk
    from route_agent.ledger.budget import Purse
    from route_agent.mutants import Mutant
    from route_agent.policy import Policy
    from route_agent.records.change import Change
    from route_agent.records.checks import CheckRun
    from route_agent.records.events import Listener
    from route_agent.records.reviews import Track
    from route_agent.records.runs import Attempt, Evidence
    from route_agent.repo.trees import Trees

    Prove = Callable[[Change], Evidence]

CANARY_TRIES = 3
_NOTICED = (Failure.REGRESSION, Failure.STILL_FAILING)


@dataclass(frozen=True, slots=True)
class Reviewer:
    """One run's means of looking at a patch again.

    Attributes:
        brief: the task's text.
        policy: when the verifier is asked, and how confident one must be.
        baseline: the checks at start.
        lanes: what can be asked for an opinion, in the policy's order.
        off: why nothing can.
        desk_for: a lane's desk.
        trees: where patched trees are written and compared.
        purse: the run's money.
        track: a model's record as a verifier.
        usual: what the lane of an attempt usually costs.
        on: told what goes on.
        withheld: which files it is not shown.
    """

    brief: str
    policy: Policy
    baseline: CheckRun
    lanes: tuple[Answerer, ...]
    off: str
    desk_for: Callable[[Answerer], Desk]
    trees: Trees
    purse: Purse
    track: Callable[[str], Track]
    usual: Callable[[Attempt], Usual]
    on: Listener
    withheld: Callable[[str], bool] = lambda path: False

    def look(self, attempt: Attempt, prove: Prove) -> Attempt:
        """An attempt that met its bar, with the verifier's opinion or the reason why there is none.

        Args:
            prove: what the checks say of a change, by the same rules as of the attempt's own.
        """
        try:
            return self._reviewed(attempt, prove)
        except LimitReached as stop:
            reason = f"graded {attempt.grade.value}, and the verifier cannot be asked: {stop}. {stop.hint}"
            return replace(attempt, failure=Failure.LIMIT, reason=reason.rstrip(". "))

    def weighed(self, attempt: Attempt, *, is_confirmed: bool) -> Attempt:
        """The attempt with its confidence and what that is made of.

        Args:
            is_confirmed: whether more than the brief says that the task is of its class.
        """
        if attempt.change is None or attempt.grade is Grade.NONE:
            return attempt
        value, reasons = confidence(
            attempt.grade,
            is_confirmed=is_confirmed,
            cost=attempt.cost,
            usual=self.usual(attempt),
            lines=attempt.change.added + attempt.change.deleted,
            review=attempt.review,
        )
        return replace(attempt, confidence=value, confidence_reasons=reasons)

    # --- the verifier

    def _reviewed(self, attempt: Attempt, prove: Prove) -> Attempt:
        """The attempt with the verifier's opinion, or with the reason why there is none.

        Raises:
            LimitReached: the budget or the deadline does not allow the question.
        """
        lane = self._lane_for(attempt)
        if not (why := self._not_wanted(attempt)) and lane is None:
            why = f"off: {self.off or 'no model but the one that wrote it can be asked here'}"
        found = attempt.evidence
        if why or lane is None or found is None or attempt.change is None:
            return replace(attempt, unreviewed=why)
        reviews = [self._ask(lane, attempt.patch, found, attempt)]
        if verifying.brings_canary(attempt.change.new_tree, self.policy.verify.canary_rate):
            reviews += self._canary(lane, attempt, attempt.change, prove)
        track = self.track(lane.model)
        for review in reviews:
            track = track.with_(review)
        return replace(attempt, reviews=tuple(replace(review, track=track) for review in reviews))

    def _not_wanted(self, attempt: Attempt) -> str:
        critique = self.policy.verify.critique
        if critique == "never":
            return "never asked: verify.critique of the policy says so"
        if critique == "when_weak" and attempt.grade.reaches(Grade.DISCRIMINATING):
            return f"not asked: {attempt.grade.value} needs no second opinion"
        return ""

    def _lane_for(self, attempt: Attempt) -> Answerer | None:
        """The first lane with another model than any that wrote this patch."""
        authors = _authors(attempt)
        return next(
            (it for it in self.lanes if not any(verifying.same_model(it.model, name) for name in authors)),
            None,
        )

    def _ask(
        self, lane: Answerer, diff: str, found: Evidence, attempt: Attempt, *, is_canary: bool = False
    ) -> Review:
        """One fresh conversation about one patch; no answer, or half of one, is `unsure`."""
        began, paid = time.monotonic(), len(self.purse.calls)
        patch = verifying.show_patch(diff, withheld=self.withheld)
        question = verifying.write_question(
            self.brief, patch, found, self.baseline, marker=secrets.token_hex(8)
        )
        try:
            reply, call = lane.answer(question, self.desk_for(lane))
        except ProviderError as error:
            answer = verifying.Answer(Opinion.UNSURE, (f"no answer: {error.kind}: {error}",))
        else:
            answer = verifying.read_answer(reply.text, patch)
            served = call.model_served or ""
            if any(verifying.same_model(served, name) for name in _authors(attempt)):
                answer = verifying.Answer(Opinion.UNSURE, (f"{served} answered, which wrote the patch",))
        return Review(
            lane=lane.name,
            model=lane.model,
            opinion=answer.opinion,
            reasons=answer.reasons,
            cited=answer.cited,
            is_canary=is_canary,
            calls=self.purse.made(paid, lane.name),
            seconds=time.monotonic() - began,
        )

    # --- the canary

    def _canary(self, lane: Answerer, attempt: Attempt, change: Change, prove: Prove) -> Iterator[Review]:
        """What the verifier says of a variant that is known to be bad, where one can be had and paid.

        It is shown with the evidence of the patch itself, so that nothing but the code tells the two apart.
        """
        self.on(Event(Step.CHECK, "a known-bad variant, to test the verifier"))
        try:
            if (diff := self._known_bad(attempt, change, prove)) and attempt.evidence:
                yield self._ask(lane, diff, attempt.evidence, attempt, is_canary=True)
        except (LimitReached, EnvironmentBroken):
            return  # a test of the verifier is no reason to end a run

    def _known_bad(self, attempt: Attempt, change: Change, prove: Prove) -> str:
        """The patch with one deliberate mistake that the checks notice; empty where none is found in time."""
        entries = self.trees.entries(change.new_tree, change.paths)
        for mutant in islice(self._mutants(attempt.patch, change), CANARY_TRIES):
            content = Content(entries[mutant.path].mode, mutant.content)
            tree = self.trees.write(change.new_tree, {mutant.path: content})
            if prove(self.trees.change(change.old_tree, tree)).failure in _NOTICED:
                return self.trees.diff(change.old_tree, tree)
        return ""

    def _mutants(self, diff: str, change: Change) -> Iterator[Mutant]:
        """Mutants of the added lines, each file in its turn; tests are left as they are."""
        added = verifying.show_patch(diff).added
        entries = self.trees.entries(change.new_tree, change.paths)
        wanted = {path: entry for path, entry in entries.items() if path in added and not is_test_path(path)}
        sources = self.trees.read(wanted)
        seed = f"canary:{change.new_tree}"
        made = (mutants.mutants(path, data, added[path], seed=seed) for path, data in sources.items())
        return (it for it in chain.from_iterable(zip_longest(*made)) if it is not None)


def wants_no_patch(reply: str) -> Change:
    """What the desk of a reviewer makes of any patch."""
    raise BadPatch("an opinion was asked for, and no patch")


def _authors(attempt: Attempt) -> set[str]:
    """Every model that was asked for this patch or answered."""
    wrote = (call for call in attempt.calls if call.purpose in (Purpose.PATCH, Purpose.PLAN))
    served = {call.model_served for call in wrote if call.model_served}
    return {attempt.model, *served} - {""}
