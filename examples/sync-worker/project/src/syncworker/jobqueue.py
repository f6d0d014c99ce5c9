"""The jobs that wait, ordered by when they may be tried."""

from __future__ import annotations

import heapq
import itertools

from syncworker.jobs import Job


class JobQueue:
    """A queue in memory. Jobs that are ready at the same moment leave in the order they came."""

    def __init__(self) -> None:
        self._waiting: list[tuple[float, int, Job]] = []
        self._arrivals = itertools.count()

    def __len__(self) -> int:
        return len(self._waiting)

    def put(self, job: Job, ready_at: float = 0.0) -> None:
        """Queue a job that must not be tried before `ready_at` (seconds on the worker's clock)."""
        heapq.heappush(self._waiting, (ready_at, next(self._arrivals), job))

    def take(self, now: float) -> Job | None:
        """The next job that is ready, or None where all have to wait."""
        if not self._waiting or self._waiting[0][0] > now:
            return None
        return heapq.heappop(self._waiting)[2]

    def next_ready_at(self) -> float | None:
        """When the next job may be tried; None for an empty queue."""
        return self._waiting[0][0] if self._waiting else None
