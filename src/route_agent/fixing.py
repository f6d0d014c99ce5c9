"""Which of a fixer lane's commands answer the checks that are red: a lint task is no reason to reformat.

Pure. Tools are told by their names, also behind `python -m`, `npx` and the like; of a command that is none of
them only its own check's kind is known.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import TYPE_CHECKING

from route_agent.records.checks import CheckKind

if TYPE_CHECKING:
    from collections.abc import Collection, Iterable, Mapping, Sequence

    from route_agent.policy import Argv, CheckSpec

# which kind of red check a class of task is about, the nearest first
FIXED_BY_CLASS: Mapping[str, tuple[CheckKind, ...]] = {
    "lint": (CheckKind.LINT, CheckKind.FORMAT),
    "format": (CheckKind.FORMAT, CheckKind.LINT),
    "types": (CheckKind.TYPECHECK,),
}

_LINT, _FORMAT = CheckKind.LINT, CheckKind.FORMAT
_TOOLS: dict[str, CheckKind] = {
    "autoflake": _LINT, "eslint": _LINT, "flake8": _LINT, "golangci-lint": _LINT, "pylint": _LINT,
    "pyupgrade": _LINT, "rubocop": _LINT, "ruff": _LINT, "stylelint": _LINT,
    "autopep8": _FORMAT, "black": _FORMAT, "clang-format": _FORMAT, "gofmt": _FORMAT, "gofumpt": _FORMAT,
    "goimports": _FORMAT, "isort": _FORMAT, "prettier": _FORMAT, "rustfmt": _FORMAT, "shfmt": _FORMAT,
    "yapf": _FORMAT,
}  # fmt: skip
# tools of several trades, by the word after their name
_BY_WORD: dict[tuple[str, str], tuple[str, CheckKind]] = {
    ("ruff", "format"): ("ruff-format", _FORMAT),
    ("cargo", "fmt"): ("rustfmt", _FORMAT),
    ("cargo", "clippy"): ("clippy", _LINT),
    ("cargo", "fix"): ("rustc", _LINT),
    ("cargo", "check"): ("rustc", _LINT),
    ("go", "fmt"): ("gofmt", _FORMAT),
    ("go", "vet"): ("go-vet", _LINT),
}
_RUNNERS = frozenset({"npx", "bunx", "uvx", "pnpx"})
_RUNNERS_BY_WORD = frozenset(
    (name, word)
    for names, word in (
        (("uv", "poetry", "pdm", "hatch", "pipenv"), "run"),
        (("npm", "pnpm", "yarn", "bundle"), "exec"),
    )
    for name in names
)
_PYTHON = re.compile(r"(?:python|pypy)[0-9.]*")


def kind_asked(task_class: str, red: Collection[CheckKind]) -> CheckKind | None:
    """Which of the kinds that are red a task of this class is about: the nearest; None where it is none."""
    return next((kind for kind in FIXED_BY_CLASS.get(task_class, ()) if kind in red), None)


@dataclass(frozen=True, slots=True)
class Tool:
    """What a command is: its tool, and what kind of fault that finds or mends."""

    name: str
    kind: CheckKind


def tool_of(argv: Sequence[str]) -> Tool | None:
    """The tool that a command runs; None where it is none that is known."""
    words = [*argv]
    while len(words) > 1:
        name = _name(words[0])
        if _PYTHON.fullmatch(name) and words[1] == "-m":
            words = words[2:]
        elif name in _RUNNERS:
            words = _after_options(words[1:])
        elif (name, words[1]) in _RUNNERS_BY_WORD:
            words = _after_options(words[2:])
        else:
            break
    if not words:
        return None
    name = _name(words[0])
    if found := _BY_WORD.get((name, words[1] if len(words) > 1 else "")):
        return Tool(*found)
    return Tool(name, _TOOLS[name]) if name in _TOOLS else None


def _name(word: str) -> str:
    return word.rpartition("/")[2].partition("@")[0]


def _after_options(words: list[str]) -> list[str]:
    while words and words[0].startswith("-"):
        words = words[1:]
    return words


def commands_for(
    run: Sequence[Argv], checks: Iterable[CheckSpec], red: Iterable[str], task_class: str
) -> tuple[Argv, ...]:
    """The commands of a fixer lane that answer the checks that are red, in the lane's order.

    What a command of a tool that is not known is for, only the policy knows: it always answers. After a
    linter's changes a formatter whose own check is green puts those in order: it has nothing else to do.

    Args:
        run: the lane's commands.
        checks: the project's.
        red: the names of those that are red at start.
        task_class: what the task is about; of several red checks those of its kind are answered.
    """
    red = set(red)
    known = [*checks]
    asked = _asked(known, red, task_class)
    tools = {argv: tool_of(argv) for argv in run}
    wanted = {argv for argv, tool in tools.items() if tool is None}
    for check in asked:
        wanted |= _answering(check, tools)
    mends = {tool.kind for argv in wanted if (tool := tools[argv])}
    if asked and _LINT in mends:
        green = {tool for it in known if it.name not in red and (tool := tool_of(it.run))}
        wanted |= {argv for argv, tool in tools.items() if tool and tool.kind is _FORMAT and tool in green}
    return tuple(argv for argv in run if argv in wanted) if asked else ()


def _asked(checks: Sequence[CheckSpec], red: set[str], task_class: str) -> list[CheckSpec]:
    """The red checks that a task of this class is about."""
    found = [check for check in checks if check.name in red]
    kind = kind_asked(task_class, {check.kind for check in found})
    return [check for check in found if check.kind is kind]


def _answering(check: CheckSpec, tools: dict[Argv, Tool | None]) -> set[Argv]:
    """The commands of the check's own tool; where it has none, or is not known, those of its kind."""
    judge = tool_of(check.run)
    same = {argv for argv, tool in tools.items() if tool and tool == judge}
    return same or {argv for argv, tool in tools.items() if tool and tool.kind is check.kind}
