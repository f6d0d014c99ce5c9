"""One task, from an opened repository to a recorded run: baseline, decision, climb, delivery, ledger."""

from __future__ import annotations

import json
import secrets
import shlex
import time
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING

from route_agent import decide, evidence
from route_agent.climb import Climb
from route_agent.config import prices, required_isolation
from route_agent.delivering import Delivery
from route_agent.errors import EnvironmentBroken, LedgerError, RepositoryState
from route_agent.lanes.build import build_lanes, build_reviewers, build_writers
from route_agent.lanes.desk import Desk, Workspace
from route_agent.ledger.budget import Purse
from route_agent.ledger.store import now
from route_agent.library import Library
from route_agent.proof import Prover
from route_agent.records.change import Change
from route_agent.records.events import Event, Step
from route_agent.records.grades import Grade, Verdict
from route_agent.records.runs import Cost, Run
from route_agent.redaction import redact_all
from route_agent.repo.delivery import Wanted, refuse_early
from route_agent.repo.scratch import slot
from route_agent.reproducing.making import Means
from route_agent.reproducing.reproducer import Reproducer
from route_agent.review import Reviewer, wants_no_patch
from route_agent.routing import Wish, within_reach
from route_agent.sandbox.environment import clean_environment
from route_agent.sandbox.trial import walls_for

if TYPE_CHECKING:
    import threading
    from collections.abc import Callable, Iterator, Sequence

    from route_agent.decide import Opened
    from route_agent.lanes.base import Lane
    from route_agent.lanes.recorded import RecordedReplies
    from route_agent.ledger.store import Ledger
    from route_agent.policy import LaneSpec, Policy
    from route_agent.records.checks import CheckRun
    from route_agent.records.events import Listener
    from route_agent.records.lanes import Request
    from route_agent.records.risk import Decision
    from route_agent.records.runs import Attempt
    from route_agent.risk import Facts

_ALPHABET = "23456789abcdefghjkmnpqrstuvwxyz"
TYPICAL_OUTPUT_TOKENS = 1_500


@dataclass(frozen=True, slots=True)
class Options:
    """What the operator asked for on the command line; None leaves the policy's own limit in force."""

    wish: Wish = field(default_factory=Wish)
    wanted: Wanted = field(default_factory=Wanted)
    max_usd: float | None = None
    max_attempts: int | None = None
    deadline_s: float | None = None
    dry_run: bool = False
    replies: RecordedReplies | None = field(default=None, repr=False)


def run_task(ground: Opened, brief: str, options: Options, ledger: Ledger, on: Listener) -> Run:
    """Do one task and write it down, however it ends.

    Raises:
        RouteError: it could not begin, or stopped for a reason that ends it; the ledger has what was spent.
    """
    refuse_early(ground.repository, options.wanted)
    return _TaskRun(ground, brief, options, ledger, on).go()


class _TaskRun:
    """The state of one run while it goes on; `Run` is what is left of it."""

    def __init__(self, ground: Opened, brief: str, options: Options, ledger: Ledger, on: Listener) -> None:
        self.ground = ground
        self.options = options
        self.ledger = ledger
        self.on = on
        self.began = time.monotonic()
        self.policy = _limited(ground.policy.policy, options)
        walls = walls_for(ground.slot, required_isolation(ground.config), ground.config.scratch)
        self.prover = Prover(
            ground.slot,
            walls,
            self.policy,
            trusted=ground.trusted,
            on_check=lambda result: on(Event(Step.CHECK, f"{result.name} {result.outcome.value}")),
        )
        self.prices = prices(ground.config)
        self.run = Run(
            id="".join(secrets.choice(_ALPHABET) for _ in range(6)),
            started_at=now(),
            repository=str(ground.repository.root),
            brief=brief,
            base=ground.base,
            start=ground.start,
            verdict=Verdict.PLANNED,
            reason="",
            isolation=walls.isolation,
            replayed=options.replies is not None,
            forced_lane=options.wish.force,
            verification=" && ".join(shlex.join(check.run) for check in self.policy.checks),
            notices=ground.notices,
        )
        limits = self.policy.limits
        self.purse = Purse(
            ledger, self.run.id, self.prices, max_usd=limits.max_usd, per_day_usd=limits.per_day_usd
        )
        self.delivery = Delivery(ground, self.prover, options.wanted)
        self.attempts: list[Attempt] = []
        self.reproducer: Reproducer | None = None
        self.begun = False

    def go(self) -> Run:
        """Baseline, decision, climb, delivery."""
        try:
            return self._go()
        except KeyboardInterrupt:
            run = self._finish(Verdict.INTERRUPTED, "stopped by the user")
            spent = f"${run.cost.known_micro_usd / 1e6:.4f}"
            if run.cost.unknown_calls:
                spent += f" and {run.cost.unknown_calls} calls of unknown cost"
            raise KeyboardInterrupt(f"run {run.id}: {spent} spent") from None
        except LedgerError as error:
            raise self._with_what_was_spent(error) from error
        finally:
            if self.reproducer:
                self.reproducer.stop()

    def _with_what_was_spent(self, error: LedgerError) -> LedgerError:
        """What cannot be written down is told at least."""
        cost, patch = Cost.of(self.purse.calls), self.run.patch_path
        if not (self.purse.calls or patch):
            return error
        unknown = f" and {cost.unknown_calls} calls of unknown cost" if cost.unknown_calls else ""
        saved = f"; patch saved: {patch}" if patch else ""
        spent = f"${cost.known_micro_usd / 1e6:.4f}{unknown} spent{saved}"
        return LedgerError(f"{error.what}. This run: {spent}", hint=error.hint)

    def _go(self) -> Run:
        lanes, unusable, specs = build_lanes(self.policy, self.ground.config, self.options.replies)
        decide.refuse_early(self.ground, self.run.brief, self.options.wish, unusable)
        self.on(Event(Step.BASELINE, " · ".join(check.name for check in self.policy.checks)))
        baseline = self.prover.baseline(self.ground.start)
        known = decide.facts(self.ground, self.run.brief, baseline)
        risk, decision = decide.decide(self.ground, known, baseline, self.options.wish)
        decision = decide.with_usable_lanes(decision, unusable)
        decision = within_reach(decision, self.policy, self._reachable(decision, baseline, lanes))
        self.run = replace(self.run, risk=risk, decision=decision, baseline=baseline)
        self.on(Event(Step.DECIDED, f"score {risk.score} → {decision.lane}: {'; '.join(decision.reasons)}"))
        self.on(Event(Step.DECIDED, self._money()))
        self._begin()
        self.ledger.add_baseline(self.run.id, baseline.results)
        climb = self._climb(decision, baseline, known, lanes, specs)
        if self.options.dry_run:
            return self._finish(Verdict.PLANNED, self._quote(climb, decision, specs))
        try:
            _, verdict, reason = climb.run()
        except (EnvironmentBroken, RepositoryState) as error:
            if isinstance(error, RepositoryState):
                self.ground.slot.discard()
            verdict, reason = Verdict.ENVIRONMENT, f"{error}. {error.hint}"
        return self._finish(verdict, reason)

    def _reachable(self, decision: Decision, baseline: CheckRun, lanes: dict[str, Lane]) -> Grade:
        """The highest grade that any patch for this task could get here."""
        rules = self.policy.reproduce
        return evidence.reachable(
            baseline,
            checks=self.policy.checks,
            task_class=decision.task_class,
            reproducible=decision.task_class in rules.when and rules.lane in lanes,
        )

    def _begin(self) -> None:
        self.begun = True
        self.ledger.begin(self.run, forced_lane=self.options.wish.force)

    def _money(self) -> str:
        limits = self.policy.limits
        today = (
            ""
            if self.run.replayed
            else f" · today ${self.purse.spent_today():.2f} of ${limits.per_day_usd:g}"
        )
        return f"limit ${limits.max_usd:.2f} for this run{today}"

    def _climb(
        self,
        decision: Decision,
        baseline: CheckRun,
        known: Facts,
        lanes: dict[str, Lane],
        specs: dict[str, LaneSpec],
    ) -> Climb:
        deadline = self.began + self.policy.limits.deadline_s
        library = Library(self.ground, known, baseline)

        def desk_for(lane: Lane, fit: Callable[[str], Change]) -> Desk:
            return Desk(
                lane=lane.name,
                purse=self.purse,
                deadline=deadline,
                workspace=self._workspace,
                fit=fit,
                on=self.on,
            )

        def ask(lane: Lane, tried: Sequence[Attempt]) -> Request:
            return library.request(specs[lane.name], tried)

        reviewer = self._reviewer(decision, baseline, desk_for)
        self.reproducer = self._reproducer(decision, baseline, library, reviewer, specs)
        return Climb(
            brief=self.run.brief,
            start=self.ground.start,
            policy=self.policy,
            decision=decision,
            baseline=baseline,
            touched=known.touched,
            lanes=lanes,
            desk_for=desk_for,
            ask=ask,
            prover=self.prover,
            reviewer=reviewer,
            reproducer=self.reproducer,
            purse=self.purse,
            record=self._record,
            on=self.on,
            forced=self.options.wish.force,
        )

    def _reviewer(
        self,
        decision: Decision,
        baseline: CheckRun,
        desk_for: Callable[[Lane, Callable[[str], Change]], Desk],
    ) -> Reviewer:
        lanes, off = build_reviewers(self.policy, self.ground.config, self.options.replies)
        return Reviewer(
            brief=self.run.brief,
            task_class=decision.task_class,
            policy=self.policy,
            baseline=baseline,
            lanes=lanes,
            off=off,
            desk_for=lambda lane: desk_for(lane, wants_no_patch),
            trees=self.ground.slot.trees,
            purse=self.purse,
            track=self.ledger.track,
            usual=lambda attempt: self.ledger.usual(attempt.lane, attempt.model),
            on=self.on,
        )

    def _reproducer(
        self,
        decision: Decision,
        baseline: CheckRun,
        library: Library,
        reviewer: Reviewer,
        specs: dict[str, LaneSpec],
    ) -> Reproducer:
        writers, off = build_writers(self.policy, self.ground.config, self.options.replies)
        means = Means(
            brief=self.run.brief,
            task_class=decision.task_class,
            start=self.ground.start,
            baseline=baseline,
            policy=self.policy,
            writers=writers,
            off=off,
            reviewers=reviewer.lanes,
            specs=specs,
            ask=lambda spec: library.request(spec, ()),
            prover=self._another_prover,
            trees=self.ground.slot.trees,
            purse=self.purse,
            prices=self.prices,
            deadline=self.began + self.policy.limits.deadline_s,
            on=self.on,
        )
        return Reproducer(means)

    @contextmanager
    def _another_prover(self, stop: threading.Event) -> Iterator[Prover]:
        """A prover for another thread: a scratch of its own that sees the trees of this run."""
        with slot(self.ground.repository) as mine:
            mine.trees.borrow(self.ground.slot.trees)
            mine.overlaid = self.ground.slot.overlaid
            yield Prover(mine, self.prover.walls, self.policy, trusted=self.ground.trusted, stop=stop)

    def _workspace(self, start: str) -> Iterator[Workspace]:
        """The scratch at a tree, for a lane that edits files itself; the same walls as for checks."""
        slot = self.prover.slot
        slot.show(start, mirrored=True)
        place = self.prover.place
        environment = clean_environment(place)
        yield Workspace(
            run=lambda argv, timeout: self.prover.walls.run(argv, place, env=environment, timeout_s=timeout),
            tree=lambda: slot.trees.tree_in(slot.tree),
        )

    def _record(self, attempt: Attempt) -> None:
        if attempt.accepted and self.reproducer:
            attempt = self.delivery.with_its_test(attempt, self.reproducer.test())
        self.attempts.append(attempt)
        self.ledger.add_attempt(self.run.id, len(self.attempts), attempt)

    def _quote(self, climb: Climb, decision: Decision, specs: dict[str, LaneSpec]) -> str:
        """What the ladder could cost: the first lane as usual, every lane at its worst."""
        told = []
        for name in decision.ladder:
            lane = climb.lanes[name]
            request = climb.ask(lane, ())
            tokens = request.prompt.estimated_tokens
            usual = self.prices.expected(lane.provider, lane.model, tokens, TYPICAL_OUTPUT_TOKENS)
            worst = self.prices.worst(
                lane.provider, lane.model, request.prompt, specs[name].max_output_tokens
            )
            shown = "unknown" if usual is None else f"${usual / 1e6:.4f}"
            told.append(
                f"{name}: about {shown}, at most ${worst / 1e6:.2f} a call ({tokens:,} tokens to read)"
            )
        if told and (test := climb.reproducer.quote()):
            told.append(test)
        return "; ".join(told) or "no lane can be asked"

    def _finish(self, verdict: Verdict, reason: str) -> Run:
        """Save the patch, deliver it if asked, and write the run down."""
        self.run = replace(
            self.run,
            verdict=verdict,
            reason=reason,
            attempts=tuple(self.attempts),
            reproduction=self.reproducer.ended() if self.reproducer else None,
            cost=Cost.of(self.purse.calls),
            seconds=time.monotonic() - self.began,
            isolation=self.prover.walls.isolation,
        )
        self.run = self.delivery.delivered(self.delivery.saved(self.run))
        self.run = replace(self.run, seconds=time.monotonic() - self.began)
        return self._written_down()

    def _written_down(self) -> Run:
        """The run as the ledger keeps it: what is shown now is what will be shown again."""
        from pydantic import TypeAdapter

        runs = TypeAdapter(Run)
        told = redact_all(runs.dump_python(self.run, mode="json"))
        if not self.begun:  # stopped before anything was decided
            self._begin()
        self.ledger.finish(self.run, json.dumps(told))
        return runs.validate_python(told)


def _limited(policy: Policy, options: Options) -> Policy:
    """The policy with the operator's own limits for this run."""
    chosen = {
        "max_usd": options.max_usd,
        "max_attempts": options.max_attempts,
        "deadline_s": options.deadline_s,
    }
    update = {name: value for name, value in chosen.items() if value is not None}
    return policy.model_copy(update={"limits": policy.limits.model_copy(update=update)}) if update else policy
