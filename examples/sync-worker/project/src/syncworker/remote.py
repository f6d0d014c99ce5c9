"""Where jobs are pushed to."""

from __future__ import annotations

from pathlib import Path
from typing import Protocol

from syncworker.auth.session import SessionRefused, Sessions
from syncworker.jobs import Job


class RemoteBusy(Exception):
    """The remote cannot take a job now; the same push may succeed later."""


class PushRefused(Exception):
    """The remote will never take this push."""


class Remote(Protocol):
    """Anything that takes jobs."""

    def push(self, job: Job, token: str) -> None:
        """Hand over one job.

        Raises:
            RemoteBusy: try again later.
            PushRefused: trying again is of no use.
        """
        ...


class SharedFolder:
    """A folder that others read. While `.lock` stands in it, somebody else is writing."""

    def __init__(self, root: Path, sessions: Sessions) -> None:
        self._root = root
        self._sessions = sessions

    def push(self, job: Job, token: str) -> None:
        try:
            self._sessions.verify(token)
        except SessionRefused as refusal:
            raise PushRefused(f"not logged in: {refusal}") from refusal
        if (self._root / ".lock").exists():
            raise RemoteBusy(f"{self._root} is locked")
        part = self._root / f".{job.key}.part"
        part.write_text(job.payload, encoding="utf-8")
        part.replace(self._root / job.key)
