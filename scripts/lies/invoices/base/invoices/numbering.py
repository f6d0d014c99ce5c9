"""Invoice numbers: the year and a running number, as in 2024-0007."""

from __future__ import annotations

import re
from collections.abc import Iterable

from .errors import InvalidNumber

_NUMBER = re.compile(r"(\d{4})-(\d{4,})")


def parse_number(text: str) -> tuple[int, int]:
    match = _NUMBER.fullmatch(text)
    if match is None:
        raise InvalidNumber(text)
    return int(match[1]), int(match[2])


def format_number(year: int, sequence: int) -> str:
    if sequence < 1:
        raise InvalidNumber(f"{year}-{sequence}")
    return f"{year}-{sequence:04d}"


def next_number(existing: Iterable[str], year: int) -> str:
    """The number after the highest one of that year. Gaps are not filled."""
    highest = 0
    for text in existing:
        of_year, sequence = parse_number(text)
        if of_year == year:
            highest = max(highest, sequence)
    return format_number(year, highest + 1)
