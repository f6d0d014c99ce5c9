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
    from collections.abc import Mapping

    from route_agent.repo.trees import Entry, Trees


def apply_reply(trees: Trees, start: str, reply: str) -> str:
    """The tree that `start` becomes with the reply's edits.

    Raises:
        BadPatch: no patch in it, or an edit has no home.
        HostilePatch: an edit names a path that no patch may name.
    """
    # half of a character pair, which JSON can carry, is no text that a file could hold
    edits = read_reply(reply.encode("utf-8", "replace").decode())
    touched = touched_paths(edits)
    entries = trees.entries(start)
    known = {path: entries[path] for path in touched if path in entries}
    for path, entry in known.items():
        if entry.mode not in (REGULAR, EXECUTABLE):
            raise BadPatch(f"{path} is a link or a submodule, and only files are edited")
    changed = fit(edits, trees.read(known))
    _refuse_to_replace(changed, entries)
    contents = {
        path: None if data is None else Content(known[path].mode if path in known else REGULAR, data)
        for path, data in changed.items()
    }
    try:
        return trees.write(start, contents)
    except GitFailed as error:
        raise BadPatch(f"git refuses the patched tree: {error.words}") from error


def _refuse_to_replace(changed: Mapping[str, bytes | None], entries: Mapping[str, Entry]) -> None:
    """A file where a folder was, or the other way round: git would drop what stood there without a word."""
    written = [path for path, data in changed.items() if data is not None]
    kept = entries.keys() - changed.keys()
    for path in written:
        parents = ("/".join(path.split("/")[:depth]) for depth in range(1, path.count("/") + 1))
        if parent := next((it for it in parents if it in kept), ""):
            raise BadPatch(f"{path} cannot be written: {parent} is no folder")
    folders = tuple(f"{path}/" for path in written if path not in entries)
    if inner := next((path for path in kept if path.startswith(folders)), ""):
        raise BadPatch(f"{inner} is there: its folder cannot become a file")
