"""Where each mark of a chart stands: figures in, coordinates out. The templates draw them as SVG."""

from __future__ import annotations

from dataclasses import dataclass, field
from math import ceil, floor, log10
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

WIDTH = 360  # units of the drawing: about as wide as a telephone, so that its text is never small
_LEFT, _RIGHT, _TOP, _BOTTOM = 46, 12, 10, 24
_LABEL, _VALUE, _ROW = 88, 110, 30
MARKS = 6
_MARK = 3.6


@dataclass(frozen=True, slots=True)
class Tick:
    """A line of the grid and its word."""

    at: float
    text: str


@dataclass(frozen=True, slots=True)
class Series:
    """One line. `number` chooses its colour, dashes and marks; a week without a figure is a gap."""

    name: str
    number: int
    line: str
    marks: str
    bars: str = ""


@dataclass(frozen=True, slots=True)
class Plot:
    """A chart with two axes."""

    height: int
    left: float
    right: float
    top: float
    bottom: float
    across: tuple[Tick, ...] = ()
    up: tuple[Tick, ...] = ()
    series: tuple[Series, ...] = ()
    diagonal: str = ""


@dataclass(frozen=True, slots=True)
class Row:
    """A value with its interval on a common scale; positions are None where there is nothing to draw."""

    name: str
    number: int
    y: float
    text: str
    sub: str
    low: float | None = None
    at: float | None = None
    high: float | None = None
    target: float | None = None


@dataclass(frozen=True, slots=True)
class Spans:
    """Values with intervals, one below the other."""

    height: int
    left: float
    right: float
    bottom: float
    ticks: tuple[Tick, ...] = ()
    rows: tuple[Row, ...] = ()


@dataclass(frozen=True, slots=True)
class Value:
    """What is to be drawn as a row: the figure, the ends of its interval, and in words."""

    name: str
    value: float | None
    low: float | None
    high: float | None
    text: str
    sub: str = ""
    target: float | None = None
    number: int = 0


@dataclass(frozen=True, slots=True)
class Line:
    """What is to be drawn as a line: a value for each step across, None where there is none."""

    name: str
    values: tuple[float | None, ...] = field(default=())
    number: int = 0


def over_time(steps: Sequence[str], lines: Sequence[Line], words: Callable[[float], str]) -> Plot:
    """Lines over weeks; the vertical axis begins at 0.

    Args:
        steps: what stands below the axis, for each week.
        words: how a value is told at the axis.
    """
    height = 190
    most = max((it for line in lines for it in line.values if it is not None), default=0.0)
    ups = _round_steps(most)
    box = (_LEFT, WIDTH - _RIGHT, _TOP, height - _BOTTOM)
    left, right, top, bottom = box
    gap = (right - left) / max(1, len(steps) - 1)
    xs = [left + gap * at for at in range(len(steps))] if len(steps) > 1 else [(left + right) / 2]

    def y(value: float) -> float:
        return bottom - (bottom - top) * value / ups[-1]

    return Plot(
        height,
        *box,
        across=_few(xs, steps),
        up=tuple(Tick(y(it), words(it)) for it in ups),
        series=tuple(_series(line, xs, y) for line in lines),
    )


def _series(line: Line, xs: Sequence[float], y: Callable[[float], float]) -> Series:
    path, marks, is_drawing = [], [], False
    for x, value in zip(xs, line.values, strict=True):
        if value is None:
            is_drawing = False
            continue
        path.append(f"{'L' if is_drawing else 'M'}{x:.1f} {y(value):.1f}")
        marks.append(mark(line.number, x, y(value)))
        is_drawing = True
    return Series(line.name, line.number % MARKS, "".join(path), "".join(marks))


def _few(xs: Sequence[float], steps: Sequence[str]) -> tuple[Tick, ...]:
    """At most four words below the axis, the first and the last among them."""
    last = len(steps) - 1
    chosen = sorted({round(last * part / 3) for part in range(4)}) if last > 2 else range(len(steps))
    return tuple(Tick(xs[at], steps[at]) for at in chosen)


def _round_steps(most: float) -> list[float]:
    """From 0 to above `most` in three to five steps that a person would choose."""
    if most <= 0:
        return [0.0, 1.0]
    rough = most / 4
    unit = 10.0 ** floor(log10(rough))
    step = next(unit * times for times in (1, 2, 2.5, 5, 10) if unit * times >= rough * 0.999)
    return [step * number for number in range(ceil(most / step - 1e-9) + 1)]


def mark(number: int, x: float, y: float, size: float = _MARK) -> str:
    """One of six shapes, so that lines are told apart without their colours."""
    s = size
    shapes = (
        f"M{x - s:.1f} {y:.1f}a{s} {s} 0 1 0 {2 * s} 0a{s} {s} 0 1 0 {-2 * s} 0z",
        f"M{x - s:.1f} {y - s:.1f}h{2 * s}v{2 * s}h{-2 * s}z",
        f"M{x:.1f} {y - s - 0.8:.1f}l{s + 0.8} {2 * s}h{-2 * s - 1.6}z",
        f"M{x:.1f} {y - s - 1.2:.1f}l{s + 1.2} {s + 1.2}l{-s - 1.2} {s + 1.2}l{-s - 1.2} {-s - 1.2}z",
        f"M{x - s:.1f} {y - 1.4:.1f}h{2 * s}v2.8h{-2 * s}z",
        f"M{x - 1.4:.1f} {y - s:.1f}h2.8v{2 * s}h-2.8z",
    )
    return shapes[number % MARKS]


def spans(values: Sequence[Value], words: Callable[[float], str], *, most: float | None = None) -> Spans:
    """Values with their intervals as points and lines.

    Args:
        most: the end of the scale; by default the greatest that is to be drawn.
    """
    left, right = _LABEL, WIDTH - _VALUE
    tops = [it for value in values for it in (value.value, value.high, value.target) if it is not None]
    ends = [0.0, most] if most else _round_steps(max(tops, default=0.0))
    steps = [most * part / 4 for part in range(0, 5, 2)] if most else [ends[0], ends[-1]]

    def x(value: float | None) -> float | None:
        return None if value is None else left + (right - left) * min(value, ends[-1]) / ends[-1]

    bottom = _TOP + _ROW * len(values)
    rows = tuple(
        Row(
            it.name,
            it.number % MARKS,
            _TOP + _ROW * (place + 0.5),
            it.text,
            it.sub,
            None if it.value is None else x(it.low),
            x(it.value),
            None if it.value is None else x(it.high),
            x(it.target),
        )
        for place, it in enumerate(values)
    )
    ticks = tuple(Tick(at, words(it)) for it in steps if (at := x(it)) is not None)
    return Spans(bottom + 20, left, right, bottom, ticks, rows)


@dataclass(frozen=True, slots=True)
class Bin:
    """A point of a calibration: where it stands, the share there, and the share's interval."""

    at: float
    value: float
    low: float
    high: float


def calibration(lines: Sequence[tuple[str, Sequence[Bin]]], words: Callable[[float], str]) -> Plot:
    """Shares over confidence, both from 0 to 1, with the diagonal on which a true confidence lies."""
    height = 250
    box = (_LEFT, WIDTH - _RIGHT, _TOP, height - _BOTTOM)
    left, right, top, bottom = box

    def x(value: float) -> float:
        return left + (right - left) * value

    def y(value: float) -> float:
        return bottom - (bottom - top) * value

    drawn = []
    for number, (name, bins) in enumerate(lines):
        aside = (number - (len(lines) - 1) / 2) * 5  # or one interval would hide the other
        marks = "".join(mark(number, x(it.at) + aside, y(it.value)) for it in bins)
        bars = "".join(f"M{x(it.at) + aside:.1f} {y(it.low):.1f}V{y(it.high):.1f}" for it in bins)
        drawn.append(Series(name, number, "", marks, bars))
    quarters = [part / 4 for part in range(5)]
    return Plot(
        height,
        *box,
        across=tuple(Tick(x(it), words(it)) for it in quarters),
        up=tuple(Tick(y(it), words(it)) for it in quarters),
        series=tuple(drawn),
        diagonal=f"M{left} {bottom}L{right} {top}",
    )
