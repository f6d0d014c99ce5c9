"""What is told of a run's cost before it begins, and how often that was true."""

from __future__ import annotations

import json
import sqlite3
from pathlib import Path
from random import Random

import pytest
from hypothesis import given
from hypothesis import strategies as st
from loopback import Loopback, Reply
from sandpit import FIX, POLICY, WRONG, Sandpit, provider_env, replies

from route_agent.ledger.history import PastRun
from route_agent.ledger.store import Ledger
from route_agent.quoting import LEAST_RUNS, alike, from_history
from route_agent.records.checks import Isolation, IsolationLevel
from route_agent.records.grades import Verdict
from route_agent.records.lanes import Call, CallState
from route_agent.records.risk import Decision
from route_agent.records.runs import Attempt, Cost, Quote, Run


def past(
    *costs: int, repository: str = "/r", task_class: str = "bug", escalated: bool = False
) -> list[PastRun]:
    return [PastRun(repository, task_class, cost, escalated) for cost in costs]


# --- the arithmetic ----------------------------------------------------------------------------------------


def test_nine_runs_make_a_band_from_the_cheapest_to_the_dearest() -> None:
    told = from_history(past(*range(100, 1000, 100)))

    assert told == Quote(expected=500, low=100, high=900, escalation=0.0, runs=9)
    assert from_history(past(*range(100, 900, 100))) == Quote()


def test_of_more_runs_the_outermost_are_left_out_on_both_sides() -> None:
    told = from_history([*past(*range(1, 16)), *past(*range(16, 20), escalated=True)])

    assert (told.low, told.high, told.expected, told.runs) == (2, 18, 10, 19)
    assert told.escalation == pytest.approx(4 / 19)


@given(st.lists(st.integers(0, 10**9), min_size=LEAST_RUNS, max_size=200))
def test_a_band_holds_at_least_eight_of_ten_of_its_own_runs_and_their_mean_is_expected(
    costs: list[int],
) -> None:
    told = from_history(past(*costs))

    assert told.low is not None
    assert told.high is not None
    assert told.low <= told.high
    assert sum(told.low <= cost <= told.high for cost in costs) >= 0.8 * len(costs)
    assert told.expected == round(sum(costs) / len(costs))


@pytest.mark.parametrize("runs", [9, 14, 25, 60])
def test_the_next_run_ends_within_the_band_four_times_in_five_however_odd_the_costs_are(runs: int) -> None:
    dice = Random(runs)
    held = 0
    for _ in range(3000):
        *known, following = (round(dice.lognormvariate(8, 2)) for _ in range(runs + 1))
        band = from_history(past(*known))
        assert band.low is not None
        assert band.high is not None
        held += band.low <= following <= band.high

    # three standard errors below 80 %; and not so wide that it says nothing
    assert 0.778 < held / 3000 < 0.93


def test_the_runs_most_like_this_one_count_where_there_are_enough() -> None:
    here, elsewhere = past(*[1] * 9), past(*[2] * 9, repository="/other")
    docs = past(*[3] * 9, task_class="docs")
    every = [*here, *elsewhere, *docs]

    assert alike(every, "/r", "bug") == here
    assert alike(every, "/r", "types") == [*here, *docs]
    assert alike(every, "/new", "docs") == docs
    assert alike(every, "/new", "types") == every
    assert alike([*here[:5], *elsewhere], "/r", "bug") == [*here[:5], *elsewhere]


# --- real runs ---------------------------------------------------------------------------------------------


@pytest.fixture
def pit(tmp_path: Path) -> Sandpit:
    return Sandpit(tmp_path / "pit")


def ledger_of(pit: Sandpit, env: dict[str, str]) -> Path:
    return Path(env["XDG_STATE_HOME"], "route-agent", "ledger.sqlite3")


def rows(path: Path, query: str) -> list[tuple[object, ...]]:
    database = sqlite3.connect(path)
    found = database.execute(query).fetchall()
    database.close()
    return found


def spending(pit: Sandpit, server: Loopback) -> dict[str, str]:
    return provider_env(pit, server) | {"XDG_STATE_HOME": str(pit.root.parent / "state")}


def test_a_first_quote_is_calculated_and_says_nothing_of_a_band(pit: Sandpit) -> None:
    with Loopback() as server:
        env = spending(pit, server)
        done = pit.run("--task", "sums must be right", "--dry-run", env=env)
        assert server.calls == []

    (row,) = rows(
        ledger_of(pit, env), "SELECT expected, low, high, worst, escalation, runs, actual FROM quote"
    )
    expected, low, high, worst, escalation, runs, actual = row
    # what is read, and 1,500 tokens written at 5 dollars per million
    assert isinstance(expected, int)
    assert 7_500 < expected < 12_000
    assert (low, high, escalation, runs, actual) == (None, None, None, 0, None)
    assert worst == 1_000_000  # all turns of two lanes could cost more than the run's limit
    assert done.exit_code == 0
    assert "fast: about $0.0" in done.stdout


def test_every_run_is_quoted_and_what_it_came_to_is_written_beside_it(pit: Sandpit) -> None:
    with Loopback() as server:
        env = spending(pit, server)
        learn(ledger_of(pit, env), pit, *[1500] * 9)
        server.script("small-1", Reply(WRONG, input_tokens=1000, output_tokens=100))
        server.script("large-1", Reply(FIX, input_tokens=1000, output_tokens=100))
        assert pit.run("--task", "sums must be right", env=env).exit_code == 0
        told = pit.run("--task", "sums must be right", "--dry-run", "--json", env=env).json

    kept = rows(ledger_of(pit, env), "SELECT expected, low, high, runs, actual FROM quote ORDER BY rowid")
    cheap, dear = 1000 * 1 + 100 * 5, 1000 * 10 + 100 * 50
    assert kept[0] == (cheap, cheap, cheap, 9, cheap + dear)
    assert kept[1] == (round((10 * cheap + dear) / 10), cheap, cheap + dear, 10, None)
    quote = told["quote"]
    assert (quote["escalation_odds"], quote["earlier_runs"]) == (0.1, 10)
    assert (quote["bands_held"], quote["bands_given"]) == (0, 1)


def learn(path: Path, pit: Sandpit, *costs: int) -> None:
    """Earlier runs of this repository, all of them solved by the first lane."""
    ledger = Ledger(path)
    for number, cost in enumerate(costs):
        call = Call(0, "fast", "openai", "small-1", "small-1", CallState.DONE, None, cost, cost, 0.1)
        attempt = Attempt("fast", "openai", "small-1", (call,))
        decision = Decision("fast", ("fast", "strong"), (), "bug", "", "")
        run = Run(
            id=f"old{number}",
            started_at=f"2026-01-01T00:00:{number:02d}.000+00:00",
            repository=str(pit.root),
            brief="b",
            base="1",
            start="2",
            verdict=Verdict.ACCEPTED,
            reason="",
            isolation=Isolation(IsolationLevel.NONE),
            decision=decision,
            attempts=(attempt,),
            cost=Cost(cost),
        )
        ledger.begin(run, forced_lane=False)
        ledger.add_attempt(run.id, 1, attempt)
        ledger.finish(run, "{}")
    ledger.close()


def test_a_recorded_run_is_neither_quoted_in_the_ledger_nor_learnt_from(pit: Sandpit, tmp_path: Path) -> None:
    env = {"XDG_STATE_HOME": str(tmp_path / "state")}
    done = pit.run("--task", "sums", "--replay", str(replies(tmp_path, ("fast", FIX))), env=env)

    assert done.exit_code == 0, done.stderr
    assert rows(ledger_of(pit, env), "SELECT COUNT(*) FROM quote") == [(0,)]


def test_the_worst_is_no_more_than_what_the_limits_leave(pit: Sandpit) -> None:
    pit.write(".route-agent/policy.yaml", POLICY + "limits: {repository_per_day_usd: 0.25}\n")
    pit.commit("a limit")
    with Loopback() as server:
        env = spending(pit, server)
        pit.run("--task", "sums must be right", "--dry-run", env=env)

    assert rows(ledger_of(pit, env), "SELECT worst FROM quote") == [(250_000,)]


def test_the_same_request_again_is_answered_from_the_ledger_where_the_policy_allows_it(pit: Sandpit) -> None:
    reusing = POLICY.replace("model: small-1}", "model: small-1, reuse: true}")
    pit.write(".route-agent/policy.yaml", reusing)
    pit.commit("answers may be had again")
    with Loopback() as server:
        env = spending(pit, server)
        server.script("small-1", Reply(FIX), Reply(FIX))
        first = pit.run("--task", "sums must be right", "--json", env=env)
        again = pit.run("--task", "sums must be right", "--json", env=env)
        assert len(server.calls) == 1
        pit.write("calc.py", pit.root.joinpath("calc.py").read_text() + "\n")  # another start tree
        elsewhere = pit.run("--task", "sums must be right", "--json", env=env)
        assert len(server.calls) == 2

    assert [it.exit_code for it in (first, again, elsewhere)] == [0, 0, 0]
    assert first.json["cost_usd"] > 0
    assert again.json["cost_usd"] == 0
    states = rows(ledger_of(pit, env), "SELECT reused, cost_micro_usd > 0 FROM call ORDER BY id")
    assert states == [(0, 1), (1, 0), (0, 1)]
    assert rows(ledger_of(pit, env), "SELECT reused FROM attempt ORDER BY rowid") == [(0,), (1,), (0,)]


def test_a_reply_that_came_by_other_headers_answers_nothing(pit: Sandpit) -> None:
    pit.write(".route-agent/policy.yaml", POLICY.replace("model: small-1}", "model: small-1, reuse: true}"))
    pit.commit("answers may be had again")
    with Loopback() as server:
        env = spending(pit, server)
        server.script("small-1", Reply(FIX), Reply(FIX))
        pit.run("--task", "sums must be right", "--json", env=env)
        file = Path(env["XDG_CONFIG_HOME"]) / "route-agent" / "config.yaml"
        known = json.loads(file.read_text())
        known["providers"]["openai"]["headers"] = {"x-portkey-provider": "another"}
        file.write_text(json.dumps(known))
        again = pit.run("--task", "sums must be right", "--json", env=env)

    assert again.json["cost_usd"] > 0


def test_what_is_left_of_the_day_is_told_by_the_smaller_limit(pit: Sandpit) -> None:
    with Loopback() as server:
        env = spending(pit, server)
        server.script("small-1", Reply(FIX))
        file = Path(env["XDG_CONFIG_HOME"]) / "route-agent" / "config.yaml"
        file.write_text(json.dumps(json.loads(file.read_text()) | {"budgets": {"per_day_usd": 0.75}}))
        done = pit.run("--task", "sums must be right", env=env)

    assert "today $0.00 of $0.75" in done.stderr


def test_the_author_and_the_repository_that_pay_stand_with_every_call(pit: Sandpit) -> None:
    pit.git("config", "user.email", "One@Example.org")
    linked = pit.root.parent / "linked"
    pit.git("worktree", "add", "--quiet", "--detach", str(linked))
    with Loopback() as server:
        env = spending(pit, server) | {"GIT_AUTHOR_EMAIL": ""}
        server.script("small-1", Reply(FIX), Reply(FIX))
        pit.run("--task", "sums must be right", env=env)
        pit.root = linked
        pit.run("--task", "sums must be right", env=env)

    told = rows(ledger_of(pit, env), "SELECT author, repository FROM call")
    assert told == [("one@example.org", str(linked.parent / "pit"))] * 2


def test_a_quote_for_a_race_is_of_both_lanes_and_for_a_planned_lane_of_its_plan_too(tmp_path: Path) -> None:
    def quoted(name: str, models: str, ladder: str) -> tuple[dict[str, float], str]:
        rules = f"version: 1\nmodels:\n{models}routing: {{ladder: [{ladder}]}}\nreproduce: {{when: []}}\n"
        rules += "checks:" + POLICY.partition("checks:")[2].partition("accept:")[0]
        pit = Sandpit(tmp_path / name / "pit", policy=rules)
        with Loopback() as server:
            env = provider_env(pit, server)
            done = pit.run("--task", "t", "--dry-run", "--max-usd", "90", "--json", env=env)
        assert done.exit_code == 0, done.stderr
        return done.json["quote"], done.json["reason"]

    small = "  small: {provider: openai, model: small-1, max_iterations: 1%s}\n"
    large = "  large: {provider: anthropic, model: large-1, max_iterations: 1}\n"
    alone = [quoted(it, small % "" + large, it)[0] for it in ("small", "large")]
    raced, told = quoted(
        "race", small % "" + large + "  both: {provider: race, race: [small, large]}\n", "both"
    )
    planned, _ = quoted("planned", small % ", plan_with: large" + large, "small")

    # a little more each: what is shown first says that there are more lanes
    for it in (raced, planned):
        assert it["expected_usd"] == pytest.approx(sum(each["expected_usd"] for each in alone), rel=0.05)
        assert it["worst_usd"] > 0.9 * alone[1]["worst_usd"]
    assert "both (small): about" in told
    assert "both (large): about" in told
