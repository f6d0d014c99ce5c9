"""One SQLite file that only grows: opened, brought up to date, and written one transaction at a time."""

from __future__ import annotations

import sqlite3
import threading
from contextlib import contextmanager
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

from route_agent.errors import LedgerError
from route_agent.ledger.schema import SCHEMA_VERSION, SCHEMAS
from route_agent.redaction import redact

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping
    from pathlib import Path

_SMALLEST = 512  # one page of the smallest kind
_UNCHANGED = "nothing was changed in it; check the disk, or move the file away to begin a new one"


class Database:
    """An open ledger's file. Any thread may use it; they take turns."""

    def __init__(self, path: Path) -> None:
        """Open the ledger, or make it.

        Raises:
            LedgerError: it cannot be opened, is damaged, or was written by a newer version.
        """
        self.path = path
        self._turn = threading.RLock()
        with self._plainly():
            path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
            self._db = sqlite3.connect(path, timeout=10, isolation_level=None, check_same_thread=False)
            self._db.row_factory = sqlite3.Row
            version = self._refuse_what_is_not_ours()
            path.chmod(0o600)
            self._db.execute("PRAGMA journal_mode = WAL")
            self._db.execute("PRAGMA synchronous = FULL")
            if version < SCHEMA_VERSION:
                self._migrate()

    def _refuse_what_is_not_ours(self) -> int:
        """Look before anything is written, be it a header; returns the schema's version, 0 where none is."""
        # SQLite takes a file of a few bytes for an empty one, and would begin anew in it
        if 0 < self.path.stat().st_size < _SMALLEST:
            raise LedgerError(f"the ledger {self.path} is damaged: too small", hint=_UNCHANGED)
        version = int(self._db.execute("PRAGMA user_version").fetchone()[0])
        if version > SCHEMA_VERSION:
            raise LedgerError(
                f"{self.path} was written by a newer route-agent (schema {version})",
                hint="update route-agent",
            )
        if not version and self._db.execute("SELECT count(*) FROM sqlite_master").fetchone()[0]:
            raise LedgerError(f"{self.path} is another program's database", hint=_UNCHANGED)
        return version

    def _migrate(self) -> None:
        with self._transaction():
            # another process may have been quicker
            version = int(self._db.execute("PRAGMA user_version").fetchone()[0])
            for schema in SCHEMAS[version:]:
                for statement in statements(schema):
                    self._db.execute(statement)
            self._db.execute(f"PRAGMA user_version = {max(version, SCHEMA_VERSION)}")

    def close(self) -> None:
        """Close the file. A finished run is safe without it."""
        with self._turn:
            self._db.close()

    def integrity(self) -> str:
        """`ok`, or what SQLite finds wrong."""
        with self._plainly():
            return str(self._db.execute("PRAGMA integrity_check").fetchone()[0])

    @contextmanager
    def _plainly(self) -> Iterator[None]:
        try:
            with self._turn:
                yield
        except sqlite3.DatabaseError as error:
            raise LedgerError(
                f"the ledger {self.path} cannot be used: {error}",
                hint=_UNCHANGED,
            ) from error
        except OSError as error:
            raise LedgerError(
                f"the ledger {self.path} cannot be used: {error.strerror}",
                hint="set XDG_STATE_HOME to a writable folder",
            ) from error

    @contextmanager
    def _transaction(self) -> Iterator[None]:
        """One write at a time, across processes: what is read inside stays true until the end."""
        with self._plainly():
            self._db.execute("BEGIN IMMEDIATE")
            try:
                yield
            except BaseException:
                if self._db.in_transaction:  # on a full disk SQLite has rolled back itself
                    self._db.execute("ROLLBACK")
                raise
            self._db.execute("COMMIT")

    def _write(self, statement: str, values: Mapping[str, Any]) -> int:
        with self._plainly():
            return self._db.execute(statement, dict(values)).lastrowid or 0

    def _insert(self, table: str, values: Mapping[str, Any]) -> int:
        """Add one row; to be called where nobody else can write in between, or where that does not matter."""
        columns, marks = ", ".join(values), ", ".join(f":{name}" for name in values)
        statement = f"INSERT INTO {table} ({columns}) VALUES ({marks})"  # noqa: S608 - the names are ours
        return self._write(statement, values)

    def _read(self, query: str, values: Mapping[str, Any] | tuple[Any, ...] = ()) -> list[sqlite3.Row]:
        with self._plainly():
            return self._db.execute(query, values).fetchall()


def statements(script: str) -> Iterator[str]:
    """The statements of a script one by one; a trigger is one, whatever it holds."""
    statement = ""
    for part in script.split(";"):
        statement += f"{part};"
        if sqlite3.complete_statement(statement):
            yield statement
            statement = ""


def storable(text: str) -> str:
    """Text as it may be kept: without secrets, and without what is no character (half a pair, odd bytes)."""
    return redact(text.encode("utf-8", "backslashreplace").decode())


def now() -> str:
    """The time in UTC, as ISO 8601 with milliseconds: it sorts as text."""
    return datetime.now(UTC).isoformat(timespec="milliseconds")
