"""The proof log's entries and the chain that holds them: what is hashed. Pure.

A link is the hash of the link before it and of one entry's digest, so no entry can be changed, moved or left
out without every later link coming out otherwise. A digest is made of the hashes of the entry's fields, each
with a salt of its own: a field that must not be shown any more can be withheld, and the others checked.
"""

from __future__ import annotations

import hashlib
import json
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from route_agent.records.grades import Verdict
from route_agent.records.receptions import Received, Source

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

ZERO = "0" * 64  # stands before the first link
MOST_PATCH = 200_000  # characters of one attempt's patch
OPEN, BEGIN, END, RECEPTION = EVENTS = ("open", "begin", "end", "reception")

_CHECK = ("name", "kind", "outcome", "reason", "exit_code", "seconds")
_ATTEMPT = ("lane", "provider", "model", "failure", "reason", "summary", "seconds")
_REVIEW = ("lane", "model", "opinion", "reasons", "cited", "is_canary")
_RECEPTION = (
    "at",
    "source",
    "outcome",
    "minutes",
    "note",
    "reviewer",
    "commit_id",
    "lines",
    "surviving",
    "days",
)
_BEGIN = (
    "started_at", "repository", "brief", "base", "start", "replayed", "policy", "policy_hash", "forced_lane",
)  # fmt: skip
_WELL = (Verdict.ACCEPTED.value, Verdict.PLANNED.value)


def canonical(value: Any) -> str:
    """One spelling for equal values.

    Raises:
        ValueError: a number that JSON has none for.
    """
    return json.dumps(value, sort_keys=True, separators=(",", ":"), allow_nan=False)


def field_salt(salt: str, name: str) -> str:
    """The salt of one field, from its entry's."""
    return _hash(f"{salt}:{name}")


def field_digest(salt: str, value: Any) -> str:
    """The hash of one field's value with its own salt."""
    return _hash(f"{salt}:{canonical(value)}")


def digest_of(content: Mapping[str, Any], salt: str) -> str:
    """An entry's digest, from all its fields."""
    return digest_of_fields({name: field_digest(field_salt(salt, name), it) for name, it in content.items()})


def digest_of_fields(digests: Mapping[str, str]) -> str:
    """An entry's digest, from those of its fields."""
    return _hash(canonical(dict(digests)))


def link_of(previous: str, number: int, at: str, run_id: str, event: str, digest: str) -> str:
    """The link that binds an entry to its place and to everything before it."""
    return _hash(canonical([previous, number, at, run_id, event, digest]))


def _hash(text: str) -> str:
    return hashlib.sha256(text.encode("utf-8", "surrogatepass")).hexdigest()


def begun(row: Mapping[str, Any]) -> dict[str, Any]:
    """What is kept of a run's beginning, from its row in the ledger."""
    told = {name: row[name] for name in _BEGIN}
    told["task"] = told.pop("brief")
    return {**told, "replayed": bool(row["replayed"]), "forced_lane": bool(row["forced_lane"])}


def ended(report: Mapping[str, Any]) -> dict[str, Any]:
    """What is kept of a run's end, from its report as the ledger has it, secrets already taken out."""
    decision, risk = report.get("decision") or {}, report.get("risk") or {}
    cost = report.get("cost") or {}
    return {
        "verdict": report.get("verdict"),
        "reason": report.get("reason"),
        "first_lane": decision.get("lane"),
        "routed": decision.get("reasons") or [],
        "task_class": decision.get("task_class"),
        "score": risk.get("score"),
        "cost_micro_usd": cost.get("known_micro_usd"),
        "calls_without_price": cost.get("unknown_calls"),
        "seconds": _rounded(report.get("seconds")),
        "delivered": report.get("delivered") or "",
        "baseline": _checks(report.get("baseline")),
        "attempts": [_attempt(it) for it in report.get("attempts") or ()],
    }


def received(row: Mapping[str, Any]) -> dict[str, Any]:
    """What is kept of a word about a run's patch, from its row."""
    return {name: row[name] for name in _RECEPTION}


def _attempt(told: Mapping[str, Any]) -> dict[str, Any]:
    evidence, calls = told.get("evidence") or {}, told.get("calls") or ()
    patch = told.get("patch") or ""
    served = [it.get("model_served") for it in calls if it.get("model_served")]
    return {
        **{name: told.get(name) for name in _ATTEMPT},
        "seconds": _rounded(told.get("seconds")),
        "model_served": served[-1] if served else None,
        "grade": evidence.get("grade") or "none",
        "findings": [
            f"{it.get('path')}:{it.get('line')} {it.get('what')}"
            for it in (evidence.get("known") or {}).get("findings") or ()
        ],
        "checks": _checks(evidence.get("checks")),
        "reviews": [{name: it.get(name) for name in _REVIEW} for it in told.get("reviews") or ()],
        "patch": patch[:MOST_PATCH],
        "patch_left_out": max(0, len(patch) - MOST_PATCH),
    }


def _checks(run: Mapping[str, Any] | None) -> list[dict[str, Any]]:
    return [
        {**{name: it.get(name) for name in _CHECK}, "seconds": _rounded(it.get("seconds")), **_counted(it)}
        for it in (run or {}).get("results") or ()
    ]


def _counted(check: Mapping[str, Any]) -> dict[str, Any]:
    """How many tests of a check passed and failed; None where it does not count any."""
    tests = check.get("tests")
    if tests is None:
        return {"passed": None, "failed": None}
    outcomes = list(tests.values()) if isinstance(tests, dict) else []
    return {"passed": outcomes.count("passed"), "failed": sum(it in ("failed", "error") for it in outcomes)}


def _rounded(seconds: Any) -> Any:
    return round(seconds, 3) if isinstance(seconds, float) else seconds


def has_failed(contents: Iterable[tuple[str, Mapping[str, Any]]]) -> bool:
    """Whether a run is a failure case, by its entries: not proved, never ended, or refused by people.

    What is withheld counts as the worse of the two: nobody hides a failure among the others.
    """
    told = list(contents)
    verdicts = [it.get("verdict") for event, it in told if event == END]
    words = [it for event, it in told if event == RECEPTION]
    words = [it for it in words if it.get("source") != Source.GIT.value] or words
    back = bool(words) and words[-1].get("outcome") not in (Received.ACCEPT.value, Received.AMEND.value)
    return back or not verdicts or verdicts[-1] not in _WELL


def in_order(cases: Sequence[tuple[bool, int]]) -> list[int]:
    """In which order cases are told: failures first, then as they began.

    Args:
        cases: of each whether it failed, and the number of its first entry.
    """
    return sorted(range(len(cases)), key=lambda at: (not cases[at][0], cases[at][1]))


@dataclass(frozen=True, slots=True)
class Row:
    """One entry of the chain, without what it says."""

    number: int
    at: str
    run_id: str
    event: str
    digest: str
    link: str


@dataclass(frozen=True, slots=True)
class Pin:
    """A link that was published earlier: what stood up to it can be changed no more without being seen."""

    number: int
    link: str
