from __future__ import annotations

from syncworker.jobqueue import JobQueue
from syncworker.jobs import Job


def test_an_empty_queue_gives_nothing() -> None:
    queue = JobQueue()
    assert queue.take(now=0) is None
    assert queue.next_ready_at() is None


def test_jobs_leave_in_the_order_they_came() -> None:
    queue = JobQueue()
    for key in "cab":
        queue.put(Job(key, ""))
    assert [job.key for _ in range(3) if (job := queue.take(now=0))] == ["c", "a", "b"]


def test_a_job_that_has_to_wait_lets_others_pass() -> None:
    queue = JobQueue()
    queue.put(Job("later", ""), ready_at=5)
    queue.put(Job("now", ""))
    assert queue.take(now=1) == Job("now", "")
    assert queue.take(now=1) is None
    assert queue.take(now=5) == Job("later", "")
