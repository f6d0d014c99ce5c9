"""What a replay must come to, worked out in another way: every verdict that the verification may give is played.

With fractions and without any code of the program. Slow on purpose: nothing is simplified that could hide a
mistake in the closed form.
"""

from __future__ import annotations

import csv
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from fractions import Fraction
from itertools import permutations, product
from pathlib import Path

# by model and task: each attempt as (right, cost)
Records = dict[str, dict[str, list[tuple[int, Fraction]]]]
ONE, NONE = Fraction(1), Fraction(0)


@dataclass(frozen=True)
class Rates:
    """How often the verification is wrong."""

    accept: Fraction = NONE
    reject: Fraction = NONE


def read(path: Path) -> Records:
    records: Records = {}
    with path.open(newline="", encoding="utf-8") as file:
        for row in csv.DictReader(file):
            attempt = (int(row["resolved"]), Fraction(row["cost_usd"]))
            records.setdefault(row["model"], {}).setdefault(row["instance_id"], []).append(attempt)
    return records


def shared(records: Records, models: Sequence[str]) -> list[str]:
    return sorted(set.intersection(*(set(records[model]) for model in models)))


def ladder(
    records: Records, models: Sequence[str], tasks: Sequence[str], rates: Rates, caps: dict[str, Fraction]
) -> tuple[Fraction, Fraction]:
    """Mean share solved and mean cost: the first accepted patch is handed on, or else the last lane's."""
    solved = paid = NONE
    for task in tasks:
        for chance, handed, cost in _played(
            [_capped(records[it][task], caps.get(it)) for it in models], rates
        ):
            solved += chance * handed
            paid += chance * cost
    return solved / len(tasks), paid / len(tasks)


def _capped(attempts: list[tuple[int, Fraction]], cap: Fraction | None) -> list[tuple[int | None, Fraction]]:
    """An attempt that is stopped has no patch."""
    return [(None, cap) if cap is not None and cost > cap else (right, cost) for right, cost in attempts]


def _played(
    lanes: list[list[tuple[int | None, Fraction]]], rates: Rates
) -> Iterator[tuple[Fraction, int, Fraction]]:
    """Each course that a task may take: its chance, whether what is handed on is right, what was paid."""
    for attempts in product(*lanes):
        each = ONE
        for lane in lanes:
            each /= len(lane)
        for verdicts in product((True, False), repeat=len(attempts) - 1):
            chance = each
            for (right, _), says_yes in zip(attempts, verdicts, strict=False):
                yes = NONE if right is None else 1 - rates.reject if right else rates.accept
                chance *= yes if says_yes else 1 - yes
            last = verdicts.index(True) if True in verdicts else len(attempts) - 1
            yield chance, attempts[last][0] or 0, sum((cost for _, cost in attempts[: last + 1]), NONE)


def twice(records: Records, model: str, tasks: Sequence[str], rates: Rates) -> tuple[Fraction, Fraction]:
    """The same model again where its first patch is refused, from tasks that it tried several times."""
    solved = paid = NONE
    for task in tasks:
        pairs = list(permutations(records[model][task], 2))
        for first, second in pairs:
            for chance, handed, cost in _played([[first], [second]], rates):
                solved += chance * handed / len(pairs)
                paid += chance * cost / len(pairs)
    return solved / len(tasks), paid / len(tasks)


def perfect(records: Records, models: Sequence[str], tasks: Sequence[str]) -> tuple[Fraction, Fraction]:
    """The cheapest model that solves a task, else the cheapest; of single attempts."""
    solved, paid = 0, NONE
    for task in tasks:
        tried = [records[model][task][0] for model in models]
        right = [cost for is_right, cost in tried if is_right]
        solved += bool(right)
        paid += min(right or [cost for _, cost in tried])
    return Fraction(solved, len(tasks)), paid / len(tasks)


def usual(records: Records, model: str, tasks: Sequence[str], share: Fraction) -> Fraction:
    """The quantile of a model's costs, on the straight line between its neighbours."""
    costs = sorted(cost for task in tasks for _, cost in records[model][task])
    place = share * (len(costs) - 1)
    below = int(place)
    rest = place - below
    return costs[below] if not rest else (1 - rest) * costs[below] + rest * costs[below + 1]


def even(
    records: Records,
    models: Sequence[str],
    strong: str,
    tasks: Sequence[str],
    reject: Fraction = NONE,
    caps: dict[str, Fraction] | None = None,
) -> Fraction | None:
    """The false-accept rate at which a ladder solves as much as always-strong: exact for two lanes."""
    target = ladder(records, [strong], tasks, Rates(), {})[0]

    def gain(rate: Fraction) -> Fraction:
        return ladder(records, models, tasks, Rates(rate, reject), caps or {})[0] - target

    at_none, at_all = gain(NONE), gain(ONE)
    if at_none < 0 or at_all >= 0:
        return None
    if len(models) == 2:
        return at_none / (at_none - at_all)
    low, high = NONE, ONE
    for _ in range(34):
        middle = (low + high) / 2
        low, high = (middle, high) if gain(middle) >= 0 else (low, middle)
    return low
