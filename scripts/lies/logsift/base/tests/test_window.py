"""Consecutive ranges do not overlap."""

from helpers import at, make
from logsift.filters import by_time

RECORDS = [make("10:00"), make("11:00"), make("12:00")]


def test_until_is_exclusive():
    assert [r.time for r in by_time(RECORDS, until=at("11:00"))] == [at("10:00")]


def test_ranges_share_nothing():
    first = by_time(RECORDS, at("10:00"), at("11:00"))
    second = by_time(RECORDS, at("11:00"), at("12:00"))
    assert not {r.time for r in first} & {r.time for r in second}
