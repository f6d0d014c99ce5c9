"""`route-agent review`: what a person says of a run's patch, and what git's history shows of all of them."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

from route_agent import places
from route_agent.cli.edge import plain_errors, print_json, print_table, say
from route_agent.errors import RepositoryState, UsageError
from route_agent.records.receptions import Received, Reception, Source

if TYPE_CHECKING:
    from pathlib import Path

    from route_agent.learning import Learned
    from route_agent.ledger.receptions import Receptions

SAID = (Received.ACCEPT, Received.REJECT, Received.AMEND)  # what a person may say
MOST_MINUTES = 10_000
MOST_NOTE = 4_000  # characters


def review(
    run: str,
    outcome: str,
    minutes: float | None,
    note: str,
    directory: Path,
    *,
    days: float | None,
    as_json: bool,
) -> None:
    """One word about one run, or what is known of all; where `days` is a number, a look at git's history."""
    with plain_errors(as_json=as_json):
        from route_agent.ledger.receptions import Receptions

        if days is not None:
            if run or outcome or note or minutes is not None:
                raise UsageError("--from-git takes no run and no word: it looks at all of them")
            if not math.isfinite(days):
                raise UsageError("--days takes a number of days", hint="--days 7")
            _from_git(Receptions(places.ledger_file()), directory, days, as_json=as_json)
            return
        if not (run or outcome or note or minutes is not None):
            _show(Receptions(places.ledger_file()), as_json=as_json)
            return
        _say(Receptions(places.ledger_file()), run, outcome, minutes, note, directory, as_json=as_json)


def _show(ledger: Receptions, *, as_json: bool) -> None:
    """What is known by lane."""
    from route_agent.report.receptions import HEADINGS, reception_objects, reception_rows

    lanes = ledger.by_lane()
    if as_json:
        print_json({"schema": 1, "lanes": reception_objects(lanes)})
        return
    from rich.table import Table

    table = Table(box=None, pad_edge=False)
    for heading in HEADINGS:
        table.add_column(heading, justify="left" if heading == "lane" else "right", no_wrap=True)
    for row in reception_rows(lanes):
        table.add_row(*row)
    print_table(table)


def _say(
    ledger: Receptions,
    run: str,
    outcome: str,
    minutes: float | None,
    note: str,
    directory: Path,
    *,
    as_json: bool,
) -> None:
    from route_agent.config import load_config
    from route_agent.ledger.database import now
    from route_agent.outward import known_keys
    from route_agent.redaction import knowing

    _refuse_what_is_no_word(run, outcome, minutes, note)
    row = ledger.finished_run(run)
    if row["replayed"]:
        raise UsageError(
            f"run {row['id']} played recorded replies: nobody proposed that patch, and nothing is learnt"
        )
    word = Reception(
        row["id"],
        now(),
        Source.PERSON,
        Received(outcome),
        minutes=minutes,
        note=note,
        reviewer=_who(directory),
    )
    with knowing(known_keys(load_config())):
        ledger.add([word])
    count = len(ledger.words(word.run_id))
    if as_json:
        print_json({"schema": 1, "run": word.run_id, "outcome": word.outcome.value, "words": count})
        return
    proved = "" if row["accepted_lane"] else "; its patch was not proved, so no rate counts that"
    others = f" ({count} words about it so far; your last one counts)" if count > 1 else ""
    say(f"run {word.run_id}: {word.outcome.value}{others}{proved}")


def _refuse_what_is_no_word(run: str, outcome: str, minutes: float | None, note: str) -> None:
    if not run or outcome not in SAID:
        wrong = f"{outcome[:40]!a} is none of them" if outcome else "what became of the patch?"
        raise UsageError(wrong, hint="route-agent review RUN accept|reject|amend, or --from-git")
    if minutes is not None and not minutes <= MOST_MINUTES:
        raise UsageError(f"--minutes takes at most {MOST_MINUTES}")
    if len(note) > MOST_NOTE:
        raise UsageError(f"--note takes at most {MOST_NOTE} characters")


def _who(directory: Path) -> str:
    from route_agent.repo.author import author_of, user
    from route_agent.repo.repository import Repository

    try:
        return author_of(Repository.open(directory))
    except RepositoryState:  # a word may be said from anywhere
        return user()


def _from_git(ledger: Receptions, directory: Path, days: float, *, as_json: bool) -> None:
    from route_agent.learning import learn

    learned = learn(ledger, directory, days)
    if as_json:
        print_json(_object(learned))
        return
    for it in learned.findings:
        said = it.outcome.value if it.outcome else "unknown"
        lines = "" if it.surviving is None else f"; {it.surviving} of {it.lines} added lines stand"
        say(f"{it.run_id}  {said}{lines}. {it.why}")
    new = f"{learned.written} new" if learned.written else "nothing new"
    say(f"{len(learned.findings)} patches looked for, {new}")
    for told in learned.notices:
        say(f"note: {told}")


def _object(learned: Learned) -> dict[str, object]:
    return {
        "schema": 1,
        "patches": [
            {
                "run": it.run_id,
                "outcome": it.outcome.value if it.outcome else None,
                "why": it.why,
                "commit": it.commit or None,
                "lines": it.lines,
                "surviving": it.surviving,
                "days": round(it.days, 3),
            }
            for it in learned.findings
        ],
        "written": learned.written,
        "notices": list(learned.notices),
    }
