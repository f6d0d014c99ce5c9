"""Which runs' commits were taken back: a delivered commit names its run, and a revert the commit."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from route_agent.repo.git import GitFailed, git

if TYPE_CHECKING:
    from pathlib import Path

MOST_COMMITS = 20_000
_RUN = re.compile(r"^Route-Agent-Run: (\S+)$", re.MULTILINE)
_REVERTS = re.compile(r"^This reverts commit ([0-9a-f]{40})\b", re.MULTILINE)


def reverted_runs(root: Path) -> frozenset[str]:
    """The runs of which a commit was reverted in a repository, as far as its messages tell.

    A commit that was squashed or written anew is not known again. A revert that was itself reverted does not
    count. Where there is no repository, nothing is known.
    """
    wanted = ("-E", "--grep=^Route-Agent-Run: ", "--grep=^This reverts commit ")
    try:
        told = git("log", "--all", *wanted, f"-n{MOST_COMMITS}", "--format=%H%x1f%B%x1e", cwd=root)
    except (GitFailed, OSError):
        return frozenset()
    taken_back: set[str] = set()
    runs: set[str] = set()
    for entry in told.decode("utf-8", "replace").split(
        "\x1e"
    ):  # newest first: a revert before what it reverts
        commit, _, message = entry.strip().partition("\x1f")
        if commit in taken_back:
            runs.update(_RUN.findall(message)[-1:])
        else:
            taken_back.update(_REVERTS.findall(message))
    return frozenset(runs)
