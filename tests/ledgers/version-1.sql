BEGIN TRANSACTION;
CREATE TABLE attempt (
    run_id TEXT NOT NULL REFERENCES run (id), number INTEGER NOT NULL, at TEXT NOT NULL, lane TEXT NOT NULL,
    provider TEXT NOT NULL, model TEXT NOT NULL, failure TEXT, grade TEXT NOT NULL, seconds REAL NOT NULL,
    cost_micro_usd INTEGER NOT NULL, unknown_calls INTEGER NOT NULL, other_model INTEGER NOT NULL,
    files INTEGER NOT NULL, added INTEGER NOT NULL, deleted INTEGER NOT NULL, reason TEXT NOT NULL,
    PRIMARY KEY (run_id, number)
) STRICT;
INSERT INTO "attempt" VALUES('k6st6m',1,'2026-11-21T18:12:59.300+00:00','fast','openai','small-1','still_failing','none',7.0226703299704240635e-01,1250,0,0,1,1,1,'unit::exit was red at start and still is');
INSERT INTO "attempt" VALUES('k6st6m',2,'2026-11-21T18:13:00.481+00:00','strong','anthropic','large-1',NULL,'discriminating',1.18059315899881767109e+00,18000,0,0,1,1,1,'unit::exit red at start, green now');
CREATE TABLE call (
    id INTEGER PRIMARY KEY, run_id TEXT NOT NULL, at TEXT NOT NULL, lane TEXT NOT NULL,
    provider TEXT NOT NULL, model_requested TEXT NOT NULL, model_served TEXT, state TEXT NOT NULL,
    replayed INTEGER NOT NULL,
    reserved_micro_usd INTEGER NOT NULL, cost_micro_usd INTEGER, input_total INTEGER, cache_read INTEGER,
    cache_write INTEGER, output_total INTEGER, reasoning INTEGER, seconds REAL, error TEXT, reply TEXT
) STRICT;
INSERT INTO "call" VALUES(1,'k6st6m','2026-11-21T18:12:58.936+00:00','fast','openai','small-1','small-1','done',0,80837,1250,1000,200,0,50,0,1.01848235994111746549e-01,'','SUMMARY: add adds again

```diff
--- a/calc.py
+++ b/calc.py
@@ -1,2 +1,2 @@
 def add(a, b):
-    return a - b
+    return a * b - 1
```
');
INSERT INTO "call" VALUES(2,'k6st6m','2026-11-21T18:13:00.191+00:00','strong','anthropic','large-1','large-1','done',0,810420,18000,1500,0,300,60,0,3.54027440043864771723e-02,'','SUMMARY: add adds again

```diff
--- a/calc.py
+++ b/calc.py
@@ -1,2 +1,2 @@
 def add(a, b):
-    return a - b
+    return a + b
```
');
CREATE TABLE check_result (
    run_id TEXT NOT NULL, attempt INTEGER NOT NULL, name TEXT NOT NULL, kind TEXT NOT NULL,
    outcome TEXT NOT NULL, reason TEXT NOT NULL, seconds REAL NOT NULL
) STRICT;
INSERT INTO "check_result" VALUES('k6st6m',0,'unit','test','failed','exit code 1',1.03929617005633190274e-01);
INSERT INTO "check_result" VALUES('k6st6m',1,'unit','test','failed','exit code 1',1.10885849004262126982e-01);
INSERT INTO "check_result" VALUES('k6st6m',2,'unit','test','passed','',1.00901569996494799852e-01);
CREATE TABLE run (
    id TEXT PRIMARY KEY, started_at TEXT NOT NULL, finished_at TEXT, repository TEXT NOT NULL,
    brief TEXT NOT NULL, base TEXT NOT NULL, start TEXT NOT NULL, replayed INTEGER NOT NULL,
    policy TEXT NOT NULL, policy_hash TEXT NOT NULL, task_class TEXT, score INTEGER, first_lane TEXT,
    accepted_lane TEXT, verdict TEXT, exit_code INTEGER, isolation TEXT, seconds REAL,
    cost_micro_usd INTEGER, unknown_calls INTEGER, forced_lane INTEGER NOT NULL, report TEXT
) STRICT;
INSERT INTO "run" VALUES('k6st6m','2026-11-21T18:12:58.336+00:00','2026-11-21T18:13:00.490+00:00','/tmp/ledger-sample/pit','add must add: calc.add(2, 2) is 0','13abf06724b6ca027865e60e7f611394689b146b','bc6275248cf1d8a9fe6b44239fdb51f1f1440c9b',0,'.route-agent/policy.yaml','59211693e0c1','feature',5,'fast','strong','accepted',0,'namespaces',2.19426355300674913451e+00,19250,0,0,'{"id": "k6st6m", "started_at": "2026-11-21T18:12:58.336+00:00", "repository": "/tmp/ledger-sample/pit", "brief": "add must add: calc.add(2, 2) is 0", "base": "13abf06724b6ca027865e60e7f611394689b146b", "start": "bc6275248cf1d8a9fe6b44239fdb51f1f1440c9b", "verdict": "accepted", "reason": "accepted at discriminating by strong", "isolation": {"level": "namespaces", "detail": "bwrap 0.8.0; net off, memory not limited"}, "risk": {"score": 5, "signals": [{"name": "files", "value": 0, "points": 0, "provenance": "tainted", "evidence": []}, {"name": "lines", "value": 0, "points": 0, "provenance": "trusted", "evidence": []}, {"name": "schema_change", "value": false, "points": 0, "provenance": "trusted", "evidence": []}, {"name": "auth_code", "value": false, "points": 0, "provenance": "trusted", "evidence": []}, {"name": "ci_or_deploy", "value": false, "points": 0, "provenance": "trusted", "evidence": []}, {"name": "secrets_handling", "value": false, "points": 0, "provenance": "trusted", "evidence": []}, {"name": "dependency_manifest", "value": false, "points": 0, "provenance": "trusted", "evidence": []}, {"name": "test_failures", "value": 1, "points": 2, "provenance": "trusted", "evidence": ["unit"]}, {"name": "new_code", "value": true, "points": 3, "provenance": "tainted", "evidence": ["the brief says \"add\""]}, {"name": "production_incident", "value": false, "points": 0, "provenance": "trusted", "evidence": []}]}, "decision": {"lane": "fast", "ladder": ["fast", "strong"], "reasons": ["score 5 \u2264 6, nothing always-strong"], "task_class": "feature", "policy_name": ".route-agent/policy.yaml", "policy_hash": "59211693e0c1", "skipped": []}, "baseline": {"tree": "bc6275248cf1d8a9fe6b44239fdb51f1f1440c9b", "results": [{"name": "unit", "kind": "test", "outcome": "failed", "reason": "exit code 1", "exit_code": 1, "seconds": 0.10392961700563319, "output": "", "tests": null}], "isolation": {"level": "namespaces", "detail": "bwrap 0.8.0; net off, memory not limited"}, "seconds": 0.2349697429963271}, "attempts": [{"lane": "fast", "provider": "openai", "model": "small-1", "calls": [{"id": 1, "lane": "fast", "provider": "openai", "model_requested": "small-1", "model_served": "small-1", "state": "done", "usage": {"input_total": 1000, "cache_read": 200, "cache_write": 0, "output_total": 50, "reasoning": 0, "provider_cost_usd": null}, "cost_micro_usd": 1250, "reserved_micro_usd": 80837, "seconds": 0.10184823599411175, "error": ""}], "summary": "add adds again", "change": {"old_tree": "bc6275248cf1d8a9fe6b44239fdb51f1f1440c9b", "new_tree": "0b71a1b3818102ee31a32a79f32214f07e29584b", "files": [{"path": "calc.py", "old_mode": "100644", "new_mode": "100644", "old_id": "40bd875bc35aea6ca5e6bbfbb9977d95d2493d56", "new_id": "63cfbdf155f41e3056db7b646648f82650795e76", "added": 1, "deleted": 1}]}, "evidence": {"checks": {"tree": "0b71a1b3818102ee31a32a79f32214f07e29584b", "results": [{"name": "unit", "kind": "test", "outcome": "failed", "reason": "exit code 1", "exit_code": 1, "seconds": 0.11088584900426213, "output": "", "tests": null}], "isolation": {"level": "namespaces", "detail": "bwrap 0.8.0; net off, memory not limited"}, "seconds": 0.2333951580003486}, "grade": "none", "failure": "still_failing", "reasons": ["unit::exit was red at start and still is"], "pre_existing": []}, "failure": "still_failing", "reason": "unit::exit was red at start and still is", "seconds": 0.7022670329970424, "patch": "diff --git a/calc.py b/calc.py\nindex 40bd875bc35aea6ca5e6bbfbb9977d95d2493d56..63cfbdf155f41e3056db7b646648f82650795e76 100644\n--- a/calc.py\n+++ b/calc.py\n@@ -1,5 +1,5 @@\n def add(a, b):\n-    return a - b\n+    return a * b - 1\n \n \n def twice(a):\n"}, {"lane": "strong", "provider": "anthropic", "model": "large-1", "calls": [{"id": 2, "lane": "strong", "provider": "anthropic", "model_requested": "large-1", "model_served": "large-1", "state": "done", "usage": {"input_total": 1500, "cache_read": 0, "cache_write": 300, "output_total": 60, "reasoning": 0, "provider_cost_usd": null}, "cost_micro_usd": 18000, "reserved_micro_usd": 810420, "seconds": 0.03540274400438648, "error": ""}], "summary": "add adds again", "change": {"old_tree": "bc6275248cf1d8a9fe6b44239fdb51f1f1440c9b", "new_tree": "7b5b180af708ac84ae1a2077b1624717f206146f", "files": [{"path": "calc.py", "old_mode": "100644", "new_mode": "100644", "old_id": "40bd875bc35aea6ca5e6bbfbb9977d95d2493d56", "new_id": "b940901ab933b980cdbc2ad9902ede177dcc89f6", "added": 1, "deleted": 1}]}, "evidence": {"checks": {"tree": "7b5b180af708ac84ae1a2077b1624717f206146f", "results": [{"name": "unit", "kind": "test", "outcome": "passed", "reason": "", "exit_code": 0, "seconds": 0.1009015699964948, "output": "", "tests": null}], "isolation": {"level": "namespaces", "detail": "bwrap 0.8.0; net off, memory not limited"}, "seconds": 0.2264089710006374}, "grade": "discriminating", "failure": null, "reasons": ["unit::exit red at start, green now"], "pre_existing": []}, "failure": null, "reason": "unit::exit red at start, green now", "seconds": 1.1805931589988177, "patch": "diff --git a/calc.py b/calc.py\nindex 40bd875bc35aea6ca5e6bbfbb9977d95d2493d56..b940901ab933b980cdbc2ad9902ede177dcc89f6 100644\n--- a/calc.py\n+++ b/calc.py\n@@ -1,5 +1,5 @@\n def add(a, b):\n-    return a - b\n+    return a + b\n \n \n def twice(a):\n"}], "cost": {"known_micro_usd": 19250, "unknown_calls": 0}, "seconds": 2.194263553006749, "verification": "python3 -c ''import sys; sys.dont_write_bytecode = True; sys.path.insert(0, ''\"''\"''.''\"''\"''); import calc; sys.exit(0 if calc.twice(2) == 4 and calc.add(2, 2) == 4 else 1)''", "patch_path": "/tmp/ledger-sample/state/route-agent/repos/pit-84ff819507/run-k6st6m/patch.diff", "delivered": "", "next_step": "git apply /tmp/ledger-sample/state/route-agent/repos/pit-84ff819507/run-k6st6m/patch.diff", "replayed": false, "forced_lane": false, "notices": []}');
CREATE INDEX call_by_run ON call (run_id);
CREATE INDEX call_by_time ON call (at) WHERE replayed = 0;
CREATE INDEX attempt_by_lane ON attempt (lane);
COMMIT;
PRAGMA user_version = 1;
