"""One task, from an opened repository to a recorded run: baseline, decision, climb, delivery, ledger."""

from __future__ import annotations

import json
import secrets
import shlex
import time
from dataclasses import dataclass, field, replace
from functools import partial
from typing import TYPE_CHECKING

from route_agent import decide, evidence
from route_agent.assembling import Assembly, without_a_plan
from route_agent.checks.telling import Telling
from route_agent.config import access_of, prices, required_isolation
from route_agent.delivering import Delivery
from route_agent.errors import EnvironmentBroken, LedgerError, RepositoryState
from route_agent.lanes.build import build_lanes
from route_agent.ledger.allowances import Payer
from route_agent.ledger.budget import Purse
from route_agent.ledger.store import now
from route_agent.outward import Outward
from route_agent.proof import Prover
from route_agent.quoting import Quoter, unpriced_lanes
from route_agent.records.events import Event, Step
from route_agent.records.grades import Grade, Verdict
from route_agent.records.runs import Cost, Run, written_form
from route_agent.redaction import knowing, redact_all
from route_agent.repo.author import author_of, name_of
from route_agent.repo.delivery import Wanted, refuse_early
from route_agent.reproducing.reproducer import Reproducer
from route_agent.routing import AUTOMATED, Level, Wish, settled, wants_reproduction, within_reach
from route_agent.sandbox.trial import walls_for
from route_agent.shadowing import Shadow
from route_agent.strictness import tightened

if TYPE_CHECKING:
    from route_agent.climb import Climb
    from route_agent.config import Config
    from route_agent.ground import Opened
    from route_agent.lanes.base import Lane
    from route_agent.lanes.recorded import RecordedReplies
    from route_agent.ledger.store import Ledger
    from route_agent.policy import LaneSpec, Policy
    from route_agent.records.checks import CheckRun, IsolationLevel
    from route_agent.records.events import Listener
    from route_agent.records.risk import Decision
    from route_agent.records.runs import Attempt
    from route_agent.risk import Facts

_ALPHABET = "23456789abcdefghjkmnpqrstuvwxyz"


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
    run = TaskRun(ground, brief, options, ledger, on)
    with knowing(run.outward.knowledge):
        return run.go()


class TaskRun:
    """The state of one run while it goes on; `Run` is what is left of it."""

    def __init__(self, ground: Opened, brief: str, options: Options, ledger: Ledger, on: Listener) -> None:
        self.ground = ground
        self.options = options
        self.ledger = ledger
        self.on = on
        self.began = time.monotonic()
        self.policy, held = _limited(ground.policy.policy, options, ground.config)
        walls = walls_for(ground.slot, self._required(), ground.config.scratch)
        self.prover = Prover(
            ground.slot,
            walls,
            self.policy,
            trusted=ground.trusted,
            telling=Telling(on, ledger.usual_checks(str(ground.repository.root))),
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
            notices=(*ground.notices, *held, *_of_the_recording(ground, options)),
        )
        self.purse = Purse.of(
            ledger,
            self.run.id,
            self.prices,
            policy=self.policy,
            budgets=ground.config.budgets,
            payer=Payer(name_of(ground.repository), author_of(ground.repository)),
            access=partial(access_of, ground.config),
        )
        self.outward = Outward(ground, self.run.id)
        self.delivery = Delivery(ground, self.prover, options.wanted)
        self.attempts: list[Attempt] = []
        self.reproducer: Reproducer | None = None
        self.begun = False

    def _required(self) -> IsolationLevel:
        """The least isolation for what is run here."""
        return required_isolation(self.ground.config)

    def go(self) -> Run:
        """Baseline, decision, climb, delivery."""
        try:
            return self._go()
        except KeyboardInterrupt:
            self.purse.abandon("KeyboardInterrupt")  # what other threads wait for may be billed as well
            run = self._finish(Verdict.INTERRUPTED, "stopped by the user")
            spent = f"${run.cost.known_micro_usd / 1e6:.4f}"
            if run.cost.unknown_calls:
                spent += f" and {_unknown(run.cost)}"
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
        unknown = f" and {_unknown(cost)}" if cost.unknown_calls else ""
        saved = f"; patch saved: {patch}" if patch else ""
        spent = f"${cost.known_micro_usd / 1e6:.4f}{unknown} spent{saved}"
        return LedgerError(f"{error.what}. This run: {spent}", hint=error.hint)

    def _go(self) -> Run:
        lanes, unusable, specs = self._lanes()
        decide.refuse_early(self.ground, self.run.brief, self.options.wish, unusable)
        self.outward.look_over(self.run.brief)
        self.on(Event(Step.BASELINE, " · ".join(check.name for check in self.policy.checks)))
        baseline = self.prover.baseline(self.ground.start)
        known = decide.facts(self.ground, self.run.brief, baseline)
        level = self._level(known, lanes, unusable)
        risk, decision = decide.decide(self.ground, known, baseline, self.options.wish, level)
        ended = settled(decision, self.policy, baseline)
        if not ended:
            decision = decide.with_usable_lanes(decision, unusable)
            decision = within_reach(decision, self.policy, self._reachable(decision, baseline, lanes))
            decision = without_a_plan(decision, specs, unusable)
        withheld = self.outward.told((*known.change.paths, *known.named))
        self.run = replace(self.run, risk=risk, decision=decision, baseline=baseline, withheld=withheld)
        told = f"score {risk.score} → {decision.lane}: {'; '.join(decision.reasons)}"
        self.on(Event(Step.DECIDED, told, lane=decision.lane, about=decision))
        usual_s = self.ledger.usual_seconds(self.run.repository, decision.lane)
        self.on(Event(Step.DECIDED, self._money(), usual_s=usual_s, money=self.purse.money))
        self._begin()
        self.ledger.decided(self.run, known)
        self.ledger.add_baseline(self.run.id, baseline.results)
        if ended:
            return self._finish(ended.verdict, ended.reason)
        climb = self._climb(decision, baseline, known, lanes, specs)
        quoted = self._quoted(climb, decision, specs)
        if self.options.dry_run:
            return self._finish(Verdict.PLANNED, quoted)
        try:
            _, verdict, reason = climb.run()
        except (EnvironmentBroken, RepositoryState) as error:
            if isinstance(error, RepositoryState):
                self.ground.slot.discard()
            verdict, reason = Verdict.ENVIRONMENT, f"{error}. {error.hint}"
        return self._finish(verdict, reason)

    def _lanes(self) -> tuple[dict[str, Lane], dict[str, str], dict[str, LaneSpec]]:
        """The lanes that can be called here, why the others cannot, and what each stands for."""
        ground = self.ground
        lanes, unusable, specs = build_lanes(
            self.policy,
            ground.config,
            self.options.replies,
            allowed=ground.trusted,
            project=ground.repository.root,
        )
        if not self.options.replies and (odd := unpriced_lanes(self.policy, self.prices, lanes, specs)):
            unusable |= odd
            lanes = {name: lane for name, lane in lanes.items() if name not in odd}
        return lanes, unusable, specs

    def _level(self, known: Facts, lanes: dict[str, Lane], unusable: dict[str, str]) -> Level | None:
        """What a cheap model says of the task, where the policy asks one; see `routing.shadow`."""
        if self.policy.routing.mode != "shadow" or self.options.wish.phase in AUTOMATED:
            return None
        if self.options.dry_run:
            return Level("", "nothing is called in a dry run")
        deadline = self.began + self.policy.limits.deadline_s
        shadow = Shadow(self.policy, lanes, unusable, self.purse, self.outward, deadline, self.on)
        return shadow.level(known)

    def _reachable(self, decision: Decision, baseline: CheckRun, lanes: dict[str, Lane]) -> Grade:
        """The highest grade that any patch for this task could get here."""
        rules = self.policy.reproduce
        return evidence.reachable(
            baseline,
            checks=self.policy.checks,
            task_class=decision.task_class,
            reproducible=wants_reproduction(self.policy, decision) and rules.lane in lanes,
        )

    def _begin(self) -> None:
        self.begun = True
        self.ledger.begin(
            self.run,
            forced_lane=self.options.wish.force,
            author=self.purse.author,
            limits=self.purse.limits,
        )

    def _money(self) -> str:
        limits = self.policy.limits
        today = (
            ""
            if self.run.replayed
            else f" · today ${self.purse.spent_today():.2f} of ${self.purse.per_day_usd:g}"
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
        assembly = Assembly(
            ground=self.ground,
            policy=self.policy,
            decision=decision,
            baseline=baseline,
            known=known,
            lanes=lanes,
            specs=specs,
            ledger=self.ledger,
            purse=self.purse,
            prices=self.prices,
            prover=self.prover,
            outward=self.outward,
            replies=self.options.replies,
            deadline=self.began + self.policy.limits.deadline_s,
            record=self._record,
            on=self.on,
            forced=self.options.wish.force,
        )
        climb = assembly.climb()
        self.reproducer = climb.reproducer
        return climb

    def _record(self, attempt: Attempt) -> None:
        if attempt.accepted and self.reproducer:
            attempt = self.delivery.with_its_test(attempt, self.reproducer.test())
        self.attempts.append(attempt)
        self.ledger.add_attempt(self.run.id, len(self.attempts), attempt)

    def _quoted(self, climb: Climb, decision: Decision, specs: dict[str, LaneSpec]) -> str:
        """Quote the run and write that down; what is told of it in words only where nothing else will be."""
        wanted = wants_reproduction(self.policy, decision)
        quoter = Quoter(
            ledger=self.ledger,
            purse=self.purse,
            prices=self.prices,
            policy=self.policy,
            lanes=climb.lanes,
            specs=specs,
            prompt_of=lambda lane: climb.attempting.ask(lane, ()).prompt,
            paying_tests=wanted and self.policy.reproduce.lane in climb.lanes,
        )
        self.run = replace(self.run, quote=quoter.quote(decision, self.run.repository))
        if self.run.quote and not self.run.replayed:
            self.ledger.quote(self.run.id, self.run.quote)
        if not self.options.dry_run:
            return ""
        return "; ".join(it for it in (quoter.words(decision), climb.reproducer.quote()) if it)

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
            notices=(*self.run.notices, *self.outward.notices, *self._otherwise(verdict)),
        )
        self.run = self.delivery.delivered(self.delivery.saved(self.run))
        self.run = replace(self.run, seconds=time.monotonic() - self.began)
        return self._written_down()

    def _otherwise(self, verdict: Verdict) -> tuple[str, ...]:
        """What is told where a replay ends otherwise than the run that was recorded."""
        if self.options.replies is None or verdict is Verdict.PLANNED:
            return ()
        return self.options.replies.ended(verdict.value)

    def _written_down(self) -> Run:
        """The run as the ledger keeps it: what is shown now is what will be shown again."""
        runs = written_form()
        plain = runs.dump_python(self.run, mode="json")
        self.outward.look_at(json.dumps(plain, ensure_ascii=False))
        told = redact_all(plain)
        if not self.begun:  # stopped before anything was decided
            self._begin()
        self.ledger.finish(self.run, json.dumps(told))
        return runs.validate_python(told)


def _unknown(cost: Cost) -> str:
    return f"{cost.unknown_calls} call{'' if cost.unknown_calls == 1 else 's'} of unknown cost"


def _of_the_recording(ground: Opened, options: Options) -> tuple[str, ...]:
    if options.replies is None:
        return ()
    return options.replies.notices(ground.base, ground.start, ground.policy.policy.hash)


def _limited(policy: Policy, options: Options, config: Config) -> tuple[Policy, tuple[str, ...]]:
    """The policy with the operator's own limits for this run, and where a floor does not let them rise."""
    chosen = {
        "max_usd": options.max_usd,
        "max_attempts": options.max_attempts,
        "deadline_s": options.deadline_s,
    }
    update = {name: value for name, value in chosen.items() if value is not None}
    limits = policy.limits.model_copy(update=update)
    return tightened(policy.model_copy(update={"limits": limits}), config.floor)
