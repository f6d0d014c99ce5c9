"""`route-agent tune` as a person uses it: files in, a report, an object or a patch out."""

from __future__ import annotations

import json
import os
import random
import subprocess
from pathlib import Path
from typing import Any

import pytest
from sandpit import PROGRAM
from test_outcomes import begin

from route_agent import places
from route_agent.cli.tune import Arguments
from route_agent.cli.tune import tune as command
from route_agent.errors import PolicyError
from route_agent.ledger.store import Ledger
from route_agent.policy import parse_policy, presets
from route_agent.records.grades import Failure
from route_agent.records.runs import Attempt
from route_agent.report import tuning as report
from route_agent.routingspec import AcceptRule
from route_agent.tuning.policypatch import PROVIDER, as_diff, lane_names, patched
from route_agent.tuning.tune import Data, Lane, Wanted, tune

LANES = (Lane("small-1", 0.9, 0.0312), Lane("cheap/medium-2025-08-07"), Lane("large-1-20250929", 0.95, 1.987))
POLICY = """\
# ours
version: 1
models:
  fast: {provider: openai, model: small-1}   # cheap
  strong:
    # asked last
    provider: anthropic
    model: large-1
  verifier:
    - {provider: openai, model: v-1}
    - {provider: anthropic, model: v-2}

routing:
  # do not touch
  fast_max_score: 5
  ladder: [fast, strong]  # two
limits: {max_usd: 2.0}
"""


def written(path: Path, tasks: int = 90, seed: int = 3) -> Path:
    """Outcomes of a cheap model that solves half and a dear one that solves nearly all, in three repositories."""
    draw = random.Random(seed)
    rows = ["model,instance_id,resolved,cost_usd"]
    for number in range(tasks):
        task = f"team__tool{number % 3}-{number}"
        rows.append(f"small-1,{task},{int(draw.random() < 0.5)},{draw.uniform(0.01, 0.02):.4f}")
        rows.append(f"large-1,{task},{int(draw.random() < 0.9)},{draw.uniform(0.8, 1.2):.4f}")
    path.write_text("\n".join(rows) + "\n")
    return path


def asked(directory: Path, **typed: Any) -> Arguments:
    usual: dict[str, Any] = {
        "outcomes": "outcomes.csv", "fast": "", "strong": "large-1", "models": "", "harness": "", "train": "",
        "test": "", "tasks": None, "false_accept": 0.0, "false_reject": 0.0, "margin": 4.0, "write": False,
        "policy": "", "directory": directory,
    }  # fmt: skip
    return Arguments(**{**usual, **typed})


def told(capsys: pytest.CaptureFixture[str], typed: Arguments) -> dict[str, Any]:
    command(typed, as_json=True)
    found: dict[str, Any] = json.loads(capsys.readouterr().out)
    return found


def refused(capsys: pytest.CaptureFixture[str], typed: Arguments) -> str:
    with pytest.raises(SystemExit) as end:
        command(typed, as_json=False)
    assert end.value.code == 2
    return capsys.readouterr().err


def test_the_command_prints_a_front_a_chart_and_what_it_recommends(tmp_path: Path) -> None:
    written(tmp_path / "outcomes.csv")
    environment = {**os.environ, "NO_COLOR": "1", "COLUMNS": "60"}

    ran = subprocess.run(
        [PROGRAM, "tune", "outcomes.csv", "--fast", "small-1", "--strong", "large-1"],
        cwd=tmp_path, env=environment, capture_output=True, text=True, timeout=60, check=True,
    )  # fmt: skip

    assert "n = 90 tasks of 3 repositories" in ran.stdout
    assert "recommended: small-1 → large-1" in ran.stdout
    assert report.BEST in ran.stdout
    assert "\x1b" not in ran.stdout
    axis = [line for line in ran.stdout.splitlines() if "┤" in line or "└" in line]
    assert len(axis) == report.HEIGHT + 1
    assert max(map(len, axis)) <= 60


def test_the_object_has_the_front_with_intervals_and_null_where_nothing_is_known(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    written(tmp_path / "outcomes.csv")

    found = told(capsys, asked(tmp_path, fast="small-1"))

    assert found["n"] == 90
    assert found["folds"] == 3
    assert [it["model"] for it in found["recommended"]["ladder"]] == ["small-1", "large-1"]
    low, high = found["recommended"]["difference_ci"]
    assert low <= found["recommended"]["difference"] <= high
    costs = [it["cost_usd"] for it in found["points"] if it["on_front"]]
    assert costs == sorted(costs)
    assert found["not_proved"] is None
    assert found["patch"] is None


def test_few_outcomes_recommend_nothing_with_exit_0(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    written(tmp_path / "outcomes.csv", tasks=29)

    found = told(capsys, asked(tmp_path, write=True))
    command(asked(tmp_path), as_json=False)

    assert found["recommended"] is None
    assert found["patch"] is None
    assert "only 29 tasks" in found["why"]
    assert capsys.readouterr().out.startswith("nothing is recommended: only 29 tasks")


def test_an_empty_ledger_recommends_nothing(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path / "state"))

    found = told(capsys, asked(tmp_path, outcomes="ledger", strong=""))

    assert (found["n"], found["recommended"]) == (0, None)
    assert "ledger" in found["why"]


def test_two_files_fit_on_one_and_judge_by_the_other(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    written(tmp_path / "a.csv", tasks=60)
    written(tmp_path / "b.csv", tasks=150, seed=8)

    found = told(capsys, asked(tmp_path, outcomes="ledger", train="a.csv", test="b.csv", fast="small-1"))

    assert (found["n"], found["trained_on"], found["folds"]) == (150, 60, None)
    assert (found["recommended"] or found["not_proved"])["steady"] is None


def test_an_empty_ledger_judges_nothing(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path / "state"))
    written(tmp_path / "a.csv")

    found = told(capsys, asked(tmp_path, outcomes="ledger", train="a.csv", test="ledger", fast="small-1"))

    assert (found["n"], found["recommended"]) == (0, None)
    assert "the ledger has no judged attempt" in found["why"]


def test_a_report_says_where_repositories_are_not_known(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    path = written(tmp_path / "outcomes.csv")
    path.write_text(path.read_text().replace("team__", ""))

    command(asked(tmp_path, fast="small-1"), as_json=False)

    assert capsys.readouterr().out.startswith(
        "n = 90 tasks, of repositories that neither names nor --tasks tell, in 12 parts;"
    )


def test_repositories_come_from_the_tasks_file_where_names_do_not_tell(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    written(tmp_path / "outcomes.csv")
    tasks = [{"instance_id": f"team__tool{it % 3}-{it}", "repo": f"r{it % 5}"} for it in range(90)]
    tmp_path.joinpath("tasks.jsonl").write_text("\n".join(map(json.dumps, tasks)) + "\n")

    found = told(capsys, asked(tmp_path, tasks=Path("tasks.jsonl"), fast="small-1"))

    assert found["repositories"] == 5


@pytest.mark.parametrize(
    ("typed", "said"),
    [
        ({"strong": ""}, "--strong is missing; outcomes.csv has outcomes of large-1, small-1"),
        ({"strong": "larg-1"}, "did you mean large-1"),
        ({"fast": "large-1"}, "both large-1"),
        ({"fast": "small-1", "models": "small-1"}, "exclude each other"),
        ({"models": "small-1,,"}, "--models"),
        ({"train": "outcomes.csv"}, "--train and --test go together"),
        ({"train": "outcomes.csv", "test": "outcomes.csv"}, "exclude each other"),
        ({"margin": float("nan")}, "--margin"),
        ({"tasks": Path("none.jsonl")}, "none.jsonl"),
        ({"tasks": Path("outcomes.csv")}, "no JSON object"),
    ],
)
def test_what_cannot_be_meant_is_refused_with_its_name(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], typed: dict[str, Any], said: str
) -> None:
    written(tmp_path / "outcomes.csv")

    assert said in refused(capsys, asked(tmp_path, **typed))


def test_a_ledger_tells_that_strong_was_asked_about_failures_only_and_fits_what_it_can(
    capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    ledger = Ledger(places.ledger_file())
    for number in range(60):
        run_id, failure = f"r{number}", Failure.WEAK if number % 3 == 0 else None
        begin(ledger, run_id, "/r", f"brief {number}")
        ledger.add_attempt(run_id, 1, Attempt("fast", "p", "m", failure=failure, seconds=1.0))
        if failure:
            ledger.add_attempt(run_id, 2, Attempt("strong", "p", "n", failure=None, seconds=1.0))

    found = told(capsys, asked(tmp_path, outcomes="ledger", strong=""))
    command(asked(tmp_path, outcomes="ledger", strong=""), as_json=False)
    printed = capsys.readouterr().out

    assert (found["n"], found["recommended"]) == (20, None)
    assert "asked only about tasks that a cheaper one had failed on" in found["why"]
    rules = {it["lane"]: (it["passed"], it["wrong"], it["rule"]) for it in found["own"]["rules"]}
    assert rules == {"fast": (40, 0, None), "strong": (20, 0, None)}
    assert found["own"]["threshold"] is None  # these runs have no score
    assert "0 of 40 patches that passed are known to be wrong" in printed
    assert "fast_max_score: not fitted: 0 first attempts of fast with a score" in printed


# --- the patch


def test_write_prints_a_patch_that_git_applies_and_touches_no_file(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    written(tmp_path / "outcomes.csv")
    policy = tmp_path / ".route-agent" / "policy.yaml"
    policy.parent.mkdir()
    policy.write_text(POLICY.replace("[fast, strong]", "[strong]"))
    before = {path: path.read_bytes() for path in tmp_path.rglob("*") if path.is_file()}

    command(asked(tmp_path, fast="small-1", write=True), as_json=False)
    shown = capsys.readouterr()

    assert {path: path.read_bytes() for path in tmp_path.rglob("*") if path.is_file()} == before
    assert "recommended: small-1" in shown.err
    subprocess.run(["git", "apply", "-"], input=shown.out, text=True, cwd=tmp_path, check=True)
    assert parse_policy(policy.read_text(), "policy").routing.ladder == ("fast", "strong")
    assert "# tuned: n = 90 tasks of 3 repositories" in policy.read_text()


def test_a_policy_keeps_its_comments_and_layout() -> None:
    new = patched(POLICY, "policy.yaml", LANES, ["n=261"])
    policy = parse_policy(new, "policy.yaml")

    assert policy.routing.ladder == ("fast", "medium", "strong")
    assert policy.routing.fast_max_score == 5
    assert policy.models["fast"][0].cap.usd == 0.0312
    assert policy.models["strong"][0].cap.usd == 1.99
    assert policy.models["medium"][0].provider == PROVIDER
    for comment in ("# ours", "# cheap", "# asked last", "# do not touch", "# two", "# tuned: n=261"):
        assert comment in new
    gone = [
        line for line in as_diff(POLICY, new, "p").splitlines() if line.startswith("-") and line[1] != "-"
    ]
    assert gone == [
        "-  fast: {provider: openai, model: small-1}   # cheap",
        "-  ladder: [fast, strong]  # two",
    ]


def test_a_second_tuning_replaces_the_evidence_and_the_caps_of_the_first() -> None:
    first = patched(POLICY, "policy.yaml", LANES, ["n=30"])

    second = patched(first, "policy.yaml", [Lane("small-1", 0.8, 0.02), LANES[2]], ["n=261"])

    policy = parse_policy(second, "policy.yaml")
    assert policy.models["fast"][0].cap.usd == 0.02
    assert policy.routing.ladder == ("fast", "strong")
    assert second.count("# tuned:") == 1


@pytest.mark.parametrize(
    "text",
    [
        POLICY.replace("\n", "\r\n"),
        "\ufeff" + POLICY,
        POLICY.replace("# ours", "# ours\u2028# theirs"),
        POLICY.removesuffix("\n"),
        "version: 1\nmodels: {fast: {provider: openai, model: small-1}, strong: {provider: openai, model: large-1}}\n",
    ],
    ids=[
        "ends of lines of Windows",
        "a mark of byte order",
        "odd separators",
        "no last end of line",
        "in one line",
    ],
)
def test_the_patch_applies_however_the_policys_lines_end(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], text: str
) -> None:
    written(tmp_path / "outcomes.csv")
    policy = tmp_path / ".route-agent" / "policy.yaml"
    policy.parent.mkdir()
    policy.write_bytes(text.encode())

    command(asked(tmp_path, fast="small-1", write=True), as_json=False)

    shown = capsys.readouterr().out.encode()
    subprocess.run(["git", "apply", "-"], input=shown, cwd=tmp_path, check=True)
    new = policy.read_bytes()
    assert parse_policy(new.decode(), "policy").routing.ladder == ("fast", "strong")
    assert new.count(b"\r\n") == (new.count(b"\n") if "\r\n" in text else 0)


@pytest.mark.parametrize("policy", ["", "default", "other/ours.yaml", "{here}/other/ours.yaml"])
def test_the_patch_applies_at_the_top_wherever_it_was_asked_for_and_however_the_policy_was_named(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch, policy: str
) -> None:
    subprocess.run(["git", "init", "-q"], cwd=tmp_path, check=True)
    subprocess.run(["git", "commit", "-q", "--allow-empty", "-m", "start"], cwd=tmp_path, check=True)
    below = tmp_path / "below"
    for path in (tmp_path / ".route-agent" / "policy.yaml", below / "other" / "ours.yaml"):
        path.parent.mkdir(parents=True)
        path.write_text(POLICY)
    written(below / "outcomes.csv")
    monkeypatch.chdir(below)

    command(asked(Path(), fast="small-1", write=True, policy=policy.format(here=below)), as_json=False)

    shown = capsys.readouterr().out
    subprocess.run(["git", "apply", "-"], input=shown, text=True, cwd=tmp_path, check=True)
    at_home = tmp_path / ".route-agent" / "policy.yaml"
    changed = below / "other" / "ours.yaml" if "other" in policy else at_home
    assert "# tuned: " in changed.read_text()
    assert (at_home.read_text() == POLICY) == ("other" in policy)


def test_a_policy_that_is_no_text_is_refused(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    written(tmp_path / "outcomes.csv")
    (tmp_path / ".route-agent").mkdir()
    (tmp_path / ".route-agent" / "policy.yaml").write_bytes(b"version: 1\n# caf\xe9\n")

    assert "not UTF-8" in refused(capsys, asked(tmp_path, fast="small-1", write=True))


def test_a_patch_says_which_lanes_wait_for_a_provider() -> None:
    assert "# tuned: fill in who serves: medium\n" in patched(POLICY, "policy.yaml", LANES, [])
    assert "fill in" not in patched(POLICY, "policy.yaml", LANES[:1], [])


@pytest.mark.parametrize(
    "text",
    [
        "",
        POLICY,
        POLICY + "accept:\n  # ours\n  fast: {default: discriminating}\n",
        "version: 1\naccept: {}\n",
    ],
)
def test_a_new_lane_has_to_prove_as_much_as_the_lane_whose_place_it_takes(text: str) -> None:
    before = parse_policy(text or "version: 1\n", "policy.yaml")

    after = parse_policy(patched(text, "policy.yaml", [Lane("new-a"), Lane("new-b"), Lane("new-c")], []), "p")

    for task_class in ("bug", "docs", "tests"):
        lowest, top = before.bar("fast", task_class), before.bar("strong", task_class)
        assert [after.bar(it, task_class) for it in after.routing.ladder] == [lowest, lowest, top]
        assert (after.bar("fast", task_class), after.bar("strong", task_class)) == (lowest, top)


def test_a_ladder_without_the_old_top_says_where_what_is_always_strong_goes_now() -> None:
    said = "# tuned: what is always strong goes to fast now, and not to strong: look whether you want that\n"

    assert said in patched(POLICY, "policy.yaml", LANES[:1], [])
    assert "always strong" not in patched(POLICY, "policy.yaml", LANES, [])


def test_a_ladder_longer_than_the_attempts_allow_says_so() -> None:
    text = POLICY.replace("{max_usd: 2.0}", "{max_attempts: 2}")

    assert "# tuned: limits.max_attempts is 2, and this ladder needs 3\n" in patched(text, "p", LANES, [])
    assert "max_attempts is" not in patched(text, "p", LANES[:2], [])


def test_a_fixer_stays_at_the_foot_of_the_ladder() -> None:
    lane = "models:\n  mend: {provider: fixer, run: [[ruff, check, --fix, .]], classes: [lint]}\n"
    policy = POLICY.replace("models:\n", lane).replace("[fast, strong]", "[mend, fast, strong]")

    new = patched(policy, "policy.yaml", LANES[:1], [])

    assert parse_policy(new, "policy.yaml").routing.ladder == ("mend", "fast")


def test_the_evidence_says_how_it_was_judged_in_a_command_that_can_be_typed_again(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    path = written(tmp_path / "outcomes.csv")
    path.write_text(path.read_text().replace("small-1", "small 1"))
    written(tmp_path / "later.csv", seed=8).write_text(path.read_text())
    files = {"outcomes": "ledger", "train": "outcomes.csv", "test": "later.csv"}

    patch = told(capsys, asked(tmp_path, fast="small 1", write=True))["patch"]
    other = told(capsys, asked(tmp_path, fast="small 1", write=True, **files))["patch"]

    assert "# tuned: route-agent tune outcomes.csv --fast 'small 1' --strong large-1 " in patch
    assert (
        "# tuned: n = 90 tasks of 3 repositories, in 3 parts; each judged by a fit on the others\n" in patch
    )
    assert "# tuned: n = 90 tasks, judged by a fit on 90 tasks of another file\n" in other


def test_without_a_policy_a_new_one_is_written_with_the_lanes_that_were_in_force() -> None:
    new = patched("", "policy.yaml", LANES, ["n=261"])

    policy, built_in = parse_policy(new, "policy.yaml"), parse_policy("version: 1\n", "default")
    assert policy.routing.ladder == ("small-1", "medium", "large-1")
    assert policy.models["verifier"] == built_in.models["verifier"]
    assert policy.signals == built_in.signals
    assert as_diff("", new, ".route-agent/policy.yaml").startswith("--- /dev/null\n+++ b/.route-agent/")


def test_a_chosen_accept_rule_is_written_with_the_mode_that_applies_it() -> None:
    rule = AcceptRule(intercept=2.9, weights={"effort": -1.7}, accept_from=0.6, outcomes=261)

    new = patched(POLICY, "policy.yaml", [Lane("small-1", rule=rule), LANES[2]], [])

    routing = parse_policy(new, "policy.yaml").routing
    assert routing.mode == "learned"
    assert routing.learned == {"fast": rule}


def test_every_shipped_policy_can_be_patched() -> None:
    for name, path in presets().items():
        new = patched(path.read_text(encoding="utf-8"), name, LANES[:2], ["n=261"])

        policy = parse_policy(new, name)
        assert [it for it in policy.routing.ladder if not policy.models[it][0].is_fixer] == [
            "small-1",
            "medium",
        ]


def test_a_text_in_the_outcomes_cannot_leave_its_comment() -> None:
    new = patched(POLICY, "policy.yaml", LANES[:1], ["n=1\nlimits: {max_usd: 900}"])

    assert parse_policy(new, "policy.yaml").limits.max_usd == 2.0


def test_a_lane_named_by_a_ledger_gets_its_cap_on_every_model_it_may_ask() -> None:
    new = patched("", "policy.yaml", [Lane("fast", 0.9, 0.04), Lane("strong")], [])

    policy = parse_policy(new, "policy.yaml")
    assert len(policy.models["fast"]) > 1
    assert {it.cap.usd for it in policy.models["fast"]} == {0.04}
    assert {it.cap.usd for it in policy.models["strong"]} == {None}


def test_lanes_that_share_their_text_are_refused_rather_than_changed_together() -> None:
    shared = "version: 1\nmodels:\n  fast: &one {provider: openai, model: small-1}\n  strong: *one\n"

    with pytest.raises(PolicyError):
        patched(shared, "policy.yaml", [Lane("fast", 0.9, 0.04), Lane("strong", 0.9, 1.0)], [])


def test_a_text_that_is_no_policy_is_refused() -> None:
    with pytest.raises(PolicyError):
        patched("version: 1\nmodels: [a]\n", "policy.yaml", LANES, [])


def test_models_find_the_lane_that_asks_them_whoever_offers_them_and_whatever_their_date() -> None:
    policy = parse_policy(POLICY, "policy.yaml")

    names = lane_names(policy, ["openai/small-1-2025-08-07", "large-1-20250929", "x/new one", "verifier"])

    assert list(names.values()) == ["fast", "strong", "new-one", "verifier"]


def test_a_free_strong_lane_has_no_ratio_and_nothing_is_recommended() -> None:
    from route_agent.outcomes import Outcome

    tasks = [f"t{number}" for number in range(40)]
    free = {task: Outcome(1.0, 0.0) for task in tasks}
    told = tune(Data({"strong": free, "fast": free}), Wanted("strong", "fast"))

    assert told.recommended is None
    assert list(report.chart(told, 80)) == []
    assert "unknown" in "\n".join(line for line, _ in report.lines(told, 80))
