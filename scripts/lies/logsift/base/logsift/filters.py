"""Choose the records that a question is about."""

import re
from datetime import timedelta

from logsift.errors import OptionError
from logsift.levels import rank

AGE = re.compile(r"(\d+)([smhd])")
AGE_UNITS = {"s": 1, "m": 60, "h": 3600, "d": 86400}


def parse_age(text):
    """``--last``: a number and a unit, such as 90s, 15m, 2h, 1d or 1h30m."""
    text = text.strip().lower()
    pairs = AGE.findall(text)
    if not pairs or "".join(number + unit for number, unit in pairs) != text:
        raise OptionError(f"bad duration {text!r}, try 15m or 2h")
    seconds = 0
    for number, unit in pairs:
        seconds += int(number) * AGE_UNITS[unit]
    return timedelta(seconds=seconds)


def by_level(records, level):
    """Keep records at least as severe as ``level``."""
    least = rank(level)
    return [record for record in records if rank(record.level) >= least]


def by_time(records, since=None, until=None):
    """Keep records between ``since`` and ``until``; None leaves a side open."""
    kept = []
    for record in records:
        if since is not None and record.time < since:
            continue
        if until is not None and record.time > until:
            continue
        kept.append(record)
    return kept


def by_age(records, age):
    """Keep records not older than ``age`` before the newest one."""
    records = list(records)
    if not records:
        return []
    newest = max(record.time for record in records)
    return by_time(records, since=newest - age)


def parse_where(text):
    """``name=value`` or ``name!=value`` -> (name, value, wanted)."""
    match = re.fullmatch(r"([\w.]+)(!?=)(.*)", text)
    if match is None:
        raise OptionError(f"bad condition {text!r}, try path=/login")
    name, sign, value = match.groups()
    return name, value, sign == "="


def by_where(records, name, value, wanted=True):
    """Keep records whose field equals ``value`` (as text), or does not."""
    kept = []
    for record in records:
        found = record.get(name)
        same = found is not None and str(found) == value
        if same == wanted:
            kept.append(record)
    return kept
