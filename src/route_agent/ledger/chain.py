"""The chain of the ledger's entries: appended with what it vouches for, and read again.

Every beginning and end of a run and every word about one gets the next number and a link, in the transaction
that writes it; `prooflog` says what is hashed. Runs from before the chain and those of other ledgers are in
no entry: nothing vouches for them.
"""

from __future__ import annotations

import json
import secrets
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from route_agent.errors import LedgerError
from route_agent.ledger.database import Database, now
from route_agent.prooflog import (
    BEGIN,
    END,
    OPEN,
    RECEPTION,
    ZERO,
    Pin,
    Row,
    begun,
    canonical,
    digest_of,
    ended,
    link_of,
    received,
)

if TYPE_CHECKING:
    import sqlite3
    from collections.abc import Iterator, Mapping

_BATCH = 2000
_ROW = "number, at, run_id, event, digest, link"
_UNCHAINED = "id NOT IN (SELECT run_id FROM chain WHERE event = 'begin')"


@dataclass(frozen=True, slots=True)
class Entry:
    """One entry of the chain with what it says."""

    row: Row
    salt: str
    content: dict[str, Any]


@dataclass(frozen=True, slots=True)
class Unchained:
    """A run that no entry vouches for, and why."""

    run_id: str
    why: str
    began: dict[str, Any]
    ended: dict[str, Any] | None
    receptions: tuple[dict[str, Any], ...]


@dataclass(frozen=True, slots=True)
class Slice:
    """The part of the chain that a time needs.

    Attributes:
        before: the link before its first row.
        head: the chain's last link.
        rows: from the last one before the time on, without a gap.
        runs: the entries of each run that began in the time, in their order.
        unchained: runs of the time that are in no entry.
    """

    before: Pin
    head: Pin
    rows: tuple[Row, ...]
    runs: dict[str, tuple[Entry, ...]]
    unchained: tuple[Unchained, ...]


class Chained(Database):
    """A ledger whose entries are chained."""

    def _chain(self, event: str, run_id: str, content: dict[str, Any]) -> None:
        """Append an entry. To be called within the transaction that writes what it says."""
        head = self.head()
        if not head.number and event != OPEN:
            before = self._read("SELECT count(*) FROM run WHERE id <> ?", (run_id,))
            self._chain(OPEN, "", {"runs_before": before[0][0]})
            head = self.head()
        number, at, salt = head.number + 1, now(), secrets.token_hex(16)
        digest = digest_of(content, salt)
        values = {"number": number, "at": at, "run_id": run_id, "event": event, "salt": salt}
        link = link_of(head.link, number, at, run_id, event, digest)
        self._insert("chain", {**values, "content": canonical(content), "digest": digest, "link": link})

    def _chain_begin(self, row: Mapping[str, Any]) -> None:
        self._chain(BEGIN, row["id"], begun(row))

    def _chain_end(self, run_id: str, report: Mapping[str, Any]) -> None:
        self._chain(END, run_id, ended(report))

    def _chain_reception(self, row: Mapping[str, Any]) -> None:
        self._chain(RECEPTION, row["run_id"], received(row))

    def head(self) -> Pin:
        """The chain's last link; number 0 where it is empty. Published, it pins everything before it."""
        rows = self._read("SELECT number, link FROM chain ORDER BY number DESC LIMIT 1")
        return Pin(rows[0]["number"], rows[0]["link"]) if rows else Pin(0, ZERO)

    def chain_size(self, since: str, until: str) -> int:
        """How many bytes the entries of the runs that began in a time hold, roughly."""
        rows = self._read(
            "SELECT COALESCE(SUM(length(content) + 400), 0) FROM chain"
            " WHERE run_id IN (SELECT run_id FROM chain WHERE event = 'begin' AND at >= :since"
            " AND (:until = '' OR at < :until))",
            {"since": since, "until": until},
        )
        return int(rows[0][0])

    def slice(self, since: str, until: str, most_after: int) -> Slice:
        """All that vouches for a time: from the entry before it up to the head, or so many rows after it.

        Args:
            since: ISO 8601 in UTC, or its beginning; empty for everything.
            until: the same; what began then or later is left out.
            most_after: how many rows are carried beyond the last that belongs to the time.
        """
        with self._one_state():
            window = {"since": since, "until": until}
            first, last = self._edges(window)
            rows = self._read(
                f"SELECT {_ROW} FROM chain WHERE number BETWEEN ? AND ? ORDER BY number",  # noqa: S608 - ours
                (max(1, first - 1), last + most_after),
            )
            before = self._pin_at(max(1, first - 1) - 1)
            entries = self._read(
                f"SELECT {_ROW}, salt, content FROM chain WHERE run_id IN (SELECT run_id FROM chain"  # noqa: S608 - ours
                " WHERE event = 'begin' AND at >= :since AND (:until = '' OR at < :until)) ORDER BY number",
                window,
            )
            runs: dict[str, tuple[Entry, ...]] = {}
            for it in entries:
                entry = Entry(_row(it), it["salt"], _content(it))
                runs[it["run_id"]] = (*runs.get(it["run_id"], ()), entry)
            return Slice(before, self.head(), tuple(map(_row, rows)), runs, tuple(self._unchained(window)))

    def _edges(self, window: dict[str, str]) -> tuple[int, int]:
        """The first number that may belong to a time, and the last; clocks may be set back."""
        rows = self._read(
            "SELECT (SELECT MIN(number) FROM chain WHERE at >= :since),"
            " (SELECT MAX(number) FROM chain WHERE at >= :since AND (:until = '' OR at < :until)),"
            " (SELECT MAX(number) FROM chain WHERE run_id IN (SELECT run_id FROM chain WHERE event = 'begin'"
            "  AND at >= :since AND (:until = '' OR at < :until)))",
            window,
        )
        first = rows[0][0] or self.head().number + 1
        return first, max(rows[0][1] or 0, rows[0][2] or 0, first - 1)

    def _pin_at(self, number: int) -> Pin:
        rows = self._read("SELECT link FROM chain WHERE number = ?", (number,)) if number else []
        return Pin(number, rows[0]["link"]) if rows else Pin(0, ZERO)

    def _unchained(self, window: dict[str, str]) -> Iterator[Unchained]:
        for row in self._read(
            f"SELECT * FROM run WHERE {_UNCHAINED} AND started_at >= :since"  # noqa: S608 - ours
            " AND (:until = '' OR started_at < :until) ORDER BY started_at, id",
            window,
        ):
            words = self._read("SELECT * FROM reception WHERE run_id = ? ORDER BY id", (row["id"],))
            why = f"imported from {row['source']}" if row["source"] else "from before the chain"
            report = ended(json.loads(row["report"])) if row["report"] else None
            yield Unchained(
                row["id"], why, begun(dict(row)), report, tuple(received(dict(it)) for it in words)
            )

    @contextmanager
    def _one_state(self) -> Iterator[None]:
        """What is read inside belongs together; nobody who writes has to wait for it."""
        with self._plainly():
            self._db.execute("BEGIN")
            try:
                yield
            finally:
                self._db.execute("ROLLBACK")

    def check_chain(self, most: int = 20) -> list[str]:
        """What is wrong with the chain, or with the ledger by it; empty where nothing is.

        Args:
            most: so many are told.
        """
        with self._one_state():
            found = [*self._broken_links(most), *self._other_than_chained(most)]
        return found[:most]

    def _broken_links(self, most: int) -> list[str]:
        found: list[str] = []
        previous, number, at = ZERO, 0, -(1 << 60)
        while rows := self._read(
            f"SELECT {_ROW}, salt, content FROM chain WHERE number > ? ORDER BY number LIMIT {_BATCH}",  # noqa: S608 - ours
            (at,),
        ):
            for row in rows:
                number += 1
                if row["number"] != number:
                    found.append(f"entries {number} to {row['number'] - 1} of the chain are missing")
                    number = row["number"]
                elif not _holds(row, previous):
                    found.append(f"entry {number} of the chain (run {row['run_id']}) was changed")
                previous = row["link"]
            at = rows[-1]["number"]
            if len(found) >= most:
                return found
        told = self._read("SELECT seq FROM sqlite_sequence WHERE name = 'chain'")
        if told and told[0]["seq"] != number:
            found.append(f"entries {number + 1} to {told[0]['seq']} of the chain are missing")
        return found

    def _other_than_chained(self, most: int) -> list[str]:
        """Runs and words that the chain knows otherwise, or not at all."""
        found = [
            f"run {row['id']} is other than its entries in the chain say"
            for row in self._read(_OTHERWISE, {"most": most})
        ]
        found += [
            f"a word about run {row['run_id']} is not in the chain"
            for row in self._read(_UNTOLD_WORDS, {"most": most})
        ]
        opened = self._read("SELECT content FROM chain WHERE event = 'open' ORDER BY number LIMIT 1")
        before = json.loads(opened[0]["content"]).get("runs_before", 0) if opened else None
        own = self._read(f"SELECT count(*) FROM run WHERE source = '' AND {_UNCHAINED}")[0][0]  # noqa: S608 - ours
        if before is not None and own > before:
            found.append(f"{own - before} of the runs since the chain began are not in it")
        return found


# what is in an entry and in the row that was written with it; and runs that are in the chain alone
_OTHERWISE = """
SELECT chain.run_id AS id FROM chain LEFT JOIN run ON run.id = chain.run_id
WHERE (event = 'begin' AND (run.id IS NULL OR NOT json_valid(content)
        OR json_extract(content, '$.task') IS NOT run.brief
        OR json_extract(content, '$.base') IS NOT run.base))
   OR (event = 'end' AND (run.id IS NULL OR NOT json_valid(content)
        OR json_extract(content, '$.verdict') IS NOT run.verdict
        OR json_extract(content, '$.cost_micro_usd') IS NOT run.cost_micro_usd))
UNION SELECT id FROM run WHERE finished_at IS NOT NULL
    AND id IN (SELECT run_id FROM chain WHERE event = 'begin')
    AND id NOT IN (SELECT run_id FROM chain WHERE event = 'end')
LIMIT :most
"""
_UNTOLD_WORDS = """
SELECT run_id FROM reception AS word WHERE run_id IN (SELECT id FROM run WHERE source = '')
    AND NOT EXISTS (SELECT 1 FROM chain WHERE chain.run_id = word.run_id AND event = 'reception'
        AND json_valid(content) AND json_extract(content, '$.at') = word.at
        AND json_extract(content, '$.outcome') = word.outcome)
UNION SELECT run_id FROM chain WHERE event = 'reception'
    AND NOT EXISTS (SELECT 1 FROM reception AS word WHERE chain.run_id = word.run_id
        AND json_valid(content) AND json_extract(content, '$.at') = word.at
        AND json_extract(content, '$.outcome') = word.outcome)
LIMIT :most
"""


def _content(row: sqlite3.Row) -> dict[str, Any]:
    try:
        told = json.loads(row["content"])
    except ValueError:
        told = None
    if not isinstance(told, dict):
        raise LedgerError(f"entry {row['number']} of the chain is damaged", hint="route-agent ledger check")
    return told


def _row(row: sqlite3.Row) -> Row:
    return Row(row["number"], row["at"], row["run_id"], row["event"], row["digest"], row["link"])


def _holds(row: sqlite3.Row, previous: str) -> bool:
    """Whether an entry is as it was written, after this link."""
    try:
        digest = digest_of(json.loads(row["content"]), row["salt"])
    except (ValueError, AttributeError, RecursionError):
        return False
    link = link_of(previous, row["number"], row["at"], row["run_id"], row["event"], row["digest"])
    return bool(digest == row["digest"] and link == row["link"])
