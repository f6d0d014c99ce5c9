"""Ledgers that join, that are checked, that are old, and whose writer dies or finds the disk full."""

from __future__ import annotations

import json
import os
import resource
import signal
import sqlite3
import sys
import time
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from test_figures import ASKED, MONDAY, Maker

from route_agent import places
from route_agent.cli.ledger_files import check, export, import_
from route_agent.errors import LedgerError, UsageError
from route_agent.ledger.allowances import of_day
from route_agent.ledger.figures import Figuring
from route_agent.ledger.joining import Joining
from route_agent.ledger.schema import SCHEMA_VERSION, SCHEMAS
from route_agent.ledger.store import Ledger
from route_agent.ledger.whole import Whole
from route_agent.records.lanes import ModelReply, Prompt, Usage

SECRET = "ghp_" + "a1B2c3D4e5" * 3 + "f6G7h8"


@pytest.fixture(scope="module")
def far(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The export of another ledger: nine runs, one of which never ended and one of which was recorded."""
    folder = tmp_path_factory.mktemp("far")
    maker = Maker(folder / "ledger.sqlite3")
    for number in range(7):
        run_id = maker.run("bug", days=number)
    maker.run("docs", days=8, end="unfinished")
    maker.run("docs", days=8, end="replayed")
    maker.read(run_id, 3.0)
    maker.ledger.close()
    file = folder / "ci.jsonl"
    file.write_text("".join(f"{line}\n" for line in Joining(folder / "ledger.sqlite3").lines()))
    return file


def records(file: Path) -> list[dict[str, Any]]:
    return [json.loads(line) for line in file.read_text().splitlines()]


def write(file: Path, several: list[dict[str, Any]]) -> Path:
    file.write_text("".join(f"{json.dumps(it)}\n" for it in several))
    return file


def counted(path: Path) -> dict[str, int]:
    database = sqlite3.connect(path)
    names = ("run", "attempt", "call", "check_result", "review", "reception", "judgement", "tally", "chain")
    found = {name: database.execute(f"SELECT COUNT(*) FROM {name}").fetchone()[0] for name in names}
    database.close()
    return found


def test_what_a_ledger_exports_another_takes_in_whole_and_once(far: Path, tmp_path: Path) -> None:
    here = tmp_path / "ledger.sqlite3"
    Maker(here).ledger.close()
    theirs = Figuring(far.parent / "ledger.sqlite3").figures(ASKED)

    first, second = (Joining(here).join(far, "ci") for _ in range(2))

    assert (first.added, first.known, first.conflicts) == (9, 0, [])
    assert (second.added, second.known, second.conflicts, second.receptions) == (0, 9, [], 0)
    found = Figuring(here).figures(ASKED)
    assert (found.groups, found.whole, found.table) == (theirs.groups, theirs.whole, theirs.table)
    assert (found.imported, found.replayed, found.unfinished) == (8, 1, 1)
    assert {**counted(here), "chain": 0} == {**counted(far.parent / "ledger.sqlite3"), "chain": 0}
    assert Whole(here).faults() == []
    (source,) = {it["source"] for it in Joining(here)._read("SELECT source FROM run")}
    assert source == "ci"


def test_a_ledger_takes_its_own_export_for_what_it_is(far: Path) -> None:
    joined = Joining(far.parent / "ledger.sqlite3").join(far, "ci")

    assert (joined.added, joined.known, joined.conflicts) == (0, 9, [])


def test_a_run_that_came_by_way_of_another_ledger_keeps_where_it_is_from(far: Path, tmp_path: Path) -> None:
    Joining(tmp_path / "team.sqlite3").join(far, "ci")
    through = write(
        tmp_path / "team.jsonl", [json.loads(it) for it in Joining(tmp_path / "team.sqlite3").lines()]
    )

    last = Joining(tmp_path / "last.sqlite3")
    last.join(through, "team")

    assert {it["source"] for it in last._read("SELECT source FROM run")} == {"ci"}


def test_words_that_people_said_since_are_added_to_runs_from_elsewhere(far: Path, tmp_path: Path) -> None:
    here = Joining(tmp_path / "ledger.sqlite3")
    here.join(far, "ci")
    later = records(far)
    word = {**later[1]["receptions"][0]} if later[1]["receptions"] else {
        "run_id": later[1]["run"]["id"], "at": MONDAY.isoformat(), "source": "person", "outcome": "reject",
        "note": "", "reviewer": "two",
    }  # fmt: skip
    later[1]["receptions"].append(word)

    joined = here.join(write(tmp_path / "later.jsonl", later), "ci")

    assert (joined.added, joined.known, joined.receptions) == (0, 9, 1)


def test_another_run_of_the_same_name_is_told_and_the_one_here_stays(far: Path, tmp_path: Path) -> None:
    here = Joining(tmp_path / "ledger.sqlite3")
    here.join(far, "ci")
    other = records(far)
    other[1]["run"]["brief"] = "something else"
    before = counted(here.path)

    joined = here.join(write(tmp_path / "other.jsonl", other), "ci")

    assert (joined.conflicts, joined.known) == ([other[1]["run"]["id"]], 8)
    assert counted(here.path) == before
    assert here._read("SELECT 1 FROM run WHERE brief = 'something else'") == []


def _set(part: str, name: str, value: Any) -> Callable[[dict[str, Any]], None]:
    def change(record: dict[str, Any]) -> None:
        target = record[part][0] if isinstance(record[part], list) else record[part]
        target[name] = value

    return change


WRONG: dict[str, tuple[Callable[[dict[str, Any]], None], str]] = {
    "unknown field": (_set("run", "colour", 1), 'run has an unknown field "colour"'),
    "missing": (lambda it: it["run"].pop("brief"), "run has no brief"),
    "wrong type": (_set("run", "seconds", "1"), "run.seconds is no number"),
    "a flag as a number": (_set("run", "replayed", 2), "run.replayed is neither 0 nor 1"),
    "true for 1": (_set("run", "replayed", True), "run.replayed is no whole number"),
    "below 0": (_set("attempts", "cost_micro_usd", -1), "attempt.cost_micro_usd is below 0"),
    "too much": (_set("calls", "cost_micro_usd", 10**18), "call.cost_micro_usd is out of bounds"),
    "no float holds it": (_set("calls", "cost_micro_usd", 10**400), "call.cost_micro_usd is out of bounds"),
    "no verdict": (_set("run", "verdict", "wonderful"), "run.verdict is none of"),
    "no failure": (_set("attempts", "failure", "x'; DROP TABLE run; --"), "attempt.failure is none of"),
    "no state": (_set("calls", "state", ""), "call.state is none of"),
    "no id": (_set("run", "id", "../../etc"), "run.id is no id"),
    "another run's": (_set("calls", "run_id", "elsewhere"), "call is of another run"),
    "no time": (_set("run", "started_at", "soon"), "run.started_at is no time"),
    "before all time": (_set("run", "started_at", "0001-01-01T00:00:00+14:00"), "run.started_at is no time"),
    "no zone": (_set("run", "started_at", "2026-11-01"), "run.started_at has no time zone"),
    "the future": (_set("run", "started_at", "9999-01-01T00:00:00+00:00"), "lies in the future"),
    "no report": (_set("run", "report", "{}"), "run.report is no report of a run"),
    "no json": (_set("run", "report", "{"), "run.report is no JSON"),
    "deep json": (_set("run", "report", "[" * 100_000), "run.report is no JSON"),
    "odd paths": (_set("run", "paths", '{"changed": 1}'), "run.paths has another form"),
    "odd signals": (_set("run", "signals", '[{"name": 1}]'), "run.signals has another form"),
    "odd limits": (_set("run", "limits", f'{{"day": {10**400}}}'), "run.limits has another form"),
    "null": (_set("run", "brief", None), "run.brief is null"),
    "reused key": (_set("calls", "request_key", "0" * 64), 'call has an unknown field "request_key"'),
    "no list": (lambda it: it.update(calls={}), "calls is no list"),
    "more parts": (lambda it: it.update(more=[]), "the record's parts are not"),
    "gap": (_set("attempts", "number", 7), "attempts are not numbered from 1"),
}


@pytest.mark.parametrize("name", WRONG)
def test_a_wrong_line_is_named_and_nothing_of_its_file_is_taken(name: str, far: Path, tmp_path: Path) -> None:
    change, says = WRONG[name]
    several = records(far)
    change(several[3])
    here = Joining(tmp_path / "ledger.sqlite3")

    with pytest.raises(UsageError) as told:
        here.join(write(tmp_path / "bad.jsonl", several), "ci")

    assert f"{tmp_path / 'bad.jsonl'}:4: " in told.value.what
    assert says in told.value.what
    assert set(counted(here.path).values()) == {0}


@pytest.mark.parametrize(
    ("text", "says"),
    [
        (b"", "1: the file was cut"),
        (b"\xff\xfe", "1: no JSON object"),
        (b"[]\n", "1: no JSON object"),
        (b'{"a": NaN}\n', "1: NaN is no number"),
        (b'{"a": 1}\n', "1: this is no ledger's export"),
        (b'{"route_agent_ledger": 2, "schema": 5}\n', "1: a newer route-agent wrote this"),
        (b'{"route_agent_ledger": 1, "schema": 5}\n', "2: the file was cut"),
        (b'{"route_agent_ledger": 1, "schema": 5}\n{"end": true, "records": 3}\n', "2: 0 records came"),
        (b'{"route_agent_ledger": 1, "schema": 5}\n{"end": true, "records": 0}\n{}\n', "3: there is more"),
        (b'{"route_agent_ledger": 1, "schema": 5}\n{"run": 1, "call": 2}\n', "2: neither a run"),
    ],
)
def test_a_file_that_is_no_whole_export_is_refused(text: bytes, says: str, tmp_path: Path) -> None:
    (tmp_path / "x.jsonl").write_bytes(text)

    with pytest.raises(UsageError, match=r"x\.jsonl:") as told:
        Joining(tmp_path / "ledger.sqlite3").join(tmp_path / "x.jsonl", "ci")

    assert says in told.value.what


def test_a_pipe_that_nobody_writes_to_is_not_waited_for(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "x.jsonl")

    with pytest.raises(UsageError, match="no file"):
        Joining(tmp_path / "ledger.sqlite3").join(tmp_path / "x.jsonl", "ci")


def test_what_comes_in_is_redacted_pays_nothing_here_and_answers_nothing_here(
    far: Path, tmp_path: Path
) -> None:
    several = records(far)
    several[1]["run"]["brief"] = f"use {SECRET}"
    several[1]["calls"][0]["reply"] = f"key {SECRET}"
    now = time.strftime("%Y-%m-%dT%H:%M:%S+00:00", time.gmtime())
    several[1]["calls"][0]["at"] = now
    here = tmp_path / "ledger.sqlite3"

    Joining(here).join(write(tmp_path / "x.jsonl", several), f"ci {SECRET}")

    assert SECRET.encode() not in b"".join(it.read_bytes() for it in tmp_path.glob("ledger.sqlite3*"))
    ledger = Ledger(here)
    day = of_day(1.0)
    assert ledger.spent(day.condition, {"day": now[:10]}) == 0
    assert ledger.accepted_reports("/checkout") == []
    assert ledger._read("SELECT 1 FROM call WHERE request_key <> '' OR imported = 0") == []


def test_the_gates_judgements_travel_and_their_verdicts_are_never_taken_for_ones_own(tmp_path: Path) -> None:
    there, here = Ledger(tmp_path / "there.sqlite3"), Joining(tmp_path / "here.sqlite3")
    values = {
        "id": "j1", "at": MONDAY.isoformat(timespec="milliseconds"), "repository": "/r", "author": "a", "base": "b",
        "head": "h", "policy_hash": "p", "verdict": "not_proved", "exit_code": 1, "grade": "ran", "score": 1,
        "lane": "fast", "task_class": "bug", "seconds": 1.0, "check_seconds": 1.0, "cost_micro_usd": 5,
        "unknown_calls": 0, "reused": 1, "report": '{"earlier":"j0"}', "verdict_key": "k" * 64,
    }  # fmt: skip
    there._insert("judgement", values)
    file = write(tmp_path / "x.jsonl", [json.loads(it) for it in Joining(there.path).lines()])

    joined = [here.join(file, "ci"), here.join(file, "ci"), Joining(there.path).join(file, "ci")]

    assert [(it.added, it.known, it.conflicts) for it in joined] == [(1, 0, []), (0, 1, []), (0, 1, [])]
    ((key, source),) = [tuple(it) for it in here._read("SELECT verdict_key, source FROM judgement")]
    assert (key, source) == ("", "ci")
    assert Figuring(here.path).figures(ASKED).judged == 1


# --- old files -------------------------------------------------------------------------------------------------


def old(path: Path, version: int) -> None:
    """A ledger that a version of the program wrote; of the fourth, as the third was brought up to date."""
    database = sqlite3.connect(path)
    written = Path(__file__).parent / "ledgers" / f"version-{min(version, 3)}.sql"
    database.executescript(written.read_text())
    for number in range(4, version + 1):
        database.executescript(SCHEMAS[number - 1])
        database.execute(f"PRAGMA user_version = {number}")
    database.close()


@pytest.mark.parametrize("version", [1, 2, 3, 4])
def test_a_ledger_of_every_earlier_version_has_statistics_and_is_whole(version: int, tmp_path: Path) -> None:
    path = tmp_path / "ledger.sqlite3"
    old(path, version)

    found = Figuring(path).figures(replace(ASKED, check_usd=None))

    assert [(it.name, it.runs, it.attempts) for it in found.groups] == [("fast", 1, 1), ("strong", 0, 1)]
    assert (found.whole.accepted, found.whole.spend.total) == (1, 19_250)
    assert Whole(path).faults() == []
    assert Joining(path).join(_exported(path, tmp_path), "x").known == 1


def _exported(path: Path, folder: Path) -> Path:
    file = folder / "own.jsonl"
    file.write_text("".join(f"{line}\n" for line in Joining(path).lines()))
    return file


# --- is it whole? ----------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("statement", "kind"),
    [
        ("UPDATE call SET cost_micro_usd = cost_micro_usd + 1 WHERE id = 1", "sum"),
        ("DELETE FROM call WHERE id = 1", "sum"),
        ("DELETE FROM tally WHERE run_id = 'run1'", "tally"),
        ("UPDATE tally SET accepted = 1 - accepted WHERE run_id = 'run1' AND first = 1", "tally"),
        ("UPDATE attempt SET run_id = 'gone' WHERE run_id = 'run1'", "reference"),
        ("UPDATE check_result SET run_id = 'gone' WHERE run_id = 'run1'", "reference"),
        (
            "UPDATE run SET brief = 'another', report = replace(report, 'mend', 'another') WHERE id = 'run1'",
            "chain",
        ),
    ],
)
def test_what_was_changed_by_hand_is_noticed(far: Path, tmp_path: Path, statement: str, kind: str) -> None:
    path = tmp_path / "ledger.sqlite3"
    source, copy = sqlite3.connect(far.parent / "ledger.sqlite3"), sqlite3.connect(path)
    source.backup(copy)
    source.close()
    assert [it for it in Whole(path).faults() if it.kind != "chain"] == []
    copy.execute(statement)
    copy.commit()
    copy.close()

    assert kind in {it.kind for it in Whole(path).faults()}


def test_a_damaged_page_is_noticed(far: Path, tmp_path: Path) -> None:
    path = tmp_path / "ledger.sqlite3"
    source, copy = sqlite3.connect(far.parent / "ledger.sqlite3"), sqlite3.connect(path)
    source.backup(copy)
    (root,) = copy.execute("SELECT rootpage FROM sqlite_master WHERE name = 'tally_by_run'").fetchone()
    (size,) = copy.execute("PRAGMA page_size").fetchone()
    source.close()
    copy.close()
    with path.open("r+b") as file:
        file.seek((root - 1) * size)
        file.write(b"\x00" * size)

    try:
        told = {it.kind for it in Whole(path).faults()}
    except LedgerError:
        told = {"file"}
    assert told == {"file"}


def test_the_commands_say_what_was_done_and_end_with_their_codes(
    far: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path / "state"))
    other = records(far)
    other[1]["run"]["brief"] = "something else \x1b[31m"

    import_([far], "", as_json=False)
    assert capsys.readouterr().out == f"{far}: 9 added, 0 here already\n"
    with pytest.raises(SystemExit) as ended:
        import_([write(tmp_path / "other.jsonl", other)], "", as_json=True)
    assert ended.value.code == 1
    assert json.loads(capsys.readouterr().out)["files"][0]["conflicts"] == [other[1]["run"]["id"]]
    export(str(tmp_path / "out.jsonl"), "jsonl", "")
    assert (tmp_path / "out.jsonl").stat().st_mode & 0o777 == 0o600
    assert len(records(tmp_path / "out.jsonl")) == 11
    export("-", "csv", "2026-09-01")
    table = capsys.readouterr().out.splitlines()
    assert table[0].startswith("run,started_at,repository,author,source,task_class")
    assert len(table) == 1 + counted(places.ledger_file())["attempt"]
    check(as_json=False)
    assert capsys.readouterr().out.endswith("ledger.sqlite3: whole\n")
    with pytest.raises(SystemExit) as ended:
        export("-", "xml", "")
    assert ended.value.code == 2
    capsys.readouterr()
    Ledger(places.ledger_file())._write("DELETE FROM tally", {})
    with pytest.raises(SystemExit) as ended:
        check(as_json=True)
    assert ended.value.code == 6
    assert json.loads(capsys.readouterr().out)["faults"][0]["kind"] == "tally"


# --- a writer that dies, a disk that is full -------------------------------------------------------------------


def _append_for_ever(path: Path, told: int) -> None:
    """Whole runs, one after another; each reply is told once it is recorded, and not before."""
    maker = Maker(path)
    maker.ledger._db.execute("PRAGMA synchronous = FULL")
    name = f"{os.getpid()}"
    for number in range(100_000):
        run_id = f"w{name}-{number}"
        purse = maker.purse(run_id, "one@example.org")
        maker.begun(run_id, "bug", "fast", 1, replayed=False, purse=purse)
        held = purse.reserve("fast", "near", "small", Prompt("", "x"), 50)
        text = f"{run_id} said {'y' * 500}"
        purse.settle(held, ModelReply(text, None, Usage(9, 0, 0, 9)), 1.0)
        os.write(told, f"{run_id}\n".encode())
        attempt = maker.attempt(purse, "fast", "bug", priced=True)
        maker.ledger.add_attempt(run_id, 1, attempt)


def _child(path: Path, prepare: Callable[[], None]) -> tuple[int, int]:
    """A process that appends, and the pipe on which it tells what it has recorded."""
    reading, writing = os.pipe()
    child = os.fork()
    if child == 0:
        code = 1
        try:
            os.close(reading)
            prepare()
            _append_for_ever(path, writing)
        except LedgerError:
            code = 6
        finally:
            sys.stderr.flush()
            os._exit(code)
    os.close(writing)
    return child, reading


def _all_told(reading: int) -> list[str]:
    said = b""
    while more := os.read(reading, 65536):
        said += more
    os.close(reading)
    return said.decode().split()


def _is_whole_with(path: Path, told: list[str]) -> None:
    ledger = Whole(path)
    assert ledger.integrity() == "ok"
    kept = {
        it["run_id"] for it in ledger._read("SELECT run_id, reply FROM call WHERE reply LIKE '% said y%'")
    }
    assert set(told) <= kept
    ledger.close()


def test_of_twenty_writers_that_are_killed_none_loses_a_reply_that_it_had_recorded(tmp_path: Path) -> None:
    path = tmp_path / "ledger.sqlite3"
    Ledger(path).close()
    everything: list[str] = []
    for number in range(20):
        child, reading = _child(path, lambda: None)
        first = os.read(reading, 1)  # it is at work
        time.sleep(0.002 * number)
        os.kill(child, signal.SIGKILL)
        os.waitpid(child, 0)
        said = first.decode() + "\n".join(_all_told(reading))
        everything += [it for it in said.split() if it.startswith("w")]
        _is_whole_with(path, everything)
    assert len(everything) >= 20
    assert Whole(path).faults() == []
    assert Figuring(path).figures(ASKED).unfinished >= 20


def test_a_full_disk_is_told_and_loses_no_reply_that_was_recorded(tmp_path: Path) -> None:
    path = tmp_path / "ledger.sqlite3"
    Ledger(path).close()

    def full_soon() -> None:
        signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
        resource.setrlimit(resource.RLIMIT_FSIZE, (2_000_000, 2_000_000))

    child, reading = _child(path, full_soon)
    told = _all_told(reading)
    _, status = os.waitpid(child, 0)

    assert os.waitstatus_to_exitcode(status) == 6
    assert len(told) > 5
    _is_whole_with(path, told)
    maker = Maker(path)
    maker.run("bug", days=1)  # and it goes on where there is room again
    maker.ledger.close()
    assert Whole(path).faults() == []
    assert SCHEMA_VERSION == 5
