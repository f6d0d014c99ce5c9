"""Whether a task was asked for again, and whether the operator overrode where it would have gone. Pure."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from route_agent.records.risk import Decision

RETRY_DAYS = 7
LATEST_RUNS = 50  # of a repository, among which an earlier one of the same brief is looked for
_ALIKE = 0.8  # of all words of two briefs, those in both
_LEAST_WORDS = 4  # fewer say too little to be nearly the same
_MOST = 4000  # characters of a brief that are looked at
_ASKED = re.compile(r"--(only-)?lane \S+ was asked for$")


def words_of(brief: str) -> tuple[str, ...]:
    """A brief as it is compared: its words in small letters, without punctuation."""
    return tuple(re.findall(r"\w+", brief[:_MOST].casefold()))


def is_the_same(one: tuple[str, ...], other: tuple[str, ...]) -> bool:
    """Whether two briefs, as `words_of` gives them, ask for the same, or nearly so."""
    if one == other:
        return bool(one)
    a, b = set(one), set(other)
    return min(len(a), len(b)) >= _LEAST_WORDS and len(a & b) >= _ALIKE * len(a | b)


def override_of(decision: Decision, *, forced: bool) -> str:
    """How the operator overrode the route: `forced`, `up` (a higher lane), `only`; empty where not."""
    if forced:
        return "forced"
    asked = next((found for it in decision.reasons if (found := _ASKED.match(it))), None)
    routed = decision.advice[0].lane if decision.advice else decision.lane
    if asked is None or routed in decision.ladder:
        return ""
    return "only" if asked[1] else "up"
