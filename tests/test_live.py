"""The live view: what it draws of events at several widths, and on a real terminal while a run goes on."""

from __future__ import annotations

import fcntl
import io
import json
import os
import pty
import re
import select
import struct
import subprocess
import termios
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
from rich.console import Console
from sandpit import ADD, FIX, POLICY, PROGRAM, Sandpit, replies

from route_agent.checks.telling import Telling
from route_agent.cli.live import View
from route_agent.ledger.store import Ledger
from route_agent.records.checks import CheckKind, CheckResult, Outcome
from route_agent.records.events import Event, Money, Step
from route_agent.records.risk import Decision

DECIDED = Decision("fast", ("fast", "strong"), ("score 2 ≤ 6",), "other", "default", "0" * 12)
BOTTOM = "\x1b[?25h"  # the cursor is shown again


class Clock:
    def __init__(self) -> None:
        self.now = 100.0

    def __call__(self) -> float:
        return self.now


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def view(clock: Clock) -> View:
    return View(clock=clock)


def drawn(view: View, width: int = 80, height: int = 24) -> list[str]:
    stream = io.StringIO()
    console = Console(file=stream, width=width, height=height, force_terminal=True, no_color=True)
    console.print(view)
    plain = re.sub(r"\x1b\[[0-9;]*m", "", stream.getvalue())
    return [line.rstrip() for line in plain.splitlines()]


def asking(lane: str = "fast", model: str = "small-1", spent: int = 0) -> Event:
    return Event(
        Step.ASK, f"{lane} · {model}", stage="begun", lane=lane, model=model, money=Money(spent, 1_000_000)
    )


def check(name: str, outcome: Outcome = Outcome.PASSED) -> CheckResult:
    return CheckResult(name, CheckKind.TEST, outcome, seconds=1.0)


def test_a_check_is_shown_from_its_beginning_with_its_clock_and_what_it_usually_takes(
    view: View, clock: Clock
) -> None:
    telling = Telling(view.tell, {"pytest": 41.0})
    view.tell(Event(Step.BASELINE, "pytest · ruff"))
    telling.begun("pytest")
    telling.begun("ruff")
    clock.now += 8
    telling.ended(check("ruff"))

    head, *rows = drawn(view)
    assert head[2:] == "0:08  checks at start"
    assert rows == ["  pytest  0:08  usually 0:41", "  ruff passed"]


def test_a_call_is_shown_with_its_lane_and_model_and_money_against_the_limit(
    view: View, clock: Clock
) -> None:
    clock.now += 3
    view.tell(asking("strong", "large-1", spent=31_000))
    clock.now += 61

    head, row, sums = drawn(view)
    assert head[2:] == "1:04  asking"
    assert row == "  strong · large-1  1:01"
    assert sums == "  $0.031 of $1.00 · time left unknown"


def test_the_lane_stays_in_sight_while_its_patch_is_checked(view: View) -> None:
    view.tell(asking())
    view.tell(Event(Step.ASK, "", stage="ended", lane="fast", model="small-1", money=Money(4_000, 1_000_000)))
    view.tell(Event(Step.CHECK, "+1 −1 in 1 file"))

    head, sums = drawn(view)
    assert head[2:] == "0:00  checks: +1 −1 in 1 file · fast · small-1"
    assert sums.startswith("  $0.004 of $1.00")


def test_who_works_beside_the_author_is_not_taken_for_it(view: View) -> None:
    view.tell(Event(Step.DECIDED, "", lane="fast", about=DECIDED))
    view.tell(asking())
    view.tell(asking("verifier", "judge-1"))

    assert [line[2:] for line in drawn(view)[:3]] == [
        "0:00  asking · fast · small-1",
        "fast · small-1  0:00",
        "verifier · judge-1  0:00",
    ]
    view.tell(Event(Step.ASK, "", stage="ended", lane="fast", model="small-1"))
    view.tell(Event(Step.CHECK, "+1 −1 in 1 file"))
    assert drawn(view)[0][2:] == "0:00  checks: +1 −1 in 1 file · fast · small-1"


def test_the_time_left_comes_from_earlier_runs_and_is_never_below_nothing(view: View, clock: Clock) -> None:
    view.tell(Event(Step.DECIDED, "limit", usual_s=60.0, money=Money(0, 1_000_000, 2)))
    clock.now += 20
    assert drawn(view)[-1] == "  at least $0.000 of $1.00, 2 calls of unknown cost · about 0:40 left"
    assert drawn(view, 28)[-2] == "  at least $0.000 of $1.00…"
    clock.now += 60
    assert drawn(view)[-1].endswith("longer than usual (1:00)")


@pytest.mark.parametrize("width", [80, 40, 20])
def test_no_line_is_wider_than_the_terminal_and_no_clock_is_cut(view: View, clock: Clock, width: int) -> None:
    view.tell(Event(Step.DECIDED, "limit", usual_s=60.0, money=Money(0, 1_000_000)))
    view.tell(asking("strong", "a-model-with-a-very-long-name-of-its-own"))
    Telling(view.tell, {"check-with-a-long-name": 5.0}).begun("check-with-a-long-name")
    clock.now += 5

    lines = drawn(view, width)
    assert all(len(line) < width for line in lines)
    assert sum("0:05" in line for line in lines) == 3  # of the run, of the call and of the check


def test_a_low_terminal_shows_some_and_a_hostile_name_is_shown_and_not_obeyed(view: View) -> None:
    for number in range(30):
        Telling(view.tell).begun(f"check-{number}")
    assert len(drawn(view, height=10)) == 7
    assert drawn(view, height=10)[-1] == "  … and 25 more"
    view.tell(asking("evil\x1b]0;pwned\x07", "m\r\n"))
    assert not any("\x1b" in line or "\x07" in line for line in drawn(view, height=100))


# --- from the ledger


def test_what_is_usual_is_the_median_of_three_or_more_of_this_repository(tmp_path: Path) -> None:
    ledger = Ledger(tmp_path / "ledger.sqlite3")
    run = (
        "INSERT INTO run (id, started_at, repository, brief, base, start, replayed, policy, policy_hash,"
        " forced_lane, first_lane, verdict, seconds) VALUES (?, ?, ?, '', '', '', 0, '', '', 0, 'fast', ?, ?)"
    )
    took = "INSERT INTO check_result VALUES (?, 0, ?, 'test', ?, '', ?)"
    for number, seconds in enumerate([10.0, 30.0, 20.0, 500.0]):
        here = "/ours" if number < 3 else "/theirs"
        ledger._db.execute(run, (f"r{number}", f"2026-01-0{number + 1}", here, "accepted", seconds))
        ledger._db.execute(took, (f"r{number}", "pytest", "passed", seconds))
        ledger._db.execute(took, (f"r{number}", "pytest", "not-run", 0.0))
        ledger._db.execute(took, (f"r{number}", "ruff", "passed", 1.5))  # one result, kept and told again

    assert ledger.usual_checks("/ours") == {"pytest": 20.0}
    assert ledger.usual_checks("/theirs") == {}
    assert ledger.usual_seconds("/ours", "fast") == 20.0
    assert ledger.usual_seconds("/ours", "strong") is None
    assert ledger.usual_seconds("/theirs", "fast") is None


# --- for real

SLOW = POLICY.replace("import sys;", "import sys, time; time.sleep(0.6);")


class Terminal:
    """A command on a terminal of its own; only standard error is that terminal."""

    def __init__(self, command: list[str], cwd: Path, columns: int, **env: str) -> None:
        self.master, slave = pty.openpty()
        self.resize(columns)
        environment = {**os.environ, "TERM": "xterm-256color", **env}
        for name in ("NO_COLOR", "COLUMNS", "LINES"):
            if name not in env:
                environment.pop(name, None)
        self.process = subprocess.Popen(
            command, cwd=cwd, stdin=slave, stdout=subprocess.PIPE, stderr=slave, env=environment, text=True
        )
        os.close(slave)

    def resize(self, columns: int) -> None:
        fcntl.ioctl(self.master, termios.TIOCSWINSZ, struct.pack("HHHH", 24, columns, 0, 0))

    def shown(self) -> Iterator[str]:
        """What is written, piece by piece, until the command ends."""
        until = time.monotonic() + 120
        while time.monotonic() < until:
            if select.select([self.master], [], [], 0.1)[0]:
                try:
                    text = os.read(self.master, 65536).decode("utf-8", "replace")
                    yield re.sub(r"\x1b\[[012]?m", "", text)  # bold and dim are no colours
                except OSError:  # nobody writes any more
                    break
            elif self.process.poll() is not None:
                break

    def end(self) -> str:
        out = self.process.stdout.read() if self.process.stdout else ""
        self.process.wait(30)
        if self.process.stdout:
            self.process.stdout.close()
        os.close(self.master)
        return out


def drawn_lines(text: str) -> list[str]:
    plain = re.sub(r"\x1b\[[0-9;?]*[A-Za-z]", "", text)
    return [line for line in re.split(r"[\r\n]+", plain) if line.strip()]


def test_a_real_run_is_drawn_on_a_narrow_terminal_that_is_made_narrower_without_colour(
    tmp_path: Path,
) -> None:
    pit = Sandpit(tmp_path / "pit", policy=SLOW)
    recorded = str(replies(tmp_path, ("fast", FIX)))
    terminal = Terminal(
        [PROGRAM, "--task", "sums must be right", "--replay", recorded], pit.root, 60, NO_COLOR="1"
    )
    before = after = ""
    for piece in terminal.shown():
        if after or "unit  0:0" in before:
            if not after:
                terminal.resize(40)
            after += piece
        else:
            before += piece
    out = terminal.end()

    assert terminal.process.returncode == 0
    assert "checks at start" in before
    assert "unit  0:0" in before
    last = drawn_lines(after)[-8:]  # what was drawn before may have been under way already
    assert max(map(len, last)) <= 40
    assert "$0.000 of $1.00" in after
    assert "result: fast: accepted" in after
    assert not re.search(r"\x1b\[[0-9;]*3[0-9]", before + after)
    assert (before + after).rfind(BOTTOM) > (before + after).rfind("\x1b[?25l")
    assert "result    accepted" in out


@pytest.mark.parametrize("how", ["--json", "dumb"])
def test_a_program_that_reads_json_gets_nothing_and_a_dumb_terminal_plain_lines(
    tmp_path: Path, how: str
) -> None:
    pit = Sandpit(tmp_path / "pit")
    command = [PROGRAM, "--task", "x", "--replay", str(replies(tmp_path, ("fast", FIX))), "--dry-run"]
    terminal = Terminal(
        [*command, *(["--json"] if how == "--json" else [])],
        pit.root,
        80,
        TERM="dumb" if how == "dumb" else "xterm",
    )
    told = "".join(terminal.shown())
    out = terminal.end()

    assert "\x1b" not in told
    if how == "--json":
        assert told == ""
        assert json.loads(out)["verdict"] == "planned"
    else:
        assert re.search(r"^ +[0-9.]+ s  checks: unit runs\r$", told, re.MULTILINE)
        assert re.search(r"^ +[0-9.]+ s  checks: unit failed\r$", told, re.MULTILINE)


def test_plain_lines_say_each_thing_once_and_an_answer_adds_no_empty_line(tmp_path: Path) -> None:
    pit = Sandpit(tmp_path / "pit", {"calc.py": ADD})
    done = pit.run("--task", "sums", "--replay", str(replies(tmp_path, ("fast", FIX))))

    told = [line.partition(" s  ")[2] for line in done.stderr.splitlines()]
    assert told.count("asking: fast · recorded") == 1
    assert told.count("checks: unit runs") == 2  # at start and on the patch
    assert not any(line in ("", "asking") for line in told)
