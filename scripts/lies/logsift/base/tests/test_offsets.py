"""Times that carry their own offset."""

from helpers import at
from logsift.parse import parse_lines
from logsift.timespec import format_time, parse_time


def test_z_is_utc():
    assert parse_time("2024-05-01T10:00:00Z") == at("10:00")


def test_offset_is_converted():
    moment = parse_time("2024-05-01T12:00:00+02:00")
    assert moment.tzinfo is None
    assert format_time(moment) == "2024-05-01T10:00:00Z"


def test_offset_in_a_log():
    lines = [
        "2024-05-01T12:00:00+02:00 INFO first",
        "2024-05-01T10:30:00Z INFO second",
    ]
    first, second = parse_lines(lines)
    assert first.time < second.time
