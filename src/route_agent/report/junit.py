"""A judged change as JUnit XML: the verdict as one test, then each check with its tests.

There is no standard; GitLab, Jenkins and the report actions of GitHub agree on what is used here. Red is only
what speaks against the change: what was red before is skipped and says so, a flaky test is Surefire's
`flakyFailure` in a green one.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

# it only writes here
from xml.etree import ElementTree
from xml.etree.ElementTree import Element, SubElement

from route_agent.records.checks import Outcome
from route_agent.report.inert import one_line, visible, write_file
from route_agent.report.remarks import file_of

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from route_agent.gate import Judgement
    from route_agent.records.checks import CheckResult
    from route_agent.records.runs import Evidence

MAX_TESTS = 20_000
_COUNTED = {"tests": "testcase", "failures": "failure", "errors": "error", "skipped": "skipped"}


def write_junit(judged: Judgement, file: Path) -> None:
    """Write the file.

    Raises:
        EnvironmentBroken: it cannot be written.
    """
    write_file(file, junit_xml(judged))


def junit_xml(judged: Judgement) -> str:
    """The whole document."""
    root = Element("testsuites", name="route-agent")
    _verdict(SubElement(root, "testsuite", name="route-agent", time=_seconds(judged.seconds)), judged)
    evidence = judged.evidence
    for result in evidence.checks.results if evidence else ():
        suite = SubElement(root, "testsuite", name=one_line(result.name), time=_seconds(result.seconds))
        if evidence:
            _check(suite, result, evidence)
    for suite in (root, *root.findall("testsuite")):
        for name, tag in _COUNTED.items():
            suite.set(name, str(sum(1 for _ in suite.iter(tag))))
    root.set("time", _seconds(judged.seconds))
    ElementTree.indent(root)
    return f'<?xml version="1.0" encoding="UTF-8"?>\n{ElementTree.tostring(root, "unicode")}\n'


def _verdict(suite: Element, judged: Judgement) -> None:
    known = {
        "verdict": judged.verdict.name.lower(),
        "grade": judged.evidence.grade.value if judged.evidence else "none",
        "score": judged.risk.score,
        "lane": judged.decision.lane,
    }
    properties = SubElement(suite, "properties")
    for name, value in known.items():
        SubElement(properties, "property", name=name, value=one_line(value))
    case = SubElement(suite, "testcase", classname="route-agent", name="verdict", time="0")
    if judged.verdict.exit_code:
        failure = SubElement(
            case, "failure", type=judged.verdict.name.lower(), message=one_line(judged.reason)
        )
        failure.text = visible(judged.reason)
    elif judged.reason:
        SubElement(case, "system-out").text = visible(judged.reason)


def _check(suite: Element, result: CheckResult, evidence: Evidence) -> None:
    if result.outcome is Outcome.NOT_RUN:
        case = _case(suite, result.name, result.name, result.seconds)
        if result.cancelled:
            SubElement(case, "skipped", message=one_line(result.reason))
        else:
            SubElement(case, "error", type="not-run", message=one_line(result.reason))
        return
    tests = result.tests or {}
    for test in _most_telling(result):
        head, _, rest = test.rpartition("::")
        case = _case(suite, head or result.name, rest, 0.0, file_of(test))
        if tests[test] == "skipped":
            SubElement(case, "skipped")
        elif tests[test] == "failed":
            _red(case, result, test, evidence)
    if not tests or (result.outcome is Outcome.FAILED and not result.red):
        case = _case(suite, result.name, result.name, result.seconds)
        if result.outcome is Outcome.FAILED:
            _red(case, result, "exit", evidence)
    if result.outcome is Outcome.FAILED and result.output:
        SubElement(suite, "system-out").text = visible(result.output)


def _most_telling(result: CheckResult) -> Iterator[str]:
    """The ids of the tests, the red ones first where there are too many."""
    tests = result.tests or {}
    order = {"failed": 0, "skipped": 2}
    if len(tests) <= MAX_TESTS:
        yield from sorted(tests)
    else:
        yield from sorted(tests, key=lambda it: (order.get(tests[it], 1), it))[:MAX_TESTS]


def _case(suite: Element, within: str, name: str, seconds: float, file: str = "") -> Element:
    told = {"classname": one_line(within), "name": one_line(name), "time": _seconds(seconds)}
    return SubElement(suite, "testcase", told | ({"file": one_line(file)} if file else {}))


def _red(case: Element, result: CheckResult, test: str, evidence: Evidence) -> None:
    """What a red test or check means for the change."""
    identity = f"{result.name}::{test}"
    raised = result.raised.get(test)
    kind = raised.kind if raised else ""
    if test in result.flaky or identity in evidence.flaky:
        what = "red in the whole run, green by itself"
        SubElement(case, "flakyFailure", type="flaky", message=what)
    elif identity in evidence.pre_existing:
        SubElement(case, "skipped", message="red before the change as well")
    else:
        message = kind or (result.reason if test == "exit" else "red with this change")
        failure = SubElement(case, "failure", type=one_line(kind) or "failed", message=one_line(message))
        # GitLab shows this text and nothing else
        failure.text = visible(result.output if test == "exit" else f"{result.name}: {result.reason}")


def _seconds(seconds: float) -> str:
    return f"{seconds:.3f}"
