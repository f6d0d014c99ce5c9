"""How a test is kept from failing: marks, calls, early ends, and errors that are caught."""

from __future__ import annotations

import ast
from typing import TYPE_CHECKING

from route_agent.records.findings import Weight
from route_agent.tampering import assertions
from route_agent.tampering.syntax import Function, dotted, last, without_docstring
from route_agent.tampering.words import Hit

if TYPE_CHECKING:
    from collections.abc import Iterator

    from route_agent.tampering.cases import Case

SKIPS = frozenset({"skip", "skipif", "skipIf", "skipUnless", "xfail", "expectedFailure", "importorskip"})
_SKIP_CALLS = frozenset({"skip", "xfail", "importorskip", "skipTest", "SkipTest", "exit"})
_ALWAYS = frozenset({"skip", "xfail", "expectedFailure", "skipTest", "SkipTest"})
_BROAD = frozenset({"", "Exception", "BaseException", "AssertionError"})


def skipped(old: Case | None, now: Case) -> Iterator[Hit]:
    before = {ast.dump(it) for it in old.marks if last(it) in SKIPS} if old else set()
    for mark in now.marks:
        if last(mark) in SKIPS and ast.dump(mark) not in before:
            weight = Weight.CONVICTS if _is_certain(mark) else Weight.LOWERS
            what = f"{now.name} is marked {last(mark)}"
            yield Hit("test-skipped", now.path, mark.lineno, what, weight, names=now.names)
    calls = {ast.dump(it) for it in skip_calls(old.node)} if old else set()
    for call in skip_calls(now.node):
        if ast.dump(call) not in calls:
            certain = last(call) in _ALWAYS and any(_holds(it, call) for it in now.node.body)
            weight = Weight.CONVICTS if certain else Weight.LOWERS
            what = f"{now.name} calls {last(call)}"
            yield Hit("test-skipped", now.path, call.lineno, what, weight, names=now.names)


def _is_certain(mark: ast.expr) -> bool:
    """Whether a mark holds on every machine."""
    if last(mark) in ("skip", "expectedFailure") or not isinstance(mark, ast.Call):
        return last(mark) in _ALWAYS
    given = [*mark.args, *(it.value for it in mark.keywords if it.arg == "condition")]
    if last(mark) == "xfail":
        return not given
    return bool(given) and isinstance(given[0], ast.Constant) and bool(given[0].value)


def skip_calls(node: ast.AST) -> list[ast.Call]:
    return [
        it
        for statement in (node.body if isinstance(node, Function) else [node])
        for it in ast.walk(statement)
        if isinstance(it, ast.Call)
        and last(it) in _SKIP_CALLS
        and dotted(it).split(".")[0]
        in ("pytest", "self", "unittest", "skip", "SkipTest", "importorskip", "xfail")
    ]


def _holds(statement: ast.stmt, call: ast.Call) -> bool:
    """Whether a statement is that very call, so that nothing decides whether it runs."""
    if isinstance(statement, ast.Expr):
        return statement.value is call
    return isinstance(statement, ast.Raise) and statement.exc is call


def cut_short(old: Case, now: Case) -> Iterator[Hit]:
    body = without_docstring(now.node.body)
    if set(_passes_over(now.node)) - set(_passes_over(old.node)):
        what = f"{now.name} passes over some of its cases"
        yield Hit("test-cut-short", now.path, now.node.lineno, what, names=now.names)
    for at, statement in enumerate(body):
        rest = body[at + 1 :]
        if isinstance(statement, ast.Return | ast.Raise) and rest and not _leaves_early(old.node):
            what = f"{now.name} ends before its end"
            yield Hit("test-cut-short", now.path, statement.lineno, what, Weight.CONVICTS, names=now.names)
            return
        if isinstance(statement, ast.If) and any(assertions.read(it) for it in rest):
            before = [ast.dump(it.test) for it in ast.walk(old.node) if isinstance(it, ast.If)]
            leaves = any(isinstance(it, ast.Return) for it in ast.walk(statement))
            if leaves and (ast.dump(statement.test) not in before):
                constant = isinstance(statement.test, ast.Constant)
                weight = Weight.CONVICTS if constant else Weight.LOWERS
                what = f"{now.name} may end before its assertions"
                yield Hit("test-cut-short", now.path, statement.lineno, what, weight, names=now.names)


def _passes_over(node: Function) -> list[str]:
    """The conditions under which a loop goes on to the next case without an assertion."""
    return [
        ast.dump(it.test)
        for it in ast.walk(node)
        if isinstance(it, ast.If) and any(isinstance(part, ast.Continue) for part in it.body)
    ]


def _leaves_early(node: Function) -> bool:
    body = without_docstring(node.body)
    return any(isinstance(it, ast.Return | ast.Raise) for it in body[:-1])


def shielded(node: ast.AST) -> int:
    """Assertions, and calls of checks, whose failure is caught and forgotten."""
    found = 0
    for part in ast.walk(node):
        if isinstance(part, ast.Try) and any(_forgets(it) for it in part.handlers):
            found += sum(
                isinstance(it, ast.Assert) or bool(assertions.read(it))
                for statement in part.body
                for it in ast.walk(statement)
                if isinstance(it, ast.Assert | ast.Expr)
            )
        elif isinstance(part, ast.With):
            broad = [it for it in part.items if last(it.context_expr) == "suppress" and _suppresses(it)]
            found += len([it for it in ast.walk(part) if isinstance(it, ast.Assert)]) if broad else 0
    return found


def _suppresses(item: ast.withitem) -> bool:
    call = item.context_expr
    return isinstance(call, ast.Call) and bool({last(it) for it in call.args} & _BROAD)


def _forgets(handler: ast.ExceptHandler) -> bool:
    kinds = handler.type.elts if isinstance(handler.type, ast.Tuple) else [handler.type]
    caught = {last(it) if it is not None else "" for it in kinds}
    return bool(caught & _BROAD) and all(is_idle(it) for it in handler.body)


def is_idle(statement: ast.stmt) -> bool:
    if isinstance(statement, ast.Expr):
        called = last(statement.value) if isinstance(statement.value, ast.Call) else ""
        return called in ("", "print", "warn", "warning", "info", "debug")
    if isinstance(statement, ast.Assert):
        return assertions.read(statement)[0].strength <= assertions.TRUTH
    return isinstance(statement, ast.Pass | ast.Continue)
