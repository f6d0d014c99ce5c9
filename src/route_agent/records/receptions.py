"""How people received a delivered patch: what they said of it, or what git shows that they did with it."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum

from route_agent.records.figures import Estimate, Share


class Received(StrEnum):
    """What became of a patch. The first three are also what a person may say of it."""

    ACCEPT = "accept"
    """Taken as it was, or merged so."""

    AMEND = "amend"
    """Taken with changes."""

    REJECT = "reject"
    """Not taken."""

    REVERT = "revert"
    """Taken, and taken back later."""


class Source(StrEnum):
    """Who says so: a person, or git's history. A person's word stands over git's."""

    PERSON = "person"
    GIT = "git"


@dataclass(frozen=True, slots=True)
class Reception:
    """One word about one run's patch.

    Attributes:
        minutes: what reading it took a person; None is unknown.
        commit: the commit in which git has the patch, where it has.
        lines: how many lines the patch added.
        surviving: how many of them stood at the time of the look; None where nobody looked.
        days: how old the delivery was then.
    """

    run_id: str
    at: str
    source: Source
    outcome: Received
    minutes: float | None = None
    note: str = ""
    reviewer: str = ""
    commit: str = ""
    lines: int | None = None
    surviving: int | None = None
    days: float | None = None


@dataclass(frozen=True, slots=True)
class LaneReception:
    """How people received what one lane's accepted patches were: rates with their 95 % intervals.

    Attributes:
        lane: the lane whose patch was accepted; `all` for all together.
        accepted: runs with an accepted patch, without recorded replies.
        received: of how many of them it is known what became of them.
        rejected: not taken or taken back, of those.
        counts: how often each word stands, by `Received`'s values.
        survival: the mean share of the added lines that stood at the latest look of git.
        minutes: a person's reading of one patch, of those of which it is known.
        regressed: accepted ones that were rejected, reverted, asked for again, or again with a higher lane.
        retried: of the accepted ones, how many were asked for again within a week and not kept.
        overridden: of those, how many by an operator who named a higher lane.
        escalated_by_hand: runs that were not proved, and that an operator sent to a higher lane then.
    """

    lane: str
    accepted: int
    received: Share
    rejected: Share
    counts: tuple[tuple[str, int], ...]
    survival: Estimate
    minutes: Estimate
    regressed: Share
    retried: int
    overridden: int
    escalated_by_hand: Share
