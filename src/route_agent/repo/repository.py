"""The user's repository, opened for reading only."""

from __future__ import annotations

import contextlib
import re
from dataclasses import dataclass
from pathlib import Path

from route_agent.errors import RepositoryState, UsageError
from route_agent.repo.git import GitFailed, git, lines

# a file in the git folder that exists only while an operation is under way
_UNDER_WAY = {
    "MERGE_HEAD": "a merge",
    "rebase-merge": "a rebase",
    "rebase-apply": "a rebase",
    "CHERRY_PICK_HEAD": "a cherry-pick",
    "REVERT_HEAD": "a revert",
    "BISECT_LOG": "a bisect",
}

# how git lists an unmerged entry between plain names: mode, object, stage
_UNMERGED = re.compile(r"[0-7]{6} [0-9a-f]{40,64} [123]\t")

# settings that decide how files are read into trees; everything else of the user's is left behind
_CARRIED = (
    "core.filemode|core.autocrlf|core.eol|core.symlinks|core.ignorecase|core.precomposeunicode"
    "|core.excludesfile|core.sparsecheckout|core.sparsecheckoutcone|extensions.objectformat"
    r"|extensions.partialclone|remote\..*\.promisor"
)


@dataclass(frozen=True, slots=True)
class Repository:
    """Where the user's repository lies and what HEAD is.

    Attributes:
        root: the checkout's top folder, as git resolves it.
        git_dir: this checkout's own git folder (a linked worktree has its own).
        common_dir: the folder that holds objects and refs.
        objects: the object store that scratches borrow from.
        head: the commit that HEAD names.
        head_tree: that commit's tree.
        settings: the user's settings that decide how files become trees.
    """

    root: Path
    git_dir: Path
    common_dir: Path
    objects: Path
    head: str
    head_tree: str
    settings: dict[str, str]

    @classmethod
    def open(cls, directory: Path) -> Repository:
        """Find the repository around `directory`.

        Raises:
            RepositoryState: none there, bare, without commits, or owned by somebody else.
        """
        if not directory.is_dir():
            raise UsageError(f"{directory} is not a folder")
        with contextlib.suppress(FileNotFoundError):  # the current folder was removed
            directory = directory.absolute()
        asked = (
            "--absolute-git-dir", "--path-format=absolute", "--git-common-dir", "--git-path", "objects",
            "--show-toplevel", "HEAD^{commit}", "HEAD^{tree}",
        )  # fmt: skip
        try:
            told = git("rev-parse", *asked, cwd=directory).decode(errors="surrogateescape").splitlines()
        except GitFailed as error:
            raise _why_not(error, directory) from error
        if len(told) != 6:
            raise RepositoryState(f"{directory!s:.60}: a path with a line break in it is not supported")
        git_dir, common_dir, objects, root = map(Path, told[:4])
        return cls(root, git_dir, common_dir, objects, told[4], told[5], _settings(root))

    def refuse_if_under_way(self) -> None:
        """Refuse a tree in which a merge or the like is unfinished: no patch can be judged on it.

        Raises:
            RepositoryState: names the operation.
        """
        for name, operation in _UNDER_WAY.items():
            if (self.git_dir / name).exists():
                raise RepositoryState(
                    f"{operation} is under way in {self.root}", hint="finish or abort it, then run this again"
                )

    def commit(self, revision: str) -> str:
        """The commit id of a revision that a person or CI named.

        Raises:
            RepositoryState: there is no such commit here.
        """
        try:
            arguments = ("rev-parse", "--verify", "--quiet", "--end-of-options", f"{revision}^{{commit}}")
            return git(*arguments, cwd=self.root).decode().strip()
        except GitFailed as error:
            raise RepositoryState(
                f'there is no commit "{revision}" here',
                hint="in CI, fetch the history: fetch-depth: 0"
                if self.shallow
                else "git fetch, or check the name",
            ) from error

    def merge_base(self, revision: str, head: str = "") -> str:
        """The commit from which HEAD, or the commit `head`, and the revision went apart.

        Raises:
            RepositoryState: no such commit, or no common history here.
        """
        commit = self.commit(revision)
        try:
            return git("merge-base", commit, head or self.head, cwd=self.root).decode().strip()
        except GitFailed as error:
            raise RepositoryState(
                f'"{revision}" and {head or "HEAD"} have no common history here',
                hint="fetch more of it: git fetch --unshallow, or fetch-depth: 0 in CI",
            ) from error

    @property
    def shallow(self) -> bool:
        """Whether older history is missing."""
        return (self.common_dir / "shallow").exists()

    def file_at(self, commit: str, path: str) -> bytes | None:
        """A file's content in a commit, or None where it has no such file."""
        try:
            return git("cat-file", "blob", f"{commit}:{path}", cwd=self.root)
        except GitFailed as error:
            if "does not exist in" in error.stderr or "exists on disk, but not in" in error.stderr:
                return None
            raise RepositoryState(f"{path} cannot be read at {commit[:10]}: {error.stderr}") from error

    def untracked(self) -> list[str]:
        """Paths that git neither tracks nor ignores; a nested repository ends with a slash.

        Raises:
            RepositoryState: files are unmerged, so there is no one state to judge.
        """
        listed = lines(git("ls-files", "--unmerged", "--others", "--exclude-standard", "-z", cwd=self.root))
        if any(_UNMERGED.match(entry) for entry in listed):
            raise RepositoryState(f"{self.root} has unmerged files", hint="resolve them, then run this again")
        return listed


def _settings(root: Path) -> dict[str, str]:
    try:
        listed = lines(git("config", "-z", "--get-regexp", f"^({_CARRIED})$", cwd=root))
    except GitFailed:  # exit code 1: none of them is set
        return {}
    pairs = (entry.partition("\n") for entry in listed)
    return {name: value if separator else "true" for name, separator, value in pairs}


def _why_not(error: GitFailed, directory: Path) -> RepositoryState:
    """Ask again, one by one, what kind of place this is."""
    try:
        bare, inside = git(
            "rev-parse", "--is-bare-repository", "--is-inside-work-tree", cwd=directory
        ).decode().split()  # fmt: skip
    except GitFailed:
        return _no_repository(error, directory)
    if bare == "true":
        return RepositoryState(
            f"{directory} is a bare repository: no files to judge", hint="run it in a checkout"
        )
    if inside != "true":
        return RepositoryState(f"{directory} lies inside a git folder", hint="run it in the checkout")
    try:
        head = git("rev-parse", "--verify", "--quiet", "HEAD", cwd=directory).decode().strip()
    except GitFailed:
        return RepositoryState(
            "this repository has no commits: there is nothing to compare with", hint="make a first commit"
        )
    return RepositoryState(f"HEAD ({head[:10]}) cannot be read here: {error.words}", hint=error.hint)


def _no_repository(error: GitFailed, directory: Path) -> RepositoryState:
    if "not a git repository" in error.stderr:
        return RepositoryState(
            f"{directory} is not in a git repository", hint="run it in a checkout, or pass -C DIR"
        )
    if "dubious ownership" in error.stderr:
        return RepositoryState(
            f"git does not trust {directory}: it belongs to another user",
            hint="if you do: git config --global --add safe.directory <its path>",
        )
    return RepositoryState(f"git cannot read {directory}: {error.words}")
