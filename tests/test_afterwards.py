"""The second decision: each thing that is looked at is told, and nothing accepts what another thing refuses."""

from __future__ import annotations

import json
import math
from dataclasses import replace
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as some

from route_agent import afterwards
from route_agent.afterwards import Standing, decided, effort_of, likelihood, touched
from route_agent.confidence import LEAST_ATTEMPTS, Efforts
from route_agent.policy import AcceptRule, Policy, parse_policy
from route_agent.records.change import Change, FileChange
from route_agent.records.checks import CheckRun, Isolation, IsolationLevel
from route_agent.records.grades import Failure, Grade
from route_agent.records.lanes import Call, CallState, Usage
from route_agent.records.reviews import Opinion, Review
from route_agent.records.risk import SecondDecision
from route_agent.records.runs import Attempt, Evidence

CHECKS = CheckRun("2" * 40, (), Isolation(IsolationLevel.NONE))
RULE = {"intercept": 0.0, "weights": {"grade": 4.0, "lines": -1.0}, "accept_from": 0.6, "outcomes": 120}


def policy(**routing: Any) -> Policy:
    """The built-in lanes under other rules of routing."""
    return parse_policy(json.dumps({"version": 1, "routing": routing}), "policy.yaml")


def call(**facts: Any) -> Call:
    told = {
        "id": 1, "lane": "fast", "provider": "p", "model_requested": "m", "model_served": "m",
        "state": CallState.DONE, "usage": Usage(900, 0, 0, 100), "cost_micro_usd": 3000,
        "reserved_micro_usd": 9000, "seconds": 1.0,
    }  # fmt: skip
    return Call(**{**told, **facts})


def attempt(
    *paths: str, grade: Grade = Grade.DISCRIMINATING, lines: int = 4, lane: str = "fast", **facts: Any
) -> Attempt:
    names = paths or ("src/till.py",)
    files = [
        FileChange(path, "100644", "100644", "a", "b", lines if path == names[0] else 0, 0) for path in names
    ]
    told: dict[str, Any] = {
        "calls": (call(),),
        "change": Change("1" * 40, "2" * 40, tuple(files)),
        "evidence": Evidence(CHECKS, grade, reasons=("what was proved",)),
        "confidence": 0.9,
        **facts,
    }
    return Attempt(lane, "p", "m", **told)


def after(found: Attempt, rules: Policy, **facts: Any) -> Attempt:
    """What becomes of it, with what it touches, as a run would decide it."""
    seen = touched(found.change, found.patch, rules) if found.change else None
    told: dict[str, Any] = {"policy": rules, "claimed": "bug", "higher": True, "touched": seen, **facts}
    return decided(found, Standing(**told))


def second(found: Attempt) -> SecondDecision:
    assert found.second
    return found.second


# --- what is looked at


def test_a_patch_that_meets_everything_stays_and_every_look_is_told() -> None:
    earlier = Efforts(usd=tuple(range(1000, 6000, 250)))

    done = after(attempt(), policy(), efforts=earlier)

    assert done.failure is None
    assert done.reason == "what was proved"
    assert second(done) == SecondDecision(
        accepts=True,
        reasons=(
            "score 1 by the files that it touches",
            "graded discriminating, fast needs covered",
            "confidence 0.90, 0.65 is needed",
            "effort above 40 % of fast's earlier attempts (cost, n=20)",
            "4 lines added and removed",
        ),
        score=1,
        effort=0.4,
        effort_of="cost, n=20",
    )


@pytest.mark.parametrize(
    ("found", "failure", "words"),
    [
        (attempt(grade=Grade.RAN), Failure.WEAK, "graded ran, fast needs covered: what was proved"),
        (
            attempt(reviews=(Review("verifier", "v", Opinion.REJECT, ("it loses money",)),)),
            Failure.DISPUTED,
            "the verifier (v) says reject: it loses money",
        ),
        (
            attempt(confidence=0.6, confidence_reasons=("covered: 0.80",)),
            Failure.DOUBTFUL,
            "confidence 0.60 is below 0.65: covered: 0.80",
        ),
    ],
    ids=["weak", "disputed", "doubtful"],
)
def test_what_refused_a_patch_before_refuses_it_in_the_same_words(
    found: Attempt, failure: Failure, words: str
) -> None:
    done = after(found, policy())

    assert (done.failure, done.reason) == (failure, words)
    assert not second(done).accepts
    assert any(words.startswith(reason) for reason in second(done).reasons)


def test_where_no_lane_follows_doubt_is_told_and_refuses_nothing() -> None:
    found = attempt(confidence=0.6)

    top = after(found, policy(), higher=False)
    unwanted = after(found, policy(escalate_on=["failed_tests"]))

    assert (top.failure, unwanted.failure) == (None, None)
    assert top.reason == "what was proved; confidence 0.60 is below 0.65, and no higher lane is left"
    assert unwanted.reason.endswith("and the policy does not escalate on it")


def test_an_attempt_without_a_patch_has_its_decision_too() -> None:
    capped = Attempt("fast", "p", "m", (call(),), failure=Failure.CAPPED, reason="a cap is reached\nand more")

    done = after(capped, policy())

    assert (done.failure, done.reason) == (capped.failure, capped.reason)
    assert second(done).reasons == ("capped: a cap is reached", "effort unknown: n=0, 10 are needed")
    assert (second(done).accepts, second(done).score) == (False, None)


# --- what it really touches


def test_a_patch_that_would_have_begun_higher_belongs_there() -> None:
    rules, found = policy(), attempt("auth/session.py")
    assert found.change
    standing = Standing(rules, "bug", touched=touched(found.change, "", rules))

    assert afterwards.belongs_higher(found, standing, ())[0] == "strong"
    assert afterwards.belongs_higher(attempt(lane="strong"), standing, ("an odd letter",)) == ("", "")


def lanes(*names: str, **routing: Any) -> Policy:
    models = {name: {"provider": "openai", "model": f"{name}-1"} for name in names}
    told = {"version": 1, "models": models, "routing": {"ladder": list(names), **routing}, "accept": {}}
    return parse_policy(json.dumps(told), "policy.yaml")


@pytest.mark.parametrize(
    ("lane", "files", "higher"),
    [("low", 2, ""), ("low", 4, "mid"), ("low", 7, "top"), ("mid", 4, ""), ("mid", 7, "top"), ("top", 8, "")],
)
def test_of_three_lanes_a_patch_belongs_to_the_one_at_which_its_diff_would_begin(
    lane: str, files: int, higher: str
) -> None:
    rules = lanes("low", "mid", "top", fast_max_score=3, strong_min_score=6)
    found = attempt(*(f"src/{number}.py" for number in range(files)), lane=lane)
    assert found.change

    standing = Standing(rules, "bug", touched=touched(found.change, "", rules))

    assert afterwards.belongs_higher(found, standing, ())[0] == higher


def test_a_fixer_may_do_what_the_lowest_lane_may() -> None:
    rules = policy()
    small, large = attempt(lane="fixer"), attempt(*(f"src/{it}.py" for it in range(8)), lane="fixer")
    assert small.change
    assert large.change

    def higher(found: Attempt) -> str:
        seen = touched(found.change, "", rules) if found.change else None
        return afterwards.belongs_higher(found, Standing(rules, "lint", touched=seen), ())[0]

    assert (higher(small), higher(large)) == ("", "strong")


# --- the rules of routing.after


def test_an_attempt_that_took_more_than_the_quantile_goes_on_unless_it_is_proved() -> None:
    earlier = Efforts(usd=tuple(range(100, 1100, 100)))
    rules = policy(after={"effort": "p90"})
    dear: dict[str, Any] = {"calls": (call(cost_micro_usd=2000),)}

    struggled = after(attempt(grade=Grade.COVERED, **dear), rules, efforts=earlier)
    proved = after(attempt(**dear), rules, efforts=earlier)
    usual = after(attempt(grade=Grade.COVERED, calls=(call(cost_micro_usd=900),)), rules, efforts=earlier)
    edge = after(attempt(grade=Grade.COVERED, calls=(call(cost_micro_usd=901),)), rules, efforts=earlier)
    few = after(attempt(grade=Grade.COVERED, **dear), rules, efforts=Efforts(usd=earlier.usd[:9]))

    assert (struggled.failure, second(struggled).effort) == (Failure.DOUBTFUL, 1.0)
    assert struggled.reason == ("effort above 100 % of fast's earlier attempts (cost, n=10), p90 is the most")
    assert (proved.failure, usual.failure, few.failure) == (None, None, None)
    assert (edge.failure, second(edge).effort) == (Failure.DOUBTFUL, 0.9)
    assert any(
        it.endswith("p90 is the most: that counts only below discriminating") for it in second(proved).reasons
    )
    assert "effort unknown: n=9, 10 are needed" in second(few).reasons


def test_never_lets_a_rule_count_for_a_proved_patch_too() -> None:
    rules = policy(after={"max_lines": 10, "unless": "never"})

    assert after(attempt(lines=10), rules).failure is None
    large = after(attempt(lines=11), rules)
    assert (large.failure, large.reason) == (Failure.DOUBTFUL, "11 lines added and removed, 10 are the most")
    assert after(attempt(lines=11), policy(after={"max_lines": 10})).failure is None


@pytest.mark.parametrize(("taken", "above"), [(0.5, 0.0), (10, 0.9), (10.5, 1.0), (11, 1.0)])
def test_the_share_and_the_quantile_say_the_same(taken: float, above: float) -> None:
    earlier = Efforts(usd=tuple(float(it) for it in range(1, 11)))
    micro = Efforts(usd=tuple(it * 1000 for it in earlier.usd))

    share, of = effort_of(attempt(calls=(call(cost_micro_usd=round(taken * 1000)),)), micro)

    assert (share, of) == (above, "cost, n=10")


def test_effort_is_compared_by_what_is_known_of_both() -> None:
    tens = tuple(float(it) for it in range(1, 11))
    free = attempt(calls=(call(cost_micro_usd=0),))
    unpriced = attempt(calls=(call(cost_micro_usd=None), call(usage=None)))
    reused = attempt(calls=(call(reused=True),))

    assert effort_of(free, Efforts((0.0,) * 10, (500.0, *tens[1:]), tens)) == (1.0, "tokens, n=10")
    assert effort_of(unpriced, Efforts(tens, tens, tens)) == (0.1, "calls, n=10")
    assert effort_of(reused, Efforts(tens, tens, tens)) == (
        None,
        "the lane's own model did not answer this time",
    )
    assert effort_of(attempt(), Efforts((math.inf,) * 10)) == (0.0, "cost, n=10")
    assert LEAST_ATTEMPTS == 10


# --- the fitted rule


def learned(**rule: Any) -> Policy:
    return policy(mode="learned", learned={"fast": {**RULE, **rule}})


def test_a_patch_that_the_fitted_rule_doubts_goes_on_and_the_figure_is_told() -> None:
    large = after(attempt(lines=60), learned())
    small = after(attempt(lines=4), learned())

    odds = 4.0 - math.log(61)
    assert second(large).likely == pytest.approx(1 / (1 + math.exp(-odds)))
    assert (large.failure, large.reason) == (
        Failure.DOUBTFUL,
        "likely right: 0.47 (fitted on 120 outcomes), 0.6 is needed",
    )
    assert small.failure is None
    assert second(small).likely == pytest.approx(1 / (1 + math.exp(math.log(5) - 4)))


def test_the_fitted_rule_holds_only_in_its_mode_and_for_its_lane() -> None:
    rules = learned()
    by_rules = rules.model_copy(update={"routing": rules.routing.model_copy(update={"mode": "rules"})})

    for done in (after(attempt(lines=60), by_rules), after(attempt(lines=60, lane="strong"), rules)):
        assert (done.failure, second(done).likely) == (None, None)


def test_what_the_fitted_rule_needs_and_nobody_knows_leaves_the_ordinary_rules() -> None:
    rules = learned(weights={"effort": -9.0, "grade": 1.0})

    done = after(attempt(), rules)

    assert (done.failure, second(done).likely) == (None, None)
    assert "the fitted rule is left out: effort unknown" in second(done).reasons


def test_a_class_that_only_the_brief_says_never_lifts_a_patch() -> None:
    rule = AcceptRule(
        intercept=0.0, weights={"class:docs": 3.0, "class:bug": -2.0}, accept_from=0.5, outcomes=99
    )

    said = likelihood(rule, {}, "docs", is_class_known=False)

    assert said == likelihood(rule, {}, "other", is_class_known=False) == 0.5
    assert likelihood(rule, {}, "docs", is_class_known=True) > 0.9
    assert likelihood(rule, {}, "bug", is_class_known=False) < 0.2


GRADES = some.sampled_from(Grade)


@settings(max_examples=150, deadline=None)
@given(
    grade=GRADES,
    lines=some.integers(0, 400),
    confidence=some.none() | some.floats(0, 1),
    opinion=some.none() | some.sampled_from(Opinion),
    cost=some.integers(0, 9000),
    weights=some.dictionaries(
        some.sampled_from(["effort", "grade", "lines", "score", "class:bug", "class:docs"]),
        some.floats(-9, 9),
    ),
    intercept=some.floats(-9, 9),
    accept_from=some.floats(0, 1),
)
def test_no_fitted_rule_accepts_what_the_ordinary_rules_refuse(
    grade: Grade,
    lines: int,
    confidence: float | None,
    opinion: Opinion | None,
    cost: int,
    weights: dict[str, float],
    intercept: float,
    accept_from: float,
) -> None:
    reviews = (Review("verifier", "v", opinion),) if opinion else ()
    found = attempt(
        grade=grade, lines=lines, confidence=confidence, reviews=reviews, calls=(call(cost_micro_usd=cost),)
    )
    ordinary = policy(after={"effort": "p80", "max_lines": 200})
    update = {
        "mode": "learned",
        "learned": {
            "fast": AcceptRule(intercept=intercept, weights=weights, accept_from=accept_from, outcomes=50)
        },
    }
    fitted = ordinary.model_copy(update={"routing": ordinary.routing.model_copy(update=update)})
    earlier = Efforts(usd=tuple(float(it * 500) for it in range(12)))

    by_rules, by_both = (after(found, it, efforts=earlier) for it in (ordinary, fitted))

    assert by_both.failure is not None or by_rules.failure is None
    if by_rules.failure:
        assert (by_both.failure, by_both.reason) == (by_rules.failure, by_rules.reason)


def test_a_second_model_reads_no_patch_that_is_refused_without_it() -> None:
    rules = policy(after={"max_lines": 10, "unless": "never"})
    weak, large, good = attempt(grade=Grade.RAN), attempt(lines=11), attempt()

    asked = [
        afterwards.is_worth_an_opinion(it, Standing(rules, "bug", higher=True)) for it in (weak, large, good)
    ]

    assert asked == [False, False, True]
    assert afterwards.is_worth_an_opinion(replace(large), Standing(rules, "bug", higher=False))


@pytest.mark.parametrize(
    ("mode", "lane", "why"),
    [
        ("rules", "top", "it scores 8 by the files that it touches"),
        ("shadow", "top", "it scores 8 by the files that it touches"),
        ("learned", "top", "it scores 8 by the files that it touches"),
        ("hybrid", "top", "score 8 ≥ 6"),
        ("complexity", "low", "complexity 0.3 ≤ 0.4"),
    ],
)
def test_a_patch_is_judged_again_by_the_router_that_sent_the_task_on_its_way(
    mode: str, lane: str, why: str
) -> None:
    rules = lanes("low", "mid", "top", mode=mode, fast_max_score=3, strong_min_score=6)
    found = attempt(*(f"src/{number}.py" for number in range(8)))
    assert found.change

    seen = touched(found.change, "", rules)

    assert seen.lane == lane
    assert seen.why.startswith(why)
