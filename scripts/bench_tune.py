"""How good is what `route-agent tune` chooses, on tasks that it has not seen?

    python scripts/bench_tune.py --outcomes outcomes.csv [--tasks tasks.jsonl] [--harness NAME] [--part pairs]

Pairs are judged leaving one repository out; ladders on the half of the tasks that they were not fitted on,
in several random halves, and on what is left beside 30, 60 and 120 training tasks. Nothing is random but by
a fixed seed. docs/tuning.md says what the columns mean.
"""

from __future__ import annotations

import argparse
import json
import time
from collections.abc import Iterator, Sequence
from dataclasses import replace
from pathlib import Path
from random import Random
from statistics import fmean

from route_agent.outcomes import Errors, Expected, Outcomes
from route_agent.readoutcomes import read_outcomes
from route_agent.tuning.fitting import USUAL_CAUTION, Aim, fit
from route_agent.tuning.judging import Figures, Judged, cross_validated, figures, strong_of
from route_agent.tuning.search import Plan, Step
from route_agent.tuning.table import Table, tabulate
from route_agent.tuning.tune import Data, Wanted, tune

PAIRS = (
    ("gpt-5-mini-2025-08-07", "gpt-5-2025-08-07"),
    ("gpt-5-mini-2025-08-07", "claude-sonnet-4-5-20250929"),
    ("gpt-5-mini-2025-08-07", "claude-opus-4-5-20251101"),
    ("gpt-5-nano-2025-08-07", "gpt-5-2025-08-07"),
    ("devstral-small-2512", "claude-sonnet-4-5-20250929"),
    ("gemini-2.5-pro", "claude-opus-4-5-20251101"),
    ("deepseek-v3.2-reasoner", "claude-opus-4-5-20251101"),
    ("glm-4.6", "claude-sonnet-4-5-20250929"),
)
STRONG = ("claude-opus-4-5-20251101", "claude-sonnet-4-5-20250929")
PAIR_ACCEPTS = (0.0, 0.2, 0.35, 0.5)
LADDER_ACCEPTS = (0.0, 0.1, 0.2, 0.35)
SIZES = (30, 60, 120)
LEVELS = 21  # of shares at which two fronts are compared
CLEARLY = 0.99


def main() -> None:
    """Print the tables of both parts, or of one."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--outcomes", type=Path, required=True)
    parser.add_argument("--tasks", type=Path)
    parser.add_argument("--harness", default="")
    parser.add_argument("--part", choices=("pairs", "ladders", "both"), default="both")
    parser.add_argument("--pairs", default="", help="fast:strong,… instead of the built-in ones")
    parser.add_argument("--strong", default=",".join(STRONG), help="always-strong models of the ladders")
    parser.add_argument("--splits", type=int, default=5, help="random halves, each judged in both directions")
    parser.add_argument("--draws", type=int, default=10, help="random training sets of each size")
    asked = parser.parse_args()
    read = read_outcomes(asked.outcomes, asked.harness)
    groups = {**read.repositories, **_repositories(asked.tasks)}
    if asked.part != "ladders":
        pairs = [tuple(it.split(":")) for it in asked.pairs.split(",")] if asked.pairs else PAIRS
        for line in pair_lines(read.outcomes, groups, [(it[0], it[1]) for it in pairs]):
            print(line, flush=True)
    if asked.part != "pairs":
        for strong in asked.strong.split(","):
            for line in ladder_lines(read.outcomes, groups, strong, asked.splits, asked.draws):
                print(line, flush=True)


def _repositories(path: Path | None) -> dict[str, str]:
    if path is None:
        return {}
    tasks = (json.loads(line) for line in path.read_text(encoding="utf-8").splitlines() if line.strip())
    return {task["instance_id"]: task["repo"] for task in tasks}


# --- pairs


def pair_lines(outcomes: Outcomes, groups: dict[str, str], pairs: Sequence[tuple[str, str]]) -> Iterator[str]:
    """The table of pairs, and how often a tuned front was better."""
    head = ("fast → strong", "false accepts", "plain cascade", "recommended by tune", "tuned ÷ plain front")
    yield f"| {' | '.join(head)} | with coins |"
    yield "|---|---|---|---|---|---|"
    better: dict[float, list[tuple[float, float]]] = {}
    for fast, strong in pairs:
        if not {fast, strong} <= outcomes.keys():
            yield f"| {fast} → {strong} | not in this file | | | | |"
            continue
        mine = {name: outcomes[name] for name in (fast, strong)}
        for accepts in PAIR_ACCEPTS:
            told = tune(Data(mine, groups), Wanted(strong, fast, errors=Errors(accepts)))
            best = told.recommended
            aim = Aim(strong, fast, Errors(accepts))
            crossed = cross_validated(tabulate(mine, strong, groups=groups), aim)
            alone, coins = _at_equal_share(crossed, aim)
            better.setdefault(accepts, []).append((alone, coins))
            shown = f"{_told(best.figures)} {_caps(best.lanes)}" if best else "none"
            plain = _told(told.plain) if told.plain else ""
            yield f"| {fast} → {strong} | {accepts:g} | {plain} | {shown} | {alone:.2f} | {coins:.2f} |"
    for accepts, several in better.items():
        counts = [sum(it[place] < CLEARLY for it in several) for place in (0, 1)]
        shown = f"{counts[0]} of {len(several)} pairs, with coins {counts[1]}"
        yield f"tuned front below {CLEARLY} of the plain one at {accepts:g}: {shown}"


def _at_equal_share(crossed: Judged, aim: Aim) -> tuple[float, float]:
    """What the tuned front costs of the plain one where both solve as much, the mean over `LEVELS` shares.

    The shares lie between the cascade's and always-strong's. The plain front is always-fast, the cascade and
    always-strong; the tuned one has their caps and rules beside them. First of their points alone, then of
    coins between two of their points as well. All points are judged on unseen tasks; which of them is the
    cheapest is read from the same figures, which favours the front with more points a little.
    """
    rows = range(len(crossed.strong))
    strong = _mean(crossed.strong, rows)
    cascade = _mean(crossed.made[(Step(aim.fast), Step(aim.strong))], rows)
    plain = [_mean(crossed.made[(Step(aim.fast),)], rows), cascade, strong]
    tuned = [_mean(made, rows) for made in crossed.made.values()]
    low, high = sorted((cascade[0], strong[0]))
    levels = [low + (high - low) * step / (LEVELS - 1) for step in range(LEVELS)]
    return (
        fmean(_cost(it, tuned, coins=False) / _cost(it, plain, coins=False) for it in levels),
        fmean(_cost(it, tuned, coins=True) / _cost(it, plain, coins=True) for it in levels),
    )


def _mean(several: Sequence[Expected], rows: Sequence[int]) -> tuple[float, float]:
    return fmean(several[row].resolved for row in rows), fmean(several[row].cost_usd for row in rows)


def _cost(resolved: float, ways: Sequence[tuple[float, float]], *, coins: bool) -> float:
    """The least that one of some ways, or a coin between two of them, costs and solves so great a share."""
    costs = [cost for share, cost in ways if share >= resolved - 1e-12]
    for low, cheap in ways if coins else ():
        for high, dear in ways:
            if low < resolved < high:
                costs.append(cheap + (dear - cheap) * (resolved - low) / (high - low))
    return min(costs)


# --- ladders


def ladder_lines(
    outcomes: Outcomes, groups: dict[str, str], strong: str, splits: int, draws: int
) -> Iterator[str]:
    """The table of ladders: fitted on a part of the tasks, judged on the rest."""
    if strong not in outcomes:
        yield f"{strong}: not in this file"
        return
    table = tabulate(outcomes, strong, groups=groups)
    yield f"\nalways-strong = {strong}, {len(table.tasks)} tasks, {len(table.lanes)} models\n"
    head = (
        "fitted on",
        "false accepts",
        "first split",
        "all splits: points, × strong (range)",
        "covers 0 or above",
    )
    yield f"| {' | '.join(head)} | seconds a fit |"
    yield "|---|---|---|---|---|---|"
    for size in (None, *SIZES):
        for accepts in LADDER_ACCEPTS:
            yield _ladder_row(
                table, Aim(strong, errors=Errors(accepts)), size, splits if size is None else draws
            )


def _ladder_row(table: Table, aim: Aim, size: int | None, times: int) -> str:
    told: list[tuple[Figures, Plan]] = []
    begun = time.perf_counter()
    for seed in range(times):
        order = list(table.rows)
        Random(seed).shuffle(order)
        first = len(order) // 2 if size is None else size
        told.append(_judged(table, order[:first], order[first:], aim))
        if size is None:
            told.append(_judged(table, order[first:], order[:first], aim))
    seconds = (time.perf_counter() - begun) / len(told)
    covers = sum(it.difference_within[1] >= 0 for it, _ in told)
    ratios = [it.ratio or 0 for it, _ in told]
    first_ones = "; ".join(f"{_told(it)} {_names(plan)}" for it, plan in told[: 2 if size is None else 1])
    points = fmean(it.difference for it, _ in told) * 100
    mean = f"{points:+.1f}, × {fmean(ratios):.2f} ({min(ratios):.2f}–{max(ratios):.2f})"
    name = f"half ({len(table.tasks) // 2})" if size is None else str(size)
    cells = (name, f"{aim.errors.accepts:g}", first_ones, mean, f"{covers} of {len(told)}", f"{seconds:.1f}")
    return f"| {' | '.join(cells)} |"


def _judged(table: Table, train: Sequence[int], test: Sequence[int], aim: Aim) -> tuple[Figures, Plan]:
    """The ladder that a fit on some tasks chooses, on the others; a fit gets a table without those."""
    fitted = fit(_only(table, sorted(train)), range(len(train)), aim)
    plan = fitted.plans[USUAL_CAUTION]
    rest = _only(table, sorted(test))
    made = fitted.search.each(plan, rest, rest.rows)
    return figures([made], strong_of(rest, aim.strong))[0], plan


def _only(table: Table, rows: Sequence[int]) -> Table:
    return replace(
        table,
        tasks=tuple(table.tasks[row] for row in rows),
        groups=tuple(table.groups[row] for row in rows),
        lanes={model: tuple(outcomes[row] for row in rows) for model, outcomes in table.lanes.items()},
        features={},
    )


def _told(it: Figures) -> str:
    low, high = it.difference_within
    ratio = f"× {it.ratio:.2f}"
    if it.ratio_within:
        ratio += f" [{it.ratio_within[0]:.2f}, {it.ratio_within[1]:.2f}]"
    return f"{it.difference * 100:+.1f} [{low * 100:+.1f}, {high * 100:+.1f}] {ratio}"


def _caps(lanes: Sequence[object]) -> str:
    caps = [getattr(it, "cap", None) for it in lanes]
    rules = [getattr(it, "rule", None) for it in lanes]
    told = [
        f"p{cap * 100:.0f}" if cap else "rule" if rule else "–" for cap, rule in zip(caps, rules, strict=True)
    ]
    return f"({', '.join(told)})"


def _names(plan: Plan) -> str:
    return "(" + " → ".join(f"{it.model}{f' ≤ p{it.cap * 100:.0f}' if it.cap else ''}" for it in plan) + ")"


if __name__ == "__main__":
    main()
