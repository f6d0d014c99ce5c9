"""The questions behind `stats` and the report page: what can be summed, SQLite sums over the tally."""

from __future__ import annotations

from collections import Counter
from dataclasses import replace
from datetime import date, timedelta
from itertools import chain
from typing import TYPE_CHECKING, Any

from route_agent.figuring import estimate, latency, share
from route_agent.ledger import questions, tally
from route_agent.ledger.comparing import losing_of, savings_of
from route_agent.ledger.groups import (
    Each,
    along,
    failures_of,
    group_of,
    group_of_calls,
    limits_of,
    most,
    tiers_of,
    week_name,
)
from route_agent.ledger.sums import Sums, sums_of
from route_agent.ledger.weekly import Read, Week, Weekly
from route_agent.records.figures import (
    Asked,
    Cell,
    Confident,
    Failed,
    Figures,
    Group,
    LedgerRow,
    WeekOf,
)

if TYPE_CHECKING:
    import sqlite3
    from collections.abc import Callable, Iterable, Mapping
    from pathlib import Path

Key = tuple[str, ...]

MOST_USES = 3
BINS = 10


class Figuring(Weekly):
    """A ledger, asked for figures. What was summed for one question is kept for the next of its window."""

    def __init__(self, path: Path) -> None:
        super().__init__(path)
        self._known: dict[tuple[str, Asked], Any] = {}

    def figures(self, asked: Asked) -> Figures:
        """Everything that `stats` says."""
        by_pair = _added(self._cells(asked), (2, 1))
        judged = self._read(questions.JUDGED, _window(asked))[0]
        of_calls = asked.by in ("key", "endpoint")
        return Figures(
            asked=asked,
            groups=self._of_calls(asked) if of_calls else self._groups(asked),
            whole=self._whole(asked, judged),
            tiers=tiers_of(asked, self._each(_by_lane(asked)).ended),
            savings=savings_of(by_pair, asked),  # type: ignore[arg-type]
            losing=losing_of(by_pair, asked),  # type: ignore[arg-type]
            table=(*self._table(asked), *self._verifiers(asked)),
            judged=judged["n"],
            gate_cost=None if judged["unknown"] else judged["cost"],
            replayed=self._count("replayed = 1", asked),
            unfinished=self._count("verdict IS NULL AND replayed = 0", asked),
            imported=self._count("source <> '' AND replayed = 0", asked),
        )

    def weeks(self, asked: Asked) -> tuple[WeekOf, ...]:
        """By week and by the lane in which runs began, the oldest week first."""
        times = self._each(_by_lane(asked)).weekly
        return tuple(
            WeekOf(
                week=week_name(monday),
                begins=monday,
                lane=lane,
                runs=int(it.runs),
                first_try=share(int(it.first_passed), int(it.tried)),
                escalated=share(int(it.escalated), int(it.tried)),
                latency=latency(times.get((monday, lane), ())),
                per_run=estimate(it.whole(asked).each),
                per_accepted=estimate(it.whole(asked)),
            )
            for (monday, lane), it in sorted(_added(self._cells(asked), (0, 1)).items())
        )

    def totals(self, asked: Asked) -> dict[str, tuple[int, int, int | None]]:
        """By week, named by its Monday: runs, accepted ones, and what they cost where that is known."""
        return {
            monday: (int(it.runs), int(it.accepted), None if it.unknown else int(it.run))
            for (monday,), it in _added(self._cells(asked), (0,)).items()
        }

    def cells(self, asked: Asked) -> tuple[Cell, ...]:
        """By class of task and lane: every attempt that says something of the lane."""
        return tuple(
            Cell(task_class, lane, share(int(it.passed), int(it.counted)), estimate(it.direct(asked).each))
            for (task_class, lane), it in sorted(_added(self._cells(asked), (2, 1)).items())
            if it.counted
        )

    def confidence(self, asked: Asked) -> tuple[Confident, ...]:
        """By tenths of the computed confidence: how often the attempt was accepted, and its patch kept."""
        bins: dict[int, tuple[int, float, int]] = {}
        for week in self._weeks(asked):
            for at, found in week.bins.items():
                n, total, accepted = bins.get(at, (0, 0.0, 0))
                bins[at] = n + found[0], total + found[1], accepted + found[2]
        kept = Counter[int]()
        told = Counter[int]()
        for table in self._tables():
            for row in self._read(questions.KEPT.format(table=table), _window(asked)):
                kept[row["bin"]] += row["kept"]
                told[row["bin"]] += row["told"]
        return tuple(
            Confident(at / BINS, (at + 1) / BINS, total / n, share(accepted, n), share(kept[at], told[at]))
            for at, (n, total, accepted) in sorted(bins.items())
        )

    # --- sums -----------------------------------------------------------------------------------------------

    def _once(self, what: str, asked: Asked, make: Callable[[Asked], Any]) -> Any:
        if (what, asked) not in self._known:
            self._known[what, asked] = make(asked)
        return self._known[what, asked]

    def _weeks(self, asked: Asked) -> list[Week]:
        found: list[Week] = self._once(
            "weeks",
            _window_of(asked),
            lambda it: list(self.summed_weeks(it.since, it.until, self._tables())),
        )
        return found

    def _cells(self, asked: Asked) -> dict[Key, Sums]:
        """By week, lane and class: the order in which the tally lies, and fine enough for most questions."""
        found: dict[Key, Sums] = self._once("cells", _by_lane(asked), self._made_cells)
        return found

    def _made_cells(self, asked: Asked) -> dict[Key, Sums]:
        found: dict[Key, Sums] = {}
        for week in self._weeks(asked):
            for (lane, task_class), sums in week.cells.items():
                at = (week.monday, lane, task_class)
                found[at] = found.get(at, Sums()) + sums
        return self._with_minutes(found, ("week", "lane", "task_class"), asked)

    def _each(self, asked: Asked) -> Each:
        of_weeks = asked.by == "lane"
        found: Each = self._once("each", asked, self._each_of_weeks if of_weeks else self._read_each)
        return found

    def _each_of_weeks(self, asked: Asked) -> Each:
        found = Each()
        for week in self._weeks(asked):
            found.add_week(week)
        return found

    def _read_each(self, asked: Asked) -> Each:
        found = Each()
        for table in self._tables():
            query = questions.EACH.format(key=questions.COLUMN[asked.by], table=table)
            with self._plainly():
                cursor = self._db.cursor()
                cursor.row_factory = None  # plain tuples are read twice as quickly
                found.read(cursor.execute(query, _window(asked)), of_attempts=asked.by in ("lane", "model"))
        return found

    def _summed(self, key: str, asked: Asked) -> dict[Key, Sums]:
        """Sums by a column of the tally, with what people's minutes add to them."""
        found: dict[Key, Sums] = {}
        for table in self._tables():
            for row in self._read(questions.SUMMED.format(key=key, table=table), _window(asked)):
                found[row[0],] = found.get((row[0],), Sums()) + sums_of(tuple(row)[1:])
        return self._with_minutes(found, (key,), asked)

    def _with_minutes(self, found: dict[Key, Sums], names: Key, asked: Asked) -> dict[Key, Sums]:
        for table in self._tables():
            for row in self._read(questions.MINUTES.format(table=table), _window(asked)):
                at = tuple(row[name] for name in names)
                found[at] = found[at].with_minutes(row, asked)
        return found

    def _tables(self) -> tuple[str, ...]:
        """The tally; and, where runs never ended, theirs, since what they spent is spent."""
        if not self._read("SELECT 1 FROM run WHERE verdict IS NULL LIMIT 1"):
            return ("tally",)
        if ("unended", Asked()) not in self._known:
            with self._plainly():
                self._db.execute(f"CREATE TEMP TABLE IF NOT EXISTS unended ({tally.COLUMNS})")
                self._db.execute("DELETE FROM temp.unended")
                self._db.execute(f"INSERT INTO temp.unended {tally.UNENDED}")
            self._known["unended", Asked()] = True
        return "tally", "temp.unended"

    def _count(self, condition: str, asked: Asked) -> int:
        query = f"SELECT COUNT(*) FROM run WHERE {condition} AND {questions.WITHIN.format(at='started_at')}"  # noqa: S608 - ours
        return int(self._read(query, _window(asked))[0][0])

    # --- groups ---------------------------------------------------------------------------------------------

    def _groups(self, asked: Asked) -> tuple[Group, ...]:
        each = self._each(asked)
        if asked.by in ("lane", "class", "week"):
            place = ("week", "lane", "class").index(asked.by)
            sums = _added(self._cells(asked), (place,))
        else:
            sums = self._summed(questions.COLUMN[asked.by], asked)
        groups = (
            group_of(name, it, asked, each.times.get(name, ()), failures_of(each, name, int(it.tries), 0))
            for (name,), it in sums.items()
        )
        told = (replace(it, limits=limits_of(each.limits, it.name)) for it in groups)
        named = (replace(it, name=week_name(it.name)) for it in told) if asked.by == "week" else told
        return tuple(sorted(named, key=lambda it: it.name))

    def _whole(self, asked: Asked, judged: sqlite3.Row) -> Group:
        each = self._each(asked if asked.by not in ("key", "endpoint") else _by_lane(asked))
        (sums,) = _added(self._cells(asked), ()).values() or (Sums(),)
        times = list(chain.from_iterable(each.times.values()))
        group = group_of("all", sums, asked, times, failures_of(each, "", int(sums.tries), None))
        return replace(group, cache=replace(group.cache, verdicts=share(judged["reused"], judged["n"])))

    def _of_calls(self, asked: Asked) -> tuple[Group, ...]:
        key, window = questions.COLUMN[asked.by], _window(asked)
        times: dict[str, list[float]] = {}
        for name, seconds in self._read(questions.CALL_TIMES.format(key=key), window):
            times.setdefault(name, []).append(seconds)
        limits = Counter(
            {(row[0], row[1]): row[2] for row in self._read(questions.CALL_LIMITS.format(key=key), window)}
        )
        rows = self._read(questions.BY_KEY.format(key=key), window)
        return tuple(
            replace(group_of_calls(row, times.get(row["name"], [])), limits=limits_of(limits, row["name"]))
            for row in rows
        )

    def _table(self, asked: Asked) -> Iterable[LedgerRow]:
        """The classic table's lanes, along the ladder and then by name."""
        each = self._each(_by_lane(asked))
        pairs, lanes = _added(self._cells(asked), (1, 2)), _added(self._cells(asked), (1,))
        times: dict[str, list[float]] = {}
        for (_, lane), some in each.weekly.items():
            times.setdefault(lane, []).extend(some)
        for (lane,), sums in sorted(lanes.items(), key=lambda it: along(asked, it[0][0])):
            if not sums.tries:
                continue
            uses = Counter({it[1]: int(found.tries) for it, found in pairs.items() if it[0] == lane})
            failed = failures_of(each, lane, int(sums.tries), 1)
            yield LedgerRow(
                lane,
                int(sums.tries),
                latency(times.get(lane, ())),
                most(uses, MOST_USES),
                failed[0] if failed else None,
            )

    def _verifiers(self, asked: Asked) -> Iterable[LedgerRow]:
        """The classic table's verifiers: what they read, and the known-bad patches that they let pass."""
        several: dict[str, list[Read]] = {}
        for week in self._weeks(asked):
            for lane, read in week.read.items():
                several.setdefault(lane, []).append(read)
        for lane, reads in sorted(several.items()):
            times = list(chain.from_iterable(it.times for it in reads))
            uses = sum((it.uses for it in reads), Counter[str]())
            missed = share(sum(it.missed for it in reads), sum(it.canaries for it in reads))
            yield LedgerRow(
                lane,
                len(times),
                latency(times),
                most(uses, MOST_USES),
                Failed("approves known-bad patches", missed) if missed.part else None,
                is_verifier=True,
            )


def _window(asked: Asked) -> dict[str, Any]:
    day = date.fromisoformat(asked.since[:10]) if asked.since else None
    monday = (day - timedelta(days=day.weekday())).isoformat() if day else ""
    return {"since": asked.since, "until": asked.until, "week": monday}


def _by_lane(asked: Asked) -> Asked:
    return replace(asked, by="lane")


def _added(sums: Mapping[Key, Sums], places: tuple[int, ...]) -> dict[Key, Sums]:
    """Sums by fewer parts of their keys."""
    found: dict[Key, Sums] = {}
    for key, it in sums.items():
        at = tuple(key[place] for place in places)
        found[at] = found[at] + it if at in found else it
    return found


def _window_of(asked: Asked) -> Asked:
    return Asked(since=asked.since, until=asked.until)
