"""Stopped at any moment, politely or not: the user's repository is whole, nothing runs on, the next run works."""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path

import pytest
from loopback import Fault, Loopback, Reply
from refusals import TASK, fixing, plain, rows, running, unlike_any_other, untouched
from sandpit import FIX, LIGHT, POLICY, PROGRAM, Result, Sandpit, provider_env

from route_agent import places
from route_agent.records.checks import IsolationLevel
from route_agent.sandbox.walls import best_walls

OWN = POLICY.split("checks:")[0] + (
    "checks:\n  - {name: unit, kind: test, run: [python3, check.py], timeout: 60}\n"
    "accept: {fast: ran, strong: ran}\n"
)
CHECK = """\
import subprocess, sys
sys.dont_write_bytecode = True
sys.path.insert(0, '.')
import calc
if calc.add(1, 1) == BLOCKS_AT:
    subprocess.run(['sleep', 'SECONDS'])
sys.exit(0 if calc.twice(2) == 4 and calc.add(2, 2) == 4 else 1)
"""
RED, MENDED, NEVER = "0", "2", "None"
MOMENTS = {"baseline": RED, "call": NEVER, "checks": MENDED}


class Blocked:
    """A run that waits at a moment: in the checks at start, in the provider's hands, in the patch's checks."""

    def __init__(self, folder: Path, moment: str) -> None:
        seconds = unlike_any_other()
        self.moment = moment
        self.sleep = ("sleep", seconds)
        check = CHECK.replace("BLOCKS_AT", MOMENTS[moment]).replace("SECONDS", seconds)
        self.pit = Sandpit(folder / "pit", files={"check.py": check}, policy=OWN)
        self.before = self.pit.state()
        self.server = Loopback()
        self.walled = best_walls(self.pit.root).isolation.level is IsolationLevel.NAMESPACES

    @contextmanager
    def started(self, *arguments: str) -> Iterator[subprocess.Popen[str]]:
        """The run, from the moment on until the block ends."""
        with self.server:
            self.server.script("small-1", Fault.hang() if self.moment == "call" else Reply(FIX))
            env = provider_env(self.pit, self.server)
            process = subprocess.Popen(
                [PROGRAM, *TASK, *arguments],
                cwd=self.pit.root,
                env={**os.environ, **env},
                stdout=subprocess.PIPE,
                stderr=subprocess.PIPE,
                start_new_session=True,
                text=True,
            )
            try:
                until(lambda: process.poll() is not None or self.reached())
                assert process.poll() is None, process.communicate()
                yield process
            finally:
                process.kill()
                process.communicate()

    def reached(self) -> bool:
        """Whether it is there and waits."""
        return bool(self.server.calls if self.moment == "call" else running(*self.sleep))

    def ended(self, process: subprocess.Popen[str]) -> Result:
        """How it ended; its repository is as it was, and nothing of it runs any more."""
        out, err = process.communicate(timeout=20)
        if process.returncode == -signal.SIGKILL and not self.walled:
            for pid in running(*self.sleep):  # only a namespace ends with the process that made it
                os.kill(pid, signal.SIGKILL)
        until(lambda: not running(*self.sleep), seconds=2)
        assert self.pit.state() == self.before
        return Result(process.returncode, out, err)

    def again(self) -> Result:
        """The next run in the same repository, with a check that does not wait."""
        self.pit.write("check.py", CHECK.replace("BLOCKS_AT", NEVER))
        return untouched(self.pit, *fixing(self.pit), "--json")


def until(condition: Callable[[], object], seconds: float = 30) -> None:
    deadline = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < deadline, "it never came"
        time.sleep(0.05)


@pytest.mark.parametrize(
    ("number", "moment"),
    [*((signal.SIGINT, moment) for moment in MOMENTS), (signal.SIGTERM, "checks")],
    ids=lambda it: getattr(it, "name", it),
)
def test_an_interrupted_run_ends_cleanly_and_is_in_the_ledger(
    tmp_path: Path, number: signal.Signals, moment: str
) -> None:
    run = Blocked(tmp_path, moment)
    with run.started("--json") as process:
        process.send_signal(number)
        done = run.ended(process)

    plain(done)
    assert done.exit_code == 130
    assert done.stderr.startswith("error: interrupted run ")
    assert done.stderr.endswith(" spent\n")
    assert (f"error: {done.json['error']}\n", done.json["exit_code"]) == (done.stderr, 130)
    assert rows("SELECT verdict, exit_code FROM run") == [("interrupted", 130)]
    # what may have been done for us stays charged; what was answered is charged as it was
    charged = {"baseline": [], "call": [("lost", None)], "checks": [("done", 1600)]}
    assert rows("SELECT state, cost_micro_usd FROM call") == charged[moment]
    assert run.again().exit_code == 0


def test_ctrl_c_in_a_terminal_reaches_every_process_and_a_hang_up_counts_as_one(tmp_path: Path) -> None:
    for place, stop in (("group", signal.SIGINT), ("terminal", signal.SIGHUP)):
        run = Blocked(tmp_path / place, "checks")
        with run.started() as process:
            os.killpg(process.pid, stop)
            done = run.ended(process)

        plain(done)
        assert done.exit_code == 130
        assert done.stderr.splitlines()[-1].startswith("error: interrupted")


def test_an_impatient_ctrl_c_leaves_no_traceback_and_no_process(tmp_path: Path) -> None:
    run = Blocked(tmp_path, "checks")
    with run.started() as process:
        for _ in range(3):
            process.send_signal(signal.SIGINT)
            time.sleep(0.02)
        done = run.ended(process)

    plain(done)
    assert done.exit_code == 130
    assert rows("SELECT verdict FROM run") == [("interrupted",)]


def test_ctrl_c_while_the_program_loads_leaves_no_traceback(tmp_path: Path) -> None:
    pit = Sandpit(tmp_path / "pit")
    first = tmp_path / "first" / "typer.py"  # what the program imports first presses the keys
    first.parent.mkdir()
    first.write_text("import os, signal; os.kill(os.getpid(), signal.SIGINT)\n")

    done = pit.run("--help", env={"PYTHONPATH": str(first.parent)})

    assert (done.exit_code, done.stdout) == (130, "")
    assert done.stderr.startswith("error: interrupted")


@pytest.mark.parametrize("moment", MOMENTS)
def test_a_killed_run_leaves_everything_whole_and_the_next_one_uses_its_scratch(
    tmp_path: Path, moment: str
) -> None:
    run = Blocked(tmp_path, moment)
    with run.started() as process:
        os.killpg(process.pid, signal.SIGKILL)
        assert run.ended(process).exit_code == -signal.SIGKILL

    slots = places.repository_cache(run.pit.root / ".git") / "slots"
    for name in ("index-user.lock", "index-scratch.lock", "index-write.lock"):
        (slots / "0" / name).touch()  # as a git that was killed leaves it

    assert run.again().exit_code == 0
    assert [slot.name for slot in slots.iterdir()] == ["0"]
    unfinished = {"baseline": 0, "call": 1, "checks": 1}
    assert rows("SELECT count(*) FROM run WHERE verdict IS NULL") == [(unfinished[moment],)]
    assert run.pit.run("ledger").exit_code == 0


def test_what_a_killed_run_had_set_aside_still_counts_against_the_days_budget(tmp_path: Path) -> None:
    run = Blocked(tmp_path, "call")
    with run.started() as process:
        process.kill()
        run.ended(process)
    run.pit.write(".route-agent/policy.yaml", OWN + "limits: {per_day_usd: 0.1}\n")
    run.pit.commit("a smaller budget")

    with Loopback() as server:
        server.script("small-1", Reply(FIX))
        done = untouched(run.pit, *TASK, env=provider_env(run.pit, server))

        assert server.calls == []
    assert done.exit_code == 5
    assert "left" in done.stdout
    assert "limit of the day" in done.stdout


def test_a_scratch_that_was_damaged_is_made_anew(tmp_path: Path) -> None:
    pit = Sandpit(tmp_path / "pit")
    assert pit.run(*fixing(pit)).exit_code == 0
    slot = places.repository_cache(pit.root / ".git") / "slots" / "0"
    for file in (slot / "git" / "objects").glob("??/*"):
        file.chmod(0o600)
        file.write_bytes(b"")  # as after a power cut

    broken, mended = untouched(pit, *fixing(pit)), untouched(pit, *fixing(pit))

    assert (broken.exit_code, mended.exit_code) == (6, 0)
    (slot / "git" / "HEAD").unlink()
    assert untouched(pit, *fixing(pit)).exit_code == 0


@pytest.mark.parametrize("option", ["--apply", "--commit"])
def test_a_delivery_is_not_torn_apart_by_ctrl_c(tmp_path: Path, option: str) -> None:
    pit = Sandpit(tmp_path / "pit", policy=LIGHT)
    shim = (
        tmp_path / "bin" / "git"
    )  # presses the keys, for the whole group, when the tree is about to be written
    shim.parent.mkdir()
    shim.write_text(
        "#!/bin/sh\n"
        'case "$*" in *--check*|*--cached*) ;; *" apply "*) kill -INT 0 ;; esac\n'
        f'exec {shutil.which("git")} "$@"\n'
    )
    shim.chmod(0o755)

    done = subprocess.run(
        [PROGRAM, *fixing(pit), option],
        cwd=pit.root,
        env={**os.environ, "PATH": f"{shim.parent}:{os.environ['PATH']}"},
        capture_output=True,
        text=True,
        start_new_session=True,
    )

    plain(Result(done.returncode, done.stdout, done.stderr))
    assert done.returncode == 130
    assert "return a + b" in (pit.root / "calc.py").read_text()
    changed = "" if option == "--commit" else " M calc.py\n"
    assert pit.git("status", "--porcelain") == changed


def test_many_runs_at_once_each_have_a_scratch_of_their_own(tmp_path: Path) -> None:
    pit = Sandpit(tmp_path / "pit")
    before = pit.state()
    task = fixing(pit)

    with ThreadPoolExecutor(8) as pool:
        runs = list(pool.map(lambda _: pit.run(*task), range(4)))
        looks = list(pool.map(lambda _: pit.run("explain", *TASK), range(6)))

    assert {done.exit_code for done in runs + looks} == {0}, [it.stderr for it in runs + looks]
    assert pit.state() == before
    assert rows("SELECT count(*), count(DISTINCT id) FROM run WHERE verdict = 'accepted'") == [(4, 4)]


def test_of_two_runs_that_apply_the_same_patch_one_wins(tmp_path: Path) -> None:
    pit = Sandpit(tmp_path / "pit", policy=LIGHT)
    task = (*fixing(pit), "--apply")

    with ThreadPoolExecutor(3) as pool:
        done = list(pool.map(lambda _: pit.run(*task), range(3)))

    assert (pit.root / "calc.py").read_text().count("return a + b") == 1
    assert 1 <= [it.exit_code for it in done].count(0) <= 3
    for result in done:
        plain(result)
        assert result.exit_code in (0, 6)


# --- output that nobody takes ------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("ending", "code", "says"),
    [
        ("| head -1", "", "recorded replies"),
        ("--json | head -1", "", "{"),
        ("2>&1 | true", "141", ""),
        ("| true", "141", ""),
        (">&-", "0", ""),
        ("2>&-", "0", "accepted at static"),
        ("<&- >&- 2>&-", "0", ""),
        ("> /dev/full", "6", ""),
        ("--json > /dev/full", "6", ""),
        ("2> /dev/full", "0", "accepted at static"),
    ],
)
def test_output_that_nobody_takes_stops_no_run(tmp_path: Path, ending: str, code: str, says: str) -> None:
    pit = Sandpit(tmp_path / "pit", policy=LIGHT)
    before = pit.state()
    command = f'"$@" {ending}; echo "${{PIPESTATUS[0]}}" >{tmp_path}/code'

    done = subprocess.run(
        ["bash", "-c", command, "sh", PROGRAM, *fixing(pit)], cwd=pit.root, capture_output=True, text=True
    )

    plain(Result(done.returncode, done.stdout, done.stderr))
    ended = (tmp_path / "code").read_text().strip()
    assert ended in ({code} if code else {"0", "141"}), done.stderr
    assert says in done.stdout
    assert pit.state() == before
    assert rows("SELECT verdict FROM run") == [("accepted",)]
    if "full" in ending and code == "6":
        assert "error: standard output cannot be written: No space left on device" in done.stderr


def test_every_command_can_be_piped_into_a_reader_that_leaves(tmp_path: Path) -> None:
    pit = Sandpit(tmp_path / "pit", policy=LIGHT)
    assert pit.run(*fixing(pit)).exit_code == 0

    for command in ("explain --task x", "ledger", "stats", "doctor", "show", "--help"):
        done = subprocess.run(
            ["bash", "-c", f"{PROGRAM} {command} | true"], cwd=pit.root, capture_output=True, text=True
        )

        plain(Result(done.returncode, done.stdout, done.stderr))
