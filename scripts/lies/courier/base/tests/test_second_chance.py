"""A requeued dead letter has all its attempts again."""

from courier import DeadLetters, State


def test_requeued_job_survives_a_failure(queue):
    job = queue.enqueue("mail", max_attempts=2)
    queue.lease("w")
    queue.fail(job.id, "w", "boom", retry=False)
    DeadLetters(queue).requeue(job.id)
    queue.lease("w")
    queue.fail(job.id, "w", "boom")
    assert job.state is State.READY
