"""The user's working state: read from the checkout with a copy of its index, and never written."""

from __future__ import annotations

import os
import shutil
from dataclasses import dataclass
from typing import TYPE_CHECKING

from route_agent.errors import RepositoryState
from route_agent.redaction import is_secret_name
from route_agent.repo.git import GitFailed, lines

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from route_agent.repo.repository import Repository

MAX_UNTRACKED_BYTES = 20 * 1024 * 1024


@dataclass(frozen=True, slots=True)
class Snapshot:
    """The user's working state as a tree, and which paths are not in it; folders end with a slash.

    Attributes:
        left_out: untracked, and unwanted in the tree.
        ignored: what git ignores; a folder that holds nothing else stands for all in it.
    """

    tree: str
    left_out: tuple[str, ...]
    ignored: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class _Status:
    """What `git status` tells of a worktree."""

    is_staged: bool
    changed: tuple[str, ...]
    deleted: tuple[str, ...]
    untracked: tuple[str, ...]
    ignored: tuple[str, ...]


class Working:
    """The working state of a repository's checkout, seen through its private repository."""

    def __init__(
        self, repository: Repository, folder: Path, git_dir: Path, run_git: Callable[..., bytes]
    ) -> None:
        self.repository = repository
        self._folder = folder
        self._git_dir = git_dir
        self._git = run_git

    def snapshot(self) -> Snapshot:
        """The tree of HEAD plus staged, unstaged and untracked work, as it is at this moment.

        Untracked files that look like secrets, nested repositories and files above 20 MiB are left out.

        Raises:
            RepositoryState: git cannot read the working tree, or files of it are unmerged.
        """
        index = self._user_index
        try:
            self._copy_index(index)
            self._know_the_user()
        except OSError as error:
            raise RepositoryState(f"git's index cannot be copied to {index}: {error.strerror}") from error
        try:
            status = self._status("--ignored=matching")
            taken, left_out = self._sorted(status.untracked)
            if not (status.is_staged or status.changed or status.deleted or taken):
                tree = self.repository.head_tree
            else:
                self._add(status, taken)
                tree = self._git("write-tree", index=index, work_tree=self.repository.root).decode().strip()
        except GitFailed as error:
            raise RepositoryState(f"the working tree cannot be read: {error.words}") from error
        return Snapshot(tree, left_out, status.ignored)

    def staged(self) -> str:
        """The tree of what is staged, whatever the files hold.

        In a hook of `git commit -a` that is in an index beside the usual one, which git names in a variable.

        Raises:
            RepositoryState: files are unmerged, or git cannot read its index.
        """
        index = self._folder / "index-staged"
        try:
            self._copy_index(index, self._index_of_commit)
            return self._git("write-tree", index=index).decode().strip()
        except OSError as error:
            raise RepositoryState(f"git's index cannot be copied to {index}: {error.strerror}") from error
        except GitFailed as error:
            listed = ("ls-files", "--unmerged")
            unmerged = self._git(*listed, index=index, work_tree=self.repository.root)
            what, hint = (
                ("unmerged files", "resolve them, then run this again") if unmerged else (error.words, "")
            )
            raise RepositoryState(f"what is staged is no tree: {what}", hint=hint) from error

    def is_still(self, snapshot: Snapshot) -> bool:
        """Whether the user's working state is what it was in the last snapshot.

        Raises:
            RepositoryState: git cannot read the working tree.
        """
        status = self._status()
        return not (status.changed or status.deleted) and status.untracked == snapshot.left_out

    @property
    def _user_index(self) -> Path:
        return self._folder / "index-user"

    def _know_the_user(self) -> None:
        """What the user's HEAD is, and which files this clone alone ignores."""
        (self._git_dir / "HEAD").write_text(f"{self.repository.head}\n")
        ours = self._git_dir / "info" / "exclude"
        ours.parent.mkdir(exist_ok=True)
        try:
            ours.write_bytes((self.repository.common_dir / "info" / "exclude").read_bytes())
        except OSError:
            ours.unlink(missing_ok=True)

    def _status(self, *more: str) -> _Status:
        """One look at all files, as quick as git can."""
        shape = ("--porcelain", "-z", "--no-renames", "--untracked-files=all", "--ignore-submodules=dirty")
        told = lines(
            self._git("status", *shape, *more, index=self._user_index, work_tree=self.repository.root)
        )
        kinds: dict[str, list[str]] = {"?": [], "!": [], "D": [], "changed": []}
        is_staged = False
        for entry in told:
            staged, now, path = entry[0], entry[1], entry[3:]
            if "U" in entry[:2] or entry[:2] in ("AA", "DD"):
                raise RepositoryState(
                    f"{self.repository.root} has unmerged files", hint="resolve them, then run this again"
                )
            is_staged |= staged not in " ?!"
            if now != " ":
                kinds[now if now in kinds else "changed"].append(path)
        found = {kind: tuple(paths) for kind, paths in kinds.items()}
        return _Status(is_staged, found["changed"], found["D"], found["?"], found["!"])

    def _add(self, status: _Status, taken: tuple[str, ...]) -> None:
        """Bring the index to what the worktree holds."""
        index, root = self._user_index, self.repository.root
        nothing = f"0 {'0' * len(self.repository.head)}"
        gone = "".join(f"{nothing}\t{path}\0" for path in status.deleted)
        there = "".join(f"{path}\0" for path in (*status.changed, *taken))
        if gone:
            stdin = gone.encode(errors="surrogateescape")
            self._git("update-index", "-z", "--index-info", index=index, stdin=stdin)
        if there:
            stdin = there.encode(errors="surrogateescape")
            try:
                self._git(
                    "update-index",
                    "--add",
                    "--replace",
                    "-z",
                    "--stdin",
                    index=index,
                    work_tree=root,
                    stdin=stdin,
                )
            except GitFailed:  # one that cannot be read, or is gone: it counts as it was
                self._git("add", "--update", "--ignore-errors", "--", ":/", index=index, work_tree=root)
                for path in taken:
                    self._git("update-index", "--add", "--", path, index=index, work_tree=root)

    @property
    def _index_of_commit(self) -> str:
        """The index that git commits from; a variable that leads elsewhere is about another repository."""
        named = self.repository.root / os.environ.get("GIT_INDEX_FILE", "index")
        is_here = named.parent.resolve() == self.repository.git_dir.resolve()
        return named.name if is_here and named.is_file() else "index"

    def _copy_index(self, target: Path, name: str = "index") -> None:
        # the user's index carries the file times: with it only changed files are read again
        source = self.repository.git_dir / name
        target.unlink(missing_ok=True)
        if source.exists():
            shutil.copy2(source, target)
            for shared in self.repository.git_dir.glob("sharedindex.*"):
                shutil.copy2(shared, self._git_dir / shared.name)
        else:
            self._git("read-tree", self.repository.head, index=target, work_tree=self.repository.root)

    def _sorted(self, untracked: tuple[str, ...]) -> tuple[tuple[str, ...], tuple[str, ...]]:
        """Which untracked paths are part of the working state, and which are left out."""
        taken: list[str] = []
        left_out: list[str] = []
        for name in untracked:
            path = self.repository.root / name
            unwanted = name.endswith("/") or is_secret_name(name) or not (path.is_symlink() or path.is_file())
            if unwanted or path.lstat().st_size > MAX_UNTRACKED_BYTES:
                left_out.append(name)
            else:
                taken.append(name)
        return tuple(taken), tuple(left_out)
