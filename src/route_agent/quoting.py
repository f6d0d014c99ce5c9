"""What a run may cost, told before it begins: from earlier runs where there are enough, else calculated.

The band is made of the earlier runs' own order. After n runs, one more like them lies between the k-th
cheapest and the k-th dearest with the chance (n + 1 - 2k) / (n + 1), whatever the costs look like; k is
chosen so that this is at least 80 %. So from nine runs on there is a band, and before that there is none.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from route_agent.lanes.model import TRIES
from route_agent.lanes.terms import TYPICAL_OUTPUT_TOKENS, Terms
from route_agent.ledger.budget import HOW_TO_PRICE, unpriced
from route_agent.policy import COMMAND, RACE
from route_agent.pricing import TURN_TOKENS, most_tokens
from route_agent.records.lanes import Prompt
from route_agent.records.runs import Quote

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from route_agent.lanes.base import Lane
    from route_agent.ledger.budget import Purse
    from route_agent.ledger.history import PastRun
    from route_agent.ledger.store import Ledger
    from route_agent.policy import LaneSpec, Policy
    from route_agent.pricing import Prices
    from route_agent.records.grades import TaskClass
    from route_agent.records.risk import Decision

OUTSIDE = 10  # of so many runs, one may end below the band and one above it
LEAST_RUNS = OUTSIDE - 1
UNPRICED = "nobody knows its price, and limits.unpriced of the policy refuses that"
_OPINION_TOKENS = 60_000  # more than a question to a verifier ever has
_OPINIONS = 2  # for one attempt: of its patch, and now and then of a known-bad one
_TEST_TURNS = 2  # for one try at a test: the reply, and its repair


@dataclass(frozen=True, slots=True)
class Quoter:
    """What a quote is made from.

    Attributes:
        prompt_of: what a lane would read first.
        paying_tests: whether a test for the brief would be asked for.
    """

    ledger: Ledger
    purse: Purse
    prices: Prices
    policy: Policy
    lanes: Mapping[str, Lane]
    specs: Mapping[str, LaneSpec]
    prompt_of: Callable[[Lane], Prompt]
    paying_tests: bool = False

    def quote(self, decision: Decision, repository: str) -> Quote:
        """What this run may cost, from the runs most like it if there are enough of them."""
        first = self.lanes[decision.lane]
        # of a race, which of the two was kept says nothing of what both cost; an agent may choose its model
        spec = self.specs[first.name]
        model = "" if spec.race or (spec.provider == COMMAND and not spec.model) else first.model
        past = self.ledger.past_runs(first.name, model)
        told = from_history(alike(past, repository, decision.task_class))
        if told.expected is None:
            told = replace(told, expected=self._calculated(decision))
        if len(decision.ladder) == 1:
            told = replace(told, escalation=0.0)
        return replace(told, worst=self._worst(decision.ladder), held=self.ledger.quotes_held())

    def _calculated(self, decision: Decision) -> int | None:
        """A usual answer of each whom the first paid lane asks, and one test where one would be asked for."""
        first = next((name for name in decision.ladder if not self.specs[name].is_fixer), None)
        if first is None:
            return None
        asked = self._asked(first)
        if self.paying_tests and self.policy.reproduce.lane in self.lanes:
            asked.append(self.policy.reproduce.lane)
        parts = [self._usual(lane, self.prompt_of(lane)) for lane in map(self.lanes.__getitem__, asked)]
        return None if None in parts else sum(part for part in parts if part is not None)

    def _asked(self, name: str) -> list[str]:
        """The lanes whose answers one attempt takes: of a race both, and who plans for a lane."""
        spec = self.specs[name]
        if spec.race:
            return [it for racer in spec.race for it in self._asked(racer)]
        return [it for it in (spec.plan_with, name) if it and it in self.lanes]

    def _usual(self, lane: Lane, prompt: Prompt) -> int | None:
        calibration = self.ledger.calibration(lane.name, lane.model)
        tokens = round(prompt.estimated_tokens * calibration)
        return self.prices.expected(lane.provider, lane.model, tokens, TYPICAL_OUTPUT_TOKENS)

    def words(self, decision: Decision) -> str:
        """What the first call of each lane could cost, for a person."""
        told = []
        working = [(name, asked) for name in decision.ladder for asked in self._asked(name)]
        for name, asked in working:
            lane, prompt = self.lanes[asked], self.prompt_of(self.lanes[asked])
            usual = self._usual(lane, prompt)
            worst = self.purse.worst(
                asked, lane.provider, lane.model, prompt, self.specs[asked].max_output_tokens
            )
            shown = "unknown" if usual is None else f"${usual / 1e6:.4f}"
            who = name if asked == name else f"{name} ({asked})"
            told.append(
                f"{who}: about {shown}, at most ${worst / 1e6:.2f} a call"
                f" ({prompt.estimated_tokens:,} tokens to read)"
            )
        return "; ".join(told) or "no lane can be asked"

    # --- at worst

    def _worst(self, ladder: Sequence[str]) -> int:
        """Every call of every attempt at what would be set aside for it, within what the limits leave."""
        attempts = [name for name in ladder for _ in range(self.specs[name].attempts)]
        attempts = attempts[: self.policy.limits.max_attempts]
        left = max((self.purse.left(name) for name in ladder), default=0)
        each = (self._attempt(name) for name in attempts)
        spent = sum(left if it is None else it for it in each)
        spent += _OPINIONS * len(attempts) * self._one_call(self.policy.verify.lane, _OPINION_TOKENS)
        if self.paying_tests:
            tries = self.policy.reproduce.attempts * _TEST_TURNS
            spent += tries * self._one_call(
                self.policy.reproduce.lane, self._longest(self.policy.reproduce.lane)
            )
        return min(left, spent)

    def _attempt(self, name: str) -> int | None:
        """All turns of one attempt, each of which reads all that was said before; None where nobody knows."""
        spec = self.specs.get(name)
        if spec is None or spec.provider == COMMAND:
            return None
        if spec.provider == RACE:
            parts = [self._attempt(other) for other in spec.race]
            return None if None in parts else sum(part for part in parts if part is not None)
        if not spec.has_model or name not in self.lanes:
            return 0
        grown = spec.max_output_tokens + Terms().looked_up_bytes + 2 * TURN_TOKENS
        first = self._longest(name)
        turns = range(spec.max_iterations)
        spent = sum(self._one_call(name, first + turn * grown) for turn in turns)
        if spec.compact_with:
            spent += sum(self._one_call(spec.compact_with, first + turn * grown) for turn in turns[1:])
        if spec.plan_with and spec.plan_with in self.lanes:
            spent += self._one_call(spec.plan_with, self._longest(spec.plan_with))
        return spent

    def _longest(self, name: str) -> int:
        """The most tokens of a first request within the lane's context, however few bytes its tokens have."""
        spec = self.specs[name]
        calibration = min(1.0, self.ledger.calibration(name, spec.model))
        return most_tokens(Prompt("", "")) + round(7 / 4 * spec.max_context_tokens / calibration)

    def _one_call(self, name: str, tokens: int) -> int:
        """One call with all its tries, by the dearest who may answer."""
        lane, spec = self.lanes.get(name), self.specs.get(name)
        if lane is None or spec is None:
            return 0
        seats = [(lane.provider, lane.model), *((it.provider, it.model) for it in spec.fallbacks)]
        hour = spec.cache_ttl == "1h"
        prices = (
            self.prices.worst(*seat, Prompt("", ""), spec.max_output_tokens, hour=hour, tokens=tokens)
            for seat in seats
        )
        return TRIES * sum(prices)


def quote_of_ledger(repository: str, decision: Decision, policy: Policy) -> Quote | None:
    """What a run like this has cost before, for a look that builds no lane; None where too few are known."""
    from route_agent.errors import LedgerError
    from route_agent.ledger.history import History
    from route_agent.places import ledger_file

    if not ledger_file().is_file() or not decision.ladder:
        return None
    spec = policy.models[decision.lane][0]
    try:
        history = History(ledger_file())
        try:
            past = history.past_runs(decision.lane, "" if spec.race else spec.model)
            held = history.quotes_held()
        finally:
            history.close()
    except LedgerError:
        return None
    told = from_history(alike(past, repository, decision.task_class))
    if told.expected is None:
        return None
    worst = round(policy.limits.max_usd * 1_000_000)
    odds = 0.0 if len(decision.ladder) == 1 else told.escalation
    return replace(told, worst=worst, escalation=odds, held=held)


def alike(past: Sequence[PastRun], repository: str, task_class: TaskClass) -> list[PastRun]:
    """The runs most like this one, as far as there are enough of them; else all."""
    for chosen in (
        [it for it in past if it.repository == repository and it.task_class == task_class],
        [it for it in past if it.repository == repository],
        [it for it in past if it.task_class == task_class],
    ):
        if len(chosen) >= LEAST_RUNS:
            return chosen
    return list(past)


def from_history(past: Sequence[PastRun]) -> Quote:
    """The mean, the band and the odds; nothing of it below nine runs."""
    if len(past) < LEAST_RUNS:
        return Quote()
    costs = sorted(it.cost_micro_usd for it in past)
    outside = (len(costs) + 1) // OUTSIDE
    return Quote(
        expected=round(sum(costs) / len(costs)),
        low=costs[outside - 1],
        high=costs[-outside],
        escalation=sum(it.escalated for it in past) / len(past),
        runs=len(past),
    )


def unpriced_lanes(
    policy: Policy, prices: Prices, lanes: Mapping[str, Lane], specs: Mapping[str, LaneSpec]
) -> dict[str, str]:
    """Why lanes are not called under this policy although they could be: nobody knows their price."""
    if policy.limits.unpriced != "refuse":
        return {}
    odd = {
        name: f"{unpriced(lane.provider, lane.model)}: {HOW_TO_PRICE}"
        for name, lane in lanes.items()
        if specs[name].has_model and not prices.known(lane.provider, lane.model)
    }
    raced = {name: [it for it in specs[name].race if it in odd] for name in lanes}
    return odd | {name: f"it cannot race without {it[0]}: {odd[it[0]]}" for name, it in raced.items() if it}
