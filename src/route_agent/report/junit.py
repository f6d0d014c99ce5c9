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
from route_agent.report.remarks import file_of, section_of

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from route_agent.records.checks import CheckResult
    from route_agent.records.judgements import Judgement

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
    for result in judged.evidence.checks.results if judged.evidence else ():
        suite = SubElement(root, "testsuite", name=one_line(result.name), time=_seconds(result.seconds))
        _check(suite, result, judged)
    for suite in (root, *root.findall("testsuite")):
        for name, tag in _COUNTED.items():
            suite.set(name, str(sum(1 for _ in suite.iter(tag))))
    root.set("time", _seconds(judged.seconds))
    ElementTree.indent(root)
    return f'<?xml version="1.0" encoding="UTF-8"?>\n{ElementTree.tostring(root, "unicode")}\n'


def _verdict(suite: Element, judged: Judgement) -> None:
    known = {
        "verdict": judged.verdict.name.lower(),
        "grade": judged.grade.value,
        "score": judged.risk.score,
        "lane": judged.decision.lane,
    }
    properties = SubElement(suite, "properties")
    for name, value in known.items():
        SubElement(properties, "property", name=name, value=one_line(value))
    case = _case(suite, "route-agent", "verdict", judged.seconds)
    if judged.exit_code:
        failure = SubElement(
            case, "failure", type=judged.verdict.name.lower(), message=one_line(judged.reason)
        )
        failure.text = visible(judged.reason)
    elif judged.verdict.exit_code:
        SubElement(case, "skipped", message=one_line(f"the policy lets it pass: {judged.reason}"))
    elif judged.reason:
        SubElement(case, "system-out").text = visible(judged.reason)


def _check(suite: Element, result: CheckResult, judged: Judgement) -> None:
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
        case = _case(suite, head or result.name, rest, file=file_of(test))
        if tests[test] == "skipped":
            SubElement(case, "skipped")
        elif tests[test] == "failed":
            _red(case, result, test, judged)
    if not tests or (result.outcome is Outcome.FAILED and not result.red):
        case = _case(suite, result.name, result.name, result.seconds)
        if result.outcome is Outcome.FAILED:
            _red(case, result, "exit", judged)
    if tests and result.outcome is Outcome.FAILED and result.output:
        SubElement(suite, "system-out").text = visible(result.output)


def _most_telling(result: CheckResult) -> Iterator[str]:
    """The ids of the tests, the red ones first where there are too many."""
    tests = result.tests or {}
    order = {"failed": 0, "skipped": 2}
    if len(tests) <= MAX_TESTS:
        yield from sorted(tests)
    else:
        yield from sorted(tests, key=lambda it: (order.get(tests[it], 1), it))[:MAX_TESTS]


def _case(suite: Element, within: str, name: str, seconds: float | None = None, file: str = "") -> Element:
    """A test; what a single one took is not known."""
    told = {"classname": one_line(within), "name": one_line(name)}
    told |= {"file": one_line(file)} if file else {}
    return SubElement(suite, "testcase", told | ({} if seconds is None else {"time": _seconds(seconds)}))


def _red(case: Element, result: CheckResult, test: str, judged: Judgement) -> None:
    """What a red test or check means for the change."""
    evidence, identity = judged.evidence, f"{result.name}::{test}"
    raised = result.raised.get(test)
    kind = raised.kind if raised else ""
    if test in result.flaky or (evidence and identity in evidence.flaky):
        what = "red in the whole run, green by itself"
        SubElement(case, "flakyFailure", type="flaky", message=what)
    elif evidence and identity in evidence.pre_existing:
        SubElement(case, "skipped", message="red before the change as well")
    elif not (evidence and evidence.failure and judged.exit_code):
        SubElement(case, "skipped", message="red, and that stops nothing here")
    else:
        message = kind or (result.reason if test == "exit" else "red with this change")
        failure = SubElement(case, "failure", type=one_line(kind) or "failed", message=one_line(message))
        # GitLab shows this text and nothing else
        told = result.output if test == "exit" else section_of(test, result.output)
        failure.text = visible(told or f"{result.name}: {result.reason}")


def _seconds(seconds: float) -> str:
    return f"{seconds:.3f}"
