"""How a fit is judged: on tasks that it has not seen, as a difference to always-strong with its interval."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from statistics import fmean

from route_agent.outcomes import Expected
from route_agent.resampling import Interval, intervals
from route_agent.tuning.fitting import Aim, Fit, Way, fit, standard_error
from route_agent.tuning.search import Plan
from route_agent.tuning.table import Table

MOST_FOLDS = 12
FEWEST_GROUPS = 3  # repositories: of fewer, tasks are dealt into folds instead
DEALT = 10
_Z = 1.96


@dataclass(frozen=True, slots=True)
class Figures:
    """A way of working on unseen tasks, with 95 % intervals from paired draws of the tasks.

    Attributes:
        resolved: share (0 to 1) of the tasks.
        cost_usd: for a task.
        difference: of `resolved` to always-strong's.
        ratio: of `cost_usd` to always-strong's; None where that costs nothing.
    """

    resolved: float
    cost_usd: float
    difference: float
    ratio: float | None
    difference_within: Interval
    ratio_within: Interval | None


@dataclass(frozen=True, slots=True)
class Judged:
    """What every way made of each task, in the order of the table, all of them unseen by the fit.

    Attributes:
        made: by way, what the plan of a fold's fit made of the fold's tasks.
        strong: what always-strong made of them.
        folds: the rows of each fold.
        plans: by way, the plan that each fold's fit came to.
    """

    made: Mapping[Way, tuple[Expected, ...]]
    strong: tuple[Expected, ...]
    folds: tuple[tuple[int, ...], ...]
    plans: Mapping[Way, tuple[Plan, ...]]


def folds(table: Table) -> tuple[tuple[int, ...], ...]:
    """The tasks of one repository together; small ones share a fold where there are many.

    With fewer than three repositories the tasks themselves are dealt into ten folds.
    """
    groups: dict[str, list[int]] = {}
    for row, group in enumerate(table.groups):
        groups.setdefault(group, []).append(row)
    if len(groups) < FEWEST_GROUPS:
        dealt = (tuple(table.rows[first::DEALT]) for first in range(DEALT))
        return tuple(it for it in dealt if it)
    packed: list[list[int]] = [[] for _ in range(min(MOST_FOLDS, len(groups)))]
    for _, rows in sorted(groups.items(), key=lambda it: (-len(it[1]), it[0])):
        min(packed, key=len).extend(rows)
    return tuple(tuple(sorted(it)) for it in packed)


def cross_validated(table: Table, aim: Aim) -> Judged:
    """Each fold's tasks, judged by a fit on all the others."""
    parts = folds(table)
    made: dict[Way, dict[int, Expected]] = {}
    plans: dict[Way, list[Plan]] = {}
    for part in parts:
        hidden = set(part)
        fitted = fit(table, [row for row in table.rows if row not in hidden], aim)
        for way, plan in fitted.plans.items():
            plans.setdefault(way, []).append(plan)
            figures_of = zip(part, fitted.search.each(plan, table, part), strict=True)
            made.setdefault(way, {}).update(figures_of)
    whole = {way: by_row for way, by_row in made.items() if len(by_row) == len(table.rows)}
    return Judged(
        {way: tuple(by_row[row] for row in table.rows) for way, by_row in whole.items()},
        strong_of(table, aim.strong),
        parts,
        {way: tuple(plans[way]) for way in whole},
    )


def unseen(fitted: Fit, table: Table, aim: Aim) -> Judged:
    """A fit that was made elsewhere, judged on this table's tasks."""
    made = {way: tuple(fitted.search.each(plan, table, table.rows)) for way, plan in fitted.plans.items()}
    plans = {way: (plan,) for way, plan in fitted.plans.items()}
    return Judged(made, strong_of(table, aim.strong), (tuple(table.rows),), plans)


def strong_of(table: Table, strong: str) -> tuple[Expected, ...]:
    """What always-strong made of each task."""
    return tuple(Expected(it.resolved, it.cost_usd) for it in table.lanes[strong])


def figures(ways: Sequence[Sequence[Expected]], strong: Sequence[Expected]) -> list[Figures]:
    """The means of several ways over the same tasks, beside always-strong, all from the same draws."""
    columns = [
        column
        for made in (strong, *ways)
        for column in ([it.resolved for it in made], [it.cost_usd for it in made])
    ]
    means = [fmean(column) for column in columns]
    points, within = _beside(means), intervals(columns, _beside)
    told = []
    for at in range(0, 2 * len(ways), 2):
        difference, known = points[at], within[at]
        if difference is None or known is None:
            raise ValueError("there are no tasks")
        told.append(Figures(means[at + 2], means[at + 3], difference, points[at + 1], known, within[at + 1]))
    return told


def _beside(means: Sequence[float]) -> list[float | None]:
    resolved, paid = means[0], means[1]
    return [
        value
        for at in range(2, len(means), 2)
        for value in (means[at] - resolved, means[at + 1] / paid if paid else None)
    ]


@dataclass(frozen=True, slots=True)
class Demand:
    """What a way must show on unseen tasks to count as no worse than always-strong.

    Attributes:
        margin: the lower 95 % bound of the difference may lie so far (share of tasks) below 0.
        lead: the difference itself must be so many of its standard errors above 0; 0 for not below it.
    """

    margin: float
    lead: float = 0.0

    def is_met(self, made: Sequence[Expected], strong: Sequence[Expected]) -> bool:
        """Whether a way meets it on some tasks. The bound is the normal one, for it is asked often."""
        differences = [it.resolved - other.resolved for it, other in zip(made, strong, strict=True)]
        middle, error = fmean(differences), standard_error(differences)
        return middle >= self.lead * error and middle - _Z * error >= -self.margin


def cheapest(judged: Judged, rows: Sequence[int], demand: Demand) -> Way | None:
    """The cheapest way that meets a demand on these tasks, below always-strong's cost; None without one."""
    strong = [judged.strong[row] for row in rows]
    best, least = None, sum(it.cost_usd for it in strong)
    for way, made in judged.made.items():
        cost = sum(made[row].cost_usd for row in rows)
        if cost < least and demand.is_met([made[row] for row in rows], strong):
            best, least = way, cost
    return best


def choice_judged(judged: Judged, demand: Demand) -> list[Expected]:
    """What choosing itself comes to: each fold is judged at the way that the other folds' tasks speak for.

    The cheapest of several ways that all look good was in part lucky. Here a fold's tasks have no say in how
    they are judged; where the others speak for no way, always-strong takes them.
    """
    made: dict[int, Expected] = {}
    for part in judged.folds:
        hidden = set(part)
        others = [row for row in range(len(judged.strong)) if row not in hidden]
        way = cheapest(judged, others, demand) if others else None
        of = judged.strong if way is None else judged.made[way]
        made.update((row, of[row]) for row in part)
    return [made[row] for row in range(len(judged.strong))]
