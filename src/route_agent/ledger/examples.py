"""Accepted patches of earlier tasks that resemble a new one, as examples for a model."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any

from route_agent.redaction import redact

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Sequence

MOST_PATCH = 6_000  # characters: a longer patch is no example
_ASKED = 600
_WORD = re.compile(r"[a-z]{3,}")
_PATHS = re.compile(r"^\+\+\+ b/(.+)$", re.MULTILINE)
_COMMON = frozenset(
    {"the", "and", "for", "not", "that", "with", "when", "this", "from", "must", "should", "does"}
)


def similar(
    reports: Iterable[dict[str, Any]],
    brief: str,
    touched: Sequence[str],
    count: int,
    withheld: Callable[[str], bool],
) -> tuple[tuple[str, str], ...]:
    """What was asked for and the patch that was accepted, of the tasks most like this one; the best first.

    Args:
        reports: of accepted runs in the same repository, the latest first.
        brief: what is asked for now.
        touched: the files that it is about.
        count: how many at most.
        withheld: whether a path is never shown; a patch that touches one is no example.
    """
    wanted, about = _words(brief), set(touched)
    found: list[tuple[float, str, str]] = []
    seen: set[str] = set()
    for report in reports:
        asked, patch = str(report.get("brief", "")), _accepted_patch(report)
        paths = _PATHS.findall(patch)
        if not patch or len(patch) > MOST_PATCH or patch in seen or any(map(withheld, paths)):
            continue
        seen.add(patch)
        words = _words(asked)
        alike = len(words & wanted) / max(1, len(words | wanted))
        shared = len(about & set(paths)) / max(1, len(paths))
        if (score := alike + shared) > 0:
            found.append((score, redact(asked[:_ASKED]), redact(patch)))
    best = sorted(found, key=lambda it: -it[0])[:count]
    return tuple((asked, patch) for _, asked, patch in best)


def _accepted_patch(report: dict[str, Any]) -> str:
    attempts = report.get("attempts")
    accepted = [
        it
        for it in (attempts if isinstance(attempts, list) else [])
        if isinstance(it, dict) and not it.get("failure")
    ]
    patch = accepted[-1].get("patch") if accepted else ""
    return patch if isinstance(patch, str) and "GIT binary patch" not in patch else ""


def _words(text: str) -> set[str]:
    return set(_WORD.findall(text.casefold())) - _COMMON
