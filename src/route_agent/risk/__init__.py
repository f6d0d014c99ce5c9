"""How risky is this task? A sum of explicit signals, each with its points and its evidence.

The points come from the policy. With the built-in one the score is
``min(files,8) + 5·schema + 5·auth + min(2·failures,6) + 3·new_code``; every other signal weighs nothing
there, and counts by `always_strong_if`, by another mode or by another policy. The brief is tainted: whatever
it says can only raise a signal.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from route_agent.policy import SignalRule
from route_agent.records.facts import ChangedText, Facts
from route_agent.records.risk import Risk, Signal
from route_agent.risk.difflines import read_diff
from route_agent.risk.found import Found, look
from route_agent.risk.signals import ONLY_WEIGHED, SIGNALS

if TYPE_CHECKING:
    from collections.abc import Mapping

    from route_agent.policy import Policy
    from route_agent.records.change import Change

__all__ = [
    "SIGNALS",
    "ChangedText",
    "Facts",
    "Found",
    "assess",
    "assess_found",
    "facts_of",
    "look",
    "reassess",
]


def assess(facts: Facts, policy: Policy, lines: Mapping[str, str] | None = None) -> Risk:
    """Every signal with its points, raised or not, and their sum.

    Args:
        lines: where the policy gives each signal its points, as `file:line`.
    """
    return assess_found(look(facts, policy), policy, lines)


def assess_found(found: Found, policy: Policy, lines: Mapping[str, str] | None = None) -> Risk:
    """The same of what was looked up already."""
    told = lines or {}
    signals: list[Signal] = []
    for name, signal in SIGNALS:
        signals.append(signal(name, found, policy.signals.get(name, SignalRule()), told.get(name, "")))
    return Risk(sum(signal.points for signal in signals), tuple(signals))


def reassess(risk: Risk, found: Found, policy: Policy) -> Risk:
    """The risk of another cut of the same change: what decides is computed anew, all else stays as it was."""
    signals = tuple(
        compute(name, found, policy.signals.get(name, SignalRule()), old.rule)
        if _decides(name, policy)
        else old
        for (name, compute), old in zip(SIGNALS, risk.signals, strict=True)
    )
    return Risk(sum(signal.points for signal in signals), signals)


def _decides(name: str, policy: Policy) -> bool:
    rule = policy.signals.get(name, SignalRule())
    return bool(rule.points) or name in policy.routing.always_strong_if or name not in ONLY_WEIGHED


def facts_of(change: Change, patch: str) -> Facts:
    """What is known of a patch alone, from its files and its text as git writes it."""
    read = read_diff(patch)
    return Facts(brief="", change=change, texts=read.texts, hunks=read.hunks)
