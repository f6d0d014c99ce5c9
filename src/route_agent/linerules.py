"""Regular expressions over single lines that a stranger may have written: quick, and bounded in time.

Of each expression some words are known without which it cannot match. Only lines that hold one of them are
compared at all, so a hundred expressions over a large diff cost little more than a search for words.
"""

from __future__ import annotations

import math
import re
import time
import unicodedata
from dataclasses import dataclass
from functools import cached_property, lru_cache
from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Iterable

MAX_LINE = 400  # characters; longer lines are looked at in pieces
OVERLAP = 100
MAX_SECONDS = 10.0  # for a whole change; what is left then counts as unread
_MAX_WORDS = 128
_MOST_WIDE = 2  # of three, each place of each is tried with each of the others: seconds for one line
_LEAST_WORD = 2
_AROUND = frozenset({"AT", "ASSERT", "ASSERT_NOT"})  # they look and take nothing
_LETTERS = re.compile("[a-z]+")
_REPEATS = frozenset({"MAX_REPEAT", "MIN_REPEAT", "POSSESSIVE_REPEAT"})


class TooSlow(Exception):
    """The time is used up."""


@dataclass(frozen=True, slots=True)
class _Expression:
    """One expression: compiled, and the lower-case words of which each match holds one; none is not known."""

    written: str
    compiled: re.Pattern[str]
    words: tuple[str, ...]


def why_refused(pattern: str) -> str:
    """Why an expression cannot be used on lines; empty where it can.

    A repetition within a repetition can take longer than the world has existed.
    """
    try:
        parsed = _parser().parse(pattern)
    except re.error as error:
        return f"is no regular expression: {error}"
    except (RecursionError, OverflowError):
        return "is no regular expression that can be read: it is too deep or too large"
    if _repeats_repetitions(parsed, within=False):
        return "repeats a repetition, such as (a+)+: that can take for ever on a line made for it"
    if _wide(parsed) > _MOST_WIDE:
        return f"has more than {_MOST_WIDE} open repetitions such as .* one after the other: write .{{0,80}}"
    return ""


def _wide(parsed: Any) -> int:
    """How many repetitions without an end, of nearly any letter, follow one another."""
    found = 0
    for op, arg in parsed:
        name = str(op)
        inner = [_wide(part) for part in _parts(name, arg)]
        found += max(inner, default=0)
        if name in _REPEATS and arg[1] > OVERLAP:
            (kind, *rest), *others = [(str(it), value) for it, value in arg[2]] or [("", None)]
            found += not others and (
                kind in ("ANY", "NOT_LITERAL")
                or (kind == "IN" and any(str(it) == "NEGATE" or "NOT_" in str(of) for it, of in rest[0]))
                or (kind == "IN" and len(rest[0]) > 0 and "WORD" in str(rest[0]))
            )
    return found


def _parser() -> Any:
    return import_module("re._parser")


def _repeats_repetitions(parsed: Any, *, within: bool) -> bool:
    for op, arg in parsed:
        name = str(op)
        if name == "GROUPREF" and within:
            return True
        inner = within
        if name in _REPEATS:
            unbounded = arg[1] - arg[0] > 30
            if unbounded and within:
                return True
            inner = within or (unbounded and name != "POSSESSIVE_REPEAT")
        if any(_repeats_repetitions(part, within=inner) for part in _parts(name, arg)):
            return True
    return False


def _parts(name: str, arg: Any) -> list[Any]:
    """The expressions within one element of a parsed expression."""
    if name in _REPEATS:
        return [arg[2]]
    if name == "SUBPATTERN":
        return [arg[3]]
    if name == "BRANCH":
        return list(arg[1])
    if name == "ATOMIC_GROUP":
        return [arg]
    if name in ("ASSERT", "ASSERT_NOT"):
        return [arg[1]]
    if name == "GROUPREF_EXISTS":
        return [part for part in arg[1:] if part is not None]
    return []


# --- the words without which an expression cannot match ---


def _exact(parsed: Any) -> frozenset[str] | None:
    """Everything that it can match, in lower case; None where that is more than a few words."""
    found = frozenset({""})
    for op, arg in parsed:
        one = _exact_element(str(op), arg)
        if one is None or len(found) * len(one) > _MAX_WORDS:
            return None
        found = frozenset(a + b for a in found for b in one)
    return found


def _exact_element(name: str, arg: Any) -> frozenset[str] | None:
    if name in _AROUND:
        return frozenset({""})
    if name == "LITERAL":
        return frozenset({chr(arg).lower()}) if arg < 128 else None
    if name == "IN":
        letters = {chr(value).lower() if str(op) == "LITERAL" and value < 128 else "" for op, value in arg}
        return frozenset(letters) if "" not in letters and len(letters) <= 8 else None
    if name == "SUBPATTERN":
        return _exact(arg[3])
    if name == "ATOMIC_GROUP":
        return _exact(arg)
    if name == "BRANCH":
        return _union(_exact(part) for part in arg[1])
    if name in _REPEATS and arg[1] == 1:
        once = _exact(arg[2])
        return once if once is None or arg[0] else once | {""}
    return None


def _union(sets: Iterable[frozenset[str] | None]) -> frozenset[str] | None:
    found: frozenset[str] = frozenset()
    for one in sets:
        if one is None or len(found) + len(one) > _MAX_WORDS:
            return None
        found |= one
    return found


def _needed(parsed: Any) -> frozenset[str]:
    """Words of which each match holds at least one; empty where none are known."""
    found: list[frozenset[str]] = []
    run = frozenset({""})
    for op, arg in parsed:
        name = str(op)
        one = _exact_element(name, arg)
        if one is not None and len(run) * len(one) <= _MAX_WORDS:
            run = frozenset(a + b for a in run for b in one)
            continue
        found.append(run)
        run = one if one is not None else frozenset({""})
        found.append(_needed_element(name, arg))
    found.append(run)
    return max(found, key=lambda it: (min(map(len, it), default=0), -len(it)), default=frozenset())


def _needed_element(name: str, arg: Any) -> frozenset[str]:
    if name in _AROUND or (name in _REPEATS and not arg[0]):
        return frozenset()
    parts = [_needed(part) for part in _parts(name, arg)]
    if not all(parts) or name == "GROUPREF_EXISTS":
        return frozenset()
    return _union(parts) or frozenset()


@lru_cache(maxsize=1024)
def _expression(pattern: str) -> _Expression:
    words = _needed(_parser().parse(pattern))
    enough = words and min(map(len, words)) >= _LEAST_WORD
    return _Expression(pattern, re.compile(pattern), tuple(sorted(words)) if enough else ())


# --- looking ---


@dataclass(frozen=True, slots=True)
class Hit:
    """The first line that an expression matches: its index, the expression and the line."""

    index: int
    pattern: str
    line: str


class Lines:
    """The lines of one text, ready to be looked through by many expressions.

    Args:
        ends: when the time for it is used up, on the monotonic clock; none where it may take any.
    """

    def __init__(self, text: str, ends: float = math.inf) -> None:
        # look-alikes of letters are those letters, as they are to a compiler
        self._text = text if text.isascii() else unicodedata.normalize("NFKC", text)
        self._lowered = self._text.lower()
        self._ends = ends

    def first(self, patterns: tuple[str, ...]) -> Hit | None:
        """The first line that one of the expressions matches.

        Raises:
            TooSlow: the time is used up.
        """
        found: Hit | None = None
        for expression in expressions(patterns):
            for index in self._candidates(expression.words):
                if found and index >= found.index:
                    break
                if self._matches(expression, self._lines[index]):
                    found = Hit(index, expression.written, self._lines[index])
                    break
        return found

    @cached_property
    def _lines(self) -> list[str]:
        return self._text.split("\n")

    @cached_property
    def _odd(self) -> frozenset[int]:
        """The lines of which a letter may be another one's lower case: words tell nothing of them."""
        if self._text.isascii():
            return frozenset()
        return frozenset(index for index, line in enumerate(self._lines) if not line.isascii())

    def _candidates(self, words: tuple[str, ...]) -> Iterable[int]:
        """The lines that may match, in order; all of them where no words are known."""
        if not words:
            return range(len(self._lines))
        held = [word for word in words if word in self._lowered]
        if not held:
            return sorted(self._odd)
        return (
            index
            for index, line in enumerate(self._lines)
            if index in self._odd or any(word in line.lower() for word in held)
        )

    def _matches(self, expression: _Expression, line: str) -> bool:
        for start in range(0, max(1, len(line) - OVERLAP), MAX_LINE - OVERLAP):
            if time.monotonic() > self._ends:
                raise TooSlow
            if expression.compiled.search(line[start : start + MAX_LINE]):
                return True
        return False


def possible(patterns: tuple[str, ...], known: str) -> tuple[str, ...]:
    """The expressions that may match in a text with this vocabulary, or in any part of it."""
    return tuple(
        it.written
        for it in expressions(patterns)
        if not it.words or any(_longest(word) in known for word in it.words)
    )


def vocabulary(text: str) -> str:
    """The different runs of letters in an ASCII text, in lower case: far fewer than its words."""
    return " ".join(set(_LETTERS.findall(text.lower())))


@lru_cache(maxsize=1024)
def _longest(word: str) -> str:
    """The longest run of letters in a word; empty where it has none, and that is in every vocabulary."""
    return max(_LETTERS.findall(word), key=len, default="")


@lru_cache(maxsize=256)
def expressions(patterns: tuple[str, ...]) -> tuple[_Expression, ...]:
    """The expressions of one rule, made ready once."""
    return tuple(map(_expression, patterns))
