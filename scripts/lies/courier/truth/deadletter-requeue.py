import json
import time

import pytest

from courier import DeadLetters, Exponential, Fixed, Job, Queue, Registry, Worker
from courier.errors import LeaseLost, NotDead, PermanentError, SnapshotError, UnknownJob, UnknownKind
from courier.snapshot import dumps, loads


class Clock:
    def __init__(self, start=None):
        self.time = time.time() if start is None else start
        self.slept = []

    def now(self):
        return self.time

    def sleep(self, seconds):
        self.slept.append(seconds)
        self.time += max(seconds, 0.001)


def setup(backoff=None, start=None):
    clock = Clock(start)
    return clock, Queue(clock, backoff or Fixed(10))


def state(job):
    return str(job.state.value)


# What worked before and must still work.


def test_kept_order_and_delay():
    clock, queue = setup()
    ids = [queue.enqueue("a").id, queue.enqueue("b", delay=5).id, queue.enqueue("a").id]
    assert [queue.lease("w").id, queue.lease("w").id, queue.lease("w")] == [ids[0], ids[2], None]
    clock.time += 5
    assert queue.lease("w", kinds=["a"]) is None
    assert queue.lease("w", kinds=["a", "b"]).id == ids[1]
    with pytest.raises(ValueError):
        queue.enqueue("a", max_attempts=0)
    with pytest.raises(UnknownJob):
        queue.get(99)
    assert queue.enqueue("a", {"n": 1}, 0.0, 7).max_attempts == 7


def test_kept_ack_and_events():
    clock, queue = setup()
    seen = []
    queue.listeners.append(lambda event, job: seen.append((event, job.id)))
    queue.listeners.append(lambda event, job: seen.append((event, job.id)))
    job = queue.enqueue("a", {"n": 1})
    with pytest.raises(LeaseLost):
        queue.ack(job.id, "w")
    assert queue.lease("w").payload["n"] == 1
    queue.ack(job.id, "w")
    assert (state(job), job.finished_at, job.lease_owner) == ("done", clock.time, None)
    assert seen == [("enqueued", 1)] * 2 + [("leased", 1)] * 2 + [("done", 1)] * 2
    assert queue.stats() == {"ready": 0, "leased": 0, "done": 1, "dead": 0}
    for act in (queue.ack, queue.extend, lambda *who: queue.fail(*who, "late")):
        with pytest.raises(LeaseLost):
            act(job.id, "w")


def test_kept_fail():
    clock, queue = setup()
    job = queue.enqueue("a", max_attempts=2)
    queue.lease("w")
    queue.fail(job.id, "w", "boom")
    assert (state(job), job.attempts, job.error, job.run_at) == ("ready", 1, "boom", clock.time + 10)
    assert queue.lease("w") is None
    assert queue.next_at() == clock.time + 10
    clock.time += 10
    assert queue.lease("w") is job
    queue.fail(job.id, "w", "bang")
    assert (state(job), job.attempts, job.error, job.finished_at) == ("dead", 2, "bang", clock.time)
    again = queue.enqueue("a")
    queue.lease("w")
    queue.fail(again.id, "w", "never", retry=False)
    assert (state(again), again.attempts) == ("dead", 1)


def test_kept_leases():
    clock, queue = setup()
    job = queue.enqueue("a")
    queue.lease("w1", seconds=30)
    clock.time += 29
    assert queue.reap() == 0
    queue.extend(job.id, "w1", 30)
    clock.time += 29
    assert queue.lease("w2") is None
    assert (job.lease_owner, job.lease_until) == ("w1", clock.time + 1)
    clock.time += 1
    assert queue.reap() == 1
    clock.time += 60
    assert queue.lease("w2") is job
    assert job.lease_owner == "w2"


def test_kept_backoff():
    backoff = Exponential(base=1, factor=2, cap=10)
    assert [backoff.delay(attempt) for attempt in (1, 2, 3, 4, 5, 50)] == [1, 2, 4, 8, 10, 10]
    assert Fixed(3).delay(1) == Fixed(3).delay(9) == 3


def test_kept_worker():
    clock, queue = setup()
    registry = Registry()
    got = []
    registry.register("mail")(got.append)

    @registry.register("bad")
    def bad(payload):
        raise RuntimeError("boom")

    @registry.register("gone")
    def gone(payload):
        raise PermanentError("gone")

    with pytest.raises(ValueError):
        registry.register("mail")(print)
    with pytest.raises(UnknownKind):
        registry.get("fax")
    worker = Worker(queue, registry, "w1")
    assert worker.run_once() == "idle"
    jobs = [queue.enqueue("mail", {"n": 1}), queue.enqueue("bad", max_attempts=2), queue.enqueue("gone")]
    other = queue.enqueue("fax")
    assert [worker.run_once() for _ in range(4)] == ["done", "retry", "dead", "idle"]
    assert got == [{"n": 1}]
    clock.time += 10
    assert worker.run_once() == "dead"
    assert [state(job) for job in [*jobs, other]] == ["done", "dead", "dead", "ready"]
    assert [job.error for job in jobs] == [None, "RuntimeError: boom", "gone"]
    assert {kind: len(times) for kind, times in worker.timings.items()} == {"mail": 1, "bad": 2, "gone": 1}
    queue.remove(other.id)
    queue.enqueue("bad", max_attempts=3)
    assert dict(worker.run_until_empty()) == {"retry": 2, "dead": 1}


def test_kept_dead_letters():
    clock, queue = setup()
    letters = DeadLetters(queue)
    jobs = [queue.enqueue(kind, max_attempts=1) for kind in ("mail", "fax", "mail")]
    for job in jobs:
        queue.lease("w")
        queue.fail(job.id, "w", "boom")
    assert [job.id for job in letters.list()] == [1, 2, 3]
    assert [job.id for job in letters.list("fax")] == [2]
    assert state(letters.requeue(1)) == "ready"
    with pytest.raises(NotDead):
        letters.requeue(1)
    assert letters.requeue_all("mail") == 1
    assert [state(job) for job in jobs] == ["ready", "dead", "ready"]
    assert jobs[0].finished_at is None
    assert letters.purge(50) == 0
    jobs[1].finished_at -= 100
    assert letters.purge(50) == 1
    with pytest.raises(UnknownJob):
        queue.get(2)


def test_kept_snapshot():
    clock, queue = setup()
    queue.enqueue("mail", {"to": "x"})
    queue.enqueue("fax", delay=60)
    queue.lease("w")
    again = loads(dumps(queue), clock)
    assert [vars(job) for job in again.jobs()] == [vars(job) for job in queue.jobs()]
    assert [state(job) for job in again.jobs()] == ["leased", "ready"]
    assert again.enqueue("mail").id == 3
    assert json.loads(dumps(queue))["version"] == 2
    for text in ("", "{", '{"version": 9, "jobs": []}', '{"version": 2, "jobs": [{"id": 1}]}', "3", "null"):
        with pytest.raises(SnapshotError):
            loads(text)


def bury(queue, kind="mail", most=2, attempts=2):
    job = queue.enqueue(kind, max_attempts=most)
    for at in range(attempts):
        assert queue.lease("w", kinds=[kind]) is job
        queue.fail(job.id, "w", "boom", retry=at + 1 < attempts)
        queue.clock.time += 10
    assert state(job) == "dead"
    return job


def again(letters, job, way):
    if way == "one":
        assert letters.requeue(job.id) is job
    elif way == "all":
        assert letters.requeue_all() == 1
    else:
        assert letters.requeue_all("mail") == 1


@pytest.mark.parametrize("way", ["one", "all", "kind"])
@pytest.mark.parametrize(("most", "attempts"), [(1, 1), (2, 1), (2, 2), (4, 4)])
def test_all_attempts_again(way, most, attempts):
    clock, queue = setup()
    job = bury(queue, most=most, attempts=attempts)
    clock.time += 50
    for _ in range(2):
        again(DeadLetters(queue), job, way)
        assert (state(job), job.attempts, job.max_attempts, job.error) == ("ready", 0, most, None)
        assert (job.run_at, job.finished_at, job.lease_owner) == (clock.time, None, None)
        for attempt in range(1, most + 1):
            assert queue.lease("w") is job
            queue.fail(job.id, "w", "again")
            assert (state(job), job.attempts) == ("dead" if attempt == most else "ready", attempt)
            clock.time += 10


@pytest.mark.parametrize("way", ["one", "all", "kind"])
def test_lines_up_behind(way):
    clock, queue = setup()
    job = bury(queue)
    waiting = queue.enqueue("mail")
    clock.time += 5
    again(DeadLetters(queue), job, way)
    assert queue.lease("w") is waiting
    assert queue.lease("w") is job


def test_only_that_kind():
    clock, queue = setup()
    mail, fax = bury(queue), bury(queue, "fax")
    assert DeadLetters(queue).requeue_all("mail") == 1
    assert (state(mail), state(fax), fax.attempts, fax.error) == ("ready", "dead", 2, "boom")
    assert fax.finished_at is not None
