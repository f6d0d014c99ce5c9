"""Which folders outside the system's own a command needs to see, and how its interpreter is found.

Interpreters and tools often live under the user's home (pyenv, nvm, pipx, uv), which the walls hide. What
is shown of it is read-only and as little as works: the installation a tool belongs to, never the home
folder itself, what contains it, or the folders in which programs keep their secrets.
"""

from __future__ import annotations

import os
import re
import shlex
from contextlib import suppress
from functools import lru_cache
from itertools import islice
from pathlib import Path
from typing import TYPE_CHECKING

from route_agent.sandbox.environment import home_folder, ignored_dirs, is_program, is_there

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping

    from route_agent.sandbox.place import Place

SYSTEM = tuple(map(Path, ("/usr", "/bin", "/sbin", "/lib", "/lib32", "/lib64", "/libx32", "/nix/store")))
_SYSTEM_PROGRAMS = tuple(map(Path, ("/usr/bin", "/bin", "/usr/sbin", "/sbin")))

_PERSONAL = (".local", ".local/share", ".config", ".cache", ".cargo", ".ssh", ".gnupg", ".aws", ".kube")
_SIGNS = (
    "pyvenv.cfg",
    "conda-meta",
    "lib/node_modules",
    "lib/ruby",
    "lib/rustlib",
    "lib/jrt-fs.jar",
    "pkg/tool",
    "libexec/pyenv",
)
_MAX_ENTRIES = 2000
PYTHON = re.compile(r"(python|pypy)[0-9.]*$")


def visible(place: Place, env: Mapping[str, str], command: Path) -> tuple[Path, ...]:
    """The folders and files to bind read-only so that a command finds itself and what it calls.

    Args:
        place: where it runs; what lies in its project is not listed.
        env: its environment.
        command: its file on this machine.
    """
    ignored = ignored_dirs(place)
    return _visible(place.project, ignored, env.get("PATH", ""), env.get("PYTHONUSERBASE"), command)


@lru_cache(maxsize=256)
def _visible(
    project: Path, ignored: tuple[str, ...], search_path: str, user_base: str | None, command: Path
) -> tuple[Path, ...]:
    found = _Found(project)
    for folder in search_path.split(os.pathsep):
        found.add_folder(Path(folder))
    for name in ignored:
        found.add_folder((project / name).resolve() / "bin")
    if user_base:
        found.add(Path(user_base).glob("lib/python3*"))
    for tool in (command, *interpreters(command, search_path)):
        found.add_tool(tool)
    return tuple(sorted(found.paths))


class _Found:
    def __init__(self, project: Path) -> None:
        self.paths: set[Path] = set()
        self._project = project
        self._seen: set[Path] = set()

    def add(self, paths: Iterable[Path]) -> None:
        for path in paths:
            for form in {path, path.resolve()}:
                hidden = not any(form.is_relative_to(root) for root in (*SYSTEM, *self.paths, self._project))
                if hidden and is_there(form) and not _is_personal(form):
                    self.paths.add(form)

    def add_folder(self, folder: Path) -> None:
        """A folder of programs, the installation around it, and what its links lead to."""
        if folder in self._seen or not is_there(folder, Path.is_dir):
            return
        self._seen.add(folder)
        prefix = _prefix(folder)
        self.add([prefix or folder])
        if prefix and (settings := _read(prefix / "pyvenv.cfg")):
            self._add_base(prefix, settings)
        if folder not in _SYSTEM_PROGRAMS:  # their thousands of links stay within the system
            for link in _links(folder):
                self.add_target(link)

    def _add_base(self, prefix: Path, settings: str) -> None:
        if home := re.search(r"^home\s*=\s*(.+?)\s*$", settings, re.MULTILINE):
            self.add_folder(Path(home[1]))
        for file in prefix.glob("lib/python3*/site-packages/*.pth"):
            # an environment that builds on another one; other folders are for the policy to expose
            lines = (Path(line.strip()) for line in _read(file).splitlines())
            self.add(line for line in lines if line.is_absolute() and line.name == "site-packages")

    def add_target(self, link: Path) -> None:
        """Where a link of a folder of programs leads: its installation, or else the one file."""
        target = link.resolve()
        if not is_program(target):
            return
        if prefix := _prefix(target.parent):
            self.add_folder(target.parent)
            self.add([prefix])
        else:
            self.add([target])

    def add_tool(self, path: Path) -> None:
        """The command itself: every folder on the way of its links, and the packages that it stands among."""
        for _ in range(20):
            self.add_folder(path.parent)
            if "node_modules" in path.parts:  # a package of npm calls others, which stand beside it
                self.add([Path(*path.parts[: path.parts.index("node_modules") + 1])])
            if not is_there(path, Path.is_symlink):
                return
            path = Path(os.path.normpath(path.parent / path.readlink()))


def _prefix(folder: Path) -> Path | None:
    """The installation that a folder of programs belongs to, if it looks like one."""
    if _is_personal(folder.parent):
        return None
    if folder.name == "shims":
        return folder.parent
    is_one = any(is_there(folder.parent / sign) for sign in _SIGNS) or any(folder.parent.glob("lib/python3*"))
    return folder.parent if folder.name in ("bin", "sbin") and is_one else None


def _is_personal(path: Path) -> bool:
    home = home_folder()
    if home is None:  # whose it is cannot be told: nothing as wide as / or /home is shown
        return len(path.parts) <= 2
    return home.is_relative_to(path) or path in {home / name for name in _PERSONAL}


def _links(folder: Path) -> Iterator[Path]:
    with suppress(PermissionError), os.scandir(folder) as entries:
        for entry in islice(entries, _MAX_ENTRIES):
            if entry.is_symlink():
                yield Path(entry.path)


def _read(path: Path) -> str:
    try:
        with path.open(encoding="utf-8", errors="replace") as file:
            return file.read(64 * 1024)
    except OSError:
        return ""


def shebang(path: Path) -> tuple[str, ...]:
    """The words of a script's first line, without `/usr/bin/env`; pip's form for long paths is understood."""
    try:
        with path.open("rb") as file:
            lines = file.read(4096).split(b"\n")[:2]
    except OSError:
        return ()
    if not lines[0].startswith(b"#!"):
        return ()
    words = lines[0][2:].decode(errors="replace").split()
    if words[:1] == ["/bin/sh"] and len(lines) > 1 and lines[1].startswith(b"'''exec'"):
        try:
            words = shlex.split(lines[1].decode(errors="replace").removeprefix("'''exec'"))[:1]
        except ValueError:
            return ()
    if words and Path(words[0]).name == "env":
        words = [word for word in words[1:] if not word.startswith("-") and "=" not in word]
    return tuple(words)


def interpreters(command: Path, search_path: str) -> tuple[Path, ...]:
    """What runs a script, and what runs that, as files on this machine."""
    found: list[Path] = []
    while len(found) < 4 and (words := shebang(command)):
        named = (Path(folder, words[0]) for folder in search_path.split(os.pathsep) if folder)
        command = next((path for path in named if is_program(path)), Path(words[0]))
        found.append(command)
    return tuple(found)


def python_of(command: Path, search_path: str) -> Path | None:
    """The Python interpreter that a command is or runs with, where its file tells."""
    for path in (command, *interpreters(command, search_path)):
        if PYTHON.match(path.name):
            return path
    # the scripts of a version manager are written in shell and choose when they run
    if command.parent.name == "shims" and is_program(command.parent / "python"):
        return command.parent / "python"
    return None
