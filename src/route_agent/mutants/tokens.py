"""Edits of languages other than Python, by their tokens and their usual spacing."""

from __future__ import annotations

import bisect
import re
from dataclasses import dataclass, replace
from functools import lru_cache
from itertools import accumulate, pairwise
from typing import TYPE_CHECKING

from route_agent.mutants.languages import LANGUAGES, Language
from route_agent.mutants.text import CONSTANT, NOTHING, Edit, Text

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

_MARKS = (
    rb">>>=|===|!==|<<=|>>=|>>>|\*\*=|&&=|\|\|=|\?\?=|\.\.\.|\.\.=|<=>|=>|->|<-|::|:=|=~|!~|&&|\|\||==|!=|<=|>="
    rb"|\+\+|--|\+=|-=|\*=|/=|%=|&=|\|=|\^=|<<|>>|\?\.|\?\?|\*\*|\.\."
)
_REGEX = re.compile(rb"/(?![*/])(?:\\.|\[(?:\\.|[^\]\\\n])*+\]|[^/\\\n\[])++/[a-z]*+", re.DOTALL)
_NO_OPERAND = frozenset(
    b"return case typeof in of else do throw new delete void instanceof await yield if elsif unless while"
    b" until when move and or not mut let const match then raise puts".split()
)
_TOKEN_SWAPS: Mapping[bytes, tuple[tuple[str, bytes], ...]] = {
    **{name: (("boundary", one), ("comparison negated", other)) for name, one, other in (
        (b"<", b"<=", b">="), (b"<=", b"<", b">"), (b">", b">=", b"<="), (b">=", b">", b"<"),
    )},
    **{name: (("comparison negated", other),) for name, other in (
        (b"==", b"!="), (b"!=", b"=="), (b"===", b"!=="), (b"!==", b"==="),
    )},
    **{name: (("arithmetic", other),) for name, other in (
        (b"+", b"-"), (b"-", b"+"), (b"*", b"/"), (b"/", b"*"), (b"%", b"*"), (b"+=", b"-="), (b"-=", b"+="),
    )},
    b"&&": (("and/or", b"||"),),
    b"||": (("and/or", b"&&"),),
}  # fmt: skip
_LEFT_ALONE = re.compile(
    rb"\s*(?:import|from|use|package|export\s*[{*]|include|require|mod|extern|class|module"
    rb"|(?:export\s+|pub\s+)?(?:type|interface|struct|enum|trait)\b|assert)"
    rb"|.*(?:\brequire\s*\(|\bconsole\.|\blog(?:ger)?\.|\be?println!?\s*\(|\bprintf\s*\(|\bfmt\.Print"
    rb"|\bSystem\.(?:out|err)\.|\"use strict\"|'use strict'|\bassert)"
)
_SPEAKS = re.compile(rb".*(?:\bthrow\b|\braise\b|Error|Exception|\bpanic!?\s*\(|\.expect\()")
_REMOVABLE = re.compile(
    rb"[ \t]*(?P<body>(?P<throw>throw\b.*;)|(?!super\b|this\(|return\b|if\b|for\b|while\b|switch\b|catch\b)"
    rb"(?:(?:await )?[\w$.#]+\([^\n]*\);|[\w$]+(?:\.#?[\w$]+|\[[^\]\n]*\])+ = [^\n]*;))[ \t\r]*$"
)


_OPENING, _CLOSING = (b"(", b"[", b"{"), (b")", b"]", b"}")


@dataclass(frozen=True, slots=True)
class _Token:
    kind: str
    start: int
    end: int
    text: bytes

    @property
    def is_operand(self) -> bool:
        """Whether an operator after it has a left side."""
        if self.kind == "word":
            return self.text not in _NO_OPERAND
        return self.kind in ("number", "text") or self.text in (b")", b"]")


def edits_of(suffix: str, source: bytes, lines: frozenset[int]) -> tuple[Text, list[Edit]]:
    language = LANGUAGES.get(suffix)
    tokens = _scan(source, language) if language else []
    if language is None or not tokens:
        return NOTHING
    text = Text.of(source)
    found: list[Edit] = []
    for number, (start, end) in enumerate(pairwise((*text.starts, len(source) + 1)), start=1):
        line = source[start : end - 1]
        if number not in lines or _LEFT_ALONE.match(line):
            continue
        first, last = (bisect.bisect_left(tokens, edge, key=lambda it: it.start) for edge in (start, end))
        edits = list(_line_removed(line, start, tokens[max(first - 1, 0) : last], language))
        speaks = _SPEAKS.match(line) is not None
        for at in range(first, last):
            edits += _token_edits(tokens, at, source, language, speaks)
        found += [replace(edit, statement=start) for edit in edits]
    return text, found


@lru_cache(maxsize=16)
def _pattern(language: Language) -> re.Pattern[bytes]:
    return re.compile(
        rb"(?P<space>\s++)|(?P<opaque>" + language.opaque + rb")|(?P<text>" + language.text + rb")"
        rb"|(?P<word>[A-Za-z_$\x80-\xff][\w$\x80-\xff]*+)|(?P<number>\d\w*+(?:\.\d\w*+)?)"
        rb"|(?P<mark>" + _MARKS + rb"|.)",
        re.DOTALL,
    )


def _scan(source: bytes, language: Language) -> list[_Token]:
    """The tokens without blanks and comments; none where the scanner loses its way."""
    found: list[_Token] = []
    pattern, at = _pattern(language), 0
    while at < len(source) and (match := pattern.match(source, at)):
        kind, written = match.lastgroup or "", match[0]
        if kind == "mark":
            led = bool(found) and found[-1].is_operand
            if language.slashes and not led and written in (b"/", b"/="):
                match, kind = _REGEX.match(source, at), "opaque"
            if match is None or _is_lost(written, source[at : at + 4], led, language):
                return []
        at = match.end()
        if kind != "space" and not written.startswith((b"//", b"/*", b"#", b"=begin")):
            found.append(_Token(kind, match.start(), at, match[0]))
    return found


def _is_lost(written: bytes, ahead: bytes, led: bool, language: Language) -> bool:
    """At an open quote or comment, or where Ruby begins a text in one of its many other ways."""
    if written in (b'"', b"'", b"`") or ahead.startswith(b"/*"):
        return True
    if language is not LANGUAGES[".rb"]:
        return False
    return (written == b"%" and not led) or re.match(rb"<<[~-]?[\"'`A-Z]", ahead) is not None


def _token_edits(
    tokens: Sequence[_Token], at: int, source: bytes, language: Language, speaks: bool
) -> Iterator[Edit]:
    token = tokens[at]
    before = tokens[at - 1] if at else _Token("mark", 0, 0, b"")
    match token.kind:
        case "mark":
            yield from _mark_edits(token, before, source)
        case "word" if before.text != b"." and source[token.end : token.end + 1] != b":":
            if token.text in (b"true", b"false"):
                yield Edit("constant", token.start, token.end, b"false" if token.text == b"true" else b"true")
            elif token.text == b"if" and language.truths:
                yield from _fixed_conditions(tokens[at + 1 : at + 200], language.truths)
            elif token.text == b"return" and language.nothing:
                yield from _nothing_returned(token, source, language.nothing)
        case "number" if before.text != b"." and re.fullmatch(rb"0|[1-9]\d{0,14}", token.text):
            yield Edit(CONSTANT, token.start, token.end, b"%d" % (int(token.text) + 1))
        case "text" if len(token.text) > 2 and not speaks:
            quote = token.text[:1]
            new = b"YY" if token.text[1:-1] == b"XX" else b"XX"
            yield Edit(CONSTANT, token.start, token.end, quote + new + quote)


def _mark_edits(token: _Token, before: _Token, source: bytes) -> Iterator[Edit]:
    """A binary operator has blanks around it in any tidy source; what has none may be a type or a pointer."""
    left, right = source[token.start - 1 : token.start], source[token.end : token.end + 1]
    if token.text == b"!" and not before.is_operand and re.match(rb"[\w$(!]", right):
        yield Edit("not removed", token.start, token.end, b"")
    elif before.is_operand and left.isspace() and right.isspace():
        for operator, new in _TOKEN_SWAPS.get(token.text, ()):
            joins = before.kind == "text" or source[token.end : token.end + 80].lstrip()[:1] in (
                b'"',
                b"'",
                b"`",
            )
            if not (operator == "arithmetic" and joins):
                yield Edit(operator, token.start, token.end, new)


def _fixed_conditions(tokens: Sequence[_Token], truths: Sequence[bytes]) -> Iterator[Edit]:
    """For the condition in brackets that the tokens begin with, unless it assigns."""
    depth = 0
    for token in tokens:
        depth += (token.text == b"(") - (token.text == b")")
        if token.text == b"=" or tokens[0].text != b"(":
            return
        if depth == 0:
            for operator, new in zip(("condition true", "condition false"), truths, strict=True):
                yield Edit(operator, tokens[0].end, token.start, new)
            return


def _nothing_returned(token: _Token, source: bytes, nothing: bytes) -> Iterator[Edit]:
    line = re.compile(rb"[ \t]+([^;\n{]{1,400}+);[ \t\r]*(?:\n|\Z)").match(source, token.end)
    if line and line[1] not in (b"undefined", b"null", b"false", b"0", b"''", b'""'):
        yield Edit("return value", line.start(1), line.end(1), nothing)


def _line_removed(line: bytes, start: int, tokens: Sequence[_Token], language: Language) -> Iterator[Edit]:
    """For a line that is one whole statement; the first of the tokens is the one before the line."""
    match = _REMOVABLE.match(line)
    if language.blank is None or match is None or tokens[0].text not in (b";", b"{", b"}"):
        return
    depths = list(accumulate((it.text in _OPENING) - (it.text in _CLOSING) for it in tokens[1:]))
    ends = [it.text == b";" for it in tokens[1:]]
    if depths and depths[-1] == 0 and min(depths) == 0 and sum(ends) == 1:
        operator = "raise removed" if match["throw"] else "statement removed"
        yield Edit(operator, start + match.start("body"), start + match.end("body"), language.blank)
