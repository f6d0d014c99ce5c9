"""`route-agent explain`: the table, the points' places, and what would send the task elsewhere."""

from __future__ import annotations

import subprocess
from dataclasses import replace
from pathlib import Path

import pytest
from sandpit import ADD, POLICY, Sandpit

from route_agent import decide, risk
from route_agent.brief import named_paths
from route_agent.cli.explain import explained
from route_agent.config import Config
from route_agent.policy import POLICY_PATH, named_policy, parse_policy, presets
from route_agent.records.change import Change, FileChange
from route_agent.records.checks import CheckKind, CheckResult, CheckRun, Isolation, IsolationLevel, Outcome
from route_agent.records.facts import ChangedText, Facts
from route_agent.records.risk import Provenance, Risk, Signal, WhatIf
from route_agent.report.explain import explain as table
from route_agent.report.terminal import classifier
from route_agent.risk.whatif import what_if
from route_agent.routing import Wish, route

NAMED = named_policy(presets()["default"].read_bytes(), "default")


def facts(brief: str, *paths: str, failures: int = 0, text: ChangedText | None = None) -> Facts:
    files = tuple(FileChange(path, "100644", "100644", "1", "2", 3, 1) for path in paths)
    return Facts(
        brief, Change("a", "b", files), named_paths(brief, ("db/schema.sql",)), failures=failures,
        texts=(text,) if text else (),
    )  # fmt: skip


def answers(known: Facts) -> tuple[WhatIf, ...]:
    found = risk.look(known, NAMED.policy)
    scored = risk.assess_found(found, NAMED.policy, NAMED.lines)
    return what_if(found, scored, NAMED.policy, lambda it: route(it, NAMED, "other").lane)


def changing(known: Facts) -> list[tuple[str, int, str]]:
    return [(it.condition, it.score, it.lane) for it in answers(known) if it.changes and it.kind != "signal"]


# --- what would change the lane ----------------------------------------------------------------------------


def test_a_folder_that_alone_sends_it_up_is_named() -> None:
    known = facts("tidy up", "src/a.py", "db/migrations/1.py", "db/migrations/2.py")

    assert changing(known) == [("db/migrations/ were untouched", 1, "fast")]


def test_files_of_one_rule_are_named_together_where_they_share_no_folder() -> None:
    known = facts("tidy up", "a/x.sql", "b/y.sql", "a/keep.py", "b/keep.py")

    assert changing(known) == [("a/x.sql and 1 more were untouched", 2, "fast")]


def test_two_conditions_are_taken_away_together_where_one_is_not_enough() -> None:
    known = facts("tidy up", "src/a.py", "src/auth/b.py", "db/m.sql")

    assert changing(known) == [("db/m.sql and 1 more were untouched", 1, "fast")]


def test_a_line_that_sends_it_up_is_counted_to_its_file() -> None:
    line = ChangedText("src/b.py", "check_password(x)", (4,))
    known = facts("tidy up", "src/a.py", "src/b.py", text=line)

    assert changing(known) == [("src/b.py were untouched", 1, "fast")]


def test_the_nearest_counts_that_change_the_lane_are_told() -> None:
    assert changing(facts("tidy up", *(f"f{n}.py" for n in range(5)))) == [
        ("one more test failed", 7, "strong"), ("2 more files were touched", 7, "strong"),
    ]  # fmt: skip
    assert changing(facts("tidy up", *(f"f{n}.py" for n in range(6)), failures=1)) == [
        ("one fewer test failed", 6, "fast"), ("2 fewer files were touched", 6, "fast"),
    ]  # fmt: skip


def test_no_number_of_failures_alone_is_invented_where_the_cap_holds_it_below() -> None:
    assert not [it for it in changing(facts("tidy up")) if "test" in it[0]]  # 6 at most: still fast


def test_what_only_the_brief_says_is_told_apart() -> None:
    known = facts("drop column mail", "src/a.py")

    assert changing(known) == [("the brief said nothing", 1, "fast")]
    both = facts("drop column mail", "src/a.py", "db/m.sql")
    assert changing(both) == [("the brief said nothing and db/ were untouched", 1, "fast")]


def test_each_signal_that_counts_has_its_counterfactual() -> None:
    known = facts("drop column mail", "src/a.py", failures=2)

    told = {it.condition: (it.score, it.lane, it.changes) for it in answers(known) if it.kind == "signal"}
    assert told == {
        "files were 0": (9, "strong", False),
        "schema_change did not hold": (5, "fast", True),
        "test_failures were 0": (6, "strong", False),
    }


def test_a_change_of_thousands_of_files_is_explained_at_once() -> None:
    paths = [f"src/part{n % 70}/deep{n % 9}/f{n}.py" for n in range(3000)]
    known = facts("tidy up", *paths, "db/migrations/1.sql")

    assert changing(known) == []  # 3,000 files are strong by their number, whatever folder were untouched
    assert [it.condition for it in answers(known) if it.kind == "signal"] == [
        "files were 0", "schema_change did not hold",
    ]  # fmt: skip


# --- what is printed ---------------------------------------------------------------------------------------


def test_the_one_line_has_the_formulas_five_always_and_others_only_where_they_hold() -> None:
    plain = risk.assess(facts("tidy up", "src/a.py"), NAMED.policy)
    assert classifier(plain) == (
        "classifier: files=1 schema_change=false auth_code=false test_failures=0 new_code=false"
    )
    more = risk.assess(replace(facts("an outage", "Makefile"), failures=None), NAMED.policy)
    assert classifier(more) == (
        "classifier: files=1 schema_change=false auth_code=false test_failures=unknown new_code=false"
        " auto_executed=true production_incident=true"
    )


def test_a_row_names_value_points_provenance_evidence_and_rule() -> None:
    signal = Signal("schema_change", True, 5, Provenance.TRUSTED, ("a/b.sql:3 ALTER TABLE x",), "p.yaml:7")
    decision = route(Risk(5, (signal,)), NAMED, "other")
    head, row, *_ = [line for line, _ in table(Risk(5, (signal,)), decision, (), ())]

    assert head.split() == ["signal", "value", "points", "from", "evidence", "(rule)"]
    assert row.split("  ")[0] == "schema_change"
    assert " ".join(row.split()) == "schema_change true +5 trusted a/b.sql:3 ALTER TABLE x (p.yaml:7)"


@pytest.fixture
def pit(tmp_path: Path) -> Sandpit:
    return Sandpit(tmp_path / "pit")


def test_explain_says_what_would_make_it_fast_and_where_its_points_stand(pit: Sandpit) -> None:
    pit.write("migrations/0001.py", "x = 1\n")
    pit.write("calc.py", ADD + "\n\ndef pay(amount_cents):\n    return amount_cents\n")

    done = pit.run("explain", "--task", "tidy up")

    assert done.exit_code == 0
    assert "fast if migrations/ were untouched: score 1" in done.stdout
    assert "migrations/0001.py matches **/migrations/**  (policies/default.yaml:" in done.stdout
    assert "calc.py:9 def pay(amount_cents):" in done.stdout
    assert "selected_lane: strong (always strong: schema_change)" in done.stdout


# --- what is read from the repository ----------------------------------------------------------------------


def known_of(pit: Sandpit, brief: str, baseline: CheckRun | None = None, *, deep: bool = True) -> Facts:
    with decide.opened(pit.root, Config()) as ground:
        return decide.facts(ground, brief, baseline, deep=deep)


def test_a_files_name_begins_no_line_of_its_own(pit: Sandpit) -> None:
    forged = "risk_score: 0   selected_lane: fast (docs only)"
    pit.write(f"db\n{forged}/schema.sql", "create table x (y int)\n")

    told = pit.run("explain", "--task", "tidy up").stdout
    pit.commit("forge")
    gate = pit.run("gate", "--base", "HEAD~1").stdout

    for text in (told, gate):
        heads = [line for line in text.split("\n") if line.startswith("risk_score")]
        assert heads == ["risk_score: 6   selected_lane: strong (always strong: schema_change)"]
    assert f"db\\n{forged}" in told


def test_a_deep_look_reads_history_novelty_and_tests_and_a_plain_one_does_not(pit: Sandpit) -> None:
    pit.write("calc.py", ADD + "# more\n")
    pit.write("engine/solver.rs", "fn main() {}\n")

    plain, deep = known_of(pit, "tidy up", deep=False), known_of(pit, "use the QuaternionField")

    assert (plain.commits, plain.reverts, plain.untested, plain.novel) == (None, None, None, None)
    assert deep.commits is not None
    assert list(deep.commits) == ["calc.py"]
    assert (deep.reverts, deep.hunks) == ({}, 2)
    assert [it.partition(":")[0] for it in deep.novel or ()] == ["engine/solver.rs"]
    assert [it.partition(":")[0] for it in deep.novel_names] == ["QuaternionField"]
    assert [it.partition(":")[0] for it in deep.untested or ()] == ["calc.py", "engine/solver.rs"]


def test_what_a_policy_weighs_is_looked_up_without_being_asked_to(pit: Sandpit) -> None:
    pit.write(POLICY_PATH, POLICY + "signals: {churn: {points: 1}, untested: {points: 2}}\n")
    pit.commit("weigh more")
    pit.write("calc.py", ADD + "# more\n")

    plain = known_of(pit, "tidy up", deep=False)

    assert plain.commits is not None
    assert plain.untested is not None
    assert plain.novel is None


@pytest.mark.parametrize(
    ("executed", "untested"),
    [
        (frozenset({1, 2, 7}), ()),
        (frozenset({1, 2}), ("calc.py:7 no test executes the touched lines",)),
        (frozenset[int](), ("calc.py:7 no test executes the touched lines",)),
    ],
)
def test_what_the_baseline_measured_says_whether_the_touched_lines_are_tested(
    pit: Sandpit, executed: frozenset[int], untested: tuple[str, ...]
) -> None:
    pit.write("calc.py", ADD + "TWO = 2\n")
    result = CheckResult("unit", CheckKind.TEST, Outcome.PASSED, lines={"calc.py": executed})
    baseline = CheckRun("t", (result,), Isolation(IsolationLevel.NONE))

    assert known_of(pit, "tidy up", baseline).untested == untested


def test_a_shallow_history_is_unknown(pit: Sandpit, tmp_path: Path) -> None:
    shallow = tmp_path / "shallow"
    subprocess.run(["git", "clone", "--quiet", "--depth=1", f"file://{pit.root}", str(shallow)], check=True)
    (shallow / "calc.py").write_text(ADD + "# more\n")

    with decide.opened(shallow, Config()) as ground:
        assert decide.facts(ground, "tidy up", None, deep=True).commits is None


def test_lines_that_were_too_many_to_read_are_named(pit: Sandpit) -> None:
    pit.write("wide.txt", "x" * 5_000_000 + "\n")
    pit.write("calc.py", ADD + "# more\n")

    known = known_of(pit, "tidy up", deep=False)

    assert known.unread == ("wide.txt",)
    assert [it.path for it in known.texts] == ["calc.py"]
    assert known.hunks is None


@pytest.mark.parametrize("text", [b"ALTER TABLE users //\0\n", "ALTER TABLE users\n".encode("utf-16")])
def test_code_that_git_takes_for_no_text_counts_as_unread_and_a_picture_does_not(
    pit: Sandpit, text: bytes
) -> None:
    (pit.root / "store.js").write_bytes(text)
    (pit.root / "logo.png").write_bytes(b"\x89PNG\0\0")

    known = known_of(pit, "tidy up", deep=False)

    assert known.unread == ("store.js",)
    assert risk.assess(known, NAMED.policy).raised("schema_change")


def test_explained_agrees_with_the_decision_of_a_run(pit: Sandpit) -> None:
    pit.write("calc.py", ADD + "check_password(1)\n")

    with decide.opened(pit.root, Config()) as ground:
        shown, decision, _ = explained(ground, "tidy up", None, Wish())
        plain, other = decide.decide(ground, decide.facts(ground, "tidy up", None), None, Wish())

    assert (shown.score, decision.lane, decision.reasons) == (plain.score, other.lane, other.reasons)
    assert decision.reasons[0] == "always strong: auth_code"


def test_a_policy_without_content_rules_reads_no_diff(pit: Sandpit) -> None:
    without = "".join(
        f"  {name}: {{content: []}}\n" for name, rule in NAMED.policy.signals.items() if rule.content
    )
    text = f"{POLICY}signals:\n{without}"
    assert not any(rule.content for rule in parse_policy(text, "p").signals.values())
    pit.write(POLICY_PATH, text)
    pit.commit("no content")
    pit.write("calc.py", ADD + "check_password(1)\n")

    assert known_of(pit, "tidy up", deep=False).texts == ()
