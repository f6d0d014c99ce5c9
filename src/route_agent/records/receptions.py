"""How people received a delivered patch: what they said of it, or what git shows that they did with it."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum


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
