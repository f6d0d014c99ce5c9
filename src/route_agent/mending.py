"""`gate --fix`: the ordinary loop on what a judged change broke. It offers a patch and applies none."""

from __future__ import annotations

import os
from dataclasses import replace
from typing import TYPE_CHECKING

from route_agent import places
from route_agent.brief import MAX_BYTES, clean
from route_agent.errors import RouteError
from route_agent.ledger.store import Ledger
from route_agent.preferences import lower_limit, preferences
from route_agent.records.grades import Failure
from route_agent.routing import Wish
from route_agent.task import Options, run_task

if TYPE_CHECKING:
    from route_agent.ground import Opened
    from route_agent.records.checks import CheckResult
    from route_agent.records.events import Listener
    from route_agent.records.judgements import Judgement

MENDABLE = (Failure.REGRESSION, Failure.STILL_FAILING)
NOTHING = "there is nothing to mend: no check shows what is wrong"
_MOST_NAMED = 20


def mended(ground: Opened, judged: Judgement, max_usd: float | None, on: Listener) -> Judgement:
    """The judgement with the run that was to mend it, or with the reason why there is none.

    The patch is one on the judged tree. What was judged stays as it was said.

    Args:
        ground: what was judged, while its scratch stands.
        max_usd: the most that all of it may cost, in dollars; what the verifier took is taken off. The
            environment may lower it and raise the lane, and change nothing else.
    """
    if judged.failure not in MENDABLE:
        return replace(judged, why_not_fixed=NOTHING)
    if max_usd is not None and judged.cost.unknown_calls:
        return replace(
            judged, why_not_fixed="what the verifier cost is unknown, so what is left of --max-usd is, too"
        )
    left = None if max_usd is None else max(0.0, max_usd - judged.cost.known_micro_usd / 1_000_000)
    chosen = preferences(os.environ)
    options = Options(
        wish=Wish(preferred=chosen.lane, only_up=True),
        max_usd=lower_limit(chosen, ground.policy.policy.limits.max_usd if left is None else left),
    )
    trees = ground.slot.trees
    head = judged.head or ground.base
    there = replace(
        ground, base=head, start=judged.change.new_tree,
        change=trees.change(trees.tree_of(head), judged.change.new_tree), notices=(),
    )  # fmt: skip
    try:
        return replace(
            judged, fix=run_task(there, brief_for(judged), options, Ledger(places.ledger_file()), on)
        )
    except RouteError as error:
        return replace(judged, why_not_fixed=f"{error}. {error.hint}" if error.hint else str(error))


def brief_for(judged: Judgement) -> str:
    """The task, from the checks that failed; names of files and tests in it are nobody's promise."""
    failed = judged.evidence.checks.failed if judged.evidence else ()
    told = [
        "Mend what this change broke. These checks passed before it and fail with it:",
        *(line for result in failed for line in _lines(judged, result)),
        "Keep what the change is for; do not take it back, and leave the tests as they are.",
        "It touches:",
        *(f"- {path}" for path in judged.change.paths[:_MOST_NAMED]),
    ]
    text = "\n".join(told).encode("utf-8", "replace")[: MAX_BYTES - 1000]
    return clean(text.decode("utf-8", "ignore"))


def _lines(judged: Judgement, result: CheckResult) -> list[str]:
    """A check that fails with the change and did not before, and its tests of which that is true."""
    failing = judged.evidence.failing if judged.evidence else frozenset[str]()
    ids = sorted(it for it in failing if it.startswith(f"{result.name}::"))
    if not ids:
        return []
    tests = [test for it in ids if (test := it.partition("::")[2]) != "exit"]
    more = len(tests) - _MOST_NAMED
    return [
        f"- {result.kind.value} check {result.name}: {' '.join(result.reason.split())[:200]}",
        *(f"  - {test}" for test in tests[:_MOST_NAMED]),
        *([f"  - and {more} more"] if more > 0 else []),
    ]
