"""Where things are kept: the platform's config, state and cache folders, nothing in the user's repository."""

from __future__ import annotations

import hashlib
import os
from pathlib import Path
from typing import TYPE_CHECKING

import platformdirs

from route_agent.errors import ConfigError

if TYPE_CHECKING:
    from collections.abc import Callable

APP = "route-agent"


def _folder(find: Callable[[str], str]) -> Path:
    try:
        return Path(find(APP))
    except RuntimeError as error:  # a user without a home, as in a container under a made-up number
        raise ConfigError("there is no home folder to keep anything in", hint="set HOME") from error


def config_file() -> Path:
    """The user's own configuration."""
    return _folder(platformdirs.user_config_dir) / "config.yaml"


def organisation_file() -> Path:
    """The organisation's configuration, beneath the user's."""
    return Path(platformdirs.site_config_dir(APP)) / "config.yaml"


def state_dir() -> Path:
    """The ledger and the artefacts of runs."""
    return _folder(platformdirs.user_state_dir)


def ledger_file() -> Path:
    """The one ledger of this user."""
    return state_dir() / "ledger.sqlite3"


def repository_key(git_dir: Path) -> str:
    """A folder name for one repository: readable, and unique by its resolved path."""
    resolved = git_dir.resolve()
    readable = resolved.parent.name if resolved.name == ".git" else resolved.name
    safe = "".join(letter if letter.isalnum() or letter in "-_." else "-" for letter in readable)[:40]
    return f"{safe}-{hashlib.sha256(os.fsencode(resolved)).hexdigest()[:10]}"


def repository_cache(git_dir: Path) -> Path:
    """Scratches and cached results of one repository."""
    return _folder(platformdirs.user_cache_dir) / "repos" / repository_key(git_dir)


def run_dir(git_dir: Path, run_id: str) -> Path:
    """The artefacts of one run: its patch and whatever else is worth keeping."""
    return state_dir() / "repos" / repository_key(git_dir) / f"run-{run_id}"
