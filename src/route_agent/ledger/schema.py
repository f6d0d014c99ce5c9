"""The ledger's tables, version by version."""

from __future__ import annotations

from route_agent.ledger import tally

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
    """
ALTER TABLE call ADD COLUMN repository TEXT NOT NULL DEFAULT '';
ALTER TABLE call ADD COLUMN author TEXT NOT NULL DEFAULT '';
ALTER TABLE call ADD COLUMN purpose TEXT NOT NULL DEFAULT 'patch';
ALTER TABLE call ADD COLUMN fallback_for TEXT NOT NULL DEFAULT '';
ALTER TABLE call ADD COLUMN cache_write_1h INTEGER;
ALTER TABLE call ADD COLUMN is_estimate INTEGER NOT NULL DEFAULT 0;
ALTER TABLE call ADD COLUMN price_basis TEXT NOT NULL DEFAULT '';
ALTER TABLE call ADD COLUMN saved_micro_usd INTEGER;
ALTER TABLE call ADD COLUMN estimated_tokens INTEGER NOT NULL DEFAULT 0;
ALTER TABLE call ADD COLUMN reused INTEGER NOT NULL DEFAULT 0;
ALTER TABLE call ADD COLUMN request_key TEXT NOT NULL DEFAULT '';
UPDATE call SET repository = COALESCE((SELECT repository FROM run WHERE run.id = run_id), '');
ALTER TABLE attempt ADD COLUMN same_model INTEGER NOT NULL DEFAULT 0;
ALTER TABLE attempt ADD COLUMN reused INTEGER NOT NULL DEFAULT 0;
ALTER TABLE attempt ADD COLUMN repairs INTEGER NOT NULL DEFAULT 0;
ALTER TABLE attempt ADD COLUMN iterations INTEGER NOT NULL DEFAULT 0;
ALTER TABLE attempt ADD COLUMN tokens INTEGER;
CREATE TABLE quote (
    run_id TEXT PRIMARY KEY REFERENCES run (id), at TEXT NOT NULL, expected INTEGER, low INTEGER,
    high INTEGER, worst INTEGER, escalation REAL, runs INTEGER NOT NULL, actual INTEGER
) STRICT;
DROP INDEX call_by_time;
CREATE INDEX call_by_day ON call (
    at, repository, author, lane, cost_micro_usd, reserved_micro_usd, replayed
) WHERE replayed = 0;
CREATE INDEX call_by_request ON call (request_key) WHERE request_key <> '';
CREATE INDEX call_by_model ON call (lane, model_requested) WHERE estimated_tokens > 0;
CREATE INDEX run_by_lane ON run (first_lane, started_at);
""",
    """
ALTER TABLE run ADD COLUMN mode TEXT;
ALTER TABLE run ADD COLUMN phase TEXT NOT NULL DEFAULT '';
ALTER TABLE run ADD COLUMN class_named INTEGER NOT NULL DEFAULT 0;
ALTER TABLE run ADD COLUMN advice TEXT;
ALTER TABLE run ADD COLUMN signals TEXT;
ALTER TABLE run ADD COLUMN paths TEXT;
UPDATE run SET mode = 'rules' WHERE first_lane IS NOT NULL;
UPDATE run SET signals = json_extract(report, '$.risk.signals') WHERE json_valid(report);
ALTER TABLE attempt ADD COLUMN calls INTEGER;
ALTER TABLE attempt ADD COLUMN score INTEGER;
ALTER TABLE attempt ADD COLUMN effort REAL;
ALTER TABLE attempt ADD COLUMN likely REAL;
ALTER TABLE attempt ADD COLUMN confidence REAL;
ALTER TABLE attempt ADD COLUMN paths TEXT;
DROP INDEX attempt_by_lane;
CREATE INDEX attempt_by_model ON attempt (lane, model);
CREATE INDEX run_by_repository ON run (repository, started_at);
""",
    "\n;".join(
        (
            """
ALTER TABLE run ADD COLUMN author TEXT NOT NULL DEFAULT '';
ALTER TABLE run ADD COLUMN limits TEXT;
ALTER TABLE run ADD COLUMN source TEXT NOT NULL DEFAULT '';
ALTER TABLE run ADD COLUMN patch TEXT;
ALTER TABLE run ADD COLUMN delivered TEXT NOT NULL DEFAULT '';
ALTER TABLE call ADD COLUMN key_name TEXT NOT NULL DEFAULT '';
ALTER TABLE call ADD COLUMN endpoint TEXT NOT NULL DEFAULT '';
ALTER TABLE call ADD COLUMN imported INTEGER NOT NULL DEFAULT 0;
UPDATE run SET author = COALESCE((SELECT author FROM call WHERE run_id = run.id LIMIT 1), '');
CREATE TABLE reception (
    id INTEGER PRIMARY KEY, run_id TEXT NOT NULL REFERENCES run (id), at TEXT NOT NULL, source TEXT NOT NULL,
    outcome TEXT NOT NULL, minutes REAL, note TEXT NOT NULL DEFAULT '', reviewer TEXT NOT NULL DEFAULT '',
    commit_id TEXT NOT NULL DEFAULT '', lines INTEGER, surviving INTEGER, days REAL
) STRICT;
CREATE INDEX reception_by_run ON reception (run_id);
CREATE TABLE judgement (
    id TEXT PRIMARY KEY, at TEXT NOT NULL, repository TEXT NOT NULL, author TEXT NOT NULL, base TEXT NOT NULL,
    head TEXT NOT NULL, policy_hash TEXT NOT NULL, verdict TEXT NOT NULL, exit_code INTEGER NOT NULL,
    failure TEXT, grade TEXT NOT NULL, score INTEGER NOT NULL, lane TEXT NOT NULL, task_class TEXT NOT NULL,
    seconds REAL NOT NULL, check_seconds REAL NOT NULL, cost_micro_usd INTEGER NOT NULL,
    unknown_calls INTEGER NOT NULL, reused INTEGER NOT NULL, source TEXT NOT NULL DEFAULT '',
    verdict_key TEXT NOT NULL DEFAULT '', report TEXT NOT NULL, reason TEXT NOT NULL DEFAULT '',
    blocks INTEGER NOT NULL DEFAULT 0, files INTEGER NOT NULL DEFAULT 0, standing TEXT NOT NULL DEFAULT ''
) STRICT;
CREATE INDEX judgement_by_key ON judgement (verdict_key, at) WHERE verdict_key <> '';
CREATE TABLE chain (
    number INTEGER PRIMARY KEY AUTOINCREMENT, at TEXT NOT NULL, run_id TEXT NOT NULL, event TEXT NOT NULL,
    salt TEXT NOT NULL, content TEXT NOT NULL, digest TEXT NOT NULL, link TEXT NOT NULL
) STRICT;
CREATE INDEX chain_by_run ON chain (run_id);
ALTER TABLE run ADD COLUMN retry_of TEXT NOT NULL DEFAULT '';
ALTER TABLE run ADD COLUMN override TEXT NOT NULL DEFAULT '';
CREATE INDEX run_by_retry ON run (retry_of) WHERE retry_of <> '';
CREATE VIEW standing AS
SELECT reception.run_id, reception.id, at, source, outcome, commit_id, lines, surviving, days,
    (SELECT SUM(minutes) FROM reception AS word WHERE word.run_id = reception.run_id AND word.id IN
        (SELECT MAX(id) FROM reception AS told WHERE told.run_id = reception.run_id AND minutes IS NOT NULL
         GROUP BY reviewer)) AS minutes
FROM reception JOIN (
    SELECT run_id, MAX(id + (source = 'person') * (1 << 60)) % (1 << 60) AS last
    FROM reception GROUP BY run_id
) AS latest ON reception.id = latest.last;
""",
            tally.TABLE,
            *tally.INDICES,
            tally.OF_ENDED,
            tally.SUMMED,
            *tally.FORGETTING,
        )
    ),
)

SCHEMA_VERSION = len(SCHEMAS)
