"""`route-agent ledger check`, `export` and `import`: whether it is whole, and how ledgers join."""

from __future__ import annotations

import csv
import os
import sys
from contextlib import contextmanager
from typing import TYPE_CHECKING, TextIO

from route_agent import places
from route_agent.cli.edge import plain_errors, print_json, say
from route_agent.errors import EnvironmentBroken, LedgerError, UsageError
from route_agent.ledger.joining import Joining

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from route_agent.ledger.joining import Joined

CONFLICTS = 1


def check(*, as_json: bool) -> None:
    """Say whether the ledger is whole."""
    with plain_errors(as_json=as_json):
        from route_agent.ledger.whole import Whole

        faults = Whole(places.ledger_file()).faults()
        if as_json:
            told = [{"kind": it.kind, "what": it.what} for it in faults]
            print_json({"schema": 1, "ok": not faults, "ledger": str(places.ledger_file()), "faults": told})
        else:
            for it in faults:
                say(f"{it.kind}: {it.what}", "red")
            say(f"{places.ledger_file()}: {f'{len(faults)} faults' if faults else 'whole'}")
        if faults:
            sys.exit(LedgerError.exit_code)


def export(out: str, form: str, since: str) -> None:
    """Write the ledger to a file, or to standard output."""
    with plain_errors():
        from route_agent.cli.stats import moment

        if form not in ("jsonl", "csv"):
            raise UsageError(f"unknown --format {form}", hint="jsonl, or csv for attempts alone")
        ledger, at = Joining(places.ledger_file()), moment(since) if since else ""
        with _opened(out) as file:
            if form == "csv":
                _write_csv(ledger, at, file)
            else:
                file.writelines(f"{line}\n" for line in ledger.lines(at))
            file.flush()


def _write_csv(ledger: Joining, since: str, file: TextIO) -> None:
    from route_agent.report.stats import inert

    writer = None
    for attempt in ledger.attempts(since):
        if writer is None:
            writer = csv.DictWriter(file, list(attempt), lineterminator="\n")
            writer.writeheader()
        writer.writerow({name: inert(value) for name, value in attempt.items()})


@contextmanager
def _opened(out: str) -> Iterator[TextIO]:
    """Where to write; a file is this user's alone, since briefs and replies are in it.

    Raises:
        EnvironmentBroken: it cannot be written.
    """
    if out == "-":
        yield sys.stdout
        return
    try:
        descriptor = os.open(out, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
        with os.fdopen(descriptor, "w", encoding="utf-8") as file:
            yield file
    except OSError as error:
        raise EnvironmentBroken(f"{out}: {error.strerror}") from error


def import_(files: list[Path], source: str, *, as_json: bool) -> None:
    """Add the runs of files; each file as a whole or not at all."""
    with plain_errors(as_json=as_json):
        ledger = Joining(places.ledger_file())
        told = [(file, ledger.join(file, source or file.stem or "import")) for file in files]
        if as_json:
            print_json({"schema": 1, "files": [_object(file, it) for file, it in told]})
        else:
            for file, it in told:
                _say(file, it)
        if any(it.conflicts for _, it in told):
            sys.exit(CONFLICTS)


def _say(file: Path, it: Joined) -> None:
    words = f", {it.receptions} words about them added" if it.receptions else ""
    say(f"{file}: {it.added} added, {it.known} here already{words}")
    for conflict in it.conflicts:
        say(f"{file}: {conflict} is something else here; it stays as it is here", "yellow")


def _object(file: Path, it: Joined) -> dict[str, object]:
    return {
        "file": str(file),
        "added": it.added,
        "known": it.known,
        "receptions": it.receptions,
        "conflicts": it.conflicts,
    }
