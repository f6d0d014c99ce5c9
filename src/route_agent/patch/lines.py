"""Comparing a reply's lines with a file's, and how new lines follow the file's indentation."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Sequence
from functools import cached_property, lru_cache
from itertools import pairwise

from route_agent.records.change import ADDED, REMOVED, Hunk

_LOOK_ALIKES = str.maketrans(
    {
        "\u2018": "'", "\u2019": "'", "\u201a": "'", "\u201b": "'", "\u2032": "'",
        "\u201c": '"', "\u201d": '"', "\u201e": '"', "\u2033": '"',
        "\u2010": "-", "\u2011": "-", "\u2012": "-", "\u2013": "-", "\u2014": "-", "\u2212": "-",
        "\u00a0": " ", "\u2007": " ", "\u202f": " ", "\u3000": " ", "\u2026": "...", "\ufeff": "",
    }
)  # fmt: skip


def exact(line: str) -> str:
    return line


def trailing(line: str) -> str:
    return line.rstrip()


def stripped(line: str) -> str:
    return line.strip()


@lru_cache(maxsize=65_536)
def look_alike(line: str) -> str:
    return "".join(line.translate(_LOOK_ALIKES).split())


def _indent(line: str) -> str:
    return line[: len(line) - len(line.lstrip())]


class FileLines(tuple[str, ...]):
    """A file's lines, with what comparing them needs made once for each way of comparing."""

    @cached_property
    def _made(self) -> dict[Callable[[str], str], tuple[list[str], Counter[str]]]:
        return {}

    def keyed(self, key: Callable[[str], str]) -> tuple[list[str], Counter[str]]:
        """The lines under a way of comparing, and how often each stands there."""
        if key not in self._made:
            have = [key(line.removesuffix("\r")) for line in self]
            self._made[key] = have, Counter(have)
        return self._made[key]

    @cached_property
    def places(self) -> dict[str, list[int]]:
        """Where each line stands, by its look-alike form."""
        found: dict[str, list[int]] = {}
        for at, line in enumerate(self.keyed(look_alike)[0]):
            found.setdefault(line, []).append(at)
        return found


def same(text: str) -> str:
    return text


def reindentation(hunk: Hunk, stand: Sequence[str]) -> Callable[[str], str] | None:
    """How the new lines must be indented, from how the old ones are; None where there is no one rule.

    Where the removed lines fit as they are, only the context was carelessly copied, and the new lines are
    right. A context that is off by a single blank everywhere lost or doubled the diff's own mark.
    """
    marks = [mark for mark, _ in hunk.lines if mark != ADDED]
    told = list(zip(marks, hunk.old, (line.removesuffix("\r") for line in stand), strict=True))
    pairs = [(mark, _indent(old), _indent(line)) for mark, old, line in told if old.strip()]
    removed = [(old, line) for mark, old, line in pairs if mark == REMOVED]
    judged = removed or [(old, line) for _, old, line in pairs]
    if all(old == line for old, line in judged):
        return same
    if not removed and all(_is_off_by_a_blank(old, line) for old, line in judged):
        return same
    every = {(old, line) for _, old, line in pairs}
    return _shift(every) or _retab(every) or _as_told(every, hunk.added)


def _is_off_by_a_blank(old: str, line: str) -> bool:
    return old in (line, f" {line}", f"{line} ") or line in (f" {old}", f"{old} ")


def has_two_depths(hunk: Hunk, stand: Sequence[str]) -> bool:
    """Whether a new line may be meant at two depths: as the removed lines are told, or as the context is.

    The removed lines stand as deep as they are told and the context does not, and the new line is as deep as
    some context and no removed line.
    """
    marks = [mark for mark, _ in hunk.lines if mark != ADDED]
    told = [it for it in zip(marks, hunk.old, stand, strict=True) if it[1].strip() and it[2].strip()]
    removed = {(_indent(old), _indent(line)) for mark, old, line in told if mark == REMOVED}
    if not removed or any(old != line for old, line in removed):
        return False
    shifted = {_indent(old) for mark, old, line in told if mark != REMOVED and _indent(old) != _indent(line)}
    sure = {old for old, _ in removed}
    return any(_indent(line) in shifted - sure for line in hunk.added if line.strip())


def local_indentation(
    removed: Sequence[tuple[str, str]], around: Sequence[tuple[str, str]], added: Sequence[str]
) -> Callable[[str], str] | None:
    """How the new lines at one place must be indented; None where nothing there tells.

    Args:
        removed: the lines they replace, as told and as they stand.
        around: the nearest other lines, likewise; one counts where it was told as deep as the first new line.
        added: the new lines.
    """
    depth = next((_indent(line) for line in added if line.strip()), "")
    judged = removed or [(old, line) for old, line in around if _indent(old) == depth]
    pairs = {(_indent(old), _indent(line)) for old, line in judged if old.strip()}
    if not any(line.strip() for line in added) or (pairs and all(old == line for old, line in pairs)):
        return same
    if not pairs or any(len(_indent(line)) < len(depth) for line in added if line.strip()):
        return None  # a line less deep than the first belongs to a block that nothing here tells of
    return _shift(pairs) or _retab(pairs)


def _shift(pairs: set[tuple[str, str]]) -> Callable[[str], str] | None:
    added = {line.removesuffix(old) for old, line in pairs if line.endswith(old)}
    if len(added) == 1 and all(line.endswith(old) for old, line in pairs):
        (prefix,) = added
        return lambda text: prefix + text if text.strip() else text
    taken = {old.removesuffix(line) for old, line in pairs if old.endswith(line)}
    if len(taken) == 1 and all(old.endswith(line) for old, line in pairs):
        (surplus,) = taken
        return lambda text: text.removeprefix(surplus)
    return None


def _as_told(pairs: set[tuple[str, str]], added: Sequence[str]) -> Callable[[str], str] | None:
    """Another width of indentation: each new line as deep as the old ones that were told so deep."""
    known = dict(pairs)
    depths = [known[old] for old in sorted(known, key=len)]
    grows = all(len(first) < len(second) for first, second in pairwise(depths))
    if len(known) != len(pairs) or not grows or any(_indent(it) not in known for it in added if it.strip()):
        return None
    return lambda text: known.get(_indent(text), _indent(text)) + text.lstrip() if text.strip() else text


def _retab(pairs: set[tuple[str, str]]) -> Callable[[str], str] | None:
    """Tabs for spaces or spaces for tabs, by the widths that the pairs agree on."""
    for width in (4, 8, 2, 3):
        if all(line.expandtabs(width) == old.expandtabs(width) for old, line in pairs):
            known = dict(pairs)
            tabs = any("\t" in line for _, line in pairs)

            def change(
                text: str, width: int = width, known: dict[str, str] = known, tabs: bool = tabs
            ) -> str:
                indent = _indent(text)
                if indent in known:
                    return known[indent] + text[len(indent) :]
                columns = len(indent.expandtabs(width))
                fresh = "\t" * (columns // width) + " " * (columns % width) if tabs else " " * columns
                return fresh + text[len(indent) :]

            return change
    return None
