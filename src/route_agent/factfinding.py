"""What is known about a task before any lane is asked: read from git, the ledger and the baseline.

What takes time is read only where a rule of the policy asks for it, or where a person does (`deep`). What
could not be read, or not in time, is unknown and never nothing.
"""

from __future__ import annotations

import builtins
from typing import TYPE_CHECKING, Any

from route_agent import brief as briefs
from route_agent.errors import LedgerError
from route_agent.places import ledger_file
from route_agent.records.facts import Facts
from route_agent.repo.author import name_of
from route_agent.repo.past import past
from route_agent.repo.touched import read_change
from route_agent.risk.shape import is_tested_code, names_its_test, stems_of_tests, unlike_any

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

    from route_agent.ground import Opened
    from route_agent.policy import Policy
    from route_agent.records.change import Change
    from route_agent.records.checks import CheckRun
    from route_agent.records.facts import ChangedText
    from route_agent.repo.repository import Repository
    from route_agent.repo.trees import Trees

HISTORY_S = 0.3  # in a run; a person who asks for an explanation waits longer
HISTORY_DEEP_S = 5.0
_MAX_UNTESTED = 50
# a brief that names OverflowError asks for nothing new
_OF_PYTHON = frozenset(dir(builtins))
_OF_COMPLEXITY = frozenset({"novelty"})
_OF_HISTORY = frozenset({"churn", "past_reverts"})


def find(ground: Opened, brief: str, baseline: CheckRun | None, *, deep: bool = False) -> Facts:
    """Everything that the policy's rules need to know; with `deep`, all that can be known."""
    policy = ground.policy.policy
    symbols = _unknown_symbols(ground, brief)
    named = briefs.named_paths(brief, ground.paths())
    failing = tuple(
        f"{result.name}: {test}" if test else result.name
        for result in (baseline.failed if baseline else ())
        for test in (sorted(result.red) or [""])
    )
    touched = ground.change.paths or named
    read = of_change(ground.slot.trees, ground.change, policy)
    asked = frozenset(name for name, _ in _TAKING_TIME) if deep else needed(policy)
    return Facts(
        brief=brief,
        change=ground.change,
        named=named,
        unknown_symbols=symbols,
        failures=baseline.failures if baseline else None,
        failing=failing,
        **read,
        **_history(ground, touched, asked, deep=deep),
        **_escalations(ground, asked),
        **_untested(ground, touched, read["texts"], baseline, asked),
        **_novel(ground, symbols, asked),
    )


_TAKING_TIME = (
    ("untested", "untested"),
    ("novelty", "novel"),
    ("churn", "commits"),
    ("past_reverts", "reverts"),
    ("past_escalations", "escalations"),
)


def needed(policy: Policy) -> frozenset[str]:
    """The signals that take time and of which the decision may hang."""
    weighed = {name for name, rule in policy.signals.items() if rule.points}
    weighed |= set(policy.routing.always_strong_if)
    if policy.routing.mode != "rules":
        weighed |= _OF_COMPLEXITY
    return frozenset(name for name, _ in _TAKING_TIME if name in weighed)


def of_change(trees: Trees, change: Change, policy: Policy) -> dict[str, Any]:
    """The changed lines of a change, for the rules that look at them."""
    if not change.files or not any(rule.content for rule in policy.signals.values()):
        return {"texts": (), "unread": (), "hunks": None}
    read, unread = read_change(trees, change)
    return {"texts": read.texts, "unread": unread, "hunks": None if unread else read.hunks}


def _unknown_symbols(ground: Opened, brief: str) -> tuple[str, ...]:
    # those beyond what is looked up count as unknown: names that are added hide none
    symbols = briefs.named_symbols(brief, most=len(brief))
    looked_up = symbols[: briefs.MAX_LOOKED_UP]
    known = ground.slot.trees.words_in(ground.start, looked_up) if symbols else frozenset[str]()
    return tuple(symbol for symbol in symbols if symbol not in known and symbol not in _OF_PYTHON)


def _history(ground: Opened, touched: Sequence[str], asked: frozenset[str], *, deep: bool) -> dict[str, Any]:
    if not asked & _OF_HISTORY or ground.repository.shallow:
        return {}
    seconds = HISTORY_DEEP_S if deep else HISTORY_S
    found = past(ground.repository.root, ground.base, touched, deadline_s=seconds)
    return {"commits": found.commits, "reverts": found.reverts} if found else {}


def _escalations(ground: Opened, asked: frozenset[str]) -> dict[str, Any]:
    known = escalated_paths(ground.repository) if "past_escalations" in asked else None
    return {"escalations": known}


def escalated_paths(repository: Repository) -> Mapping[str, int] | None:
    """How many earlier runs escalated, by the path that they touched; None where there is no ledger."""
    from route_agent.ledger.history import History

    if not ledger_file().is_file():
        return None
    try:
        history = History(ledger_file())
    except LedgerError:
        return None
    try:
        return history.escalated_paths(name_of(repository))
    except LedgerError:
        return None
    finally:
        history.close()


def _untested(
    ground: Opened,
    touched: Sequence[str],
    texts: Sequence[ChangedText],
    baseline: CheckRun | None,
    asked: frozenset[str],
) -> dict[str, Any]:
    if "untested" not in asked:
        return {}
    executed: dict[str, set[int]] = {}
    for result in baseline.results if baseline else ():
        for path, lines in (result.lines or {}).items():
            executed.setdefault(path, set()).update(lines)
    there = set(ground.paths())
    changed = {text.path: text.numbers for text in texts}
    places: list[str] = []
    stems: frozenset[str] | None = None
    for path in touched:
        if path not in there or not is_tested_code(path):
            continue
        if path in executed:
            places += _unexecuted(path, [it for it in changed.get(path, ()) if it > 0], executed[path])
            continue
        stems = stems_of_tests(there) if stems is None else stems
        if not names_its_test(path, stems):
            places.append(f"{path}: no test is named after it (nothing was measured)")
    return {"untested": tuple(places[:_MAX_UNTESTED])}


def _unexecuted(path: str, added: Sequence[int], executed: set[int]) -> Iterable[str]:
    """The first touched line of a measured file, where tests execute none of them."""
    if added and executed.isdisjoint(added):
        yield f"{path}:{added[0]} no test executes the touched lines"
    elif not executed:
        yield f"{path}: no test executes any of it"


def _novel(ground: Opened, symbols: Sequence[str], asked: frozenset[str]) -> dict[str, Any]:
    if "novelty" not in asked:
        return {}
    new = [file.path for file in ground.change.files if file.is_new]
    if not new and not symbols:
        return {"novel": ()}
    added = set(new)
    before = (path for path in ground.paths() if path not in added)
    files, names = unlike_any(new, symbols, before)
    return {"novel": files, "novel_names": names}
