"""One fit: from some tasks to a plan for every degree of caution."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from math import sqrt
from statistics import fmean

from route_agent.outcomes import Errors
from route_agent.tuning.search import Found, Plan, Search, Step, front
from route_agent.tuning.smoothing import smoothed
from route_agent.tuning.table import Table

# by how many standard errors a plan must solve more than always-strong on the tasks that it is fitted on
CAUTIONS = (-3.0, -2.0, -1.0, -0.5, 0.0, 0.5, 1.0, 1.25, 1.5, 2.0, 2.5, 3.0)
# what the best of thousands of ladders loses on other tasks, as measured: docs/tuning.md
USUAL_CAUTION = 1.25


@dataclass(frozen=True, slots=True)
class Aim:
    """What is tuned.

    Attributes:
        strong: the model that always-strong asks.
        fast: the cheap model of a pair; empty for ladders of any models.
        errors: how often the verification is wrong.
    """

    strong: str
    fast: str = ""
    errors: Errors = field(default_factory=Errors)


# what is judged as one: a plan by itself, or whatever ladder a degree of caution chooses on the tasks at hand
Way = Plan | float


@dataclass(frozen=True, slots=True)
class Fit:
    """What was found on some tasks: the search, which knows caps and rules, and each way's plan."""

    search: Search
    plans: Mapping[Way, Plan]


def fit(table: Table, rows: Sequence[int], aim: Aim) -> Fit:
    """Search plans on these tasks; nothing else of the table is looked at.

    Of a pair there are so few that each is judged by itself. Of ladders there are thousands, so that what is
    judged is the choice: a ladder for each degree of caution.
    """
    seen = Search(table, rows, aim.errors, aim.strong)
    if aim.fast:
        return Fit(seen, {plan: plan for plan in seen.pair(aim.fast)})
    search = Search(smoothed(table, rows), rows, aim.errors, aim.strong)
    strong = search.value((Step(aim.strong),))
    return Fit(search, _chosen(front(search.ladders()), strong, _Errors(seen, table, rows, aim.strong)))


class _Errors:
    """The standard error of what a plan solves more than always-strong, on the tasks as recorded."""

    def __init__(self, search: Search, table: Table, rows: Sequence[int], strong: str) -> None:
        self._search, self._table, self._rows = search, table, rows
        self._strong = [table.lanes[strong][row].resolved for row in rows]
        self._known: dict[Plan, float] = {}

    def of(self, plan: Plan) -> float:
        if plan not in self._known:
            expected = self._search.each(plan, self._table, self._rows)
            pairs = zip(expected, self._strong, strict=True)
            self._known[plan] = standard_error([it.resolved - strong for it, strong in pairs])
        return self._known[plan]


def _chosen(found: Sequence[Found], strong: Found, errors: _Errors) -> dict[Way, Plan]:
    """For each caution the cheapest plan that solves so much more than always-strong; else always-strong."""
    plans: dict[Way, Plan] = {}
    for caution in CAUTIONS:
        plans[caution] = strong.plan
        for it in found:
            if it.cost_usd >= strong.cost_usd:
                break
            more = it.resolved - strong.resolved
            if more >= caution * errors.of(it.plan):
                plans[caution] = it.plan
                break
    return plans


def standard_error(differences: Sequence[float]) -> float:
    """Of their mean."""
    n = len(differences)
    if n < 2:
        return 0.0
    middle = fmean(differences)
    return sqrt(sum((it - middle) ** 2 for it in differences) / (n - 1) / n)
