"""A reply becomes a git tree: all of its edits or none. No file of a worktree is written for it."""

from __future__ import annotations

from typing import TYPE_CHECKING

from route_agent.errors import BadPatch
from route_agent.patch.fit import fit, touched_paths
from route_agent.patch.formats import read_reply
from route_agent.records.change import EXECUTABLE, REGULAR
from route_agent.repo.git import GitFailed
from route_agent.repo.trees import Content

if TYPE_CHECKING:
    from route_agent.repo.trees import Trees


def apply_reply(trees: Trees, start: str, reply: str) -> str:
    """The tree that `start` becomes with the reply's edits.

    Raises:
        BadPatch: no patch in it, or an edit has no home.
        HostilePatch: an edit names a path that no patch may name.
    """
    edits = read_reply(reply)
    entries = trees.entries(start, touched_paths(edits))
    for path, entry in entries.items():
        if entry.mode not in (REGULAR, EXECUTABLE):
            raise BadPatch(f"{path} is a link or a submodule, and only files are edited")
    changed = fit(edits, trees.read(entries))
    contents = {
        path: None if data is None else Content(entries[path].mode if path in entries else REGULAR, data)
        for path, data in changed.items()
    }
    try:
        return trees.write(start, contents)
    except GitFailed as error:
        raise BadPatch(f"git refuses the patched tree: {error.stderr}") from error
