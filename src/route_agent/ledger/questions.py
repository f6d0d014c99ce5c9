"""What statistics ask SQLite, over the tally and over the calls; see `figures` for who asks."""

from __future__ import annotations

from route_agent.ledger.sums import SUMS

COLUMN = {
    "lane": "lane",
    "model": "model",
    "class": "task_class",
    "repo": "repository",
    "author": "author",
    "week": "week",
    "key": "key_name",
    "endpoint": "endpoint",
}
WITHIN = "{at} >= :since AND (:until = '' OR {at} < :until)"
WINDOW = f"tally.week >= :week AND {WITHIN.format(at='tally.at')}"
SUMMED = f"SELECT {{key}}, {SUMS} FROM {{table}} AS tally WHERE {WINDOW} GROUP BY {{key}}"  # noqa: S608 - ours
EACH = (
    "SELECT {key}, week, lane, failure, counts, seconds, number, first, last_lane, run_seconds, limits"  # noqa: S608 - the words are ours
    f" FROM {{table}} AS tally WHERE {WINDOW}"
)
# told after the run has ended, and of few runs
MINUTES = (
    "SELECT tally.*, standing.minutes AS minutes FROM standing JOIN {table} AS tally"  # noqa: S608 - ours
    " ON tally.run_id = standing.run_id AND first = 1"
    f" WHERE standing.minutes IS NOT NULL AND {WINDOW}"
)
OF_CALLS = (
    "SELECT {key} AS name, run_id, COUNT(*) AS calls, COALESCE(SUM(cost_micro_usd), 0) AS cost,"  # noqa: S608 - the words are ours
    " SUM(cost_micro_usd IS NULL) AS unknown, SUM(reused) AS reused,"
    " COALESCE(SUM(input_total), 0) AS input, COALESCE(SUM(cache_read), 0) AS read,"
    " SUM(saved_micro_usd) AS saved,"
    " COALESCE(SUM(cost_micro_usd * (purpose = 'opinion')), 0) AS verifier,"
    " COALESCE(SUM(cost_micro_usd * (purpose = 'test')), 0) AS tests,"
    " COALESCE(SUM(cost_micro_usd * (purpose = 'level')), 0) AS other"
    " FROM call WHERE replayed = 0 AND state <> 'failed'"
    f" AND {WITHIN.format(at='at')} GROUP BY {{key}}, run_id"
)
BY_KEY = (
    "SELECT name, COUNT(*) AS runs, SUM(calls) AS calls, SUM(cost) AS cost, SUM(unknown) AS unknown,"  # noqa: S608 - the words are ours
    " SUM(CAST(cost AS REAL) * cost) AS squares, SUM(reused) AS reused, SUM(input) AS input,"
    " SUM(read) AS read, SUM(saved) AS saved, SUM(verifier) AS verifier, SUM(tests) AS tests,"
    f" SUM(other) AS other FROM ({OF_CALLS}) GROUP BY name"
)
CALL_TIMES = (
    "SELECT {key}, seconds FROM call WHERE replayed = 0 AND state = 'done' AND reused = 0"  # noqa: S608 - the words are ours
    f" AND seconds IS NOT NULL AND {WITHIN.format(at='at')}"
)
CALL_LIMITS = (
    "SELECT name, limits, COUNT(*) FROM (SELECT DISTINCT {key} AS name, run_id FROM call"  # noqa: S608 - the words are ours
    f" WHERE replayed = 0 AND {WITHIN.format(at='at')}) AS used"
    " JOIN tally ON tally.run_id = used.run_id AND first = 1 WHERE limits IS NOT NULL GROUP BY name, limits"
)
KEPT = (
    "SELECT MIN(CAST(confidence * 10 AS INTEGER), 9) AS bin, COUNT(*) AS told,"  # noqa: S608 - ours
    " SUM(outcome IN ('accept', 'amend')) AS kept"
    " FROM standing JOIN {table} AS tally ON tally.run_id = standing.run_id"
    f" WHERE confidence IS NOT NULL AND counts = 1 AND failure IS NULL AND {WINDOW} GROUP BY bin"
)
_IN_WEEK = f"tally.week = :week AND {WITHIN.format(at='tally.at')}"
OF_WEEK = (
    f"SELECT lane, task_class, {SUMS} FROM {{table}} AS tally WHERE {_IN_WEEK} GROUP BY lane, task_class"  # noqa: S608 - ours
)
ROWS_OF_WEEK = (
    "SELECT lane, failure, counts, seconds, first, last_lane, limits, confidence FROM {table} AS tally"  # noqa: S608 - ours
    f" WHERE {_IN_WEEK}"
)
READ_IN_WEEK = (
    "SELECT review.lane, tally.task_class, review.seconds, is_canary, is_canary AND opinion = 'approve'"  # noqa: S608 - ours
    " FROM {table} AS tally JOIN review ON review.run_id = tally.run_id"
    f" WHERE first = 1 AND answered = 1 AND other_model = 0 AND {_IN_WEEK} ORDER BY review.seconds"
)
JUDGED = (
    "SELECT COUNT(*) AS n, COALESCE(SUM(reused), 0) AS reused, COALESCE(SUM(cost_micro_usd), 0) AS cost,"  # noqa: S608 - ours
    f" COALESCE(SUM(unknown_calls), 0) AS unknown FROM judgement WHERE {WITHIN.format(at='at')}"
)
