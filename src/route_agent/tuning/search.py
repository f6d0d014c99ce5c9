"""Which ladders are worth a thought: every pair of models, and a beam over longer ladders.

A ladder's expectations are computed lane by lane over all tasks at once; what is known of a prefix is
kept, so that one more lane costs four passes over the tasks.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from operator import mul

from route_agent.outcomes import Errors, Expected, Outcome, quantile, right_and_ended
from route_agent.tuning.accepting import Judge
from route_agent.tuning.table import Table

LONGEST = 4
FAST_CAPS = (0.3, 0.4, 0.5, 0.6, 0.7, 0.8, 0.9)
STRONG_CAPS = (0.8, 0.9, 0.95)
LADDER_CAPS = (0.9,)  # with more to choose from, ladders fitted to one half of some tasks lost on the other
BEAM = 40
WIDE = 10  # lanes of which longer ladders are made
STEPS_OF_QUALITY = 200  # ladders are compared within steps of half a point


@dataclass(frozen=True, slots=True)
class Step:
    """One lane of a plan: a model, the quantile of its own costs that caps it, and from which likelihood.

    Attributes:
        cap: an attempt dearer than this quantile (0 to 1) of the lane's own costs is stopped.
        accept_from: a patch less likely right (0 to 1) goes on to the next lane.
    """

    model: str
    cap: float | None = None
    accept_from: float | None = None


Plan = tuple[Step, ...]


@dataclass(frozen=True, slots=True)
class Found:
    """A plan and what it comes to, on average, on the tasks that it was searched on."""

    plan: Plan
    resolved: float
    cost_usd: float


@dataclass(frozen=True, slots=True)
class _Move:
    """A lane on every task: how likely its patch is handed on, is right and passed, is right; its cost."""

    goes_on: list[float]
    passed: list[float]
    right: list[float]
    cost: list[float]


@dataclass(frozen=True, slots=True)
class _Prefix:
    plan: Plan
    reached: list[float]
    resolved: float
    cost: float


class Search:
    """Finds plans for some tasks. Everything that is fitted, caps and accept rules, is fitted on these.

    Args:
        table: the outcomes; only those of `rows` are looked at, except by `each`.
        strong: the model that always-strong asks; it is never left out.
    """

    def __init__(self, table: Table, rows: Sequence[int], errors: Errors, strong: str) -> None:
        self._table, self._rows, self._errors, self._strong = table, rows, errors, strong
        self._costs = {
            model: sorted(usd for row in rows for _, usd in outcomes[row].each)
            for model, outcomes in table.lanes.items()
        }
        self._judges: dict[str, Judge] = {}
        self._moves: dict[Step, _Move] = {}

    def cap_usd(self, step: Step) -> float | None:
        """The dollars at which a step's lane is stopped."""
        return None if step.cap is None else quantile(self._costs[step.model], step.cap)

    def judge(self, model: str) -> Judge:
        """The lane's accept rule, fitted on these tasks."""
        if model not in self._judges:
            self._judges[model] = Judge.fitted(self._table, self._rows, model, self._errors)
        return self._judges[model]

    def _move(self, step: Step) -> _Move:
        if step not in self._moves:
            self._moves[step] = self._make(step, self._table, self._rows)
        return self._moves[step]

    def _make(self, step: Step, table: Table, rows: Sequence[int]) -> _Move:
        cap, outcomes = self.cap_usd(step), table.lanes[step.model]
        judge = None if step.accept_from is None else self.judge(step.model)
        move = _Move([], [], [], [])
        for row in rows:
            outcome = outcomes[row]
            right, ended = right_and_ended(outcome, cap)
            refused = judge is not None and judge.likelihood(table, row) < (step.accept_from or 0)
            passed = 0.0 if refused else right * (1 - self._errors.rejects)
            wrong = 0.0 if refused else (ended - right) * self._errors.accepts
            move.passed.append(passed)
            move.goes_on.append(1 - passed - wrong)
            move.right.append(right)
            move.cost.append(_paid(outcome, cap))
        return move

    def each(self, plan: Plan, table: Table, rows: Sequence[int]) -> list[Expected]:
        """What a plan may be expected to make of each of some tasks, with what was fitted here."""
        reached, resolved, cost = [1.0] * len(rows), [0.0] * len(rows), [0.0] * len(rows)
        for number, step in enumerate(plan, 1):
            move = self._make(step, table, rows)
            gained = move.right if number == len(plan) else move.passed
            resolved = [so_far + p * it for so_far, p, it in zip(resolved, reached, gained, strict=True)]
            cost = [so_far + p * it for so_far, p, it in zip(cost, reached, move.cost, strict=True)]
            reached = list(map(mul, reached, move.goes_on))
        return [Expected(*both) for both in zip(resolved, cost, strict=True)]

    def value(self, plan: Plan) -> Found:
        """What a plan comes to on the tasks of the search."""
        prefix = self._empty()
        for step in plan[:-1]:
            prefix = self._longer(prefix, step)
        return self._ended(prefix, plan[-1])

    def _empty(self) -> _Prefix:
        return _Prefix((), [1.0] * len(self._rows), 0.0, 0.0)

    def _longer(self, prefix: _Prefix, step: Step) -> _Prefix:
        move, n = self._move(step), len(self._rows)
        return _Prefix(
            (*prefix.plan, step),
            list(map(mul, prefix.reached, move.goes_on)),
            prefix.resolved + sum(map(mul, prefix.reached, move.passed)) / n,
            prefix.cost + sum(map(mul, prefix.reached, move.cost)) / n,
        )

    def _ended(self, prefix: _Prefix, step: Step) -> Found:
        move, n = self._move(step), len(self._rows)
        return Found(
            (*prefix.plan, step),
            prefix.resolved + sum(map(mul, prefix.reached, move.right)) / n,
            prefix.cost + sum(map(mul, prefix.reached, move.cost)) / n,
        )

    def pair(self, fast: str) -> list[Plan]:
        """Every way of capping a cheap lane and the always-strong one, and each of them alone."""
        firsts = self._options(fast, FAST_CAPS, is_last=False)
        lasts = self._options(self._strong, STRONG_CAPS, is_last=True)
        return [(Step(fast),), *((last,) for last in lasts), *((it, last) for it in firsts for last in lasts)]

    def ladders(self) -> list[Found]:
        """Models alone and ladders of two to four, the best of them with caps."""
        lanes = [Step(model) for model in self._able()]
        found = [self._ended(self._empty(), Step(model)) for model in self._table.lanes]
        beam = [self._empty()]
        for _ in range(LONGEST - 1):
            longer = [self._longer(it, step) for it in beam for step in lanes if step not in it.plan]
            by_prefix = [
                (it, [self._ended(it, step) for step in lanes if step not in it.plan]) for it in longer
            ]
            found += [it for _, ended in by_prefix for it in ended]
            beam = _best_prefixes(by_prefix)
        return [capped for it in front(found) for capped in self._with_caps(it)]

    def _able(self) -> list[str]:
        """The always-strong lane, and the models that fewest others beat at both, cost and resolved share."""
        alone = {model: self._ended(self._empty(), Step(model)) for model in self._table.lanes}

        def beaten(model: str) -> int:
            mine = alone[model]
            return sum(it.resolved > mine.resolved and it.cost_usd < mine.cost_usd for it in alone.values())

        others = sorted(alone.keys() - {self._strong})
        best = sorted(others, key=lambda it: (beaten(it), alone[it].cost_usd))
        return [self._strong, *best[: WIDE - 1]]

    def _options(self, model: str, caps: Sequence[float], *, is_last: bool) -> list[Step]:
        steps = [Step(model), *(Step(model, cap) for cap in caps)]
        if is_last:
            return steps
        return [*steps, *(Step(model, None, level) for level in self.judge(model).levels)]

    def _with_caps(self, best: Found) -> list[Found]:
        """The plan itself, and those on the way to better ones, one lane changed at a time."""
        seen = [best]
        for place in reversed(range(len(best.plan))):
            model, is_last = best.plan[place].model, place == len(best.plan) - 1
            known = model in self._table.features  # by effort alone, a cap does the same for less money
            options = [Step(model, cap) for cap in LADDER_CAPS]
            if known and not is_last:
                options = self._options(model, LADDER_CAPS, is_last=False)[1:]
            seen += [
                self.value((*it.plan[:place], option, *it.plan[place + 1 :]))
                for it in front(seen)
                for option in options
            ]
        return seen


def _paid(outcome: Outcome, cap: float | None) -> float:
    if cap is None:
        return outcome.cost_usd
    return sum(min(usd, cap) for _, usd in outcome.each) / len(outcome.each)


def _best_prefixes(by_prefix: Iterable[tuple[_Prefix, Sequence[Found]]]) -> list[_Prefix]:
    """The prefixes of the cheapest ladders, for every step of quality."""
    cheapest: dict[int, list[tuple[float, int]]] = {}
    prefixes: dict[int, _Prefix] = {}
    for number, (prefix, ended) in enumerate(by_prefix):
        prefixes[number] = prefix
        for it in ended:
            cheapest.setdefault(round(it.resolved * STEPS_OF_QUALITY), []).append((it.cost_usd, number))
    chosen: dict[int, None] = {}
    ordered = [sorted(cheapest[quality]) for quality in sorted(cheapest, reverse=True)]
    for place in range(max(map(len, ordered), default=0)):
        for row in ordered:
            if place < len(row) and len(chosen) < BEAM:
                chosen[row[place][1]] = None
    return [prefixes[number] for number in chosen]


def front(found: Iterable[Found]) -> list[Found]:
    """Those that no other beats at cost and resolved share, cheapest first."""
    kept: list[Found] = []
    for it in sorted(found, key=lambda it: (it.cost_usd, -it.resolved, len(it.plan))):
        if not kept or it.resolved > kept[-1].resolved + 1e-12:
            kept.append(it)
    return kept
