import pytest
from helpers import make

MIXED = """\
{"time": "2024-05-01T10:00:00Z", "level": "info", "message": "request", "path": "/login", "ms": 12}
{"time": "2024-05-01T10:05:00Z", "level": "warn", "message": "slow request", "path": "/search", "ms": 840}

time=2024-05-01T10:20:00 level=error msg="db timeout" path=/search retry=2
2024-05-01 11:10:00 INFO: shutting down
{"ts": 1714561200, "level": "fatal", "msg": "out of memory"}
"""


@pytest.fixture
def mixed(tmp_path):
    """Path of a log in all three formats."""
    path = tmp_path / "mixed.log"
    path.write_text(MIXED)
    return path


@pytest.fixture
def requests():
    return [
        make("10:00", path="/login", ms=12),
        make("10:05", "warning", "slow", path="/search", ms=840),
        make("10:20", "error", "failed", path="/search", ms=95),
        make("12:00", message="done"),
    ]
