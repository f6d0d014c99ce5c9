import pytest

from courier import DeadLetters, State
from courier.errors import NotDead


@pytest.fixture
def dead(queue):
    def bury(kind="mail"):
        job = queue.enqueue(kind, max_attempts=1)
        queue.lease("w", kinds=[kind])
        queue.fail(job.id, "w", "boom")
        return job

    return bury


def test_list(queue, dead):
    mail, fax = dead("mail"), dead("fax")
    assert DeadLetters(queue).list() == [mail, fax]
    assert DeadLetters(queue).list("fax") == [fax]


def test_requeue(queue, dead):
    job = dead()
    DeadLetters(queue).requeue(job.id)
    assert job.state is State.READY
    assert queue.lease("w") is job


def test_requeue_all(queue, dead):
    dead("mail"), dead("mail"), dead("fax")
    assert DeadLetters(queue).requeue_all("mail") == 2
    assert queue.stats()["dead"] == 1


def test_only_the_dead(queue):
    job = queue.enqueue("mail")
    with pytest.raises(NotDead):
        DeadLetters(queue).requeue(job.id)


def test_purge(queue, dead, clock):
    clock.advance(-100)
    dead()
    clock.advance(100)
    dead()
    assert DeadLetters(queue).purge(50) == 1
    assert len(DeadLetters(queue).list()) == 1
