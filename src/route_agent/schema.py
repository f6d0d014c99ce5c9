"""From a YAML text to a validated model, with errors that name file, line, key and the nearest valid one."""

from __future__ import annotations

import difflib
import json
from typing import Any, TypeVar, get_args

from pydantic import BaseModel, ConfigDict, ValidationError

from route_agent import yamlfile

MAX_SHOWN = 200


class Strict(BaseModel):
    """A part of a file that people write: unknown keys are refused and nothing is converted by guess."""

    # built when first used, once: nested models need no validator of their own
    model_config = ConfigDict(extra="forbid", frozen=True, defer_build=True, allow_inf_nan=False)


Model = TypeVar("Model", bound=BaseModel)


class SchemaError(ValueError):
    """Readable as `where:line: what`; the caller turns it into its own kind of error."""


def read(text: str | bytes, where: str, *, limit: int = yamlfile.MAX_BYTES) -> yamlfile.Document:
    """Read a YAML text whose top level is keys and values.

    Raises:
        SchemaError: not such a text.
    """
    try:
        document = yamlfile.parse(text, limit)
    except yamlfile.YamlError as error:
        raise SchemaError(f"{where}:{error.line}: {error.what}") from error
    if document.data is None:
        return yamlfile.Document({}, {})
    if not isinstance(document.data, dict):
        raise SchemaError(f"{where}:1: expected keys and values, found a {type(document.data).__name__}")
    return document


def validate(model: type[Model], data: dict[str, Any], document: yamlfile.Document, where: str) -> Model:
    """Turn plain data into the model.

    Args:
        model: what the file must be.
        data: the document's data, perhaps with defaults filled in.
        document: where each value stands, for the errors.
        where: how the file is called in an error.

    Raises:
        SchemaError: every fault of the file, one a line.
    """
    try:
        # JSON mode: enum words and tuples are read from text and lists, while "7" is still no number
        return model.model_validate_json(json.dumps(data), strict=True)
    except ValidationError as error:
        # an empty list is only what its faulty entries left behind
        told = [fault for fault in error.errors() if fault["type"] != "too_short" or error.error_count() == 1]
        faults = (_explain(model, where, document, fault) for fault in told)
        raise SchemaError("\n".join(dict.fromkeys(faults))) from error


def _explain(model: type[BaseModel], where: str, document: yamlfile.Document, fault: Any) -> str:
    path: yamlfile.Path = ()
    for part in fault["loc"]:  # pydantic's location also names members of unions, which stand in no file
        if (*path, part) in document.lines:
            path = (*path, part)
    line = document.line(path)
    if fault["type"] == "extra_forbidden":
        section = ".".join(str(part) for part in path[:-1]) or "the file"
        close = difflib.get_close_matches(
            str(path[-1]), sorted(_known_keys(model, path[:-1])), n=1, cutoff=0.5
        )
        hint = f" (did you mean {close[0]}?)" if close else ""
        return f'{where}:{line}: unknown key "{path[-1]}" in {section}{hint}'
    missing = fault["type"] == "missing"
    key = ".".join(str(part) for part in ((*path, fault["loc"][-1]) if missing else path)) or "the file"
    given = fault.get("input")
    if fault["type"] == "tuple_type" and isinstance(given, str):
        return f"{where}:{line}: {key}: write a list, [{', '.join(given.split())}]; no shell reads it"
    message = fault["msg"].removeprefix("Value error, ")
    found = "" if missing or isinstance(given, dict | list) else f" (found {_shown(given)})"
    return f"{where}:{line}: {key}: {message[:1].lower()}{message[1:]}{found}"


def _shown(given: Any) -> str:
    """The value as it was written, or the beginning of a long one."""
    written = json.dumps(given, default=str)
    return written if len(written) <= MAX_SHOWN else f"{written[:MAX_SHOWN]}…"


def _known_keys(model: type[BaseModel], path: tuple[str | int, ...]) -> set[str]:
    """The keys allowed in the section at `path`, found by walking the model's annotations."""
    models: list[Any] = [model]
    for part in path:
        found: list[Any] = []
        for candidate in models:
            field = candidate.model_fields.get(part)
            found += _models_in(field.annotation) if field else [candidate]
        models = found
    return {name for candidate in models for name in candidate.model_fields}


def _models_in(annotation: Any) -> list[Any]:
    if isinstance(annotation, type) and issubclass(annotation, BaseModel):
        return [annotation]
    return [model for part in get_args(annotation) for model in _models_in(part)]
