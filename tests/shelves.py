"""A real tree to look things up in, and a library over a real repository, without a run around them."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

from route_agent import decide
from route_agent.config import Config
from route_agent.library import Library
from route_agent.records.checks import CheckKind, CheckResult, CheckRun, Isolation, IsolationLevel, Outcome
from route_agent.redaction import is_secret_name
from route_agent.repo.shelf import Shelf
from route_agent.withholding import Withheld

if TYPE_CHECKING:
    from sandpit import Sandpit


@contextmanager
def shelf_of(pit: Sandpit, withheld: Callable[[str], bool] = is_secret_name) -> Iterator[Shelf]:
    """A shelf with the working tree of a sandpit."""
    with decide.opened(pit.root, Config()) as ground:
        yield Shelf(ground.slot.trees, ground.start, withheld)


@contextmanager
def library_of(
    pit: Sandpit, brief: str, *, output: str = "", red: frozenset[str] = frozenset(), config: Config | None = None, **more: Any
) -> Iterator[Library]:  # fmt: skip
    """A library for a task; with an output, its one check is red and says that."""
    with decide.opened(pit.root, config or Config()) as ground:
        baseline = CheckRun(ground.start, (), Isolation(IsolationLevel.NONE))
        if output:
            tests = dict.fromkeys(sorted(red), "failed") or None
            result = CheckResult("unit", CheckKind.TEST, Outcome.FAILED, output=output, tests=tests)
            baseline = CheckRun(ground.start, (result,), Isolation(IsolationLevel.NONE))
        withheld = Withheld((*ground.policy.policy.no_send, *ground.config.no_send))
        facts = decide.facts(ground, brief, baseline)
        yield Library(ground, facts, baseline, withheld=withheld, **more)
