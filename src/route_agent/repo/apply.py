"""A reply becomes a git tree: all of its edits or none. No file of a worktree is written for it.

And a tree that came out, of whatever lane, is judged against the one that it started from.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from functools import lru_cache
from typing import TYPE_CHECKING

from route_agent.errors import BadPatch, HostilePatch
from route_agent.patch import guard
from route_agent.patch.fit import fit
from route_agent.patch.formats import read_reply
from route_agent.records.change import EXECUTABLE, GITLINK, REGULAR, SYMLINK
from route_agent.repo.git import GitFailed
from route_agent.repo.trees import Content

if TYPE_CHECKING:
    from route_agent.policy import PathRules
    from route_agent.records.change import Change
    from route_agent.repo.trees import Entry, Trees


@lru_cache(maxsize=2)
def _listing(trees: Trees, tree: str) -> Mapping[str, Entry]:
    """All that a tree holds. Its id stands for that, so placing a patch and judging it ask git once."""
    return trees.entries(tree)


class TreeFiles(Mapping[str, bytes]):
    """A tree's regular files by path; a file is read when it is asked for."""

    def __init__(self, trees: Trees, tree: str) -> None:
        self._trees = trees
        self.entries = _listing(trees, tree)
        self._read: dict[str, bytes] = {}

    def __getitem__(self, path: str) -> bytes:
        if path not in self:
            raise KeyError(path)
        if path not in self._read:
            self._read |= self._trees.read({path: self.entries[path]})
        return self._read[path]

    def __contains__(self, path: object) -> bool:
        entry = self.entries.get(path) if isinstance(path, str) else None
        return entry is not None and entry.mode in (REGULAR, EXECUTABLE)

    def __iter__(self) -> Iterator[str]:
        return (path for path in self.entries if path in self)

    def __len__(self) -> int:
        return sum(1 for _ in self)


def apply_reply(trees: Trees, start: str, reply: str) -> str:
    """The tree that `start` becomes with the reply's edits.

    Raises:
        BadPatch: no patch in it, or an edit has no home.
        HostilePatch: an edit asks for what no patch may have, or would be written outside the tree.
    """
    files = TreeFiles(trees, start)
    # half of a character pair, which JSON can carry, is no text that a file could hold
    fitted = fit(read_reply(reply.encode("utf-8", "replace").decode()), files)
    _refuse_to_replace(trees, fitted.contents, files.entries)
    contents: dict[str, Content | None] = {}
    for path in {*fitted.contents, *fitted.modes}:
        if path in files.entries and path not in files:
            raise BadPatch(f"{path} is a link or a submodule, and only files are edited")
        data = fitted.contents[path] if path in fitted.contents else files[path]
        known = files.entries[path].mode if path in files else REGULAR
        contents[path] = None if data is None else Content(fitted.modes.get(path, known), data)
    try:
        return trees.write(start, contents)
    except GitFailed as error:
        raise BadPatch(f"git refuses the patched tree: {error.words}") from error


def _refuse_to_replace(
    trees: Trees, changed: Mapping[str, bytes | None], entries: Mapping[str, Entry]
) -> None:
    """A file where a folder was, or the other way round: git would drop what stood there without a word."""
    removed = {path for path, data in changed.items() if data is None}
    there = (entries.keys() | changed.keys()) - removed
    new = there - entries.keys()
    for path in new:
        parents = ("/".join(path.split("/")[:depth]) for depth in range(1, path.count("/") + 1))
        if parent := next((it for it in parents if it in there), ""):
            kinds = {SYMLINK: "a link", GITLINK: "a submodule"}
            kind = kinds.get(entries[parent].mode, "a file") if parent in entries else "a file"
            if kind == "a link" and guard.leaves(parent, _targets(trees, entries)):
                raise HostilePatch(
                    f"patch refused: {path!r} leads through {parent!r}, a link that leaves the tree. "
                    "Nothing was applied"
                )
            raise BadPatch(f"{path} cannot be written: {parent} is {kind}")
    folders = tuple(f"{path}/" for path in new)
    if inner := next((path for path in there if path.startswith(folders)), ""):
        raise BadPatch(f"{inner} is there: its folder cannot become a file")


def _targets(trees: Trees, entries: Mapping[str, Entry]) -> dict[str, str]:
    """Where each symbolic link of a tree points to."""
    links = {path: entry for path, entry in entries.items() if entry.mode == SYMLINK}
    return {path: data.decode(errors="surrogateescape") for path, data in trees.read(links).items()}


def judge_patch(trees: Trees, change: Change, rules: PathRules) -> None:
    """Refuse a patched tree that leaves its bounds, whether a reply or a lane's own work made it.

    Args:
        change: what the patched tree differs in from start.
        rules: which paths the policy lets a patch touch.

    Raises:
        HostilePatch: names the paths and the reason.
    """
    links: dict[str, str] = {}
    start = guard.Start()
    linked = [file for file in change.files if SYMLINK in (file.old_mode, file.new_mode)]
    # only what brings in names or links has to be held against all that stands there
    if linked or any(file.is_new for file in change.files):
        entries = _listing(trees, change.old_tree)
        start = guard.Start(
            {path: entry.id for path, entry in entries.items()}, _targets(trees, entries) if linked else {}
        )
        touched = {file.path for file in linked}
        links = {path: target for path, target in start.links.items() if path not in touched}
    guard.judge(change, links | trees.links(change), start, rules)
    guard.judge_added(trees.diff(change.old_tree, change.new_tree))


def with_test(trees: Trees, change: Change, test: Change) -> Change:
    """The change with a test's files over the patched tree; the patch has no say in those files."""
    entries = trees.entries(test.new_tree, test.paths)
    data = trees.read(entries)
    files: dict[str, Content | None] = {
        path: Content(entry.mode, data[path]) for path, entry in entries.items()
    }
    own = tuple(file for file in change.files if file.path not in files)
    return replace(change, new_tree=trees.write(change.new_tree, files), files=own)


def restored(trees: Trees, tree: str, start: str, paths: Sequence[str]) -> str:
    """The tree with some files as they are in another; those that are not there are removed."""
    entries = trees.entries(start, tuple(paths))
    data = trees.read(entries)
    files = {path: Content(entries[path].mode, data[path]) if path in data else None for path in paths}
    return trees.write(tree, files)
