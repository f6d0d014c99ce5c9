"""Takes jobs from a queue and runs their handlers."""

from __future__ import annotations

import time
from collections import Counter, defaultdict

from .errors import PermanentError
from .queue import Queue
from .registry import Registry


class Worker:
    def __init__(self, queue: Queue, registry: Registry, name: str = "worker", lease_seconds: float = 30.0) -> None:
        self.queue = queue
        self.registry = registry
        self.name = name
        self.lease_seconds = lease_seconds
        self.timings: dict[str, list[float]] = defaultdict(list)

    def run_once(self) -> str:
        """Do one job: "idle", "done", "retry" or "dead"."""
        job = self.queue.lease(self.name, self.lease_seconds, self.registry.kinds())
        if job is None:
            return "idle"
        started = time.time()
        try:
            self.registry.get(job.kind)(job.payload)
        except PermanentError as problem:
            self.queue.fail(job.id, self.name, str(problem), retry=False)
        except Exception as problem:
            self.queue.fail(job.id, self.name, f"{type(problem).__name__}: {problem}")
        else:
            self.queue.ack(job.id, self.name)
        finally:
            self.timings[job.kind].append(time.time() - started)
        return "retry" if not job.finished else job.state.value

    def run_until_empty(self, limit: int = 1000) -> Counter[str]:
        """Work until nothing is left to wait for, sleeping between attempts; outcomes counted."""
        outcomes: Counter[str] = Counter()
        for turn in range(limit):
            outcome = self.run_once()
            if outcome != "idle":
                outcomes[outcome] += 1
                continue
            next_at = self.queue.next_at()
            if next_at is None:
                break
            self.queue.clock.sleep(max(0.0, next_at - time.time()))
        return outcomes
