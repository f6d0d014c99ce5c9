import pytest
from fakes import FakeClock

from courier import Fixed, Queue, Registry, Worker


@pytest.fixture
def clock():
    return FakeClock()


@pytest.fixture
def queue(clock):
    return Queue(clock, Fixed(10))


@pytest.fixture
def registry():
    return Registry()


@pytest.fixture
def worker(queue, registry):
    return Worker(queue, registry, "w1")
