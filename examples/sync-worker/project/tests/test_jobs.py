from __future__ import annotations

from pathlib import Path

import pytest

from syncworker.jobs import BadJob, Job, parse_job, read_inbox


def test_a_line_becomes_a_job() -> None:
    assert parse_job('{"key": "invoice-7", "payload": "paid"}') == Job("invoice-7", "paid")


@pytest.mark.parametrize(
    ("line", "complaint"),
    [
        ("{", "not JSON"),
        ("[]", "expected an object"),
        ('{"key": "a"}', "payload must be a text"),
        ('{"key": 7, "payload": ""}', "key must be a text"),
        ('{"key": "../a", "payload": ""}', "plain file name"),
    ],
)
def test_a_bad_line_is_named_with_its_fault(line: str, complaint: str) -> None:
    with pytest.raises(BadJob, match=f"line 4: .*{complaint}"):
        parse_job(line, 4)


def test_an_inbox_keeps_its_order_and_skips_blank_lines(tmp_path: Path) -> None:
    inbox = tmp_path / "inbox.jsonl"
    inbox.write_text('{"key": "b", "payload": ""}\n\n{"key": "a", "payload": ""}\n')
    assert [job.key for job in read_inbox(inbox)] == ["b", "a"]
