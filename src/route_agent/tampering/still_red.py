"""Tests that were red at start, are red still, and were edited in between: no excuse for the patch."""

from __future__ import annotations

import ast
from typing import TYPE_CHECKING

from route_agent.records.findings import Finding, Weight
from route_agent.tampering import syntax

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping

RULE = "red-test-edited"


def still_red(
    files: Mapping[str, tuple[bytes | None, bytes | None]], tests: Iterable[str]
) -> Iterator[Finding]:
    """The tests that a change has touched, of those that are red before and after it.

    Python only: of other languages nothing tells where a test begins and ends.

    Args:
        files: every file of the change: its bytes at start and now, None where it is absent.
        tests: ids as `check::path::test`.
    """
    functions: dict[str, tuple[dict[str, ast.stmt], dict[str, ast.stmt]]] = {}
    for test in sorted(tests):
        file, _, rest = test.partition("::")[2].partition("::")
        path = next((it for it in sorted(files) if it == file or (file and it.endswith(f"/{file}"))), "")
        if not path.endswith(".py") or not rest:
            continue
        if path not in functions:
            before, after = (_functions(data) for data in files[path])
            functions[path] = before, after
        name = rest.partition("[")[0]
        old, new = (known.get(name) for known in functions[path])
        if old and new and ast.dump(old) != ast.dump(new):
            what = f"{name} was red at start and is red still, and the patch edits it"
            yield Finding(RULE, path, new.lineno, what, Weight.CONVICTS)


def _functions(data: bytes | None) -> dict[str, ast.stmt]:
    """The functions and methods of a module, by their names in a test id."""
    tree = syntax.parse(data.decode("utf-8-sig", "replace")) if data else None
    found: dict[str, ast.stmt] = {}

    def walk(body: list[ast.stmt], within: str) -> None:
        for node in body:
            if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
                found[within + node.name] = node
            elif isinstance(node, ast.ClassDef):
                walk(node.body, f"{within}{node.name}::")

    walk(tree.body if tree else [], "")
    return found
