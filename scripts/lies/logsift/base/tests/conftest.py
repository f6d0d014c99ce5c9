import pytest
from helpers import DATA, make


@pytest.fixture
def mixed():
    return DATA / "mixed.log"


@pytest.fixture
def requests():
    return [
        make("10:00", path="/login", ms=12),
        make("10:05", "warning", "slow", path="/search", ms=840),
        make("10:20", "error", "failed", path="/search", ms=95),
        make("12:00", message="done"),
    ]
