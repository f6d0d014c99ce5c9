"""What lies near a file: what it imports, who imports it, and where a name is defined. Asked of git, not of
every file, since a tree may hold very many.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from route_agent.repo.git import GitFailed
from route_agent.repo.shelf import files_with
from route_agent.symbols import LANGUAGES, Paths, imports_in, language_of

if TYPE_CHECKING:
    from collections.abc import Sequence

    from route_agent.repo.shelf import Shelf
    from route_agent.repo.trees import Trees

MOST_STEMS = 12
MOST_CANDIDATES = 60
MOST_NAMES = 40
MOST_WORDS = 8
MOST_HOLDING = 40
MOST_MENTIONING = 12
MOST_PLACES = 3  # a name that is defined in more files says nothing about which one matters
_STEM = re.compile(r"^[A-Za-z_]\w{1,60}$")
_KEYWORDS = (
    "def|class|function|func|fun|fn|struct|enum|trait|interface|type|const|let|var|val|record|module|macro"
)
_VISIBILITY = "public|private|protected|internal|static"


class Neighbours:
    """The relations of one tree's files, as far as their words tell."""

    def __init__(self, trees: Trees, tree: str, shelf: Shelf) -> None:
        self._trees = trees
        self._tree = tree
        self._shelf = shelf
        self.known = Paths(shelf.entries)

    def imported(self, paths: Sequence[str]) -> list[str]:
        """What the files import, in their order."""
        texts = self._texts([path for path in paths if language_of(path)])
        found = (it for path, text in texts.items() for it in imports_in(path, text, self.known))
        return list(dict.fromkeys(found))

    def importers(self, paths: Sequence[str]) -> list[str]:
        """Who imports the files."""
        wanted = [path for path in paths if language_of(path)]
        stems = {_stem(path) for path in wanted}
        words = sorted(stem for stem in stems if _STEM.match(stem))[:MOST_STEMS]
        if not words:
            return []
        holding = files_with(self._trees, self._tree, ("-F", "-w"), words)
        near = [path for path in holding if language_of(path) and path not in wanted][:MOST_CANDIDATES]
        texts = self._texts(near)
        return [path for path, text in texts.items() if set(imports_in(path, text, self.known)) & set(wanted)]

    def definitions(self, names: Sequence[str]) -> dict[str, list[int]]:
        """The lines at which names are defined, by file; of names that many files define none."""
        names = [name for name in dict.fromkeys(names) if _STEM.match(name)][:MOST_NAMES]
        places: dict[str, list[tuple[str, int]]] = {name: [] for name in names}
        for path, line, text in self._defining(names):
            name = next((it for it in names if re.search(rf"\b{it}\b", text)), "")
            if name and path in self.known.all and language_of(path):
                places[name].append((path, line))
        found: dict[str, list[int]] = {}
        for told in places.values():
            if len({path for path, _ in told}) <= MOST_PLACES:
                for path, line in told:
                    found.setdefault(path, []).append(line)
        return found

    def mentioning(self, words: Sequence[str]) -> list[str]:
        """Source files that hold the words, those with the rarest first; of words that many hold nothing."""
        scores: dict[str, float] = {}
        for word in words[:MOST_WORDS]:
            found = files_with(self._trees, self._tree, ("-F", "-i", "-w"), (word,))
            holding = [path for path in found if path in self.known.all and language_of(path)]
            for path in holding if len(holding) <= MOST_HOLDING else ():
                scores[path] = scores.get(path, 0.0) + 1 / len(holding)
        return sorted(scores, key=lambda path: (-scores[path], path))[:MOST_MENTIONING]

    def _defining(self, names: Sequence[str]) -> list[tuple[str, int, str]]:
        if not names:
            return []
        either = "|".join(names)
        receiver = r"(\([^)]*\)[ \t]*)?"
        patterns = (
            rf"(^|[^A-Za-z0-9_])({_KEYWORDS})[ \t*]+{receiver}({either})([^A-Za-z0-9_]|$)",
            rf"^[ \t]*({_VISIBILITY})[ \t][^=;(]*[ \t]({either})[ \t]*\(",
        )
        wanted = [part for pattern in patterns for part in ("-e", pattern)]
        suffixes = [f"*{suffix}" for suffix in LANGUAGES]
        try:
            output = self._trees.run_git(
                "grep", "-nIzE", "--no-color", *wanted, self._tree, "--", *suffixes
            ).decode(errors="surrogateescape")
        except GitFailed:
            return []  # nothing is defined here by that name
        told = (_PLACE.match(line) for line in output.split("\n"))
        return [(it["path"], int(it["line"]), it["text"]) for it in told if it]

    def _texts(self, paths: Sequence[str]) -> dict[str, str]:
        return {path: data.decode("utf-8", "replace") for path, data in self._shelf.read(paths).items()}


_PLACE = re.compile(r"^[^:\0]+:(?P<path>[^\0]+)\0(?P<line>\d+)[\0:](?P<text>.*)$")


def _stem(path: str) -> str:
    """The word by which others import a file."""
    folder, _, name = path.rpartition("/")
    stem = name.partition(".")[0]
    inner = stem in ("__init__", "index", "mod", "lib") or path.endswith(".go")
    return folder.rpartition("/")[2] if inner else stem
