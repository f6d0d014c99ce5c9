"""Path patterns, as policies write them.

Paths are relative to the repository's root and use forward slashes. Case does not matter, since a file
system may not care either. The grammar is that of `.gitignore`, as far as files go:

- `*` and `?` stay within one path segment; `[a-z]` and `[!a-z]` are classes of one character.
- `**` as a whole segment stands for any number of folders, none included.
- A pattern without a slash is about names at any depth: `*.sql`, `Makefile`, `migrations`. Reading it as
  "only at the top" would leave out checks and risks in silence; a leading slash says so: `/Makefile`.
- A pattern with a slash elsewhere is anchored at the root: `src/*.py`, `.github/**`.
- A pattern whose last segment has no wildcard also means everything beneath it: `docs`, `docs/`, `src/app`.

There is no negation.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from functools import lru_cache

_WILD = re.compile(r"[*?\[]")
_ANY_FOLDERS = "(?:[^/]+/)*?"


def matches(path: str, pattern: str) -> bool:
    """Whether a path matches one pattern."""
    if _is_plain_name(pattern) and path.isascii():  # most patterns of a policy are: no expression to compile
        return pattern.lower() in _segments(path)
    return _compiled(pattern).match(path) is not None


def first_match(path: str, patterns: Iterable[str]) -> str | None:
    """The first of the patterns that matches, for a report to name."""
    return next((pattern for pattern in patterns if matches(path, pattern)), None)


def any_match(path: str, patterns: Iterable[str]) -> bool:
    """Whether a path matches at least one pattern."""
    return first_match(path, patterns) is not None


class Globs:
    """The patterns of one rule, for many paths: most paths match none, and that is seen at once.

    What decides is `matches`; the sets and expressions here only say where it need not be asked.
    """

    def __init__(self, patterns: tuple[str, ...]) -> None:
        self.patterns = patterns
        names, wild, others = set[str](), list[str](), list[str]()
        for pattern in patterns:
            parts = [part for part in pattern.split("/") if part not in ("", ".")]
            rest = [part for part in parts if part != "**"]
            floating = not pattern.startswith("/") and (len(parts) == 1 or parts[:1] == ["**"])
            if not pattern.isascii() or not floating or len(rest) != 1:
                others.append(_expression(pattern))
            elif not _WILD.search(rest[0]):
                names.add(rest[0].lower())
            elif parts[-1] == "**":
                others.append(_expression(pattern))
            else:
                wild.append(_segment(rest[0]))
        self._names = frozenset(names)
        self._wild = _any_of(wild)
        self._others = _any_of(others)
        self._folders: dict[str, bool] = {}

    def first(self, path: str) -> str | None:
        """The first of the patterns that matches a path, for a report to name."""
        return first_match(path, self.patterns) if not path.isascii() or self._may(path) else None

    def _may(self, path: str) -> bool:
        folder, _, name = path.lower().rpartition("/")
        if (known := self._folders.get(folder)) is None:
            known = self._folders[folder] = not self._names.isdisjoint(folder.split("/"))
        if known or name in self._names or (self._wild and self._wild.fullmatch(name)):
            return True
        return self._others is not None and self._others.fullmatch(path) is not None


def _any_of(expressions: list[str]) -> re.Pattern[str] | None:
    joined = "|".join(f"(?:{it})" for it in expressions)
    return re.compile(joined, re.IGNORECASE | re.DOTALL) if expressions else None


@lru_cache(maxsize=256)
def globs(patterns: tuple[str, ...]) -> Globs:
    """The patterns of one rule, made ready once."""
    return Globs(patterns)


@lru_cache(maxsize=4096)
def _is_plain_name(pattern: str) -> bool:
    return pattern.isascii() and pattern not in ("", ".") and not _WILD.search(pattern) and "/" not in pattern


@lru_cache(maxsize=4096)
def _segments(path: str) -> tuple[str, ...]:
    return tuple(path.lower().split("/"))


@lru_cache(maxsize=4096)
def _compiled(pattern: str) -> re.Pattern[str]:
    return re.compile(rf"(?:{_expression(pattern)})\Z", re.IGNORECASE | re.DOTALL)


def _expression(pattern: str) -> str:
    segments = [segment for segment in pattern.split("/") if segment not in ("", ".")]
    if not segments:
        return r"(?!)"
    if "/" not in pattern.rstrip("/"):
        segments.insert(0, "**")
    beneath = "(?:/.+)?" if not _WILD.search(segments[-1]) else ""
    return _join(segments) + beneath


def _join(segments: list[str]) -> str:
    """The segments as one expression.

    What stands between two `**` is matched atomically at its first place, as is what stands between two
    stars of one segment: trying later places cannot help, and without this the time would be exponential.
    """
    chunks: list[list[str]] = [[]]
    for segment in segments:
        if segment != "**":
            chunks[-1].append(segment)
        elif chunks[-1] or len(chunks) == 1:
            chunks.append([])
    first, *rest = ("/".join(map(_segment, chunk)) for chunk in chunks)
    if not rest:
        return first
    *middle, last = rest
    start = f"{first}/" if first else ""
    folders = "".join(f"(?>{_ANY_FOLDERS}{chunk}/)" for chunk in middle)
    return start + folders + (_ANY_FOLDERS + last if last else ".+")


def _segment(text: str) -> str:
    fixed, *starred = _split_at_stars(text)
    if not starred:
        return fixed
    *middle, last = starred
    return fixed + "".join(f"(?>[^/]*?{piece})" for piece in middle) + "[^/]*" + last


def _split_at_stars(text: str) -> list[str]:
    """The pieces between runs of stars, each as an expression for exactly what it says."""
    pieces = [""]
    at = 0
    while at < len(text):
        letter = text[at]
        at += 1
        if letter == "*":
            if at == 1 or text[at - 2] != "*":
                pieces.append("")
        elif letter == "?":
            pieces[-1] += "[^/]"
        elif letter == "[" and (end := text.find("]", at + (2 if text[at : at + 1] == "!" else 1))) > 0:
            pieces[-1] += _character_class(text[at:end])
            at = end + 1
        else:
            pieces[-1] += re.escape(letter)
    return pieces


def _character_class(inside: str) -> str:
    negated = inside.startswith("!")
    letters = inside[1:] if negated else inside
    kept: list[str] = []
    while letters:
        first = letters[0]
        if len(letters) >= 3 and letters[1] == "-":
            last = letters[2]
            letters = letters[3:]
            if first <= last:
                kept.append(f"{re.escape(first)}-{re.escape(last)}")
        else:
            letters = letters[1:]
            kept.append(re.escape(first))
    if not kept:  # a range that runs backwards holds nothing
        return "[^/]" if negated else "(?!)"
    return f"(?!/)[{'^' if negated else ''}{''.join(kept)}]"
