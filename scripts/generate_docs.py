"""Print docs/commands.md from the command line itself, so that the page cannot say anything else.

Usage: python scripts/generate_docs.py > docs/commands.md
"""

from __future__ import annotations

import sys
from collections.abc import Iterator
from typing import Any

import typer.main

from route_agent.cli.app import app

HEAD = """\
# Commands

Printed by `scripts/generate_docs.py`; a test compares the two. What the exit codes mean is in
[exit-codes.md](exit-codes.md), what `--json` prints in [json.md](json.md).
"""


def page() -> str:
    """The whole page."""
    return "\n".join([HEAD, *_command(typer.main.get_command(app), "route-agent")])


def _command(command: Any, path: str) -> Iterator[str]:
    """A command's part, then those of the commands below it. The types of its tree are typer's own."""
    yield f"## `{path}`\n"
    yield f"{_sentence(command)}\n"
    if command.hidden:
        yield "Not listed in `--help`: git calls it.\n"
    rows = [row for parameter in command.params if (row := _row(parameter))]
    if rows:
        yield "| Option or argument | What it does |\n| --- | --- |\n" + "\n".join(rows) + "\n"
    for name, inner in getattr(command, "commands", {}).items():
        yield from _command(inner, f"{path} {name}")


def _sentence(command: Any) -> str:
    return " ".join((command.help or "").split())


def _row(parameter: Any) -> str:
    """One line of the table; empty for what is hidden."""
    if getattr(parameter, "hidden", False):
        return ""
    spelled = ", ".join(f"`{name}`" for name in _names(parameter))
    facts = [parameter.help or "", *_facts(parameter)]
    return f"| {spelled} | {_cell(' '.join(fact for fact in facts if fact))} |"


def _spelled(parameter: Any) -> list[str]:
    """The long form first, and what turns a switch off last."""
    return [*sorted(parameter.opts, key=len, reverse=True), *getattr(parameter, "secondary_opts", ())]


def _names(parameter: Any) -> list[str]:
    if parameter.param_type_name == "argument":
        return [_cell(parameter.metavar or parameter.name.upper())]
    # every option without a word of its own for its value takes a number
    value = "" if parameter.is_flag else f" {parameter.metavar or 'N'}"
    return [_cell(f"{name}{value}") for name in _spelled(parameter)]


def _facts(parameter: Any) -> Iterator[str]:
    default = parameter.default
    if parameter.required:
        yield "Required."
    elif default and isinstance(default, str | int) and not isinstance(default, bool):
        yield f"Default: `{default}`."


def _cell(text: str) -> str:
    return text.replace("|", "\\|")


if __name__ == "__main__":
    sys.stdout.write(page())
