"""Private keys: secrets of many lines, found by how they begin or end, also where the other end is cut off.

A header by itself is no key: code that reads and writes keys is full of them. What follows decides.
"""

from __future__ import annotations

import re
from bisect import bisect_left
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator

NAMES = ("private-key", "pgp-private-key", "putty-private-key")
WORDS = ("PRIVATE KEY", "PuTTY-User-Key-File-")
MAX_KEY = 64 * 1024  # characters; the longest keys in use are a tenth of it

_BOUND = r"(?:[A-Z0-9]{1,20} ){0,6}?PRIVATE KEY(?: BLOCK)? ?-{4,5}"
_BEGIN = re.compile(rf"-{{4,5}} ?BEGIN {_BOUND}")
_END = re.compile(rf"-{{4,5}} ?END {_BOUND}")
_PUTTY = re.compile(r"PuTTY-User-Key-File-[0-9]:")
_MAC = re.compile(r"Private-MAC:\s{0,4}[0-9a-f]{32,128}")
_NOISE = " \t\r\"'`+,;|>#*-\\"  # what code, quotation and diffs put around a line
_FRONT = re.compile(r"[\s\"'`+,;|>#*\\-]*(?://[ \t]|[0-9]{1,7}[ \t]*[:|]?[ \t])?")
_BREAK = re.compile(r"\\{1,4}[nr]|\n")
_BASE64 = re.compile(r"[A-Za-z0-9+/=]+")
_RUN = re.compile(r"[A-Za-z0-9+/=]{16,}")
_FIELD = re.compile(
    r"(?:Proc-Type|DEK-Info|Version|Comment|Hash|Charset|Encryption|Public-Lines|Private-Lines|Private-MAC"
    r"|Key-Derivation|Argon2-[A-Za-z]+|Subject|Content-Domain)\s?:"
)


def keys(text: str) -> Iterator[tuple[int, int, str]]:
    """Where private keys stand: first character, the one after the last, and the kind."""
    begins = list(_BEGIN.finditer(text))
    ends = [it.span() for it in _END.finditer(text)]
    starts = [it.start() for it in begins]
    ended = 0
    for number, begin in enumerate(begins):
        if begin.start() < ended or not _has_body(text, begin.end()):
            continue
        following = starts[number + 1] if number + 1 < len(starts) else len(text)
        at = bisect_left(ends, (begin.end(), 0))
        if at < len(ends) and ends[at][0] <= min(following, begin.end() + MAX_KEY):
            ended = ends[at][1]
        else:
            ended = _last_line(text, begin.end(), following)
        yield begin.start(), ended, "pgp-private-key" if " PGP " in begin[0] else "private-key"
    yield from _without_beginning(text, ends)
    for begin in _PUTTY.finditer(text):
        mac = _MAC.search(text, begin.end(), begin.end() + MAX_KEY // 4)
        end = mac.end() if mac else _last_line(text, begin.end(), len(text), putty=True)
        yield begin.start(), end, "putty-private-key"


def lines_of(secret: str) -> set[str]:
    """What a secret is made of, without what stands around its lines where it is quoted."""
    return {bare for line in _BREAK.split(secret) if (bare := _bare(line))}


def _bare(line: str) -> str:
    """A line without what code, quotation, line numbers and diffs put around it."""
    found = _FRONT.match(line)
    return line[found.end() if found else 0 :].strip(_NOISE)


def _has_body(text: str, at: int) -> bool:
    """Whether a header is followed by what a key is made of, and not by code or prose."""
    for line in _BREAK.split(text[at : at + 600])[:4]:
        bare = _bare(line)
        if not bare:
            continue
        if run := _BASE64.match(bare):
            whole = run.end() == len(bare) or bare[run.end()] in "\"'`\\"
            return (whole and len(run[0]) > 2) or len(run[0]) >= 20
        return bool(_FIELD.match(bare))
    return False


def _last_line(text: str, at: int, stop: int, *, putty: bool = False) -> int:
    """Where a key ends of which the last line is not there: with the lines that look like its own."""
    end, first = at, putty
    stop = min(stop, at + MAX_KEY)
    while end < stop:
        found = _BREAK.search(text, end, stop)
        line_end, following = (found.start(), found.end()) if found else (stop, stop)
        line = text[end:line_end]
        bare = _bare(line)
        if not (first or not bare or _BASE64.fullmatch(bare) or _FIELD.match(bare)):
            run = _RUN.match(text, end + line.index(bare), line_end)
            return run.end() if run else end
        first, end = False, following
    return end


def _without_beginning(text: str, ends: list[tuple[int, int]]) -> Iterator[tuple[int, int, str]]:
    """Keys of which only the end is there: the lines before it, as far as they look like its own."""
    least = 0
    for start, end in ends:
        first = start
        while first > max(least, start - MAX_KEY):
            before = text.rfind("\n", least, first - 1) + 1 or least
            bare = _bare(text[before:first].strip("\n"))
            if bare and not (_BASE64.fullmatch(bare) and len(bare) > 15):
                break
            first = before
        if _bare(text[first:start]):
            yield first, end, "private-key"
        least = end
