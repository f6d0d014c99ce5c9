"""`route-agent ask`: a patch from data alone. Nothing of the repository is run, and so nothing is proved."""

from __future__ import annotations

from pathlib import Path

import pytest
from loopback import Fault, Loopback, Reply
from sandpit import ADD, FIX, POLICY, Result, Sandpit, provider_env, replies

HOSTILE = FIX.replace("a/calc.py", "a/.git/hooks/post-checkout").replace(
    "b/calc.py", "b/.git/hooks/post-checkout"
)
AGENT = (
    POLICY.replace(
        "fast: {provider: openai, model: small-1}",
        "fast: {provider: openai, model: small-1}\n  fixer: {provider: fixer, run: [[sh, -c, 'touch ran']]}",
    )
    + "routing: {ladder: [fixer, fast, strong]}\n"
)


@pytest.fixture
def pit(tmp_path: Path) -> Sandpit:
    return Sandpit(tmp_path / "work")


def ask(pit: Sandpit, reply: str, *more: str) -> Result:
    file = replies(pit.root.parent, ("fast", reply))
    given = ("--task", "sums must be right", "--replay", str(file), "--out", "../patch.diff")
    return pit.run("ask", *given, *more)


def test_the_patch_is_written_and_told_to_be_unproved(pit: Sandpit) -> None:
    before = pit.state()

    done = ask(pit, FIX)

    assert done.exit_code == 0, done.stderr
    assert "asked     fast recorded" in done.stdout
    assert "result    not proved: only asked: nothing was run, so nothing is proved" in done.stdout
    assert pit.state() == before
    pit.git("apply", "../patch.diff")
    assert "return a + b" in (pit.root / "calc.py").read_text()
    told = pit.run("show", "--json").json
    assert (told["verdict"], told["exit_code"]) == ("not_proved", 1)
    assert (told["baseline"], told["attempts"], told["patch_path"]) == ([], [], None)


def test_the_object_says_what_there_is_to_judge(pit: Sandpit) -> None:
    told = ask(pit, FIX, "--json").json

    assert {name: told[name] for name in ("verdict", "exit_code", "lane", "files", "patch", "cost_usd")} == {
        "verdict": "not_proved",
        "exit_code": 0,
        "lane": "fast",
        "files": ["calc.py"],
        "patch": "../patch.diff",
        "cost_usd": 0.0,
    }


@pytest.mark.parametrize(("reply", "code"), [("I would rather not.", 1), (HOSTILE, 4)])
def test_a_reply_without_a_good_patch_leaves_no_file(pit: Sandpit, reply: str, code: int) -> None:
    done = ask(pit, reply)

    assert done.exit_code == code, done.stderr
    assert not (pit.root.parent / "patch.diff").exists()


def test_the_commit_is_asked_about_and_neither_its_policy_nor_the_dirty_tree(
    tmp_path: Path,
) -> None:
    pit = Sandpit(tmp_path / "work", {"calc.py": ADD.replace("a - b", "a + b")})
    pit.git("switch", "--quiet", "--create", "change")
    pit.write("calc.py", ADD)
    pit.write(".route-agent/policy.yaml", POLICY.replace("small-1", "their-own-model"))
    head = pit.commit("worse")
    pit.git("switch", "--quiet", "main")
    pit.write("calc.py", "not even Python")
    with Loopback() as server:
        server.script("small-1", Reply(FIX))
        done = pit.run(
            "ask", "--task", "sums must be right", "--base", "main", "--head", head, "--out", "../patch.diff",
            env=provider_env(pit, server),
        )  # fmt: skip
        assert server.calls == [("openai", "small-1")]
        sent = str(server.requests[0].body)

    assert done.exit_code == 0, done.stderr
    assert "return a - b" in sent
    assert "not even Python" not in sent
    assert "the one at" in done.stdout, "it is told that the change's own policy does not count"
    assert "cost_usd_estimate: 0.0016" in done.stdout
    assert (pit.root / "calc.py").read_text() == "not even Python"


def test_a_lane_that_runs_commands_is_not_asked(tmp_path: Path) -> None:
    pit = Sandpit(tmp_path / "work", policy=AGENT)

    by_itself = ask(pit, FIX)
    on_purpose = ask(pit, FIX, "--lane", "fixer")

    assert (by_itself.exit_code, "asked     fast" in by_itself.stdout) == (0, True), by_itself.stderr
    assert "asked     fast" in on_purpose.stdout, on_purpose.stderr
    assert "note      fixer skipped: it runs commands, and here nothing is run" in on_purpose.stdout
    assert not list(tmp_path.rglob("ran"))


def test_a_provider_that_cannot_be_reached_is_told(pit: Sandpit) -> None:
    with Loopback() as server:
        server.script("small-1", Fault.status(401))
        done = pit.run(
            "ask", "--task", "sums must be right", "--out", "../patch.diff", env=provider_env(pit, server)
        )

    assert done.exit_code == 3
    assert "result    provider unavailable" in done.stdout
    assert not (pit.root.parent / "patch.diff").exists()


def test_a_file_that_cannot_be_written_is_told_with_what_was_spent_kept(pit: Sandpit) -> None:
    done = ask(pit, FIX, "--out", "missing/patch.diff")

    assert done.exit_code == 6
    assert "missing/patch.diff cannot be written" in done.stderr
    assert len(pit.run("ledger", "--json").json["runs"]) == 1
