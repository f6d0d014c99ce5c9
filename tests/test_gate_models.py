"""Models in a gate: the verifier that the policy asks for, and the patch of `--fix`. Real HTTP on loopback."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from gating import asked, breaks, pit_of, policy, rows
from loopback import Fault, Loopback, Reply
from sandpit import Sandpit, provider_env

from route_agent.records.grades import Failure, Verdict

ALWAYS = "{critique: always%s}"
ALONE = "reproduce: {when: []}\nverify: {critique: never}\n"  # the lanes, and nobody beside them
KEYS = ("ANTHROPIC_API_KEY", "OPENAI_API_KEY")
PATCH = """\
SUMMARY: say it better
a.txt
<<<<<<< SEARCH
bad
=======
good, and fixed
>>>>>>> REPLACE
"""


def says(opinion: str, *lines: str) -> Reply:
    return Reply(json.dumps({"reasons": ["I looked"], "lines": lines, "opinion": opinion}))


@pytest.fixture
def server() -> Iterator[Loopback]:
    with Loopback() as running:
        yield running


@pytest.fixture
def plugged(tmp_path: Path, server: Loopback, monkeypatch: pytest.MonkeyPatch) -> Loopback:
    """Both providers are the server, for this process too."""
    for name, value in provider_env(Bare(tmp_path), server).items():
        monkeypatch.setenv(name, value)
    return server


class Bare(Sandpit):
    """The place of a sandpit, before there is one."""

    def __init__(self, folder: Path) -> None:
        object.__setattr__(self, "root", folder / "pit")


# --- the verifier ------------------------------------------------------------------------------------------


def test_an_approval_passes_is_paid_and_never_asked_for_twice(tmp_path: Path, plugged: Loopback) -> None:
    pit = pit_of(tmp_path, ALWAYS % "")
    plugged.script("mid-1", says("approve", "a.txt:1"))

    judged, second = asked(pit), asked(pit)

    assert (judged.verdict, judged.exit_code) == (Verdict.ACCEPTED, 0), judged.reason
    assert [it.model for it in judged.reviews] == ["mid-1"]
    assert judged.cost.known_micro_usd == 1200 * 3 + 80 * 15
    assert (second.earlier, second.reviews, second.cost.known_micro_usd) == (judged.id, judged.reviews, 0)
    assert len(plugged.requests) == 1
    (call,) = rows("SELECT * FROM call")
    assert (call["run_id"], call["purpose"], call["cost_micro_usd"]) == (judged.id, "opinion", 4800)
    assert [it["cost_micro_usd"] for it in rows()] == [4800, 0]


def test_it_reads_the_change_the_messages_and_what_the_checks_showed(
    tmp_path: Path, plugged: Loopback
) -> None:
    plugged.script("mid-1", says("approve", "a.txt:1"))

    asked(pit_of(tmp_path, ALWAYS % ""))

    sent = json.dumps(plugged.requests[0].body)
    assert all(it in sent for it in ("say more", "good, and more", "grade: ran"))


@pytest.mark.parametrize(
    ("answer", "failure", "verdict"),
    [
        (says("reject"), Failure.DISPUTED, Verdict.NOT_PROVED),
        (says("unsure"), Failure.DOUBTFUL, Verdict.NOT_PROVED),
        (says("approve"), Failure.DOUBTFUL, Verdict.NOT_PROVED),
        (Reply("Looks good to me!"), Failure.DOUBTFUL, Verdict.NOT_PROVED),
        (Fault.status(400), Failure.PROVIDER, Verdict.PROVIDER),
    ],
    ids=["it rejects", "it is unsure", "it cites nothing", "it chats", "it cannot be had"],
)
def test_nothing_but_an_approval_passes(
    tmp_path: Path, plugged: Loopback, answer: Any, failure: Failure, verdict: Verdict
) -> None:
    plugged.script("mid-1", answer)

    judged = asked(pit_of(tmp_path, ALWAYS % ""))

    assert (judged.failure, judged.verdict, judged.exit_code) == (failure, verdict, verdict.exit_code)


def test_a_refusal_stands_and_silence_does_not(tmp_path: Path, plugged: Loopback) -> None:
    pit = pit_of(tmp_path, ALWAYS % "")
    plugged.script("mid-1", Fault.status(400), says("reject"), says("approve", "a.txt:1"))

    found = [asked(pit).failure for _ in range(3)]

    assert found == [Failure.PROVIDER, Failure.DISPUTED, Failure.DISPUTED]


def test_without_a_key_nobody_can_be_asked_which_is_no_pass(
    tmp_path: Path, plugged: Loopback, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in KEYS:
        monkeypatch.delenv(name)
    pit = pit_of(tmp_path, ALWAYS % ", on_error: {provider: allow}")

    allowed = asked(pit)
    blocked = asked(pit, policy=str(pit.write("own.yaml", policy(ALWAYS % ""))))

    assert (allowed.failure, allowed.exit_code) == (Failure.PROVIDER, 0)
    assert (blocked.failure, blocked.exit_code) == (Failure.PROVIDER, 3)
    assert "OPENAI_API_KEY is not set" in blocked.reason
    assert plugged.requests == []


def test_the_budget_holds(tmp_path: Path, plugged: Loopback) -> None:
    pit = pit_of(tmp_path, ALWAYS % "", "limits: {max_usd: 0.0001}\n")

    judged = asked(pit)

    assert (judged.verdict, judged.failure, judged.exit_code) == (Verdict.LIMIT, Failure.LIMIT, 5)
    assert "limit is left" in judged.reason
    assert plugged.requests == []


def test_a_verifier_is_not_paid_for_a_change_that_is_stopped_anyway(
    tmp_path: Path, plugged: Loopback
) -> None:
    judged = asked(breaks(pit_of(tmp_path, ALWAYS % "")))

    assert (judged.failure, plugged.requests) == (Failure.REGRESSION, [])


def test_what_no_model_is_shown_is_left_out_and_then_no_approval_counts(
    tmp_path: Path, plugged: Loopback
) -> None:
    pit = pit_of(tmp_path, ALWAYS % "", "no_send: [secret/**]\n")
    pit.write("secret/plan.md", "the crown jewels\n")
    pit.write("a.txt", "good, third\n")
    pit.commit("plan")
    plugged.script("mid-1", says("approve", "a.txt:1"))

    judged = asked(pit)

    assert judged.failure is Failure.DOUBTFUL
    sent = json.dumps(plugged.requests[0].body)
    assert "good, third" in sent
    assert "crown jewels" not in sent


def test_a_private_key_in_the_change_is_sent_to_nobody(tmp_path: Path, plugged: Loopback) -> None:
    pit = pit_of(tmp_path, ALWAYS % "")
    body = "\n".join("A1b2C3d4E5f6G7h8" * 4 for _ in range(4))
    pit.write("deploy.md", f"-----BEGIN RSA PRIVATE KEY-----\n{body}\n-----END RSA PRIVATE KEY-----\n")
    pit.commit("key")

    judged = asked(pit)

    assert (judged.failure, judged.exit_code) == (Failure.HOSTILE, 4)
    assert "deploy.md:1" in judged.reason
    assert plugged.requests == []


def test_a_floor_may_ask_for_a_verifier_that_the_policy_does_not(tmp_path: Path, plugged: Loopback) -> None:
    file = tmp_path / "config" / "route-agent" / "config.yaml"
    file.write_text(json.dumps({**json.loads(file.read_text()), "floor": {"gate": {"critique": "always"}}}))
    plugged.script("mid-1", says("reject"))

    assert asked(pit_of(tmp_path)).failure is Failure.DISPUTED


# --- --fix -------------------------------------------------------------------------------------------------


@pytest.fixture
def broken(tmp_path: Path, plugged: Loopback) -> Sandpit:
    return breaks(pit_of(tmp_path, "", ALONE))


def test_a_fix_is_offered_and_not_applied(broken: Sandpit, plugged: Loopback) -> None:
    plugged.script("small-1", Reply(PATCH))
    before = broken.state()

    done = broken.run("gate", "--base", "HEAD~1", "--fix", "--json")

    told = done.json
    assert (done.exit_code, told["verdict"], told["failure"]) == (1, "not_proved", "regression"), done.stderr
    assert (told["fix"]["verdict"], told["fix"]["lanes"]) == ("accepted", ["fast"]), told["fix"]
    assert told["fix"]["next_step"] == f"git apply {told['patch_path']}"
    assert told["cost_usd"] == told["fix"]["cost_usd"] > 0
    assert broken.state() == before
    broken.git("apply", told["patch_path"])
    assert (broken.root / "a.txt").read_text() == "good, and fixed\n"
    brief = json.dumps(plugged.requests[0].body)
    assert all(it in brief for it in ("Mend what this change broke", "test check unit", "a.txt"))


def test_a_fix_keeps_within_its_limit(broken: Sandpit, plugged: Loopback) -> None:
    done = broken.run("gate", "--base", "HEAD~1", "--fix", "--max-usd", "0.000001")

    assert done.exit_code == 1
    assert "fix       stopped at a limit" in done.stdout
    assert "cost_usd_estimate: 0.00" in done.stdout
    assert plugged.requests == []


def test_the_environment_chooses_no_model_in_a_gate_and_only_lowers_the_limit(
    broken: Sandpit, plugged: Loopback
) -> None:
    plugged.script("small-1", Reply(PATCH))
    chosen = {"ROUTE_AGENT_MODEL_FAST": "other-1", "ROUTE_AGENT_LANE": "fast"}
    plain = broken.run("gate", "--base", "HEAD~1", "--json").json

    told = broken.run("gate", "--base", "HEAD~1", "--json", env=chosen).json
    fixed = broken.run("gate", "--base", "HEAD~1", "--json", "--fix", env=chosen).json
    lowered = {"ROUTE_AGENT_MAX_USD": "0.000001"}
    held = broken.run("gate", "--base=HEAD~1", "--json", "--fix", "--max-usd=1", env=lowered).json

    assert (told["decision"], told["verdict"]) == (plain["decision"], plain["verdict"])
    assert {it.model for it in plugged.requests} == {"small-1"}
    assert fixed["fix"]["verdict"] == "accepted"
    assert held["fix"]["verdict"] == "limit"


def test_what_no_check_shows_cannot_be_mended(tmp_path: Path, plugged: Loopback) -> None:
    done = pit_of(tmp_path, "{least: covered}").run("gate", "--base", "HEAD~1", "--fix", "--json")

    assert (done.exit_code, done.json["fix"]) == (1, None)
    assert "no check shows what is wrong" in done.json["why_not_fixed"]
    assert plugged.requests == []


def test_a_fix_of_what_is_staged_is_a_patch_on_that(tmp_path: Path, plugged: Loopback) -> None:
    pit = pit_of(tmp_path, "", ALONE)
    pit.write("a.txt", "bad\n")
    pit.git("add", "a.txt")
    plugged.script("small-1", Reply(PATCH))

    done = pit.run("gate", "--index", "--fix")

    assert done.exit_code == 1, done.stderr
    assert "next      git apply " in done.stdout
    assert "(on the index)" in done.stdout


def test_a_change_cannot_choose_who_mends_it(tmp_path: Path, plugged: Loopback) -> None:
    pit = pit_of(tmp_path, "", ALONE)
    pit.write(".route-agent/policy.yaml", policy("", ALONE).replace("small-1", "own-1"))
    breaks(pit)
    plugged.script("small-1", Reply(PATCH))

    done = pit.run("gate", "--base", "HEAD~1", "--fix", "--json")

    assert done.json["fix"]["verdict"] == "accepted", done.json["fix"]
    assert [it.model for it in plugged.requests] == ["small-1"]
