"""From a reply to edits: what does this text ask for? Pure, and total: any text gives edits or `BadPatch`.

Each format is one function that yields the edits it recognises; a reply is read by the first that finds any.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from route_agent.errors import BadPatch
from route_agent.records.change import Edit, Hunk

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

MAX_REPLY_CHARACTERS = 2_000_000

_SEARCH = re.compile(r"^<{5,9} ?SEARCH\s*$")
_DIVIDER = re.compile(r"^={5,9}\s*$")
_REPLACE = re.compile(r"^>{5,9} ?REPLACE\s*$")
_FENCE = re.compile(r"^\s*(```|~~~)")
_HUNK = re.compile(r"^@@(?: -(?P<line>\d+)(?:,\d+)? \+\d+(?:,\d+)?)? ?@?@?")
_OLD_FILE = re.compile(r"^--- (?P<path>\S.*)$")
_NEW_FILE = re.compile(r"^\+\+\+ (?P<path>\S.*)$")


def search_replace(lines: list[str]) -> Iterator[Edit]:
    """A line with the path, then SEARCH, divider and REPLACE markers; an empty search makes a new file."""
    position = 0
    path = ""
    while position < len(lines):
        if not _SEARCH.match(lines[position]):
            position += 1
            continue
        path = _path_above(lines, position) or path
        divider = _next(lines, position, _DIVIDER)
        end = _next(lines, divider, _REPLACE)
        if not path:
            raise BadPatch(f"the SEARCH block in line {position + 1} of the reply has no file path above it")
        old, new = tuple(lines[position + 1 : divider]), tuple(lines[divider + 1 : end])
        if any(line.strip() for line in old):
            yield Edit(path, hunks=(Hunk(old, new),))
        else:
            yield Edit(path, content="".join(f"{line}\n" for line in new))
        position = end + 1


def _next(lines: list[str], start: int, marker: re.Pattern[str]) -> int:
    for position in range(start + 1, len(lines)):
        if marker.match(lines[position]):
            return position
        if _SEARCH.match(lines[position]):
            break
    raise BadPatch(f"the SEARCH block in line {start + 1} of the reply has no end: was it cut off?")


def _path_above(lines: list[str], position: int) -> str:
    for line in reversed(lines[max(0, position - 3) : position]):
        name = (
            line.strip().strip("`*#").strip().removeprefix("File:").removeprefix("file:").strip().strip("`")
        )
        if not name or _FENCE.match(line):
            continue
        return name if _looks_like_path(name) else ""
    return ""


def _looks_like_path(name: str) -> bool:
    return len(name) < 300 and " " not in name and not name.endswith(":") and ("/" in name or "." in name)


def unified(lines: list[str]) -> Iterator[Edit]:
    """Unified and git diffs: `---` and `+++` lines, then hunks. Counts in hunk headers are not trusted."""
    position = 0
    while position + 1 < len(lines):
        old, new = _OLD_FILE.match(lines[position]), _NEW_FILE.match(lines[position + 1])
        if not (old and new):
            position += 1
            continue
        old_path, new_path = _clean(old["path"], "a/"), _clean(new["path"], "b/")
        hunks, position = _hunks(lines, position + 2)
        yield _edit(old_path, new_path, hunks)


def _edit(old_path: str, new_path: str, hunks: tuple[Hunk, ...]) -> Edit:
    if new_path == "/dev/null":
        return Edit(old_path, delete=True)
    if old_path == "/dev/null":
        return Edit(new_path, content="".join(f"{line}\n" for hunk in hunks for line in hunk.new))
    if not hunks:
        raise BadPatch(f"the diff of {new_path} has no hunks")
    return Edit(new_path, hunks=hunks, source=old_path if old_path != new_path else None)


def _clean(path: str, prefix: str) -> str:
    path = path.split("\t", maxsplit=1)[0].rstrip()
    if len(path) > 1 and path[0] == path[-1] == '"':
        path = path[1:-1]
    return path.removeprefix(prefix)


def _hunks(lines: list[str], position: int) -> tuple[tuple[Hunk, ...], int]:
    hunks: list[Hunk] = []
    while position < len(lines) and (header := _HUNK.match(lines[position])):
        position += 1
        body: list[str] = []
        while position < len(lines) and _in_hunk(lines, position):
            body.append(lines[position])
            position += 1
        while body and not body[-1]:  # blank lines before a fence or the next file belong to neither side
            body.pop()
        hunks.append(_hunk(body, int(header["line"] or 0)))
    return tuple(hunks), position


def _in_hunk(lines: list[str], position: int) -> bool:
    line = lines[position]
    if line.startswith("--- ") and position + 1 < len(lines) and lines[position + 1].startswith("+++ "):
        return False
    return not line or line[0] in " +-\\"


def _hunk(body: list[str], line: int) -> Hunk:
    kept = [text for text in body if not text.startswith("\\")]
    old = tuple(text[1:] for text in kept if not text.startswith("+"))
    new = tuple(text[1:] for text in kept if not text.startswith("-"))
    return Hunk(old, new, line)


FORMATS: tuple[Callable[[list[str]], Iterator[Edit]], ...] = (search_replace, unified)


def read_reply(reply: str) -> tuple[Edit, ...]:
    """The edits that a reply asks for.

    Raises:
        BadPatch: it holds none in a known form, or one that is cut off.
    """
    if len(reply) > MAX_REPLY_CHARACTERS:
        raise BadPatch(f"the reply is longer than {MAX_REPLY_CHARACTERS:,} characters")
    lines = [line.removesuffix("\r") for line in reply.split("\n")]
    for recognise in FORMATS:
        if edits := tuple(recognise(lines)):
            return edits
    raise BadPatch("the reply holds no patch: expected a unified diff or SEARCH/REPLACE blocks")
