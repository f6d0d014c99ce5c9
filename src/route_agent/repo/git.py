"""Run git so that neither the user's configuration nor the repository's can make it run anything else."""

from __future__ import annotations

import os
import subprocess
import threading
from functools import cache
from typing import TYPE_CHECKING

from route_agent.errors import EnvironmentBroken, RepositoryState

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

# what git would execute while it reads: a monitor, hooks, an external diff, gpg; and prompts, and pagers
_QUIET = (
    "-c", "core.fsmonitor=false",
    "-c", "core.untrackedCache=false",
    "-c", "core.hooksPath=/dev/null",
    "-c", "core.quotePath=false",
    "-c", "log.showSignature=false",
    "-c", "i18n.logOutputEncoding=UTF-8",
    "-c", "core.protectHFS=true",
    "-c", "core.protectNTFS=true",
    "-c", "submodule.recurse=false",
    "-c", "gc.auto=0",
    "-c", "maintenance.auto=false",
)  # fmt: skip


# what git itself forgets when it goes to another repository (git rev-parse --local-env-vars)
POINTING = (
    "GIT_ALTERNATE_OBJECT_DIRECTORIES", "GIT_COMMON_DIR", "GIT_CONFIG", "GIT_CONFIG_COUNT",
    "GIT_CONFIG_PARAMETERS", "GIT_DIR", "GIT_GRAFT_FILE", "GIT_IMPLICIT_WORK_TREE", "GIT_INDEX_FILE",
    "GIT_INTERNAL_SUPER_PREFIX", "GIT_NAMESPACE", "GIT_NO_REPLACE_OBJECTS", "GIT_OBJECT_DIRECTORY",
    "GIT_PREFIX", "GIT_QUARANTINE_PATH", "GIT_REPLACE_REF_BASE", "GIT_SHALLOW_FILE", "GIT_WORK_TREE",
)  # fmt: skip


class GitFailed(RepositoryState):
    """A git command ended with an error: its exit code and its own words.

    Where nobody expected it, the repository is damaged or the disk full: told to the user in git's words.
    """

    def __init__(self, arguments: tuple[str, ...], status: int, stderr: str) -> None:
        self.status = status
        self.stderr = stderr.strip()
        full = "No space left" in stderr or "diskspace" in stderr
        super().__init__(
            f"git {_command(arguments)}: {self.words}", hint="" if full else "git fsck tells more"
        )

    @property
    def words(self) -> str:
        """The one line that says what is wrong; git likes to add advice."""
        told = [line for line in self.stderr.splitlines() if line.strip()]
        fatal = (line.partition(": ")[2] for line in told if line.startswith(("fatal: ", "error: ")))
        return next(fatal, told[0] if told else f"exit code {self.status}")


def _command(arguments: tuple[str, ...]) -> str:
    words = iter(arguments)
    for word in words:
        if word == "-c":
            next(words)
        elif not word.startswith("-"):
            return word
    return ""


# who commits may be told by variables; that points nowhere else
_IDENTITY = tuple(f"GIT_{role}_{fact}" for role in ("AUTHOR", "COMMITTER") for fact in ("NAME", "EMAIL"))


@cache
def _base_environment() -> dict[str, str]:
    # hooks are run with GIT_DIR, GIT_INDEX_FILE and more set: all of them would point us elsewhere
    kept = {name: value for name, value in os.environ.items() if not name.startswith("GIT_")}
    for name in (
        "GIT_SSH",
        "GIT_SSH_COMMAND",
        "GIT_CONFIG_NOSYSTEM",
        "GIT_CONFIG_GLOBAL",
        "GIT_CONFIG_SYSTEM",
        *_IDENTITY,
    ):
        if name in os.environ:
            kept[name] = os.environ[name]
    return kept | {
        "GIT_OPTIONAL_LOCKS": "0",
        "GIT_TERMINAL_PROMPT": "0",
        "GIT_NO_REPLACE_OBJECTS": "1",
        "GIT_NO_LAZY_FETCH": "1",
        "LC_ALL": "C",
    }


def git(
    *arguments: str,
    cwd: Path,
    stdin: bytes | None = None,
    environment: Mapping[str, str] | None = None,
    settings: tuple[str, ...] = (),
) -> bytes:
    """Run one git command and return what it wrote to standard output.

    Args:
        arguments: the command and its arguments.
        cwd: where to run it.
        stdin: bytes to feed it; nothing is connected where None.
        environment: variables on top of the cleaned environment.
        settings: further ``-c`` pairs.

    Raises:
        GitFailed: the command failed.
        EnvironmentBroken: git is not installed.
    """
    try:
        done = subprocess.run(
            ["git", *_QUIET, *settings, *arguments],  # noqa: S607 - the git that the user has
            cwd=cwd,
            input=b"" if stdin is None else stdin,
            capture_output=True,
            env={**_base_environment(), **(environment or {})},
            check=False,
        )
    except FileNotFoundError as error:
        if not cwd.is_dir():
            raise RepositoryState(f"{cwd} is not a folder") from error
        raise EnvironmentBroken("git is not installed", hint="install git 2.31 or newer") from error
    except NotADirectoryError as error:
        raise RepositoryState(f"{cwd} is not a folder") from error
    if done.returncode:
        raise GitFailed(arguments, done.returncode, done.stderr.decode(errors="replace"))
    return done.stdout


def git_start(
    *arguments: str,
    cwd: Path,
    most: int,
    deadline_s: float,
    environment: Mapping[str, str] | None = None,
    settings: tuple[str, ...] = (),
) -> tuple[bytes, bool]:
    """What one git command writes to standard output, up to a size and for a time, and whether it is all.

    Args:
        most: bytes; after them git is ended.
        deadline_s: seconds, after which it is ended as well.

    Raises:
        GitFailed: the command failed by itself.
    """
    with subprocess.Popen(
        ["git", *_QUIET, *settings, *arguments],  # noqa: S607 - the git that the user has
        cwd=cwd,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        env={**_base_environment(), **(environment or {})},
    ) as running:
        if running.stdout is None:
            raise ValueError("a pipe was asked for")
        timer = threading.Timer(deadline_s, running.kill)
        timer.start()
        try:
            written = running.stdout.read(most + 1)
            late = not timer.is_alive()
            if len(written) > most:
                running.kill()
            status = running.wait()
        finally:
            timer.cancel()
            running.kill()
    whole = len(written) <= most and not late and status == 0
    if status > 0:
        raise GitFailed(arguments, status, "")
    return written[:most], whole


def lines(output: bytes) -> list[str]:
    """Split NUL-separated output into names; bytes that are not UTF-8 survive as surrogates."""
    return [item.decode(errors="surrogateescape") for item in output.split(b"\0") if item]
