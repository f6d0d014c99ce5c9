"""What speaks against a change of tests in JavaScript and TypeScript."""

from __future__ import annotations

import re
from itertools import islice
from typing import TYPE_CHECKING

from route_agent.records.findings import Weight
from route_agent.tampering import assertions
from route_agent.tampering.script import (
    ASSERTS,
    SUFFIXES,
    Code,
    Test,
    assertions_of,
    fits,
    masked,
    squeezed,
    tests_of,
)
from route_agent.tampering.words import Hit

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Sequence

    from route_agent.tampering.words import Edit, Task

_BLOCK = 20_000  # letters of a `try` that are looked at
_BLOCKS = 50  # of one test
_LEAVES = re.compile(r"(?<![\w.$])(?:return\s*;|continue\b)")
_SKIP_CALL = re.compile(r"\b(?:t|this|ctx|test|it)\.(?:skip|todo)\s*\(\s*\)?")
_MOCK = re.compile(
    r"\b(?:mock|vi|jest|sinon|td)\.(?:method|mock|doMock|spyOn|stub|replace|module|getter|setter)\s*\("
)
_EXIT = re.compile(
    r"\bprocess\s*\.\s*(?:(?:reallyE|e)xit\s*\(\s*(?P<code>[^)]*)\)|exitCode\s*=\s*(?P<set>[^;\n]+))"
)


def find(edits: Iterable[Edit], task: Task) -> Iterator[Hit]:
    """Everything that speaks against the change, as far as tests in JavaScript tell."""
    concerned = [it for it in edits if it.suffix in SUFFIXES and it.is_test]
    before = {it.path: masked(it.before) for it in concerned if it.before is not None and fits(it.before)}
    after = {it.path: masked(it.after) for it in concerned if it.after is not None and fits(it.after)}
    old = [test for path, code in before.items() for test in tests_of(path, code)]
    new = [test for path, code in after.items() for test in tests_of(path, code)]
    pairs = _paired(old, new)
    fresh = [it for it in new if not any(it is now for _, now in pairs)]
    yield from _missing(old, new, pairs, fresh, task)
    for was, now in pairs:
        yield from _changed(was, now, task)
    for test in fresh:
        yield from _new_test(test, task)
    for path, code in after.items():
        yield from _around(path, before.get(path), code, [it for it in old if it.path == path])


def _paired(old: Sequence[Test], new: Sequence[Test]) -> list[tuple[Test, Test]]:
    pairs: list[tuple[Test, Test]] = []
    left, free = list(old), list(new)
    by_key: tuple[Callable[[Test], object], ...] = (
        lambda it: (it.path, it.name),
        lambda it: (it.path, it.title, it.is_group),
        lambda it: (it.name,) if it.title else (it.path, it.line),
        lambda it: (squeezed(it.body.text.partition("=>")[2]) or it.name, it.is_group),
    )
    for key in by_key:
        known: dict[object, list[Test]] = {}
        for it in free:
            known.setdefault(key(it), []).append(it)
        for test in list(left):
            if same := known.get(key(test)):
                now = same.pop(0)
                pairs.append((test, now))
                left.remove(test)
                free.remove(now)
    return pairs


def _missing(
    old: Sequence[Test],
    new: Sequence[Test],
    pairs: Sequence[tuple[Test, Test]],
    fresh: Sequence[Test],
    task: Task,
) -> Iterator[Hit]:
    kept = {id(was) for was, _ in pairs}
    demanded, demands = (
        sum(it.strength for test in tests if not test.is_group for it in assertions_of(test))
        for tests in (old, new)
    )
    counts = [sum(not it.is_group for it in tests) for tests in (old, new)]
    replaced = counts[1] >= counts[0] and demands >= demanded
    for test in old:
        if id(test) in kept:
            continue
        weight = Weight.CONVICTS
        if task.gone & set(re.findall(r"\w+", test.body.bare)):
            weight = Weight.LOWERS
        if any(it.path == test.path and not it.is_group for it in fresh):
            weight = Weight.LOWERS  # others stand in its place, for a person to compare
        if replaced:
            weight = Weight.LOWERS if task.task_class not in ("tests", "refactor") else Weight.NOTES
        what = f'the test "{test.title}" is gone'
        yield Hit("test-removed", test.path, test.line, what, weight, "removal", (test.title, test.path))
    for was, now in pairs:
        if was.path != now.path and _pattern(was.path) != _pattern(now.path):
            what = f'the test "{was.title}" moved from {was.path} to where the runner may not look'
            yield Hit("test-moved", now.path, now.line, what, names=(was.title, was.path))


def _pattern(path: str) -> tuple[str, str]:
    folder, _, name = path.rpartition("/")
    return folder.partition("/")[0], ".".join(name.split(".")[1:])


def _changed(was: Test, now: Test, task: Task) -> Iterator[Hit]:
    names = (now.title, now.path)
    if now.skipped and not was.skipped:
        what = f'"{now.title}" is marked {now.skipped}'
        yield Hit("test-skipped", now.path, now.line, what, Weight.CONVICTS, names=names)
    if now.is_only and not was.is_only:
        what = f'only "{now.title}" is run, and nothing beside it'
        yield Hit("test-only", now.path, now.line, what, names=names)
    if now.is_group:
        return
    for call in _more(_SKIP_CALL, was, now):
        what = f'"{now.title}" skips itself'
        yield Hit("test-skipped", now.path, now.line + call, what, names=names)
    if not now.skipped:
        yield from assertions.weakened(
            now.path, f'"{now.title}"', assertions_of(was), assertions_of(now), now.line
        )
    if _shielded(now) > _shielded(was):
        what = f'a failed assertion of "{now.title}" is caught'
        yield Hit("assertion-shielded", now.path, now.line, what, names=names)
    for call in _more(_MOCK, was, now):
        weight = Weight.CONVICTS if _mocks_itself(now) else Weight.LOWERS
        what = f'"{now.title}" replaces what it ran at start'
        yield Hit("mocked", now.path, now.line + call, what, weight, names=(*names, "mock"))
    for call in _more(_LEAVES, was, now):
        what = f'"{now.title}" may pass over its assertions'
        yield Hit("test-cut-short", now.path, now.line + call, what, names=names)
    yield from _inserted(was, now, task)


def _inserted(was: Test, now: Test, task: Task) -> Iterator[Hit]:
    """A step that a test takes before what it demanded at start, and demands nothing of."""
    before = [squeezed(it) for it in was.body.text.splitlines() if it.strip()]
    after = [squeezed(it) for it in now.body.text.splitlines() if it.strip()]
    put_in = assertions.inserted(before, after, [bool(ASSERTS.search(it)) for it in after])
    if put_in is not None and now.title == was.title:
        what = f'"{now.title}" does something before the same assertions that it did not do at start'
        weight = Weight.LOWERS if task.is_keeping else Weight.NOTES
        yield Hit("step-inserted", now.path, now.line, what, weight, names=(now.title, now.path))


def _more(pattern: re.Pattern[str], was: Test, now: Test) -> list[int]:
    """The lines, from the test's first, of what there is more of than at start."""
    found = [now.body.line(it.start()) - 1 for it in pattern.finditer(now.body.bare)]
    return found[len(pattern.findall(was.body.bare)) :]


def _shielded(test: Test) -> int:
    found = 0
    for match in islice(re.finditer(r"\btry\s*\{", test.body.bare), _BLOCKS):
        block = test.body.bare[match.end() : match.end() + _BLOCK]
        inside, _, rest = block.partition("catch")
        idle = re.match(r"\s*(?:\([^)]*\))?\s*\{([^{}]*)\}", rest)
        tells = idle is None or re.search(r"\b(?:throw|fail|equal|match|reject|deepEqual)", idle[1])
        if ASSERTS.search(inside) and "fail(" not in inside and not tells:
            found += 1
    return found


def _mocks_itself(test: Test) -> bool:
    for match in _MOCK.finditer(test.body.bare):
        given = re.match(r"\s*([\w.]+)\s*,\s*['\"`](\w+)", test.body.text[match.end() :])
        if given and re.search(rf"\b{re.escape(given[1])}\s*\.\s*{given[2]}\s*\(", test.body.bare):
            return True
    return False


def _new_test(test: Test, task: Task) -> Iterator[Hit]:
    if test.is_only:
        yield Hit("test-only", test.path, test.line, f'only "{test.title}" is run, and nothing beside it')
    if test.is_group:
        return
    for match in _MOCK.finditer(test.body.bare):
        specifier = re.match(r"\s*['\"`](\.[^'\"`]*)", test.body.text[match.end() :])
        stem = specifier[1].rpartition("/")[2].partition(".")[0] if specifier else ""
        heavy = _mocks_itself(test) or stem in task.changed
        weight = Weight.LOWERS if heavy else Weight.NOTES
        line = test.line + test.body.line(match.start()) - 1
        yield Hit("mocked", test.path, line, f'the new test "{test.title}" replaces what it runs', weight)
    if test.skipped:
        what = f'the new test "{test.title}" is marked {test.skipped}'
        yield Hit("test-skipped", test.path, test.line, what)


def _around(path: str, before: Code | None, after: Code, old: Sequence[Test]) -> Iterator[Hit]:
    """Exits, replaced assertion functions, and helpers that are not what they were."""
    exits = len(_EXIT.findall(before.bare)) if before else 0
    for match in list(_EXIT.finditer(after.bare))[exits:]:
        code = (match["code"] or match["set"] or "0").strip()
        weight = Weight.CONVICTS if code in ("0", "", "undefined") else Weight.LOWERS
        yield Hit("forced-exit", path, after.line(match.start()), "ends the tests' process", weight)
    known = before.bare if before else ""
    for pattern, what in _ASSERT_TRICKS:
        for match in list(pattern.finditer(after.bare))[len(pattern.findall(known)) :]:
            yield Hit("assert-replaced", path, after.line(match.start()), what)
    if before is None:
        return
    yield from _imports(path, before, after)
    outside = _outside(before, old)
    known_lines = {squeezed(it) for it in after.text.splitlines()}
    for number, line in outside:
        if line not in known_lines and not re.match(
            r"(?:import|export \{|export \*|\} from|const .*require\()", line
        ):
            what = "what tests are built on does something else than at start"
            yield Hit("fixture-changed", path, number, what, topic="named")
            return


_ASSERT_TRICKS = (
    (re.compile(r"\b(?:const|let|var|function)\s+(?:assert|expect)\b(?!\s*=\s*(?:require|await))"),
     "the tests get an assertion function of their own"),
    (re.compile(r"(?<![\w.$])(?:assert|expect)(?:\.\w+)+\s*=(?!=)"), "an assertion function is replaced"),
    (re.compile(r"\bObject\.(?:is|prototype\.\w+)\s*=(?!=)"), "what assertions rest on is replaced"),
)  # fmt: skip
_IMPORT = re.compile(r"\bimport\s+([^;'\"]{0,2000}?)\s+from\s*['\"]([^'\"]+)['\"]")


def _imports(path: str, before: Code, after: Code) -> Iterator[Hit]:
    old, new = _sources(before.text), _sources(after.text)
    for name, source in new.items():
        was = old.get(name)
        if was is not None and was != source and source.startswith("./") and not was.startswith("./"):
            what = f"{name} comes from {source} of the tests and no longer from {was}"
            yield Hit("subject-replaced", path, 1, what, names=(name,))


def _sources(text: str) -> dict[str, str]:
    return {
        name: source
        for names, source in _IMPORT.findall(text)
        for name in re.findall(r"\w+(?=\s*(?:[,}]|$))", names)
    }


def _outside(code: Code, tests: Sequence[Test]) -> list[tuple[int, str]]:
    """The lines of code that belong to no test."""
    inside: set[int] = set()
    for test in tests:
        inside |= set(range(test.line, code.line(test.end) + 1))
    return [
        (number, short)
        for number, line in enumerate(code.text.splitlines(), start=1)
        if number not in inside and len(short := squeezed(line)) > 3
    ]
