"""A push is never held longer than the policy says, and nothing that was begun for it goes on afterwards."""

from __future__ import annotations

import subprocess
import sys
import time
from pathlib import Path

import pytest
from clones import QUICK, Clone

# takes the end of the shell that began it for nothing: a session of its own, and deaf to what ends others
STUBBORN = """\
version: 1
gate: {deadline_s: 4, on_deadline: %s}
checks:
  - name: slow
    kind: test
    run: [sh, -c, "test -f calm || { trap '' TERM HUP INT; setsid sleep %s & sleep %s; }"]
"""


def slow_clone(folder: Path, word: str, marker: int) -> Clone:
    clone = Clone(folder / "work", STUBBORN % (word, marker, marker))
    clone.write("calm", "")
    clone.commit("calm")
    clone.git("push", "--quiet", "origin", "main")
    return clone


def running(marker: int) -> list[str]:
    """The processes on this machine that were begun with a number."""
    found = []
    for folder in Path("/proc").glob("[0-9]*"):
        try:
            command = (folder / "cmdline").read_bytes().split(b"\0")
        except OSError:
            continue
        if command[:2] == [b"sleep", str(marker).encode()]:
            found.append(folder.name)
    return found


def test_when_the_time_is_up_the_push_is_stopped_and_nothing_runs_on(tmp_path: Path) -> None:
    marker = 86_400 + time.time_ns() % 1_000_000
    clone = slow_clone(tmp_path, "block", marker)
    clone.install()
    clone.git("rm", "--quiet", "calm")
    clone.commit("slow from now on")
    began = time.monotonic()

    done = clone.push()

    assert done.exit_code != 0
    assert time.monotonic() - began < 30
    assert "checks: slow runs" in done.stderr
    assert "within 4 s (gate.deadline_s)" in done.stderr
    assert "the push is stopped" in done.stderr
    assert running(marker) == []


def test_the_policy_may_let_the_push_go_on_without_a_verdict(tmp_path: Path) -> None:
    marker = 86_400 + time.time_ns() % 1_000_000
    clone = slow_clone(tmp_path, "allow", marker)
    start = clone.head
    clone.git("rm", "--quiet", "calm")
    head = clone.commit("slow from now on")

    done = clone.told(f"refs/heads/main {head} refs/heads/main {start}")

    assert done.exit_code == 0, done.stderr
    assert "within 4 s (gate.deadline_s)" in done.stderr
    assert "the push is stopped" not in done.stderr
    assert running(marker) == []


def test_several_ranges_share_one_deadline(tmp_path: Path) -> None:
    marker = 86_400 + time.time_ns() % 1_000_000
    clone = slow_clone(tmp_path, "block", marker)
    start = clone.head
    clone.git("rm", "--quiet", "calm")
    one, two = clone.commit("one"), clone.change("two")
    began = time.monotonic()

    done = clone.told(f"a {one} refs/heads/a {start}", f"b {two} refs/heads/b {start}")

    assert done.exit_code == 5
    assert time.monotonic() - began < 30
    assert "refs/heads/b: not judged: the time is up" in done.stderr
    assert running(marker) == []


@pytest.mark.parametrize("floor", ["", "floor: {gate: {on_deadline: block}}\n"])
def test_what_hangs_outside_of_the_checks_is_ended_too(floor: str, tmp_path: Path) -> None:
    config = tmp_path / "config" / "route-agent" / "config.yaml"
    config.parent.mkdir(parents=True)
    config.write_text(floor)
    clone = Clone(tmp_path / "work", f"{QUICK}gate: {{deadline_s: 1, on_deadline: allow}}\n")
    start, head = clone.head, clone.change()
    slow = tmp_path / "bin" / "git"
    slow.parent.mkdir()
    # the first of them is asked while the range is judged
    slow.write_text(
        '#!/bin/sh\ncase " $* " in *" rev-parse --verify "*) sleep 60;; esac\nexec /usr/bin/git "$@"\n'
    )
    slow.chmod(0o755)
    began = time.monotonic()

    env = {"PATH": f"{slow.parent}:/usr/bin:/bin", "XDG_CONFIG_HOME": str(config.parent.parent)}
    done = clone.told(f"a {head} refs/heads/a {start}", env=env)

    assert done.exit_code == (5 if floor else 0), done.stderr
    assert time.monotonic() - began < 30
    assert (
        "held for 1 s, as long as a push may be (gate.deadline_s): all that ran for it is ended"
        in done.stderr
    )
    goes_on = "it goes on without a verdict, as the policy says (gate.on_deadline: allow)"
    assert (goes_on in done.stderr) is (not floor)


@pytest.mark.parametrize(("in_time", "code"), [("", 3), ("time.sleep(9)", 5)])
def test_a_clean_end_that_takes_too_long_is_not_waited_for(in_time: str, code: int) -> None:
    program = f"""
import sys, time
from route_agent.hooks import deadline
deadline.GRACE_S = 0.3
with deadline.Deadline(0.2, 5) as held:
    try:
        time.sleep(9)
    except deadline.TimeUp:
        {in_time or "pass"}
    sys.exit(3)
"""
    began = time.monotonic()

    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=False)

    assert done.returncode == code, done.stderr
    assert time.monotonic() - began < 8
