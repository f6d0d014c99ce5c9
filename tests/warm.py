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
from functools import cache
from pathlib import Path

# variables that no module looks at while it is imported
_LATE = re.compile(r"XDG_\w+|\w+_API_KEY|LOOPBACK_KEY|GIT_\w+|PATH|PYTEST_\w+|ROUTE_AGENT_\w+")
# of others than ourselves, what a command may come to need
_MODULES = (
    "openai", "openai.resources.chat", "anthropic", "anthropic.resources.messages", "genai_prices.data", "git",
    "psutil", "rich.console", "rich.table", "typer._adapters", "typer._click._textwrap", "typer._click.decorators",
    "encodings.ascii", "encodings.utf_8_sig",
)  # fmt: skip
# run on a project's own Python, or as the whole program
_NO_MODULES = ("route_agent.__main__", "route_agent.checks.pytest_probe", "route_agent.checks.line_probe")


_one_at_a_time = threading.Lock()


def _would_be_the_same(environment: dict[str, str]) -> bool:
    """Whether a warm process would behave like a fresh one under this environment."""
    first = _server().environment
    odd = {name for name in {*environment, *first} if environment.get(name) != first.get(name)}
    return all(_LATE.fullmatch(name) for name in odd)


def run(
    arguments: list[str], *, cwd: Path, environment: dict[str, str], stdin: str, timeout: float
) -> tuple[int, str, str]:
    """Run a program's command line to its end: its exit code and what it wrote.

    Raises:
        subprocess.TimeoutExpired: it took longer; it is killed.
    """
    if _would_be_the_same(environment) and _one_at_a_time.acquire(blocking=False):
        try:
            return _run_warm(arguments, cwd, environment, stdin, timeout)
        finally:
            _one_at_a_time.release()
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
    if not _would_be_the_same(environment) or not _one_at_a_time.acquire(blocking=False):
        return None
    try:
        return _server().run(order, streams, timeout)
    finally:
        _one_at_a_time.release()


def _run_warm(
    arguments: list[str], cwd: Path, environment: dict[str, str], stdin: str, timeout: float
) -> tuple[int, str, str]:
    with tempfile.TemporaryFile() as fed, tempfile.TemporaryFile() as out, tempfile.TemporaryFile() as err:
        fed.write(stdin.encode())
        fed.seek(0)
        order: dict[str, object] = {"arguments": arguments, "cwd": str(cwd), "environment": environment}
        code = _server().run(order, [fed.fileno(), out.fileno(), err.fileno()], timeout)
        written = []
        for stream in (out, err):
            stream.seek(0)
            written.append(stream.read().decode())
        if code is None:
            raise subprocess.TimeoutExpired(arguments, timeout, *written)
        return code, written[0], written[1]


class _Server:
    """Our end: one warm process for each worker of the tests."""

    def __init__(self) -> None:
        self.environment = {**os.environ}
        self.socket, other = socket.socketpair()
        self.process = subprocess.Popen(
            [sys.executable, __file__, str(other.fileno())],
            pass_fds=[other.fileno()],
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
        )
        other.close()
        atexit.register(self.end)

    def run(self, order: dict[str, object], streams: list[int], timeout: float) -> int | None:
        """The exit code; None where the time was up."""
        text = json.dumps(order).encode()
        self.socket.settimeout(60)
        rights = [(socket.SOL_SOCKET, socket.SCM_RIGHTS, array.array("i", streams))]
        self.socket.sendmsg([len(text).to_bytes(8, "big")], rights)
        self.socket.sendall(text)
        child = int.from_bytes(exactly(self.socket, 8), "big")
        self.socket.settimeout(timeout)
        try:
            return int.from_bytes(exactly(self.socket, 8), "big", signed=True)
        except TimeoutError:
            os.kill(child, signal.SIGKILL)
            self.socket.settimeout(60)
            exactly(self.socket, 8)
            return None

    def end(self) -> None:
        self.socket.close()
        self.process.wait()


@cache
def _server() -> _Server:
    return _Server()


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
        if child == 0:
            for number, stream in enumerate(streams):
                os.dup2(stream, number)
            return order
        for stream in streams:
            os.close(stream)
        orders.sendall(child.to_bytes(8, "big"))
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
    for name in (*_MODULES, *(name for name in ours if name not in _NO_MODULES)):
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
    sys.argv = [*order["arguments"]]  # type: ignore[misc]
    sys.path.insert(0, str(Path(sys.argv[0]).parent))
    from route_agent.__main__ import main

    main()


if __name__ == "__main__":
    _main()
