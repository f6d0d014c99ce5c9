"""The worker: takes one job at a time and pushes it; a busy remote is asked again later."""

from __future__ import annotations

import time
from collections.abc import Callable
from enum import StrEnum

from syncworker.backoff import Backoff
from syncworker.jobqueue import JobQueue
from syncworker.jobs import Job
from syncworker.journal import Journal
from syncworker.remote import PushRefused, Remote, RemoteBusy

PATIENT = Backoff()


class Outcome(StrEnum):
    """What one step of the worker did."""

    IDLE = "idle"
    DONE = "done"
    RETRY = "retry"
    FAILED = "failed"


class SyncWorker:
    """Pushes the jobs of a queue, in the name of the session that `token` stands for."""

    def __init__(
        self,
        queue: JobQueue,
        remote: Remote,
        journal: Journal,
        *,
        token: str,
        backoff: Backoff = PATIENT,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._queue = queue
        self._remote = remote
        self._journal = journal
        self._token = token
        self._backoff = backoff
        self._clock = clock
        self._attempts: dict[str, int] = {}

    @property
    def tracked(self) -> int:
        """For how many keys the worker keeps retry state."""
        return len(self._attempts)

    def step(self) -> Outcome:
        """Try the next job that is ready."""
        job = self._queue.take(self._clock())
        if job is None:
            return Outcome.IDLE
        try:
            self._remote.push(job, self._token)
        except RemoteBusy:
            return self._try_later(job)
        except PushRefused as refusal:
            return self._give_up(job, str(refusal))
        self._journal.done(job)
        return Outcome.DONE

    def run(self, sleep: Callable[[float], None] = time.sleep) -> None:
        """Work until the queue is empty, sleeping while every job has to wait."""
        while (ready_at := self._queue.next_ready_at()) is not None:
            pause = ready_at - self._clock()
            if pause > 0:
                sleep(pause)
            self.step()

    def _try_later(self, job: Job) -> Outcome:
        attempts = self._attempts.get(job.key, 0) + 1
        if attempts >= self._backoff.max_attempts:
            return self._give_up(job, f"busy {attempts} times in a row")
        self._attempts[job.key] = attempts
        self._queue.put(job, ready_at=self._clock() + self._backoff.delay(attempts))
        return Outcome.RETRY

    def _give_up(self, job: Job, reason: str) -> Outcome:
        self._attempts.pop(job.key, None)
        self._journal.failed(job, reason)
        return Outcome.FAILED
