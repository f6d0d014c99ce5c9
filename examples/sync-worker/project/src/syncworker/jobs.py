"""What there is to do: one job per line of the inbox."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path


class BadJob(ValueError):
    """A line of the inbox that is no job; says which line and why."""


@dataclass(frozen=True, slots=True)
class Job:
    """One document to push. The same key comes back whenever its document has changed."""

    key: str
    payload: str


def parse_job(line: str, number: int = 1) -> Job:
    """Read one line of the inbox, `{"key": …, "payload": …}`.

    Raises:
        BadJob: not JSON, or a field is missing or no text.
    """
    try:
        fields = json.loads(line)
    except json.JSONDecodeError as error:
        raise BadJob(f"line {number}: not JSON: {error.msg}") from error
    if not isinstance(fields, dict):
        raise BadJob(f"line {number}: expected an object")
    for name in ("key", "payload"):
        if not isinstance(fields.get(name), str):
            raise BadJob(f"line {number}: {name} must be a text")
    if not fields["key"] or "/" in fields["key"] or fields["key"].startswith("."):
        raise BadJob(f"line {number}: a key is a plain file name")
    return Job(fields["key"], fields["payload"])


def read_inbox(file: Path) -> Iterator[Job]:
    """All jobs of an inbox file, in order; blank lines are skipped."""
    for number, line in enumerate(file.read_text(encoding="utf-8").splitlines(), start=1):
        if line.strip():
            yield parse_job(line, number)
