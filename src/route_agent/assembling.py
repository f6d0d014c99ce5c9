"""A run's means, put together: desks, what models are shown, who reviews, who writes a test, the climb."""

from __future__ import annotations

from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from functools import cache, partial
from typing import TYPE_CHECKING, cast

from route_agent import routing, strictness
from route_agent.attempting import Attempting
from route_agent.brief import MAX_NAMED_FILES
from route_agent.climb import Climb
from route_agent.errors import ProviderError
from route_agent.lanes.build import build_reviewers, build_writers
from route_agent.lanes.desk import Desk
from route_agent.lanes.planned import PlannedLane
from route_agent.lanes.race import RaceLane
from route_agent.lanes.terms import terms_of
from route_agent.ledger.examples import similar
from route_agent.library import Library
from route_agent.proof import Prover
from route_agent.quoting import UNPRICED
from route_agent.records.lanes import Purpose
from route_agent.repo.scratch import slot
from route_agent.reproducing.making import Means
from route_agent.reproducing.reproducer import Reproducer
from route_agent.review import Reviewer, wants_no_patch
from route_agent.workspaces import workspace

if TYPE_CHECKING:
    import threading
    from collections.abc import Callable, Iterator, Mapping, Sequence

    from route_agent.ground import Opened
    from route_agent.lanes.base import Answerer, Lane
    from route_agent.lanes.desk import Workspace
    from route_agent.lanes.recorded import RecordedReplies
    from route_agent.lanes.terms import Terms
    from route_agent.ledger.budget import Purse
    from route_agent.ledger.store import Ledger
    from route_agent.outward import Outward
    from route_agent.policy import LaneSpec, Policy
    from route_agent.pricing import Prices
    from route_agent.records.change import Change
    from route_agent.records.checks import CheckRun
    from route_agent.records.events import Listener
    from route_agent.records.lanes import Call, ModelReply, Prompt, Request
    from route_agent.records.risk import Decision
    from route_agent.records.runs import Attempt
    from route_agent.risk import Facts


def without_a_plan(
    decision: Decision, specs: Mapping[str, LaneSpec], unusable: Mapping[str, str]
) -> Decision:
    """The decision, with a word on each lane that goes to work without the plan that it should have."""
    working = (it for lane in decision.ladder for it in (lane, *specs[lane].race))
    planners = {lane: specs[lane].plan_with or "" for lane in working}
    told = tuple(
        f"{lane} works without a plan: {planner} cannot be called ({unusable[planner]})"
        for lane, planner in planners.items()
        if planner in unusable
    )
    return replace(decision, skipped=(*decision.skipped, *told))


def _unlearnt(what: str, share: float) -> float | None:
    return None


@dataclass(slots=True)
class Assembly:
    """What a run's means are made from, once it is decided.

    Attributes:
        ground: the repository, its policy and a scratch.
        policy: the rules in force, with the operator's own limits.
        decision: which lanes, in which order.
        baseline: the checks at start.
        known: what is known about the task.
        lanes: every lane that can be called here, by name.
        specs: the entry that each lane stands for.
        ledger: what was learnt from earlier runs.
        purse: the run's money.
        prices: what calls cost.
        prover: proves a change.
        outward: what may leave, and what of it is kept.
        replies: recorded ones, where no model is called.
        deadline: the `time.monotonic()` after which nothing begins.
        record: keeps an attempt the moment it ended.
        on: told what goes on.
        forced: whether the operator allowed a lane below an always-strong condition.
    """

    ground: Opened
    policy: Policy
    decision: Decision
    baseline: CheckRun
    known: Facts
    lanes: Mapping[str, Lane]
    specs: Mapping[str, LaneSpec]
    ledger: Ledger
    purse: Purse
    prices: Prices
    prover: Prover
    outward: Outward
    replies: RecordedReplies | None
    deadline: float
    record: Callable[[Attempt], None]
    on: Listener
    forced: bool = False
    library: Library = field(init=False)

    def __post_init__(self) -> None:
        self.library = self._library()

    def climb(self) -> Climb:
        """The way up, with all that it takes."""
        library, specs = self.library, self.specs
        first = cache(lambda lane: library.request(specs[lane], ()))  # quoted and then sent

        def ask(lane: Lane, tried: Sequence[Attempt]) -> Request:
            request = library.request(specs[lane.name], tried) if tried else first(lane.name)
            racers = (library.request(specs[it], tried) for it in specs[lane.name].race)
            return replace(request, racers=tuple(racers))

        reviewer = self.reviewer()
        reproducer = self._reproducer(reviewer)
        tries = {lane: specs[lane].attempts for lane in self.decision.ladder}
        rungs = routing.rungs(self.decision.ladder, tries, self.policy.limits.max_attempts)
        attempting = Attempting(
            brief=self.known.brief,
            start=self.ground.start,
            policy=self.policy,
            decision=self.decision,
            baseline=self.baseline,
            touched=self.known.touched,
            desk_for=self._desk,
            ask=ask,
            prover=self.prover,
            reviewer=reviewer,
            reproducer=reproducer,
            purse=self.purse,
            efforts=lambda attempt: self.ledger.efforts(attempt.lane, attempt.model),
            on=self.on,
            last=rungs[-1] if rungs else "",
            forced=self.forced,
            held=frozenset(strictness.held(self.ground.config.floor)),
            withheld=self.outward.withheld,
        )
        return Climb(
            policy=self.policy,
            decision=self.decision,
            rungs=rungs,
            lanes={name: self._planned(lane) for name, lane in self.lanes.items()},
            attempting=attempting,
            reproducer=reproducer,
            record=self.record,
            on=self.on,
        )

    def _desk(self, lane: Lane, fit: Callable[[str], Change]) -> Desk:
        return Desk(
            lane=lane.name,
            purse=self.purse,
            deadline=self.deadline,
            workspace=self._workspace,
            fit=fit,
            on=self.on,
            leaving=self.outward.leaving,
            keep=self.outward.keep,
            terms=self._terms,
            shelf=self.library.shelf,
            compact=self._compact,
            start=self.ground.start,
        )

    def _library(self) -> Library:
        known = self.known
        lane_of = {spec: lane for lane, entries in self.policy.models.items() for spec in entries}

        def examples(count: int) -> Sequence[tuple[str, str]]:
            reports = self.ledger.accepted_reports(str(self.ground.repository.root))
            about = (*known.named[:MAX_NAMED_FILES], *known.change.paths)
            return similar(reports, known.brief, about, count, self.library.is_withheld)

        return Library(
            self.ground,
            known,
            self.baseline,
            task_class=self.decision.task_class,
            calibration=lambda spec: self.ledger.calibration(lane_of.get(spec, ""), spec.model),
            examples=examples,
            withheld=self.outward.withheld,
        )

    def _terms(self, lane: str) -> Terms:
        """How far one attempt of a lane may go."""
        spec = self.specs[lane]
        return terms_of(
            spec,
            # what this ledger has learnt since is no part of what was recorded
            _unlearnt if self.replies else partial(self.ledger.lane_quantile, lane, spec.model),
            calibration=self.library.calibration(spec),
            can_compact=spec.compact_with in self.lanes,
        )

    def _compact(self, prompt: Prompt, desk: Desk) -> tuple[ModelReply, Call]:
        """Have the lane that the policy names sum a conversation up."""
        name = self.specs[desk.lane].compact_with or ""
        if name not in self.lanes:
            raise ProviderError(f"lane {name} cannot be called here", kind="no_compactor")
        return cast("Answerer", self.lanes[name]).answer(prompt, desk)

    def _planned(self, lane: Lane) -> Lane:
        """The lane, behind its plan where another lane is to make one and can be called here."""
        if isinstance(lane, RaceLane):
            return lane.of(self._planned)
        name = self.specs[lane.name].plan_with or ""
        planner = self.lanes.get(name)
        if planner is None:
            return lane
        question = partial(self.library.request, self.specs[name], ())
        return PlannedLane(cast("Answerer", lane), cast("Answerer", planner), lambda: question().prompt)

    def _is_priced(self, lane: Lane) -> bool:
        """Whether a lane may be called under a budget."""
        return self.policy.limits.unpriced != "refuse" or self.prices.known(lane.provider, lane.model)

    def reviewer(self) -> Reviewer:
        """What looks at a patch again."""
        lanes, off = build_reviewers(self.policy, self.ground.config, self.replies)
        if not (priced := tuple(lane for lane in lanes if self._is_priced(lane))):
            off = off or UNPRICED
        return Reviewer(
            brief=self.known.brief,
            policy=self.policy,
            baseline=self.baseline,
            lanes=priced,
            off=off,
            desk_for=lambda lane: self._desk(lane, wants_no_patch).doing(Purpose.OPINION),
            trees=self.ground.slot.trees,
            purse=self.purse,
            track=self.ledger.track,
            usual=lambda attempt: self.ledger.usual(attempt.lane, attempt.model),
            on=self.on,
        )

    def _reproducer(self, reviewer: Reviewer) -> Reproducer:
        writers, off = build_writers(self.policy, self.ground.config, self.replies)
        if not (priced := tuple(it for it in writers if self._is_priced(it[0]))):
            off = off or UNPRICED
        means = Means(
            brief=self.known.brief,
            wanted=routing.wants_reproduction(self.policy, self.decision),
            start=self.ground.start,
            baseline=self.baseline,
            policy=self.policy,
            writers=priced,
            off=off,
            reviewers=reviewer.lanes,
            specs=self.specs,
            ask=lambda spec: self.library.request(spec, ()),
            prover=self._another_prover,
            trees=self.ground.slot.trees,
            purse=self.purse,
            deadline=self.deadline,
            on=self.on,
            withheld=self.outward.withheld,
            leaving=self.outward.leaving,
            keep=self.outward.keep,
        )
        return Reproducer(means)

    @contextmanager
    def _another_prover(self, stop: threading.Event) -> Iterator[Prover]:
        """A prover for another thread: a scratch of its own that sees the trees of this run."""
        ground = self.ground
        with slot(ground.repository) as mine:
            mine.trees.borrow(ground.slot.trees)
            mine.overlaid = ground.slot.overlaid
            yield Prover(mine, self.prover.walls, self.policy, trusted=ground.trusted, stop=stop)

    def _workspace(self, start: str) -> Iterator[Workspace]:
        """The scratch at a tree, for a lane that edits files itself."""
        return workspace(self.prover.slot, self.prover.walls, start, self.outward.withheld)
