"""Counts over time."""

import re
from datetime import timedelta

from logsift.errors import OptionError
from logsift.timespec import floor_time

STEP = re.compile(r"(\d+)([smhd])")
STEP_UNITS = {"s": 1, "m": 60, "h": 3600, "d": 86400}


def parse_step(text):
    """``--step``: like an age, but a bare number means seconds; never zero."""
    text = text.strip().lower()
    if text.isdigit():
        seconds = int(text)
    else:
        pairs = STEP.findall(text)
        if not pairs or "".join(number + unit for number, unit in pairs) != text:
            raise OptionError(f"bad duration {text!r}, try 15m or 2h")
        seconds = 0
        for number, unit in pairs:
            seconds += int(number) * STEP_UNITS[unit]
    if seconds == 0:
        raise OptionError("--step must be longer than zero")
    return timedelta(seconds=seconds)


def bucket_counts(records, step, since=None, until=None):
    """List of (start, count), gaps included, from the first to the last record."""
    counts = {}
    for record in records:
        if since is not None and record.time < since:
            continue
        if until is not None and record.time > until:
            continue
        start = floor_time(record.time, step)
        counts[start] = counts.get(start, 0) + 1
    if not counts:
        return []
    rows = []
    start = min(counts)
    while start <= max(counts):
        rows.append((start, counts.get(start, 0)))
        start += step
    return rows


def level_counts(records):
    """Number of records per level, in the order of first appearance."""
    counts = {}
    for record in records:
        counts[record.level] = counts.get(record.level, 0) + 1
    return counts
