import json

import pytest

from courier import State
from courier.errors import SnapshotError
from courier.snapshot import dumps, loads


def test_round_trip(queue, clock):
    queue.enqueue("mail", {"to": "x"})
    queue.enqueue("fax", delay=60)
    queue.lease("w")
    again = loads(dumps(queue), clock)
    assert again.jobs() == queue.jobs()
    assert again.enqueue("mail").id == 3


def test_saved_at(queue):
    assert json.loads(dumps(queue))["saved_at"] > 0


def test_version_1():
    text = json.dumps([{"id": 4, "kind": "mail", "tries": 2, "state": "ready"}])
    (job,) = loads(text).jobs()
    assert (job.id, job.attempts, job.state) == (4, 2, State.READY)


def test_version_1_empty():
    assert loads("[]").jobs() == []


def test_unknown_version():
    with pytest.raises(SnapshotError):
        loads('{"version": 9, "jobs": []}')


@pytest.mark.parametrize("text", ["", "{", '{"version": 2, "jobs": [{"id": 1}]}'])
def test_broken(text):
    with pytest.raises(SnapshotError):
        loads(text)
