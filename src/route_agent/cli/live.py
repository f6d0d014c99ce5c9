"""The live view of a run: what is under way, for how long, what it has cost, and when it may be over.

A few short lines at the bottom of the terminal, drawn anew several times a second and gone at the end. None
is longer than it must be: a terminal that is made narrower wraps what stands there already.
"""

from __future__ import annotations

import threading
import time
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from rich.live import Live
from rich.spinner import Spinner
from rich.text import Text

from route_agent.cli.edge import visible
from route_agent.records.events import Event, Step
from route_agent.records.risk import Decision

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from rich.console import Console, ConsoleOptions, RenderResult

    from route_agent.records.events import Listener, Money

PER_SECOND = 8
_MARGIN = "  "
_LEAST_NAME = 8  # columns
_LEAST_ROWS = 2  # of things under way, on however low a terminal
_TOLD_AT_ONCE = (Step.RESULT, Step.DECIDED)


@contextmanager
def live(console: Console) -> Iterator[Listener]:
    """A listener that draws the view, until the block ends."""
    view = View()
    with Live(view, console=console, refresh_per_second=PER_SECOND, transient=True) as display:

        def on(event: Event) -> None:
            if event.step in _TOLD_AT_ONCE:
                told = visible(f"{event.step.value}: {event.text}")
                display.console.print(told, markup=False, style="dim")
            view.tell(event)

        yield on


@dataclass(slots=True)
class _Row:
    """One call or check under way."""

    name: str
    since: float
    usual_s: float | None


@dataclass(slots=True)
class View:
    """What is known of the run; told from several threads, and drawn from another.

    Attributes:
        clock: seconds, from wherever.
    """

    clock: Callable[[], float] = time.monotonic
    began: float = field(init=False)
    _turn: threading.Lock = field(default_factory=threading.Lock)
    _doing: str = "reading the repository"
    _who: str = ""
    _ladder: tuple[str, ...] = ()
    _rows: dict[tuple[str, str], _Row] = field(default_factory=dict)
    _ended: dict[str, str] = field(default_factory=dict)
    _money: Money | None = None
    _usual_s: float | None = None
    _spinner: Spinner = field(default_factory=lambda: Spinner("dots"))

    def __post_init__(self) -> None:
        self.began = self.clock()

    def tell(self, event: Event) -> None:
        """Take note of an event."""
        with self._turn:
            self._money = event.money or self._money
            if event.step is Step.DECIDED:
                self._usual_s = event.usual_s or self._usual_s
                self._who = event.lane or self._who
                self._doing = "getting ready to ask"
                self._ended.clear()
                if isinstance(event.about, Decision):
                    self._ladder = event.about.ladder
            if event.step is Step.ASK:
                self._told_of_call(event)
            elif event.check:
                self._told_of_check(event)
            elif event.step is Step.RESULT:
                self._doing, self._who = "writing it down", ""
                self._ended.clear()
            elif event.step is not Step.DECIDED:
                self._doing = _short(event)
                self._ended.clear()

    def _told_of_call(self, event: Event) -> None:
        name = f"{event.lane} · {event.model}"
        if event.stage == "begun":
            self._rows[("call", name)] = _Row(name, self.clock(), None)
            if not self._ladder or event.lane in self._ladder:  # else it works beside the patch's author
                self._doing, self._who = Step.ASK.value, name
                self._ended.clear()
        else:
            self._rows.pop(("call", name), None)

    def _told_of_check(self, event: Event) -> None:
        if event.stage == "begun":
            self._rows[("check", event.check)] = _Row(event.check, self.clock(), event.usual_s)
            self._ended.pop(event.check, None)
        else:
            self._rows.pop(("check", event.check), None)
            self._ended[event.check] = event.text

    # --- drawing

    def __rich_console__(self, console: Console, options: ConsoleOptions) -> RenderResult:
        with self._turn:
            lines = self._lines(options.max_width - 1, console.height)
        for line in lines:
            line.truncate(options.max_width - 1, overflow="ellipsis")
            yield line

    def _lines(self, width: int, height: int) -> list[Text]:
        now = self.clock()
        frame = self._spinner.render(now)
        head = Text.assemble(
            frame if isinstance(frame, Text) else "",
            " ",
            (_clock(now - self.began), "bold"),
            "  ",
            self._doing,
        )
        only = [row.name for key, row in self._rows.items() if key[0] == "call"] == [self._who]
        if self._who and not only:
            head.append(f" · {visible(self._who)}", "dim")
        most = max(_LEAST_ROWS, height - 4)
        shown = most if len(self._rows) <= most else most - 1
        rows = [self._row(row, now, width) for row in list(self._rows.values())[:shown]]
        if (more := len(self._rows) - shown) > 0:
            rows.append(Text(f"{_MARGIN}… and {more} more", "dim"))
        if ended := " · ".join(visible(told) for told in self._ended.values()):
            rows.append(Text(f"{_MARGIN}{ended}", "dim"))
        return [head, *rows, *self._sums(now, width)]

    def _row(self, row: _Row, now: float, width: int) -> Text:
        """A name is cut before its clock is."""
        usual = "" if row.usual_s is None else f"  usually {_clock(row.usual_s)}"
        tail = Text.assemble((f"  {_clock(now - row.since)}", "bold"), (usual, "dim"))
        name = Text(f"{_MARGIN}{visible(row.name)}")
        name.truncate(max(_LEAST_NAME, width - tail.cell_len), overflow="ellipsis")
        return name + tail

    def _sums(self, now: float, width: int) -> list[Text]:
        """Money and what is left of the time; in two lines where one has no room for both."""
        told = [_dollars(self._money)] if self._money else []
        if self._money:  # before it is decided where a run goes, nobody can know how long it takes
            told.append(_left(self._usual_s, now - self.began))
        whole = _MARGIN + " · ".join(told)
        texts = [whole] if len(whole) <= width else [_MARGIN + it for it in told]
        return [Text(text, "dim") for text in texts if text.strip()]


def _short(event: Event) -> str:
    if event.step in (Step.READ, Step.BASELINE, Step.FIT):
        return event.step.value
    return visible(f"{event.step.value}: {event.text}")


def _dollars(money: Money) -> str:
    told = f"${money.spent / 1e6:.3f} of ${money.limit / 1e6:.2f}"
    calls = f"{money.unknown_calls} call{'' if money.unknown_calls == 1 else 's'} of unknown cost"
    return f"at least {told}, {calls}" if money.unknown_calls else told  # a narrow terminal cuts the end


def _left(usual_s: float | None, elapsed: float) -> str:
    if usual_s is None:
        return "time left unknown"
    left = usual_s - elapsed
    return f"about {_clock(left)} left" if left >= 1 else f"longer than usual ({_clock(usual_s)})"


def _clock(seconds: float) -> str:
    minutes, rest = divmod(round(max(0.0, seconds)), 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours}:{minutes:02}:{rest:02}" if hours else f"{minutes}:{rest:02}"
