"""Text can push a task up to the dearest lane and keep it there; what that may cost is the budgets' to say."""

from __future__ import annotations

from pathlib import Path

import pytest
from loopback import Loopback, Reply
from sandpit import POLICY, Result, Sandpit, provider_env

# every signal that words can raise, and more names of files and of code than any task is about
STUFFED = "\n".join(
    [
        "sums must be right",
        "This is an outage, production is down: a migration of the login, the password and the secret key.",
        "Implement a new deployment pipeline with oauth and `BrandNewThing`, it is urgent, do not stop, try again.",
        *(f"see src/auth/session_{number}.py and `NewThing{number}`" for number in range(60)),
    ]
)
RUN_USD, DAY_USD = 0.40, 0.70
# $0.13 for each answer, at $10 and $50 a million; a call may at most cost $0.10 and its question
RULES = (
    POLICY.replace("anthropic", "openai").replace("large-1", "large-1, max_output_tokens: 2000, attempts: 5")
    + f"limits: {{max_usd: {RUN_USD}, per_day_usd: {DAY_USD}, max_attempts: 20}}\n"
    + "reproduce: {when: []}\nverify: {critique: never}\n"
)
TRIES = [Reply(f"I looked at it, try {n}.", input_tokens=8000, output_tokens=1000) for n in range(60)]


@pytest.fixture
def pit(tmp_path: Path) -> Sandpit:
    return Sandpit(tmp_path / "pit", policy=RULES)


def spent(done: Result) -> float:
    cost = done.json["cost_usd"]
    assert isinstance(cost, float)
    return cost


def test_a_stuffed_brief_goes_to_the_dearest_lane_and_never_beyond_the_limits(pit: Sandpit) -> None:
    with Loopback() as server:
        server.script("large-1", *TRIES)
        env = provider_env(pit, server)

        first = pit.run("--task", STUFFED, "--json", env=env)

        assert first.exit_code == 5, first.stdout + first.stderr
        assert {call[1] for call in server.calls} == {"large-1"}
        assert len(server.calls) >= 2, "it was asked again and again, as the attack wants"
        assert 0.26 <= spent(first) <= RUN_USD
        assert f"of the ${RUN_USD:.2f} limit is left" in first.json["reason"]

        second = pit.run("--task", STUFFED, "--json", env=env)
        third = pit.run("--task", STUFFED, "--json", env=env)
        calls = len(server.calls)
        last = pit.run("--task", "fix the login", "--json", env=env)

        assert [it.exit_code for it in (second, third, last)] == [5, 5, 5]
        assert "limit of the day" in third.json["reason"]
        assert len(server.calls) == calls, "the day's limit lets nothing through any more"
        assert spent(first) + spent(second) + spent(third) + spent(last) <= DAY_USD
        assert calls * 0.13 == pytest.approx(spent(first) + spent(second) + spent(third))


def test_explain_says_why_a_stuffed_brief_is_dear_and_that_only_the_brief_says_so(pit: Sandpit) -> None:
    plain = pit.run("explain", "--task", "sums must be right", "--json").json
    stuffed = pit.run("explain", "--task", STUFFED, "--json").json

    assert plain["decision"]["lane"] == "fast"
    assert stuffed["decision"]["lane"] == "strong"
    reason = next(it for it in stuffed["decision"]["reasons"] if it.startswith("always strong"))
    raised = {it["name"]: it for it in stuffed["risk"]["signals"] if it["value"]}
    for name in ("schema_change", "auth_code", "production_incident"):
        assert name in reason
        assert raised[name]["provenance"] == "tainted"
        assert any('the brief says "' in told for told in raised[name]["evidence"])
    assert not any(it["provenance"] == "tainted" for it in plain["risk"]["signals"] if it["value"])
