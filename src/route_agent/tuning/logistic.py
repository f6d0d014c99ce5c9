"""A small logistic regression in closed steps: Newton's method with a ridge, for a handful of features."""

from __future__ import annotations

import math
from collections.abc import Sequence

RIDGE = 1.0  # as much as one outcome's weight: some rows that happen to agree must not make a weight endless
ROUNDS = 50


def fit(rows: Sequence[Sequence[float]], shares: Sequence[float], ridge: float = RIDGE) -> list[float]:
    """The intercept and one weight for each feature.

    Args:
        rows: the features of each outcome.
        shares: how right each was, 0 to 1.
        ridge: how strongly weights are drawn to 0; the intercept is not.
    """
    width = len(rows[0]) + 1
    line = [0.0] * width
    for _ in range(ROUNDS):
        slope, curve = _derivatives(rows, shares, line, ridge)
        step = _solved(curve, slope)
        longest = max(map(abs, step))
        # a step beyond a few units of log-odds is a leap out of where the curve holds
        line = [
            it + change * min(1.0, 4 / longest if longest else 1.0)
            for it, change in zip(line, step, strict=True)
        ]
        if longest < 1e-9:
            break
    return line


def _derivatives(
    rows: Sequence[Sequence[float]], shares: Sequence[float], line: Sequence[float], ridge: float
) -> tuple[list[float], list[list[float]]]:
    width = len(line)
    slope = [0.0, *(-ridge * weight for weight in line[1:])]
    curve = [[ridge if row == column and row else 0.0 for column in range(width)] for row in range(width)]
    curve[0][0] = 1e-9
    for row, share in zip(rows, shares, strict=True):
        known = (1.0, *row)
        odds = sum(weight * it for weight, it in zip(line, known, strict=True))
        guess = 1 / (1 + math.exp(-max(-700.0, min(700.0, odds))))
        for i, one in enumerate(known):
            slope[i] += (share - guess) * one
            for j, other in enumerate(known):
                curve[i][j] += guess * (1 - guess) * one * other
    return slope, curve


def _solved(matrix: Sequence[Sequence[float]], right: Sequence[float]) -> list[float]:
    """Gauss's elimination with the largest pivot; the matrix is positive, so there is one."""
    rows = [[*line, value] for line, value in zip(matrix, right, strict=True)]
    size = len(rows)
    for place in range(size):
        best = max(range(place, size), key=lambda row: abs(rows[row][place]))
        rows[place], rows[best] = rows[best], rows[place]
        for row in range(place + 1, size):
            times = rows[row][place] / rows[place][place]
            rows[row] = [a - times * b for a, b in zip(rows[row], rows[place], strict=True)]
    solved = [0.0] * size
    for place in reversed(range(size)):
        known = sum(rows[place][it] * solved[it] for it in range(place + 1, size))
        solved[place] = (rows[place][size] - known) / rows[place][place]
    return solved


def area(scores: Sequence[float], shares: Sequence[float]) -> float | None:
    """How often a right outcome has the higher score than a wrong one (0.5 is chance); None without both.

    Ties count half. An outcome that is partly right stands on both sides with its shares.
    """
    pairs = sorted(zip(scores, shares, strict=True))
    below, won, place = 0.0, 0.0, 0
    while place < len(pairs):
        tied = [share for score, share in pairs[place:] if score == pairs[place][0]]
        right, wrong = sum(tied), len(tied) - sum(tied)
        won += right * (below + wrong / 2)
        below += wrong
        place += len(tied)
    right = sum(shares)
    wrong = len(shares) - right
    return won / (right * wrong) if right and wrong else None
