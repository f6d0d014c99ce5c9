"""Tests in Python: what was taken out of them, and what was put in their way."""

from __future__ import annotations

import ast
import builtins
import re
from collections import Counter
from typing import TYPE_CHECKING

from route_agent.records.findings import Weight
from route_agent.tampering import assertions
from route_agent.tampering.around import beside, new_tests
from route_agent.tampering.cases import read
from route_agent.tampering.mocks import mocked
from route_agent.tampering.skips import cut_short, shielded, skipped
from route_agent.tampering.syntax import dumps, last, without_docstring
from route_agent.tampering.words import Hit, is_test

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping, Sequence

    from route_agent.tampering.cases import Case, Module
    from route_agent.tampering.syntax import Function
    from route_agent.tampering.words import Edit, Task

_SIMILAR = 0.5
_COMPARED = 200  # tests of one file that a lost one is compared with

Key = tuple[str, str]


def find(edits: Iterable[Edit], task: Task) -> Iterator[Hit]:
    """Everything that speaks against the change, as far as tests in Python tell."""
    concerned = [edit for edit in edits if edit.suffix == ".py"]
    started = [it for edit in concerned if (it := read(edit, at_start=True))]
    patched = [it for edit in concerned if (it := read(edit, at_start=False))]
    # where a module can't be read, what it holds is unknown, and not removed
    unreadable = {it.path for it in concerned if it.after is not None} - {it.path for it in patched}
    old = {
        (it.path, name): test
        for it in started
        if it.path not in unreadable and is_test(it.path)
        for name, test in it.tests.items()
    }
    new = {(it.path, name): test for it in patched if is_test(it.path) for name, test in it.tests.items()}
    pairs = _paired(old, new)
    by_path = {it.path: it for it in patched}
    yield from _missing([old[it] for it in old if it not in pairs], pairs, old, new, patched, task)
    for key, now in pairs.items():
        yield from _changed(old[key], now, by_path[now.path], task)
    before = {it.path: it for it in started}
    fresh = [test for key, test in new.items() if test not in pairs.values()]
    for module in patched:
        if is_test(module.path):
            yield from beside(before.get(module.path), module, task)
            instead = any(key[0] == module.path and key not in pairs for key in old)
            its_own = [it for it in fresh if it.path == module.path]
            yield from new_tests(its_own, module, task, instead=instead)


def _paired(old: Mapping[Key, Case], new: Mapping[Key, Case]) -> dict[Key, Case]:
    """Each test of start with what has become of it, wherever that stands and whatever it is called."""
    pairs = {key: new[key] for key in old if key in new}
    free = {key: tuple(dumps(it.node.body)) for key, it in new.items() if key not in pairs}
    left = {key: tuple(dumps(it.node.body)) for key, it in old.items() if key not in pairs}
    exact: dict[tuple[str, ...], list[Key]] = {}
    for key, body in free.items():
        exact.setdefault(body, []).append(key)
    for key in list(left):
        if same := exact.get(left[key]):
            pairs[key] = new[taken := same.pop(0)]
            del left[key], free[taken]
    for key, body in left.items():
        nearby = [it for it in free if it[0] == key[0]][:_COMPARED]
        best = max(nearby, key=lambda it: _likeness(body, free[it]), default=None)
        if best is not None and _likeness(body, free[best]) >= _SIMILAR:
            pairs[key] = new[best]
            del free[best]
    return pairs


def _likeness(before: Sequence[str], after: Sequence[str]) -> float:
    """The share of statements that two tests have in common."""
    common = sum((Counter(before) & Counter(after)).values())
    return common / max(len(before), len(after), 1)


def _missing(
    removed: Sequence[Case],
    pairs: Mapping[Key, Case],
    old: Mapping[Key, Case],
    new: Mapping[Key, Case],
    patched: Sequence[Module],
    task: Task,
) -> Iterator[Hit]:
    hidden = {tuple(dumps(it.node.body)): it for module in patched for it in module.others.values()}
    replaced = _is_replaced(old, new)
    for test in removed:
        body = tuple(dumps(test.node.body))
        away = hidden.get(body) if body else None
        if away is not None:
            what = f"the test {test.name} stands where no runner collects it, as {away.name} in {away.path}"
            yield Hit("test-hidden", away.path, away.node.lineno, what, Weight.CONVICTS, names=test.names)
            continue
        weight = Weight.CONVICTS
        if task.gone & _words(test.node):  # what it tested goes with the patch
            weight = Weight.LOWERS
        if any(key[0] == test.path and key not in old for key in new):
            weight = Weight.LOWERS  # others stand in its place, for a person to compare
        if replaced:
            weight = Weight.LOWERS if task.task_class not in ("tests", "refactor") else Weight.NOTES
        what = f"the test {test.name} is gone"
        yield Hit("test-removed", test.path, test.node.lineno, what, weight, "removal", test.names)
    for key, now in pairs.items():
        if _pattern(key[0]) != _pattern(now.path):
            what = f"the test {key[1]} moved from {key[0]} to where a runner may not look"
            yield Hit("test-moved", now.path, now.node.lineno, what, names=(key[0], key[1]))


def _is_replaced(old: Mapping[Key, Case], new: Mapping[Key, Case]) -> bool:
    """Whether other tests say at least as much as those that went."""
    demanded = sum(it.strength for test in old.values() for it in assertions.read(test.node))
    demands = sum(it.strength for test in new.values() for it in assertions.read(test.node))
    return len(new) >= len(old) and demands >= demanded and bool(new.keys() - old.keys())


def _pattern(path: str) -> tuple[str, str]:
    folder, _, name = path.rpartition("/")
    shape = next((it for it in ("test_", "_test.", "check_", "tests.") if it in name), "")
    return folder.partition("/")[0], shape


def _words(node: ast.AST) -> set[str]:
    return {it.id for it in ast.walk(node) if isinstance(it, ast.Name)} | {
        it.attr for it in ast.walk(node) if isinstance(it, ast.Attribute)
    }


def _changed(old: Case, now: Case, module: Module, task: Task) -> Iterator[Hit]:
    """A test of start that is still there: what of it is skipped, weaker, or no longer runs."""
    line = now.node.lineno
    yield from skipped(old, now)
    yield from assertions.weakened(
        now.path, now.name, assertions.read(old.node), assertions.read(now.node), line
    )
    yield from cut_short(old, now)
    if shielded(now.node) > shielded(old.node):
        what = f"a failed assertion of {now.name} is caught and forgotten"
        yield Hit("assertion-shielded", now.path, line, what, Weight.CONVICTS, names=now.names)
    yield from _cases(old, now)
    before = [it.target for it in mocked(old.node, module.bound, task)]
    for mock in mocked(now.node, module.bound, task):
        if mock.target in before:
            before.remove(mock.target)
        elif mock.is_own:
            weight = Weight.CONVICTS if mock.is_called_itself else Weight.LOWERS
            what = f"{now.name} replaces {mock.target}, which it ran at start"
            yield Hit("mocked", now.path, mock.line, what, weight, names=(*now.names, "mock"))
    yield from _subject_gone(old, now, module)
    yield from _step_inserted(old, now, task)


def _step_inserted(old: Case, now: Case, task: Task) -> Iterator[Hit]:
    body = without_docstring(now.node.body)
    demands = [bool(assertions.read(it)) for it in body]
    at = assertions.inserted(dumps(old.node.body), dumps(now.node.body), demands)
    if at is not None and old.node.name == now.node.name:
        what = f"{now.name} does something before the same assertions that it did not do at start"
        weight = Weight.LOWERS if task.is_keeping else Weight.NOTES
        yield Hit("step-inserted", now.path, body[at].lineno, what, weight, names=now.names)


def _subject_gone(old: Case, now: Case, module: Module) -> Iterator[Hit]:
    """A test that calls a function of the tests in place of one of the project's."""
    before, after = _called(old.node), _called(now.node)
    ours = {name for name, stands_for in module.bound.items() if _is_local(stands_for)}
    ours |= {name for name in module.others if "." not in name}
    put_in = (after - before) & ours
    taken = {it for it in before - after if it in module.bound or it not in ours}
    called = {it for it in taken if _is_callable_of_project(it, module, old)}
    if put_in and called and not (after - before - ours) & set(module.bound):
        what = f"{now.name} calls {min(put_in)} of the tests instead of {min(called)}"
        yield Hit("subject-replaced", now.path, now.node.lineno, what, names=now.names)


def _is_callable_of_project(name: str, module: Module, old: Case) -> bool:
    stands_for = module.bound.get(name, "")
    return (
        not hasattr(builtins, name)
        and not _is_local(stands_for)
        and name not in {it.arg for it in old.node.args.args}
    )


def _is_local(stands_for: str) -> bool:
    root = stands_for.partition(".")[0]
    return stands_for.startswith((".", "tests.", "test.")) or bool(
        re.fullmatch(
            r"conftest|helpers?|fakes?|utils?|common|support|lib|.*_helpers?|test_.*|fixtures?", root
        )
    )


def _called(node: ast.AST) -> set[str]:
    return {it.func.id for it in ast.walk(node) if isinstance(it, ast.Call) and isinstance(it.func, ast.Name)}


def _cases(old: Case, now: Case) -> Iterator[Hit]:
    before, after = _parameters(old.node), _parameters(now.node)
    lost = [it for it in before if it not in after]
    if lost and len(after) < len(before):
        what = f"{now.name} runs {len(before) - len(after)} cases less than at start"
        yield Hit("cases-removed", now.path, now.node.lineno, what, names=now.names)
    elif lost:
        what = f"{now.name} runs other cases than at start"
        yield Hit("expectation-changed", now.path, now.node.lineno, what, names=now.names)


def _parameters(node: Function) -> list[str]:
    return [
        ast.dump(case)
        for mark in node.decorator_list
        if isinstance(mark, ast.Call) and last(mark) in ("parametrize", "expand") and mark.args
        for table in [mark.args[-1]]
        if isinstance(table, ast.List | ast.Tuple | ast.Set)
        for case in table.elts
    ]
