"""Modules of tests as the rules see them."""

from __future__ import annotations

import ast
import posixpath
import re
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from route_agent.tampering import assertions
from route_agent.tampering.syntax import Function, at_import, functions, imports, last, parse

if TYPE_CHECKING:
    from route_agent.tampering.words import Edit

_COLLECTED = re.compile(r"(test_.*|.*_test|tests?)\.py")


@dataclass(frozen=True, slots=True)
class Case:
    path: str
    name: str
    node: Function
    around: tuple[ast.ClassDef, ...] = ()

    @property
    def names(self) -> tuple[str, ...]:
        return (self.node.name, posixpath.basename(self.path), self.path)

    @property
    def marks(self) -> list[ast.expr]:
        return [it for owner in (self.node, *self.around) for it in owner.decorator_list]


@dataclass(frozen=True, slots=True)
class Module:
    """A module of the tests, read once."""

    path: str
    tree: ast.Module
    tests: dict[str, Case] = field(default_factory=dict)
    others: dict[str, Case] = field(default_factory=dict)
    bound: dict[str, str] = field(default_factory=dict)


def read(edit: Edit, *, at_start: bool) -> Module | None:
    tree = parse(edit.before if at_start else edit.after)
    if tree is None:
        return None
    module = Module(edit.path, tree, bound=imports(tree))
    # a file that was there may well be collected by a pattern that isn't known here
    collected = bool(_COLLECTED.fullmatch(edit.name)) or (
        edit.before is not None and edit.name != "conftest.py"
    )
    called = {it.id for it in at_import(tree) if isinstance(it, ast.Name)}
    for name, node, around in functions(tree):
        is_one = collected and node.name.startswith("test") and not is_fixture(node)
        is_script = not around and node.name in called and bool(assertions.read(node))
        home = module.tests if is_one or (is_script and not is_fixture(node)) else module.others
        home[name] = Case(edit.path, name, node, around)
    return module


def is_fixture(node: Function) -> bool:
    return any(last(it) == "fixture" for it in node.decorator_list)
