"""A narrow copy of what statistics are made of: a row for each attempt, in the order in which it is summed.

Reading a million runs with their reports takes minutes; reading their tally takes a second. One statement
derives it from the other tables, so that it says nothing that they do not; `ledger check` makes sure of it.
"""

from __future__ import annotations

from route_agent.records.grades import Verdict
from route_agent.records.lanes import CallState, Purpose

# what is true of the whole run stands on its first row, and is 0 on the others
COLUMNS = """
    week TEXT NOT NULL, lane TEXT NOT NULL, task_class TEXT NOT NULL, run_id TEXT NOT NULL,
    number INTEGER NOT NULL, at TEXT NOT NULL, repository TEXT NOT NULL, author TEXT NOT NULL,
    model TEXT NOT NULL, failure TEXT, counts INTEGER NOT NULL, seconds REAL NOT NULL, cost INTEGER NOT NULL,
    reviews INTEGER NOT NULL, unknown INTEGER NOT NULL, check_seconds REAL NOT NULL, confidence REAL,
    source TEXT NOT NULL, first INTEGER NOT NULL, accepted INTEGER NOT NULL, escalated INTEGER NOT NULL,
    last_lane TEXT NOT NULL, run_seconds REAL NOT NULL, run_cost INTEGER NOT NULL,
    run_unknown INTEGER NOT NULL, model_cost INTEGER NOT NULL, escalation INTEGER NOT NULL,
    verifier INTEGER NOT NULL,
    tests INTEGER NOT NULL, run_checks REAL NOT NULL, start_checks REAL NOT NULL, calls INTEGER NOT NULL,
    reused INTEGER NOT NULL,
    input_tokens INTEGER NOT NULL, read_tokens INTEGER NOT NULL, saved INTEGER, limits TEXT"""
_KEY = "PRIMARY KEY (week, lane, task_class, run_id, number)"
TABLE = f"CREATE TABLE tally ({COLUMNS},\n    {_KEY}\n) STRICT, WITHOUT ROWID"


def _of_calls(what: str, condition: str = "") -> str:
    which = " AND ".join(filter(None, ("run_id = run.id", condition)))
    return f"(SELECT {what} FROM call WHERE {which})"  # noqa: S608 - the words are ours


def _once(value: str, otherwise: str = "0") -> str:
    """What is true of the run, on its first row alone."""
    return f"CASE WHEN COALESCE(number, 1) = 1 THEN {value} ELSE {otherwise} END"


def _sum(what: str, table: str, condition: str, nothing: str = "0") -> str:
    return f"COALESCE((SELECT SUM({what}) FROM {table} WHERE {condition}), {nothing})"  # noqa: S608 - ours


_FIRST_LANE = "(SELECT lane FROM attempt AS start WHERE start.run_id = run.id AND start.number = 1)"
_TRIED = "tried.run_id = run.id"
_MINE = "run_id = run.id AND attempt = number"
_NEW = f"state <> '{CallState.FAILED.value}'"  # what was turned away answered nothing
# a run that did not end has no sum of its own; what it had set aside is lost, and of unknown cost
_ALL_COST = f"COALESCE(run.cost_micro_usd, {_of_calls('SUM(cost_micro_usd)')}, 0)"
_ALL_UNKNOWN = f"COALESCE(run.unknown_calls, {_of_calls('SUM(cost_micro_usd IS NULL)')}, 0)"

_VALUES = (
    "date(run.started_at, 'weekday 0', '-6 days')",  # the Monday of its week in UTC
    "COALESCE(attempt.lane, run.first_lane, 'unknown')",
    "COALESCE(run.task_class, 'unknown')",
    "run.id",
    "COALESCE(number, 0)",
    "run.started_at",
    # what the calls name is the same from every worktree
    f"COALESCE(NULLIF({_of_calls('MAX(repository)')}, ''), run.repository)",
    "CASE run.author WHEN '' THEN 'unknown' ELSE run.author END",
    "COALESCE(attempt.model, 'unknown')",
    "failure",
    "number IS NOT NULL AND other_model = 0 AND same_model = 0 AND attempt.reused = 0",
    "COALESCE(attempt.seconds, 0.0)",
    "COALESCE(attempt.cost_micro_usd, 0)",
    _sum("cost_micro_usd", "review", _MINE),
    f"COALESCE(attempt.unknown_calls, 0) + {_sum('unknown_calls', 'review', _MINE)}",
    _sum("seconds", "check_result", _MINE, "0.0"),
    "confidence",
    "run.source",
    _once("1"),
    _once(f"COALESCE(verdict = '{Verdict.ACCEPTED.value}', 0)"),
    _once(
        f"EXISTS (SELECT 1 FROM attempt AS tried WHERE {_TRIED} AND number > 1"  # noqa: S608 - ours
        f" AND same_model = 0 AND lane <> {_FIRST_LANE})"
    ),
    _once(
        f"COALESCE((SELECT lane FROM attempt AS tried WHERE {_TRIED} ORDER BY number DESC LIMIT 1), '')",  # noqa: S608 - ours
        "''",
    ),
    _once("COALESCE(run.seconds, 0.0)", "0.0"),
    _once(_ALL_COST),
    _once(_ALL_UNKNOWN),
    _once(_sum("cost_micro_usd", "attempt AS tried", f"{_TRIED} AND lane = {_FIRST_LANE}")),
    _once(_sum("cost_micro_usd", "attempt AS tried", f"{_TRIED} AND lane <> {_FIRST_LANE}")),
    _once(_sum("cost_micro_usd", "review", "run_id = run.id")),
    _once(f"COALESCE({_of_calls('SUM(cost_micro_usd)', f'purpose = {Purpose.TEST.value!r}')}, 0)"),
    _once("COALESCE((SELECT SUM(seconds) FROM check_result WHERE run_id = run.id), 0.0)", "0.0"),
    _once(
        "COALESCE((SELECT SUM(seconds) FROM check_result WHERE run_id = run.id AND attempt = 0), 0.0)", "0.0"
    ),
    _once(_of_calls("COUNT(*)", _NEW)),
    _once(f"COALESCE({_of_calls('SUM(reused)', _NEW)}, 0)"),
    _once(f"COALESCE({_of_calls('SUM(input_total)')}, 0)"),
    _once(f"COALESCE({_of_calls('SUM(cache_read)')}, 0)"),
    _once(_of_calls("SUM(saved_micro_usd)"), "NULL"),
    _once("run.limits", "NULL"),
)
PLANNED = Verdict.PLANNED.value
# recorded replies and dry runs are no work
_RUNS = (
    "FROM run LEFT JOIN attempt ON attempt.run_id = run.id"
    f" WHERE run.replayed = 0 AND COALESCE(verdict, '') <> '{Verdict.PLANNED.value}'"
)
DERIVED = f"SELECT {', '.join(_VALUES)} {_RUNS}"

OF_ENDED = f"INSERT INTO tally {DERIVED} AND verdict IS NOT NULL"
OF_ONE = f"{OF_ENDED} AND run.id = :id"
UNENDED = f"{DERIVED} AND verdict IS NULL"
FORGET = "DELETE FROM tally WHERE run_id = :id"
# sums of whole weeks, made when somebody asks and thrown away when a week's tally changes
SUMMED = (
    "CREATE TABLE summed (week TEXT PRIMARY KEY, form TEXT NOT NULL, facts TEXT NOT NULL,"
    " times BLOB NOT NULL) STRICT"
)
FORGETTING = tuple(
    f"CREATE TRIGGER tally_{event.lower()} AFTER {event} ON tally BEGIN"  # noqa: S608 - the words are ours
    f" DELETE FROM summed WHERE week = {side}.week; END"
    for event, side in (("INSERT", "new"), ("UPDATE", "new"), ("DELETE", "old"))
)
INDICES = (
    "CREATE INDEX tally_by_run ON tally (run_id)",
    "CREATE INDEX check_by_run ON check_result (run_id, attempt)",
    "CREATE INDEX review_by_run ON review (run_id, attempt)",
    "CREATE INDEX run_by_time ON run (started_at)",
    "CREATE INDEX run_unended ON run (started_at) WHERE verdict IS NULL",
    "CREATE INDEX run_replayed ON run (started_at, id) WHERE replayed = 1",
    "CREATE INDEX run_shadow ON run (started_at) WHERE mode = 'shadow'",
    "CREATE INDEX run_imported ON run (started_at) WHERE source <> ''",
    # everything that is asked of calls by key, without their replies
    (
        "CREATE INDEX call_by_key ON call (key_name, endpoint, at, run_id, lane, cost_micro_usd, seconds,"
        " state, purpose, reused, input_total, cache_read, saved_micro_usd) WHERE replayed = 0"
    ),
    # what another machine has spent is no part of what may be spent here
    "DROP INDEX call_by_day",
    (
        "CREATE INDEX call_by_day ON call (at, repository, author, lane, cost_micro_usd, reserved_micro_usd,"
        " replayed, imported) WHERE replayed = 0"
    ),
)
