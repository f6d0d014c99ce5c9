"""What the commands that take a task have in common: its text, and the operator's choice of lane."""

from __future__ import annotations

import difflib
import math
import sys
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, cast, get_args

from route_agent.brief import MAX_BYTES, clean
from route_agent.config import usable
from route_agent.errors import UsageError
from route_agent.policy import MAX_USD
from route_agent.preferences import LIMIT, Preferences, with_models
from route_agent.records.grades import TaskClass
from route_agent.routing import Wish
from route_agent.routingspec import Phase

if TYPE_CHECKING:
    from pathlib import Path

    from route_agent.ground import Opened

NOTHING_PREFERRED = Preferences()


def read_task(text: str | None, file: Path | None) -> str:
    """The brief from --task, a file or standard input, cleaned.

    Raises:
        UsageError: two sources, none, or a text that cannot be used.
    """
    if text is not None and file is not None:
        raise UsageError("--task and --task-file exclude each other")
    if file is not None:
        try:
            with file.open("rb") as opened_file:
                return clean(opened_file.read(MAX_BYTES + 1))
        except OSError as error:
            raise UsageError(f"{file}: {error.strerror}") from error
    if text == "-":
        return clean(sys.stdin.buffer.read(MAX_BYTES + 1))
    if text is None:
        raise UsageError("no task", hint='say what to do: --task "fix …"')
    return clean(text)


@dataclass(frozen=True, slots=True)
class Wanted:
    """The operator's choices about the route, as they were typed; empty where none."""

    lane: str = ""
    only_lane: str = ""
    force_lane: bool = False
    task_class: str = ""
    phase: str = ""


def wish(typed: Wanted, preferred: Preferences = NOTHING_PREFERRED) -> Wish:
    """The operator's choice of lane, class and phase; the environment's lane where neither of them is typed.

    Raises:
        UsageError: two lanes at once, or a class or a phase that there is not.
    """
    if typed.lane and typed.only_lane:
        raise UsageError("--lane and --only-lane exclude each other")
    return Wish(
        typed.lane or typed.only_lane,
        only=bool(typed.only_lane),
        force=typed.force_lane,
        task_class=cast("TaskClass | None", _one_of("--class", typed.task_class, get_args(TaskClass))),
        phase=cast("Phase | None", _one_of("--phase", typed.phase, get_args(Phase))),
        preferred="" if typed.lane or typed.only_lane or typed.phase else preferred.lane,
    )


def preferring(ground: Opened, preferred: Preferences) -> Opened:
    """A task's ground with the models that the environment chose, and a word on each.

    Raises:
        UsageError: it chose what it may not.
    """
    named = ground.policy
    policy, told = with_models(named.policy, preferred, lambda spec: usable(spec, ground.config))
    if not told:
        return ground
    return replace(ground, policy=replace(named, policy=policy), notices=(*ground.notices, *told))


def limit(typed: float | None, preferred: Preferences) -> tuple[float | None, tuple[str, ...]]:
    """The limit of a run in dollars: what was typed, else the environment's, with a word on that.

    Raises:
        UsageError: no amount that can be reached was typed.
    """
    if typed is not None or preferred.max_usd is None:
        return dollars(typed), ()
    return preferred.max_usd, (f"{LIMIT}: at most ${preferred.max_usd:g} for this run",)


def _one_of(option: str, typed: str, known: tuple[str, ...]) -> str | None:
    if typed and typed not in known:
        close = difflib.get_close_matches(typed, known, n=1)
        meant = f" (did you mean {close[0]}?)" if close else ""
        raise UsageError(f"{option} {typed}: there is none{meant}", hint=f"one of: {', '.join(known)}")
    return typed or None


def dollars(amount: float | None) -> float | None:
    """A limit as it was typed; None where none was.

    Raises:
        UsageError: without end, or beyond what the ledger counts: every run has a limit.
    """
    if amount is not None and not (math.isfinite(amount) and amount <= MAX_USD):
        raise UsageError("--max-usd takes an amount that can be reached", hint="--max-usd 5")
    return amount
