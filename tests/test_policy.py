"""The policy file: what it may say, and how a fault is told."""

from __future__ import annotations

import pytest
from pydantic import ValidationError

from route_agent.errors import PolicyError
from route_agent.policy import Limits, Policy, parse_policy, presets
from route_agent.records.grades import Failure, Grade


def read(text: str) -> Policy:
    return parse_policy(text, "p.yaml")


def fault(text: str) -> str:
    with pytest.raises(PolicyError) as caught:
        read(text)
    return caught.value.what


@pytest.mark.parametrize("name", ["default", "ci-strict"])
def test_every_preset_is_a_policy(name: str) -> None:
    policy = parse_policy(presets()[name].read_bytes(), name)

    assert policy.routing.ladder == ("fast", "strong")


@pytest.mark.parametrize(
    ("text", "told"),
    [
        (
            "version: 1\nrouting:\n  fast_max_scor: 3\n",
            'p.yaml:3: unknown key "fast_max_scor" in routing (did you mean fast_max_score?)',
        ),
        ("version: 1\nlimit: {}\n", 'p.yaml:2: unknown key "limit" in the file (did you mean limits?)'),
        (
            "version: 1\nmodels:\n  fast: {provider: openai, modle: x}\n",
            'p.yaml:3: unknown key "modle" in models.fast (did you mean model?)',
        ),
        (
            "version: 1\nsignals:\n  auth_cod: {points: 3}\n",
            'p.yaml:3: unknown signal "auth_cod" (did you mean auth_code?)',
        ),
        ("version: 1\nversion: 1\n", 'p.yaml:2: "version" stands twice (first in line 1)'),
        (
            "version: 1\nchecks:\n  - {name: a, run: pytest -q}\n",
            "p.yaml:3: checks.0.run: write a list, [pytest, -q]; no shell reads it",
        ),
        (
            "version: 1\nchecks:\n  - {name: a, run: [x], timeout: 12:30}\n",
            'p.yaml:3: checks.0.timeout: input should be a valid number (found "12:30")',
        ),
        (
            "version: 1\nlimits: {max_attempts: no}\n",
            'p.yaml:2: limits.max_attempts: input should be a valid integer (found "no")',
        ),
        ("version: 1\nlimits: {max_usd: -1}\n",
         "p.yaml:2: limits.max_usd: input should be greater than 0 (found -1)"),
        ("- version: 1\n", "p.yaml:1: expected keys and values, found a list"),
        ("a: &x 1\nb: *x\n", "p.yaml:1: anchors and aliases (& and *) are not used here"),
        ("version: 1\n\troutes: 1\n", "p.yaml:2: not YAML: found a tab character that violates indentation"),
        ("version: 1\n---\nversion: 1\n", "p.yaml:2: not YAML: but found another document"),
        ("version: !!python/object:os.system 1\n",
         "p.yaml:1: the tag tag:yaml.org,2002:python/object:os.system is not used here"),
    ],
)  # fmt: skip
def test_a_fault_names_file_line_key_and_the_nearest_valid_one(text: str, told: str) -> None:
    assert fault(text) == told


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("models: {fast: {provider: recorded}}", "recorded replies are only reachable through --replay"),
        ("models: {fast: {provider: openai}}", "has a `model` and no `run`"),
        ("models: {fast: {provider: fixer, model: x}}", "a fixer lane has `run`"),
        ("routing: {ladder: [fats, strong]}", 'names the lane "fats", which is not in models'),
        ("accept: {other: ran}", 'accept names the lane "other"'),
        (
            "routing: {fast_max_score: 7, strong_min_score: 7}",
            "strong_min_score must be above fast_max_score",
        ),
        ("checks: [{name: a, run: [x]}, {name: a, run: [y]}]", "two checks are called a"),
        ("models: {fast: {provider: openai, model: x, base_url: 'http://x'}}", 'unknown key "base_url"'),
    ],
)
def test_what_contradicts_itself_is_refused(text: str, told: str) -> None:
    assert told in fault(f"version: 1\n{text}\n")


def test_a_fault_in_the_file_is_told_once() -> None:
    assert fault("version: 1\nmodels:\n  fast: {provider: recorded}\n").count("\n") == 0


def test_sections_that_are_left_out_come_from_the_default_and_signals_one_by_one() -> None:
    policy = read("version: 1\nsignals: {auth_code: {points: 9, paths: ['**/door/**']}}\n")

    assert policy.signals["auth_code"].points == 9
    assert policy.signals["schema_change"].points == 5
    assert policy.routing.fast_max_score == 6


def test_a_bar_is_looked_up_by_lane_then_class_then_default() -> None:
    policy = read("version: 1\naccept: {fast: {default: covered, docs: static}, strong: ran}\n")

    assert policy.bar("fast", "docs") is Grade.STATIC
    assert policy.bar("fast", "bug") is Grade.COVERED
    assert policy.bar("strong", "docs") is Grade.RAN
    assert read("version: 1\n").bar("nobody", "bug") is Grade.RAN


def test_only_failures_with_a_word_in_escalate_on_escalate() -> None:
    policy = read("version: 1\nrouting: {escalate_on: [patch_rejected]}\n")

    assert policy.escalates_on(Failure.UNAPPLIABLE)
    assert not policy.escalates_on(Failure.REGRESSION)
    assert not policy.escalates_on(Failure.HOSTILE)


def test_the_hash_changes_with_the_rules_and_not_with_comments_or_order() -> None:
    plain = read("version: 1\nlimits: {max_usd: 2}\n")

    assert plain.hash == read("# why\nlimits:\n    max_usd: 2\nversion: 1\n").hash
    assert plain.hash != read("version: 1\nlimits: {max_usd: 3}\n").hash


@pytest.mark.parametrize("amount", [float("inf"), float("-inf"), float("nan")], ids=str)
@pytest.mark.parametrize("field", ["max_usd", "per_day_usd", "deadline_s"])
def test_a_limit_without_end_is_no_limit_whatever_way_it_comes(field: str, amount: float) -> None:
    with pytest.raises(ValidationError, match="finite number"):
        Limits.model_validate({field: amount})


def test_a_long_value_is_not_repeated_whole() -> None:
    assert len(fault(f"version: 1\nlimits: {{max_usd: {'x' * 5000}}}\n")) < 400


def test_a_policy_of_the_depth_and_the_numbers_that_people_write_is_read() -> None:
    policy = read("version: 1\nlimits: {max_usd: 0.1234567890123456789}\nrouting: {ladder: [fast, strong]}\n")

    assert policy.limits.max_usd == pytest.approx(0.12345678901234568)


RACE = """\
version: 1
models:
  one: {provider: openai, model: %s}
  two: {provider: openrouter, model: openai/gpt-6-luna}
  duel: {provider: race, race: [one, two]%s}
routing: {ladder: [duel]}
"""


def test_a_race_takes_no_limit_that_only_its_lanes_could_keep() -> None:
    assert read(RACE % ("other", "")).models["duel"][0].race == ("one", "two")
    assert "has no `cap`: each of its lanes keeps its own" in fault(RACE % ("other", ", cap: {usd: 1}"))
    a_day = "limits: {lane_per_day_usd: {duel: 1}}\n"
    assert "names duel, a race: name its lanes" in fault(RACE % ("other", "") + a_day)


def test_a_race_of_one_model_with_itself_is_refused() -> None:
    assert "both lanes are gpt-6-luna" in fault(RACE % ("gpt-6-luna", ""))


def test_a_huge_or_binary_file_is_refused() -> None:
    assert "larger than 256 KiB" in fault("#" * 300_000)
    with pytest.raises(PolicyError, match="not UTF-8"):
        parse_policy(b"version: 1\n# \xff\n", "p.yaml")
