"""What every refusal has in common: one clear line, the right exit code, nothing of the user's touched."""

from __future__ import annotations

import os
import secrets
import sqlite3
from pathlib import Path
from typing import TYPE_CHECKING, Any

from sandpit import FIX, Sandpit, replies

from route_agent import places

if TYPE_CHECKING:
    from sandpit import Result

TASK = ("--task", "sums must be right")


class Place(Sandpit):
    """A folder that is there already, whatever it is."""

    def __init__(self, root: Path) -> None:
        self.root = root


def fixing(pit: Sandpit, *answers: tuple[str, str]) -> tuple[str, ...]:
    """The task with recorded replies; the right one where none are given."""
    folder = pit.root.parent / "replies"
    folder.mkdir(exist_ok=True)
    return (*TASK, "--replay", str(replies(folder, *(answers or (("fast", FIX),)))))


def plain(done: Result) -> None:
    """No traceback, no bug, no escape codes; and text that can be read."""
    for printed in (done.stdout, done.stderr):
        assert "Traceback" not in printed, printed
        assert "Exception ignored" not in printed, printed
        assert "this is a bug" not in printed, printed
        assert "\x1b" not in printed, printed


def refused(
    pit: Sandpit, *arguments: str, code: int, says: str, env: dict[str, str] | None = None, stdin: str = ""
) -> Result:
    """One line `error: …` with these words on standard error, this exit code, and nothing changed."""
    done = untouched(pit, *arguments, env=env, stdin=stdin)
    assert done.exit_code == code, done.stdout + done.stderr
    errors = [line for line in done.stderr.splitlines() if line.startswith("error: ")]
    assert len(errors) == 1, done.stderr
    assert says in errors[0], done.stderr
    return done


def untouched(
    pit: Sandpit, *arguments: str, env: dict[str, str] | None = None, stdin: str = "", timeout: float = 60
) -> Result:
    """Run it, and see that checkout and `.git` are byte for byte what they were."""
    before = pit.state()
    done = pit.run(*arguments, env=env, stdin=stdin, timeout=timeout)
    plain(done)
    assert pit.state() == before
    return done


def rows(query: str) -> list[tuple[Any, ...]]:
    """What the ledger says."""
    database = sqlite3.connect(f"file:{places.ledger_file()}?mode=ro", uri=True)
    try:
        assert database.execute("PRAGMA integrity_check").fetchone() == ("ok",)
        return database.execute(query).fetchall()
    finally:
        database.close()


def unlike_any_other() -> str:
    """Seconds for a `sleep` that is found again among all processes of the machine."""
    return f"97.{secrets.randbelow(10**9):09}"


def running(*argv: str) -> list[int]:
    """Processes with exactly these arguments, behind walls as well. One that has ended has none any more."""
    wanted = b"".join(os.fsencode(word) + b"\0" for word in argv)
    found = []
    for folder in Path("/proc").glob("[0-9]*"):
        try:
            if (folder / "cmdline").read_bytes() == wanted:
                found.append(int(folder.name))
        except OSError:
            continue
    return found
