"""Print docs/commands.md from the command line itself, so that the page cannot say anything else.

Usage: python scripts/generate_docs.py > docs/commands.md
       python scripts/generate_docs.py completion > src/route_agent/cli/commands.json
"""

from __future__ import annotations

import json
import sys
import textwrap
from collections.abc import Iterator
from typing import Any, get_args

import typer.main

from route_agent.cli.app import app
from route_agent.records.grades import Grade, TaskClass
from route_agent.routingspec import Phase

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


# what a value is, by the option that takes it, else by a word of its metavar
_KINDS = {
    "--lane": "lane",
    "--only-lane": "lane",
    "--class": "class",
    "--phase": "phase",
    "--policy": "policy",
}
_METAVARS = {
    "FILE": "file", "DIR": "folder", "FOLDER": "folder", "RUN": "run", "REF": "ref", "GRADE": "grade",
    "bash": "shell", "accept": "outcome",
}  # fmt: skip


def completion() -> str:
    """What the shells complete, as the program reads it."""
    commands = dict(_completed(typer.main.get_command(app), ""))
    words = {
        "class": get_args(TaskClass),
        "phase": get_args(Phase),
        "grade": [it.value for it in Grade],
        "shell": ["bash", "zsh", "fish"],
        "outcome": ["accept", "reject", "amend"],
    }
    return json.dumps({"commands": commands, "words": words}, indent=1) + "\n"


def _completed(command: Any, path: str) -> Iterator[tuple[str, dict[str, Any]]]:
    inner = {name: it for name, it in getattr(command, "commands", {}).items() if not it.hidden}
    shown = [it for it in command.params if not getattr(it, "hidden", False)]
    options = {
        name: [_kind(it), _short(it.help)]
        for it in shown
        if it.param_type_name == "option"
        for name in _spelled(it)
    }
    yield (
        path,
        {
            "commands": {name: _short(it.help) for name, it in inner.items()},
            "options": {**options, "--help": ["", "Show this message and exit."]},
            "arguments": [_kind(it) for it in shown if it.param_type_name == "argument"],
        },
    )
    for name, it in inner.items():
        yield from _completed(it, f"{path} {name}".strip())


def _kind(parameter: Any) -> str:
    """What a parameter's value is; empty for a switch, which has none, `text` for what nobody can know."""
    if getattr(parameter, "is_flag", False):
        return ""
    named = (_KINDS[name] for name in parameter.opts if name in _KINDS)
    metavar = (parameter.metavar or parameter.name.upper()).split("|")
    return next(named, next((_METAVARS[it] for it in metavar if it in _METAVARS), "text"))


def _short(text: str | None) -> str:
    """The first sentence, or as many of its words as a line has room for."""
    return textwrap.shorten((text or "").split(". ")[0].rstrip("."), 60, placeholder=" …")


if __name__ == "__main__":
    sys.stdout.write(completion() if sys.argv[1:] == ["completion"] else page())
