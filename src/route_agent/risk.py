"""How risky is this task? A sum of explicit signals, each with its points and its evidence.

The points come from the policy. With the built-in one the score is
``min(files,8) + 5·schema + 5·auth + 5·ci_or_deploy + 5·auto_executed + min(2·failures,6) + 3·new_code``.
A signal is one function here and one entry of `SIGNALS`. The brief is tainted: whatever it says can only
raise a signal.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from route_agent.brief import words_found
from route_agent.globs import first_match
from route_agent.policy import SignalRule
from route_agent.records.facts import Facts
from route_agent.records.risk import Provenance, Risk, Signal

if TYPE_CHECKING:
    from collections.abc import Callable

    from route_agent.policy import Policy
    from route_agent.records.change import Change

__all__ = ["Facts", "assess", "touched_conditions"]

SHOWN_EVIDENCE = 6


def files(facts: Facts, rule: SignalRule) -> Signal:
    source = Provenance.TRUSTED if facts.change.files else Provenance.TAINTED
    return _count("files", len(facts.touched), rule, source, facts.touched)


def lines(facts: Facts, rule: SignalRule) -> Signal:
    changed = facts.change.added + facts.change.deleted
    return _count("lines", changed, rule, Provenance.TRUSTED, (facts.change.summary,) if changed else ())


def test_failures(facts: Facts, rule: SignalRule) -> Signal:
    evidence = ("checks not run yet",) if facts.failures is None else facts.failing
    return _count("test_failures", facts.failures or 0, rule, Provenance.TRUSTED, evidence)


def new_code(facts: Facts, rule: SignalRule) -> Signal:
    evidence = [f'the brief says "{word}"' for word in words_found(facts.brief, rule.words)]
    evidence += [f"{name} does not exist at start" for name in facts.unknown_symbols]
    return _flag("new_code", tuple(evidence), rule, Provenance.TAINTED)


def _rule_of(name: str) -> Callable[[Facts, SignalRule], Signal]:
    """A signal that is raised by a path of the change, or by a path or a word of the brief."""

    def signal(facts: Facts, rule: SignalRule) -> Signal:
        trusted = _path_evidence(facts.change.paths, rule)
        tainted = _path_evidence(facts.named, rule)
        tainted += tuple(f'the brief says "{word}"' for word in words_found(facts.brief, rule.words))
        source = Provenance.TAINTED if tainted and not trusted else Provenance.TRUSTED
        return _flag(name, trusted + tainted, rule, source)

    return signal


def _path_evidence(paths: tuple[str, ...], rule: SignalRule) -> tuple[str, ...]:
    return tuple(f"{path} matches {found}" for path in paths if (found := first_match(path, rule.paths)))


def _count(name: str, value: int, rule: SignalRule, source: Provenance, evidence: tuple[str, ...]) -> Signal:
    points = rule.points * value
    capped = points if rule.max_points is None else min(points, rule.max_points)
    return Signal(name, value, capped, source, evidence[:SHOWN_EVIDENCE])


def _flag(name: str, evidence: tuple[str, ...], rule: SignalRule, source: Provenance) -> Signal:
    raised = bool(evidence)
    return Signal(name, raised, rule.points if raised else 0, source, evidence[:SHOWN_EVIDENCE])


SIGNALS: tuple[tuple[str, Callable[[Facts, SignalRule], Signal]], ...] = (
    ("files", files),
    ("lines", lines),
    ("schema_change", _rule_of("schema_change")),
    ("auth_code", _rule_of("auth_code")),
    ("ci_or_deploy", _rule_of("ci_or_deploy")),
    ("auto_executed", _rule_of("auto_executed")),
    ("secrets_handling", _rule_of("secrets_handling")),
    ("dependency_manifest", _rule_of("dependency_manifest")),
    ("test_failures", test_failures),
    ("new_code", new_code),
    ("production_incident", _rule_of("production_incident")),
)


def assess(facts: Facts, policy: Policy) -> Risk:
    """Every signal with its points, raised or not, and their sum."""
    found = tuple(signal(facts, policy.signals.get(name, SignalRule())) for name, signal in SIGNALS)
    return Risk(sum(signal.points for signal in found), found)


def touched_conditions(change: Change, policy: Policy) -> tuple[tuple[str, str], ...]:
    """The always-strong conditions that a patch's own files meet, each with its evidence."""
    return tuple(
        (condition, evidence[0])
        for condition in policy.routing.always_strong_if
        if (evidence := _path_evidence(change.paths, policy.signals.get(condition, SignalRule())))
    )
