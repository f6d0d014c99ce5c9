"""A replay as text and as JSON: figures with their n and 95 % intervals, and what they are worth in words."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from route_agent.replaying import LEAST_TASKS, WAYS, Finding, finding

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from route_agent.outcomes import Outcome
    from route_agent.replaying import BreakEven, Figures, Replay, Wanted
    from route_agent.resampling import Interval

COLUMNS = ("", "solved %", "$/task", "× strong", "points to strong")
LEAST_COLUMNS = 80  # what the table takes
JUDGED = ("cascade", "effort_cap", "ladder")
SAME, UNKNOWN = "–", "unknown"


def table_rows(told: Replay) -> Iterator[tuple[str, ...]]:
    """A row for each way that was asked about, as `COLUMNS` names its cells."""
    for name in WAYS:
        way = told.ways[name]
        if way is None:
            continue
        is_strong = name == "always_strong"
        yield (
            name.replace("_", "-"),
            _solved(way),
            _usd(way.cost_usd),
            SAME if is_strong else _with(way.ratio, way.ratio_within, ".2f"),
            SAME
            if is_strong
            else _with(_points(way.difference), _points_within(way.difference_within), "+.1f"),
        )


def narrow_lines(told: Replay) -> Iterator[str]:
    """The same as the table, for a terminal that has no room for it."""
    for name, solved, cost, ratio, points in table_rows(told):
        yield f"{name}: solved {solved}{'' if solved == UNKNOWN else ' %'}, {cost}/task"
        if ratio != SAME:
            yield f"  × {ratio}, points {points}"


def heading(told: Replay) -> Iterator[str]:
    """What was compared, on how many tasks, and under which verification."""
    asked = told.wanted
    yield f"n = {told.n} tasks that {_all_of(asked.models)} tried · 95 % intervals in brackets"
    if asked.fast:
        yield f"fast    {asked.fast}"
    yield f"strong  {asked.strong}"
    if asked.ladder:
        yield f"ladder  {' → '.join(asked.ladder)}"
    yield (
        f"verification lets {_percent(asked.errors.accepts)} of wrong patches pass"
        f" and refuses {_percent(asked.errors.rejects)} of right ones"
    )


def ending(told: Replay, *, selected: bool) -> Iterator[str]:
    """Bounds and caps, the break-even rate, and the verdicts."""
    twice = told.ways["strong_twice"]
    if twice and twice.bounds:
        low, high = twice.bounds
        yield (
            f"strong-twice: a second attempt was not recorded; solved lies between {_percent(low)} and"
            f" {_percent(high)}, and its cost supposes a second as dear as the first"
        )
    capped = told.ways["effort_cap"]
    for model, usd in (capped.caps_usd if capped else {}).items():
        share = told.wanted.strong_cap if model == told.wanted.strong else told.wanted.effort_cap
        within = f"what {_percent(share or 0)} of its attempts here stayed within"
        yield f"effort cap {_usd(usd)} for {model}: {within}"
    for name in ("cascade", "ladder"):
        way = told.ways[name]
        if way and way.break_even:
            yield f"break-even {break_even_words(way.break_even, name)}"
    for name in JUDGED:
        way = told.ways[name]
        if way:
            yield f"verdict {name.replace('_', '-')}: {verdict(way, told, selected=selected)}"


def break_even_words(even: BreakEven, name: str) -> str:
    """Where always-strong begins to solve more."""
    if even.rate is not None:
        return f"{even.rate:.3f}: the {name} solves less than always-strong where more wrong patches pass"
    if even.always:
        return f"none: the {name} solves less than always-strong even if no wrong patch passes"
    return f"none: the {name} never solves less than always-strong here, whatever passes"


def verdict(way: Figures, told: Replay, *, selected: bool) -> str:
    """What a way of working is worth, in a sentence with its n."""
    found = finding(way, told.n, selected=selected)
    lane = "this fast lane" if told.wanted.fast and way is not told.ways["ladder"] else "this ladder"
    cost = f"× {_with(way.ratio, way.ratio_within, '.2f')} of always-strong's cost"
    gap = f"{_with(_points(way.difference), _points_within(way.difference_within), '+.1f')} points solved"
    figures = f"{cost}, {gap}, n={told.n}"
    match found:
        case Finding.SELECTED:
            return (
                f"none: of this ledger's tasks only n={told.n} were tried by all of these lanes, mostly those"
                " on which a lower one had failed; that says nothing of the others"
            )
        case Finding.TOO_FEW:
            return f"none: fewer than {LEAST_TASKS} tasks show nothing ({figures})"
        case Finding.UNPRICED:
            return f"none: always-strong costs nothing here, so there is nothing to save (n={told.n})"
        case Finding.LOSES_MONEY:
            return f"{lane} loses money: {figures}"
        case Finding.SOLVES_LESS:
            return (
                f"{lane} loses money wherever a solved task is worth more than {_worth(way, told)}: {figures}"
            )
        case Finding.NO_SAVING:
            return f"no saving can be shown at n={told.n}: {cost}, {gap}"
        case Finding.BUYS_QUALITY:
            return f"dearer, and it solves more: {figures}"
        case Finding.OPEN:
            return f"cheaper, and whether it solves as much cannot be shown at n={told.n}: {cost}, {gap}"
        case Finding.PAYS:
            return f"pays: {cost}, {_equal_or_more(way, told.n)}{_while(way, told)}"


def _equal_or_more(way: Figures, n: int) -> str:
    gap = f"{_with(_points(way.difference), _points_within(way.difference_within), '+.1f')} points"
    if way.difference_within and way.difference_within[0] > 0:
        return f"and it solves more, {gap}, n={n}"
    return f"and no difference in solved tasks can be shown at n={n}: {gap}"


def _while(way: Figures, told: Replay) -> str:
    """How good the verification has to be for it."""
    if way.break_even is None or way.break_even.rate is None:
        return ""
    rate = _percent(way.break_even.rate)
    if told.wanted.errors.accepts > way.break_even.rate:
        return f"; but more wrong patches pass than its break-even rate of {rate}"
    return f"; it solves no less while at most {rate} of wrong patches pass"


def _worth(way: Figures, told: Replay) -> str:
    """What was saved for each task that is not solved any more."""
    strong = told.ways["always_strong"]
    if strong is None or not way.difference:
        return UNKNOWN
    return _usd((way.cost_usd - strong.cost_usd) / way.difference)


def replay_object(
    told: Replay,
    tried: Mapping[str, Mapping[str, Outcome]],
    *,
    source: str,
    harness: str,
    notes: tuple[str, ...],
    selected: bool,
) -> dict[str, Any]:
    """The whole replay as the JSON that docs/outcomes.md describes."""
    asked = told.wanted
    judged = [name for name in ("cascade", "ladder", "effort_cap") if told.ways[name]]
    ways = {name: _way_object(name, way, told, selected=selected) for name, way in told.ways.items()}
    return {
        "schema": 1,
        "source": source,
        "asked": _asked(asked, harness),
        "n": told.n,
        **ways,
        "break_even_false_accept": _even(told.break_even),
        "break_even": break_even_words(told.break_even, judged[0]) if told.break_even and judged else None,
        "finding": ways[judged[0]]["finding"] if judged else None,
        "verdict": ways[judged[0]]["verdict"] if judged else None,
        "tried": {name: _tried(tried[name]) for name in asked.models},
        "notes": list(notes),
    }


def nothing_object(wanted: Wanted, source: str, why: str, notes: tuple[str, ...]) -> dict[str, Any]:
    """The same object where no task can be compared."""
    nothing = dict.fromkeys((*WAYS, "break_even_false_accept", "break_even", "finding"))
    head = {"schema": 1, "source": source, "asked": _asked(wanted, ""), "n": 0}
    return {**head, **nothing, "verdict": why, "tried": {}, "notes": list(notes)}


def _asked(wanted: Wanted, harness: str) -> dict[str, Any]:
    return {
        "fast": wanted.fast or None,
        "strong": wanted.strong,
        "ladder": list(wanted.ladder),
        "harness": harness or None,
        "false_accept": wanted.errors.accepts,
        "false_reject": wanted.errors.rejects,
        "effort_cap": wanted.effort_cap,
        "strong_cap": wanted.strong_cap,
    }


def _way_object(name: str, way: Figures | None, told: Replay, *, selected: bool) -> Any:
    if way is None:
        return None
    made: dict[str, Any] = {
        "resolved": _exact(way.resolved),
        "cost_usd": _exact(way.cost_usd),
        "ratio": _exact(way.ratio),
        "difference": _exact(way.difference),
        "resolved_95": _pair(way.resolved_within),
        "ratio_95": _pair(way.ratio_within),
        "difference_95": _pair(way.difference_within),
    }
    if name == "strong_twice":
        made["resolved_bounds"] = _pair(way.bounds)
    if name in JUDGED:
        made["caps_usd"] = {model: _exact(usd) for model, usd in way.caps_usd.items()}
        made["break_even_false_accept"] = _even(way.break_even)
        made["finding"] = finding(way, told.n, selected=selected).value
        made["verdict"] = verdict(way, told, selected=selected)
    return made


def _tried(lane: Mapping[str, Outcome]) -> dict[str, Any]:
    """A model on every task that it has tried, shared or not."""
    n = len(lane)
    return {
        "n": n,
        "resolved": _exact(sum(it.resolved for it in lane.values()) / n),
        "cost_usd": _exact(sum(it.cost_usd for it in lane.values()) / n),
    }


def tried_lines(tried: Mapping[str, Mapping[str, Outcome]], told: Replay) -> Iterator[str]:
    """Where a model has tried more tasks than are compared: its share and cost on all of them."""
    for name in told.wanted.models:
        if len(tried[name]) > told.n:
            all_of = _tried(tried[name])
            share, cost = _percent(all_of["resolved"]), _usd(all_of["cost_usd"])
            yield f"{name} on all n={all_of['n']} tasks that it tried: solved {share}, {cost} a task"


def _even(even: BreakEven | None) -> float | None:
    return _exact(even.rate) if even else None


def _exact(value: float | None) -> float | None:
    """Without the last digits, which are those of the machine's arithmetic."""
    return None if value is None else round(value, 12) + 0.0


def _pair(within: Interval | None) -> list[float] | None:
    return None if within is None else [round(edge, 6) + 0.0 for edge in within]


def _points(share: float | None) -> float | None:
    return None if share is None else 100 * share


def _points_within(within: Interval | None) -> Interval | None:
    return None if within is None else (100 * within[0], 100 * within[1])


def _solved(way: Figures) -> str:
    return _with(_points(way.resolved), _points_within(way.resolved_within), ".1f")


def _with(value: float | None, within: Interval | None, form: str) -> str:
    if value is None:
        return UNKNOWN
    told = _signed(value, form)
    return f"{told} [{_signed(within[0], form)}, {_signed(within[1], form)}]" if within else told


def _signed(value: float, form: str) -> str:
    told = format(value, form)
    return (told if float(told) else told.replace("-", "+" if "+" in form else "")).replace("-", "−")


def _percent(share: float) -> str:
    return f"{100 * share:.3g} %"


def _usd(usd: float) -> str:
    """Dollars with three significant digits, as everywhere; means go below a micro-dollar."""
    return f"${usd:.2f}" if usd >= 1 or usd == 0 else f"${usd:.3g}"


def _all_of(models: tuple[str, ...]) -> str:
    return (
        "the model"
        if len(models) == 1
        else "both models"
        if len(models) == 2
        else f"all {len(models)} models"
    )
