"""Judge a change that exists already: risk, policy of the base, checks, evidence, and a verifier by policy.

A commit, a pull request or the index is judged and never the dirty tree; policy and check definitions come
from its base, and so does what blocks. No patch is asked for here.
"""

from __future__ import annotations

import threading
import time
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from functools import partial
from typing import TYPE_CHECKING

from route_agent import blocking, classes, decide, earlier, risk, routing
from route_agent.blocking import Ending
from route_agent.checks.telling import Telling
from route_agent.errors import EnvironmentBroken, LimitReached, RepositoryState
from route_agent.evidence import targets
from route_agent.factfinding import of_change
from route_agent.ground import Opened
from route_agent.ledger.store import now
from route_agent.proof import Prover
from route_agent.records.checks import Isolation, IsolationLevel
from route_agent.records.events import Event, Step
from route_agent.records.grades import Failure, Grade, Verdict
from route_agent.records.judgements import Judgement
from route_agent.repo.git import GitFailed, git
from route_agent.repo.scratch import slot
from route_agent.retelling import Book
from route_agent.routing import is_test_path
from route_agent.sandbox.trial import walls_for

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from route_agent.config import Config
    from route_agent.policy import Policy
    from route_agent.records.change import Change
    from route_agent.records.events import Listener
    from route_agent.records.facts import Facts
    from route_agent.records.grades import TaskClass
    from route_agent.repo.repository import Repository
    from route_agent.repo.trees import Trees

__all__ = ["INDEX", "WORKING_TREE", "Asking", "Judgement", "judge"]

WORKING_TREE = ""
INDEX = ":index"  # no commit can be called so
NOTHING_RAN = Isolation(IsolationLevel.NONE, "no check was run")


def _leave(ground: Opened, judged: Judgement) -> Judgement:
    return judged


@dataclass(frozen=True, slots=True)
class Asking:
    """How a change is to be judged.

    Attributes:
        policy: a file or preset instead of the policy at the base.
        task: what the change is for, in a person's words; tells its class and which red tests it should mend.
        least: the grade below which the change is not proved; the policy may ask for more.
        source: who asks, for the ledger.
        target: what is judged, in words; found out where empty.
        held: whether somebody is held up meanwhile, so that the policy's `gate.deadline_s` counts.
        fresh: whether an earlier verdict on the very same does not count.
        max_usd: the most that the verifier may cost, in dollars, if less than the policy's limit.
        mend: what is done about a failure while the scratch still stands.
    """

    policy: str = ""
    task: str = ""
    least: Grade = Grade.NONE
    source: str = "gate"
    target: str = ""
    held: bool = False
    fresh: bool = False
    max_usd: float | None = None
    mend: Callable[[Opened, Judgement], Judgement] = field(default=_leave, repr=False)


def judge(
    repository: Repository,
    config: Config,
    base: str,
    head: str,
    *,
    required: IsolationLevel,
    on: Listener,
    asked: Asking | None = None,
) -> Judgement:
    """Judge the change from the merge base of `base` and `head` up to `head`, and write that down.

    Args:
        head: a commit, `INDEX` for what is staged, or `WORKING_TREE` for HEAD with all uncommitted work,
            which is not written down.
        required: the least isolation for code that may not be one's own.
        asked: how; as a person at the command line would where not given.

    Raises:
        RouteError: no such commits, a broken policy, or no scratch; of the working tree also checks that
            cannot run here.
    """
    return _Judging(repository, config, base, head, required, on, asked or Asking()).go()


class _Judging:
    """One judgement while it is made."""

    def __init__(
        self,
        repository: Repository,
        config: Config,
        base: str,
        head: str,
        required: IsolationLevel,
        on: Listener,
        asked: Asking,
    ) -> None:
        self.began, self.at, self.id = time.monotonic(), now(), earlier.new_id()
        self.repository, self.config = repository, config
        self.required, self.on, self.asked = required, on, asked
        self.kind = head if head in (WORKING_TREE, INDEX) else "commit"
        self.head = repository.commit(head if self.kind == "commit" else "HEAD")
        self.base = _merge_base(repository, repository.commit(base), self.head)
        self.messages = earlier.messages(repository, self.base, self.head) if self.kind == "commit" else ""
        self.stop = threading.Event()
        self.standing = earlier.Standing()
        self.digest = ""  # of what the verdict hangs on, before anything was run

    def go(self) -> Judgement:
        """The verdict of an earlier run where it still holds, else a new one."""
        with slot(self.repository) as mine:
            trees = mine.trees
            change = trees.change(trees.tree_of(self.base), self._tree(trees))
            book = Book(self.repository, partial(self._key, change), self.asked.source)
            key = book.key()
            if not self.asked.fresh and (found := book.told()):
                return book.keep_again(self._again(found))
            named, trusted, notices = decide.policy_in_force(
                self.repository,
                self.base,
                self.asked.policy,
                self.config,
                committed=self.head if self.kind == "commit" else "",
                needs_checks=self.kind == WORKING_TREE,
            )
            ground = Opened(
                repository=self.repository,
                config=self.config,
                policy=named,
                base=self.base,
                start=change.new_tree,
                change=change,
                slot=mine,
                trusted=trusted,
                notices=notices,
            )
            judged = self._judged(ground)
            judged = replace(judged, seconds=time.monotonic() - self.began)
            judged = self.asked.mend(ground, judged)
        if self.kind == WORKING_TREE:
            return judged
        return book.keep(judged, key, self.standing, self.digest)

    def _tree(self, trees: Trees) -> str:
        if self.kind == WORKING_TREE:
            return trees.snapshot().tree
        return trees.working.staged() if self.kind == INDEX else trees.tree_of(self.head)

    @property
    def _target(self) -> str:
        names = {WORKING_TREE: "the working tree", INDEX: "the index"}
        return self.asked.target or names.get(self.kind, f"commit {self.head[:10]}")

    # --- what is said of it

    def _judged(self, ground: Opened) -> Judgement:
        named, change, task = ground.policy, ground.change, self.asked.task
        facts = risk.Facts(
            brief=task or self.messages,
            change=change,
            **of_change(ground.slot.trees, change, named.policy),
        )
        assessed = risk.assess(facts, named.policy, named.lines)
        raised = [signal.name for signal in assessed.signals if signal.raised]
        task_class: TaskClass = classes.class_of(task, raised) if task else "other"
        judged = Judgement(
            change=change,
            risk=assessed,
            decision=routing.route(assessed, named, task_class),
            verdict=Verdict.ACCEPTED,
            reason="nothing was changed",
            isolation=NOTHING_RAN,
            seconds=0.0,
            notices=ground.notices,
            id=self.id,
            at=self.at,
            target=self._target,
            base=self.base,
            head=self.head if self.kind == "commit" else "",
        )
        return self._proved(judged, ground, facts, task_class) if change.files else judged

    def _proved(self, judged: Judgement, ground: Opened, facts: Facts, task_class: TaskClass) -> Judgement:
        """The judgement after the checks, and after a verifier where the policy wants one."""
        policy, late = ground.policy.policy, ""
        with self._deadline(policy):
            try:
                prover = self._prover(ground, policy)
                judged = replace(judged, isolation=prover.walls.isolation)
                judged = self._checked(judged, prover, task_class, facts.brief)
                ending = self._after_checks(judged, policy)
                if self._goes_on(ending, policy):
                    judged, ending = self._reviewed(judged, ending, ground, facts, prover)
            except EnvironmentBroken as error:
                if self.kind == WORKING_TREE:
                    raise
                told = f"{error}. {error.hint}" if error.hint else str(error)
                ending = Ending(Verdict.ENVIRONMENT, told, Failure.ENVIRONMENT)
            except LimitReached:
                if not self.stop.is_set():
                    raise
                late = f"not judged within {policy.gate.deadline_s:g} s (gate.deadline_s)"
                ending = Ending(Verdict.LIMIT, late, Failure.LIMIT)
        stops = ending.failure is not None
        if self.kind != WORKING_TREE:
            by_deadline = policy.gate.on_deadline == "block"
            stops = by_deadline if late else blocking.blocks(ending.failure, policy.gate)
        return replace(
            judged, verdict=ending.verdict, reason=ending.reason, failure=ending.failure, blocks=stops
        )

    def _prover(self, ground: Opened, policy: Policy) -> Prover:
        if not policy.checks:
            raise decide.no_checks(self.base)
        walls = walls_for(ground.slot, self.required, self.config.scratch)
        asked = {name for check in policy.checks if check.name in ground.trusted for name in check.env}
        programs = {check.run[0] for check in policy.checks}
        self.standing = earlier.Standing(tuple(sorted(programs)), tuple(sorted(asked)), ground.slot.overlaid)
        self.digest = self.standing.digest(self.repository.root)
        return Prover(
            ground.slot,
            walls,
            policy,
            trusted=ground.trusted,
            telling=Telling(self.on),
            stop=self.stop,
        )

    def _checked(self, judged: Judgement, prover: Prover, task_class: TaskClass, said: str) -> Judgement:
        change, task = judged.change, self.asked.task
        self.on(Event(Step.BASELINE, self.base[:10]))
        baseline = prover.baseline(change.old_tree)
        judged = replace(judged, baseline=baseline)
        self.on(Event(Step.CHECK, self._target))
        wanted = targets(baseline, task_class, task, change.paths) if task else frozenset[str]()
        evidence = prover.prove(change, baseline, wanted, task_class=task_class, brief=said)
        return replace(
            judged,
            evidence=evidence,
            isolation=prover.walls.isolation,
            notices=(*judged.notices, *_edited_judges(change)),
        )

    def _after_checks(self, judged: Judgement, policy: Policy) -> Ending:
        bars = (self.asked.least, Grade.NONE if self.kind == WORKING_TREE else policy.gate.least)
        if judged.evidence is None:
            return Ending(Verdict.ACCEPTED, judged.reason)
        return blocking.after_checks(judged.evidence, max(bars, key=lambda bar: bar.rank))

    def _goes_on(self, ending: Ending, policy: Policy) -> bool:
        """Whether a verifier is worth its money: nothing stops the change so far."""
        is_gate = self.kind != WORKING_TREE
        return is_gate and not blocking.blocks(ending.failure, policy.gate)

    def _reviewed(
        self, judged: Judgement, ending: Ending, ground: Opened, facts: Facts, prover: Prover
    ) -> tuple[Judgement, Ending]:
        baseline, evidence = judged.baseline, judged.evidence
        if baseline is None or evidence is None:
            return judged, ending
        gate, limits = ground.policy.policy.gate, ground.policy.policy.limits
        if gate.critique == "never":  # and whoever pushes need not wait for what asks lanes
            told = "never asked: gate.critique of the policy says so"
            return replace(judged, unreviewed=told), ending
        from route_agent.secondopinion import Case, second_opinion

        said = second_opinion(
            Case(
                id=self.id,
                ground=ground,
                decision=judged.decision,
                baseline=baseline,
                evidence=evidence,
                known=facts,
                ending=ending,
                prover=prover,
                deadline=self.began + (gate.deadline_s if self.asked.held else limits.deadline_s),
                on=self.on,
                max_usd=self.asked.max_usd,
            )
        )
        notices = (*judged.notices, *said.notices)
        judged = replace(judged, reviews=said.reviews, unreviewed=said.unreviewed, notices=notices)
        return judged, said.ending

    @contextmanager
    def _deadline(self, policy: Policy) -> Iterator[None]:
        """End the checks when whoever waits has waited long enough."""
        if not self.asked.held:
            yield
            return
        left = max(0.0, self.began + policy.gate.deadline_s - time.monotonic())
        timer = threading.Timer(left, self.stop.set)
        timer.daemon = True
        timer.start()
        try:
            yield
        finally:
            timer.cancel()

    # --- what was said of it before

    def _key(self, change: Change) -> str:
        """Under which key the verdict may be told again; empty where it may not."""
        if self.kind == WORKING_TREE or self.asked.task or self.asked.least is not Grade.NONE:
            return ""
        trees = (change.old_tree, change.new_tree)
        return earlier.key_of(self.repository, trees, self.messages, self.asked.policy)

    def _again(self, told: Judgement) -> Judgement:
        """An earlier run's judgement as this one's."""
        return replace(
            told,
            id=self.id,
            at=self.at,
            target=self._target,
            base=self.base,
            head=self.head if self.kind == "commit" else "",
            seconds=time.monotonic() - self.began,
        )


def _edited_judges(change: Change) -> Iterator[str]:
    if tests := [file.path for file in change.files if is_test_path(file.path) and not file.is_new]:
        yield f"the change edits what judges it: {', '.join(tests[:3])}"


def _merge_base(repository: Repository, base: str, head: str) -> str:
    try:
        return git("merge-base", base, head, cwd=repository.root).decode().strip()
    except GitFailed as error:
        raise RepositoryState(
            f"{base[:10]} and {head[:10]} have no common history here",
            hint="fetch more of it: git fetch --unshallow, or fetch-depth: 0 in CI",
        ) from error
