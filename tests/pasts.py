"""Ledgers with a past: small runs, written as a run writes them."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

from pydantic import TypeAdapter

from route_agent.classes import fitting, most_demanding
from route_agent.ledger.store import Ledger
from route_agent.policy import NamedPolicy, parse_policy, presets
from route_agent.records.change import Change, FileChange
from route_agent.records.checks import Isolation, IsolationLevel
from route_agent.records.facts import Facts
from route_agent.records.grades import Failure, Verdict
from route_agent.records.lanes import Call, CallState
from route_agent.records.runs import Attempt, Cost, Run
from route_agent.risk import assess
from route_agent.routing import route

DEFAULT = NamedPolicy("default", parse_policy(presets()["default"].read_bytes(), "default"))


def change(*paths: str) -> Change:
    files = tuple(FileChange(path, "100644", "100644", "1", "2", 3, 1) for path in paths)
    return Change("1", "2", files)


def past(
    ledger: Ledger,
    run_id: str,
    brief: str,
    *,
    paths: tuple[str, ...] = (),
    touched: tuple[str, ...] = (),
    usd: float | None = 0.02,
    solved_by: str = "",
    lane: str = "",
    at: str = "2026-06-01T12:00:00.000+00:00",
    repository: str = "/r",
    policy: NamedPolicy = DEFAULT,
    verdict: Verdict | None = None,
    replayed: bool = False,
    with_paths: bool = True,
    by_hand: bool = False,
) -> Run:
    """One run of a policy, with its first attempt accepted unless another lane solved it (`-`: none did)."""
    known = Facts(brief=brief, change=change(*paths), failures=0)
    risk = assess(known, policy.policy)
    fits = fitting(brief, [it.name for it in risk.signals if it.raised])
    decision = route(risk, policy, most_demanding(fits), fits=fits)
    if lane:
        asked = ("--lane fast was asked for",) if by_hand else ()
        decision = replace(decision, lane=lane, reasons=(*asked, *decision.reasons))
    solver = solved_by or decision.lane
    lanes = [decision.lane] if solver == decision.lane else [decision.lane, "strong"]
    attempts = tuple(
        Attempt(
            name,
            "openai",
            "m",
            change=change(*(touched or paths)),
            failure=None if name == solver else Failure.WEAK,
        )
        for name in lanes
    )
    micro = None if usd is None else round(usd * 1_000_000)
    call = Call(1, "fast", "openai", "m", "m", CallState.DONE, None, micro, 0, 1.0)
    run = Run(
        id=run_id,
        started_at=at,
        repository=repository,
        brief=brief,
        base="1",
        start="2",
        verdict=verdict or (Verdict.NOT_PROVED if solver == "-" else Verdict.ACCEPTED),
        reason="",
        isolation=Isolation(IsolationLevel.NONE),
        risk=risk,
        decision=decision,
        attempts=attempts,
        cost=Cost.of([call]),
        replayed=replayed,
    )
    ledger.begin(run, forced_lane=False)
    if with_paths:
        ledger.decided(run, known)
    for number, attempt in enumerate(attempts, 1):
        ledger.add_attempt(run_id, number, attempt)
    ledger.finish(run, json.dumps(TypeAdapter(Run).dump_python(run, mode="json")))
    return run


def ledger_at(file: Path) -> Ledger:
    file.parent.mkdir(parents=True, exist_ok=True)
    return Ledger(file)
