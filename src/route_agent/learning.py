"""What git's history shows of delivered patches, written down as words of git. Nothing else is written."""

from __future__ import annotations

from collections import Counter
from contextlib import suppress
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from typing import TYPE_CHECKING

from route_agent.errors import LedgerError, RepositoryState, UsageError
from route_agent.landing import (
    HALF,
    STANDS,
    Arrival,
    Touched,
    Wanted,
    arrivals,
    outcome,
    reverted_commits,
    standing,
    taken_back,
    touched,
)
from route_agent.ledger.database import now
from route_agent.records.receptions import Received, Reception, Source
from route_agent.repo.landed import Landed, together
from route_agent.repo.repository import Repository

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from route_agent.landing import Commit, Lines
    from route_agent.ledger.receptions import Delivered, Receptions

DEADLINE_S = 30.0
QUIETLY_S = 2.0
MOST_RUNS = 2000  # of the ledger, newest first, among which a repository's are looked for
MOST_LOOKED = 200  # patches in one look
MOST_FILES = 400  # of one patch: with more of them, it is not looked for
QUIETLY_LOOKED = 20
SETTLED_DAYS = 180  # what git said of older ones stands
_SLACK_S = 300  # by which clocks of a run and of a commit may differ
_DAY_S = 86_400


@dataclass(frozen=True, slots=True)
class Finding:
    """What was found of one run's patch.

    Attributes:
        outcome: None where it cannot be told; `why` says why.
        lines: how many telling lines the patch adds; None where nobody could look.
        surviving: how many of them stand at HEAD.
        days: since the run ended.
    """

    run_id: str
    outcome: Received | None
    why: str
    days: float
    commit: str = ""
    lines: int | None = None
    surviving: int | None = None


@dataclass(frozen=True, slots=True)
class Learned:
    """One look at a repository: what was found, how much of it is new, and what was left out."""

    findings: tuple[Finding, ...] = ()
    written: int = 0
    notices: tuple[str, ...] = ()


def learn(
    ledger: Receptions,
    directory: Path,
    days: float,
    *,
    deadline_s: float = DEADLINE_S,
    most: int = MOST_LOOKED,
    at: datetime | None = None,
) -> Learned:
    """Look for the patches of a repository's accepted runs in its history, and write down what is new.

    Args:
        days: patches of runs that ended later than so many days ago are left for another time.
        deadline_s: seconds; what was not looked at by then stays unknown.
        most: how many patches are looked for.
        at: the time that counts as now.

    Raises:
        RepositoryState: there is no repository to look into.
    """
    landed = Landed(Repository.open(directory), deadline_s)
    clock = at or datetime.now(UTC)
    ours, foreign = _of_here(ledger.delivered(MOST_RUNS), landed)
    old = [it for it in ours if _age(it, clock) >= days]
    due = [it for it in old if it.known is None or _age(it, clock) <= SETTLED_DAYS]
    due.sort(key=lambda it: it.known is not None)  # what nobody looked at comes first
    notices = []
    if young := len(ours) - len(old):
        notices.append(f"younger than {days:g} days and not looked for: {young}")
    if more := len(due[most:]):
        notices.append(f"older patches that were left for the next time: {more}")
    look = _Look(landed, clock, foreign, due[:most])
    findings = look.findings()
    known = {it.run_id: it.known for it in due}
    new = [_word(it) for it in findings if it.outcome and _is_news(it, known[it.run_id])]
    if new:
        ledger.add(new)
    return Learned(tuple(findings), len(new), tuple(notices))


def learn_quietly(ledger: Receptions, directory: Path, days: float = 7.0) -> Learned:
    """The same for whoever shows figures: in two seconds, and nothing at all where it cannot be done."""
    with suppress(RepositoryState, LedgerError, UsageError):
        return learn(ledger, directory, days, deadline_s=QUIETLY_S, most=QUIETLY_LOOKED)
    return Learned()


def _age(run: Delivered, clock: datetime) -> float:
    return (clock - _moment(run.finished_at)).total_seconds() / _DAY_S


def _moment(told: str) -> datetime:
    try:
        moment = datetime.fromisoformat(told)
    except ValueError:  # of another ledger
        return datetime.fromtimestamp(0, UTC)
    return moment if moment.tzinfo else moment.replace(tzinfo=UTC)


def _of_here(runs: Sequence[Delivered], landed: Landed) -> tuple[list[Delivered], frozenset[str]]:
    """The runs about this repository, and which of them were made in another checkout of it."""
    roots = landed.worktrees() | {str(landed.repository.root)}
    elsewhere = [it for it in runs if it.source or it.repository not in roots]
    known = landed.known(it.base for it in elsewhere)
    foreign = frozenset(it.run_id for it in elsewhere if it.base in known)
    return [it for it in runs if it.run_id in foreign or (not it.source and it.repository in roots)], foreign


def _is_news(found: Finding, known: Reception | None) -> bool:
    return known is None or (known.outcome, known.surviving, known.lines, known.commit) != (
        found.outcome,
        found.surviving,
        found.lines,
        found.commit,
    )


def _word(found: Finding) -> Reception:
    return Reception(
        found.run_id,
        now(),
        Source.GIT,
        found.outcome or Received.REJECT,
        note=found.why,
        commit=found.commit,
        lines=found.lines,
        surviving=found.surviving,
        days=round(found.days, 3),
    )


class _Look:
    """One look at a history for some patches."""

    def __init__(
        self, landed: Landed, clock: datetime, foreign: frozenset[str], runs: Sequence[Delivered]
    ) -> None:
        self.landed = landed
        self.clock = clock
        self.foreign = foreign
        self.runs = runs
        self.patches = {it.run_id: _lookable(touched(it.patch)) for it in runs}
        self.wanted = [
            Wanted(
                it.run_id,
                _moment(it.started_at).timestamp() - _SLACK_S,
                self.patches[it.run_id],
                bool(it.delivered) and not it.delivered.startswith("not delivered"),
            )
            for it in runs
            if self.patches[it.run_id].total and len(self.patches[it.run_id].paths) <= MOST_FILES
        ]

    def findings(self) -> list[Finding]:
        if not self.wanted:
            return [self._not_looked_for(it) for it in self.runs]
        paths = together(it.touched for it in self.wanted)
        self.edge = self.landed.edge()
        self.newest = self.landed.newest()
        self.bases = self.landed.known(it.base for it in self.runs)
        self.seen = self.landed.commits(paths, min(it.since for it in self.wanted))
        self.oldest_first = self.seen.commits[::-1]
        self.reverted = reverted_commits(self.seen.commits)
        self.arrived = arrivals(self.wanted, self.oldest_first)
        self.landed.look_up(
            (commit, path)
            for it in self.wanted
            for first in self.arrived[it.run_id].commits[:1]
            for path in it.touched.paths
            for commit in (first.parent, self.landed.repository.head)
        )
        missing = [it for it in self.wanted if not self.arrived[it.run_id].commits]
        self.pending = self._pending(missing)
        since = {it.run_id: it.since for it in self.wanted}
        return [self._finding(it, since.get(it.run_id)) for it in self.runs]

    def _pending(self, missing: Sequence[Wanted]) -> dict[str, Arrival]:
        """Where those patches are that HEAD does not have: on other branches and in stashes."""
        if not missing:
            return {}
        others = ("--all", "--not", self.landed.repository.head)
        seen = self.landed.commits(
            together(it.touched for it in missing), min(it.since for it in missing), *others
        )
        self.others_seen = seen.since <= min(it.since for it in missing)
        return arrivals(missing, seen.commits[::-1])

    def _finding(self, run: Delivered, since: float | None) -> Finding:
        if since is None:
            return self._not_looked_for(run)
        arrival = self.arrived[run.run_id]
        if arrival.commits and not self.landed.is_late:
            return self._arrived(run, arrival)
        if arrival.instead:
            return self._unknown(run, f"its lines are those of run {arrival.instead}, which came first")
        if self.edge > since:
            return self._unknown(run, "a shallow clone: the history of that time is not here")
        if self.seen.since == float("inf") and not self.landed.is_late:
            return self._unknown(run, "git cannot read all of the history here")
        if self.seen.since > since or self.landed.is_late:
            return self._unknown(run, "the history is too long to be read in time")
        return self._elsewhere(run) or self._absent(run, since)

    def _unknown(self, run: Delivered, why: str) -> Finding:
        return Finding(run.run_id, None, why, _age(run, self.clock))

    def _not_looked_for(self, run: Delivered) -> Finding:
        many = len(self.patches[run.run_id].paths)
        why = "nothing in its patch could be known again"
        return self._unknown(run, f"it touches {many} files" if many > MOST_FILES else why)

    def _arrived(self, run: Delivered, arrival: Arrival) -> Finding:
        patch, first = self.patches[run.run_id], arrival.commits[0]
        back = taken_back(patch, arrival, self.oldest_first, self.reverted)
        names = self.landed.renamed(first.id, {path for path, _ in patch.added})
        if back and not patch.removed:
            names |= self._moved(back, patch)
        lines, surviving = patch.added.total(), self._standing(patch, first, names)
        is_back = back is not None and self._is_gone(patch, surviving)
        said = outcome(arrival, is_back=is_back)
        commit = back.id if back and is_back else first.id
        why = {
            Received.REVERT: f"taken back by {commit[:10]}",
            Received.ACCEPT: f"merged as it was in {commit[:10]}",
            Received.AMEND: f"merged with changes in {commit[:10]}",
        }[said]
        if len(arrival.commits) > 1 and not is_back:
            why += f" and {len(arrival.commits) - 1} more"
        return Finding(run.run_id, said, why, _age(run, self.clock), commit, lines, surviving)

    def _standing(self, patch: Touched, first: Commit, names: dict[str, str]) -> int:
        paths = patch.paths
        before = self.landed.lines_at(first.parent, paths)
        return standing(patch, before, self.landed.lines_at(self.landed.repository.head, paths, names))

    def _is_gone(self, patch: Touched, surviving: int) -> bool:
        """Whether what a later commit took back is still gone."""
        if patch.added:
            return surviving <= STANDS * patch.added.total()
        there = self.landed.lines_at(self.landed.repository.head, patch.paths)
        return (patch.removed - there).total() <= STANDS * patch.removed.total()

    def _moved(self, commit: Commit, patch: Touched) -> dict[str, str]:
        """Where a commit put lines that it seems to take back; each path to the file with most of them."""
        found: dict[str, str] = {}
        for path in patch.paths:
            own: Lines = Counter({at: count for at, count in patch.added.items() if at[0] == path})
            added = self.landed.elsewhere(commit.id, own)
            name = max(added, key=lambda it: added[it], default=path)
            if name and added.get(name, 0) >= HALF * own.total():
                found[path] = name
        return found

    def _elsewhere(self, run: Delivered) -> Finding | None:
        """A patch whose file had got another name before it came: found by its longest line."""
        patch = self.patches[run.run_id]
        if not patch.added or run.base not in self.bases:
            return None
        path, line = max(patch.added, key=lambda it: len(it[1]))
        lines: Lines = Counter({at: count for at, count in patch.added.items() if at[0] == path})
        for name in self.landed.holders(line):
            here = self.landed.lines_at(self.landed.repository.head, [path], {path: name})
            there = self.landed.lines_at(run.base, [path], {path: name})
            share = (lines & (here - there)).total() / lines.total()
            if share >= HALF and lines == patch.added:
                said = Received.ACCEPT if share == 1 else Received.AMEND
                why = f"its lines stand in {name}"
                stand = (lines & here).total()
                return Finding(run.run_id, said, why, _age(run, self.clock), "", lines.total(), stand)
        return None

    def _absent(self, run: Delivered, since: float) -> Finding:
        """A patch that HEAD does not have: rejected, if everybody could have taken it and went on without."""
        patch = self.patches[run.run_id]
        if self.arrived[run.run_id].part > STANDS:
            return self._unknown(run, "less than half of its lines came")
        if self.pending[run.run_id].commits:
            return self._unknown(run, "on another branch and not merged so far")
        if not self.others_seen or self.landed.is_late:
            return self._unknown(run, "the other branches are too long to be read in time")
        if run.run_id in self.foreign:
            return self._unknown(run, "not here; it was made in another checkout")
        here = Touched(self.landed.uncommitted(patch.paths) & patch.added)
        head = self.landed.lines_at(self.landed.repository.head, patch.paths)
        if Touched(here.added - head).within(HALF, Touched(patch.added)):
            return self._unknown(run, "in the working tree and not committed so far")
        if self.newest < since + _SLACK_S:
            return self._unknown(run, "nothing was committed here since")
        days = _age(run, self.clock)
        why = f"not in the history after {days:.0f} day{'' if round(days) == 1 else 's'}"
        return Finding(run.run_id, Received.REJECT, why, days, "", patch.added.total() or None, None)


def _lookable(patch: Touched) -> Touched:
    """Without the paths that cannot be asked about."""
    paths = together([patch])
    return replace(
        patch,
        added=Counter({at: count for at, count in patch.added.items() if at[0] in paths}),
        removed=Counter({at: count for at, count in patch.removed.items() if at[0] in paths}),
    )
