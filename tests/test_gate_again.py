"""A verdict is told again where nothing changed on which it hangs, and never anywhere else."""

from __future__ import annotations

import json
import os
import sqlite3
from collections.abc import Callable
from pathlib import Path

import pytest
from gating import asked, breaks, configure, pit_of, policy, rows
from sandpit import Sandpit

from route_agent import earlier, places
from route_agent.earlier import keep_again, verdict_for
from route_agent.gate import INDEX
from route_agent.records.events import Event, Step
from route_agent.records.grades import Failure, Verdict
from route_agent.repo.around import stamp_of
from route_agent.repo.repository import Repository
from route_agent.report.earlier import render_earlier


@pytest.fixture
def pit(tmp_path: Path) -> Sandpit:
    """A repository of which HEAD was judged."""
    made = pit_of(tmp_path, **{".gitignore": "built/\n"})
    made.write("built/by_hand.txt", "1\n")
    assert asked(made).verdict is Verdict.ACCEPTED
    return made


def again(pit: Sandpit, base: str = "HEAD~1", head: str = "HEAD", policy: str = "") -> bool:
    """Whether nothing is run any more; the quick question and the whole one say the same."""
    repository = Repository.open(pit.root)
    commits = [repository.commit(it) for it in (base, head)]
    quick = verdict_for(repository, commits[0], commits[1], policy=policy)
    seen: list[Event] = []
    judged = asked(pit, base, head, seen=seen, policy=policy)
    assert bool(judged.earlier) == (quick is not None)
    assert bool(judged.earlier) == (not any(it.step in (Step.BASELINE, Step.CHECK) for it in seen))
    return bool(judged.earlier)


def test_nothing_is_run_twice_and_every_report_says_so(pit: Sandpit) -> None:
    first = asked(pit, fresh=True)

    judged = asked(pit)

    assert (judged.earlier, judged.earlier_at) == (first.id, first.at)
    assert (judged.verdict, judged.reason, judged.evidence) == (first.verdict, first.reason, first.evidence)
    assert (judged.risk, judged.decision, judged.notices) == (first.risk, first.decision, first.notices)
    last = rows()[-1]
    assert (last["reused"], last["id"], last["verdict"], last["check_seconds"]) == (
        1,
        judged.id,
        "accepted",
        0,
    )


def test_the_quick_answer_has_the_verdict_and_writes_itself_down(pit: Sandpit) -> None:
    repository = Repository.open(pit.root)
    (row,) = rows()

    found = verdict_for(repository, row["base"], row["head"])

    assert found is not None
    assert (found.id, found.exit_code, found.files, found.score) == (row["id"], 0, 1, row["score"])
    told = "\n".join(line for line, _ in render_earlier(found))
    assert "result    passed at ran" in told
    assert f"from an earlier run, nothing was run: judgement {row['id']}" in told
    keep_again(found, "hook")
    assert [(it["source"], it["reused"]) for it in rows()] == [("gate", 0), ("hook", 1)]


def test_the_same_trees_under_other_commits_are_the_same(pit: Sandpit) -> None:
    pit.git("commit", "--quiet", "--amend", "--no-edit", "--date=2020-01-01T00:00:00Z")
    assert again(pit)
    pit.git("commit", "--quiet", "--amend", "-m", "another message")
    assert not again(pit)


def test_another_change_and_another_base_are_judged_anew(pit: Sandpit) -> None:
    pit.write("a.txt", "good, and other\n")
    pit.commit("more")

    assert not again(pit)
    assert not again(pit, "HEAD~2")
    assert again(pit)


def commits_a_policy(pit: Sandpit) -> None:
    head = pit.git("rev-parse", "HEAD").strip()
    pit.git("checkout", "--quiet", "HEAD~1")
    pit.write(".route-agent/policy.yaml", policy("{least: static}"))
    pit.commit("another policy")
    pit.git("cherry-pick", head)


def installs(pit: Sandpit) -> None:
    folder = pit.root / "node_modules" / ".bin"
    folder.mkdir(parents=True)
    (folder / "sh").write_text("#!/bin/sh\n")


def writes_an_ignored_file(pit: Sandpit) -> None:
    pit.write("built/by_hand.txt", "another size\n")


def installs_in_a_part(pit: Sandpit) -> None:
    pit.write("built/part/node_modules/.package-lock.json", "{}\n")


CHANGES: dict[str, Callable[[Sandpit, pytest.MonkeyPatch], object]] = {
    "the policy at the base": lambda pit, _: commits_a_policy(pit),
    "the configuration": lambda pit, _: configure(floor={"gate": {"least": "static"}}),
    "what is installed": lambda pit, _: installs(pit),
    "an ignored file that checks see": lambda pit, _: writes_an_ignored_file(pit),
    "ignored packages of a part": lambda pit, _: installs_in_a_part(pit),
    "a variable that checks get": lambda _, patch: patch.setenv("TZ", "Asia/Tokyo"),
    "what CI asks for": lambda _, patch: patch.setenv("CI", "" if os.environ.get("CI") else "1"),
    "the search path": lambda pit, patch: patch.setenv("PATH", f"{pit.root.parent}:{os.environ['PATH']}"),
}


@pytest.mark.parametrize("what", list(CHANGES))
def test_whatever_a_verdict_hangs_on_it_is_not_told_across_a_change_of_it(
    pit: Sandpit, monkeypatch: pytest.MonkeyPatch, what: str
) -> None:
    overlaid = json.loads(rows()[0]["standing"])[2]
    if "ignored" in what and not overlaid:
        assert again(pit), "a mirror shows no ignored files"
        return

    repository = Repository.open(pit.root)
    assert verdict_for(repository, repository.commit("HEAD~1"), repository.head)

    CHANGES[what](pit, monkeypatch)

    repository = Repository.open(pit.root)
    assert verdict_for(repository, repository.commit("HEAD~1"), repository.head) is None


def test_what_is_installed_in_any_ignored_environment_counts(tmp_path: Path) -> None:
    packages = tmp_path / "part" / "env" / "lib" / "python3.11" / "site-packages"
    packages.mkdir(parents=True)
    (tmp_path / "part" / "env" / "pyvenv.cfg").touch()
    before = stamp_of(tmp_path, ["part/env/"])

    (packages / "another.py").touch()

    assert stamp_of(tmp_path, ["part/env/"]) != before


def test_a_program_of_another_version_judges_anew(pit: Sandpit, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(earlier, "this_program", lambda: ["another"])

    assert not again(pit)


def test_another_policy_that_was_asked_for_is_another_question(pit: Sandpit, tmp_path: Path) -> None:
    file = tmp_path / "own.yaml"
    file.write_text(policy())
    assert not again(pit, policy=str(file))
    assert again(pit, policy=str(file))
    file.write_text(policy("{least: static}"))
    assert not again(pit, policy=str(file))
    assert asked(pit, policy="ci-strict").earlier == ""


def test_what_failed_is_looked_at_anew(pit: Sandpit) -> None:
    breaks(pit)

    assert not again(pit)
    assert not again(pit)
    assert asked(pit).failure is Failure.REGRESSION


def test_what_a_weak_change_lacks_it_lacks_again(tmp_path: Path) -> None:
    pit = pit_of(tmp_path, "{least: covered}")
    first = asked(pit)

    second = asked(pit)

    assert (second.earlier, second.failure, second.exit_code) == (first.id, Failure.WEAK, 1)


def test_an_index_is_known_again_and_a_week_later_nothing_is(pit: Sandpit) -> None:
    pit.write("a.txt", "good, staged\n")
    pit.git("add", "a.txt")
    first = asked(pit, "HEAD", INDEX)
    assert asked(pit, "HEAD", INDEX).earlier == first.id

    with sqlite3.connect(places.ledger_file()) as database:
        database.execute("UPDATE judgement SET at = '2020-01-01T00:00:00.000+00:00'")
    assert asked(pit, "HEAD", INDEX).earlier == ""


def test_a_row_that_somebody_spoilt_tells_nothing(pit: Sandpit) -> None:
    with sqlite3.connect(places.ledger_file()) as database:
        database.execute("UPDATE judgement SET report = '{}'")
    assert asked(pit).earlier == ""
    with sqlite3.connect(places.ledger_file()) as database:
        database.execute("UPDATE judgement SET standing = 'x'")
    assert asked(pit).earlier == ""


def test_what_is_installed_while_checks_run_keeps_the_verdict_from_being_told_again(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    tools = tmp_path / "bin"
    tools.mkdir()
    monkeypatch.setenv("PATH", f"{tools}:{os.environ['PATH']}")

    class Installing(list[Event]):
        def append(self, event: Event) -> None:
            (tools / f"tool-{len(self)}").touch()
            super().append(event)

    asked(pit_of(tmp_path), seen=Installing())

    assert rows()[0]["verdict_key"] == ""


def test_a_policy_is_no_device_that_never_ends(pit: Sandpit) -> None:
    repository = Repository.open(pit.root)

    assert verdict_for(repository, repository.commit("HEAD~1"), repository.head, policy="/dev/zero") is None
