"""`route-agent proof`: publish what was run, failures first, and check what somebody published."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING

from route_agent import places
from route_agent.cli.edge import plain_errors, print_json, print_lines, say
from route_agent.errors import EnvironmentBroken, UsageError
from route_agent.ledger.chain import Chained

if TYPE_CHECKING:
    from pathlib import Path
    from typing import Any

    from route_agent.proofcheck import Checked

CHANGED = 1


def export(out: Path | None, since: str, until: str, *, as_json: bool) -> None:
    """Write the proof log of a time: a folder with JSON and Markdown, or one of them to standard output."""
    with plain_errors(as_json=as_json):
        from route_agent.report.proof_log import render_log

        log = _log(since, until)
        if out is None:
            if as_json:
                print_json(log)
            else:
                print_lines([(line, "") for line in render_log(log).rstrip("\n").split("\n")])
            return
        _write(out, log)
        runs, head = len(log["cases"]), log["head"]
        if as_json:
            print_json({"schema": 1, "folder": str(out), "runs": runs, "head": head})
            return
        say(f"{runs} runs in {out}/proof.json and proof.md; head {head['number']}:{head['link']}")


def _log(since: str, until: str) -> dict[str, Any]:
    from route_agent.cli.stats import moment
    from route_agent.config import load_config
    from route_agent.ledger.database import now
    from route_agent.outward import known_keys
    from route_agent.proofcheck import MOST_AFTER, MOST_BYTES
    from route_agent.redaction import knowing
    from route_agent.report.proof_log import log_object

    since, until = (moment(it) if it else "" for it in (since, until))
    ledger = Chained(places.ledger_file())
    if ledger.chain_size(since, until) > MOST_BYTES:
        raise UsageError(
            "so many runs make no file that can be checked", hint="name a time: --since, --until"
        )
    with knowing(known_keys(load_config())):
        return log_object(ledger.slice(since, until, MOST_AFTER), since, until, now())


def _write(folder: Path, log: dict[str, Any]) -> None:
    import json

    from route_agent.report.inert import write_file
    from route_agent.report.proof_log import render_log

    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise EnvironmentBroken(f"{folder} cannot be made: {error.strerror}") from error
    write_file(folder / "proof.json", json.dumps(log, indent=1) + "\n")
    write_file(folder / "proof.md", render_log(log))


def head(*, as_json: bool) -> None:
    """The chain's last link: published, it pins everything before it."""
    with plain_errors(as_json=as_json):
        pin = Chained(places.ledger_file()).head()
        if as_json:
            print_json({"schema": 1, "number": pin.number, "link": pin.link})
            return
        say(f"{pin.number}:{pin.link}")


def verify(file: Path, pinned: str, *, as_json: bool) -> None:
    """Exit code 0: as it was written; 1: changed or left out; 2: no proof log."""
    with plain_errors(as_json=as_json):
        from route_agent.proofcheck import MOST_BYTES, MOST_TOLD, check, parse_pin, read_log

        try:
            with file.open("rb") as opened:
                data = opened.read(MOST_BYTES + 1)
        except OSError as error:
            raise UsageError(f"{file}: {error.strerror}") from error
        found = check(read_log(data), parse_pin(pinned) if pinned else None)
        if as_json:
            print_json(_verified(found))
        else:
            lines = [(f"error: {it}", "bold red") for it in found.problems[:MOST_TOLD]]
            if more := found.problems[MOST_TOLD:]:
                lines.append((f"… and {len(more)} more", ""))
            print_lines(lines or [(it, "") for it in _fine(found)])
        if found.problems:
            sys.exit(CHANGED)


def _fine(found: Checked) -> list[str]:
    edges = [f"{word} {at}" for word, at in (("since", found.since), ("until", found.until)) if at]
    when = f"began {' '.join(edges)}" if edges else "ever began"
    runs = f"{found.runs} run{'' if found.runs == 1 else 's'}"
    told = [f"ok: {runs} in {found.entries} entries, none changed, and none left out that {when}"]
    if found.withheld:
        told.append(f"{found.withheld} fields are withheld; their hashes fit")
    if found.unchained:
        told.append(f"{found.unchained} runs are in no chain: nothing vouches for them")
    end = "the ledger's chain ended there" if found.to_the_head else "the ledger's chain went on"
    told.append(f"the chain reaches {found.head.number}:{found.head.link}; {end}, the file says")
    return told


def _verified(found: Checked) -> dict[str, Any]:
    return {
        "schema": 1,
        "ok": not found.problems,
        "problems": found.problems,
        "window": {"since": found.since, "until": found.until},
        "runs": found.runs,
        "entries": found.entries,
        "withheld": found.withheld,
        "unchained": found.unchained,
        "head": {"number": found.head.number, "link": found.head.link},
        "to_the_head": found.to_the_head,
    }
