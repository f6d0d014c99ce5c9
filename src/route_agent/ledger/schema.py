"""The ledger's tables, version by version."""

from __future__ import annotations

# what each version adds to the one before; files of older ones are brought up to date one by one
SCHEMAS = (
    """
CREATE TABLE run (
    id TEXT PRIMARY KEY, started_at TEXT NOT NULL, finished_at TEXT, repository TEXT NOT NULL,
    brief TEXT NOT NULL, base TEXT NOT NULL, start TEXT NOT NULL, replayed INTEGER NOT NULL,
    policy TEXT NOT NULL, policy_hash TEXT NOT NULL, task_class TEXT, score INTEGER, first_lane TEXT,
    accepted_lane TEXT, verdict TEXT, exit_code INTEGER, isolation TEXT, seconds REAL,
    cost_micro_usd INTEGER, unknown_calls INTEGER, forced_lane INTEGER NOT NULL, report TEXT
) STRICT;
CREATE TABLE attempt (
    run_id TEXT NOT NULL REFERENCES run (id), number INTEGER NOT NULL, at TEXT NOT NULL, lane TEXT NOT NULL,
    provider TEXT NOT NULL, model TEXT NOT NULL, failure TEXT, grade TEXT NOT NULL, seconds REAL NOT NULL,
    cost_micro_usd INTEGER NOT NULL, unknown_calls INTEGER NOT NULL, other_model INTEGER NOT NULL,
    files INTEGER NOT NULL, added INTEGER NOT NULL, deleted INTEGER NOT NULL, reason TEXT NOT NULL,
    PRIMARY KEY (run_id, number)
) STRICT;
CREATE TABLE call (
    id INTEGER PRIMARY KEY, run_id TEXT NOT NULL, at TEXT NOT NULL, lane TEXT NOT NULL,
    provider TEXT NOT NULL, model_requested TEXT NOT NULL, model_served TEXT, state TEXT NOT NULL,
    replayed INTEGER NOT NULL,
    reserved_micro_usd INTEGER NOT NULL, cost_micro_usd INTEGER, input_total INTEGER, cache_read INTEGER,
    cache_write INTEGER, output_total INTEGER, reasoning INTEGER, seconds REAL, error TEXT, reply TEXT
) STRICT;
CREATE TABLE check_result (
    run_id TEXT NOT NULL, attempt INTEGER NOT NULL, name TEXT NOT NULL, kind TEXT NOT NULL,
    outcome TEXT NOT NULL, reason TEXT NOT NULL, seconds REAL NOT NULL
) STRICT;
CREATE INDEX call_by_run ON call (run_id);
CREATE INDEX call_by_time ON call (at) WHERE replayed = 0;
CREATE INDEX attempt_by_lane ON attempt (lane);
""",
    """
CREATE TABLE review (
    run_id TEXT NOT NULL REFERENCES run (id), attempt INTEGER NOT NULL, at TEXT NOT NULL, lane TEXT NOT NULL,
    model TEXT NOT NULL, is_canary INTEGER NOT NULL, opinion TEXT NOT NULL, answered INTEGER NOT NULL,
    other_model INTEGER NOT NULL, cited INTEGER NOT NULL, reasons TEXT NOT NULL, seconds REAL NOT NULL,
    cost_micro_usd INTEGER NOT NULL, unknown_calls INTEGER NOT NULL
) STRICT;
CREATE INDEX review_by_model ON review (model);
""",
)

SCHEMA_VERSION = len(SCHEMAS)
