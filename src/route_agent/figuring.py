"""Sums turned into shares, means and quantiles with their 95 % intervals. Pure, and equal for equal sums.

A share has Wilson's interval. A mean, and the ratio of two sums over the same runs, has one by linearisation
(the delta method) on the scale of logarithms, with Student's t for the degrees of freedom of the smaller
number: it never reaches below 0, and costs are skewed. A quantile has the order statistics between which it
lies by the binomial distribution; an end that so few values cannot show is left out.
"""

from __future__ import annotations

from dataclasses import dataclass
from math import ceil, exp, floor, sqrt
from statistics import NormalDist
from typing import TYPE_CHECKING

from route_agent.outcomes import quantile
from route_agent.records.figures import Estimate, Latency, Savings, Share
from route_agent.verifying import interval

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

Z = 1.96
TAIL = 0.025
EXACT = 100  # up to so many a tail is added up; of more, Wilson's interval says the same
LEAST = 10  # runs on each side, before two lanes are compared


@dataclass(frozen=True, slots=True)
class Paid:
    """What some runs cost and how many came to something: sums over the runs, in any one unit of money.

    Attributes:
        n: runs.
        cost: the sum of what each cost.
        squares: the sum of the squares of that.
        good: runs that count as one below the line.
        cost_of_good: what those cost.
        unknown: calls of unknown cost among all.
    """

    n: int = 0
    cost: float = 0.0
    squares: float = 0.0
    good: int = 0
    cost_of_good: float = 0.0
    unknown: int = 0

    @property
    def each(self) -> Paid:
        """The same by run, instead of by good run."""
        return Paid(self.n, self.cost, self.squares, self.n, self.cost, self.unknown)

    @property
    def ratio(self) -> float | None:
        """Cost by good run; None where there is none, or the cost is not known."""
        return None if self.unknown or not self.good else self.cost / self.good

    @property
    def error(self) -> float | None:
        """The standard error of the ratio; None where there are too few runs for one."""
        ratio = self.ratio
        if ratio is None or self.n < 2 or self.good < 2:
            return None
        residual = self.squares - 2 * ratio * self.cost_of_good + ratio * ratio * self.good
        return sqrt(max(0.0, residual) * self.n / (self.n - 1)) / self.good


def share(part: int, whole: int) -> Share:
    """A share with its interval."""
    return Share(part, whole, *interval(part, whole))


def is_above(part: int, whole: int, target: float) -> bool:
    """Whether a share is above a target by more than chance: at most one in 40 at the target is so high."""
    if whole > EXACT or not 0 < target < 1:
        return whole > 0 and share(part, whole).low > target
    # Wilson's interval promises too much of few: one of one would be above 0.15
    odds = target / (1 - target)
    term = (1 - target) ** whole
    below = 0.0
    for count in range(part):
        below += term
        term *= odds * (whole - count) / (count + 1)
    return 1 - below <= TAIL


def estimate(paid: Paid) -> Estimate:
    """Cost by good run; `n` is the number of runs."""
    ratio, error = paid.ratio, paid.error
    if ratio is None or error is None:
        return Estimate(paid.n, ratio)
    if not ratio:
        return Estimate(paid.n, 0.0, 0.0, 0.0)
    factor = exp(_student(min(paid.n, paid.good) - 1) * error / ratio)
    return Estimate(paid.n, ratio, ratio / factor, ratio * factor)


def difference(one: Paid, other: Paid) -> Estimate:
    """How much more a good run of the one costs than one of the other."""
    n = min(one.n, other.n)
    if one.ratio is None or other.ratio is None:
        return Estimate(n)
    apart = one.ratio - other.ratio
    if one.error is None or other.error is None:
        return Estimate(n, apart)
    spread = Z * sqrt(one.error**2 + other.error**2)
    return Estimate(n, apart, apart - spread, apart + spread)


def is_dearer(one: Paid, other: Paid, compared: int) -> bool:
    """Whether the one costs more by good run than chance explains, with so many pairs compared at once."""
    if min(one.n, other.n) < LEAST or one.error is None or other.error is None:
        return False
    z = NormalDist().inv_cdf(1 - 0.025 / max(1, compared))
    return (one.ratio or 0.0) - (other.ratio or 0.0) > z * sqrt(one.error**2 + other.error**2)


def savings(classes: Iterable[tuple[Paid, Paid]]) -> Savings:
    """What routing saved against asking the last lane at once, class by class.

    Args:
        classes: of each class all its runs, and those that began at the last lane.
    """
    pairs = list(classes)
    compared = [
        (every, last) for every, last in pairs if last.n >= LEAST and last.error is not None and every.good
    ]
    runs = share(sum(every.n for every, _ in compared), sum(every.n for every, _ in pairs))
    every = _together(it for it, _ in compared)
    if every.ratio is None or not every.good:
        return Savings(runs=runs)
    # each class as dear as its own runs at the last lane were
    strong = sum(it.good * (last.ratio or 0.0) for it, last in compared) / every.good
    error = sqrt(sum((it.good * (last.error or 0.0)) ** 2 for it, last in compared)) / every.good
    if not strong:
        return Savings(runs=runs)
    direct = Estimate(sum(last.n for _, last in compared), strong, *_around(strong, error))
    left = every.ratio / strong
    if every.error is None or not left:
        return Savings(Estimate(every.n, 1 - left), estimate(every), direct, runs)
    low, high = _around(left, left * sqrt((every.error / every.ratio) ** 2 + (error / strong) ** 2))
    return Savings(Estimate(every.n, 1 - left, 1 - high, 1 - low), estimate(every), direct, runs)


def _around(value: float, error: float) -> tuple[float, float]:
    factor = exp(Z * error / value)
    return value / factor, value * factor


def _together(several: Iterable[Paid]) -> Paid:
    total = Paid()
    for it in several:
        total = Paid(
            total.n + it.n,
            total.cost + it.cost,
            total.squares + it.squares,
            total.good + it.good,
            total.cost_of_good + it.cost_of_good,
            total.unknown + it.unknown,
        )
    return total


def latency(seconds: Sequence[float]) -> Latency:
    """The median and the 90th percentile of some times, in any order."""
    if not seconds:
        return Latency()
    ordered = sorted(seconds)
    return Latency(_quantile(ordered, 0.5), _quantile(ordered, 0.9))


def _quantile(ordered: Sequence[float], at: float) -> Estimate:
    n = len(ordered)
    spread = Z * sqrt(n * at * (1 - at))
    below, above = floor(n * at - spread), ceil(n * at + spread) + 1  # counted from 1
    return Estimate(
        n,
        quantile(ordered, at),
        ordered[below - 1] if below >= 1 else None,
        ordered[above - 1] if above <= n else None,
    )


def _student(freedom: int) -> float:
    """Student's t at 97.5 %, by its expansion; exact where the expansion is too short."""
    few = {1: 12.706, 2: 4.303, 3: 3.182, 4: 2.776}
    if freedom in few:
        return few[freedom]
    z = 1.959964
    return (
        z
        + (z**3 + z) / (4 * freedom)
        + (5 * z**5 + 16 * z**3 + 3 * z) / (96 * freedom**2)
        + (3 * z**7 + 19 * z**5 + 17 * z**3 - 15 * z) / (384 * freedom**3)
    )
