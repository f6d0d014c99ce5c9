"""From a hunk to its one place in a file. A place that is not unique is no place."""

from __future__ import annotations

import codecs
import re
from collections.abc import Iterator, Sequence
from dataclasses import replace
from itertools import pairwise

from route_agent.errors import BadPatch
from route_agent.patch import refusal
from route_agent.patch.lines import FileLines, look_alike, stripped, trailing
from route_agent.patch.stages import (
    STAGES,
    Home,
    NamedStage,
    Splice,
    block_homes,
    is_ellipsis,
    tells_omission,
)
from route_agent.records.change import ADDED, CONTEXT, REMOVED, UNMARKED, Edit, Hunk

MAX_HUNK_LINES = 2_000
_MARK = "\ufeff"
MUCH_SHORTER = 0.8  # of the lines that are not blank: three functions of four
_DEFINITION = re.compile(
    r"(?:(?:export|default|pub(?:\([^)]*\))?|public|private|protected|internal|static|abstract|final|async|unsafe)\s+)*"
    r"(?:def|class|function\*?|func|fn|struct|enum|trait|interface|type|module|const|let|var|sub)\s+"
    r"(?:\([^)]*\)\s*)?([A-Za-z_$][\w$]*)"
)
_TEXTS = (".md", ".rst", ".txt", ".adoc")


def place(hunk: Hunk, lines: FileLines, stages: Sequence[NamedStage] = STAGES) -> Home:
    """The one home of a hunk.

    Raises:
        BadPatch: none, or more than one; says what was looked for and what stands nearest.
    """
    if len(hunk.lines) > MAX_HUNK_LINES:
        raise BadPatch(f"it has {len(hunk.lines):,} lines; at most {MAX_HUNK_LINES:,} are placed")
    if not hunk.added and not hunk.removed:
        raise BadPatch("it changes nothing")
    doubts: list[BadPatch] = []
    for forms in (tuple(_forms(hunk)), _as_announced(hunk)):
        for name, stage in stages:
            for reading, form in enumerate(forms):
                if not any(line.strip() for line in form.old) or not (homes := stage(form, lines)):
                    continue
                try:
                    return _one(name, hunk, homes, lines)
                except BadPatch as doubt:
                    if not reading:
                        raise
                    doubts.append(doubt)  # it was shortened; a looser stage may place it whole
    if doubts:
        raise doubts[0]
    if not any(line.strip() for line in hunk.old):
        return _at_start_of_empty(hunk, lines)
    raise BadPatch(refusal.nowhere(hunk, lines))


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


def _as_announced(hunk: Hunk) -> tuple[Hunk, ...]:
    """The hunk without the context at its end that its header does not count: talk that got a blank in front.

    Only tried where the whole hunk has no place, and never takes a change away.
    """
    surplus = -hunk.missing[0]
    kept = len(hunk.lines) - surplus
    if surplus <= 0 or any(mark in (ADDED, REMOVED) for mark, _ in hunk.lines[max(0, kept) :]):
        return ()
    return tuple(_forms(replace(hunk, lines=hunk.lines[:kept])))


def _before_the_prose(hunk: Hunk) -> tuple[tuple[str, str], ...]:
    """The lines up to the first unmarked one behind the last change: what follows there is talk."""
    last = max(at for at, (mark, _) in enumerate(hunk.lines) if mark in (ADDED, REMOVED))
    end = next((at for at in range(last, len(hunk.lines)) if hunk.lines[at][0] == UNMARKED), len(hunk.lines))
    return tuple((CONTEXT if mark == UNMARKED else mark, text) for mark, text in hunk.lines[:end])


def _one(stage: str, hunk: Hunk, homes: list[Home], lines: Sequence[str]) -> Home:
    cheapest = min(home.cost for home in homes)
    homes = [home for home in homes if home.cost < cheapest + 1.0]
    if len(homes) == 1:
        return homes[0]
    if hunk.line:
        for home in homes:
            if home.start == hunk.line - 1:
                return home
    if len(below := [home for home in homes if _stands_below(hunk.heading, home, lines)]) == 1:
        return below[0]
    raise BadPatch(refusal.ambiguous(stage, homes, lines))


def _stands_below(heading: str, home: Home, lines: Sequence[str]) -> bool:
    """Whether a home lies in the block that the heading opens, where the file has that heading once."""
    if not heading:
        return False
    key = look_alike(heading)
    opening = [at for at, line in enumerate(lines) if look_alike(line).startswith(key)]
    if len(opening) != 1 or home.start <= opening[0]:
        return False
    depth = len(lines[opening[0]]) - len(lines[opening[0]].lstrip())
    between = (line for line in lines[opening[0] + 1 : home.start + 1] if line.strip())
    return all(len(line) - len(line.lstrip()) > depth for line in between)


def _at_start_of_empty(hunk: Hunk, lines: FileLines) -> Home:
    if any(line.strip() for line in lines):
        raise BadPatch("it names no line of the file, so it has no place")
    homes = block_homes(hunk, lines, stripped) if len(hunk.old) == len(lines) > 0 else []
    return homes[0] if homes else Home(0, (Splice(0, len(lines), hunk.added),))


def apply_edit(edit: Edit, original: bytes | None, stages: Sequence[NamedStage] = STAGES) -> bytes:
    """The file's new bytes.

    Args:
        edit: what is asked for; not a deletion.
        original: the file's bytes at start, None where it does not exist.
        stages: how a hunk's place is looked for, in this order.

    Raises:
        BadPatch: a hunk has no home or more than one, or the file is there although it should be new.
    """
    bom = codecs.BOM_UTF8 if original and original.startswith(codecs.BOM_UTF8) else b""
    if bom and original:
        return bom + apply_edit(_without_mark(edit), original.removeprefix(bom), stages)
    _refuse_mixed_encodings(edit, original)
    _refuse_omissions(edit, original)
    if edit.content is not None:
        return _whole(edit, original)
    if original is None:
        raise BadPatch(f"{edit.path} does not exist at start")
    if b"\0" in original:
        raise BadPatch(f"{edit.path} is a binary file")
    # surrogates carry bytes that are not UTF-8 through unchanged
    lines = original.decode("utf-8", "surrogateescape").split("\n")
    unended = len(lines) > 1 and bool(lines[-1]) and lines[-2].endswith("\r")
    if unended:  # a last line without its end has the others' end for as long as we work
        lines[-1] += "\r"
    standing = FileLines(_placeable(lines))
    splices: dict[Splice, Hunk] = {}
    for number, hunk in enumerate(edit.hunks, 1):
        if hunk.old == hunk.new and hunk.final_newline is None and len(edit.hunks) > 1:
            continue
        try:
            home = place(hunk, standing, stages)
            _refuse_above_heading(hunk, home, lines)
            _refuse_if_cut_off(hunk, home, lines)
            _refuse_if_there_already(hunk, home, lines)
        except BadPatch as error:
            raise BadPatch(f"{edit.path}, hunk {number}: {error}") from error
        splices |= dict.fromkeys(home.splices, hunk)
    text = _spliced(edit, lines, splices)
    return (text.removesuffix("\r") if unended else text).encode("utf-8", "surrogateescape")


def _placeable(lines: list[str]) -> list[str]:
    """The file's lines, without the empty one behind its last line break."""
    return lines[:-1] if lines and not lines[-1] else lines


def _without_mark(edit: Edit) -> Edit:
    """The edit without the byte order mark that a diff shows in front of the first line."""
    content = None if edit.content is None else edit.content.removeprefix(_MARK)
    hunks = tuple(
        replace(hunk, lines=tuple((mark, text.removeprefix(_MARK)) for mark, text in hunk.lines))
        for hunk in edit.hunks
    )
    return replace(edit, content=content, hunks=hunks)


def _refuse_mixed_encodings(edit: Edit, original: bytes | None) -> None:
    """A reply is UTF-8; what it adds to a file of another encoding must be alike in both."""
    try:
        (original or b"").decode()
    except UnicodeDecodeError:
        added = (edit.content or "", *(line for hunk in edit.hunks for line in hunk.added))
        # bytes that were no UTF-8 in the reply either are carried as surrogates
        letters = (letter for text in added for letter in text if not letter.isascii())
        if any(not "\udc80" <= letter <= "\udcff" for letter in letters):
            raise BadPatch(
                f"{edit.path} is not UTF-8, and the reply adds letters beyond ASCII: they would mix encodings"
            ) from None


def _refuse_omissions(edit: Edit, original: bytes | None) -> None:
    """A line that says that something was left out stands for what it would remove."""
    added = [line for hunk in edit.hunks for line in hunk.added] + (edit.content or "").split("\n")
    is_text = edit.path.endswith(_TEXTS)
    if original is None and is_text:
        return
    found = [line.strip() for line in added if tells_omission(line, bare=not is_text)]
    standing = {line.strip() for line in (original or b"").decode("utf-8", "surrogateescape").split("\n")}
    if missing := next((line for line in found if line not in standing), ""):
        raise BadPatch(f"{edit.path}: a part was left out, where the reply has {missing!r:.100}")


def _refuse_above_heading(hunk: Hunk, home: Home, lines: Sequence[str]) -> None:
    """A heading without a line number is told because the place stands below it."""
    key = look_alike(hunk.heading)
    if hunk.line or not key or any(look_alike(line) == key for line in hunk.old):
        return
    standing = [at for at, line in enumerate(lines) if look_alike(line) == key]
    if len(standing) == 1 and home.start < standing[0]:
        raise BadPatch(
            f"its lines stand in line {home.start + 1}, above the heading {hunk.heading!r:.80} "
            f"in line {standing[0] + 1}"
        )


def _whole(edit: Edit, original: bytes | None) -> bytes:
    content = (edit.content or "").encode("utf-8", "surrogateescape")
    if original is None:
        return content
    if not edit.overwrite:
        raise BadPatch(f"{edit.path} exists already, and the reply gives it as a new file")
    from rapidfuzz import fuzz

    text, before = content.decode("utf-8", "replace"), original.decode("utf-8", "replace")
    standing = {line.strip() for line in before.splitlines()}
    told = {line.strip() for line in text.splitlines()} - standing
    if any(is_ellipsis(line.lstrip("#/*-; ")) for line in told):
        raise BadPatch(f"{edit.path}: the whole file was given with parts left out")
    if before.strip() and fuzz.ratio(text, before) < 50:
        raise BadPatch(f"{edit.path}: what was given as the whole file has too little of what stands there")
    if lost := _lost(before, text):
        raise BadPatch(
            f"{edit.path}: what was given as the whole file lacks {', '.join(lost[:3])}; "
            "if that is meant, take it out with a diff"
        )
    return content.replace(b"\n", b"\r\n") if b"\r\n" in original else content


def _lost(before: str, after: str) -> list[str]:
    """The definitions at the outermost level that a much shorter text lacks and does not call otherwise."""
    lines_before, lines_after = (
        [line for line in text.splitlines() if line.strip()] for text in (before, after)
    )
    if len(lines_after) > MUCH_SHORTER * len(lines_before):
        return []
    known = {found[1] for line in lines_before if (found := _DEFINITION.match(line.strip()))}
    stood, stands = (
        dict.fromkeys(found[1] for line in text if (found := _DEFINITION.match(line)))
        for text in (lines_before, lines_after)
    )
    lost = [name for name in stood if name not in stands]
    return lost if len(lost) > len(stands.keys() - known) else []


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
    if hunk.removed or _fits_on_both_sides(hunk, home, lines):
        return
    for splice in home.splices:
        after = [line.removesuffix("\r") for line in lines[splice.end : splice.end + len(splice.new)]]
        before = [
            line.removesuffix("\r") for line in lines[max(0, splice.start - len(splice.new)) : splice.start]
        ]
        new = [line.removesuffix("\r") for line in splice.new]
        if any(line.strip() for line in new) and new in (after, before) and len("".join(new).split()) > 1:
            raise BadPatch("its lines are there already")


def _fits_on_both_sides(hunk: Hunk, home: Home, lines: list[str]) -> bool:
    """Whether the lines around the new ones stand side by side: then the new ones are not there yet."""
    edges = hunk.lines[0], hunk.lines[-1]
    if any(mark != CONTEXT or not text.strip() for mark, text in edges):
        return False
    stand = lines[home.start : home.start + len(hunk.old)]
    return [trailing(line) for line in stand] == [trailing(line) for line in hunk.old]


def _spliced(edit: Edit, lines: list[str], splices: dict[Splice, Hunk]) -> str:
    ordered = sorted(splices, key=lambda splice: (splice.start, splice.end))
    for first, second in pairwise(ordered):
        if second.start < first.end or (second.start == first.start and second.end == first.end):
            raise BadPatch(f"{edit.path}: two hunks change the same lines (near line {second.start + 1})")
    result = list(lines)
    for splice in reversed(ordered):
        result[splice.start : splice.end] = splice.new
    last = ordered[-1] if ordered else None
    if last is not None and last.end >= len(_placeable(lines)):
        told, ended = splices[last].final_newline, not lines[-1]
        if told is False:
            if ended:
                result.pop()
            if result:
                result[-1] = result[-1].removesuffix("\r")  # of the line end that is not there
        elif told is True and not ended:
            result.append("")
    return "\n".join(result)
