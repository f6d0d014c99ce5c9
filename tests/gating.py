"""A repository with quick checks, and `gate` asked about it as the program asks it, without the command line."""

from __future__ import annotations

import json
import sqlite3
from pathlib import Path
from typing import Any

from sandpit import Sandpit

from route_agent import places
from route_agent.config import load_config
from route_agent.gate import Asking, judge
from route_agent.records.checks import IsolationLevel
from route_agent.records.events import Event
from route_agent.records.judgements import Judgement
from route_agent.repo.repository import Repository

# green while no file holds the word
CHECK = '{name: unit, kind: test, run: [sh, -c, "! grep -rq bad --include=*.txt ."]}'
MODELS = """\
models:
  fast: {provider: openai, model: small-1}
  strong: {provider: anthropic, model: large-1}
  verifier: {provider: openai, model: mid-1}
accept: {fast: ran, strong: ran}
"""


def policy(gate: str = "", more: str = "", check: str = CHECK) -> str:
    told = f"gate: {gate}\n" if gate else ""
    return f"version: 1\n{MODELS}{told}{more}checks:\n  - {check}\n"


def pit_of(folder: Path, gate: str = "", more: str = "", **files: str) -> Sandpit:
    """A repository whose HEAD changes `a.txt`; the policy stands at its base."""
    pit = Sandpit(folder / "pit", {"a.txt": "good\n", **files}, policy(gate, more))
    pit.write("a.txt", "good, and more\n")
    pit.commit("say more")
    return pit


def breaks(pit: Sandpit, text: str = "bad\n") -> Sandpit:
    """The same, with a HEAD that turns the check red."""
    pit.write("a.txt", text)
    pit.commit("break it")
    return pit


def asked(
    pit: Sandpit,
    base: str = "HEAD~1",
    head: str = "HEAD",
    *,
    seen: list[Event] | None = None,
    required: IsolationLevel = IsolationLevel.NONE,
    **how: Any,
) -> Judgement:
    """What is said of a change."""
    events = [] if seen is None else seen
    return judge(
        Repository.open(pit.root),
        load_config(),
        base,
        head,
        required=required,
        on=events.append,
        asked=Asking(**how),
    )


def rows(query: str = "SELECT * FROM judgement ORDER BY at") -> list[dict[str, Any]]:
    """What the ledger has."""
    with sqlite3.connect(places.ledger_file()) as database:
        database.row_factory = sqlite3.Row
        return [dict(row) for row in database.execute(query)]


def configure(**sections: Any) -> None:
    """Write the user's own configuration."""
    file = places.config_file()
    file.parent.mkdir(parents=True, exist_ok=True)
    file.write_text(json.dumps(sections))


def without_objects(state: dict[str, str]) -> dict[str, str]:
    """A checkout's state apart from git's objects."""
    return {path: told for path, told in state.items() if not path.startswith(".git/objects/")}
