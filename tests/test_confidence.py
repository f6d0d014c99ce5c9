"""How sure one may be of a patch: every part of it is named, and no sum leaves its bounds."""

from __future__ import annotations

from typing import Any

import pytest
from test_docs import page, table, tables, word

from route_agent.confidence import (
    APPROVED_BY_TRUSTED,
    APPROVED_BY_UNTRIED,
    CONFIRMED_STATIC,
    EFFORT_STEPS,
    LEAST_RUNS,
    OPINION_STEPS,
    RIGHT,
    SIZE_STEPS,
    Usual,
    confidence,
)
from route_agent.policy import parse_policy
from route_agent.records.grades import Grade
from route_agent.records.reviews import Opinion, Review, Track
from route_agent.records.runs import Cost

CHEAP, USUAL = Cost(1_000), Usual(40, 1_000)
UNTRIED = Track()
PROVEN, UNPROVEN = Track(20, 17, 40, 4), Track(20, 4, 40, 10)


def opinion(said: Opinion, track: Track = UNTRIED) -> Review:
    return Review("verifier", "other-1", said, track=track)


def of(grade: Grade, **facts: Any) -> float:
    return told(grade, **facts)[0]


def told(grade: Grade, **facts: Any) -> tuple[float, tuple[str, ...]]:
    known: dict[str, Any] = {
        "is_confirmed": False, "cost": CHEAP, "usual": USUAL, "lines": 4, "review": None, **facts
    }  # fmt: skip
    return confidence(grade, **known)


@pytest.mark.parametrize(
    ("grade", "measured"), [(Grade.RAN, 0.58), (Grade.COVERED, 0.80), (Grade.DISCRIMINATING, 0.95)]
)
def test_it_begins_with_what_was_measured_for_the_grade(grade: Grade, measured: float) -> None:
    assert of(grade) == measured


def test_static_checks_say_more_where_the_files_are_of_the_tasks_class() -> None:
    assert of(Grade.STATIC, is_confirmed=True) == 0.70
    assert of(Grade.STATIC) == 0.50
    assert of(Grade.RAN, is_confirmed=True) == 0.70  # tests that passed besides take nothing away
    assert of(Grade.COVERED, is_confirmed=True) == 0.80


def test_every_part_is_named_with_its_step() -> None:
    value, reasons = told(Grade.COVERED, cost=Cost(4_500), lines=230, review=opinion(Opinion.APPROVE, PROVEN))

    assert reasons == (
        "covered: 0.80",
        "cost 4.5 times the lane's usual (n=40): -0.7",
        "230 lines added and removed: -0.5",
        "the verifier approves, and tells bad patches from good ones: +0.5",
    )
    assert value == 0.67  # log-odds 1.386 - 0.7 - 0.5 + 0.5


@pytest.mark.parametrize(
    ("cost", "usual", "words"),
    [
        (Cost(9_000), Usual(19, 1_000), "effort unknown: 19 earlier attempts of this lane, 20 are needed"),
        (Cost(9_000, 1), USUAL, "effort unknown: a call has no known price"),
        (Cost(), USUAL, "effort left out: it cost nothing"),
        (Cost(9_000), Usual(), "effort unknown: 0 earlier attempts of this lane, 20 are needed"),
    ],
)
def test_an_effort_that_cannot_be_compared_counts_nothing_and_says_so(
    cost: Cost, usual: Usual, words: str
) -> None:
    value, reasons = told(Grade.COVERED, cost=cost, usual=usual)

    assert value == of(Grade.COVERED)
    assert words in reasons


def test_a_dear_attempt_a_large_patch_and_a_refusal_lower_it() -> None:
    usual = of(Grade.COVERED)

    assert of(Grade.COVERED, cost=Cost(2_000)) == usual
    assert usual > of(Grade.COVERED, cost=Cost(2_001)) > of(Grade.COVERED, cost=Cost(4_001))
    assert of(Grade.COVERED, lines=50) == usual
    assert usual > of(Grade.COVERED, lines=51) > of(Grade.COVERED, lines=201)
    unsure, refused = (of(Grade.COVERED, review=opinion(it)) for it in (Opinion.UNSURE, Opinion.REJECT))
    assert usual > unsure > refused


def test_an_approval_is_worth_what_its_verifier_is_worth() -> None:
    untried = of(Grade.RAN, review=opinion(Opinion.APPROVE))

    assert of(Grade.RAN, review=opinion(Opinion.APPROVE, UNPROVEN)) == of(Grade.RAN)
    assert of(Grade.RAN) < untried < of(Grade.RAN, review=opinion(Opinion.APPROVE, PROVEN))


def test_tests_that_merely_ran_reach_the_built_in_threshold_only_with_a_verifier_of_proven_worth() -> None:
    threshold = parse_policy("version: 1\n", "p.yaml").routing.confidence_threshold

    assert of(Grade.RAN) < threshold
    assert of(Grade.RAN, review=opinion(Opinion.APPROVE)) < threshold
    assert of(Grade.RAN, review=opinion(Opinion.APPROVE, PROVEN)) >= threshold
    assert of(Grade.COVERED) >= threshold
    assert of(Grade.STATIC, is_confirmed=True) >= threshold


def test_no_sum_of_steps_leaves_its_bounds_or_turns_the_order_of_grades() -> None:
    worst: dict[str, Any] = {"cost": Cost(10**9), "lines": 10**6, "review": opinion(Opinion.REJECT)}
    best: dict[str, Any] = {"review": opinion(Opinion.APPROVE, PROVEN), "lines": 0}
    for facts in (worst, best, {}):
        values = [of(grade, **facts) for grade in Grade]
        assert values == sorted(values)
        assert 0 < values[0] < values[-1] < 1


def test_the_tables_of_routing_md_have_every_number() -> None:
    rows = table("ROUTING.md", "Confidence")
    steps = {
        **{f"cost above {above:g} times the lane's usual": step for above, step in EFFORT_STEPS},
        **{f"more than {above} lines added and removed": step for above, step in SIZE_STEPS},
        "the verifier approves and tells bad patches from good ones": APPROVED_BY_TRUSTED,
        "the verifier approves, untried by known-bad patches": APPROVED_BY_UNTRIED,
        "the verifier approves and did no better than chance": 0,
        "the verifier is unsure": OPINION_STEPS[Opinion.UNSURE],
        "the verifier rejects": OPINION_STEPS[Opinion.REJECT],
    }
    every = [found for above, found in tables(page("ROUTING.md")) if above == "Confidence"]
    text = " ".join(page("ROUTING.md").split())
    told = {row[0]: row[1] for row in next(rows for head, *rows in every if head[0] == "What")}

    assert {word(row[0]): row[1].split(";")[0] for row in rows} == {
        grade.value: f"{share:.2f}" for grade, share in RIGHT.items()
    }
    assert f"{CONFIRMED_STATIC:.2f} where the touched files confirm" in text
    assert told == {what: f"{step:+.1f}" if step else "0" for what, step in steps.items()}
    assert f"Below {LEAST_RUNS} such attempts it is left out" in text
