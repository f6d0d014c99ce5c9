"""The start tree as a model may look things up in it: lines of a file, places of a text, names in a folder.

Only what the tree holds is served, and of that nothing that is withheld. What git ignores is in no tree,
links are not followed, and a search finds only what may be shown: it tells nothing about a secret.
"""

from __future__ import annotations

import difflib
from typing import TYPE_CHECKING

from route_agent.context import size, visible_lines
from route_agent.globs import matches
from route_agent.records.change import EXECUTABLE, GITLINK, REGULAR, SYMLINK
from route_agent.repo.git import GitFailed, lines

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Sequence

    from route_agent.asking import Need
    from route_agent.repo.trees import Entry, Trees

MOST_LINES = 400
MOST_HITS = 60
MOST_FILES = 40  # looked into for one search
MOST_NAMES = 300
_LINE = 400
_OUTSIDE = "only files of the project can be looked up, by their paths in it"


class Shelf:
    """What may be read of one tree.

    Args:
        trees: where the tree is.
        tree: its id.
        withheld: whether a path is never shown.
    """

    def __init__(self, trees: Trees, tree: str, withheld: Callable[[str], bool]) -> None:
        self._trees = trees
        self._tree = tree
        self._withheld = withheld
        self._known: dict[str, Entry] | None = None

    @property
    def entries(self) -> dict[str, Entry]:
        """Everything of the tree that may be shown, by path."""
        if self._known is None:
            every = self._trees.entries(self._tree)
            self._known = {path: it for path, it in every.items() if not self._withheld(path)}
        return self._known

    def read(self, paths: Iterable[str]) -> dict[str, bytes]:
        """The content of those of the paths that are files and may be shown."""
        wanted = {path: it for path in paths if (it := self.entries.get(path)) and it.mode in _FILES}
        return self._trees.read(wanted)

    def look_up(self, need: Need, allowed: int) -> str:
        """What is asked for, in at most about so many bytes, or in a sentence why it cannot be had."""
        if need.kind == "search":
            return self._search(need.what, need.within, allowed)
        path = _inside(need.what)
        if path is None:
            return _OUTSIDE
        return self._lines(path, need, allowed) if need.kind == "read" else self._list(path, allowed)

    def _lines(self, path: str, need: Need, allowed: int) -> str:
        entry = self.entries.get(path)
        if entry is None:
            return self._not_there(path)
        if entry.mode == SYMLINK:
            return f"{path} is a link, and links are not followed"
        if entry.mode == GITLINK:
            return f"{path} is another repository, of which nothing is shown"
        data = self.read([path])[path]
        if b"\0" in data:
            return f"{path} is a binary file of {len(data):,} bytes"
        every = visible_lines(data.decode("utf-8", "replace"))
        if every[-1:] == [""]:
            every.pop()
        first = max(1, need.first)
        if first > len(every):
            return f"{path} has {len(every)} lines"
        last = min(need.last or len(every), len(every), first + MOST_LINES - 1)
        shown = _fitting(every[first - 1 : last], allowed)
        last = first + len(shown) - 1
        rest = f"; ask for {path}:{last + 1}-{len(every)} to see the rest" if last < len(every) else ""
        more = rest if not need.last or need.last > last else ""
        return "\n".join([f"lines {first}-{last} of {len(every)}{more}", *shown])

    def _not_there(self, path: str) -> str:
        if self._withheld(path):
            return f"{path} is never shown"
        if any(it.startswith(f"{path}/") for it in self.entries):
            return f"{path} is a folder: LIST it"
        close = difflib.get_close_matches(path, self.entries, n=3, cutoff=0.75)
        same = [it for it in self.entries if it.rpartition("/")[2] == path.rpartition("/")[2]]
        meant = list(dict.fromkeys([*same[:3], *close]))[:3]
        return f"there is no file {path}" + (f"; there is {', '.join(meant)}" if meant else "")

    def _list(self, folder: str, allowed: int) -> str:
        prefix = f"{folder}/" if folder else ""
        inside = [path.removeprefix(prefix) for path in self.entries if path.startswith(prefix)]
        if not inside:
            return self._not_there(folder) if folder in self.entries else f"there is no folder {folder}"
        counts: dict[str, int] = {}
        for path in inside:
            head, slash, _ = path.partition("/")
            counts[head + slash] = counts.get(head + slash, 0) + 1
        names = [f"{it} ({count} files)" if it.endswith("/") else it for it, count in sorted(counts.items())]
        shown = _fitting(names[:MOST_NAMES], allowed)
        rest = [f"… and {len(names) - len(shown)} more"] if len(shown) < len(names) else []
        return "\n".join([*shown, *rest])

    def _search(self, text: str, within: str, allowed: int) -> str:
        if not text or not text.replace("\t", " ").isprintable():
            return "a search is for one line of text"
        if within and _inside(within) is None:
            return _OUTSIDE
        ignore = text == text.lower()
        found = files_with(self._trees, self._tree, ("-F", *(("-i",) if ignore else ())), (text,))
        visible = [path for path in found if path in self.entries and (not within or matches(path, within))]
        hits: list[str] = []
        wanted = text.lower() if ignore else text
        for path, data in self.read(visible[:MOST_FILES]).items():
            for number, line in enumerate(visible_lines(data.decode("utf-8", "replace")), 1):
                if wanted in (line.lower() if ignore else line):
                    hits.append(f"{path}:{number}: {line.strip()[:_LINE]}")
        if not hits:
            return "it stands nowhere" + (f" in {within}" if within else "")
        shown = _fitting(hits[:MOST_HITS], allowed)
        unseen = len(visible) - MOST_FILES
        more = f"… and {len(hits) - len(shown)} more places" if len(shown) < len(hits) else ""
        more += f"; {unseen} more files hold it" if unseen > 0 else ""
        return "\n".join([*shown, *([more.lstrip("; ")] if more else [])])


_FILES = (REGULAR, EXECUTABLE)


def files_with(trees: Trees, tree: str, flags: Sequence[str], patterns: Sequence[str]) -> list[str]:
    """The tree's text files that hold one of the patterns; none where git cannot say."""
    wanted = [part for pattern in patterns for part in ("-e", pattern)]
    try:
        found = trees.run_git("grep", "-lIz", "--no-color", *flags, *wanted, tree)
    except GitFailed:
        return []  # nothing found, or not searchable: both are no hit
    return [path.partition(":")[2] for path in lines(found)]


def _inside(told: str) -> str | None:
    """A path as the tree has it, `` for its top; None where it leads elsewhere."""
    parts = [part for part in told.split("/") if part not in ("", ".")]
    if told.startswith(("/", "~")) and told != "/":
        return None
    if "\\" in told or any(part == ".." or part.casefold() == ".git" for part in parts):
        return None
    return "/".join(parts) if told.isprintable() else None


def _fitting(every: Sequence[str], allowed: int) -> list[str]:
    shown: list[str] = []
    for line in every:
        allowed -= size(line) + 1
        if allowed < 0 and shown:
            break
        shown.append(line if allowed >= 0 else line[: max(100, allowed)])
    return shown
