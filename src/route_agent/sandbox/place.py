"""Where commands run, and what they may have beyond."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path


@dataclass(frozen=True, slots=True)
class Place:
    """Where commands run; all paths are absolute, and `project` has no links in it.

    Attributes:
        tree: the files under test; there is no `.git` in it.
        project: the checkout that they stand for. Never written.
        home: a private, writable home folder.
        results: a writable folder for result files.
        tools: our helpers, which commands may read.
    """

    tree: Path
    project: Path
    home: Path
    results: Path
    tools: Path


@dataclass(frozen=True, slots=True)
class Exposure:
    """What a command gets beyond the walls: the network, paths to read, variables of the user's environment.

    Relative paths are the project's own; `env` counts when the environment is built.
    """

    network: bool = False
    paths: tuple[str, ...] = ()
    env: tuple[str, ...] = ()


NOTHING = Exposure()
