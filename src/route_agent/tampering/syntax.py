"""Python source as a tree, read so that no text can stop the reader."""

from __future__ import annotations

import ast
import warnings
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

MAX_LETTERS = 1_000_000
MAX_BITS = 512
MAX_DEPTH = 200  # `ast.dump` takes two frames per level

Function = ast.FunctionDef | ast.AsyncFunctionDef


def parse(text: str | None) -> ast.Module | None:
    """The tree, or None where there is none: no text, no Python, or too large or too deep to be read."""
    if text is None or len(text) > MAX_LETTERS:
        return None
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        try:
            tree = ast.parse(text)
        except (SyntaxError, ValueError, RecursionError, MemoryError):
            return None
    return tree if _is_flat(tree) and not any(map(_is_huge, ast.walk(tree))) else None


def _is_flat(tree: ast.AST) -> bool:
    level: list[ast.AST] = [tree]
    for _ in range(MAX_DEPTH):
        level = [child for node in level for child in ast.iter_child_nodes(node)]
        if not level:
            return True
    return False


def _is_huge(node: ast.AST) -> bool:
    """Whether it is a number that Python reads (in hexadecimal) but refuses to write."""
    return (
        isinstance(node, ast.Constant) and isinstance(node.value, int) and node.value.bit_length() > MAX_BITS
    )


def dotted(node: ast.AST) -> str:
    """`a.b.c` of a name, an attribute, or a call of one; an empty string for anything else."""
    parts: list[str] = []
    while True:
        if isinstance(node, ast.Call):
            node = node.func
        elif isinstance(node, ast.Attribute):
            parts.append(node.attr)
            node = node.value
        elif isinstance(node, ast.Name):
            return ".".join([node.id, *reversed(parts)])
        else:
            return ".".join(["", *reversed(parts)]) if parts else ""


def last(node: ast.AST) -> str:
    return dotted(node).rpartition(".")[2]


def without_docstring(body: Sequence[ast.stmt]) -> list[ast.stmt]:
    match body:
        case [ast.Expr(value=ast.Constant(value=str())), *rest]:
            return rest
    return list(body)


def dumps(body: Sequence[ast.stmt]) -> list[str]:
    return [ast.dump(statement) for statement in without_docstring(body)]


def functions(tree: ast.Module) -> Iterator[tuple[str, Function, tuple[ast.ClassDef, ...]]]:
    """Every function of a module and its classes as (qualified name, node, classes around it)."""
    waiting: list[tuple[tuple[ast.ClassDef, ...], ast.stmt]] = [((), node) for node in tree.body]
    while waiting:
        around, node = waiting.pop(0)
        if isinstance(node, Function):
            yield ".".join([*(it.name for it in around), node.name]), node, around
        elif isinstance(node, ast.ClassDef):
            waiting += [((*around, node), child) for child in node.body]


def imports(tree: ast.AST) -> dict[str, str]:
    """The names that imports bind, each with what it stands for."""
    bound: dict[str, str] = {}
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            for it in node.names:
                bound[it.asname or it.name.partition(".")[0]] = (
                    it.name if it.asname else it.name.partition(".")[0]
                )
        elif isinstance(node, ast.ImportFrom):
            start = "." * node.level + (node.module or "")
            bound |= {it.asname or it.name: f"{start}.{it.name}" for it in node.names}
    return bound


def at_import(tree: ast.Module) -> Iterator[ast.AST]:
    """What runs when the module is imported: not the bodies of functions, nor of `if __name__ == ...`."""
    waiting: list[ast.AST] = list(tree.body)
    while waiting:
        node = waiting.pop(0)
        if isinstance(node, ast.If) and "__name__" in {
            it.id for it in ast.walk(node.test) if isinstance(it, ast.Name)
        }:
            waiting += node.orelse
            continue
        yield node
        if not isinstance(node, Function | ast.Lambda):
            waiting += ast.iter_child_nodes(node)
