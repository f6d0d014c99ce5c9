"""`route-agent policy show`: the policy in force with every default, and where each value comes from."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from route_agent.cli.edge import plain_errors, print_json, say
from route_agent.cli.policies import policy_at_head, policy_named
from route_agent.config import load_config
from route_agent.decide import policy_in_force
from route_agent.errors import EnvironmentBroken
from route_agent.pathrules import Written
from route_agent.policysources import plain_policy, sources, yaml_lines
from route_agent.repo.repository import Repository
from route_agent.strictness import tightened

if TYPE_CHECKING:
    from route_agent.config import Config
    from route_agent.policy import Policy


def show(directory: Path, policy: str, *, effective: bool, as_json: bool) -> None:
    """Print the policy; with `effective`, above what the organisation and the user ask for."""
    with plain_errors(as_json=as_json):
        config, repository = load_config(), Repository.open(directory)
        named = policy_named(policy) if policy else policy_at_head(repository)
        written = Written.of(named.text, named.name)
        base, notices = _in_this_project(repository, policy, config, written)
        floors = config.floor if effective else ()
        now, changed = tightened(base, floors)
        if not effective and (hidden := tightened(base, config.floor)[1]):
            notices = (*notices, f"{'; '.join(hidden)} (route-agent policy show --effective)")
        told = sources(written, base, floors, built_in=named.stands_in)
        if as_json:
            print_json(
                {
                    "schema": 1,
                    "policy": named.name,
                    "hash": now.hash,
                    "effective": effective,
                    "values": plain_policy(now),
                    "from": {".".join(map(str, path)): source for path, source in told.items()},
                    "notices": [*notices, *changed],
                }
            )
            return
        head = [f"{named.name}, hash {now.hash}", *notices, *changed]
        say(
            "\n".join(
                [*(f"# {' '.join(line.split())}" for line in head), *yaml_lines(plain_policy(now), told)]
            )
        )


def _in_this_project(
    repository: Repository, policy: str, config: Config, written: Written
) -> tuple[Policy, tuple[str, ...]]:
    """The policy with what is found in the project, before any floor; as it is written where nothing is."""
    without = config.model_copy(update={"floor": ()})
    try:
        named, _, notices = policy_in_force(repository, repository.head, policy, without)
    except EnvironmentBroken as error:
        return written.policy, (error.what,)
    return named.policy, notices
