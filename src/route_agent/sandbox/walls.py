"""Behind which walls commands run: namespaces where the machine has them, else none, and that is said.

A command always sees the tree under test, never the checkout: behind namespaces the tree stands at the
checkout's own absolute path, so that editable installs and caches find the code they were made for.
"""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
import tempfile
import threading
from abc import ABC, abstractmethod
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING

from route_agent.errors import EnvironmentBroken
from route_agent.records.checks import Isolation, IsolationLevel
from route_agent.sandbox import bubblewrap, process
from route_agent.sandbox.environment import (
    home_folder,
    ignored_dirs,
    resolve,
    why_unresolved,
)
from route_agent.sandbox.limits import limits
from route_agent.sandbox.place import NOTHING, Exposure, Place
from route_agent.sandbox.roots import visible
from route_agent.sandbox.tryout import try_walls

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence
    from threading import Event

    from route_agent.sandbox.process import Finished

__all__ = ["NOTHING", "Exposure", "Namespaces", "Place", "Unwalled", "Walls", "best_walls"]

_SYSTEM_PROGRAMS = "/usr/local/bin:/usr/bin:/bin"


# options, and the version of bubblewrap that first knew them
_SINCE = {"--size": (0, 7, 0), "--disable-userns": (0, 8, 0)}


class Walls(ABC):
    """Runs commands, and says behind what."""

    isolation: Isolation

    def run(
        self,
        argv: Sequence[str],
        place: Place,
        *,
        env: Mapping[str, str],
        timeout_s: float,
        exposure: Exposure = NOTHING,
        subdirectory: str = "",
        stop: Event | None = None,
    ) -> Finished:
        """Run a command on the tree, in the calling thread, which must last as long as it does.

        Args:
            argv: the command; see `resolve` for where it is looked for.
            place: the tree and the folders around it.
            env: the whole environment; see `clean_environment`.
            timeout_s: seconds after which it is killed.
            exposure: what it is allowed beyond the walls.
            subdirectory: where it starts, below the project.
            stop: kills it when set.

        Raises:
            EnvironmentBroken: a link in the tree stands where dependencies belong.
        """
        command = resolve(argv[0], env, place, subdirectory)
        if command is None:
            return process.not_started(argv, why_unresolved(argv[0], env))
        for folder in (place.home / "tmp", place.results, place.tools):
            folder.mkdir(parents=True, exist_ok=True)
        return self._run(
            _Job(tuple(argv), command, place, dict(env), timeout_s, exposure, subdirectory, stop)
        )

    def standing(self, path: Path, place: Place) -> Path:
        """Where a path of the tree stands for a command; other paths are what they are."""
        root = self.root(place)
        return root / path.relative_to(place.tree) if path.is_relative_to(place.tree) else path

    @abstractmethod
    def root(self, place: Place) -> Path:
        """Where a command finds the tree."""

    @abstractmethod
    def _run(self, job: _Job) -> Finished: ...


@dataclass(frozen=True, slots=True)
class _Job:
    argv: tuple[str, ...]
    command: Path
    place: Place
    env: dict[str, str]
    timeout_s: float
    exposure: Exposure
    subdirectory: str
    stop: Event | None


@dataclass(slots=True)
class Namespaces(Walls):
    """Bubblewrap: own file system, network, processes and powers.

    Attributes:
        program: the bwrap file.
        features: the options it knows that not every version has.
    """

    program: Path
    features: frozenset[str]
    isolation: Isolation

    def root(self, place: Place) -> Path:
        """The checkout's own path."""
        return place.project

    def _run(self, job: _Job) -> Finished:
        place = job.place
        read_end, write_end = os.pipe()
        try:
            wrapped = [
                *limits().prefix,
                *place.entrance,
                str(self.program),
                *bubblewrap.arguments(
                    place,
                    job.exposure,
                    roots=visible(place, job.env, job.command),
                    features=self.features,
                    status_fd=write_end,
                    subdirectory=job.subdirectory,
                ),
                "--",
                str(self.standing(job.command, place)),
                *job.argv[1:],
            ]
            # bwrap stays in the sandbox as its first process, where its own environment can be read
            finished = process.run(
                wrapped,
                cwd=Path("/"),
                env=job.env | {"TMPDIR": "/tmp"},  # noqa: S108  (private, and short enough for sockets)
                timeout_s=job.timeout_s,
                pass_fds=(write_end,),
                contained=True,
                stop=job.stop,
            )
        finally:
            os.close(write_end)
            with os.fdopen(read_end, encoding="utf-8", errors="replace") as status:
                os.set_blocking(read_end, False)
                reported = bubblewrap.read_status(status.read())
        bubblewrap.wait_until_empty(reported)
        return _unwrapped(finished, job, reported.exit_code)


def _unwrapped(finished: Finished, job: _Job, exit_code: int | None) -> Finished:
    """The command's own end, told from that of the sandbox around it."""
    if finished.exit_code is not None and exit_code is None:
        reason = bubblewrap.why_not(finished.output, job.argv)
        return process.not_started(job.argv, reason, finished.output, finished.seconds)
    return process.Finished(
        argv=job.argv,
        exit_code=None if finished.exit_code is None else exit_code,
        output=finished.output,
        started=finished.started,
        timed_out=finished.timed_out,
        reason=finished.reason,
        seconds=finished.seconds,
    )


@dataclass(slots=True)
class Unwalled(Walls):
    """No walls: a clean environment and a killed process tree, nothing else. The tree stands where it is."""

    isolation: Isolation
    _links: dict[Path, int] = field(default_factory=dict)
    _lock: threading.Lock = field(default_factory=threading.Lock)

    def root(self, place: Place) -> Path:
        """The tree's own path."""
        return place.tree

    def _run(self, job: _Job) -> Finished:
        with self._node_modules(job.place):
            finished = process.run(
                [str(job.command), *job.argv[1:]],
                cwd=job.place.tree / job.subdirectory,
                env=job.env,
                timeout_s=job.timeout_s,
                stop=job.stop,
            )
        return process.Finished(
            job.argv,
            finished.exit_code,
            finished.output,
            finished.started,
            finished.timed_out,
            finished.reason,
            finished.seconds,
        )

    @contextmanager
    def _node_modules(self, place: Place) -> Iterator[None]:
        """Node looks for packages beside the files: link them for as long as any command runs there."""
        link = place.tree / "node_modules"
        with self._lock:
            users = self._links.get(link, 0)
            if not users and "node_modules" in ignored_dirs(place):
                with suppress(FileNotFoundError, NotADirectoryError):
                    link.rmdir()
                if not link.is_symlink():  # one of ours, left behind by a run that was killed
                    link.symlink_to(place.project / "node_modules")
            self._links[link] = users + 1
        try:
            yield
        finally:
            with self._lock:
                self._links[link] -= 1
                if not self._links[link] and link.is_symlink():
                    link.unlink()


def best_walls(project: Path, required: IsolationLevel = IsolationLevel.NONE) -> Walls:
    """The best walls that this machine can really build, tried once.

    Args:
        project: the checkout that trees will stand for.
        required: the least that will do.

    Raises:
        EnvironmentBroken: less than required can be had.
    """
    why_not = shows_home(project)
    if not why_not:
        walls, why_not = _tried()
        if walls is not None:
            return walls
    if required is IsolationLevel.NAMESPACES:
        raise EnvironmentBroken(
            f"isolation by namespaces is required and cannot be had: {why_not}",
            hint="install bubblewrap with the system's package manager, or see: route-agent doctor",
        )
    return Unwalled(Isolation(IsolationLevel.NONE, why_not))


def shows_home(project: Path) -> str:
    """Why a project cannot stand behind namespaces, whatever the machine can do; empty where it can."""
    home = home_folder()
    if project == Path("/") or (home is not None and home.is_relative_to(project)):
        return f"{project} contains the home folder, which namespaces must hide"
    return ""


@cache
def _tried() -> tuple[Namespaces | None, str]:
    """Walls that held when they were tried, or why there are none."""
    walls, why_not = untried()
    if walls is not None:
        with tempfile.TemporaryDirectory(prefix="route-agent-probe-") as folder:
            why_not = try_walls(walls.run, Path(folder).resolve())
    return (None, why_not) if why_not else (walls, "")


@cache
def untried() -> tuple[Namespaces | None, str]:
    """Walls as this machine's bubblewrap would build them, or why there are none."""
    program = shutil.which("bwrap", path=f"{os.environ.get('PATH', '')}:{_SYSTEM_PROGRAMS}")
    if sys.platform != "linux" or program is None:
        return None, "bubblewrap is not installed"
    version = re.search(r"\d+(\.\d+)+", _ask(program, "--version"))
    number = tuple(map(int, version[0].split("."))) if version else ()
    features = frozenset(option for option, since in _SINCE.items() if number >= since)
    detail = f"bwrap {version[0] if version else 'of unknown version'}; net off, {limits().detail}"
    return Namespaces(Path(program), features, Isolation(IsolationLevel.NAMESPACES, detail)), ""


def _ask(program: str, option: str) -> str:
    try:
        return subprocess.run([program, option], capture_output=True, text=True, timeout=10, env={}).stdout
    except (OSError, subprocess.TimeoutExpired):
        return ""
