"""Bounds on what a command may use: processes and memory where a control group can be had, and file sizes.

A group is made where nobody else keeps the books: at the root of what we see of a hierarchy, or where its
keeper has marked it as handed over. In every other place there is no such bound, and that is told.
"""

from __future__ import annotations

import atexit
import os
import re
import secrets
import shutil
import time
from contextlib import suppress
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator

MAX_PROCESSES = 2048
MAX_FILE_BYTES = 1024**3
_MEMORY_SHARE = 0.8
_OLD_S = 24 * 3600
_NAME = re.compile(r"route-agent-(\d+)-[0-9a-f]+$")
_SYSTEM_PROGRAMS = "/usr/local/bin:/usr/bin:/bin"

# joins the groups that are named before `--`, and becomes the command after it. It sets what prlimit would,
# which takes one program less; files are counted in blocks of 512 bytes there
_JOIN = (
    f"ulimit -c 0 && ulimit -f {MAX_FILE_BYTES // 512} || exit 125; "
    'while [ "$1" != -- ]; do echo $$ > "$1/cgroup.procs" || exit 125; shift; done; shift; exec "$@"'
)


@dataclass(frozen=True, slots=True)
class Limits:
    """What to put before a command, and what that bounds, in a person's words."""

    prefix: tuple[str, ...]
    detail: str


@cache
def limits() -> Limits:
    """The bounds for all commands of this process, which share them. Groups are removed when it ends."""
    groups = {name: group for name in ("pids", "memory") if (group := _group(name))}
    bounds = {name: group for name, group in groups.items() if _bound(name, group)}
    join = ("/bin/sh", "-c", _JOIN, "sh", *dict.fromkeys(map(str, bounds.values())), "--") if bounds else ()
    options = [] if join else ["--core=0", f"--fsize={MAX_FILE_BYTES}"]
    if "pids" not in bounds and os.geteuid():  # root is not held by it; others are, with all they run already
        options.append(f"--nproc={_running() + MAX_PROCESSES}")
    prlimit = shutil.which("prlimit", path=_SYSTEM_PROGRAMS) if options else None
    pids = "pids" in bounds or (prlimit and os.geteuid())
    told = f"pids {MAX_PROCESSES}" if pids else "pids not limited"
    memory = f"memory {_memory_bytes() / 1024**3:.0f} GiB" if "memory" in bounds else "memory not limited"
    return Limits((*join, *((prlimit, *options, "--") if prlimit else ())), f"{told}, {memory}")


def _group(controller: str) -> Path | None:
    """A group of our own, where one can be made."""
    parent = _our_group(controller)
    if parent is None:
        return None
    _sweep(parent)
    group = parent / f"route-agent-{os.getpid()}-{secrets.token_hex(4)}"
    try:
        group.mkdir()
    except OSError:
        return None
    atexit.register(_remove, group)
    return group


def _our_group(controller: str) -> Path | None:
    """The group we are in, if making others below it is nobody else's business."""
    with suppress(OSError, ValueError):
        for line in Path("/proc/self/cgroup").read_text(encoding="utf-8").splitlines():
            _, names, path = line.split(":", 2)
            if controller in names.split(",") or not names:
                for root in _mounts(controller if names else ""):
                    group = root / path.lstrip("/")
                    if path == "/" or _is_handed_over(group):
                        return group
    return None


def _mounts(controller: str) -> Iterator[Path]:
    for line in Path("/proc/self/mountinfo").read_text(encoding="utf-8", errors="replace").splitlines():
        before, _, after = line.partition(" - ")
        kind, _, options = after.split(" ", 2)
        is_it = kind == "cgroup" and controller in options.split(",") if controller else kind == "cgroup2"
        if is_it:
            yield Path(before.split(" ")[4])


def _is_handed_over(group: Path) -> bool:
    for mark in ("user.delegate", "trusted.delegate"):  # as systemd leaves it
        with suppress(OSError):
            return os.getxattr(group, mark) == b"1"
    return False


def _bound(controller: str, group: Path) -> bool:
    """Write the bound; no, where the group has no such controller."""
    file, value = ("pids.max", MAX_PROCESSES) if controller == "pids" else ("memory.max", _memory_bytes())
    for name in (file, "memory.limit_in_bytes") if controller == "memory" else (file,):
        with suppress(OSError):
            if (group / name).exists():
                (group / name).write_text(str(value))
                return True
    return False


def _memory_bytes() -> int:
    return int(os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") * _MEMORY_SHARE)


def _running() -> int:
    """How many threads of ours there are."""
    count, user = 0, os.getuid()
    for folder in Path("/proc").iterdir():
        if folder.name.isdigit():
            with suppress(OSError):
                if folder.stat().st_uid == user:
                    count += sum(1 for _ in (folder / "task").iterdir())
    return count


def _sweep(parent: Path) -> None:
    """Groups of processes that were killed: they are empty, and nobody will remove them.

    Another container may share the hierarchy and hide its processes: only what is old goes.
    """
    with suppress(OSError):
        for group in parent.iterdir():
            found = _NAME.match(group.name)
            is_old = found and time.time() - group.stat().st_mtime > _OLD_S
            if found and is_old and not Path("/proc", found[1]).exists():
                _remove(group)


def _remove(group: Path) -> None:
    with suppress(OSError):
        group.rmdir()
