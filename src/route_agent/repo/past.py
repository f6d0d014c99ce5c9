"""What git's history tells of some files: who changed them lately, and what was taken back."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import TYPE_CHECKING

from route_agent.repo.git import GitFailed, git, git_start
from route_agent.risk.signals import LATELY_DAYS

if TYPE_CHECKING:
    from collections.abc import Collection, Iterator
    from pathlib import Path

MAX_COMMITS = 1000
MAX_BYTES = 16 * 1024 * 1024
YEAR_DAYS = 365
_FEW = 100  # paths that git itself can look for; of more, it lists all and we choose
_DAY_S = 86_400
_REVERT = re.compile(r"revert[:\s(]|revert$|back out |this reverts commit [0-9a-f]{7,}", re.IGNORECASE)


@dataclass(frozen=True, slots=True)
class Past:
    """Commits by the path that they touched: the latest ones, and those that took back an earlier one."""

    commits: dict[str, frozenset[str]]
    reverts: dict[str, frozenset[str]]


def past(root: Path, base: str, paths: Collection[str], *, deadline_s: float) -> Past | None:
    """What became of some files before a commit: in the 90 days before it, and reverts in its last year.

    The times are counted from the commit and not from today, so the same question has the same answer.

    Args:
        root: the repository.
        base: the trusted commit; what is judged is not part of its own history.
        deadline_s: seconds.

    Returns:
        None where it is not known: too slow, too long, or a history that is not all here.
    """
    wanted = frozenset(paths)
    if not wanted:
        return Past({}, {})
    try:
        ends = int(git("show", "--no-patch", "--format=%ct", base, cwd=root).split()[0])
    except (GitFailed, ValueError, IndexError):
        return None
    since = f"--since={max(1, ends - YEAR_DAYS * _DAY_S)}"
    limits = (
        f"--max-count={MAX_COMMITS}",
        since,
        "--no-merges",
        "--no-renames",
        "--no-color",
        "--no-show-signature",
    )
    chosen = sorted(wanted) if len(wanted) <= _FEW else []
    try:
        written, whole = git_start(
            "--literal-pathspecs", "log", *limits, "--no-ext-diff", "--no-textconv", "-z", "--name-only",
            "--format=%x01%H%x02%ct%x02%s%x02%b%x03", base, "--", *chosen,
            cwd=root, most=MAX_BYTES, deadline_s=deadline_s,
        )  # fmt: skip
    except GitFailed:
        return None
    return _sorted_out(written.decode(errors="surrogateescape"), wanted, ends) if whole else None


def _sorted_out(log: str, wanted: frozenset[str], ends: int) -> Past:
    commits: dict[str, set[str]] = {}
    reverts: dict[str, set[str]] = {}
    for commit, at, said, touched in _entries(log):
        taken_back = _REVERT.match(said) or "this reverts commit" in said.lower()
        for path in touched:
            if path not in wanted:
                continue
            if at > ends - LATELY_DAYS * _DAY_S:
                commits.setdefault(path, set()).add(commit)
            if taken_back:
                reverts.setdefault(path, set()).add(commit)
    return Past(_frozen(commits), _frozen(reverts))


def _frozen(found: dict[str, set[str]]) -> dict[str, frozenset[str]]:
    return {path: frozenset(commits) for path, commits in found.items()}


def _entries(log: str) -> Iterator[tuple[str, int, str, list[str]]]:
    """Each commit's id, its time in seconds, its message, and its paths."""
    for entry in log.split("\x01")[1:]:
        head, _, names = entry.partition("\x03")
        facts = head.split("\x02", 3)
        if len(facts) == 4 and facts[1].isdigit():
            touched = [name.removeprefix("\n") for name in names.split("\0")]
            yield facts[0], int(facts[1]), f"{facts[2]}\n{facts[3]}", [name for name in touched if name]
