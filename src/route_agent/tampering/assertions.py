"""How much an assertion says, and whether a test says less than it did."""

from __future__ import annotations

import ast
import re
from dataclasses import dataclass
from typing import TYPE_CHECKING

from route_agent.records.findings import Weight
from route_agent.tampering.syntax import dotted, last
from route_agent.tampering.words import Hit

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

NOTHING, TRUTH, PART, VALUE = range(4)
_ANY_ERROR = frozenset({"Exception", "BaseException"})
_RAISES = frozenset({"raises", "assertRaises", "assertRaisesRegex", "fails"})
_CHECKS = re.compile(r"_?(?:assert|check|expect|verify|equal|same|contains|lacks|fails)")
_METHODS = {
    "assertTrue": TRUTH, "assertFalse": TRUTH, "assertIsNotNone": TRUTH, "assertIsInstance": TRUTH,
    "assertIn": PART, "assertNotIn": PART, "assertNotEqual": PART, "assertIsNot": PART, "assertRegex": PART,
    "assertGreater": PART, "assertGreaterEqual": PART, "assertLess": PART, "assertLessEqual": PART,
}  # fmt: skip
_USUAL_TOLERANCE = 1e-3
_WIDE = 1.0


@dataclass(frozen=True, slots=True)
class Assertion:
    """One thing that a test demands.

    Attributes:
        text: all of it, to compare with.
        subject: what it looks at.
        strength: from NOTHING (always true) to VALUE (one value, or one kind of error).
        facts: how many values it pins.
        is_wide: whether it takes any error, or a value from so wide a range that it is no statement.
        kind: which errors it takes, if it is about one.
        expected: the value it compares with, however exactly.
    """

    line: int
    text: str
    subject: str
    strength: int
    facts: int = 1
    is_wide: bool = False
    kind: str = ""
    expected: str = ""


def read(node: ast.AST) -> list[Assertion]:
    """The assertions in a piece of Python, in their order."""
    found: list[Assertion] = []
    for part in ast.walk(node):
        if isinstance(part, ast.Assert):
            found.append(_stated(part.test, part.lineno))
        elif isinstance(part, ast.Expr) and isinstance(part.value, ast.Call):
            found += _called(part.value)
        elif isinstance(part, ast.With | ast.AsyncWith):
            for item in part.items:
                if isinstance(item.context_expr, ast.Call):
                    found += _called(item.context_expr)
    return sorted(found, key=lambda it: it.line)


def _stated(test: ast.expr, line: int) -> Assertion:
    strength, facts = _strength(test)
    subject = test.left if isinstance(test, ast.Compare) else test
    wide = strength == NOTHING or any(_tolerance(it) >= _WIDE for it in ast.walk(test))
    expected = _plain(test.comparators[-1]) if isinstance(test, ast.Compare) else ""
    return Assertion(line, ast.dump(test), ast.dump(subject), strength, facts, wide, expected=expected)


def _plain(value: ast.expr) -> str:
    """A value without the `approx` around it."""
    if isinstance(value, ast.Call) and last(value) == "approx" and value.args:
        value = value.args[0]
    return ast.dump(value)


def _strength(test: ast.expr) -> tuple[int, int]:
    if isinstance(test, ast.Constant):
        return (NOTHING if test.value else VALUE), 1
    if isinstance(test, ast.Tuple | ast.List | ast.Dict):
        return (NOTHING, 0)  # `assert (condition, message)`
    if isinstance(test, ast.BoolOp):
        parts = [_strength(value) for value in test.values]
        if isinstance(test.op, ast.And):
            return max(it[0] for it in parts), sum(it[1] for it in parts)
        return min(PART, *(it[0] for it in parts)), 1
    if isinstance(test, ast.Compare):
        return _compared(test)
    return TRUTH, 1


def _compared(test: ast.Compare) -> tuple[int, int]:
    left, right, op = test.left, test.comparators[-1], test.ops[0]
    if len(test.ops) > 1 or not isinstance(op, ast.Eq | ast.Is | ast.IsNot):
        return PART, 1
    if ast.dump(left) == ast.dump(right):
        return NOTHING, 0
    if isinstance(op, ast.IsNot):
        return TRUTH, 1
    if "len" in (dotted(left), dotted(right)) or any(
        _tolerance(it) > _USUAL_TOLERANCE for it in (left, right)
    ):
        return PART, 1
    pinned = max((len(it.elts) for it in (left, right) if isinstance(it, ast.Tuple | ast.List)), default=1)
    return VALUE, max(1, pinned)


def _tolerance(node: ast.AST) -> float:
    """How far off `approx` lets a value be; a number that isn't written down is taken to be small."""
    if not isinstance(node, ast.Call) or last(node) not in ("approx", "isclose", "assertAlmostEqual"):
        return 0.0
    given = [it.value for it in node.keywords] + list(node.args[1:])
    return max(
        (abs(it.value) for it in given if isinstance(it, ast.Constant) and isinstance(it.value, int | float)),
        default=0.0,
    )


def _called(call: ast.Call) -> Iterator[Assertion]:
    name, text = last(call), ast.dump(call)
    if name in _RAISES and call.args:
        any_error = bool(_errors(call.args[0]) & _ANY_ERROR)
        pinned = 1 + (len(call.args) > 1 or any(it.arg == "match" for it in call.keywords))
        strength = TRUTH if any_error else VALUE
        kind = ast.dump(call.args[0])
        yield Assertion(call.lineno, text, "raises", strength, pinned, any_error, kind)
    elif name in ("assertTrue", "assertFalse") and call.args:
        inner = _stated(call.args[0], call.lineno)
        yield Assertion(call.lineno, text, inner.subject, inner.strength, inner.facts, is_wide=inner.is_wide)
    elif _CHECKS.match(name):
        subject = ast.dump(call.args[0]) if call.args else dotted(call)
        yield Assertion(call.lineno, text, subject, _METHODS.get(name, VALUE))


def _errors(node: ast.expr) -> set[str]:
    return {last(it) for it in (node.elts if isinstance(node, ast.Tuple) else [node])}


def weakened(
    path: str, test: str, old: Sequence[Assertion], new: Sequence[Assertion], line: int
) -> Iterator[Hit]:
    """What a test demanded and no longer does. Assertions that it has gained speak for themselves."""
    lost = _without(old, new)
    gained = _without(new, old)
    names = (test.rpartition(".")[2],)
    if old and not new:
        what = f"{test} asserted {_counted(len(old))} and asserts nothing now"
        yield Hit("assertions-removed", path, line, what, Weight.CONVICTS, names=names)
        return
    for before, after in _pairs(lost, gained):
        if after.strength < before.strength:
            weight = Weight.CONVICTS if after.is_wide else Weight.LOWERS
            what = f"an assertion of {test} says less than it did"
            yield Hit("assertion-loosened", path, after.line, what, weight, names=names)
        elif _is_changed(before, after):
            what = f"{test} expects something else than at start"
            yield Hit("expectation-changed", path, after.line, what, names=names)
    fewer = len(lost) - len(gained)
    if fewer > 0 and sum(it.facts for it in lost) > sum(it.facts for it in gained):
        what = f"{test} has {_counted(fewer)} less than at start"
        yield Hit("assertion-removed", path, line, what, names=names)


def _is_changed(before: Assertion, after: Assertion) -> bool:
    stricter = after.facts > before.facts and before.kind == after.kind
    same = bool(before.expected) and before.expected == after.expected
    return before.subject == after.subject and after.strength == before.strength and not stricter and not same


def _counted(number: int) -> str:
    return f"{number} thing{'s' if number != 1 else ''}"


def _without(some: Sequence[Assertion], others: Sequence[Assertion]) -> list[Assertion]:
    known = [it.text for it in others]
    kept = []
    for it in some:
        if it.text in known:
            known.remove(it.text)
        else:
            kept.append(it)
    return kept


def _pairs(lost: list[Assertion], gained: list[Assertion]) -> Iterator[tuple[Assertion, Assertion]]:
    """Which assertion has become which: by what it looks at, else the strongest of each."""
    before, after = list(lost), list(gained)
    for new in gained:
        if old := next((it for it in before if it.subject == new.subject), None):
            before.remove(old)
            after.remove(new)
            yield old, new
    before.sort(key=lambda it: -it.strength)
    after.sort(key=lambda it: -it.strength)
    yield from zip(before, after, strict=False)


def inserted(before: Sequence[str], after: Sequence[str], demands: Sequence[bool]) -> int | None:
    """Where a test takes a new step before an old assertion, while it demands nothing new; None if nowhere.

    Args:
        before: the statements at start.
        after: the statements now.
        demands: for each of `after`, whether it is an assertion.
    """
    rest = iter(after)
    if len(after) == len(before) or not all(it in rest for it in before):
        return None  # something was taken out or written anew, which others judge
    known = list(before)
    new: list[int] = []
    for at, statement in enumerate(after):
        if statement in known:
            known.remove(statement)
        else:
            new.append(at)
    if any(demands[at] for at in new) or not new:
        return None
    return new[0] if any(demands[new[0] :]) else None
