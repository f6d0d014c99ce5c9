"""What was said is kept at once, within bounds, and never at the price of the run."""

from __future__ import annotations

import json
import os
import stat
import threading
from dataclasses import replace
from pathlib import Path

import pytest

from route_agent import transcripts
from route_agent.errors import UsageError
from route_agent.records.exchanges import Exchange
from route_agent.records.lanes import CallState, Prompt, Purpose, Turn, Usage
from route_agent.report.transcript import render_calls
from route_agent.transcripts import CALL_BYTES, KEPT_RUNS, Transcripts, object_of, prune, read_calls

SAID = Exchange(
    call_id=7,
    conversation="c1",
    lane="fast",
    provider="openai",
    model="small-1",
    purpose=Purpose.PATCH,
    prompt=Prompt("rules", "task", project="outline"),
    served="small-1-2026",
    reply="a patch",
    stop="end",
    usage=Usage(10, 2, 0, 3),
    seconds=1.2345,
)


def run_folder(folder: Path, name: str = "abc") -> Path:
    return folder / "repos" / "mine" / f"run-{name}"


def test_a_call_is_a_file_of_its_own_for_its_owner(tmp_path: Path) -> None:
    kept = Transcripts(run_folder(tmp_path))

    kept.keep(SAID)
    kept.keep(
        replace(SAID, state=CallState.FAILED, reply="", error="timeout", message="too late", usage=None)
    )

    folder = run_folder(tmp_path) / "calls"
    assert sorted(file.name for file in folder.iterdir()) == ["0001.json", "0002.json"]
    assert {stat.S_IMODE(it.stat().st_mode) for it in (folder, folder.parent)} == {0o700}
    assert {stat.S_IMODE(file.stat().st_mode) for file in folder.iterdir()} == {0o600}
    first, second = read_calls(run_folder(tmp_path))
    assert (first["reply"], first["served"], first["call"], first["seconds"]) == (
        "a patch",
        "small-1-2026",
        7,
        1.234,
    )
    assert first["prompt"] == {
        "system": "rules",
        "project": "outline",
        "user": "task",
        "later": [],
        "shape": "",
    }
    assert first["usage"]["input_total"] == 10
    assert (second["state"], second["error"], second["message"]) == ("failed", "timeout", "too late")
    assert kept.lost == ""


def test_every_field_is_redacted_and_a_reply_says_how_often() -> None:
    secret = "ghp" + "_" + "A1" * 18
    prompt = Prompt(secret, secret, (Turn("assistant", secret),), project=secret)
    texts = dict.fromkeys(
        ("reply", "message", "served", "stop", "request_id", "model", "error"), f"x {secret} y"
    )

    told = object_of(replace(SAID, prompt=prompt, **texts), 1)  # type: ignore[arg-type]

    assert secret not in json.dumps(told)
    assert told["redacted_in_reply"] == 1
    assert told["reply"] == "x [redacted:github-token] y"


def test_a_long_call_is_cut_in_its_middle_and_says_by_how_much() -> None:
    turns = tuple(Turn("user", f"{number} {'t' * 2_000_000} end") for number in range(12))
    long = replace(
        SAID, prompt=Prompt("s" * 9_000_000, "u" * 9_000_000, turns), reply=f"first {'r' * 9_000_000} last"
    )

    told = object_of(long, 1)

    assert len(json.dumps(told)) < CALL_BYTES * 1.1
    assert told["reply"].startswith("first r")
    assert told["reply"].endswith("r last")
    assert f"{told['cut']['reply']} characters left out" in told["reply"]
    assert set(told["cut"]) == {"reply", "system", "user", *(f"later {number}" for number in range(1, 13))}
    assert told["prompt"]["later"][11]["text"].endswith("end")


def test_a_run_that_says_too_much_keeps_the_beginning_of_what_follows(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(transcripts, "RUN_BYTES", 100_000)
    kept = Transcripts(run_folder(tmp_path))

    for _ in range(5):
        kept.keep(replace(SAID, reply="r" * 60_000))

    calls = read_calls(run_folder(tmp_path))
    assert [len(call["reply"]) > 50_000 for call in calls] == [True, True, False, False, False]
    assert all("reply" in call["cut"] for call in calls[2:])


def test_several_threads_keep_each_their_own(tmp_path: Path) -> None:
    kept = Transcripts(run_folder(tmp_path))

    def talk() -> None:
        for _ in range(10):
            kept.keep(SAID)

    threads = [threading.Thread(target=talk) for _ in range(4)]

    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()

    assert [call["number"] for call in read_calls(run_folder(tmp_path))] == list(range(1, 41))


def test_what_cannot_be_written_stops_nothing_and_is_told(tmp_path: Path) -> None:
    (tmp_path / "repos").write_text("a file")
    kept = Transcripts(run_folder(tmp_path))

    kept.keep(SAID)

    assert kept.lost.startswith("what was said cannot be kept: ")


def test_only_the_newest_runs_of_a_repository_keep_what_was_said(tmp_path: Path) -> None:
    for number in range(KEPT_RUNS + 5):
        folder = run_folder(tmp_path, f"{number:03}")
        Transcripts(folder).keep(SAID)
        (folder / "patch.diff").write_text("x")
        os.utime(folder / "calls", (number, number))
    mine = run_folder(tmp_path, "new")
    Transcripts(mine).keep(SAID)

    left = sorted(path.parent.name for path in mine.parent.glob("run-*/calls"))

    assert len(left) == KEPT_RUNS
    assert left[0] == "run-006"
    assert left[-1] == "run-new"
    assert len(list(mine.parent.glob("run-*/patch.diff"))) == KEPT_RUNS + 5
    with pytest.raises(UsageError, match="nothing that was said in this run is kept"):
        read_calls(run_folder(tmp_path, "000"))


def test_large_runs_are_taken_away_before_they_are_many(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(transcripts, "RUN_BYTES", 1_000)
    monkeypatch.setattr(transcripts, "KEPT_BYTES", 3_500)
    for number in range(4):
        folder = run_folder(tmp_path, str(number)) / "calls"
        folder.mkdir(parents=True)
        (folder / "0001.json").write_text("x" * 1_000)
        os.utime(folder, (number, number))

    prune(run_folder(tmp_path).parent, keep=run_folder(tmp_path, "new"))

    assert sorted(path.parent.name for path in tmp_path.glob("repos/*/*/calls")) == ["run-2", "run-3"]


def test_a_conversation_is_printed_once_with_its_answers() -> None:
    first = object_of(SAID, 1)
    asked = SAID.prompt.followed_by(Turn("assistant", "a patch"), Turn("user", "it has no place"))
    second = object_of(replace(SAID, prompt=asked, reply="another", stop="length", fallback_for="mini"), 2)
    third = object_of(
        replace(SAID, lane="strong", state=CallState.LOST, error="timeout", message="late", served=""), 3
    )

    lines = [line for line, _ in render_calls([first, second, third])]
    text = "\n".join(lines)

    assert text.count("   | outline") == 2
    assert text.count("   | a patch") == 2
    assert (
        "call 1  fast · openai small-1 (answered by small-1-2026) · patch · done · 1.2 s · 10 tokens read, 3 written"
        in lines
    )
    assert "   … 3 parts as before" in lines
    assert "   | it has no place" in lines
    assert "   answer (stopped: length):" in lines
    assert "in place of mini" in text
    assert "   failed: timeout: late" in lines
