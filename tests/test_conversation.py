"""A model may look things up before it answers: from the start tree, in bounded turns, and nothing else."""

from __future__ import annotations

import json
import re
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from desks import Bench, bench
from loopback import KEY_ENV, Fault, Loopback, Reply, Request
from sandpit import ADD, FIX, POLICY, Result, Sandpit, provider_env, replies
from shelves import shelf_of
from test_ledger import answered
from test_ledger import run as begun

from route_agent import places
from route_agent.asking import MAX_NEEDS, Need, needs_in
from route_agent.config import Endpoint, Provider
from route_agent.errors import BadPatch, CapReached, LimitReached, PolicyError, ProviderError
from route_agent.lanes.conversation import ANSWERED, TOO_MANY
from route_agent.lanes.model import ModelLane
from route_agent.lanes.race import RaceLane
from route_agent.lanes.terms import Meter, Most, Terms, terms_of
from route_agent.ledger.store import Ledger
from route_agent.policy import Cap, LaneSpec, parse_policy
from route_agent.records.change import Change
from route_agent.records.lanes import CallState, Prompt, Proposal, Purpose
from route_agent.records.lanes import Request as Wish
from route_agent.records.runs import Attempt

TASK = ("--task", "sums must be right")
KEY = "sk-ant-LOOKUPCANARY0123456789"
UNUSED = dict.fromkeys(("read", "lines", "search", "within", "list"))


@pytest.fixture
def pit(tmp_path: Path) -> Sandpit:
    return Sandpit(tmp_path / "pit", files={"far/away.py": "one = 1\ntwo = 2\nthree = 3\n"})


@pytest.fixture
def server() -> Iterator[Loopback]:
    with Loopback() as running:
        yield running


def run(pit: Sandpit, server: Loopback, *options: str) -> Result:
    return pit.run(*TASK, *options, "--json", env=provider_env(pit, server))


def said(request: Request) -> list[tuple[str, str]]:
    """The turns of a request, without the system part, in either wire format."""
    return [(it["role"], plain(it["content"])) for it in request.body["messages"] if it["role"] != "system"]


def plain(content: Any) -> str:
    return content if isinstance(content, str) else "".join(block["text"] for block in content)


def only_patches(reply: str) -> Change:
    """Take what begins with `patch` for a patch, and nothing else."""
    if not reply.startswith("patch"):
        raise BadPatch("the reply holds no patch")
    return Change("0" * 40, reply, ())


def propose(means: Bench, server: Loopback, model: str = "small") -> Proposal:
    endpoint = Endpoint(
        "loop", Provider(base_url=server.openai_url, key_env=KEY_ENV), "sk-loop-0123456789abcdef"
    )
    spec = LaneSpec(provider="loop", model=model, max_output_tokens=1000)
    wish = Wish("0" * 40, Prompt("You write patches.", "Fix the till."))
    return ModelLane("fast", spec, endpoint, first_wait_s=0.01).propose(wish, means.desk)


# --- the protocol ------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("reply", "needs"),
    [
        ("READ a.py:10-80", [Need("read", "a.py", 10, 80)]),
        ("READ a.py", [Need("read", "a.py")]),
        ("READ a.py:7", [Need("read", "a.py", 7, 7)]),
        ("READ a.py:80-10", [Need("read", "a.py", 10, 80)]),
        ("READ a.py:80-end", [Need("read", "a.py", 80, 0)]),
        ("- READ `my dir/a b.py:1-2`", [Need("read", "my dir/a b.py", 1, 2)]),
        ("First I look:\n\n1. SEARCH def total( IN src/*.py\n2. LIST src/\n", [Need("search", "def total(", within="src/*.py"), Need("list", "src/")]),
        ('SEARCH "total = 1"', [Need("search", "total = 1")]),
        ("I have READ a.py and will SEARCH no more", []),
        ("read a.py", []),
        (FIX, []),
        (json.dumps({"summary": "", "need": [{**UNUSED, "read": "a.py", "lines": "3-4"}, {**UNUSED, "search": "x", "within": "*.py"}, {**UNUSED, "list": ""}], "edits": []}),
         [Need("read", "a.py", 3, 4), Need("search", "x", within="*.py"), Need("list", ".")]),
        ('```json\n{"need": [{"read": "a.py"}, {"read": "a.py"}, 7, {"lines": "1"}]}\n```', [Need("read", "a.py")]),
        ('{"need": "a.py"}', []),
        ('{"need": [{"run": "rm -rf ."}]}', []),
    ],
)  # fmt: skip
def test_a_reply_asks_in_words_or_in_json(reply: str, needs: list[Need]) -> None:
    assert list(needs_in(reply)) == needs


def test_a_lane_looks_things_up_and_then_answers(pit: Sandpit, server: Loopback) -> None:
    pit.write("far/away.py", "one = 1\ntwo = 22\nthree = 3\n")  # the start tree has uncommitted work
    server.script("small-1", Reply("READ far/away.py:2-3\nSEARCH twice(\nLIST far/"), Reply(FIX))

    done = run(pit, server)

    assert done.exit_code == 0, done.stdout + done.stderr
    first, second = map(said, server.requests)
    assert second[:1] == first
    assert [role for role, _ in second] == ["user", "assistant", "user"]
    assert second[1][1] == "READ far/away.py:2-3\nSEARCH twice(\nLIST far/"
    told = second[2][1]
    assert "read far/away.py:2-3\nlines 2-3 of 3\ntwo = 22\nthree = 3\n" in told
    assert "\ncalc.py:5: def twice(a):" in told.partition(' search "twice("\n')[2]
    assert "list far/\naway.py" in told
    assert told.endswith("14 turns are left.")
    (attempt,) = done.json["attempts"]
    assert (attempt["iterations"], attempt["repairs"], len(attempt["calls"])) == (2, 0, 2)
    assert attempt["reads"] == ["read far/away.py:2-3", 'search "twice("', "list far/"]
    assert done.json["cost_usd"] == pytest.approx(2 * 0.0016)


def test_a_lane_that_answers_in_json_asks_in_json(tmp_path: Path, server: Loopback) -> None:
    pit = Sandpit(tmp_path / "pit", policy=POLICY.replace("model: small-1", "model: small-1, output: json"))
    wish = {"summary": "", "need": [{**UNUSED, "read": "calc.py", "lines": "1-2"}], "edits": []}
    edit = {
        "path": "calc.py",
        "search": "    return a - b",
        "replace": "    return a + b",
        "content": None,
        "delete": None,
    }
    answer = {"summary": "add adds", "need": [], "edits": [edit]}
    server.script("small-1", Reply(json.dumps(wish)), Reply(json.dumps(answer)))

    done = run(pit, server)

    assert done.exit_code == 0, done.stdout + done.stderr
    assert "read calc.py:1-2\nlines 1-2 of 6\ndef add(a, b):" in said(server.requests[1])[2][1]
    assert done.json["attempts"][0]["summary"] == "add adds"


def test_a_reply_with_a_patch_is_a_patch_whatever_else_it_asks_for(pit: Sandpit, server: Loopback) -> None:
    server.script("small-1", Reply(f"READ far/away.py\n\n{FIX}"))

    done = run(pit, server)

    assert done.exit_code == 0
    assert done.json["attempts"][0]["reads"] == []


def test_a_repair_may_look_something_up_first(pit: Sandpit, server: Loopback) -> None:
    nowhere = FIX.replace("return a - b", "return a minus b")
    server.script("small-1", Reply(nowhere), Reply("READ calc.py"), Reply(FIX))

    done = run(pit, server)

    assert done.exit_code == 0
    (attempt,) = done.json["attempts"]
    assert (attempt["repairs"], attempt["iterations"]) == (1, 3)


def test_nothing_that_is_withheld_or_outside_leaves_by_being_asked_for(
    tmp_path: Path, server: Loopback
) -> None:
    pit = Sandpit(
        tmp_path / "pit",
        files={
            ".env": "PLAIN=hushcanary\n",
            "keys.py": f'KEY = "{KEY}"\n',
            "inside/x.py": "hushcanary = 1\n",
            ".gitignore": "built/\n",
        },
        policy=POLICY + "no_send: [inside]\n",
    )
    pit.write("built/x.py", "hushcanary = 1\n")
    asked = [
        "READ .env",
        "READ built/x.py",
        "READ inside/x.py",
        "READ ../pit/.env",
        "READ /etc/passwd",
        "READ .git/config",
        "READ keys.py",
        "SEARCH hushcanary",
        "LIST .",
        "LIST inside",
    ]
    server.script("small-1", Reply("\n".join(asked)), Reply(FIX))

    done = run(pit, server)

    assert done.exit_code == 0, done.stdout + done.stderr
    told = said(server.requests[1])[2][1]
    for request in server.requests:
        sent = json.dumps(request.body)
        assert KEY not in sent
        assert "root:x" not in sent
        assert "= 1" not in told.partition("search")[0]
    assert "hushcanary" not in told.replace('"hushcanary"', "")
    assert "never shown" in told
    assert told.count("only files of the project can be looked up") == 3
    assert "[redacted:" in told


# --- bounds ------------------------------------------------------------------------------------------------


def test_the_same_request_again_is_told_once_and_then_ends_the_attempt(
    pit: Sandpit, server: Loopback
) -> None:
    server.script("small-1", *[Reply("READ far/away.py")] * 3)
    server.script("large-1", Reply(FIX))

    done = run(pit, server)

    assert done.exit_code == 0
    assert [model for _, model in server.calls] == ["small-1"] * 3 + ["large-1"]
    assert ANSWERED in said(server.requests[2])[4][1]
    assert "the same again ends this attempt" in said(server.requests[2])[4][1]
    fast = done.json["attempts"][0]
    assert fast["failure"] == "unappliable"
    assert (fast["iterations"], fast["reads"]) == (3, ["read far/away.py"])
    assert fast["reason"].startswith("the lane asked for the same again and gave no patch: read far/away.py")


def test_a_request_that_is_partly_new_is_answered_in_part(
    tmp_path: Path, pit: Sandpit, server: Loopback
) -> None:
    server.script("small", Reply("READ calc.py"), Reply("READ calc.py\nREAD far/away.py"), Reply("patch"))

    with shelf_of(pit) as shelf, bench(tmp_path, fit=only_patches, shelf=shelf) as means:
        proposal = propose(means, server)

    told = said(server.requests[2])[4][1]
    assert f"read calc.py\n{ANSWERED}" in told
    assert "one = 1" in told
    assert proposal.reads == ("read calc.py", "read far/away.py")


def test_turns_are_counted_and_the_last_one_is_announced(tmp_path: Path, server: Loopback) -> None:
    pit = Sandpit(
        tmp_path / "pit", policy=POLICY.replace("model: small-1", "model: small-1, max_iterations: 2")
    )
    server.script("small-1", Reply("READ calc.py"), Reply("LIST ."), Reply(FIX))

    done = run(pit, server)

    assert done.exit_code == 5
    assert len(server.calls) == 2
    assert "This is the last turn: answer with the patch now." in said(server.requests[1])[2][1]
    (attempt,) = done.json["attempts"]
    assert attempt["failure"] == "limit"
    assert attempt["reason"] == (
        "the lane's 2 turns for one attempt are used up. raise max_iterations of the lane in the policy"
    )


def test_a_repair_is_a_turn_too(tmp_path: Path, server: Loopback) -> None:
    server.script("small", Reply("talk"), Reply("patch"))

    with (
        bench(tmp_path, fit=only_patches, terms=lambda lane: Terms(max_iterations=1)) as means,
        pytest.raises(
            LimitReached, match=r"1 turns .* used up; the patch so far was refused: the reply holds no"
        ),
    ):
        propose(means, server)


def test_one_turn_brings_only_so_much(tmp_path: Path, pit: Sandpit, server: Loopback) -> None:
    for number in range(MAX_NEEDS + 2):
        pit.write(f"big{number}.py", "value = 1\n" * 5000)
    asked = "\n".join(f"READ big{number}.py" for number in range(MAX_NEEDS + 2))
    server.script("small", Reply(asked), Reply("patch"))

    with (
        shelf_of(pit) as shelf,
        bench(
            tmp_path, fit=only_patches, shelf=shelf, terms=lambda lane: Terms(looked_up_bytes=6_000)
        ) as means,
    ):
        propose(means, server)

    told = said(server.requests[1])[2][1]
    assert 5_000 < len(told) < 14_000
    assert told.count(TOO_MANY) == 2


@pytest.mark.parametrize(
    ("cap", "calls", "words"),
    [
        # 1,200 in and 80 out for each call, at $1 and $5 a million
        ("{calls: 1}", 1, r"cap of 1 call for one attempt is reached \(1 made\)"),
        ("{tokens: 1000}", 1, r"cap of 1,000 tokens for one attempt is reached \(1,280 used\)"),
        ("{tokens: 1500}", 1, r"cap of 1,500 tokens .*\(1,280 used, the next call reads [\d,]+\)"),
        ("{usd: 0.002}", 0, r"cap of \$0.002 .*\(\$0.0000 spent, the next call is expected at \$0.0\d+\)"),
        ("{usd: 0.0095}", 1, r"cap of \$0.0095 .*\(\$0.0016 spent, the next call is expected at \$0.0\d+\)"),
        ("{seconds: 0.001}", 0, r"cap of 0.001 s .*\([\d.]+ s gone\)"),
    ],
)  # fmt: skip
def test_a_lane_at_its_cap_hands_over_at_once_and_never_with_a_patch(
    tmp_path: Path, server: Loopback, cap: str, calls: int, words: str
) -> None:
    capped = POLICY.replace("model: small-1", f"model: small-1, attempts: 2, cap: {cap}")
    pit = Sandpit(tmp_path / "pit", policy=capped)
    asks = any(it in cap for it in ("calls", "1500", "95"))
    server.script("small-1", Reply("READ calc.py") if asks else Reply(FIX), Reply(FIX))
    server.script("large-1", Reply(FIX))

    done = run(pit, server)

    assert done.exit_code == 0, done.stdout + done.stderr
    assert [model for _, model in server.calls] == ["small-1"] * calls + ["large-1"]
    fast, strong = done.json["attempts"]
    assert (fast["failure"], fast["second"]["accepts"], strong["failure"]) == ("capped", False, None)
    assert re.search(rf"^lane fast's {words}", fast["reason"]), fast["reason"]
    assert f"raise cap.{cap[1:].partition(':')[0]} of lane fast in the policy" in fast["reason"]
    # 1,200 in and 80 out for the strong lane at $10 and $50 a million; what the capped one spent is spent
    assert done.json["cost_usd"] == pytest.approx(calls * 0.0016 + 0.016)
    (told, _) = Ledger(places.ledger_file()).lane_statistics()
    assert (told.lane, told.attempts, told.accepted) == ("fast", 1, 0)
    assert told.cost_micro_usd == calls * 1600


def test_the_top_lane_stops_at_its_cap_too_and_the_run_says_which_it_was(
    tmp_path: Path, server: Loopback
) -> None:
    policy = POLICY.replace("model: large-1", "model: large-1, cap: {calls: 1}")
    pit = Sandpit(tmp_path / "pit", policy=policy)
    server.script("small-1", Reply("no patch"), Reply("none"))
    server.script("large-1", Reply("READ calc.py"), Reply(FIX))

    done = run(pit, server)

    assert done.exit_code == 5, done.stdout + done.stderr
    assert done.json["verdict"] == "limit"
    assert done.json["reason"].startswith("lane strong's cap of 1 call for one attempt is reached")
    assert [it["failure"] for it in done.json["attempts"]] == ["unappliable", "capped"]


def test_a_cap_that_is_learnt_holds_from_the_tenth_attempt_on(tmp_path: Path, server: Loopback) -> None:
    policy = POLICY.replace("model: small-1", "model: small-1, cap: {calls: p90}")
    pit = Sandpit(tmp_path / "pit", policy=policy)
    with_one_call(9)
    server.script("small-1", *[Reply("READ calc.py"), Reply(FIX)] * 2)
    server.script("large-1", Reply(FIX))

    free, held = run(pit, server), run(pit, server)

    assert [it["failure"] for it in free.json["attempts"]] == [None], free.stdout
    assert [it["failure"] for it in held.json["attempts"]] == ["capped", None], held.stdout
    assert (
        "cap of 1 call for one attempt is reached (1 made, p90 of its own attempts)"
        in (held.json["attempts"][0]["reason"])
    )


def with_one_call(attempts: int) -> None:
    """So many earlier attempts of the fast lane that took a request each, in the user's ledger."""
    made = Attempt(
        "fast", "openai", "small-1", (answered(model_requested="small-1", model_served="small-1"),)
    )
    ledger = Ledger(places.ledger_file())
    ledger.begin(begun("past"), forced_lane=False)
    for number in range(1, attempts + 1):
        ledger.add_attempt("past", number, made)
    ledger.close()


def test_a_cap_that_is_reached_in_a_race_names_the_lane(tmp_path: Path, server: Loopback) -> None:
    server.script("small", Reply("READ calc.py"), Reply("patch"))
    server.script("large", Reply("patch"))
    endpoint = Endpoint(
        "loop", Provider(base_url=server.openai_url, key_env=KEY_ENV), "sk-loop-0123456789abcdef"
    )
    one, two = (
        ModelLane(name, LaneSpec(provider="loop", model=model, max_output_tokens=1000), endpoint)
        for name, model in (("one", "large"), ("two", "small"))
    )

    with (
        bench(tmp_path, fit=only_patches, terms=lambda lane: Terms(calls=Most(1))) as means,
        pytest.raises(CapReached, match=r"lane two's cap of 1 call"),
    ):
        RaceLane("duel", (one, two), at_once=True).propose(Wish("0" * 40, Prompt("", "Fix it.")), means.desk)


def test_a_request_that_was_turned_away_is_none_of_a_lanes_calls() -> None:
    meter = Meter(Terms(calls=Most(1)), "fast")

    meter.add(answered(state=CallState.FAILED, cost_micro_usd=0, usage=None))
    meter.refuse_next(Prompt("", ""), 0)
    meter.add(answered(state=CallState.LOST, cost_micro_usd=None, usage=None))
    with pytest.raises(CapReached, match=r"lane fast's cap of 1 call"):
        meter.refuse_next(Prompt("", ""), 0)


def test_a_call_is_hung_up_on_when_the_time_of_its_attempt_is_over(tmp_path: Path, server: Loopback) -> None:
    server.script("small", Fault.hang(20))

    with (
        bench(tmp_path, terms=lambda lane: Terms(seconds=Most(0.3))) as means,
        pytest.raises(LimitReached, match=r"cap of 0.3 s"),
    ):
        propose(means, server)

    assert [call.state.value for call in means.purse.calls] == ["lost"]


def test_a_cap_may_be_a_quantile_of_the_lanes_own_attempts() -> None:
    spec = LaneSpec(provider="loop", model="m", cap=Cap(tokens="p90", usd="p50", calls="p80", seconds=30))
    asked: list[tuple[str, float]] = []

    def known(what: str, share: float) -> float | None:
        asked.append((what, share))
        return 5000 if what == "tokens" else None

    terms = terms_of(spec, known)

    assert asked == [("tokens", 0.9), ("usd", 0.5), ("calls", 0.8)]
    assert (terms.tokens, terms.usd, terms.seconds) == (Most(5000, "p90"), None, Most(30))


def test_a_cap_that_was_learnt_refuses_no_first_call_and_says_where_it_is_from() -> None:
    long = Prompt("", "word " * 10_000)
    meter = Meter(Terms(tokens=Most(5000, "p90"), usd=Most(0.001, "p90")))

    meter.refuse_next(long, 9_000_000)
    meter.tokens = 4000
    with pytest.raises(LimitReached, match=r"cap of 5,000 tokens .* p90 of its own attempts"):
        meter.refuse_next(long, 0)


def test_what_a_model_counts_more_of_counts_more_before_a_call_too() -> None:
    prompt = Prompt("", "word " * 700)  # 1,000 tokens as we estimate them

    Meter(Terms(tokens=Most(1500))).refuse_next(prompt, 0)
    with pytest.raises(LimitReached, match="the next call reads 2,000"):
        Meter(Terms(tokens=Most(1500), calibration=2.0)).refuse_next(prompt, 0)


# --- long conversations ------------------------------------------------------------------------------------

COMPACTED = POLICY.replace(
    "model: small-1}",
    "model: small-1, compact_at: 3000, compact_with: mid}\n  mid: {provider: openai, model: mid-1}",
)


def test_a_long_conversation_is_summed_up_by_the_lane_that_the_policy_names(
    tmp_path: Path, server: Loopback
) -> None:
    pit = Sandpit(
        tmp_path / "pit",
        files={f"big{it}.txt": f"value{it} = 1\n" * 300 for it in range(3)},
        policy=COMPACTED,
    )
    server.script("small-1", *(Reply(f"READ big{it}.txt") for it in range(3)), Reply(FIX))
    server.script("mid-1", Reply(f"big0.txt holds values; a key {KEY}"))

    done = run(pit, server)

    assert done.exit_code == 0, done.stdout + done.stderr
    models = [model for _, model in server.calls]
    assert models.count("mid-1") == 1
    (asked,) = [request for request in server.requests if request.model == "mid-1"]
    assert "value0 = 1" in said(asked)[0][1]
    assert "sums must be right" in said(asked)[0][1]
    after = said(server.requests[models.index("mid-1") + 1])
    assert after[0] == said(server.requests[0])[0]
    assert [role for role, _ in after] == ["user", "assistant", "user", "assistant", "user"]
    assert "- read big0.txt" in after[1][1]
    assert re.search(
        r"<<<([0-9a-f]{16}) the conversation so far, summed up\nbig0.txt holds values; a key \[redacted:\S+\]\n\1>>>",
        after[2][1],
    )
    assert "value0 = 1" not in json.dumps(after)
    assert "value2 = 1" in after[4][1]  # the latest answer stands as it was
    (attempt,) = done.json["attempts"]
    assert [call["model_requested"] for call in attempt["calls"]].count("mid-1") == 1
    assert attempt["iterations"] == 4


def test_what_was_summed_up_can_be_looked_up_again(tmp_path: Path, server: Loopback) -> None:
    pit = Sandpit(
        tmp_path / "pit",
        files={f"big{it}.txt": f"value{it} = 1\n" * 300 for it in range(3)},
        policy=COMPACTED,
    )
    server.script("small-1", *(Reply(f"READ big{it}.txt") for it in (0, 1, 2, 0)), Reply(FIX))
    server.script("mid-1", Reply("three files of values"), Reply("three files of values"))

    done = run(pit, server)

    assert done.exit_code == 0, done.stdout + done.stderr
    (*_, last) = [request for request in server.requests if request.model == "small-1"]
    assert "lines 1-300 of 300\nvalue0 = 1" in said(last)[-1][1]


def test_a_conversation_that_cannot_be_summed_up_goes_on_as_it_is(tmp_path: Path, server: Loopback) -> None:
    pit = Sandpit(
        tmp_path / "pit",
        files={f"big{it}.txt": f"value{it} = 1\n" * 300 for it in range(4)},
        policy=COMPACTED,
    )
    server.script("small-1", *(Reply(f"READ big{it}.txt") for it in range(4)), Reply(FIX))
    server.script("mid-1", Fault.status(401, "key revoked"))

    done = run(pit, server)

    assert done.exit_code == 0, done.stdout + done.stderr
    assert [model for _, model in server.calls].count("mid-1") == 1
    assert "value0 = 1" in json.dumps(said(server.requests[-1]))


def test_what_a_summary_costs_counts_for_the_attempt(tmp_path: Path, pit: Sandpit, server: Loopback) -> None:
    server.script("small", Reply("READ calc.py"), Reply("READ far/away.py"), Reply("patch"))
    server.script("large", Reply("short"))
    endpoint = Endpoint(
        "loop", Provider(base_url=server.openai_url, key_env=KEY_ENV), "sk-loop-0123456789abcdef"
    )
    mid = ModelLane("mid", LaneSpec(provider="loop", model="large"), endpoint)

    with (
        shelf_of(pit) as shelf,
        bench(tmp_path, fit=only_patches, shelf=shelf, terms=lambda lane: Terms(compact_at=10, can_compact=True), compact=mid.answer) as means,
    ):  # fmt: skip
        proposal = propose(means, server)

    assert [(call.model_requested, call.purpose) for call in proposal.calls] == [
        ("small", Purpose.PATCH),
        ("small", Purpose.PATCH),
        ("large", Purpose.COMPACT),
        ("small", Purpose.PATCH),
    ]
    assert {call.lane for call in proposal.calls} == {"fast"}


def test_the_dear_lane_sums_nothing_up() -> None:
    with pytest.raises(PolicyError, match=r"compact_with names strong, the top of the ladder"):
        parse_policy(COMPACTED.replace("compact_with: mid", "compact_with: strong"), "policy.yaml")


def test_a_first_reply_that_never_comes_is_the_providers_failure(tmp_path: Path, server: Loopback) -> None:
    server.script("small", Reply("READ calc.py"), Fault.status(401, "key revoked"))

    with bench(tmp_path, fit=only_patches) as means, pytest.raises(ProviderError, match="key revoked"):
        propose(means, server)


# --- examples ----------------------------------------------------------------------------------------------


def test_accepted_patches_of_similar_tasks_are_shown_as_examples(tmp_path: Path, server: Loopback) -> None:
    pit = Sandpit(tmp_path / "pit", policy=POLICY.replace("model: small-1", "model: small-1, examples: 2"))
    env = provider_env(pit, server)
    server.script("small-1", *[Reply(FIX)] * 3)
    replayed = pit.run(
        "--task", "sums were replayed", "--replay", str(replies(tmp_path, ("fast", FIX))), env=env
    )
    assert replayed.exit_code == 0, replayed.stdout + replayed.stderr

    first = pit.run("--task", f"sums must be right, says {KEY}", "--json", env=env)
    second = pit.run("--task", "sums must be right again", "--json", env=env)

    assert (first.exit_code, second.exit_code) == (0, 0), first.stderr + second.stderr
    asked = [said(request)[0][1] for request in server.requests]
    assert "an earlier task here that was solved" not in asked[0]
    assert "an earlier task here that was solved: 1\nsums must be right, says [redacted:" in asked[1]
    assert "+    return a + b" in asked[1]
    assert asked[1].index("an earlier task") < asked[1].index(" task\nsums must be right again")
    assert "replayed" not in asked[1]
    assert KEY not in asked[1]
    assert ADD in asked[1]


@pytest.mark.parametrize(
    "reply",
    [
        pytest.param("READ a" + " " * 100_000 + "b", id="blanks"),
        pytest.param("READ a" + "`" * 100_000 + "b", id="backticks"),
        pytest.param("```" + "\n" * 100_000 + "b", id="empty lines"),
    ],
)
def test_a_long_reply_of_nothing_much_is_read_in_no_time(reply: str) -> None:
    began = time.monotonic()

    needs_in(reply)

    assert time.monotonic() - began < 3
