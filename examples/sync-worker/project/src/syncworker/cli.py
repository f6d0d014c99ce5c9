"""The command line: log in, push every job of an inbox, log out, report."""

from __future__ import annotations

import argparse
import getpass
import secrets
import sys
from collections.abc import Sequence
from pathlib import Path

from syncworker.auth.session import Sessions
from syncworker.backoff import Backoff
from syncworker.jobqueue import JobQueue
from syncworker.jobs import BadJob, read_inbox
from syncworker.journal import Journal, State
from syncworker.remote import SharedFolder
from syncworker.report import summary
from syncworker.worker import SyncWorker


def parser() -> argparse.ArgumentParser:
    options = argparse.ArgumentParser(prog="syncworker", description=__doc__)
    options.add_argument("inbox", type=Path, help="one job per line, as JSON")
    options.add_argument("folder", type=Path, help="the shared folder to push to")
    options.add_argument("--journal", type=Path, default=Path("journal.jsonl"))
    options.add_argument("--max-attempts", type=int, default=8, metavar="N")
    options.add_argument("--base-delay", type=float, default=1.0, metavar="SECONDS")
    options.add_argument("--user", default=None, help="whose session it is (default: you)")
    return options


def main(argv: Sequence[str] | None = None) -> int:
    """Returns 0 if every job was pushed, 1 if one was given up, 2 for an inbox that is no inbox."""
    given = parser().parse_args(argv)
    queue = JobQueue()
    try:
        for job in read_inbox(given.inbox):
            queue.put(job)
    except (BadJob, OSError) as error:
        print(f"syncworker: {given.inbox}: {error}", file=sys.stderr)
        return 2
    sessions = Sessions(secrets.token_bytes(32))
    token = sessions.log_in(given.user or getpass.getuser())
    journal = Journal(given.journal)
    before = len(list(journal.entries()))
    backoff = Backoff(base=given.base_delay, max_attempts=given.max_attempts)
    folder = SharedFolder(given.folder, sessions)
    SyncWorker(queue, folder, journal, token=token, backoff=backoff).run()
    sessions.log_out(token)
    entries = list(journal.entries())[before:]
    print(summary(entries))
    return 1 if any(entry.state is State.FAILED for entry in entries) else 0
