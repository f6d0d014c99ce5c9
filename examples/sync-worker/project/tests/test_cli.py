from __future__ import annotations

from pathlib import Path

import pytest

from syncworker.cli import main


def push(folder: Path, *options: str) -> int:
    shared = folder / "shared"
    shared.mkdir(exist_ok=True)
    inbox, journal = str(folder / "inbox.jsonl"), str(folder / "journal.jsonl")
    return main([inbox, str(shared), "--journal", journal, "--user", "ada", *options])


def test_an_inbox_is_pushed_to_the_shared_folder(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "inbox.jsonl").write_text('{"key": "a", "payload": "hello"}\n')
    assert push(tmp_path) == 0
    assert (tmp_path / "shared" / "a").read_text() == "hello"
    assert capsys.readouterr().out == "1 done, 0 failed\n"


def test_a_locked_folder_ends_in_a_failure_that_is_told(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "inbox.jsonl").write_text('{"key": "a", "payload": "hello"}\n')
    (tmp_path / "shared").mkdir()
    (tmp_path / "shared" / ".lock").touch()
    assert push(tmp_path, "--base-delay", "0.001", "--max-attempts", "3") == 1
    assert capsys.readouterr().out == "0 done, 1 failed\n  a: busy 3 times in a row\n"


def test_an_inbox_that_is_no_inbox_is_refused(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "inbox.jsonl").write_text("nonsense\n")
    assert push(tmp_path) == 2
    assert "line 1: not JSON" in capsys.readouterr().err
