"""Seeded mutants of changed lines: small, deliberate mistakes that a good test should notice. Pure.

A mutant that survives the tests says that nothing would notice that mistake; a mutant that nobody could
notice (an equivalent one) would say so falsely. The operators are therefore few: a comparison's boundary and
its opposite, arithmetic, `and`/`or`, a `not` taken away, a condition fixed to true or false, a returned or
assigned value turned into nothing, another constant, a statement or a `raise` taken away.

Left alone is what tests rarely look at, or what could only crash or hang: docstrings, annotations, imports,
decorators, `assert`, logging, messages of errors, `__repr__` and its kin, timeouts, `if TYPE_CHECKING`, the
first binding of a name, the step of a `while`.

Equivalent all the same, now and then: the boundary of a comparison whose sides give the same result when
they are equal (those of a plain minimum or maximum are left out); a condition that only guards a short cut;
a removed assignment that a later one repeats; a `None` where any false value will do.

Python is edited by its syntax tree, and what does not compile is not returned. Other languages are edited by
their tokens and by their usual spacing, with no check of validity: a mutant that a compiler refuses has not
been killed by a test, and a caller who cannot tell the two apart must not count it.
"""

from __future__ import annotations

import ast
import bisect
import codecs
import io
import posixpath
import random
import re
import tokenize
import warnings
from collections import Counter, defaultdict
from dataclasses import dataclass, replace
from functools import lru_cache
from itertools import accumulate, chain, pairwise, zip_longest
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping, Sequence

    _Placed = ast.expr | ast.stmt

_CONSTANT, _DEFAULT = "constant", "default"
_BIGGEST = 500_000  # bytes; what is larger was generated or packed
_MOST_LINES = 2000  # of more changed lines, so many are drawn: a dozen mutants need no better choice
_PARSE_FAILURES = (SyntaxError, ValueError, RecursionError, MemoryError)
# encodings in which every byte of ASCII means itself, so that an edit changes nothing else
_PLAIN_ENCODINGS = ("utf-8", "ascii", "iso8859", "cp125", "koi8", "latin")


@dataclass(frozen=True, slots=True)
class Mutant:
    """A file with one deliberate mistake.

    Attributes:
        path: as it was given.
        line: the first changed line that the mistake touches, 1-based.
        operator: what was done, such as `boundary` or `statement removed`.
        content: the whole mutated file.
    """

    path: str
    line: int
    operator: str
    content: bytes


@dataclass(frozen=True, slots=True)
class _Edit:
    operator: str
    start: int
    end: int
    new: bytes
    statement: int = 0  # where the statement that it stands in begins


@dataclass(frozen=True, slots=True)
class _Text:
    """A source in bytes, to look up offsets in; `encoding` is the file's, where these are UTF-8 instead."""

    body: bytes
    starts: tuple[int, ...]
    encoding: str = ""

    @classmethod
    def of(cls, body: bytes, encoding: str = "") -> _Text:
        starts = accumulate(
            (len(line) for line in body.split(b"\n")), lambda at, size: at + size + 1, initial=0
        )
        return cls(body, tuple(starts)[:-1], encoding)

    def line(self, offset: int) -> int:
        return bisect.bisect_right(self.starts, offset)

    def first(self, node: _Placed) -> int:
        return self.starts[node.lineno - 1] + node.col_offset

    def last(self, node: _Placed) -> int:
        return self.starts[(node.end_lineno or node.lineno) - 1] + (node.end_col_offset or 0)

    def changed_line(self, edit: _Edit, lines: frozenset[int]) -> int:
        """The first of the lines that the edit touches, or 0."""
        touched = range(self.line(edit.start), self.line(edit.end - 1) + 1)
        return next((line for line in touched if line in lines), 0)

    def edited(self, edit: _Edit) -> bytes:
        before, new, after = self.body[: edit.start], edit.new, self.body[edit.end :]
        if _wordy(before[-1:]) and _wordy(new[:1] or after[:1]):  # `return-1` must not become `returnNone`
            new = b" " + new
        if new and _wordy(new[-1:]) and _wordy(after[:1]):
            new += b" "
        whole = before + new + after
        return whole.decode().encode(self.encoding) if self.encoding else whole


def _wordy(letter: bytes) -> bool:
    return letter.isalnum() or letter == b"_" or letter > b"\x7f"


def mutants(
    path: str, source: bytes, lines: frozenset[int], *, seed: str, most: int = 12
) -> tuple[Mutant, ...]:
    """Mutants of some lines of a file, as well spread as their number allows, the best spread first.

    Args:
        path: tells the language by its ending: Python, or one of those that are edited by tokens.
        lines: 1-based, counted by line feeds as git does. Every edit touches at least one of them.
        seed: the same one gives the same mutants.
        most: how many at most. Each changed statement gets one before any gets a second.

    Returns:
        No two with equal contents, none equal to the source; empty where the file cannot be read.
    """
    suffix = posixpath.splitext(path)[1].lower()
    lines &= frozenset(range(1, source.count(b"\n") + 2))
    if not lines or most < 1 or len(source) > _BIGGEST:
        return ()
    chance = random.Random(f"{seed}:{path}")  # noqa: S311 - to be repeatable
    if len(lines) > _MOST_LINES:
        lines = frozenset(chance.sample(sorted(lines), _MOST_LINES))
    if suffix == ".py":
        text, edits = _python(source, lines)
    else:
        text, edits = _by_tokens(suffix, source, lines)
    touching = {edit: line for edit in edits if (line := text.changed_line(edit, lines))}
    found: dict[bytes, Mutant] = {}
    for edit in _spread(touching, chance):
        if len(found) == most:
            break
        content = text.edited(edit)
        if content != source and (suffix != ".py" or _compiles(content)):
            found.setdefault(content, Mutant(path, touching[edit], edit.operator, content))
    return tuple(found.values())


def _spread(edits: Iterable[_Edit], chance: random.Random) -> Iterator[_Edit]:
    """In rounds, one edit of each statement a round."""
    by_statement: defaultdict[int, list[_Edit]] = defaultdict(list)
    for edit in sorted(edits, key=lambda it: (it.start, it.end, it.operator, it.new)):
        by_statement[edit.statement].append(edit)
    statements = [_in_turns(own, chance) for own in by_statement.values()]
    chance.shuffle(statements)
    return (edit for edit in chain.from_iterable(zip_longest(*statements)) if edit is not None)


def _in_turns(edits: list[_Edit], chance: random.Random) -> list[_Edit]:
    """Each operator once before any repeats; constants come last, as good tests miss theirs most often."""
    used: Counter[str] = Counter()
    turns: dict[_Edit, tuple[int, bool]] = {}
    for edit in chance.sample(edits, len(edits)):
        turns[edit] = (used[edit.operator], edit.operator in (_CONSTANT, _DEFAULT))
        used[edit.operator] += 1
    return sorted(turns, key=turns.__getitem__)


# --- Python ---

_NOTHING: tuple[_Text, list[_Edit]] = (_Text(b"", (0,)), [])
_LONE_RETURN = re.compile(r"\r(?!\n)")  # a line's end to Python, but not to git


def _python(source: bytes, lines: frozenset[int]) -> tuple[_Text, list[_Edit]]:
    """The text and its possible edits. Offsets of syntax trees are in UTF-8, whatever the file is in."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # a project's odd escapes are no news of ours
        try:
            encoding, _ = tokenize.detect_encoding(io.BytesIO(source).readline)
            if not codecs.lookup(encoding).name.startswith(_PLAIN_ENCODINGS):
                return _NOTHING
            decoded = source.decode(encoding)
            if _LONE_RETURN.search(decoded) or decoded.encode(encoding) != source:
                return _NOTHING
            tree = ast.parse(decoded)
        except _PARSE_FAILURES:
            return _NOTHING
    text = _Text.of(decoded.encode(), encoding)
    found = [
        replace(edit, statement=text.first(site.statement))
        for site in _sites(tree, lines)
        for rule in _RULES
        for edit in rule(site, text)
    ]
    return text, found


def _compiles(content: bytes) -> bool:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        try:
            compile(content, "mutant", "exec", dont_inherit=True)
        except _PARSE_FAILURES:
            return False
    return True


@dataclass(frozen=True, slots=True)
class _Site:
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
_UNSEEN_CALLS = frozenset({"close", "flush", "fsync", "sleep"})
_UNSEEN_SETTINGS = frozenset({
    "timeout", "maxsize", "stacklevel", "buffering", "bufsize", "encoding", "help", "description", "epilog",
    "metavar", "doc", "hint", "message", "msg",
})  # fmt: skip
_UNSEEN_NAMES = frozenset({"__all__", "__slots__", "__version__", "__match_args__", "__author__"})
_TYPING_CALLS = frozenset({
    "TypeVar", "NewType", "ParamSpec", "TypeVarTuple", "TypeAliasType", "namedtuple", "NamedTuple", "cast",
})  # fmt: skip
_TYPING_SUBSCRIPTS = frozenset({"Literal", "Annotated", "Optional", "Union", "Callable", "ClassVar", "Final"})
_UNREACHABLE = frozenset({"NotImplementedError", "AssertionError"})
_SURROUNDINGS = frozenset({"version_info", "platform", "TYPE_CHECKING", "__name__"})
# what is not in every Python yet, and what has no exact place in some
_OPAQUE = frozenset({
    "JoinedStr", "TemplateStr", "TypeAlias", "Import", "ImportFrom", "Assert", "Global", "Nonlocal",
})  # fmt: skip
_OPAQUE_FIELDS = frozenset({"annotation", "returns", "decorator_list", "type_params", "bases"})


def _sites(tree: ast.Module, lines: frozenset[int]) -> Iterator[_Site]:
    """Every node on the lines that is worth a mistake."""
    ordered = sorted(lines)
    low, high = ordered[0], ordered[-1]
    stack = [_Site(statement, statement) for statement in tree.body]
    while stack:
        site = stack.pop()
        first, last = getattr(site.node, "lineno", low), getattr(site.node, "end_lineno", high)
        at = bisect.bisect_left(ordered, first)
        if at < len(ordered) and ordered[at] <= last and not _is_left_alone(site):
            yield site
            stack += _beneath(site)


def _is_left_alone(site: _Site) -> bool:
    match site.node:
        case ast.Expr(value=ast.Constant()):
            return True
        case ast.Expr(value=ast.Call(func=function)):
            return bool(_LOGGERS.intersection(_dotted(function))) or _advances(site)
        case ast.FunctionDef(name=name) | ast.AsyncFunctionDef(name=name):
            return name in _SILENT_FUNCTIONS
        case ast.Assign() | ast.AnnAssign() | ast.AugAssign():
            return not _UNSEEN_NAMES.isdisjoint(_stored(site.node)) or _advances(site)
        case ast.If(body=body, orelse=orelse):
            return all(_is_silent(statement) for statement in (*body, *orelse))
        case ast.Subscript(value=value):
            return not _TYPING_SUBSCRIPTS.isdisjoint(_dotted(value))
        case ast.Call(func=function):
            return not _TYPING_CALLS.isdisjoint(_dotted(function))
        case ast.keyword(arg=name):
            return name in _UNSEEN_SETTINGS
    return type(site.node).__name__ in _OPAQUE


def _is_silent(statement: ast.stmt) -> bool:
    """Whether a statement does nothing but speak to whoever reads the log."""
    if isinstance(statement, ast.Expr) and isinstance(statement.value, ast.Call):
        return not _LOGGERS.isdisjoint(_dotted(statement.value.func))
    return isinstance(statement, ast.Pass)


def _advances(site: _Site) -> bool:
    """Whether a `while` waits for what this statement does: without it, the loop would only hang."""
    if isinstance(site.node, ast.Expr) and isinstance(site.node.value, ast.Call):
        return not site.waits_on.isdisjoint(_dotted(site.node.value.func))
    return not site.waits_on.isdisjoint(_stored(site.node))


def _targets(node: ast.AST) -> list[ast.expr]:
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
    return {name for target in _targets(node) for name in _dotted(target)[:1]}


def _dotted(node: ast.expr) -> list[str]:
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


def _beneath(site: _Site) -> Iterator[_Site]:
    """The nodes right beneath a site's, with what changes in their surroundings."""
    node = site.node
    inside, skipped = _entered(site), _skipped(node)
    for name, value in ast.iter_fields(node):
        for child in value if isinstance(value, list) else [value]:
            if isinstance(child, ast.AST) and child not in skipped and name not in _OPAQUE_FIELDS:
                statement = child if isinstance(child, ast.stmt) else site.statement
                extreme = name == "test" and _picks_a_side(node)
                yield replace(inside, node=child, statement=statement, extreme=extreme)


def _entered(site: _Site) -> _Site:
    match site.node:
        case ast.FunctionDef(name=name, returns=returns) | ast.AsyncFunctionDef(name=name, returns=returns):
            answers = not (isinstance(returns, ast.Constant) and returns.value is None)
            bound = _first_bindings(site.node)
            return _Site(site.node, site.statement, bound, name in _CONSTRUCTORS, answers)
        case ast.ClassDef():
            return _Site(site.node, site.statement)
        case ast.While(test=test):
            return replace(site, waits_on=site.waits_on | (_named(test) - {"self", "cls"}))
        case ast.Raise():
            return replace(site, prose=True)
    return site


def _skipped(node: ast.AST) -> set[ast.AST]:
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


# --- the operators for Python: each yields the edits that it can make at a site ---

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


def _comparisons(site: _Site, text: _Text) -> Iterator[_Edit]:
    if isinstance(site.node, ast.Compare):
        sides = pairwise((site.node.left, *site.node.comparators))
        for (left, right), comparison in zip(sides, site.node.ops, strict=True):
            written, choices = _COMPARED[type(comparison)]
            for operator, new in choices:
                if not (site.extreme and operator == "boundary"):
                    yield from _swap(text, left, right, written, _Edit(operator, 0, 0, new))


def _arithmetic(site: _Site, text: _Text) -> Iterator[_Edit]:
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
            text, left, right, re.escape(written + suffix), _Edit("arithmetic", 0, 0, new + suffix)
        )


def _is_sequence(node: ast.expr) -> bool:
    """For which other arithmetic would only be a type error."""
    return isinstance(node, _SEQUENCES) or (
        isinstance(node, ast.Constant) and isinstance(node.value, str | bytes)
    )


def _logic(site: _Site, text: _Text) -> Iterator[_Edit]:
    if isinstance(site.node, ast.BoolOp):
        written, new = (b"and", b"or") if isinstance(site.node.op, ast.And) else (b"or", b"and")
        for left, right in pairwise(site.node.values):
            yield from _swap(text, left, right, written, _Edit("and/or", 0, 0, new))


def _swap(text: _Text, left: ast.expr, right: ast.expr, written: bytes, edit: _Edit) -> Iterator[_Edit]:
    """The edit, put where the operator stands: between operands there are brackets and comments too."""
    pattern = re.compile(rb"#[^\n]*|(" + written + rb")")
    for match in pattern.finditer(text.body, text.last(left), text.first(right)):
        if match[1]:
            yield replace(edit, start=match.start(1), end=match.end(1))
            return


def _negations(site: _Site, text: _Text) -> Iterator[_Edit]:
    if isinstance(site.node, ast.UnaryOp) and isinstance(site.node.op, ast.Not):
        start = text.first(site.node)
        if match := re.compile(rb"not[ \t]*").match(text.body, start):
            yield _Edit("not removed", start, match.end(), b"")


def _conditions(site: _Site, text: _Text) -> Iterator[_Edit]:
    """Not to true where a loop would have no end, and not where the condition binds a name."""
    tests: Sequence[ast.expr] = ()
    match site.node:
        case ast.If(test=test) | ast.IfExp(test=test) | ast.While(test=test):
            tests = [] if test in _skipped(site.node) else [test]
        case ast.match_case(guard=ast.expr() as guard):
            tests = [guard]
        case ast.comprehension(ifs=ifs):
            tests = ifs
    for test in tests:
        if not any(isinstance(it, ast.NamedExpr) for it in ast.walk(test)):
            if not isinstance(site.node, ast.While):
                yield _Edit("condition true", text.first(test), text.last(test), b"True")
            yield _Edit("condition false", text.first(test), text.last(test), b"False")


def _constants(site: _Site, text: _Text) -> Iterator[_Edit]:
    if isinstance(site.node, ast.Constant):
        new = _other_constant(site.node.value, site.prose)
        if new:
            in_header = isinstance(site.statement, ast.FunctionDef | ast.AsyncFunctionDef)
            operator = _DEFAULT if in_header else _CONSTANT
            yield _Edit(operator, text.first(site.node), text.last(site.node), new.encode())


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


def _values(site: _Site, text: _Text) -> Iterator[_Edit]:
    match site.node:
        case ast.Return(value=ast.expr() as value) if site.answers and not _is_like_none(value):
            yield _Edit("return value", text.first(value), text.last(value), b"None")
        case ast.Yield(value=ast.expr() as value) if not _is_like_none(value):
            yield _Edit("yielded value", text.first(value), text.last(value), b"None")
        case (
            ast.Assign(targets=[ast.Name() | ast.Attribute()], value=value)
            | ast.AnnAssign(value=ast.expr() as value)
        ):
            changed_elsewhere = isinstance(value, ast.Constant) or _is_like_none(value)
            if site.bound is not None and not changed_elsewhere and not _rebinds(site):
                yield _Edit("assigned value", text.first(value), text.last(value), b"None")


def _is_like_none(value: ast.expr) -> bool:
    """Where a test would rarely tell the value from None, or where it could only crash."""
    match value:
        case ast.Constant():
            return not value.value
        case ast.List(elts=[]) | ast.Tuple(elts=[]) | ast.Dict(keys=[]) | ast.Call(args=[], keywords=[]):
            return not isinstance(value, ast.Call) or _dotted(value.func) in (["list"], ["dict"], ["set"])
        case ast.Name(id=name):
            return name == "NotImplemented"
    return False


def _removals(site: _Site, text: _Text) -> Iterator[_Edit]:
    operator = "statement removed"
    match site.node:
        case ast.Expr(value=ast.Call(func=function) | ast.Await(value=ast.Call(func=function))):
            worth = _UNSEEN_CALLS.isdisjoint(_dotted(function)[:1])
        case ast.Assign() | ast.AugAssign() | ast.Delete():
            worth = _rebinds(site)
        case ast.Raise(exc=error):
            operator = "raise removed"
            name = error.func if isinstance(error, ast.Call) else error
            worth = name is None or _UNREACHABLE.isdisjoint(_dotted(name))
        case _:
            return
    if worth:
        yield _Edit(operator, text.first(site.statement), text.last(site.statement), b"pass")


def _rebinds(site: _Site) -> bool:
    """Whether all that a statement assigns to has a value without it, so that removal is no mere crash."""
    if isinstance(site.node, ast.AugAssign):
        return True
    return all(_has_a_value(target, site) for target in _targets(site.node))


def _has_a_value(target: ast.expr, site: _Site) -> bool:
    match target:
        case ast.Name(id=name):
            return site.bound is not None and site.bound.get(name, target.lineno) < target.lineno
        case ast.Attribute():
            return not site.starting
    return isinstance(target, ast.Subscript)


_RULES = (_comparisons, _arithmetic, _logic, _negations, _conditions, _constants, _values, _removals)


# --- other languages, by tokens ---


@dataclass(frozen=True, slots=True)
class _Language:
    """How to read a language's tokens, and what an edit may write in it.

    Attributes:
        opaque: comments, and what holds text or code that is better left alone.
        text: strings that may be changed.
        slashes: whether a slash may begin a regular expression.
        truths: what `if (…)` can be fixed to; empty where conditions have no brackets.
        nothing: what a `return` can return instead; empty where types would forbid it.
        blank: what a statement can be replaced by; None where it had better stay.
    """

    opaque: bytes
    text: bytes = rb'"(?:\\.|[^"\\\n])*+"'
    slashes: bool = False
    truths: tuple[bytes, ...] = ()
    nothing: bytes = b""
    blank: bytes | None = b";"


_C_COMMENTS = rb"//[^\n]*+|/\*(?:(?!\*/|/\*).)*+\*/"
_CHARACTER = rb"|'(?:\\.|[^'\\\n])++'"
_SCRIPT = _Language(
    opaque=_C_COMMENTS + rb"|`(?:\\.|\$\{(?:[^`{}]|\{[^`{}]*+\})*+\}|(?!\$\{)[^`\\])*+`|@\w++",
    text=rb"""'(?:\\.|[^'\\\n])*+'|"(?:\\.|[^"\\\n])*+\"""",
    slashes=True,
    truths=(b"true", b"false"),
    nothing=b"undefined",
)
_C = _Language(opaque=_C_COMMENTS + _CHARACTER + rb"|#(?:\\\r?\n|[^\n])*+", truths=(b"1", b"0"))
_LANGUAGES: Mapping[str, _Language] = {
    **dict.fromkeys((".js", ".mjs", ".cjs", ".ts", ".mts", ".cts"), _SCRIPT),
    **dict.fromkeys((".c", ".h"), _C),
    ".go": _Language(opaque=_C_COMMENTS + _CHARACTER + rb"|`[^`]*+`", blank=None),
    ".java": _Language(
        opaque=_C_COMMENTS + _CHARACTER + rb'|"""(?:\\.|(?!""").)*+(?:"""|\Z)|@\w++',
        truths=(b"true", b"false"),
    ),
    ".rs": _Language(
        opaque=_C_COMMENTS
        + rb"|b?'(?:\\(?:u\{\w*+\}|x\w\w|.)|[^\\'\n\x80-\xff]|[\x80-\xff]{2,4})'|'[A-Za-z_]\w*+"
        + rb'|b?r(?P<fence>\#*+)"(?:.*?"(?P=fence)|.*+)|\#!?\[(?:"(?:\\.|[^"\\])*+"|[^]"\n])*+\]',
        text=rb'"(?:\\.|[^"\\])*+"',
    ),
    ".rb": _Language(
        opaque=rb"\#[^\n]*+|(?m:^=begin\b.*?(?:^=end\b|\Z))|`(?:\\.|[^`\\])*+`",
        text=rb"""'(?:\\.|[^'\\])*+'|"(?:\\.|\#\{[^{}"]*+\}|(?!\#\{)[^"\\])*+\"""",
        slashes=True,
        blank=None,
    ),
}
_MARKS = (
    rb">>>=|===|!==|<<=|>>=|>>>|\*\*=|&&=|\|\|=|\?\?=|\.\.\.|\.\.=|<=>|=>|->|<-|::|:=|=~|!~|&&|\|\||==|!=|<=|>="
    rb"|\+\+|--|\+=|-=|\*=|/=|%=|&=|\|=|\^=|<<|>>|\?\.|\?\?|\*\*|\.\."
)
_REGEX = re.compile(rb"/(?![*/])(?:\\.|\[(?:\\.|[^\]\\\n])*+\]|[^/\\\n\[])++/[a-z]*+", re.DOTALL)
_NO_OPERAND = frozenset(
    b"return case typeof in of else do throw new delete void instanceof await yield if elsif unless while"
    b" until when move and or not mut let const match then raise puts".split()
)
_TOKEN_SWAPS: Mapping[bytes, tuple[tuple[str, bytes], ...]] = {
    **{name: (("boundary", one), ("comparison negated", other)) for name, one, other in (
        (b"<", b"<=", b">="), (b"<=", b"<", b">"), (b">", b">=", b"<="), (b">=", b">", b"<"),
    )},
    **{name: (("comparison negated", other),) for name, other in (
        (b"==", b"!="), (b"!=", b"=="), (b"===", b"!=="), (b"!==", b"==="),
    )},
    **{name: (("arithmetic", other),) for name, other in (
        (b"+", b"-"), (b"-", b"+"), (b"*", b"/"), (b"/", b"*"), (b"%", b"*"), (b"+=", b"-="), (b"-=", b"+="),
    )},
    b"&&": (("and/or", b"||"),),
    b"||": (("and/or", b"&&"),),
}  # fmt: skip
_LEFT_ALONE = re.compile(
    rb"\s*(?:import|from|use|package|export\s*[{*]|include|require|mod|extern|class|module"
    rb"|(?:export\s+|pub\s+)?(?:type|interface|struct|enum|trait)\b|assert)"
    rb"|.*(?:\brequire\s*\(|\bconsole\.|\blog(?:ger)?\.|\be?println!?\s*\(|\bprintf\s*\(|\bfmt\.Print"
    rb"|\bSystem\.(?:out|err)\.|\"use strict\"|'use strict'|\bassert)"
)
_SPEAKS = re.compile(rb".*(?:\bthrow\b|\braise\b|Error|Exception|\bpanic!?\s*\(|\.expect\()")
_REMOVABLE = re.compile(
    rb"[ \t]*(?P<body>(?P<throw>throw\b.*;)|(?!super\b|this\(|return\b|if\b|for\b|while\b|switch\b|catch\b)"
    rb"(?:(?:await )?[\w$.]+\([^\n]*\);|[\w$]+(?:\.[\w$]+|\[[^\]\n]*\])+ = [^\n]*;))[ \t\r]*$"
)


_OPENING, _CLOSING = (b"(", b"[", b"{"), (b")", b"]", b"}")


@dataclass(frozen=True, slots=True)
class _Token:
    kind: str
    start: int
    end: int
    text: bytes

    @property
    def is_operand(self) -> bool:
        """Whether an operator after it has a left side."""
        if self.kind == "word":
            return self.text not in _NO_OPERAND
        return self.kind in ("number", "text") or self.text in (b")", b"]")


def _by_tokens(suffix: str, source: bytes, lines: frozenset[int]) -> tuple[_Text, list[_Edit]]:
    language = _LANGUAGES.get(suffix)
    tokens = _scan(source, language) if language else []
    if language is None or not tokens:
        return _NOTHING
    text = _Text.of(source)
    found: list[_Edit] = []
    for number, (start, end) in enumerate(pairwise((*text.starts, len(source) + 1)), start=1):
        line = source[start : end - 1]
        if number not in lines or _LEFT_ALONE.match(line):
            continue
        first, last = (bisect.bisect_left(tokens, edge, key=lambda it: it.start) for edge in (start, end))
        edits = list(_line_removed(line, start, tokens[max(first - 1, 0) : last], language))
        speaks = _SPEAKS.match(line) is not None
        for at in range(first, last):
            edits += _token_edits(tokens, at, source, language, speaks)
        found += [replace(edit, statement=start) for edit in edits]
    return text, found


@lru_cache(maxsize=16)
def _pattern(language: _Language) -> re.Pattern[bytes]:
    return re.compile(
        rb"(?P<space>\s++)|(?P<opaque>" + language.opaque + rb")|(?P<text>" + language.text + rb")"
        rb"|(?P<word>[A-Za-z_$\x80-\xff][\w$\x80-\xff]*+)|(?P<number>\d\w*+(?:\.\d\w*+)?)"
        rb"|(?P<mark>" + _MARKS + rb"|.)",
        re.DOTALL,
    )


def _scan(source: bytes, language: _Language) -> list[_Token]:
    """The tokens without blanks and comments; none where the scanner loses its way."""
    found: list[_Token] = []
    pattern, at = _pattern(language), 0
    while at < len(source) and (match := pattern.match(source, at)):
        kind, written = match.lastgroup or "", match[0]
        if kind == "mark":
            led = bool(found) and found[-1].is_operand
            if language.slashes and not led and written in (b"/", b"/="):
                match, kind = _REGEX.match(source, at), "opaque"
            if match is None or _is_lost(written, source[at : at + 4], led, language):
                return []
        at = match.end()
        if kind != "space" and not written.startswith((b"//", b"/*", b"#", b"=begin")):
            found.append(_Token(kind, match.start(), at, match[0]))
    return found


def _is_lost(written: bytes, ahead: bytes, led: bool, language: _Language) -> bool:
    """At an open quote or comment, or where Ruby begins a text in one of its many other ways."""
    if written in (b'"', b"'", b"`") or ahead.startswith(b"/*"):
        return True
    if language is not _LANGUAGES[".rb"]:
        return False
    return (written == b"%" and not led) or re.match(rb"<<[~-]?[\"'`A-Z]", ahead) is not None


def _token_edits(
    tokens: Sequence[_Token], at: int, source: bytes, language: _Language, speaks: bool
) -> Iterator[_Edit]:
    token = tokens[at]
    before = tokens[at - 1] if at else _Token("mark", 0, 0, b"")
    match token.kind:
        case "mark":
            yield from _mark_edits(token, before, source)
        case "word" if before.text != b"." and source[token.end : token.end + 1] != b":":
            if token.text in (b"true", b"false"):
                yield _Edit(
                    "constant", token.start, token.end, b"false" if token.text == b"true" else b"true"
                )
            elif token.text == b"if" and language.truths:
                yield from _fixed_conditions(tokens[at + 1 : at + 200], language.truths)
            elif token.text == b"return" and language.nothing:
                yield from _nothing_returned(token, source, language.nothing)
        case "number" if before.text != b"." and re.fullmatch(rb"0|[1-9]\d{0,14}", token.text):
            yield _Edit(_CONSTANT, token.start, token.end, b"%d" % (int(token.text) + 1))
        case "text" if len(token.text) > 2 and not speaks:
            quote = token.text[:1]
            new = b"YY" if token.text[1:-1] == b"XX" else b"XX"
            yield _Edit(_CONSTANT, token.start, token.end, quote + new + quote)


def _mark_edits(token: _Token, before: _Token, source: bytes) -> Iterator[_Edit]:
    """A binary operator has blanks around it in any tidy source; what has none may be a type or a pointer."""
    left, right = source[token.start - 1 : token.start], source[token.end : token.end + 1]
    if token.text == b"!" and not before.is_operand and re.match(rb"[\w$(!]", right):
        yield _Edit("not removed", token.start, token.end, b"")
    elif before.is_operand and left.isspace() and right.isspace():
        for operator, new in _TOKEN_SWAPS.get(token.text, ()):
            joins = before.kind == "text" or source[token.end : token.end + 80].lstrip()[:1] in (
                b'"',
                b"'",
                b"`",
            )
            if not (operator == "arithmetic" and joins):
                yield _Edit(operator, token.start, token.end, new)


def _fixed_conditions(tokens: Sequence[_Token], truths: Sequence[bytes]) -> Iterator[_Edit]:
    """For the condition in brackets that the tokens begin with, unless it assigns."""
    depth = 0
    for token in tokens:
        depth += (token.text == b"(") - (token.text == b")")
        if token.text == b"=" or tokens[0].text != b"(":
            return
        if depth == 0:
            for operator, new in zip(("condition true", "condition false"), truths, strict=True):
                yield _Edit(operator, tokens[0].end, token.start, new)
            return


def _nothing_returned(token: _Token, source: bytes, nothing: bytes) -> Iterator[_Edit]:
    line = re.compile(rb"[ \t]+([^;\n{]{1,400}+);[ \t\r]*(?:\n|\Z)").match(source, token.end)
    if line and line[1] not in (b"undefined", b"null", b"false", b"0", b"''", b'""'):
        yield _Edit("return value", line.start(1), line.end(1), nothing)


def _line_removed(line: bytes, start: int, tokens: Sequence[_Token], language: _Language) -> Iterator[_Edit]:
    """For a line that is one whole statement; the first of the tokens is the one before the line."""
    match = _REMOVABLE.match(line)
    if language.blank is None or match is None or tokens[0].text not in (b";", b"{", b"}"):
        return
    depths = list(accumulate((it.text in _OPENING) - (it.text in _CLOSING) for it in tokens[1:]))
    ends = [it.text == b";" for it in tokens[1:]]
    if depths and depths[-1] == 0 and min(depths) == 0 and sum(ends) == 1:
        operator = "raise removed" if match["throw"] else "statement removed"
        yield _Edit(operator, start + match.start("body"), start + match.end("body"), language.blank)
