"""How to read the tokens of languages other than Python, and what an edit may write in them."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Mapping


@dataclass(frozen=True, slots=True)
class Language:
    """How to read a language's tokens, and what an edit may write in it.

    Attributes:
        opaque: comments, and what holds text or code that is better left alone.
        text: strings that may be changed.
        slashes: whether a slash may begin a regular expression.
        truths: what `if (…)` can be fixed to; empty where conditions have no brackets.
        nothing: what a `return` can return instead; empty where types would forbid it.
        blank: what a statement can be replaced by; None where it had better stay.
    """

    opaque: bytes
    text: bytes = rb'"(?:\\.|[^"\\\n])*+"'
    slashes: bool = False
    truths: tuple[bytes, ...] = ()
    nothing: bytes = b""
    blank: bytes | None = b";"


_C_COMMENTS = rb"//[^\n]*+|/\*(?:(?!\*/|/\*).)*+\*/"
_CHARACTER = rb"|'(?:\\.|[^'\\\n])++'"
_SCRIPT = Language(
    opaque=_C_COMMENTS + rb"|`(?:\\.|\$\{(?:[^`{}]|\{[^`{}]*+\})*+\}|(?!\$\{)[^`\\])*+`|@\w++",
    text=rb"""'(?:\\.|[^'\\\n])*+'|"(?:\\.|[^"\\\n])*+\"""",
    slashes=True,
    truths=(b"true", b"false"),
    nothing=b"undefined",
)
_C = Language(opaque=_C_COMMENTS + _CHARACTER + rb"|#(?:\\\r?\n|[^\n])*+", truths=(b"1", b"0"))
LANGUAGES: Mapping[str, Language] = {
    **dict.fromkeys((".js", ".mjs", ".cjs", ".ts", ".mts", ".cts"), _SCRIPT),
    **dict.fromkeys((".c", ".h"), _C),
    ".go": Language(opaque=_C_COMMENTS + _CHARACTER + rb"|`[^`]*+`", blank=None),
    ".java": Language(
        opaque=_C_COMMENTS + _CHARACTER + rb'|"""(?:\\.|(?!""").)*+(?:"""|\Z)|@\w++',
        truths=(b"true", b"false"),
    ),
    ".rs": Language(
        opaque=_C_COMMENTS
        + rb"|b?'(?:\\(?:u\{\w*+\}|x\w\w|.)|[^\\'\n\x80-\xff]|[\x80-\xff]{2,4})'|'[A-Za-z_]\w*+"
        + rb'|b?r(?P<fence>\#*+)"(?:.*?"(?P=fence)|.*+)|\#!?\[(?:"(?:\\.|[^"\\])*+"|[^]"\n])*+\]',
        text=rb'"(?:\\.|[^"\\])*+"',
    ),
    ".rb": Language(
        opaque=rb"\#[^\n]*+|(?m:^=begin\b.*?(?:^=end\b|\Z))|`(?:\\.|[^`\\])*+`",
        text=rb"""'(?:\\.|[^'\\])*+'|"(?:\\.|\#\{[^{}"]*+\}|(?!\#\{)[^"\\])*+\"""",
        slashes=True,
        blank=None,
    ),
}
