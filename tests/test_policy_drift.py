"""`policy drift`: where the code base and its outcomes have moved away from the rules."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from pasts import ledger_at, past
from sandpit import POLICY, Sandpit

from route_agent import drift, places
from route_agent.pathrules import Written
from route_agent.policy import Policy, parse_policy
from route_agent.records.past import PastTask


def policy(text: str = "") -> Policy:
    return parse_policy(f"version: 1\n{text}", "p.yaml")


def task(
    number: int, score: int, first_try: bool, *touched: str, lane: str = "fast", at: str = ""
) -> PastTask:
    return PastTask(
        str(number),
        at,
        "b",
        "other",
        score,
        lane,
        lane if first_try else "strong",
        first_try=first_try,
        touched=touched,
    )


def some(count: int, well: int, score: int, *touched: str, lane: str = "fast") -> list[PastTask]:
    return [task(number, score, number < well, *touched, lane=lane) for number in range(count)]


# --- files ---------------------------------------------------------------------------------------------------


def test_new_files_that_look_like_something_and_match_no_rule_are_told_by_folder() -> None:
    new = [
        "svc/identity/store.py", "svc/identity/keys.py", "svc/dbMigrate/run.go", "infra-live/main.yaml",
        "svc/kms.ts", "src/auth/x.py", "tests/test_login.py", "docs/oidc.md", "src/author.py", "src/rapid.py",
    ]  # fmt: skip

    found = list(drift.uncovered(policy(), new))

    assert [(it.what, it.do, it.n) for it in found] == [
        (
            "svc/identity: 2 new files by name of auth_code, and no rule matches: svc/identity/store.py",
            'signals.auth_code.paths: add "/svc/identity/**", if it is that',
            2,
        ),
        (
            "infra-live: 1 new file by name of ci_or_deploy, and no rule matches: infra-live/main.yaml",
            'signals.ci_or_deploy.paths: add "/infra-live/**", if it is that',
            1,
        ),
        (
            "svc/dbMigrate: 1 new file by name of schema_change, and no rule matches: svc/dbMigrate/run.go",
            'signals.schema_change.paths: add "/svc/dbMigrate/**", if it is that',
            1,
        ),
        (
            "svc/kms.ts: a new file by name of secrets_handling, and no rule matches",
            'signals.secrets_handling.paths: add "/svc/kms.ts", if it is that',
            1,
        ),
    ]


def test_what_is_told_to_add_covers_what_was_found() -> None:
    told = 'signals: {auth_code: {paths: ["/svc/identity/**"]}}'

    assert list(drift.uncovered(policy(told), ["svc/identity/store.py"])) == []


def test_the_teams_own_rule_that_stopped_matching_is_told_and_a_built_in_one_is_not() -> None:
    text = b"version: 1\nsignals:\n  auth_code:\n    paths: ['lib/gate/**', '**/auth/**']\n"
    written = Written.of(text, "p.yaml")

    (found,) = drift.stopped(written, ["lib/gate/a.py", "lib/gate/b.py", "src/auth/x.py"], ["src/gate/a.py"])

    assert found.what == (
        "signals.auth_code.paths: lib/gate/** (p.yaml:4) matched 2 files, such as lib/gate/a.py, and now none"
    )
    assert list(drift.stopped(written, ["lib/gate/a.py"], ["lib/gate/b.py"])) == []


# --- outcomes ------------------------------------------------------------------------------------------------


def test_a_folder_whose_simple_tasks_fail_at_their_first_lane_is_told_with_its_interval() -> None:
    tasks = [*some(8, 1, 2, "src/billing/tax.py", "src/x.py"), *some(20, 20, 2, "src/view/a.py")]

    (found,) = drift.escalating(policy(), tasks)

    assert (
        found.what
        == "src/billing: of its tasks with a low score 7 of 8, 88 % [53, 98] failed at their first lane"
    )
    assert 'paths: ["/src/billing/**"]' in found.do
    assert (found.n, found.share) == (8, 7 / 8)


@pytest.mark.parametrize(
    "tasks",
    [
        some(4, 0, 2, "a/b.py"),  # too few
        some(8, 4, 2, "a/b.py"),  # no more than half
        some(8, 2, 2, "a/b.py"),  # three of four, which may still be chance
        some(8, 0, 9, "a/b.py"),  # a high score
        some(8, 0, 2, "a/b.py", lane="strong"),  # nothing above it
    ],
)
def test_few_tasks_high_scores_and_the_top_lane_say_nothing_about_a_folder(tasks: list[PastTask]) -> None:
    assert list(drift.escalating(policy(), tasks)) == []


def test_a_file_that_is_reverted_often_and_raises_nothing_is_told() -> None:
    commits = {"a.py": 10, "b.py": 100, "c.py": 2, "src/auth/x.py": 4}
    reverts = {"a.py": 3, "b.py": 3, "c.py": 1, "src/auth/x.py": 4}

    (found,) = drift.reverted(policy(), commits, reverts)

    assert found.what == "a.py: 3 of 10, 30 % [11, 60] of the last year's commits took one back"


def test_a_score_below_the_threshold_that_mostly_fails_there_is_told() -> None:
    tasks = [*some(12, 3, 5), *some(9, 0, 4), *some(40, 39, 2)]

    (found,) = drift.thresholds(policy(), tasks)

    assert found.what == "score 5 begins at fast, and 9 of 12, 75 % [47, 91] failed there"
    assert found.do.startswith("fast_max_score 4 ")


def test_a_score_above_the_threshold_that_did_well_below_is_told() -> None:
    tasks = [*some(12, 11, 8), *some(30, 30, 9, lane="strong"), *some(12, 7, 10)]

    (found,) = drift.thresholds(policy(), tasks)

    assert found.what == "score 8 begins above fast; there 11 of 12, 92 % [65, 99] were accepted at once"


def test_lanes_that_tasks_begin_at_otherwise_than_before_are_told_with_both_figures() -> None:
    before = drift.lane_shares(some(80, 80, 2) + some(20, 20, 9, lane="strong"))
    recent = drift.lane_shares(some(10, 10, 2) + some(30, 30, 9, lane="strong"))
    same = drift.lane_shares(some(16, 16, 2) + some(4, 4, 9, lane="strong"))

    assert [(it.lane, it.count, it.n) for it in before] == [("fast", 80, 100), ("strong", 20, 100)]
    assert [it.what for it in drift.moved_lanes(recent, before)] == [
        "strong: 75 % [60, 86] (n=40) of the tasks of the last 30 days began there, before 20 % [13, 29] (n=100)",
        "fast: 25 % [14, 40] (n=40) of the tasks of the last 30 days began there, before 80 % [71, 87] (n=100)",
    ]
    assert list(drift.moved_lanes(same, before)) == []
    assert list(drift.moved_lanes(recent, [])) == []


# --- the command ---------------------------------------------------------------------------------------------


def test_drift_reads_history_and_ledger_and_ends_with_zero(tmp_path: Path) -> None:
    pit = Sandpit(
        tmp_path / "pit", {"lib/gate/a.py": "1\n", "tax.py": "1\n", "svc/identity/old.py": "1\n"}, None
    )
    pit.write(".route-agent/policy.yaml", f"{POLICY}signals: {{auth_code: {{paths: [lib/gate]}}}}\n")
    pit.commit("policy")
    pit.git("mv", "lib/gate/a.py", "lib/door.py")
    pit.write("svc/oidc/client.py", "1\n")
    pit.commit("move")
    for number in range(3):
        pit.write("tax.py", f"{number} changed\n")
        pit.commit(f"change {number}")
        pit.git("revert", "--no-edit", "HEAD")
    ledger = ledger_at(places.ledger_file())
    for number in range(6):
        long_ago = (datetime.now(UTC) - timedelta(days=50 if number < 4 else 3)).isoformat(
            timespec="milliseconds"
        )
        past(
            ledger, f"r{number}", "correct it", paths=("src/tax/a.py",), repository=str(pit.root), solved_by="strong",
            at=long_ago,
        )  # fmt: skip
    ledger.close()

    done = pit.run("policy", "drift")
    told = pit.run("policy", "drift", "--json").json

    assert done.exit_code == 0, done.stderr
    kinds = {it["kind"]: it["what"] for it in told["findings"]}
    assert set(kinds) == {"uncovered", "stopped", "escalates", "reverted"}
    assert kinds["uncovered"].startswith("svc/oidc: 1 new file by name of auth_code")
    assert "lib/gate (.route-agent/policy.yaml:" in kinds["stopped"]
    assert kinds["escalates"].startswith("src/tax: of its tasks with a low score 6 of 6, 100 %")
    assert kinds["reverted"].startswith("tax.py: 3 of 7, 43 %")
    assert told["n"] == 6
    assert [(it["lane"], it["n"]) for it in told["first_lanes"]["recent"]] == [("fast", 2)]
    assert "6 tasks of this repository in the ledger" in done.stdout
    assert (
        "first lanes, last 30 days: fast 100 % [34, 100] (n=2); before: fast 100 % [51, 100] (n=4)"
        in done.stdout
    )


def test_without_a_policy_and_a_past_everything_counts_as_new(tmp_path: Path) -> None:
    pit = Sandpit(tmp_path / "pit", {"svc/oidc/client.py": "1\n"}, None)

    told = pit.run("policy", "drift", "--json").json

    assert told["since"] == {
        "commit": None,
        "what": "no .route-agent/policy.yaml was ever committed; 90 days are looked back: the whole history is younger,"
        " so every file counts as new",
    }
    assert [it["kind"] for it in told["findings"]] == ["uncovered"]


def test_what_is_not_told_is_counted() -> None:
    files = [f"part{at}/auth/x.weird" for at in range(25)]
    tasks = [replace(it, touched=(f"p{at}/a.py",)) for at in range(23) for it in some(5, 0, 2)]

    named = policy("signals: {auth_code: {paths: [nothing]}}")
    assert [it.what for it in drift.uncovered(named, files)][20:] == ["and 5 more, with fewer of them"]
    assert [it.what for it in drift.escalating(policy(), tasks)][20:] == ["and 3 more, with fewer of them"]


def test_no_threshold_is_named_for_a_score_that_none_begins_elsewhere() -> None:
    (found,) = drift.thresholds(policy(), some(12, 3, 0))

    assert "fast_max_score" not in found.do


def test_a_shallow_clone_says_that_its_past_is_not_all_there(tmp_path: Path) -> None:
    pit = Sandpit(tmp_path / "pit")
    pit.write("more.py", "x = 1\n")
    pit.commit("more")
    shallow = tmp_path / "shallow"
    pit.git("clone", "-q", "--depth=1", f"file://{pit.root}", str(shallow))

    whole, cut = pit.run("policy", "drift"), pit.run("policy", "drift", "-C", str(shallow))

    assert "shallow" not in whole.stdout
    assert "; this clone is shallow: what is older is not seen" in cut.stdout.splitlines()[0], cut.stderr
