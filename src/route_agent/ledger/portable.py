"""The form in which a ledger's runs travel: one JSON object a line, and what such a line may say. Pure.

First a header, then a line for each run with all that belongs to it, for each judgement of the gate and for
calls that belong to neither, and at last how many lines there were: a file that was cut is known by that.
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any, Final, NoReturn

from route_agent.records.checks import CheckKind, Outcome
from route_agent.records.grades import Failure, Grade, Verdict
from route_agent.records.lanes import CallState, Purpose
from route_agent.records.receptions import Received, Source
from route_agent.records.reviews import Opinion

FORMAT = 1
MARK: Final = "route_agent_ledger"
PARTS = {
    "attempts": "attempt",
    "calls": "call",
    "checks": "check_result",
    "reviews": "review",
    "quote": "quote",
    "receptions": "reception",
}
# what means something in its own ledger alone, or would let another's word stand for a check here
LEFT_OUT = {
    "call": {"id", "request_key", "imported"},
    "reception": {"id"},
    "judgement": {"verdict_key", "standing"},
}
_MOST = 10**15
_ID = re.compile(r"[A-Za-z0-9_-]{1,64}")
_FLAGS = {"replayed", "forced_lane", "other_model", "same_model", "reused", "class_named", "is_estimate"}
_FLAGS |= {"is_canary", "answered", "blocks"}
_TIMES = {"at", "started_at", "finished_at"}
_MAY_BE_NEGATIVE = {"saved_micro_usd"}
_WORDS: dict[tuple[str, str], tuple[str, ...]] = {
    ("run", "verdict"): tuple(Verdict),
    ("attempt", "failure"): tuple(Failure),
    ("attempt", "grade"): tuple(Grade),
    ("call", "state"): tuple(CallState),
    ("call", "purpose"): tuple(Purpose),
    ("check_result", "kind"): tuple(CheckKind),
    ("check_result", "outcome"): tuple(Outcome),
    ("review", "opinion"): tuple(Opinion),
    ("reception", "source"): tuple(Source),
    ("reception", "outcome"): tuple(Received),
    ("judgement", "verdict"): tuple(it.name.lower() for it in Verdict),  # as gate's JSON has it
    ("judgement", "failure"): tuple(Failure),
    ("judgement", "grade"): tuple(Grade),
}


class WrongLine(ValueError):
    """A line that says what it may not say; the message names the field."""


@dataclass(frozen=True, slots=True)
class Column:
    """A table's column: its SQLite type, and whether a row may leave it out or empty."""

    name: str
    type: str
    may_be_null: bool
    has_default: bool


Tables = Mapping[str, Sequence[Column]]


def wrong(what: str) -> NoReturn:
    raise WrongLine(what)


def read_line(text: bytes) -> dict[str, Any]:
    """A line as an object.

    Raises:
        WrongLine: it is none.
    """
    try:
        found = json.loads(text, parse_constant=lambda name: wrong(f"{name} is no number"))
    except WrongLine:
        raise
    except (ValueError, RecursionError) as error:
        raise WrongLine("no JSON object in UTF-8") from error
    return found if isinstance(found, dict) else wrong("no JSON object")


def row(table: str, values: Any, columns: Sequence[Column]) -> dict[str, Any]:
    """One table's row, with every value looked at.

    Raises:
        WrongLine: a column is unknown, is missing or holds what it cannot hold.
    """
    if not isinstance(values, dict):
        wrong(f"{table} is no object")
    known = {it.name: it for it in columns if it.name not in LEFT_OUT.get(table, ())}
    if unknown := sorted(values.keys() - known.keys()):
        wrong(f'{table} has an unknown field "{unknown[0][:60]}"')
    for name, column in known.items():
        if name not in values and not (column.may_be_null or column.has_default):
            wrong(f"{table} has no {name}")
    return {name: _value(table, known[name], value) for name, value in values.items()}


def _value(table: str, column: Column, value: Any) -> Any:
    name = f"{table}.{column.name}"
    if value is None:
        return None if column.may_be_null else wrong(f"{name} is null")
    if column.type == "TEXT":
        return _text(table, column.name, value)
    number = isinstance(value, int | float) and not isinstance(value, bool)
    if not number or (column.type == "INTEGER" and not isinstance(value, int)):
        wrong(f"{name} is no {'whole ' if column.type == 'INTEGER' else ''}number")
    if not abs(value) <= _MOST:  # neither is NaN
        wrong(f"{name} is out of bounds")
    if value < 0 and column.name not in _MAY_BE_NEGATIVE:
        wrong(f"{name} is below 0")
    if column.name in _FLAGS and value not in (0, 1):
        wrong(f"{name} is neither 0 nor 1")
    return value


def _text(table: str, name: str, value: Any) -> str:
    if not isinstance(value, str):
        wrong(f"{table}.{name} is no text")
    if words := _WORDS.get((table, name)):
        if value not in words:
            wrong(f"{table}.{name} is none of {', '.join(words)}")
    elif name in _TIMES:
        return _time(f"{table}.{name}", value)
    elif name in ("id", "run_id") and not _ID.fullmatch(value):
        wrong(f"{table}.{name} is no id")
    elif form := _FORMS.get((table, name)):
        _require_form(f"{table}.{name}", value, form)
    return value


def _time(name: str, value: str) -> str:
    """A time as the ledger writes it, so that it sorts as text."""
    try:
        at = datetime.fromisoformat(value)
        if at.tzinfo is None:
            wrong(f"{name} has no time zone")
        at = at.astimezone(UTC)
    except WrongLine:
        raise
    except (ValueError, OverflowError) as error:  # the latter: before the year 1
        raise WrongLine(f"{name} is no time") from error
    if at > datetime.now(UTC) + timedelta(days=1):
        wrong(f"{name} lies in the future")
    return at.isoformat(timespec="milliseconds")


def _is_paths(it: Any) -> bool:
    return isinstance(it, list) and all(isinstance(path, str) for path in it)


def _is_advice(it: Any) -> bool:
    words = ("router", "lane", "level")
    return isinstance(it, list) and all(
        isinstance(one, dict) and all(isinstance(one.get(word), str) for word in words) for one in it
    )


def _is_signals(it: Any) -> bool:
    return isinstance(it, list) and all(
        isinstance(one, dict)
        and isinstance(one.get("name"), str)
        and (one.get("value") is None or isinstance(one["value"], int))
        and _is_paths(one.get("evidence", []))
        for one in it
    )


def _is_touched(it: Any) -> bool:
    return (
        isinstance(it, dict)
        and _is_paths(it.get("changed"))
        and _is_paths(it.get("named", []))
        and isinstance(it.get("left_out", 0), int)
    )


def _is_limits(it: Any) -> bool:
    return isinstance(it, dict) and all(
        isinstance(usd, int | float) and 0 <= usd <= _MOST for usd in it.values()
    )


# JSON within a column, which is read again later
_FORMS: dict[tuple[str, str], Callable[[Any], bool]] = {
    ("run", "report"): lambda it: isinstance(it, dict),
    ("run", "advice"): _is_advice,
    ("run", "signals"): _is_signals,
    ("run", "paths"): _is_touched,
    ("run", "limits"): _is_limits,
    ("attempt", "paths"): _is_paths,
    ("judgement", "report"): lambda it: isinstance(it, dict),
}
OF_JSON = frozenset(_FORMS)


def _require_form(name: str, text: str, form: Callable[[Any], bool]) -> None:
    try:
        held = form(json.loads(text, parse_constant=lambda constant: wrong(f"{name}: {constant}")))
    except (ValueError, RecursionError) as error:
        raise WrongLine(f"{name} is no JSON") from error
    if not held:
        wrong(f"{name} has another form than the ledger's")
