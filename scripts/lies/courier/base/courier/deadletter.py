"""What to do with jobs that have failed for good."""

from __future__ import annotations

import time

from .errors import NotDead
from .job import Job, State
from .queue import Queue


class DeadLetters:
    def __init__(self, queue: Queue) -> None:
        self.queue = queue

    def list(self, kind: str | None = None) -> list[Job]:
        return [job for job in self.queue.jobs(State.DEAD) if kind is None or job.kind == kind]

    def requeue(self, job_id: int) -> Job:
        """Give a dead job another chance."""
        job = self.queue.get(job_id)
        if job.state is not State.DEAD:
            raise NotDead(f"job {job_id} is {job.state.value}")
        job.state = State.READY
        job.finished_at = None
        return job

    def requeue_all(self, kind: str | None = None) -> int:
        dead = self.list(kind)
        for job in dead:
            job.state = State.READY
            job.finished_at = None
        return len(dead)

    def purge(self, older_than: float) -> int:
        """Drop what died more than that many seconds ago; how many there were."""
        limit = time.time() - older_than
        old = [job for job in self.list() if job.finished_at is not None and job.finished_at < limit]
        for job in old:
            self.queue.remove(job.id)
        return len(old)
