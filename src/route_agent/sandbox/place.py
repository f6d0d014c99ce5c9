"""Where commands run, and what they may have beyond."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path


@dataclass(frozen=True, slots=True)
class Place:
    """Where commands run; all paths are absolute, and `project` has no links in it.

    Attributes:
        tree: the files under test, as this process reads them; there is no `.git` in it. Never to be given to
            git as a worktree: of an overlay, git would take it for the checkout itself.
        project: the checkout that they stand for. Never written.
        home: a private, writable home folder.
        results: a writable folder for result files.
        tools: our helpers, which commands may read.
        entrance: what to put before a command so that it finds the tree at the checkout's own path; empty
            where the tree is a mirror, which has to be mounted there.
        dependencies: the folders of dependencies that the tree does not bring itself, where they are known.
    """

    tree: Path
    project: Path
    home: Path
    results: Path
    tools: Path
    entrance: tuple[str, ...] = field(default=(), kw_only=True)
    dependencies: tuple[str, ...] | None = field(default=None, kw_only=True)


@dataclass(frozen=True, slots=True)
class Exposure:
    """What a command gets beyond the walls: the network, paths to read, variables of the user's environment.

    Relative paths are the project's own; `env` counts when the environment is built.
    """

    network: bool = False
    paths: tuple[str, ...] = ()
    env: tuple[str, ...] = ()


NOTHING = Exposure()
