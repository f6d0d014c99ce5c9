"""What can be told of a change from paths and names alone: kinds of files, modules, likeness, tests."""

from __future__ import annotations

import re
from functools import lru_cache
from typing import TYPE_CHECKING

from route_agent.classes import is_test_path
from route_agent.covering import language

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

# folders that hold modules and are none
_HOLDERS = frozenset({
    "src", "lib", "libs", "packages", "apps", "services", "internal", "pkg", "cmd", "crates", "modules",
    "app", "main", "java", "kotlin", "python", "source", "sources",
})  # fmt: skip
_DOCS = frozenset({".md", ".rst", ".adoc", ".txt"})
_LEAST_WORD = 4
CACHED = 16_384  # paths: the same ones are asked for again with every cut of a change
_WORD = re.compile(r"[A-Z]+(?![a-z])|[A-Z]?[a-z]+|[0-9]+")
_OF_TESTS = frozenset({"test", "tests", "spec", "specs"})


def suffix(path: str) -> str:
    """`.py` of `a/b.py`; empty where there is none, as in `.gitignore` and `Makefile`."""
    name = path.rpartition("/")[2]
    stem, dot, last = name.rpartition(".")
    return f".{last.lower()}" if dot and stem else ""


@lru_cache(maxsize=CACHED)
def kind_of(path: str) -> str:
    """How a report calls a file's kind: its suffix, or its name where it has none."""
    return suffix(path) or path.rpartition("/")[2]


def module_of(path: str) -> str:
    """The module of a file: the first two folders that are more than holders of others; `.` at the top."""
    folders = path.split("/")[:-1]
    modules = [part for part in folders if part.lower() not in _HOLDERS]
    return "/".join(modules[:2] or folders[-1:]) or "."


def modules_of(paths: Iterable[str]) -> tuple[str, ...]:
    """The modules that a change spreads over; tests and pages go along with code and count for none."""
    return tuple(dict.fromkeys(module for path in paths if (module := _counted(path))))


@lru_cache(maxsize=CACHED)
def _counted(path: str) -> str:
    return "" if suffix(path) in _DOCS or is_test_path(path) else module_of(path)


def words_of(name: str) -> frozenset[str]:
    """The words that a file's or a symbol's name is made of, in lower case, without the shortest."""
    return frozenset(word.lower() for word in _WORD.findall(name) if len(word) >= _LEAST_WORD)


def unlike_any(
    new: Sequence[str], symbols: Sequence[str], tree: Iterable[str]
) -> tuple[tuple[str, ...], ...]:
    """The new files and the new names that nothing in a tree resembles, each with the reason.

    A file resembles one of its kind in its own folder, or one of its kind anywhere with a word of its name. A
    name resembles a file with one of its words.

    Args:
        new: files that the change adds.
        symbols: names that the brief asks for and that are not there.
        tree: every path before the change.
    """
    if not new and not symbols:
        return (), ()
    kinds = {suffix(path) for path in new}
    wanted = {path: words_of(_stem(path)) for path in new}
    asked = frozenset[str]().union(*wanted.values(), *map(words_of, symbols))
    beside, seen = set[tuple[str, str]](), set[tuple[str, str]]()
    said = set[str]()
    for path in tree:
        kind = suffix(path)
        if kind in kinds:
            beside.add((path.rpartition("/")[0], kind))
        for word in words_of(_stem(path)) & asked:
            seen.add((kind, word))
            said.add(word)
    files = tuple(
        f"{path}: no {kind_of(path)} file beside it, and none with a word of its name"
        for path, words in wanted.items()
        if language(path)
        and (path.rpartition("/")[0], suffix(path)) not in beside
        and not any((suffix(path), word) in seen for word in words)
    )
    names = tuple(
        f"{symbol}: no file has a word of its name" for symbol in symbols if not words_of(symbol) & said
    )
    return files, names


def _stem(path: str) -> str:
    return path.rpartition("/")[2].partition(".")[0]


def stems_of_tests(tree: Iterable[str]) -> frozenset[str]:
    """What the tree's tests are named after: `worker` of `test_worker.py`, of `worker_test.go`."""
    return frozenset(
        "".join(word for word in _plain(_stem(path)) if word not in _OF_TESTS)
        for path in tree
        if ("est" in path or "spec" in path.lower()) and is_test_path(path)
    )


def names_its_test(path: str, stems: frozenset[str]) -> bool:
    """Whether some test is named after a file."""
    return "".join(_plain(_stem(path))) in stems


def _plain(name: str) -> list[str]:
    return [word.lower() for word in _WORD.findall(name)]


def is_tested_code(path: str) -> bool:
    """Whether a file is code that tests could execute, and none of them."""
    return bool(language(path)) and not is_test_path(path)
