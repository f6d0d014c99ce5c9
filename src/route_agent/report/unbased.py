"""A whole tree that was judged by itself, as lines of a terminal."""

from __future__ import annotations

from typing import TYPE_CHECKING

from route_agent.report.words import summary

if TYPE_CHECKING:
    from route_agent.first_push import Unbased

    Lines = list[tuple[str, str]]


def render_unbased(found: Unbased) -> Lines:
    """What is to be said about a push with nothing to compare with."""
    told: Lines = [(f"policy    {found.policy}", "")]
    told += [(f"note      {notice}", "yellow") for notice in found.notices]
    if found.checks:
        cached = " (from an earlier run on this tree)" if found.checks.cached else ""
        told.append((f"checks    {summary(found.checks)}{cached}", ""))
        told += [
            (f"          {it.name}: {it.reason}", "yellow") for it in found.checks.results if not it.passed
        ]
    ending = "passed" if not found.failure else "not proved" if found.blocks else "let through by the policy"
    told.append((f"result    {ending}: {found.reason}", "bold red" if found.blocks else "bold green"))
    told.append((f"latency_seconds: {found.seconds:.1f}", ""))
    told.append((f"isolation: {found.isolation}", ""))
    return told
