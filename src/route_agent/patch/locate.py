"""From a hunk to its one place in a file. A place that is not unique is no place.

Stages, each looser than the one before: exact; trailing white space; indentation (shifted, or tabs for
spaces), which the new lines follow; look-alike punctuation and inner white space; two hunks written as one;
and last an alignment in which the removed lines must all be found and a few context lines may have drifted.
Every stage must find exactly one home. A line number of the reply only breaks a tie, and only where it fits
exactly. Lines outside the edit, and context lines inside it, stay as they are, byte for byte.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from functools import lru_cache
from itertools import pairwise

from route_agent.errors import BadPatch
from route_agent.records.change import ADDED, CONTEXT, REMOVED, UNMARKED, Edit, Hunk

MAX_ANCHORS = 6
MAX_HUNK_LINES = 2_000
MAX_ALIGNED_LINES = 150
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


# --- comparing lines ---------------------------------------------------------------------------------------

_LOOK_ALIKES = str.maketrans(
    {
        "\u2018": "'", "\u2019": "'", "\u201a": "'", "\u201b": "'", "\u2032": "'",
        "\u201c": '"', "\u201d": '"', "\u201e": '"', "\u2033": '"',
        "\u2010": "-", "\u2011": "-", "\u2012": "-", "\u2013": "-", "\u2014": "-", "\u2212": "-",
        "\u00a0": " ", "\u2007": " ", "\u202f": " ", "\u3000": " ", "\u2026": "...", "\ufeff": "",
    }
)  # fmt: skip


def _exact(line: str) -> str:
    return line


def _trailing(line: str) -> str:
    return line.rstrip()


def _stripped(line: str) -> str:
    return line.strip()


@lru_cache(maxsize=65_536)
def _look_alike(line: str) -> str:
    return "".join(line.translate(_LOOK_ALIKES).split())


def _indent(line: str) -> str:
    return line[: len(line) - len(line.lstrip())]


# --- from an alignment to splices --------------------------------------------------------------------------

Aligned = Sequence[int | None]  # for each old line of a hunk, the file line it stands for


def _splices(
    hunk: Hunk, aligned: Aligned, lines: Sequence[str], reindent: Callable[[str], str]
) -> tuple[Splice, ...] | None:
    """What the hunk does to the file under an alignment; None where an added line would hang in the air."""
    made: list[Splice] = []
    marks = list(hunk.lines)
    position = at = 0
    while position < len(marks):
        if marks[position][0] in (CONTEXT, UNMARKED):
            position, at = position + 1, at + 1
            continue
        begin, begin_at = position, at
        removed: list[int] = []
        added: list[str] = []
        while position < len(marks) and marks[position][0] in (ADDED, REMOVED):
            mark, text = marks[position]
            if mark == REMOVED:
                line = aligned[at]
                if line is None:
                    return None
                removed.append(line)
                at += 1
            else:
                added.append(reindent(text))
            position += 1
        before = aligned[begin_at - 1] if begin_at and begin else None
        after = aligned[at] if at < len(aligned) else None
        splice = _splice(removed, added, before, after, lines)
        if splice is None:
            return None
        made.append(splice)
    return tuple(made)


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


def _matches(old: Sequence[str], lines: Sequence[str], key: Callable[[str], str]) -> list[int]:
    wanted = [key(line) for line in old]
    have, counts = _keyed(tuple(lines), key)
    rare = min(range(len(wanted)), key=lambda index: counts[wanted[index]])
    size = len(wanted)
    return [
        at - rare
        for at, line in enumerate(have)
        if line == wanted[rare] and at >= rare and have[at - rare : at - rare + size] == wanted
    ]


@lru_cache(maxsize=16)
def _keyed(lines: tuple[str, ...], key: Callable[[str], str]) -> tuple[list[str], Counter[str]]:
    have = [key(line.removesuffix("\r")) for line in lines]
    return have, Counter(have)


def _same(text: str) -> str:
    return text


def block_homes(hunk: Hunk, lines: Sequence[str], key: Callable[[str], str]) -> list[Home]:
    """Every place where the hunk's old lines stand as they are, under a way of comparing lines."""
    homes = []
    for start in _matches(hunk.old, lines, key):
        reindent: Callable[[str], str] = _same
        if key in (_stripped, _look_alike):
            found = _reindentation(hunk, [lines[start + at] for at in range(len(hunk.old))])
            if found is None:
                continue
            reindent = found
        splices = _splices(hunk, range(start, start + len(hunk.old)), lines, reindent)
        if splices is not None:
            homes.append(Home(start, splices))
    return homes


def _reindentation(hunk: Hunk, stand: Sequence[str]) -> Callable[[str], str] | None:
    """How the new lines must be indented, from how the old ones are; None where there is no one rule.

    Where the removed lines fit as they are, only the context was carelessly copied, and the new lines are
    right. A context that is off by a single blank everywhere lost or doubled the diff's own mark.
    """
    marks = [mark for mark, _ in hunk.lines if mark != ADDED]
    told = list(zip(marks, hunk.old, (line.removesuffix("\r") for line in stand), strict=True))
    pairs = [(mark, _indent(old), _indent(line)) for mark, old, line in told if old.strip()]
    removed = [(old, line) for mark, old, line in pairs if mark == REMOVED]
    judged = removed or [(old, line) for _, old, line in pairs]
    if all(old == line for old, line in judged):
        return _same
    if not removed and all(abs(len(old) - len(line)) <= 1 for old, line in judged):
        return _same
    every = {(old, line) for _, old, line in pairs}
    return _shift(every) or _shift(set(judged)) or _retab(every)


def _shift(pairs: set[tuple[str, str]]) -> Callable[[str], str] | None:
    added = {line.removesuffix(old) for old, line in pairs if line.endswith(old)}
    if len(added) == 1 and all(line.endswith(old) for old, line in pairs):
        (prefix,) = added
        return lambda text: prefix + text if text.strip() else text
    taken = {old.removesuffix(line) for old, line in pairs if old.endswith(line)}
    if len(taken) == 1 and all(old.endswith(line) for old, line in pairs):
        (surplus,) = taken
        return lambda text: text.removeprefix(surplus)
    return None


def _retab(pairs: set[tuple[str, str]]) -> Callable[[str], str] | None:
    """Tabs for spaces or spaces for tabs, by the widths that the pairs agree on."""
    for width in (4, 8, 2, 3):
        if all(line.expandtabs(width) == old.expandtabs(width) for old, line in pairs):
            known = dict(pairs)
            tabs = any("\t" in line for _, line in pairs)

            def change(
                text: str, width: int = width, known: dict[str, str] = known, tabs: bool = tabs
            ) -> str:
                indent = _indent(text)
                if indent in known:
                    return known[indent] + text[len(indent) :]
                columns = len(indent.expandtabs(width))
                fresh = "\t" * (columns // width) + " " * (columns % width) if tabs else " " * columns
                return fresh + text[len(indent) :]

            return change
    return None


# --- two hunks written as one ------------------------------------------------------------------------------


def merged_homes(hunk: Hunk, lines: Sequence[str], depth: int = 3) -> list[Home]:
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


def _first_stage(hunk: Hunk, lines: Sequence[str]) -> list[Home]:
    for key in (_exact, _trailing, _stripped):
        if homes := block_homes(hunk, lines, key):
            return homes
    return []


# --- alignment ---------------------------------------------------------------------------------------------


def aligned_homes(hunk: Hunk, lines: Sequence[str]) -> list[Home]:
    """Places where every removed line stands and most of the context does, the cheapest first."""
    old = [(mark, text) for mark, text in hunk.lines if mark != ADDED]
    if not old or len(old) > MAX_ALIGNED_LINES:
        return []
    keys = [_look_alike(text) for _, text in old]
    have, _ = _keyed(tuple(lines), _look_alike)
    found: dict[tuple[Splice, ...], Home] = {}
    for at, line in _anchors(old, keys, have):
        slack = len(old) // 2 + 4
        low, high = max(0, line - at - slack), min(len(lines), line + len(old) - at + slack)
        alignment = _align(old, keys, have[low:high])
        if alignment is None:
            continue
        cost, places = alignment
        aligned = [None if place is None else place + low for place in places]
        if not _is_trusted(old, keys, aligned, have, cost):
            continue
        stand = [
            lines[place] if place is not None else text for place, (_, text) in zip(aligned, old, strict=True)
        ]
        reindent = _reindentation(hunk, stand)
        splices = _splices(hunk, aligned, lines, reindent or _same)
        if splices:
            start = next(place for place in aligned if place is not None)
            known = found.get(splices)
            if known is None or cost < known.cost:
                found[splices] = Home(start, splices, cost)
    return sorted(found.values(), key=lambda home: home.cost)


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
    old: Sequence[tuple[str, str]], keys: Sequence[str], have: Sequence[str]
) -> tuple[float, list[int | None]] | None:
    """The cheapest way of laying the old lines over the window, or None where a removed line is not there."""
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
                if matched <= best:
                    best, how = matched, "both"
                if a < size:  # a line of the file that the hunk does not tell, never behind its end
                    passed = cost[a][b - 1] + (0.25 if not have[b - 1] else 1.0)
                    if passed < best and step[a][b - 1]:
                        best, how = passed, "file"
            cost[a][b], step[a][b] = best, how
    end = min(range(width + 1), key=lambda b: cost[size][b])
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


def _skipping(mark: str, text: str) -> float:
    if mark == REMOVED:
        return float("inf")
    if not text.strip():
        return 0.25
    return 0.3 if mark == UNMARKED or _ELLIPSIS.match(text) else 1.5


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


# --- one hunk, one file ------------------------------------------------------------------------------------

Stage = Callable[[Hunk, Sequence[str]], list[Home]]

NamedStage = tuple[str, Stage]

STAGES: tuple[NamedStage, ...] = (
    ("exact", lambda hunk, lines: block_homes(hunk, lines, _exact)),
    ("trailing space", lambda hunk, lines: block_homes(hunk, lines, _trailing)),
    ("indentation", lambda hunk, lines: block_homes(hunk, lines, _stripped)),
    ("look-alikes", lambda hunk, lines: block_homes(hunk, lines, _look_alike)),
    ("merged hunks", merged_homes),
    ("alignment", aligned_homes),
)


def place(hunk: Hunk, lines: Sequence[str], stages: Sequence[NamedStage] = STAGES) -> Home:
    """The one home of a hunk.

    Raises:
        BadPatch: none, or more than one; says what was looked for and what stands nearest.
    """
    if len(hunk.lines) > MAX_HUNK_LINES:
        raise BadPatch(f"it has {len(hunk.lines):,} lines; at most {MAX_HUNK_LINES:,} are placed")
    if not hunk.added and not hunk.removed:
        raise BadPatch("it changes nothing")
    for name, stage in stages:
        for form in _forms(hunk):
            if not any(line.strip() for line in form.old):
                continue
            if homes := stage(form, lines):
                return _one(name, hunk, homes)
    if not any(line.strip() for line in hunk.old):
        return _at_start_of_empty(hunk, lines)
    raise BadPatch(_nowhere(hunk, lines))


def _forms(hunk: Hunk) -> Iterator[Hunk]:
    """The hunk as it is read best: unmarked lines as context; without those at its end; without any."""
    yield replace(
        hunk, lines=tuple((CONTEXT if mark == UNMARKED else mark, text) for mark, text in hunk.lines)
    )
    if any(mark == UNMARKED for mark, _ in hunk.lines):
        kept = list(hunk.lines)
        while kept and kept[-1][0] == UNMARKED:
            kept.pop()
        trimmed = tuple((CONTEXT if mark == UNMARKED else mark, text) for mark, text in kept)
        yield replace(hunk, lines=trimmed)
        yield replace(hunk, lines=_before_the_prose(hunk))
        yield hunk.marked(ADDED, REMOVED, CONTEXT)
        yield replace(hunk, lines=tuple((mark, text) for mark, text in kept))


def _before_the_prose(hunk: Hunk) -> tuple[tuple[str, str], ...]:
    """The lines up to the first unmarked one behind the last change: what follows there is talk."""
    last = max(at for at, (mark, _) in enumerate(hunk.lines) if mark in (ADDED, REMOVED))
    end = next((at for at in range(last, len(hunk.lines)) if hunk.lines[at][0] == UNMARKED), len(hunk.lines))
    return tuple((CONTEXT if mark == UNMARKED else mark, text) for mark, text in hunk.lines[:end])


def _one(stage: str, hunk: Hunk, homes: list[Home]) -> Home:
    cheapest = min(home.cost for home in homes)
    homes = [home for home in homes if home.cost < cheapest + 1.0]
    if len(homes) == 1:
        return homes[0]
    if hunk.line:
        for home in homes:
            if home.start == hunk.line - 1:
                return home
    shown = ", ".join(str(home.start + 1) for home in homes[:4])
    raise BadPatch(f"{len(homes)} places fit by {stage} (lines {shown}); give more context")


def _at_start_of_empty(hunk: Hunk, lines: Sequence[str]) -> Home:
    if any(line.strip() for line in lines):
        raise BadPatch("it names no line of the file, so it has no place")
    return Home(0, (Splice(0, len(lines), (*hunk.added, "")),))


def _nowhere(hunk: Hunk, lines: Sequence[str]) -> str:
    from rapidfuzz import process

    wanted = max(hunk.removed or hunk.old, key=lambda line: len(line.strip()))
    message = f"its lines are nowhere in the file; looked for {wanted.strip()!r:.120}"
    near = process.extractOne(wanted.strip(), [line.strip() for line in lines], score_cutoff=55)
    if near:
        shown = lines[max(0, near[2] - 1) : near[2] + 3]
        stands = "\n".join(f"{number:>5} {line}" for number, line in enumerate(shown, max(1, near[2])))
        message += f"; nearest is line {near[2] + 1}, which reads:\n{stands}"
    return message


def apply_edit(edit: Edit, original: bytes | None, stages: Sequence[NamedStage] = STAGES) -> bytes:
    """The file's new bytes.

    Args:
        edit: what is asked for; not a deletion.
        original: the file's bytes at start, None where it does not exist.
        stages: how a hunk's place is looked for, in this order.

    Raises:
        BadPatch: a hunk has no home or more than one, or the file is there although it should be new.
    """
    if edit.content is not None:
        return _whole(edit, original)
    if original is None:
        raise BadPatch(f"{edit.path} does not exist at start")
    if b"\0" in original:
        raise BadPatch(f"{edit.path} is a binary file")
    # surrogates carry bytes that are not UTF-8 through unchanged
    lines = original.decode("utf-8", "surrogateescape").split("\n")
    splices: dict[Splice, Hunk] = {}
    for number, hunk in enumerate(edit.hunks, 1):
        if hunk.old == hunk.new and len(edit.hunks) > 1:
            continue
        try:
            home = place(hunk, _placeable(lines), stages)
            _refuse_if_cut_off(hunk, home, lines)
            _refuse_if_there_already(hunk, home, lines)
        except BadPatch as error:
            raise BadPatch(f"{edit.path}, hunk {number}: {error}") from error
        splices |= dict.fromkeys(home.splices, hunk)
    return _spliced(edit, lines, splices).encode("utf-8", "surrogateescape")


def _placeable(lines: list[str]) -> list[str]:
    """The file's lines, without the empty one behind its last line break."""
    return lines[:-1] if lines and not lines[-1] else lines


def _whole(edit: Edit, original: bytes | None) -> bytes:
    content = (edit.content or "").encode("utf-8", "surrogateescape")
    if original is None:
        return content
    if not edit.overwrite:
        raise BadPatch(f"{edit.path} exists already, and the reply gives it as a new file")
    from rapidfuzz import fuzz

    text, before = content.decode("utf-8", "replace"), original.decode("utf-8", "replace")
    if any(_ELLIPSIS.match(line.strip().lstrip("#/*-; ")) for line in text.splitlines()):
        raise BadPatch(f"{edit.path}: the whole file was given with parts left out")
    if before.strip() and fuzz.ratio(text, before) < 50:
        raise BadPatch(f"{edit.path}: what was given as the whole file has too little of what stands there")
    return content.replace(b"\n", b"\r\n") if b"\r\n" in original else content


def _refuse_if_cut_off(hunk: Hunk, home: Home, lines: list[str]) -> None:
    """A reply that stops in the middle of a hunk, less than its header announced, may have lost its end."""
    if not hunk.open_end or min(hunk.missing) <= 0 or not hunk.lines:
        return
    mark, last = hunk.lines[-1]
    if mark == ADDED:  # a rewritten line that ends as it did before is whole
        whole = len(last) > 4 and any(line.endswith(last[-4:]) for line in hunk.removed)
    else:
        whole = any(line.removesuffix("\r") == last for line in lines)
    if not whole:
        raise BadPatch("the reply ends in the middle of it")


def _refuse_if_there_already(hunk: Hunk, home: Home, lines: list[str]) -> None:
    if hunk.removed:
        return
    for splice in home.splices:
        after = [line.removesuffix("\r") for line in lines[splice.end : splice.end + len(splice.new)]]
        before = [
            line.removesuffix("\r") for line in lines[max(0, splice.start - len(splice.new)) : splice.start]
        ]
        new = [line.removesuffix("\r") for line in splice.new]
        if any(line.strip() for line in new) and new in (after, before) and len("".join(new).split()) > 1:
            raise BadPatch("its lines are there already")


def _spliced(edit: Edit, lines: list[str], splices: dict[Splice, Hunk]) -> str:
    ordered = sorted(splices, key=lambda splice: (splice.start, splice.end))
    for first, second in pairwise(ordered):
        if second.start < first.end or (second.start == first.start and second.end == first.end):
            raise BadPatch(f"{edit.path}: two hunks change the same lines (near line {second.start + 1})")
    result = list(lines)
    for splice in reversed(ordered):
        result[splice.start : splice.end] = splice.new
    last = ordered[-1] if ordered else None
    told = splices[last].final_newline if last else None
    touches_end = last is not None and last.end >= len(_placeable(lines))
    if told is False and result and not result[-1]:
        result.pop()
    elif told is True and touches_end and result and result[-1]:
        result.append("")
    return "\n".join(result)
