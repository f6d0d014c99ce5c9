"""Reports on a judged change that machines read, SARIF, JUnit and Markdown: right, and harmless."""

from __future__ import annotations

import json
import re
from collections import Counter
from dataclasses import replace
from pathlib import Path
from typing import Any
from urllib.parse import unquote, urlsplit
from xml.etree import ElementTree

import jsonschema
import pytest
from judged import judgement
from sarif_rules import assert_sarif

from route_agent.checks import junit as reader
from route_agent.errors import EnvironmentBroken
from route_agent.records.grades import Grade, Verdict
from route_agent.records.judgements import Judgement
from route_agent.report.gate_markdown import gate_markdown
from route_agent.report.junit import junit_xml
from route_agent.report.remarks import file_of, ranges
from route_agent.report.sarif import sarif_object, write_sarif

HOSTILE = (
    "<img src=x> `a` [b](https://c) @d #1 | *e* ]]>& &lt; https://f\r\n## g\n::error::h ##[error] "
    "\x00\x1b[2J\u202e\ud800\ufffe\u2028 javascript:0"
)
ODD_PATHS = ("a b/c:d%2e?#[é]\udcff.py", "http://e/x.py", "-rf", "..py", "a\nb.py", "漢/字.py")


def places(log: dict[str, Any], rule: str) -> list[tuple[str, int, int]]:
    found = []
    for result in log["runs"][0]["results"]:
        if result["ruleId"] == rule:
            place = result["locations"][0]["physicalLocation"]
            region, uri = place["region"], place["artifactLocation"]["uri"]
            found.append((uri, region["startLine"], region.get("endLine", region["startLine"])))
    return found


def test_sarif_names_the_place_of_everything_that_was_found() -> None:
    log = sarif_object(judgement())

    assert_sarif(log)
    at = "sync/worker.py"
    assert places(log, "test-failed") == [("tests/test_plain%20words.py", 12, 12)]
    assert places(log, "failed-before") == [("tests/test_old.py", 1, 1)]
    assert places(log, "check-failed") == [(at, 1, 1)]
    assert places(log, "test-skipped") == [(at, 7, 7)]
    assert places(log, "mistake-unnoticed") == [(at, 5, 5)]
    assert places(log, "verifier-rejects") == [(at, 4, 4)]
    assert places(log, "not-executed") == [(at, 3, 3), (at, 5, 5), (at, 9, 9)]
    assert places(log, "flaky-test") == [(at, 1, 1)]
    (run,) = log["runs"]
    assert run["properties"] == {
        "verdict": "not_proved", "grade": "none", "score": 6, "lane": "fast", "policy": "plain words",
    }  # fmt: skip
    assert run["invocations"][0]["exitCode"] == 1
    told = [it["message"]["text"] for it in run["invocations"][0]["toolExecutionNotifications"]]
    assert "the check types was not run: no mypy: plain words" in told


def test_the_schema_notices_what_the_standard_forbids() -> None:
    log = sarif_object(judgement())
    first = log["runs"][0]["results"][0]
    faults = (
        {"level": "fatal"},
        {"message": {"words": "x"}},
        {"message": "x"},
        {"locations": [{"physicalLocation": {"artifactLocation": {"uri": "a b", "uriBaseId": "%SRCROOT%"}}}]},
        {"severity": 3},
        {"ruleIndex": -1},
    )
    for fault in faults:
        log["runs"][0]["results"][0] = first | fault
        with pytest.raises(jsonschema.ValidationError):
            assert_sarif(log)


def test_what_the_policy_lets_pass_is_no_error() -> None:
    passing = replace(judgement(), blocks=False)

    log = sarif_object(passing)

    assert {it["level"] for it in log["runs"][0]["results"]} == {"warning", "note"}
    assert log["runs"][0]["invocations"][0]["exitCode"] == 0
    root = ElementTree.fromstring(junit_xml(passing))
    assert (root.get("failures"), root.findall(".//failure")) == ("0", [])
    assert "### route-agent: not proved (the policy lets it pass)\n" in gate_markdown(passing)


def test_an_accepted_change_without_evidence_has_nothing_to_show() -> None:
    accepted = replace(
        judgement(), verdict=Verdict.ACCEPTED, reason="", blocks=False, evidence=None, reviews=()
    )

    log = sarif_object(accepted)

    assert_sarif(log)
    assert log["runs"][0]["results"] == []
    assert ElementTree.fromstring(junit_xml(accepted)).get("tests") == "1"
    assert accepted.grade is Grade.NONE


def test_a_result_is_the_same_thing_when_other_lines_move() -> None:
    def prints(judged: Judgement) -> set[str]:
        results = sarif_object(judged)["runs"][0]["results"]
        return {
            it["partialFingerprints"]["routeAgent/v1"] for it in results if it["ruleId"] == "test-skipped"
        }

    before, evidence = judgement(), judgement().evidence
    assert evidence
    moved = tuple(replace(it, line=it.line + 5) for it in evidence.known.findings)
    known = replace(evidence.known, findings=moved)

    assert prints(replace(before, evidence=replace(evidence, known=known))) == prints(before)


@pytest.mark.parametrize("path", ODD_PATHS)
def test_no_path_is_anything_but_a_file_below_the_checkout(path: str) -> None:
    log = sarif_object(judgement(path=path))

    assert_sarif(log)
    ((uri, _, _),) = places(log, "test-skipped")
    assert not urlsplit(uri).scheme
    assert not urlsplit(uri).netloc
    assert unquote(uri, errors="surrogateescape") == path


def test_hostile_words_are_only_text_in_sarif() -> None:
    log = sarif_object(judgement(HOSTILE, ODD_PATHS[0]))

    assert_sarif(log)
    told = json.dumps(log, ensure_ascii=False)
    assert re.search(r"[\x00-\x08\x0b-\x1f\u202e\u2028\ud800-\udfff\ufffe]", told.replace("\n", "")) is None
    assert "](" not in told, "a link"


def test_secrets_are_in_no_report() -> None:
    key = "ghp_" + "a1B2c3D4e5F6g7H8i9J0k1L2m3N4o5P6q7R8"
    judged = judgement(f"token {key} here")

    for told in (json.dumps(sarif_object(judged)), junit_xml(judged), gate_markdown(judged)):
        assert key not in told.replace("&#95;", "_")
        assert "redacted" in told


@pytest.mark.parametrize("words", ["plain words", HOSTILE])
def test_junit_is_what_its_readers_take(words: str) -> None:
    text = junit_xml(judgement(words))

    root = ElementTree.fromstring(text)
    assert root.tag == "testsuites"
    tags = Counter(element.tag for element in root.iter())
    counted = {"tests": "testcase", "failures": "failure", "errors": "error", "skipped": "skipped"}
    for suite in root.iter("testsuite"):
        for name, tag in counted.items():
            assert int(suite.attrib[name]) == len(list(suite.iter(tag)))
        assert float(suite.attrib["time"]) >= 0
        assert suite.attrib["name"]
        assert {it.tag for it in suite} <= {"properties", "testcase", "system-out"}
    for case in root.iter("testcase"):
        assert case.attrib["name"]
        assert case.attrib["classname"]
        ends = {"failure", "error", "skipped", "flakyFailure", "system-out"}
        assert len(list(case)) <= 1
        assert {it.tag for it in case} <= ends
    assert [root.get(name) for name in counted] == [str(tags[tag]) for tag in counted.values()]
    illegal = r"[^\n\r\t -\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]"
    assert not re.search(illegal, text), "no XML 1.0"


def test_junit_tells_new_failures_from_old_and_flaky_ones() -> None:
    text = junit_xml(judgement())

    read = reader.parse({"junit.xml": text.encode()}, [Path("/x")])

    assert not read.problem
    red = {name.rpartition("::")[2] for name, outcome in read.tests.items() if outcome == "failed"}
    assert red == {"verdict", "test_new", "lint", "types"}
    assert {name.rpartition("::")[2] for name in read.flaky} == {"shaky"}
    assert "out: plain words" in text
    told = ElementTree.fromstring(text).findtext(".//testcase[@name='test_new']/failure")
    assert told == "E   plain words\n\ntests/test_plain words.py:12: plain words"


def test_markdown_shows_hostile_words_as_text() -> None:
    told = gate_markdown(judgement(HOSTILE, ODD_PATHS[4]))

    rows = [line for line in told.splitlines() if line.startswith("|")]
    foreign = told.removeprefix("### route-agent: ").replace("| --- ", "").replace("<br>", "")
    assert not re.search(r"[<>`@*\x00\x1b\u202e\[\]\\]|https:|^\s*#|##|::", foreign, re.MULTILINE)
    assert {row.count("|") for row in rows} == {3, 4, 7}
    assert not re.search(r"&#64;(?!&#8288;)", told), "GitHub would call somebody"


def test_markdown_says_what_was_proved_and_where_to_look() -> None:
    told = gate_markdown(judgement())

    assert told.startswith("### route-agent: not proved\n\nplain words\n")
    assert "| risk score | 6 (files +1, auth&#95;code +5) |" in told
    assert "| lint | failed: exit 2&#58; plain words |  |  | 0.5 | failed |" in told
    assert "| error | sync/worker&#46;py&#58;7 | plain words |" in told
    assert "| cost in dollars | 0&#46;00 |" in told


def test_a_report_that_cannot_be_written_is_told_and_not_a_crash(tmp_path: Path) -> None:
    with pytest.raises(EnvironmentBroken, match="cannot be written"):
        write_sarif(judgement(), tmp_path / "missing" / "file")

    write_sarif(judgement(HOSTILE), tmp_path / "file")
    assert_sarif(json.loads((tmp_path / "file").read_bytes()))


@pytest.mark.parametrize(
    ("test", "file"),
    [
        ("tests/test_a.py::test_b", "tests/test_a.py"),
        ("test_a.py::TestX::test_b", "test_a.py"),
        ("src/a.test.ts::adds", "src/a.test.ts"),
        ("com.example.FooTest::adds", ""),
        ("example.com/pkg::TestAdd", ""),
        ("../out.py::x", ""),
        ("/etc/a.py::x", ""),
        ("exit", ""),
    ],
)
def test_a_tests_file_is_told_where_its_id_names_one(test: str, file: str) -> None:
    assert file_of(test) == file


def test_lines_that_follow_each_other_are_one_place() -> None:
    lines = [("b", 1), ("a", 3), ("a", 4), ("a", 7), ("a", 2)]

    assert list(ranges(lines)) == [("a", 2, 4), ("a", 7, 7), ("b", 1, 1)]
