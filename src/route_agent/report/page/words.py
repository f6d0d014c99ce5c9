"""Times, shares and counts as a page prints them."""

from __future__ import annotations


def seconds(value: float | None) -> str:
    """Seconds, or minutes and hours where those are easier to read."""
    if value is None:
        return "unknown"
    if value < 100:
        return f"{value:.1f} s"
    if value < 6000:
        return f"{value / 60:.1f} min"
    return f"{value / 3600:.1f} h"


def percent(value: float | None) -> str:
    """A share (0 to 1) in per cent; one digit more below ten."""
    if value is None:
        return "unknown"
    per_cent = 100 * value
    return f"{per_cent:.1f} %" if 0 < per_cent < 9.95 else f"{per_cent:.0f} %"


def count(value: int) -> str:
    """A number with its thousands apart."""
    return f"{value:,}"


def moment(at: str) -> str:
    """A moment to the minute."""
    return at[:16].replace("T", " ")


def one_line(text: str, most: int = 120) -> str:
    """The first line that says something, shortened."""
    line = next((line.strip() for line in text.splitlines() if line.strip()), "")
    return line if len(line) <= most else f"{line[: most - 1]}…"


def short(text: str, most: int) -> str:
    """A text, cut to a length where it is longer, with what was left out."""
    return text if len(text) <= most else f"{text[:most]}\n… {len(text) - most} characters more"
