"""What became of a patch: people say it, or git's history shows it, whatever was done to that history."""

from __future__ import annotations

import subprocess
from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from sandpit import FIX, Sandpit, replies

from route_agent import places
from route_agent.landing import touched
from route_agent.learning import Finding, learn
from route_agent.ledger.receptions import Receptions
from route_agent.ledger.store import Ledger, now
from route_agent.records.checks import Isolation, IsolationLevel
from route_agent.records.grades import Failure, Verdict
from route_agent.records.receptions import LaneReception, Received, Reception, Source
from route_agent.records.runs import Attempt, Run, written_form
from route_agent.retries import is_the_same, words_of

OLD = "".join(f"value_{number} = compute({number})\n" for number in range(12))
NEW = OLD.replace("compute(3)", "compute_three(3)").replace("compute(7)", "compute_seven(7)") + (
    "\n\ndef helper_one(argument):\n    return argument + 1\n\n\ndef helper_two(argument):\n    return argument * 2  # (twice?) [it] is\n"
)
HALF = NEW.replace("argument + 1", "argument + 100").replace("argument * 2", "argument * 200")
TELLING = 6  # the lines that the patch adds, without blank ones


def a_run(run_id: str, root: Path | str, patch: str, **other: object) -> Run:
    run = Run(
        id=run_id,
        started_at=(datetime.now(UTC) - timedelta(seconds=200)).isoformat(timespec="milliseconds"),
        repository=str(root),
        brief=f"task {run_id}",
        base="1" * 40,
        start="2" * 40,
        verdict=Verdict.ACCEPTED,
        reason="accepted",
        isolation=Isolation(IsolationLevel.NONE),
        attempts=(Attempt("fast", "p", "m", patch=patch),),
    )
    return replace(run, **other)  # type: ignore[arg-type]


def keep(ledger: Ledger, run: Run) -> Run:
    """Write a run down as the program does; attempts as well."""
    ledger.begin(run, forced_lane=run.forced_lane)
    for number, attempt in enumerate(run.attempts, 1):
        ledger.add_attempt(run.id, number, attempt)
    ledger.finish(run, written_form().dump_json(run).decode())
    return run


@pytest.fixture
def ledger(tmp_path: Path) -> Receptions:
    return Receptions(tmp_path / "state" / "ledger.sqlite3")


@pytest.fixture(scope="module")
def template(tmp_path_factory: pytest.TempPathFactory) -> Path:
    root = tmp_path_factory.mktemp("history") / "pit"
    Sandpit(root, files={"src/values.py": OLD, "other.py": "x = 1\n"}, policy=None)
    return root


@pytest.fixture
def pit(template: Path, tmp_path: Path) -> Sandpit:
    """A repository of one commit, with a file that a patch changes."""
    subprocess.run(["cp", "-r", str(template), str(tmp_path / "pit")], check=True)
    pit = object.__new__(Sandpit)
    pit.root = tmp_path / "pit"
    return pit


def diff(pit: Sandpit, name: str = "src/values.py", new: str = NEW) -> str:
    """What the patch is, as the program would have saved it; the file is as before again."""
    old = (pit.root / name).read_text() if (pit.root / name).exists() else None
    pit.write(name, new)
    pit.git("--literal-pathspecs", "add", "-N", "--", name)
    told = pit.git("--literal-pathspecs", "diff", "--binary", "--full-index", "--no-renames", "--", name)
    pit.git("reset", "--quiet")
    if old is None:
        (pit.root / name).unlink()
    else:
        pit.write(name, old)
    return told


def look(ledger: Receptions, pit: Sandpit | Path, days: float = 7, after: float = 8) -> dict[str, Finding]:
    """What git says so many days later."""
    root = pit.root if isinstance(pit, Sandpit) else pit
    found = learn(ledger, root, days, at=datetime.now(UTC) + timedelta(days=after))
    return {it.run_id: it for it in found.findings}


def go_on(pit: Sandpit) -> None:
    pit.write("other.py", (pit.root / "other.py").read_text() + "y = 2\n")
    pit.commit("something else")


# --- what a history can do to a patch -----------------------------------------------------------------------


def merged_as_it_was(pit: Sandpit) -> None:
    pit.write("src/values.py", NEW)
    pit.commit("take it")


def merged_by_our_own_commit(pit: Sandpit) -> None:
    pit.write("src/values.py", NEW)
    pit.commit("helpers\n\nRoute-Agent-Run: aaaaaa")


def squashed_with_other_work(pit: Sandpit) -> None:
    pit.git("checkout", "-q", "-b", "topic")
    merged_by_our_own_commit(pit)
    go_on(pit)
    pit.git("checkout", "-q", "main")
    pit.git("merge", "-q", "--squash", "topic")
    pit.commit("topic in one")
    pit.git("branch", "-q", "-D", "topic")


def rebased(pit: Sandpit) -> None:
    pit.git("checkout", "-q", "-b", "topic")
    merged_as_it_was(pit)
    pit.git("checkout", "-q", "main")
    go_on(pit)
    pit.git("checkout", "-q", "topic")
    pit.git("rebase", "-q", "main")
    pit.git("checkout", "-q", "main")
    pit.git("merge", "-q", "--ff-only", "topic")


def merged_with_a_merge_commit(pit: Sandpit) -> None:
    pit.git("checkout", "-q", "-b", "topic")
    merged_as_it_was(pit)
    pit.git("checkout", "-q", "main")
    go_on(pit)
    pit.git("merge", "-q", "--no-edit", "topic")


def in_two_commits(pit: Sandpit) -> None:
    pit.write("src/values.py", NEW.partition("\n\ndef helper_two")[0] + "\n")
    pit.commit("one half")
    merged_as_it_was(pit)


def with_other_indents(pit: Sandpit) -> None:
    pit.write("src/values.py", NEW.replace("    return", "\treturn").replace("\n", "\r\n"))
    pit.commit("by tabs")


def in_a_file_without_diffs(pit: Sandpit) -> None:
    pit.write(".gitattributes", "*.py -diff\n")
    merged_as_it_was(pit)
    go_on(pit)


def history_written_anew(pit: Sandpit) -> None:
    merged_as_it_was(pit)
    tree = pit.git("rev-parse", "HEAD^{tree}").strip()
    before = pit.git("rev-parse", "HEAD~1^{tree}").strip()
    root = pit.git("commit-tree", before, "-m", "another root").strip()
    pit.git("reset", "-q", "--hard", pit.git("commit-tree", tree, "-p", root, "-m", "anew").strip())
    pit.git("reflog", "expire", "--expire=now", "--all")
    pit.git("gc", "-q", "--prune=now")


def file_renamed_later(pit: Sandpit) -> None:
    merged_as_it_was(pit)
    pit.git("mv", "src/values.py", "renamed values.py")
    pit.commit("another name")


def file_renamed_before(pit: Sandpit) -> None:
    pit.git("mv", "src/values.py", "moved.py")
    pit.commit("another name")
    pit.write("moved.py", NEW)
    pit.commit("take it there")


@pytest.mark.parametrize(
    "happens",
    [
        merged_as_it_was,
        merged_by_our_own_commit,
        squashed_with_other_work,
        rebased,
        merged_with_a_merge_commit,
        in_two_commits,
        with_other_indents,
        in_a_file_without_diffs,
        history_written_anew,
        file_renamed_later,
        file_renamed_before,
    ],
    ids=lambda it: it.__name__,
)
def test_a_patch_that_was_merged_as_it_was_is_known_again(
    ledger: Receptions, pit: Sandpit, happens: Callable[[Sandpit], None]
) -> None:
    base = pit.git("rev-parse", "HEAD").strip()
    keep(ledger, a_run("aaaaaa", pit.root, diff(pit), base=base))
    happens(pit)

    found = look(ledger, pit)["aaaaaa"]

    assert (found.outcome, found.lines, found.surviving) == (Received.ACCEPT, TELLING, TELLING), found.why
    assert [(it.source, it.outcome) for it in ledger.words("aaaaaa")] == [(Source.GIT, Received.ACCEPT)]


def changed_before_the_commit(pit: Sandpit) -> None:
    pit.write("src/values.py", HALF)
    pit.commit("with other numbers")


def kept_what_it_removed(pit: Sandpit) -> None:
    pit.write("src/values.py", NEW + "value_3 = compute(3)\nvalue_7 = compute(7)\n")
    pit.commit("both")


def changed_much_in_our_own_commit(pit: Sandpit) -> None:
    pit.write("src/values.py", OLD + "\n\ndef helper_one(argument):\n    return 0\n")
    pit.commit("mine\n\nRoute-Agent-Run: aaaaaa")


@pytest.mark.parametrize(
    ("happens", "surviving"),
    [(changed_before_the_commit, 4), (kept_what_it_removed, 6), (changed_much_in_our_own_commit, 1)],
    ids=lambda it: getattr(it, "__name__", str(it)),
)
def test_a_patch_that_was_changed_is_amended(
    ledger: Receptions, pit: Sandpit, happens: Callable[[Sandpit], None], surviving: int
) -> None:
    keep(ledger, a_run("aaaaaa", pit.root, diff(pit)))
    happens(pit)

    found = look(ledger, pit)["aaaaaa"]

    assert (found.outcome, found.surviving) == (Received.AMEND, surviving), found.why


def git_revert(pit: Sandpit) -> None:
    merged_as_it_was(pit)
    go_on(pit)
    pit.git("revert", "--no-edit", "HEAD~1")


def taken_back_without_a_word(pit: Sandpit) -> None:
    merged_as_it_was(pit)
    pit.write("src/values.py", OLD)
    pit.commit("cleaning up")


def revert_of_a_rebased_commit(pit: Sandpit) -> None:
    merged_as_it_was(pit)
    pit.write("src/values.py", OLD)
    pit.commit(f'Revert "take it"\n\nThis reverts commit {"7" * 40}.')


@pytest.mark.parametrize(
    "happens", [git_revert, taken_back_without_a_word, revert_of_a_rebased_commit], ids=lambda it: it.__name__
)
def test_a_patch_that_was_taken_back_is_reverted(
    ledger: Receptions, pit: Sandpit, happens: Callable[[Sandpit], None]
) -> None:
    keep(ledger, a_run("aaaaaa", pit.root, diff(pit)))
    happens(pit)

    found = look(ledger, pit)["aaaaaa"]

    assert (found.outcome, found.surviving) == (Received.REVERT, 0), found.why


def revert_reverted(pit: Sandpit) -> None:
    git_revert(pit)
    pit.git("revert", "--no-edit", "HEAD")


def landed_again(pit: Sandpit) -> None:
    git_revert(pit)
    pit.write("src/values.py", NEW)
    pit.commit("after all")


def moved_to_another_file(pit: Sandpit) -> None:
    pit.write("src/extra.py", "def added_one():\n    return 'one'\n\n\ndef added_two():\n    return 'two'\n")
    pit.commit("take it")
    pit.write("other.py", (pit.root / "other.py").read_text() + (pit.root / "src/extra.py").read_text())
    (pit.root / "src/extra.py").unlink()
    pit.commit("everything to its home")


def came_back_and_was_rewritten(pit: Sandpit) -> None:
    revert_reverted(pit)
    one = NEW.replace("helper_one", "other_one").replace("argument + 1", "argument + 7").replace("three", "3")
    for text in (one, one.replace("helper_two", "other_two").replace("* 2", "* 7").replace("seven", "7")):
        pit.write("src/values.py", text)
        pit.commit("later work")


def test_a_revert_that_was_taken_back_is_not_why_lines_are_gone(ledger: Receptions, pit: Sandpit) -> None:
    keep(ledger, a_run("aaaaaa", pit.root, diff(pit)))
    came_back_and_was_rewritten(pit)

    found = look(ledger, pit)["aaaaaa"]

    assert (found.outcome, found.surviving) == (Received.ACCEPT, 0)


@pytest.mark.parametrize("happens", [revert_reverted, landed_again], ids=lambda it: it.__name__)
def test_a_patch_that_came_back_stands(
    ledger: Receptions, pit: Sandpit, happens: Callable[[Sandpit], None]
) -> None:
    keep(ledger, a_run("aaaaaa", pit.root, diff(pit)))
    happens(pit)

    found = look(ledger, pit)["aaaaaa"]

    assert (found.outcome, found.surviving) == (Received.ACCEPT, TELLING)


def test_lines_that_moved_to_another_file_are_not_taken_back(ledger: Receptions, pit: Sandpit) -> None:
    text = "def added_one():\n    return 'one'\n\n\ndef added_two():\n    return 'two'\n"
    keep(ledger, a_run("aaaaaa", pit.root, diff(pit, "src/extra.py", text)))
    moved_to_another_file(pit)

    found = look(ledger, pit)["aaaaaa"]

    assert (found.outcome, found.surviving) == (Received.ACCEPT, 4)


# --- what is not merged --------------------------------------------------------------------------------------


def not_at_all(pit: Sandpit) -> None:
    go_on(pit)


def nothing_happened(pit: Sandpit) -> None:
    pass


def on_a_branch(pit: Sandpit) -> None:
    pit.git("checkout", "-q", "-b", "topic")
    merged_as_it_was(pit)
    pit.git("checkout", "-q", "main")
    go_on(pit)


def a_part_of_it(pit: Sandpit) -> None:
    pit.write("src/values.py", OLD + "\n\ndef helper_one(argument):\n    return argument + 1\n")
    pit.commit("what we need of it")


def in_the_working_tree(pit: Sandpit) -> None:
    go_on(pit)
    pit.write("src/values.py", NEW)


def a_liar(pit: Sandpit) -> None:
    """Another's message claims it, and holds a whole diff; its own change is another."""
    go_on(pit)
    pit.write("src/values.py", OLD + "unrelated_line = True\n")
    pit.commit(f"no\n\nRoute-Agent-Run: aaaaaa\n\n{diff(pit)}")


@pytest.mark.parametrize(
    ("happens", "outcome", "why"),
    [
        (not_at_all, Received.REJECT, "not in the history after 8 days"),
        (a_liar, Received.REJECT, "not in the history"),
        (nothing_happened, None, "nothing was committed here since"),
        (on_a_branch, None, "another branch"),
        (in_the_working_tree, None, "working tree"),
        (a_part_of_it, None, "less than half of its lines came"),
    ],
    ids=lambda it: getattr(it, "__name__", ""),
)
def test_what_was_not_merged_is_rejected_only_where_the_others_went_on_without_it(
    ledger: Receptions, pit: Sandpit, happens: Callable[[Sandpit], None], outcome: Received | None, why: str
) -> None:
    start = datetime.now(UTC) + (
        timedelta(seconds=5) if happens is nothing_happened else timedelta(seconds=-200)
    )
    started = start.isoformat(timespec="milliseconds")
    keep(ledger, a_run("aaaaaa", pit.root, diff(pit), started_at=started))
    happens(pit)

    found = look(ledger, pit)["aaaaaa"]

    assert (found.outcome, found.surviving) == (outcome, None)
    assert why in found.why
    assert len(ledger.words()) == (1 if outcome else 0)


def test_one_merge_is_not_counted_for_two_runs_with_the_same_lines(ledger: Receptions, pit: Sandpit) -> None:
    patch = diff(pit)
    earlier = (datetime.now(UTC) - timedelta(seconds=900)).isoformat(timespec="milliseconds")
    keep(ledger, a_run("aaaaaa", pit.root, patch, started_at=earlier))
    keep(ledger, a_run("bbbbbb", pit.root, patch))
    merged_as_it_was(pit)

    found = look(ledger, pit)

    assert found["bbbbbb"].outcome is Received.ACCEPT
    assert (found["aaaaaa"].outcome, "run bbbbbb" in found["aaaaaa"].why) == (None, True)


def test_the_run_that_a_commit_names_is_the_one_that_was_merged(ledger: Receptions, pit: Sandpit) -> None:
    patch = diff(pit)
    keep(ledger, a_run("aaaaaa", pit.root, patch))
    keep(ledger, a_run("bbbbbb", pit.root, patch))
    merged_by_our_own_commit(pit)

    found = look(ledger, pit)

    assert (found["aaaaaa"].outcome, found["bbbbbb"].outcome) == (Received.ACCEPT, None)


def test_a_shallow_clone_knows_nothing_of_what_was_before_it(
    ledger: Receptions, pit: Sandpit, tmp_path: Path
) -> None:
    patch = diff(pit)
    merged_as_it_was(pit)
    go_on(pit)
    shallow = tmp_path / "shallow"
    pit.git("clone", "-q", "--depth", "1", f"file://{pit.root}", str(shallow))
    keep(ledger, a_run("aaaaaa", shallow, patch))

    found = look(ledger, shallow)["aaaaaa"]

    assert (found.outcome, "shallow clone" in found.why) == (None, True)


def test_another_checkout_is_believed_only_in_what_it_has(
    ledger: Receptions, pit: Sandpit, tmp_path: Path
) -> None:
    base = pit.git("rev-parse", "HEAD").strip()
    keep(ledger, a_run("aaaaaa", "/home/runner/work/pit", diff(pit), base=base))
    keep(
        ledger,
        a_run("bbbbbb", "/home/runner/work/pit", diff(pit, "new.py", "never_there = True\n"), base=base),
    )
    keep(ledger, a_run("cccccc", "/somewhere/else", diff(pit)))
    merged_as_it_was(pit)

    found = look(ledger, pit)

    assert {name: it.outcome for name, it in found.items()} == {"aaaaaa": Received.ACCEPT, "bbbbbb": None}


@pytest.mark.parametrize(
    "name", ['odd "quoted" \\ name.py', "-o --help.py", ":(top)odd.py", "tab\tand ümlaut.py", "a -> b.py"]
)
def test_odd_file_names_are_only_names(ledger: Receptions, pit: Sandpit, name: str) -> None:
    text = "some_value = 'one'\nanother_value = 'two'\nthird_value = 'three'\n"
    keep(ledger, a_run("aaaaaa", pit.root, diff(pit, name, text)))
    pit.write(name, text)
    pit.commit("odd")

    assert look(ledger, pit)["aaaaaa"].outcome is Received.ACCEPT


def test_many_files_of_other_patches_hide_none(ledger: Receptions, pit: Sandpit) -> None:
    form = "diff --git a/{0} b/{0}\n--- a/{0}\n+++ b/{0}\n@@ -0,0 +1 @@\n+some_value = 1\n"
    for run_id, count in (("aaaaaa", 400), ("bbbbbb", 401)):
        keep(ledger, a_run(run_id, pit.root, "".join(form.format(f"f{it}.py") for it in range(count))))
    keep(ledger, a_run("cccccc", pit.root, form.format("x.py") + form.format("y.py")))
    for name in ("x.py", "y.py"):
        pit.write(name, "some_value = 1\n")
    pit.commit("take it")

    found = look(ledger, pit)

    assert [found[it * 6].outcome for it in "abc"] == [Received.REJECT, None, Received.ACCEPT]
    assert found["bbbbbb"].why == "it touches 401 files"


def test_a_patch_that_leads_outside_is_not_looked_for(ledger: Receptions, pit: Sandpit) -> None:
    outside = diff(pit).replace("src/values.py", "../../etc/passwd")
    odd = diff(pit).replace("a/src/values.py", '"a/line\\nbreak"').replace("b/src/values.py", '"b/nul\\000"')
    keep(ledger, a_run("aaaaaa", pit.root, outside))
    keep(ledger, a_run("bbbbbb", pit.root, odd))
    keep(ledger, a_run("cccccc", pit.root, "no diff at all"))
    go_on(pit)

    assert {it.outcome for it in look(ledger, pit).values()} == {None}


def sign(pit: Sandpit) -> None:
    """HEAD again, with a signature that git would have a program look at."""
    head, _, message = pit.git("cat-file", "commit", "HEAD").partition("\n\n")
    mark = "-----{} PGP SIGNATURE-----"
    pit.write(".git/signed", f"{head}\ngpgsig {mark.format('BEGIN')}\n x\n {mark.format('END')}\n\n{message}")
    made = pit.git("hash-object", "-t", "commit", "-w", ".git/signed").strip()
    pit.git("update-ref", "HEAD", made)


def test_a_look_changes_nothing_in_the_repository_and_runs_nothing(
    ledger: Receptions, pit: Sandpit, tmp_path: Path
) -> None:
    mark = tmp_path / "mark"
    keep(ledger, a_run("aaaaaa", pit.root, diff(pit)))
    file_renamed_later(pit)
    pit.write(".git/info/attributes", "*.py diff=trap\n")
    for name in ("diff.trap.textconv", "diff.trap.command", "diff.external", "core.fsmonitor", "core.pager"):
        pit.git("config", name, f"sh -c 'touch {mark}; cat'")
    sign(pit)
    gpg = tmp_path / "gpg"
    gpg.write_text(f"#!/bin/sh\ntouch {mark}\n")
    gpg.chmod(0o755)
    pit.git("config", "gpg.program", str(gpg))
    for name, value in (("diff.noprefix", "true"), ("log.showSignature", "true"), ("diff.renames", "copies")):
        pit.git("config", name, value)
    before = pit.state()

    found = look(ledger, pit)["aaaaaa"]

    assert (found.outcome, found.surviving) == (Received.ACCEPT, TELLING)
    assert pit.state() == before
    assert not mark.exists()


def test_a_history_that_takes_too_long_is_unknown(ledger: Receptions, pit: Sandpit) -> None:
    keep(ledger, a_run("aaaaaa", pit.root, diff(pit)))
    go_on(pit)

    late = learn(ledger, pit.root, 7, deadline_s=0.0, at=datetime.now(UTC) + timedelta(days=8))

    assert [(it.outcome, "in time" in it.why) for it in late.findings] == [(None, True)]


def test_git_says_a_thing_once_and_again_only_when_it_changed(ledger: Receptions, pit: Sandpit) -> None:
    keep(ledger, a_run("aaaaaa", pit.root, diff(pit)))
    merged_as_it_was(pit)

    assert look(ledger, pit, after=3) == {}
    for _ in range(2):
        look(ledger, pit)
    pit.write("src/values.py", NEW.replace("argument + 1", "argument + 9"))
    pit.commit("later work")
    look(ledger, pit, after=30)
    pit.git("revert", "--no-edit", "HEAD~1..HEAD")
    pit.write("src/values.py", OLD)
    pit.commit("no")
    look(ledger, pit, after=31)

    told = [(it.outcome, it.surviving) for it in ledger.words("aaaaaa")]
    assert told == [(Received.ACCEPT, 6), (Received.ACCEPT, 5), (Received.REVERT, 0)]


def test_blank_lines_and_brackets_tell_nothing() -> None:
    found = touched(
        "diff --git a/x b/x\n--- a/x\n+++ b/x\n@@ -1,1 +1,4 @@\n-}\n+\n+}\n+  );\n+  real_line()\n"
    )

    assert (dict(found.added), dict(found.removed)) == ({("x", "real_line()"): 1}, {})


# --- what people say -----------------------------------------------------------------------------------------


def said(outcome: Received, source: Source = Source.PERSON, **other: object) -> Reception:
    return replace(Reception("aaaaaa", now(), source, outcome, reviewer="me"), **other)  # type: ignore[arg-type]


def of_lane(ledger: Receptions, lane: str = "fast") -> LaneReception:
    return next(it for it in ledger.by_lane() if it.lane == lane)


def test_a_persons_last_word_stands_over_gits(ledger: Receptions) -> None:
    keep(ledger, a_run("aaaaaa", "/r", ""))
    ledger.add([said(Received.REJECT, minutes=4.0), said(Received.ACCEPT, minutes=3.0)])
    ledger.add(
        [
            said(Received.AMEND, reviewer="you", minutes=5.0),
            said(Received.REVERT, Source.GIT, lines=4, surviving=1),
        ]
    )

    lane = of_lane(ledger)

    assert dict(lane.counts) == {"accept": 0, "amend": 1, "reject": 0, "revert": 0}
    assert (lane.received.part, lane.received.whole, lane.rejected.part) == (1, 1, 0)
    assert (lane.minutes.n, lane.minutes.value) == (1, 8.0)
    assert (lane.survival.n, lane.survival.value) == (1, 0.25)


def test_review_writes_a_word_down_from_anywhere(pit: Sandpit, tmp_path: Path) -> None:
    ledger = Receptions(places.ledger_file())
    keep(ledger, a_run("aaaaaa", pit.root, ""))

    done = pit.run(
        "review",
        "aaa",
        "amend",
        "--minutes",
        "12.5",
        "--note",
        "token=ghp_" + "a1B2" * 9 + " and a-key-without-a-form",
        "-C",
        str(tmp_path),
        env={"OPENAI_API_KEY": "a-key-without-a-form"},
    )
    shown = pit.run("review", "latest", "reject", "--json")

    (first, last) = ledger.words("aaaaaa")
    assert done.exit_code == 0, done.stderr
    assert (first.outcome, first.minutes, last.outcome) == (Received.AMEND, 12.5, Received.REJECT)
    assert first.note == "token=[redacted:github-token] and [redacted:provider-key]"
    assert last.reviewer == "t@example.com"
    assert shown.json == {"schema": 1, "run": "aaaaaa", "outcome": "reject", "words": 2}


REFUSED = [
    (("aaaaaa", "revert"), "is none of them"),
    (("aaaaaa",), "what became of the patch?"),
    (("aaaaaa", "accept", "--minutes", "nan"), "--minutes"),
    (("aaaaaa", "accept", "--minutes", "inf"), "--minutes"),
    (("aaaaaa", "accept", "--note", "x" * 5000), "--note"),
    (("nobody", "accept"), "there is no run"),
    (("recorded", "accept"), "recorded replies"),
    (("aaaaaa", "accept", "--from-git"), "--from-git"),
    (("--from-git", "--days", "nan"), "--days"),
]


def test_what_cannot_be_a_word_is_refused(pit: Sandpit) -> None:
    ledger = Receptions(places.ledger_file())
    keep(ledger, a_run("aaaaaa", pit.root, ""))
    keep(ledger, a_run("recorded", pit.root, "", replayed=True))

    for arguments, told in REFUSED:
        done = pit.run("review", *arguments)
        assert (done.exit_code, told in done.stderr) == (2, True), done.stderr

    assert not ledger.words()
    (shown,) = pit.run("review", "--json").json["lanes"][-1:]
    assert (shown["lane"], shown["accepted"], shown["rejected"]["value"]) == ("all", 1, None)
    assert "fast" in pit.run("review").stdout


def test_a_run_of_the_program_is_learned_from_its_commit(pit: Sandpit, tmp_path: Path) -> None:
    from sandpit import POLICY

    pit.write(".route-agent/policy.yaml", POLICY)
    pit.commit("policy")
    file = replies(tmp_path, ("fast", FIX))
    ran = pit.run("--task", "sums must be right", "--replay", str(file), "--commit", "--json")
    assert ran.json["delivered"].startswith("committed"), ran.stdout
    ledger = Receptions(places.ledger_file())
    ledger._write("UPDATE run SET replayed = 0", {})  # as if a model had answered

    done = pit.run("review", "--from-git", "--days", "0", "--json")

    (found,) = done.json["patches"]
    commit = pit.git("rev-parse", "HEAD").strip()
    assert (found["outcome"], found["lines"], found["surviving"], found["commit"]) == ("accept", 1, 1, commit)
    assert done.json["written"] == 1


def test_a_page_of_the_ledger_learns_by_itself(pit: Sandpit) -> None:
    ledger = Receptions(places.ledger_file())
    keep(Ledger(places.ledger_file()), a_run("aaaaaa", pit.root, diff(pit)))
    merged_as_it_was(pit)
    pit.run("report", "--markdown", "-")
    assert ledger.words() == (), "it is from today, and nobody knows yet whether it stays"
    week_ago = (datetime.now(UTC) - timedelta(days=8)).isoformat(timespec="milliseconds")
    ledger._write("UPDATE run SET started_at = :at, finished_at = :at", {"at": week_ago})

    done = pit.run("report", "--markdown", "-")

    assert done.exit_code == 0, done.stderr
    (word,) = ledger.words()
    assert (word.source, word.outcome, word.surviving) == (Source.GIT, Received.ACCEPT, TELLING)


# --- retries and overrides -----------------------------------------------------------------------------------


def test_nearly_the_same_brief_is_the_same() -> None:
    brief = "Fix the rounding of totals in the invoice module"
    same = (
        "fix the rounding of totals in the invoice module!",
        "Fix rounding of the totals in the invoice module, please",
    )
    other = ("Fix the rounding of dates in the calendar module", "Fix", "")

    assert all(is_the_same(words_of(brief), words_of(it)) for it in same)
    assert not any(is_the_same(words_of(brief), words_of(it)) for it in other)


def test_a_patch_that_is_asked_for_again_or_rejected_is_a_regression(ledger: Receptions) -> None:
    brief = "mend the sums of the quarterly report"
    failed = (Attempt("fast", "p", "m", failure=Failure.WEAK),)
    keep(ledger, a_run("aaaaaa", "/r", "", brief=brief))
    keep(ledger, a_run("bbbbbb", "/r", "", brief=f"{brief}!"))  # again: aaaaaa was no good
    keep(ledger, a_run("cccccc", "/r", "", brief="something else entirely, and longer"))
    keep(ledger, a_run("dddddd", "/elsewhere", "", brief=brief))
    keep(ledger, a_run("eeeeee", "/r", "", brief="x y z", verdict=Verdict.NOT_PROVED, attempts=failed))
    keep(ledger, a_run("ffffff", "/r", "", brief="x y z", replayed=True))
    ledger.add([said(Received.REJECT, run_id="cccccc"), said(Received.ACCEPT, run_id="dddddd")])

    lane = of_lane(ledger)

    assert (lane.accepted, lane.retried, lane.regressed.part, lane.regressed.whole) == (4, 1, 2, 4)
    assert of_lane(ledger, "all").rejected.part == 1
    ledger.add([said(Received.ACCEPT)])  # it was kept after all
    assert of_lane(ledger).regressed.part == 1
