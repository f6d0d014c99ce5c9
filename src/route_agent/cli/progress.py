"""What a run does, while it does it: on standard error, with a clock; plain lines without a terminal."""

from __future__ import annotations

import sys
import time
from contextlib import contextmanager
from typing import TYPE_CHECKING

from route_agent.cli.edge import is_plain, print_lines, stderr, visible
from route_agent.records.events import Event, Step

if TYPE_CHECKING:
    from collections.abc import Iterator

    from route_agent.records.events import Listener


@contextmanager
def shown(*, quiet: bool) -> Iterator[Listener]:
    """A listener that shows events, until the block ends."""
    if quiet:
        yield lambda event: None
        return
    if is_plain(sys.stderr):
        began = time.monotonic()
        yield lambda event: print_lines(
            [(f"{time.monotonic() - began:6.1f} s  {_words(event)}", "")], error=True
        )
        return
    console = stderr()
    from rich.progress import Progress, SpinnerColumn, TextColumn, TimeElapsedColumn

    columns = (SpinnerColumn(), TimeElapsedColumn(), TextColumn("{task.description}", markup=False))
    with Progress(*columns, console=console, transient=True) as progress:
        bar = progress.add_task("", total=None)

        def show(event: Event) -> None:
            if event.step in (Step.RESULT, Step.DECIDED):
                progress.console.print(_words(event), markup=False, style="dim")
            progress.update(bar, description=_words(event))

        yield show


def _words(event: Event) -> str:
    return visible(f"{event.step.value}: {event.text}" if event.text else event.step.value)
