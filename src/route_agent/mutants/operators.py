"""The operators for Python: each yields the edits that it can make at a site."""

from __future__ import annotations

import ast
import re
from dataclasses import replace
from itertools import pairwise
from typing import TYPE_CHECKING

from route_agent.mutants.sites import dotted, skipped, targets
from route_agent.mutants.text import CONSTANT, DEFAULT, Edit

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    from route_agent.mutants.sites import Site
    from route_agent.mutants.text import Text

_COMPARED: Mapping[type[ast.cmpop], tuple[bytes, tuple[tuple[str, bytes], ...]]] = {
    ast.Lt: (rb"<", (("boundary", b"<="), ("comparison negated", b">="))),
    ast.LtE: (rb"<=", (("boundary", b"<"), ("comparison negated", b">"))),
    ast.Gt: (rb">", (("boundary", b">="), ("comparison negated", b"<="))),
    ast.GtE: (rb">=", (("boundary", b">"), ("comparison negated", b"<"))),
    ast.Eq: (rb"==", (("comparison negated", b"!="),)),
    ast.NotEq: (rb"!=", (("comparison negated", b"=="),)),
    ast.Is: (rb"is", (("comparison negated", b"is not"),)),
    ast.IsNot: (rb"is\s+not", (("comparison negated", b"is"),)),
    ast.In: (rb"in", (("comparison negated", b"not in"),)),
    ast.NotIn: (rb"not\s+in", (("comparison negated", b"in"),)),
}
_CALCULATED: Mapping[type[ast.operator], tuple[bytes, bytes]] = {
    ast.Add: (b"+", b"-"),
    ast.Sub: (b"-", b"+"),
    ast.Mult: (b"*", b"//"),
    ast.Div: (b"/", b"*"),
    ast.FloorDiv: (b"//", b"*"),
    ast.Mod: (b"%", b"//"),
    ast.Pow: (b"**", b"*"),
    ast.LShift: (b"<<", b">>"),
    ast.RShift: (b">>", b"<<"),
    ast.BitAnd: (b"&", b"|"),
    ast.BitOr: (b"|", b"&"),
    ast.BitXor: (b"^", b"&"),
}
_SEQUENCES = (ast.JoinedStr, ast.List, ast.Tuple, ast.ListComp, ast.Dict, ast.Set)
_UNSEEN_CALLS = frozenset({"close", "flush", "fsync", "sleep"})
_UNREACHABLE = frozenset({"NotImplementedError", "AssertionError"})


def _comparisons(site: Site, text: Text) -> Iterator[Edit]:
    if isinstance(site.node, ast.Compare):
        sides = pairwise((site.node.left, *site.node.comparators))
        for (left, right), comparison in zip(sides, site.node.ops, strict=True):
            written, choices = _COMPARED[type(comparison)]
            for operator, new in choices:
                if not (site.extreme and operator == "boundary"):
                    yield from _swap(text, left, right, written, Edit(operator, 0, 0, new))


def _arithmetic(site: Site, text: Text) -> Iterator[Edit]:
    match site.node:
        case ast.BinOp(left=left, op=calculation, right=right):
            suffix = b""
        case ast.AugAssign(target=left, op=calculation, value=right):
            suffix = b"="
        case _:
            return
    written, new = _CALCULATED.get(type(calculation), (b"", b""))
    if written and not any(_is_sequence(side) for side in (left, right)):
        yield from _swap(
            text, left, right, re.escape(written + suffix), Edit("arithmetic", 0, 0, new + suffix)
        )


def _is_sequence(node: ast.expr) -> bool:
    """For which other arithmetic would only be a type error."""
    return isinstance(node, _SEQUENCES) or (
        isinstance(node, ast.Constant) and isinstance(node.value, str | bytes)
    )


def _logic(site: Site, text: Text) -> Iterator[Edit]:
    if isinstance(site.node, ast.BoolOp):
        written, new = (b"and", b"or") if isinstance(site.node.op, ast.And) else (b"or", b"and")
        for left, right in pairwise(site.node.values):
            yield from _swap(text, left, right, written, Edit("and/or", 0, 0, new))


def _swap(text: Text, left: ast.expr, right: ast.expr, written: bytes, edit: Edit) -> Iterator[Edit]:
    """The edit, put where the operator stands: between operands there are brackets and comments too."""
    pattern = re.compile(rb"#[^\n]*|(" + written + rb")")
    for match in pattern.finditer(text.body, text.last(left), text.first(right)):
        if match[1]:
            yield replace(edit, start=match.start(1), end=match.end(1))
            return


def _negations(site: Site, text: Text) -> Iterator[Edit]:
    if isinstance(site.node, ast.UnaryOp) and isinstance(site.node.op, ast.Not):
        start = text.first(site.node)
        if match := re.compile(rb"not[ \t]*").match(text.body, start):
            yield Edit("not removed", start, match.end(), b"")


def _conditions(site: Site, text: Text) -> Iterator[Edit]:
    """Not to true where a loop would have no end, and not where the condition binds a name."""
    tests: Sequence[ast.expr] = ()
    match site.node:
        case ast.If(test=test) | ast.IfExp(test=test) | ast.While(test=test):
            tests = [] if test in skipped(site.node) else [test]
        case ast.match_case(guard=ast.expr() as guard):
            tests = [guard]
        case ast.comprehension(ifs=ifs):
            tests = ifs
    for test in tests:
        if not any(isinstance(it, ast.NamedExpr) for it in ast.walk(test)):
            if not isinstance(site.node, ast.While):
                yield Edit("condition true", text.first(test), text.last(test), b"True")
            yield Edit("condition false", text.first(test), text.last(test), b"False")


def _constants(site: Site, text: Text) -> Iterator[Edit]:
    if isinstance(site.node, ast.Constant):
        new = _other_constant(site.node.value, site.prose)
        if new:
            in_header = isinstance(site.statement, ast.FunctionDef | ast.AsyncFunctionDef)
            operator = DEFAULT if in_header else CONSTANT
            yield Edit(operator, text.first(site.node), text.last(site.node), new.encode())


def _other_constant(value: object, prose: bool) -> str:
    match value:
        case bool():
            return str(not value)
        case int() | float() if value + 1 != value and abs(value) < 1e15:
            return repr(value + 1)
        case str() if value and not prose:
            return '"YY"' if value == "XX" else '"XX"'
        case bytes() if value and not prose:
            return 'b"YY"' if value == b"XX" else 'b"XX"'
    return ""


def _values(site: Site, text: Text) -> Iterator[Edit]:
    match site.node:
        case ast.Return(value=ast.expr() as value) if site.answers and not _is_like_none(value):
            yield Edit("return value", text.first(value), text.last(value), b"None")
        case ast.Yield(value=ast.expr() as value) if not _is_like_none(value):
            yield Edit("yielded value", text.first(value), text.last(value), b"None")
        case (
            ast.Assign(targets=[ast.Name() | ast.Attribute()], value=value)
            | ast.AnnAssign(value=ast.expr() as value)
        ):
            changed_elsewhere = isinstance(value, ast.Constant) or _is_like_none(value)
            if site.bound is not None and not changed_elsewhere and not _rebinds(site):
                yield Edit("assigned value", text.first(value), text.last(value), b"None")


def _is_like_none(value: ast.expr) -> bool:
    """Where a test would rarely tell the value from None, or where it could only crash."""
    match value:
        case ast.Constant():
            return not value.value
        case ast.List(elts=[]) | ast.Tuple(elts=[]) | ast.Dict(keys=[]) | ast.Call(args=[], keywords=[]):
            return not isinstance(value, ast.Call) or dotted(value.func) in (["list"], ["dict"], ["set"])
        case ast.Name(id=name):
            return name == "NotImplemented"
    return False


def _removals(site: Site, text: Text) -> Iterator[Edit]:
    operator = "statement removed"
    match site.node:
        case ast.Expr(value=ast.Call(func=function) | ast.Await(value=ast.Call(func=function))):
            worth = _UNSEEN_CALLS.isdisjoint(dotted(function)[:1])
        case ast.Assign() | ast.AugAssign() | ast.Delete():
            worth = _rebinds(site)
        case ast.Raise(exc=error):
            operator = "raise removed"
            name = error.func if isinstance(error, ast.Call) else error
            worth = name is None or _UNREACHABLE.isdisjoint(dotted(name))
        case _:
            return
    if worth:
        yield Edit(operator, text.first(site.statement), text.last(site.statement), b"pass")


def _rebinds(site: Site) -> bool:
    """Whether all that a statement assigns to has a value without it, so that removal is no mere crash."""
    if isinstance(site.node, ast.AugAssign):
        return True
    return all(_has_a_value(target, site) for target in targets(site.node))


def _has_a_value(target: ast.expr, site: Site) -> bool:
    match target:
        case ast.Name(id=name):
            return site.bound is not None and site.bound.get(name, target.lineno) < target.lineno
        case ast.Attribute():
            return not site.starting
    return isinstance(target, ast.Subscript)


RULES = (_comparisons, _arithmetic, _logic, _negations, _conditions, _constants, _values, _removals)
