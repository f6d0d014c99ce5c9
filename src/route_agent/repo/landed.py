"""What a repository's history, other branches and files hold of some lines. Only reads; bounded work."""

from __future__ import annotations

import os
import re
import secrets
import time
from collections import Counter
from dataclasses import dataclass
from typing import TYPE_CHECKING

from route_agent.landing import Commit, Lines, Touched, counted, touched
from route_agent.repo.git import GitFailed, git, git_start

if TYPE_CHECKING:
    from collections.abc import Collection, Iterable
    from pathlib import Path

    from route_agent.repo.repository import Repository

MOST_PATHS = 500_000  # bytes of all names together: a command line holds no more everywhere
MOST_COMMITS = 20_000
MOST_BYTES = 64 * 1024 * 1024
MOST_FILE = 2 * 1024 * 1024
_MEANS = re.compile(r"[][\\{}()*+?.^$|]")  # what an extended regular expression reads as more than itself
_SHAPE = (
    "-p", "-U0", "--text", "--inter-hunk-context=0", "--no-renames", "--no-color", "--no-ext-diff",
    "--no-textconv", "--no-show-signature", "--no-notes", "--no-mailmap", "--src-prefix=a/",
    "--dst-prefix=b/", "--no-relative", "--full-index", "--submodule=short", "--encoding=UTF-8",
    "--diff-algorithm=myers",
)  # fmt: skip


@dataclass(frozen=True, slots=True)
class Seen:
    """Some commits, newest first.

    Attributes:
        since: from when on all were seen, in seconds since 1970; later than asked where it took too long.
    """

    commits: tuple[Commit, ...]
    since: float


def is_lookable(path: str) -> bool:
    """Whether a path can be asked about: one that git's plain protocols can carry, and none outside."""
    if not path or len(path) > 1000 or path.startswith("/") or set("\0\n\r") & set(path):
        return False
    return not {"", ".", "..", ".git"} & set(path.split("/"))


class Landed:
    """Looks into one repository until its time is up."""

    def __init__(self, repository: Repository, deadline_s: float) -> None:
        self.repository = repository
        self._ends = time.monotonic() + deadline_s
        self._lines: dict[tuple[str, str], Lines | None] = {}

    def _left(self) -> float:
        return max(0.1, self._ends - time.monotonic())

    @property
    def is_late(self) -> bool:
        return time.monotonic() >= self._ends

    def commits(self, paths: Collection[str], since: float, *which: str) -> Seen:
        """The commits that touched some paths since a time: of HEAD, or of other revisions.

        First commits are left out, and in a shallow clone those at its edge: they seem to add everything.
        """
        mark, middle = secrets.token_hex(16), secrets.token_hex(16)
        if sum(len(os.fsencode(it)) + 1 for it in paths) > MOST_PATHS:
            return Seen((), float("inf"))
        form = f"--format=%x0a{mark} %H %ct %P%x0a%B%x0a{middle}"
        try:
            written, whole = git_start(
                "--literal-pathspecs", "log", *_SHAPE, "--no-merges", f"--since=@{int(since)}",
                f"--max-count={MOST_COMMITS}", form, *(which or (self.repository.head,)), "--",
                *sorted(paths),
                cwd=self.repository.root, most=MOST_BYTES, deadline_s=self._left(),
            )  # fmt: skip
        except GitFailed:
            return Seen((), float("inf"))
        entries = written.decode("utf-8", "surrogateescape").split(f"\n{mark} ")[1:]
        if not whole:  # the last may be cut
            entries = entries[:-1]
        found = [it for entry in entries if (it := _commit(entry, middle))]
        if whole and len(entries) < MOST_COMMITS:
            return Seen(tuple(found), since)
        return Seen(tuple(found), max((it.at for it in found[-1:]), default=float("inf")) + 1)

    def edge(self) -> float:
        """Before this time, in seconds since 1970, a shallow clone has no history; 0 where all is here."""
        if not self.repository.shallow:
            return 0.0
        try:
            ids = (self.repository.common_dir / "shallow").read_text("ascii", "replace").split()[:200]
            told = git("show", "--no-patch", "--format=%ct", *ids, "--", cwd=self.repository.root)
        except (GitFailed, OSError):
            return float("inf")
        return max((float(it) for it in told.split() if it.isdigit()), default=float("inf"))

    def known(self, commits: Iterable[str]) -> frozenset[str]:
        """Which of some commit ids there are here."""
        wanted = sorted(
            {it for it in commits if len(it) in (40, 64) and not set(it) - set("0123456789abcdef")}
        )
        told = self._batch("--batch-check=%(objectname) %(objecttype)", wanted)
        return frozenset(line.split()[0] for line in told.decode().splitlines() if line.endswith(" commit"))

    def _batch(self, how: str, names: list[str]) -> bytes:
        if not names:
            return b""
        asked = "".join(f"{it}\n" for it in names).encode(errors="surrogateescape")
        try:
            return git("cat-file", how, cwd=self.repository.root, stdin=asked)
        except GitFailed:
            return b""

    def look_up(self, files: Iterable[tuple[str, str]]) -> None:
        """Read files, each a commit and a path, for `lines_at`: all of them with two processes of git."""
        wanted = sorted({it for it in files if it not in self._lines and is_lookable(it[1])})
        sizes = self._batch(
            "--batch-check=%(objectname) %(objecttype) %(objectsize)", [f"{at}:{it}" for at, it in wanted]
        )
        blobs: dict[tuple[str, str], str] = {}
        total = 0
        for file, line in zip(wanted, sizes.decode("utf-8", "surrogateescape").splitlines(), strict=False):
            self._lines[file] = None
            words = line.split()
            if len(words) == 3 and words[1] == "blob":
                self._lines[file] = Counter()
                total += int(words[2]) if int(words[2]) <= MOST_FILE else 0
                if int(words[2]) <= MOST_FILE and total <= MOST_BYTES:
                    blobs[file] = words[0]
        self._read(blobs)

    def _read(self, blobs: dict[tuple[str, str], str]) -> None:
        written, at = self._batch("--batch", list(blobs.values())), 0
        for file in blobs:
            end = written.find(b"\n", at)
            words = written[at:end].split()
            if end < 0 or len(words) != 3:
                break
            size = int(words[2])
            text = written[end + 1 : end + 1 + size].decode("utf-8", "surrogateescape")
            self._lines[file] = counted("", text)
            at = end + 2 + size

    def lines_at(self, commit: str, paths: Collection[str], renamed: dict[str, str] | None = None) -> Lines:
        """The telling lines of some files in a commit, under the names by which they were asked for."""
        names = {path: (renamed or {}).get(path, path) for path in paths}
        self.look_up((commit, it) for it in names.values())
        found: Lines = Counter()
        for path, name in names.items():
            for (_, line), count in (self._lines.get((commit, name)) or {}).items():
                found[path, line] += count
        return found

    def renamed(self, commit: str, paths: Collection[str]) -> dict[str, str]:
        """What those of some files are called at HEAD that were renamed since a commit."""
        head = self.repository.head
        self.look_up((head, it) for it in paths)
        gone = {it for it in paths if self._lines.get((head, it)) is None}
        if not gone:
            return {}
        try:
            written, whole = git_start(
                "diff-tree", "-r", "-z", "-M", "-l2000", "--name-status", "--diff-filter=R", commit, head,
                cwd=self.repository.root, most=MOST_BYTES, deadline_s=self._left(),
            )  # fmt: skip
        except GitFailed:
            return {}
        fields = written.decode("utf-8", "surrogateescape").split("\0") if whole else []
        pairs = zip(fields[1::3], fields[2::3], strict=False)
        return {old: new for old, new in pairs if old in gone and is_lookable(new)}

    def elsewhere(self, commit: str, lines: Lines) -> dict[str, int]:
        """How many of some lines one commit adds, by file, whatever the file is called."""
        try:
            written, whole = git_start(
                "show", *_SHAPE, "--format=", commit, "--",
                cwd=self.repository.root, most=MOST_BYTES // 4, deadline_s=self._left(),
            )  # fmt: skip
        except GitFailed:
            return {}
        if not whole:
            return {"": lines.total()}  # as good as anywhere
        texts = Counter(text for _, text in lines.elements())
        found: dict[str, Counter[str]] = {}
        for (path, text), count in touched(written.decode("utf-8", "surrogateescape")).added.items():
            found.setdefault(path, Counter())[text] += count
        return {path: (their & texts).total() for path, their in found.items()}

    def holders(self, line: str) -> list[str]:
        """The files at HEAD that hold a line, with whatever white space between its words; at most a few."""
        pattern = "[[:space:]]+".join(_MEANS.sub(r"\\\g<0>", word) for word in line.split())
        try:
            written, _ = git_start(
                "grep", "-l", "-z", "-a", "-E", "--no-color", "-e", pattern, self.repository.head, "--",
                cwd=self.repository.root, most=16_384, deadline_s=self._left(),
            )  # fmt: skip
        except GitFailed:  # exit code 1: nowhere
            return []
        names = written.decode("utf-8", "surrogateescape").split("\0")
        paths = [it.partition(":")[2] for it in names]
        return [it for it in paths if is_lookable(it)][:8]

    def uncommitted(self, paths: Collection[str]) -> Lines:
        """The telling lines of some files of the working tree, as they lie there."""
        found: Lines = Counter()
        for path in paths:
            file = self.repository.root / path
            if is_lookable(path):
                found += counted(path, _text_of(file))
        return found

    def worktrees(self) -> frozenset[str]:
        """The folders of all checkouts that share this history."""
        try:
            told = git("worktree", "list", "--porcelain", cwd=self.repository.root)
        except GitFailed:
            return frozenset()
        named = told.decode("utf-8", "surrogateescape").splitlines()
        return frozenset(it.removeprefix("worktree ") for it in named if it.startswith("worktree "))

    def newest(self) -> float:
        """When HEAD was committed, in seconds since 1970."""
        told = git("show", "--no-patch", "--format=%ct", self.repository.head, cwd=self.repository.root)
        return float(told.split()[0])


def _text_of(file: Path) -> str:
    """What a plain file of ordinary size holds; nothing where it is another thing, or cannot be read."""
    try:
        if file.is_symlink() or not file.is_file() or file.stat().st_size > MOST_FILE:
            return ""
        return file.read_bytes().decode("utf-8", "surrogateescape")
    except OSError:
        return ""


def _commit(entry: str, middle: str) -> Commit | None:
    """One commit of a log; None for one without a parent."""
    head, _, rest = entry.partition("\n")
    message, _, diff = rest.partition(f"\n{middle}")
    words = head.split()
    if len(words) < 3 or not words[1].isdigit():
        return None
    return Commit(words[0], int(words[1]), words[2], message, touched(diff))


def together(several: Iterable[Touched]) -> frozenset[str]:
    """All paths of some diffs that can be asked about."""
    return frozenset(path for it in several for path in it.paths if is_lookable(path))
