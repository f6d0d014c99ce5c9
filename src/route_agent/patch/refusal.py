"""Why a hunk has no place, in words that the next try can use: what was looked for, and what stands there."""

from __future__ import annotations

from collections import Counter
from typing import TYPE_CHECKING

from route_agent.patch.lines import look_alike

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from route_agent.patch.stages import Home
    from route_agent.records.change import Hunk

MAX_SHOWN_LINES = 24
MAX_SHOWN_WIDTH = 160
LINES_ABOVE = 3
_LEAST_LIKENESS = 55  # rapidfuzz's ratio, 0 to 100: below it, a line resembles nothing in the file


def nowhere(hunk: Hunk, lines: Sequence[str]) -> str:
    """That the hunk's lines stand nowhere, with the file's true lines at the nearest place."""
    wanted = max(hunk.removed or hunk.old, key=lambda line: len(line.strip()))
    message = f"its lines are nowhere in the file; looked for {wanted.strip()!r:.120}"
    start = _nearest(hunk, lines, wanted)
    if start is None:
        return message
    size = min(len(hunk.old), MAX_SHOWN_LINES - 2)
    return f"{message}; nearest is line {start + 1}, where the file reads:\n" + _shown(
        lines, range(max(0, start - 1), min(len(lines), start + size + 1))
    )


def ambiguous(stage: str, homes: Sequence[Home], lines: Sequence[str]) -> str:
    """That several places fit, with what stands above each, which is what would tell them apart."""
    numbers = ", ".join(str(home.start + 1) for home in homes[:4])
    above = "\n  --\n".join(
        _shown(lines, range(max(0, home.start - LINES_ABOVE), home.start + 1)) for home in homes[:4]
    )
    told = f"{len(homes)} places fit by {stage} (lines {numbers}); give more context"
    return f"{told}. There the file reads:\n{above}"


def _nearest(hunk: Hunk, lines: Sequence[str], wanted: str) -> int | None:
    """The 0-based line where most of the hunk's lines would stand, else that of the most alike line."""
    places: dict[str, list[int]] = {}
    for number, line in enumerate(lines):
        places.setdefault(look_alike(line), []).append(number)
    votes: Counter[int] = Counter()
    for at, text in enumerate(hunk.old):
        key = look_alike(text)
        for number in places.get(key, ())[:20] if len(key) > 2 else ():
            votes[max(0, number - at)] += len(key)
    if votes:
        return votes.most_common(1)[0][0]
    from rapidfuzz import process

    near = process.extractOne(wanted.strip(), [line.strip() for line in lines], score_cutoff=_LEAST_LIKENESS)
    return near[2] if near else None


def _shown(lines: Sequence[str], numbers: Iterable[int]) -> str:
    return "\n".join(
        f"{number + 1:>5} {lines[number].removesuffix(chr(13))[:MAX_SHOWN_WIDTH]}" for number in numbers
    )


def missing_file(path: str, known: Iterable[str]) -> str:
    """That a path is not there, with the one that is most like it."""
    from rapidfuzz import process

    near = process.extractOne(path, tuple(known), score_cutoff=80)
    return f"{path} does not exist at start" + (f"; did you mean {near[0]}?" if near else "")
