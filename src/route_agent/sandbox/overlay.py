"""An overlay over a checkout's own path, in a mount namespace of its own, held by one small process.

Whoever enters that namespace sees the checkout with a layer of ours above it; whatever is written there stays
in the layer. The checkout is read through it, never written, and costs nothing to show at any size. The
process ends when its pipe is closed, as it is when we die, and the mount is gone with it.
"""

from __future__ import annotations

import os
import selectors
import shutil
import subprocess
import sys
from functools import cache
from pathlib import Path

MOUNT_SECONDS = 10.0
_PROGRAMS = "/usr/local/bin:/usr/bin:/bin:/usr/sbin:/sbin"
_NOT_IN_OPTIONS = frozenset(',:\\"\n')  # what parts or escapes them

# the last options that work are the least that do: see `_options`
_HOLD = """
project=$1; shift
for options do
    if why=$(mount -t overlay overlay -o "$options" "$project" 2>&1); then
        echo ready
        read -r _
        exit
    fi
done
printf '%s\\n' "$why"
"""


class Refused(Exception):
    """No overlay can be had here; the words say why."""


class Overlay:
    """A mounted overlay. `release` unmounts it."""

    def __init__(self, process: subprocess.Popen[bytes], project: Path) -> None:
        self._process = process
        self._project = project

    @property
    def tree(self) -> Path:
        """Where this process reads and writes what is seen inside.

        Only for the system's own calls: a program that resolves links itself would end in the checkout.
        """
        return Path(f"/proc/{self._process.pid}/root{self._project}")

    @property
    def entrance(self) -> tuple[str, ...]:
        """What to put before a command, so that it runs where the overlay is mounted."""
        user = () if os.geteuid() == 0 else ("--user", "--preserve-credentials")
        return (_program("nsenter"), "--target", str(self._process.pid), "--mount", *user, "--")

    def release(self) -> None:
        """Let go of it; what still runs inside keeps it for itself."""
        for pipe in (self._process.stdin, self._process.stdout):
            if pipe:
                pipe.close()
        self._process.wait()


def mount(project: Path, upper: Path, work: Path) -> Overlay:
    """Lay `upper` over the project, at the project's own path, in a namespace of its own.

    Args:
        project: the checkout. It has no links in its path.
        upper: the layer; it takes all that is written.
        work: an empty folder beside it.

    Raises:
        Refused: the system does not do it.
    """
    if why := why_never(project, upper):
        raise Refused(why)
    alone = ("--mount",) if os.geteuid() == 0 else ("--user", "--map-root-user", "--mount")
    argv = [_program("unshare"), *alone, "--propagation", "private", "--", "/bin/sh", "-c", _HOLD, "sh"]
    try:
        process = subprocess.Popen(
            [*argv, str(project), *_options(project, upper, work)],
            cwd="/",
            env={"PATH": _PROGRAMS, "LC_ALL": "C"},
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            start_new_session=True,
        )
    except OSError as error:
        raise Refused(f"unshare cannot run: {error.strerror}") from error
    held = Overlay(process, project)
    why = "interrupted"
    try:
        why = _until_ready(process) or _not_over(project, held)
    finally:
        if why:
            process.kill()
            held.release()
    if why:
        raise Refused(why)
    return held


def why_never(project: Path, upper: Path) -> str:
    """Why no overlay of these folders can be right, found without mounting; empty where none is known."""
    if sys.platform != "linux" or not all(map(_program, ("unshare", "nsenter", "mount"))):
        return "unshare, nsenter and mount are needed"
    if _NOT_IN_OPTIONS & {*str(project), *str(upper)}:
        return "a path has a character that mount options cannot hold"
    if below := _mounted_below(project):
        return f"{below} is a mount of its own"
    return _foreign(project)


def _options(project: Path, upper: Path, work: Path) -> list[str]:
    """Without waiting for the disk where the kernel knows how (5.10); with unprivileged marks for users."""
    folders = f"lowerdir={project},upperdir={upper},workdir={work}"
    plain = [f"{folders},volatile", folders] if os.geteuid() == 0 else []
    return [*plain, f"{folders},volatile,userxattr", f"{folders},userxattr"]


def _until_ready(process: subprocess.Popen[bytes]) -> str:
    assert process.stdout is not None  # noqa: S101  (opened as a pipe)
    with selectors.DefaultSelector() as selector:
        selector.register(process.stdout, selectors.EVENT_READ)
        if not selector.select(MOUNT_SECONDS):
            return f"it was not mounted within {MOUNT_SECONDS:g} s"
    line = process.stdout.readline()
    if line == b"ready\n":
        return ""
    process.kill()
    said = (line + process.stdout.read()).decode(errors="replace").strip().splitlines()
    return " ".join(said[-1].split())[:200] if said else "unshare ended without a word"


def _not_over(project: Path, held: Overlay) -> str:
    """What is read there must not be the checkout itself: another device has another number."""
    try:
        mounted = held.tree.stat().st_dev
    except OSError as error:
        return f"what is mounted cannot be reached: {error.strerror}"
    return "" if mounted != project.stat().st_dev else "nothing was mounted"


def _mounted_below(project: Path) -> str:
    """The first mount inside the project: an overlay would show the empty folder beneath it."""
    try:
        table = Path("/proc/self/mountinfo").read_text(encoding="utf-8", errors="surrogateescape")
    except OSError:
        return "what /proc/self/mountinfo would tell"
    points = (line.split(" ", 5)[4] for line in table.splitlines())
    decoded = (point.replace("\\040", " ") for point in points)
    return next((point for point in decoded if point.startswith(f"{project}/")), "")


def _foreign(project: Path) -> str:
    """Files of other users cannot be written inside, nor those of a group that is not the user's first."""
    user, group = os.geteuid(), os.getegid()
    with os.scandir(project) as entries:
        for entry in (project, *entries):
            about = os.lstat(entry)
            if about.st_uid != user:
                return f"{os.fspath(entry)} belongs to another user"
            if user and about.st_gid != group:
                return f"{os.fspath(entry)} belongs to another group"
    return ""


@cache
def _program(name: str) -> str:
    return shutil.which(name, path=_PROGRAMS) or ""
