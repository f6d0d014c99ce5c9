from datetime import timedelta

import pytest
from helpers import at
from logsift.errors import OptionError
from logsift.summary import bucket_counts, level_counts, parse_step

HOUR = timedelta(hours=1)


def test_buckets_include_gaps(requests):
    rows = bucket_counts(requests, HOUR)
    assert rows == [(at("10:00"), 3), (at("11:00"), 0), (at("12:00"), 1)]


def test_buckets_since(requests):
    assert bucket_counts(requests, HOUR, since=at("11:30")) == [(at("12:00"), 1)]


def test_no_buckets():
    assert bucket_counts([], HOUR) == []


def test_step():
    assert parse_step("15m") == timedelta(minutes=15)
    assert parse_step("90") == timedelta(seconds=90)


def test_step_refuses():
    with pytest.raises(OptionError):
        parse_step("often")


def test_levels(requests):
    assert level_counts(requests) == {"info": 2, "warning": 1, "error": 1}
