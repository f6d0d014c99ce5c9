import pytest

from courier import State
from courier.errors import PermanentError


def test_idle(worker):
    assert worker.run_once() == "idle"


def test_done(worker, queue, registry):
    got = []
    registry.register("mail")(got.append)
    queue.enqueue("mail", {"to": "x"})
    assert worker.run_once() == "done"
    assert got == [{"to": "x"}]


def test_failing_handler_is_retried_and_buried(worker, queue, registry, clock):
    @registry.register("mail")
    def handler(payload):
        raise RuntimeError("boom")

    job = queue.enqueue("mail", max_attempts=2)
    assert worker.run_once() == "retry"
    clock.advance(10)
    assert worker.run_once() == "dead"
    assert job.error == "RuntimeError: boom"


def test_permanent_error(worker, queue, registry):
    @registry.register("mail")
    def handler(payload):
        raise PermanentError("no such address")

    job = queue.enqueue("mail")
    assert worker.run_once() == "dead"
    assert (job.attempts, job.error) == (1, "no such address")


def test_other_kinds_are_left_alone(worker, queue, registry):
    registry.register("mail")(print)
    job = queue.enqueue("fax")
    assert worker.run_once() == "idle"
    assert job.state is State.READY


def test_until_empty(worker, queue, registry):
    registry.register("mail")(lambda payload: None)
    for _ in range(3):
        queue.enqueue("mail")
    assert worker.run_until_empty() == {"done": 3}


def test_timings(worker, queue, registry):
    registry.register("mail")(lambda payload: None)
    queue.enqueue("mail")
    worker.run_once()
    assert len(worker.timings["mail"]) == 1


def test_unknown_kind(registry):
    with pytest.raises(Exception):
        registry.get("fax")
