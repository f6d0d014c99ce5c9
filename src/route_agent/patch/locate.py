"""From an edit to its one place in a file. A place that is not unique is no place.

Line numbers of a diff are hints: they break a tie only where they fit exactly. Bytes outside the edit stay
as they are; line endings of the lines around it are kept.
"""

from __future__ import annotations

import difflib
from typing import TYPE_CHECKING

from route_agent.errors import BadPatch

if TYPE_CHECKING:
    from collections.abc import Callable

    from route_agent.records.change import Edit, Hunk


def _exact(line: str) -> str:
    return line


def _without_trailing_space(line: str) -> str:
    return line.rstrip()


# each looser than the one before; every one must still find exactly one home
STAGES: tuple[Callable[[str], str], ...] = (_exact, _without_trailing_space)


def apply_edit(edit: Edit, original: bytes | None) -> bytes:
    """The file's new bytes.

    Args:
        edit: what is asked for; not a deletion.
        original: the file's bytes at start, None where it does not exist.

    Raises:
        BadPatch: a hunk has no home or more than one, or the file is there although it should be new.
    """
    if edit.content is not None:
        if original is not None:
            raise BadPatch(f"{edit.path} exists already, and the reply gives it as a new file")
        return edit.content.encode("utf-8", "surrogateescape")
    if original is None:
        raise BadPatch(f"{edit.path} does not exist at start")
    if b"\0" in original:
        raise BadPatch(f"{edit.path} is a binary file")
    # surrogates carry bytes that are not UTF-8 through unchanged
    lines = original.decode("utf-8", "surrogateescape").split("\n")
    drift = 0
    for number, hunk in enumerate(edit.hunks, 1):
        where = _place(edit.path, number, hunk, lines, drift)
        replaced = lines[where : where + len(hunk.old)]
        lines[where : where + len(hunk.old)] = _replacement(hunk, replaced)
        drift += len(hunk.new) - len(hunk.old)
    return "\n".join(lines).encode("utf-8", "surrogateescape")


def _place(path: str, number: int, hunk: Hunk, lines: list[str], drift: int) -> int:
    if not hunk.old:
        if [line for line in lines if line]:
            raise BadPatch(f"{path}, hunk {number}: it names no line of the file, so it has no place")
        return 0
    if hunk.old == hunk.new:
        raise BadPatch(f"{path}, hunk {number}: it changes nothing")
    for stage in STAGES:
        homes = _homes([stage(line) for line in hunk.old], [stage(line.removesuffix("\r")) for line in lines])
        if len(homes) > 1 and hunk.line and (exact := hunk.line - 1 + drift) in homes:
            return exact
        if len(homes) > 1:
            found = ", ".join(str(home + 1) for home in homes[:4])
            raise BadPatch(
                f"{path}, hunk {number}: {len(homes)} places fit (lines {found}); give more context"
            )
        if homes:
            return homes[0]
    raise BadPatch(_nowhere(path, number, hunk, lines))


def _homes(wanted: list[str], lines: list[str]) -> list[int]:
    first, size = wanted[0], len(wanted)
    return [
        start
        for start, line in enumerate(lines[: len(lines) - size + 1])
        if line == first and lines[start : start + size] == wanted
    ]


def _replacement(hunk: Hunk, replaced: list[str]) -> list[str]:
    """The new lines; where a context line is kept, the file's own line is kept, byte for byte."""
    ending = "\r" if replaced and all(line.endswith("\r") for line in replaced) else ""
    result: list[str] = []
    for tag, old_from, old_to, new_from, new_to in difflib.SequenceMatcher(
        None, hunk.old, hunk.new, autojunk=False
    ).get_opcodes():
        if tag == "equal":
            result += replaced[old_from:old_to]
        else:
            result += [line + ending for line in hunk.new[new_from:new_to]]
    return result


def _nowhere(path: str, number: int, hunk: Hunk, lines: list[str]) -> str:
    wanted = max(hunk.old, key=lambda line: len(line.strip()))
    near = difflib.get_close_matches(wanted.strip(), [line.strip() for line in lines], n=1, cutoff=0.6)
    message = f"{path}, hunk {number}: its lines are nowhere in the file; looked for {wanted.strip()!r:.100}"
    if near:
        line = next(index for index, text in enumerate(lines, 1) if text.strip() == near[0])
        message += f"; line {line} reads {near[0]!r:.100}"
    return message
