"""A try at the walls, from inside: what they must keep out, and what must be there all the same."""

from __future__ import annotations

import secrets
import sys
from pathlib import Path
from typing import TYPE_CHECKING

from route_agent import places
from route_agent.sandbox.environment import clean_environment, home_folder
from route_agent.sandbox.place import Place

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from route_agent.sandbox.process import Finished

_TIMEOUT_S = 20

# runs inside: every line it prints is a hole in the walls
_PROBE = """
import os, socket, sys
def must_fail(what, action, *arguments):
    try:
        action(*arguments)
    except OSError:
        return
    print("hole:", what)
canary, nonce, *more = sys.argv[1:]
must_fail("the user's home can be read", open, canary)
def write(path):
    open(path, "w").close()
    os.unlink(path)
must_fail("/usr can be written", write, "/usr/" + nonce)
if not os.path.exists(nonce):
    print("hole: the tree is not where it should be")
outside = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
must_fail("the network can be reached", outside.connect, ("192.0.2.1", 9))
server = socket.create_server(("127.0.0.1", 0))
socket.create_connection(server.getsockname(), 5).close()
for line in open("/proc/self/status"):
    if line.startswith("CapEff") and int(line.split()[1], 16):
        print("hole: root keeps its powers")
if more:
    taken, rewritten = more
    if open(nonce).read() != nonce:
        print("hole: a file of the layer does not hold what it should")
    for name in (".git", taken):
        if name and os.path.lexists(name):
            print("hole: what the layer takes away is there")
    if rewritten:
        with open(rewritten, "r+b") as file:
            first = file.read(1)
            file.seek(0)
            file.write(first)
    write(nonce + "-new")
print("done", nonce)
"""


def new_nonce() -> str:
    """A name that nothing has."""
    return f"route-agent-probe-{secrets.token_hex(8)}"


def try_walls(run: Callable[..., Finished], folder: Path) -> str:
    """Why walls do not hold, found in an empty folder with the argument list of real runs; empty: they do."""
    tree, project, home, results, tools = (
        folder / it for it in ("tree", "project", "home", "results", "tools")
    )
    for path in (tree, project, home):
        path.mkdir()
    nonce = new_nonce()
    (tree / nonce).touch()
    return try_place(run, Place(tree, project, home, results, tools), nonce)


def try_place(run: Callable[..., Finished], place: Place, nonce: str, more: Sequence[str] = ()) -> str:
    """The same in a place whose tree has a file of that name.

    Args:
        run: what is tried: `Walls.run`.
        place: where.
        nonce: the file. With `more` it holds its own name.
        more: of an overlay, the name of a file of the checkout that is not to be seen, and of one that can be
            written; empty where there is none.
    """
    command = (sys.executable, "-I", "-S", "-c", _PROBE, str(_canary()), nonce, *more)
    ended = run(command, place, env=clean_environment(place), timeout_s=_TIMEOUT_S)
    holes = [line.removeprefix("hole: ") for line in ended.output.splitlines() if line.startswith("hole: ")]
    if not ended.started or ended.timed_out:
        return ended.reason
    if holes:
        return f"bwrap: the walls do not hold: {', '.join(holes)}"
    last = (ended.output.splitlines() or [""])[-1]
    return "" if last == f"done {nonce}" else f"bwrap: the trial failed: {last}"


def _canary() -> Path:
    """A file of the user's, under their home folder as a rule, that nobody inside may read.

    It stays where it is: a run that is killed leaves nothing new behind.
    """
    file = places.state_dir() / "canary"
    try:
        file.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
        file.touch(mode=0o600)
    except OSError:  # a home that cannot be written: the walls are then only tried by what they hide of it
        home = home_folder()
        return home / ".bashrc" if home else file
    return file
