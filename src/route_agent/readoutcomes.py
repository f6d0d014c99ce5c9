"""Reading outcomes from a CSV file: `model,instance_id,resolved,cost_usd[,harness,api_calls,latency_s]`.

Such a file may come from anywhere. It is read line by line, no line and no file without end, and whatever in
it is no outcome ends the reading with its place.
"""

from __future__ import annotations

import csv
import difflib
import re
from dataclasses import dataclass, field
from math import fsum
from typing import TYPE_CHECKING

from route_agent.errors import UsageError
from route_agent.outcomes import Outcome

if TYPE_CHECKING:
    from collections.abc import Collection, Iterator, Mapping, Sequence
    from pathlib import Path
    from typing import TextIO

    from route_agent.outcomes import Outcomes

LEDGER = "ledger"  # in the place of a file
REQUIRED = ("model", "instance_id", "resolved", "cost_usd")
OPTIONAL = ("harness", "api_calls", "latency_s")
MAX_LINE = 64 * 1024  # characters
MAX_ROWS = 1_000_000
MAX_NUMBER = 1_000_000_000  # dollars, calls or seconds
MOST_NAMED = 12  # models or harnesses that a message lists
_FORMAT = f"docs/outcomes.md: the first line is {','.join(REQUIRED)}[,{','.join(OPTIONAL)}]"
_SHARES = {"0": 0.0, "1": 1.0, "0.0": 0.0, "1.0": 1.0, "false": 0.0, "true": 1.0}
# owner__name-123, also with a word before it or a commit instead of the number
_TASK = re.compile(r"(?:instance_)?([\w.-]+?)__([\w.-]+?)-(?:\d+|[0-9a-f]{7,40}(?:-v\w*)?)\Z", re.ASCII)


@dataclass(frozen=True, slots=True)
class Table:
    """Outcomes as they were read.

    Attributes:
        outcomes: by model, then by task.
        repositories: each task's repository as `owner/name`; tasks whose names do not tell it are not in it.
        rows: how many rows were used.
        unpriced: rows that were left out since they say no cost.
        harnesses: what the rows came from, in the order of their names; empty where no column tells.
        source: where they come from, for messages.
        notes: what a reader of figures from them has to know.
    """

    outcomes: Outcomes
    repositories: Mapping[str, str] = field(default_factory=dict)
    rows: int = 0
    unpriced: int = 0
    harnesses: tuple[str, ...] = ()
    source: str = ""
    notes: tuple[str, ...] = ()


def read_outcomes(path: Path, harness: str = "", models: Collection[str] = ()) -> Table:
    """Read a file of outcomes. Several rows of one model and task become one outcome, their mean.

    Args:
        path: a CSV file; its columns may stand in any order, and others are not looked at.
        harness: only rows of this one; empty for all.
        models: only these are kept; empty for all.

    Raises:
        UsageError: it cannot be read, a column is missing, a value is none, there is nothing in it, there is
            no such model or harness, or one task was tried by a model under several harnesses.
    """
    try:
        with path.open(encoding="utf-8-sig", newline="") as file:
            reading = _Reading(str(path), harness, frozenset(models))
            reading.read(file)
            return reading.table()
    except OSError as error:
        raise UsageError(
            f"{path}: {error.strerror}", hint="replay and tune take a CSV file, or ledger"
        ) from error
    except UnicodeDecodeError as error:
        raise UsageError(f"{path}: not UTF-8 text (byte {error.start} of a block)", hint=_FORMAT) from error


def repository_of(task: str) -> str:
    """`owner/name` where a task's name tells it as `owner__name-123`; empty elsewhere."""
    found = _TASK.match(task)
    return f"{found[1]}/{found[2]}" if found else ""


def known_model(name: str, table: Table) -> str:
    """The name again.

    Raises:
        UsageError: there is no such model; the nearest names are told.
    """
    if name in table.outcomes:
        return name
    raise unknown_model(name, table.outcomes, table.source)


def unknown_model(name: str, known: Collection[str], source: str) -> UsageError:
    """The refusal of a model that is not there, with the names that are meant perhaps."""
    plain = {it: _plain(it) for it in sorted(known)}
    close = [it for it, letters in plain.items() if _plain(name) in letters]
    close = close or difflib.get_close_matches(name, list(plain), n=3, cutoff=0.5)
    meant = f" (did you mean {' or '.join(close[:3])}?)" if close else ""
    return UsageError(f'{source}: no outcomes of "{name}"{meant}', hint=f"there are: {named(known)}")


def _plain(name: str) -> str:
    return "".join(letter for letter in name.casefold() if letter.isalnum())


def named(names: Collection[str]) -> str:
    """Names in their order, as many as a message may hold."""
    rest = f" and {len(names) - MOST_NAMED} more" if len(names) > MOST_NAMED else ""
    return ", ".join(sorted(names)[:MOST_NAMED]) + rest


class _Reading:
    """One pass over a file. What repeats is kept apart: most files have one row for a model and task."""

    def __init__(self, source: str, harness: str, models: frozenset[str]) -> None:
        self.source, self.harness, self.models = source, harness, models
        self.found: dict[str, dict[str, dict[str, Outcome]]] = {}  # by model, harness and task
        self.again: dict[tuple[str, str, str], list[Outcome]] = {}
        self.tasks: dict[str, str] = {}  # one string for each, however often it is read
        self.harnesses: set[str] = set()
        self.other_models: set[str] = set()
        self.rows = self.unpriced = 0

    def read(self, file: TextIO) -> None:
        rows = csv.reader(_lines(file, self.source), strict=True)
        try:
            first = next((row for row in rows if row), None)
            if first is None:
                raise UsageError(f"{self.source}: the file is empty", hint=_FORMAT)
            columns = self._columns(first, rows.line_num)
            for number, row in enumerate(rows, 1):
                if number > MAX_ROWS:
                    raise UsageError(
                        f"{self.source}: more than {MAX_ROWS:,} rows", hint="cut it by model or harness"
                    )
                if row:
                    self._row(row, columns, rows.line_num)
        except csv.Error as error:
            raise UsageError(f"{self.source}:{rows.line_num}: {error}", hint=_FORMAT) from error

    def _columns(self, first: list[str], line: int) -> dict[str, int]:
        names = [name.strip().casefold() for name in first]
        missing = [name for name in REQUIRED if name not in names]
        if missing:
            what = (
                f"no column {', '.join(missing)}"
                if len(first) > 1
                else "no line of column names, split by commas"
            )
            raise UsageError(f"{self.source}:{line}: {what}", hint=_FORMAT)
        twice = [name for name in (*REQUIRED, *OPTIONAL) if names.count(name) > 1]
        if twice:
            raise UsageError(f"{self.source}:{line}: two columns {', '.join(twice)}", hint=_FORMAT)
        if self.harness and "harness" not in names:
            raise UsageError(f"{self.source}:{line}: no column harness, so --harness says nothing")
        return {name: names.index(name) for name in (*REQUIRED, *OPTIONAL) if name in names}

    def _row(self, row: list[str], columns: Mapping[str, int], line: int) -> None:
        if len(row) <= max(columns.values()):
            raise self._wrong(line, f"{len(row)} values, and the first line names more columns")
        value = {name: row[place].strip() for name, place in columns.items()}
        model, task, harness = value["model"], value["instance_id"], value.get("harness", "")
        for name in ("model", "instance_id"):
            if not value[name]:
                raise self._wrong(line, f"{name} is empty")
        self.harnesses.add(harness)
        if self.harness not in ("", harness):
            return
        if self.models and model not in self.models:
            if len(self.other_models) < MAX_ROWS // 100:
                self.other_models.add(model)
            return
        outcome = self._outcome(value, line)
        if outcome is None:
            self.unpriced += 1
            return
        self._keep(model, harness, self.tasks.setdefault(task, task), outcome)

    def _keep(self, model: str, harness: str, task: str, outcome: Outcome) -> None:
        self.rows += 1
        lane = self.found.setdefault(model, {}).setdefault(harness, {})
        if task not in lane:
            lane[task] = outcome
        else:
            self.again.setdefault((model, harness, task), [lane[task]]).append(outcome)

    def _outcome(self, value: Mapping[str, str], line: int) -> Outcome | None:
        """One row's outcome; None where its cost is not told, for that is no cost of 0."""
        share = _SHARES.get(value["resolved"].casefold())
        if share is None:
            raise self._wrong(line, f'resolved is "{_short(value["resolved"])}", not 0, 1, true or false')
        cost = self._number(value, "cost_usd", line)
        if cost is None:
            return None
        return Outcome(
            share, cost, self._number(value, "api_calls", line), self._number(value, "latency_s", line)
        )

    def _number(self, value: Mapping[str, str], name: str, line: int) -> float | None:
        written = value.get(name, "")
        if not written:
            return None
        try:
            number = float(written)
        except ValueError as error:
            raise self._wrong(line, f'{name} is "{_short(written)}", not a number') from error
        if not 0 <= number <= MAX_NUMBER:  # neither is what is no number at all
            raise self._wrong(line, f'{name} is "{_short(written)}", not a number from 0 to {MAX_NUMBER:,}')
        return number

    def _wrong(self, line: int, what: str) -> UsageError:
        return UsageError(f"{self.source}:{line}: {what}", hint=_FORMAT)

    def table(self) -> Table:
        """What was read, when all of it was."""
        if self.harness and self.harness not in self.harnesses:
            raise UsageError(
                f'{self.source}: no rows of harness "{self.harness}"',
                hint=f"there are: {named(self.harnesses)}",
            )
        for (model, harness, task), several in self.again.items():
            self.found[model][harness][task] = mean(several)
        outcomes = {model: self._merged(model, lanes) for model, lanes in sorted(self.found.items())}
        for model in sorted(self.models - outcomes.keys()):
            raise unknown_model(model, self.other_models | outcomes.keys(), self.source)
        if not outcomes:
            why = f"; rows that say no cost: {self.unpriced}" if self.unpriced else ""
            raise UsageError(f"{self.source}: no outcomes in it{why}", hint=_FORMAT)
        unpriced = f"rows left out since they say no cost: {self.unpriced}"
        used = {harness for lanes in self.found.values() for harness in lanes} - {""}
        return Table(
            outcomes,
            {task: repository for task in self.tasks if (repository := repository_of(task))},
            self.rows,
            self.unpriced,
            tuple(sorted(used)),
            self.source,
            (unpriced,) if self.unpriced else (),
        )

    def _merged(self, model: str, lanes: Mapping[str, Mapping[str, Outcome]]) -> dict[str, Outcome]:
        """A model's outcomes; those of two harnesses are never averaged."""
        merged: dict[str, Outcome] = {}
        for tasks in lanes.values():
            if both := merged.keys() & tasks.keys():
                told = f"under several harnesses: {named(lanes.keys())}"
                raise UsageError(
                    f"{self.source}: {model} tried {min(both)} {told}",
                    hint="choose one: --harness NAME",
                )
            merged |= tasks
        return merged


def mean(outcomes: Sequence[Outcome]) -> Outcome:
    """Several attempts at one task as one outcome, with each of them kept as a sample."""
    n = len(outcomes)
    calls = [it.calls for it in outcomes if it.calls is not None]
    seconds = [it.seconds for it in outcomes if it.seconds is not None]
    return Outcome(
        resolved=fsum(it.resolved for it in outcomes) / n,
        cost_usd=fsum(it.cost_usd for it in outcomes) / n,
        calls=fsum(calls) / n if len(calls) == n else None,
        seconds=fsum(seconds) / n if len(seconds) == n else None,
        attempts=n,
        samples=tuple((it.resolved, it.cost_usd) for it in outcomes),
    )


def _lines(file: TextIO, source: str) -> Iterator[str]:
    number = 0
    while line := file.readline(MAX_LINE + 1):
        number += 1
        if len(line) > MAX_LINE:
            raise UsageError(f"{source}:{number}: a line of more than {MAX_LINE:,} characters", hint=_FORMAT)
        yield line


def _short(text: str) -> str:
    return text if len(text) <= 40 else f"{text[:40]}…"
