"""Two workers, one slow."""

import pytest

from courier import State
from courier.errors import LeaseLost


def test_late_ack_does_not_finish_the_job_of_another(queue, clock):
    job = queue.enqueue("mail")
    queue.lease("slow", seconds=30)
    clock.advance(31)
    queue.reap()
    clock.advance(10)
    assert queue.lease("quick", seconds=30) is job
    with pytest.raises(LeaseLost):
        queue.ack(job.id, "slow")
    assert job.state is State.LEASED
    assert job.lease_owner == "quick"
