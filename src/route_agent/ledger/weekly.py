"""What a week of the tally comes to: summed once, kept, and summed anew only where its tally has changed.

Triggers throw a week's sums away with every change of its tally, so that what is kept is never old.
"""

from __future__ import annotations

import json
import zlib
from array import array
from collections import Counter
from contextlib import suppress
from dataclasses import dataclass, field
from datetime import date, timedelta
from typing import TYPE_CHECKING, Any

from route_agent.errors import LedgerError
from route_agent.ledger import questions
from route_agent.ledger.database import Database
from route_agent.ledger.sums import Sums, sums_of

if TYPE_CHECKING:
    from collections.abc import Iterator

Bin = tuple[int, float, int]

_SUMS = questions.OF_WEEK + questions.ROWS_OF_WEEK + questions.READ_IN_WEEK
FORM = f"1-{zlib.crc32(_SUMS.encode()):08x}"  # other sums are made anew


@dataclass(slots=True)
class Read:
    """What a verifier's lane read: how long it took, of which classes, and the known-bad ones among it."""

    times: array[float] = field(default_factory=lambda: array("d"))
    uses: Counter[str] = field(default_factory=Counter)
    canaries: int = 0
    missed: int = 0


@dataclass(slots=True)
class Week:
    """One week: its sums by lane and class, and what cannot be summed.

    Attributes:
        times: seconds of the attempts that count, by lane, in order.
        failed: by lane and failure.
        ended: by the lane of a run's last attempt.
        limits: by the lane in which a run began and the limits in force, as JSON.
        bins: by tenths of the confidence: how many, their sum, how many accepted.
        read: by a verifier's lane.
    """

    monday: str
    cells: dict[tuple[str, str], Sums] = field(default_factory=dict)
    times: dict[str, array[float]] = field(default_factory=dict)
    failed: Counter[tuple[str, str]] = field(default_factory=Counter)
    ended: Counter[str] = field(default_factory=Counter)
    limits: Counter[tuple[str, str]] = field(default_factory=Counter)
    bins: dict[int, Bin] = field(default_factory=dict)
    read: dict[str, Read] = field(default_factory=dict)


class Weekly(Database):
    """A ledger whose weeks are summed."""

    def summed_weeks(self, since: str, until: str, tables: tuple[str, ...]) -> Iterator[Week]:
        """Every week of which something began in the time, the oldest first, of each table apart."""
        for table in tables:
            for monday in self._mondays(table, since, until):
                following = (date.fromisoformat(monday) + timedelta(days=7)).isoformat()
                is_whole = since <= monday and (not until or until >= following)
                if table == "tally" and is_whole:
                    yield self._kept(monday)
                else:
                    yield self._summed_now(table, monday, since, until)

    def _mondays(self, table: str, since: str, until: str) -> Iterator[str]:
        """One by one along the index: there are few, and a million rows."""
        last = ""
        if since:
            day = date.fromisoformat(since[:10])
            last = (day - timedelta(days=day.weekday() + 1)).isoformat()
        query = f"SELECT week FROM {table} WHERE week > ? ORDER BY week LIMIT 1"  # noqa: S608 - ours
        while found := self._read(query, (last,)):
            last = found[0]["week"]
            if until and last >= until:
                return
            yield last

    def _kept(self, monday: str) -> Week:
        rows = self._read("SELECT facts, times FROM summed WHERE week = ? AND form = ?", (monday, FORM))
        if rows:
            return _read_again(monday, rows[0]["facts"], rows[0]["times"])
        week = Week(monday)
        with suppress(LedgerError):  # where nothing can be written, nothing is kept
            with self._transaction():  # nobody changes the week between
                week = self._summed_now("tally", monday, "", "")
                facts, times = _written(week)
                self._write(
                    "INSERT OR REPLACE INTO summed (week, form, facts, times)"
                    " VALUES (:week, :form, :facts, :times)",
                    {"week": monday, "form": FORM, "facts": facts, "times": times},
                )
            return week
        return self._summed_now("tally", monday, "", "")

    def _summed_now(self, table: str, monday: str, since: str, until: str) -> Week:
        window = {"week": monday, "since": since, "until": until}
        week = Week(monday)
        for row in self._read(questions.OF_WEEK.format(table=table), window):
            week.cells[row[0], row[1]] = sums_of(tuple(row)[2:])
        with self._plainly():
            cursor = self._db.cursor()
            cursor.row_factory = None  # plain tuples are read twice as quickly
            _count(week, cursor.execute(questions.ROWS_OF_WEEK.format(table=table), window).fetchall())
        for row in self._read(questions.READ_IN_WEEK.format(table=table), window):
            read = week.read.setdefault(row[0], Read())
            read.times.append(row[2])
            read.uses[row[1]] += 1
            read.canaries += row[3]
            read.missed += row[4]
        return week


def _count(week: Week, rows: list[Any]) -> None:
    times: dict[str, list[float]] = {}
    for lane, failure, counts, seconds, first, last, limits, confidence in rows:
        if counts:
            times.setdefault(lane, []).append(seconds)
            if confidence is not None:
                at = min(int(confidence * 10), 9)
                n, total, accepted = week.bins.get(at, (0, 0.0, 0))
                week.bins[at] = n + 1, total + confidence, accepted + (failure is None)
        if failure is not None:
            week.failed[lane, failure] += 1
        if first:
            week.ended[last] += 1
            if limits is not None:
                week.limits[lane, limits] += 1
    week.times = {lane: array("d", sorted(several)) for lane, several in sorted(times.items())}


def _written(week: Week) -> tuple[str, bytes]:
    """A week as it is kept: JSON, and the times after one another in the order in which it names them."""
    facts = {
        "cells": [[*key, *sums.values] for key, sums in week.cells.items()],
        "times": [[lane, len(times)] for lane, times in week.times.items()],
        "failed": [[*key, count] for key, count in week.failed.items()],
        "ended": list(week.ended.items()),
        "limits": [[*key, count] for key, count in week.limits.items()],
        "bins": [[at, *found] for at, found in week.bins.items()],
        "read": [
            [lane, len(it.times), it.canaries, it.missed, list(it.uses.items())]
            for lane, it in week.read.items()
        ],
    }
    several = (*week.times.values(), *(it.times for it in week.read.values()))
    return json.dumps(facts), b"".join(it.tobytes() for it in several)


def _read_again(monday: str, facts: str, times: bytes) -> Week:
    told = json.loads(facts)
    every = array("d")
    every.frombytes(times)
    place = 0

    def following(count: int) -> array[float]:
        nonlocal place
        place += count
        return every[place - count : place]

    return Week(
        monday,
        {(lane, name): sums_of(values) for lane, name, *values in told["cells"]},
        {lane: following(count) for lane, count in told["times"]},
        Counter({(lane, failure): count for lane, failure, count in told["failed"]}),
        Counter(dict(told["ended"])),
        Counter({(lane, limits): count for lane, limits, count in told["limits"]}),
        {at: (n, total, accepted) for at, n, total, accepted in told["bins"]},
        {
            lane: Read(following(count), Counter(dict(uses)), canaries, missed)
            for lane, count, canaries, missed, uses in told["read"]
        },
    )
