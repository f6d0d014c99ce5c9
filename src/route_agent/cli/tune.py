"""`route-agent tune`: fits ladder, caps and accept rule to outcomes; calls no model, changes no file."""

from __future__ import annotations

import json
import shlex
import shutil
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from route_agent import places
from route_agent.cli.edge import plain_errors, print_json, print_lines
from route_agent.errors import PolicyError, UsageError
from route_agent.ledgeroutcomes import read_ledger
from route_agent.outcomes import Errors
from route_agent.policy import POLICY_PATH
from route_agent.readoutcomes import LEDGER, Table, known_model, named, read_outcomes
from route_agent.report import tuning as report
from route_agent.tuning.own import Own, Passed, features_of, lane_rules, threshold
from route_agent.tuning.tune import Data, Tuning, Wanted
from route_agent.tuning.tune import tune as computed

if TYPE_CHECKING:
    from collections.abc import Mapping

MOST_MODELS = 200
MAX_LINE = 10_000_000  # bytes of one task, with its whole text


@dataclass(frozen=True, slots=True)
class Arguments:
    """What was typed; empty or None where nothing was."""

    outcomes: str
    fast: str
    strong: str
    models: str
    harness: str
    train: str
    test: str
    tasks: Path | None
    false_accept: float
    false_reject: float
    margin: float
    write: bool
    policy: str
    directory: Path


def tune(typed: Arguments, *, as_json: bool) -> None:
    """Print what was fitted; with --write, only the policy's patch on standard output."""
    with plain_errors(as_json=as_json):
        source, test = _sources(typed)
        wanted = _wanted(typed, source)
        groups = _groups(typed)
        table = _read(typed, source, wanted)
        other = _read(typed, test, wanted) if test else None
        told = _computed(table, other, wanted, groups)
        patch = _patch(typed, told) if typed.write and told.recommended else None
        own = _own(wanted) if source == LEDGER else None
        if as_json:
            shown = report.tuning_object(told, source=table.source, notes=table.notes, patch=patch)
            print_json({**shown, "own": report.own_object(own) if own else None})
            return
        width = shutil.get_terminal_size().columns
        lines = [*report.lines(told, width), *((f"note {it}", "dim") for it in table.notes)]
        lines += [(line, "") for line in report.own_lines(own)] if own else []
        print_lines(lines, error=typed.write)
        if patch:
            sys.stdout.write(patch)


def _sources(typed: Arguments) -> tuple[str, str]:
    """What to fit on, and what to judge by; empty for the same, cross-validated.

    Raises:
        UsageError: one of --train and --test without the other, or a file besides.
    """
    if bool(typed.train) != bool(typed.test):
        raise UsageError("--train and --test go together: fit on one file, report on the other")
    if typed.train and typed.outcomes != LEDGER:
        raise UsageError(f"{typed.outcomes} and --train exclude each other")
    return typed.train or typed.outcomes, typed.test


def _wanted(typed: Arguments, source: str) -> Wanted:
    models = tuple(name.strip() for name in typed.models.split(",")) if typed.models else ()
    if not all(models) or len(models) > MOST_MODELS:
        raise UsageError(
            "--models: names with commas between them", hint="--models gpt-5-mini,claude-opus-4-5"
        )
    strong = typed.strong or ("strong" if source == LEDGER else "")
    if not strong:
        known = named(read_outcomes(typed.directory / source, typed.harness).outcomes)
        raise UsageError(f"--strong is missing; {source} has outcomes of {known}", hint="--strong MODEL")
    if typed.fast and models:
        raise UsageError("--fast and --models exclude each other: a pair, or ladders of several models")
    if typed.fast == strong:
        raise UsageError(f"--fast and --strong are both {strong}")
    for option, share in (("--false-accept", typed.false_accept), ("--false-reject", typed.false_reject)):
        if not 0 <= share <= 1:
            raise UsageError(f"{option} {share:g}: write a share from 0 to 1", hint=f"{option} 0.2")
    if not 0 <= typed.margin <= 100:
        raise UsageError(f"--margin {typed.margin:g}: write points from 0 to 100", hint="--margin 4")
    errors = Errors(typed.false_accept, typed.false_reject)
    return Wanted(strong, typed.fast, models, errors, typed.margin / 100)


def _read(typed: Arguments, source: str, wanted: Wanted) -> Table:
    if source == LEDGER:
        if typed.harness:
            raise UsageError("--harness is for files: what the ledger has was all made by this program")
        from route_agent.ledger.tries import Tries

        table = read_ledger(Tries(places.ledger_file()).tries(), wanted.named)
        if not table.outcomes:
            return table
    else:
        table = read_outcomes(typed.directory / source, typed.harness, wanted.named)
    for name in wanted.named or (wanted.strong,):
        known_model(name, table)
    return table


def _groups(typed: Arguments) -> dict[str, str]:
    """Each task's repository from --tasks.

    Raises:
        UsageError: the file cannot be read, or a line is no task.
    """
    if typed.tasks is None:
        return {}
    path = typed.directory / typed.tasks
    groups: dict[str, str] = {}
    try:
        with path.open(encoding="utf-8") as file:
            for number, line in enumerate(iter(lambda: file.readline(MAX_LINE), ""), 1):
                if line.strip():
                    groups.update([_task(line, f"{path}:{number}")])
    except OSError as error:
        raise UsageError(f"{path}: {error.strerror}") from error
    except UnicodeDecodeError as error:
        raise UsageError(f"{path}: not UTF-8 text") from error
    return groups


def _task(line: str, where: str) -> tuple[str, str]:
    try:
        task: Any = json.loads(line)
    except (ValueError, RecursionError) as error:
        raise UsageError(f"{where}: no JSON object on this line", hint="one task a line") from error
    if not isinstance(task, dict) or not all(isinstance(task.get(it), str) for it in ("instance_id", "repo")):
        raise UsageError(f"{where}: a task has instance_id and repo, both texts")
    return task["instance_id"], task["repo"]


def _computed(table: Table, other: Table | None, wanted: Wanted, groups: Mapping[str, str]) -> Tuning:
    if not all(wanted.strong in it.outcomes for it in (table, other or table)):
        return Tuning(wanted, 0, why="the ledger has no judged attempt whose cost is known")
    data = Data(table.outcomes, {**table.repositories, **groups}, selected=_is_selected(table, wanted))
    if other is None:
        return computed(data, wanted)
    known = {**other.repositories, **groups}
    return computed(data, wanted, Data(other.outcomes, known, selected=_is_selected(other, wanted)))


def _is_selected(table: Table, wanted: Wanted) -> bool:
    """Whether cheaper lanes have tried tasks about which the strong one was never asked."""
    strong = table.outcomes[wanted.strong].keys()
    names = wanted.named or table.outcomes
    return table.source == LEDGER and any(table.outcomes[name].keys() - strong for name in names)


def _command(typed: Arguments) -> str:
    """The command that gives the same again, without what is at its default."""
    files = {"--train": typed.train, "--test": typed.test} if typed.train else {"": typed.outcomes}
    options = {
        "--fast": typed.fast,
        "--strong": typed.strong,
        "--models": typed.models,
        "--harness": typed.harness,
        "--tasks": str(typed.tasks or ""),
        "--false-accept": f"{typed.false_accept:g}",
        "--false-reject": f"{typed.false_reject:g}" if typed.false_reject else "",
        "--margin": f"{typed.margin:g}",
    }
    words = [word for pair in {**files, **options}.items() if pair[1] for word in pair if word]
    return shlex.join(["route-agent", "tune", *words])


def _own(wanted: Wanted) -> Own:
    """What the ledger's attempts teach besides: rules of its lanes, and where the cheap one loses money."""
    from route_agent.ledger.judged import Judged
    from route_agent.repo.reverted import reverted_runs

    known = Judged(places.ledger_file()).judged()
    roots = {it.repository for it in known if it.passed and Path(it.repository).is_dir()}
    reverted = frozenset(run for root in sorted(roots) for run in reverted_runs(Path(root)))
    passed = [
        Passed(
            it.repository,
            it.lane,
            it.passed,
            it.run in reverted,
            features_of(
                effort=it.effort, grade=it.grade, lines=it.lines, score=it.score, task_class=it.task_class
            ),
        )
        for it in known
    ]
    fast = wanted.fast or "fast"
    firsts = [
        (it.score, it.passed and it.run not in reverted)
        for it in known
        if it.lane == fast and it.first and it.score is not None
    ]
    paid = [
        [it.cost_usd for it in known if it.lane == lane and it.cost_usd is not None]
        for lane in (fast, wanted.strong)
    ]
    return Own(fast, lane_rules(passed), threshold(firsts, *paid), len(firsts))


def _patch(typed: Arguments, told: Tuning) -> str:
    """The change of the policy, by its path from the top of the repository, where there is one."""
    from route_agent.cli.policies import policy_named, repository_around
    from route_agent.policy import presets
    from route_agent.tuning.policypatch import as_diff, patched

    repository = repository_around(typed.directory)
    top = repository.root if repository else typed.directory.resolve()
    is_preset = typed.policy in presets()
    file = Path(typed.policy).resolve() if typed.policy and not is_preset else top / POLICY_PATH
    path = file.relative_to(top).as_posix() if file.is_relative_to(top) else typed.policy
    old = policy_named(str(file)).text if file.is_file() or not (is_preset or not typed.policy) else b""
    text = policy_named(typed.policy).text if is_preset else old
    lanes = told.recommended.lanes if told.recommended else ()
    new = patched(_decoded(text, path), path, lanes, report.evidence(told, _command(typed)))
    return as_diff(_decoded(old, path), new, path)


def _decoded(text: bytes, path: str) -> str:
    try:
        return text.decode("utf-8")
    except UnicodeDecodeError as error:
        raise PolicyError(f"{path}: not UTF-8 text (byte {error.start})") from error
