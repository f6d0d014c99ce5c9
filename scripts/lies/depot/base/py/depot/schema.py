"""A validator for the few JSON schema keywords that shared/ uses."""

import json
import re
from functools import cache
from typing import Any

from depot.units import SHARED

TYPES = {
    "object": dict,
    "array": list,
    "string": str,
    "integer": int,
    "number": (int, float),
    "boolean": bool,
}


@cache
def load(name: str) -> dict:
    return json.loads((SHARED / "schemas.json").read_text())[name]


def check(value: Any, schema: dict, path: str = "") -> list[str]:
    """The paths that do not fit the schema, sorted; none when it fits."""
    return sorted(set(_check(value, schema, path)))


def _is(value: Any, name: str) -> bool:
    if isinstance(value, bool) and name != "boolean":
        return False
    return isinstance(value, TYPES[name])


def _join(path: str, key: object) -> str:
    return f"{path}.{key}" if path else str(key)


def _check(value: Any, schema: dict, path: str):
    if "type" in schema and not _is(value, schema["type"]):
        yield path
        return
    if "enum" in schema and value not in schema["enum"]:
        yield path
    if isinstance(value, str):
        if len(value) < schema.get("minLength", 0):
            yield path
        if "pattern" in schema and not re.search(schema["pattern"], value):
            yield path
    if _is(value, "number") and "minimum" in schema and value < schema["minimum"]:
        yield path
    if isinstance(value, list) and "items" in schema:
        for index, entry in enumerate(value):
            yield from _check(entry, schema["items"], _join(path, index))
    if isinstance(value, dict):
        properties = schema.get("properties", {})
        for key in schema.get("required", ()):
            if key not in value:
                yield _join(path, key)
        for key, entry in value.items():
            if key in properties:
                yield from _check(entry, properties[key], _join(path, key))
            elif schema.get("additionalProperties") is False:
                yield _join(path, key)
