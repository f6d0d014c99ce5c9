"""How each test ended, from the JUnit XML that a check leaves behind.

The files come from code under test: hostile. Sizes are bounded, no link is followed, and a document type,
which entities need, is refused. They never stand alone: the exit code has to agree with them.

There is no standard, only what runners write: Surefire one file a class, PHPUnit and Node suites in suites,
Vitest paths for classes, Go packages, Jest what it was told to.
"""

from __future__ import annotations

import hashlib
import posixpath
import re
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING
from urllib.parse import unquote, urlsplit

# nothing external is ever loaded by it, and entities are refused with the document type
from xml.parsers import expat

from route_agent.checks import left_behind
from route_agent.checks.probe import MAX_BYTES

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

MAX_FILES = 5000
MAX_TESTS = 100_000
MAX_WORDS = 8_000  # characters of what red tests say
_MAX_DEPTH = 100
_MAX_ID = 500
_MAX_NAME = 10_000

_RANK = {"skipped": 0, "passed": 1, "failed": 2}
_RED = frozenset({"failure", "error"})
_RED_AT_FIRST = frozenset({"flakyFailure", "flakyError"})  # Surefire ran it again, and it was green
# what some write as `status` or `result` instead of an element: GoogleTest, CTest, Bazel
_NOT_RUN_WORDS = frozenset({"notrun", "skipped", "suppressed", "disabled", "ignored", "pending"})
_RED_WORDS = frozenset({"fail", "failed", "failure", "error", "errored", "broken"})
_NO_CLASS = frozenset({"", "test"})  # Node calls all of them so


@dataclass(frozen=True, slots=True)
class Report:
    """What the files of one check tell.

    Attributes:
        tests: outcome by id: `file::name` where a file of the tree is told, else `class::name`; between them
            what the test stands in, where that is told too. Of several of one id, the worst counts.
        flaky: the ids that were red and then green within the one run.
        words: what the red tests say, as far as it is told: what they print is often in the file alone.
        problem: why nothing of it counts, or empty.
    """

    tests: dict[str, str] = field(default_factory=dict)
    flaky: frozenset[str] = frozenset()
    problem: str = ""
    words: str = ""


def remove(tree: Path, pattern: str) -> bool:
    """Take away what an earlier run has left; whether nothing is left of it."""
    return all(left_behind.remove(tree, path) for path in left_behind.matching(tree, pattern))


def read(tree: Path, pattern: str, roots: Sequence[Path]) -> Report:
    """What a check told in the files that it wrote.

    Args:
        tree: where they lie.
        pattern: their path below it; `*` in the last part stands for anything.
        roots: where the tree stood for the command.
    """
    paths = left_behind.matching(tree, pattern)
    if not paths:
        return Report(problem=f"it left no {pattern}")
    if len(paths) > MAX_FILES:
        return Report(problem=f"it left more than {MAX_FILES} files {pattern}")
    contents: dict[str, bytes] = {}
    left = MAX_BYTES
    for path in paths:
        content = left_behind.read(tree, path)
        left -= len(content or b"")
        if content is None or left < 0:
            return Report(problem=f"{path} cannot be read, or all of it is above {MAX_BYTES >> 20} MiB")
        contents[path] = content
    return parse(contents, roots)


def parse(contents: Mapping[str, bytes], roots: Sequence[Path]) -> Report:
    """The outcomes in some files, by their paths; one that is not understood spoils them all."""
    reader = _Reader(roots)
    for path, content in sorted(contents.items()):
        if why := reader.take(content):
            return Report(problem=f"{path} is no JUnit XML: {why}")
    return Report(reader.tests, frozenset(reader.flaky), words=reader.words())


class _Refused(ValueError):
    """The file holds what no runner writes."""


@dataclass(slots=True)
class _Case:
    attributes: Mapping[str, str]
    depth: int
    seen: set[str] = field(default_factory=set)

    @property
    def outcome(self) -> str:
        words = {self.attributes.get(name, "").casefold() for name in ("status", "result")}
        if "skipped" in self.seen or words & _NOT_RUN_WORDS:  # Node's todo tests are red as well, and may be
            return "skipped"
        return "failed" if self.seen & _RED or words & _RED_WORDS else "passed"


class _Reader:
    """Takes one file after the other."""

    def __init__(self, roots: Sequence[Path]) -> None:
        self.tests: dict[str, str] = {}
        self.flaky: set[str] = set()
        self._cases = 0
        self._said: list[str] = []
        self._left = MAX_WORDS
        self._roots = sorted({f"{form}/" for root in roots for form in (root, root.resolve())})
        self._begin()

    def _begin(self) -> None:
        self._depth = 0
        self._suites: list[tuple[int, str, str]] = []  # depth, name, file
        self._case: _Case | None = None
        self._red_at = 0  # the depth of the element that says why a test is red

    def words(self) -> str:
        """What was said of red tests, without the empty lines."""
        lines = map(_plain, "".join(self._said).splitlines())
        return "\n".join(line for line in lines if line)

    def take(self, content: bytes) -> str:
        """Read a file; empty, or why it is none."""
        self._begin()
        parser = expat.ParserCreate()
        parser.StartDoctypeDeclHandler = _refuse
        parser.EntityDeclHandler = _refuse
        parser.StartElementHandler = self._start
        parser.EndElementHandler = self._end
        parser.CharacterDataHandler = self._text
        try:
            parser.Parse(content, True)
        except (expat.ExpatError, ValueError, LookupError) as error:
            return str(error)
        return ""

    def _start(self, tag: str, attributes: dict[str, str]) -> None:
        self._depth += 1
        if self._depth > _MAX_DEPTH:
            raise _Refused("too deep")
        if self._depth == 1 and tag not in ("testsuites", "testsuite"):
            raise _Refused(f"it begins with <{tag[:40]}>")
        if tag == "testsuite":
            name, file = _plain(attributes.get("name", "")), attributes.get("file", "")
            self._suites.append((self._depth, name, file))
        elif tag == "testcase":
            self._case = _Case(attributes, self._depth)
        elif self._case and self._depth == self._case.depth + 1:
            self._case.seen.add(tag)
            if tag in _RED:
                self._red_at = self._depth
                said = (attributes.get("type", ""), attributes.get("message", ""))
                self._say(f"\n{': '.join(filter(None, said))}\n")
        elif tag in _RED and self._suites and self._depth == self._suites[-1][0] + 1:
            self._add(_Case({"name": "(the suite itself)"}, self._depth, {tag}))

    def _say(self, text: str) -> None:
        if self._left > 0:
            self._said.append(text[: self._left])
            self._left -= len(text)

    def _text(self, text: str) -> None:
        if self._red_at:
            self._say(text)

    def _end(self, tag: str) -> None:
        if self._depth == self._red_at:
            self._red_at = 0
        if self._case and self._depth == self._case.depth:
            self._add(self._case)
            self._case = None
        elif self._suites and self._depth == self._suites[-1][0]:
            self._suites.pop()
        self._depth -= 1

    def _add(self, case: _Case) -> None:
        self._cases += 1
        if self._cases > MAX_TESTS:
            raise _Refused(f"more than {MAX_TESTS} tests")
        identity = self._identity(case.attributes)
        if case.outcome == "passed" and case.seen & _RED_AT_FIRST:
            self.flaky.add(identity)
        known = self.tests.get(identity, case.outcome)
        self.tests[identity] = max(known, case.outcome, key=_RANK.__getitem__)

    def _identity(self, case: Mapping[str, str]) -> str:
        """The test's id: where it stands, what it stands in, and its name."""
        name, within = _plain(case.get("name", "")), _plain(case.get("classname") or case.get("class", ""))
        suites = [suite for _, suite, _ in self._suites]
        told = (case.get("file", ""), *(path for _, _, path in reversed(self._suites) if path))
        file = next((path for it in told if (path := self._in_tree(it))), "")
        if not file and name.startswith("/") and (file := self._in_tree(name)):  # it could not be loaded
            name = "(the file itself)"
        if within in _NO_CLASS:
            head = file or (suites.pop(0) if suites else within or "tests")
            inner = [suite for suite in suites if suite]
        else:
            head = file or self._in_tree(within) or within
            inner = [part] if file and (part := _beyond(file, within, name)) else []
        return _bounded("::".join([head.replace("::", ":"), *inner, name]))

    def _in_tree(self, name: str) -> str:
        """A path below the tree, or nothing; runners write it absolute, relative or as an address."""
        path = unquote(urlsplit(name).path) if name.startswith("file://") else name
        if path.startswith("/"):
            path = next((path.removeprefix(it) for it in self._roots if path.startswith(it)), "")
        elif "/" not in path and "." not in path:
            return ""
        path = posixpath.normpath(path) if path else ""
        return "" if path in (".", "..") or path.startswith("../") else _plain(path)


def _refuse(*_declared: object) -> None:
    raise _Refused("it has a document type or entities")


def _beyond(file: str, within: str, name: str) -> str:
    """What a class says beyond its file: `TestX` of `tests.test_a.TestX`; nothing where it only repeats."""
    module = posixpath.splitext(file)[0].replace("/", ".")
    if within in (name, file, module):
        return ""
    return within.removeprefix(f"{module}.")


def _plain(text: str) -> str:
    """One line that can be shown; names may hold whatever a test was given."""
    shown = "".join(letter if letter.isprintable() else " " for letter in text[:_MAX_NAME])
    return re.sub(r" +", " ", shown).strip()


def _bounded(identity: str) -> str:
    if len(identity) <= _MAX_ID:
        return identity
    digest = hashlib.sha256(identity.encode(errors="surrogateescape")).hexdigest()[:12]
    return f"{identity[:_MAX_ID]}…{digest}"
