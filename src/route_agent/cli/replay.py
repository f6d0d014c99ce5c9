"""`route-agent replay`: what ways of working would have cost and solved; no model is called."""

from __future__ import annotations

import shutil
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from route_agent import places
from route_agent.cli.edge import plain_errors, print_json, print_lines, print_table, say
from route_agent.errors import UsageError
from route_agent.outcomes import Errors, shared_tasks
from route_agent.readoutcomes import LEDGER, Table, known_model, named, read_outcomes
from route_agent.replaying import Wanted
from route_agent.replaying import replay as computed
from route_agent.report import replay as report

if TYPE_CHECKING:
    from route_agent.replaying import Replay

MOST_LANES = 12


@dataclass(frozen=True, slots=True)
class Arguments:
    """What was typed; empty or None where nothing was."""

    outcomes: str
    fast: str
    strong: str
    ladder: str
    harness: str
    false_accept: float
    false_reject: float
    effort_cap: float | None
    strong_cap: float | None
    directory: Path


def replay(typed: Arguments, *, as_json: bool) -> None:
    """Print what was computed from a file or from the ledger."""
    with plain_errors(as_json=as_json):
        wanted = _wanted(typed)
        table = _read(typed, wanted)
        missing = _nothing_to_compute(table, wanted)
        if missing:
            if as_json:
                print_json(report.nothing_object(wanted, table.source, missing, table.notes))
            else:
                say(missing)
            return
        told = computed(table.outcomes, wanted)
        if as_json:
            print_json(
                report.replay_object(
                    told,
                    table.outcomes,
                    source=table.source,
                    harness=typed.harness,
                    notes=table.notes,
                    selected=_is_selected(table, told),
                )
            )
            return
        _print(told, table)


def _wanted(typed: Arguments) -> Wanted:
    """What to replay.

    Raises:
        UsageError: no strong model, nothing beside it, one model twice, or a share that is none.
    """
    ladder = tuple(name.strip() for name in typed.ladder.split(",")) if typed.ladder else ()
    if not all(ladder) or len(set(ladder)) < len(ladder):
        raise UsageError(f"--ladder {typed.ladder}: write each model once, with commas between them")
    if len(ladder) > MOST_LANES:
        raise UsageError(f"--ladder: more than {MOST_LANES} lanes")
    fast, strong = typed.fast, typed.strong
    if typed.outcomes == LEDGER and not (fast or ladder):
        fast, strong = "fast", strong or "strong"
    if typed.outcomes != LEDGER and not (strong and (fast or ladder)):
        raise UsageError(_which(typed), hint="--fast MODEL --strong MODEL, or --ladder A,B,C --strong MODEL")
    strong = strong or "strong"
    if fast == strong:
        raise UsageError(
            f"--fast and --strong are both {fast}", hint="strong-twice tells what a second attempt is worth"
        )
    shares = {
        "--false-accept": typed.false_accept,
        "--false-reject": typed.false_reject,
        "--effort-cap": typed.effort_cap,
        "--strong-cap": typed.strong_cap,
    }
    for option, share in shares.items():
        if share is not None and not 0 <= share <= 1:  # neither is what is no number
            raise UsageError(f"{option} {share:g}: write a share from 0 to 1", hint=f"{option} 0.2")
    errors = Errors(typed.false_accept, typed.false_reject)
    return Wanted(strong, fast, ladder, errors, typed.effort_cap, typed.strong_cap)


def _which(typed: Arguments) -> str:
    """What was not said, and the models that the file has."""
    missing = "--strong" if not typed.strong else "--fast or --ladder"
    return f"{missing} is missing; {typed.outcomes} has outcomes of {named(_file(typed, ()).outcomes)}"


def _file(typed: Arguments, models: tuple[str, ...]) -> Table:
    return read_outcomes(typed.directory / typed.outcomes, typed.harness, models)


def _read(typed: Arguments, wanted: Wanted) -> Table:
    if typed.outcomes != LEDGER:
        return _file(typed, wanted.models)
    if typed.harness:
        raise UsageError("--harness is for files: what the ledger has was all made by this program")
    from route_agent.ledger.tries import Tries
    from route_agent.ledgeroutcomes import read_ledger

    table = read_ledger(Tries(places.ledger_file()).tries(), wanted.models)
    for name in (typed.fast, typed.strong, *wanted.ladder):
        if name and table.outcomes:
            known_model(name, table)
    return table


def _nothing_to_compute(table: Table, wanted: Wanted) -> str:
    """Why nothing can be said, where that is nobody's mistake; empty otherwise.

    Raises:
        UsageError: in a file, no task was tried by all of the models.
    """
    missing = [name for name in wanted.models if name not in table.outcomes]
    if missing:
        lanes = f" by {' and '.join(missing)}" if table.outcomes else ""
        return (
            f"nothing to replay: the ledger has no judged attempt{lanes} whose cost is known;"
            " recorded replies are not counted"
        )
    if shared_tasks(table.outcomes, wanted.models):
        return ""
    tried = ", ".join(f"{name} {len(table.outcomes[name])}" for name in wanted.models)
    told = f"no task was tried by all of them (tasks tried: {tried})"
    if table.source != LEDGER:
        raise UsageError(f"{table.source}: {told}")
    return f"nothing to replay: {told}"


def _is_selected(table: Table, told: Replay) -> bool:
    """Whether lanes below the strong one have tried tasks about which the strong one was never asked."""
    lower = (name for name in told.wanted.models if name != told.wanted.strong)
    return table.source == LEDGER and any(len(table.outcomes[name]) > told.n for name in lower)


def _print(told: Replay, table: Table) -> None:
    print_lines([(line, "") for line in report.heading(told)])
    if sys.stdout.isatty() and shutil.get_terminal_size().columns < report.LEAST_COLUMNS:
        print_lines([(line, "") for line in report.narrow_lines(told)])
    else:
        _print_table(told)
    for line in report.ending(told, selected=_is_selected(table, told)):
        say(line, "bold" if line.startswith("verdict") else "")
    notes = (*report.tried_lines(table.outcomes, told), *table.notes)
    print_lines([(f"note {note}", "dim") for note in notes])


def _print_table(told: Replay) -> None:
    from rich.table import Table as Grid

    grid = Grid(box=None, pad_edge=False)
    for heading in report.COLUMNS:
        grid.add_column(heading, justify="right" if heading else "left", no_wrap=True)
    for row in report.table_rows(told):
        grid.add_row(*(cell.replace("[", r"\[") for cell in row))
    print_table(grid)
