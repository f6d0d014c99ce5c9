"""From a risk to a ladder."""

from __future__ import annotations

import pytest

from route_agent.decide import with_usable_lanes
from route_agent.errors import UsageError
from route_agent.policy import NamedPolicy, parse_policy
from route_agent.records.checks import CheckKind
from route_agent.records.grades import Grade, TaskClass
from route_agent.records.risk import Decision, Provenance, Risk, Signal
from route_agent.routing import Wish, route, within_reach

POLICY = """
version: 1
models:
  fixer: {provider: fixer, run: [[ruff, check, --fix, .]]}
  fast: {provider: openai, model: a}
  middle: {provider: openai, model: b}
  strong: {provider: openai, model: c}
routing:
  ladder: [fixer, fast, middle, strong]
  fast_max_score: 3
  strong_min_score: 7
  always_strong_if: [auth_code]
accept: {fast: {default: covered, docs: static}, strong: ran}
"""
NAMED = NamedPolicy("test", parse_policy(POLICY, "test"))


def risk(score: int, *raised: str) -> Risk:
    return Risk(score, tuple(Signal(name, True, 0, Provenance.TRUSTED) for name in raised))


def decide(
    score: int,
    *raised: str,
    wish: Wish | None = None,
    task: TaskClass = "bug",
    red: CheckKind | None = None,
) -> Decision:
    kinds = frozenset({red}) if red else frozenset[CheckKind]()
    return route(risk(score, *raised), NAMED, task, red_kinds=kinds, wish=wish)


@pytest.mark.parametrize(
    ("score", "lane"), [(0, "fast"), (3, "fast"), (4, "middle"), (6, "middle"), (7, "strong"), (99, "strong")]
)
def test_the_score_picks_the_lowest_the_second_or_the_highest_of_three_model_lanes(
    score: int, lane: str
) -> None:
    assert decide(score).lane == lane


def test_the_ladder_goes_up_from_the_chosen_lane() -> None:
    assert decide(1).ladder == ("fast", "middle", "strong")
    assert decide(9).ladder == ("strong",)


def test_an_always_strong_condition_is_not_negotiable_by_score() -> None:
    decision = decide(0, "auth_code")

    assert decision.ladder == ("strong",)
    assert decision.reasons == ("always strong: auth_code",)


def test_a_fixer_goes_first_only_where_its_class_and_its_check_say_so() -> None:
    assert decide(1, task="lint", red=CheckKind.LINT).ladder == ("fixer", "fast", "middle", "strong")
    assert decide(5, task="lint", red=CheckKind.LINT).ladder == ("fixer", "middle", "strong")
    assert decide(7, task="lint", red=CheckKind.LINT).ladder == ("fixer", "strong")
    assert decide(1, task="lint").lane == "fast"
    assert decide(1, task="bug", red=CheckKind.LINT).lane == "fast"
    assert decide(1, "auth_code", task="lint", red=CheckKind.LINT).lane == "strong"


def test_a_wished_lane_starts_there_and_still_escalates() -> None:
    assert decide(0, wish=Wish("middle")).ladder == ("middle", "strong")
    assert decide(0, wish=Wish("middle", only=True)).ladder == ("middle",)


def test_no_wish_goes_below_an_always_strong_condition_without_force() -> None:
    with pytest.raises(UsageError, match="always goes to strong"):
        decide(0, "auth_code", wish=Wish("fast"))
    assert decide(0, "auth_code", wish=Wish("fast", force=True)).lane == "fast"
    with pytest.raises(UsageError, match='unknown lane "quick"'):
        decide(0, wish=Wish("quick"))


def test_a_lane_that_no_check_here_could_satisfy_is_skipped_with_the_reason() -> None:
    decision = within_reach(decide(0), NAMED.policy, Grade.RAN)

    assert decision.ladder == ("middle", "strong")
    assert decision.skipped == ("fast skipped: it needs covered, and no check here can prove more than ran",)


def test_a_lane_without_a_key_is_skipped_and_an_empty_ladder_is_an_error() -> None:
    decision = with_usable_lanes(decide(0), {"fast": "A_KEY is not set"})

    assert (decision.lane, decision.ladder) == ("middle", ("middle", "strong"))
    assert decision.skipped == ("fast skipped: A_KEY is not set",)
    with pytest.raises(UsageError, match="no key for lane strong: A_KEY is not set"):
        with_usable_lanes(decide(9), {"strong": "A_KEY is not set"})
