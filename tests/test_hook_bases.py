"""What the hook compares a push with where the plain answer is missing: never with nothing in silence."""

from __future__ import annotations

from pathlib import Path

import pytest
from clones import ZEROS, Clone
from sandpit import Sandpit

from route_agent.errors import RepositoryState
from route_agent.hooks.ranges import Range, ranges_of
from route_agent.hooks.refs import Push, Ref, of_framework
from route_agent.repo.repository import Repository


@pytest.fixture
def clone(tmp_path: Path) -> Clone:
    return Clone(tmp_path / "work")


def compared(
    clone: Clone, *refs: tuple[str, str, str], remote: str = "", url: str = "elsewhere"
) -> list[Range]:
    """What is compared for pairs of a commit and what the other end has, by the name of the ref."""
    push = Push(tuple(Ref(name, new, name, old) for name, new, old in refs), remote, url)
    return [found for _, found in ranges_of(Repository.open(clone.root), push)]


def test_a_bare_address_is_compared_with_the_remote_of_the_same_address(clone: Clone) -> None:
    start, head = clone.head, clone.change()

    (found,) = compared(clone, ("refs/heads/x", head, ZEROS), url=str(clone.remote))

    assert (found.base, found.head) == (start, head)
    assert found.told_by == "origin, which has the same address"


def test_a_bare_address_is_compared_with_what_the_same_push_tells_of_other_refs(clone: Clone) -> None:
    clone.git("remote", "remove", "origin")
    middle, head = clone.change(), clone.change()

    new, known = compared(clone, ("refs/heads/new", head, ZEROS), ("refs/heads/old", head, middle))

    assert (new.base, new.told_by) == (middle, "refs/heads/old there")
    assert (known.base, known.told_by) == (middle, "")


def test_a_bare_address_is_compared_with_the_upstream_of_the_branch(clone: Clone) -> None:
    clone.git("switch", "--quiet", "--create", "topic")
    pushed = clone.change()
    clone.git("push", "--quiet", "--set-upstream", "origin", "topic")
    head = clone.change()

    (found,) = compared(clone, ("refs/heads/topic", head, ZEROS))

    assert (found.base, found.told_by) == (pushed, "its upstream")


def test_a_remote_that_was_never_fetched_is_compared_with_another_one(clone: Clone) -> None:
    start, head = clone.head, clone.change()

    (found,) = compared(clone, ("refs/heads/x", head, ZEROS), remote="fork")

    assert (found.base, found.told_by) == (start, "origin")


def test_a_push_to_a_bare_address_is_really_judged(clone: Clone) -> None:
    line = f"refs/heads/main {clone.break_it()} refs/heads/main {ZEROS}"

    done = clone.told(line, remote="../other.git", url="../other.git")  # git says the address twice then

    assert done.exit_code == 1
    assert "(since what is known of origin)" in done.stderr
    assert "unit passed at start, fails now" in done.stderr


def test_without_anything_to_compare_with_all_checks_must_be_green(clone: Clone) -> None:
    clone.git("remote", "remove", "origin")
    line = "refs/heads/main {} refs/heads/main " + ZEROS

    green = clone.told(line.format(clone.head), remote="new")
    clone.break_it()
    red = clone.told(line.format(clone.head), remote="new")

    assert green.exit_code == 0, green.stderr
    assert "refs/heads/main: nothing to compare with: all checks must be green" in green.stderr
    assert "result    passed: nothing to compare with, and all checks are green" in green.stderr
    assert red.exit_code == 1
    assert "result    not proved: nothing to compare with, and unit is red" in red.stderr
    assert "git push --no-verify" in red.stderr


def test_the_policy_of_the_remote_counts_for_a_history_of_its_own(clone: Clone) -> None:
    clone.git("switch", "--quiet", "--orphan", "pages")
    clone.write(".route-agent/policy.yaml", "version: 1\nchecks: [{name: any, kind: test, run: ['true']}]\n")
    head = clone.break_it()

    done = clone.told(f"refs/heads/pages {head} refs/heads/pages {ZEROS}")

    assert done.exit_code == 1
    assert "and unit is red" in done.stderr
    assert "is changed by what is judged: the one at" in done.stderr


def test_the_policy_may_let_through_what_cannot_be_checked_at_all(tmp_path: Path) -> None:
    policy = "version: 1\n{}checks: [{{name: unit, kind: test, run: [no-such-program]}}]\n"
    strict = Clone(tmp_path / "strict" / "work", policy.format(""))
    lenient = Clone(tmp_path / "lenient" / "work", policy.format("gate: {on_error: {environment: allow}}\n"))
    ended = []
    for clone in (strict, lenient):
        clone.git("remote", "remove", "origin")
        done = clone.told(f"refs/heads/main {clone.head} refs/heads/main {ZEROS}", remote="new")
        ended.append((done.exit_code, done.stderr))

    assert ended[0][0] == 6
    assert ended[1][0] == 0
    assert "result    let through by the policy: checks cannot run here: unit: not found" in ended[1][1]


def test_what_is_pushed_from_another_repository_stops_the_push(clone: Clone, tmp_path: Path) -> None:
    other = Sandpit(tmp_path / "other")
    foreign = other.commit("elsewhere")

    done = clone.told(f"refs/heads/main {foreign} refs/heads/main {clone.head}")

    assert done.exit_code == 6
    assert f"what is pushed ({foreign[:10]}) is not in {clone.root}" in done.stderr
    with pytest.raises(RepositoryState):
        compared(clone, ("refs/heads/main", "f" * 40, ZEROS))


def test_an_annotated_tag_of_a_tag_is_peeled_and_one_on_a_folder_is_no_commit(clone: Clone) -> None:
    start, head = clone.head, clone.change()
    clone.git("tag", "--annotate", "inner", "-m", "inner")
    clone.git("tag", "--annotate", "outer", "inner", "-m", "outer")
    clone.git("tag", "--annotate", "folder", "HEAD^{tree}", "-m", "folder")
    tags = [clone.git("rev-parse", name).strip() for name in ("outer", "folder")]

    outer, folder = compared(
        clone, ("refs/tags/outer", tags[0], ZEROS), ("refs/tags/folder", tags[1], ZEROS), remote="origin"
    )

    assert (outer.base, outer.head) == (start, head)
    assert folder.skipped == "not a commit, nothing to judge"


def test_the_framework_tells_a_push_by_variables(clone: Clone) -> None:
    told = {
        "PRE_COMMIT": "1",
        "PRE_COMMIT_FROM_REF": "a" * 40,
        "PRE_COMMIT_TO_REF": "b" * 40,
        "PRE_COMMIT_LOCAL_BRANCH": "refs/heads/topic",
        "PRE_COMMIT_REMOTE_BRANCH": "refs/heads/there",
        "PRE_COMMIT_REMOTE_NAME": "/some/path",
        "PRE_COMMIT_REMOTE_URL": "/some/path",
    }
    whole = {name: value for name, value in told.items() if not name.endswith(("FROM_REF", "TO_REF"))}

    one = of_framework(told)
    all_new = of_framework(whole)

    assert one == Push((Ref("refs/heads/topic", "b" * 40, "refs/heads/there", "a" * 40),), "", "/some/path")
    assert all_new
    assert all_new.refs == (Ref("refs/heads/topic", "refs/heads/topic", "refs/heads/there", ZEROS),)
    assert of_framework({}) is None
    assert of_framework({"PRE_COMMIT": "1"}) == Push((Ref("HEAD", "HEAD", "HEAD", ZEROS),))
