from __future__ import annotations

from pathlib import Path

import pytest

from syncworker.backoff import Backoff
from syncworker.jobqueue import JobQueue
from syncworker.jobs import Job
from syncworker.journal import Entry, Journal, State
from syncworker.worker import Outcome, SyncWorker

from .conftest import Clock, ScriptedRemote


class Bench:
    """A worker on a scripted remote and a clock that only moves when told."""

    def __init__(self, folder: Path, clock: Clock) -> None:
        self.clock = clock
        self.queue = JobQueue()
        self.remote = ScriptedRemote()
        self.journal = Journal(folder / "journal.jsonl")
        self.worker = SyncWorker(
            self.queue,
            self.remote,
            self.journal,
            token="",
            backoff=Backoff(max_attempts=4),
            clock=clock,
        )

    def queue_job(self, key: str, busy: int = 0) -> None:
        self.remote.busy[key] = busy
        self.queue.put(Job(key, ""), ready_at=self.clock())

    def next_delay(self) -> float:
        ready_at = self.queue.next_ready_at()
        assert ready_at is not None
        return ready_at - self.clock()

    def wait_and_step(self) -> Outcome:
        self.clock.advance(self.next_delay())
        return self.worker.step()


@pytest.fixture
def bench(tmp_path: Path, clock: Clock) -> Bench:
    return Bench(tmp_path, clock)


def test_an_idle_worker_says_so(bench: Bench) -> None:
    assert bench.worker.step() is Outcome.IDLE


def test_a_job_is_pushed_and_written_to_the_journal(bench: Bench) -> None:
    bench.queue_job("a")
    assert bench.worker.step() is Outcome.DONE
    assert bench.remote.taken == [Job("a", "")]
    assert list(bench.journal.entries()) == [Entry("a", State.DONE)]


def test_every_failure_doubles_the_delay(bench: Bench) -> None:
    bench.queue_job("a", busy=3)
    delays = []
    while bench.wait_and_step() is Outcome.RETRY:
        delays.append(bench.next_delay())
    assert delays == [1.0, 2.0, 4.0]


def test_a_job_that_stays_stuck_is_given_up(bench: Bench) -> None:
    bench.queue_job("a", busy=99)
    outcomes = [bench.wait_and_step() for _ in range(4)]
    assert outcomes == [Outcome.RETRY] * 3 + [Outcome.FAILED]
    assert list(bench.journal.entries()) == [Entry("a", State.FAILED, "busy 4 times in a row")]
    assert bench.worker.tracked == 0


def test_a_refused_job_is_not_tried_again(bench: Bench) -> None:
    bench.remote.refused = frozenset({"a"})
    bench.queue_job("a")
    assert bench.worker.step() is Outcome.FAILED
    assert len(bench.queue) == 0


def test_a_success_starts_the_backoff_over(bench: Bench) -> None:
    bench.queue_job("a", busy=2)
    while bench.wait_and_step() is not Outcome.DONE:
        pass
    bench.queue_job("a", busy=1)
    assert bench.worker.step() is Outcome.RETRY
    assert bench.next_delay() == 1.0


def test_finished_jobs_leave_no_retry_state_behind(bench: Bench) -> None:
    for number in range(50):
        bench.queue_job(f"job-{number}", busy=1)
    while len(bench.queue):
        bench.wait_and_step()
    assert bench.worker.tracked == 0


def test_the_success_of_one_job_leaves_the_backoff_of_another_alone(bench: Bench) -> None:
    bench.queue_job("stuck", busy=99)
    bench.wait_and_step()
    bench.wait_and_step()
    bench.queue_job("easy")
    assert bench.worker.step() is Outcome.DONE
    assert bench.wait_and_step() is Outcome.RETRY
    assert bench.next_delay() == 4.0


def test_run_sleeps_until_the_next_job_is_ready(bench: Bench) -> None:
    bench.queue_job("a", busy=2)
    bench.worker.run(sleep=bench.clock.advance)
    assert bench.clock.now == 1003.0
    assert bench.remote.taken == [Job("a", "")]
