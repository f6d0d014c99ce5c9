"""The proof log: failures first, nothing left out, and every change to it is noticed."""

from __future__ import annotations

import contextlib
import copy
import json
import shutil
import sqlite3
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from sandpit import FIX, WRONG, Sandpit, replies
from test_receptions import a_run, keep

from route_agent import places
from route_agent.errors import LedgerError, UsageError
from route_agent.ledger.database import now
from route_agent.ledger.receptions import Receptions
from route_agent.ledger.store import Ledger
from route_agent.proofcheck import Checked, check, parse_pin, read_log
from route_agent.prooflog import Pin, field_digest, field_salt, link_of
from route_agent.records.checks import CheckKind, CheckResult, CheckRun, Isolation, IsolationLevel, Outcome
from route_agent.records.grades import Failure, Grade, Verdict
from route_agent.records.receptions import Received, Reception, Source
from route_agent.records.reviews import Opinion, Review
from route_agent.records.runs import Attempt, Evidence
from route_agent.report.proof_log import log_object, render_log

TOKEN = "ghp_" + "a1B2" * 9
PATCH = (
    "diff --git a/a.py b/a.py\n--- a/a.py\n+++ b/a.py\n@@ -1 +1 @@\n-x = 1\n+x = 2\n```\n# <b>not a heading\n"
)
FAR = "9999"

Log = dict[str, Any]


def attempt(failure: Failure | None = None) -> Attempt:
    result = CheckResult("unit", CheckKind.TEST, Outcome.FAILED, "1 failed: t", 1, 0.5, tests={"t": "failed"})
    checks = CheckRun("3" * 40, (result,), Isolation(IsolationLevel.NONE))
    review = Review("verifier", "judge-1", Opinion.REJECT, ("no test",))
    return Attempt(
        "fast", "p", "small-1", summary="s", evidence=Evidence(checks, Grade.RAN), failure=failure,
        reason="t is red", patch=PATCH, reviews=(review,),
    )  # fmt: skip


def seed(ledger: Receptions) -> None:
    """One run of each kind, the good ones first."""
    keep(ledger, a_run("good01", "/r", "", attempts=(attempt(),)))
    keep(ledger, a_run("play02", "/r", "", replayed=True))
    keep(
        ledger, a_run("fail03", "/r", "", verdict=Verdict.NOT_PROVED, attempts=(attempt(Failure.REGRESSION),))
    )
    keep(ledger, a_run("back04", "/r", "", brief=f"use {TOKEN} @team <script>"))
    ledger.begin(a_run("died05", "/r", ""), forced_lane=False)
    word = Reception("back04", now(), Source.PERSON, Received.REJECT, 3.5, "wrong | place", "me@example.com")
    ledger.add([word, replace(word, run_id="good01", outcome=Received.ACCEPT)])


@pytest.fixture(scope="module")
def template(tmp_path_factory: pytest.TempPathFactory) -> Path:
    file = tmp_path_factory.mktemp("chained") / "ledger.sqlite3"
    ledger = Receptions(file)
    seed(ledger)
    ledger.close()
    return file


@pytest.fixture
def ledger(template: Path, tmp_path: Path) -> Receptions:
    shutil.copy(template, tmp_path / "ledger.sqlite3")
    return Receptions(tmp_path / "ledger.sqlite3")


def exported(ledger: Receptions, since: str = "", until: str = "", after: int = 1000) -> Log:
    """What a file holds, as it is read again."""
    log = log_object(ledger.slice(since, until, after), since, until, now())
    return read_log(json.dumps(log).encode())


@pytest.fixture(scope="module")
def log(template: Path) -> Log:
    return exported(Receptions(template))


def found(log: Log, pin: Pin | None = None) -> Checked:
    return check(read_log(json.dumps(log).encode()), pin)


def times(ledger: Receptions) -> list[str]:
    """When each run begins in the chain."""
    return [row[0] for row in ledger._read("SELECT at FROM chain WHERE event = 'begin' ORDER BY number")]


# --- what is in it -------------------------------------------------------------------------------------------


def test_failures_come_first_and_every_run_is_there(log: Log) -> None:
    assert [it["run_id"] for it in log["cases"]] == ["fail03", "back04", "died05", "good01", "play02"]

    told = found(log)

    assert (told.problems, told.runs, told.entries, told.to_the_head) == ([], 5, 12, True)
    assert told.head == Pin(12, log["head"]["link"])


def test_a_case_holds_task_lane_model_patch_checks_and_notes(log: Log) -> None:
    begin, end = log["cases"][0]["entries"]

    assert begin["content"]["task"] == "task fail03"
    (tried,) = end["content"]["attempts"]
    assert (tried["lane"], tried["model"], tried["failure"], tried["patch"]) == (
        "fast",
        "small-1",
        "regression",
        PATCH,
    )
    assert [(it["name"], it["outcome"], it["failed"]) for it in tried["checks"]] == [("unit", "failed", 1)]
    assert [(it["opinion"], it["reasons"]) for it in tried["reviews"]] == [("reject", ["no test"])]
    (word,) = (it for it in log["cases"][1]["entries"] if it["event"] == "reception")
    assert (word["content"]["outcome"], word["content"]["minutes"]) == ("reject", 3.5)


def test_no_secret_is_in_it_and_it_verifies_all_the_same(log: Log) -> None:
    assert TOKEN not in json.dumps(log)
    assert "[redacted:" in log["cases"][1]["entries"][0]["content"]["task"]


def test_markdown_shows_strangers_words_as_text_only(log: Log) -> None:
    shown = render_log(log)

    assert shown.index("fail03") < shown.index("good01")
    assert "## Failures" in shown
    assert "## The others" in shown
    fenced = shown.split("````diff\n")[1].split("\n````")[0]
    assert fenced == PATCH.rstrip("\n")
    assert "wrong &#124; place" in shown


def test_a_field_that_is_a_secret_by_now_is_withheld_and_the_rest_verifies(ledger: Receptions) -> None:
    from route_agent.redaction import Knowledge, knowing

    knowledge = Knowledge()
    knowledge.add("task fail03", "learnt")
    with knowing(knowledge):
        log = exported(ledger)

    assert "task fail03" not in json.dumps(log)
    told = found(log)
    assert (told.problems, told.withheld) == ([], 1)
    assert "withheld since they would show a secret: task" in render_log(log)
    log["cases"][0]["entries"][0]["content"]["task"] = "something nicer"
    assert found(log).problems == ["entry 6 of run fail03 was changed"]


# --- what is done to a file ----------------------------------------------------------------------------------


def entry(log: Log, case: int = 0, number: int = 1) -> Log:
    told: Log = log["cases"][case]["entries"][number]
    return told


def withhold(told: Log, *names: str) -> Log:
    salt = told.pop("salt")
    told["withheld"] = {it: field_digest(field_salt(salt, it), told["content"].pop(it)) for it in names}
    told["salts"] = {it: field_salt(salt, it) for it in told["content"]}
    return told


def relink(log: Log) -> Log:
    """What a forger does who knows how: every link anew, and the head."""
    previous = log["before"]["link"]
    for row in log["chain"]:
        link = link_of(previous, row["number"], row["at"], row["run_id"], row["event"], row["digest"])
        row["link"] = previous = link
    log["head"] = {"number": log["chain"][-1]["number"], "link": previous}
    return log


def make_anew(log: Log, at: int) -> None:
    """Another digest for one row, and the link that belongs to it."""
    row, previous = log["chain"][at], log["chain"][at - 1]["link"]
    row["digest"] = "a" * 64
    row["link"] = link_of(previous, row["number"], row["at"], row["run_id"], row["event"], row["digest"])


def renumber(log: Log) -> None:
    new = {row["number"]: at for at, row in enumerate(log["chain"], 1)}
    for row in log["chain"]:
        row["number"] = new[row["number"]]
    for case in log["cases"]:
        for it in case["entries"]:
            it["number"] = new[it["number"]]
    relink(log)


def swap(items: list[Any], one: int, other: int) -> None:
    items[one], items[other] = items[other], items[one]


MUTATIONS: dict[str, tuple[Callable[[Log], object], str]] = {
    "a run is left out": (lambda it: it["cases"].pop(0), "run fail03 was left out"),
    "a run and its links are left out": (
        lambda it: (it["cases"].pop(0), [it["chain"].pop(5) for _ in range(2)]),
        "entries 6 to 7 of the chain left out",
    ),
    "an end is left out": (lambda it: it["cases"][0]["entries"].pop(), "entry 7 of run fail03 was left out"),
    "a patch is edited": (
        lambda it: entry(it)["content"]["attempts"][0].update(patch="x"),
        "entry 7 of run fail03 was changed",
    ),
    "a verdict is edited": (lambda it: entry(it)["content"].update(verdict="accepted"), "fail03 was changed"),
    "a field is taken out": (lambda it: entry(it)["content"].pop("reason"), "fail03 was changed"),
    "a field is put in": (lambda it: entry(it)["content"].update(praise="x"), "fail03 was changed"),
    "something is written beside": (lambda it: entry(it).update(note="x"), "fail03 was changed"),
    "a number becomes true": (
        lambda it: entry(it, 0, 0)["content"].update(replayed=0), "entry 6 of run fail03 was changed"
    ),
    "the salt is another": (lambda it: entry(it).update(salt="0" * 32), "entry 7 of run fail03 was changed"),
    "a digest is edited": (lambda it: it["chain"][6].update(digest="0" * 64), "entry 7 of the chain was changed"),
    "a time is edited": (lambda it: it["chain"][6].update(at="2020"), "entry 7 of the chain was changed"),
    "a run's name is edited": (lambda it: it["chain"][6].update(run_id="x"), "entry 7 of the chain was changed"),
    "two links are swapped": (lambda it: swap(it["chain"], 3, 4), "of the chain"),
    "two runs are swapped": (lambda it: swap(it["cases"], 0, 3), "another order"),
    "two entries are swapped": (lambda it: swap(it["cases"][0]["entries"], 0, 1), "out of order"),
    "contents are swapped": (
        lambda it: [it["cases"][at]["entries"][0].update(content=it["cases"][1 - at]["entries"][0]["content"]) for at in (0, 1)],
        "was changed",
    ),
    "a link stands twice": (lambda it: it["chain"].insert(4, dict(it["chain"][4])), "stands twice"),
    "a run stands twice": (lambda it: it["cases"].insert(1, it["cases"][0]), "run fail03 stands twice"),
    "an entry stands twice": (
        lambda it: it["cases"][0]["entries"].append(it["cases"][0]["entries"][1]), "stands twice or out of order"
    ),
    "the end is cut off": (lambda it: it["chain"].pop(), "entry 12 of the chain left out"),
    "the beginning is cut off": (lambda it: it["chain"].pop(0), "entry 1 of the chain left out"),
    "everything is cut off": (lambda it: (it["chain"].clear(), it["cases"].clear()), "left out"),
    "a run is made up": (
        lambda it: it["cases"].append({"run_id": "made06", "entries": it["cases"][0]["entries"]}), "made06 is in no"
    ),
    "a run is left out and all is linked anew under the old numbers": (
        lambda it: (it["cases"].pop(0), [it["chain"].pop(5) for _ in range(2)], relink(it)),
        "entries 6 to 7 of the chain left out",
    ),
    "the beginning is cut off behind a new before": (
        lambda it: (
            it["chain"].pop(0), it["chain"].pop(0), it["chain"].pop(0), it["cases"].pop(3),
            it.update(before={"number": 3, "link": "0" * 64}), relink(it),
        ),
        "left out",
    ),
    "the window is made smaller": (lambda it: it["window"].update(since=FAR), "in no entry of the window"),
    "the window is no time": (lambda it: it["window"].update(until="9999 (all)"), "until is no time in UTC"),
    "the window is of another zone": (
        lambda it: it["window"].update(until="9999-01-01T00:00:00-05:00"), "until is no time in UTC"
    ),
    "a rejection is withheld, and the run put with the others": (
        lambda it: (withhold(entry(it, 1, 2), "outcome", "source"), it["cases"].append(it["cases"].pop(1))),
        "another order",
    ),
    "one entry is made anew, with its own link": (lambda it: make_anew(it, 6), "entry 8 of the chain was changed"),
    "the head is another": (lambda it: it["head"].update(link="0" * 64), "head that the file names"),
    "a row is of another form": (lambda it: it["chain"][0].update(number="1"), "not as it was written"),
    "a case is of another form": (lambda it: it["cases"].append([]), "not as it was written"),
    "the chain is of another form": (lambda it: it.update(chain={}), "not as it was written"),
}  # fmt: skip


@pytest.mark.parametrize("name", MUTATIONS)
def test_whatever_is_done_to_a_file_is_noticed(log: Log, name: str) -> None:
    mutate, told = MUTATIONS[name]
    changed = copy.deepcopy(log)
    mutate(changed)

    problems = found(changed).problems

    assert any(told in it for it in problems), problems


def test_only_a_pinned_link_shows_that_a_whole_chain_was_made_anew(log: Log) -> None:
    pin = parse_pin(f"{log['head']['number']}:{log['head']['link']}")
    forged = copy.deepcopy(log)
    forged["cases"].pop(0)
    del forged["chain"][5:7]
    renumber(forged)

    assert found(forged).problems == []  # who holds the ledger can do that …
    (problem,) = found(forged, pin).problems  # … and not after the head was published
    assert "the chain ends at 10: the pinned entry 12 was left out" in problem
    earlier = Pin(8, log["chain"][7]["link"])
    assert ["does not go through the link of entry 8" in it for it in found(forged, earlier).problems] == [
        True
    ]
    assert found(log, pin).problems == found(log, earlier).problems == []


# --- windows -------------------------------------------------------------------------------------------------


def test_a_window_is_whole_with_the_links_before_and_after_it(ledger: Receptions) -> None:
    began = times(ledger)

    log = exported(ledger, since=began[1], until=began[3])

    told = found(log)
    assert [it["run_id"] for it in log["cases"]] == ["fail03", "play02"]
    assert (told.problems, told.runs, told.to_the_head) == ([], 2, True)
    assert (told.since, told.until) == (began[1], began[3])
    assert log["before"]["number"] > 0
    assert "task good01" not in json.dumps(log)


@pytest.mark.parametrize("end", ["first", "last"])
def test_a_run_at_the_edge_of_a_window_cannot_be_left_out(ledger: Receptions, end: str) -> None:
    began = times(ledger)
    log = exported(ledger, since=began[1], until=began[3], after=0)
    gone = "play02" if end == "first" else "fail03"
    log["cases"] = [it for it in log["cases"] if it["run_id"] != gone]
    left = [it for it in log["chain"] if it["run_id"] != gone]
    if end == "first":
        before = left.pop(0)
        log["before"] = {"number": left[0]["number"] - 1, "link": before["link"]}
    log["chain"] = left

    assert found(log).problems


def test_what_came_later_about_a_run_of_the_window_is_in_it(ledger: Receptions) -> None:
    began = times(ledger)

    log = exported(ledger, since=began[3], until=began[4])

    assert [it["event"] for it in log["cases"][0]["entries"]] == ["begin", "end", "reception"]
    assert found(log).problems == []


def test_a_window_without_runs_and_an_empty_ledger_verify(ledger: Receptions, tmp_path: Path) -> None:
    assert found(exported(ledger, since=FAR)).problems == []
    assert found(exported(ledger, until="2000")).problems == []
    assert found(exported(Receptions(tmp_path / "new" / "l.sqlite3"))).problems == []


def test_far_behind_the_window_the_file_may_end_before_the_head(
    ledger: Receptions, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("route_agent.proofcheck.MOST_AFTER", 2)
    began = times(ledger)
    log = exported(ledger, since=began[1], until=began[2], after=2)

    told = found(log)

    assert told.problems == []
    assert not told.to_the_head
    log["chain"].pop()
    assert found(log).problems


def test_imported_runs_are_marked(ledger: Receptions) -> None:
    columns = [row["name"] for row in ledger._read("PRAGMA table_info(run)")]
    chosen = ", ".join({"id": "'ci0001'", "source": "'ci'"}.get(it, it) for it in columns)
    ledger._write(f"INSERT INTO run SELECT {chosen} FROM run WHERE id = 'good01'", {})

    log = exported(ledger)

    assert [(it["run_id"], it["why"]) for it in log["unchained"]] == [("ci0001", "imported from ci")]
    told = found(log)
    assert (told.problems, told.unchained) == ([], 1)
    assert "Nothing vouches for these." in render_log(log)
    assert ledger.check_chain() == []


def test_runs_from_before_the_chain_are_marked_and_counted(ledger: Receptions) -> None:
    for table in ("chain", "sqlite_sequence"):
        ledger._write(f"DELETE FROM {table}", {})  # as a ledger of the version before has them
    keep(ledger, a_run("newone", "/r", ""))

    log = exported(ledger)

    assert [it["run_id"] for it in log["cases"]] == ["newone"]
    assert {it["why"] for it in log["unchained"]} == {"from before the chain"}
    assert len(log["unchained"]) == 5
    assert [it for it in ledger.check_chain() if "word" not in it] == []


# --- the ledger itself ---------------------------------------------------------------------------------------

DAMAGES = {
    "DELETE FROM chain WHERE number = 6": "entries 6 to 6 of the chain are missing",
    "DELETE FROM chain WHERE number > 10": "entries 11 to 12 of the chain are missing",
    "UPDATE chain SET content = replace(content, 'regression', 'weak')": "entry 7 of the chain (run fail03) was changed",
    "UPDATE chain SET content = '[' WHERE number = 3": "entry 3 of the chain (run good01) was changed",
    "UPDATE chain SET at = '2020' WHERE number = 3": "entry 3 of the chain (run good01) was changed",
    "UPDATE run SET verdict = 'accepted' WHERE id = 'fail03'": "run fail03 is other than its entries",
    "UPDATE run SET brief = 'nicer' WHERE id = 'fail03'": "run fail03 is other than its entries",
    "UPDATE reception SET outcome = 'accept' WHERE run_id = 'back04'": "a word about run back04 is not in the chain",
    "DELETE FROM reception WHERE run_id = 'back04'": "a word about run back04 is not in the chain",
}


def test_a_whole_ledger_has_nothing_wrong(ledger: Receptions) -> None:
    assert ledger.check_chain() == []


@pytest.mark.parametrize("damage", DAMAGES)
def test_what_is_done_to_the_ledger_behind_the_chains_back_is_found(ledger: Receptions, damage: str) -> None:
    ledger._write(damage, {})

    assert any(DAMAGES[damage] in it for it in ledger.check_chain())


def test_a_run_taken_out_of_chain_and_all_is_missed_by_its_number(ledger: Receptions) -> None:
    ledger._write("PRAGMA foreign_keys = OFF", {})
    ledger._write("DELETE FROM chain WHERE run_id = 'died05'", {})

    assert any("missing" in it for it in ledger.check_chain())
    assert any("since the chain began are not in it" in it for it in ledger.check_chain())


def test_a_run_that_cannot_be_written_leaves_no_link(ledger: Receptions) -> None:
    before = ledger.head()

    with pytest.raises(Exception, match="UNIQUE"):
        ledger.begin(a_run("good01", "/r", ""), forced_lane=False)

    assert ledger.head() == before
    assert ledger.check_chain() == []


def test_two_at_once_append_to_one_chain(tmp_path: Path) -> None:
    import threading

    file = tmp_path / "shared.sqlite3"
    Ledger(file)

    def work(name: str) -> None:
        mine = Ledger(file)
        for number in range(5):
            keep(mine, a_run(f"{name}{number}", "/r", ""))

    threads = [threading.Thread(target=work, args=(name,)) for name in "ab"]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()

    assert Receptions(file).head().number == 21
    assert Receptions(file).check_chain() == []


# --- hostile files, and the commands -------------------------------------------------------------------------


@pytest.mark.parametrize(
    "data",
    [
        b"", b"nonsense", b"[]", b"\xff\xfe", b"{}", b'{"kind": "route-agent proof log"}', b"[" * 100_000,
        b'{"kind": "route-agent proof log", "schema": 2}', b'{"kind": "x", "kind": "route-agent proof log"}',
        b'{"kind": "route-agent proof log", "schema": NaN}', b'{"schema": ' + b"9" * 5000 + b"}",
    ],
    ids=range(11),
)  # fmt: skip
def test_what_is_no_proof_log_is_one_clear_error(data: bytes) -> None:
    with pytest.raises(UsageError, match="proof log"):
        read_log(data)


@pytest.mark.parametrize(
    "part",
    [
        {"chain": [{"number": 1}]}, {"chain": [None]}, {"head": None}, {"window": {"since": 1, "until": ""}},
        {"cases": [{"run_id": ["x"], "entries": [{"number": 1, "event": "end", "content": {}}]}]},
        {"cases": [{"run_id": "x", "entries": [{"number": 1, "event": "end", "content": {"verdict": [[]]}}]}]},
        {"cases": [{"run_id": "x", "entries": [{"number": 1, "event": "reception", "content": {"outcome": {}}}]}]},
        {"before": {"number": -5, "link": "0" * 64}}, {"before": {"number": True, "link": "0" * 64}},
    ],
)  # fmt: skip
def test_odd_parts_are_told_and_never_a_crash(log: Log, part: Log) -> None:
    assert found({**log, **part}).problems


def test_depth_and_half_characters_are_no_crash(log: Log) -> None:
    for depth in range(150, 1000, 50):
        deep = copy.deepcopy(log)
        entry(deep)["content"]["reason"] = json.loads("[" * 100 + "]" * 100)
        data = json.dumps(deep).replace("[" * 100 + "]" * 100, "[" * depth + "]" * depth)
        told: list[str] = []
        with contextlib.suppress(UsageError):
            told = ["nested too deeply"]
            told = check(read_log(data.encode())).problems
        assert told
    odd = copy.deepcopy(log)
    entry(odd).update(salt="\ud800")
    entry(odd)["content"]["\udfff"] = "\ud800"
    assert found(odd).problems


def test_a_damaged_chain_is_one_clear_error(ledger: Receptions) -> None:
    ledger._write("UPDATE chain SET content = '[' WHERE number = 3", {})

    with pytest.raises(LedgerError, match="entry 3 of the chain is damaged"):
        exported(ledger)


def test_a_run_is_exported_and_verified_as_a_person_would(tmp_path: Path) -> None:
    pit = Sandpit(tmp_path / "pit")
    pit.run(
        "--task", "sums must be right", "--replay", str(replies(tmp_path, ("fast", WRONG), ("strong", FIX)))
    )
    folder = tmp_path / "published"

    done = pit.run("proof", "export", "--out", str(folder))
    pinned = pit.run("proof", "head").stdout.strip()
    file = folder / "proof.json"
    fine = pit.run("proof", "verify", str(file), "--head", pinned)

    assert (done.exit_code, fine.exit_code) == (0, 0), done.stderr + fine.stderr + fine.stdout
    assert "1 run in 3 entries, none changed, and none left out that ever began" in fine.stdout
    assert pinned in fine.stdout
    assert "Attempt 2: strong" in (folder / "proof.md").read_text()
    file.write_text(file.read_text().replace("sums must be right", "sums must be pretty"))
    broken = pit.run("proof", "verify", str(file), "--json")
    assert (broken.exit_code, broken.json["ok"]) == (1, False)
    assert any("was changed" in it for it in broken.json["problems"])
    assert pit.run("proof", "verify", str(folder / "proof.md")).exit_code == 2
    shown = pit.run("proof", "export", "--json")
    assert found(shown.json).problems == []
    by_now = pit.run("proof", "export", "--json", env={"OPENAI_API_KEY": "sums must be right"})
    assert "sums must be right" not in by_now.stdout
    assert (found(by_now.json).problems, found(by_now.json).withheld) == ([], 1)
    with sqlite3.connect(places.ledger_file()) as db:
        assert db.execute("SELECT count(*) FROM chain").fetchone() == (3,)
