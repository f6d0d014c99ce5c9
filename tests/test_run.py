"""The main command, from the task to the exit code, on a real repository with real checks."""

from __future__ import annotations

from pathlib import Path

import pytest
from loopback import Fault, Loopback, Reply
from sandpit import ADD, BREAKS, CHECK, FIX, POLICY, WRONG, Sandpit, provider_env, replies


@pytest.fixture
def pit(tmp_path: Path) -> Sandpit:
    return Sandpit(tmp_path / "pit")


def test_a_proved_patch_is_saved_and_the_tree_left_alone(pit: Sandpit, tmp_path: Path) -> None:
    before = pit.state()

    done = pit.run("--task", "sums must be right", "--replay", str(replies(tmp_path, ("fast", FIX))))

    assert done.exit_code == 0, done.stdout + done.stderr
    assert "accepted at discriminating by fast" in done.stdout
    assert "unit::exit red at start, green now" in done.stdout
    assert "decision stays with fast: score 1, effort unknown (n=0, 10 are needed)" in done.stdout
    assert pit.state() == before
    patch = next(line for line in done.stdout.splitlines() if line.startswith("next")).split()[-1]
    pit.git("apply", patch)
    assert "return a + b" in (pit.root / "calc.py").read_text()


def test_a_failed_patch_escalates_and_the_next_lane_is_told_why(pit: Sandpit, tmp_path: Path) -> None:
    file = replies(tmp_path, ("fast", BREAKS), ("strong", FIX))

    done = pit.run("--task", "sums must be right", "--replay", str(file), "--json")

    assert done.exit_code == 0, done.stderr
    told = done.json
    assert [(it["lane"], it["failure"], it["grade"]) for it in told["attempts"]] == [
        ("fast", "still_failing", "none"),
        ("strong", None, "discriminating"),
    ]
    assert told["decision"]["ladder"] == ["fast", "strong"]
    assert done.stderr == ""


def test_when_no_lane_is_proved_the_exit_code_is_one(pit: Sandpit, tmp_path: Path) -> None:
    file = replies(tmp_path, ("fast", WRONG), ("strong", WRONG))

    done = pit.run("--task", "sums must be right", "--replay", str(file), "--json")

    assert done.exit_code == 1
    assert [it["failure"] for it in done.json["attempts"]] == ["still_failing", "stalled"]
    assert done.json["verdict"] == "not_proved"
    assert done.json["patch_path"] is None


def test_a_reply_without_a_patch_is_unappliable_and_escalates(pit: Sandpit, tmp_path: Path) -> None:
    file = replies(tmp_path, ("fast", "I would change the sign."), ("strong", FIX))

    done = pit.run("--task", "sums must be right", "--replay", str(file), "--json")

    assert [it["failure"] for it in done.json["attempts"]] == ["unappliable", None]


@pytest.mark.parametrize("path", ["../x", ".git/hooks/post-checkout", ".GIT/config", "/etc/passwd", "a\\b"])
def test_a_patch_that_leaves_its_bounds_stops_the_run(pit: Sandpit, tmp_path: Path, path: str) -> None:
    before = pit.state()
    hostile = f"--- /dev/null\n+++ b/{path}\n@@ -0,0 +1 @@\n+#!/bin/sh\n"

    done = pit.run(
        "--task", "sums must be right", "--replay", str(replies(tmp_path, ("fast", hostile), ("strong", FIX)))
    )

    assert done.exit_code == 4
    assert "refused" in done.stdout
    assert " 2 strong" not in done.stdout
    assert pit.state() == before


def test_only_lane_does_not_escalate(pit: Sandpit, tmp_path: Path) -> None:
    file = replies(tmp_path, ("fast", WRONG), ("strong", FIX))

    done = pit.run("--task", "sums must be right", "--replay", str(file), "--json", "--only-lane", "fast")

    assert done.exit_code == 1
    assert [it["lane"] for it in done.json["attempts"]] == ["fast"]


def test_a_lane_below_an_always_strong_condition_needs_force(pit: Sandpit, tmp_path: Path) -> None:
    task = (
        "--task",
        "the login sums are wrong",
        "--replay",
        str(replies(tmp_path, ("fast", FIX))),
        "--lane",
        "fast",
    )

    refused = pit.run(*task)
    forced = pit.run(*task, "--force-lane", "--json")

    assert refused.exit_code == 2
    assert "always goes to strong (auth_code)" in refused.stderr
    assert forced.exit_code == 0
    assert forced.json["attempts"][0]["lane"] == "fast"


def test_a_patch_that_touches_what_is_always_strong_is_raised(pit: Sandpit, tmp_path: Path) -> None:
    sneaky = FIX + "\n--- /dev/null\n+++ b/auth/session.py\n@@ -0,0 +1 @@\n+OPEN = True\n"

    done = pit.run(
        "--task",
        "sums must be right",
        "--replay",
        str(replies(tmp_path, ("fast", sneaky), ("strong", FIX))),
        "--json",
    )

    assert [it["failure"] for it in done.json["attempts"]] == ["raised", None]
    assert "auth/session.py" in done.json["attempts"][0]["reason"]


def test_dry_run_decides_and_quotes_and_calls_nothing(pit: Sandpit) -> None:
    with Loopback() as server:
        done = pit.run("--task", "sums must be right", "--dry-run", env=provider_env(pit, server))

        assert done.exit_code == 0, done.stderr
        assert "planned, nothing called: fast: about $0.0" in done.stdout
        assert server.calls == []


def test_the_fast_model_is_called_first_and_the_strong_one_only_after_its_failure(pit: Sandpit) -> None:
    with Loopback() as server:
        server.script("small-1", Reply(WRONG))
        server.script("large-1", Reply(FIX, input_tokens=2000, output_tokens=100))

        done = pit.run("--task", "sums must be right", "--json", env=provider_env(pit, server))

        assert done.exit_code == 0, done.stderr
        assert server.calls == [("openai", "small-1"), ("anthropic", "large-1")]
        second = str(server.requests[1].body)
        assert "earlier attempt 1 failed" in second
        assert "still_failing" in second
        assert "return a * b - 1" in second
    told = done.json
    assert [(it["model_requested"], it["model_served"]) for it in told["attempts"]] == [
        ("small-1", "small-1"),
        ("large-1", "large-1"),
    ]
    # 1200 in and 80 out at $1 and $5, then 2000 in and 100 out at $10 and $50 a million
    assert told["cost_usd"] == pytest.approx(0.0012 + 0.0004 + 0.020 + 0.005)


def test_the_key_is_sent_to_its_provider_and_stands_in_no_report(pit: Sandpit) -> None:
    with Loopback() as server:
        server.script("small-1", Reply(FIX))
        env = provider_env(pit, server)

        done = pit.run("--task", "sums must be right", env=env)
        shown = pit.run("show", "latest", "--json", "-v", env=env)

        assert "sk-test-openai" in str(server.requests[0].headers)
    assert "sk-test" not in done.stdout + done.stderr + shown.stdout


def test_a_model_of_unknown_price_is_refused_before_anything_has_run(pit: Sandpit) -> None:
    with Loopback() as server:
        done = pit.run("--task", "sums must be right", env=provider_env(pit, server, rates=False))

        assert server.calls == []
    assert done.exit_code == 2
    assert "lane fast: the price of small-1 at openai is not known" in done.stderr
    for way in ("`rates`", "`free: true`", "limits.unpriced: reserve"):
        assert way in done.stderr


def test_a_ladder_goes_on_with_the_lane_whose_price_is_known(pit: Sandpit) -> None:
    with Loopback() as server:
        server.script("large-1", Reply(FIX))
        env = provider_env(pit, server)
        config = Path(env["XDG_CONFIG_HOME"], "route-agent", "config.yaml")
        config.write_text(config.read_text().replace('"small-1"', '"another"'))

        done = pit.run("--task", "sums must be right", env=env)

        assert server.calls == [("anthropic", "large-1")]
    assert done.exit_code == 0
    assert "fast skipped: the price of small-1 at openai is not known" in done.stdout


def test_a_price_that_is_not_known_is_unknown_and_not_zero(pit: Sandpit) -> None:
    pit.write(".route-agent/policy.yaml", POLICY + "limits: {unpriced: reserve}\n")
    pit.commit("call it all the same")
    with Loopback() as server:
        server.script("small-1", Reply(FIX))

        done = pit.run("--task", "sums must be right", env=provider_env(pit, server, rates=False))

    assert "cost_usd_estimate: unknown" in done.stdout
    assert "$0.00" not in done.stdout


def test_a_missing_key_is_named_and_nothing_is_called(pit: Sandpit) -> None:
    with Loopback() as server:
        env = provider_env(pit, server) | {"OPENAI_API_KEY": "", "ANTHROPIC_API_KEY": ""}

        done = pit.run("--task", "sums must be right", env=env)

        assert done.exit_code == 2
        assert "no key for lane fast: OPENAI_API_KEY is not set" in done.stderr
        assert server.calls == []


def test_the_budget_stops_a_call_before_it_is_made(pit: Sandpit) -> None:
    with Loopback() as server:
        server.script("small-1", Reply(WRONG))
        server.script("large-1", Reply(FIX))

        done = pit.run("--task", "sums must be right", "--max-usd", "0.10", env=provider_env(pit, server))

        assert done.exit_code == 5
        assert "next call could cost $0.8" in done.stdout
        assert "--max-usd" in done.stdout
        assert server.calls == [("openai", "small-1")]


def test_a_provider_that_is_down_is_not_blamed_on_the_task(pit: Sandpit) -> None:
    with Loopback() as server:
        server.script("small-1", *[Fault.status(401, "no such key")] * 3)
        server.script("large-1", *[Fault.status(401, "no such key")] * 3)

        done = pit.run("--task", "sums must be right", "--json", env=provider_env(pit, server))

    assert done.exit_code == 3
    assert {it["failure"] for it in done.json["attempts"]} == {"provider"}


def test_uncommitted_and_untracked_work_is_what_the_lane_edits(pit: Sandpit, tmp_path: Path) -> None:
    pit.write("calc.py", ADD.replace("a - b", "a - b  # mine"))
    pit.write("new.py", "NEW = 1\n")
    before = pit.state()
    patch = FIX.replace("return a - b", "return a - b  # mine")
    patch += "\n--- a/new.py\n+++ b/new.py\n@@ -1 +1 @@\n-NEW = 1\n+NEW = 2\n"

    done = pit.run(
        "--task", "sums must be right", "--replay", str(replies(tmp_path, ("fast", patch))), "--json"
    )

    assert done.exit_code == 0, done.stdout
    assert pit.state() == before
    assert done.json["attempts"][0]["files"] == ["calc.py", "new.py"]


def test_apply_puts_the_patch_into_the_tree_and_nothing_else(pit: Sandpit, tmp_path: Path) -> None:
    pit.write("notes.txt", "mine\n")

    done = pit.run(
        "--task", "sums must be right", "--replay", str(replies(tmp_path, ("fast", FIX))), "--apply"
    )

    assert done.exit_code == 0, done.stderr
    assert "applied to" in done.stdout
    assert pit.git("status", "--porcelain").split("\n") == [" M calc.py", "?? notes.txt", ""]


def test_commit_takes_the_summary_and_leaves_other_work_uncommitted(pit: Sandpit, tmp_path: Path) -> None:
    pit.write("notes.txt", "mine\n")
    pit.git("add", "notes.txt")

    done = pit.run(
        "--task", "sums must be right", "--replay", str(replies(tmp_path, ("fast", FIX))), "--commit"
    )

    assert done.exit_code == 0, done.stderr
    assert pit.git("log", "-1", "--format=%s").strip() == "add adds again"
    assert pit.git("show", "--name-only", "--format=", "HEAD").split() == ["calc.py"]
    assert pit.git("status", "--porcelain").split("\n") == ["A  notes.txt", ""]


def test_branch_leaves_the_tree_and_the_current_branch_alone(pit: Sandpit, tmp_path: Path) -> None:
    file = replies(tmp_path, ("fast", FIX))

    done = pit.run("--task", "sums must be right", "--replay", str(file), "--branch", "fix/add")
    again = pit.run("--task", "sums must be right", "--replay", str(file), "--branch", "fix/add")

    assert done.exit_code == 0, done.stderr
    assert pit.git("status", "--porcelain") == ""
    assert "return a + b" in pit.git("show", "fix/add:calc.py")
    assert pit.git("log", "--format=%s", "main").split() == ["start"]
    assert again.exit_code == 2
    assert "exists already" in again.stderr


def test_a_patch_on_top_of_uncommitted_lines_is_not_delivered_but_saved(pit: Sandpit, tmp_path: Path) -> None:
    pit.write("calc.py", ADD.replace("a - b", "a - b  # mine"))
    before = pit.state()
    patch = FIX.replace("return a - b", "return a - b  # mine")

    done = pit.run(
        "--task", "sums must be right", "--replay", str(replies(tmp_path, ("fast", patch))), "--commit"
    )

    assert done.exit_code == 6
    assert "not delivered: the patch builds on lines that you have not committed" in done.stdout
    assert pit.state() == before
    assert Path(next(it for it in done.stdout.splitlines() if it.startswith("patch")).split()[-1]).is_file()


def test_a_base_gives_the_range_and_the_policy(pit: Sandpit, tmp_path: Path) -> None:
    start = pit.git("rev-parse", "HEAD").strip()
    pit.write("migrations/0001.sql", "select 1;\n")
    pit.commit("a migration")

    here = pit.run("explain", "--task", "sums must be right", "--json")
    ranged = pit.run("explain", "--task", "sums must be right", "--json", "--base", start)

    assert here.json["risk"]["score"] == 0
    assert ranged.json["decision"]["lane"] == "strong"
    assert ranged.json["decision"]["reasons"] == ["always strong: schema_change"]


def test_a_policy_that_is_not_committed_is_not_in_force(pit: Sandpit) -> None:
    pit.write(
        ".route-agent/policy.yaml", "version: 1\nrouting: {fast_max_score: 99, strong_min_score: 100}\n"
    )

    done = pit.run("explain", "--task", "sums must be right")

    assert "not in force: commit it, or pass --policy" in done.stdout


def test_a_run_is_in_the_ledger_and_can_be_shown_again(pit: Sandpit, tmp_path: Path) -> None:
    done = pit.run("--task", "sums must be right", "--replay", str(replies(tmp_path, ("fast", FIX))))
    run_id = done.stdout.split("route-agent show ")[1].split()[0]

    shown = pit.run("show", run_id)
    listed = pit.run("ledger", "--json")
    statistics = pit.run("stats", "--json")

    assert shown.stdout == done.stdout
    assert [row["id"] for row in listed.json["runs"]] == [run_id]
    assert statistics.json["groups"] == []  # recorded replies are no statistics


def test_a_commit_that_would_not_hold_without_uncommitted_work_is_not_made(tmp_path: Path) -> None:
    check = CHECK.replace("import calc;", "import calc, helper;").replace(
        "calc.add(2, 2) == 4", "calc.add(2, 2) == helper.FOUR"
    )
    pit = Sandpit(tmp_path / "pit", files={"helper.py": "FOUR = 5\n"}, policy=POLICY.replace(CHECK, check))
    pit.write("helper.py", "FOUR = 4\n")
    head = pit.git("rev-parse", "HEAD")

    done = pit.run(
        "--task", "sums must be right", "--replay", str(replies(tmp_path, ("fast", FIX))), "--commit"
    )

    assert done.exit_code == 6
    assert "without your uncommitted work, is not proved" in done.stdout
    assert pit.git("rev-parse", "HEAD") == head


def test_a_patch_to_the_policy_that_judges_it_is_refused(pit: Sandpit, tmp_path: Path) -> None:
    easy = "--- /dev/null\n+++ b/.route-agent/extra.yaml\n@@ -0,0 +1 @@\n+x: 1\n" + FIX

    done = pit.run("--task", "sums must be right", "--replay", str(replies(tmp_path, ("fast", easy))))

    assert done.exit_code == 4
    assert "belongs to the policy" in done.stdout


def test_only_lane_keeps_its_hands_off_what_always_goes_to_the_top(pit: Sandpit, tmp_path: Path) -> None:
    sneaky = FIX + "\n--- /dev/null\n+++ b/auth/session.py\n@@ -0,0 +1 @@\n+OPEN = True\n"
    task = ("--task", "sums must be right", "--replay", str(replies(tmp_path, ("fast", sneaky))), "--json")

    kept = pit.run(*task, "--only-lane", "fast")
    forced = pit.run(*task, "--only-lane", "fast", "--force-lane")

    assert [it["failure"] for it in kept.json["attempts"]] == ["raised"]
    assert [it["failure"] for it in forced.json["attempts"]] == [None]


def test_a_call_that_was_paid_before_the_limit_stays_in_the_report(pit: Sandpit) -> None:
    with Loopback() as server:
        server.script("small-1", Fault.cut_off(), Fault.cut_off(), Reply(FIX))

        done = pit.run(
            "--task", "sums must be right", "--json", "--max-usd", "0.1", env=provider_env(pit, server)
        )

    assert done.exit_code == 5
    (attempt,) = done.json["attempts"]
    assert attempt["failure"] == "limit"
    assert [call["state"] for call in attempt["calls"]] == ["lost"]


def test_a_table_says_in_a_narrow_terminal_what_it_says_in_a_wide_one(pit: Sandpit, tmp_path: Path) -> None:
    task = "sums must be right, also those of the last month of the year"
    assert pit.run("--task", task, "--replay", str(replies(tmp_path, ("fast", FIX)))).exit_code == 0

    narrow, wide = (pit.run("ledger", env={"COLUMNS": columns}).stdout for columns in ("80", "160"))

    assert narrow == wide
    assert task in narrow


def test_a_lane_that_asks_for_more_than_any_check_here_can_prove_is_skipped(tmp_path: Path) -> None:
    checked = "import sys, calc; sys.exit(calc.twice(2) != 4)"
    policy = (
        "version: 1\nmodels:\n  fast: {provider: openai, model: small-1}\n"
        "  strong: {provider: anthropic, model: large-1}\n"
        f"checks:\n  - {{name: unit, kind: test, run: [env, -S, PYTHONDONTWRITEBYTECODE=1, python3, -c, '{checked}']}}\n"
        "accept: {fast: covered, strong: ran}\n"
    )
    pit = Sandpit(tmp_path / "pit", policy=policy)
    file = replies(tmp_path, ("fast", FIX), ("strong", FIX))

    done = pit.run("--task", "tidy up calc.py", "--replay", str(file), "--json")

    assert [it["lane"] for it in done.json["attempts"]] == ["strong"], done.stdout + done.stderr
    skipped = "fast skipped: it needs covered, and no check here can prove more than ran"
    assert skipped in done.json["decision"]["skipped"]
