"""Edits of Python, by its syntax tree; what does not compile is no mutant."""

from __future__ import annotations

import ast
import codecs
import io
import re
import tokenize
import warnings
from dataclasses import replace

from route_agent.mutants.operators import RULES
from route_agent.mutants.sites import sites
from route_agent.mutants.text import NOTHING, Edit, Text

_PARSE_FAILURES = (SyntaxError, ValueError, RecursionError, MemoryError)
# encodings in which every byte of ASCII means itself, so that an edit changes nothing else
_PLAIN_ENCODINGS = ("utf-8", "ascii", "iso8859", "cp125", "koi8", "latin")
_LONE_RETURN = re.compile(r"\r(?!\n)")  # a line's end to Python, but not to git


def edits_of(source: bytes, lines: frozenset[int]) -> tuple[Text, list[Edit]]:
    """The text and its possible edits. Offsets of syntax trees are in UTF-8, whatever the file is in."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # a project's odd escapes are no news of ours
        try:
            encoding, _ = tokenize.detect_encoding(io.BytesIO(source).readline)
            if not codecs.lookup(encoding).name.startswith(_PLAIN_ENCODINGS):
                return NOTHING
            decoded = source.decode(encoding)
            if _LONE_RETURN.search(decoded) or decoded.encode(encoding) != source:
                return NOTHING
            tree = ast.parse(decoded)
        except _PARSE_FAILURES:
            return NOTHING
    text = Text.of(decoded.encode(), encoding)
    found = [
        replace(edit, statement=text.first(site.statement))
        for site in sites(tree, lines)
        for rule in RULES
        for edit in rule(site, text)
    ]
    return text, found


def compiles(content: bytes) -> bool:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        try:
            compile(content, "mutant", "exec", dont_inherit=True)
        except _PARSE_FAILURES:
            return False
    return True
