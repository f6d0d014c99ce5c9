"""What a repository holds, on a page: its paths, and what its source files define. Pure.

It is made from the base alone and in one order, so that it is the same, byte for byte, for every task there.
"""

from __future__ import annotations

import posixpath
from collections import Counter
from typing import TYPE_CHECKING

from route_agent.context import size
from route_agent.redaction import redact
from route_agent.symbols import language_of, symbols_in

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence

    from route_agent.symbols import Symbol

RULES = ("AGENTS.md", "CLAUDE.md", "CONTRIBUTING.md")
_PLACES = ("", ".github/", "docs/")
_BATCH = 50
_MOST_READ = 400
_MOST_NAMES = 40
_NAMES_BYTES = 600
_CUT = "… the rest is left out …"


def rule_files(paths: Sequence[str]) -> tuple[str, ...]:
    """The project's own rules, of each name the one nearest to the top."""
    known = {path.casefold(): path for path in paths if path.count("/") < 2}
    found = (
        next((known[it] for place in _PLACES if (it := f"{place}{name}".casefold()) in known), "")
        for name in RULES
    )
    return tuple(path for path in found if path)


def bounded(text: str, allowed: int) -> str:
    """The beginning of a text, at most so many bytes, cut at the end of a line."""
    text = redact(text)
    if size(text) <= allowed:
        return text
    kept = text.encode("utf-8", "replace")[: max(0, allowed - size(_CUT) - 1)].decode("utf-8", "ignore")
    return f"{kept.rpartition(chr(10))[0] or kept}\n{_CUT}" if kept else ""


def write_outline(
    paths: Sequence[str], read: Callable[[Sequence[str]], Mapping[str, bytes]], allowed: int
) -> str:
    """Paths and top-level symbols within so many bytes; folders with their sizes where there are too many.

    Args:
        paths: every path that may be shown.
        read: the content of some of them.
    """
    lines = {path: path for path in sorted(paths)}
    if sum(size(path) + 1 for path in lines) > allowed * 2 // 3:
        lines = _folded(sorted(paths), allowed * 2 // 3)
    left = allowed - sum(size(line) + 1 for line in lines.values())
    for path, names in _named(ranked(set(lines) & set(paths)), read):
        told = f": {names}" if names else ""
        if size(told) > left:
            break
        left -= size(told)
        lines[path] += told
    return bounded("\n".join(lines.values()), max(0, allowed))


def ranked(paths: Iterable[str]) -> list[str]:
    """Source files in the order in which they are told: no tests first, and what lies higher."""
    return sorted((path for path in paths if language_of(path)), key=_rank)


def _rank(path: str) -> tuple[bool, int, str]:
    """Sources before tests, and what lies higher first."""
    parts = path.casefold().split("/")
    tests = any(it.startswith("test") or it in ("spec", "specs", "__tests__") for it in parts)
    return (tests or "_test." in parts[-1] or ".test." in parts[-1], len(parts), path)


def _named(
    paths: Sequence[str], read: Callable[[Sequence[str]], Mapping[str, bytes]]
) -> Iterator[tuple[str, str]]:
    sources = paths[:_MOST_READ]
    for start in range(0, len(sources), _BATCH):
        contents = read(sources[start : start + _BATCH])
        for path in sources[start : start + _BATCH]:
            data = contents.get(path, b"")
            text = "" if b"\0" in data else data.decode("utf-8", "replace")
            yield path, _names(symbols_in(path, text))


def _names(symbols: Sequence[Symbol]) -> str:
    """Top-level names, a class with its methods: `Purse(reserve, settle), now`."""
    told: list[str] = []
    inner: list[str] = []
    for it in [*reversed(symbols)]:
        if it.depth == 1 and not it.name.startswith("_"):
            inner.append(it.name)
        elif it.depth == 0:
            members = ", ".join(dict.fromkeys(reversed(inner)))
            told.append(f"{it.name}({members})" if members else it.name)
            inner = []
    names = list(dict.fromkeys(name for name in reversed(told) if not name.startswith("_")))
    line = ", ".join(names[:_MOST_NAMES])
    return line if len(line) <= _NAMES_BYTES else f"{line[:_NAMES_BYTES].rpartition(',')[0]}, …"


def _folded(paths: Sequence[str], allowed: int) -> dict[str, str]:
    """As many levels as fit: what lies deeper is a folder with the number of its files."""
    lines: dict[str, str] = {}
    for depth in range(12):
        folders = Counter("/".join(path.split("/")[:depth]) for path in paths if path.count("/") >= depth)
        shallow = {path: path for path in paths if path.count("/") < depth}
        deeper = {f"{it}/": f"{it or '.'}/ ({count} files)" for it, count in folders.items()}
        candidate = dict(sorted((shallow | deeper).items()))
        if lines and sum(size(line) + 1 for line in candidate.values()) > allowed:
            break
        lines = candidate
    return lines


def new_and_gone(base: Sequence[str], start: Sequence[str]) -> str:
    """What the start tree holds beyond the outline, and what it has no more; folders where that is much."""
    added, gone = sorted(set(start) - set(base)), sorted(set(base) - set(start))
    told = [f"new: {path}" for path in _few(added)] + [f"gone: {path}" for path in _few(gone)]
    return "\n".join(told)


def _few(paths: Sequence[str], most: int = 60) -> list[str]:
    if len(paths) <= most:
        return list(paths)
    folders = Counter(posixpath.dirname(path) for path in paths)
    return [f"{folder or '.'}/ ({count} files)" for folder, count in folders.most_common(most)]
