from __future__ import annotations

from pathlib import Path

from syncworker.jobs import Job
from syncworker.journal import Entry, Journal, State
from syncworker.report import summary


def test_entries_come_back_as_they_were_written(tmp_path: Path) -> None:
    journal = Journal(tmp_path / "journal.jsonl")
    journal.done(Job("a", ""))
    journal.failed(Job("b", ""), "locked")
    assert list(journal.entries()) == [Entry("a", State.DONE), Entry("b", State.FAILED, "locked")]


def test_a_journal_without_a_file_is_empty(tmp_path: Path) -> None:
    assert list(Journal(tmp_path / "none").entries()) == []


def test_the_summary_counts_and_names_the_failures() -> None:
    entries = [Entry("a", State.DONE), Entry("b", State.FAILED, "locked"), Entry("c", State.DONE)]
    assert summary(entries) == "2 done, 1 failed\n  b: locked"


def test_the_summary_of_nothing_says_so() -> None:
    assert summary([]) == "nothing to report"
