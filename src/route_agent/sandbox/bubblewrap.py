"""The argument list of bubblewrap, and what its failures mean.

Only listed system folders are visible: a read-only view of `/` would still show every secret to a process
whose user owns them. `--unshare-user --cap-drop ALL` takes root its powers, which it would keep otherwise.
"""

from __future__ import annotations

import json
import os
import time
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from route_agent.sandbox.environment import home_folder, ignored_dirs

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from route_agent.sandbox.place import Exposure, Place

_GIB = 1024**3
_EMPTY_WITHIN_S = 5.0
_MERGED = ("/bin", "/sbin", "/lib", "/lib32", "/lib64", "/libx32")
# no folder as a whole: some of /etc is readable by root alone, and root inside is root outside
_ETC = (
    "ld.so.cache", "ld.so.conf", "ld.so.conf.d", "alternatives", "ssl/certs", "ssl/openssl.cnf",
    "pki/tls/certs", "ca-certificates", "ca-certificates.conf", "passwd", "group", "nsswitch.conf", "hosts",
    "localtime", "timezone", "os-release", "debian_version", "mime.types", "protocols", "services", "fonts",
)  # fmt: skip
_NETWORK_ETC = ("resolv.conf", "host.conf", "gai.conf")
# caches that tools keep among the dependencies, which are read-only
_CACHES = ("node_modules/.cache", "node_modules/.vite", "node_modules/.vite-temp")

# what bubblewrap says, and what that means for the person reading it
_FAILURES = (
    (
        "setting up uid map: Permission denied",
        "user namespaces are restricted here, by AppArmor or the system",
    ),
    ("Failed RTM_NEWADDR", "user namespaces are restricted here, by AppArmor or the system"),
    ("nesting depth or /proc/sys/user/max_", "no more namespaces are allowed here"),
    ("No permissions to create", "this container does not allow namespaces"),
    ("Creating new namespace failed", "this machine does not allow namespaces"),
    ("Can't mount proc", "/proc is masked in this container"),
    ("Failed to make / slave", "this container does not allow mounts"),
)


def arguments(
    place: Place,
    exposure: Exposure,
    *,
    roots: Iterable[Path],
    features: frozenset[str],
    status_fd: int,
    subdirectory: str = "",
) -> list[str]:
    """Everything between `bwrap` and `--`: the tree stands at the checkout's own path.

    Args:
        place: the tree, where it is to stand, and the folders of ours that a check may use.
        exposure: what is allowed beyond.
        roots: installations to show read-only.
        features: options that this version of bubblewrap knows.
        status_fd: where it writes how the command ended.
        subdirectory: where the command starts, below the project.

    Raises:
        EnvironmentBroken: see `ignored_dirs`.
    """
    project = str(place.project)
    shown = [path for path in roots if not path.is_relative_to(place.project)]
    given = [_absolute(path, place) for path in exposure.paths]
    return [
        *_namespaces(exposure, features),
        # entered as root of a user namespace, it is the user again inside
        *(("--uid", str(os.getuid()), "--gid", str(os.getgid())) if place.entrance else ()),
        *("--json-status-fd", str(status_fd)),
        *_system(exposure),
        *("--proc", "/proc", "--dev", "/dev"),
        *_tmpfs("/dev/shm", _GIB, features),  # noqa: S108
        *_tmpfs("/tmp", _GIB, features),  # noqa: S108
        *_tmpfs("/run", _GIB // 16, features),
        *("--dir", "/var", "--symlink", "../tmp", "/var/tmp", "--symlink", "../run", "/var/run"),  # noqa: S108
        *_bind("--ro-bind", shown),
        *("--bind", project if place.entrance else str(place.tree), project),
        *_dependencies(place, features),
        *_bind("--bind", (place.home, place.results)),
        *_bind("--ro-bind", (place.tools,)),
        *_bind("--ro-bind-try", given),
        *("--remount-ro", "/"),
        *("--chdir", str(place.project / subdirectory)),
    ]


def _namespaces(exposure: Exposure, features: frozenset[str]) -> list[str]:
    options = ["--unshare-user", "--unshare-pid", "--unshare-ipc", "--unshare-uts", "--unshare-cgroup-try"]
    if not exposure.network:
        options.append("--unshare-net")
    if "--disable-userns" in features:
        options.append("--disable-userns")
    return [*options, "--cap-drop", "ALL", "--die-with-parent", "--new-session", "--hostname", "sandbox"]


def _system(exposure: Exposure) -> list[str]:
    options = ["--ro-bind", "/usr", "/usr", "--ro-bind-try", "/nix/store", "/nix/store"]
    for folder in map(Path, _MERGED):
        if folder.is_symlink():
            options += ["--symlink", str(folder.readlink()), str(folder)]
        elif folder.is_dir():
            options += ["--ro-bind", str(folder), str(folder)]
    names = (*_ETC, *(_NETWORK_ETC if exposure.network else ()))
    return [*options, "--dir", "/etc", *_bind("--ro-bind-try", (Path("/etc", name) for name in names))]


def _tmpfs(path: str, size: int, features: frozenset[str]) -> list[str]:
    return [*(("--size", str(size)) if "--size" in features else ()), "--tmpfs", path]


def _bind(how: str, paths: Iterable[Path]) -> list[str]:
    return [word for path in paths for word in (how, str(path), str(path))]


def _dependencies(place: Place, features: frozenset[str]) -> list[str]:
    options: list[str] = []
    for name in ignored_dirs(place):
        source = place.project / name
        options += ["--ro-bind", str(source.resolve()), str(source)]
        for cache in _CACHES:
            if cache.startswith(f"{name}/") and (place.project / cache).is_dir():
                options += _tmpfs(str(place.project / cache), _GIB, features)
    return options


def _absolute(path: str, place: Place) -> Path:
    given = Path(path).expanduser() if home_folder() else Path(path)
    return Path(os.path.normpath(place.project / given))


@dataclass(frozen=True, slots=True)
class Status:
    """What bubblewrap reported: the first process inside, by its number outside, and how the command ended.

    `exit_code` is None where the command did not end by itself.
    """

    first_pid: int | None = None
    exit_code: int | None = None


def read_status(reported: str) -> Status:
    """The report, of which every line is one JSON object."""
    told: dict[str, object] = {}
    for line in reported.splitlines():
        with suppress(ValueError):
            fact = json.loads(line)
            told |= fact if isinstance(fact, dict) else {}
    pid, code = told.get("child-pid"), told.get("exit-code")
    return Status(pid if isinstance(pid, int) else None, code if isinstance(code, int) else None)


def wait_until_empty(status: Status) -> None:
    """Wait for the end of the first process inside, which comes after that of all others there.

    bwrap itself returns as soon as the command has ended; daemons are killed a moment later.
    """
    deadline = time.monotonic() + _EMPTY_WITHIN_S
    while status.first_pid and time.monotonic() < deadline:
        try:
            words = Path(f"/proc/{status.first_pid}/stat").read_text(errors="replace")
        except OSError:
            return
        name, _, rest = words.partition("(")[2].rpartition(")")
        if name != "bwrap" or rest.split()[0] in "ZX":
            return
        time.sleep(0.001)


def why_not(output: str, argv: Sequence[str] = ()) -> str:
    """One line for a sandbox that did not start its command."""
    said = [line for line in output.splitlines() if line.startswith(("bwrap:", "prlimit:"))]
    last = said[-1] if said else (output.strip().splitlines() or ["it ended without a word"])[-1]
    meaning = next((meaning for words, meaning in _FAILURES if words in output), "")
    if "execvp" in last and argv:
        return f"cannot start {argv[0]} behind the walls: its interpreter is not visible there"
    return f"{last} ({meaning})" if meaning else last
