"""Put a proved patch where the user asked. Refused where it would touch the user's own work.

Everything that can be refused is refused before the first byte is written. Hooks are not run: the checks of
the policy have been, and a hook could change what was proved.
"""

from __future__ import annotations

import os
import signal
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING

from route_agent.errors import DeliveryRefused, UsageError
from route_agent.repo.git import POINTING, GitFailed, git

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from route_agent.records.change import Change
    from route_agent.repo.repository import Repository
    from route_agent.repo.trees import Trees

_AS_IS = "--whitespace=nowarn"


@dataclass(frozen=True, slots=True)
class Wanted:
    """What the user asked for; nothing at all leaves the tree alone.

    `reproduction`: the test that was written for the brief goes along with the patch.
    """

    apply: bool = False
    branch: str = ""
    commit: bool = False
    reproduction: bool = True

    @property
    def anything(self) -> bool:
        return self.apply or self.commit or bool(self.branch)


def refuse_early(repository: Repository, wanted: Wanted) -> None:
    """What can be known to fail before any money is spent.

    Raises:
        UsageError: options that exclude each other, or a name that cannot be a new branch.
    """
    if sum((wanted.apply, wanted.commit, bool(wanted.branch))) > 1:
        raise UsageError("--apply, --commit and --branch exclude each other")
    if wanted.commit or wanted.branch:
        _refuse_without_identity(repository)
    if wanted.commit and not _on_a_branch(repository):
        raise UsageError("HEAD is detached: a commit would hang in the air", hint="use --branch NAME")
    if not wanted.branch:
        return
    try:
        git("check-ref-format", "--branch", wanted.branch, cwd=repository.root)
    except GitFailed as error:
        raise UsageError(f'"{wanted.branch}" cannot be a branch name') from error
    if _exists(repository, f"refs/heads/{wanted.branch}"):
        raise UsageError(f'the branch "{wanted.branch}" exists already', hint="choose another name")


def _refuse_without_identity(repository: Repository) -> None:
    try:
        git("var", "GIT_AUTHOR_IDENT", cwd=repository.root)
    except GitFailed as error:
        raise UsageError(
            "git does not know who commits", hint="git config --global user.email … and user.name …"
        ) from error


def _on_a_branch(repository: Repository) -> bool:
    try:
        git("symbolic-ref", "--quiet", "HEAD", cwd=repository.root)
    except GitFailed:
        return False
    return True


def _exists(repository: Repository, reference: str) -> bool:
    try:
        git("rev-parse", "--verify", "--quiet", reference, cwd=repository.root)
    except GitFailed:
        return False
    return True


def deliver(
    repository: Repository, trees: Trees, change: Change, patch: Path, wanted: Wanted, message: str
) -> str:
    """Apply, branch or commit; returns what was done, in words.

    Args:
        repository: as it was opened at the beginning of the run.
        trees: the private repository that holds both trees of the change.
        change: start against the accepted tree.
        patch: the saved patch file, binary-safe, against start.
        wanted: what the user asked for.
        message: the commit message.

    Raises:
        DeliveryRefused: HEAD moved, a touched file was edited meanwhile, or the patch builds on lines that
            the user has not committed. Nothing was changed.
    """
    _refuse_if_moved(repository, trees, change)
    onto_head = _tree_on_head(repository, trees, patch)
    if wanted.apply:
        with _undivided():
            _apply(repository, patch)
        return f"applied to {repository.root}"
    if wanted.commit:
        _check(repository, patch, "--index")
    commit = _commit(repository, patch, onto_head, message)
    if wanted.branch:
        git("branch", "--no-track", wanted.branch, commit, cwd=repository.root)
        return f"committed as {commit[:10]} on the new branch {wanted.branch}"
    with _undivided():
        _apply(repository, patch, "--index")
        _move_head(repository, patch, commit)
    return f"committed as {commit[:10]}"


@contextmanager
def _undivided() -> Iterator[None]:
    """Ctrl-C waits, also for the git that is running: the user's tree is either old or new."""
    before = signal.pthread_sigmask(signal.SIG_BLOCK, (signal.SIGINT, signal.SIGTERM, signal.SIGHUP))
    try:
        yield
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, before)


def _move_head(repository: Repository, patch: Path, commit: str) -> None:
    try:
        git("update-ref", "-m", "route-agent: commit", "HEAD", commit, repository.head, cwd=repository.root)
    except GitFailed as error:
        _apply(repository, patch, "--index", "--reverse")
        raise DeliveryRefused(f"the commit could not be made: {error.words}", hint=_by_hand(patch)) from error


def _by_hand(patch: Path) -> str:
    return f"the patch is saved: git apply {patch}"


def _refuse_if_moved(repository: Repository, trees: Trees, change: Change) -> None:
    head = git("rev-parse", "--verify", "HEAD^{commit}", cwd=repository.root).decode().strip()
    if head != repository.head:
        raise DeliveryRefused("HEAD moved while the checks ran", hint="run it again on the new HEAD")
    now = trees.snapshot().tree
    if trees.entries(now, change.paths) != trees.entries(change.old_tree, change.paths):
        raise DeliveryRefused("a file of the patch was edited while the checks ran", hint="run it again")


def _tree_on_head(repository: Repository, trees: Trees, patch: Path) -> str:
    tree = trees.patched(trees.tree_of(repository.head), patch)
    if tree is None:
        raise DeliveryRefused(
            "the patch builds on lines that you have not committed: it cannot be told apart from them",
            hint=f"commit them first, or mix them yourself: git apply {patch}",
        )
    return tree


def _apply(repository: Repository, patch: Path, *options: str) -> None:
    _check(repository, patch, *options)
    try:
        git("apply", _AS_IS, *options, str(patch), cwd=repository.root)
    except GitFailed as error:
        raise _refused(error, patch) from error


def _check(repository: Repository, patch: Path, *options: str) -> None:
    if "--index" in options and (repository.git_dir / "index.lock").exists():
        raise DeliveryRefused("another git is at work here (index.lock exists)", hint=_by_hand(patch))
    try:
        git("apply", _AS_IS, "--check", *options, str(patch), cwd=repository.root)
    except GitFailed as error:
        raise _refused(error, patch) from error


def _refused(error: GitFailed, patch: Path) -> DeliveryRefused:
    return DeliveryRefused(f"git apply refuses the patch: {error.words.rstrip('.')}", hint=_by_hand(patch))


def _commit(repository: Repository, patch: Path, expected: str, message: str) -> str:
    """A commit of HEAD plus the patch and nothing else, on no branch yet."""
    import tempfile
    from pathlib import Path

    from git import Commit, Repo

    with tempfile.TemporaryDirectory(prefix="route-agent-") as folder:
        environment = {"GIT_INDEX_FILE": str(Path(folder) / "index")}
        git("read-tree", repository.head, cwd=repository.root, environment=environment)
        arguments = ("apply", "--cached", _AS_IS, str(patch))
        git(*arguments, cwd=repository.root, environment=environment)
        tree = git("write-tree", cwd=repository.root, environment=environment).decode().strip()
    if tree != expected:
        raise DeliveryRefused("the committed tree would not be the proved one", hint=_by_hand(patch))
    with _without_git_variables(), Repo(repository.root, expand_vars=False) as repo:
        parent = repo.commit(repository.head)
        return Commit.create_from_tree(repo, tree, message, parent_commits=[parent], head=False).hexsha


@contextmanager
def _without_git_variables() -> Iterator[None]:
    """GitPython obeys `GIT_DIR` and its like, with which a hook may point at another repository."""
    taken = {name: os.environ.pop(name) for name in POINTING if name in os.environ}
    try:
        yield
    finally:
        os.environ.update(taken)
