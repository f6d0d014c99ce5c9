"""Whether a published proof log is whole: entries as they were hashed, no number and no run left out. Pure.

Everything in the file may be made up by whoever hands it over; only what can be recomputed counts.
"""

from __future__ import annotations

import json
import re
from dataclasses import dataclass, field
from typing import Any

from route_agent.errors import UsageError
from route_agent.prooflog import (
    BEGIN,
    EVENTS,
    ZERO,
    Pin,
    Row,
    digest_of_fields,
    field_digest,
    field_salt,
    has_failed,
    in_order,
    link_of,
)

KIND = "route-agent proof log"
MOST_BYTES = 256 * 1024 * 1024
MOST_AFTER = 20_000  # links that are carried on beyond the window
MOST_TOLD = 20
MOMENT = re.compile(
    r"[0-9]{4}(-[0-9]{2}(-[0-9]{2}(T[0-9]{2}:[0-9]{2}(:[0-9]{2}(\.[0-9]{1,6})?)?(\+00:00)?)?)?)?"
)
_KEYS = frozenset({"schema", "kind", "made_at", "window", "before", "head", "cases", "chain", "unchained"})
_ROW: dict[str, type] = {
    "number": int, "at": str, "run_id": str, "event": str, "digest": str, "link": str,
}  # fmt: skip


@dataclass(slots=True)
class Checked:
    """What was found.

    Attributes:
        problems: what was changed or left out, in words; none where the file is whole.
        since: where the window begins, as the file says; empty: with the chain.
        until: where it ends; empty: with the chain.
        runs: how many runs of the window are told.
        entries: how many links were recomputed.
        withheld: how many fields are hidden since a later version takes them for secrets.
        unchained: runs that no chain covers; nothing of them is proved.
        head: the last link of the file.
        to_the_head: whether the ledger's chain ended there when the file was made, as the file says.
    """

    problems: list[str] = field(default_factory=list)
    since: str = ""
    until: str = ""
    runs: int = 0
    entries: int = 0
    withheld: int = 0
    unchained: int = 0
    head: Pin = field(default_factory=lambda: Pin(0, ZERO))
    to_the_head: bool = False


def read_log(data: bytes) -> dict[str, Any]:
    """A file's object.

    Raises:
        UsageError: it is no proof log: not JSON, too large, too deep, or of another kind.
    """
    try:
        if len(data) > MOST_BYTES:
            raise ValueError(f"larger than {MOST_BYTES >> 20} MiB")  # noqa: TRY301 - one sentence for all
        told = json.loads(data, object_pairs_hook=_once, parse_constant=_no_number)
    except (ValueError, RecursionError) as error:
        why = "nested too deeply" if isinstance(error, RecursionError) else str(error)[:200]
        raise UsageError(f"this is no proof log: {why}", hint=_HINT) from error
    if not isinstance(told, dict) or told.get("kind") != KIND:
        raise UsageError("this is no proof log: it does not say that it is one", hint=_HINT)
    if told.get("schema") != 1:
        raise UsageError("this proof log was written by a newer route-agent", hint="update route-agent")
    if wrong := _KEYS ^ told.keys():
        names = ", ".join(sorted(ascii(it)[1:41] for it in wrong))
        raise UsageError(f"this is no whole proof log: wrong or missing: {names}", hint=_HINT)
    return told


_HINT = "the JSON that `route-agent proof export` wrote"


def _once(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    told = dict(pairs)
    if len(told) < len(pairs):
        raise ValueError("a name stands twice in one object")
    return told


def _no_number(word: str) -> None:
    raise ValueError(f"{word} is no number")


def parse_pin(text: str) -> Pin:
    """`NUMBER:LINK`, as `route-agent proof head` prints it.

    Raises:
        UsageError: it is something else.
    """
    number, _, link = text.strip().partition(":")
    if not (number.isascii() and number.isdigit() and len(number) < 16 and _is_hash(link)):
        raise UsageError(
            f"{text[:90]!a} is no link of a chain", hint="NUMBER:LINK, from route-agent proof head"
        )
    return Pin(int(number), link)


def check(log: dict[str, Any], pin: Pin | None = None) -> Checked:
    """Recompute every link and digest of a log, and look for what is missing.

    Args:
        log: as `read_log` gives it.
        pin: a link that was published earlier.

    Raises:
        UsageError: something in it is nested too deeply to be looked at.
    """
    try:
        return _checked(log, pin)
    except RecursionError as error:
        raise UsageError("this is no proof log: nested too deeply", hint=_HINT) from error


def _checked(log: dict[str, Any], pin: Pin | None) -> Checked:
    found = Checked()
    try:
        before = _pin(log["before"])
        head = _pin(log["head"])
        rows = [_row(it) for it in _listed(log["chain"])]
        cases = [_Case.of(it) for it in _listed(log["cases"])]
        window = {name: _moment(log["window"], name) for name in ("since", "until")}
        found.since, found.until = window["since"], window["until"]
        found.unchained = len(_listed(log["unchained"]))
    except _Odd as odd:
        found.problems.append(f"not as it was written: {odd}")
        return found
    _check_links(rows, before, found)
    _check_edges(rows, before, head, window, found)
    _check_cases(rows, cases, window, found)
    if pin:
        _check_pin(pin, rows, before, found)
    return found


class _Odd(Exception):
    """A part of the file has another form than the program gives it."""


def _listed(value: Any) -> list[Any]:
    if not isinstance(value, list):
        raise _Odd("a list is something else")
    return value


def _of(value: Any, name: str, kind: type) -> Any:
    told = value.get(name) if isinstance(value, dict) else None
    if type(told) is not kind:
        raise _Odd(f"{name} is missing or something else")
    return told


def _moment(value: Any, name: str) -> str:
    """An edge of the window: empty, or a time in UTC, which sorts as text."""
    told: str = _of(value, name, str)
    if told and not MOMENT.fullmatch(told):
        raise _Odd(f"{name} is no time in UTC")
    return told


def _is_hash(text: Any) -> bool:
    return isinstance(text, str) and len(text) == 64 and not set(text) - set("0123456789abcdef")


def _pin(value: Any) -> Pin:
    pin = Pin(_of(value, "number", int), _of(value, "link", str))
    if not _is_hash(pin.link):
        raise _Odd("a link is no hash")
    return pin


def _row(value: Any) -> Row:
    row = Row(**{name: _of(value, name, kind) for name, kind in _ROW.items()})
    if (
        len(value) != len(_ROW)
        or row.event not in EVENTS
        or not (_is_hash(row.digest) and _is_hash(row.link))
    ):
        raise _Odd(f"entry {row.number} of the chain")
    return row


@dataclass(frozen=True, slots=True)
class _Case:
    """One run as it is told: its entries by number."""

    run_id: str
    entries: tuple[dict[str, Any], ...]

    @classmethod
    def of(cls, value: Any) -> _Case:
        entries = tuple(_listed(value.get("entries") if isinstance(value, dict) else None))
        for entry in entries:
            _of(entry, "number", int)
            _of(entry, "event", str)
            _of(entry, "content", dict)
        if not entries or set(value) != {"run_id", "entries"}:
            raise _Odd("a run without entries, or with something that nothing covers")
        return cls(_of(value, "run_id", str), entries)


def _check_links(rows: list[Row], before: Pin, found: Checked) -> None:
    previous, number = before.link, before.number
    for row in rows:
        found.entries += 1
        number += 1
        if row.number != number:
            found.problems.append(_gap(row.number, number))
            number = row.number
        elif row.link != link_of(previous, row.number, row.at, row.run_id, row.event, row.digest):
            found.problems.append(f"entry {row.number} of the chain was changed (run {_told(row.run_id)})")
        previous = row.link
    found.head = Pin(number, previous)


def _gap(number: int, expected: int) -> str:
    if number > expected:
        many = f"entries {expected} to {number - 1}" if number - 1 > expected else f"entry {expected}"
        return f"{many} of the chain left out"
    return f"entry {number} of the chain stands twice or in another's place"


def _check_edges(rows: list[Row], before: Pin, head: Pin, window: dict[str, str], found: Checked) -> None:
    """Whether the file reaches as far as its window on both sides."""
    if before.number == 0 and before.link != ZERO:
        found.problems.append("the chain's beginning was changed")
    if before.number < 0:
        found.problems.append("the chain's beginning is before the first entry")
    if before.number > 0 and (not rows or not rows[0].at < window["since"]):
        found.problems.append("what stood before the first entry of the window was left out")
    found.to_the_head = found.head == head
    if found.to_the_head:
        return
    began = {row.run_id for row in rows if row.event == BEGIN and _within(row.at, window)}
    ours = [at for at, row in enumerate(rows) if _within(row.at, window) or row.run_id in began]
    after = len(rows) - 1 - (ours[-1] if ours else 0)
    if head.number <= found.head.number:
        found.problems.append(f"the head that the file names ({head.number}) is not where its chain ends")
    elif after < MOST_AFTER:
        found.problems.append(_gap(head.number + 1, found.head.number + 1))


def _within(at: str, window: dict[str, str]) -> bool:
    return at >= window["since"] and (not window["until"] or at < window["until"])


def _check_cases(rows: list[Row], cases: list[_Case], window: dict[str, str], found: Checked) -> None:
    wanted: dict[str, list[Row]] = {
        row.run_id: [] for row in rows if row.event == BEGIN and _within(row.at, window)
    }
    for row in rows:
        if row.run_id in wanted:
            wanted[row.run_id].append(row)
    found.runs = len(wanted)
    told: set[str] = set()
    for case in cases:
        name = _told(case.run_id)
        if case.run_id in told:
            found.problems.append(f"run {name} stands twice")
        elif case.run_id not in wanted:
            found.problems.append(f"run {name} is in no entry of the window's chain")
        else:
            _check_entries(case, wanted[case.run_id], found)
        told.add(case.run_id)
    found.problems += [f"run {_told(it)} was left out" for it in wanted if it not in told]
    order = [
        (has_failed((it["event"], it["content"]) for it in case.entries), _first(case)) for case in cases
    ]
    if in_order(order) != list(range(len(cases))):
        found.problems.append("the runs stand in another order: failures come first, then as they began")


def _first(case: _Case) -> int:
    return int(case.entries[0]["number"])


def _check_entries(case: _Case, rows: list[Row], found: Checked) -> None:
    name = _told(case.run_id)
    numbers = [it["number"] for it in case.entries]
    missing = sorted({row.number for row in rows} - set(numbers))
    found.problems += [f"entry {it} of run {name} was left out" for it in missing]
    if len(numbers) != len(set(numbers)) or numbers != sorted(numbers):
        found.problems.append(f"an entry of run {name} stands twice or out of order")
    by_number = {row.number: row for row in rows}
    for entry in case.entries:
        row = by_number.get(entry["number"])
        if row is None or row.event != entry["event"] or not _is_as_hashed(entry, row.digest, found):
            found.problems.append(f"entry {entry['number']} of run {name} was changed")


def _is_as_hashed(entry: dict[str, Any], digest: str, found: Checked) -> bool:
    """Whether an entry's fields, shown and withheld, give its digest."""
    content, withheld = entry["content"], entry.get("withheld", {})
    if not isinstance(withheld, dict) or withheld.keys() & content.keys():
        return False
    salts = entry.get("salts")
    if isinstance(entry.get("salt"), str) and salts is None and not withheld:
        salts = {name: field_salt(entry["salt"], name) for name in content}
    known = {"number", "event", "content", *(("salts", "withheld") if withheld else ("salt",))}
    if set(entry) != known or not isinstance(salts, dict) or salts.keys() != content.keys():
        return False
    if not all(map(_is_hash, withheld.values())) or not all(isinstance(it, str) for it in salts.values()):
        return False
    found.withheld += len(withheld)
    shown = {name: field_digest(salts[name], it) for name, it in content.items()}
    return digest_of_fields({**shown, **withheld}) == digest


def _check_pin(pin: Pin, rows: list[Row], before: Pin, found: Checked) -> None:
    """Whether the chain goes through a link that was published earlier."""
    links = {before.number: before.link, **{row.number: row.link for row in rows}}
    if pin.number in links:
        if links[pin.number] != pin.link:
            found.problems.append(
                f"the chain does not go through the link of entry {pin.number} that was pinned"
            )
    elif pin.number > found.head.number:
        found.problems.append(
            f"the chain ends at {found.head.number}: the pinned entry {pin.number} was left out"
        )
    else:
        found.problems.append(
            f"the file begins after the pinned entry {pin.number}: whether it follows from it cannot be told"
        )


def _told(run_id: str) -> str:
    """A name that may be anything, as it may be shown."""
    return run_id if run_id.isascii() and run_id.isalnum() and len(run_id) < 40 else ascii(run_id[:40])
