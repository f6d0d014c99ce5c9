"""What a change of policy would have done to the tasks that the ledger remembers. Pure, and equal each time.

Each task is scored anew by both policies on what is known of it, and routed as a run would be. What is not
stored of a task (its changed lines, in an old ledger its paths) is taken as it was, and how often is told.
"""

from __future__ import annotations

import random
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from statistics import fmean
from typing import TYPE_CHECKING, Any, cast

from route_agent import classes
from route_agent.brief import words_found
from route_agent.errors import UsageError
from route_agent.globs import globs
from route_agent.policysources import leaves, plain_policy
from route_agent.records.past import PastSignal
from route_agent.records.risk import Provenance, Risk, Signal
from route_agent.risk.signals import COUNTED, points_of
from route_agent.routing import Level, Wish, route

if TYPE_CHECKING:
    from route_agent.policy import NamedPolicy, Policy, SignalRule
    from route_agent.records.grades import TaskClass
    from route_agent.records.past import PastTask
    from route_agent.records.risk import Decision
    from route_agent.routingspec import Phase

LEAST_RUNS = 5  # below, a mean cost is chance
DRAWS = 2000
SEED = 6
MOST_COSTS = 500  # of each lane, the latest
_WORD, _PATH = 'the brief says "', " matches "


@dataclass(frozen=True, slots=True)
class KeyChange:
    """One value of the policy that differs; of a list, what comes and what goes."""

    key: str
    old: Any
    new: Any


@dataclass(frozen=True, slots=True)
class Move:
    """A task that begins elsewhere under the new policy."""

    task: PastTask
    old: Decision
    new: Decision
    old_score: int
    new_score: int
    up: bool


@dataclass(frozen=True, slots=True)
class LaneCost:
    """What runs that began at a lane cost in all, in dollars; over the latest `n` runs of known cost.

    `unknown` runs that began there have a cost that is not known: they are in no mean.
    """

    n: int
    mean_usd: float
    unknown: int = 0


@dataclass(frozen=True, slots=True)
class Estimate:
    """A sum in dollars over all tasks, with its 95 % interval."""

    usd: float
    low: float
    high: float


@dataclass(frozen=True, slots=True)
class Replayed:
    """What the change does.

    Attributes:
        tasks: how many tasks were replayed.
        to_top: the moves of tasks whose first lane had failed, and that would now begin at the top.
        by_hand: tasks whose lane the operator chose: they stay.
        assumed: tasks of which something that the change is about is not stored, and was taken as it was.
        costs: by first lane.
        expected: the change of cost over all tasks; None where it is not known.
        unknown: why it is not known.
    """

    tasks: int
    keys: tuple[KeyChange, ...]
    moves: tuple[Move, ...] = ()
    to_top: tuple[Move, ...] = ()
    by_hand: int = 0
    assumed: int = 0
    costs: Mapping[str, LaneCost] | None = None
    expected: Estimate | None = None
    unknown: str = ""


def replayed(old: NamedPolicy, new: NamedPolicy, tasks: Sequence[PastTask]) -> Replayed:
    """Hold two policies against the same tasks."""
    moves: list[Move] = []
    by_hand = assumed = 0
    signals = _changed_signals(old.policy, new.policy)
    for task in tasks:
        if task.by_hand:
            by_hand += 1
            continue
        assumed += any(_not_stored(task, name, old.policy, new.policy) for name in signals)
        if move := _move(task, old, new):
            moves.append(move)
    costs = lane_costs(tasks)
    expected, unknown = _expected(moves, tasks, old.policy, new.policy, costs)
    return Replayed(
        tasks=len(tasks),
        keys=key_changes(old.policy, new.policy),
        moves=tuple(moves),
        to_top=tuple(it for it in moves if it.task.failed and it.up and it.new.lane == _top(new.policy)),
        by_hand=by_hand,
        assumed=assumed,
        costs=costs,
        expected=expected,
        unknown=unknown,
    )


def _move(task: PastTask, old: NamedPolicy, new: NamedPolicy) -> Move | None:
    before, after = placed(task, old), placed(task, new)
    if before is None or after is None or before[1].lane == after[1].lane:
        return None
    up = _height(after[1].lane, new.policy) > _height(before[1].lane, old.policy)
    return Move(task, before[1], after[1], before[0].score, after[0].score, up)


def _height(lane: str, policy: Policy) -> float:
    """How high on its ladder a lane stands, from 0 to 1: ladders may differ in length."""
    ladder = policy.routing.ladder
    return (ladder.index(lane) + 1) / len(ladder) if lane in ladder else 0.0


def _top(policy: Policy) -> str:
    return [lane for lane in policy.routing.ladder if not policy.models[lane][0].is_fixer][-1]


# --- scoring and routing anew


def placed(task: PastTask, named: NamedPolicy) -> tuple[Risk, Decision] | None:
    """A task's risk and decision under a policy; None where that policy has no lane for its step."""
    risk = rescored(task, named.policy)
    fits = classes.fitting(task.brief, [it.name for it in risk.signals if it.raised])
    wish = Wish(
        task_class=task.task_class if task.class_named else None,
        phase=cast("Phase | None", task.phase or None),
    )
    try:
        decision = route(
            risk,
            named,
            classes.most_demanding(fits),
            fits=fits,
            red_kinds=frozenset(kind for _, kind in task.red),
            red=frozenset(name for name, _ in task.red),
            wish=wish,
            level=Level(task.level) if task.level else None,
        )
    except UsageError:
        return None
    return risk, decision


def rescored(task: PastTask, policy: Policy) -> Risk:
    """A task's risk under a policy, from what is stored of it."""
    signals = []
    for name, rule in policy.signals.items():
        known = task.signals.get(name, PastSignal(None))
        if name in COUNTED:
            value: bool | int | None = known.value
            points = points_of(rule, None if value is None else int(value))
        else:
            value = _raised(task, rule, known) or (None if known.value is None else False)
            points = rule.points if value else 0
        signals.append(Signal(name, value, points, Provenance.TRUSTED))
    return Risk(sum(signal.points for signal in signals), tuple(signals))


def _raised(task: PastTask, rule: SignalRule, known: PastSignal) -> bool:
    """Whether a rule holds: its words and paths are looked up anew, all else is as it was."""
    if words_found(task.brief, rule.words):
        return True
    paths = _paths(task)
    if paths is None:
        paths = tuple(told.rpartition(_PATH)[0] for told in known.evidence if _PATH in told)
    patterns = globs(rule.paths)
    if any(patterns.first(path) for path in (*paths, *task.named)):
        return True
    return bool(known.value) and _is_otherwise_raised(known)


def _paths(task: PastTask) -> tuple[str, ...] | None:
    """The files that a task was about: as stored, or as its report names them, if it names them all."""
    if task.changed is not None:
        return task.changed
    files = task.signals.get("files", PastSignal(None))
    return files.evidence if files.value == len(files.evidence) else None


def _is_otherwise_raised(known: PastSignal) -> bool:
    """Whether something else than a word or a path raised it: changed lines, names, what was measured."""
    return not known.evidence or any(_WORD not in told and _PATH not in told for told in known.evidence)


def _changed_signals(old: Policy, new: Policy) -> list[str]:
    """The signals that the two policies find or weigh differently."""
    always = set(old.routing.always_strong_if) ^ set(new.routing.always_strong_if)
    return [name for name in new.signals if name in always or old.signals.get(name) != new.signals[name]]


def _not_stored(task: PastTask, name: str, old: Policy, new: Policy) -> bool:
    """Whether a task's store lacks what a changed signal goes by."""
    known = task.signals.get(name)
    if known is None or known.value is None:
        return True
    before, after = old.signals.get(name), new.signals[name]
    if before is None or before.content != after.content:
        return True
    return before.paths != after.paths and _paths(task) is None


# --- money


def lane_costs(tasks: Sequence[PastTask]) -> dict[str, LaneCost]:
    """By first lane, what its runs cost in all, escalations included."""
    unknown = Counter(task.first_lane for task in tasks if task.cost_micro_usd is None)
    return {
        lane: LaneCost(len(costs), fmean(costs), unknown[lane])
        for lane in dict.fromkeys(task.first_lane for task in tasks)
        if (costs := _costs(tasks, lane))
    }


def _costs(tasks: Sequence[PastTask], lane: str) -> list[float]:
    known = [
        it.cost_micro_usd / 1_000_000
        for it in tasks
        if it.first_lane == lane and it.cost_micro_usd is not None
    ]
    return known[:MOST_COSTS]


def _expected(
    moves: Sequence[Move],
    tasks: Sequence[PastTask],
    old: Policy,
    new: Policy,
    costs: Mapping[str, LaneCost],
) -> tuple[Estimate | None, str]:
    """The change of cost by the means of each lane's runs, with a bootstrap interval over those runs."""
    if other := sorted(
        lane for lane in old.models.keys() & new.models.keys() if _other_model(lane, old, new)
    ):
        return None, f"{', '.join(other)} would be another model, of which the ledger has no runs"
    weights = Counter[str]()
    for move in moves:
        weights[move.new.lane] += 1
        weights[move.old.lane] -= 1
    lanes = sorted({it.old.lane for it in moves} | {it.new.lane for it in moves})
    few = [lane for lane in lanes if weights[lane] and (lane not in costs or costs[lane].n < LEAST_RUNS)]
    if few:
        told = ", ".join(f"{lane}: {costs[lane].n if lane in costs else 0}" for lane in few)
        return None, f"too few runs of known cost that began there ({told}; {LEAST_RUNS} are needed)"
    known = {lane: _costs(tasks, lane) for lane in lanes if weights[lane]}
    draw = random.Random(SEED)  # noqa: S311 - no secret
    sums = sorted(
        sum(weights[lane] * fmean(draw.choices(costs_, k=len(costs_))) for lane, costs_ in known.items())
        for _ in range(DRAWS if known else 1)
    )
    usd = sum(weights[lane] * fmean(costs_) for lane, costs_ in known.items())
    return Estimate(usd, sums[int(0.025 * len(sums))], sums[min(len(sums) - 1, int(0.975 * len(sums)))]), ""


def _other_model(lane: str, old: Policy, new: Policy) -> bool:
    before, after = old.models[lane], new.models[lane]
    return [(it.provider, it.model) for it in before] != [(it.provider, it.model) for it in after]


# --- key by key


def key_changes(old: Policy, new: Policy) -> tuple[KeyChange, ...]:
    """Every value that differs, in the order of the file; a lane or check that comes or goes is one."""
    before, after = _keyed(old, new), _keyed(new, old)
    changes: list[KeyChange] = []
    for key in dict.fromkeys([*before, *after]):
        was, now = before.get(key), after.get(key)
        if isinstance(was, dict) and isinstance(now, dict):
            held, holds = _flat(was), _flat(now)
            changes += [
                KeyChange(f"{key}.{it}", held.get(it), holds.get(it))
                for it in dict.fromkeys([*held, *holds])
                if held.get(it) != holds.get(it)
            ]
        elif was != now:
            changes.append(KeyChange(key, was, now))
    return tuple(changes)


def _keyed(policy: Policy, other: Policy) -> dict[str, Any]:
    """A policy by its keys, what is an entry of a list in the file by its name."""
    data = plain_policy(policy)
    keyed: dict[str, Any] = {
        f"models.{lane}.{at}": spec
        for lane, specs in data.pop("models").items()
        for at, spec in enumerate(specs)
    }
    checks = {f"checks.{check['name']}": check for check in data.pop("checks")}
    # a class that is not named has its lane's default: what counts is compared, and not what is written
    accept = {
        f"accept.{lane}.{it}": policy.bar(lane, cast("TaskClass", it)).value
        for lane in data.pop("accept")
        for it in {**policy.accept.get(lane, {}), **other.accept.get(lane, {}), "default": None}
    }
    return keyed | _flat(data) | checks | accept


def _flat(data: dict[str, Any]) -> dict[str, Any]:
    return {".".join(map(str, path)): value for path, value in leaves(data)}


def came_and_went(change: KeyChange) -> tuple[list[Any], list[Any]] | None:
    """Of a list that changed, what is new in it and what is gone; None where that is not what changed."""
    if not (isinstance(change.old, list) and isinstance(change.new, list)):
        return None
    came = [it for it in change.new if it not in change.old]
    went = [it for it in change.old if it not in change.new]
    return (came, went) if came or went else None
