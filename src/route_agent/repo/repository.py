"""The user's repository, opened for reading only."""

from __future__ import annotations

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

# settings that decide how files are read into trees; everything else of the user's is left behind
_CARRIED = (
    "core.filemode|core.autocrlf|core.eol|core.symlinks|core.ignorecase|core.precomposeunicode"
    "|core.excludesfile|core.sparsecheckout|core.sparsecheckoutcone|extensions.objectformat"
    "|extensions.partialclone"
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
        settings: the user's settings that decide how files become trees.
    """

    root: Path
    git_dir: Path
    common_dir: Path
    objects: Path
    head: str
    settings: dict[str, str]

    @classmethod
    def open(cls, directory: Path) -> Repository:
        """Find the repository around `directory`.

        Raises:
            RepositoryState: none there, bare, without commits, or owned by somebody else.
        """
        if not directory.is_dir():
            raise UsageError(f"{directory} is not a folder")
        try:
            told = git(
                "rev-parse", "--is-bare-repository", "--is-inside-work-tree", "--absolute-git-dir",
                "--path-format=absolute", "--git-common-dir", "--git-path", "objects",
                cwd=directory,
            ).decode(errors="surrogateescape").splitlines()  # fmt: skip
        except GitFailed as error:
            raise _explained(error, directory) from error
        if len(told) != 5:
            raise RepositoryState(f"{directory!s:.60}: a path with a line break in it is not supported")
        if told[0] == "true":
            raise RepositoryState(
                f"{directory} is a bare repository: there are no files to judge", hint="run it in a checkout"
            )
        if told[1] != "true":
            raise RepositoryState(f"{directory} lies inside a git folder", hint="run it in the checkout")
        try:
            root = git("rev-parse", "--show-toplevel", cwd=directory).decode(errors="surrogateescape")
            head = git("rev-parse", "--verify", "--quiet", "HEAD^{commit}", cwd=directory).decode().strip()
        except GitFailed as error:
            raise RepositoryState(
                "this repository has no commits: there is nothing to compare with", hint="make a first commit"
            ) from error
        root_path = Path(root.removesuffix("\n"))
        return cls(root_path, Path(told[2]), Path(told[3]), Path(told[4]), head, _settings(root_path))

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
        if git("ls-files", "--unmerged", "-z", cwd=self.root):
            raise RepositoryState(f"{self.root} has unmerged files", hint="resolve them, then run this again")

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

    def merge_base(self, revision: str) -> str:
        """The commit from which HEAD and the revision went apart.

        Raises:
            RepositoryState: no such commit, or no common history here.
        """
        commit = self.commit(revision)
        try:
            return git("merge-base", commit, self.head, cwd=self.root).decode().strip()
        except GitFailed as error:
            raise RepositoryState(
                f'"{revision}" and HEAD have no common history here',
                hint="fetch more of it: git fetch --unshallow, or fetch-depth: 0 in CI",
            ) from error

    @property
    def shallow(self) -> bool:
        """Whether older history is missing."""
        return (self.common_dir / "shallow").exists()

    def file_at(self, commit: str, path: str) -> bytes | None:
        """A file's content in a commit, or None where it has no such regular file."""
        listed = git("ls-tree", "-z", "--full-tree", commit, "--", path, cwd=self.root)
        if not listed:
            return None
        mode, kind, identity = listed.split(b"\t")[0].decode().split()
        if kind != "blob" or mode == "120000":
            return None
        return git("cat-file", "blob", identity, cwd=self.root)

    def untracked(self) -> list[str]:
        """Paths that git neither tracks nor ignores; a nested repository ends with a slash."""
        return lines(git("ls-files", "--others", "--exclude-standard", "-z", cwd=self.root))


def _settings(root: Path) -> dict[str, str]:
    try:
        listed = lines(git("config", "-z", "--get-regexp", f"^({_CARRIED})$", cwd=root))
    except GitFailed:  # exit code 1: none of them is set
        return {}
    pairs = (entry.partition("\n") for entry in listed)
    return {name: value if separator else "true" for name, separator, value in pairs}


def _explained(error: GitFailed, directory: Path) -> RepositoryState:
    if "not a git repository" in error.stderr:
        return RepositoryState(
            f"{directory} is not in a git repository", hint="run it in a checkout, or pass -C DIR"
        )
    if "dubious ownership" in error.stderr:
        return RepositoryState(
            f"git does not trust {directory}: it belongs to another user",
            hint="if you do: git config --global --add safe.directory <its path>",
        )
    return RepositoryState(f"git cannot read {directory}: {error.stderr.splitlines()[0]}")
