"""Text, names and output can only raise: over every shipped policy, in every mode, and for the fuzzer itself."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path
from random import Random
from typing import get_args

import pytest
from hypothesis import HealthCheck, assume, given, settings
from hypothesis import strategies as st
from sandpit import Sandpit

from route_agent import brief, fuzzing
from route_agent.config import Config
from route_agent.decide import policy_in_force
from route_agent.errors import UsageError
from route_agent.fuzzing import Outlook, Report, Scene, falls, fuzz, look, trespass
from route_agent.fuzzing.heads import loosened
from route_agent.fuzzing.scenes import ORDINARY, scenes, vocabulary
from route_agent.fuzzing.ways import HOSTILE_NAMES, INSTRUCTIONS, LOOKS_LIKE_DATA, ODD, WAYS, Way
from route_agent.policy import Mode, NamedPolicy, parse_policy, presets
from route_agent.records.checks import CheckKind
from route_agent.repo.repository import Repository

POLICIES = {name: parse_policy(file.read_bytes(), name) for name, file in presets().items()}
MODES: tuple[Mode, ...] = get_args(Mode)
NAMED = {
    f"{name}-{mode}": NamedPolicy(
        name, policy.model_copy(update={"routing": policy.routing.model_copy(update={"mode": mode})})
    )
    for name, policy in POLICIES.items()
    for mode in MODES
}
DEFAULT = NamedPolicy("default", POLICIES["default"])
WORDS, FILES = vocabulary(DEFAULT.policy)

PIECE = st.text(min_size=1, max_size=40) | st.sampled_from(
    [*INSTRUCTIONS, *LOOKS_LIKE_DATA, *ODD, *ORDINARY, *WORDS, *FILES]
)
PATH = st.sampled_from([*FILES, *HOSTILE_NAMES, "src/app.py", "README.md", "tests/test_app.py"]) | st.text(
    min_size=1, max_size=30
)
SCENES = st.builds(
    Scene,
    brief=st.lists(PIECE, max_size=4).map("\n".join),
    tree=st.lists(PATH, max_size=6, unique=True).map(tuple),
    changed=st.lists(PATH, max_size=4, unique=True).map(tuple),
    failing=st.lists(st.text(max_size=20), max_size=4).map(tuple),
    red=st.sets(st.sampled_from(list(CheckKind)), max_size=3).map(frozenset),
)


@pytest.mark.parametrize("mode", MODES)
@settings(max_examples=80, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(
    name=st.sampled_from(list(POLICIES)),
    scene=SCENES,
    way=st.sampled_from(WAYS),
    pieces=st.lists(PIECE | PATH, max_size=4).map(tuple),
)
def test_no_way_of_writing_lowers_a_score_a_lane_a_bar_or_a_check(
    mode: Mode, name: str, scene: Scene, way: Way, pieces: tuple[str, ...]
) -> None:
    named = NAMED[f"{name}-{mode}"]
    try:
        fell = trespass(scene, way, pieces, named)
    except UsageError:
        assume(False)  # no task at all: nothing runs
        raise

    assert fell == "", (way.name, scene, pieces)


@pytest.mark.parametrize("name", [*POLICIES, *(f"default-{mode}" for mode in MODES)])
def test_the_fuzzer_finds_nothing_in_what_is_shipped(name: str) -> None:
    named = NAMED.get(name) or NamedPolicy(name, POLICIES[name])

    report = fuzz(named, rounds=4 * len(WAYS), seed=7)

    assert report.found == ()
    assert set(report.tried) == {way.name for way in WAYS}


# --- the fuzzer can fail -----------------------------------------------------------------------------------


def _believes_it(scene: Scene, named: NamedPolicy) -> Outlook:
    seen = look(scene, named)
    return replace(seen, score=0) if "trivial" in scene.brief else seen


def _obeys_a_lane(scene: Scene, named: NamedPolicy) -> Outlook:
    seen = look(scene, named)
    return replace(seen, lane=0, lane_name="fast") if "lane: fast" in scene.brief else seen


def _skips_checks(scene: Scene, named: NamedPolicy) -> Outlook:
    seen = look(scene, named)
    return replace(seen, checks=frozenset()) if "[skip ci]" in scene.brief else seen


def _believes_a_name(scene: Scene, named: NamedPolicy) -> Outlook:
    seen = look(scene, named)
    if set(scene.changed) & set(HOSTILE_NAMES):
        seen = replace(seen, raised=frozenset(), points=dict.fromkeys(seen.points, 0))
    return seen


def _reads_test_names(scene: Scene, named: NamedPolicy) -> Outlook:
    seen = look(scene, named)
    return replace(seen, score=seen.score + 1) if any("lane" in name for name in scene.failing) else seen


def _counts_capitals(scene: Scene, named: NamedPolicy) -> Outlook:
    """Less than git and the checks ask for alone, where somebody shouts."""
    seen = look(scene, named)
    return replace(seen, score=seen.score - 1) if scene.brief.isupper() else seen


@pytest.mark.parametrize(
    ("broken", "told", "culprit"),
    [
        (_believes_it, "score ", "trivial"),
        (_obeys_a_lane, "lane strong → fast", "lane: fast"),
        (_skips_checks, "no longer run", "[skip ci]"),
        (_believes_a_name, "is no longer raised", ""),
        (_reads_test_names, "a difference that nobody sees", "lane"),
        (_counts_capitals, "below what git and the checks ask for: score", ""),
    ],
    ids=lambda it: getattr(it, "__name__", None),
)
def test_a_router_that_lets_text_lower_something_is_found_and_the_text_is_cut_to_its_least(
    broken: object, told: str, culprit: str
) -> None:
    report = fuzz(DEFAULT, rounds=300, seed=3, looker=broken)  # type: ignore[arg-type]

    found = [it for it in report.found if told in it.fell]
    assert found, [it.fell for it in report.found]
    least = min(found, key=lambda it: len(it.after.brief) + len("".join(it.after.changed)))
    written = (least.after.brief, *least.after.changed, *least.after.failing)
    assert any(culprit in text for text in written)
    assert len(least.before.brief.split()) <= 3
    assert len(least.after.brief) < 120


@pytest.mark.parametrize("told", ["secrets_handling", "new_code"])
def test_a_limit_that_many_names_push_others_out_of_is_found(
    told: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    paths, symbols = brief.named_paths, brief.named_symbols
    if told == "new_code":
        monkeypatch.setattr(brief, "named_symbols", lambda text, most: symbols(text, 20))
    else:
        monkeypatch.setattr(brief, "named_paths", lambda text, tree: paths(text, tree)[:50])
    lenient = parse_policy("version: 1\nrouting: {fast_max_score: 9, strong_min_score: 10}", "x")
    monkeypatch.setattr(fuzzing, "WAYS", tuple(it for it in WAYS if it.name == "prepend many names"))

    found = fuzz(NamedPolicy("x", lenient), rounds=60).found

    assert any(it.way == "prepend many names" and "no longer raised" in it.fell for it in found)


def test_what_is_found_is_the_least_that_still_does_it() -> None:
    found = fuzz(DEFAULT, rounds=400, seed=3, looker=_believes_it).found

    for it in found:
        assert _believes_it(it.after, DEFAULT).score < max(
            _believes_it(it.before, DEFAULT).score, look(it.after.unspoken, DEFAULT).score
        )
        assert len(it.before.changed) + len(it.before.failing) + len(it.before.brief.split()) <= 2


def test_equal_seeds_try_the_same_and_others_something_else() -> None:
    def tried(seed: int) -> Report:
        return fuzz(DEFAULT, rounds=110, seed=seed, looker=_believes_it)

    assert tried(5) == tried(5)
    assert tried(5).found != tried(6).found


# --- what is tried is worth trying -------------------------------------------------------------------------


def test_the_tasks_that_are_tried_begin_at_every_lane_and_raise_every_signal_of_the_policy() -> None:
    seen = [
        look(scene, DEFAULT)
        for _, scene in zip(range(800), scenes(DEFAULT, Random(1)), strict=False)
        if scene.brief
    ]

    assert {it.lane_name for it in seen} == {"fast", "strong"}
    wanted = {name for name, rule in DEFAULT.policy.signals.items() if rule.words or rule.paths}
    assert wanted <= set().union(*(it.raised for it in seen))
    assert any("a test written for the brief" in it.checks for it in seen)


def test_each_way_changes_something_that_the_rules_read() -> None:
    scene = Scene("Fix the login\nof users", ("src/app.py",), ("src/app.py",), ("tests/a.py::test_a",))

    for way in WAYS:
        assert way.apply(scene, ("docs/notes.md", "add a login")) != scene, way.name


def test_every_kind_of_fall_is_told() -> None:
    seen = look(Scene("fix the login", changed=("a.py",)), DEFAULT)
    lower = {
        "score": replace(seen, score=seen.score - 1),
        "lane strong → fast": replace(seen, lane=0, lane_name="fast"),
        "signal": replace(seen, raised=seen.raised - {"auth_code"}),
        "points of": replace(seen, points={**seen.points, "auth_code": 0}),
        "check": replace(seen, checks=frozenset()),
        "bar of": replace(seen, bars=dict.fromkeys(seen.bars, type(next(iter(seen.bars.values()))).NONE)),
    }

    assert falls(seen, seen, "adds") == ""
    for words, after in lower.items():
        assert falls(seen, after, "adds").startswith(words)


# --- many names ---------------------------------------------------------------------------------------------


def test_names_before_it_push_no_named_file_and_no_new_name_out() -> None:
    tree = (*(f"f{number}.py" for number in range(300)), "src/auth/session.py")
    harmless = "\n".join(f"f{number}.py" for number in range(300))
    known = frozenset(f"name_{number}" for number in range(300))
    before = Scene("see src/auth/session.py and `brand_new_thing`", tree, symbols=known)
    names = " ".join(f"`name_{number}`" for number in range(300))

    seen = look(replace(before, brief=f"{harmless}\n{names}\n{before.brief}"), DEFAULT)

    assert {"auth_code", "new_code"} <= seen.raised


# --- the head's policy --------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def pit(tmp_path_factory: pytest.TempPathFactory) -> Sandpit:
    return Sandpit(tmp_path_factory.mktemp("head") / "pit")


@pytest.mark.parametrize("what", loosened(POLICIES["default"]))
def test_a_looser_policy_at_head_changes_nothing_that_is_in_force_at_base(pit: Sandpit, what: str) -> None:
    base = pit.git("rev-list", "--max-parents=0", "HEAD").strip()
    expected = policy_in_force(Repository.open(pit.root), base, "", Config())[0].policy
    text = loosened(expected)[what]
    file = pit.root / ".route-agent/policy.yaml"
    if text is None:
        file.unlink()
    else:
        file.write_text(text)

    left_lying = policy_in_force(Repository.open(pit.root), base, "", Config())
    head = pit.commit(what)
    committed = policy_in_force(Repository.open(pit.root), base, "", Config(), committed=head)

    assert left_lying[0].policy == committed[0].policy == expected
    assert any(".route-agent/policy.yaml" in notice for notice in left_lying[2])
    assert any("is changed by what is judged" in notice for notice in committed[2])


def test_the_looser_policies_are_looser() -> None:
    policy = parse_policy('version: 1\nchecks: [{name: unit, run: ["false"]}]', "x")
    texts = {what: text for what, text in loosened(policy).items() if text and "YAML" not in what}

    for what, text in texts.items():
        other = parse_policy(text, what)
        assert other.hash != policy.hash
    everything = NamedPolicy("head", parse_policy(texts["all of it"], "head"))
    risky = Scene("fix the login", changed=("src/auth/session.py",), failing=("a", "b"))
    assert (look(risky, everything).lane, look(risky, everything).score) == (0, 0)
    assert look(risky, NamedPolicy("base", policy)).lane_name == "strong"


# --- the command --------------------------------------------------------------------------------------------


def test_the_command_says_what_it_tried_and_exits_0_where_nothing_fell(tmp_path: Path) -> None:
    pit = Sandpit(tmp_path / "pit")
    done = pit.run("policy", "fuzz", "--policy", "default", "--rounds", "96", "--json")

    assert done.exit_code == 0, done.stdout + done.stderr
    told = done.json
    assert (told["policy"], told["rounds"], told["seed"], told["found"]) == ("default", 96, 0, [])
    assert sum(told["tried"].values()) == 96
    assert told["head_policies"] == len(loosened(POLICIES["default"]))


def test_a_policy_file_can_be_tried_outside_of_a_repository(tmp_path: Path) -> None:
    file = tmp_path / "mine.yaml"
    file.write_text(json.dumps({"version": 1, "routing": {"fast_max_score": 2, "strong_min_score": 9}}))

    from route_agent.cli.fuzz import fuzz as command

    command(tmp_path, str(file), rounds=48, seed=1, as_json=True)  # exits 1 where anything fell


@pytest.mark.parametrize("name", ["three-tier"])
def test_a_policy_with_a_lane_that_calls_no_model_can_be_tried_too(
    tmp_path: Path, name: str, capsys: pytest.CaptureFixture[str]
) -> None:
    from route_agent.cli.fuzz import fuzz as command

    command(tmp_path, name, rounds=1, seed=1, as_json=True)

    told = json.loads(capsys.readouterr().out)
    assert (told["policy"], told["found"], told["head_policies"]) == (name, [], len(loosened(POLICIES[name])))
