"""What a change tells about itself: tests that say less, checks that look away, code that is none.

Pure. Two versions of every changed file in, findings out; no text can make it fail. It convicts only what is
clear; what is merely suspicious lowers what a green run is worth, and a brief that asks for it makes it
lighter.
"""

from __future__ import annotations

import posixpath
from types import MappingProxyType
from typing import TYPE_CHECKING

from route_agent.records.findings import Finding, Weight
from route_agent.tampering import config, doubts, infrastructure, javascript, python, source, syntax, words

if TYPE_CHECKING:
    from collections.abc import Collection, Iterator, Mapping, Sequence

    from route_agent.records.grades import TaskClass

__all__ = ["deciding", "doubtful", "find", "named_data", "named_sources", "special_cased"]

deciding, named_data, named_sources = doubts.deciding, doubts.named_data, doubts.named_sources
NOTHING: Mapping[str, bytes] = MappingProxyType({})

_EXPECTATIONS = frozenset({"expectation-changed", "test-data-changed"})


def find(
    files: Mapping[str, tuple[bytes | None, bytes | None]],
    *,
    task_class: TaskClass,
    brief: str,
    tree: Collection[str] = (),
) -> tuple[Finding, ...]:
    """What speaks against a change, in the order of its files and lines.

    Args:
        files: every file of the change: its bytes at start and now, None where it is absent.
        task_class: what kind of task it is.
        brief: the task's text.
        tree: the paths of start, if they are known; they tell the project's modules from others.
    """
    edits = [_edit(path, *versions) for path, versions in sorted(files.items())]
    task = _task(edits, task_class, brief, tree)
    hits = [
        *python.find(edits, task),
        *javascript.find(edits, task),
        *(hit for edit in edits for hit in infrastructure.stand_ins(edit)),
        *infrastructure.find(edits, task),
        *config.find(edits, task),
        *config.data(edits),
        *source.find(edits, task),
    ]
    found = {_of_class(hit.weighed(task), task_class) for hit in hits} | set(_unreadable(edits))
    return tuple(sorted(found, key=lambda it: (it.path, it.line, it.rule, it.what)))


def special_cased(
    files: Mapping[str, tuple[bytes | None, bytes | None]], tests: Mapping[str, bytes], *, brief: str = ""
) -> tuple[Finding, ...]:
    """Conditions that the change adds and that ask for a value out of the tests.

    Args:
        files: as for `find`.
        tests: the sources of tests that the change's author could see, by path.
        brief: a value that the task itself names is none of the tests'.
    """
    edits = [_edit(path, *versions) for path, versions in sorted(files.items())]
    texts = {path: _text(data) or "" for path, data in tests.items()}
    found = set(source.special_cased(edits, texts, brief))
    return tuple(sorted(found, key=lambda it: (it.path, it.line, it.what)))


def doubtful(
    files: Mapping[str, tuple[bytes | None, bytes | None]],
    tests: Mapping[str, bytes],
    *,
    brief: str,
    others: Mapping[str, bytes] = NOTHING,
) -> tuple[Finding, ...]:
    """What keeps a test that turned green from telling enough; it speaks against nothing.

    Args:
        files: as for `find`.
        tests: the files that decide, by path; see `deciding` and `named_data`.
        brief: the task's text.
        others: source files of start that the change leaves alone; see `named_sources`.
    """
    edits = [_edit(path, *versions) for path, versions in sorted(files.items())]
    texts, around = (
        {path: _text(data) or "" for path, data in some.items() if path not in files or some is tests}
        for some in (tests, others)
    )
    return tuple(
        sorted(set(doubts.doubts(edits, texts, brief, around)), key=lambda it: (it.path, it.line, it.what))
    )


def _edit(path: str, before: bytes | None, after: bytes | None) -> words.Edit:
    return words.Edit(path, _text(before), _text(after))


def _text(data: bytes | None) -> str | None:
    return None if data is None else data.decode("utf-8-sig", "replace").replace("\r\n", "\n")


def _task(
    edits: Sequence[words.Edit], task_class: TaskClass, brief: str, tree: Collection[str]
) -> words.Task:
    sources = [it for it in edits if it.is_source]
    paths = [*tree, *(it.path for it in sources if not it.is_new)]
    own: set[str] = set()
    for path in paths:  # what a path is takes long to tell, and most packages are known by their first file
        if path.endswith(".py") and (name := _package(path)) and name not in own and not words.is_test(path):
            own.add(name)
    stems = {posixpath.basename(it.path).partition(".")[0] for it in sources}
    started = {name for it in sources for name in words.defined(it.before)}
    left = {name for it in sources for name in words.defined(it.after)}
    return words.Task(
        task_class,
        brief,
        frozenset(own),
        frozenset(stems - {"__init__", "index"}),
        frozenset(started - left),
        frozenset(tree),
    )


def _package(path: str) -> str:
    parts = path.removesuffix(".py").split("/")
    if parts[0] in ("src", "lib", "py", "python") and len(parts) > 1:
        parts = parts[1:]
    return "" if parts[0] in ("__init__", "setup", "conftest", "docs", "scripts") else parts[0]


def _of_class(finding: Finding, task_class: TaskClass) -> Finding:
    """A task about tests may well expect something else of the code than they did."""
    if task_class != "tests" or finding.rule not in _EXPECTATIONS:
        return finding
    return Finding(finding.rule, finding.path, finding.line, finding.what, Weight.NOTES)


def _unreadable(edits: Sequence[words.Edit]) -> Iterator[Finding]:
    """Python that was readable, or is new, and is now too large or too deep to be looked into."""
    for edit in edits:
        if edit.suffix != ".py" or not edit.is_test or not edit.after or syntax.parse(edit.after) is not None:
            continue
        if edit.before is None or syntax.parse(edit.before) is not None:
            what = "cannot be read as Python, so nothing is known of it"
            yield Finding("unreadable", edit.path, 0, what)
