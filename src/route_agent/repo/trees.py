"""A private repository that borrows the user's objects: read trees, write trees, compare them.

Nothing here writes into the user's repository. Its objects are reached through
`objects/info/alternates`; all that is new lies in our own store, and no ref, hook, filter or setting of
the user's is involved.
"""

from __future__ import annotations

import secrets
import shutil
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

from route_agent.errors import RepositoryState
from route_agent.records.change import ABSENT, REGULAR, SYMLINK, Change, FileChange
from route_agent.repo.git import GitFailed, git, git_start, lines
from route_agent.repo.repository import Repository
from route_agent.repo.working import Snapshot, Working

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from route_agent.risk.difflines import Read

_OWN_INDEX = "index-own-"
MAX_LISTED = 4  # whole trees whose listing is kept: it can take longer than a check


class Entry(NamedTuple):
    """One path of a tree: git's six-digit mode and the object's id."""

    mode: str
    id: str


@dataclass(frozen=True, slots=True)
class Content:
    """What a file shall hold: git's six-digit mode and the bytes."""

    mode: str
    data: bytes


class Trees:
    """The private repository under `folder`, which only one process uses at a time."""

    def __init__(self, repository: Repository, folder: Path) -> None:
        self.repository = repository
        self.folder = folder
        self.git_dir = folder / "git"
        self.taken: Snapshot | None = None
        self._listed: dict[str, dict[str, Entry]] = {}
        self.lines_read: dict[tuple[str, str], tuple[Read, tuple[str, ...]]] = {}  # by the two trees

    def prepare(self) -> None:
        """Create the repository if it is not there, point it at the user's objects, and break stale locks."""
        if not ((self.git_dir / "HEAD").is_file() and (self.git_dir / "objects").is_dir()):
            self._create()
        borrowed = str(self.repository.objects)
        if "\n" in borrowed or borrowed.startswith(('"', "#")):
            raise RepositoryState(
                f"{borrowed!r}: such a path cannot be borrowed from", hint="move the repository"
            )
        alternates = self.git_dir / "objects" / "info" / "alternates"
        alternates.parent.mkdir(exist_ok=True)
        alternates.write_bytes(borrowed.encode(errors="surrogateescape") + b"\n")
        for lock in (*self.folder.glob("index-*.lock"), *self.git_dir.glob("*.lock")):
            lock.unlink(missing_ok=True)  # of a git that was killed: the folder is ours alone
        for left in self.folder.glob(f"{_OWN_INDEX}*"):
            left.unlink(missing_ok=True)

    @contextmanager
    def _own_index(self) -> Iterator[Path]:
        """An index for one piece of work: both sides of a race write trees at the same time."""
        index = self.folder / f"{_OWN_INDEX}{secrets.token_hex(8)}"
        try:
            yield index
        finally:
            index.unlink(missing_ok=True)

    def borrow(self, other: Trees) -> None:
        """See what another scratch of the same repository has stored as well, until the next `prepare`."""
        alternates = self.git_dir / "objects" / "info" / "alternates"
        with alternates.open("ab") as file:
            file.write(str(other.git_dir / "objects").encode(errors="surrogateescape") + b"\n")

    def _create(self) -> None:
        # renamed when it is whole: what is there is never half a repository
        draft = self.folder / "git-draft"
        for leftover in (draft, self.git_dir):
            shutil.rmtree(leftover, ignore_errors=True)
        self.folder.mkdir(parents=True, exist_ok=True, mode=0o700)
        kind = self.repository.settings.get("extensions.objectformat", "sha1")
        git(
            "init", "--quiet", "--bare", "--template=", f"--object-format={kind}", str(draft),
            cwd=self.folder, environment=_APART,
        )  # fmt: skip
        draft.rename(self.git_dir)

    def run_git(
        self,
        *arguments: str,
        index: Path | None = None,
        work_tree: Path | None = None,
        stdin: bytes | None = None,
    ) -> bytes:
        environment = {**_APART, "GIT_DIR": str(self.git_dir)}
        if index:
            environment["GIT_INDEX_FILE"] = str(index)
        if work_tree:
            environment["GIT_WORK_TREE"] = str(work_tree)
        place = work_tree or self.folder
        try:
            return git(*arguments, cwd=place, stdin=stdin, environment=environment, settings=self._carried)
        except GitFailed as error:
            error.hint = self._fetch or error.hint
            raise

    def start_of_git(self, *arguments: str, most: int, deadline_s: float) -> tuple[bytes, bool]:
        """What a git command writes, within bounds, and whether that is all."""
        environment = {**_APART, "GIT_DIR": str(self.git_dir)}
        return git_start(
            *arguments,
            cwd=self.folder,
            most=most,
            deadline_s=deadline_s,
            environment=environment,
            settings=self._carried,
        )

    @property
    def _carried(self) -> tuple[str, ...]:
        """The user's settings that decide how files become trees."""
        return tuple(
            part
            for name, value in self.repository.settings.items()
            if name.startswith("core.")
            for part in ("-c", f"{name}={value}")
        )

    def snapshot(self) -> Snapshot:
        """The tree of HEAD plus staged, unstaged and untracked work, as it is at this moment.

        Untracked files that look like secrets, nested repositories and files above 20 MiB are left out.

        Raises:
            RepositoryState: git cannot read the working tree, or files of it are unmerged.
        """
        self.taken = self.working.snapshot()
        return self.taken

    def is_still(self, snapshot: Snapshot) -> bool:
        """Whether the user's working state is what it was in the last snapshot.

        Raises:
            RepositoryState: git cannot read the working tree.
        """
        return self.working.is_still(snapshot)

    @property
    def working(self) -> Working:
        return Working(self.repository, self.folder, self.git_dir, self.run_git)

    def tree_of(self, commit: str) -> str:
        """The tree id of a commit."""
        return self.run_git("rev-parse", "--verify", f"{commit}^{{tree}}").decode().strip()

    def checkout(self, tree: str, folder: Path) -> None:
        """Make `folder` hold exactly the tree; what an earlier use left there is removed.

        Raises:
            RepositoryState: objects are missing (a partial clone), or the disk is full.
        """
        folder.mkdir(exist_ok=True)
        self._refuse_others(folder)
        index = self.folder / "index-scratch"
        try:
            self.run_git(
                "-c", "checkout.workers=2", "read-tree", "--reset", "-u", tree, index=index, work_tree=folder
            )
            self.run_git("clean", "-ffdxq", index=index, work_tree=folder)
        except GitFailed as error:
            raise RepositoryState(
                f"the scratch cannot be made: {error.words}", hint=self._fetch or "is the disk full?"
            ) from error

    def export(self, entries: dict[str, Entry], folder: Path) -> None:
        """Write files of trees into a folder of ours that holds nothing, as a checkout would.

        Raises:
            RepositoryState: objects are missing (a partial clone), or the disk is full.
        """
        self._refuse_others(folder)
        listed = "".join(f"{entry.mode} {entry.id}\t{path}\0" for path, entry in entries.items())
        request = listed.encode(errors="surrogateescape")
        try:
            with self._own_index() as index:
                self.run_git("update-index", "-z", "--index-info", index=index, stdin=request)
                self.run_git("checkout-index", "--all", "--force", "--quiet", index=index, work_tree=folder)
        except GitFailed as error:
            raise RepositoryState(
                f"the scratch cannot be made: {error.words}", hint=self._fetch or "is the disk full?"
            ) from error

    def _refuse_others(self, folder: Path) -> None:
        """git resolves links in the path of a worktree and clears what it finds there: only ever ours."""
        if not folder.resolve().is_relative_to(self.folder.resolve()):
            raise ValueError(f"{folder} is no folder of this scratch")

    @property
    def _fetch(self) -> str:
        """What to do where objects are missing on purpose."""
        settings = self.repository.settings
        partial = "extensions.partialclone" in settings or any(it.endswith(".promisor") for it in settings)
        return "this is a partial clone: git fetch --refetch" if partial else ""

    def tree_in(self, folder: Path) -> str:
        """Write what the folder holds now as a tree. Ignored files are left out."""
        self._refuse_others(folder)
        index = self.folder / "index-edited"
        shutil.copy2(self.folder / "index-scratch", index)
        self.run_git("add", "--all", "--", ":/", index=index, work_tree=folder)
        return self.run_git("write-tree", index=index, work_tree=folder).decode().strip()

    def changed_in(self, folder: Path) -> tuple[str, ...]:
        """The paths of the tree last checked out into a folder that hold something else now, or are gone.

        Files that are new there are not told, and times alone are no change. A repository's own setting to
        look at little more than sizes does not count here.
        """
        whole = ("-c", "core.trustctime=true", "-c", "core.checkStat=default", "-c", "core.ignoreStat=false")
        shape = (
            "--name-only",
            "-z",
            "--no-renames",
            "--no-ext-diff",
            "--no-textconv",
            "--ignore-submodules=all",
        )
        index = self.folder / "index-scratch"
        return tuple(sorted(lines(self.run_git(*whole, "diff", *shape, index=index, work_tree=folder))))

    def entries(self, tree: str, paths: tuple[str, ...] | None = None) -> dict[str, Entry]:
        """The tree's files by path; only the given paths if some are given."""
        if paths is not None:
            return self._listing(tree, *paths) if paths else {}
        if tree not in self._listed:
            if len(self._listed) >= MAX_LISTED:
                del self._listed[next(iter(self._listed))]
            self._listed[tree] = self._listing(tree)
        return dict(self._listed[tree])

    def _listing(self, tree: str, *paths: str, recursive: bool = True) -> dict[str, Entry]:
        depth = ("-r",) if recursive else ()
        listed = self.run_git(
            "--literal-pathspecs", "ls-tree", *depth, "-z", "--full-tree", tree, "--", *paths
        )
        found: dict[str, Entry] = {}
        for item in lines(listed):
            facts, _, path = item.partition("\t")
            mode, _, identity = facts.split(" ")
            found[path] = Entry(mode, identity)
        return found

    def named(self, tree: str, paths: Iterable[str]) -> dict[str, Entry]:
        """What stands in a tree at some paths, folders included."""
        asked: dict[int, list[str]] = {}
        for path in dict.fromkeys(paths):
            asked.setdefault(path.count("/"), []).append(path)
        found: dict[str, Entry] = {}
        for (
            level
        ) in asked.values():  # git does not tell a folder where it is asked for something below it as well
            found |= self._listing(tree, *level, recursive=False)
        return found

    def differences(self, old: str, new: str) -> dict[str, Entry | None]:
        """What each path that differs between two trees is in the second; None: not there."""
        if old == new:
            return {}
        fields = iter(lines(self.run_git("diff-tree", "-r", "-z", "--raw", "--no-renames", old, new)))
        found: dict[str, Entry | None] = {}
        for field in fields:
            _, mode, _, identity, _ = field[1:].split()
            found[next(fields)] = Entry(mode, identity) if mode != ABSENT else None
        return found

    def read(self, entries: dict[str, Entry]) -> dict[str, bytes]:
        """The content of each entry, in one git process.

        Raises:
            RepositoryState: an object is not here, as in a partial clone.
        """
        wanted = {path: entry for path, entry in entries.items() if entry.mode != "160000"}
        if not wanted:
            return {}
        request = "".join(f"{entry.id}\n" for entry in wanted.values()).encode()
        output = self.run_git("cat-file", "--batch", stdin=request)
        contents: dict[str, bytes] = {}
        position = 0
        for path in wanted:
            header_end = output.index(b"\n", position)
            header = output[position:header_end].split()
            if len(header) != 3:
                raise RepositoryState(
                    f"the content of {path} is not in this repository",
                    hint=self._fetch or "git fsck tells more",
                )
            size = int(header[2])
            contents[path] = output[header_end + 1 : header_end + 1 + size]
            position = header_end + size + 2
        return contents

    def write(self, base: str, changes: dict[str, Content | None]) -> str:
        """The tree that `base` becomes with these files written or, for None, removed. All or none.

        Raises:
            GitFailed: git refuses a path.
        """
        removed = [f"0 {'0' * len(base)}\t{path}" for path, content in changes.items() if content is None]
        written = [
            f"{content.mode} {self._store(content.data)}\t{path}"
            for path, content in changes.items()
            if content is not None
        ]
        request = "".join(f"{line}\0" for line in removed + written).encode(errors="surrogateescape")
        with self._own_index() as index:
            self.run_git("read-tree", base, index=index)
            self.run_git("update-index", "-z", "--index-info", index=index, stdin=request)
            return self.run_git("write-tree", index=index).decode().strip()

    def _store(self, data: bytes) -> str:
        return self.run_git("hash-object", "-w", "--stdin", stdin=data).decode().strip()

    def change(self, old: str, new: str) -> Change:
        """What differs between two trees. Renames appear as a deletion and an addition."""
        if old == new:
            return Change(old, new)
        fields = iter(
            lines(self.run_git("diff-tree", "-r", "-z", "--raw", "--numstat", "--no-renames", old, new))
        )
        files: dict[str, FileChange] = {}
        for field in fields:
            if field.startswith(":"):
                old_mode, new_mode, old_id, new_id, _ = field[1:].split()
                path = next(fields)
                files[path] = FileChange(path, old_mode, new_mode, old_id, new_id)
            else:
                added, deleted, path = field.split("\t", 2)
                known = files[path]
                counts = (None, None) if added == "-" else (int(added), int(deleted))
                files[path] = FileChange(
                    path, known.old_mode, known.new_mode, known.old_id, known.new_id, *counts
                )
        return Change(old, new, tuple(files[path] for path in sorted(files)))

    def diff(self, old: str, new: str, paths: tuple[str, ...] = ()) -> str:
        """The change as a patch that `git apply` takes, binary files included; of some paths if given."""
        shape = ("-p", "-r", "--binary", "--full-index", "--no-renames", "--no-color")
        plain = ("--no-ext-diff", "--no-textconv", "--src-prefix=a/", "--dst-prefix=b/")
        arguments = ("--literal-pathspecs", "diff-tree", *shape, *plain, old, new, "--", *paths)
        return self.run_git(*arguments).decode(errors="surrogateescape")

    def patched(self, tree: str, patch: Path) -> str | None:
        """The tree with a saved patch applied to it, or None where its lines are not there."""
        with self._own_index() as index:
            self.run_git("read-tree", tree, index=index)
            try:
                self.run_git("apply", "--cached", "--whitespace=nowarn", str(patch), index=index)
            except GitFailed:
                return None
            return self.run_git("write-tree", index=index).decode().strip()

    def links(self, change: Change) -> dict[str, str]:
        """Where the symbolic links that a change writes point to."""
        written = {
            file.path: Entry(file.new_mode, file.new_id) for file in change.files if file.new_mode == SYMLINK
        }
        return {path: data.decode(errors="surrogateescape") for path, data in self.read(written).items()}

    def words_in(self, tree: str, words: tuple[str, ...]) -> frozenset[str]:
        """Which of the words stand anywhere in the tree's text files, as whole words."""
        if not words:
            return frozenset()
        patterns = tuple(part for word in words for part in ("-e", word))
        try:
            found = self.run_git("grep", "-hoIwF", "--no-color", *patterns, tree)
        except GitFailed as error:
            if error.status == 1 and not error.stderr:  # git grep: no match
                return frozenset()
            raise
        return frozenset(found.decode(errors="replace").split("\n")) & frozenset(words)


# the user's and the machine's configuration name filters, hooks and drivers: none of them is wanted here
_APART = {"GIT_CONFIG_NOSYSTEM": "1", "GIT_CONFIG_GLOBAL": "/dev/null", "GIT_ATTR_NOSYSTEM": "1"}

__all__ = ["ABSENT", "REGULAR", "Content", "Entry", "Snapshot", "Trees"]
