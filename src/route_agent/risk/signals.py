"""Each signal as one function: from what was found, and the policy's rule for it, to its value and points."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable
from typing import TYPE_CHECKING

from route_agent.records.risk import Provenance, Signal
from route_agent.risk.shape import kind_of, modules_of

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from route_agent.policy import SignalRule
    from route_agent.risk.found import Found

SHOWN_EVIDENCE = 6
LATELY_DAYS = 90

Compute = Callable[[str, "Found", "SignalRule", str], Signal]


def files(name: str, found: Found, rule: SignalRule, where: str) -> Signal:
    facts = found.facts
    return _count(name, len(facts.touched), rule, where, _from(found), facts.touched)


def lines(name: str, found: Found, rule: SignalRule, where: str) -> Signal:
    change = found.facts.change
    changed = change.added + change.deleted
    return _count(name, changed, rule, where, Provenance.TRUSTED, (change.summary,) if changed else ())


def hunks(name: str, found: Found, rule: SignalRule, where: str) -> Signal:
    facts = found.facts
    value = 0 if not facts.change.files else facts.hunks
    return _count(name, value, rule, where, Provenance.TRUSTED, ())


def file_kinds(name: str, found: Found, rule: SignalRule, where: str) -> Signal:
    kinds = Counter(kind_of(path) for path in found.facts.touched)
    told = tuple(f"{count} {kind}" for kind, count in kinds.most_common())
    return _count(name, len(kinds), rule, where, _from(found), told)


def test_failures(name: str, found: Found, rule: SignalRule, where: str) -> Signal:
    facts = found.facts
    evidence = ("checks not run yet",) if facts.failures is None else facts.failing
    return _count(name, facts.failures, rule, where, Provenance.TRUSTED, evidence)


def new_code(name: str, found: Found, rule: SignalRule, where: str) -> Signal:
    symbols = tuple(f"{symbol} does not exist at start" for symbol in found.facts.unknown_symbols)
    return _flag(name, (), found.tainted(name) + symbols, rule, where)


def by_rule(name: str, found: Found, rule: SignalRule, where: str) -> Signal:
    """A signal that a path or a changed line raises, or a path or a word of the brief."""
    return _flag(name, found.trusted(name), found.tainted(name), rule, where)


def untested(name: str, found: Found, rule: SignalRule, where: str) -> Signal:
    places = found.facts.untested
    if places is None:
        return _unknown(name, where, "nobody looked which tests execute the touched lines")
    return _flag(name, places if _from(found) is Provenance.TRUSTED else (), places, rule, where)


def novelty(name: str, found: Found, rule: SignalRule, where: str) -> Signal:
    facts = found.facts
    if facts.novel is None:
        return _unknown(name, where, "nobody looked for similar code")
    return _flag(name, facts.novel, facts.novel_names, rule, where)


def cross_module(name: str, found: Found, rule: SignalRule, where: str) -> Signal:
    modules = modules_of(found.facts.touched)
    return _count(name, len(modules), rule, where, _from(found), modules)


def churn(name: str, found: Found, rule: SignalRule, where: str) -> Signal:
    commits = found.facts.commits
    return _of_commits(name, found, rule, where, commits, f"in the {LATELY_DAYS} days before base")


def past_reverts(name: str, found: Found, rule: SignalRule, where: str) -> Signal:
    return _of_commits(name, found, rule, where, found.facts.reverts, "took back a change")


def past_escalations(name: str, found: Found, rule: SignalRule, where: str) -> Signal:
    known = found.facts.escalations
    if known is None:
        return _unknown(name, where, "no ledger was asked")
    touched = {path: known[path] for path in found.facts.touched if known.get(path)}
    most = sorted(touched, key=lambda path: -touched[path])
    evidence = tuple(f"{path}: {touched[path]} earlier runs escalated" for path in most)
    return _count(name, max(touched.values(), default=0), rule, where, _from(found), evidence)


def _of_commits(
    name: str,
    found: Found,
    rule: SignalRule,
    where: str,
    known: Mapping[str, frozenset[str]] | None,
    what: str,
) -> Signal:
    if known is None:
        return _unknown(name, where, "the history was not read")
    touched = {path: known[path] for path in found.facts.touched if known.get(path)}
    most = sorted(touched, key=lambda path: -len(touched[path]))
    evidence = tuple(f"{path}: {_some(len(touched[path]), 'commit')} {what}" for path in most)
    value = len(frozenset[str]().union(*touched.values()))
    return _count(name, value, rule, where, _from(found), evidence)


def _some(count: int, what: str) -> str:
    return f"{count} {what}{'' if count == 1 else 's'}"


def _from(found: Found) -> Provenance:
    """Whose word the touched files are: git's where there is a diff, else the brief's."""
    return Provenance.TRUSTED if found.facts.change.files else Provenance.TAINTED


def _count(
    name: str, value: int | None, rule: SignalRule, where: str, source: Provenance, evidence: Iterable[str]
) -> Signal:
    return Signal(name, value, points_of(rule, value), source, _few(evidence), where)


def points_of(rule: SignalRule, value: int | None) -> int:
    """What so many of a counted thing weigh."""
    points = rule.points * (value or 0)
    return points if rule.max_points is None else min(points, rule.max_points)


def _flag(
    name: str, trusted: tuple[str, ...], tainted: tuple[str, ...], rule: SignalRule, where: str
) -> Signal:
    source = Provenance.TAINTED if tainted and not trusted else Provenance.TRUSTED
    raised = bool(trusted or tainted)
    points = rule.points if raised else 0
    return Signal(name, raised, points, source, _few((*trusted, *tainted)), where)


def _unknown(name: str, where: str, why: str) -> Signal:
    return Signal(name, None, 0, Provenance.TRUSTED, (why,), where)


def _few(evidence: Iterable[str]) -> tuple[str, ...]:
    return tuple(dict.fromkeys(evidence))[:SHOWN_EVIDENCE]


# the formula's own first
SIGNALS: tuple[tuple[str, Compute], ...] = (
    ("files", files),
    ("schema_change", by_rule),
    ("auth_code", by_rule),
    ("test_failures", test_failures),
    ("new_code", new_code),
    ("lines", lines),
    ("hunks", hunks),
    ("file_kinds", file_kinds),
    ("ci_or_deploy", by_rule),
    ("auto_executed", by_rule),
    ("secrets_handling", by_rule),
    ("dependency_manifest", by_rule),
    ("public_api", by_rule),
    ("concurrency", by_rule),
    ("money", by_rule),
    ("time_zones", by_rule),
    ("external_api", by_rule),
    ("generated_or_vendored", by_rule),
    ("production_incident", by_rule),
    ("untested", untested),
    ("novelty", novelty),
    ("cross_module", cross_module),
    ("churn", churn),
    ("past_escalations", past_escalations),
    ("past_reverts", past_reverts),
)
COUNTED = frozenset({
    "files", "lines", "hunks", "file_kinds", "test_failures", "cross_module", "churn", "past_escalations",
    "past_reverts",
})  # fmt: skip
# no router asks for these: they act by their points or not at all
ONLY_WEIGHED = frozenset({"lines", "hunks", "file_kinds", "churn", "past_escalations", "past_reverts"})
