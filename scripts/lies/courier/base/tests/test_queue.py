import pytest

from courier import State
from courier.errors import LeaseLost, UnknownJob


def test_first_in_first_out(queue):
    first, second = queue.enqueue("a"), queue.enqueue("a")
    assert queue.lease("w").id == first.id
    assert queue.lease("w").id == second.id
    assert queue.lease("w") is None


def test_delay(queue, clock):
    queue.enqueue("a", delay=5)
    assert queue.lease("w") is None
    clock.advance(5)
    assert queue.lease("w") is not None


def test_kinds(queue):
    queue.enqueue("a")
    wanted = queue.enqueue("b")
    assert queue.lease("w", kinds=["b"]).id == wanted.id


def test_ack(queue):
    job = queue.enqueue("a", {"n": 1})
    queue.lease("w")
    queue.ack(job.id, "w")
    assert job.state is State.DONE


def test_ack_without_lease(queue):
    job = queue.enqueue("a")
    with pytest.raises(LeaseLost):
        queue.ack(job.id, "w")


def test_fail_retries_after_backoff(queue, clock):
    job = queue.enqueue("a")
    queue.lease("w")
    queue.fail(job.id, "w", "boom")
    assert queue.lease("w") is None
    clock.advance(10)
    assert queue.lease("w").id == job.id
    assert job.error == "boom"


def test_last_attempt_buries(queue):
    job = queue.enqueue("a", max_attempts=1)
    queue.lease("w")
    queue.fail(job.id, "w", "boom")
    assert job.state is State.DEAD


def test_expired_lease_is_handed_out_again(queue, clock):
    job = queue.enqueue("a")
    queue.lease("w1", seconds=30)
    assert queue.lease("w2") is None
    clock.advance(60)
    queue.lease("w2")
    clock.advance(60)
    assert queue.lease("w2").id == job.id


def test_extend(queue, clock):
    job = queue.enqueue("a")
    queue.lease("w1", seconds=30)
    clock.advance(20)
    queue.extend(job.id, "w1", 30)
    clock.advance(20)
    assert queue.lease("w2") is None


def test_stats(queue):
    queue.enqueue("a")
    queue.enqueue("a")
    queue.lease("w")
    assert queue.stats() == {"ready": 1, "leased": 1, "done": 0, "dead": 0}


def test_unknown_job(queue):
    with pytest.raises(UnknownJob):
        queue.get(99)


def test_listeners(queue):
    seen = []
    queue.listeners.append(lambda event, job: seen.append((event, job.id)))
    queue.enqueue("a")
    queue.lease("w")
    queue.ack(1, "w")
    assert seen == [("enqueued", 1), ("leased", 1), ("done", 1)]


def test_max_attempts_is_checked(queue):
    with pytest.raises(ValueError):
        queue.enqueue("a", max_attempts=0)
