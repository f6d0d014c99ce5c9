"""Timestamps as they appear in logs and options."""

from datetime import datetime, timedelta

EPOCH = datetime(1970, 1, 1)


def parse_time(value):
    """Return a naive datetime in UTC; ValueError if ``value`` is no time.

    Numbers are seconds since the epoch, strings are ISO 8601 with ``T`` or a
    blank between date and time.
    """
    if isinstance(value, bool):
        raise ValueError(f"not a time: {value!r}")
    if isinstance(value, (int, float)):
        return EPOCH + timedelta(seconds=value)
    moment = datetime.fromisoformat(str(value).strip())
    return moment.replace(tzinfo=None)


def format_time(moment):
    """The one notation used in output."""
    return moment.strftime("%Y-%m-%dT%H:%M:%SZ")


def floor_time(moment, step):
    """Round down to a multiple of ``step`` (a timedelta) since the epoch."""
    return moment - ((moment - EPOCH) % step)
