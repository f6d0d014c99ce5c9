"""What a SARIF file has to be.

The official schema is not kept here, its terms are not those of this project. `SCHEMA` is written after the
standard (SARIF 2.1.0, sections 3.13 to 3.58): of every object that is written, which properties it may have,
which it must have, and what may stand in them. What the standard allows and nothing here writes is not in it.
"""

from __future__ import annotations

from collections import Counter
from typing import Any

import jsonschema


def _object(required: str, optional: str = "", **properties: Any) -> dict[str, Any]:
    names = [*required.split(), *optional.split()]
    assert set(names) == set(properties)
    return {
        "type": "object",
        "properties": properties,
        "required": required.split(),
        "additionalProperties": False,
    }


_TEXT = {"type": "string", "minLength": 1}
_LINE = {"type": "integer", "minimum": 1}
_LEVEL = {"enum": ["none", "note", "warning", "error"]}
_MESSAGE = _object("text", text=_TEXT)
# 3.4.4: a relative reference has no leading slash; RFC 3986: no scheme in it, and nothing but these
_URI = {"type": "string", "pattern": r"^(?!/)([A-Za-z0-9._~/-]|%[0-9A-F]{2})+$"}
_LOCATION = _object(
    "physicalLocation",
    physicalLocation=_object(
        "artifactLocation region",
        artifactLocation=_object("uri uriBaseId", uri=_URI, uriBaseId={"pattern": "^%[A-Z]+%$"}),
        region=_object("startLine", "endLine", startLine=_LINE, endLine=_LINE),
    ),
)
_RESULT = _object(
    "ruleId ruleIndex level message locations partialFingerprints",
    ruleId=_TEXT,
    ruleIndex={"type": "integer", "minimum": 0},
    level=_LEVEL,
    message=_MESSAGE,
    locations={"type": "array", "items": _LOCATION, "minItems": 1},
    partialFingerprints={"type": "object", "additionalProperties": {"type": "string"}},
)
_RULE = _object("id shortDescription", id=_TEXT, shortDescription=_MESSAGE)
_RULES = {"type": "array", "items": _RULE, "uniqueItems": True}
_DRIVER = _object("name", "version rules", name=_TEXT, version=_TEXT, rules=_RULES)
_NOTE = _object("message", "level", level=_LEVEL, message=_MESSAGE)
_INVOCATION = _object(
    "executionSuccessful",
    "exitCode toolExecutionNotifications",
    executionSuccessful={"type": "boolean"},
    exitCode={"type": "integer"},
    toolExecutionNotifications={"type": "array", "items": _NOTE},
)
_RUN = _object(
    "tool results",
    "automationDetails columnKind invocations properties",
    tool=_object("driver", driver=_DRIVER),
    automationDetails=_object("id", id=_TEXT),
    columnKind={"enum": ["utf16CodeUnits", "unicodeCodePoints"]},
    invocations={"type": "array", "items": _INVOCATION},
    results={"type": "array", "items": _RESULT},
    properties={"type": "object"},
)
SCHEMA = _object(
    "version runs",
    "$schema",
    version={"const": "2.1.0"},
    runs={"type": "array", "items": _RUN},
    **{"$schema": {"type": "string", "pattern": r"^https://.*sarif-schema-2\.1\.0\.json$"}},
)


def assert_sarif(log: dict[str, Any]) -> None:
    """What the standard asks for, and what GitHub asks for beyond it."""
    jsonschema.validate(log, SCHEMA)
    for run in log["runs"]:
        rules = [rule["id"] for rule in run["tool"]["driver"]["rules"]]
        prints = Counter[str]()
        for result in run["results"]:
            assert rules[result["ruleIndex"]] == result["ruleId"]
            region = result["locations"][0]["physicalLocation"]["region"]
            assert region.get("endLine", region["startLine"]) >= region["startLine"]
            prints.update(result["partialFingerprints"].values())
        assert len(rules) == len(set(rules))
        assert set(prints.values()) <= {1}, "two results that a code host would take for one"
