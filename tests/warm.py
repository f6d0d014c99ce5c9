"""The program in a process of its own, begun from one that has read its modules already.

A fresh interpreter spends more time on reading them than on most runs. What is begun here is a child process all
the same: its own folder, environment, streams and exit code; only nothing is read twice. What a module reads from
the environment while it is imported would be missed, so anything out of the ordinary begins afresh.
"""

from __future__ import annotations

import array
import atexit
import gc
import importlib
import io
import json
import os
import pkgutil
import random
import re
import signal
import socket
import subprocess
import sys
import tempfile
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from functools import cache
from pathlib import Path

# variables that no module looks at while it is imported
_LATE = re.compile(
    r"XDG_\w+|(\w+_)?(KEY|TOKEN|SECRET)|GIT_\w+|PATH|HOME|CI|NO_COLOR|TERM|COLUMNS|PYTEST_\w+|ROUTE_AGENT_\w+"
    r"|GITHUB_\w+|RUNNER_\w+|PWD|OLDPWD|SHLVL|_"
)
# of others than ourselves, what a command may come to need
_MODULES = (
    "openai", "openai.resources.chat", "anthropic", "anthropic.resources.messages", "genai_prices.data", "git",
    "psutil", "rich.console", "rich.table", "typer._adapters", "typer._click._textwrap", "typer._click.decorators",
    "encodings.ascii", "encodings.utf_8_sig",
)  # fmt: skip
# run on a project's own Python, or as the whole program
_NO_MODULES = ("route_agent.__main__", "route_agent.checks.pytest_probe", "route_agent.checks.line_probe")


def _would_be_the_same(environment: dict[str, str]) -> bool:
    """Whether a warm process would behave like a fresh one under this environment."""
    known = _first().environment
    odd = {name for name in {*environment, *known} if environment.get(name) != known.get(name)}
    return all(_LATE.fullmatch(name) for name in odd)


def run(
    arguments: list[str], *, cwd: Path, environment: dict[str, str], stdin: str, timeout: float
) -> tuple[int, str, str]:
    """Run a program's command line to its end: its exit code and what it wrote.

    Raises:
        subprocess.TimeoutExpired: it took longer; it is killed.
    """
    if _would_be_the_same(environment):
        return _run_warm(arguments, cwd, environment, stdin, timeout)
    done = subprocess.run(
        arguments,
        cwd=cwd,
        env=environment,
        input=stdin,
        capture_output=True,
        text=True,
        check=False,
        timeout=timeout,
    )
    return done.returncode, done.stdout, done.stderr


def begin(order: dict[str, object], streams: list[int], timeout: float = 60) -> int | None:
    """Run a command line on given streams: its exit code, or None where it has to begin afresh."""
    environment = order["environment"]
    assert isinstance(environment, dict)
    if not _would_be_the_same(environment):
        return None
    with _server() as server:
        return server.run(order, streams, timeout)


def _run_warm(
    arguments: list[str], cwd: Path, environment: dict[str, str], stdin: str, timeout: float
) -> tuple[int, str, str]:
    with tempfile.TemporaryFile() as fed, tempfile.TemporaryFile() as out, tempfile.TemporaryFile() as err:
        fed.write(stdin.encode())
        fed.seek(0)
        order: dict[str, object] = {"arguments": arguments, "cwd": str(cwd), "environment": environment}
        with _server() as server:
            code = server.run(order, [fed.fileno(), out.fileno(), err.fileno()], timeout)
        written = []
        for stream in (out, err):
            stream.seek(0)
            written.append(stream.read().decode())
        if code is None:
            raise subprocess.TimeoutExpired(arguments, timeout, *written)
        return code, written[0], written[1]


class _Server:
    """Our end of a warm process."""

    def __init__(self, to_it: socket.socket, environment: dict[str, str]) -> None:
        self.socket = to_it
        self.environment = environment

    def twin(self) -> _Server:
        """Another one, which is as warm, since it is forked from this."""
        ours, theirs = socket.socketpair()
        with theirs:
            self._send({}, [theirs.fileno()])
        exactly(self.socket, 8)
        return _Server(ours, self.environment)

    def run(self, order: dict[str, object], streams: list[int], timeout: float) -> int | None:
        """The exit code; None where the time was up."""
        self._send(order, streams)
        child = int.from_bytes(exactly(self.socket, 8), "big")
        self.socket.settimeout(timeout)
        try:
            return int.from_bytes(exactly(self.socket, 8), "big", signed=True)
        except TimeoutError:
            os.kill(child, signal.SIGKILL)
            self.socket.settimeout(60)
            exactly(self.socket, 8)
            return None

    def _send(self, order: dict[str, object], files: list[int]) -> None:
        text = json.dumps(order).encode()
        self.socket.settimeout(60)
        rights = [(socket.SOL_SOCKET, socket.SCM_RIGHTS, array.array("i", files))]
        self.socket.sendmsg([len(text).to_bytes(8, "big")], rights)
        self.socket.sendall(text)


_one_at_a_time = threading.Lock()
_idle: list[_Server] = []


@cache
def _first() -> _Server:
    """The warm process of this worker of the tests. It runs nothing itself: it is there to be forked."""
    ours, theirs = socket.socketpair()
    process = subprocess.Popen(
        [sys.executable, __file__, str(theirs.fileno())],
        pass_fds=[theirs.fileno()],
        stdin=subprocess.DEVNULL,
        stdout=subprocess.DEVNULL,
    )
    theirs.close()

    def end() -> None:
        for its in (ours, *(server.socket for server in _idle)):
            its.close()
        process.wait()

    atexit.register(end)
    return _Server(ours, {**os.environ})


@contextmanager
def _server() -> Iterator[_Server]:
    """One that nobody else uses until the block ends; one that fails there is not used again."""
    with _one_at_a_time:
        server = _idle.pop() if _idle else _first().twin()
    yield server
    _idle.append(server)


def exactly(source: socket.socket, count: int) -> bytes:
    data = b""
    while len(data) < count:
        piece = source.recv(count - len(data))
        if not piece:
            raise EOFError
        data += piece
    return data


def _serve(orders: socket.socket) -> dict[str, object] | None:
    """In the warm process: begin a child for every order. Returns in each child, and at the end."""
    while True:
        try:
            size, rights, _, _ = orders.recvmsg(8, socket.CMSG_SPACE(12))
            if not size:
                return None
            order: dict[str, object] = json.loads(exactly(orders, int.from_bytes(size, "big")))
        except (EOFError, ConnectionError):
            return None
        streams = array.array("i")
        for _, _, data in rights:
            streams.frombytes(data)
        child = os.fork()
        if child == 0 and not order:
            orders.close()
            orders = socket.socket(fileno=streams[0])
            continue
        if child == 0:
            for number, stream in enumerate(streams):
                os.dup2(stream, number)
            return order
        for stream in streams:
            os.close(stream)
        orders.sendall(child.to_bytes(8, "big"))
        if not order:
            continue
        code = os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])
        orders.sendall(code.to_bytes(8, "big", signed=True))


def _read_everything() -> None:
    """Import all modules, and make what each run would make for itself and is always the same."""
    import route_agent
    from route_agent import fuzzing, policy, redaction, strictness
    from route_agent.checks import cache
    from route_agent.cli import app
    from route_agent.records import checks, runs

    ours = (it.name for it in pkgutil.walk_packages(route_agent.__path__, "route_agent."))
    for name in _MODULES:
        with suppress(ImportError):  # the command that needs it will tell
            importlib.import_module(name)
    for name in ours:
        if name not in _NO_MODULES:
            importlib.import_module(name)
    app.command()
    runs.written_form()
    for kind in (checks.CheckRun, runs.Evidence):
        cache._adapter(kind)
    strictness._built_in()
    default = policy.parse_policy(policy.presets()["default"].read_bytes(), "default")
    files = ("src/app.py", "README.md")
    fuzzing.look(fuzzing.Scene("a task", files, files), policy.NamedPolicy("default", default))
    redaction.redact("token=abc key: x" * 9)


def _look_at_the_streams_again() -> None:
    """Streams of other kinds have taken the numbers: what was a file may be a pipe, in which nothing is sought."""
    for number, name in enumerate(("stdin", "stdout", "stderr")):
        known = getattr(sys, name)
        mode = "w" if number else "r"
        made = open(  # noqa: SIM115 - it is the process's own
            number, mode, encoding=known.encoding, errors=known.errors, closefd=False
        )
        assert isinstance(made, io.TextIOWrapper)
        made.reconfigure(line_buffering=number == 2)
        setattr(sys, name, made)


def _main() -> None:
    orders = socket.socket(fileno=int(sys.argv[1]))
    sys.path.pop(0)  # the tests are no modules of the program
    os.environ.setdefault("PYDANTIC_DISABLE_PLUGINS", "__all__")
    gc.disable()
    _read_everything()
    gc.enable()
    gc.freeze()
    order = _serve(orders)
    if order is None:
        return
    orders.close()
    os.closerange(3, 64)
    random.seed()
    os.environ.clear()
    os.environ.update(order["environment"])  # type: ignore[call-overload]
    os.chdir(str(order["cwd"]))
    _look_at_the_streams_again()
    sys.argv = [*order["arguments"]]  # type: ignore[misc]
    sys.path.insert(0, str(Path(sys.argv[0]).parent))
    from route_agent.__main__ import main

    try:
        main()
    except SystemExit as ended:
        _leave(ended)
        raise
    _leave(SystemExit(0))


def _leave(ended: SystemExit) -> None:
    """End as the interpreter would, apart from taking every module to pieces, which takes longer than most runs.

    Returns where that would show: a word in place of an exit code, or a stream that takes no more.
    """
    code = 0 if ended.code is None else ended.code
    if not isinstance(code, int):
        return
    threading._shutdown()  # type: ignore[attr-defined]
    atexit._run_exitfuncs()
    ended.__traceback__ = ended.__context__ = None  # what commands held is let go of
    gc.collect()
    try:
        sys.stdout.flush()
        sys.stderr.flush()
    except (OSError, ValueError):
        return
    os._exit(code & 0xFF)


if __name__ == "__main__":
    _main()
