"""What became of each job: one JSON line per ending, only ever appended."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import asdict, dataclass
from enum import StrEnum
from pathlib import Path

from syncworker.jobs import Job


class State(StrEnum):
    """How a job ended."""

    DONE = "done"
    FAILED = "failed"


@dataclass(frozen=True, slots=True)
class Entry:
    """One line of the journal."""

    key: str
    state: State
    reason: str = ""


class Journal:
    """A journal file; it is created with its first entry."""

    def __init__(self, file: Path) -> None:
        self._file = file

    def done(self, job: Job) -> None:
        self._append(Entry(job.key, State.DONE))

    def failed(self, job: Job, reason: str) -> None:
        self._append(Entry(job.key, State.FAILED, reason))

    def entries(self) -> Iterator[Entry]:
        """Every entry, oldest first."""
        if not self._file.exists():
            return
        for line in self._file.read_text(encoding="utf-8").splitlines():
            fields = json.loads(line)
            yield Entry(fields["key"], State(fields["state"]), fields["reason"])

    def _append(self, entry: Entry) -> None:
        with self._file.open("a", encoding="utf-8") as journal:
            journal.write(json.dumps(asdict(entry)) + "\n")
