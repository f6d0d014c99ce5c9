"""`gate`: what is judged, what blocks, what it is compared with, and what is kept of it."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from gating import asked, breaks, configure, pit_of, policy, rows, without_objects
from sandpit import Sandpit

from route_agent import places
from route_agent.blocking import blocks
from route_agent.errors import PolicyError, RepositoryState, UsageError
from route_agent.gate import INDEX
from route_agent.policy import POLICY_PATH, GateRules, parse_policy
from route_agent.records.checks import IsolationLevel
from route_agent.records.grades import Failure, Grade, Verdict
from route_agent.repo.fetching import pull_request
from route_agent.repo.repository import Repository
from route_agent.repo.upstream import base_for

# --- what is judged ----------------------------------------------------------------------------------------


def test_the_commit_counts_and_not_what_lies_about(tmp_path: Path) -> None:
    pit = pit_of(tmp_path)
    pit.write("a.txt", "bad\n")
    before = pit.state()

    judged = asked(pit)

    assert (judged.verdict, judged.exit_code, judged.grade) == (Verdict.ACCEPTED, 0, Grade.RAN), judged.reason
    assert judged.change.paths == ("a.txt",)
    assert pit.state() == before


def test_the_index_is_what_is_staged_and_nothing_else(tmp_path: Path) -> None:
    pit = pit_of(tmp_path)
    pit.write("a.txt", "bad\n")
    pit.git("add", "a.txt")
    pit.write("a.txt", "good again, and not staged\n")
    before = pit.state()

    refused = asked(pit, "HEAD", INDEX)

    assert (refused.failure, refused.head, refused.target) == (Failure.REGRESSION, "", "the index")
    assert pit.state() == before
    pit.git("add", "a.txt")
    pit.write("a.txt", "bad\n")
    assert asked(pit, "HEAD", INDEX).verdict is Verdict.ACCEPTED


def test_in_gits_own_hook_the_index_is_the_one_that_will_be_committed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """`git commit -a` and `git commit FILE` stage into an index beside the usual one."""
    pit = pit_of(tmp_path)
    pit.write("a.txt", "bad\n")
    hook = pit.root / ".git" / "hooks" / "pre-commit"
    hook.parent.mkdir(exist_ok=True)
    hook.write_text(
        '#!/bin/sh\nprintf %s "$GIT_INDEX_FILE" >.git/named; cp "$GIT_INDEX_FILE" .git/kept; exit 1\n'
    )
    hook.chmod(0o755)
    with pytest.raises(AssertionError):
        pit.git("commit", "--quiet", "-a", "-m", "break it")
    named = pit.root / (pit.root / ".git" / "named").read_text()
    (pit.root / ".git" / "kept").rename(named)
    monkeypatch.setenv("GIT_INDEX_FILE", str(named))

    assert asked(pit, "HEAD", INDEX).failure is Failure.REGRESSION
    monkeypatch.setenv("GIT_INDEX_FILE", ".git/index.lock")
    assert asked(pit, "HEAD", INDEX).failure is Failure.REGRESSION
    other = pit_of(tmp_path / "other")
    assert asked(other, "HEAD", INDEX).reason == "nothing was changed", "a variable about another repository"


def test_an_index_with_unmerged_files_is_no_tree(tmp_path: Path) -> None:
    pit = pit_of(tmp_path)
    pit.git("checkout", "--quiet", "-b", "other", "HEAD~1")
    pit.write("a.txt", "something else\n")
    pit.commit("other")
    with pytest.raises(AssertionError):
        pit.git("merge", "main")

    with pytest.raises(RepositoryState, match="unmerged"):
        asked(pit, "HEAD", INDEX)


# --- what blocks -------------------------------------------------------------------------------------------


@pytest.mark.parametrize("failure", list(Failure))
def test_every_failure_blocks_unless_the_policy_names_it(failure: Failure) -> None:
    assert blocks(failure, GateRules())
    assert not blocks(failure, GateRules(on_error={failure: "allow"}))
    assert not blocks(None, GateRules(on_error={failure: "block"}))


def test_an_allowed_failure_is_told_loudly_and_stays_one(tmp_path: Path) -> None:
    pit = breaks(pit_of(tmp_path, "{on_error: {regression: allow}}"))

    told = pit.run("gate", "--base", "HEAD~1")
    said = pit.run("gate", "--base", "HEAD~1", "--json").json

    assert told.exit_code == 0
    assert "result    not proved, and allowed: unit passed at start, fails now" in told.stdout
    assert "ALLOWED   regression blocks nothing here" in told.stdout
    assert (said["verdict"], said["blocks"], said["failure"], said["exit_code"]) == (
        "not_proved", False, "regression", 0,
    )  # fmt: skip


def test_what_a_change_says_of_itself_allows_nothing(tmp_path: Path) -> None:
    pit = pit_of(tmp_path)
    pit.write(".route-agent/policy.yaml", policy("{on_error: {regression: allow}}"))
    breaks(pit)

    judged = asked(pit)

    assert (judged.blocks, judged.exit_code) == (True, 1)
    assert any("the one at" in it for it in judged.notices)


def test_a_floor_blocks_what_the_policy_allows_and_allows_nothing_itself(tmp_path: Path) -> None:
    pit = breaks(pit_of(tmp_path, "{on_error: {regression: allow, weak: allow}}"))
    configure(floor={"gate": {"on_error": {"regression": "block"}}})

    judged = asked(pit)

    assert judged.exit_code == 1
    assert any("gate.on_error" in it and "by you" in it for it in judged.notices)
    configure(floor={"gate": {"on_error": {"regression": "allow"}}})
    with pytest.raises(UsageError, match="on_error"):
        asked(pit)


def test_a_word_that_is_no_failure_is_refused() -> None:
    with pytest.raises(PolicyError, match=r"gate\.on_error"):
        parse_policy("version: 1\ngate: {on_error: {bad_luck: allow}}", "p.yaml")


@pytest.mark.parametrize(("rule", "code"), [("", 6), ("{on_error: {environment: allow}}", 0)])
def test_checks_that_cannot_run_block_unless_they_are_allowed_to(
    tmp_path: Path, rule: str, code: int
) -> None:
    pit = Sandpit(tmp_path / "pit", policy=policy(rule, check="{name: unit, run: [no-such-program]}"))
    pit.write("calc.py", "x = 1\n")
    pit.commit("change")

    judged = asked(pit)

    assert (judged.verdict, judged.failure, judged.exit_code) == (
        Verdict.ENVIRONMENT, Failure.ENVIRONMENT, code,
    )  # fmt: skip
    assert "no-such-program" in judged.reason
    assert judged.risk.score >= 1  # known all the same
    assert rows()[0]["verdict"] == "environment"


def test_a_project_without_checks_is_not_judged_and_may_be_allowed_to_pass(tmp_path: Path) -> None:
    pit = Sandpit(tmp_path / "pit", policy="version: 1\ngate: {on_error: {environment: allow}}\n")
    pit.write("calc.py", "x = 1\n")
    pit.commit("change")

    judged = asked(pit)

    assert (judged.verdict, judged.blocks) == (Verdict.ENVIRONMENT, False)
    assert judged.reason.startswith("no checks: ")


def test_what_is_below_the_bar_is_weak(tmp_path: Path) -> None:
    judged = asked(pit_of(tmp_path, "{least: covered}"))

    assert (judged.failure, judged.exit_code) == (Failure.WEAK, 1)
    assert "graded ran, covered is asked for" in judged.reason


@pytest.mark.parametrize(("word", "code"), [("block", 5), ("allow", 0)])
def test_a_push_is_held_no_longer_than_the_policy_says(tmp_path: Path, word: str, code: int) -> None:
    slow = '{name: unit, run: [sh, -c, "sleep 30"]}'
    pit = Sandpit(tmp_path / "pit", policy=policy(f"{{deadline_s: 0.5, on_deadline: {word}}}", check=slow))
    pit.write("calc.py", "x = 1\n")
    pit.commit("change")

    judged = asked(pit, held=True)

    assert (judged.verdict, judged.failure, judged.exit_code) == (Verdict.LIMIT, Failure.LIMIT, code)
    assert "gate.deadline_s" in judged.reason
    assert judged.seconds < 15


# --- what it is compared with ------------------------------------------------------------------------------


def bare(pit: Sandpit) -> Path:
    remote = pit.root.parent / "remote.git"
    pit.git("init", "--quiet", "--bare", "--initial-branch=main", str(remote))
    pit.git("remote", "add", "origin", str(remote))
    return remote


def test_without_a_base_the_upstream_counts_and_then_the_default_branch(tmp_path: Path) -> None:
    pit = pit_of(tmp_path)
    repository = Repository.open(pit.root)
    with pytest.raises(UsageError, match="nothing to compare HEAD with"):
        base_for(repository, "HEAD", "origin")
    bare(pit)
    start = pit.git("rev-parse", "HEAD~1").strip()
    pit.git("push", "--quiet", "origin", f"{start}:refs/heads/main")

    assert base_for(repository, "HEAD", "origin") == (start, "the default branch of origin")
    pit.git("branch", "--quiet", "--set-upstream-to=origin/main")
    assert base_for(repository, "HEAD", "origin") == (start, "the upstream of HEAD")
    pit.git("push", "--quiet", "--set-upstream", "origin", "HEAD:refs/heads/topic")
    assert base_for(repository, "HEAD", "origin")[0] == start, "a branch that has it all tells nothing"

    told = pit.run("gate", "--json").json
    assert (told["base"], told["verdict"]) == (start, "accepted")
    assert any(it.startswith("compared with the default branch of origin") for it in told["notices"])


def test_two_things_cannot_be_judged_at_once(tmp_path: Path) -> None:
    done = pit_of(tmp_path).run("gate", "--index", "--pull-request", "3")

    assert (done.exit_code, "--index and --pull-request exclude each other" in done.stderr) == (2, True)


def test_whoever_forks_an_old_commit_chooses_an_old_policy_and_that_is_said(tmp_path: Path) -> None:
    """Else a pull request from before a rule would be judged without it, and nobody would notice."""
    pit = pit_of(tmp_path)
    pit.git("checkout", "--quiet", "-b", "stricter", "HEAD~1")
    pit.write(".route-agent/policy.yaml", policy("{least: discriminating}"))
    tip = pit.commit("be stricter")
    pit.git("checkout", "--quiet", "main")

    old, new = (pit.run("gate", "--base", it, "--json").json for it in ("HEAD~1", "stricter"))

    assert not [it for it in old["notices"] if "has changed" in it]
    told = (
        f"{POLICY_PATH} has changed at {tip[:10]} since the two parted: the one at {new['base'][:10]} counts"
    )
    assert told in "\n".join(new["notices"])
    assert new["earlier"], "also where a verdict is told again"
    named = pit.run("gate", "--base", "stricter", "--policy", POLICY_PATH, "--json").json
    assert not [it for it in named["notices"] if "has changed" in it]


@pytest.fixture
def forge(tmp_path: Path) -> Sandpit:
    """A clone whose remote has a pull request that breaks the check, for a branch that is not the default one."""
    there = pit_of(tmp_path / "there")
    remote = bare(there)
    there.git("push", "--quiet", "origin", "HEAD~1:refs/heads/main", "HEAD:refs/heads/release")
    there.git("checkout", "--quiet", "-b", "topic")
    breaks(there)
    there.git("push", "--quiet", "origin", "HEAD:refs/pull/7/head", "HEAD:refs/merge-requests/8/head")
    there.git("checkout", "--quiet", "main")
    there.git("merge", "--quiet", "--no-ff", "-m", "merge", "topic")
    there.git("push", "--quiet", "origin", "HEAD:refs/pull/7/merge")
    here = Sandpit(tmp_path / "here")
    here.git("remote", "add", "origin", str(remote))
    here.git("fetch", "--quiet", "origin", "main")
    here.git("reset", "--quiet", "--hard", "FETCH_HEAD")
    here.git("config", "--add", "remote.origin.fetch", "+refs/pull/*/head:refs/remotes/origin/pr/*")
    return here


def test_a_pull_request_is_fetched_without_a_trace_and_judged(forge: Sandpit) -> None:
    before = without_objects(forge.state())

    done = forge.run("gate", "--pull-request", "7", "--json")

    assert (done.exit_code, done.json["failure"]) == (1, "regression"), done.stdout + done.stderr
    assert done.json["target"].startswith("pull request 7 of origin, ")
    assert done.json["files"] == ["a.txt"]
    assert without_objects(forge.state()) == before


def test_a_pull_request_is_compared_with_the_branch_that_it_is_for(forge: Sandpit) -> None:
    repository = Repository.open(forge.root)
    listed = (line.split() for line in forge.git("ls-remote", "origin").splitlines())
    tips = {name: commit for commit, name in listed}

    github, gitlab = pull_request(repository, "origin", 7), pull_request(repository, "origin", 8)

    assert (github.head, github.base) == (tips["refs/pull/7/head"], tips["refs/heads/release"])
    assert (gitlab.head, gitlab.base) == (tips["refs/merge-requests/8/head"], tips["refs/heads/main"])
    with pytest.raises(UsageError, match="origin has no pull request 9"):
        pull_request(repository, "origin", 9)
    with pytest.raises(UsageError, match="there is no remote"):
        pull_request(repository, "--upload-pack=touch x", 7)


# --- what is kept ------------------------------------------------------------------------------------------


def test_every_judgement_stands_in_the_ledger_without_secrets(tmp_path: Path) -> None:
    secret = "ghp_" + "A1b2C3d4" * 4 + "E5f6"
    pit = pit_of(tmp_path)
    pit.write(f"{secret}.txt", "bad\n")
    pit.commit(f"use {secret}")

    judged = asked(pit, source="hook")

    (row,) = rows()
    assert (row["id"], row["source"], row["verdict"], row["failure"]) == (
        judged.id, "hook", "not_proved", "regression",
    )  # fmt: skip
    assert (row["exit_code"], row["blocks"], row["author"]) == (1, 1, "t@example.com")
    assert (row["base"], row["head"]) == (judged.base, judged.head)
    assert secret not in json.dumps(row)
    assert json.loads(row["report"])["reason"] == judged.reason


def test_a_ledger_that_takes_nothing_costs_only_that(tmp_path: Path) -> None:
    pit = pit_of(tmp_path)
    places.ledger_file().parent.mkdir(parents=True)
    places.ledger_file().write_text("no database" * 99)

    judged = asked(pit)

    assert judged.verdict is Verdict.ACCEPTED
    assert any(it.startswith("not kept: ") for it in judged.notices)


def test_every_file_that_was_asked_for_is_written_whatever_the_verdict(tmp_path: Path) -> None:
    pit = breaks(pit_of(tmp_path))
    files = {name: tmp_path / f"out.{name}" for name in ("sarif", "junit", "markdown")}

    done = pit.run("gate", "--base=HEAD~1", *(f"--{name}={file}" for name, file in files.items()))

    assert done.exit_code == 1, done.stderr
    assert json.loads(files["sarif"].read_text())["version"] == "2.1.0"
    assert "<testsuite" in files["junit"].read_text()
    assert "not proved" in files["markdown"].read_text().lower()


def test_where_isolation_is_required_and_missing_nothing_runs(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    pit = breaks(pit_of(tmp_path))
    monkeypatch.setenv("PATH", f"{tmp_path}:/nowhere")
    (tmp_path / "git").symlink_to("/usr/bin/git")

    judged = asked(pit, required=IsolationLevel.NAMESPACES)

    assert (judged.verdict, judged.exit_code, judged.baseline) == (Verdict.ENVIRONMENT, 6, None)
