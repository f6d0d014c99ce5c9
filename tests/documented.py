"""The command blocks of README and docs, and a shell that runs them as a reader would.

A fence says what its block is: `sh` is commands, `console` is commands after `$ ` with what they print, `text` and
the other languages are neither. A comment above a block says where it is run:

    <!-- scene: project -->              in a fresh place of that kind
    <!-- scene: project, goes on -->     where the block before it on the page ended
    <!-- not run here: why -->           not at all; tests/test_documented.py has the list of those

In what is printed, `…` stands for any text, and alone on its line for any lines.
"""

from __future__ import annotations

import array
import json
import os
import re
import shlex
import socket
import subprocess
import sys
import threading
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

import warm

PROGRAM = str(Path(sys.executable).with_name("route-agent"))
_BLOCK = re.compile(
    r"^(?P<indent> *)```(?P<language>[\w-]*)\n(?P<body>.*?)^(?P=indent)```$", re.MULTILINE | re.DOTALL
)
_REMARK = re.compile(r"<!-- (scene|not run here): (.+?) -->\s*\Z")
_HERE = re.compile(r"<<-?'?(\w+)'?")
_EXIT = re.compile(r"\s+# exit (\d+)\b.*$")

# what stands in for the program on PATH: hands its own streams to the warm process of these tests
_STAND_IN = """\
#!{python} -IS
import array, json, os, socket, sys
order = {{"arguments": [{program!r}, *sys.argv[1:]], "cwd": os.getcwd(), "environment": dict(os.environ)}}
link = socket.socket(socket.AF_UNIX)
link.connect({address!r})
text = json.dumps(order).encode("utf-8", "surrogateescape")
link.sendmsg([len(text).to_bytes(8, "big")], [(socket.SOL_SOCKET, socket.SCM_RIGHTS, array.array("i", [0, 1, 2]))])
link.sendall(text)
answer = link.recv(8)
if len(answer) == 8:
    sys.exit(int.from_bytes(answer, "big", signed=True))
os.execv({program!r}, [{program!r}, *sys.argv[1:]])
"""


@dataclass(frozen=True, slots=True)
class Block:
    """One fenced block of a page."""

    page: str
    line: int
    language: str
    body: str
    scene: str = ""
    goes_on: bool = False
    not_run: str = ""

    def __str__(self) -> str:
        return f"{self.page}:{self.line}"

    @property
    def is_commands(self) -> bool:
        return self.language in ("sh", "bash", "console")


@dataclass(frozen=True, slots=True)
class Command:
    """A command and what the page says that it prints; None where it says nothing."""

    text: str
    printed: str | None = None
    exit_code: int = 0


def blocks(page: str, text: str) -> Iterator[Block]:
    """Every fenced block of a page, in order."""
    for found in _BLOCK.finditer(text):
        remark = _REMARK.search(text[: found.start()])
        kind, said = remark.groups() if remark else ("", "")
        indent = len(found["indent"])
        yield Block(
            page=page,
            line=text.count("\n", 0, found.start()) + 1,
            language=found["language"],
            body="".join(line[indent:] if line.strip() else line for line in found["body"].splitlines(True)),
            scene=said.removesuffix(", goes on") if kind == "scene" else "",
            goes_on=said.endswith(", goes on"),
            not_run=said if kind == "not run here" else "",
        )


def commands(block: Block) -> list[Command]:
    """What a reader would type, one command after another."""
    lines = block.body.splitlines()
    if block.language != "console":
        return [Command(_with_exit_codes(block.body))]
    found: list[Command] = []
    while lines:
        line = lines.pop(0)
        assert line.startswith("$ "), f"{block}: what is printed comes after a command: {line!r}"
        text, code = line[2:], _EXIT.search(line)
        if here := _HERE.search(text):
            while True:
                text += f"\n{lines.pop(0)}"
                if text.endswith(f"\n{here[1]}"):
                    break
        printed: list[str] = []
        while lines and not lines[0].startswith("$ "):
            printed.append(lines.pop(0))
        told = "\n".join(printed) if printed else None
        found.append(Command(_EXIT.sub("", text) if code else text, told, int(code[1]) if code else 0))
    return found


def _with_exit_codes(script: str) -> str:
    """A line that says `# exit 1` ends so; any other one with 0, or the script ends there."""
    lines = []
    for line in script.splitlines():
        code = _EXIT.search(line)
        lines.append(f"{{ {_EXIT.sub('', line)}; }} || [ $? = {code[1]} ]" if code else line)
    return "\n".join(lines)


def is_as_told(printed: str, told: str) -> bool:
    """Whether a text is what a page shows, with its `…`."""
    pattern = ""
    for line in told.splitlines():
        if line.strip() == "…":
            pattern += r"(?:.*\n)*?"
        else:
            pattern += ".*?".join(map(re.escape, line.rstrip().split("…"))) + r"[ ]*\n"
    text = "".join(f"{line.rstrip()}\n" for line in printed.splitlines())
    return re.fullmatch(pattern, text) is not None


class Shell:
    """A shell whose folder and variables stay from command to command."""

    def __init__(self, place: Path, environment: Mapping[str, str]) -> None:
        programs = place / "programs"
        programs.mkdir(parents=True)
        self._state = place / "state"
        self._link = socket.socket(socket.AF_UNIX)
        address = str(place / "link")
        self._link.bind(address)
        self._link.listen()
        self.program = stand_in = programs / "route-agent"
        stand_in.write_text(_STAND_IN.format(python=sys.executable, program=PROGRAM, address=address))
        stand_in.chmod(0o755)
        self._environment = {**environment, "PATH": f"{programs}:{environment['PATH']}"}
        self._folder = place
        self._ended = threading.Event()
        threading.Thread(target=self._serve, daemon=True).start()

    def close(self) -> None:
        self._ended.set()
        self._link.close()

    def go(self, folder: Path) -> None:
        """Leave the variables and start over in another folder."""
        self._folder = folder
        self._state.unlink(missing_ok=True)

    def run(self, script: str, timeout: float = 60) -> tuple[int, str, str]:
        """Run a script after those before it: its exit code and what it wrote."""
        before = f"source {shlex.quote(str(self._state))}\n" if self._state.exists() else ""
        after = '{ export -p; printf "cd %q\\n" "$PWD"; }'
        whole = f"{before}trap '{after} >{self._state}' EXIT\nset -euo pipefail\n{script}\n"
        done = subprocess.run(
            ["bash", "-c", whole],
            cwd=self._folder,
            env=self._environment,
            capture_output=True,
            text=True,
            timeout=timeout,
            stdin=subprocess.DEVNULL,
        )
        return done.returncode, done.stdout, done.stderr

    def _serve(self) -> None:
        while not self._ended.is_set():
            try:
                link, _ = self._link.accept()
            except OSError:
                return
            threading.Thread(target=self._answer, args=(link,), daemon=True).start()

    def _answer(self, link: socket.socket) -> None:
        size, rights, _, _ = link.recvmsg(8, socket.CMSG_SPACE(12))
        streams = array.array("i")
        for _, _, data in rights:
            streams.frombytes(data)
        order = json.loads(warm.exactly(link, int.from_bytes(size, "big")))
        code = warm.begin(order, [*streams])
        for stream in streams:
            os.close(stream)
        if code is not None:
            link.sendall(code.to_bytes(8, "big", signed=True))
        link.close()
