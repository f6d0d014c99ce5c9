"""A pull request of a remote, brought here without leaving a trace but its objects.

No ref, no `FETCH_HEAD` and no setting of the user's is written. The objects are what any fetch brings; since
nothing points to them, git removes them by itself some weeks later.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from route_agent.errors import RepositoryState, UsageError
from route_agent.repo.git import GitFailed, git

if TYPE_CHECKING:
    from route_agent.repo.repository import Repository

# as the forges call the head of a pull or merge request: GitHub and Gitea, GitLab, Bitbucket
_HEADS = ("refs/pull/{}/head", "refs/merge-requests/{}/head", "refs/pull-requests/{}/from")
_MERGES = ("refs/pull/{}/merge", "refs/merge-requests/{}/merge")
_STALLED = ("-c", "http.lowSpeedLimit=1000", "-c", "http.lowSpeedTime=60")


@dataclass(frozen=True, slots=True)
class PullRequest:
    """The commits of a pull request.

    Attributes:
        head: its tip.
        base: the tip of the branch that it is for, as the forge last saw it; else of the default branch.
        based_on: where that was found, in words.
    """

    head: str
    base: str
    based_on: str


def pull_request(repository: Repository, remote: str, number: int) -> PullRequest:
    """Fetch a pull request of a remote, with the branch that it is for.

    Raises:
        UsageError: there is no such remote or pull request.
        RepositoryState: the remote cannot be reached, or has no default branch.
    """
    there = _offered(repository, remote, number)
    heads = [name for pattern in _HEADS if (name := pattern.format(number)) in there]
    if not heads:
        raise UsageError(
            f"{remote} has no pull request {number}",
            hint="--remote names another; is it a fork's own number?",
        )
    merges = [name for pattern in _MERGES if (name := pattern.format(number)) in there]
    default = "HEAD" if "HEAD" in there else ""
    if not (merges or default):
        raise RepositoryState(f"{remote} has no default branch", hint="say what it is for: --base REF")
    _fetch(repository, remote, [*heads[:1], *merges[:1], *([default] if default else [])])
    head = there[heads[0]]
    if merges and (base := _first_parent(repository, there[merges[0]])):
        return PullRequest(head, base, f"the branch that {remote}'s pull request {number} is for")
    return PullRequest(head, there[default], f"the default branch of {remote}")


def _offered(repository: Repository, remote: str, number: int) -> dict[str, str]:
    """The refs of the remote that matter, with their ids."""
    known = git("remote", cwd=repository.root).decode(errors="surrogateescape").splitlines()
    if remote not in known:
        raise UsageError(
            f'there is no remote "{remote}" here', hint=f"--remote takes one of: {', '.join(known) or 'none'}"
        )
    names = [pattern.format(number) for pattern in (*_HEADS, *_MERGES)]
    try:
        told = git(
            "ls-remote", "--quiet", "--", remote, "HEAD", *names, cwd=repository.root, settings=_STALLED
        )
    except GitFailed as error:
        raise RepositoryState(
            f"{remote} cannot be read: {error.words}", hint="git fetch tells more"
        ) from error
    pairs = (
        line.split("\t", 1) for line in told.decode(errors="surrogateescape").splitlines() if "\t" in line
    )
    return {name: identity for identity, name in pairs if name == "HEAD" or name in names}


def _fetch(repository: Repository, remote: str, names: list[str]) -> None:
    """Bring commits here; `--refmap=` and the rest keep git from writing down that it did."""
    quietly = (
        "--quiet", "--no-write-fetch-head", "--no-tags", "--refmap=", "--no-prune", "--no-prune-tags",
        "--no-recurse-submodules", "--no-auto-maintenance", "--no-write-commit-graph", "--no-set-upstream",
    )  # fmt: skip
    never = ("-c", f"remote.{remote}.followRemoteHEAD=never", "-c", "fetch.writeCommitGraph=false")
    try:
        git("fetch", *quietly, "--", remote, *names, cwd=repository.root, settings=(*_STALLED, *never))
    except GitFailed as error:
        raise RepositoryState(
            f"{remote} does not give its pull request: {error.words}", hint="git 2.29 or newer is needed"
        ) from error


def _first_parent(repository: Repository, merge: str) -> str:
    try:
        return (
            git("rev-parse", "--verify", "--quiet", f"{merge}^1^{{commit}}", cwd=repository.root)
            .decode()
            .strip()
        )
    except GitFailed:  # it cannot be merged: the forge made no such commit
        return ""
