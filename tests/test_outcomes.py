"""Reading outcomes, from files that others wrote and from the ledger."""

from __future__ import annotations

import json
import os
import subprocess
from pathlib import Path

import pytest
from sandpit import PROGRAM, Sandpit

from route_agent import places
from route_agent.errors import UsageError
from route_agent.ledger.store import Ledger
from route_agent.ledger.tries import Tries, Try
from route_agent.ledgeroutcomes import read_ledger
from route_agent.outcomes import Outcome
from route_agent.readoutcomes import MAX_LINE, Table, read_outcomes, repository_of
from route_agent.records.checks import Isolation, IsolationLevel
from route_agent.records.grades import Failure, Verdict
from route_agent.records.runs import Attempt, Run
from route_agent.repo.reverted import reverted_runs

HEAD = "model,instance_id,resolved,cost_usd"


def read(folder: Path, text: str, harness: str = "", models: tuple[str, ...] = ()) -> Table:
    file = folder / "o.csv"
    file.write_bytes(text.encode("utf-8", "surrogateescape"))
    return read_outcomes(file, harness, models)


def refusal(folder: Path, text: str, harness: str = "", models: tuple[str, ...] = ()) -> str:
    with pytest.raises(UsageError) as refused:
        read(folder, text, harness, models)
    return f"{refused.value.what} | {refused.value.hint}".replace(f"{folder}/", "")


def test_columns_stand_in_any_order_and_others_are_not_looked_at(tmp_path: Path) -> None:
    table = read(
        tmp_path,
        "\ufefflatency_s, COST_USD ,note,resolved,instance_id,api_calls,model,harness\r\n"
        '3.5,0.25,"a, ""b""\r\nc",True,psf__requests-12,7,m,h\r\n'
        "\r\n"
        ",1e-3,,0.0,b,,m,h\r\n",
    )

    assert table.outcomes == {
        "m": {"psf__requests-12": Outcome(1.0, 0.25, 7.0, 3.5), "b": Outcome(0.0, 0.001)}
    }
    assert table.repositories == {"psf__requests-12": "psf/requests"}
    assert (table.rows, table.harnesses, table.notes) == (2, ("h",), ())


@pytest.mark.parametrize(
    ("task", "repository"),
    [
        ("scikit-learn__scikit-learn-10297", "scikit-learn/scikit-learn"),
        ("instance_owner__my.repo-0123456789abcdef-vabc", "owner/my.repo"),
        ("issue-12", ""),
        ("a__b", ""),
        ("a/__b-1", ""),
    ],
)
def test_a_tasks_name_tells_its_repository_where_it_is_written_so(task: str, repository: str) -> None:
    assert repository_of(task) == repository


def test_rows_of_one_model_and_task_are_one_outcome_and_each_is_kept(tmp_path: Path) -> None:
    table = read(tmp_path, f"{HEAD},api_calls\nm,t,1,1,10\nm,t,0,2,20\nm,t,false,6,\n")

    assert table.outcomes["m"]["t"] == Outcome(
        1 / 3, 3.0, None, None, attempts=3, samples=((1.0, 1.0), (0.0, 2.0), (0.0, 6.0))
    )
    assert table.rows == 3


def test_a_row_without_a_cost_is_left_out_and_counted_and_never_free(tmp_path: Path) -> None:
    table = read(tmp_path, f"{HEAD}\nm,a,1,\nm,b,1,2\n")

    assert list(table.outcomes["m"]) == ["b"]
    assert table.notes == ("rows left out since they say no cost: 1",)
    assert "no outcomes in it; rows that say no cost: 1" in refusal(tmp_path, f"{HEAD}\nm,a,1,\n")


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("", "o.csv: the file is empty"),
        ("\n\n", "o.csv: the file is empty"),
        (f"{HEAD}\n", "o.csv: no outcomes in it"),
        ("model,instance_id,cost_usd\nm,t,1\n", "o.csv:1: no column resolved"),
        ("\n\nmodel;instance_id;resolved;cost_usd\n", "o.csv:3: no line of column names"),
        (f"{HEAD},model\nm,t,1,1,m\n", "o.csv:1: two columns model"),
        (f"{HEAD}\nm,t,1,1\nm,u,maybe,1\n", 'o.csv:3: resolved is "maybe", not 0, 1, true or false'),
        (f"{HEAD}\nm,t,0.5,1\n", 'o.csv:2: resolved is "0.5"'),
        (f"{HEAD}\nm,t,,1\n", 'o.csv:2: resolved is ""'),
        (f"{HEAD}\nm,t,1,$2\n", 'o.csv:2: cost_usd is "$2", not a number'),
        (f"{HEAD}\nm,t,1,nan\n", 'o.csv:2: cost_usd is "nan", not a number from 0'),
        (f"{HEAD}\nm,t,1,inf\n", 'o.csv:2: cost_usd is "inf"'),
        (f"{HEAD}\nm,t,1,-0.1\n", 'o.csv:2: cost_usd is "-0.1"'),
        (f"{HEAD}\nm,t,1,1e308\n", 'o.csv:2: cost_usd is "1e308"'),
        (f"{HEAD},api_calls\nm,t,1,1,x\n", 'o.csv:2: api_calls is "x", not a number'),
        (f"{HEAD}\nm,t,1\n", "o.csv:2: 3 values, and the first line names more columns"),
        (f"{HEAD}\n,t,1,1\n", "o.csv:2: model is empty"),
        (f"{HEAD}\nm, ,1,1\n", "o.csv:2: instance_id is empty"),
        (f'{HEAD}\nm,t,1,"1\n', "o.csv:2: unexpected end of data"),
        (f"{HEAD}\nm,t,1,{'9' * MAX_LINE}\n", "o.csv:2: a line of more than 65,536 characters"),
        (f"{HEAD}\nm,\udcff,1,1\n", "o.csv: not UTF-8 text"),
    ],
)
def test_what_is_no_outcome_is_refused_with_its_place(tmp_path: Path, text: str, told: str) -> None:
    assert refusal(tmp_path, text).startswith(told)


def test_a_file_that_cannot_be_opened_is_refused_in_the_systems_words(tmp_path: Path) -> None:
    for path, words in ((tmp_path / "none.csv", "No such file"), (tmp_path, "Is a directory")):
        with pytest.raises(UsageError, match=words):
            read_outcomes(path)


def test_a_file_without_end_is_not_read_to_its_end(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="a line of more than"):
        read_outcomes(Path("/dev/zero"))

    monkeypatch.setattr("route_agent.readoutcomes.MAX_ROWS", 3)
    assert "more than 3 rows" in refusal(tmp_path, f"{HEAD}\n" + "m,t,1,1\n" * 4)


def test_one_task_under_two_harnesses_is_not_mixed_and_the_harnesses_are_named(tmp_path: Path) -> None:
    text = f"harness,{HEAD}\nmini,m,t,1,1\nother,m,t,0,2\nother,n,t,0,3\n"

    assert refusal(tmp_path, text) == (
        "o.csv: m tried t under several harnesses: mini, other | choose one: --harness NAME"
    )
    assert read(tmp_path, text, "mini").outcomes == {"m": {"t": Outcome(1, 1)}}
    assert read(tmp_path, text, models=("n",)).harnesses == ("other",)
    assert refusal(tmp_path, text, "mine") == 'o.csv: no rows of harness "mine" | there are: mini, other'
    assert "no outcomes of" in refusal(tmp_path, text, "mini", ("n",))


def test_a_model_that_is_not_there_is_refused_with_the_names_that_are_near(tmp_path: Path) -> None:
    text = f"{HEAD}\ngpt-5-2025,t,1,1\nclaude-opus,t,1,1\n"

    assert refusal(tmp_path, text, models=("gpt5", "claude-opus")) == (
        'o.csv: no outcomes of "gpt5" (did you mean gpt-5-2025?) | there are: claude-opus, gpt-5-2025'
    )
    assert "did you mean claude-opus?" in refusal(tmp_path, text, models=("cluade-opsu",))
    assert "did you mean" not in refusal(tmp_path, text, models=("zzz",))


# --- the ledger --------------------------------------------------------------------------------------------


def tried(
    run: str, lane: str, *, accepted: bool | None = True, usd: float | None = 1.0, task: str = ""
) -> Try:
    return Try(run, "/nowhere", task or run, lane, f"model-of-{lane}", accepted, usd, 2.0)


def test_the_ledgers_lanes_are_models_and_unknown_costs_and_results_are_left_out_and_counted() -> None:
    table = read_ledger(
        [
            tried("a", "fast", accepted=False, usd=0.1),
            tried("a", "strong"),
            tried("b", "fast", usd=None),
            tried("c", "fast", accepted=None),
        ],
        ("model-of-strong",),
    )

    assert table.outcomes == {
        "fast": {"a": Outcome(0.0, 0.1, seconds=2.0)},
        "model-of-strong": {"a": Outcome(1.0, 1.0, seconds=2.0)},
        "strong": {"a": Outcome(1.0, 1.0, seconds=2.0)},
    }
    assert "attempts left out since their cost is not known: 1" in table.notes
    assert any("their patch was not judged" in note for note in table.notes)
    assert table.rows == 2


def test_runs_of_one_brief_on_one_tree_are_one_task() -> None:
    table = read_ledger([tried("a", "fast"), tried("b", "fast", accepted=False, usd=3.0, task="a")])

    assert table.outcomes["fast"]["a"].resolved == 0.5
    assert table.outcomes["fast"]["a"].samples == ((1.0, 1.0), (0.0, 3.0))


def begin(ledger: Ledger, run_id: str, repository: Path | str, brief: str, *, replayed: bool = False) -> None:
    run = Run(
        id=run_id,
        started_at="2026-01-01",
        repository=str(repository),
        brief=brief,
        base="1",
        start="2",
        verdict=Verdict.NOT_PROVED,
        reason="",
        isolation=Isolation(IsolationLevel.NONE),
        replayed=replayed,
    )
    ledger.begin(run, forced_lane=False)


def test_of_a_run_each_lanes_first_attempt_counts_and_no_recorded_one(tmp_path: Path) -> None:
    path = tmp_path / "state" / "ledger.sqlite3"
    ledger = Ledger(path)
    for run_id, brief, replayed in (
        ("a", "x", False),
        ("b", "x", False),
        ("c", "y", True),
        ("d", "y", False),
    ):
        begin(ledger, run_id, "/r", brief, replayed=replayed)
    ledger.add_attempt("a", 1, Attempt("fast", "p", "m", failure=Failure.WEAK, seconds=1.0))
    ledger.add_attempt("a", 2, Attempt("fast", "p", "m", failure=None, seconds=2.0))
    ledger.add_attempt("a", 3, Attempt("strong", "p", "n", failure=None, seconds=3.0))
    ledger.add_attempt("b", 1, Attempt("fast", "p", "m", failure=Failure.PROVIDER, seconds=1.0))
    ledger.add_attempt("c", 1, Attempt("fast", "p", "m", failure=None, seconds=1.0))

    found = [(it.run, it.task, it.lane, it.accepted, it.seconds) for it in Tries(path).tries()]

    assert found == [
        ("a", "a", "strong", True, 3.0),
        ("a", "a", "fast", False, 1.0),
        ("b", "a", "fast", None, 1.0),
    ]


def test_a_run_whose_commit_was_reverted_is_not_solved_unless_the_revert_was(tmp_path: Path) -> None:
    pit = Sandpit(tmp_path / "pit")
    for name in ("one", "two", "three"):
        pit.write(f"{name}.txt", name)
        pit.commit(f"add {name}\n\nbrief\n\nRoute-Agent-Run: {name}\n")
    for name in ("one", "two"):
        found = pit.git("log", f"--grep=Run: {name}", "--format=%H").strip()
        pit.git("revert", "--no-edit", found)
    pit.git("revert", "--no-edit", "HEAD")

    assert reverted_runs(pit.root) == {"one"}
    assert reverted_runs(tmp_path) == frozenset()
    back = Try("one", str(pit.root), "one", "fast", "m", True, 1.0, 1.0)
    table = read_ledger([back])
    assert table.outcomes["fast"]["one"].resolved == 0.0
    assert table.notes[-1] == "accepted runs that were reverted later and count as not solved: 1"


def replay(*arguments: str) -> tuple[int, str, str]:
    done = subprocess.run(
        [PROGRAM, "replay", *arguments], capture_output=True, text=True, check=False, env=dict(os.environ)
    )
    return done.returncode, done.stdout, done.stderr


def test_an_empty_ledger_is_told_as_that() -> None:
    code, printed, _ = replay()

    assert code == 0
    assert printed.startswith("nothing to replay: the ledger has no judged attempt")
    told = json.loads(replay("--json")[1])
    assert (told["n"], told["cascade"], told["break_even_false_accept"]) == (0, None, None)
    assert told["verdict"] == printed.strip()


def test_a_ledger_in_which_strong_was_asked_only_after_fast_failed_gets_no_verdict() -> None:
    ledger = Ledger(places.ledger_file())
    for number in range(40):
        begin(ledger, f"r{number}", "/r", f"brief {number}")
        failure = Failure.WEAK if number % 4 == 0 else None
        ledger.add_attempt(f"r{number}", 1, Attempt("fast", "p", "m", failure=failure, seconds=1.0))
        if failure:
            ledger.add_attempt(f"r{number}", 2, Attempt("strong", "p", "n", failure=None, seconds=1.0))

    code, printed, _ = replay("ledger", "--json")
    told = json.loads(printed)

    assert (code, told["n"], told["finding"]) == (0, 10, "selected")
    assert told["verdict"].startswith(
        "none: of this ledger's tasks only n=10 were tried by all of these lanes"
    )
    assert told["always_fast"]["resolved"] == 0.0
    assert told["tried"]["fast"] == {"n": 40, "resolved": 0.75, "cost_usd": 0.0}
    code, _, complained = replay("ledger", "--fast", "fats", "--strong", "strong")
    assert code == 2
    assert 'ledger: no outcomes of "fats" (did you mean fast?)' in complained
