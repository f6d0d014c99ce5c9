"""`route-agent shell-init`: a command per lane and completion, for the shell's start file.

Functions and not aliases: everything after the name is the task, in one argument, and nothing in it is
expanded a second time.
"""

from __future__ import annotations

import shlex
from typing import TYPE_CHECKING

import typer

from route_agent.cli.completion import HELPED_BY, startable
from route_agent.cli.edge import plain_errors
from route_agent.errors import EnvironmentBroken, RepositoryState, UsageError
from route_agent.policy import POLICY_PATH, Policy, parse_policy, presets

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

PREFIX = "ra"


def shell_init(shell: str, directory: Path) -> None:
    """Print the functions for a shell: for each lane of the policy in force, the router, and completion."""
    with plain_errors():
        if shell not in _SHELLS:
            raise UsageError(f'unknown shell "{shell}": there are bash, zsh and fish')
        file, load, function, completion = _SHELLS[shell]
        lanes = lanes_in_force(directory)
        lines = [
            f"# `{PREFIX} fix the leak`: everything after the name is the task. The others start at a lane.",
            f"# To have them in every {shell}, add this line to {file}:",
            f"#   {load}",
            function(PREFIX, ""),
            *(function(f"{PREFIX}-{lane}", lane) for lane in lanes),
            completion.strip(),
        ]
        typer.echo("\n".join(lines))


def lanes_in_force(directory: Path) -> list[str]:
    """The lanes at which a task may start in a folder, the ladder's first; outside a repository the built-in.

    Raises:
        PolicyError: the policy in force says what it may not say.
    """
    policy = _policy(directory)
    specs = [spec for entries in policy.models.values() for spec in entries]
    helping = {policy.verify.lane, policy.reproduce.lane, policy.routing.shadow.lane}
    helping |= {name for spec in specs for key in HELPED_BY if (name := getattr(spec, key))}
    return startable(policy.routing.ladder, policy.models, helping)


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


# what `route-agent complete` prints is only ever put into lists, and never evaluated
_BASH_COMPLETION = r"""
function _route_agent {
  local IFS=$'\n'
  local -a answer=()
  mapfile -t answer < <(route-agent complete bash "${COMP_WORDS[@]:1:COMP_CWORD}" 2>/dev/null)
  COMPREPLY=("${answer[@]:1}")
  case "${answer[0]-}" in
    files) compopt -o default ;;
    folders) compopt -o dirnames ;;
  esac
}
complete -F _route_agent route-agent
"""

_ZSH_COMPLETION = r"""
function _route_agent {
  local -a answer words_found told
  local line
  answer=("${(@f)$(route-agent complete zsh "${(@Q)words[2,CURRENT]}" 2>/dev/null)}")
  for line in "${(@)answer[2,-1]}"; do
    words_found+=("${line%%$'\t'*}")
    told+=("${line/$'\t'/  -- }")
  done
  (( $#words_found )) && compadd -l -d told -a words_found
  case "$answer[1]" in
    files) _files ;;
    folders) _files -/ ;;
  esac
}
(( $+functions[compdef] )) && compdef _route_agent route-agent
"""

_FISH_COMPLETION = r"""
function __route_agent_complete
  set -l line (commandline -opc)
  set -l current (commandline -ct)
  set -e line[1]
  set -l answer (route-agent complete fish $line "$current" 2>/dev/null)
  switch "$answer[1]"
    case files
      __fish_complete_path "$current"
    case folders
      __fish_complete_directories "$current"
  end
  set -e answer[1]
  printf '%s\n' $answer
end
complete -c route-agent -f -a '(__route_agent_complete)'
"""

_SHELLS: dict[str, tuple[str, str, Callable[[str, str], str], str]] = {
    "bash": ("~/.bashrc", 'eval "$(route-agent shell-init bash)"', _bash_function, _BASH_COMPLETION),
    "zsh": ("~/.zshrc", 'eval "$(route-agent shell-init zsh)"', _bash_function, _ZSH_COMPLETION),
    "fish": (
        "~/.config/fish/config.fish",
        "route-agent shell-init fish | source",
        _fish_function,
        _FISH_COMPLETION,
    ),
}
