"""Who works here, for limits by author: a name that anybody may give themselves, and no proof of anything."""

from __future__ import annotations

import getpass
import os
from typing import TYPE_CHECKING

from route_agent.repo.git import GitFailed, git

if TYPE_CHECKING:
    from collections.abc import Mapping

    from route_agent.repo.repository import Repository


def author_of(repository: Repository, environment: Mapping[str, str] = os.environ) -> str:
    """The e-mail address that a commit here would have, in small letters; else the system's user name."""
    told = environment.get("GIT_AUTHOR_EMAIL", "")
    if not told:
        try:
            told = git("config", "--get", "user.email", cwd=repository.root).decode("utf-8", "replace")
        except GitFailed:  # it is not set
            told = ""
    return told.strip().lower() or user()


def name_of(repository: Repository) -> str:
    """One name for a repository and all its linked worktrees: the folder of the first checkout."""
    shared = repository.common_dir
    return str(shared.parent if shared.name == ".git" else shared)


def user() -> str:
    """The name of whoever runs this, as the system has it."""
    try:
        return getpass.getuser()
    except (KeyError, OSError):  # a container may run as a number without a name
        return f"uid-{os.getuid()}"
