"""Runs that leave the ledger for another one, and runs of other ledgers that come in."""

from __future__ import annotations

import json
from dataclasses import dataclass, field
from stat import S_ISREG
from typing import TYPE_CHECKING, Any

from pydantic import ValidationError

from route_agent.errors import UsageError
from route_agent.ledger import tally
from route_agent.ledger.database import Database, now, storable
from route_agent.ledger.portable import (
    FORMAT,
    LEFT_OUT,
    MARK,
    OF_JSON,
    PARTS,
    Column,
    WrongLine,
    read_line,
    row,
    wrong,
)
from route_agent.ledger.schema import SCHEMA_VERSION
from route_agent.records.runs import written_form
from route_agent.redaction import redact_all

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from route_agent.ledger.portable import Tables

MOST_BYTES = 512 << 20  # of a file: it is looked at whole before anything of it is written
_MOST_LINE = 64 << 20
_TABLES = ("run", *PARTS.values(), "judgement")
_ORDER = {"attempt": "number", "call": "id", "review": "rowid", "check_result": "rowid", "reception": "id"}
_ORPHANS = (
    "run_id NOT IN (SELECT id FROM run) AND run_id NOT IN (SELECT id FROM judgement)"
    " AND at >= ? AND imported = 0"
)

Record = dict[str, Any]


@dataclass(slots=True)
class Joined:
    """What became of a file's records.

    Attributes:
        added: runs and judgements that are new here.
        known: those that were here already, equal.
        receptions: words about runs that were here already.
        conflicts: ids that stand for something else here; those stayed as they are here.
    """

    added: int = 0
    known: int = 0
    receptions: int = 0
    conflicts: list[str] = field(default_factory=list)


class Joining(Database):
    """A ledger whose runs are written to a file, or come from one."""

    def lines(self, since: str = "") -> Iterator[str]:
        """Every run that began since, with all that belongs to it; then judgements, and calls of neither.

        What recorded replies, chains and reuse are made of stays here; see `portable.LEFT_OUT`.
        """
        yield _dumped({MARK: FORMAT, "schema": SCHEMA_VERSION, "at": now()})
        count = 0
        for record in self._records(since):
            yield _dumped(record)
            count += 1
        yield _dumped({"end": True, "records": count})

    def attempts(self, since: str = "") -> Iterator[dict[str, Any]]:
        """Every attempt with what is true of its run, oldest run first, for a spreadsheet."""
        for run in self._ids("run", "started_at", since):
            yield from map(dict, self._read(_ATTEMPTS, (run,)))

    def join(self, path: Path, source: str) -> Joined:
        """Add a file's records; all of them, or none where one line is wrong.

        Args:
            source: where they are from, for runs that do not say so themselves.

        Raises:
            UsageError: the file cannot be read, or a line says what it may not say: `file:line` is named.
        """
        records = list(self._incoming(path, source))
        joined = Joined()
        with self._transaction():
            for record in records:
                self._take_in(record, joined)
        return joined

    # --- out ------------------------------------------------------------------------------------------------

    def _ids(self, table: str, at: str, since: str) -> list[str]:
        query = f"SELECT id FROM {table} WHERE {at} >= ? ORDER BY rowid"  # noqa: S608 - the words are ours
        rows = self._read(query, (since,))
        return [row["id"] for row in rows]

    def _records(self, since: str) -> Iterator[Record]:
        for run_id in self._ids("run", "started_at", since):
            yield self._run(run_id)
        for judgement_id in self._ids("judgement", "at", since):
            (found,) = self._rows("judgement", "id = ?", judgement_id)
            yield {"judgement": found, "calls": self._rows("call", "run_id = ?", judgement_id)}
        for call in self._rows("call", _ORPHANS, since):
            yield {"call": call}

    def _run(self, run_id: str) -> Record:
        (run,) = self._rows("run", "id = ?", run_id)
        parts: Record = {
            name: self._rows(table, "run_id = ?", run_id) for name, table in PARTS.items() if name != "quote"
        }
        quotes = self._rows("quote", "run_id = ?", run_id)
        return {"run": run, **parts, "quote": quotes[0] if quotes else None}

    def _rows(self, table: str, condition: str, value: str) -> list[dict[str, Any]]:
        order = _ORDER.get(table, "rowid")
        query = f"SELECT * FROM {table} WHERE {condition} ORDER BY {order}"  # noqa: S608 - the words are ours
        left_out = LEFT_OUT.get(table, set())
        return [
            {name: it[name] for name in it.keys() if name not in left_out}  # noqa: SIM118 - a row is no dict
            for it in self._read(query, (value,))
        ]

    # --- in: every line looked at before any is written -----------------------------------------------------

    def _incoming(self, path: Path, source: str) -> Iterator[Record]:
        tables = self._tables_here()
        number = 0
        try:
            found = path.stat()  # before it is opened: a pipe would be waited for
            if not S_ISREG(found.st_mode) or found.st_size > MOST_BYTES:
                raise UsageError(f"{path}: no file, or larger than {MOST_BYTES >> 20} MB")
            with path.open("rb") as file:
                records, ended = 0, False
                while line := file.readline(_MOST_LINE):
                    number += 1
                    told = read_line(line)
                    if ended:
                        wrong("there is more after the end")
                    if number == 1:
                        _require_header(told)
                    elif ended := told.get("end") is True:
                        if told != {"end": True, "records": records}:
                            wrong(f"{records} records came before the end, and it tells of another number")
                    else:
                        records += 1
                        yield _record(told, tables, source)
                if not ended:
                    number += 1
                    wrong("the file was cut: its last line is missing")
        except WrongLine as error:
            raise UsageError(
                f"{path}:{number}: {error}", hint="nothing of this file was taken; export it again"
            ) from error
        except OSError as error:
            raise UsageError(f"{path}: {error.strerror}") from error

    def _tables_here(self) -> Tables:
        return {
            table: [
                Column(
                    it["name"], it["type"], not it["notnull"] and not it["pk"], it["dflt_value"] is not None
                )
                for it in self._read(f"PRAGMA table_info({table})")
            ]
            for table in _TABLES
        }

    def _take_in(self, record: Record, joined: Joined) -> None:
        if "call" in record:
            self._add_call(record["call"], joined)
        elif "judgement" in record:
            self._add_judgement(record, joined)
        else:
            self._add_run(record, joined)

    def _add_run(self, record: Record, joined: Joined) -> None:
        run_id = record["run"]["id"]
        if not self._read("SELECT 1 FROM run WHERE id = ?", (run_id,)):
            self._insert("run", record["run"])
            for name, table in PARTS.items():
                several = record[name] if name != "quote" else filter(None, [record["quote"]])
                for it in several:
                    self._insert(table, it)
            self._write(tally.OF_ONE, {"id": run_id})
            joined.added += 1
            return
        here = self._run(run_id)
        if _identity(here) != _identity(record):
            joined.conflicts.append(run_id)
            return
        joined.known += 1
        if here["run"]["source"]:  # of our own runs, people speak here
            self._add_receptions(here["receptions"], record["receptions"], joined)

    def _add_receptions(self, here: list[Record], told: list[Record], joined: Joined) -> None:
        for it in told:
            if not any(_word(it) == _word(other) for other in here):
                self._insert("reception", it)
                joined.receptions += 1

    def _add_judgement(self, record: Record, joined: Joined) -> None:
        told = record["judgement"]
        here = self._rows("judgement", "id = ?", told["id"])
        if not here:
            self._insert("judgement", told)
            for call in record["calls"]:
                self._insert("call", call)
            joined.added += 1
        elif _standing(here[0]).items() >= _standing(told).items():
            joined.known += 1
        else:
            joined.conflicts.append(told["id"])

    def _add_call(self, call: Record, joined: Joined) -> None:
        """A call of a run that never began; the same run, time and lane are the same call."""
        key = (call["run_id"], call["at"], call["lane"])
        if self._read("SELECT 1 FROM call WHERE run_id = ? AND at = ? AND lane = ?", key):
            joined.known += 1
        else:
            self._insert("call", call)
            joined.added += 1


_ATTEMPTS = (
    "SELECT run.id AS run, run.started_at, run.repository, run.author, run.source, task_class, run.score,"
    " first_lane, accepted_lane, verdict, run.seconds AS run_seconds,"
    " run.cost_micro_usd AS run_cost_micro_usd,"
    " run.unknown_calls AS run_unknown_calls, number, lane, provider, model, failure, grade,"
    " attempt.seconds AS seconds, attempt.cost_micro_usd AS cost_micro_usd, attempt.unknown_calls AS"
    " unknown_calls, other_model, same_model, attempt.reused AS reused, repairs, iterations, tokens, files,"
    " added, deleted, confidence, replayed FROM run JOIN attempt ON attempt.run_id = run.id"
    " WHERE run.id = ? ORDER BY number"
)


def _dumped(record: Record) -> str:
    return json.dumps(record, separators=(",", ":"))


def _require_header(found: Record) -> None:
    if MARK not in found:
        wrong("this is no ledger's export")
    if found[MARK] != FORMAT or not isinstance(found.get("schema"), int) or found["schema"] > SCHEMA_VERSION:
        wrong("a newer route-agent wrote this; update route-agent")


def _record(found: Record, tables: Tables, source: str) -> Record:
    """A record as it will be written: every value looked at, texts redacted."""
    kinds = [kind for kind in ("run", "judgement", "call") if kind in found]
    if len(kinds) != 1:
        wrong("neither a run, nor a judgement, nor a call")
    if kinds == ["run"]:
        return _run_of(found, tables, source)
    if kinds == ["call"]:
        _require_parts(found, {"call"})
        return {"call": _call(found["call"], tables)}
    _require_parts(found, {"judgement", "calls"})
    judgement = _kept("judgement", found["judgement"], tables)
    judgement = {**judgement, "source": judgement.get("source") or storable(source)}
    calls = [_call(it, tables, judgement["id"]) for it in _several(found, "calls")]
    return {"judgement": judgement, "calls": calls}


def _run_of(found: Record, tables: Tables, source: str) -> Record:
    _require_parts(found, {"run", *PARTS})
    run = _kept("run", found["run"], tables)
    run = {**run, "source": run.get("source") or storable(source)}
    if (report := run.get("report")) is not None:
        _require_report(run["id"], report)
    elif run.get("verdict") is not None:
        wrong("run has a verdict and no report")
    record: Record = {"run": run}
    for name, table in PARTS.items():
        several = (
            _several(found, name) if name != "quote" else [it for it in [found["quote"]] if it is not None]
        )
        rows = [
            _call(it, tables, run["id"]) if table == "call" else _owned(table, it, tables, run["id"])
            for it in several
        ]
        record[name] = rows if name != "quote" else next(iter(rows), None)
    numbers = [it["number"] for it in record["attempts"]]
    if numbers != list(range(1, len(numbers) + 1)):
        wrong("attempts are not numbered from 1")
    return record


def _require_parts(found: Record, parts: set[str]) -> None:
    if found.keys() != parts:
        wrong(f"the record's parts are not {', '.join(sorted(parts))}")


def _several(found: Record, name: str) -> list[Any]:
    it = found[name]
    return it if isinstance(it, list) else wrong(f"{name} is no list")


def _call(values: Any, tables: Tables, run_id: str = "") -> Record:
    call = _owned("call", values, tables, run_id) if run_id else _kept("call", values, tables)
    # its reply never answers again here, and what it cost was paid elsewhere
    return {**call, "imported": 1}


def _owned(table: str, values: Any, tables: Tables, run_id: str) -> Record:
    found = _kept(table, values, tables)
    return found if found["run_id"] == run_id else wrong(f"{table} is of another run")


def _kept(table: str, values: Any, tables: Tables) -> Record:
    """A row as it will stand here, redacted at this one place as everything else is at its own."""
    found = row(table, values, tables[table])
    return {
        name: _redacted(it, is_json=(table, name) in OF_JSON) if isinstance(it, str) else it
        for name, it in found.items()
    }


def _redacted(text: str, *, is_json: bool) -> str:
    return json.dumps(redact_all(json.loads(text))) if is_json else storable(text)


def _require_report(run_id: str, report: str) -> None:
    """It is read again by `show` and others, so it must be a report, and this run's."""
    try:
        told = written_form().validate_json(report)
    except (ValidationError, RecursionError) as error:
        raise WrongLine("run.report is no report of a run") from error
    if told.id != run_id:
        wrong("run.report is of another run")


def _identity(record: Record) -> list[Any]:
    """What makes two records the same run: everything but whose ledger it was in, and what people said."""
    run = _comparable("run", _without_source(record["run"]))
    parts = [PARTS[name] for name in PARTS if name not in ("receptions", "quote")]
    several = [record[name] for name in PARTS if name not in ("receptions", "quote")]
    rows = [[_comparable(table, it) for it in part] for table, part in zip(parts, several, strict=True)]
    return [run, *rows, record["quote"]]


def _comparable(table: str, it: Record) -> Record:
    """Without what coming in changes, and without the spaces that JSON may have or not."""
    return {
        name: json.loads(value) if (table, name) in OF_JSON and value is not None else value
        for name, value in it.items()
        if name != "imported"
    }


def _without_source(it: Record) -> Record:
    return {name: value for name, value in it.items() if name != "source"}


def _standing(judgement: Record) -> Record:
    return _comparable("judgement", _without_source(judgement))


def _word(it: Record) -> tuple[Any, ...]:
    return tuple(it.get(name) for name in ("at", "source", "outcome", "reviewer", "note"))
