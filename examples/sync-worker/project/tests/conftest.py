"""A clock that only moves when told, and a remote that answers as scripted."""

from __future__ import annotations

from dataclasses import dataclass, field

import pytest

from syncworker.jobs import Job
from syncworker.remote import PushRefused, RemoteBusy


@dataclass
class Clock:
    """Seconds that pass only by `advance`."""

    now: float = 1000.0

    def __call__(self) -> float:
        return self.now

    def advance(self, seconds: float) -> None:
        self.now += seconds


@dataclass
class ScriptedRemote:
    """Busy the given number of times per key, then takes the job; refuses the keys in `refused`."""

    busy: dict[str, int] = field(default_factory=dict)
    refused: frozenset[str] = frozenset()
    taken: list[Job] = field(default_factory=list)

    def push(self, job: Job, token: str) -> None:
        if job.key in self.refused:
            raise PushRefused("not wanted")
        if self.busy.get(job.key, 0) > 0:
            self.busy[job.key] -= 1
            raise RemoteBusy("locked")
        self.taken.append(job)


@pytest.fixture
def clock() -> Clock:
    return Clock()
