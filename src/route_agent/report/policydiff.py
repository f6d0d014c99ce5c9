"""A change of policy, replayed: as lines, as a comment for a pull request, as an object."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

from route_agent.policydiff import came_and_went
from route_agent.report.words import first_line

if TYPE_CHECKING:
    from route_agent.policy import NamedPolicy
    from route_agent.policydiff import Estimate, KeyChange, LaneCost, Move, Replayed

MOST_LINES, MOST_ITEMS = 20, 50
_SHOWN = 80


def headline(it: Replayed) -> str:
    """What the change does, in one sentence with its figures."""
    if not it.tasks:
        return "the ledger has no runs of such tasks yet: nothing to replay"
    told = [f"{len(it.moves)} of {_tasks(it.tasks)} change lane"]
    if it.moves:
        up = sum(move.up for move in it.moves)
        told[0] += f" ({up} up, {len(it.moves) - up} down)"
    if it.to_top:
        told.append(f"{_some(len(it.to_top), 'past failure')} would start at {it.to_top[0].new.lane}")
    if it.unknown:
        told.append(f"expected cost unknown: {it.unknown}")
    elif it.moves and it.expected:
        told.append(f"expected {_usd(it.expected)}")
    return ", ".join(told)


def remarks(it: Replayed) -> Iterator[str]:
    """What the figures rest on."""
    if it.costs and it.moves:
        lanes = ", ".join(_mean(lane, cost) for lane, cost in it.costs.items())
        yield f"the cost is from the mean of what runs cost that began at each lane: {lanes}"
    if it.assumed:
        yield (f"of {_tasks(it.assumed)} something that the change goes by is not stored: taken as it was")
    if it.by_hand:
        yield f"{_tasks(it.by_hand)} had a lane that was asked for by hand, and stay there"


def _mean(lane: str, cost: LaneCost) -> str:
    left_out = f", {cost.unknown} of unknown cost left out" if cost.unknown else ""
    return f"{lane} ${cost.mean_usd:.3g} (n={cost.n}{left_out})"


def lines(old: NamedPolicy, new: NamedPolicy, it: Replayed) -> Iterator[str]:
    """The whole report for a terminal."""
    yield f"{old.name} ({old.policy.hash}) → {new.name} ({new.policy.hash})"
    yield headline(it)
    for move in it.moves[:MOST_LINES]:
        failed = ", had failed there" if move.task.failed else ""
        yield (
            f"  {move.task.id}  {move.old.lane} → {move.new.lane}  score {move.old_score} → {move.new_score}"
            f"{failed}  {first_line(move.task.brief)}"
        )
    if len(it.moves) > MOST_LINES:
        yield f"  … and {len(it.moves) - MOST_LINES} more; --json has them all"
    yield from (f"  {remark}" for remark in remarks(it))
    yield "" if it.keys else "the two policies say the same"
    yield from (f"  {change.key}: {_change(change)}" for change in it.keys)


def markdown(old: NamedPolicy, new: NamedPolicy, it: Replayed) -> Iterator[str]:
    """The same as a comment; whatever an outsider may have written stands in code spans."""
    yield f"**Policy:** {code(old.name)} → {code(new.name)}"
    yield ""
    yield f"{_escaped(headline(it))}."
    if it.moves:
        yield ""
        yield "<details><summary>Tasks that change lane</summary>"
        yield ""
        yield from (_item(move) for move in it.moves[:MOST_ITEMS])
        if len(it.moves) > MOST_ITEMS:
            yield f"- … and {len(it.moves) - MOST_ITEMS} more"
        yield ""
        yield "</details>"
    if told := list(remarks(it)):
        yield ""
        yield from (f"- {_escaped(remark)}" for remark in told)
    yield ""
    yield "| Key | Change |\n| --- | --- |" if it.keys else "The two policies say the same."
    yield from (f"| {_cell(change.key)} | {_cell(_change(change))} |" for change in it.keys)


def as_object(old: NamedPolicy, new: NamedPolicy, it: Replayed) -> dict[str, Any]:
    """The object that `policy diff --json` prints. Money is in dollars; null where it is not known."""
    return {
        "schema": 1,
        "old": {"policy": old.name, "hash": old.policy.hash},
        "new": {"policy": new.name, "hash": new.policy.hash},
        "n": it.tasks,
        "moves": [_move(move) for move in it.moves],
        "past_failures_to_top": [move.task.id for move in it.to_top],
        "by_hand": it.by_hand,
        "taken_as_it_was": it.assumed,
        "expected_usd": it.expected.usd if it.expected else None,
        "expected_usd_interval": [it.expected.low, it.expected.high] if it.expected else None,
        "expected_unknown": it.unknown or None,
        "lane_costs": {
            lane: {"n": cost.n, "mean_usd": cost.mean_usd, "unknown": cost.unknown}
            for lane, cost in (it.costs or {}).items()
        },
        "keys": [{"key": it_.key, "old": it_.old, "new": it_.new} for it_ in it.keys],
    }


def _move(move: Move) -> dict[str, Any]:
    return {
        "run": move.task.id,
        "from": move.old.lane,
        "to": move.new.lane,
        "up": move.up,
        "score_from": move.old_score,
        "score_to": move.new_score,
        "reasons": list(move.new.reasons),
        "failed": move.task.failed,
        "task": move.task.brief,
    }


def _item(move: Move) -> str:
    failed = ", had failed there" if move.task.failed else ""
    return (
        f"- {code(move.task.id)} {code(move.old.lane)} → {code(move.new.lane)}, score {move.old_score} →"
        f" {move.new_score}{failed}: {code(first_line(move.task.brief))}"
    )


def code(text: str) -> str:
    """Text as a code span, in which nothing has a meaning: no link, mention or tag, nor the span's end."""
    plain = " ".join("".join(it if it.isprintable() else " " for it in text).replace("`", "'").split())
    shown = plain if len(plain) <= _SHOWN else f"{plain[: _SHOWN - 1]}…"
    return f"`{shown or ' '}`"


def _cell(text: str) -> str:
    """A code span that ends no cell of a table."""
    return code(text.replace("\\", "∖").replace("|", "¦"))  # noqa: RUF001 - so that nothing is an escape


def _escaped(text: str) -> str:
    """Words of our own with names of lanes in them, which a policy chooses."""
    return re.sub(r"[\\`*_\[\]<>#|~$]", lambda found: f"\\{found.group()}", text)


def _change(change: KeyChange) -> str:
    if listed := came_and_went(change):
        came, went = listed
        return ", ".join([*(f"+ {_value(it)}" for it in came), *(f"− {_value(it)}" for it in went)])
    return f"{_value(change.old)} → {_value(change.new)}"


def _value(value: Any) -> str:
    """A value on one line; of a lane or check only what it says."""
    if value is None:
        return "not there"
    if isinstance(value, dict):
        value = {key: it for key, it in value.items() if it not in (None, "", [], {})}
    return value if isinstance(value, str) and value else json.dumps(value, ensure_ascii=False)


def _usd(it: Estimate) -> str:
    sign = "−" if it.usd < 0 else "+"
    return f"{sign}${abs(it.usd):.2f} [{it.low:.2f}, {it.high:.2f}]"


def _tasks(count: int) -> str:
    return _some(count, "task")


def _some(count: int, what: str) -> str:
    return f"{count} {what}{'' if count == 1 else 's'}"
