"""`route-agent config` and `trust`: the user's own file, and what a repository's policy may have of it."""

from __future__ import annotations

import os
import shlex
import subprocess
from typing import TYPE_CHECKING

from route_agent import places
from route_agent import trust as trusting
from route_agent.cli.edge import plain_errors, say
from route_agent.config import BUILT_IN, load_config
from route_agent.errors import UsageError
from route_agent.policy import POLICY_PATH, parse_policy
from route_agent.repo.repository import Repository

if TYPE_CHECKING:
    from pathlib import Path


def show() -> None:
    """Print the merged configuration and the built-in providers, keys by name only."""
    import yaml

    with plain_errors():
        config = load_config()
        providers = {**BUILT_IN, **config.providers}
        told = config.model_dump(mode="json") | {
            "providers": {name: it.model_dump(mode="json") for name, it in providers.items()}
        }
        for name, provider in told["providers"].items():
            provider["key_is_set"] = (
                bool(os.environ.get(providers[name].key_env)) if provider["key_env"] else "not needed"
            )
            provider["headers"] = dict.fromkeys(provider["headers"], "(not shown)")
        say(f"# {places.config_file()}\n{yaml.safe_dump(told, sort_keys=False)}")


def edit() -> None:
    """Open the file in the user's editor and check what came back."""
    with plain_errors():
        file = places.config_file()
        file.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
        if not file.exists():
            file.write_text(
                "# route-agent: your own providers, rates and trust. docs/config.md lists every key.\n"
            )
            file.chmod(0o600)
        editor = os.environ.get("VISUAL") or os.environ.get("EDITOR")
        if not editor:
            raise UsageError("no editor: $EDITOR is not set", hint=f"edit {file} yourself")
        try:
            subprocess.run([*shlex.split(editor), str(file)], check=True)
        except (OSError, subprocess.CalledProcessError) as error:
            raise UsageError(f"the editor failed: {error}", hint=f"edit {file} yourself") from error
        load_config()
        say(f"{file} is fine")


def trust(directory: Path, *, forget: bool) -> None:
    """Allow what the committed policy asks for, or withdraw it."""
    with plain_errors():
        repository = Repository.open(directory)
        if forget:
            trusting.forget(repository.root)
            say(f"{repository.root} is no longer trusted")
            return
        text = repository.file_at(repository.head, POLICY_PATH)
        if text is None:
            raise UsageError(f"HEAD has no {POLICY_PATH}", hint="route-agent init, then commit it")
        asking = trusting.asked(parse_policy(text, POLICY_PATH))
        for name, words in asking.items():
            say(f"{name}: {words}")
        trusting.record(repository.root, text)
        say(f"trusted: {POLICY_PATH} as committed" + ("" if asking else " (it asks for nothing)"))
