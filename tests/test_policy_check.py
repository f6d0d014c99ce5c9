"""`policy check`, `show` and `schema`: what is wrong with a policy, what is in force, and what it may say."""

from __future__ import annotations

import json
import re
import subprocess
from pathlib import Path
from typing import Any

import pytest
import yaml
from hypothesis import given, settings
from hypothesis import strategies as st
from jsonschema import Draft202012Validator
from sandpit import POLICY, PROGRAM, Sandpit

from route_agent import places, yamlfile
from route_agent.config import Config, prices
from route_agent.globs import matches
from route_agent.pathrules import Finding, Severity, Written, covers
from route_agent.policy import parse_policy, presets
from route_agent.policychecks import findings, highest_score
from route_agent.policyschema import policy_schema
from route_agent.policysources import plain_policy, sources, yaml_lines
from route_agent.strictness import Floor, stricter

ROOT = Path(__file__).parents[1]
TREE = ("src/app.py", "src/auth/login.py", "db/migrations/1.sql", "deploy/run.sh", "tests/test_app.py")
LANES = """\
models:
  fast: {provider: openai, model: gpt-6-luna}
  strong: {provider: anthropic, model: claude-opus-5-5}
  verifier: {provider: openai, model: gpt-6-luna}
"""


def check(text: str, paths: tuple[str, ...] | None = TREE, *, inherited: bool = False) -> list[Finding]:
    written = Written.of(f"version: 1\n{text}".encode(), "p.yaml")
    return findings(written, paths=paths, priced=prices(Config()).known, inherited=inherited)


def told(found: list[Finding], rule: str) -> list[tuple[str, str]]:
    return [(it.where, it.what) for it in found if it.rule == rule]


# --- findings ------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", list(presets()))
def test_no_warning_is_said_of_a_shipped_policy(name: str) -> None:
    written = Written.of(presets()[name].read_bytes(), name)

    found = findings(written, paths=None, priced=lambda provider, model: True)

    assert [it for it in found if it.severity is not Severity.NOTE] == []


@pytest.mark.parametrize(
    ("text", "rule", "where", "what"),
    [
        (
            "signals:\n  auth_code:\n    paths: ['**/auth/**', 'lib/login/**']\n",
            "dead-rule",
            "p.yaml:4",
            "signals.auth_code.paths: lib/login/** matches no file",
        ),
        (
            "checks:\n  - {name: t, run: [make], when: ['*.rb']}\n",
            "dead-rule",
            "p.yaml:3",
            "checks.0.when: *.rb matches no file",
        ),
        ("paths: {deny: [vendor]}\n", "dead-rule", "p.yaml:2", "paths.deny: vendor matches no file"),
        (
            "signals:\n  auth_code:\n    paths: ['src/**', 'src/auth/*.py']\n",
            "covered-rule",
            "p.yaml:4",
            "signals.auth_code.paths: src/auth/*.py says nothing that src/** does not say",
        ),
        (
            "signals:\n  auth_code: {paths: ['src/auth/**']}\n  public_api: {paths: ['src/**']}\n",
            "two-signals",
            "p.yaml:4",
            "1 file raises both auth_code and public_api (5 + 0 points): src/auth/login.py",
        ),
        (
            "models:\n  fast: {provider: openai, model: gpt-of-tomorrow}\n"
            "  strong:\n    - {provider: ours, model: x}\n",
            "no-price",
            "p.yaml:3",
            "lane fast: the price of openai gpt-of-tomorrow is not known; limits.unpriced is refuse, so it is never called",
        ),
        (
            f"{LANES}  spare: {{provider: openai, model: gpt-6-luna}}\n",
            "unused-lane",
            "p.yaml:6",
            "lane spare stands in no ladder, and nothing else names it: only --lane spare reaches it",
        ),
        (
            "routing: {fast_max_score: 90, strong_min_score: 99}\n",
            "unreachable-threshold",
            "p.yaml:2",
            "no task scores above 27, so fast_max_score 90 sends every task to fast that meets no always-strong condition",
        ),
        (
            "routing: {strong_min_score: 40}\n",
            "unreachable-threshold",
            "p.yaml:2",
            "no task scores above 27: strong_min_score 40 is never reached",
        ),
        (
            "routing: {strong_min_score: 10}\n",
            "no-middle",
            "p.yaml:2",
            "scores from 7 to 9 lie between the thresholds; with two lanes they begin at strong all the same",
        ),
        (
            "signals:\n  files: {points: 5, max_points: 0}\n",
            "useless-signal",
            "p.yaml:3",
            "files: max_points 0: it never adds anything",
        ),
        (
            "signals:\n  files: {points: 5, max_points: 3}\n",
            "useless-signal",
            "p.yaml:3",
            "files: max_points 3 is below points 5: one counts 3, any more count nothing",
        ),
        (
            "signals:\n  auth_code: {max_points: 3}\n",
            "useless-signal",
            "p.yaml:3",
            "auth_code: it is true or false, so max_points has no effect",
        ),
        (
            "signals:\n  lines: {paths: ['*.py']}\n",
            "useless-signal",
            "p.yaml:3",
            "lines: it is counted: paths, words and content have no effect",
        ),
        (
            "signals:\n  money: {points: 0}\n",
            "useless-signal",
            "p.yaml:3",
            "money: 0 points and no always-strong condition: it is shown and changes nothing",
        ),
        (
            "signals:\n  auth_code: {paths: [], words: [], content: []}\n",
            "useless-signal",
            "p.yaml:3",
            "auth_code: it has no paths, words or content left",
        ),
        (
            "accept:\n  verifier: ran\n",
            "useless-bar",
            "p.yaml:3",
            "accept.verifier: no patch of verifier is ever judged by it, since it is not in the ladder",
        ),
        (
            "checks:\n  - {name: ruff, kind: lint, run: [ruff, check]}\naccept:\n  fast: covered\n",
            "unreachable-bar",
            "p.yaml:5",
            "fast needs covered for every class; none of the checks is a test, so it is skipped unless a check is red at start",
        ),
        (
            "routing: {escalate_on: [patch_rejected, low_confidence_summary, verifier_rejected]}\n",
            "no-escalation",
            "p.yaml:2",
            "escalate_on does not name failed_tests, weak_evidence: after that strong is never tried",
        ),
        (
            "limits: {max_attempts: 1}\n",
            "unreachable-lane",
            "p.yaml:2",
            "max_attempts 1 is used up by fast: a task that begins at fast never gets to strong",
        ),
        (
            "routing: {ladder: [strong], always_strong_if: [money]}\n",
            "one-lane",
            "p.yaml:2",
            "the ladder has one lane with a model (strong), so always_strong_if changes no lane",
        ),
        (
            "models:\n  fast: {provider: openai, model: gpt-6-luna}\n"
            "  strong: {provider: anthropic, model: claude-opus-5-5}\nverify: {critique: always}\n",
            "missing-lane",
            "p.yaml:5",
            "verify.critique asks for a second opinion, and models has no lane verifier",
        ),
        (
            "routing: {mode: learned}\n",
            "nothing-learned",
            "p.yaml:2",
            "mode learned, and routing.learned holds no rule: the scores decide",
        ),
    ],
)
def test_what_never_takes_effect_is_told_with_its_line(text: str, rule: str, where: str, what: str) -> None:
    assert (where, what) in told(check(text), rule)


def test_a_sound_policy_has_nothing_said_against_it() -> None:
    text = (
        f"{LANES}checks:\n  - {{name: t, run: [pytest]}}\nsignals:\n  auth_code: {{paths: ['src/auth/**']}}\n"
    )

    assert check(text) == []


def test_rules_of_the_built_in_policy_are_only_told_when_asked_for() -> None:
    assert told(check("limits: {max_usd: 0.5}\n"), "dead-rule") == []
    assert len(told(check("limits: {max_usd: 0.5}\n", inherited=True), "dead-rule")) > 50


def test_without_a_tree_no_rule_is_called_dead() -> None:
    assert told(check("paths: {deny: [vendor]}\n", None), "dead-rule") == []


def test_a_rate_of_the_users_own_is_a_price() -> None:
    written = Written.of(b"version: 1\n" + LANES.replace("gpt-6-luna", "ours").encode(), "p.yaml")
    config = Config.model_validate({"rates": {"ours": {"input_usd": 1, "output_usd": 2}}})

    assert told(findings(written, paths=None, priced=prices(config).known), "no-price") == []


def test_the_highest_score_is_the_sum_of_what_each_signal_can_add() -> None:
    assert highest_score(parse_policy("version: 1\n", "p.yaml")) == 8 + 5 + 5 + 6 + 3
    assert highest_score(parse_policy("version: 1\nsignals: {lines: {points: 1}}\n", "p.yaml")) is None


# --- one pattern within another -----------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("broad", "narrow", "is_so"),
    [
        ("src/**", "src/auth/*.py", True),
        ("src", "src/auth/**", True),
        ("*.py", "src/*.py", True),
        ("**/auth/**", "src/auth/login.py", True),
        ("*auth*", "*_auth.*", True),
        ("[a-z].py", "[b-d].py", True),
        ("*.py", "*.pyi", False),
        ("src/*.py", "*.py", False),
        ("src/*", "src/**", False),
        ("src/**", "src", False),
        ("a?.py", "a*.py", False),
        ("[b-d].py", "[a-z].py", False),
        ("**/auth/**", "**/auth*", False),
        ("/Makefile", "Makefile", False),
    ],
)
def test_whether_a_pattern_covers_another(broad: str, narrow: str, is_so: bool) -> None:
    assert covers(broad, narrow) is is_so


pieces = st.sampled_from(["a", "b", "*", "?", "**", "ab", "*a", "b*", "a?", "[ab]", "*.a", "a.b"])
patterns = st.lists(pieces, min_size=1, max_size=3).map("/".join)
paths = st.lists(st.text("ab.", min_size=1, max_size=3), min_size=1, max_size=4).map("/".join)


@settings(max_examples=600, deadline=None)
@given(patterns, patterns, st.lists(paths, min_size=5, max_size=30))
def test_what_a_covered_pattern_matches_the_broad_one_matches_too(
    broad: str, narrow: str, some: list[str]
) -> None:
    if covers(broad, narrow):
        assert [path for path in some if matches(path, narrow) and not matches(path, broad)] == []


# --- the commands --------------------------------------------------------------------------------------------


@pytest.fixture
def pit(tmp_path: Path) -> Sandpit:
    return Sandpit(tmp_path / "pit")


def test_check_tells_every_fault_with_its_line_and_ends_with_two(pit: Sandpit) -> None:
    file = pit.write("mine.yaml", "version: 1\nlimits: {max_usd: -1}\nrouting:\n  fast_max_scor: 3\n")

    done = pit.run("policy", "check", str(file), "--json")

    assert done.exit_code == done.json["exit_code"] == 2
    assert {(it["severity"], it["where"]) for it in done.json["findings"]} == {
        ("error", f"{file}:2"),
        ("error", f"{file}:4"),
    }


def test_check_looks_at_head_and_says_that_the_file_here_is_another(pit: Sandpit) -> None:
    pit.write(".route-agent/policy.yaml", POLICY + "no_send: [customers]\n")
    pit.commit("data")
    pit.write(".route-agent/policy.yaml", "version: 2\n")

    done = pit.run("policy", "check")

    assert done.exit_code == 0
    assert "route-agent policy check .route-agent/policy.yaml" in done.stdout
    assert "no_send: customers matches no file" in done.stdout


def test_check_of_a_file_needs_no_repository_and_says_what_it_left_out(tmp_path: Path, pit: Sandpit) -> None:
    bare = tmp_path / "bare"
    bare.mkdir()
    (bare / "p.yaml").write_text("version: 1\nno_send: [customers]\n")

    done = pit.run("policy", "check", str(bare / "p.yaml"), "-C", str(bare))

    assert done.exit_code == 0
    assert "no repository here, so no rule was held against files" in done.stdout
    assert "customers" not in done.stdout


def test_show_prints_what_is_in_force_as_a_policy_that_is_the_same(pit: Sandpit) -> None:
    done = pit.run("policy", "show")
    shown = pit.run("policy", "show", "--json").json

    assert done.exit_code == 0, done.stderr
    again = parse_policy(done.stdout, "shown.yaml")
    assert again.hash == shown["hash"]
    assert f"hash {again.hash}" in done.stdout.splitlines()[0]
    assert "fast_max_score: 6  # built in" in done.stdout
    assert re.search(r"name: \S+  # \.route-agent/policy\.yaml:\d+", done.stdout)
    assert shown["from"]["routing.fast_max_score"] == "built in"


def test_show_effective_is_the_stricter_of_all_and_says_whose_each_value_is(pit: Sandpit) -> None:
    own = places.config_file()
    own.parent.mkdir(parents=True)
    own.write_text(
        "floor: {by: the team, routing: {fast_max_score: 2, always_strong_if: [money]}, accept: {strong: covered}}\n"
    )

    plain = pit.run("policy", "show", "--json").json
    effective = pit.run("policy", "show", "--effective", "--json").json
    explained = pit.run("explain", "--task", "fix it", "--json").json

    assert (
        plain["values"]["routing"]["fast_max_score"],
        effective["values"]["routing"]["fast_max_score"],
    ) == (6, 2)
    assert "(route-agent policy show --effective)" in plain["notices"][-1]
    assert effective["from"]["routing.fast_max_score"] == "the team, over built in"
    assert effective["from"]["routing.always_strong_if"] == "the team, over built in"
    assert effective["from"]["accept.strong.default"].startswith("the team, over ")
    assert effective["from"]["routing.strong_min_score"] == "built in"
    assert explained["decision"]["policy_hash"] == effective["hash"] != plain["hash"]


@pytest.mark.parametrize("name", list(presets()))
def test_every_shipped_policy_is_the_same_when_what_is_shown_of_it_is_read(name: str) -> None:
    written = Written.of(presets()[name].read_bytes(), name)
    told_ = sources(written, written.policy)

    text = "\n".join(yaml_lines(plain_policy(written.policy), told_))

    assert parse_policy(text, "shown.yaml").hash == written.policy.hash
    assert set(told_.values()) - {"built in"} <= {f"{name}:{line}" for line in range(1, 400)}


def test_what_was_found_in_the_project_is_told_as_its_own(tmp_path: Path) -> None:
    pit = Sandpit(tmp_path / "found", {"pyproject.toml": "[tool.pytest.ini_options]\n"}, None)

    told_ = pit.run("policy", "show", "--json").json["from"]

    assert told_["checks.0.name"] == "the project"
    assert told_["limits.max_usd"] == "built in"


def test_show_quotes_what_yaml_would_take_for_something_else() -> None:
    text = 'version: 1\nsignals: {money: {words: ["no", "12:30", "1e3", "a: b", "#c", "null", "007"]}}\n'
    policy = parse_policy(text, "p.yaml")

    again = parse_policy("\n".join(yaml_lines(plain_policy(policy), {})), "p.yaml")

    assert again.signals["money"].words == policy.signals["money"].words


# --- the schema ----------------------------------------------------------------------------------------------

VALIDATOR = Draft202012Validator(policy_schema())


def examples(page: str) -> list[str]:
    found = re.findall(r"^( *)```yaml\n(.*?)^\1```$", (ROOT / page).read_text(), re.DOTALL | re.MULTILINE)
    return [re.sub(rf"^{indent}", "", body, flags=re.MULTILINE) for indent, body in found]


def fits(text: str | bytes) -> list[str]:
    return [error.message for error in VALIDATOR.iter_errors(yamlfile.parse(text).data)]


def test_the_schema_is_one_and_the_committed_one_is_what_is_printed() -> None:
    Draft202012Validator.check_schema(policy_schema())

    assert json.loads((ROOT / "docs/policy.schema.json").read_text()) == policy_schema(), (
        "run: route-agent policy schema > docs/policy.schema.json"
    )


@pytest.mark.parametrize("name", list(presets()))
def test_every_shipped_policy_fits_the_schema_and_so_does_what_is_shown_of_it(name: str) -> None:
    text = presets()[name].read_bytes()

    assert fits(text) == []
    assert fits(yaml.safe_dump(plain_policy(parse_policy(text, name)))) == []


@pytest.mark.parametrize("page", ["docs/policy.md", "docs/lanes.md", "docs/agents.md"])
def test_every_example_of_the_documents_fits_the_schema(page: str) -> None:
    shown = [text for text in examples(page) if not text.startswith("# refused")]

    assert len(shown) >= 2
    for text in shown:
        assert fits(text) == [], text


@pytest.mark.parametrize(
    "text",
    [
        "version: 2\n",
        "limit: {}\n",
        "routing: {fast_max_scor: 3}\n",
        "routing: {fast_max_score: '3'}\n",
        "routing: {always_strong_if: [sometimes]}\n",
        "routing: {learned: {fast: {intercept: 1, weights: {mood: 1}, accept_from: 0.5, outcomes: 30}}}\n",
        "models: {fast: {provider: openai, modle: x}}\n",
        "models: {fast: []}\n",
        "models: {'a lane': {provider: openai, model: x}}\n",
        "models: {fast: {provider: openai, model: x, cap: {tokens: many}}}\n",
        "signals: {auth_cod: {points: 3}}\n",
        "signals: {auth_code: {point: 3}}\n",
        "accept: {fast: nearly}\n",
        "accept: {fast: {docz: ran}}\n",
        "checks: [{name: t, run: pytest}]\n",
        "checks: [{run: [pytest]}]\n",
        "paths: {deny: ['!src']}\n",
        "limits: {max_usd: 0}\n",
    ],
)
def test_what_the_program_refuses_the_schema_refuses(text: str) -> None:
    assert fits(text) != []


@pytest.mark.parametrize(
    "text",
    [
        "models: {fast: {provider: openai, model: x}}\n",
        "models: {fast: [{provider: openai, model: x}]}\n",
        "accept: {fast: ran}\n",
        "accept: {fast: {default: ran, docs: static}}\n",
        "models: {fast: {provider: openai, model: x, cap: {tokens: p90, usd: 0.5}}}\n",
    ],
)
def test_the_short_forms_fit_the_schema(text: str) -> None:
    assert fits(text) == []


def test_every_key_of_the_schema_has_a_sentence() -> None:
    def silent(part: Any, path: str) -> list[str]:
        found = []
        for key, value in part.get("properties", {}).items():
            fixed = path == "signals"  # fixed names, explained as one
            found += [] if fixed or value.get("description") else [f"{path}.{key}"]
            found += silent(value, key)
        return found

    schema = policy_schema()
    assert silent(schema, "") == []
    assert [it for name, part in schema["$defs"].items() for it in silent(part, name)] == []


def test_schema_is_printed_as_json(pit: Sandpit) -> None:
    assert pit.run("policy", "schema").json["$schema"] == "https://json-schema.org/draft/2020-12/schema"


@pytest.mark.parametrize("command", [("policy", "check"), ("explain", "--task", "fix it", "--policy")])
def test_a_file_without_end_is_refused_and_not_read_to_it(pit: Sandpit, command: tuple[str, ...]) -> None:
    bounded = ["prlimit", f"--as={2 << 30}", PROGRAM, *command, "/dev/zero"]

    done = subprocess.run(bounded, cwd=pit.root, capture_output=True, text=True, timeout=60, check=False)

    assert done.returncode == 2, done.stderr
    assert "larger than 256 KiB" in done.stdout + done.stderr


def test_whoever_asks_for_a_floor_stands_in_one_line_of_what_is_printed() -> None:
    floor = Floor.model_validate({"by": "us\nmodels: {} #", "routing": {"always_strong_if": ["money"]}})
    written = Written.of(b"version: 1\n", "p\n.yaml")
    policy, _ = stricter(written.policy, floor)

    shown = "\n".join(yaml_lines(plain_policy(policy), sources(written, written.policy, (floor,))))

    assert parse_policy(shown, "shown.yaml").hash == policy.hash
