"""The policies that ship with the program: each reads, and each chooses otherwise than the built-in one."""

from __future__ import annotations

import json
import sys
from dataclasses import replace
from pathlib import Path

import pytest
from jsonschema import Draft202012Validator
from loopback import Loopback, Reply
from sandpit import FIX, POLICY, WRONG, Sandpit, provider_env, replies

from route_agent import places
from route_agent.config import Config, prices
from route_agent.decide import decide, facts, opened
from route_agent.errors import UsageError
from route_agent.ledger.store import Ledger
from route_agent.policy import Policy, parse_policy, presets
from route_agent.pricing import Prices
from route_agent.quoting import quote_of_ledger
from route_agent.records.checks import CheckKind, CheckResult, CheckRun, Isolation, IsolationLevel, Outcome
from route_agent.records.grades import Grade
from route_agent.records.risk import Decision
from route_agent.routing import Level, Wish
from route_agent.routing.phases import AUTOMATED, PATCHES, TEXTS

NAMES = (
    "default",
    "three-tier",
    "complexity",
    "hybrid",
    "shadow",
    "local-first",
    "always-strong",
    "ci-strict",
)
CHECKS = "\nchecks:" + POLICY.split("checks:")[1].split("accept:")[0]
LINTED = CHECKS + "  - {name: ruff, kind: lint, run: [ruff, check, .]}\n"


def preset(name: str) -> Policy:
    return parse_policy(presets()[name].read_bytes(), name)


def test_these_policies_ship() -> None:
    assert set(presets()) == set(NAMES)


@pytest.mark.parametrize("name", NAMES)
def test_a_policy_says_at_its_head_when_to_use_it(name: str) -> None:
    head = presets()[name].read_text().partition("version: 1")[0]

    assert head.count("\n") >= 2 or name in ("default", "ci-strict")
    assert all(line.startswith("#") for line in head.splitlines())
    assert "Use it" in head or name in ("default", "ci-strict")


@pytest.mark.parametrize("name", NAMES)
def test_every_model_of_a_policy_has_a_price_or_costs_nothing(name: str) -> None:
    known: Prices = prices(Config())
    specs = [spec for entries in preset(name).models.values() for spec in entries if spec.has_model]

    assert specs
    assert [spec.model for spec in specs if not known.known(spec.provider, spec.model)] == []


@pytest.mark.parametrize("name", NAMES)
def test_no_shipped_policy_gives_up_a_condition_or_a_reason_to_escalate_of_the_built_in_one(
    name: str,
) -> None:
    mine, built_in = preset(name).routing, preset("default").routing

    assert set(mine.always_strong_if) >= set(built_in.always_strong_if)
    assert set(mine.escalate_on) >= set(built_in.escalate_on)


@pytest.mark.parametrize("name", NAMES)
def test_a_bar_below_tests_is_only_for_what_files_or_checks_confirm(name: str) -> None:
    narrow = {"docs", "comments", "lint", "format", "types"}
    for lane, bars in preset(name).accept.items():
        low = {it for it, bar in bars.items() if not bar.reaches(Grade.RAN)}
        assert low <= narrow, lane


# --- each chooses otherwise than the built-in one, for a task on a real repository ---

FILES = {
    "app/api.py": "def get():\n    return 1\n",
    "web/page.py": "def page():\n    return 2\n",
    **{f"app/m{number}.py": f"M{number} = {number}\n" for number in range(9)},
}


def decided(
    folder: Path,
    name: str,
    brief: str,
    *,
    edits: dict[str, str] | None = None,
    red: CheckKind | None = None,
    failures: int = 0,
    wish: Wish | None = None,
    level: Level | None = None,
) -> Decision:
    """What a policy makes of a task in a real repository, without a call."""
    pit = Sandpit(folder / name, FILES, policy=f"version: 1\n{LINTED}")
    for path, text in (edits or {}).items():
        pit.write(path, text)
    tests = {f"t.py::test_{number}": "failed" for number in range(failures)}
    outcome = Outcome.FAILED if red or failures else Outcome.PASSED
    result = CheckResult("ruff" if red else "unit", red or CheckKind.TEST, outcome, tests=tests or None)
    start = CheckRun("start", (result,), Isolation(IsolationLevel.NONE, ""))
    with opened(pit.root, Config(), policy=name) as ground:
        return decide(ground, facts(ground, brief, start), start, wish or Wish(), level)[1]


def test_three_tier_sends_a_step_to_its_tier_where_the_built_in_policy_knows_no_steps(tmp_path: Path) -> None:
    brief, audit = "Fix the wrong sum in calc.py", Wish(phase="remediate")
    chosen = decided(tmp_path, "three-tier", brief, wish=audit)

    assert chosen.ladder == ("mid", "frontier")
    assert decided(tmp_path / "x", "three-tier", brief, wish=Wish(phase="audit")).lane == "frontier"
    assert decided(tmp_path, "default", brief).ladder == ("fast", "strong")
    with pytest.raises(UsageError, match="this policy gives it no lane"):
        decided(tmp_path / "y", "default", brief, wish=audit)


def test_three_tier_maps_all_fifteen_steps_and_the_automated_ones_to_no_model() -> None:
    policy = preset("three-tier")
    phases = policy.routing.phases

    assert set(phases) == {*PATCHES, *TEXTS, *AUTOMATED}
    assert len(phases) == 15
    assert {phase for phase, lane in phases.items() if policy.models[lane][0].is_fixer} == set(AUTOMATED)


def test_three_tier_pays_no_model_for_what_a_fixer_mends(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PATH", f"{Path(sys.executable).parent}:/usr/bin:/bin")  # ruff is there
    wish = "fix the lint errors in calc.py"

    assert decided(tmp_path, "three-tier", wish, red=CheckKind.LINT).ladder == ("fixer", "mid", "frontier")
    assert decided(tmp_path, "default", wish, red=CheckKind.LINT).ladder == ("fast", "strong")


def test_complexity_keeps_a_wide_change_of_one_module_cheap_and_lifts_a_narrow_one_across_two(
    tmp_path: Path,
) -> None:
    wide = {f"app/m{number}.py": f"M{number} = {number + 1}\n" for number in range(9)}
    across = {
        "app/api.py": "import requests\n\n\ndef get():\n    return requests.get('https://x.test')\n",
        "web/page.py": "def page():\n    return 3\n",
    }
    brief = "Carry the new numbers through"

    assert decided(tmp_path, "default", brief, edits=wide).lane == "strong"
    assert decided(tmp_path, "complexity", brief, edits=wide).lane == "fast"
    assert decided(tmp_path / "b", "default", "Make it so", edits=across).lane == "fast"
    lifted = decided(tmp_path / "b", "complexity", "Make it so", edits=across)
    assert lifted.lane == "mid"
    assert "cross_module 2 > 1, external_api" in lifted.reasons[0]


def test_hybrid_lifts_what_is_complex_and_lowers_what_hardly_is(tmp_path: Path) -> None:
    across = {
        "app/api.py": "import requests\n\n\ndef get():\n    return requests.get('https://x.test')\n",
        "web/page.py": "def page():\n    return 3\n",
    }
    brief = "Carry the numbers through app/m0.py, app/m1.py, app/m2.py"

    assert decided(tmp_path, "default", "Make it so", edits=across).lane == "fast"
    assert decided(tmp_path, "hybrid", "Make it so", edits=across).lane == "mid"
    assert decided(tmp_path / "b", "default", brief, failures=3).lane == "strong"
    assert decided(tmp_path / "b", "hybrid", brief, failures=3).lane == "mid"


def test_shadow_goes_up_by_the_word_of_a_cheap_model(tmp_path: Path) -> None:
    brief = "Fix the wrong sum in calc.py"

    assert decided(tmp_path, "default", brief, level=Level("HIGH")).lane == "fast"
    assert decided(tmp_path, "shadow", brief, level=Level("HIGH")).lane == "strong"


def test_local_first_begins_on_this_machine(tmp_path: Path) -> None:
    assert decided(tmp_path, "local-first", "Fix the wrong sum in calc.py").ladder == ("local", "mid")


def test_always_strong_has_one_lane(tmp_path: Path) -> None:
    assert decided(tmp_path, "always-strong", "fix a typo in the README").ladder == ("strong",)


def test_ci_strict_is_stricter_about_a_few_files(tmp_path: Path) -> None:
    brief = "Change app/m0.py, app/m1.py, app/m2.py and app/m3.py"

    assert decided(tmp_path, "default", brief).lane == "fast"
    assert decided(tmp_path, "ci-strict", brief).lane == "strong"


# --- by the command line ---


def test_local_first_runs_on_a_local_server_at_no_price_and_climbs_where_tests_fail(tmp_path: Path) -> None:
    pit = Sandpit(tmp_path / "repo", policy=f"version: 1\n{CHECKS}")
    with Loopback() as server:
        env = provider_env(pit, server)
        config = Path(env["XDG_CONFIG_HOME"], "route-agent", "config.yaml")
        written = config.read_text()
        local = f'"ollama": {{"base_url": "{server.openai_url}", "free": true}}, '
        config.write_text(written.replace('"providers": {', '"providers": {' + local, 1))
        server.script("qwen3-coder:30b", Reply(WRONG))
        server.script("claude-sonnet-5-5", Reply(FIX))

        result = pit.run(
            "--task", "fix the wrong sum in calc.py", "--policy", "local-first", "--json", env=env
        )  # fmt: skip

        assert [model for _, model in server.calls] == ["qwen3-coder:30b", "claude-sonnet-5-5"]
    report = result.json
    assert result.exit_code == 0, result.stdout
    assert [(it["lane"], it["cost_usd"] == 0) for it in report["attempts"]] == [
        ("local", True),
        ("mid", False),
    ]
    assert report["attempts"][0]["calls"][0]["price_basis"] == "free"


SHADOWED = POLICY.replace(
    "checks:", "  verifier: {provider: openai, model: mid-1}\nrouting: {mode: shadow}\nchecks:", 1
)


def test_the_shadow_is_asked_paid_counted_and_shown(tmp_path: Path) -> None:
    pit = Sandpit(tmp_path / "repo", policy=SHADOWED)
    with Loopback() as server:
        server.script(
            "mid-1",
            Reply('{"reason": "hidden rules", "level": "HIGH"}', input_tokens=1000, output_tokens=100),
        )
        server.script("large-1", Reply(FIX, input_tokens=1000, output_tokens=100))
        result = pit.run("--task", "fix the wrong sum in calc.py", "--json", env=provider_env(pit, server))

        assert [model for _, model in server.calls] == ["mid-1", "large-1"]
        asked = str(server.requests[0].body)
    report = result.json
    assert "fix the wrong sum in calc.py" in asked
    assert report["decision"]["lane"] == "strong"
    assert report["decision"]["reasons"][0] == "the shadow (verifier) says HIGH: hidden rules"
    assert [(it["router"], it["lane"], it["level"]) for it in report["decision"]["advice"]] == [
        ("shadow", "strong", "HIGH"),
        ("rules", "fast", None),
    ]
    schema = json.loads(Path(__file__).parents[1].joinpath("docs", "run.schema.json").read_text())
    Draft202012Validator(schema).validate(report)
    assert [it["purpose"] for it in report["decision_calls"]] == ["level"]
    assert report["cost_usd"] == pytest.approx((1000 * 3 + 100 * 15 + 1000 * 10 + 100 * 50) / 1e6)

    kept = pit.run("record", "--out", str(tmp_path / "kept"))
    again = pit.run("--task", "fix the wrong sum in calc.py", "--replay", str(tmp_path / "kept"), "--json")

    assert kept.exit_code == 0, kept.stderr
    assert again.json["decision"]["reasons"] == report["decision"]["reasons"]


@pytest.mark.parametrize(
    ("answer", "why"),
    [("Ignore the rules.", "its answer cannot be read"), (None, "no recorded level is left")],
)
def test_a_shadow_that_fails_stops_nothing(tmp_path: Path, answer: str | None, why: str) -> None:
    pit = Sandpit(tmp_path / "repo", policy=SHADOWED)
    file = replies(tmp_path, ("fast", FIX))
    if answer is not None:
        said = json.loads(file.read_text())
        said["replies"].append({"lane": "verifier", "kind": "level", "reply": answer})
        file.write_text(json.dumps(said))

    result = pit.run("--task", "fix the wrong sum in calc.py", "--replay", str(file), "--json")

    assert result.exit_code == 0, result.stdout
    assert result.json["decision"]["lane"] == "fast"
    assert why in result.json["decision"]["reasons"][-1]
    assert result.json["decision"]["reasons"][-1].endswith("the rules decide")


def test_a_dry_run_and_a_look_ask_no_shadow(tmp_path: Path) -> None:
    pit = Sandpit(tmp_path / "repo", policy=SHADOWED)
    with Loopback() as server:
        env = provider_env(pit, server)
        dry = pit.run("--task", "fix the wrong sum in calc.py", "--dry-run", env=env)
        look = pit.run("explain", "--task", "fix the wrong sum in calc.py", env=env)

        assert server.calls == []
    assert "no word of the shadow (nothing is called in a dry run): the rules decide" in dry.stdout
    assert "no word of the shadow (nobody was asked): the rules decide" in look.stdout


def test_steps_that_end_in_a_text_are_refused_at_once_and_those_without_a_model_ask_none(
    tmp_path: Path,
) -> None:
    pit = Sandpit(tmp_path / "repo", policy=f"version: 1\n{CHECKS}")
    pit.write("calc.py", (pit.root / "calc.py").read_text().replace("a - b", "a + b"))
    pit.commit("green")

    audit = pit.run("--task", "audit calc.py", "--policy", "three-tier", "--phase", "audit")
    smoke = pit.run("--task", "smoke test", "--policy", "three-tier", "--phase", "smoke")

    assert audit.exit_code == 2
    assert "--phase audit ends in a text" in audit.stderr
    assert smoke.exit_code == 0, smoke.stderr
    assert "smoke: every check is green at start, no model is needed" in smoke.stdout


def test_a_step_without_any_lane_left_costs_nothing_and_is_not_quoted(tmp_path: Path) -> None:
    chosen = decided(tmp_path, "three-tier", "smoke test", wish=Wish(phase="smoke"))
    Ledger(places.ledger_file())

    assert quote_of_ledger("r", replace(chosen, ladder=()), preset("always-strong")) is None


def test_a_class_by_the_operator_lowers_the_bar_and_is_told_where_the_files_say_otherwise(
    tmp_path: Path,
) -> None:
    policy = POLICY.replace("fast: ran", "fast: {default: covered, docs: ran}")
    pit = Sandpit(tmp_path / "repo", policy=policy)
    pit.write("calc.py", (pit.root / "calc.py").read_text().replace("a - b", "a + b"))
    pit.commit("green")
    patch = (
        FIX.replace("return a - b", "return a + b")
        .replace("+    return a + b", "+    if a is None:\n+        return 0\n+    return a + b")
        .replace("@@ -1,2 +1,2 @@", "@@ -1,2 +1,4 @@")
    )
    file = replies(tmp_path, ("fast", patch), ("strong", patch))

    by_brief = pit.run("--task", "Update the documentation of add", "--replay", str(file), "--json").json
    trusted = pit.run(
        "--task", "Update the documentation of add", "--class", "docs", "--replay", str(file), "--json"
    ).json

    assert by_brief["attempts"][0]["failure"] == "weak"
    assert trusted["attempts"][0]["failure"] is None
    assert trusted["decision"]["reasons"][-1] == "class docs: named by --class"
    told = "class docs was named by --class, and the patch touches calc.py"
    assert told in trusted["attempts"][0]["second"]["reasons"]
