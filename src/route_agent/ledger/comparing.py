"""Whether a cheap lane is worth its detour, class by class, and what the ladder saved."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, get_args

from route_agent.figuring import LEAST, difference, estimate, is_dearer, savings
from route_agent.ledger.sums import Sums
from route_agent.records.figures import Losing, Savings
from route_agent.records.grades import TaskClass

if TYPE_CHECKING:
    from collections.abc import Mapping

    from route_agent.records.figures import Asked


def savings_of(pairs: Mapping[tuple[str, str], Sums], asked: Asked) -> Savings:
    """What the ladder saved against its last lane at once, from runs that began there for the same class."""
    if not asked.ladder:
        return Savings()
    classes: dict[str, Sums] = {}
    for (task_class, _), sums in pairs.items():
        classes[task_class] = classes.get(task_class, Sums()) + sums
    last = asked.ladder[-1]
    return savings(
        (sums.whole(asked), pairs.get((task_class, last), Sums()).whole(asked))
        for task_class, sums in sorted(classes.items())
    )


def losing_of(pairs: Mapping[tuple[str, str], Sums], asked: Asked) -> tuple[Losing, ...]:
    """The lanes through which a class costs more by accepted patch than from the last lane, beyond chance.

    The last lane is taken by all its attempts at the class, also those after another lane had failed: its
    tasks were the harder ones, so that what is told here is told against that.
    """
    last = asked.ladder[-1] if asked.ladder else ""
    several = [
        (task_class, lane, sums.through(asked), pairs[task_class, last].direct(asked))
        for (task_class, lane), sums in sorted(pairs.items())
        if lane in asked.ladder[:-1] and (task_class, last) in pairs and task_class in get_args(TaskClass)
    ]
    several = [it for it in several if min(it[2].n, it[3].n) >= LEAST]
    return tuple(
        Losing(
            lane=lane,
            last=last,
            task_class=task_class,
            through=estimate(through),
            direct=estimate(direct),
            difference=difference(through, direct),
            rule=rule([task_class], last),
        )
        for task_class, lane, through, direct in several
        if is_dearer(through, direct, len(several))
    )


def rule(classes: list[str], lane: str) -> str:
    """What a policy says so that these classes begin at a lane."""
    told = ", ".join(f"{it}: {json.dumps(lane)}" for it in classes)
    return f"routing:\n  start: {{{told}}}\n"
