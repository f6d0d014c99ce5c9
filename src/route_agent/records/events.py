"""What a run tells while it goes on. Whoever shows it passes a listener down; nothing below prints."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from enum import StrEnum
from typing import TYPE_CHECKING, Literal

if TYPE_CHECKING:
    from route_agent.records.checks import CheckResult
    from route_agent.records.lanes import Call
    from route_agent.records.risk import Decision
    from route_agent.records.runs import Attempt


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
class Money:
    """A run's money in micro-dollars: spent so far, its limit, and how many calls have no known price."""

    spent: int
    limit: int
    unknown_calls: int = 0


@dataclass(frozen=True, slots=True)
class Event:
    """One stage has begun or ended, in words for a person; what else is known stands beside them.

    Attributes:
        stage: whether one thing, a call or a check, has `begun` or `ended`; empty where neither is meant.
        lane: whose work it is.
        model: who is asked.
        check: which check.
        usual_s: what it usually takes in seconds, of a decision the whole run; None is unknown.
        money: how the run stands.
        about: what has ended.
    """

    step: Step
    text: str
    stage: Literal["", "begun", "ended"] = ""
    lane: str = ""
    model: str = ""
    check: str = ""
    usual_s: float | None = None
    money: Money | None = None
    about: Call | CheckResult | Attempt | Decision | None = None


Listener = Callable[[Event], None]
