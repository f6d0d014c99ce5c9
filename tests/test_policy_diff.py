"""`policy diff`: a change of policy, replayed over the tasks that the ledger remembers."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator
from pathlib import Path

import pytest
from pasts import DEFAULT, ledger_at, past
from sandpit import FIX, POLICY, Sandpit, replies

from route_agent import places
from route_agent.ledger.routes import Routes
from route_agent.ledger.store import Ledger
from route_agent.policy import NamedPolicy, parse_policy
from route_agent.policydiff import Replayed, key_changes, placed, replayed
from route_agent.records.grades import Verdict
from route_agent.report.policydiff import as_object, code, headline, lines, markdown


def policy(text: str, name: str = "new.yaml") -> NamedPolicy:
    return NamedPolicy(name, parse_policy(f"version: 1\n{text}", name))


@pytest.fixture
def ledger(tmp_path: Path) -> Ledger:
    return ledger_at(tmp_path / "ledger.sqlite3")


def diff(ledger: Ledger, new: NamedPolicy, old: NamedPolicy = DEFAULT, repository: str = "") -> Replayed:
    return replayed(old, new, Routes(ledger.path).tasks(repository))


def moved(it: Replayed) -> dict[str, tuple[str, str]]:
    return {move.task.id: (move.old.lane, move.new.lane) for move in it.moves}


@pytest.fixture(scope="module")
def full(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Ledger]:
    """A ledger, only read: ten small tasks at fast (three failed there), six of five files, six at strong."""
    ledger = ledger_at(tmp_path_factory.mktemp("full") / "ledger.sqlite3")
    for number in range(10):
        paths = (f"src/billing/{number}.py",) if number < 4 else (f"src/view/{number}.py",)
        solved_by = "strong" if number in (1, 2, 7) else ""
        past(
            ledger,
            f"s{number}",
            "correct the sum",
            paths=paths,
            usd=0.01 + number / 1000,
            solved_by=solved_by,
        )
    for number in range(6):
        past(
            ledger,
            f"m{number}",
            "correct it",
            paths=tuple(f"src/{number}/{at}.py" for at in range(5)),
            usd=0.05,
        )
    for number in range(6):
        past(
            ledger, f"a{number}", "correct the sum", paths=(f"src/auth/{number}.py",), usd=0.40 + number / 100
        )
    yield ledger
    ledger.close()


# --- which tasks move ----------------------------------------------------------------------------------------


def test_a_lower_threshold_moves_the_tasks_above_it(full: Ledger) -> None:
    found = diff(full, policy("routing: {fast_max_score: 4, strong_min_score: 5}\n"))

    assert found.tasks == 22
    assert moved(found) == {f"m{number}": ("fast", "strong") for number in range(6)}
    assert {(move.old_score, move.new_score, move.up) for move in found.moves} == {(5, 5, True)}


def test_a_new_path_rule_is_held_against_the_stored_paths(full: Ledger) -> None:
    new = policy(
        "routing: {always_strong_if: [schema_change, auth_code, money]}\nsignals: {money: {paths: [billing]}}\n"
    )

    found = diff(full, new)

    assert set(moved(found)) == {"s0", "s1", "s2", "s3"}
    assert [move.task.id for move in found.to_top] == ["s2", "s1"]
    assert found.assumed == 0


def test_a_rule_that_is_taken_away_sends_its_tasks_down(full: Ledger) -> None:
    new = policy("signals: {auth_code: {paths: [security], words: [], content: []}}\n")

    found = diff(full, new)

    assert moved(found) == {f"a{number}": ("strong", "fast") for number in range(6)}
    assert found.to_top == ()
    assert not any(move.up for move in found.moves)


def test_a_new_word_is_looked_for_in_the_stored_brief(ledger: Ledger) -> None:
    past(ledger, "r1", "mend the invoice footer", paths=("a.py",))

    found = diff(ledger, policy("signals: {auth_code: {words: [invoice]}}\n"))

    assert moved(found) == {"r1": ("fast", "strong")}


def test_equal_policies_move_nothing_and_say_so(full: Ledger) -> None:
    found = diff(full, DEFAULT)

    assert (found.moves, found.keys, found.unknown) == ((), (), "")
    assert headline(found) == "0 of 22 tasks change lane"


def test_a_run_of_the_repository_counts_and_replays_plans_and_others_do_not(ledger: Ledger) -> None:
    past(ledger, "here", "fix it")
    past(ledger, "elsewhere", "fix it", repository="/other")
    past(ledger, "replay", "fix it", replayed=True)
    past(ledger, "plan", "fix it", verdict=Verdict.PLANNED)

    assert [it.id for it in Routes(ledger.path).tasks("/r")] == ["here"]
    assert {it.id for it in Routes(ledger.path).tasks()} == {"here", "elsewhere"}


def test_a_lane_that_was_asked_for_by_hand_stays(ledger: Ledger) -> None:
    past(ledger, "r1", "fix it", paths=tuple("abcde"), lane="fast", by_hand=True)

    found = diff(ledger, policy("routing: {fast_max_score: 1, strong_min_score: 2}\n"))

    assert (found.moves, found.by_hand) == ((), 1)


def test_what_is_not_stored_is_taken_as_it_was_and_counted(ledger: Ledger) -> None:
    many = tuple(f"src/{number}.py" for number in range(5))
    past(ledger, "few", "fix it", paths=("src/sessions.py", "billing/a.py"), with_paths=False)
    past(ledger, "many", "fix it", paths=(*many, "zz/billing.py", "zz/session.py"), with_paths=False)
    built_in = DEFAULT.policy.signals["auth_code"].paths

    by_path = diff(ledger, policy("signals: {auth_code: {paths: [billing]}}\n"))
    less = diff(ledger, policy(f"signals: {{auth_code: {{paths: {[*built_in, 'nothing']}}}}}\n"))
    by_line = diff(ledger, policy("signals: {auth_code: {content: [mysession]}}\n"))

    # the report of an old run names up to six files; of more it is not known which raise the new rule
    assert (moved(by_path), by_path.assumed) == ({}, 1)
    assert [it.new_score for it in less.moves] == []
    assert (moved(by_line), by_line.assumed) == ({}, 2)


# --- what that costs -----------------------------------------------------------------------------------------


def test_the_expected_cost_is_the_difference_of_the_lanes_means_with_an_interval(full: Ledger) -> None:
    found = diff(full, policy("routing: {fast_max_score: 4, strong_min_score: 5}\n"))

    fast = [0.01 + number / 1000 for number in range(10)] + [0.05] * 6
    strong = [0.40 + number / 100 for number in range(6)]
    expected = 6 * (sum(strong) / 6 - sum(fast) / 16)
    assert found.expected is not None
    assert found.expected.usd == pytest.approx(expected)
    assert found.expected.low < expected < found.expected.high
    assert found.costs is not None
    assert (found.costs["fast"].n, found.costs["strong"].n) == (16, 6)
    assert diff(full, policy("routing: {fast_max_score: 4, strong_min_score: 5}\n")) == found


def test_runs_of_unknown_cost_are_counted_beside_the_mean_that_leaves_them_out(full: Ledger) -> None:
    for number in range(3):
        past(full, f"unknown{number}", "fix it", usd=None)
    new = policy("routing: {fast_max_score: 4, strong_min_score: 5}\n")
    found = diff(full, new)

    assert "(n=16, 3 of unknown cost left out), strong" in "\n".join(lines(DEFAULT, new, found))
    assert as_object(DEFAULT, new, found)["lane_costs"]["fast"]["unknown"] == 3


def test_the_interval_holds_the_difference_of_the_true_means_about_as_often_as_it_says(
    tmp_path: Path,
) -> None:
    import random

    from route_agent.policydiff import _expected, lane_costs
    from route_agent.records.past import PastTask

    held, rounds = 0, 20
    draw = random.Random(1)
    move = moved_by_one(tmp_path)
    for _ in range(rounds):
        tasks = [
            PastTask(
                str(at), "", "b", "other", 1, lane, lane, cost_micro_usd=round(1e6 * draw.uniform(0, top))
            )
            for lane, top in (("fast", 0.2), ("strong", 2.0))
            for at in range(25)
        ]
        estimate, _ = _expected([move], tasks, DEFAULT.policy, DEFAULT.policy, lane_costs(tasks))
        assert estimate is not None
        held += estimate.low <= 0.9 <= estimate.high
    assert held >= 0.8 * rounds


def moved_by_one(tmp_path: Path):  # type: ignore[no-untyped-def]
    ledger = ledger_at(tmp_path / "one.sqlite3")
    past(ledger, "r", "fix it", paths=tuple("abcde"))
    return diff(ledger, policy("routing: {fast_max_score: 1, strong_min_score: 2}\n")).moves[0]


def test_too_few_runs_or_another_model_leave_the_cost_unknown(ledger: Ledger) -> None:
    for number in range(6):
        past(ledger, f"r{number}", "fix it", paths=tuple("abcde"), usd=None if number < 3 else 0.1)

    few = diff(ledger, policy("routing: {fast_max_score: 1, strong_min_score: 2}\n"))
    other = diff(
        ledger,
        policy("models:\n  fast: {provider: openai, model: x}\n  strong: {provider: openai, model: y}\n"),
    )

    assert few.expected is None
    assert "too few runs of known cost that began there (fast: 3, strong: 0; 5 are needed)" in headline(few)
    assert "fast, strong would be another model" in headline(other)
    assert as_object(DEFAULT, DEFAULT, few)["expected_usd"] is None


# --- what is printed -----------------------------------------------------------------------------------------


def test_the_keys_that_differ_are_told_with_what_counts(ledger: Ledger) -> None:
    new = policy(
        "routing: {fast_max_score: 4, always_strong_if: [schema_change, money]}\n"
        "signals: {auth_code: {paths: [a, '**/auth/**']}}\n"
        "accept: {fast: ran}\nchecks: [{name: t, run: [make, t]}]\n"
    )
    told = {it.key: (it.old, it.new) for it in key_changes(DEFAULT.policy, new.policy)}

    assert told["routing.fast_max_score"] == (6, 4)
    assert told["accept.fast.default"] == ("covered", "ran")
    assert told["accept.fast.docs"] == ("static", "ran")  # which is not written, and counts
    assert told["checks.t"][0] is None
    shown = "\n".join(lines(DEFAULT, new, diff(ledger, new)))
    assert "routing.always_strong_if: + money, − auth_code" in shown
    assert "signals.auth_code.paths: + a, − " in shown


def test_no_runs_are_told_and_the_keys_are_still_there(ledger: Ledger) -> None:
    shown = "\n".join(lines(DEFAULT, new := policy("limits: {max_usd: 3}\n"), diff(ledger, new)))

    assert "the ledger has no runs of such tasks yet: nothing to replay" in shown
    assert "limits.max_usd: 1.0 → 3.0" in shown


HOSTILE = "`</details> @everyone [x](http://e.vil) <img src=x> | #1 ** `` fix"


def test_a_comment_shows_an_outsiders_text_as_text(ledger: Ledger) -> None:
    past(ledger, "r1", f"{HOSTILE}\n# second line", paths=tuple("abcde"))
    new = policy("routing: {fast_max_score: 1, strong_min_score: 2}\nno_send: ['`|<b>']\n", "a`b|c.yaml")

    shown = list(markdown(DEFAULT, new, diff(ledger, new)))

    (item,) = (line for line in shown if line.startswith("- `r1`"))
    assert item.endswith("`'</details> @everyone [x](http://e.vil) <img src=x> | #1 ** '' fix`")
    (row,) = (line for line in shown if "no_send" in line)
    assert row == "| `no_send` | `+ '¦<b>` |"
    for line in shown:
        outside = "".join(line.split("`")[::2])
        assert "everyone" not in outside
        assert "<b>" not in outside
    assert shown[0] == "**Policy:** `default` → `a'b|c.yaml`"


def test_a_code_span_is_one_line_and_never_empty() -> None:
    assert code("a\nb\x1b[31m`c") == "`a b [31m'c`"
    assert code("") == "` `"
    assert len(code("x" * 500)) <= 82


def test_the_command_compares_files_presets_and_commits(tmp_path: Path) -> None:
    pit = Sandpit(tmp_path / "pit")
    ledger = ledger_at(places.ledger_file())
    for number in range(5):
        past(
            ledger,
            f"r{number}",
            "fix it",
            paths=tuple("abcde"),
            repository=str(pit.root),
            usd=0.1,
            solved_by="strong",
        )
        past(ledger, f"q{number}", "fix it", paths=("src/auth/a.py",), repository=str(pit.root), usd=0.5)
    past(ledger, "other", "fix it", paths=tuple("abcde"), repository="/elsewhere")
    pit.write(".route-agent/policy.yaml", "version: 1\nrouting: {fast_max_score: 2, strong_min_score: 3}\n")

    shown = pit.run("policy", "diff", "default", ".route-agent/policy.yaml")
    told = pit.run("policy", "diff", "default", ".route-agent/policy.yaml", "--json", "--all").json
    commits = pit.run(
        "policy", "diff", "HEAD:.route-agent/policy.yaml", "HEAD:.route-agent/policy.yaml", "--markdown"
    )
    missing = pit.run("policy", "diff", "HEAD:nowhere.yaml", "default", "--json")

    assert (
        "5 of 10 tasks change lane (5 up, 0 down), 5 past failures would start at strong, expected +$2.00 [2.00, 2.00]"
        in shown.stdout
    )
    assert (told["n"], len(told["moves"]), told["expected_usd"]) == (
        11,
        6,
        pytest.approx(6 * (0.5 - 0.52 / 6)),
    )
    assert "The two policies say the same." in commits.stdout
    assert (shown.exit_code, commits.exit_code, missing.exit_code) == (0, 0, 2)
    assert missing.json["error"] == "HEAD has no file nowhere.yaml"


def test_what_a_real_run_wrote_is_read_as_it_was(tmp_path: Path) -> None:
    pit = Sandpit(tmp_path / "pit")
    done = pit.run(
        "--task", "sums in calc.py are wrong", "--replay", str(replies(tmp_path, ("fast", FIX))), "--json"
    )
    assert done.exit_code == 0, done.stderr
    with sqlite3.connect(places.ledger_file()) as database:
        database.execute("UPDATE run SET replayed = 0")  # as if a model had answered
    database.close()

    (task,) = Routes(places.ledger_file()).tasks(str(pit.root))
    risk, decision = placed(task, NamedPolicy("p", parse_policy(POLICY, "p"))) or pytest.fail("no lane")

    reported = done.json
    assert (task.id, task.brief) == (reported["run_id"], "sums in calc.py are wrong")
    assert (task.first_lane, task.accepted_lane, task.first_try) == ("fast", "fast", True)
    assert (task.changed, task.named, task.touched) == ((), ("calc.py",), ("calc.py",))
    assert (
        [name for name, _ in task.red]
        == [it["name"] for it in reported["baseline"] if it["outcome"] == "failed"]
        != []
    )
    assert risk.score == reported["risk"]["score"] == task.score
    assert (decision.lane, list(decision.ladder)) == (
        reported["decision"]["lane"],
        reported["decision"]["ladder"],
    )
