"""A real run, recorded, ends again as it did: without its provider, a key or a network."""

from __future__ import annotations

import json
import stat
from pathlib import Path
from typing import Any

import pytest
import yaml
from loopback import Fault, Loopback, Reply
from sandpit import BREAKS, FIX, POLICY, WRONG, Sandpit, provider_env

from route_agent import places
from route_agent.lanes.recorded import RecordedReplies, load_replies

TASK = ("--task", "sums in calc.py must be right")
VERIFIED = POLICY.replace(
    "checks:",
    "  verifier: {provider: anthropic, model: critic-1}\nverify: {critique: always, canary_rate: 0}\nchecks:",
)
APPROVES = json.dumps({"reasons": ["it adds"], "lines": ["calc.py:2"], "opinion": "approve"})
REJECTS = json.dumps({"reasons": ["no"], "lines": ["calc.py:2"], "opinion": "reject"})
NOWHERE = FIX.replace("    return a - b", "    return a / b")
READS = "READ calc.py:1-3\n"


@pytest.fixture
def pit(tmp_path: Path) -> Sandpit:
    return Sandpit(tmp_path / "pit", policy=VERIFIED)


def paid_env(pit: Sandpit, server: Loopback) -> dict[str, str]:
    """As `provider_env`, with a price for the verifier."""
    env = provider_env(pit, server)
    file = Path(env["XDG_CONFIG_HOME"]) / "route-agent" / "config.yaml"
    config = json.loads(file.read_text())
    config["rates"] |= {name: {"input_usd": 1, "output_usd": 5} for name in ("critic-1", "judge-1")}
    file.write_text(json.dumps(config))
    return env


def outline(told: dict[str, Any]) -> dict[str, Any]:
    """What a run and its replay have in common."""
    return {
        "verdict": told["verdict"],
        "exit_code": told["exit_code"],
        "ladder": told["decision"]["ladder"],
        "attempts": [
            {
                **{
                    name: it[name]
                    for name in ("lane", "failure", "grade", "repairs", "files", "model_requested")
                },
                "calls": [(call["state"], call["model_requested"]) for call in it["calls"]],
                "reviews": [(review["model"], review["opinion"]) for review in it["reviews"]],
            }
            for it in told["attempts"]
        ],
    }


def replayed(pit: Sandpit, folder: Path, *options: str) -> Any:
    """The recording, played where nothing can be reached and no key is set."""
    done = pit.run("--task-file", str(folder / "task.md"), "--replay", str(folder), "--json", *options)
    assert done.stderr == ""
    return done.json


def test_a_run_with_a_repair_an_escalation_and_a_verifier_ends_again_as_it_did(
    pit: Sandpit, tmp_path: Path
) -> None:
    before = pit.state()
    with Loopback() as server:
        server.script("small-1", Fault.status(529), Reply(NOWHERE), Reply(BREAKS))
        server.script("large-1", Reply(READS), Reply(FIX))
        server.script("critic-1", Reply(APPROVES))
        env = paid_env(pit, server)
        done = pit.run(*TASK, "--json", env=env)
    assert done.exit_code == 0, done.stdout + done.stderr
    assert [it["failure"] for it in done.json["attempts"]] == ["still_failing", None]

    written = pit.run("record", done.json["run_id"], "--out", str(tmp_path / "kept"))
    again = replayed(pit, tmp_path / "kept")

    assert written.exit_code == 0, written.stderr
    assert "answers" in written.stdout
    assert again["replayed"] is True
    assert outline(again) == outline(done.json)
    assert again["attempts"][0]["repairs"] == 1
    assert pit.state() == before
    assert again["cost_usd"] == 0


def test_a_run_that_a_provider_ended_ends_again_in_the_same_words(pit: Sandpit, tmp_path: Path) -> None:
    with Loopback() as server:
        server.script("small-1", Fault.status(401, "no such key"))
        server.script("large-1", Fault.status(400, "bad request: you know why"))
        done = pit.run(*TASK, "--json", env=paid_env(pit, server))
    assert done.exit_code == 3

    pit.run("record", "latest", "--out", str(tmp_path / "kept"))
    again = replayed(pit, tmp_path / "kept")

    assert outline(again) == outline(done.json)
    assert again["reason"] == done.json["reason"]
    assert "you know why" in again["reason"]


def test_a_disputed_patch_is_disputed_again(pit: Sandpit, tmp_path: Path) -> None:
    with Loopback() as server:
        server.script("small-1", Reply(FIX))
        server.script("large-1", Reply(WRONG))
        server.script("critic-1", Reply(REJECTS))
        done = pit.run(*TASK, "--json", env=paid_env(pit, server))

    pit.run("record", "--out", str(tmp_path / "kept"))

    assert done.json["attempts"][0]["failure"] == "disputed"
    assert outline(replayed(pit, tmp_path / "kept")) == outline(done.json)


def test_a_reply_that_was_cut_short_is_cut_short_again(pit: Sandpit, tmp_path: Path) -> None:
    with Loopback() as server:
        server.script("small-1", Reply(FIX, stop="length"))
        server.script("large-1", Reply(FIX))
        server.script("critic-1", Reply(APPROVES))
        done = pit.run(*TASK, "--json", env=paid_env(pit, server))

    pit.run("record", "--out", str(tmp_path / "kept"))

    assert done.json["attempts"][0]["failure"] is not None
    assert outline(replayed(pit, tmp_path / "kept")) == outline(done.json)


def test_a_recording_says_what_it_is_and_how_it_is_played(pit: Sandpit, tmp_path: Path) -> None:
    with Loopback() as server:
        server.script("small-1", Reply(FIX))
        server.script("critic-1", Reply(APPROVES))
        done = pit.run(*TASK, "--json", env=paid_env(pit, server))
    folder = tmp_path / "my kept run"

    pit.run("record", "--out", str(folder))

    about = load_replies(folder).about
    assert about is not None
    head = pit.git("rev-parse", "HEAD").strip()
    assert (about.run, about.base, about.verdict) == (done.json["run_id"], head, "accepted")
    assert about.policy == ".route-agent/policy.yaml"
    readme = (folder / "README.md").read_text()
    assert head in readme
    assert f"route-agent --task-file '{folder}/task.md' --replay '{folder}'" in readme
    assert "clean working tree" in readme
    assert (folder / "task.md").read_text() == f"{TASK[1]}\n"
    assert "return a + b" in (folder / "replies.yaml").read_text()
    assert "|-\n" in (folder / "replies.yaml").read_text() or "|\n" in (folder / "replies.yaml").read_text()

    refused = pit.run("record", "--out", str(folder))
    assert refused.exit_code == 2
    assert "is not empty" in refused.stderr


def test_another_commit_or_other_changes_are_told_at_replay(pit: Sandpit, tmp_path: Path) -> None:
    with Loopback() as server:
        server.script("small-1", Reply(FIX))
        server.script("critic-1", Reply(APPROVES))
        pit.run(*TASK, env=paid_env(pit, server))
    pit.run("record", "--out", str(tmp_path / "kept"))

    pit.write("notes.md", "mine\n")
    changed = replayed(pit, tmp_path / "kept")
    pit.commit("more")
    moved = replayed(pit, tmp_path / "kept")
    policy = pit.root / ".route-agent" / "policy.yaml"
    policy.write_text(policy.read_text() + "flaky: {reruns: 0}\n")
    pit.commit("another policy")
    ruled = replayed(pit, tmp_path / "kept")

    assert any("other uncommitted changes" in it for it in changed["notices"])
    assert any(it.startswith("recorded at ") for it in moved["notices"])
    other = "recorded under another policy (.route-agent/policy.yaml@"
    assert not any(other in it for it in moved["notices"])
    assert any(other in it for it in ruled["notices"])


def test_a_call_that_broke_off_costs_nothing_when_it_is_played_again(pit: Sandpit, tmp_path: Path) -> None:
    with Loopback() as server:
        server.script("small-1", *[Fault.cut_off()] * 3)
        done = pit.run(*TASK, "--max-attempts", "1", "--json", env=paid_env(pit, server))
    assert done.json["cost_usd"] is None
    pit.run("record", "--out", str(tmp_path / "kept"))

    again = replayed(pit, tmp_path / "kept", "--max-attempts", "1")

    assert {call["state"] for call in again["attempts"][0]["calls"]} == {"lost"}
    assert again["cost_usd"] == 0


def test_a_lane_that_stopped_at_its_cap_stops_again_in_the_replay(tmp_path: Path) -> None:
    policy = POLICY.replace("model: small-1", "model: small-1, cap: {usd: 0.0095}")
    pit = Sandpit(tmp_path / "pit", policy=policy)
    with Loopback() as server:
        server.script("small-1", Reply("READ calc.py"), Reply(FIX))
        server.script("large-1", Reply(FIX))
        done = pit.run(*TASK, "--json", env=paid_env(pit, server))
    pit.run("record", "--out", str(tmp_path / "kept"))

    again = replayed(pit, tmp_path / "kept")

    for told in (done.json, again):
        assert [it["failure"] for it in told["attempts"]] == ["capped", None]
    assert again["attempts"][0]["reason"] == done.json["attempts"][0]["reason"]
    assert again["notices"] == []


def test_a_replay_that_ends_otherwise_than_its_run_says_so(pit: Sandpit, tmp_path: Path) -> None:
    with Loopback() as server:
        server.script("small-1", Reply(WRONG))
        done = pit.run(*TASK, "--max-usd", "0.2", "--json", env=paid_env(pit, server))
    assert done.json["verdict"] == "limit"
    pit.run("record", "--out", str(tmp_path / "kept"))

    again = replayed(pit, tmp_path / "kept")  # which money cannot stop
    same = replayed(pit, tmp_path / "kept", "--max-attempts", "1")

    assert again["verdict"] == "not_proved"
    assert again["notices"] == ["the recorded run ended as: stopped at a limit; this replay as: not proved"]
    assert same["verdict"] == "limit"
    assert same["notices"] == []


def test_a_secret_that_was_taken_out_of_a_reply_is_told_at_replay(pit: Sandpit, tmp_path: Path) -> None:
    secret = "ghp" + "_" + "A1" * 18
    with Loopback() as server:
        server.script("small-1", Reply(f"The token is {secret}.\n{FIX}"))
        server.script("critic-1", Reply(APPROVES))
        pit.run(*TASK, env=paid_env(pit, server))

    written = pit.run("record", "--out", str(tmp_path / "kept"))
    again = replayed(pit, tmp_path / "kept")

    assert "1 recorded replies had secrets" in written.stdout
    assert any("had secrets, which were taken out" in it for it in again["notices"])
    assert again["verdict"] == "accepted"
    assert secret not in (tmp_path / "kept" / "replies.yaml").read_text()


@pytest.mark.parametrize(
    "reply",
    [
        "tabs\tand trailing \nblanks  \n\n\n",
        " begins with a blank\n  and is indented\n",
        "windows\r\nlines\r\n",
        "- looks: like\n  yaml: {a: b} # no\n---\n...\n",
        "&anchor *alias !tag\n'\"\\ %\n",
        "\x00\x07\x1b[31m\x85\u2028\ufeff\u200b é 漢 😀\n",
        "no newline",
        "\n",
        "| pipe\n> fold\n",
        "x" * 300_000,
    ],
    ids=range(10),
)
def test_any_reply_is_read_back_as_it_was(reply: str, tmp_path: Path) -> None:
    from route_agent.cli.record import _yaml

    document = {
        "version": 1,
        "replies": [
            {"lane": "fast", "kind": "patch", "reply": reply, "then": [reply, {"reply": reply, "stop": "x"}]}
        ],
    }
    file = tmp_path / "replies.yaml"
    file.write_text(_yaml(document), encoding="utf-8", newline="")

    assert load_replies(tmp_path) == RecordedReplies.model_validate(document)
    yaml.safe_load(file.read_text(encoding="utf-8"))


def test_a_run_of_which_nothing_is_kept_cannot_be_recorded(pit: Sandpit, tmp_path: Path) -> None:
    file = tmp_path / "replies.yaml"
    file.write_text("version: 1\nreplies: []\n")
    pit.run(*TASK, "--replay", str(file))

    done = pit.run("record", "--out", str(tmp_path / "kept"))

    assert done.exit_code == 2
    assert "nothing that was said in this run is kept" in done.stderr
    assert not (tmp_path / "kept").exists()


# --- what was said -----------------------------------------------------------------------------------------


def test_each_call_is_kept_by_itself_readable_for_its_owner_alone(pit: Sandpit) -> None:
    with Loopback() as server:
        server.script("small-1", Reply(NOWHERE), Fault.status(401, "no more"))
        server.script("large-1", Reply(FIX, served_model="large-1-2026", cache_read=100))
        server.script("critic-1", Reply(APPROVES))
        pit.run(*TASK, "--json", env=paid_env(pit, server))
        sent = [request.body for request in server.requests]
    (folder,) = places.state_dir().glob("repos/*/run-*/calls")
    files = sorted(folder.iterdir())

    shown = pit.run("show", "--calls", "--json")
    printed = pit.run("show", "--calls")

    assert [file.name for file in files] == ["0001.json", "0002.json", "0003.json", "0004.json"]
    assert {stat.S_IMODE(file.stat().st_mode) for file in files} == {0o600}
    calls = shown.json["calls"]
    assert [(it["lane"], it["state"], it["error"]) for it in calls] == [
        ("fast", "done", ""),
        ("fast", "failed", "authentication"),
        ("strong", "done", ""),
        ("verifier", "done", ""),
    ]
    assert [it["purpose"] for it in calls] == ["patch", "patch", "patch", "opinion"]
    assert calls[2]["served"] == "large-1-2026"
    assert calls[2]["usage"]["cache_read"] == 100
    assert calls[0]["reply"] == NOWHERE
    assert calls[1]["prompt"]["later"][0] == {"role": "assistant", "text": NOWHERE}
    for call, body in zip(calls, sent, strict=True):
        assert json.dumps(call["prompt"]["user"])[1:-1] in json.dumps(body)
    assert "call 1  fast · openai small-1 · patch · done" in printed.stdout
    assert "parts as before" in printed.stdout
    assert "failed: authentication: " in printed.stdout
    assert "   | +    return a + b" in printed.stdout


def test_what_was_said_in_a_run_that_died_is_there(pit: Sandpit) -> None:
    import os
    import signal
    import subprocess
    import time

    from sandpit import PROGRAM

    with Loopback() as server:
        server.script("small-1", Reply(WRONG))
        server.script("large-1", Fault.hang(60))
        env = {**os.environ, **paid_env(pit, server)}
        process = subprocess.Popen(
            [PROGRAM, *TASK], cwd=pit.root, env=env, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
        )
        until = time.monotonic() + 60
        while len(server.requests) < 2 and time.monotonic() < until:
            time.sleep(0.05)
        process.send_signal(signal.SIGKILL)
        process.wait()

    (file,) = places.state_dir().glob("repos/*/run-*/calls/*.json")
    assert json.loads(file.read_bytes())["reply"] == WRONG


# --- with a test for the brief, and a plan -----------------------------------------------------------------


def test_a_run_with_a_plan_and_a_test_for_the_brief_ends_again_as_it_did(tmp_path: Path) -> None:
    from test_reproduction import POLICY as TESTED
    from test_reproduction import RED, TESTS
    from test_reproduction import TASK as BUG

    policy = TESTED.replace("small-1}", "small-1, plan_with: strong}").replace(
        "canary_rate: 0", "canary_rate: 0, critique: always"
    )
    pit = Sandpit(tmp_path / "pit", {"tests/test_calc.py": TESTS}, policy)
    with Loopback() as server:
        server.script("large-1", Reply("Turn the minus into a plus in calc.add."))
        server.script("small-1", Reply(FIX))
        server.script("judge-1", Reply("I would write a test."), Reply(RED), Reply(APPROVES))
        env = paid_env(pit, server)
        done = pit.run("--task", BUG, "--json", env=env)
    assert done.exit_code == 0, done.stdout + done.stderr
    assert done.json["attempts"][0]["plan"]

    pit.run("record", "--out", str(tmp_path / "kept"))
    again = replayed(pit, tmp_path / "kept")

    kinds = [(it.lane, it.kind) for it in load_replies(tmp_path / "kept").replies]
    assert sorted(kinds) == [
        ("fast", "patch"),
        ("strong", "plan"),
        ("verifier", "opinion"),
        ("verifier", "test"),
    ]
    assert outline(again) == outline(done.json)
    assert again["attempts"][0]["plan"] == done.json["attempts"][0]["plan"]
    assert again["reproduction"]["tests"] == done.json["reproduction"]["tests"] != []
