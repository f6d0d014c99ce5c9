"""How far figures may be off by the choice of the tasks: percentile bootstrap, equal for equal input.

Every figure is computed on the same draws, so differences and ratios of two ways of working are paired.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from operator import itemgetter
from random import Random

from route_agent.outcomes import quantile

DRAWS = 1000
SEED = 20_240_601
MOST_UNITS = 500  # beyond so many tasks, bundles of them are drawn: time stays bounded, intervals hold

Interval = tuple[float, float]


def intervals(
    columns: Sequence[Sequence[float]],
    figures: Callable[[Sequence[float]], Sequence[float | None]],
    *,
    draws: int = DRAWS,
    seed: int = SEED,
) -> list[Interval | None]:
    """The 95 % intervals of figures that follow from means over tasks.

    Args:
        columns: what is averaged: for each quantity one value per task, in the same order of tasks.
        figures: the figures, from the means of the columns; None where one cannot be computed from them.
        draws: how often the tasks are drawn anew, with replacement.
        seed: of the draws.

    Returns:
        For each figure its interval; None where some draw did not give one, or where there are no tasks.
    """
    if not columns or not columns[0]:
        return []
    bundled, counts = _bundles(columns, seed)
    n = len(counts)
    random = Random(seed)  # noqa: S311 - no secret
    told: list[Sequence[float | None]] = []
    for _ in range(draws):
        drawn = memoryview(random.randbytes(4 * n)).cast("I")  # several times quicker than number by number
        pick = itemgetter(*[number * n >> 32 for number in drawn]) if n > 1 else _all
        size = sum(pick(counts))
        told.append(figures([sum(pick(column)) / size for column in bundled]))
    return [_percentiles(values) for values in zip(*told, strict=True)]


def _all(values: Sequence[float]) -> Sequence[float]:
    return values


def _bundles(columns: Sequence[Sequence[float]], seed: int) -> tuple[list[list[float]], list[float]]:
    """What is drawn: single tasks, or as many bundles of tasks dealt by chance; and the tasks in each."""
    n = len(columns[0])
    if n <= MOST_UNITS:
        return [list(column) for column in columns], [1] * n
    order = list(range(n))
    Random(seed).shuffle(order)  # noqa: S311 - no secret
    hands = [order[first::MOST_UNITS] for first in range(MOST_UNITS)]
    return [[sum(column[at] for at in hand) for hand in hands] for column in columns], list(map(len, hands))


def _percentiles(values: Sequence[float | None]) -> Interval | None:
    known = [value for value in values if value is not None]
    if len(known) < len(values):
        return None
    return quantile(known, 0.025), quantile(known, 0.975)
