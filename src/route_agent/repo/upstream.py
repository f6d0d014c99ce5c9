"""What a commit is compared with where nobody says it: the branch that it is to be pushed to."""

from __future__ import annotations

from typing import TYPE_CHECKING

from route_agent.errors import RepositoryState, UsageError
from route_agent.repo.git import GitFailed, git

if TYPE_CHECKING:
    from collections.abc import Iterator

    from route_agent.repo.repository import Repository


def base_for(repository: Repository, head: str, remote: str) -> tuple[str, str]:
    """A commit to compare another with, and where it was found, in words.

    The upstream of the branch that is checked out, if HEAD is meant; else the remote's default branch. Of two
    that are there, one that lacks something of the commit is taken.

    Args:
        head: the commit, or `HEAD`.

    Raises:
        UsageError: neither is there.
    """
    commit = repository.commit(head)
    found = list(_candidates(repository, head, remote))
    if not found:
        raise UsageError(
            f"nothing to compare {head} with: it has no upstream, and no branch of {remote} is known here",
            hint="say it: --base REF, as in --base origin/main",
        )
    return next((it for it in found if not _has(repository, it[0], commit)), found[0])


def _candidates(repository: Repository, head: str, remote: str) -> Iterator[tuple[str, str]]:
    if head in ("HEAD", "@") and (upstream := _commit(repository, "@{upstream}")):
        yield upstream, "the upstream of HEAD"
    for name in ("HEAD", "main", "master"):
        if tip := _commit(repository, f"refs/remotes/{remote}/{name}"):
            yield tip, f"the default branch of {remote}"
            return


def _commit(repository: Repository, revision: str) -> str:
    try:
        return repository.commit(revision)
    except RepositoryState:
        return ""


def _has(repository: Repository, tip: str, commit: str) -> bool:
    """Whether a branch has a commit already."""
    try:
        git("merge-base", "--is-ancestor", commit, tip, cwd=repository.root)
    except GitFailed:
        return False
    return True
