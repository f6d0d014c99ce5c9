"""What an organisation and a user ask of every policy: it can only become stricter, and who asked is told."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any, get_args

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sandpit import Sandpit

from route_agent.config import Config, load_config
from route_agent.decide import decide, facts, opened, policy_in_force
from route_agent.errors import ConfigError, UsageError
from route_agent.policy import NamedPolicy, Policy, parse_policy, presets
from route_agent.records.change import Change
from route_agent.records.facts import Facts
from route_agent.records.grades import Failure, Grade, TaskClass
from route_agent.records.risk import Provenance, Risk, Signal
from route_agent.repo.repository import Repository
from route_agent.risk import assess
from route_agent.routing import Wish, route
from route_agent.routingspec import Condition
from route_agent.strictness import Floor, FloorLimits, stricter, tightened
from route_agent.task import Options, _limited

CLASSES = get_args(TaskClass)
MILD_TO_STRICT = ["never", "when_weak", "always"]
LIMITS = [key for key in FloorLimits.model_fields if key not in ("lane_per_day_usd", "unpriced")]
OTHER_LANES = """
version: 1
models:
  tidy: {provider: fixer, run: [[ruff, check, --fix, .]]}
  small: {provider: openai, model: gpt-6-luna}
  middle: {provider: anthropic, model: claude-haiku-5-5}
  large: {provider: anthropic, model: claude-opus-5-5}
  both: {provider: race, race: [small, middle]}
routing: {ladder: [tidy, small, middle, large], fast_max_score: 9, strong_min_score: 14, always_strong_if: []}
accept: {small: static, large: {docs: none, bug: covered}}
limits: {unpriced: reserve, lane_per_day_usd: {small: 2}, author_per_day_usd: 3}
paths: {deny: [vendor]}
"""
POLICIES = [
    *(parse_policy(file.read_bytes(), name) for name, file in presets().items()),
    parse_policy(OTHER_LANES, "other.yaml"),
]

grades = st.sampled_from(list(Grade))
usd = st.floats(0.01, 1000)
bars = st.one_of(grades, st.dictionaries(st.sampled_from(["default", *CLASSES]), grades, max_size=4))
patterns = st.lists(st.sampled_from(["vendor", "*.lock", "src/**", "/data"]), max_size=3)


def maybe(strategy: st.SearchStrategy[Any]) -> st.SearchStrategy[Any]:
    return st.one_of(st.none(), strategy)


floors = st.builds(
    lambda **sections: Floor.model_validate(sections),
    routing=st.fixed_dictionaries(
        {
            "always_strong_if": st.lists(st.sampled_from(get_args(Condition)), max_size=4),
            "fast_max_score": maybe(st.integers(0, 40)),
            "strong_min_score": maybe(st.integers(1, 40)),
            "confidence_threshold": maybe(st.floats(0, 1)),
        }
    ),
    accept=st.dictionaries(
        st.sampled_from(["default", "fast", "strong", "small", "large", "gone"]), bars, max_size=4
    ),
    verify=st.fixed_dictionaries({"critique": maybe(st.sampled_from(MILD_TO_STRICT))}),
    gate=st.fixed_dictionaries({"least": maybe(grades)}),
    limits=st.fixed_dictionaries(
        {
            **{key: maybe(usd) for key in LIMITS if key != "max_attempts"},
            "max_attempts": maybe(st.integers(1, 20)),
            "unpriced": maybe(st.just("refuse")),
            "lane_per_day_usd": st.dictionaries(
                st.sampled_from(["fast", "small", "both", "gone"]), usd, max_size=3
            ),
        }
    ),
    paths=st.fixed_dictionaries({"deny": patterns}),
    no_send=patterns,
)
policies = st.sampled_from(POLICIES)


def first_lane(policy: Policy, score: int, raised: tuple[str, ...], task_class: TaskClass) -> int:
    """How high on the ladder a task starts."""
    signals = tuple(Signal(name, True, 0, Provenance.TRUSTED) for name in raised)
    decision = route(Risk(score, signals), NamedPolicy("p", policy), task_class)
    return policy.routing.ladder.index(decision.lane)


@settings(max_examples=150, deadline=None)
@given(policies, floors)
def test_no_floor_ever_loosens_anything(policy: Policy, floor: Floor) -> None:
    now, reasons = stricter(policy, floor)

    before, after = policy.routing, now.routing
    assert set(before.always_strong_if) | set(floor.routing.always_strong_if) == set(after.always_strong_if)
    assert after.fast_max_score <= before.fast_max_score
    assert after.strong_min_score <= before.strong_min_score
    assert after.confidence_threshold >= before.confidence_threshold
    for lane in policy.models:
        asked = floor.bars(lane)
        for task_class in CLASSES:
            least = asked.get(task_class, asked.get("default", Grade.NONE))
            assert now.bar(lane, task_class).reaches(policy.bar(lane, task_class))
            assert now.bar(lane, task_class).reaches(least)
    assert MILD_TO_STRICT.index(now.verify.critique) >= MILD_TO_STRICT.index(policy.verify.critique)
    assert now.gate.least.reaches(policy.gate.least)
    for key in LIMITS:
        given_, then = getattr(policy.limits, key), getattr(now.limits, key)
        asked_ = getattr(floor.limits, key)
        assert then == min((it for it in (given_, asked_) if it is not None), default=None)
    for lane, most in policy.limits.lane_per_day_usd.items():
        assert now.limits.lane_per_day_usd[lane] <= most
    assert policy.limits.unpriced == "reserve" or now.limits.unpriced == "refuse"
    assert set(now.paths.deny) == {*policy.paths.deny, *floor.paths.deny}
    assert set(now.no_send) == {*policy.no_send, *floor.no_send}
    assert now.paths.allow == policy.paths.allow
    assert (now == policy) is (reasons == ())


@settings(max_examples=100, deadline=None)
@given(policies, floors, floors)
def test_what_comes_out_is_a_policy_and_the_order_of_floors_and_their_repetition_change_nothing(
    policy: Policy, one: Floor, other: Floor
) -> None:
    now, _ = tightened(policy, (one, other))

    assert Policy.model_validate_json(now.model_dump_json(exclude_unset=True)).hash == now.hash
    assert tightened(now, (one, other, one)) == (now, ())
    turned, _ = tightened(policy, (other, one))
    assert turned.routing.fast_max_score == now.routing.fast_max_score
    assert turned.limits == now.limits
    for lane in policy.models:
        assert {it: turned.bar(lane, it) for it in CLASSES} == {it: now.bar(lane, it) for it in CLASSES}


@settings(max_examples=150, deadline=None)
@given(
    policies,
    floors,
    st.integers(0, 45),
    st.lists(st.sampled_from(get_args(Condition)), max_size=2).map(tuple),
    st.sampled_from(CLASSES),
)
def test_no_task_starts_lower_above_a_floor(
    policy: Policy, floor: Floor, score: int, raised: tuple[str, ...], task_class: TaskClass
) -> None:
    now, _ = stricter(policy, floor)

    assert first_lane(now, score, raised, task_class) >= first_lane(policy, score, raised, task_class)


def test_what_was_tightened_is_told_in_words() -> None:
    policy = parse_policy(OTHER_LANES, "other.yaml")
    floor = Floor.model_validate(
        {
            "by": "the organisation",
            "routing": {"always_strong_if": ["money"], "strong_min_score": 5},
            "accept": {"default": "ran", "large": {"docs": "static"}},
            "limits": {"max_usd": 0.5, "max_attempts": 9, "unpriced": "refuse"},
            "paths": {"deny": ["vendor", "dist"]},
        }
    )

    now, (told,) = tightened(policy, (floor,))

    assert told == (
        "stricter than the policy, by the organisation: always_strong_if + money; fast_max_score 9 → 4;"
        " strong_min_score 14 → 5; accept.small default: ran; accept.large docs: static;"
        " limits.max_usd 1 → 0.5; limits.unpriced reserve → refuse; paths.deny + dist"
    )
    assert (now.bar("large", "docs"), now.bar("large", "bug")) == (Grade.STATIC, Grade.COVERED)
    assert now.limits.max_attempts == policy.limits.max_attempts
    assert now.hash != policy.hash


# --- the files -----------------------------------------------------------------------------------------------


def layers(tmp_path: Path, organisation: str, own: str) -> Config:
    files = (tmp_path / "organisation.yaml", tmp_path / "config.yaml")
    for file, text in zip(files, (organisation, own), strict=True):
        file.write_text(text)
    return load_config(files)


def test_both_files_floors_hold_and_each_is_told_by_whose_it_is(tmp_path: Path) -> None:
    config = layers(
        tmp_path,
        "floor: {routing: {fast_max_score: 4}, limits: {max_usd: 0.5}}\n",
        "floor: {routing: {fast_max_score: 5}, limits: {max_usd: 0.2}}\n",
    )
    pit = Sandpit(tmp_path / "pit")
    repository = Repository.open(pit.root)
    named, _, notices = policy_in_force(repository, repository.head, "", config)
    plain, _, _ = policy_in_force(repository, repository.head, "", Config())

    assert named.policy.routing.fast_max_score == 4
    assert named.policy.limits.max_usd == 0.2
    assert named.policy.hash != plain.policy.hash
    assert [note for note in notices if note.startswith("stricter")] == [
        f"stricter than the policy, by the organisation: fast_max_score 6 → 4; limits.max_usd {plain.policy.limits.max_usd:g} → 0.5",
        "stricter than the policy, by you: limits.max_usd 0.5 → 0.2",
    ]


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("floor: {routing: {fast_max_scor: 3}}\n", r'config.yaml:1: unknown key "fast_max_scor" in floor'),
        ("floor: {limits: {unpriced: reserve}}\n", "config.yaml:1: floor.limits.unpriced"),
        ("floor: {routing: {escalate_on: []}}\n", 'unknown key "escalate_on"'),
    ],
)
def test_a_fault_in_a_floor_is_told_with_its_line(tmp_path: Path, text: str, told: str) -> None:
    with pytest.raises(ConfigError, match=told):
        layers(tmp_path, "", text)


def test_an_option_does_not_lift_a_limit_above_the_floor() -> None:
    policy = parse_policy(presets()["default"].read_bytes(), "default")
    config = Config.model_validate({"floor": [{"by": "the team", "limits": {"max_usd": 0.25}}]})

    now, told = _limited(policy, Options(max_usd=50, max_attempts=2), config)

    assert (now.limits.max_usd, now.limits.max_attempts) == (0.25, 2)
    assert told == ("stricter than the policy, by the team: limits.max_usd 50 → 0.25",)


@pytest.mark.parametrize("mode", ["{mode: complexity}", "{mode: hybrid, complexity: {demote: true}}"])
def test_no_mode_begins_below_the_thresholds_that_a_floor_asks_for(mode: str) -> None:
    policy = parse_policy(f"version: 1\nrouting: {mode}\n", "p.yaml")
    floor = Floor.model_validate({"by": "the team", "routing": {"fast_max_score": 4, "strong_min_score": 5}})
    assert first_lane(policy, 12, (), "other") == 0

    now, (told,) = tightened(policy, (floor,))

    assert first_lane(now, 12, (), "other") == 1
    assert "complexity" in told


def test_a_confidence_that_a_floor_asks_for_is_one_that_something_follows_from() -> None:
    policy = parse_policy("version: 1\nrouting: {escalate_on: [failed_tests]}\n", "p.yaml")
    floor = Floor.model_validate({"routing": {"confidence_threshold": 0.6}})

    now, (told,) = tightened(policy, (floor,))

    assert now.escalates_on(Failure.DOUBTFUL)
    assert told == "stricter than the policy, by you: escalate_on + low_confidence_summary"


def test_a_condition_of_the_policy_may_be_forced_and_one_of_a_floor_may_not(tmp_path: Path) -> None:
    pit = Sandpit(tmp_path / "pit")
    config = Config.model_validate(
        {"floor": [{"by": "the team", "routing": {"always_strong_if": ["money"]}}]}
    )
    wish = Wish("fast", force=True)

    def lane(brief: str, wish: Wish, config: Config) -> str:
        with opened(pit.root, config) as ground:
            return decide(ground, facts(ground, brief, None), None, wish)[1].lane

    assert lane("fix the invoice price", wish, Config()) == "fast"
    assert lane("fix the login", wish, config) == "fast"
    assert lane("fix the invoice price", replace(wish, lane="strong"), config) == "strong"
    with pytest.raises(UsageError, match=r"always goes to strong \(money by the team\)"):
        lane("fix the invoice price", wish, config)


def test_a_policy_that_empties_a_signal_does_not_empty_the_floors_condition() -> None:
    text = "version: 1\nsignals: {auth_code: {points: 0, paths: [nowhere], words: [], content: []}}\n"
    policy = parse_policy(text, "p.yaml")
    floor = Floor.model_validate({"by": "the team", "routing": {"always_strong_if": ["auth_code"]}})
    known = Facts("tidy src/auth/session.py", Change("a", "b"), named=("src/auth/session.py",))
    assert not assess(known, policy).raised("auth_code")

    now, (told,) = tightened(policy, (floor,))

    assert assess(known, now).raised("auth_code")
    assert now.signals["auth_code"].paths[0] == "nowhere"
    assert "signals.auth_code + the built-in paths, words, content" in told
