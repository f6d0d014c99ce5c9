"""Where in Python a mistake is worth making, and what has to be known of the surroundings."""

from __future__ import annotations

import ast
import bisect
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping


@dataclass(frozen=True, slots=True)
class Site:
    """A node and what has to be known of its surroundings.

    Attributes:
        statement: the innermost one around it.
        bound: the line at which each name of the function around it is bound first; None outside of any.
        starting: whether that function is a constructor, where attributes are bound first.
        answers: whether that function may return something.
        prose: whether strings here are words for a person.
        waits_on: the names in the condition of the `while` around it.
        extreme: whether this is a comparison that picks one of its own sides.
    """

    node: ast.AST
    statement: ast.stmt
    bound: Mapping[str, int] | None = None
    starting: bool = False
    answers: bool = True
    prose: bool = False
    waits_on: frozenset[str] = frozenset()
    extreme: bool = False


_SILENT_FUNCTIONS = frozenset({"__repr__", "__str__", "__hash__", "__format__", "__del__"})
_CONSTRUCTORS = frozenset({"__init__", "__new__", "__post_init__"})
_LOGGERS = frozenset({
    "print", "log", "_log", "logger", "_logger", "logging", "LOG", "LOGGER", "_LOGGER", "warnings",
})  # fmt: skip
_UNSEEN_SETTINGS = frozenset({
    "timeout", "maxsize", "stacklevel", "buffering", "bufsize", "encoding", "help", "description", "epilog",
    "metavar", "doc", "hint", "message", "msg",
})  # fmt: skip
_UNSEEN_NAMES = frozenset({"__all__", "__slots__", "__version__", "__match_args__", "__author__"})
_TYPING_CALLS = frozenset({
    "TypeVar", "NewType", "ParamSpec", "TypeVarTuple", "TypeAliasType", "namedtuple", "NamedTuple", "cast",
})  # fmt: skip
_TYPING_SUBSCRIPTS = frozenset({"Literal", "Annotated", "Optional", "Union", "Callable", "ClassVar", "Final"})
_SURROUNDINGS = frozenset({"version_info", "platform", "TYPE_CHECKING", "__name__"})
# what is not in every Python yet, and what has no exact place in some
_OPAQUE = frozenset({
    "JoinedStr", "TemplateStr", "TypeAlias", "Import", "ImportFrom", "Assert", "Global", "Nonlocal",
})  # fmt: skip
_OPAQUE_FIELDS = frozenset({"annotation", "returns", "decorator_list", "type_params", "bases"})


def sites(tree: ast.Module, lines: frozenset[int]) -> Iterator[Site]:
    """Every node on the lines that is worth a mistake."""
    ordered = sorted(lines)
    low, high = ordered[0], ordered[-1]
    stack = [Site(statement, statement) for statement in tree.body]
    while stack:
        site = stack.pop()
        first, last = getattr(site.node, "lineno", low), getattr(site.node, "end_lineno", high)
        at = bisect.bisect_left(ordered, first)
        if at < len(ordered) and ordered[at] <= last and not _is_left_alone(site):
            yield site
            stack += _beneath(site)


def _is_left_alone(site: Site) -> bool:
    match site.node:
        case ast.Expr(value=ast.Constant()):
            return True
        case ast.Expr(value=ast.Call(func=function)):
            return bool(_LOGGERS.intersection(dotted(function))) or _advances(site)
        case ast.FunctionDef(name=name) | ast.AsyncFunctionDef(name=name):
            return name in _SILENT_FUNCTIONS
        case ast.Assign() | ast.AnnAssign() | ast.AugAssign():
            return not _UNSEEN_NAMES.isdisjoint(_stored(site.node)) or _advances(site)
        case ast.If(body=body, orelse=orelse):
            return all(_is_silent(statement) for statement in (*body, *orelse))
        case ast.Subscript(value=value):
            return not _TYPING_SUBSCRIPTS.isdisjoint(dotted(value))
        case ast.Call(func=function):
            return not _TYPING_CALLS.isdisjoint(dotted(function))
        case ast.keyword(arg=name):
            return name in _UNSEEN_SETTINGS
    return type(site.node).__name__ in _OPAQUE


def _is_silent(statement: ast.stmt) -> bool:
    """Whether a statement does nothing but speak to whoever reads the log."""
    if isinstance(statement, ast.Expr) and isinstance(statement.value, ast.Call):
        return not _LOGGERS.isdisjoint(dotted(statement.value.func))
    return isinstance(statement, ast.Pass)


def _advances(site: Site) -> bool:
    """Whether a `while` waits for what this statement does: without it, the loop would only hang."""
    if isinstance(site.node, ast.Expr) and isinstance(site.node.value, ast.Call):
        return not site.waits_on.isdisjoint(dotted(site.node.value.func))
    return not site.waits_on.isdisjoint(_stored(site.node))


def targets(node: ast.AST) -> list[ast.expr]:
    """What a statement assigns to, tuples taken apart."""
    found: list[ast.expr] = []
    match node:
        case ast.Assign(targets=targets) | ast.Delete(targets=targets):
            found = list(targets)
        case ast.AugAssign(target=target) | ast.AnnAssign(target=target):
            found = [target]
    return [
        inner
        for target in found
        for inner in (target.elts if isinstance(target, ast.Tuple | ast.List) else [target])
    ]


def _stored(node: ast.AST) -> set[str]:
    return {name for target in targets(node) for name in dotted(target)[:1]}


def dotted(node: ast.expr) -> list[str]:
    """The names of `a.b.c`, last first."""
    names: list[str] = []
    while isinstance(node, ast.Attribute):
        names.append(node.attr)
        node = node.value
    return [*names, node.id] if isinstance(node, ast.Name) else names


def _named(node: ast.AST) -> set[str]:
    """Every name and attribute in it."""
    return {
        it.id if isinstance(it, ast.Name) else it.attr
        for it in ast.walk(node)
        if isinstance(it, ast.Name | ast.Attribute)
    }


def _beneath(site: Site) -> Iterator[Site]:
    """The nodes right beneath a site's, with what changes in their surroundings."""
    node = site.node
    inside, unseen = _entered(site), skipped(node)
    for name, value in ast.iter_fields(node):
        for child in value if isinstance(value, list) else [value]:
            if isinstance(child, ast.AST) and child not in unseen and name not in _OPAQUE_FIELDS:
                statement = child if isinstance(child, ast.stmt) else site.statement
                extreme = name == "test" and _picks_a_side(node)
                yield replace(inside, node=child, statement=statement, extreme=extreme)


def _entered(site: Site) -> Site:
    match site.node:
        case ast.FunctionDef(name=name, returns=returns) | ast.AsyncFunctionDef(name=name, returns=returns):
            answers = not (isinstance(returns, ast.Constant) and returns.value is None)
            bound = _first_bindings(site.node)
            return Site(site.node, site.statement, bound, name in _CONSTRUCTORS, answers)
        case ast.ClassDef():
            return Site(site.node, site.statement)
        case ast.While(test=test):
            return replace(site, waits_on=site.waits_on | (_named(test) - {"self", "cls"}))
        case ast.Raise():
            return replace(site, prose=True)
    return site


def skipped(node: ast.AST) -> set[ast.AST]:
    """Those of its children that tests here cannot see, or rarely look at."""
    match node:
        case ast.If(test=test, body=body) if not _SURROUNDINGS.isdisjoint(_named(test)):
            return {test, *body}
        case ast.ClassDef(keywords=keywords):
            return set(keywords)
        case ast.arguments(posonlyargs=first, args=middle, kwonlyargs=last):
            positional = zip(reversed([*first, *middle]), reversed(node.defaults), strict=False)
            pairs = [*positional, *zip(last, node.kw_defaults, strict=True)]
            return {default for name, default in pairs if default and name.arg in _UNSEEN_SETTINGS}
    return set()


def _picks_a_side(node: ast.AST) -> bool:
    """Whether this is a minimum or maximum by hand, for which equal sides are one and the same."""
    match node:
        case ast.IfExp(test=ast.Compare(left=left, comparators=[right]), body=one, orelse=other):
            picked = [one, other]
        case ast.If(
            test=ast.Compare(left=left, comparators=[right]),
            body=[ast.Assign(value=ast.expr() as one) | ast.Return(value=ast.expr() as one)],
        ):
            picked = [one]
        case _:
            return False
    try:
        return {ast.unparse(it) for it in picked} <= {ast.unparse(left), ast.unparse(right)}
    except RecursionError:  # a sum of a thousand terms
        return False


def _first_bindings(function: ast.AST) -> dict[str, int]:
    found: dict[str, int] = {}
    for node in ast.walk(function):
        match node:
            case ast.Name(id=name, ctx=ast.Store()) | ast.arg(arg=name):
                found[name] = min(node.lineno, found.get(name, node.lineno))
            case ast.Global(names=names) | ast.Nonlocal(names=names):
                found |= dict.fromkeys(names, 0)
    return found
