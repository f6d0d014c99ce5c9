"""What was proved once is not run again, and says so; whatever could change it makes it run again."""

from __future__ import annotations

import json
import os
import sys
import time
from collections.abc import Callable
from pathlib import Path

import pytest
from sandpit import ADD, CHECK, Sandpit

from route_agent import places
from route_agent.checks.cache import Cache
from route_agent.policy import parse_policy
from route_agent.records.checks import CheckKind, CheckResult, CheckRun, Isolation, IsolationLevel, Outcome
from route_agent.records.grades import Failure, Grade
from route_agent.records.runs import Evidence
from route_agent.repo.repository import Repository

POLICY = """\
version: 1
checks:
  - {name: unit, kind: test, run: [python3, -c, "%s"], timeout: 60}
""" % CHECK.replace('"', '\\"')  # noqa: UP031 - braces are YAML's here
FIXED = "def add(a, b):\n    return a + b\n\n\ndef twice(a):\n    return a + a\n"


@pytest.fixture
def pit(tmp_path: Path) -> Sandpit:
    made = Sandpit(tmp_path / "pit", policy=POLICY)
    made.write("calc.py", FIXED)
    return made


def verified(pit: Sandpit, *arguments: str, env: dict[str, str] | None = None) -> tuple[str, bool, bool]:
    """The grade, and whether start's checks and the work's come from an earlier run."""
    done = pit.run("verify", "--json", *arguments, env=env)
    assert done.exit_code == 0, done.stdout + done.stderr
    told = done.json
    return (
        told["grade"],
        all(it["cached"] for it in told["baseline"]),
        all(it["cached"] for it in told["checks"]),
    )


def test_an_unchanged_and_proved_tree_costs_no_check_and_the_report_says_so(pit: Sandpit) -> None:
    first, second = (pit.run("verify", "--json").json for _ in range(2))

    assert (first["grade"], second["grade"]) == ("discriminating", "discriminating")
    for results in ("baseline", "checks"):
        assert not any(it["cached"] for it in first[results])
        assert all(it["cached"] for it in second[results])
        # what it took then: to the same fraction of a second, no check takes it twice
        assert [it["seconds"] for it in second[results]] == [it["seconds"] for it in first[results]]

    shown = pit.run("verify").stdout

    assert shown.count("(from an earlier run on this tree)") == 2
    assert "0.0 s (from an earlier run on this tree)" in shown


def test_one_byte_of_the_tree_or_an_uncommitted_file_makes_it_run_again(pit: Sandpit) -> None:
    verified(pit)
    pit.write("calc.py", FIXED + " ")

    assert verified(pit) == ("discriminating", True, False)
    pit.write("new.txt", "")
    assert verified(pit)[2] is False


def test_another_policy_makes_it_run_again(pit: Sandpit, tmp_path: Path) -> None:
    file = tmp_path / "policy.yaml"
    file.write_text(POLICY)
    verified(pit, "--policy", str(file))
    assert verified(pit, "--policy", str(file)) == ("discriminating", True, True)

    for what, old, new in (
        ("a command", "sys.exit(0", "sys.exit( 0"),
        ("a time limit", "timeout: 60", "timeout: 61"),
        ("another section of the policy", "version: 1", "version: 1\nlimits: {max_usd: 0.5}"),
        ("how often flaky tests are run", "version: 1", "version: 1\nflaky: {reruns: 2}"),
    ):
        assert old in POLICY
        file.write_text(POLICY.replace(old, new))

        assert verified(pit, "--policy", str(file)) == ("discriminating", False, False), what


def test_a_task_is_judged_anew_and_the_checks_are_not_run_again_for_it(pit: Sandpit) -> None:
    verified(pit)

    assert verified(pit, "--task", "add must add") == ("discriminating", True, False)
    assert verified(pit, "--task", "add must add")[2] is True
    assert verified(pit, "--task", "add must add, at last")[2] is True  # nothing else is wanted of the checks


def programs(folder: Path) -> tuple[Path, dict[str, str]]:
    """A folder that comes first on the search path, with a python of its own, and no walls to look through."""
    folder.mkdir(parents=True)
    for name, text in (
        ("python3", f'exec {sys.executable} "$@"'),
        ("bwrap", "exit 1"),
        ("unshare", "exit 1"),
    ):
        (folder / name).write_text(f"#!/bin/sh\n{text}\n")
        (folder / name).chmod(0o755)
    # in CI nothing is checked without walls
    return folder / "python3", {"PATH": f"{folder}{os.pathsep}{os.environ['PATH']}", "CI": ""}


def test_another_python_on_the_path_makes_it_run_again(pit: Sandpit, tmp_path: Path) -> None:
    program, env = programs(tmp_path / "bin")
    verified(pit, env=env)
    assert verified(pit, env=env) == ("discriminating", True, True)

    program.write_text(program.read_text() + "\n")

    assert verified(pit, env=env) == ("discriminating", False, False)
    _, other = programs(tmp_path / "other")
    assert verified(pit, env=other)[1:] == (False, False)  # and so does another search path


def test_an_installation_beside_the_python_makes_it_run_again(pit: Sandpit, tmp_path: Path) -> None:
    packages = tmp_path / "prefix" / "lib" / "python3.11" / "site-packages"
    packages.mkdir(parents=True)
    _, env = programs(tmp_path / "prefix" / "bin")
    verified(pit, env=env)
    assert verified(pit, env=env)[1:] == (True, True)

    (packages / "thing-1.0.dist-info").mkdir()

    assert verified(pit, env=env)[1:] == (False, False)


def test_another_isolation_level_makes_it_run_again(pit: Sandpit, tmp_path: Path) -> None:
    folder = tmp_path / "bin"
    _, env = programs(folder)
    (folder / "python3").unlink()
    first = pit.run("verify", "--json").json
    if first["isolation"]["level"] != "namespaces":
        pytest.skip("there is only one level here")

    second, third = (pit.run("verify", "--json", env=env).json for _ in range(2))

    assert second["isolation"]["level"] == "none"
    assert [told["checks"][0]["cached"] for told in (first, second, third)] == [False, False, True]


def test_the_hook_finds_what_verify_has_proved(pit: Sandpit) -> None:
    assert verified(pit) == ("discriminating", False, False)
    pit.commit("add adds")

    told = pit.run("gate", "--base", "HEAD~1", "--json").json

    assert [it["cached"] for it in (*told["baseline"], *told["checks"])] == [True, True]
    assert told["grade"] == "discriminating"


def test_a_tree_that_was_all_green_is_a_known_start(pit: Sandpit) -> None:
    verified(pit)
    pit.commit("add adds")
    pit.write("calc.py", FIXED + "\n\ndef third(a):\n    return a / 3\n")

    assert verified(pit)[1:] == (True, False)


def test_what_failed_is_looked_at_again(pit: Sandpit) -> None:
    pit.write("calc.py", FIXED)
    pit.commit("add adds")
    pit.write("calc.py", FIXED.replace("a + b", "a - b"))

    first, second = (pit.run("verify", "--json") for _ in range(2))

    assert (first.exit_code, second.exit_code) == (1, 1)
    assert [it["cached"] for it in second.json["checks"]] == [False]


def test_explain_knows_what_was_red_at_start(pit: Sandpit) -> None:
    def failures() -> int | None:
        signals = pit.run("explain", "--task", "fix add", "--json").json["risk"]["signals"]
        value: int | None = next(it["value"] for it in signals if it["name"] == "test_failures")
        return value

    verified(pit)
    pit.write("calc.py", ADD)

    assert failures() == 1
    pit.write("calc.py", FIXED + " ")
    assert failures() is None  # nobody ran them on that tree


# --- what is stored ---


@pytest.fixture
def here(pit: Sandpit) -> Callable[..., Cache]:
    repository = Repository.open(pit.root)
    policy = parse_policy(POLICY, "policy.yaml")
    return lambda level="none", **more: Cache(repository, Isolation(IsolationLevel(level)), policy, **more)


def run(outcome: Outcome = Outcome.PASSED, code: int | None = 0, **more: object) -> CheckRun:
    result = CheckResult("unit", CheckKind.TEST, outcome, "", code, 61.5, **more)  # type: ignore[arg-type]
    return CheckRun("tree", (result,), Isolation(IsolationLevel.NONE), 62.0)


def test_a_stored_run_says_that_it_is_one_and_not_that_it_took_so_long(here: Callable[..., Cache]) -> None:
    here().start("tree").keep_run(run(tests={"t.py::a": "passed"}, flaky=("t.py::b",)))

    found = here().start("tree").run()

    assert found is not None
    assert (found.cached, found.results[0].seconds) == (True, 61.5)
    assert found.seconds != 62.0
    assert (found.results[0].tests, found.results[0].flaky) == ({"t.py::a": "passed"}, ("t.py::b",))


@pytest.mark.parametrize(
    ("outcome", "code"),
    [
        pytest.param(Outcome.FAILED, None, id="killed"),
        pytest.param(Outcome.NOT_RUN, None, id="not run"),
        pytest.param(Outcome.NOT_RUN, 0, id="told nothing"),
    ],
)
def test_what_did_not_come_to_its_own_end_is_never_kept(
    here: Callable[..., Cache], outcome: Outcome, code: int | None
) -> None:
    broken = run(outcome, code)
    here().start("tree").keep_run(broken)
    here().entry("proof").keep_proof(Evidence(broken, Grade.RAN))

    assert here().start("tree").run() is None
    assert here().entry("proof").proof() is None


def test_evidence_comes_back_as_it_was_and_doubtful_evidence_does_not(here: Callable[..., Cache]) -> None:
    good = Evidence(run(), Grade.COVERED, None, ("because",), pre_existing=("unit::x",))
    here().entry("good").keep_proof(good)
    here().entry("bad").keep_proof(Evidence(run(), Grade.NONE, Failure.REGRESSION))
    here().entry("flaky").keep_proof(Evidence(run(), Grade.RAN, flaky=("unit::x",)))

    found = here().entry("good").proof()

    assert found is not None
    assert found.checks.cached
    assert (found.grade, found.reasons, found.known) == (good.grade, good.reasons, good.known)
    assert here().entry("bad").proof() is None
    assert here().entry("flaky").proof() is None


def test_trust_surroundings_and_level_are_part_of_the_key(here: Callable[..., Cache]) -> None:
    here().start("tree").keep_run(run())

    assert here().start("tree").run()
    assert here("namespaces").start("tree").run() is None
    assert here(trusted=frozenset({"unit"})).start("tree").run() is None
    assert here(surroundings="overlay").start("tree").run() is None
    assert here().start("other").run() is None


def test_nothing_is_kept_for_surroundings_that_changed_while_it_ran(
    here: Callable[..., Cache], monkeypatch: pytest.MonkeyPatch
) -> None:
    entry = here().start("tree")
    with monkeypatch.context() as meanwhile:
        meanwhile.setenv("LANG", "tlh_QO")
        entry.keep_run(run())

        assert here().start("tree").run() is None
    assert here().start("tree").run() is None


def test_secrets_are_not_stored(here: Callable[..., Cache], pit: Sandpit) -> None:
    secret = "ghp_" + "a1B2" * 9
    here().start("tree").keep_run(run(output=f"token {secret}"))
    here().entry("proof").keep_proof(Evidence(run(output=secret), Grade.RAN, None, (secret,)))

    folder = places.repository_cache(Repository.open(pit.root).git_dir) / "results"

    files = [*folder.glob("*.json")]
    assert len(files) == 2
    assert not any(secret in file.read_text() for file in files)
    assert all(file.stat().st_mode & 0o077 == 0 or folder.stat().st_mode & 0o077 == 0 for file in files)


def test_old_and_broken_files_are_as_if_they_were_not_there(here: Callable[..., Cache]) -> None:
    entry = here().start("tree")
    entry.keep_run(run())
    kept = entry.file.read_text()

    for broken in ("", "{", "[]", json.dumps({"tree": 1}), kept[:-2]):
        entry.file.write_text(broken)
        assert entry.run() is None
    entry.file.write_text(kept)
    assert entry.run()
    long_ago = time.time() - 8 * 24 * 3600
    os.utime(entry.file, (long_ago, long_ago))
    assert entry.run() is None
