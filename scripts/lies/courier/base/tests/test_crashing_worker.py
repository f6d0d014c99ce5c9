"""A job that kills its worker never reports a failure; its lease just runs out."""

from courier import State


def test_poison_job_ends_as_dead_letter(queue, clock):
    job = queue.enqueue("mail", max_attempts=2)
    for _ in range(2):
        assert queue.lease("w", seconds=30) is job
        clock.advance(30)
        queue.reap()
        clock.advance(10)
    assert queue.lease("w") is None
    assert job.state is State.DEAD
