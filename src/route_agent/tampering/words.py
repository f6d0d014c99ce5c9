"""What the rules share: one file's edit, what the task asks for, and where tests stand."""

from __future__ import annotations

import posixpath
import re
from collections import Counter
from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

from route_agent.brief import words_found
from route_agent.globs import any_match
from route_agent.records.findings import Finding, Weight
from route_agent.routing import is_test_path

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from route_agent.records.grades import TaskClass

Topic = Literal["test", "removal", "named", "relaxed", "code"]

# folders that hold checks by convention only; as a part of a package such a name means nothing
_MORE_TESTS = (
    "**/conftest.py", "/checks/**", "/check/**", "/spec/**", "/specs/**", "**/e2e/**", "/testing/**",
    "**/*_spec.*",
)  # fmt: skip
_DATA_FOLDERS = (
    "**/fixtures/**", "**/__fixtures__/**", "**/testdata/**", "**/golden/**", "**/snapshots/**",
    "**/__snapshots__/**", "**/cases/**", "**/*.snap", "**/*.golden", "**/*.approved.*", "**/*.ambr",
)  # fmt: skip
DATA_SUFFIXES = (
    ".json",
    ".yaml",
    ".yml",
    ".txt",
    ".csv",
    ".snap",
    ".golden",
    ".xml",
    ".html",
    ".log",
    ".ambr",
)
_PROSE = (".md", ".rst", ".adoc", ".txt")
_CODE = (
    ".py", ".pyi", ".js", ".jsx", ".mjs", ".cjs", ".ts", ".tsx", ".mts", ".cts", ".sh", ".go", ".rs", ".c",
    ".h", ".cc", ".cpp", ".hpp", ".cs", ".java", ".kt", ".swift", ".rb", ".php",
)  # fmt: skip

_CHANGE = (
    r"(?:remov|drop|delet|adjust|adapt|updat|chang|renam|replac|rewrit|rework|retir|mov|correct|convert|split"
    r"|merg|clean|tid|disabl|skip)(?:e|es|ed|ing|y|s)?"
)
_GONE = r"(?:obsolete|outdated|stale|no longer)"
_TESTS = r"tests?\b(?!\s+(?:pass|fail|are|is|turn|show|say|run|cover))"
_TEST_WISHES = (
    re.compile(rf"\b(?:{_CHANGE}|{_GONE})\b.{{0,100}}?\b{_TESTS}"),
    re.compile(rf"\btests?\b.{{0,60}}?\b(?:{_CHANGE}|{_GONE})\b"),
)
_VERB = re.compile(rf"\b(?:{_CHANGE}|{_GONE})\b")
_NEGATION = re.compile(r"\b(?:not|never|without|no|dont|cannot|leave|keep)\b|n't\b")
_FILE = re.compile(r"[\w.@+-]*/[\w./@+-]+|[\w@+-]+\.[a-z]\w{0,5}\b")
_DEFINED = re.compile(
    r"^[ \t]*(?:export\s+)?(?:default\s+)?(?:(?:async|static)\s+)*(?:def|class|function\*?)\s+(\w+)"
    r"|^[ \t]+(?:(?:async|static|get|set)\s+)*#?(\w+)\([^()\n]*\)[ \t]*\{[ \t]*$",
    re.MULTILINE,
)
_EMPTY_WORDS = frozenset(
    {"test", "tests", "that", "with", "from", "into", "when", "this", "have", "they", "them"}
)
_KEYWORDS = frozenset({"if", "for", "while", "switch", "catch", "with", "function", "return"})


@dataclass(frozen=True, slots=True)
class Edit:
    """One file of the change as text; `None` where it is absent."""

    path: str
    before: str | None
    after: str | None

    @property
    def name(self) -> str:
        return posixpath.basename(self.path)

    @property
    def suffix(self) -> str:
        return posixpath.splitext(self.path)[1].lower()

    @property
    def is_new(self) -> bool:
        return self.before is None

    @property
    def is_test(self) -> bool:
        return is_test(self.path)

    @property
    def is_data(self) -> bool:
        """Whether it is what tests compare with."""
        kept_with_tests = self.suffix in DATA_SUFFIXES and self.is_test
        return kept_with_tests or is_expected(self.path)

    @property
    def is_prose(self) -> bool:
        return self.suffix in _PROSE and not self.is_data

    @property
    def is_source(self) -> bool:
        return is_source(self.path)

    def added(self) -> Iterator[tuple[int, str]]:
        """The lines that start does not have, wherever they stand now."""
        return _surplus(self.after, self.before)

    def removed(self) -> Iterator[tuple[int, str]]:
        """The lines of start that are no longer there."""
        return _surplus(self.before, self.after)


def _surplus(text: str | None, other: str | None) -> Iterator[tuple[int, str]]:
    known = Counter(line.strip() for line in (other or "").splitlines())
    for number, line in enumerate((text or "").splitlines(), start=1):
        key = line.strip()
        if key and known[key] > 0:
            known[key] -= 1
        elif key:
            yield number, line


# classes for which tests of start may well expect something else afterwards, or that other rules are about
_MAY_CHANGE_TESTS = frozenset({
    "feature", "architecture", "refactor", "rename", "tests", "types", "lint", "format", "docs",
})  # fmt: skip


@dataclass(frozen=True, slots=True)
class Task:
    """What was asked for, and what the rules of one file need to know of the others.

    Attributes:
        own: top-level names of the project's own modules; empty where they are not known.
        changed: the stems of the source files of the change.
        gone: functions and classes that the change takes out of the source.
        paths: the files of start, as far as they are known.
    """

    task_class: TaskClass
    brief: str
    own: frozenset[str] = frozenset()
    changed: frozenset[str] = frozenset()
    gone: frozenset[str] = frozenset()
    paths: frozenset[str] = frozenset()

    @property
    def is_static(self) -> bool:
        """Whether the task is what a linter, formatter or type checker finds."""
        return self.task_class in ("lint", "format", "types")

    @property
    def is_about_tests(self) -> bool:
        """Whether tests are all that there is to judge."""
        return self.task_class == "tests" or not self.changed

    @property
    def is_keeping(self) -> bool:
        """Whether the tests of start are to go on as they were, but for the one that reports the bug."""
        return self.task_class not in _MAY_CHANGE_TESTS

    @property
    def wants_tests_changed(self) -> bool:
        if re.match(r"\W*reverts?\b", self.brief.casefold()):
            return True  # what came with the change goes with it, its tests too
        return any(
            match and not _NEGATION.search(sentence[: match.end()])
            for sentence in self._sentences()
            for match in (wish.search(_FILE.sub(" ", sentence)) for wish in _TEST_WISHES)
        )

    def names(self, words: Iterable[str]) -> bool:
        return bool(words_found(self.brief, (word for word in words if word)))

    def wants(self, words: Iterable[str]) -> bool:
        """Whether a sentence names one of the words and does not say no."""
        given = [word for word in words if word]
        return any(
            words_found(sentence, given) and not _NEGATION.search(sentence) for sentence in self._sentences()
        )

    def wants_changed(self, words: Iterable[str]) -> bool:
        """Whether a sentence names one of the words and speaks of changing it."""
        given = [word for word in words if word]
        return any(
            words_found(sentence, given) and _VERB.search(sentence) and not _NEGATION.search(sentence)
            for sentence in self._sentences()
        )

    def shares_a_word(self, names: tuple[str, ...]) -> bool:
        """Whether the first of the names has a word of some length in common with the brief."""
        told = set(re.findall(r"\w{4,}", self.brief.casefold())) - _EMPTY_WORDS
        return bool(told & set(re.findall(r"[^\W_]{4,}", "".join(names[:1]).casefold())))

    def _sentences(self) -> list[str]:
        folded = " ".join(self.brief.casefold().split())
        return re.split(r"(?<=[.;:!?])\s+", folded)


@dataclass(frozen=True, slots=True)
class Hit:
    """A finding before the task has its say. `names` is what a brief may name to ask for it."""

    rule: str
    path: str
    line: int
    what: str
    weight: Weight = Weight.LOWERS
    topic: Topic = "test"
    names: tuple[str, ...] = ()

    def weighed(self, task: Task) -> Finding:
        weight = self.weight
        if self._is_asked(task):
            weight = lighter(weight)
            if self.topic == "removal" and task.gone and task.shares_a_word(self.names):
                weight = lighter(weight)  # it goes together with what it tested
        return Finding(self.rule, self.path, self.line, self.what, weight)

    def _is_asked(self, task: Task) -> bool:
        if self.topic in ("test", "removal"):
            return task.wants_tests_changed or task.wants_changed(self.names)
        if self.topic == "named":
            return task.names((posixpath.basename(self.path), self.path, *filter(_is_a_name, self.names)))
        return self.topic == "relaxed" and task.wants(self.names)


def _is_a_name(word: str) -> bool:
    """Whether a brief that has this word means the thing of that name: `FakeClock`, and not `clock`."""
    return bool(re.search(r"[A-Z_\d./-]", word[1:]))


def lighter(weight: Weight) -> Weight:
    return Weight.LOWERS if weight is Weight.CONVICTS else Weight.NOTES


def is_test(path: str) -> bool:
    """Whether a path is one of tests or of what they are made with."""
    return is_test_path(path) or any_match(path, _MORE_TESTS)


def is_expected(path: str) -> bool:
    """Whether a path is one of what tests compare with: snapshots, golden files, tables of cases."""
    return any_match(path, _DATA_FOLDERS) and posixpath.splitext(path)[1].lower() not in _CODE


def is_source(path: str) -> bool:
    """Whether a path is one of code that is no test."""
    return posixpath.splitext(path)[1].lower() in _CODE and not is_test(path)


def definitions(text: str) -> list[tuple[str, int]]:
    """The names of functions, classes and methods that a text defines, each with where it begins."""
    found = ((match[1] or match[2], match.start()) for match in _DEFINED.finditer(text))
    return [(name, start) for name, start in found if name not in _KEYWORDS]


def defined(text: str | None) -> set[str]:
    """The names of functions, classes and methods that a text defines, in the languages with such words."""
    return {name for name, _ in definitions(text or "")}
