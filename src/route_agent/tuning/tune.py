"""From outcomes to a recommendation, or to the reason why there is none."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from math import inf
from statistics import fmean

from route_agent.outcomes import Errors, Expected, Outcomes
from route_agent.replaying import LEAST_TASKS, MARGIN
from route_agent.routingspec import AcceptRule
from route_agent.tuning.accepting import EVEN, Judge
from route_agent.tuning.fitting import USUAL_CAUTION, Aim, Fit, Way, fit
from route_agent.tuning.judging import (
    Demand,
    Figures,
    Judged,
    cheapest,
    choice_judged,
    cross_validated,
    figures,
    folds,
    unseen,
)
from route_agent.tuning.logistic import area
from route_agent.tuning.search import Plan, Step
from route_agent.tuning.table import Features, Table, tabulate

LEADS = (0.0, 0.5, 1.0, 1.5)
SELECTED = (
    "the strong lane was asked only about tasks that a cheaper one had failed on: what it would have made of "
    "the others is not known. Run some tasks with both, or tune on a file"
)


@dataclass(frozen=True, slots=True)
class Data:
    """Outcomes to fit on or to judge by.

    Attributes:
        groups: each task's repository.
        features: what else is known of attempts.
        selected: whether strong lanes were asked only about tasks that cheaper ones had failed on.
    """

    outcomes: Outcomes
    groups: Mapping[str, str] = field(default_factory=dict)
    features: Features = field(default_factory=dict)
    selected: bool = False


@dataclass(frozen=True, slots=True)
class Wanted:
    """What to tune.

    Attributes:
        strong: what always-strong asks.
        fast: the cheap model of a pair; empty for ladders.
        models: of which ladders are made; empty for all.
        margin: share of tasks by which a recommendation may, at worst, solve less.
    """

    strong: str
    fast: str = ""
    models: tuple[str, ...] = ()
    errors: Errors = field(default_factory=Errors)
    margin: float = MARGIN

    @property
    def named(self) -> tuple[str, ...]:
        """Every model that may be used, the strong one first; empty for all."""
        given = (self.fast, *self.models)
        return (
            (self.strong, *(it for it in dict.fromkeys(given) if it and it != self.strong))
            if any(given)
            else ()
        )


@dataclass(frozen=True, slots=True)
class Lane:
    """One lane of a point as it would be written down.

    Attributes:
        cap_usd: the dollars at which its attempts are stopped, the quantile `cap` of its own costs.
        rule: the fitted accept rule; None where none was chosen.
    """

    model: str
    cap: float | None = None
    cap_usd: float | None = None
    rule: AcceptRule | None = None


@dataclass(frozen=True, slots=True)
class Point:
    """A plan, fitted on all training tasks, with what its way came to on unseen ones.

    Attributes:
        steady: the share of folds (0 to 1) whose own fit came to the same models in the same order; None
            where another file judged.
        on_front: whether no other point is cheaper and no worse.
    """

    lanes: tuple[Lane, ...]
    figures: Figures
    steady: float | None
    on_front: bool
    way: Way


@dataclass(frozen=True, slots=True)
class Effort:
    """How well what is known of a lane's attempt tells right from wrong, on repositories unseen by the fit.

    Attributes:
        auc: how often a right attempt looks likelier than a wrong one; 0.5 is chance. None without both.
        rule: the accept rule as fitted on all tasks; None without false accepts, or of too few outcomes.
    """

    model: str
    auc: float | None
    rule: AcceptRule | None


@dataclass(frozen=True, slots=True)
class Tuning:
    """What tuning came to.

    Attributes:
        n: tasks that the figures stand on.
        trained: tasks that plans were fitted on.
        repositories: of the tasks that the figures stand on, as far as they are known.
        folds: how many parts the tasks were judged in; 0 where another file judged.
        strong: always-strong itself; None where there was nothing to compute.
        points: cheapest first.
        plain: the pair without caps or rules; None for ladders.
        recommended: the cheapest point that is no worse than always-strong; None with `why`.
        guess: what to try where nothing is proved; None where something is, or nothing is worth a try.
        choice: what choosing itself came to, on tasks that had no say in it; None without a recommendation.
        why: the reasons in words.
        left_out: models that tried too few of the tasks.
    """

    wanted: Wanted
    n: int
    trained: int = 0
    repositories: int = 0
    folds: int = 0
    strong: Figures | None = None
    points: tuple[Point, ...] = ()
    plain: Figures | None = None
    recommended: Point | None = None
    guess: Point | None = None
    choice: Figures | None = None
    why: str = ""
    efforts: tuple[Effort, ...] = ()
    left_out: tuple[str, ...] = ()


def tune(data: Data, wanted: Wanted, test: Data | None = None) -> Tuning:
    """Fit to outcomes, judge on unseen tasks, recommend or say why not.

    Args:
        test: other outcomes to judge on. The fit and the choice are made without a look at them.
    """
    table, judge = _tables(data, wanted, test)
    selected = data.selected or (test is not None and test.selected)
    few = min(len(table.tasks), len(judge.tasks))
    if few < LEAST_TASKS:
        why = f"only {few} tasks were tried by all of these models; {LEAST_TASKS} are needed"
        why += f". And {SELECTED}" if selected else ""
        return Tuning(wanted, few, len(table.tasks), why=why, left_out=table.left_out)
    aim = Aim(wanted.strong, wanted.fast, wanted.errors)
    fitted = fit(table, table.rows, aim)
    if test is not None:
        told = _judged_elsewhere(table, judge, fitted, aim, wanted)
        return replace(told, recommended=None, guess=None, why=SELECTED) if selected else told
    crossed = cross_validated(table, aim)
    way, choice = (None, []) if selected else _proved(crossed, wanted.margin)
    guess = None if selected or way is not None else _guess(crossed, table, aim)
    guess = None if guess is not None and fitted.plans[guess] == (Step(aim.strong),) else guess
    points = _points(fitted, crossed, way if guess is None else guess)
    told = _begun(table, table, crossed, points, wanted)
    shown = next((it for it in points if it.way in (way, guess)), None)
    told = replace(told, efforts=_efforts(table, shown, aim))
    if way is None:
        why = SELECTED if selected else _why_none(crossed, wanted)
        return replace(told, guess=shown, why=why)
    (chosen,) = figures([choice], crossed.strong)
    return replace(told, recommended=shown, choice=chosen, why=_why(wanted))


def _tables(data: Data, wanted: Wanted, test: Data | None) -> tuple[Table, Table]:
    """What to fit on and what to judge by, both of the models that both have enough of."""
    table = _table(data, wanted)
    if test is None:
        return table, table
    judge = _table(test, wanted, frozenset(table.lanes))
    if judge.lanes.keys() < table.lanes.keys():
        table = _table(data, wanted, frozenset(judge.lanes))
    names = wanted.named or (*data.outcomes, *test.outcomes)
    return replace(table, left_out=tuple(sorted(set(names) - table.lanes.keys()))), judge


def _table(data: Data, wanted: Wanted, known: frozenset[str] | None = None) -> Table:
    names = [it for it in wanted.named or data.outcomes if known is None or it in known]
    outcomes = {name: data.outcomes[name] for name in names if name in data.outcomes}
    must = (wanted.fast,) if wanted.fast else ()
    return tabulate(outcomes, wanted.strong, must=must, groups=data.groups, features=data.features)


def _begun(table: Table, judge: Table, judged: Judged, points: Sequence[Point], wanted: Wanted) -> Tuning:
    pair = (Step(wanted.fast), Step(wanted.strong))
    (strong,) = figures([judged.strong], judged.strong)
    is_other = table is not judge
    return Tuning(
        wanted,
        len(judge.tasks),
        len(table.tasks),
        len(set(judge.groups) - set(judge.tasks)),
        0 if is_other else len(judged.folds),
        strong,
        tuple(points),
        figures([judged.made[pair]], judged.strong)[0] if wanted.fast else None,
        left_out=table.left_out,
    )


def _judged_elsewhere(table: Table, judge: Table, fitted: Fit, aim: Aim, wanted: Wanted) -> Tuning:
    """The choice is made before the other tasks are looked at; so they prove it or they do not."""
    guess = _guess(cross_validated(table, aim), table, aim) if aim.fast else USUAL_CAUTION
    judged = unseen(fitted, judge, aim)
    points = _points(fitted, judged, guess, is_other=True)
    told = _begun(table, judge, judged, points, wanted)
    chosen = next((it for it in points if it.way == guess), None)
    if chosen is None or fitted.plans[chosen.way] == (Step(aim.strong),):
        return replace(told, why="on the training tasks nothing cheaper solves as much as always-strong")
    told = replace(told, efforts=_efforts(table, chosen, aim))
    if _holds(chosen.figures, wanted.margin):
        return replace(told, recommended=chosen, why=_why(wanted))
    why = (
        "what the training tasks spoke for is not shown, on these, to cost less and to solve as much"
        f" (at worst {_points_of(wanted.margin)} less, 95 %)"
    )
    return replace(told, guess=chosen, why=why)


def _guess(judged: Judged, table: Table, aim: Aim) -> Way | None:
    """What is chosen where nothing has to be proved, with what choosing usually loses allowed for."""
    if not aim.fast:
        return USUAL_CAUTION if USUAL_CAUTION in judged.made else None
    wary = cheapest(judged, table.rows, Demand(inf, lead=1.0))
    return cheapest(judged, table.rows, Demand(inf)) if wary is None else wary


def _proved(judged: Judged, margin: float) -> tuple[Way | None, list[Expected]]:
    """The cheapest way that is as good and whose choice is, too; the demands grow until both hold."""
    rows = range(len(judged.strong))
    for lead in LEADS:
        demand = Demand(margin, lead)
        way = cheapest(judged, rows, demand)
        if way is None:
            break
        choice = choice_judged(judged, demand)
        mine, choosing = figures([judged.made[way], choice], judged.strong)
        if choosing.difference_within[0] >= -margin and _holds(mine, margin):
            return way, choice
    return None, []


def _holds(it: Figures, margin: float) -> bool:
    """Whether a point is shown to solve as much, up to the margin, and to cost less."""
    if it.ratio_within is None or it.difference < 0:
        return False
    return it.difference_within[0] >= -margin and it.ratio_within[1] < 1


def _points(fitted: Fit, judged: Judged, chosen: Way | None, *, is_other: bool = False) -> list[Point]:
    """The front, cheapest first, and the chosen way wherever it lies; of ways to one plan, one."""
    ways: dict[Plan, Way] = {}
    for way, plan in fitted.plans.items():
        if way in judged.made and (plan not in ways or way == chosen):
            ways[plan] = way
    means = {
        plan: (fmean(it.cost_usd for it in judged.made[way]), -fmean(it.resolved for it in judged.made[way]))
        for plan, way in ways.items()
    }
    front, best = [], inf
    for plan in sorted(means, key=lambda it: means[it]):
        if means[plan][1] < best - 1e-12:
            front.append(plan)
            best = means[plan][1]
    shown = [
        plan for plan in sorted(means, key=lambda it: means[it]) if plan in front or ways[plan] == chosen
    ]
    told = figures([judged.made[ways[plan]] for plan in shown], judged.strong)
    return [
        Point(
            _lanes(fitted, plan),
            it,
            None if is_other else _steady(plan, judged.plans[ways[plan]]),
            plan in front,
            ways[plan],
        )
        for plan, it in zip(shown, told, strict=True)
    ]


def _steady(plan: Plan, several: Sequence[Plan]) -> float:
    models = [step.model for step in plan]
    return sum([step.model for step in it] == models for it in several) / len(several)


def _lanes(fitted: Fit, plan: Plan) -> tuple[Lane, ...]:
    search = fitted.search
    return tuple(
        Lane(
            step.model,
            step.cap,
            search.cap_usd(step),
            None if step.accept_from is None else search.judge(step.model).rule(step.accept_from),
        )
        for step in plan
    )


def _efforts(table: Table, point: Point | None, aim: Aim) -> tuple[Effort, ...]:
    """Of the lanes below the last, whose patches may be refused."""
    if point is None:
        return ()
    return tuple(_effort(table, lane.model, aim) for lane in point.lanes[:-1])


def _effort(table: Table, model: str, aim: Aim) -> Effort:
    guesses: dict[int, float] = {}
    for part in folds(table):
        hidden = set(part)
        judge = Judge.fitted(table, [row for row in table.rows if row not in hidden], model, EVEN)
        guesses.update((row, judge.likelihood(table, row)) for row in part)
    rows = sorted(guesses)
    auc = area([guesses[row] for row in rows], [table.lanes[model][row].resolved for row in rows])
    return Effort(model, auc, Judge.fitted(table, table.rows, model, aim.errors).rule(0.5))


def _why(wanted: Wanted) -> str:
    return (
        "the cheapest point that solves no less than always-strong on unseen tasks, "
        f"at worst {_points_of(wanted.margin)} less (95 %)"
    )


def _why_none(judged: Judged, wanted: Wanted) -> str:
    """Why nothing is recommended: nothing is as good, or it may be and the tasks are too few to show it."""
    rows = range(len(judged.strong))
    if cheapest(judged, rows, Demand(inf)) is None:
        return "nothing cheaper solves as much as always-strong on unseen tasks"
    if cheapest(judged, rows, Demand(wanted.margin)) is None:
        return (
            "something cheaper looks as good on unseen tasks, but it may, at worst, solve more than "
            f"{_points_of(wanted.margin)} less (95 %): {len(judged.strong)} tasks are too few to tell"
        )
    return (
        "a cheaper point looks as good, but choosing it does not hold on tasks without a say in it"
        f" (at worst {_points_of(wanted.margin)} less, 95 %), or what it saves is not shown"
    )


def _points_of(share: float) -> str:
    return f"{share * 100:g} points"
