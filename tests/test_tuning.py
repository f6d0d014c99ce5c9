"""Tuning: what is fitted is what is true of made-up models, and nothing is judged on what it was fitted on."""

from __future__ import annotations

import math
import random
from collections.abc import Callable, Mapping
from dataclasses import replace

import pytest

from route_agent.outcomes import Errors, Expected, Outcome, Outcomes, Rung, each, usual_cost
from route_agent.replaying import LEAST_TASKS
from route_agent.tuning.accepting import Judge
from route_agent.tuning.fitting import CAUTIONS, USUAL_CAUTION, Aim, fit
from route_agent.tuning.judging import Demand, Judged, cheapest, choice_judged, cross_validated, folds
from route_agent.tuning.logistic import area
from route_agent.tuning.logistic import fit as regress
from route_agent.tuning.own import Passed, features_of, lane_rules, threshold
from route_agent.tuning.search import Search, Step, front
from route_agent.tuning.smoothing import smoothed
from route_agent.tuning.table import Table, tabulate
from route_agent.tuning.tune import SELECTED, Data, Tuning, Wanted, tune

REPOSITORIES = 5
# what a made-up model makes of a task: whether it is right, and its cost
Model = Callable[[int, random.Random], tuple[bool, float]]


def made(models: Mapping[str, Model], tasks: int = 150, seed: int = 3) -> Data:
    """Outcomes of made-up models on tasks of five repositories."""
    names = [f"task-{number:04}" for number in range(tasks)]
    outcomes = {}
    for rank, (model, makes) in enumerate(models.items()):
        draw = random.Random(seed * 1000 + rank)
        results = (makes(number, draw) for number in range(tasks))
        outcomes[model] = {
            name: Outcome(float(right), cost) for name, (right, cost) in zip(names, results, strict=True)
        }
    return Data(outcomes, {name: f"team/{number % REPOSITORIES}" for number, name in enumerate(names)})


def solver(share: float, cost: float) -> Model:
    return lambda number, draw: (draw.random() < share, cost * draw.uniform(0.5, 1.5))


def solves(condition: Callable[[int], bool], cost: float) -> Model:
    return lambda number, draw: (condition(number), cost * draw.uniform(0.9, 1.1))


# two cheap models of different makers, each at home where the other is not; the dear one solves four of five
COMPLEMENTS: dict[str, Model] = {
    "strong": solves(lambda number: number % 10 < 8, 1.0),
    "odd": solves(lambda number: number % 2 == 1, 0.05),
    "even": solves(lambda number: number % 2 == 0, 0.05),
    "useless": solves(lambda number: False, 0.04),
}


def table_of(data: Data, strong: str = "strong") -> Table:
    return tabulate(data.outcomes, strong, groups=data.groups)


def ladder(told: Tuning) -> list[str]:
    assert told.recommended
    return [lane.model for lane in told.recommended.lanes]


# --- what is found


def test_a_ladder_of_two_cheap_models_that_solve_each_others_failures_is_recommended() -> None:
    told = tune(made(COMPLEMENTS), Wanted("strong"))

    assert set(ladder(told)) == {"odd", "even"}
    assert told.recommended
    assert told.recommended.figures.difference == pytest.approx(0.2, abs=0.05)
    assert told.recommended.figures.ratio == pytest.approx(0.09, abs=0.02)
    assert told.recommended.figures.difference_within[0] > 0


def test_a_cheap_lane_that_solves_nothing_is_not_recommended() -> None:
    told = tune(made({"strong": solver(0.8, 1.0), "useless": solver(0.0, 0.3)}), Wanted("strong", "useless"))

    assert told.recommended is None
    assert told.choice is None
    assert "nothing cheaper solves as much" in told.why


def test_a_pair_that_pays_is_recommended_and_stands_beside_the_plain_one() -> None:
    told = tune(made({"strong": solver(0.8, 1.0), "fast": solver(0.6, 0.05)}), Wanted("strong", "fast"))

    assert ladder(told) == ["fast", "strong"]
    assert told.recommended
    assert told.plain
    assert told.recommended.figures.cost_usd <= told.plain.cost_usd


def test_weak_verification_takes_the_recommendation_away() -> None:
    data = made({"strong": solver(0.8, 1.0), "fast": solver(0.5, 0.05)}, tasks=240)

    honest = tune(data, Wanted("strong", "fast"))
    blind = tune(data, Wanted("strong", "fast", errors=Errors(accepts=0.6)))

    assert honest.recommended
    assert blind.recommended is None


def test_a_dear_lane_that_burns_money_on_what_it_never_solves_is_capped() -> None:
    def struggles(number: int, draw: random.Random) -> tuple[bool, float]:
        is_hard = number % 10 == 0
        return not is_hard, (8.0 if is_hard else 1.0) * draw.uniform(0.9, 1.1)

    told = tune(made({"strong": struggles, "fast": solver(0.5, 0.05)}), Wanted("strong", "fast"))

    assert told.recommended
    last = told.recommended.lanes[-1]
    assert last.model == "strong"
    assert last.cap_usd is not None
    assert 0.9 < last.cap_usd < 2
    assert told.plain
    assert told.recommended.figures.cost_usd < 0.8 * told.plain.cost_usd
    assert told.recommended.figures.resolved == pytest.approx(told.plain.resolved)


@pytest.mark.parametrize("tasks", [1, LEAST_TASKS - 1])
def test_fewer_than_thirty_tasks_recommend_nothing_and_say_so(tasks: int) -> None:
    told = tune(made(COMPLEMENTS, tasks), Wanted("strong"))

    assert told.recommended is None
    assert told.points == ()
    assert f"only {tasks} tasks" in told.why
    assert "30 are needed" in told.why


def test_tasks_on_which_the_strong_lane_was_asked_for_a_reason_recommend_nothing() -> None:
    told = tune(replace(made(COMPLEMENTS), selected=True), Wanted("strong"))

    assert told.recommended is None
    assert told.guess is None
    assert told.why == SELECTED


def test_a_pair_whose_saving_is_not_shown_is_not_recommended() -> None:
    models = {"strong": solver(1.0, 1.0), "fast": solves(lambda number: number % 2 == 0, 0.48)}

    told = tune(made(models), Wanted("strong", "fast"))

    assert told.plain
    assert told.plain.difference == 0
    assert told.plain.ratio_within
    assert told.plain.ratio_within[0] < 1 < told.plain.ratio_within[1]
    assert told.recommended is None


def test_too_few_tasks_to_prove_it_leave_a_guess_with_its_interval() -> None:
    models = {"strong": solver(0.75, 1.0), "a": solver(0.7, 0.3), "b": solver(0.72, 0.3)}
    told = tune(made(models, tasks=31, seed=5), Wanted("strong", errors=Errors(accepts=0.3)))

    if told.recommended is None and told.guess:
        low, high = told.guess.figures.difference_within
        assert low < told.guess.figures.difference < high
    assert (told.recommended is None) == bool(
        "nothing cheaper" in told.why or "too few" in told.why or "choosing" in told.why
    )


def test_a_wider_margin_never_takes_a_recommendation_away() -> None:
    data = made({"strong": solver(0.8, 1.0), "fast": solver(0.6, 0.05)})

    narrow = tune(data, Wanted("strong", "fast", margin=0.0))
    wide = tune(data, Wanted("strong", "fast", margin=0.2))

    assert wide.recommended
    if narrow.recommended:
        assert wide.recommended.figures.cost_usd <= narrow.recommended.figures.cost_usd


def test_what_is_recommended_keeps_its_promise() -> None:
    told = tune(made(COMPLEMENTS), Wanted("strong", margin=0.03))

    assert told.recommended
    assert told.recommended.figures.difference >= 0
    assert told.recommended.figures.difference_within[0] >= -0.03
    assert told.choice
    assert told.choice.difference_within[0] >= -0.03


def test_a_model_that_tried_few_of_the_tasks_is_left_out_instead_of_the_tasks() -> None:
    data = made(COMPLEMENTS)
    few = {task: data.outcomes["odd"][task] for task in list(data.outcomes["odd"])[:20]}

    told = tune(replace(data, outcomes={**data.outcomes, "rare": few}), Wanted("strong"))

    assert told.n == 150
    assert told.left_out == ("rare",)


def some(data: Data, model: str, tasks: int) -> Data:
    """The same, where one model tried only the first of the tasks; none, and it is not in there."""
    few = dict(list(data.outcomes[model].items())[:tasks])
    rest = {name: it for name, it in data.outcomes.items() if name != model}
    return replace(data, outcomes={**rest, model: few} if few else rest)


def test_a_pair_is_judged_on_the_tasks_that_its_two_models_share_however_few() -> None:
    told = tune(some(made(COMPLEMENTS), "odd", 50), Wanted("strong", "odd"))

    assert (told.n, told.left_out) == (50, ())


@pytest.mark.parametrize("tried", [0, 40])
def test_models_that_the_judging_file_cannot_tell_of_are_left_out_of_the_fit(tried: int) -> None:
    told = tune(made(COMPLEMENTS), Wanted("strong"), some(made(COMPLEMENTS, seed=8), "odd", tried))

    assert (told.n, told.trained, told.left_out) == (150, 150, ("odd",))
    assert all("odd" not in [lane.model for lane in it.lanes] for it in told.points)


def test_models_of_the_judging_file_alone_take_no_tasks_away() -> None:
    data = made({**COMPLEMENTS, "new": solver(0.5, 0.1)}, seed=8)

    told = tune(made(COMPLEMENTS), Wanted("strong"), some(data, "new", 138))

    assert (told.n, told.left_out) == (150, ("new",))


def test_a_ledger_whose_strong_lane_was_asked_for_a_reason_proves_nothing_either() -> None:
    told = tune(made(COMPLEMENTS), Wanted("strong"), replace(made(COMPLEMENTS), selected=True))

    assert (told.recommended, told.guess, told.why) == (None, None, SELECTED)


@pytest.mark.parametrize("elsewhere", [False, True])
def test_always_strong_itself_is_no_guess(elsewhere: bool) -> None:
    data = made({"strong": solver(0.9, 0.05), "worse": solver(0.3, 0.2)})

    told = tune(data, Wanted("strong"), data if elsewhere else None)

    assert (told.recommended, told.guess) == (None, None)
    assert "nothing cheaper solves as much" in told.why


def test_tasks_whose_repository_nobody_tells_are_counted_as_no_repositories() -> None:
    told = tune(replace(made(COMPLEMENTS), groups={}), Wanted("strong"))

    assert told.repositories == 0


def test_equal_outcomes_give_equal_tunings() -> None:
    models = {f"m{rank}": solver(0.4 + 0.05 * rank, 0.05 * (rank + 1)) for rank in range(6)}
    data = made({**models, "strong": solver(0.8, 1.0)}, tasks=60)
    shuffled = Data(
        {
            model: dict(reversed(list(outcomes.items())))
            for model, outcomes in reversed(list(data.outcomes.items()))
        },
        data.groups,
    )

    assert tune(data, Wanted("strong", errors=Errors(0.1))) == tune(
        shuffled, Wanted("strong", errors=Errors(0.1))
    )


# --- nothing is judged on what it was fitted on


def spoiled(table: Table, rows: set[int]) -> Table:
    """The table with the outcomes of some rows turned round and made dear."""
    lanes = {
        model: tuple(
            Outcome(1 - it.resolved, it.cost_usd * 100) if row in rows else it
            for row, it in enumerate(outcomes)
        )
        for model, outcomes in table.lanes.items()
    }
    return replace(table, lanes=lanes)


MANY: dict[str, Model] = {
    **{f"m{rank}": solver(0.45, 0.1 + 0.01 * rank) for rank in range(8)},
    "strong": solver(0.7, 1.0),
}


@pytest.mark.parametrize("aim", [Aim("strong"), Aim("strong", "m1", Errors(0.3))], ids=["ladders", "pair"])
def test_a_fit_does_not_look_at_tasks_that_are_held_back(aim: Aim) -> None:
    table = table_of(made(MANY))
    held = set(folds(table)[0])
    rows = [row for row in table.rows if row not in held]

    one, other = fit(table, rows, aim), fit(spoiled(table, held), rows, aim)

    assert one.plans == other.plans
    for plan in one.plans.values():
        assert [one.search.cap_usd(it) for it in plan] == [other.search.cap_usd(it) for it in plan]
        assert [one.search.judge(it.model) for it in plan] == [other.search.judge(it.model) for it in plan]


def test_cross_validation_chooses_for_a_fold_without_a_look_at_it() -> None:
    table = table_of(made(MANY))
    aim = Aim("strong")
    held = folds(table)[2]

    one, other = cross_validated(table, aim), cross_validated(spoiled(table, set(held)), aim)

    assert [plans[2] for plans in one.plans.values()] == [plans[2] for plans in other.plans.values()]
    assert any(one.made[way][row] != other.made[way][row] for way in one.made for row in held)


def test_luck_in_the_search_is_not_told_as_a_result() -> None:
    table = table_of(
        made({**{f"m{rank}": solver(0.5, 0.1) for rank in range(12)}, "strong": solver(0.9, 1.0)})
    )
    aim = Aim("strong", errors=Errors(0.5))

    fitted, judged = fit(table, table.rows, aim), cross_validated(table, aim)
    way = -3.0
    seen = fitted.search.each(fitted.plans[way], table, table.rows)

    in_sample = sum(it.resolved for it in seen) / len(seen)
    unseen = sum(it.resolved for it in judged.made[way]) / len(seen)
    assert unseen < in_sample - 0.02


@pytest.mark.parametrize("fast", ["", "m1"], ids=["ladders", "pair"])
def test_what_is_chosen_on_one_file_does_not_depend_on_the_file_that_judges_it(fast: str) -> None:
    train, test = made(MANY, seed=1), made(MANY, seed=2)
    turned = {
        model: {task: Outcome(1 - it.resolved, it.cost_usd) for task, it in outcomes.items()}
        for model, outcomes in test.outcomes.items()
    }

    one = tune(train, Wanted("strong", fast), test)
    other = tune(train, Wanted("strong", fast), replace(test, outcomes=turned))

    assert one.folds == 0
    chosen, same = one.recommended or one.guess, other.recommended or other.guess
    assert chosen
    assert same
    assert chosen.lanes == same.lanes
    assert chosen.figures != same.figures
    assert one.strong
    assert one.strong.resolved == pytest.approx(
        sum(it.resolved for it in test.outcomes["strong"].values()) / 150
    )


def test_a_file_that_contradicts_the_choice_takes_the_recommendation_away() -> None:
    swapped = {**COMPLEMENTS, "odd": COMPLEMENTS["useless"], "even": COMPLEMENTS["useless"]}

    proved = tune(made(COMPLEMENTS), Wanted("strong"), made(COMPLEMENTS, seed=9))
    refuted = tune(made(COMPLEMENTS), Wanted("strong"), made(swapped, seed=9))

    assert proved.recommended
    assert refuted.recommended is None
    assert refuted.guess


def test_the_tasks_of_a_repository_stay_together_and_all_are_judged_once() -> None:
    data = made(COMPLEMENTS)
    table = table_of(data)
    parts = folds(table)

    assert sorted(row for part in parts for row in part) == list(table.rows)
    for group in set(table.groups):
        assert sum(any(table.groups[row] == group for row in part) for part in parts) == 1


def test_tasks_of_one_repository_are_dealt_into_ten_parts() -> None:
    data = made(COMPLEMENTS)
    table = table_of(replace(data, groups=dict.fromkeys(data.groups, "team/one")))

    assert len(folds(table)) == 10


def test_a_repository_has_no_say_in_how_it_is_judged() -> None:
    table = table_of(made({"strong": solver(0.8, 1.0), "fast": solver(0.7, 0.05)}))
    judged = cross_validated(table, Aim("strong", "fast"))
    part = judged.folds[0]
    others = [row for row in table.rows if row not in part]
    demand = Demand(0.04)

    chosen = choice_judged(judged, demand)

    way = cheapest(judged, others, demand)
    expected = judged.strong if way is None else judged.made[way]
    assert [chosen[row] for row in part] == [expected[row] for row in part]


def test_a_way_that_shines_in_one_repository_alone_is_not_chosen_there_by_that() -> None:
    shines = (*[Expected(1.0, 0.1)] * 40, *[Expected(0.0, 0.1)] * 10)
    strong = (*[Expected(0.5, 1.0)] * 40, *[Expected(0.5, 1.0)] * 10)
    plan = (Step("x"),)
    parts = (tuple(range(40)), tuple(range(40, 50)))
    judged = Judged({plan: shines}, strong, parts, {plan: (plan, plan)})

    chosen = choice_judged(judged, Demand(0.04))

    assert cheapest(judged, range(50), Demand(0.04)) == plan
    assert chosen[:40] == list(strong[:40])
    assert chosen[40:] == list(shines[40:])


# --- what is fitted


def test_the_accept_rule_finds_the_line_that_made_the_outcomes() -> None:
    draw = random.Random(5)
    rows = [[draw.random(), draw.uniform(0, 3)] for _ in range(20_000)]
    odds = [0.7 - 2.0 * effort + 0.5 * lines for effort, lines in rows]
    right = [float(draw.random() < 1 / (1 + math.exp(-it))) for it in odds]

    line = regress(rows, right)

    assert line == pytest.approx([0.7, -2.0, 0.5], abs=0.12)


def test_a_feature_that_splits_outcomes_perfectly_gets_a_weight_that_ends() -> None:
    line = regress([[0.0]] * 10 + [[1.0]] * 10, [1.0] * 10 + [0.0] * 10)

    assert -20 < line[1] < -2


def test_effort_that_tells_failures_apart_lets_the_rule_doubt_dear_attempts() -> None:
    def tires(number: int, draw: random.Random) -> tuple[bool, float]:
        effort = draw.random()
        return draw.random() < 1 - effort, 0.01 + effort

    table = table_of(made({"strong": solver(0.8, 3.0), "fast": tires}, tasks=400))
    judge = Judge.fitted(table, table.rows, "fast", Errors(accepts=0.3, rejects=0.1))
    cheap = min(table.rows, key=lambda row: table.lanes["fast"][row].cost_usd)
    dear = max(table.rows, key=lambda row: table.lanes["fast"][row].cost_usd)

    assert judge.weights["effort"] < -2
    assert judge.likelihood(table, cheap) > 0.95
    assert judge.likelihood(table, dear) < 0.4
    rule = judge.rule(0.6)
    assert rule
    assert (rule.accept_from, rule.outcomes) == (0.6, 400)


def test_without_false_accepts_a_pass_is_proof_and_there_is_no_rule() -> None:
    table = table_of(made(COMPLEMENTS))

    judge = Judge.fitted(table, table.rows, "odd", Errors())

    assert judge.likelihood(table, 0) == 1
    assert judge.rule(0.5) is None


def test_a_feature_that_effort_does_not_tell_is_worth_a_rule() -> None:
    def coin(number: int, draw: random.Random) -> tuple[bool, float]:
        return number % 2 == 0, 0.1

    data = made({"strong": solves(lambda number: number % 10 < 9, 1.0), "fast": coin}, tasks=200)
    tasks = list(data.outcomes["fast"])
    grades = {task: {"grade": 1.0 if number % 2 == 0 else 0.25} for number, task in enumerate(tasks)}

    told = tune(
        replace(data, features={"fast": grades}), Wanted("strong", "fast", errors=Errors(accepts=0.5))
    )

    assert told.recommended
    rule = told.recommended.lanes[0].rule
    assert rule
    assert rule.weights["grade"] > 1
    assert told.efforts[0].auc == 1.0


def test_the_area_counts_pairs() -> None:
    assert area([1, 2, 3, 4], [0, 0, 1, 1]) == 1.0
    assert area([1, 1, 1], [0, 1, 0]) == 0.5
    assert area([4, 3, 2, 1], [0, 1, 0, 1]) == 0.25
    assert area([1, 2], [1, 1]) is None


def test_plans_come_to_what_the_closed_form_says() -> None:
    table = table_of(made(MANY))
    errors = Errors(0.3, 0.1)
    search = Search(table, table.rows, errors, "strong")
    outcomes: Outcomes = {
        model: dict(zip(table.tasks, column, strict=True)) for model, column in table.lanes.items()
    }

    for plan in (
        (Step("m1"),),
        (Step("m1", 0.8), Step("strong", 0.9)),
        (Step("m2"), Step("m1"), Step("m3", 0.5)),
    ):
        rungs = [
            Rung(it.model, None if it.cap is None else usual_cost(outcomes[it.model], table.tasks, it.cap))
            for it in plan
        ]
        expected = each(rungs, outcomes, table.tasks, errors)
        found = search.each(plan, table, table.rows)
        assert [it.resolved for it in found] == pytest.approx([it.resolved for it in expected])
        assert [it.cost_usd for it in found] == pytest.approx([it.cost_usd for it in expected])
        value = search.value(plan)
        assert value.resolved == pytest.approx(sum(it.resolved for it in expected) / len(expected))
        assert value.cost_usd == pytest.approx(sum(it.cost_usd for it in expected) / len(expected))


def test_the_search_finds_what_trying_every_ladder_finds() -> None:
    models = {f"m{rank}": solver(0.3 + 0.08 * rank, 0.05 * 2**rank) for rank in range(5)}
    table = table_of(made({**models, "strong": solver(0.8, 3.0)}, tasks=60))
    search = Search(table, table.rows, Errors(0.1), "strong")
    names = list(table.lanes)
    every = [
        search.value(tuple(Step(model) for model in plan))
        for plan in [
            *((a,) for a in names),
            *((a, b) for a in names for b in names if a != b),
            *((a, b, c) for a in names for b in names for c in names if len({a, b, c}) == 3),
        ]
    ]

    found = front(search.ladders())

    for best in front(every):
        at_least = [it.cost_usd for it in found if it.resolved >= best.resolved - 1e-9]
        assert min(at_least) <= best.cost_usd + 1e-9


def test_more_caution_never_asks_for_less() -> None:
    table = table_of(made(MANY))
    fitted = fit(table, table.rows, Aim("strong"))
    costs = [fitted.search.value(fitted.plans[caution]).cost_usd for caution in CAUTIONS]

    assert USUAL_CAUTION in CAUTIONS
    assert costs == sorted(costs)


def test_smoothing_draws_an_unlikely_outcome_toward_the_likely_one_and_leaves_other_rows_alone() -> None:
    models: dict[str, Model] = {f"m{rank}": solves(lambda number: number % 3 > 0, 1.0) for rank in range(8)}
    models["weak"] = solves(lambda number: number == 0, 1.0)
    table = tabulate(made(models, tasks=60).outcomes, "m0")

    drawn = smoothed(table, range(30))

    assert 0 < drawn.lanes["weak"][0].resolved < 0.9  # nobody else solves that task, and this one no other
    assert 0.9 < drawn.lanes["m1"][1].resolved < 1
    assert drawn.lanes["m1"][30:] == table.lanes["m1"][30:]


def test_few_models_are_not_smoothed_since_a_tasks_difficulty_is_hardly_known() -> None:
    table = table_of(made(COMPLEMENTS))

    assert smoothed(table, table.rows) is table


# --- what a ledger alone teaches


def patches(count: int, seed: int = 1) -> list[Passed]:
    """Patches that passed, in three repositories: the larger one is, the likelier it is to be wrong."""
    draw = random.Random(seed)
    found = []
    for number in range(count):
        lines = draw.randrange(1, 400)
        known = features_of(effort=draw.random(), grade="ran", lines=lines, score=2, task_class="bug")
        found.append(Passed(f"team/{number % 3}", "fast", True, draw.random() < lines / 500, known))
    return found


def test_the_ledgers_rule_learns_that_large_patches_were_reverted() -> None:
    (fitted,) = lane_rules(patches(200))

    assert fitted.rule
    assert fitted.rule.weights["lines"] < -0.3
    assert fitted.auc
    assert fitted.auc > 0.65
    assert fitted.rule.outcomes == 200


@pytest.mark.parametrize("attempts", [patches(29), [replace(it, wrong=False) for it in patches(200)]])
def test_few_patches_or_none_known_to_be_wrong_fit_no_rule(attempts: list[Passed]) -> None:
    (fitted,) = lane_rules(attempts)

    assert fitted.rule is None
    assert fitted.passed == len(attempts)


def test_the_threshold_lies_where_the_cheap_lane_stops_to_pay() -> None:
    firsts = [(score, turn < 10 - score) for score in range(10) for turn in range(10)]

    found = threshold(firsts, [0.3], [1.0])
    free = threshold(firsts, [0.0], [1.0])

    assert found
    assert found.fast_max_score in (5, 6, 7)
    assert free
    assert free.fast_max_score == free.highest == 9
    assert threshold(firsts[:29], [0.3], [1.0]) is None
    assert threshold(firsts, [0.3], []) is None
    assert threshold(firsts, [2.0], [1.0]) == replace(found, fast_max_score=None, break_even=2.0)
