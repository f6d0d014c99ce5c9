"""The journal in a few lines, for people."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable

from syncworker.journal import Entry, State


def summary(entries: Iterable[Entry]) -> str:
    """How many jobs ended in which way, and each failure with its reason."""
    seen = list(entries)
    if not seen:
        return "nothing to report"
    counts = Counter(entry.state for entry in seen)
    lines = [f"{counts[State.DONE]} done, {counts[State.FAILED]} failed"]
    lines += [f"  {entry.key}: {entry.reason}" for entry in seen if entry.state is State.FAILED]
    return "\n".join(lines)
