"""A queue as JSON text and back."""

from __future__ import annotations

import json
import time
from dataclasses import asdict
from typing import Any

from .backoff import Backoff
from .clock import Clock
from .errors import SnapshotError
from .job import Job, State
from .queue import Queue

VERSION = 2


def dumps(queue: Queue) -> str:
    jobs = [asdict(job) for job in queue.jobs()]
    return json.dumps({"version": VERSION, "saved_at": time.time(), "jobs": jobs})


def _upgrade(records: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """Version 1 was a bare list; attempts were called tries."""
    return [{"attempts" if key == "tries" else key: record[key] for key in record} for record in records]


def loads(text: str, clock: Clock | None = None, backoff: Backoff | None = None) -> Queue:
    try:
        data = json.loads(text)
    except json.JSONDecodeError as problem:
        raise SnapshotError(f"not JSON: {problem}") from problem
    if isinstance(data, list):
        data = {"version": VERSION, "jobs": _upgrade(data)}
    if not isinstance(data, dict) or data.get("version") != VERSION:
        raise SnapshotError("unknown version")
    queue = Queue(clock, backoff)
    for record in data["jobs"]:
        try:
            queue.restore(Job(**{**record, "state": State(record["state"])}))
        except (KeyError, TypeError, ValueError) as problem:
            raise SnapshotError(f"bad job: {problem}") from problem
    return queue
