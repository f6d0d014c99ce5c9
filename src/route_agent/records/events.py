"""What a run tells while it goes on. Whoever shows it passes a listener down; nothing below prints."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from enum import StrEnum


class Step(StrEnum):
    """The stages that a person waits for."""

    READ = "reading the repository"
    BASELINE = "checks at start"
    DECIDED = "decided"
    ASK = "asking"
    REPRODUCE = "test for the task"
    FIT = "fitting the patch"
    CHECK = "checks"
    RESULT = "result"


@dataclass(frozen=True, slots=True)
class Event:
    """One stage has begun or ended, in words for a person."""

    step: Step
    text: str


Listener = Callable[[Event], None]
