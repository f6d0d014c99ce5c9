"""Run one command to its end and leave nothing of it behind: no process, no open pipe, no endless output."""

from __future__ import annotations

import errno
import os
import re
import secrets
import selectors
import signal
import subprocess
import time
from contextlib import ExitStack, suppress
from dataclasses import dataclass
from typing import TYPE_CHECKING, Self

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence
    from pathlib import Path
    from threading import Event

    import psutil

MARK = "ROUTE_AGENT_MARK"
KEEP = 64 * 1024
OUTPUT_LIMIT = 64 * 1024 * 1024
STOPPED = "interrupted"

_CHUNK = 64 * 1024
_TICK_S = 0.1  # how soon a stop is noticed
_TICK_WITHOUT_PIDFD_S = 0.01
_KILL_WAIT_S = 5.0
_QUIET_LOOKS = 2  # a process that forks and ends while one look is being taken is missed by it
_UNKNOWN = -1

_ESCAPES = re.compile(
    r"\x1b(?:\[[0-?]*[ -/]*[@-~]"  # colours, cursor
    r"|\][^\x07\x1b\n]*(?:\x07|\x1b\\)?"  # titles, links, clipboard
    r"|[PX^_][^\x1b\n]*(?:\x1b\\)?"
    r"|[ -/]*[0-~])"
)
# other control characters, and those that turn the direction of text
_CONTROL = re.compile("[\x00-\x08\x0b-\x1f\x7f-\x9f\u061c\u200e\u200f\u202a-\u202e\u2066-\u2069]")


@dataclass(frozen=True, slots=True)
class Finished:
    """How a command ended.

    Attributes:
        argv: the command as it was asked for.
        exit_code: None where it did not start or was killed by us; 128 + n where signal n ended it.
        output: what it printed to both streams, cleaned; the middle is left out where it was long.
        started: False where the command itself never ran; `reason` says why.
        timed_out: killed at its time limit.
        reason: one line where there is no exit code, else empty.
        seconds: wall time.
    """

    argv: tuple[str, ...]
    exit_code: int | None
    output: str
    started: bool
    timed_out: bool
    reason: str
    seconds: float


def not_started(argv: Sequence[str], reason: str, output: str = "", seconds: float = 0.0) -> Finished:
    """The end of a command that never ran."""
    return Finished(tuple(argv), None, output, started=False, timed_out=False, reason=reason, seconds=seconds)


def run(
    argv: Sequence[str],
    *,
    cwd: Path,
    env: Mapping[str, str],
    timeout_s: float,
    output_limit: int = OUTPUT_LIMIT,
    keep: int = KEEP,
    marker: str = "",
    pass_fds: tuple[int, ...] = (),
    contained: bool = False,
    stop: Event | None = None,
) -> Finished:
    """Run a command in a session of its own, and kill everything that it started before returning.

    Without a PID namespace, its processes are found by descent, by session and by a variable in their
    environment. One that leaves all three behind (a daemon that clears its environment) can survive.

    Args:
        argv: the command; no shell reads it.
        cwd: the folder it runs in.
        env: its whole environment, to which the marker is added.
        timeout_s: seconds after which it is killed.
        output_limit: bytes of output after which it is killed.
        keep: bytes kept of the beginning of the output, and as many of its end.
        marker: the marker's value; random where none is given.
        pass_fds: open descriptors that it inherits.
        contained: the command is bubblewrap: what is left inside when it ends by itself, the kernel kills.
        stop: kills the command when set, so that another thread can end it.
    """
    marker = marker or secrets.token_hex(16)
    began = time.monotonic()
    try:
        process = subprocess.Popen(
            argv,
            cwd=cwd,
            env={**env, MARK: marker},
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            start_new_session=True,
            pass_fds=pass_fds,
        )
    except OSError as error:
        return not_started(argv, _why_not_started(argv[0], cwd, error))
    except ValueError as error:
        return not_started(argv, f"cannot run {argv[0]!r}: {error}")
    with _Watched(process, marker, contained=contained, limit=output_limit, keep=keep) as watched:
        why = watched.until_the_end(began + timeout_s, stop)
    timed_out = why == "timeout"
    return Finished(
        argv=tuple(argv),
        exit_code=None if why else _exit_code(process.returncode),
        output=watched.output(),
        started=True,
        timed_out=timed_out,
        reason=f"timeout after {timeout_s:g} s" if timed_out else why,
        seconds=time.monotonic() - began,
    )


def clean(text: str) -> str:
    """Text without escape sequences, control and direction characters; line ends become newlines."""
    text = _ESCAPES.sub("", text)
    return _CONTROL.sub("", text.replace("\r\n", "\n").replace("\r", "\n"))


def _why_not_started(command: str, cwd: Path, error: OSError) -> str:
    if not cwd.is_dir():
        return f"the folder {cwd} does not exist"
    if error.errno == errno.ENOENT:
        return f"not found: {command}"
    if error.errno in (errno.EACCES, errno.ENOEXEC):
        return f"not executable: {command}"
    return f"cannot run {command}: {error.strerror}"


def _exit_code(returncode: int) -> int:
    return 128 - returncode if returncode < 0 else returncode


class _Watched:
    """A started process: its output is read until it ends, and at the end all of its kind are dead."""

    def __init__(
        self, process: subprocess.Popen[bytes], marker: str, *, contained: bool, limit: int, keep: int
    ) -> None:
        self._process = process
        self._marker = marker
        self._contained = contained
        self._limit = limit
        self._keep = keep
        self._head = bytearray()
        self._tail = bytearray()
        self._total = 0
        assert process.stdout is not None  # noqa: S101  (opened as a pipe)
        self._pipe = process.stdout
        os.set_blocking(self._pipe.fileno(), False)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *exception: object) -> None:
        try:
            if not (self._contained and _exit_kind(self._process.pid) == os.CLD_EXITED):
                _kill_family(self._process.pid, self._marker)
            with suppress(subprocess.TimeoutExpired):  # stuck in the kernel: nothing can end it sooner
                self._process.wait(_KILL_WAIT_S)
            for _ in range(64):  # what a survivor goes on printing is not waited for
                if not self._read():
                    break
        finally:
            self._pipe.close()

    def until_the_end(self, deadline: float, stop: Event | None) -> str:
        """Read until the process exits; an empty string, or why it must be killed."""
        with ExitStack() as stack:
            selector = stack.enter_context(selectors.DefaultSelector())
            selector.register(self._pipe, selectors.EVENT_READ)
            tick = _TICK_WITHOUT_PIDFD_S
            if hasattr(os, "pidfd_open"):
                with suppress(OSError):  # an old kernel, or a filter that forbids it
                    exited = os.pidfd_open(self._process.pid)
                    stack.callback(os.close, exited)
                    selector.register(exited, selectors.EVENT_READ)
                    tick = _TICK_S
            while not (kind := _exit_kind(self._process.pid)):
                left = deadline - time.monotonic()
                if left <= 0:
                    return "timeout"
                if stop is not None and stop.is_set():
                    return STOPPED
                ready = selector.select(min(left, tick))
                if any(key.fileobj is self._pipe for key, _ in ready) and self._read() == b"":
                    selector.unregister(self._pipe)
                if self._total > self._limit:
                    return f"printed more than {self._limit / (1024 * 1024):g} MiB"
        return "its exit code was lost: SIGCHLD is ignored here" if kind == _UNKNOWN else ""

    def _read(self) -> bytes | None:
        """Take what is there; empty at the end of the pipe, None where nothing is there now."""
        try:
            data = os.read(self._pipe.fileno(), _CHUNK)
        except BlockingIOError:
            return None
        self._total += len(data)
        room = self._keep - len(self._head)
        self._head += data[:room]
        self._tail += data[room:]
        if len(self._tail) > 2 * self._keep + _CHUNK:
            del self._tail[: -self._keep]
        return data

    def output(self) -> str:
        """What was kept, cleaned, with a line for what was not."""
        tail = bytes(self._tail[-self._keep :]) if self._keep else b""
        left_out = self._total - len(self._head) - len(tail)
        head = clean(self._head.decode(errors="replace"))
        end = clean(tail.decode(errors="replace"))
        return f"{head}\n… {left_out} bytes left out …\n{end}" if left_out else head + end


def _exit_kind(pid: int) -> int:
    """How a child ended (`os.CLD_EXITED` and its kin), or 0 while it lives.

    It is not reaped: as long as the zombie is there, its number means this process and its group.
    """
    try:
        ended = os.waitid(os.P_PID, pid, os.WEXITED | os.WNOHANG | os.WNOWAIT)
    except ChildProcessError:
        return _UNKNOWN
    return ended.si_code if ended else 0


def _kill_family(leader: int, marker: str) -> None:
    """Kill a process and all of its kind, until looks at all processes find none alive."""
    import psutil

    descendants: list[psutil.Process] = []
    with suppress(psutil.Error):
        descendants = psutil.Process(leader).children(recursive=True)
    deadline = time.monotonic() + _KILL_WAIT_S
    quiet = _QUIET_LOOKS
    while quiet and time.monotonic() < deadline:
        with suppress(ProcessLookupError, PermissionError):
            os.killpg(leader, signal.SIGKILL)
        alive = [process for process in (*descendants, *_kin(leader, marker)) if _is_alive(process)]
        for process in alive:
            with suppress(psutil.Error):
                process.kill()
        quiet = _QUIET_LOOKS if alive else quiet - 1
        if quiet:
            time.sleep(0.005)


def _kin(leader: int, marker: str) -> Iterator[psutil.Process]:
    """The processes of a session, and those that carry its marker."""
    import psutil

    for pid in psutil.pids():
        with suppress(psutil.Error, OSError):  # gone meanwhile, or another user's
            if os.getsid(pid) == leader or psutil.Process(pid).environ().get(MARK) == marker:
                yield psutil.Process(pid)


def _is_alive(process: psutil.Process) -> bool:
    import psutil

    try:
        return process.is_running() and process.status() != psutil.STATUS_ZOMBIE
    except psutil.Error:
        return False
