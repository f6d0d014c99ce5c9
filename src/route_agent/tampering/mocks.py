"""Which parts of the project a test puts aside."""

from __future__ import annotations

import ast
import builtins
import sys
from dataclasses import dataclass
from typing import TYPE_CHECKING

from route_agent.tampering.syntax import dotted, last

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from route_agent.tampering.words import Task

_SETTERS = frozenset({"setattr", "setitem", "delattr", "delitem"})
_FOREIGN = frozenset({
    "requests", "httpx", "aiohttp", "boto3", "botocore", "urllib3", "redis", "sqlalchemy", "django", "flask",
    "numpy", "pandas", "openai", "anthropic", "stripe", "psycopg", "psycopg2", "pymongo", "celery", "docker",
    "git", "click", "typer", "rich", "yaml", "smtplib", "paramiko", "google", "azure", "pytest", "mock",
})  # fmt: skip
_BUILTINS = frozenset(dir(builtins))
_HARMLESS = frozenset({"environ", "argv", "stdin", "stdout", "stderr", "path", "cwd"})


@dataclass(frozen=True, slots=True)
class Mock:
    """Something replaced within a test.

    Attributes:
        is_own: it belongs to the project, as far as can be told.
        is_called_itself: the same test calls what it has replaced, and so tests its own stand-in.
        is_changed: it belongs to a module that the change rewrites.
    """

    target: str
    line: int
    is_own: bool
    is_called_itself: bool = False
    is_changed: bool = False


def mocked(node: ast.AST, bound: Mapping[str, str], task: Task) -> list[Mock]:
    """What a test or fixture replaces, decorators included."""
    return [
        Mock(
            target,
            line,
            is_own=(not is_text and target.partition(".")[0] not in bound)
            or _is_own(_meaning(target, bound), task),
            is_called_itself=_calls(node, target.rpartition(".")[2]),
            is_changed=bool(set(_meaning(target, bound).split(".")) & task.changed),
        )
        for target, line, is_text in _replaced(node)
        if target and not set(target.split(".")) & _HARMLESS
    ]


def _replaced(node: ast.AST) -> Iterator[tuple[str, int, bool]]:
    """What is replaced, where, and whether it is named in a string rather than by an expression."""
    for part in ast.walk(node):
        if isinstance(part, ast.Call) and part.args:
            if target := _target(part):
                yield target, part.lineno, isinstance(part.args[0], ast.Constant)
        elif isinstance(part, ast.Assign) and _stands_in(part.value):
            for it in part.targets:
                if isinstance(it, ast.Attribute) and dotted(it).partition(".")[0] != "self":
                    yield dotted(it), part.lineno, False


def _target(call: ast.Call) -> str:
    path = dotted(call.func)
    name, owner = path.rpartition(".")[2], path.rpartition(".")[0].rpartition(".")[2]
    by_name = (name in _SETTERS and "." in path) or (name == "object" and owner.startswith("patch"))
    if not by_name and name != "patch" and owner != "patch":
        return ""
    first = call.args[0]
    start = first.value if isinstance(first, ast.Constant) and isinstance(first.value, str) else dotted(first)
    if by_name and len(call.args) > 1 and isinstance(call.args[1], ast.Constant):
        attribute = call.args[1].value
        if isinstance(attribute, str) and not isinstance(first, ast.Constant):
            return f"{start}.{attribute}"
    return start


def _stands_in(value: ast.expr) -> bool:
    return isinstance(value, ast.Lambda) or (isinstance(value, ast.Call) and last(value).endswith("Mock"))


def _meaning(target: str, bound: Mapping[str, str]) -> str:
    root, _, rest = target.partition(".")
    return ".".join(filter(None, (bound.get(root, root), rest)))


def _is_own(meaning: str, task: Task) -> bool:
    root = meaning.lstrip(".").partition(".")[0]
    if task.own and "." in meaning and root in task.own:
        return True
    return root not in sys.stdlib_module_names and root not in _FOREIGN and root not in _BUILTINS


def _calls(node: ast.AST, name: str) -> bool:
    return any(isinstance(it, ast.Call) and last(it.func) == name for it in ast.walk(node))
