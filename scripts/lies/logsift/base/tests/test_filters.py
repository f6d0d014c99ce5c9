from datetime import timedelta

import pytest
from helpers import at
from logsift.errors import OptionError
from logsift.filters import by_age, by_level, by_time, by_where, parse_age, parse_where
from logsift.levels import check_level, normalise, rank


def test_level(requests):
    assert [r.message for r in by_level(requests, "warning")] == ["slow", "failed"]


def test_since_is_inclusive(requests):
    assert len(by_time(requests, since=at("10:05"))) == 3


def test_until(requests):
    assert len(by_time(requests, until=at("11:00"))) == 3


def test_age(requests):
    assert len(by_age(requests, timedelta(hours=1, minutes=55))) == 3
    assert by_age([], timedelta(hours=1)) == []


@pytest.mark.parametrize(
    ("text", "seconds"), [("90s", 90), ("15m", 900), ("1h30m", 5400), ("1d", 86400)]
)
def test_parse_age(text, seconds):
    assert parse_age(text) == timedelta(seconds=seconds)


def test_parse_age_refuses():
    with pytest.raises(OptionError):
        parse_age("soon")


def test_where(requests):
    assert len(by_where(requests, *parse_where("path=/search"))) == 2
    assert len(by_where(requests, *parse_where("path!=/search"))) == 2


def test_aliases():
    assert normalise("WARN") == "warning"
    assert normalise(" fatal ") == "critical"


def test_order():
    assert rank("debug") < rank("info") < rank("warning") < rank("error")
    assert rank("notice") == -1


def test_check_level():
    assert check_level("Err") == "error"
    with pytest.raises(OptionError):
        check_level("loud")
