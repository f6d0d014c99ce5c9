"""A private repository that borrows the user's objects: read trees, write trees, compare them.

Nothing here writes into the user's repository. Its objects are reached through
`objects/info/alternates`; all that is new lies in our own store, and no ref, hook, filter or setting of
the user's is involved.
"""

from __future__ import annotations

import shutil
from dataclasses import dataclass
from pathlib import Path

from route_agent.errors import RepositoryState
from route_agent.records.change import ABSENT, REGULAR, SYMLINK, Change, FileChange
from route_agent.redaction import is_secret_name
from route_agent.repo.git import GitFailed, git, lines
from route_agent.repo.repository import Repository

MAX_UNTRACKED_BYTES = 20 * 1024 * 1024


@dataclass(frozen=True, slots=True)
class Entry:
    """One path of a tree: git's six-digit mode and the object's id."""

    mode: str
    id: str


@dataclass(frozen=True, slots=True)
class Content:
    """What a file shall hold: git's six-digit mode and the bytes."""

    mode: str
    data: bytes


@dataclass(frozen=True, slots=True)
class Snapshot:
    """The user's working state as a tree, and which untracked paths are not in it."""

    tree: str
    left_out: tuple[str, ...]


class Trees:
    """The private repository under `folder`, which only one process uses at a time."""

    def __init__(self, repository: Repository, folder: Path) -> None:
        self.repository = repository
        self.folder = folder
        self.git_dir = folder / "git"

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

    def _git(
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
        carried = tuple(
            part
            for name, value in self.repository.settings.items()
            if name.startswith("core.")
            for part in ("-c", f"{name}={value}")
        )
        place = work_tree or self.folder
        try:
            return git(*arguments, cwd=place, stdin=stdin, environment=environment, settings=carried)
        except GitFailed as error:
            error.hint = self._fetch or error.hint
            raise

    def snapshot(self) -> Snapshot:
        """The tree of HEAD plus staged, unstaged and untracked work, as it is at this moment.

        Untracked files that look like secrets, nested repositories and files above 20 MiB are left out.

        Raises:
            RepositoryState: git cannot read the working tree.
        """
        index = self.folder / "index-user"
        try:
            self._copy_index(index)
        except OSError as error:
            raise RepositoryState(f"git's index cannot be copied to {index}: {error.strerror}") from error
        untracked, left_out = self._sorted_untracked()
        root = self.repository.root
        try:
            self._git("add", "--update", "--ignore-errors", "--", ":/", index=index, work_tree=root)
            if untracked:
                names = "\0".join(untracked).encode(errors="surrogateescape")
                self._git("update-index", "--add", "-z", "--stdin", index=index, work_tree=root, stdin=names)
            tree = self._git("write-tree", index=index, work_tree=root).decode().strip()
        except GitFailed as error:
            raise RepositoryState(f"the working tree cannot be read: {error.words}") from error
        return Snapshot(tree, tuple(left_out))

    def _copy_index(self, target: Path) -> None:
        # the user's index carries the file times: with it only changed files are read again
        source = self.repository.git_dir / "index"
        target.unlink(missing_ok=True)
        if source.exists():
            shutil.copy2(source, target)
            for shared in self.repository.git_dir.glob("sharedindex.*"):
                shutil.copy2(shared, self.git_dir / shared.name)
        else:
            self._git("read-tree", self.repository.head, index=target, work_tree=self.repository.root)

    def _sorted_untracked(self) -> tuple[list[str], list[str]]:
        taken: list[str] = []
        left_out: list[str] = []
        for name in self.repository.untracked():
            path = self.repository.root / name
            unwanted = name.endswith("/") or is_secret_name(name) or not (path.is_symlink() or path.is_file())
            if unwanted or path.lstat().st_size > MAX_UNTRACKED_BYTES:
                left_out.append(name)
            else:
                taken.append(name)
        return taken, left_out

    def tree_of(self, commit: str) -> str:
        """The tree id of a commit."""
        return self._git("rev-parse", "--verify", f"{commit}^{{tree}}").decode().strip()

    def checkout(self, tree: str, folder: Path) -> None:
        """Make `folder` hold exactly the tree; what an earlier use left there is removed.

        Raises:
            RepositoryState: objects are missing (a partial clone), or the disk is full.
        """
        folder.mkdir(exist_ok=True)
        index = self.folder / "index-scratch"
        try:
            self._git(
                "-c", "checkout.workers=2", "read-tree", "--reset", "-u", tree, index=index, work_tree=folder
            )
            self._git("clean", "-ffdxq", index=index, work_tree=folder)
        except GitFailed as error:
            raise RepositoryState(
                f"the scratch cannot be made: {error.words}", hint=self._fetch or "is the disk full?"
            ) from error

    @property
    def _fetch(self) -> str:
        """What to do where objects are missing on purpose."""
        settings = self.repository.settings
        partial = "extensions.partialclone" in settings or any(it.endswith(".promisor") for it in settings)
        return "this is a partial clone: git fetch --refetch" if partial else ""

    def tree_in(self, folder: Path) -> str:
        """Write what the folder holds now as a tree. Ignored files are left out."""
        index = self.folder / "index-edited"
        shutil.copy2(self.folder / "index-scratch", index)
        self._git("add", "--all", "--", ":/", index=index, work_tree=folder)
        return self._git("write-tree", index=index, work_tree=folder).decode().strip()

    def entries(self, tree: str, paths: tuple[str, ...] | None = None) -> dict[str, Entry]:
        """The tree's files by path; only the given paths if some are given."""
        if paths is not None and not paths:
            return {}
        listed = lines(
            self._git("--literal-pathspecs", "ls-tree", "-r", "-z", "--full-tree", tree, "--", *(paths or ()))
        )
        found: dict[str, Entry] = {}
        for item in listed:
            facts, _, path = item.partition("\t")
            mode, _, identity = facts.split()
            found[path] = Entry(mode, identity)
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
        output = self._git("cat-file", "--batch", stdin=request)
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
        index = self.folder / "index-write"
        index.unlink(missing_ok=True)
        self._git("read-tree", base, index=index)
        removed = [f"0 {'0' * len(base)}\t{path}" for path, content in changes.items() if content is None]
        written = [
            f"{content.mode} {self._store(content.data)}\t{path}"
            for path, content in changes.items()
            if content is not None
        ]
        request = "".join(f"{line}\0" for line in removed + written).encode(errors="surrogateescape")
        self._git("update-index", "-z", "--index-info", index=index, stdin=request)
        return self._git("write-tree", index=index).decode().strip()

    def _store(self, data: bytes) -> str:
        return self._git("hash-object", "-w", "--stdin", stdin=data).decode().strip()

    def change(self, old: str, new: str) -> Change:
        """What differs between two trees. Renames appear as a deletion and an addition."""
        if old == new:
            return Change(old, new)
        fields = iter(
            lines(self._git("diff-tree", "-r", "-z", "--raw", "--numstat", "--no-renames", old, new))
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
        return self._git(*arguments).decode(errors="surrogateescape")

    def patched(self, tree: str, patch: Path) -> str | None:
        """The tree with a saved patch applied to it, or None where its lines are not there."""
        index = self.folder / "index-patched"
        index.unlink(missing_ok=True)
        self._git("read-tree", tree, index=index)
        try:
            self._git("apply", "--cached", "--whitespace=nowarn", str(patch), index=index)
        except GitFailed:
            return None
        return self._git("write-tree", index=index).decode().strip()

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
            found = self._git("grep", "-hoIwF", "--no-color", *patterns, tree)
        except GitFailed as error:
            if error.status == 1 and not error.stderr:  # git grep: no match
                return frozenset()
            raise
        return frozenset(found.decode(errors="replace").split("\n")) & frozenset(words)


# the user's and the machine's configuration name filters, hooks and drivers: none of them is wanted here
_APART = {"GIT_CONFIG_NOSYSTEM": "1", "GIT_CONFIG_GLOBAL": "/dev/null", "GIT_ATTR_NOSYSTEM": "1"}

__all__ = ["ABSENT", "REGULAR", "Content", "Entry", "Snapshot", "Trees"]
