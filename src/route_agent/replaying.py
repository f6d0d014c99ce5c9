"""What ways of working would have cost and solved on recorded outcomes, beside always asking the best.

Pure and in closed form (`outcomes.py`); only intervals are drawn, from a fixed seed. Every way is computed
on the same tasks: those that all named models have tried. docs/outcomes.md has the formulas.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from enum import StrEnum
from math import fsum

from route_agent.outcomes import (
    Errors,
    Expected,
    Outcome,
    Outcomes,
    Rung,
    each,
    right_and_ended,
    shared_tasks,
    usual_cost,
)
from route_agent.resampling import Interval, intervals

LEAST_TASKS = 30  # below, nothing is recommended
MARGIN = 0.04  # share of tasks: what may be left open where a way is said to solve as much
WAYS = ("always_fast", "always_strong", "strong_twice", "cascade", "effort_cap", "ladder", "perfect")
_NOISE = 1e-12  # of sums of shares: less is no difference


@dataclass(frozen=True, slots=True)
class Wanted:
    """What to replay.

    Attributes:
        strong: what always-strong asks.
        fast: the cheap model of the pair; empty where only a ladder is asked about.
        ladder: models, the lowest first; the last one's patch is handed on. Empty for none.
        effort_cap: the quantile (0 to 1) of a cheap model's own costs at which its attempt is stopped.
        strong_cap: the same for the strong model.
    """

    strong: str
    fast: str = ""
    ladder: tuple[str, ...] = ()
    errors: Errors = field(default_factory=Errors)
    effort_cap: float | None = None
    strong_cap: float | None = None

    @property
    def models(self) -> tuple[str, ...]:
        """Every model that is named, once, the fast one first and the strong one last."""
        named = dict.fromkeys((self.fast, *self.ladder, self.strong))
        return (*(name for name in named if name not in ("", self.strong)), self.strong)


@dataclass(frozen=True, slots=True)
class BreakEven:
    """The share of wrong patches that pass, above which always-strong solves more.

    Attributes:
        rate: None where there is none.
        always: without a rate, whether always-strong solves more at any rate, or else at none.
    """

    rate: float | None
    always: bool = False


@dataclass(frozen=True, slots=True)
class Figures:
    """One way of working, per task, with 95 % intervals.

    Attributes:
        resolved: share of tasks (0 to 1); None where it cannot be known, with the `bounds` it lies in.
        ratio: of `cost_usd` to always-strong's; None where that is 0.
        difference: of `resolved` to always-strong's.
        caps_usd: by model, the dollars at which an attempt is stopped.
    """

    resolved: float | None
    cost_usd: float
    ratio: float | None
    difference: float | None
    resolved_within: Interval | None = None
    ratio_within: Interval | None = None
    difference_within: Interval | None = None
    bounds: Interval | None = None
    caps_usd: Mapping[str, float] = field(default_factory=dict)
    break_even: BreakEven | None = None


@dataclass(frozen=True, slots=True)
class Replay:
    """What a replay found. `ways` has each of `WAYS`; those that were not asked about are None."""

    wanted: Wanted
    n: int
    ways: Mapping[str, Figures | None]
    break_even: BreakEven | None


class Finding(StrEnum):
    """What a way of working is worth beside always-strong.

    `open`: cheaper, and it may solve more than `MARGIN` less. `solves_less`: cheaper, and solves less.
    `loses_money`: dearer, and not shown to solve more.
    """

    PAYS = "pays"
    OPEN = "open"
    NO_SAVING = "no_saving"
    SOLVES_LESS = "solves_less"
    BUYS_QUALITY = "buys_quality"
    LOSES_MONEY = "loses_money"
    SELECTED = "selected"
    TOO_FEW = "too_few"
    UNPRICED = "unpriced"


@dataclass(frozen=True, slots=True)
class _Way:
    """A way of working before its figures: by task, what it may be expected to solve and cost."""

    expected: Sequence[Expected]
    bounds: Interval | None = None
    caps_usd: Mapping[str, float] = field(default_factory=dict)
    break_even: BreakEven | None = None


def replay(outcomes: Outcomes, wanted: Wanted) -> Replay:
    """Compute every way that is asked about.

    Raises:
        ValueError: the named models share no task.
    """
    tasks = shared_tasks(outcomes, wanted.models)
    if not tasks:
        raise ValueError("the models share no task")
    ways = _ways(outcomes, wanted, tasks)
    figures = dict.fromkeys(WAYS) | dict(zip(ways, _figures(ways), strict=True))
    main = ways.get("cascade") or ways.get("ladder")
    return Replay(wanted, len(tasks), figures, main.break_even if main else None)


def _ways(outcomes: Outcomes, wanted: Wanted, tasks: Sequence[str]) -> dict[str, _Way]:
    strong = Rung(wanted.strong)
    ways = {"always_strong": _Way(each([strong], outcomes, tasks, wanted.errors))}
    twice, bounds = _strong_twice([outcomes[wanted.strong][task] for task in tasks], wanted.errors)
    ways["strong_twice"] = _Way(twice, bounds)
    ways["perfect"] = _Way([_perfect([outcomes[it][task] for it in wanted.models]) for task in tasks])
    rungs: list[Rung] = []
    if wanted.ladder:
        rungs = [Rung(model) for model in wanted.ladder]
        ways["ladder"] = _climbed(rungs, strong, outcomes, tasks, wanted.errors)
    if wanted.fast:
        rungs = [Rung(wanted.fast), strong]
        ways["always_fast"] = _Way(each(rungs[:1], outcomes, tasks, wanted.errors))
        ways["cascade"] = _climbed(rungs, strong, outcomes, tasks, wanted.errors)
    if rungs and (wanted.effort_cap is not None or wanted.strong_cap is not None):
        capped = [_capped(rung.model, wanted, outcomes, tasks) for rung in rungs]
        ways["effort_cap"] = _climbed(capped, strong, outcomes, tasks, wanted.errors)
    return ways


def _climbed(
    rungs: Sequence[Rung], strong: Rung, outcomes: Outcomes, tasks: Sequence[str], errors: Errors
) -> _Way:
    caps = {rung.model: rung.cap_usd for rung in rungs if rung.cap_usd is not None}
    even = break_even(rungs, strong.model, outcomes, tasks, errors.rejects)
    return _Way(each(rungs, outcomes, tasks, errors), caps_usd=caps, break_even=even)


def _capped(model: str, wanted: Wanted, outcomes: Outcomes, tasks: Sequence[str]) -> Rung:
    share = wanted.strong_cap if model == wanted.strong else wanted.effort_cap
    return Rung(model, None if share is None else usual_cost(outcomes[model], tasks, share))


def _perfect(tried: Sequence[Outcome]) -> Expected:
    """One attempt by the model that an oracle names: the cheapest that solves the task, else the cheapest."""
    best = min(tried, key=lambda it: (-it.resolved, it.cost_usd))
    return Expected(best.resolved, best.cost_usd)


def _strong_twice(tried: Sequence[Outcome], errors: Errors) -> tuple[list[Expected], Interval | None]:
    """The strong lane, and where its patch is refused once more; and its bounds where a second is unknown.

    Recorded attempts of one task tell what a second one brings: each is taken as the first and each other as
    the second. Where there is one, the second costs what the first did, and whether it is right stays open.
    """
    expected, lows, highs = [], [], []
    for outcome in tried:
        if len(outcome.samples) > 1:
            both = _pairs(outcome.samples, errors)
            low = high = both.resolved
        else:
            passed = outcome.resolved * (1 - errors.rejects)
            refused = 1 - passed - (1 - outcome.resolved) * errors.accepts
            low, high = passed, passed + refused
            both = Expected(low, outcome.cost_usd * (1 + refused))
        expected.append(both)
        lows.append(low)
        highs.append(high)
    known = all(len(outcome.samples) > 1 for outcome in tried)
    return expected, None if known else (fsum(lows) / len(lows), fsum(highs) / len(highs))


def _pairs(samples: Sequence[tuple[float, float]], errors: Errors) -> Expected:
    n = len(samples)
    right, paid = fsum(share for share, _ in samples), fsum(usd for _, usd in samples)
    resolved = cost = 0.0
    for share, usd in samples:
        passed = share * (1 - errors.rejects)
        refused = 1 - passed - (1 - share) * errors.accepts
        resolved += passed + refused * (right - share) / (n - 1)
        cost += usd + refused * (paid - usd) / (n - 1)
    return Expected(resolved / n, cost / n)


def _figures(ways: Mapping[str, _Way]) -> list[Figures]:
    """The means over tasks, with intervals from the same draws for all."""
    columns = [
        column
        for way in ways.values()
        for column in ([it.resolved for it in way.expected], [it.cost_usd for it in way.expected])
    ]
    strong = 2 * list(ways).index("always_strong")

    def derived(means: Sequence[float]) -> list[float | None]:
        solved, paid = means[strong], means[strong + 1]
        return [
            value
            for at in range(0, len(means), 2)
            for value in (means[at], means[at + 1] / paid if paid else None, means[at] - solved)
        ]

    means = [fsum(column) / len(column) for column in columns]
    points, within = derived(means), intervals(columns, derived)
    return [
        _told(way, means[2 * at + 1], points[3 * at : 3 * at + 3], within[3 * at : 3 * at + 3])
        for at, way in enumerate(ways.values())
    ]


def _told(
    way: _Way, cost_usd: float, points: Sequence[float | None], within: Sequence[Interval | None]
) -> Figures:
    known = way.bounds is None
    return Figures(
        resolved=points[0] if known else None,
        cost_usd=cost_usd,
        ratio=points[1],
        difference=points[2] if known else None,
        resolved_within=within[0] if known else None,
        ratio_within=within[1],
        difference_within=within[2] if known else None,
        bounds=way.bounds,
        caps_usd=way.caps_usd,
        break_even=way.break_even,
    )


def break_even(
    rungs: Sequence[Rung], strong: str, outcomes: Outcomes, tasks: Sequence[str], rejects: float = 0.0
) -> BreakEven:
    """The false-accept rate above which a ladder solves less than always-strong.

    What a ladder solves is a polynomial in that rate and never rises with it, so that there is one such rate
    at most; of two lanes it is a line and its zero is exact.
    """
    lanes = [(outcomes[rung.model], rung.cap_usd) for rung in rungs]
    solved = [_polynomial([(lane[task], cap) for lane, cap in lanes], rejects) for task in tasks]
    gained = [fsum(terms) / len(tasks) for terms in zip(*solved, strict=True)]
    gained[0] -= fsum(outcomes[strong][task].resolved for task in tasks) / len(tasks)
    if gained[0] < -_NOISE:
        return BreakEven(None, always=True)
    if _at(gained, 1.0) >= -_NOISE:
        return BreakEven(None)
    if len(gained) == 2:
        return BreakEven(max(0.0, -gained[0] / gained[1]))
    low, high = 0.0, 1.0
    for _ in range(60):
        middle = (low + high) / 2
        low, high = (middle, high) if _at(gained, middle) >= 0 else (low, middle)
    return BreakEven(low)


def _polynomial(tries: Sequence[tuple[Outcome, float | None]], rejects: float) -> list[float]:
    """What a ladder solves of one task, as coefficients of the powers of the false-accept rate."""
    if len(tries) == 2:  # the same as below, without the loop: pairs are what is asked about most
        (low, cap), (high, top) = tries
        right, ended = right_and_ended(low, cap)
        last = right_and_ended(high, top)[0]
        passed = right * (1 - rejects)
        return [passed + (1 - passed) * last, (right - ended) * last]
    resolved = [0.0] * len(tries)
    reached = [1.0]
    for number, (outcome, cap) in enumerate(tries):
        right, ended = right_and_ended(outcome, cap)
        passed = right if number == len(tries) - 1 else right * (1 - rejects)
        for power, term in enumerate(reached):
            resolved[power] += term * passed
        reached = [
            (1 - passed) * same - (ended - right) * lower
            for same, lower in zip([*reached, 0.0], [0.0, *reached], strict=True)
        ]
    return resolved


def _at(terms: Sequence[float], rate: float) -> float:
    value = 0.0
    for term in reversed(terms):
        value = value * rate + term
    return value


def finding(figures: Figures, n: int, *, selected: bool = False) -> Finding:
    """What the figures show beside always-strong; what their intervals leave open is not shown.

    Args:
        n: tasks.
        selected: whether the strong lane was asked only about some tasks, as in a ledger those that the fast
            one had failed on: figures of these say nothing of the others.
    """
    if selected:
        return Finding.SELECTED
    if n < LEAST_TASKS:
        return Finding.TOO_FEW
    if figures.ratio_within is None or figures.difference_within is None:
        return Finding.UNPRICED
    least, most = figures.difference_within
    if figures.ratio_within[0] > 1:
        return Finding.BUYS_QUALITY if least > 0 else Finding.LOSES_MONEY
    if most < 0:
        return Finding.SOLVES_LESS
    if figures.ratio_within[1] >= 1:
        return Finding.NO_SAVING
    return Finding.PAYS if least >= -MARGIN else Finding.OPEN
