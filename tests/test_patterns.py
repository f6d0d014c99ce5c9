"""Lanes that work together: several tries, a plan by another lane, a race of two; and who really answered."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import time
from pathlib import Path

import pytest
from loopback import Fault, Loopback, Reply
from sandpit import ADD, FIX, POLICY, PROGRAM, PYTEST, WRONG, Result, Sandpit, provider_env

BEGINS = "diff --git a/calc.py b/calc.py\n"


def policy(models: str, more: str = "") -> str:
    """The sandpit's policy with other lanes."""
    _, _, rest = POLICY.partition("checks:")
    return f"version: 1\nmodels:\n{models}{more}reproduce: {{when: []}}\nverify: {{critique: never}}\nchecks:{rest}"


FAST = "  fast: {provider: openai, model: small-1%s}\n"
STRONG = "  strong: {provider: anthropic, model: large-1%s}\n"


def play(root: Path, rules: str, server: Loopback, *arguments: str) -> Result:
    pit = Sandpit(root / "pit", policy=rules)
    return pit.run("--task", "sums must be right", *arguments, env=provider_env(pit, server))


@pytest.fixture
def server() -> object:
    with Loopback() as running:
        yield running


def test_a_lane_tries_as_often_as_it_may_before_the_next_one(tmp_path: Path, server: Loopback) -> None:
    server.script("small-1", Reply(WRONG), Reply(FIX))

    done = play(tmp_path, policy(FAST % ", attempts: 2" + STRONG % ""), server, "--json")

    assert done.exit_code == 0, done.stdout + done.stderr
    assert [(it["lane"], it["failure"]) for it in done.json["attempts"]] == [
        ("fast", "still_failing"),
        ("fast", None),
    ]
    assert "return a * b - 1" in str(server.requests[1].body)


def test_a_lane_that_makes_no_progress_is_left_although_it_may_try_again(
    tmp_path: Path, server: Loopback
) -> None:
    server.script("small-1", Reply(WRONG), Reply(WRONG), Reply(WRONG))
    server.script("large-1", Reply(FIX))

    done = play(tmp_path, policy(FAST % ", attempts: 3" + STRONG % ""), server, "--json")

    assert [(it["lane"], it["failure"]) for it in done.json["attempts"]] == [
        ("fast", "still_failing"),
        ("fast", "stalled"),
        ("strong", None),
    ]


def test_the_strong_lane_plans_once_and_the_fast_one_writes(tmp_path: Path, server: Loopback) -> None:
    server.script("large-1", Reply("Change the sign in `add` of calc.py; keep `twice` as it is."))
    server.script("small-1", Reply(WRONG), Reply(FIX))

    rules = policy(FAST % ", plan_with: strong, attempts: 2" + STRONG % "")
    done = play(tmp_path, rules, server, "--json")

    assert done.exit_code == 0, done.stdout + done.stderr
    assert server.calls == [("anthropic", "large-1"), ("openai", "small-1"), ("openai", "small-1")]
    assert "Do not write the patch" in json.dumps(server.requests[0].body)
    assert all("Change the sign in `add`" in json.dumps(it.body) for it in server.requests[1:])
    first, second = done.json["attempts"]
    assert [call["purpose"] for call in first["calls"]] == ["plan", "patch"]
    assert [call["purpose"] for call in second["calls"]] == ["patch"]
    assert "keep `twice`" in second["plan"]


def test_a_plan_that_cannot_be_had_leads_to_the_next_lane(tmp_path: Path, server: Loopback) -> None:
    server.script("large-1", Fault.status(401), Reply(FIX))

    done = play(tmp_path, policy(FAST % ", plan_with: strong" + STRONG % ""), server, "--json")

    assert [(it["lane"], it["failure"]) for it in done.json["attempts"]] == [
        ("fast", "provider"),
        ("strong", None),
    ]


def test_who_planned_is_not_who_answered(tmp_path: Path, server: Loopback) -> None:
    server.script("large-1", Reply("Change the sign."))
    server.script("small-1", Reply(FIX))

    done = play(tmp_path, policy(FAST % ", plan_with: strong" + STRONG % ""), server, "--json")

    (attempt,) = done.json["attempts"]
    assert (attempt["model_requested"], attempt["model_served"]) == ("small-1", "small-1")


def test_a_lane_whose_planner_cannot_be_called_works_without_a_plan_and_says_so(
    tmp_path: Path, server: Loopback
) -> None:
    server.script("small-1", Reply(FIX))
    pit = Sandpit(tmp_path / "pit", policy=policy(FAST % ", plan_with: strong" + STRONG % ""))
    env = provider_env(pit, server) | {"ANTHROPIC_API_KEY": ""}

    done = pit.run("--task", "sums must be right", env=env)

    assert done.exit_code == 0, done.stdout + done.stderr
    assert "fast works without a plan: strong cannot be called (ANTHROPIC_API_KEY is not set)" in done.stdout


RACE = policy(
    FAST % ""
    + "  other: {provider: anthropic, model: large-1}\n"
    + "  duel: {provider: race, race: [fast, other]}\n"
    + "  top: {provider: anthropic, model: top-1}\n",
    "routing: {ladder: [duel, top]}\n",
)
SUITE = f"checks:\n  - {{name: tests, kind: test, run: {json.dumps(PYTEST)}}}\n"
SOUND = "def test_add():\n    assert add(2, 2) == 4\n"


def with_suite(rules: str) -> str:
    head, _, _ = rules.partition("checks:")
    return head + SUITE + "accept: {fast: ran, other: ran, duel: ran, top: ran}\n"


def patch(body: str, test: str, name: str) -> str:
    """A reply that edits `add` and brings a test file."""
    lines = f"from calc import add\n\n\n{test}".splitlines()
    added = "".join(f"+{line}\n" for line in lines)
    return (
        f"SUMMARY: by {name}\n\n--- a/calc.py\n+++ b/calc.py\n@@ -1,2 +1,2 @@\n def add(a, b):\n-    return a - b\n"
        f"+    return {body}\n--- /dev/null\n+++ b/test_{name}.py\n@@ -0,0 +1,{len(lines)} @@\n{added}"
    )


def race(
    root: Path,
    server: Loopback,
    one: str | Reply,
    other: str,
    *,
    rules: str = RACE,
    files: dict[str, str] | None = None,
) -> Result:
    server.script("small-1", Reply(one) if isinstance(one, str) else one)
    server.script("large-1", Reply(other))
    server.script("top-1", Reply(FIX))
    twice = "from calc import twice\n\n\ndef test_twice():\n    assert twice(2) == 4\n"
    pit = Sandpit(root / "pit", {"test_twice.py": twice} | (files or {}), with_suite(rules))
    env = provider_env(pit, server)
    file = Path(env["XDG_CONFIG_HOME"]) / "route-agent" / "config.yaml"
    known = json.loads(file.read_text())
    known["rates"]["top-1"] = {"input_usd": 1, "output_usd": 1}
    file.write_text(json.dumps(known))
    return pit.run("--task", "sums must be right", "--max-usd", "20", "--json", env=env)


def test_two_patches_that_pass_each_others_tests_agree(tmp_path: Path, server: Loopback) -> None:
    edges = "def test_zero():\n    assert add(0, 3) == 3\n"

    done = race(tmp_path, server, patch("a + b", SOUND, "one"), patch("sum((a, b))", edges, "two"))

    assert done.exit_code == 0, done.stdout + done.stderr
    (attempt,) = done.json["attempts"]
    assert attempt["lane"] == "duel"
    assert attempt["reason"].startswith("both patches pass each other's tests (2)")
    assert {call["model_requested"] for call in attempt["calls"]} == {"small-1", "large-1"}
    assert "must also bring tests" in json.dumps(server.requests[0].body)


def test_two_patches_that_do_not_agree_escalate_and_say_how_they_differ(
    tmp_path: Path, server: Loopback
) -> None:
    wrong = patch("a * b", "def test_two():\n    assert add(2, 2) == 4\n", "one")
    sound = patch("a + b", "def test_three():\n    assert add(1, 3) == 4\n", "two")

    done = race(tmp_path, server, wrong, sound)

    first, second = done.json["attempts"]
    assert (first["failure"], second["lane"]) == ("disputed", "top")
    assert "test_two.py::test_three: green with large-1's patch, not with small-1's" in first["difference"]
    assert "assert 3 == 4" in first["difference"]


def test_a_race_without_tests_proves_no_agreement(tmp_path: Path, server: Loopback) -> None:
    done = race(tmp_path, server, FIX, FIX.replace("a + b", "b + a"))

    first = done.json["attempts"][0]
    assert first["failure"] == "weak"
    assert (
        first["reason"]
        == "no agreement: small-1's patch and large-1's patch brought no test that is red without it"
    )


def test_the_tests_of_one_side_alone_prove_no_agreement(tmp_path: Path, server: Loopback) -> None:
    two_and_two = patch("a * b", "def test_add():\n    assert add(2, 2) == 4\n", "one")

    done = race(tmp_path, server, two_and_two, FIX)

    first, second = done.json["attempts"]
    assert (first["failure"], second["lane"]) == ("weak", "top")
    assert first["reason"] == "no agreement: large-1's patch brought no test that is red without it"


def test_tests_that_pass_without_any_patch_prove_no_agreement(tmp_path: Path, server: Loopback) -> None:
    nothing = "def test_nothing():\n    assert add(0, 0) == 0\n"

    done = race(tmp_path, server, patch("a * b", SOUND, "one"), patch("a + b", nothing, "two"))

    first = done.json["attempts"][0]
    assert first["failure"] == "weak"
    assert "large-1's patch brought no test that is red without it" in first["reason"]


def test_two_patches_by_one_model_prove_no_agreement(tmp_path: Path, server: Loopback) -> None:
    mine = Reply(patch("a + b", SOUND, "one"), served_model="large-1")
    edges = patch("b + a", "def test_three():\n    assert add(1, 3) == 4\n", "two")

    done = race(tmp_path, server, mine, edges)

    first = done.json["attempts"][0]
    assert first["failure"] == "weak"
    assert first["reason"].startswith("large-1 answered for both lanes")


def test_a_refused_patch_of_a_race_is_told_with_its_model(tmp_path: Path, server: Loopback) -> None:
    done = race(tmp_path, server, patch("a + b", SOUND, "one"), FIX.replace("calc.py", ".git/hooks/x"))

    assert done.exit_code == 4
    assert done.json["reason"].startswith("large-1: patch refused: it names '.git/hooks/x'")


def test_each_lane_of_a_race_is_asked_in_its_own_way(tmp_path: Path, server: Loopback) -> None:
    planned = RACE.replace("model: small-1", "model: small-1, plan_with: top, max_context_tokens: 4000")
    large = {f"sums_{part}.py": f"def f{part}():\n    return {part}\n" * 400 for part in range(4)}
    server.script("top-1", Reply("Add, and never subtract."))

    done = race(
        tmp_path,
        server,
        patch("a + b", SOUND, "one"),
        patch("b + a", "def test_three():\n    assert add(1, 3) == 4\n", "two"),
        rules=planned,
        files=large,
    )

    (attempt,) = done.json["attempts"]
    assert {call["purpose"] for call in attempt["calls"]} == {"plan", "patch"}
    assert attempt["model_requested"] == attempt["model_served"]
    sizes = {it.model: len(json.dumps(it.body)) for it in server.requests}
    assert "Add, and never subtract." in str([it.body for it in server.requests if it.model == "small-1"])
    assert sizes["small-1"] < 20_000 < sizes["large-1"]


def test_a_race_with_a_lane_of_unknown_price_is_not_begun(tmp_path: Path, server: Loopback) -> None:
    done = race(tmp_path, server, "", "", rules=RACE.replace("model: large-1", "model: odd-1"))

    assert [it["lane"] for it in done.json["attempts"]] == ["top"]
    assert server.calls == [("anthropic", "top-1")]
    assert "it cannot race without other: the price of odd-1" in str(done.json["decision"]["skipped"])


def test_what_both_lanes_of_a_race_may_cost_is_told_when_it_is_interrupted(
    tmp_path: Path, server: Loopback
) -> None:
    server.script("small-1", Fault.hang())
    server.script("large-1", Fault.hang())
    pit = Sandpit(tmp_path / "pit", policy=RACE.replace("strong: ran", "duel: ran"))
    command = [PROGRAM, "--task", "sums must be right", "--max-usd", "20"]
    env = {**os.environ, **provider_env(pit, server)}
    with subprocess.Popen(command, cwd=pit.root, env=env, stderr=subprocess.PIPE, text=True) as process:
        until = time.monotonic() + 60
        while len(server.calls) < 2 and process.poll() is None and time.monotonic() < until:
            time.sleep(0.05)
        process.send_signal(signal.SIGINT)
        _, told = process.communicate(timeout=30)

    assert process.returncode == 130
    assert told.splitlines()[-1].endswith("$0.0000 and 2 calls of unknown cost spent")


def test_an_escalation_answered_by_the_same_model_is_shown(tmp_path: Path, server: Loopback) -> None:
    server.script("small-1", Reply(WRONG, served_model="large-1"))
    server.script("large-1", Reply(FIX))

    done = play(tmp_path, policy(FAST % "" + STRONG % ""), server)

    assert done.exit_code == 0, done.stdout + done.stderr
    assert "asked small-1, large-1 answered" in done.stdout
    assert "no escalation: the same model had answered for fast" in done.stdout


def test_the_sandpit_is_what_these_tests_take_it_for() -> None:
    assert "return a - b" in ADD
