"""A tuning as text, as a chart and as JSON: figures with their n and 95 % intervals, and the reasons."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from route_agent.report.words import money
from route_agent.tuning.own import LEAST_OF_EACH, LEAST_PASSED, LEAST_TRIES

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from route_agent.resampling import Interval
    from route_agent.tuning.judging import Figures
    from route_agent.tuning.own import Own
    from route_agent.tuning.tune import Effort, Lane, Point, Tuning

HEIGHT = 11
LEAST_WIDTH, MOST_WIDTH = 32, 76
BEST, POINT, PLAIN, STRONG = "◆", "●", "○", "+"
_MICRO = 1_000_000


def lines(told: Tuning, width: int) -> Iterator[tuple[str, str]]:
    """The whole report, each line with its style.

    Args:
        width: of the terminal, in columns; the chart keeps within it.
    """
    if told.strong is None:
        yield f"nothing is recommended: {told.why}", "bold"
        yield from _left_out(told)
        return
    for line in _heading(told):
        yield line, ""
    yield "", ""
    for number, point in enumerate(told.points, 1):
        yield from _row(number, point, told)
    if told.plain:
        yield f" {PLAIN}  {_figures(told.plain)}", ""
        yield f"    {told.wanted.fast} → {told.wanted.strong}, without caps", "dim"
    yield "", ""
    for line in chart(told, width):
        yield line, ""
    yield "", ""
    yield from _ending(told)
    yield from _left_out(told)


def _heading(told: Tuning) -> Iterator[str]:
    yield _judged(told)
    yield "95 % intervals in brackets"
    if told.strong:
        solved = f"solves {told.strong.resolved * 100:.1f} % at {_usd(told.strong.cost_usd)} a task"
        yield f"strong  {told.wanted.strong}: {solved}"
    errors = told.wanted.errors
    yield (
        f"verification lets {errors.accepts * 100:g} % of wrong patches pass"
        f" and refuses {errors.rejects * 100:g} % of right ones"
    )


def _judged(told: Tuning) -> str:
    if told.folds:
        return f"n = {told.n} tasks{_whose(told)}, in {told.folds} parts; each judged by a fit on the others"
    return f"n = {told.n} tasks, judged by a fit on {told.trained} tasks of another file"


def _whose(told: Tuning) -> str:
    if not told.repositories:
        return ", of repositories that neither names nor --tasks tell"
    return f" of {told.repositories} repositor{'y' if told.repositories == 1 else 'ies'}"


def _row(number: int, point: Point, told: Tuning) -> Iterator[tuple[str, str]]:
    is_best = point is told.recommended
    mark = BEST if is_best else " "
    steady = "" if point.steady is None else f"   {point.steady * 100:.0f} % of parts agree"
    yield f"{number:2}{mark} {_figures(point.figures)}{steady}", "bold" if is_best else ""
    yield f"    {ladder_words(point.lanes)}", "bold" if is_best else "dim"


def _figures(told: Figures) -> str:
    ratio = "unknown" if told.ratio is None else f"{told.ratio:.2f}{_within(told.ratio_within, 1, '.2f')}"
    points = f"{told.difference * 100:+.1f}{_within(told.difference_within, 100, '+.1f')}"
    return f"{points:22} points   × {ratio:18} {_usd(told.cost_usd):>8}"


def _within(interval: Interval | None, times: float, form: str) -> str:
    return f" [{interval[0] * times:{form}}, {interval[1] * times:{form}}]" if interval else ""


def _usd(amount: float) -> str:
    return money(round(amount * _MICRO))


def ladder_words(lanes: Sequence[Lane]) -> str:
    """The lanes from the lowest up, with their caps and rules."""
    return " → ".join(_lane_words(it) for it in lanes)


def _lane_words(lane: Lane) -> str:
    cap = (
        "" if lane.cap_usd is None or lane.cap is None else f" ≤ {_usd(lane.cap_usd)} (p{lane.cap * 100:.0f})"
    )
    rule = f" accepted from {lane.rule.accept_from:g}" if lane.rule else ""
    return f"{lane.model}{cap}{rule}"


def chart(told: Tuning, width: int) -> Iterator[str]:
    """Cost against resolved share, both beside always-strong."""
    marks = [(POINT, it.figures) for it in told.points]
    marks += [(PLAIN, told.plain)] if told.plain else []
    marks += [(STRONG, told.strong)] if told.strong else []
    marks += [(BEST, told.recommended.figures)] if told.recommended else []
    placed = [(mark, it.ratio, it.difference * 100) for mark, it in marks if it.ratio is not None]
    if not placed:
        return
    across = max(LEAST_WIDTH, min(width - 1, MOST_WIDTH)) - 7
    right = max(ratio for _, ratio, _ in placed) * 1.05
    low, high = min(it for _, _, it in placed), max(it for _, _, it in placed)
    step = max(high - low, 1.0) / (HEIGHT - 1)
    grid = [[" "] * across for _ in range(HEIGHT)]
    for mark, ratio, points in placed:
        grid[HEIGHT - 1 - round((points - low) / step)][min(across - 1, int(ratio / right * across))] = mark
    yield "points to always-strong"
    for place, row in enumerate(grid):
        label = f"{low + (HEIGHT - 1 - place) * step:+6.1f}" if place % 2 == 0 else " " * 6
        yield f"{label}┤{''.join(row)}".rstrip()
    yield " " * 6 + "└" + "─" * across
    end = f"× {right:.2f}"
    yield " " * 7 + "× 0" + end.rjust(across - 3)
    legend = f"{BEST} recommended  {POINT} tuned  {STRONG} always-strong"
    yield " " * 7 + legend + (f"  {PLAIN} plain pair" if told.plain else "")


def _ending(told: Tuning) -> Iterator[tuple[str, str]]:
    for it in told.efforts:
        yield _effort_words(it), ""
    best = told.recommended
    if best:
        yield f"recommended: {ladder_words(best.lanes)}", "bold"
        yield f"  {told.why} (n={told.n})", ""
        if told.choice:
            yield f"  the choice itself, on tasks without a say in it: {_figures(told.choice).strip()}", ""
        return
    yield f"nothing is recommended: {told.why} (n={told.n})", "bold"
    if told.guess:
        yield f"worth more outcomes, not proved: {ladder_words(told.guess.lanes)}", ""
        yield f"  {_figures(told.guess.figures)}", ""


def _effort_words(effort: Effort) -> str:
    if effort.auc is None:
        return f"effort of {effort.model}: all its attempts came out alike"
    return f"how well effort of {effort.model} tells right from wrong: AUC {effort.auc:.2f} (0.5 is chance)"


def _left_out(told: Tuning) -> Iterator[tuple[str, str]]:
    if told.left_out:
        count = len(told.left_out)
        few = ", ".join(told.left_out[:6]) + (f" and {count - 6} more" if count > 6 else "")
        yield f"note left out, since they tried too few of the tasks: {few}", "dim"


def evidence(told: Tuning, command: str) -> list[str]:
    """What a recommendation stands on, as lines of a comment; no date: equal input gives equal text.

    Args:
        command: as it was typed.
    """
    best = told.recommended
    return [
        command,
        _judged(told),
        *([f"to always-strong: {' '.join(_figures(best.figures).split())} a task"] if best else []),
        *([f"the choice itself: {' '.join(_figures(told.choice).split())} a task"] if told.choice else []),
        *([f"ladder: {ladder_words(best.lanes)}"] if best else []),
    ]


def tuning_object(
    told: Tuning, *, source: str, notes: Sequence[str] = (), patch: str | None = None
) -> dict[str, Any]:
    """The same as one object. `points` are cheapest first; null is unknown, or nothing."""
    wanted = told.wanted
    return {
        "schema": 1,
        "source": source,
        "n": told.n,
        "trained_on": told.trained,
        "repositories": told.repositories,
        "folds": told.folds or None,
        "strong": wanted.strong,
        "fast": wanted.fast or None,
        "false_accept": wanted.errors.accepts,
        "false_reject": wanted.errors.rejects,
        "margin": wanted.margin,
        "always_strong": _figures_object(told.strong),
        "plain_cascade": _figures_object(told.plain),
        "points": [_point_object(it) for it in told.points],
        "recommended": _point_object(told.recommended),
        "choice": _figures_object(told.choice),
        "not_proved": _point_object(told.guess),
        "why": told.why,
        "effort": [
            {"model": it.model, "auc": it.auc, "rule": it.rule.model_dump() if it.rule else None}
            for it in told.efforts
        ],
        "left_out": list(told.left_out),
        "notes": list(notes),
        "patch": patch,
    }


def own_lines(own: Own) -> Iterator[str]:
    """What the ledger's own attempts teach about its lanes."""
    for it in own.rules:
        known = f"{it.wrong} of {it.passed} patches that passed are known to be wrong"
        if it.rule is None:
            needed = f"{LEAST_PASSED} with {LEAST_OF_EACH} wrong ones are needed"
            yield f"accept rule of {it.lane}: none is fitted: {known}; {needed}"
        else:
            weights = ", ".join(f"{name} {weight:+g}" for name, weight in it.rule.weights.items())
            auc = "unknown" if it.auc is None else f"{it.auc:.2f}"
            yield f"accept rule of {it.lane}: {it.rule.intercept:+g}, {weights}; AUC {auc} ({known})"
    yield _threshold_words(own)


def _threshold_words(own: Own) -> str:
    found = own.threshold
    if found is None:
        return (
            f"fast_max_score: not fitted: {own.firsts} first attempts of {own.fast} with a score;"
            f" {LEAST_TRIES} and known costs are needed"
        )
    must = f"it must solve {found.break_even * 100:.0f} % to pay for itself, n={found.tries}"
    if found.fast_max_score is None:
        return f"fast_max_score: {own.fast} pays at no score: {must}"
    if found.fast_max_score >= found.highest:
        return f"fast_max_score: {own.fast} pays at every score up to {found.highest}: {must}"
    return f"fast_max_score: {own.fast} pays up to {found.fast_max_score}: {must}"


def own_object(own: Own) -> dict[str, Any]:
    """The same as an object."""
    found = own.threshold
    return {
        "rules": [
            {
                "lane": it.lane,
                "passed": it.passed,
                "wrong": it.wrong,
                "auc": it.auc,
                "rule": it.rule.model_dump() if it.rule else None,
            }
            for it in own.rules
        ],
        "threshold": None
        if found is None
        else {
            "lane": own.fast,
            "fast_max_score": found.fast_max_score,
            "tries": found.tries,
            "highest_score": found.highest,
            "break_even": found.break_even,
        },
    }


def _figures_object(told: Figures | None) -> dict[str, Any] | None:
    if told is None:
        return None
    return {
        "resolved": told.resolved,
        "cost_usd": told.cost_usd,
        "difference": told.difference,
        "difference_ci": list(told.difference_within),
        "ratio": told.ratio,
        "ratio_ci": list(told.ratio_within) if told.ratio_within else None,
    }


def _point_object(point: Point | None) -> dict[str, Any] | None:
    if point is None:
        return None
    return {
        "ladder": [_lane_object(it) for it in point.lanes],
        **(_figures_object(point.figures) or {}),
        "steady": point.steady,
        "on_front": point.on_front,
    }


def _lane_object(lane: Lane) -> dict[str, Any]:
    rule = lane.rule.model_dump() if lane.rule else None
    return {"model": lane.model, "cap": lane.cap, "cap_usd": lane.cap_usd, "accept": rule}
