"""Try to get out of the walls, from inside: run as a program, it prints what it found as JSON.

`python breakout.py SPEC`: SPEC names the repository, the scratch kind, the user to be and the walls to take down.
"""

from __future__ import annotations

import json
import os
import socket
import subprocess
import sys
from contextlib import ExitStack
from pathlib import Path
from typing import TYPE_CHECKING, Any

import psutil  # noqa: F401  what is imported later may not be readable as another user
import pydantic  # noqa: F401

from route_agent.records.checks import IsolationLevel
from route_agent.repo import around, scratch
from route_agent.repo.repository import Repository
from route_agent.repo.trees import Content
from route_agent.sandbox import bubblewrap, trial, walls
from route_agent.sandbox.environment import clean_environment
from route_agent.sandbox.trial import walls_for

if TYPE_CHECKING:
    from collections.abc import Callable

SYSTEM_PYTHON = "/usr/bin/python3"

# every line that this prints is a hole
INSIDE = r"""
import ctypes, os, signal, socket, subprocess, sys, time
project, home, key, listening, abstract, outside, parts = sys.argv[1:]
key = key[::-1]

def hole(what):
    print("hole:", what, flush=True)

def must_fail(what, action, *arguments):
    try:
        action(*arguments)
    except (OSError, ValueError):
        return
    hole(what)

def read(path):
    with open(path, "rb") as file:
        return file.read()

def tree():
    if os.getcwd() != project: hole("not at the checkout's own path")
    if b"patched" not in read("calc.py"): hole("the patch is not there")
    if os.path.exists("gone.py"): hole("a deleted file is there")

def writable():
    for folder in ("/", "/etc", "/usr", "/usr/lib", "/opt", "/root", "/var", "/home", "/sys", outside, home):
        must_fail(f"{folder} can be written", open, os.path.join(folder, "route-agent-was-here"), "w")

def secrets():
    for secret in (os.path.join(home, ".ssh/id_ed25519"), "/etc/shadow", "/root/.bashrc", ".env", "keys/deploy.pem",
                   ".git/config", ".git/HEAD", "nested/.git/config"):
        must_fail(f"{secret} can be read", read, secret)
    must_fail("a link in the checkout leads to the user's files", read, "way-out")
    must_fail("the layers can be seen", os.listdir, os.path.join(os.environ["HOME"], "../layers"))

def keys():
    for pid in [name for name in os.listdir("/proc") if name.isdigit()] + ["self"]:
        for name in ("environ", "cmdline"):
            try:
                if key.encode() in read(f"/proc/{pid}/{name}"): hole(f"the key stands in /proc/{pid}/{name}")
            except OSError:
                pass

def reach(kind, family, address):
    with socket.socket(family, kind) as it:
        it.settimeout(2)
        it.connect(address)

def route():  # sends nothing: a route is enough to be connected
    must_fail("UDP gets out", reach, socket.SOCK_DGRAM, socket.AF_INET, ("192.0.2.1", 53))
    must_fail("IPv6 gets out", reach, socket.SOCK_DGRAM, socket.AF_INET6, ("2001:db8::1", 53))

def network():
    must_fail("TCP gets out", reach, socket.SOCK_STREAM, socket.AF_INET, ("192.0.2.1", 80))
    must_fail("the metadata service can be reached", reach, socket.SOCK_STREAM, socket.AF_INET, ("169.254.169.254", 80))
    must_fail("names can be looked up", socket.getaddrinfo, "example.com", 80)
    must_fail("an abstract socket outside answers", reach, socket.SOCK_STREAM, socket.AF_UNIX, "\0" + abstract)
    must_fail("a socket in the checkout answers", reach, socket.SOCK_STREAM, socket.AF_UNIX, listening)
    for path in ("/run/docker.sock", "/var/run/docker.sock", "/run/dbus/system_bus_socket", "/tmp/.X11-unix/X0"):
        must_fail(f"{path} answers", reach, socket.SOCK_STREAM, socket.AF_UNIX, path)
    with socket.create_server(("127.0.0.1", 0)) as server:
        socket.create_connection(server.getsockname(), 5).close()

def caps():
    for line in open("/proc/self/status"):
        name, _, value = line.partition(":")
        if name in ("CapEff", "CapPrm", "CapBnd", "CapInh", "CapAmb") and int(value, 16): hole(f"{name} {value.strip()}")
        if name == "NoNewPrivs" and value.strip() != "1": hole("new privileges can be had")

def processes():
    if len([name for name in os.listdir("/proc") if name.isdigit()]) > 12: hole("processes outside can be seen")

def powers():
    libc = ctypes.CDLL(None, use_errno=True)
    if libc.mount(b"none", b"/", None, 32 | 4096, None) == 0: hole("/ can be remounted")
    if libc.mount(b"none", b"/tmp", b"tmpfs", 0, None) == 0: hole("something can be mounted")
    if libc.umount2(project.encode(), 2) == 0: hole("what stands over the checkout can be taken away")
    if os.fork() == 0:
        os._exit(1 if libc.unshare(0x10000000) == 0 else 0)
    if os.wait()[1]: hole("a user namespace can be made")
    must_fail("a device can be made", os.mknod, "disk", 0o60600, os.makedev(254, 0))
    try:
        terminal = os.open("/dev/tty", os.O_RDWR)
    except OSError:
        terminal = None
    if terminal is not None: hole("there is a terminal to write into")

def writing():
    os.makedirs(".git/hooks", exist_ok=True)
    for path in ("calc.py", ".git/hooks/pre-push", ".git/config", ".gitignore", "kept.py", "planted.py"):
        with open(path, "a") as file:
            file.write("# planted\n")
        os.chmod(path, 0o4755)
    os.utime("calc.py", (1, 1))
    os.rename("kept.py", "renamed.py")
    os.symlink(os.path.join(home, ".ssh"), "leak")
    os.mkfifo("pipe")
    must_fail("a file of the checkout can be linked into results", os.link, "folder/inner.py", os.environ["HOME"] + "/hard")
    with open("folder/inner.py", "r+b") as file:
        import mmap
        with mmap.mmap(file.fileno(), 0) as memory:
            memory[0:1] = b"!"

def ending():
    if os.fork() == 0:
        os.setsid()
        for number in (signal.SIGTERM, signal.SIGHUP): signal.signal(number, signal.SIG_IGN)
        os.execvpe("sleep", ["sleep", "12345.125"], {})
    time.sleep(0.1)

def bounds():
    if len([name for name in os.listdir("/proc") if name.isdigit()]) > 12:
        return  # not alone here: this would fill the machine
    children = 0
    try:
        for _ in range(5000):
            if os.fork() == 0:
                time.sleep(60)
                os._exit(0)
            children += 1
    except OSError:
        pass
    else:
        hole("5000 processes can be started")

for part in parts.split(","):
    globals()[part]()
print("done", flush=True)
"""

PARTS = (
    "tree", "writable", "secrets", "keys", "route", "network", "caps", "processes", "powers", "writing", "ending", "bounds",
)  # fmt: skip


def without(*options: str) -> Callable[[Any], Any]:
    """A change of bubblewrap's options that leaves some out."""
    return lambda real: lambda *given: [option for option in real(*given) if option not in options]


# what to change so that a wall is down, and the one part that looks whether it is. Without its walls nothing may be
# run that writes, kills or fills the machine
DOWN: dict[str, tuple[Any, str, Callable[[Any], Any], str]] = {
    "network": (bubblewrap, "_namespaces", without("--unshare-net"), "route"),
    "processes": (bubblewrap, "_namespaces", without("--unshare-pid"), "processes"),
    "powers": (
        bubblewrap,
        "_namespaces",
        without("--unshare-user", "--disable-userns", "--cap-drop", "ALL"),
        "caps",
    ),
    "system": (bubblewrap, "_ETC", lambda names: (*names, "shadow"), "secrets"),
    "secrets": (around._Look, "take", lambda real: lambda *given, **options: None, "secrets"),
}


def main() -> None:
    spec: dict[str, Any] = json.loads(sys.argv[1])
    if spec["uid"]:
        os.setgroups([])
        os.setresgid(spec["uid"], spec["uid"], spec["uid"])
        os.setresuid(spec["uid"], spec["uid"], spec["uid"])
    if Path(SYSTEM_PYTHON).exists():
        sys.executable = SYSTEM_PYTHON
    parts: tuple[str, ...] = PARTS
    if spec["down"]:
        where, attribute, change, part = DOWN[spec["down"]]
        setattr(where, attribute, change(getattr(where, attribute)))
        for module, name in ((walls, "try_walls"), (trial, "try_place")):  # they would find the hole
            setattr(module, name, lambda *given: "")
        parts = (part,)
    sys.stdout.write(json.dumps(attempt(spec, parts)) + "\n")


def attempt(spec: dict[str, Any], parts: tuple[str, ...]) -> dict[str, Any]:
    """Run `INSIDE` behind the walls; what it found, and what stood."""
    root = Path(spec["root"])
    with ExitStack() as stack:
        listening = stack.enter_context(socket.socket(socket.AF_UNIX))
        listening.bind(str(root / "ignored" / "app.sock"))
        listening.listen()
        abstract = stack.enter_context(socket.socket(socket.AF_UNIX))
        abstract.bind(f"\0route-agent-{os.getpid()}")
        abstract.listen()
        mine = stack.enter_context(scratch.slot(Repository.open(root)))
        stand = walls_for(mine, IsolationLevel.NAMESPACES, spec["kind"])
        start = mine.trees.snapshot().tree
        patched = {"calc.py": Content("100644", b"# patched\n"), "gone.py": None}
        mine.show(mine.trees.write(start, patched))
        place = mine.place
        told = [
            spec["root"],
            spec["home"],
            spec["key"][::-1],
            "ignored/app.sock",
            f"route-agent-{os.getpid()}",
        ]
        ended = stand.run(
            [sys.executable, "-I", "-c", INSIDE, *told, spec["outside"], ",".join(parts)],
            place,
            env=clean_environment(place),
            timeout_s=60,
        )
        left = subprocess.run(["ps", "-eo", "args"], capture_output=True, text=True, check=True).stdout
    holes = [line.removeprefix("hole: ") for line in ended.output.splitlines() if line.startswith("hole: ")]
    if "sleep 12345.125" in left.splitlines():
        holes.append("a daemon is left")
    return {
        "holes": holes,
        "isolation": str(stand.isolation),
        "ended": ended.exit_code,
        "uid": os.getuid(),
        "output": ended.output[-2000:] + ended.reason,
    }


if __name__ == "__main__":
    main()
