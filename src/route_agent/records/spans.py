"""What a trace says of one piece of work."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

Value = str | bool | int | float | tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Span:
    """One piece of work.

    Attributes:
        began: nanoseconds since the epoch.
        ended: the same.
        parent: the place of the span above it in the same list; None for the root.
        asks: whether it waits for somebody else's answer.
        error: what kind of failure it ended in; empty where in none.
    """

    name: str
    began: int
    ended: int
    parent: int | None = None
    attributes: Mapping[str, Value] = field(default_factory=dict)
    asks: bool = False
    error: str = ""
