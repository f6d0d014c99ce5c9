"""What a run does, while it does it: on standard error, with a clock; plain lines without a terminal."""

from __future__ import annotations

import os
import sys
import time
from contextlib import contextmanager
from typing import TYPE_CHECKING

from route_agent.cli.edge import print_lines, stderr, visible
from route_agent.records.events import Event, Step

if TYPE_CHECKING:
    from collections.abc import Iterator

    from route_agent.records.events import Listener


@contextmanager
def shown(*, quiet: bool) -> Iterator[Listener]:
    """A listener that shows events, until the block ends."""
    if quiet:
        yield lambda event: None
    elif not sys.stderr.isatty() or os.environ.get("TERM") in ("dumb", "unknown"):
        began = time.monotonic()
        yield lambda event: _line(event, time.monotonic() - began)
    else:
        from route_agent.cli.live import live

        with live(stderr()) as on:
            yield on


def _line(event: Event, seconds: float) -> None:
    if event.text or event.step is Step.FIT:
        print_lines([(f"{seconds:6.1f} s  {words(event)}", "")], error=True)


def warn(what: str) -> None:
    """A word beside the run, about what is no part of it."""
    print_lines([(what, "yellow")], error=True)


def words(event: Event) -> str:
    """An event as one line."""
    return visible(f"{event.step.value}: {event.text}" if event.text else event.step.value)
