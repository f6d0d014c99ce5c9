"""What tests are about: functions of the project that they name, where a change adds nothing but tests."""

from __future__ import annotations

import ast
import posixpath
import re
import warnings
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Collection, Iterable, Mapping

_LEAST = 3  # letters of a name that means something
MAX_FILES = 20


def likely(tests: Iterable[str], paths: Collection[str]) -> tuple[str, ...]:
    """The source files whose name, without its ending, stands in one of the tests.

    Args:
        tests: their texts.
        paths: source files, no tests.
    """
    words = {word for text in tests for word in re.findall(r"[\w-]+", text)}
    found = [path for path in sorted(paths) if _stem(path) in words]
    return tuple(found[:MAX_FILES])


def _stem(path: str) -> str:
    return posixpath.basename(path).partition(".")[0]


def named_lines(tests: Iterable[str], sources: Mapping[str, bytes]) -> dict[str, frozenset[int]]:
    """The lines (1-based) of the functions that the tests name; of languages other than Python all lines."""
    words = {word for text in tests for word in re.findall(r"\w+", text) if len(word) >= _LEAST}
    found: dict[str, frozenset[int]] = {}
    for path, data in sources.items():
        lines = _of_python(data, words) if path.endswith(".py") else range(1, data.count(b"\n") + 2)
        if lines:
            found[path] = frozenset(lines)
    return found


def _of_python(data: bytes, words: set[str]) -> set[int]:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        try:
            tree = ast.parse(data)
        except (SyntaxError, ValueError, RecursionError, MemoryError):
            return set()
    return {
        line
        for node in ast.walk(tree)
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef) and node.name in words
        for line in range(node.lineno, (node.end_lineno or node.lineno) + 1)
    }
