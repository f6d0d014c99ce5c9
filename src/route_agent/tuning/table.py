"""Recorded outcomes as columns of figures, one for each model, with one row for each task."""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass

from route_agent.outcomes import Outcome, Outcomes

SHARED = 0.9  # a model that shares fewer of the always-strong lane's tasks is left out

# what else is known of an attempt: by model, then by task, then by feature as `AcceptRule` names it
Features = Mapping[str, Mapping[str, Mapping[str, float]]]


@dataclass(frozen=True, slots=True)
class Table:
    """What every model made of the same tasks.

    Attributes:
        tasks: their names, sorted.
        groups: the repository of each; its own name where none is known.
        left_out: models that were not tried on enough of the tasks.
        lanes: each model's outcomes, in the order of the tasks.
        features: what else is known of each attempt, in the same order.
        free: models that cost nothing.
    """

    tasks: tuple[str, ...]
    groups: tuple[str, ...]
    left_out: tuple[str, ...]
    lanes: Mapping[str, tuple[Outcome, ...]]
    features: Mapping[str, tuple[Mapping[str, float], ...]]
    free: frozenset[str] = frozenset()

    @property
    def rows(self) -> range:
        """Every task's place."""
        return range(len(self.tasks))

    def effort(self, model: str, row: int) -> float:
        """What an attempt took: dollars, or calls where none of the lane's attempts cost anything."""
        outcome = self.lanes[model][row]
        return (outcome.calls or 0.0) if model in self.free else outcome.cost_usd


def tabulate(
    outcomes: Outcomes,
    strong: str,
    *,
    must: Collection[str] = (),
    groups: Mapping[str, str] | None = None,
    features: Features | None = None,
) -> Table:
    """The tasks that all models share with the always-strong one.

    A model with too few of its tasks is left out, rather than that it takes the tasks from all the others.

    Args:
        must: models that are kept, however few of the tasks they tried.
        groups: the repository of each task; a task without one stands for itself.
        features: what else is known of attempts, for the accept rule.
    """
    shared = set(outcomes[strong]).intersection(*(outcomes[model] for model in must))
    least = SHARED * len(shared)
    kept = list(dict.fromkeys((strong, *must)))
    for model in sorted(outcomes, key=lambda it: (-len(outcomes[it].keys() & outcomes[strong].keys()), it)):
        both = shared & outcomes[model].keys()
        if model not in kept and len(both) >= least and both:
            kept.append(model)
            shared = both
    tasks = tuple(sorted(shared))
    known, more = groups or {}, features or {}
    return Table(
        tasks,
        tuple(known.get(task, task) for task in tasks),
        tuple(sorted(outcomes.keys() - set(kept))),
        {model: tuple(outcomes[model][task] for task in tasks) for model in sorted(kept)},
        {
            model: tuple(more[model].get(task, {}) for task in tasks)
            for model in sorted(kept)
            if model in more
        },
    )


def rank(ordered: Sequence[float], figure: float) -> float:
    """The share (0 to 1) of ordered figures that are smaller."""
    return bisect_left(ordered, figure) / len(ordered)
