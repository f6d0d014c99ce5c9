BEGIN TRANSACTION;
CREATE TABLE attempt (
    run_id TEXT NOT NULL REFERENCES run (id), number INTEGER NOT NULL, at TEXT NOT NULL, lane TEXT NOT NULL,
    provider TEXT NOT NULL, model TEXT NOT NULL, failure TEXT, grade TEXT NOT NULL, seconds REAL NOT NULL,
    cost_micro_usd INTEGER NOT NULL, unknown_calls INTEGER NOT NULL, other_model INTEGER NOT NULL,
    files INTEGER NOT NULL, added INTEGER NOT NULL, deleted INTEGER NOT NULL, reason TEXT NOT NULL, same_model INTEGER NOT NULL DEFAULT 0, reused INTEGER NOT NULL DEFAULT 0, repairs INTEGER NOT NULL DEFAULT 0, iterations INTEGER NOT NULL DEFAULT 0, tokens INTEGER,
    PRIMARY KEY (run_id, number)
) STRICT;
INSERT INTO "attempt" VALUES('ubgyh3',1,'2026-11-21T21:17:21.231+00:00','fast','openai','small-1','still_failing','none',0.856276013997558,1250,0,0,1,1,1,'unit::exit was red at start and still is',0,0,0,1,1050);
INSERT INTO "attempt" VALUES('ubgyh3',2,'2026-11-21T21:17:23.675+00:00','strong','anthropic','large-1',NULL,'discriminating',2.44338259999494766816e+00,18000,0,0,1,1,1,'unit::exit red at start, green now',0,0,0,1,1560);
CREATE TABLE call (
    id INTEGER PRIMARY KEY, run_id TEXT NOT NULL, at TEXT NOT NULL, lane TEXT NOT NULL,
    provider TEXT NOT NULL, model_requested TEXT NOT NULL, model_served TEXT, state TEXT NOT NULL,
    replayed INTEGER NOT NULL,
    reserved_micro_usd INTEGER NOT NULL, cost_micro_usd INTEGER, input_total INTEGER, cache_read INTEGER,
    cache_write INTEGER, output_total INTEGER, reasoning INTEGER, seconds REAL, error TEXT, reply TEXT
, repository TEXT NOT NULL DEFAULT '', author TEXT NOT NULL DEFAULT '', purpose TEXT NOT NULL DEFAULT 'patch', fallback_for TEXT NOT NULL DEFAULT '', cache_write_1h INTEGER, is_estimate INTEGER NOT NULL DEFAULT 0, price_basis TEXT NOT NULL DEFAULT '', saved_micro_usd INTEGER, estimated_tokens INTEGER NOT NULL DEFAULT 0, reused INTEGER NOT NULL DEFAULT 0, request_key TEXT NOT NULL DEFAULT '') STRICT;
INSERT INTO "call" VALUES(1,'ubgyh3','2026-11-21T21:17:20.823+00:00','fast','openai','small-1','small-1','done',0,81139,1250,1000,0,0,50,0,8.53132769989315420389e-02,'','SUMMARY: add adds again

```diff
--- a/calc.py
+++ b/calc.py
@@ -1,2 +1,2 @@
 def add(a, b):
-    return a - b
+    return a * b - 1
```
','/tmp/ledger-sample/pit','t@example.com','patch','',0,0,'rates',0,642,0,'');
INSERT INTO "call" VALUES(2,'ubgyh3','2026-11-21T21:17:22.468+00:00','strong','anthropic','large-1','large-1','done',0,814010,18000,1500,0,0,60,0,3.41639440011931583285e-02,'','SUMMARY: add adds again

```diff
--- a/calc.py
+++ b/calc.py
@@ -1,2 +1,2 @@
 def add(a, b):
-    return a - b
+    return a + b
```
','/tmp/ledger-sample/pit','t@example.com','patch','',0,0,'rates',0,773,0,'');
CREATE TABLE check_result (
    run_id TEXT NOT NULL, attempt INTEGER NOT NULL, name TEXT NOT NULL, kind TEXT NOT NULL,
    outcome TEXT NOT NULL, reason TEXT NOT NULL, seconds REAL NOT NULL
) STRICT;
INSERT INTO "check_result" VALUES('ubgyh3',0,'unit','test','failed','exit code 1',1.16086513997288420796e-01);
INSERT INTO "check_result" VALUES('ubgyh3',1,'unit','test','failed','exit code 1',1.18478447002416942268e-01);
INSERT INTO "check_result" VALUES('ubgyh3',2,'unit','test','passed','',1.31977987999562174081e-01);
CREATE TABLE quote (
    run_id TEXT PRIMARY KEY REFERENCES run (id), at TEXT NOT NULL, expected INTEGER, low INTEGER,
    high INTEGER, worst INTEGER, escalation REAL, runs INTEGER NOT NULL, actual INTEGER
) STRICT;
INSERT INTO "quote" VALUES('ubgyh3','2026-11-21T21:17:20.374+00:00',8142,NULL,NULL,1000000,NULL,0,19250);
CREATE TABLE review (
    run_id TEXT NOT NULL REFERENCES run (id), attempt INTEGER NOT NULL, at TEXT NOT NULL, lane TEXT NOT NULL,
    model TEXT NOT NULL, is_canary INTEGER NOT NULL, opinion TEXT NOT NULL, answered INTEGER NOT NULL,
    other_model INTEGER NOT NULL, cited INTEGER NOT NULL, reasons TEXT NOT NULL, seconds REAL NOT NULL,
    cost_micro_usd INTEGER NOT NULL, unknown_calls INTEGER NOT NULL
) STRICT;
CREATE TABLE run (
    id TEXT PRIMARY KEY, started_at TEXT NOT NULL, finished_at TEXT, repository TEXT NOT NULL,
    brief TEXT NOT NULL, base TEXT NOT NULL, start TEXT NOT NULL, replayed INTEGER NOT NULL,
    policy TEXT NOT NULL, policy_hash TEXT NOT NULL, task_class TEXT, score INTEGER, first_lane TEXT,
    accepted_lane TEXT, verdict TEXT, exit_code INTEGER, isolation TEXT, seconds REAL,
    cost_micro_usd INTEGER, unknown_calls INTEGER, forced_lane INTEGER NOT NULL, report TEXT
) STRICT;
INSERT INTO "run" VALUES('ubgyh3','2026-11-21T21:17:19.799+00:00','2026-11-21T21:17:23.697+00:00','/tmp/ledger-sample/pit','sums must be right','3c06eb7c51b59cac35638d92350de9a9d140000d','bc6275248cf1d8a9fe6b44239fdb51f1f1440c9b',0,'.route-agent/policy.yaml','82236175db5c','bug',2,'fast','strong','accepted',0,'namespaces',3.95098535499710123986e+00,19250,0,0,'{"id": "ubgyh3", "started_at": "2026-11-21T21:17:19.799+00:00", "repository": "/tmp/ledger-sample/pit", "brief": "sums must be right", "base": "3c06eb7c51b59cac35638d92350de9a9d140000d", "start": "bc6275248cf1d8a9fe6b44239fdb51f1f1440c9b", "verdict": "accepted", "reason": "accepted at discriminating by strong", "isolation": {"level": "namespaces", "detail": "overlay, bwrap 0.8.0; net off, pids 2048, memory not limited"}, "risk": {"score": 2, "signals": [{"name": "files", "value": 0, "points": 0, "provenance": "tainted", "evidence": [], "rule": ""}, {"name": "lines", "value": 0, "points": 0, "provenance": "trusted", "evidence": [], "rule": ""}, {"name": "schema_change", "value": false, "points": 0, "provenance": "trusted", "evidence": [], "rule": ""}, {"name": "auth_code", "value": false, "points": 0, "provenance": "trusted", "evidence": [], "rule": ""}, {"name": "ci_or_deploy", "value": false, "points": 0, "provenance": "trusted", "evidence": [], "rule": ""}, {"name": "auto_executed", "value": false, "points": 0, "provenance": "trusted", "evidence": [], "rule": ""}, {"name": "secrets_handling", "value": false, "points": 0, "provenance": "trusted", "evidence": [], "rule": ""}, {"name": "dependency_manifest", "value": false, "points": 0, "provenance": "trusted", "evidence": [], "rule": ""}, {"name": "test_failures", "value": 1, "points": 2, "provenance": "trusted", "evidence": ["unit"], "rule": ""}, {"name": "new_code", "value": false, "points": 0, "provenance": "tainted", "evidence": [], "rule": ""}, {"name": "production_incident", "value": false, "points": 0, "provenance": "trusted", "evidence": [], "rule": ""}]}, "decision": {"lane": "fast", "ladder": ["fast", "strong"], "reasons": ["score 2 \u2264 6, nothing always-strong"], "task_class": "bug", "policy_name": ".route-agent/policy.yaml", "policy_hash": "82236175db5c", "skipped": [], "mode": "rules", "phase": "", "advice": []}, "baseline": {"tree": "bc6275248cf1d8a9fe6b44239fdb51f1f1440c9b", "results": [{"name": "unit", "kind": "test", "outcome": "failed", "reason": "exit code 1", "exit_code": 1, "seconds": 0.11608651399728842, "output": "", "tests": null, "lines": null, "flaky": [], "cancelled": false, "raised": {}}], "isolation": {"level": "namespaces", "detail": "overlay, bwrap 0.8.0; net off, pids 2048, memory not limited"}, "seconds": 0.5297878479977953, "changed": [], "cached": false}, "attempts": [{"lane": "fast", "provider": "openai", "model": "small-1", "calls": [{"id": 1, "lane": "fast", "provider": "openai", "model_requested": "small-1", "model_served": "small-1", "state": "done", "usage": {"input_total": 1000, "cache_read": 0, "cache_write": 0, "output_total": 50, "reasoning": 0, "provider_cost_usd": null, "cache_write_1h": 0, "is_estimate": false}, "cost_micro_usd": 1250, "reserved_micro_usd": 81139, "seconds": 0.08531327699893154, "error": "", "purpose": "patch", "price_basis": "rates", "saved_micro_usd": 0, "estimated_tokens": 642, "reused": false, "fallback_for": ""}], "summary": "add adds again", "change": {"old_tree": "bc6275248cf1d8a9fe6b44239fdb51f1f1440c9b", "new_tree": "0b71a1b3818102ee31a32a79f32214f07e29584b", "files": [{"path": "calc.py", "old_mode": "100644", "new_mode": "100644", "old_id": "40bd875bc35aea6ca5e6bbfbb9977d95d2493d56", "new_id": "63cfbdf155f41e3056db7b646648f82650795e76", "added": 1, "deleted": 1}]}, "evidence": {"checks": {"tree": "0b71a1b3818102ee31a32a79f32214f07e29584b", "results": [{"name": "unit", "kind": "test", "outcome": "failed", "reason": "exit code 1", "exit_code": 1, "seconds": 0.11847844700241694, "output": "", "tests": null, "lines": null, "flaky": [], "cancelled": false, "raised": {}}], "isolation": {"level": "namespaces", "detail": "overlay, bwrap 0.8.0; net off, pids 2048, memory not limited"}, "seconds": 0.2522746650065528, "changed": [], "cached": false}, "grade": "none", "failure": "still_failing", "reasons": ["unit::exit was red at start and still is"], "pre_existing": [], "flaky": [], "known": {"findings": [], "lines": {"changed": [], "executed": [], "unmeasured": ["calc.py"]}, "own_tests": [], "only_tests": false, "reproduced": [], "alone": null, "restored": null, "without": null, "mutants": null}}, "failure": "still_failing", "reason": "unit::exit was red at start and still is", "seconds": 0.856276013997558, "patch": "diff --git a/calc.py b/calc.py\nindex 40bd875bc35aea6ca5e6bbfbb9977d95d2493d56..63cfbdf155f41e3056db7b646648f82650795e76 100644\n--- a/calc.py\n+++ b/calc.py\n@@ -1,5 +1,5 @@\n def add(a, b):\n-    return a - b\n+    return a * b - 1\n \n \n def twice(a):\n", "repairs": 0, "reviews": [], "unreviewed": "", "confidence": null, "confidence_reasons": [], "iterations": 1, "reads": [], "plan": "", "same_model_as": "", "difference": "", "second": null}, {"lane": "strong", "provider": "anthropic", "model": "large-1", "calls": [{"id": 2, "lane": "strong", "provider": "anthropic", "model_requested": "large-1", "model_served": "large-1", "state": "done", "usage": {"input_total": 1500, "cache_read": 0, "cache_write": 0, "output_total": 60, "reasoning": 0, "provider_cost_usd": null, "cache_write_1h": 0, "is_estimate": false}, "cost_micro_usd": 18000, "reserved_micro_usd": 814010, "seconds": 0.03416394400119316, "error": "", "purpose": "patch", "price_basis": "rates", "saved_micro_usd": 0, "estimated_tokens": 773, "reused": false, "fallback_for": ""}], "summary": "add adds again", "change": {"old_tree": "bc6275248cf1d8a9fe6b44239fdb51f1f1440c9b", "new_tree": "7b5b180af708ac84ae1a2077b1624717f206146f", "files": [{"path": "calc.py", "old_mode": "100644", "new_mode": "100644", "old_id": "40bd875bc35aea6ca5e6bbfbb9977d95d2493d56", "new_id": "b940901ab933b980cdbc2ad9902ede177dcc89f6", "added": 1, "deleted": 1}]}, "evidence": {"checks": {"tree": "7b5b180af708ac84ae1a2077b1624717f206146f", "results": [{"name": "unit", "kind": "test", "outcome": "passed", "reason": "", "exit_code": 0, "seconds": 0.13197798799956217, "output": "", "tests": null, "lines": {"calc.py": [1, 2, 5, 6]}, "flaky": [], "cancelled": false, "raised": {}}], "isolation": {"level": "namespaces", "detail": "overlay, bwrap 0.8.0; net off, pids 2048, memory not limited"}, "seconds": 0.26951002499845345, "changed": [], "cached": false}, "grade": "discriminating", "failure": null, "reasons": ["unit::exit red at start, green now"], "pre_existing": [], "flaky": [], "known": {"findings": [], "lines": {"changed": [["calc.py", 2]], "executed": [["calc.py", 2]], "unmeasured": []}, "own_tests": [], "only_tests": false, "reproduced": [], "alone": null, "restored": null, "without": null, "mutants": {"made": 3, "survivors": [], "seconds": 0.8273935990000609, "fresh": false, "cut_short": false}}}, "failure": null, "reason": "unit::exit red at start, green now", "seconds": 2.4433825999949477, "patch": "diff --git a/calc.py b/calc.py\nindex 40bd875bc35aea6ca5e6bbfbb9977d95d2493d56..b940901ab933b980cdbc2ad9902ede177dcc89f6 100644\n--- a/calc.py\n+++ b/calc.py\n@@ -1,5 +1,5 @@\n def add(a, b):\n-    return a - b\n+    return a + b\n \n \n def twice(a):\n", "repairs": 0, "reviews": [], "unreviewed": "not asked: discriminating needs no second opinion", "confidence": 0.95, "confidence_reasons": ["discriminating: 0.95", "effort unknown: 0 earlier attempts of this lane, 20 are needed", "2 lines added and removed", "no second model was asked"], "iterations": 1, "reads": [], "plan": "", "same_model_as": "", "difference": "", "second": null}], "cost": {"known_micro_usd": 19250, "unknown_calls": 0}, "seconds": 3.9509853549971012, "verification": "python3 -c ''import sys; sys.dont_write_bytecode = True; sys.path.insert(0, ''\"''\"''.''\"''\"''); import calc; sys.exit(0 if calc.twice(2) == 4 and calc.add(2, 2) == 4 else 1)''", "patch_path": "/tmp/ledger-sample/state/route-agent/repos/pit-7b9ad3f612/run-ubgyh3/patch.diff", "delivered": "", "next_step": "git apply /tmp/ledger-sample/state/route-agent/repos/pit-7b9ad3f612/run-ubgyh3/patch.diff", "replayed": false, "forced_lane": false, "notices": [], "reproduction": {"lane": "verifier", "model": "", "tests": [], "change": null, "baseline": null, "patch": "", "reason": "the policy has no lane \"verifier\"", "attempts": 0, "calls": [], "seconds": 0.0, "suspect": ""}, "quote": {"expected": 8142, "low": null, "high": null, "worst": 1000000, "escalation": null, "runs": 0, "held": [0, 0]}, "withheld": []}');
CREATE INDEX call_by_run ON call (run_id);
CREATE INDEX attempt_by_lane ON attempt (lane);
CREATE INDEX review_by_model ON review (model);
CREATE INDEX call_by_day ON call (
    at, repository, author, lane, cost_micro_usd, reserved_micro_usd, replayed
) WHERE replayed = 0;
CREATE INDEX call_by_request ON call (request_key) WHERE request_key <> '';
CREATE INDEX call_by_model ON call (lane, model_requested) WHERE estimated_tokens > 0;
CREATE INDEX run_by_lane ON run (first_lane, started_at);
COMMIT;
PRAGMA user_version = 3;
