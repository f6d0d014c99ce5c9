"""Which files a model is shown, and how much of them. Pure: candidates in, a bounded selection out."""

from __future__ import annotations

import posixpath
import re
from dataclasses import dataclass
from typing import TYPE_CHECKING

from route_agent.redaction import is_secret_name, redact

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Sequence

MAX_FILE_CHARACTERS = 60_000
LISTED_PATHS = 300
_SOURCE = re.compile(
    r"\.(py|pyi|js|jsx|ts|tsx|mjs|go|rs|java|kt|rb|php|c|h|cc|cpp|hpp|cs|swift|scala|sh|sql|toml|cfg|ini|md)$"
)
_WORD = re.compile(r"[a-z]{3,}")
_IMPORT = re.compile(r"^\s*(?:from\s+([\w.]+)\s+import|import\s+([\w.]+))", re.MULTILINE)


@dataclass(frozen=True, slots=True)
class Shown:
    """One file as the model sees it; `cut` says that only its beginning is there."""

    path: str
    text: str
    cut: bool = False


def candidates(
    brief: str, paths: Sequence[str], touched: Iterable[str], named: Iterable[str], failing: Iterable[str]
) -> list[str]:
    """Paths in the order in which they matter: named, touched, failing tests, then by words of the brief."""
    known = set(paths)
    first = [*named, *touched, *(test.partition("::")[0] for test in failing)]
    words = set(_WORD.findall(brief.casefold()))
    scored = [
        (len(words & set(_WORD.findall(path.casefold()))), path) for path in paths if _SOURCE.search(path)
    ]
    by_words = [path for score, path in sorted(scored, key=lambda it: (-it[0], len(it[1]), it[1])) if score]
    return [path for path in dict.fromkeys([*first, *by_words]) if path in known and not is_secret_name(path)]


def imported_by(text: str, paths: Sequence[str]) -> list[str]:
    """The tree's Python files that a file imports, by its import lines."""
    found: list[str] = []
    for match in _IMPORT.finditer(text):
        module = (match[1] or match[2]).lstrip(".").replace(".", "/")
        if module:
            ends = (f"{module}.py", f"{module}/__init__.py")
            found += [
                path
                for path in paths
                if path.endswith(ends) and f"/{path}".endswith(tuple(f"/{end}" for end in ends))
            ]
    return found


def select(
    order: Sequence[str], read: Callable[[str], bytes | None], budget_tokens: int
) -> tuple[Shown, ...]:
    """Whole files in their order until the budget is used up; binary files are passed over.

    Args:
        order: paths, the most wanted first.
        read: a path's bytes at start.
        budget_tokens: how much may be shown, at 3.5 bytes a token.
    """
    left = budget_tokens * 7 // 2
    shown: list[Shown] = []
    for path in order:
        if left < 400:
            break
        data = read(path)
        if data is None or b"\0" in data:
            continue
        text = redact(data.decode("utf-8", "replace"))
        allowed = min(left, MAX_FILE_CHARACTERS)
        cut = len(text) > allowed
        if cut and shown and allowed < MAX_FILE_CHARACTERS // 4:
            continue
        shown.append(Shown(path, text[:allowed], cut))
        left -= min(len(text), allowed)
    return tuple(shown)


def listing(paths: Sequence[str]) -> str:
    """The tree's paths, folders first where there are too many."""
    if len(paths) <= LISTED_PATHS:
        return "\n".join(paths)
    folders = sorted({posixpath.dirname(path) for path in paths})
    return "\n".join(f"{folder or '.'}/" for folder in folders[:LISTED_PATHS]) + f"\n({len(paths)} files)"
