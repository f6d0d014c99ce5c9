"""A patch that does not fit is given back once, with what the file really has there; then the next lane is asked."""

from __future__ import annotations

import json
import re
import sqlite3
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from desks import bench
from loopback import KEY_ENV, Fault, Loopback, Reply, Request
from sandpit import ADD, FIX, POLICY, Result, Sandpit, provider_env

from route_agent import places
from route_agent.config import Endpoint, Provider, Wire
from route_agent.errors import BadPatch
from route_agent.lanes.model import ModelLane
from route_agent.policy import LaneSpec
from route_agent.prompt import EARLIER, REPLY_CHARACTERS, SYSTEM, tellable, write_repair
from route_agent.records.change import Change
from route_agent.records.lanes import Prompt, Turn
from route_agent.records.lanes import Request as Wish

TASK = ("--task", "sums must be right")
NOWHERE = FIX.replace("return a - b", "return a minus b")
ALSO_NOWHERE = FIX.replace("return a - b", "return b taken from a")
HOSTILE = "--- /dev/null\n+++ b/../x\n@@ -0,0 +1 @@\n+x\n"
KEY = "sk-ant-REPAIRCANARY0123456789"
PEM = "-----BEGIN RSA PRIVATE KEY-----\nTUlJRXBBSUJBQUtDQVFFQTdE\nWjBmYmZ1bm55Y2FuYXJ5bGlu\n-----END RSA PRIVATE KEY-----\n"


@pytest.fixture
def pit(tmp_path: Path) -> Sandpit:
    return Sandpit(tmp_path / "pit")


@pytest.fixture
def server() -> Iterator[Loopback]:
    with Loopback() as running:
        yield running


def run(pit: Sandpit, server: Loopback, *options: str, json: bool = True) -> Result:
    return pit.run(*TASK, *options, *(("--json",) if json else ()), env=provider_env(pit, server))


def edit_of(path: str, removed: str, added: str) -> str:
    return f"SUMMARY: edit\n--- a/{path}\n+++ b/{path}\n@@ -1 +1 @@\n-{removed}\n+{added}\n"


def said(request: Request) -> list[tuple[str, str]]:
    """The turns of a request, without the system part, in either wire format."""
    return [(it["role"], plain(it["content"])) for it in request.body["messages"] if it["role"] != "system"]


def plain(content: Any) -> str:
    """A message's text, whether it was sent as one text or as blocks."""
    return content if isinstance(content, str) else "".join(block["text"] for block in content)


def system(request: Request) -> Any:
    return request.body.get("system") or request.body["messages"][0]


def recorded(folder: Path, *rows: dict[str, Any]) -> Path:
    file = folder / "replies.yaml"
    file.write_text(json.dumps({"version": 1, "replies": rows}))
    return file


# --- the repair turn ---------------------------------------------------------------------------------------


@pytest.mark.parametrize("wire", ["openai", "anthropic"])
def test_a_patch_that_is_nowhere_is_repaired_with_the_files_true_lines(
    tmp_path: Path, server: Loopback, wire: str
) -> None:
    pit = Sandpit(
        tmp_path / "pit", policy=POLICY.replace("fast: {provider: openai", f"fast: {{provider: {wire}")
    )
    server.script(
        "small-1", Reply(NOWHERE, input_tokens=1000), Reply(FIX, input_tokens=1500, output_tokens=60)
    )

    done = run(pit, server)

    assert done.exit_code == 0, done.stdout
    assert server.calls == [(wire, "small-1")] * 2
    first, second = server.requests
    assert system(second) == system(first)
    assert [role for role, _ in said(second)] == ["user", "assistant", "user"]
    assert said(second)[0] == said(first)[0]
    assert said(second)[1][1] == NOWHERE
    told = said(second)[2][1]
    assert "calc.py, hunk 1" in told
    assert "return a minus b" in told
    assert re.search(r"^ *2\b.*    return a - b$", told, re.MULTILINE)
    assert "one whole patch" in told
    quoted = re.search(r"^<<<([0-9a-f]{12}) refusal\n(.*)\n\1>>>$", told, re.MULTILINE | re.DOTALL)
    assert quoted is not None
    assert "return a" not in told.replace(quoted[0], "")
    assert quoted[1] not in said(first)[0][1]  # a reply could have learned the word of the first request
    (attempt,) = done.json["attempts"]
    assert (attempt["failure"], attempt["repairs"], len(attempt["calls"])) == (None, 1, 2)
    # 1000 in and 80 out, then 1500 in and 60 out, at $1 and $5 a million
    assert done.json["cost_usd"] == attempt["cost_usd"] == pytest.approx(0.0010 + 0.0004 + 0.0015 + 0.0003)


def test_the_report_and_the_ledger_tell_both_calls(pit: Sandpit, server: Loopback) -> None:
    server.script("small-1", Reply(NOWHERE), Reply(FIX))

    done = run(pit, server, json=False)
    shown = pit.run("show", "latest")

    head = next(line for line in done.stdout.splitlines() if line.startswith(" 1 fast"))
    assert re.search(r"small-1   \+1 −1 in 1 file   \$0\.0032   [\d.]+ s   \(patch repaired once\)$", head)
    assert done.stdout.count("call small-1: 1,200 tokens in") == 2
    assert "fitting the patch" in done.stderr
    assert "asking: fast · small-1 · turn 2" in done.stderr
    assert shown.stdout == done.stdout
    with sqlite3.connect(places.ledger_file()) as ledger:
        calls = ledger.execute("SELECT lane, state, cost_micro_usd, reply FROM call ORDER BY id").fetchall()
        attempts = ledger.execute("SELECT lane, failure, cost_micro_usd FROM attempt").fetchall()
    ledger.close()
    assert calls == [("fast", "done", 1600, NOWHERE), ("fast", "done", 1600, FIX)]
    assert attempts == [("fast", None, 3200)]


def test_a_reply_without_a_patch_is_asked_for_one(pit: Sandpit, server: Loopback) -> None:
    server.script("small-1", Reply("I would change the sign."), Reply(FIX))

    done = run(pit, server)

    assert done.exit_code == 0
    assert "holds no patch" in said(server.requests[1])[2][1]


def test_of_a_patch_that_fits_in_part_nothing_is_kept(tmp_path: Path, server: Loopback) -> None:
    pit = Sandpit(tmp_path / "pit", files={"note.txt": "one\n"})
    server.script("small-1", Reply(edit_of("note.txt", "one", "two") + NOWHERE), Reply(FIX))

    done = run(pit, server)

    assert done.exit_code == 0
    assert done.json["attempts"][0]["files"] == ["calc.py"]


def test_a_patch_that_fits_and_fails_its_checks_is_not_given_back(pit: Sandpit, server: Loopback) -> None:
    server.script("small-1", Reply(FIX.replace("return a + b", "return a * b - 1")))
    server.script("large-1", Reply(FIX))

    done = run(pit, server)

    assert server.calls == [("openai", "small-1"), ("anthropic", "large-1")]
    assert [it["repairs"] for it in done.json["attempts"]] == [0, 0]


# --- refused again -----------------------------------------------------------------------------------------


def test_a_patch_refused_twice_escalates_and_the_next_lane_is_told_why(
    pit: Sandpit, server: Loopback
) -> None:
    server.script("small-1", Reply(NOWHERE), Reply(ALSO_NOWHERE, input_tokens=2000))
    server.script("large-1", Reply(FIX))

    done = run(pit, server, "--max-attempts", "2")

    assert done.exit_code == 0, done.stdout
    assert server.calls == [("openai", "small-1")] * 2 + [("anthropic", "large-1")]
    fast, strong = done.json["attempts"]
    assert (fast["failure"], fast["repairs"], fast["summary"]) == ("unappliable", 1, "add adds again")
    assert "return b taken from a" in fast["reason"]
    assert fast["cost_usd"] == pytest.approx(0.0016 + 0.0024)
    assert strong["cost_usd"] == pytest.approx(0.012 + 0.004)
    assert done.json["cost_usd"] == pytest.approx(fast["cost_usd"] + strong["cost_usd"])
    (_, task), (_, between), (_, asked) = said(server.requests[2])
    assert task == said(server.requests[0])[0][1]  # what was sent before is what comes first again
    assert between == EARLIER
    assert "earlier attempt 1 failed\nreason: unappliable: calc.py, hunk 1" in asked
    why = asked.partition("earlier attempt 1 failed")[2].partition(">>>")[0]
    assert "return b taken from a" in why
    assert re.search(r"^ *2\b.*    return a - b$", why, re.MULTILINE)


def test_without_patch_rejected_a_second_refusal_ends_the_run_and_the_report_says_so(
    tmp_path: Path, server: Loopback
) -> None:
    pit = Sandpit(tmp_path / "pit", policy=POLICY + "routing: {escalate_on: [failed_tests]}\n")
    server.script("small-1", Reply(NOWHERE), Reply(ALSO_NOWHERE))

    done = run(pit, server, json=False)

    assert done.exit_code == 1
    assert server.calls == [("openai", "small-1")] * 2
    head = next(line for line in done.stdout.splitlines() if line.startswith(" 1 fast"))
    assert "no patch   $0.0032" in head
    assert head.endswith("(patch refused again after repair)")
    assert done.stdout.count("    return a - b") == 1  # the true lines stand with the attempt, not at the end


@pytest.mark.parametrize("before", [(), (NOWHERE,)], ids=["at once", "as the repair"])
def test_a_hostile_patch_is_never_given_back(pit: Sandpit, server: Loopback, before: tuple[str, ...]) -> None:
    server.script("small-1", *map(Reply, before), Reply("SUMMARY: outwards\n" + HOSTILE), Reply(FIX))

    done = run(pit, server)

    assert done.exit_code == 4
    assert len(server.calls) == len(before) + 1
    (attempt,) = done.json["attempts"]
    assert (attempt["failure"], attempt["summary"]) == ("hostile", "outwards")


# --- money and providers -----------------------------------------------------------------------------------


def test_a_repair_that_the_budget_does_not_allow_ends_the_run_at_its_limit(
    pit: Sandpit, server: Loopback
) -> None:
    server.script("small-1", Reply(NOWHERE, output_tokens=10_000), Reply(FIX))

    done = run(pit, server, "--max-usd", "0.10")

    assert done.exit_code == 5
    assert server.calls == [("openai", "small-1")]
    (attempt,) = done.json["attempts"]
    assert (attempt["failure"], len(attempt["calls"])) == ("limit", 1)
    assert re.match(
        r"next call could cost \$0\.08, \$0\.05 of the \$0\.10 limit is left; ", attempt["reason"]
    )
    assert "the patch so far was refused: calc.py, hunk 1: its lines are nowhere" in attempt["reason"]
    assert attempt["reason"].endswith(". raise it: --max-usd 0.2")
    assert done.json["cost_usd"] == pytest.approx(0.0012 + 0.05)


def test_a_repair_that_is_not_answered_leaves_the_patch_refused(pit: Sandpit, server: Loopback) -> None:
    server.script("small-1", Reply(NOWHERE), Fault.status(401, "key revoked"))
    server.script("large-1", Reply(FIX))

    done = run(pit, server)

    assert done.exit_code == 0
    fast = done.json["attempts"][0]
    assert (fast["failure"], fast["repairs"]) == ("unappliable", 0)
    assert "return a minus b" in fast["reason"]
    assert [call["state"] for call in fast["calls"]] == ["done", "failed"]
    assert "key revoked" in fast["calls"][1]["error"]


def test_a_repair_that_is_cut_short_is_paid_and_not_used(pit: Sandpit, server: Loopback) -> None:
    server.script("small-1", Reply(NOWHERE), Reply(FIX, stop="length", output_tokens=1000))

    done = run(pit, server, "--only-lane", "fast")

    assert done.exit_code == 1
    (attempt,) = done.json["attempts"]
    assert (attempt["failure"], attempt["repairs"]) == ("unappliable", 0)
    assert "return a minus b" in attempt["reason"]
    assert attempt["cost_usd"] == pytest.approx(0.0016 + 0.0012 + 0.005)


@pytest.mark.parametrize("wire", ["openai", "anthropic"])
def test_a_repair_is_tried_again_like_any_call_and_set_aside_at_its_own_size(
    tmp_path: Path, server: Loopback, wire: Wire
) -> None:
    server.script("small", Fault.status(529), Reply("first"), Fault.status(529), Reply("second"))
    url = server.anthropic_url if wire == "anthropic" else server.openai_url
    endpoint = Endpoint(
        "loop", Provider(wire=wire, base_url=url, key_env=KEY_ENV), "sk-loop-0123456789abcdef"
    )
    spec = LaneSpec(provider="loop", model="small", max_output_tokens=1000)

    def fit(reply: str) -> Change:
        if reply == "first":
            raise BadPatch("x.py, hunk 1: nowhere\n" + "   1 true line\n" * 100)
        return Change("0" * 40, reply, ())

    with bench(tmp_path, fit=fit) as means:
        wish = Wish("0" * 40, Prompt("You write patches.", "Fix the retry leak."))
        proposal = ModelLane("fast", spec, endpoint, first_wait_s=0.01).propose(wish, means.desk)

        assert (proposal.reply, proposal.repairs, len(proposal.calls)) == ("second", 1, 2)
        assert [call.state.value for call in means.purse.calls] == ["failed", "done"] * 2
        assert len(said(server.requests[3])) == 3
        alone, again, _, repair = (call.reserved_micro_usd for call in means.purse.calls)
    assert alone == again
    # every second byte of what is read is set aside as a token, at $1 a million
    assert repair - alone >= sum(len(text) for _, text in said(server.requests[3])[1:]) // 2


# --- what leaves -------------------------------------------------------------------------------------------


def test_a_file_that_is_never_sent_is_not_quoted_either(tmp_path: Path, server: Loopback) -> None:
    pit = Sandpit(tmp_path / "pit", files={".env": "# settings\nPORT = 8000\nPLAIN = hushcanary\n"})
    server.script("small-1", *[Reply(edit_of(".env", "PLAIN = hushcanarx", "PLAIN = 1"))] * 2)
    server.script("large-1", Reply(FIX))

    done = run(pit, server)

    assert done.exit_code == 0
    assert len(server.requests) == 3
    assert ".env is never shown: leave it out" in said(server.requests[1])[2][1]
    assert all("hushcanary" not in json.dumps(sent.body) for sent in server.requests)
    assert "hushcanary" not in done.stdout


def test_a_secret_in_a_quoted_line_is_redacted_and_the_model_told_to_leave_the_line_alone(
    tmp_path: Path, server: Loopback
) -> None:
    pit = Sandpit(tmp_path / "pit", files={"settings.py": f'PORT = 8000\nKEY = "{KEY}"\n'})
    copied = edit_of("settings.py", 'KEY = "[redacted:anthropic-key]"', 'KEY = "none"')
    server.script("small-1", Reply(FIX + copied), Reply(FIX))

    done = run(pit, server)

    assert done.exit_code == 0, done.stdout
    told = said(server.requests[1])[2][1]
    assert "settings.py, hunk 1" in told
    assert "Where\na line was shown with a placeholder, the file has something else there" in told
    assert all(KEY not in json.dumps(sent.body) for sent in server.requests)


def test_an_added_placeholder_is_refused_and_repaired(tmp_path: Path, server: Loopback) -> None:
    pit = Sandpit(tmp_path / "pit", files={"settings.py": f'KEY = "{KEY}"\nPORT = 8000\n'})
    moved = edit_of("settings.py", "PORT = 8000", 'PORT = 8080\n+KEY = "[redacted:anthropic-key]"')
    server.script(
        "small-1", Reply(FIX + moved), Reply(FIX + edit_of("settings.py", "PORT = 8000", "PORT = 8080"))
    )

    done = run(pit, server)

    assert done.exit_code == 0, done.stdout
    assert done.json["attempts"][0]["files"] == ["calc.py", "settings.py"]
    told = said(server.requests[1])[2][1]
    assert "settings.py" in told
    assert "a placeholder of a redacted secret" in told
    assert "no line of the patch may hold it" in told


def test_of_a_secret_that_has_several_lines_none_is_quoted(tmp_path: Path, server: Loopback) -> None:
    pit = Sandpit(tmp_path / "pit", files={"keys.py": f'PORT = 1\nKEY = """\n{PEM}"""\n'})
    near = edit_of("keys.py", "WjBmYmZ1bm55Y2FuYXJ5bGlv", "x")
    server.script("small-1", Reply(near), Reply(FIX))

    done = run(pit, server)

    assert done.exit_code == 0
    for sent in server.requests:
        assert "WjBmYmZ1bm55Y2FuYXJ5bGlu" not in json.dumps(sent.body)
        assert "TUlJRXBBSUJBQUtDQVFFQTdE" not in json.dumps(sent.body)


@pytest.mark.parametrize("shown", ["    3 {}", "3| {}", "looked like {!r}"])
def test_a_line_of_a_private_key_is_found_however_it_is_quoted(shown: str) -> None:
    files = {"app/keys.py": f"KEY = 1\n{PEM}END = 1\n".encode()}
    refusal = f"keys.py, hunk 1: nowhere:\n{shown.format('TUlJRXBBSUJBQUtDQVFFQTdE')}\n    5 END = 1"

    told = tellable(refusal, edit_of("keys.py", "KEY = 2", "KEY = 3"), files)

    assert told == "keys.py, hunk 1: nowhere:\n[redacted:private-key]\n    5 END = 1"


@pytest.mark.parametrize("named", ["./.env", "a/b/.env"])
def test_a_hidden_file_is_known_by_every_name_that_a_patch_can_give_it(named: str) -> None:
    files = {"config/.env": b"PLAIN = hushcanary\n"}

    told = tellable("config/.env, hunk 1:\n    1 PLAIN = hushcanary", edit_of(named, "x", "y"), files)

    assert "hushcanary" not in told


def test_a_reply_of_any_length_is_given_back_bounded_and_without_secrets() -> None:
    reply = f"BEGIN {KEY} " + "so much to say " * 20_000 + NOWHERE

    _, own, told = write_repair(Prompt(SYSTEM, "do it"), reply, "x.py: " + "y" * 50_000 + " END", "m1").turns

    assert len(own.text) < REPLY_CHARACTERS + 100
    assert own.text.startswith("BEGIN [redacted:anthropic-key] so much")
    assert "characters left out" in own.text
    assert own.text.endswith(NOWHERE[-200:])
    assert len(told.text) < 8000
    assert "END\nm1>>>" in told.text


def test_lines_that_are_no_utf_8_are_quoted_as_far_as_they_can_be_read(
    tmp_path: Path, server: Loopback
) -> None:
    pit = Sandpit(tmp_path / "pit")
    (pit.root / "menu.txt").write_bytes(b"tea\ncaf\xe9 with much milk\nwater\n")
    pit.commit("menu")
    refused = Reply(edit_of("menu.txt", "cafe with very much milk", "cake"))
    server.script("small-1", refused, refused)

    done = run(pit, server, "--only-lane", "fast")

    assert done.exit_code == 1, done.stderr
    assert "caf\ufffd with much milk" in done.json["attempts"][0]["reason"]
    assert "caf\ufffd with much milk" in said(server.requests[1])[2][1]


def test_the_conversation_only_grows_at_its_end() -> None:
    prompt = Prompt(SYSTEM, "do it")

    once = write_repair(prompt, "a reply", "a.py, hunk 1: nowhere", "m1")
    twice = write_repair(once, "another", "a.py, hunk 1: still nowhere", "m2")

    assert prompt.turns == (Turn("user", "do it"),)
    assert twice.turns[:3] == once.turns
    assert [turn.role for turn in twice.turns] == ["user", "assistant", "user", "assistant", "user"]
    assert (twice.system, twice.user) == (prompt.system, prompt.user)
    assert twice.estimated_tokens > once.estimated_tokens > prompt.estimated_tokens


# --- recorded replies --------------------------------------------------------------------------------------


def test_a_recording_can_hold_the_repair_of_a_reply(pit: Sandpit, tmp_path: Path) -> None:
    file = recorded(tmp_path, {"lane": "fast", "reply": NOWHERE, "then": [FIX]})

    done = pit.run(*TASK, "--replay", str(file))

    assert done.exit_code == 0, done.stdout
    assert "$0.00" in done.stdout
    assert "(patch repaired once)" in done.stdout


def test_a_recording_without_a_repair_leaves_the_patch_refused(pit: Sandpit, tmp_path: Path) -> None:
    file = recorded(
        tmp_path,
        {"lane": "fast", "reply": NOWHERE},
        {"lane": "fast", "reply": FIX},
        {"lane": "strong", "reply": FIX},
    )

    done = pit.run(*TASK, "--replay", str(file), "--json")

    assert done.exit_code == 0
    assert [(it["lane"], it["failure"], len(it["calls"])) for it in done.json["attempts"]] == [
        ("fast", "unappliable", 1),
        ("strong", None, 1),
    ]


def test_a_recorded_repair_is_asked_for_once_only(pit: Sandpit, tmp_path: Path) -> None:
    file = recorded(tmp_path, {"lane": "fast", "reply": NOWHERE, "then": [ALSO_NOWHERE, FIX]})

    done = pit.run(*TASK, "--replay", str(file), "--only-lane", "fast", "--json")

    assert done.exit_code == 1
    (attempt,) = done.json["attempts"]
    assert (attempt["failure"], attempt["repairs"], len(attempt["calls"])) == ("unappliable", 1, 2)


def test_the_true_lines_are_those_of_uncommitted_work(pit: Sandpit, server: Loopback) -> None:
    pit.write("calc.py", ADD.replace("a - b", "a - b  # mine"))
    server.script("small-1", Reply(NOWHERE), Reply(FIX.replace("return a - b", "return a - b  # mine")))

    done = run(pit, server)

    assert done.exit_code == 0
    assert "    return a - b  # mine" in said(server.requests[1])[2][1]
