"""A test for the brief, written by another model before any patch is seen: when it counts and what it does."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import time
from pathlib import Path

import pytest
import sandpit
from loopback import Fault, Loopback, Reply
from refusals import rows, running, unlike_any_other
from sandpit import PROGRAM, Result, Sandpit, provider_env

TASK = "fix add: it must return the sum of both numbers"
PYTEST = json.dumps(sandpit.PYTEST)
MODELS = """\
version: 1
models:
  fast: {provider: openai, model: small-1}
  strong: {provider: anthropic, model: large-1}
  verifier: {provider: openai, model: judge-1, max_output_tokens: 1000}
verify: {canary_rate: 0}
routing: {confidence_threshold: 0.5}
accept: {fast: ran, strong: ran}
"""
# a check that runs no tests, is green at start and takes no time
QUICK = "[python3, -c, 'import calc, sys; sys.exit(calc.twice(2) != 4)']"
QUICKLY = MODELS + f"checks:\n  - {{name: unit, kind: test, run: {QUICK}}}\n"
POLICY = MODELS + f"checks:\n  - {{name: pytest, run: {PYTEST}}}\n"
TESTS = "from calc import add, twice\n\n\ndef test_twice():\n    assert twice(3) == 6\n\n\ndef test_add():\n    assert add(0, 0) == 0\n"


def new_file(path: str, text: str) -> str:
    lines = text.splitlines()
    body = "".join(f"+{line}\n" for line in lines)
    return f"SUMMARY: what is asked for\n\n```diff\n--- /dev/null\n+++ b/{path}\n@@ -0,0 +1,{len(lines)} @@\n{body}```\n"


def changed(old: str, new: str, path: str = "calc.py") -> str:
    return f"SUMMARY: as asked\n{path}\n<<<<<<< SEARCH\n{old}\n=======\n{new}\n>>>>>>> REPLACE\n"


WITNESS = "import calc\n\n\ndef test_add_returns_the_sum():\n    assert [calc.add(2, 3), calc.add(-1, 5)] == [5, 4]\n"
RED = new_file("tests/test_sum.py", WITNESS)
GREEN = new_file("tests/test_sum.py", "import calc\n\n\ndef test_add():\n    assert calc.add(4, 0) == 4\n")
BROKEN = new_file(
    "tests/test_sum.py", "from calc import summed\n\n\ndef test_add():\n    assert summed(1, 1) == 2\n"
)
DEMANDING = new_file(
    "tests/test_sum.py", "import calc\n\n\ndef test_add():\n    assert calc.add(2, 3) == 'the sum is 5'\n"
)
FIX = changed("    return a - b", "    return a + b")
SPECIAL = changed("    return a - b", "    return 1236 if a == 1234 else a - b")
HALF = changed("    return a - b", "    return a + b if a > 0 else a - b")
TEST_ID = "pytest::tests/test_sum.py::test_add_returns_the_sum"


@pytest.fixture
def pit(tmp_path: Path) -> Sandpit:
    return Sandpit(tmp_path / "pit", {"tests/test_calc.py": TESTS}, POLICY)


def recorded(folder: Path, *answers: dict[str, object] | tuple[str, str]) -> str:
    """A file of recorded replies, each lane with a model of its own."""
    plain = [it if isinstance(it, dict) else {"lane": it[0], "reply": it[1]} for it in answers]
    file = folder / "replies.yaml"
    file.write_text(
        json.dumps({"version": 1, "replies": [{"model": f"{it['lane']}-1", **it} for it in plain]})
    )
    return str(file)


def run(
    pit: Sandpit,
    folder: Path,
    *answers: dict[str, object] | tuple[str, str],
    options: tuple[str, ...] = ("--json",),
) -> Result:
    done = pit.run("--task", TASK, "--replay", recorded(folder, *answers), *options)
    assert done.exit_code != 70, done.stderr
    return done


def saved(done: Result) -> str:
    return Path(done.json["patch_path"]).read_text()


def test_a_red_test_turned_green_proves_the_patch_and_is_delivered_with_it(
    pit: Sandpit, tmp_path: Path
) -> None:
    before = pit.state()
    done = run(pit, tmp_path, ("fast", FIX), ("verifier", RED))

    told = done.json
    assert (done.exit_code, told["attempts"][0]["grade"]) == (0, "discriminating"), done.stdout
    assert f"reproduction {TEST_ID} red at start, green now" in told["attempts"][0]["reason"]
    assert (
        "without the patch's source the reproduction is red, in two runs of two"
        in told["attempts"][0]["reason"]
    )
    assert told["reproduction"]["tests"] == [TEST_ID]
    assert (told["reproduction"]["lane"], told["reproduction"]["model"]) == ("verifier", "verifier-1")
    assert told["attempts"][0]["files"] == ["calc.py", "tests/test_sum.py"]
    assert "+++ b/tests/test_sum.py" in saved(done)
    assert pit.state() == before
    shown = pit.run("show", "latest").stdout.splitlines()
    (line,) = [line for line in shown if line.startswith("reproduction")]
    assert line.startswith(f"reproduction  verifier verifier-1: {TEST_ID} red at start")


def test_without_reproduction_the_patch_is_proved_by_it_and_delivered_alone(
    pit: Sandpit, tmp_path: Path
) -> None:
    options = ("--json", "--without-reproduction", "--apply")
    done = run(pit, tmp_path, ("fast", FIX), ("verifier", RED), options=options)

    assert done.json["attempts"][0]["grade"] == "discriminating", done.stdout
    assert "test_sum" not in saved(done)
    assert "return a + b" in (pit.root / "calc.py").read_text()
    assert not (pit.root / "tests/test_sum.py").exists()


def test_what_a_patch_has_at_the_place_of_the_reproduction_never_ran_and_is_never_delivered(
    pit: Sandpit, tmp_path: Path
) -> None:
    unseen = new_file("tests/test_sum.py", "def test_add():\n    assert False\n")
    options = ("--json", "--without-reproduction", "--apply")
    done = run(pit, tmp_path, ("fast", FIX + unseen), ("verifier", RED), options=options)

    assert done.json["delivered"].startswith("applied"), done.stdout
    assert done.json["attempts"][0]["files"] == ["calc.py"]
    assert "the reproduction stands at tests/test_sum.py" in done.json["attempts"][0]["reason"]
    assert not (pit.root / "tests/test_sum.py").exists()


def test_a_test_that_changes_the_project_while_it_runs_does_not_count(pit: Sandpit, tmp_path: Path) -> None:
    meddling = WITNESS.replace(
        "    assert", "    with open(calc.__file__, 'a') as file:\n        file.write('# 1\\n')\n    assert"
    )
    done = run(pit, tmp_path, ("fast", FIX), ("verifier", new_file("tests/test_sum.py", meddling)))

    assert "calc.py is another file after its run" in done.json["reproduction"]["reason"], done.stdout
    assert done.json["attempts"][0]["grade"] == "covered"


def test_a_test_that_does_not_count_leaves_the_run_as_it_is_and_says_why(
    pit: Sandpit, tmp_path: Path
) -> None:
    done = run(pit, tmp_path, ("fast", FIX), ("verifier", BROKEN), ("verifier", GREEN))

    told = done.json
    assert "none counts in 2 tries: it is green at start" in told["reproduction"]["reason"], told[
        "reproduction"
    ]
    assert (told["reproduction"]["tests"], told["reproduction"]["patch"]) == ([], None)
    assert [(it["lane"], it["grade"]) for it in told["attempts"]] == [("fast", "covered")]
    assert "test_sum" not in saved(done)


def test_a_patch_that_only_knows_the_visible_test_is_convicted(tmp_path: Path) -> None:
    visible = "from calc import add\n\n\ndef test_add():\n    assert add(1234, 2) == 1236\n"
    pit = Sandpit(tmp_path / "pit", {"tests/test_calc.py": visible}, POLICY)

    alone = run(pit, tmp_path, ("fast", SPECIAL), ("strong", FIX))
    held = run(pit, tmp_path, ("fast", SPECIAL), ("strong", FIX), ("verifier", RED))

    assert [it["lane"] for it in alone.json["attempts"]] == ["fast"]
    assert [(it["lane"], it["failure"]) for it in held.json["attempts"]] == [
        ("fast", "still_failing"),
        ("strong", None),
    ], held.stdout
    assert f"reproduction {TEST_ID} was red at start and still is" in held.json["attempts"][0]["reason"]


def test_where_a_patch_has_the_same_file_the_reproduction_wins(pit: Sandpit, tmp_path: Path) -> None:
    toothless = new_file("tests/test_sum.py", "def test_add_returns_the_sum():\n    pass\n")
    done = run(pit, tmp_path, ("fast", HALF + toothless), ("strong", FIX + toothless), ("verifier", RED))

    assert [it["failure"] for it in done.json["attempts"]] == ["still_failing", None], done.stdout
    assert "calc.add(2, 3)" in saved(done)


def test_a_command_without_names_of_tests_counts_by_its_words(tmp_path: Path) -> None:
    check = "import sys\nsys.dont_write_bytecode = True\nsys.path.insert(0, '.')\nimport calc\nassert calc.twice(2) == 4\n"
    policy = MODELS + "checks:\n  - {name: unit, kind: test, run: [python3, tests/check.py]}\n"
    pit = Sandpit(tmp_path / "pit", {"tests/check.py": check}, policy)
    more = changed(
        "assert calc.twice(2) == 4", "assert calc.twice(2) == 4\nassert calc.add(2, 3) == 5", "tests/check.py"
    )
    broken = changed(
        "assert calc.twice(2) == 4", "import nowhere\nassert calc.twice(2) == 4", "tests/check.py"
    )

    done = run(pit, tmp_path, ("fast", FIX), ("verifier", broken), ("verifier", more))

    assert done.json["reproduction"]["tests"] == ["unit::exit"], done.stdout
    assert done.json["reproduction"]["attempts"] == 2
    assert done.json["attempts"][0]["grade"] == "discriminating"


# --- where every patch fails it


def opinion(word: str, *lines: str) -> dict[str, object]:
    said = {"opinion": word, "reasons": ["line 5 asks for a text"], "lines": list(lines)}
    return {"lane": "verifier", "kind": "opinion", "reply": json.dumps(said)}


def test_a_test_that_every_patch_fails_is_set_aside_unless_the_verifier_approves(
    pit: Sandpit, tmp_path: Path
) -> None:
    lanes = (("fast", FIX), ("strong", FIX), ("verifier", DEMANDING))

    done = run(pit, tmp_path, *lanes, opinion("reject"), opinion("approve", "calc.py:2"))

    told = done.json
    assert done.exit_code == 0, done.stdout
    assert [(it["lane"], it["failure"]) for it in told["attempts"]] == [
        ("fast", "still_failing"),
        ("strong", "stalled"),
        ("strong", None),
    ]
    assert "no patch passes it" in told["reproduction"]["suspect"]
    assert "says reject" in told["reproduction"]["suspect"]
    assert "test_sum" not in saved(done)


def test_a_test_that_the_verifier_approves_of_blocks(pit: Sandpit, tmp_path: Path) -> None:
    done = run(
        pit,
        tmp_path,
        ("fast", HALF),
        ("verifier", RED),
        opinion("approve", "tests/test_sum.py:5"),
        options=("--json", "--only-lane", "fast"),
    )

    assert done.exit_code == 1, done.stdout
    assert [it["lane"] for it in done.json["attempts"]] == ["fast"]
    assert "(verifier-1, which wrote it) says approve" in done.json["reproduction"]["suspect"]
    assert done.json["reproduction"]["suspect"].endswith("it blocks")


def test_without_a_verifier_two_lanes_patches_speak_against_a_test_and_one_does_not(
    pit: Sandpit, tmp_path: Path
) -> None:
    lanes = (("fast", FIX), ("strong", FIX), ("verifier", DEMANDING))

    one = run(pit, tmp_path, *lanes, options=("--only-lane", "fast"))
    two = run(pit, tmp_path, *lanes, options=())

    assert one.exit_code == 1, one.stdout
    assert "no verifier is there to say whether it demands what the task says: it blocks" in one.stdout
    assert two.exit_code == 0, two.stdout
    assert "it is set aside" in two.stdout


# --- where there is none


def test_a_policy_without_such_a_lane_is_told_so(tmp_path: Path) -> None:
    policy = QUICKLY.replace("  verifier: {provider: openai, model: judge-1, max_output_tokens: 1000}\n", "")
    pit = Sandpit(tmp_path / "pit", policy=policy)
    done = run(pit, tmp_path, ("fast", FIX), options=())

    assert done.exit_code == 0
    assert 'no reproduction: the policy has no lane "verifier"' in done.stdout


def test_the_model_of_the_patch_does_not_write_its_test(tmp_path: Path) -> None:
    pit = Sandpit(tmp_path / "pit", policy=QUICKLY)
    same: dict[str, object] = {"lane": "verifier", "model": "fast-1", "reply": RED}
    done = run(pit, tmp_path, ("fast", FIX), same)

    assert done.json["reproduction"]["tests"] == []
    assert "fast-1 writes the patch" in done.json["reproduction"]["reason"]


def test_a_task_that_changes_no_behaviour_gets_none(tmp_path: Path) -> None:
    pit = Sandpit(tmp_path / "pit", policy=QUICKLY)
    file = recorded(tmp_path, ("fast", FIX), ("verifier", RED))
    done = pit.run("--task", "refactor calc.py", "--replay", file, "--json")

    assert done.json["reproduction"] is None, done.stdout


# --- over HTTP: what it costs, and what it never costs


def unread(folder: Path, policy: str) -> Sandpit:
    """Where no patch is read by a second model: all that the verifier is asked for is the test."""
    policy = policy.replace("verify: {", "verify: {critique: never, ")
    return Sandpit(folder / "pit", {"tests/test_calc.py": TESTS}, policy)


def models(pit: Sandpit, server: Loopback) -> dict[str, str]:
    env = provider_env(pit, server)
    config = pit.root.parent / "config" / "route-agent" / "config.yaml"
    written = json.loads(config.read_text())
    written["rates"]["judge-1"] = {"input_usd": 2, "output_usd": 10}
    config.write_text(json.dumps(written))
    return env


def test_it_is_paid_and_told_and_the_second_try_knows_why_the_first_did_not_count(tmp_path: Path) -> None:
    pit = unread(tmp_path, POLICY)
    with Loopback() as server:
        server.script("small-1", Reply(FIX))
        server.script("judge-1", Reply(GREEN), Reply(RED))

        done = pit.run("--task", TASK, "--json", env=models(pit, server))

        asked = [str(it.body) for it in server.requests if it.model == "judge-1"]
    told = done.json
    assert done.exit_code == 0, done.stdout + done.stderr
    assert "it is green at start" in asked[1]
    assert "return a + b" not in "".join(asked)
    # 1200 in and 80 out each: once at $1 and $5, twice at $2 and $10 a million
    assert told["reproduction"]["cost_usd"] == pytest.approx(2 * (0.0024 + 0.0008))
    assert told["cost_usd"] == pytest.approx(0.0016 + 2 * 0.0032)
    assert [call["model_requested"] for call in told["attempts"][0]["calls"]] == ["small-1"]


def test_a_provider_that_is_down_leaves_the_run_as_it_is(tmp_path: Path) -> None:
    pit = unread(tmp_path, QUICKLY)
    with Loopback() as server:
        server.script("small-1", Reply(FIX))
        server.script("judge-1", Fault.status(401))

        done = pit.run("--task", TASK, "--json", env=models(pit, server))

    assert done.exit_code == 0, done.stderr
    assert "answered 401" in done.json["reproduction"]["reason"]
    assert [it["lane"] for it in done.json["attempts"]] == ["fast"]


def test_it_never_takes_the_money_that_the_patch_needs(tmp_path: Path) -> None:
    pit = unread(tmp_path, QUICKLY)
    with Loopback() as server:
        server.script("small-1", Reply(FIX))
        server.script("judge-1", Reply(RED))

        done = pit.run("--task", TASK, "--json", "--max-usd", "0.11", env=models(pit, server))

        assert ("openai", "judge-1") not in server.calls
    assert done.exit_code == 0, done.stdout
    assert "too little of the limit would be left" in done.json["reproduction"]["reason"]


def test_a_dry_run_quotes_it_and_calls_nothing(tmp_path: Path) -> None:
    pit = unread(tmp_path, QUICKLY)
    with Loopback() as server:
        done = pit.run("--task", TASK, "--dry-run", env=models(pit, server))

        assert server.calls == []
    assert "a test for the task by verifier: at most $0.0" in done.stdout, done.stdout
    assert "reproduction" not in done.stdout


def test_ctrl_c_ends_it_soon_and_what_was_set_aside_stays_charged(tmp_path: Path) -> None:
    pit = unread(tmp_path, QUICKLY)
    with Loopback() as server:
        server.script("small-1", Reply(FIX))
        server.script("judge-1", Fault.hang())
        env = {**os.environ, **models(pit, server)}
        process = subprocess.Popen(
            [PROGRAM, "--task", TASK],
            cwd=pit.root,
            env=env,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )
        try:
            deadline = time.monotonic() + 30
            while len(server.calls) < 2 and time.monotonic() < deadline:
                time.sleep(0.05)
            time.sleep(0.5)
            began = time.monotonic()
            process.send_signal(signal.SIGINT)
            _, err = process.communicate(timeout=20)
        finally:
            process.kill()
    assert time.monotonic() - began < 5
    assert process.returncode == 130
    assert "1 call of unknown cost" in err
    assert rows("SELECT state FROM call WHERE model_requested = 'judge-1'") == [("lost",)]


def test_ctrl_c_ends_the_run_of_a_test_that_never_ends(tmp_path: Path) -> None:
    seconds = unlike_any_other()
    more = f"import subprocess\nsubprocess.run(['sleep', '{seconds}'])"
    endless = changed("import sys", f"import sys\n{more}", "tests/check.py")
    check = "import sys\nsys.path.insert(0, '.')\nimport calc\nassert calc.twice(2) == 4\n"
    policy = MODELS + "checks:\n  - {name: unit, kind: test, run: [python3, tests/check.py]}\n"
    pit = Sandpit(tmp_path / "pit", {"tests/check.py": check}, policy)
    file = recorded(tmp_path, ("fast", FIX), ("verifier", endless))
    process = subprocess.Popen(
        [PROGRAM, "--task", TASK, "--replay", file], cwd=pit.root, stderr=subprocess.PIPE
    )
    try:
        deadline = time.monotonic() + 60
        while not running("sleep", seconds) and time.monotonic() < deadline:
            time.sleep(0.05)
        began = time.monotonic()
        process.send_signal(signal.SIGINT)
        process.communicate(timeout=30)
    finally:
        process.kill()
    assert time.monotonic() - began < 10
    assert process.returncode == 130
    assert not running("sleep", seconds)


# --- delivery


def test_a_commit_holds_the_patch_and_its_test_and_is_proved_on_head(pit: Sandpit, tmp_path: Path) -> None:
    pit.write("thrice.py", "def thrice(a):\n    return 3 * a\n")  # the user's, and not to be committed

    done = run(pit, tmp_path, ("fast", FIX), ("verifier", RED), options=("--json", "--commit"))

    assert done.json["delivered"].startswith("committed as"), done.stdout
    assert pit.git("show", "--name-only", "--format=", "HEAD").split() == ["calc.py", "tests/test_sum.py"]
