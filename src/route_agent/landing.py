"""What became of a patch, by its lines in a repository's history: taken, changed, taken back, or not.

Lines are compared with white space aside, and only those that tell something: brackets stand anywhere. Pure.
"""

from __future__ import annotations

import re
from collections import Counter
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING

from route_agent.records.receptions import Received
from route_agent.risk.difflines import read_diff

if TYPE_CHECKING:
    from collections.abc import Collection, Iterable, Mapping, Sequence

HALF = 0.5  # of a patch's lines: with less of them in a commit, it is not known again
TAKEN_BACK = 0.9  # of its lines, in one later commit
STANDS = 0.1  # of its lines: with more of them at HEAD it is not taken back, and in a commit not left out
REVERT_DAYS = 90  # in which a commit that only deletes lines takes them back; later it is another change
_FEW = 2  # lines of which all must be there
_LEAST = 4  # characters of a line that tells something
_DAY_S = 86_400
_RUN = re.compile(r"^Route-Agent-Run: (\S{1,60})\s*$", re.MULTILINE)
_REVERTS = re.compile(r"\bThis reverts commit ([0-9a-f]{7,64})\b")

Lines = Counter[tuple[str, str]]  # by path and text


@dataclass(frozen=True, slots=True)
class Touched:
    """What a diff adds and removes, line by line and path by path."""

    added: Lines = field(default_factory=Counter)
    removed: Lines = field(default_factory=Counter)

    @property
    def total(self) -> int:
        return self.added.total() + self.removed.total()

    @property
    def paths(self) -> frozenset[str]:
        return frozenset(path for path, _ in (*self.added, *self.removed))

    def common(self, other: Touched) -> Touched:
        """What both do."""
        return Touched(self.added & other.added, self.removed & other.removed)

    def without(self, other: Touched) -> Touched:
        """What the other does not do."""
        return Touched(self.added - other.added, self.removed - other.removed)

    def within(self, share: float, of: Touched) -> bool:
        """Whether these are so great a share of the other's lines, and at least one that it adds."""
        if not self.total or (of.added and not self.added):
            return False
        return self.total >= (1.0 if of.total <= _FEW else share) * of.total


@dataclass(frozen=True, slots=True)
class Commit:
    """One commit with what it does to the files that are looked at; `at` in seconds since 1970."""

    id: str
    at: int
    parent: str
    message: str
    touched: Touched

    @property
    def runs(self) -> frozenset[str]:
        """The runs that its message names."""
        return frozenset(_RUN.findall(self.message))

    @property
    def reverts(self) -> frozenset[str]:
        """The commits that it takes back, as its message says."""
        return frozenset(_REVERTS.findall(self.message))


@dataclass(frozen=True, slots=True)
class Wanted:
    """A patch that is looked for; `since` is when its run began, in seconds since 1970."""

    run_id: str
    since: float
    touched: Touched
    was_delivered: bool = False


@dataclass(frozen=True, slots=True)
class Arrival:
    """Where a patch came into the history.

    Attributes:
        commits: that brought it, oldest first; empty where it was not found.
        whole: whether it came as it was proposed.
        part: where it was not found, the greatest share of its lines that one commit has.
        instead: another run whose patch has the same lines, where they cannot be told apart.
    """

    commits: tuple[Commit, ...] = ()
    whole: bool = False
    part: float = 0.0
    instead: str = ""


def key(line: str) -> str:
    """A line with its white space aside; empty where it tells nothing."""
    told = " ".join(line.split())
    return told if len(told) >= _LEAST and any(map(str.isalnum, told)) else ""


def touched(diff: str) -> Touched:
    """The telling lines of a git diff; what only moves in its file is neither."""
    found = Touched()
    for text in read_diff(diff).texts:
        for number, line in zip(text.numbers, text.text.split("\n"), strict=True):
            if told := key(line):
                (found.added if number > 0 else found.removed)[(text.path, told)] += 1
    return Touched(found.added - found.removed, found.removed - found.added)


def counted(path: str, content: str) -> Lines:
    """The telling lines of a file."""
    return Counter((path, told) for line in content.split("\n") if (told := key(line)))


def arrivals(wanted: Sequence[Wanted], commits: Sequence[Commit]) -> dict[str, Arrival]:
    """Where each patch came into a history, by run; no line of a commit is counted for two of them.

    Who is named by a commit comes first, then who is known to be delivered, then the later run.

    Args:
        commits: oldest first.
    """
    named = {run for it in commits for run in it.runs}
    order = sorted(wanted, key=lambda it: (it.run_id in named, it.was_delivered, it.since), reverse=True)
    left = {it.id: it.touched for it in commits}
    owners: dict[str, str] = {}
    found: dict[str, Arrival] = {}
    for it in order:
        later = [commit for commit in commits if commit.at >= it.since or it.run_id in commit.runs]
        arrival = _arrival(it, later, left)
        if not arrival.commits:
            before = _arrival(it, later, {commit.id: commit.touched for commit in later})
            owner = next((owners[c.id] for c in before.commits if c.id in owners), "")
            arrival = replace(arrival, instead=owner)
        for commit in arrival.commits:
            left[commit.id] = left[commit.id].without(it.touched)
            owners[commit.id] = it.run_id
        found[it.run_id] = arrival
    return found


def _arrival(it: Wanted, commits: Sequence[Commit], left: Mapping[str, Touched]) -> Arrival:
    """In one commit whole, in several whole, or in the one that has most of it."""
    matches = [(commit, it.touched.common(left[commit.id])) for commit in commits]
    named = [pair for pair in matches if it.run_id in pair[0].runs and pair[1].total]
    for commit, match in (*named, *matches):
        if match.total == it.touched.total:
            return Arrival((commit,), whole=True)
    if named:
        return Arrival((max(named, key=lambda pair: pair[1].total)[0],))
    several, rest = [], it.touched
    for commit, _ in matches:
        if (match := rest.common(left[commit.id])).total:
            several.append(commit)
            rest = rest.without(match)
    if several and not rest.total:
        return Arrival(tuple(several), whole=True)
    best = max(matches, key=lambda pair: pair[1].total, default=None)
    if best and best[1].within(HALF, it.touched):
        return Arrival((best[0],))
    return Arrival(part=best[1].total / it.touched.total if best else 0.0)


def standing(patch: Touched, before: Lines, head: Lines) -> int:
    """How many of the lines that a patch added stand at HEAD.

    Args:
        before: the lines of its files before it came; equal ones that stood there are none of its own.
        head: the lines of its files now.
    """
    return (patch.added & (head - before)).total()


def taken_back(
    patch: Touched, arrival: Arrival, commits: Sequence[Commit], reverted: Collection[str]
) -> Commit | None:
    """The later commit that takes a patch back: by its message, or by its lines.

    Args:
        commits: oldest first.
        reverted: commits that others took back, whose own taking back is void.
    """
    ours = {it.id for it in arrival.commits}
    came = max(it.at for it in arrival.commits)
    for commit in commits:
        if commit.id in ours or commit.id in reverted:
            continue
        if any(own.startswith(told) for told in commit.reverts for own in ours):
            return commit
        if commit.at >= came and _undoes(commit.touched, patch, commit.at - came):
            return commit
    return None


def _undoes(later: Touched, patch: Touched, after_s: float) -> bool:
    gone = (later.removed & patch.added).total() >= TAKEN_BACK * patch.added.total()
    back = (later.added & patch.removed).total() >= TAKEN_BACK * patch.removed.total()
    return gone and back and (bool(patch.removed) or after_s <= REVERT_DAYS * _DAY_S)


def reverted_commits(commits: Iterable[Commit]) -> frozenset[str]:
    """Which commits were taken back by others that stand, as their messages say.

    Args:
        commits: newest first.
    """
    told: set[str] = set()
    seen: list[Commit] = list(commits)
    for commit in seen:
        if commit.id not in told:
            told |= {it.id for it in seen for start in commit.reverts if it.id.startswith(start)}
    return frozenset(told)


def outcome(arrival: Arrival, *, is_back: bool) -> Received:
    """What became of a patch that arrived."""
    if is_back:
        return Received.REVERT
    return Received.ACCEPT if arrival.whole else Received.AMEND
