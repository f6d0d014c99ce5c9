"""Where code stands in a source of which only the lexical shape is known: comments, texts, brackets. Pure."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator

_TOKENS = re.compile(
    r"""
    (?P<long>\"{3}[\s\S]*?(?:\"{3}|\Z))
  | (?P<text>"(?:\\.|[^"\\\n])*"? | '(?:\\.|[^'\\\n])*'?)
  | (?P<template>`(?:\\[\s\S]|[^`\\])*`?)
  | (?P<block>/\*[\s\S]*?(?:\*/|\Z))
  | (?P<line>//[^\n]*)
  | (?P<hash>\#[^\n]*)
  | (?P<slash>/)
  | (?P<open>[(\[])
  | (?P<close>[)\]])
  | (?P<space>\s+)
  | (?P<word>[\w$]+)
  | (?P<other>[\s\S])
    """,
    re.VERBOSE,
)
_REGEX = re.compile(r"/(?![*/])(?:\\.|\[(?:\\.|[^\]\\\n])*\]|[^/\\\[\n])+/\w*")
_BEFORE_REGEX = frozenset({
    "return", "typeof", "case", "in", "of", "delete", "void", "throw", "new", "else", "do", "await", "yield",
})  # fmt: skip
_VALUE = re.compile(r"[\w$)\]}\"'`]$")


@dataclass(frozen=True, slots=True)
class Span:
    """A piece of code on one line: positions in the text, and whether a statement may begin on that line."""

    line: int
    start: int
    end: int
    continues: bool


def spans(text: str, *, hashes: bool = False) -> Iterator[Span]:
    """The parts of a source that are neither blank nor comment, in order.

    A line continues another one if it begins within parentheses, brackets or a text of several lines.

    Args:
        text: a source in a language with C's comments and quotes, or the shell's.
        hashes: whether `#` begins a comment, and a slash never does.
    """
    line, depth, at, before = 1, 0, 0, ""
    continues = False
    while at < len(text):
        kind, end = _token(text, at, before, hashes=hashes)
        for part in re.finditer(r"\n|[^\n]+", text[at:end]):
            if part[0] == "\n":
                line, continues = line + 1, depth > 0 or kind in ("template", "long")
            elif kind not in ("space", "remark"):
                yield Span(line, at + part.start(), at + part.end(), continues)
        if kind not in ("space", "remark"):
            before = text[max(at, end - 20) : end]
            depth = max(0, depth + (kind == "open") - (kind == "close"))
        at = end


def _token(text: str, at: int, before: str, *, hashes: bool) -> tuple[str, int]:
    found = _TOKENS.match(text, at)
    kind = found.lastgroup if found else None
    if found is None or kind is None:
        return "other", at + 1
    if kind in ("block", "line"):
        return ("other", at + 1) if hashes else ("remark", found.end())
    if kind == "hash":
        is_remark = hashes or (at == 0 and text.startswith("#!"))
        return ("remark", found.end()) if is_remark else ("other", at + 1)
    if kind == "slash" and not hashes and (before in _BEFORE_REGEX or not _VALUE.search(before)):
        regex = _REGEX.match(text, at)
        return ("text", regex.end()) if regex else ("other", at + 1)
    return kind, found.end()


def code_by_line(text: str, *, hashes: bool = False) -> list[tuple[int, int, str]]:
    """The lines that hold code: number, indentation in characters, and the code without comments."""
    indentation = [len(line) - len(line.lstrip()) for line in text.split("\n")]
    found: dict[int, list[Span]] = {}
    for span in spans(text, hashes=hashes):
        found.setdefault(span.line, []).append(span)
    return [
        (line, indentation[line - 1], " ".join(_joined(text, parts)).strip()) for line, parts in found.items()
    ]


def _joined(text: str, parts: list[Span]) -> Iterator[str]:
    """The words of a line, with what touches kept together."""
    start = parts[0].start
    for span, following in zip(parts, [*parts[1:], None], strict=True):
        if following is None or following.start != span.end:
            yield text[start : span.end]
            start = following.start if following else span.end


def continued_lines(text: str) -> frozenset[int]:
    """The lines with code on which no statement begins; see `spans`."""
    return frozenset(span.line for span in spans(text) if span.continues)
