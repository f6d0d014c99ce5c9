"""What the environment may choose: as an option would, and never below what the policy keeps."""

from __future__ import annotations

import json
import re
from pathlib import Path

import pytest
from loopback import Loopback, Reply
from sandpit import FIX, POLICY, Result, Sandpit, provider_env, replies

from route_agent.errors import UsageError
from route_agent.policy import NamedPolicy, parse_policy
from route_agent.preferences import LIMIT, MODEL, Preferences, lower_limit, preferences, variable_of
from route_agent.records.risk import Risk
from route_agent.routing import Wish, route
from route_agent.routing.deciding import PREFERRED

TASK = ("--task", "sums must be right")
LOGIN = ("--task", "add a login to calc.py")  # auth_code: always strong
THREE = """\
version: 1
models:
  tidy: {provider: fixer, run: [[ruff, check, --fix, .]]}
  cheap-1: {provider: openai, model: small-1}
  mid: {provider: openai, model: mid-1}
  dear: {provider: openai, model: large-1}
  critic: {provider: anthropic, model: other-1}
routing: {ladder: [tidy, cheap-1, mid, dear]}
verify: {lane: critic}
checks: [{name: unit, run: [python3, -c, pass]}]
accept: {cheap-1: ran, mid: ran, dear: ran}
"""


@pytest.fixture
def pit(tmp_path: Path) -> Sandpit:
    return Sandpit(tmp_path / "pit")


def explained(pit: Sandpit, *arguments: str, **env: str) -> Result:
    return pit.run(
        "explain", *arguments, "--json", env={f"ROUTE_AGENT_{name}": it for name, it in env.items()}
    )


def test_a_lane_of_the_environment_starts_the_task_and_the_report_says_so(pit: Sandpit) -> None:
    decision = explained(pit, *TASK, LANE="strong").json["decision"]

    assert (decision["lane"], decision["ladder"]) == ("strong", ["strong"])
    assert decision["reasons"][0] == "ROUTE_AGENT_LANE=strong chose the lane"
    for nothing in ({}, {"LANE": ""}, {"LANE": " "}):
        assert explained(pit, *TASK, **nothing).json["decision"]["lane"] == "fast"


@pytest.mark.parametrize(
    "typed", [("--lane", "fast"), ("--only-lane", "fast"), ("--phase", "implement")], ids=lambda it: it[0]
)
def test_what_is_typed_goes_before_the_environment(tmp_path: Path, typed: tuple[str, str]) -> None:
    pit = Sandpit(tmp_path / "pit", policy=POLICY + "routing: {phases: {implement: fast}}\n")

    decision = explained(pit, *TASK, *typed, LANE="strong").json["decision"]

    assert decision["lane"] == "fast"
    assert "ROUTE_AGENT_LANE" not in str(decision)


def test_no_environment_reaches_below_an_always_strong_condition(pit: Sandpit) -> None:
    for forced in ((), ("--force-lane",)):
        decision = explained(pit, *LOGIN, *forced, LANE="fast").json["decision"]

        assert decision["ladder"] == ["strong"]
        assert "ROUTE_AGENT_LANE=fast is passed over for that" in decision["reasons"]


def test_a_lane_that_there_is_not_is_refused_by_its_variable(pit: Sandpit) -> None:
    refused = explained(pit, *TASK, LANE="quick")

    assert refused.exit_code == 2
    assert refused.json["error"] == "ROUTE_AGENT_LANE=quick: unknown lane (the policy has: fast, strong)"


def test_in_a_gate_the_environment_may_only_raise() -> None:
    named = NamedPolicy("three", parse_policy(THREE, "three"))

    def lane(preferred: str) -> tuple[str, str]:
        decision = route(Risk(0, ()), named, "other", wish=Wish(preferred=preferred, only_up=True))
        return decision.lane, str(decision.reasons)

    assert lane("")[0] == "cheap-1"
    assert lane("mid")[0] == "mid"
    assert lane("dear")[0] == "dear"
    for lower in ("cheap-1", "tidy", "critic"):
        assert lane(lower)[0] == "cheap-1"
        assert f"ROUTE_AGENT_LANE={lower} is passed over: here it may only raise" in lane(lower)[1]
    assert lower_limit(Preferences(max_usd=0.5), 1.0) == 0.5
    assert lower_limit(Preferences(max_usd=5), 1.0) == 1.0
    assert lower_limit(Preferences(), 1.0) == 1.0
    assert lower_limit(Preferences(), None) is None


def test_a_run_asks_the_models_and_keeps_the_limit_that_the_environment_chose(tmp_path: Path) -> None:
    pit = Sandpit(tmp_path / "pit")
    with Loopback() as server:
        server.script("mid-1", Reply(FIX))
        env = {
            **provider_env(pit, server),
            "ROUTE_AGENT_MODEL_FAST": "mid-1",
            "ROUTE_AGENT_MAX_USD": "0.25",
        }
        done = pit.run(*TASK, env=env)

        assert done.exit_code == 0, done.stderr
        assert server.calls == [("openai", "mid-1")]
    assert "ROUTE_AGENT_MODEL_FAST: lane fast asks mid-1 (the policy says small-1)" in done.stdout
    assert "ROUTE_AGENT_MAX_USD: at most $0.25 for this run" in done.stdout
    assert "limit $0.25 for this run" in done.stderr


def test_a_typed_limit_goes_before_the_environments_and_a_floor_below_both(tmp_path: Path) -> None:
    pit = Sandpit(tmp_path / "pit")
    with Loopback() as server:
        env = {**provider_env(pit, server), "ROUTE_AGENT_MAX_USD": "3"}
        plan = (*TASK, "--dry-run", "--replay", str(replies(tmp_path)))
        typed = pit.run(*plan, "--max-usd", "2", env=env)
        file = Path(env["XDG_CONFIG_HOME"], "route-agent", "config.yaml")
        file.write_text(json.dumps({**json.loads(file.read_text()), "floor": {"limits": {"max_usd": 0.5}}}))
        held = pit.run(*plan, env=env)

    assert "limit $2.00" in typed.stderr
    assert "ROUTE_AGENT" not in typed.stdout
    assert "limit $0.50" in held.stderr


@pytest.mark.parametrize(
    ("variable", "why"),
    [
        ("DEAR", "dear is the top of the ladder, and the environment does not choose its model"),
        ("CRITIC", "critic is asked about the others' work"),
        ("TIDY", "lane tidy (provider fixer) asks no model of its own"),
        ("FAST", "there is no such lane"),
    ],
)
def test_models_on_which_the_others_work_is_judged_are_the_policys(
    tmp_path: Path, variable: str, why: str
) -> None:
    pit = Sandpit(tmp_path / "pit", policy=THREE)

    refused = explained(pit, *TASK, **{f"MODEL_{variable}": "small-1"})

    assert refused.exit_code == 2
    assert f"ROUTE_AGENT_MODEL_{variable}: " in refused.json["error"]
    assert why in refused.json["error"]


def test_a_model_below_a_fallback_of_the_top_is_refused_as_in_a_policy(tmp_path: Path) -> None:
    fallback = "large-1, fallbacks: [{provider: openai, model: spare-1}]"
    pit = Sandpit(tmp_path / "pit", policy=THREE.replace("large-1", fallback))

    assert explained(pit, *TASK, MODEL_MID="other-1").exit_code == 0
    assert explained(pit, *TASK, MODEL_MID="spare-1").exit_code == 2


def test_two_lanes_of_one_variable_and_nonsense_are_refused(tmp_path: Path) -> None:
    assert variable_of("cheap-1") == variable_of("cheap.1") == "ROUTE_AGENT_MODEL_CHEAP_1"
    two = THREE.replace("  mid: {", "  cheap.1: {provider: openai, model: x}\n  mid: {")
    pit = Sandpit(tmp_path / "pit", policy=two)
    assert "means several lanes" in explained(pit, *TASK, MODEL_CHEAP_1="y").json["error"]
    for nonsense in ("nan", "inf", "-1", "1e99", "a dollar", "0x10"):
        with pytest.raises(UsageError, match="ROUTE_AGENT_MAX_USD"):
            preferences({"ROUTE_AGENT_MAX_USD": nonsense})
    for nonsense in ("a\x1b[2Jb", "a\nb", "x" * 201):
        with pytest.raises(UsageError, match="ROUTE_AGENT_MODEL_FAST"):
            preferences({"ROUTE_AGENT_MODEL_FAST": nonsense})


def test_the_page_has_every_variable_that_is_read() -> None:
    page = (Path(__file__).parents[1] / "docs/shell.md").read_text()

    assert {PREFERRED, f"{MODEL}<LANE>", LIMIT} == set(re.findall(r"\| `(ROUTE_AGENT_[A-Z_<>]+)`", page))
    (example,) = re.findall(r"```sh\n(export .*?)```", page, re.DOTALL)
    given = dict(line.removeprefix("export ").split("=") for line in example.splitlines())
    assert preferences(given) == Preferences("strong", {"ROUTE_AGENT_MODEL_FAST": "claude-haiku-5-5"}, 0.5)
