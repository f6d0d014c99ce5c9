"""What the shadow said, beside the rules, and what `stats` tells of it."""

from __future__ import annotations

import json
import sqlite3
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from route_agent import places
from route_agent.cli import stats as command
from route_agent.ledger.store import Ledger


def keep(days_ago: float, rules: str, level: str, accepted: str | None, *, more: str = "accepted") -> None:
    """A run of mode `shadow`, as the ledger has it; the lane that went first is `fast` or `strong`."""
    Ledger(places.ledger_file())  # makes the tables
    shadow = {"LOW": "fast", "MEDIUM": "strong", "HIGH": "strong", "": rules}[level]
    first = "strong" if "strong" in (rules, shadow) else "fast"
    said = [
        {"router": "shadow", "lane": shadow, "level": level},
        {"router": "rules", "lane": rules, "level": ""},
    ]
    at = (datetime.now(UTC) - timedelta(days=days_ago)).isoformat(timespec="milliseconds")
    with sqlite3.connect(places.ledger_file()) as db:
        number = db.execute("SELECT COUNT(*) FROM run").fetchone()[0]
        db.execute(
            "INSERT INTO run (id, started_at, repository, brief, base, start, replayed, policy, policy_hash,"
            " forced_lane, mode, advice, first_lane, accepted_lane, verdict)"
            " VALUES (?, ?, 'r', 'b', 'x', 'y', ?, 'p', 'h', 0, 'shadow', ?, ?, ?, ?)",
            (str(number), at, int(more == "replayed"), json.dumps(said), first, accepted,
             "accepted" if more == "replayed" else more),
        )  # fmt: skip
        db.execute(
            "INSERT INTO attempt (run_id, number, at, lane, provider, model, grade, seconds, cost_micro_usd,"
            " unknown_calls, other_model, files, added, deleted, reason)"
            " VALUES (?, 1, ?, ?, 'openai', 'm', 'ran', 1, 1, 0, 0, 1, 1, 1, '')",
            (str(number), at, first),
        )
    db.close()


def stats(*, as_json: bool) -> None:
    command.stats("lane", "", "", places.ledger_file().parent, as_csv=False, as_json=as_json)


def test_cells_count_the_runs_and_those_whose_first_lane_was_accepted() -> None:
    keep(9, "fast", "LOW", "fast")
    keep(8, "fast", "LOW", "strong")
    keep(7, "fast", "HIGH", "strong")
    keep(6, "strong", "LOW", None, more="not proved")
    keep(5, "fast", "", "fast")
    keep(4, "fast", "LOW", None, more="provider unavailable")
    keep(3, "fast", "LOW", "fast", more="replayed")

    found = Ledger(places.ledger_file()).agreement()

    assert (found.asked, found.unanswered, round(found.days, 3)) == (6, 1, 9.0)
    assert [(it.rules, it.shadow, it.level, it.runs, it.first_accepted) for it in found.cells] == [
        ("fast", "fast", "LOW", 2, 1),
        ("fast", "strong", "HIGH", 1, 1),
        ("strong", "fast", "LOW", 1, 0),
    ]


def test_the_table_comes_after_a_week_with_its_numbers_and_intervals(
    capsys: pytest.CaptureFixture[str],
) -> None:
    keep(6.5, "fast", "LOW", "fast")
    stats(as_json=False)
    early = capsys.readouterr().out
    stats(as_json=True)
    assert json.loads(capsys.readouterr().out)["shadow"]["cells"] == []
    keep(7.5, "fast", "HIGH", "strong")
    stats(as_json=False)
    later = capsys.readouterr().out
    stats(as_json=True)
    told = json.loads(capsys.readouterr().out)["shadow"]

    assert "shadow: 1 decision in 6.5 days; its table comes after 7" in early
    assert "shadow: 2 decisions in 7.5 days" in later
    assert [line.split() for line in later.splitlines() if "(HIGH)" in line] == [
        ["fast", "strong", "(HIGH)", "1", "100", "%", "[21,", "100]"]
    ]
    assert [(it["rules"], it["shadow"], it["n"], it["first_accepted"]) for it in told["cells"]] == [
        ("fast", "fast", 1, 1.0),
        ("fast", "strong", 1, 1.0),
    ]


def test_without_a_shadow_nothing_is_said_of_one(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    Ledger(places.ledger_file())
    stats(as_json=False)

    assert "shadow" not in capsys.readouterr().out
