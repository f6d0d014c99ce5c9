"""What the commands that take a task have in common: its text, and the operator's choice of lane."""

from __future__ import annotations

import math
import sys
from typing import TYPE_CHECKING

from route_agent.brief import MAX_BYTES, clean
from route_agent.errors import UsageError
from route_agent.policy import MAX_USD
from route_agent.routing import Wish

if TYPE_CHECKING:
    from pathlib import Path


def read_task(text: str | None, file: Path | None) -> str:
    """The brief from --task, a file or standard input, cleaned.

    Raises:
        UsageError: two sources, none, or a text that cannot be used.
    """
    if text is not None and file is not None:
        raise UsageError("--task and --task-file exclude each other")
    if file is not None:
        try:
            with file.open("rb") as opened_file:
                return clean(opened_file.read(MAX_BYTES + 1))
        except OSError as error:
            raise UsageError(f"{file}: {error.strerror}") from error
    if text == "-":
        return clean(sys.stdin.buffer.read(MAX_BYTES + 1))
    if text is None:
        raise UsageError("no task", hint='say what to do: --task "fix …"')
    return clean(text)


def wish(lane: str, only_lane: str, *, force: bool) -> Wish:
    """The operator's choice of lane.

    Raises:
        UsageError: both options at once.
    """
    if lane and only_lane:
        raise UsageError("--lane and --only-lane exclude each other")
    return Wish(lane or only_lane, only=bool(only_lane), force=force)


def dollars(amount: float | None) -> float | None:
    """A limit as it was typed; None where none was.

    Raises:
        UsageError: without end, or beyond what the ledger counts: every run has a limit.
    """
    if amount is not None and not (math.isfinite(amount) and amount <= MAX_USD):
        raise UsageError("--max-usd takes an amount that can be reached", hint="--max-usd 5")
    return amount
