"""`route-agent shell-init`: a command per lane for the shell's start file.

Functions and not aliases: everything after the name is the task, in one argument, and nothing in it is
expanded a second time.
"""

from __future__ import annotations

import shlex
from typing import TYPE_CHECKING

import typer

from route_agent.cli.edge import plain_errors
from route_agent.errors import EnvironmentBroken, RepositoryState, UsageError
from route_agent.policy import POLICY_PATH, Policy, parse_policy, presets

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

PREFIX = "ra"


def shell_init(shell: str, directory: Path) -> None:
    """Print the functions for a shell: one for each lane of the policy in force, and one for the router."""
    with plain_errors():
        if shell not in _SHELLS:
            raise UsageError(f'unknown shell "{shell}": there are bash, zsh and fish')
        file, load, function = _SHELLS[shell]
        lanes = lanes_in_force(directory)
        lines = [
            f"# `{PREFIX} fix the leak`: everything after the name is the task. The others start at a lane.",
            f"# To have them in every {shell}, add this line to {file}:",
            f"#   {load}",
            function(PREFIX, ""),
            *(function(f"{PREFIX}-{lane}", lane) for lane in lanes),
        ]
        typer.echo("\n".join(lines))


def lanes_in_force(directory: Path) -> list[str]:
    """The lanes that `--lane` takes in a folder, the ladder's first; outside a repository the built-in ones.

    Raises:
        PolicyError: the policy in force says what it may not say.
    """
    policy = _policy(directory)
    return list(dict.fromkeys((*policy.routing.ladder, *policy.models)))


def _policy(directory: Path) -> Policy:
    from route_agent.config import load_config
    from route_agent.decide import policy_in_force
    from route_agent.repo.repository import Repository

    built_in = presets()["default"].read_bytes()
    try:
        repository = Repository.open(directory)
    except RepositoryState:
        return parse_policy(built_in, "default")
    try:
        return policy_in_force(repository, repository.head, "", load_config())[0].policy
    except EnvironmentBroken:  # no checks are configured or found: that matters to a run, not here
        text = repository.file_at(repository.head, POLICY_PATH)
        return parse_policy(built_in if text is None else text, POLICY_PATH)


def _bash_function(name: str, lane: str) -> str:
    # `function` takes a name that is an alias already; IFS decides what "$*" puts between the words
    option = f"--lane {shlex.quote(lane)} " if lane else ""
    return f"function {name} {{ local IFS=' '; route-agent {option}--task \"$*\"; }}"


def _fish_function(name: str, lane: str) -> str:
    option = f"--lane '{lane}' " if lane else ""
    return f"function '{name}'; route-agent {option}--task \"$argv\"; end"


_SHELLS: dict[str, tuple[str, str, Callable[[str, str], str]]] = {
    "bash": ("~/.bashrc", 'eval "$(route-agent shell-init bash)"', _bash_function),
    "zsh": ("~/.zshrc", 'eval "$(route-agent shell-init zsh)"', _bash_function),
    "fish": ("~/.config/fish/config.fish", "route-agent shell-init fish | source", _fish_function),
}
