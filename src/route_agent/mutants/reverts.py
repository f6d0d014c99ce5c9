"""A change with one of its parts taken back: if no test notices, no test asked for that part."""

from __future__ import annotations

from difflib import SequenceMatcher
from typing import TYPE_CHECKING

from route_agent.mutants.text import Mutant

if TYPE_CHECKING:
    from collections.abc import Iterator

TAKEN_BACK = "change taken back"
MAX_LINES = 5000  # of a file; what is longer would take too long to compare


def reverts(path: str, before: bytes, after: bytes, lines: frozenset[int]) -> Iterator[Mutant]:
    """The patched file with one block of lines as at start, for each block that holds statements.

    Args:
        before: the file at start.
        after: the patched file.
        lines: the changed statements' first lines, 1-based, in the patched file.
    """
    old, new = before.splitlines(keepends=True), after.splitlines(keepends=True)
    if max(len(old), len(new)) > MAX_LINES:
        return
    for tag, i, j, k, end in SequenceMatcher(None, old, new, autojunk=False).get_opcodes():
        # where lines are only gone, what counts as changed stands beside the gap
        touched = range(k + 1, end + 1) if end > k else range(k, k + 2)
        if tag != "equal" and not lines.isdisjoint(touched):
            content = b"".join([*new[:k], *old[i:j], *new[end:]])
            yield Mutant(path, touched[0] or 1, TAKEN_BACK, content)
