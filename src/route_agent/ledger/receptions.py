"""What people made of delivered patches: their words and git's, side by side, and what follows by lane."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING

from route_agent.figuring import Paid, estimate, share
from route_agent.ledger.database import storable
from route_agent.ledger.store import Ledger
from route_agent.records.grades import Verdict
from route_agent.records.receptions import LaneReception, Received, Reception, Source

if TYPE_CHECKING:
    import sqlite3
    from collections.abc import Iterable

_BACK = (Received.REJECT.value, Received.REVERT.value)
_WITHIN = "started_at >= :since AND (:until = '' OR started_at < :until)"
_TALLIED = "first = 1 AND at >= :since AND (:until = '' OR at < :until)"
_ACCEPTED = f"replayed = 0 AND verdict = '{Verdict.ACCEPTED.value}' AND accepted_lane IS NOT NULL"


@dataclass(frozen=True, slots=True)
class Delivered:
    """A run whose patch was accepted, as far as git is asked about it.

    Attributes:
        patch: the accepted diff, redacted; empty where the ledger has none.
        delivered: what was done with it, in words; empty where it was only saved.
        source: where the run was imported from; empty for one's own.
        known: git's latest word; None where there is none.
    """

    run_id: str
    repository: str
    base: str
    started_at: str
    finished_at: str
    patch: str
    delivered: str
    source: str
    known: Reception | None


class Receptions(Ledger):
    """The words about runs."""

    def add(self, words: Iterable[Reception]) -> None:
        """Write down what was said, in one transaction with its links of the chain."""
        with self._transaction():
            for it in words:
                row = {
                    "run_id": it.run_id,
                    "at": it.at,
                    "source": it.source.value,
                    "outcome": it.outcome.value,
                    "minutes": it.minutes,
                    "note": storable(it.note),
                    "reviewer": storable(it.reviewer),
                    "commit_id": it.commit,
                    "lines": it.lines,
                    "surviving": it.surviving,
                    "days": it.days,
                }
                self._insert("reception", row)
                self._chain_reception(row)

    def words(self, run_id: str = "") -> tuple[Reception, ...]:
        """Everything that was said of a run, or of all, in its order."""
        rows = self._read("SELECT * FROM reception WHERE :id IN (run_id, '') ORDER BY id", {"id": run_id})
        return tuple(map(_reception, rows))

    def finished_run(self, run_id: str) -> sqlite3.Row:
        """The row of a finished run that an id, its beginning or `latest` names: id, replayed, verdict.

        Raises:
            UsageError, LedgerError: as `Ledger.report`.
        """
        found = self.report(run_id)["id"]
        return self._read("SELECT id, replayed, verdict, accepted_lane FROM run WHERE id = ?", (found,))[0]

    def delivered(self, most: int) -> list[Delivered]:
        """The latest runs with an accepted patch, newest first, without recorded replies."""
        rows = self._read(
            "SELECT id, repository, base, started_at, finished_at, patch, delivered, source FROM run"  # noqa: S608 - ours
            f" WHERE {_ACCEPTED} AND finished_at IS NOT NULL"
            " ORDER BY started_at DESC, rowid DESC LIMIT :most",
            {"most": most},
        )
        latest = self._read(
            "SELECT * FROM reception WHERE id IN"
            " (SELECT MAX(id) FROM reception WHERE source = 'git' GROUP BY run_id)"
        )
        known = {it["run_id"]: _reception(it) for it in latest}
        return [
            Delivered(
                it["id"], it["repository"], it["base"], it["started_at"], it["finished_at"],
                it["patch"] or "", it["delivered"], it["source"], known.get(it["id"]),
            )
            for it in rows
        ]  # fmt: skip

    def by_lane(self, since: str = "", until: str = "") -> tuple[LaneReception, ...]:
        """How the patches of each lane were received, in the order of the lanes' names; last `all` of them.

        Args:
            since: ISO 8601 in UTC, or its beginning: only runs that began then or later.
            until: only runs that began before.
        """
        window = {"since": since, "until": until}
        lanes: dict[str, _Lane] = {}
        counted = f"COUNT(*) FROM tally WHERE {_TALLIED} AND accepted"
        for lane, count in self._read(f"SELECT last_lane, {counted} = 1 GROUP BY last_lane", window):
            lanes.setdefault(lane, _Lane()).accepted = count
        for lane, count in self._read(f"SELECT lane, {counted} = 0 GROUP BY lane", window):
            lanes.setdefault(lane, _Lane()).unproved = count
        standing = self._outcomes(window, lanes)
        self._survival(window, lanes)
        self._retries(window, lanes, standing)
        every = _together(lanes.values())
        return (*(lanes[lane].told(lane) for lane in sorted(lanes)), every.told("all"))

    def _outcomes(self, window: dict[str, str], lanes: dict[str, _Lane]) -> dict[str, str]:
        """Adds how each run's patch was received; returns that by run."""
        standing: dict[str, str] = {}
        for row in self._read(
            "SELECT standing.run_id, outcome, minutes, accepted_lane FROM standing"  # noqa: S608 - ours
            f" JOIN run ON run.id = standing.run_id WHERE {_ACCEPTED} AND {_WITHIN}",
            window,
        ):
            lane = lanes.setdefault(row["accepted_lane"], _Lane())
            lane.outcomes[row["outcome"]] += 1
            if row["outcome"] in _BACK:
                lane.regressed.add(row["run_id"])
            if row["minutes"] is not None:
                lane.minutes.append(row["minutes"])
            standing[row["run_id"]] = row["outcome"]
        return standing

    def _survival(self, window: dict[str, str], lanes: dict[str, _Lane]) -> None:
        for row in self._read(
            "SELECT accepted_lane, surviving * 1.0 / lines AS share FROM reception"  # noqa: S608 - ours
            f" JOIN run ON run.id = run_id WHERE {_ACCEPTED} AND {_WITHIN} AND reception.id IN"
            " (SELECT MAX(id) FROM reception WHERE source = 'git' AND lines > 0 AND surviving IS NOT NULL"
            "  GROUP BY run_id)",
            window,
        ):
            lanes.setdefault(row["accepted_lane"], _Lane()).survival.append(row["share"])

    def _retries(self, window: dict[str, str], lanes: dict[str, _Lane], standing: dict[str, str]) -> None:
        rows = self._read(
            "SELECT run.id, run.verdict, run.accepted_lane, run.first_lane,"  # noqa: S608 - ours
            " MAX(later.override <> '' AND later.first_lane IS NOT run.first_lane) AS by_hand"
            " FROM run AS later JOIN run ON run.id = later.retry_of"
            " WHERE later.retry_of <> '' AND later.replayed = 0 AND run.replayed = 0"
            f" AND {_WITHIN.replace('started_at', 'run.started_at')} GROUP BY run.id",
            window,
        )
        for row in rows:
            if row["verdict"] != Verdict.ACCEPTED.value:
                lanes.setdefault(row["first_lane"] or "unknown", _Lane()).by_hand += row["by_hand"]
            elif standing.get(row["id"]) not in (Received.ACCEPT.value, Received.AMEND.value):
                lane = lanes.setdefault(row["accepted_lane"], _Lane())
                lane.retried += 1
                lane.overridden += row["by_hand"]
                lane.regressed.add(row["id"])


@dataclass(slots=True)
class _Lane:
    """What is counted of one lane."""

    accepted: int = 0
    unproved: int = 0
    outcomes: Counter[str] = field(default_factory=Counter)
    survival: list[float] = field(default_factory=list)
    minutes: list[float] = field(default_factory=list)
    regressed: set[str] = field(default_factory=set)
    retried: int = 0
    overridden: int = 0
    by_hand: int = 0

    def told(self, lane: str) -> LaneReception:
        survival = estimate(_paid(self.survival))
        if survival.high is not None:
            survival = replace(survival, high=min(1.0, survival.high))
        received = self.outcomes.total()
        return LaneReception(
            lane=lane,
            accepted=self.accepted,
            received=share(received, self.accepted),
            rejected=share(sum(self.outcomes[it] for it in _BACK), received),
            counts=tuple((it.value, self.outcomes[it.value]) for it in Received),
            survival=survival,
            minutes=estimate(_paid(self.minutes)),
            regressed=share(len(self.regressed), self.accepted),
            retried=self.retried,
            overridden=self.overridden,
            escalated_by_hand=share(self.by_hand, self.unproved),
        )


def _paid(values: list[float]) -> Paid:
    return Paid(len(values), sum(values), sum(it * it for it in values)).each


def _together(lanes: Iterable[_Lane]) -> _Lane:
    every = _Lane()
    for it in lanes:
        every.accepted += it.accepted
        every.unproved += it.unproved
        every.outcomes += it.outcomes
        every.survival += it.survival
        every.minutes += it.minutes
        every.regressed |= it.regressed
        every.retried += it.retried
        every.overridden += it.overridden
        every.by_hand += it.by_hand
    return every


def _reception(row: sqlite3.Row) -> Reception:
    return Reception(
        run_id=row["run_id"],
        at=row["at"],
        source=Source(row["source"]),
        outcome=Received(row["outcome"]),
        minutes=row["minutes"],
        note=row["note"],
        reviewer=row["reviewer"],
        commit=row["commit_id"],
        lines=row["lines"],
        surviving=row["surviving"],
        days=row["days"],
    )
