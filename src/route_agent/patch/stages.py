"""Ways of finding the places in a file that fit a hunk, from strict to loose.

Stages, each looser than the one before: exact; trailing white space; indentation (shifted, or tabs for
spaces), which the new lines follow; look-alike punctuation and inner white space; two hunks written as one;
and last an alignment in which the removed lines must all be found and a few context lines may have drifted.
Every stage must find exactly one home. A line number of the reply only breaks a tie, and only where it fits
exactly. Lines outside the edit, and context lines inside it, stay as they are, byte for byte.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from itertools import groupby, pairwise

from route_agent.patch.lines import (
    FileLines,
    exact,
    has_two_depths,
    local_indentation,
    look_alike,
    reindentation,
    same,
    stripped,
    trailing,
)
from route_agent.records.change import ADDED, CONTEXT, REMOVED, UNMARKED, Hunk

MAX_ANCHORS = 6
MAX_ALIGNED_LINES = 150
MAX_MERGED = 20
MAX_HOMES = 50  # more are as ambiguous
MAX_ELLIPSIS = 200
MAX_TELLING = 2  # a line that stands more often tells nothing of a place
_ELLIPSIS = re.compile(r"^[\W_]*(?:\.\.\.|…)[\w\s]*[\W_]*$")


@dataclass(frozen=True, slots=True)
class Splice:
    """Lines `start` to `end` (0-based, end excluded) give way to `new`."""

    start: int
    end: int
    new: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Home:
    """One place that fits a hunk: the splices it makes there, and how loosely it fits (0 is exact)."""

    start: int
    splices: tuple[Splice, ...]
    cost: float = 0.0


def is_ellipsis(line: str) -> bool:
    """Whether a line only says that something was left out."""
    return len(line) <= MAX_ELLIPSIS and bool(_ELLIPSIS.match(line))


_MARK = r"(?:#+|//+|/?\*+|\{/\*|--|<!--|;+|%)\s*"
_DOTS = r"(?:\.{3}|…)"
_KEPT = (
    r"(?:existing|unchanged|omitted|truncated|snip(?:ped)?|rest of|remaining|remainder|remains?|same as|"
    r"as before|as is|unmodified)"
)
_LESS = r"(?:other|previous|code|implementation)"
_WORD = r"\W+[\w'-]+"
# an ellipsis and, in a few words, what it stands for; without a comment's mark, between two of them
_OMISSION = re.compile(
    rf"^(?:{_MARK}[\[({{]*{_DOTS}(?:(?:{_WORD}){{0,3}}?\W+{_KEPT}\b|\W*{_KEPT}\b|\W*{_LESS}{_WORD})"
    rf"(?:{_WORD}){{0,6}}\W*"
    rf"|{_MARK}[\[({{]*(?:the )?{_KEPT}\b(?:{_WORD}){{0,6}}?\s*{_DOTS}\W*"
    rf"|[\[(]*{_DOTS}\s*(?:[\w'-]+\s+){{0,3}}?(?:{_KEPT}|{_LESS})\b(?:{_WORD}){{0,6}}?\s*{_DOTS}[\])]*)$",
    re.IGNORECASE,
)
# a comment that says the same without one, and nothing else
_THING = (
    r"(?:[\w.]+ )?(?:code|functions?|methods?|class(?:es)?|file|module|implementation|body|logic|tests?|"
    r"script|imports?|fields?)"
)
_STAYS = (
    r"(?: (?:is|are|here|goes|go|stays?|remains?|unchanged|omitted|the same|as before|below|above|as is))"
)
_BARE_OMISSION = re.compile(
    rf"^{_MARK}[\[(]*(?:the )?"
    rf"(?:(?:rest|remainder) of (?:the |your |this |my )?{_THING}{_STAYS}*|unchanged"
    rf"|(?:existing|remaining|other|previous|unchanged) {_THING}{_STAYS}+"
    rf"|(?:existing|remaining|unchanged) (?:code|implementation|logic){_STAYS}*)\W*$",
    re.IGNORECASE,
)


def tells_omission(line: str, *, bare: bool = True) -> bool:
    """Whether a line says in words that a part was left out; `bare`: also a comment without an ellipsis."""
    text = line.strip()
    if len(text) > MAX_ELLIPSIS:
        return False
    return bool(_OMISSION.match(text) or (bare and _BARE_OMISSION.match(text)))


# --- from an alignment to splices --------------------------------------------------------------------------

Aligned = Sequence[int | None]  # for each old line of a hunk, the file line it stands for


def _splices(
    hunk: Hunk, aligned: Aligned, lines: Sequence[str], reindent: Callable[[str], str] | None
) -> tuple[Splice, ...] | None:
    """What the hunk does to the file under an alignment; None where an added line would hang in the air.

    Without one rule of indentation for the whole hunk, each group of changes follows the lines next to it.
    """
    made: list[Splice] = []
    for first, last, added in _groups(hunk):
        removed = [line for line in aligned[first:last] if line is not None]
        follow = reindent or _nearby(hunk, aligned, lines, added, first, last)
        if follow is None or len(removed) != last - first:
            return None
        before = aligned[first - 1] if first else None
        after = aligned[last] if last < len(aligned) else None
        splice = _splice(removed, [follow(text) for text in added], before, after, lines)
        if splice is None:
            return None
        made.append(splice)
    return tuple(made)


def _groups(hunk: Hunk) -> Iterator[tuple[int, int, list[str]]]:
    """Each run of changes: which of the old lines it removes (from, to), and what it adds."""
    at = 0
    for is_change, run in groupby(hunk.lines, key=lambda line: line[0] in (ADDED, REMOVED)):
        told = list(run)
        first, at = at, at + sum(mark != ADDED for mark, _ in told)
        if is_change:
            yield first, at, [text for mark, text in told if mark == ADDED]


def _nearby(
    hunk: Hunk, aligned: Aligned, lines: Sequence[str], added: Sequence[str], first: int, last: int
) -> Callable[[str], str] | None:
    """How new lines in the place of the old lines `first` to `last` follow those and their neighbours."""
    stand = {
        at: (text, lines[line])
        for at, (text, line) in enumerate(zip(hunk.old, aligned, strict=True))
        if line is not None and text.strip()
    }
    removed = [pair for at, pair in stand.items() if first <= at < last]
    above = [pair for at, pair in stand.items() if at < first][-1:]
    below = [pair for at, pair in stand.items() if at >= last][:1]
    return local_indentation(removed, above + below, added)


def _splice(
    removed: list[int], added: list[str], before: int | None, after: int | None, lines: Sequence[str]
) -> Splice | None:
    if removed:
        if any(second != first + 1 for first, second in pairwise(removed)):
            return None
        start, end = removed[0], removed[-1] + 1
    elif before is not None:
        start = end = before + 1
    elif after is not None:
        start = end = after
    else:
        return None
    neighbour = lines[start] if removed else lines[start - 1] if start else (lines[start] if lines else "")
    ending = "\r" if neighbour.endswith("\r") else ""
    return Splice(start, end, tuple(text + ending for text in added))


# --- whole-block stages ------------------------------------------------------------------------------------


def _matches(old: Sequence[str], lines: FileLines, key: Callable[[str], str]) -> list[int]:
    wanted = [key(line) for line in old]
    have, counts = lines.keyed(key)
    rare = min(range(len(wanted)), key=lambda index: counts[wanted[index]])
    size = len(wanted)
    return [
        at - rare
        for at, line in enumerate(have)
        if line == wanted[rare] and at >= rare and have[at - rare : at - rare + size] == wanted
    ]


def block_homes(hunk: Hunk, lines: FileLines, key: Callable[[str], str]) -> list[Home]:
    """Every place where the hunk's old lines stand as they are, under a way of comparing lines."""
    homes = []
    starts = _matches(hunk.old, lines, key)
    numbered = [hunk.line - 1] if hunk.line - 1 in starts[MAX_HOMES:] else []
    for start in starts[:MAX_HOMES] + numbered:
        stand = lines[start : start + len(hunk.old)]
        loose = key in (stripped, look_alike)
        if loose and has_two_depths(hunk, stand):
            continue
        reindent = reindentation(hunk, stand) if loose else same
        splices = _splices(hunk, range(start, start + len(hunk.old)), lines, reindent)
        if splices is not None:
            homes.append(Home(start, splices))
    return homes


# --- two hunks written as one ------------------------------------------------------------------------------


def merged_homes(hunk: Hunk, lines: FileLines, depth: int = MAX_MERGED) -> list[Home]:
    """A place for a hunk that is really two or more, with untold lines between them: longest piece first."""
    changes = [at for at, (mark, _) in enumerate(hunk.lines) if mark in (ADDED, REMOVED)]
    if len(changes) < 2 or len(hunk.lines) > MAX_ALIGNED_LINES or not depth:
        return []
    for cut in range(changes[-1], changes[0], -1):
        if CONTEXT not in (hunk.lines[cut][0], hunk.lines[cut - 1][0]):
            continue
        first, rest = replace(hunk, lines=hunk.lines[:cut]), replace(hunk, lines=hunk.lines[cut:])
        if not (_tells(first) and _tells(rest)):
            continue
        heads = _first_stage(first, lines)
        if not heads:
            continue
        if len(heads) > 1:
            return []
        tails = _first_stage(rest, lines) or merged_homes(rest, lines, depth - 1)
        if len(tails) != 1 or tails[0].start < heads[0].start + len(first.old):
            return []
        return [Home(heads[0].start, heads[0].splices + tails[0].splices)]
    return []


def _tells(hunk: Hunk) -> bool:
    return any(mark != CONTEXT for mark, _ in hunk.lines) and any(line.strip() for line in hunk.old)


def _first_stage(hunk: Hunk, lines: FileLines) -> list[Home]:
    for key in (exact, trailing, stripped):
        if homes := block_homes(hunk, lines, key):
            return homes
    return []


# --- alignment ---------------------------------------------------------------------------------------------


def aligned_homes(hunk: Hunk, lines: FileLines) -> list[Home]:
    """Places where every removed line stands and most of the context does, the cheapest first."""
    old = [(mark, text) for mark, text in hunk.lines if mark != ADDED]
    if not old or len(old) > MAX_ALIGNED_LINES:
        return []
    keys = [look_alike(text) for _, text in old]
    have, _ = lines.keyed(look_alike)
    found: dict[tuple[str, ...], Home] = {}
    for at, line in _anchors(old, keys, have):
        slack = len(old) // 2 + 4
        low, high = max(0, line - at - slack), min(len(lines), line + len(old) - at + slack)
        for late in (True, False):
            alignment = _align(old, keys, have[low:high], lines[low:high], late=late)
            if alignment is None:
                break
            cost, places = alignment
            aligned = [None if place is None else place + low for place in places]
            if not _is_trusted(old, keys, aligned, have, cost) or _means_another(old, keys, aligned, lines):
                continue
            if home := _home(hunk, aligned, lines, cost):
                # two ways of laying the hunk are two homes only if something else comes of them
                known = found.setdefault(_outcome(home, lines), home)
                if cost < known.cost:
                    found[_outcome(home, lines)] = home
    return sorted(found.values(), key=lambda home: home.cost)


def _means_another(
    old: Sequence[tuple[str, str]], keys: Sequence[str], aligned: Aligned, lines: FileLines
) -> bool:
    """Whether context that is not here stands elsewhere as told: then this may be a twin of what is meant.

    What opens a block there says so alone. Of other lines, as many as there are unmistakable ones here.
    """
    placed = [at for at in aligned if at is not None]
    here = range(placed[0], placed[-1] + 1)
    strays = witnesses = 0
    have, _ = lines.keyed(look_alike)
    for (mark, text), key, at in zip(old, keys, aligned, strict=True):
        if mark == UNMARKED or len(key) <= 3 or is_ellipsis(text):
            continue
        standing = lines.places.get(key, [])
        if at is not None and have[at] == key:
            witnesses += len(standing) == 1
        elif 0 < len(standing) <= MAX_TELLING and not any(line in here for line in standing):
            if key.endswith((":", "{")):
                return True
            strays += 1
    return strays > 0 and strays >= witnesses


def _home(hunk: Hunk, aligned: Aligned, lines: Sequence[str], cost: float) -> Home | None:
    stand = [text if at is None else lines[at] for at, text in zip(aligned, hunk.old, strict=True)]
    if has_two_depths(hunk, stand):
        return None
    splices = _splices(hunk, aligned, lines, reindentation(hunk, stand))
    if not splices:
        return None
    return Home(next(at for at in aligned if at is not None), splices, cost)


def _outcome(home: Home, lines: Sequence[str]) -> tuple[str, ...]:
    """The file's lines as the home makes them; between which blank lines it lies makes no other home."""
    made, at = list[str](), 0
    for splice in home.splices:
        made += [*lines[at : splice.start], *splice.new]
        at = splice.end
    return tuple(line for line in (*made, *lines[at:]) if line.strip())


def _anchors(
    old: Sequence[tuple[str, str]], keys: Sequence[str], have: Sequence[str]
) -> Iterator[tuple[int, int]]:
    """Where the hunk's rarest lines stand: a removed one if there is any, else up to four in a row."""
    removed = [at for at, (mark, _) in enumerate(old) if mark == REMOVED]
    for size in (1, 2, 3, 4):
        places: dict[tuple[str, ...], list[int]] = {}
        for line in range(len(have) - size + 1):
            places.setdefault(tuple(have[line : line + size]), []).append(line)
        runs = [(at, tuple(keys[at : at + size])) for at in range(len(keys) - size + 1)]
        told = [(at, run) for at, run in runs if run in places and any(len(key) > 1 for key in run)]
        preferred = [
            (at, run) for at, run in told if any(at <= place < at + size for place in removed)
        ] or told
        if not preferred:
            return
        at, run = min(preferred, key=lambda it: (len(places[it[1]]), -len("".join(it[1]))))
        if len(places[run]) <= MAX_ANCHORS:
            yield from ((at, line) for line in places[run])
            return


def _align(
    old: Sequence[tuple[str, str]],
    keys: Sequence[str],
    have: Sequence[str],
    lines: Sequence[str],
    *,
    late: bool,
) -> tuple[float, list[int | None]] | None:
    """The cheapest way of laying the old lines over the window, or None where a removed line is not there.

    Of several equally cheap ones, the one with the latest or with the earliest lines.
    """
    size, width, never = len(old), len(have), float("inf")
    cost = [[0.0] * (width + 1)] + [[never] * (width + 1) for _ in range(size)]
    step = [[""] * (width + 1) for _ in range(size + 1)]
    for a in range(1, size + 1):
        mark, text = old[a - 1]
        skip_old = _skipping(mark, text)
        for b in range(width + 1):
            best, how = cost[a - 1][b] + skip_old, "old"
            if b:
                matched = cost[a - 1][b - 1] + _likeness(mark, keys[a - 1], have[b - 1])
                matched += 0 if trailing(text) == trailing(lines[b - 1]) else _REINDENTED
                if matched <= best:
                    best, how = matched, "both"
                if a < size:  # a line of the file that the hunk does not tell, never behind its end
                    passed = cost[a][b - 1] + (0.25 if not have[b - 1] else 1.0)
                    if step[a][b - 1] and (passed < best or (passed == best and not late)):
                        best, how = passed, "file"
            cost[a][b], step[a][b] = best, how
    end = min(range(width + 1), key=lambda b: (cost[size][b], -b if late else b))
    if cost[size][end] == never:
        return None
    places: list[int | None] = [None] * size
    a, b = size, end
    while a:
        how = step[a][b]
        if how == "both":
            places[a - 1] = b - 1
            a, b = a - 1, b - 1
        elif how == "old":
            a -= 1
        else:
            b -= 1
    return cost[size][end], places


# of two lines that differ in nothing but indentation, the one that stands as it was told is meant
_REINDENTED = 0.01


def _skipping(mark: str, text: str) -> float:
    if mark == REMOVED:
        return float("inf")
    if not text.strip():
        return 0.25
    return 0.3 if mark == UNMARKED or is_ellipsis(text) else 1.5


def _likeness(mark: str, wanted: str, line: str) -> float:
    if wanted == line:
        return 0.0
    if mark == REMOVED or not wanted or not line:
        return float("inf")
    from rapidfuzz import fuzz

    return 1.0 if fuzz.ratio(wanted, line) >= 75 else float("inf")


def _is_trusted(
    old: Sequence[tuple[str, str]], keys: Sequence[str], aligned: Aligned, have: Sequence[str], cost: float
) -> bool:
    """Whether enough of the hunk stands there exactly for its place to be beyond doubt."""
    telling = [at for at, key in enumerate(keys) if key and old[at][0] != UNMARKED]
    exact = [at for at in telling if aligned[at] is not None and have[aligned[at] or 0] == keys[at]]
    removed = [at for at in exact if old[at][0] == REMOVED and len(keys[at]) > 3]
    enough = 0.5 if removed else 0.6
    return (
        (bool(removed) or len(exact) >= 2)
        and len(exact) >= enough * len(telling)
        and cost <= 1 + len(telling) / 2
    )


# --- the place that the header names -----------------------------------------------------------------------


def numbered_homes(hunk: Hunk, lines: FileLines) -> list[Home]:
    """The place that the header's line number names, where all but the first or the last line stands there.

    Two witnesses: the number fits exactly, and everything but one line of context at the edge stands there
    and nowhere else.
    """
    start = hunk.line - 1
    if start < 0 or start + len(hunk.old) > len(lines):
        return []
    marks = [mark for mark, _ in hunk.lines if mark != ADDED]
    stand = [trailing(line) for line in lines[start : start + len(hunk.old)]]
    other = [
        at for at, (line, text) in enumerate(zip(stand, hunk.old, strict=True)) if line != trailing(text)
    ]
    if len(other) != 1 or other[0] not in (0, len(marks) - 1) or marks[other[0]] == REMOVED:
        return []
    kept = hunk.old[1:] if other == [0] else hunk.old[:-1]
    if not any(line.strip() for line in kept) or len(_matches(kept, lines, trailing)) != 1:
        return []
    splices = _splices(hunk, range(start, start + len(hunk.old)), lines, same)
    return [] if splices is None else [Home(start, splices)]


# --- all of them, in their order ---

Stage = Callable[[Hunk, FileLines], list[Home]]

NamedStage = tuple[str, Stage]

STAGES: tuple[NamedStage, ...] = (
    ("exact", lambda hunk, lines: block_homes(hunk, lines, exact)),
    ("trailing space", lambda hunk, lines: block_homes(hunk, lines, trailing)),
    ("indentation", lambda hunk, lines: block_homes(hunk, lines, stripped)),
    ("look-alikes", lambda hunk, lines: block_homes(hunk, lines, look_alike)),
    ("merged hunks", merged_homes),
    ("alignment", aligned_homes),
    ("line number", numbered_homes),
)
