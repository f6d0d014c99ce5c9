"""The ledger as outcomes: what one's own lanes made of one's own tasks."""

from __future__ import annotations

from collections import Counter
from pathlib import Path
from typing import TYPE_CHECKING

from route_agent.outcomes import Outcome
from route_agent.readoutcomes import LEDGER, Table, mean
from route_agent.repo.reverted import reverted_runs

if TYPE_CHECKING:
    from collections.abc import Collection, Iterable, Sequence

    from route_agent.ledger.tries import Try

MOST_REPOSITORIES = 20  # in which reverts are looked for
_NO_COST = "their cost is not known"
_MEANS = (
    "a task is one brief on one tree, and solved means accepted on evidence and not seen reverted:"
    " a wrong patch that the evidence let pass counts as solved"
)


def read_ledger(tries: Sequence[Try], names: Collection[str] = ()) -> Table:
    """Outcomes by lane; and by model for those of the names that are models and no lanes.

    Args:
        tries: `ledger.tries.Tries(places.ledger_file()).tries()`.
        names: what will be asked about.
    """
    lanes = {it.lane for it in tries}
    models = {it.model for it in tries if it.model in names} - lanes
    reverted = _reverted(tries)
    found: dict[str, dict[str, list[Outcome]]] = {}
    left_out: Counter[str] = Counter()
    for it in tries:
        if it.accepted is None:
            left_out["their patch was not judged (provider, environment, limit, raised)"] += 1
        elif it.cost_usd is None:
            left_out[_NO_COST] += 1
        else:
            right = it.accepted and it.run not in reverted
            outcome = Outcome(float(right), it.cost_usd, seconds=it.seconds)
            for name in (it.lane, it.model) if it.model in models else (it.lane,):
                found.setdefault(name, {}).setdefault(it.task, []).append(outcome)
    notes = [_MEANS, *(f"attempts left out since {why}: {count}" for why, count in left_out.items())]
    if back := len({it.run for it in tries if it.accepted} & reverted):
        notes.append(f"accepted runs that were reverted later and count as not solved: {back}")
    return Table(
        {
            name: {task: _one(several) for task, several in tasks.items()}
            for name, tasks in sorted(found.items())
        },
        {it.task: it.repository for it in tries},
        sum(len(several) for name in lanes for several in found.get(name, {}).values()),
        left_out[_NO_COST],
        (),
        LEDGER,
        tuple(notes),
    )


def _one(outcomes: Sequence[Outcome]) -> Outcome:
    return mean(outcomes) if len(outcomes) > 1 else outcomes[0]


def _reverted(tries: Iterable[Try]) -> frozenset[str]:
    """The accepted runs whose commits were reverted, in those repositories that still lie where they lay."""
    roots = dict.fromkeys(it.repository for it in tries if it.accepted)
    there = [root for name in roots if (root := Path(name)).is_dir()]
    return frozenset(run for root in there[-MOST_REPOSITORIES:] for run in reverted_runs(root))
