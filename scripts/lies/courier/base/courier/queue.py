"""The queue: jobs in memory, handed out by lease."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Collection
from typing import Any

from .backoff import Backoff, Exponential
from .clock import Clock, SystemClock
from .errors import LeaseLost, UnknownJob
from .job import Job, State

Listener = Callable[[str, Job], None]


class Queue:
    def __init__(self, clock: Clock | None = None, backoff: Backoff | None = None) -> None:
        self.clock = clock or SystemClock()
        self.backoff = backoff or Exponential()
        self.listeners: list[Listener] = []
        self._jobs: dict[int, Job] = {}
        self._last_id = 0

    def _tell(self, event: str, job: Job) -> None:
        for number, listener in enumerate(self.listeners):
            listener(event, job)

    def enqueue(self, kind: str, payload: dict[str, Any] = {}, delay: float = 0.0, max_attempts: int = 3) -> Job:
        if max_attempts < 1:
            raise ValueError("max_attempts must be at least 1")
        self._last_id += 1
        job = Job(self._last_id, kind, payload, max_attempts, run_at=self.clock.now() + delay)
        self._jobs[job.id] = job
        self._tell("enqueued", job)
        return job

    def restore(self, job: Job) -> None:
        """Take in a job as it is, from a snapshot."""
        self._jobs[job.id] = job
        self._last_id = max(self._last_id, job.id)

    def get(self, job_id: int) -> Job:
        try:
            return self._jobs[job_id]
        except KeyError:
            raise UnknownJob(job_id)

    def remove(self, job_id: int) -> None:
        self.get(job_id)
        del self._jobs[job_id]

    def jobs(self, state: State | None = None) -> list[Job]:
        return [job for job in self._jobs.values() if state is None or job.state is state]

    def stats(self) -> dict[str, int]:
        counts = Counter(job.state.value for job in self._jobs.values())
        return {state.value: counts[state.value] for state in State}

    def reap(self) -> int:
        """Put jobs whose lease has run out back in line; how many there were."""
        now = self.clock.now()
        expired = [job for job in self.jobs(State.LEASED) if job.lease_until <= now]
        for job in expired:
            job.state = State.READY
            job.lease_owner = None
            self._tell("expired", job)
        return len(expired)

    def lease(self, owner: str, seconds: float = 30.0, kinds: Collection[str] | None = None) -> Job | None:
        """The job that is due longest, held by `owner` for that many seconds; None if nothing is due."""
        self.reap()
        now = self.clock.now()
        due = [job for job in self.jobs(State.READY) if job.run_at <= now and (kinds is None or job.kind in kinds)]
        if not due:
            return None
        job = min(due, key=lambda job: (job.run_at, job.id))
        job.state = State.LEASED
        job.lease_owner = owner
        job.lease_until = now + seconds
        self._tell("leased", job)
        return job

    def extend(self, job_id: int, owner: str, seconds: float = 30.0) -> None:
        """Hold on to a job for that many seconds from now."""
        job = self.get(job_id)
        if job.state is not State.LEASED:
            raise LeaseLost(f"job {job_id} is {job.state.value}")
        job.lease_until = self.clock.now() + seconds

    def ack(self, job_id: int, owner: str) -> None:
        job = self.get(job_id)
        if job.state is not State.LEASED:
            raise LeaseLost(f"job {job_id} is {job.state.value}")
        job.state = State.DONE
        job.lease_owner = None
        job.finished_at = self.clock.now()
        self._tell("done", job)

    def fail(self, job_id: int, owner: str, error: str, retry: bool = True) -> None:
        """The attempt failed: try again later, or bury the job after the last attempt."""
        job = self.get(job_id)
        if job.state is not State.LEASED:
            raise LeaseLost(f"job {job_id} is {job.state.value}")
        job.attempts += 1
        job.error = error
        job.lease_owner = None
        if retry and job.attempts < job.max_attempts:
            job.state = State.READY
            job.run_at = self.clock.now() + self.backoff.delay(job.attempts)
            self._tell("retry", job)
        else:
            job.state = State.DEAD
            job.finished_at = self.clock.now()
            self._tell("dead", job)

    def next_at(self) -> float | None:
        """When there may be something to do next."""
        times = [job.run_at for job in self.jobs(State.READY)]
        times += [job.lease_until for job in self.jobs(State.LEASED)]
        return min(times, default=None)
