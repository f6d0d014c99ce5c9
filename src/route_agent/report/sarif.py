"""A judged change as SARIF 2.1.0, which code hosts show beside the lines.

The standard: https://docs.oasis-open.org/sarif/sarif/v2.1.0/. GitHub takes no result without a place and
no place without a line: what is known of a whole file stands at its first line, and what is known of no file
is a notification.
"""

from __future__ import annotations

import hashlib
import json
from collections import Counter
from typing import TYPE_CHECKING, Any
from urllib.parse import quote

from route_agent import __version__
from route_agent.records.checks import Outcome
from route_agent.records.grades import Verdict
from route_agent.redaction import redact
from route_agent.report.inert import visible, write_file
from route_agent.report.remarks import RULES, remarks

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence
    from pathlib import Path

    from route_agent.records.checks import CheckResult
    from route_agent.records.judgements import Judgement
    from route_agent.report.remarks import Remark

SCHEMA_URI = "https://docs.oasis-open.org/sarif/sarif/v2.1.0/errata01/os/schemas/sarif-schema-2.1.0.json"
MAX_RESULTS = 1000
_MAX_WORDS = 1000


def write_sarif(judged: Judgement, file: Path) -> None:
    """Write the file.

    Raises:
        EnvironmentBroken: it cannot be written.
    """
    write_file(file, json.dumps(sarif_object(judged), indent=1) + "\n")


def sarif_object(judged: Judgement) -> dict[str, Any]:
    """The log with its one run."""
    placed = [it for it in remarks(judged) if it.path]
    shown = placed[:MAX_RESULTS]
    rules = list(dict.fromkeys(it.rule for it in shown))
    run = {
        "tool": {
            "driver": {
                "name": "route-agent",
                "version": __version__,
                "rules": [_rule(rule) for rule in rules],
            }
        },
        "automationDetails": {"id": "route-agent/"},
        "columnKind": "unicodeCodePoints",
        "invocations": [_invocation(judged, len(placed) - len(shown))],
        "results": list(_results(shown, rules)),
        "properties": {
            "verdict": judged.verdict.name.lower(),
            "grade": judged.grade.value,
            "score": judged.risk.score,
            "lane": judged.decision.lane,
            "policy": _words(judged.decision.policy_name),
        },
    }
    return {"$schema": SCHEMA_URI, "version": "2.1.0", "runs": [run]}


def _rule(rule: str) -> dict[str, Any]:
    return {"id": rule, "shortDescription": {"text": RULES.get(rule) or f"{rule.replace('-', ' ')}."}}


def _results(shown: Sequence[Remark], rules: Sequence[str]) -> Iterator[dict[str, Any]]:
    """Each result with a fingerprint without lines: it stays the same thing when other lines move."""
    seen = Counter[str]()
    for remark in shown:
        digest = _digest((remark.rule, _uri(remark.path), _words(remark.what)))
        seen[digest] += 1
        yield _result(remark, rules.index(remark.rule), f"{digest}:{seen[digest]}")


def _result(remark: Remark, rule: int, fingerprint: str) -> dict[str, Any]:
    return {
        "ruleId": remark.rule,
        "ruleIndex": rule,
        "level": remark.level,
        "message": {"text": _words(remark.what)},
        "locations": [_location(remark)],
        "partialFingerprints": {"routeAgent/v1": fingerprint},
    }


def _location(remark: Remark) -> dict[str, Any]:
    region = {"startLine": max(remark.line, 1)}
    if remark.last > remark.line:
        region["endLine"] = remark.last
    return {
        "physicalLocation": {
            "artifactLocation": {"uri": _uri(remark.path), "uriBaseId": "%SRCROOT%"},
            "region": region,
        }
    }


def _uri(path: str) -> str:
    """A path as a relative reference: nothing in it can be taken for a scheme, a query or a control."""
    return quote(redact(path).encode("utf-8", "surrogateescape"))


def _invocation(judged: Judgement, left_out: int) -> dict[str, Any]:
    results = judged.evidence.checks.results if judged.evidence else ()
    notes = [("note", _words(it)) for it in judged.notices]
    notes += [("warning", _check(it)) for it in results if it.outcome is Outcome.NOT_RUN]
    notes += [("warning", f"{left_out} more results are left out")] if left_out else []
    level = "error" if judged.exit_code else "note"
    notes.append((level, _words(f"{judged.verdict.value}: {judged.reason}")))
    return {
        "executionSuccessful": judged.verdict is not Verdict.ENVIRONMENT,
        "exitCode": judged.exit_code,
        "toolExecutionNotifications": [{"level": it, "message": {"text": words}} for it, words in notes],
    }


def _check(result: CheckResult) -> str:
    return _words(f"the check {result.name} was not run: {result.reason}")


def _words(told: str) -> str:
    """A message that is only text: `[words](target)` would be a link."""
    shown = visible(told).replace("](", "] (")
    return shown if len(shown) <= _MAX_WORDS else f"{shown[: _MAX_WORDS - 1]}…"


def _digest(parts: Iterable[str]) -> str:
    joined = "\0".join(parts)
    return hashlib.sha256(joined.encode()).hexdigest()[:32]
