"""Where things are kept: the platform's config, state and cache folders, nothing in the user's repository."""

from __future__ import annotations

import hashlib
from pathlib import Path

import platformdirs

APP = "route-agent"


def config_file() -> Path:
    """The user's own configuration."""
    return Path(platformdirs.user_config_dir(APP)) / "config.yaml"


def organisation_file() -> Path:
    """The organisation's configuration, beneath the user's."""
    return Path(platformdirs.site_config_dir(APP)) / "config.yaml"


def state_dir() -> Path:
    """The ledger and the artefacts of runs."""
    return Path(platformdirs.user_state_dir(APP))


def ledger_file() -> Path:
    """The one ledger of this user."""
    return state_dir() / "ledger.sqlite3"


def repository_key(git_dir: Path) -> str:
    """A folder name for one repository: readable, and unique by its resolved path."""
    resolved = git_dir.resolve()
    readable = resolved.parent.name if resolved.name == ".git" else resolved.name
    safe = "".join(letter if letter.isalnum() or letter in "-_." else "-" for letter in readable)[:40]
    return f"{safe}-{hashlib.sha256(str(resolved).encode()).hexdigest()[:10]}"


def repository_cache(git_dir: Path) -> Path:
    """Scratches and cached results of one repository."""
    return Path(platformdirs.user_cache_dir(APP)) / "repos" / repository_key(git_dir)


def run_dir(git_dir: Path, run_id: str) -> Path:
    """The artefacts of one run: its patch and whatever else is worth keeping."""
    return state_dir() / "repos" / repository_key(git_dir) / f"run-{run_id}"
