"""A desk for a lane under test: a real purse on a real ledger, and a plain folder as the scratch."""

from __future__ import annotations

import hashlib
import os
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from decimal import Decimal
from pathlib import Path
from typing import Any

from route_agent.lanes.desk import Desk, Workspace
from route_agent.ledger.budget import Purse
from route_agent.ledger.store import Ledger
from route_agent.pricing import Prices, Rates
from route_agent.records.change import Change
from route_agent.records.events import Event
from route_agent.sandbox.process import Finished, run

# dollars per million tokens (input, output) of the models that the tests script
RATES = {"small": Rates(Decimal(1), Decimal(5)), "large": Rates(Decimal(10), Decimal(50))}


@dataclass(frozen=True)
class Bench:
    """A desk with everything that a test looks at afterwards."""

    desk: Desk
    purse: Purse
    events: list[Event] = field(default_factory=list)


def anything(reply: str) -> Change:
    """Take every reply for a patch that fits."""
    return Change("0" * 40, reply, ())


@contextmanager
def bench(
    folder: Path,
    *,
    lane: str = "fast",
    seconds: float = 60.0,
    max_usd: float = 5.0,
    fit: Callable[[str], Change] = anything,
    **more: Any,
) -> Iterator[Bench]:
    """A desk whose run ends in so many seconds; fixers work in `folder/scratch`, and `fit` judges replies.

    What `more` there is goes to the desk: its terms, its shelf.
    """
    ledger = Ledger(folder / "ledger.sqlite3")
    scratch = folder / "scratch"
    scratch.mkdir(exist_ok=True)
    purse = Purse(ledger, "run1", Prices(RATES, frozenset({"recorded"})), max_usd=max_usd, per_day_usd=100.0)
    events: list[Event] = []

    def in_scratch(argv: tuple[str, ...], timeout_s: float) -> Finished:
        return run(argv, cwd=scratch, env={"PATH": os.environ["PATH"]}, timeout_s=timeout_s)

    def workspace(start: str) -> Iterator[Workspace]:
        scratch.joinpath("START").write_text(start)
        yield Workspace(in_scratch, lambda: digest(scratch))

    desk = Desk(
        lane=lane,
        purse=purse,
        deadline=time.monotonic() + seconds,
        workspace=workspace,
        fit=fit,
        on=events.append,
        **more,
    )
    try:
        yield Bench(desk, purse, events)
    finally:
        ledger.close()


def digest(folder: Path) -> str:
    """What a folder holds, as a tree id would tell it."""
    whole = hashlib.sha1(usedforsecurity=False)
    for path in sorted(folder.rglob("*")):
        if path.is_file():
            whole.update(f"{path.relative_to(folder)}\0".encode() + path.read_bytes())
    return whole.hexdigest()
