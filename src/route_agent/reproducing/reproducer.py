"""One run's reproduction: begun with the first model lane, waited for when its patch is there.

Whatever goes wrong with it leaves the run as it is without one: the reason is shown, and the grade stays what
the checks alone make it.
"""

from __future__ import annotations

import secrets
import threading
import time
from dataclasses import replace
from typing import TYPE_CHECKING

from route_agent import beside
from route_agent import reproduction as rules
from route_agent.errors import LimitReached, ProviderError
from route_agent.lanes.race import BETWEEN
from route_agent.policy import COMMAND, RECORDED
from route_agent.records.events import Event, Step
from route_agent.records.lanes import Purpose
from route_agent.records.reproductions import Reproduction
from route_agent.records.reviews import Opinion
from route_agent.reproducing.making import Making, QuietDesk
from route_agent.review import wants_no_patch
from route_agent.verifying import same_model

if TYPE_CHECKING:
    from collections.abc import Sequence
    from concurrent.futures import Future

    from route_agent.lanes.base import Answerer, Lane
    from route_agent.policy import LaneSpec
    from route_agent.records.lanes import Request
    from route_agent.records.runs import Attempt
    from route_agent.reproducing.making import Made, Means


class Reproducer:
    """Gets the test beside the first lane's work, and says later what it is worth."""

    def __init__(self, means: Means) -> None:
        self._means = means
        self._writer: Lane | None = None
        self._author: Lane | None = None
        self._future: Future[Made] | None = None
        self._found: Reproduction | None = None
        self._stop = threading.Event()
        self._spared = False

    def quote(self) -> str:
        """What it could cost, for a look that calls nothing; empty where none would be asked for."""
        means = self._means
        if not means.wanted or means.off or rules.blind(means.baseline):
            return ""
        lane, spec = means.writers[0]
        prompt = replace(means.ask(spec).prompt, system=rules.SYSTEM)
        worst = means.purse.worst(lane.name, lane.provider, lane.model, prompt, spec.max_output_tokens)
        return f"a test for the task by {lane.name}: at most ${worst / 1e6:.2f} a call"

    def begin(self, author: Lane, request: Request) -> None:
        """Begin, unless it has begun: a lane is about to be asked.

        Args:
            author: the lane whose patch will be held against the test; without a model, it needs none.
            request: what it will be asked, which must stay affordable.
        """
        means, spec = self._means, self._means.specs[author.name]
        self._author = author
        if self._future is not None or spec.is_fixer or not means.wanted:
            return
        if why := means.off or rules.blind(means.baseline):
            self._found = self._none(why)
            return
        chosen = next((it for it in means.writers if not _same(it[0], author)), None)
        if chosen is None:
            model = means.writers[0][0].model
            self._found = self._none(f"{model} writes the patch, and another model must write its test")
            return
        self._found, self._writer = None, chosen[0]
        making = Making(means, chosen, self._kept(author, spec, request), self._stop)
        self._future = beside.begin(making.make, "reproduction")

    def _kept(self, author: Lane, spec: LaneSpec, request: Request) -> int:
        """Micro-dollars that the author must be left with; of an agent, only a sum that is given is known."""
        if spec.provider == COMMAND:
            return round(spec.cap.usd * 1e6) if isinstance(spec.cap.usd, int | float) else 0
        dearest = self._means.purse.worst(
            author.name, author.provider, author.model, request.prompt, spec.max_output_tokens
        )
        return dearest * 5 // 4  # a repair reads more

    def test(self) -> Reproduction | None:
        """The test to hold the present lane's patch against, waited for; None where there is none.

        Raises:
            LedgerError: what was paid for it could not be written down.
        """
        if self._future is None or self._spared:
            return None
        if self._found is None:
            self._found = self._result(self._future)
        is_own = self._author and self._writer and _same(self._writer, self._author)
        return self._found if self._found.is_usable and not is_own else None

    def _result(self, future: Future[Made]) -> Reproduction:
        if not future.done():
            self._means.on(Event(Step.REPRODUCE, "waiting for it"))
        if not beside.is_done(future, self._means.deadline):
            return self._abandoned("it was not there at the run's deadline")
        return self._adopted(future.result())

    def _adopted(self, made: Made) -> Reproduction:
        """The test with its tree in the run's own store."""
        found = made.reproduction
        if found.change is None:
            return found
        tree = self._means.trees.write(self._means.start, dict(made.files))
        return replace(found, change=replace(found.change, new_tree=tree))

    def stop(self) -> None:
        """End what is under way, and soon: nobody waits for it."""
        self._stop.set()

    def ended(self) -> Reproduction | None:
        """The reproduction as the report shows it, or why there is none; None where none was wanted.

        What is under way ends. What was set aside for it stays charged.
        """
        self.stop()
        if self._found is None and self._future is not None:
            done = self._future.done()
            unused = "the run ended before a patch could be held against it"
            self._found = self._adopted(self._future.result()) if done else self._abandoned(unused)
        return self._found

    def _abandoned(self, why: str) -> Reproduction:
        self.stop()
        found, purse = self._none(why), self._means.purse
        purse.abandon(why, found.lane)
        return replace(found, calls=purse.made(0, found.lane))

    def _none(self, why: str) -> Reproduction:
        model = self._writer.model if self._writer else ""
        return Reproduction(self._means.policy.reproduce.lane, model, reason=why)

    def doubted(self, attempts: Sequence[Attempt]) -> Attempt | None:
        """The last attempt that only the test speaks against, where the test may not block.

        A test that no lane's patch passes is itself suspect. It blocks only if a verifier, in a fresh
        conversation, approves of it; after anything else no patch is held against it any more. Where nobody
        answers, one patch that fails it is no witness against it: two lanes' patches are.
        """
        found = self._found
        if found is None or not found.is_usable or self._spared:
            return None
        held = [it for it in attempts if _was_held(it)]
        only = [it for it in held if rules.failed_only(it, found)]
        if not only or any(rules.was_met(it, found) for it in held):
            return None
        began, paid = time.monotonic(), len(self._means.purse.calls)
        opinion, told = self._opinion(found, only[-1])
        witnesses = {it.lane for it in only}
        self._spared = len(witnesses) > 1 if opinion is None else opinion is not Opinion.APPROVE
        self._found = replace(
            found,
            suspect=f"no patch passes it, and {told}: {'it is set aside' if self._spared else 'it blocks'}",
            calls=(*found.calls, *self._means.purse.calls[paid:]),
            seconds=found.seconds + time.monotonic() - began,
        )
        return only[-1] if self._spared else None

    def _opinion(self, found: Reproduction, failed: Attempt) -> tuple[Opinion | None, str]:
        """What the verifier says of the test, in its word and in a sentence; None where nobody answers."""
        means, lane = self._means, self._stranger(found, failed)
        if lane is None or means.policy.verify.critique == "never":
            return None, "no verifier is there to say whether it demands what the task says"
        question = rules.write_question(means.brief, found, failed, secrets.token_hex(8))
        quiet = QuietDesk(means, lane.name, wants_no_patch, 0, threading.Event())
        desk = quiet.doing(Purpose.OPINION)
        try:
            reply, _ = lane.answer(question, desk)
        except (ProviderError, LimitReached) as error:
            return None, f"the verifier ({lane.model}) gave no answer ({error})"
        answer = rules.read_opinion(reply.text, found)
        who = lane.model + (", which wrote it" if same_model(lane.model, found.model) else "")
        why = f" ({'; '.join(answer.reasons)})" if answer.reasons else ""
        return answer.opinion, f"the verifier ({who}) says {answer.opinion.value}{why}"

    def _stranger(self, found: Reproduction, failed: Attempt) -> Answerer | None:
        """A verifier that is none of the models of a patch; the test's own author only where no other is."""
        names = {failed.model, *(call.model_served or "" for call in failed.calls)} - {"", RECORDED}
        lanes = [it for it in self._means.reviewers if not any(same_model(it.model, name) for name in names)]
        others = [it for it in lanes if not same_model(it.model, found.model)]
        return next(iter([*others, *lanes]), None)


def _same(one: Lane, other: Lane) -> bool:
    """Whether two lanes are one author. Recordings that name no model are told apart by their lanes."""
    models = other.model.split(BETWEEN)  # of a race, either may be the one whose patch counts
    return one.name == other.name or (
        one.model != RECORDED and any(same_model(one.model, it) for it in models)
    )


def _was_held(attempt: Attempt) -> bool:
    """Whether its patch was run with the test over it."""
    found, change = attempt.evidence, attempt.change
    return bool(found and change and found.checks.tree != change.new_tree)
