"""Outcomes drawn toward what a model's strength and a task's difficulty lead to expect.

One attempt is a draw: run again, the model may solve another task. Of thousands of ladders the best on paper
is one whose lanes happened to solve each other's failures. Where many models tried the same tasks, strength
and difficulty are well known, and a part of each outcome is replaced by the likelihood that they tell; that
takes luck out of the search. Nothing is ever judged on smoothed outcomes.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import replace

from route_agent.outcomes import Outcome
from route_agent.tuning.table import Table

FEWEST = 6  # models: of fewer, a task's difficulty is hardly known
HALF = 16  # models at which half of an outcome is replaced
SPREAD = 4.0  # variance of difficulties in log-odds, before anything is known of a task
ROUNDS = 12
_RIDGE = 0.02
_LEAP = 1.0


def smoothed(table: Table, rows: Sequence[int]) -> Table:
    """The table with the outcomes of these rows smoothed; all others stay, and are not looked at."""
    count = len(table.lanes)
    if count < FEWEST:
        return table
    weight = count / (count + HALF)
    strength, difficulty = _fitted(table, rows)
    lanes = {}
    for model, outcomes in table.lanes.items():
        changed = list(outcomes)
        for place, row in enumerate(rows):
            expected = _share(strength[model] - difficulty[place])
            changed[row] = _drawn(outcomes[row], weight, expected)
        lanes[model] = tuple(changed)
    return replace(table, lanes=lanes)


def _drawn(outcome: Outcome, weight: float, expected: float) -> Outcome:
    resolved = (1 - weight) * outcome.resolved + weight * expected
    samples = tuple(((1 - weight) * share + weight * expected, usd) for share, usd in outcome.samples)
    return replace(outcome, resolved=resolved, samples=samples)


def _fitted(table: Table, rows: Sequence[int]) -> tuple[dict[str, float], list[float]]:
    """Each model's strength and each task's difficulty, by Newton's steps in turn."""
    right = {model: [outcomes[row].resolved for row in rows] for model, outcomes in table.lanes.items()}
    strength, difficulty = dict.fromkeys(right, 0.0), [0.0] * len(rows)
    for _ in range(ROUNDS):
        for model, shares in right.items():
            guesses = [_share(strength[model] - it) for it in difficulty]
            slope = sum(shares) - sum(guesses) - _RIDGE * strength[model]
            strength[model] += _step(slope, sum(it * (1 - it) for it in guesses) + _RIDGE)
        for place, it in enumerate(difficulty):
            guesses = [_share(strength[model] - it) for model in right]
            slope = sum(guesses) - sum(shares[place] for shares in right.values()) - it / SPREAD
            difficulty[place] += _step(slope, sum(it * (1 - it) for it in guesses) + 1 / SPREAD)
    return strength, difficulty


def _share(odds: float) -> float:
    return 1 / (1 + math.exp(-max(-30.0, min(30.0, odds))))


def _step(slope: float, curve: float) -> float:
    return max(-_LEAP, min(_LEAP, slope / curve))
