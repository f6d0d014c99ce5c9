"""What the pre-push hook costs a push, against bare pushes and the same checks by hand in the same rounds.

Usage: python scripts/bench_hook.py [rounds]

Three kinds of push to a local repository, interleaved so that a busy machine slows all alike:

- bare: `git push --no-verify`;
- unchanged: with the hook, of commits that have a verdict (to a new branch each time);
- changed: with the hook, of a commit that nobody has seen, whose base has been checked: as after each push.

From `changed` is taken what the check itself costs: the same command by hand, once, in a plain worktree of
the same commit (the base's results are known). The change is one that no test executes: where tests execute
all of it, the grade `discriminating` is tried for, which runs the check more often, and takes as much longer.
Processor time is told as well, and the check's time in the hook: a busy machine slows each otherwise.
"""

from __future__ import annotations

import os
import re
import resource
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import NamedTuple

LIMITS_S = {"unchanged": 0.5, "changed": 1.0}
CHECK = [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider"]
FILES = 200


def policy() -> str:
    return f"version: 1\nchecks:\n  - {{name: unit, kind: test, run: {CHECK!r}}}\n"


class Took(NamedTuple):
    """Seconds by the clock and of the processors."""

    wall: float
    cpu: float

    def __sub__(self, other: Took) -> Took:
        return Took(self.wall - other.wall, self.cpu - other.cpu)


def now() -> Took:
    used = resource.getrusage(resource.RUSAGE_CHILDREN)
    return Took(time.perf_counter(), used.ru_utime + used.ru_stime)


class Bench:
    """A project of a few hundred files in a temporary home, its remote beside it, the hook installed."""

    def __init__(self, home: Path) -> None:
        self.environment = {
            **{name: value for name, value in os.environ.items() if not name.startswith("GIT_")},
            "HOME": str(home),
            "GIT_CONFIG_NOSYSTEM": "1",
            **{f"XDG_{name}_HOME": str(home / name.lower()) for name in ("CONFIG", "STATE", "CACHE", "DATA")},
            **{f"GIT_{role}_NAME": "bench" for role in ("AUTHOR", "COMMITTER")},
            **{f"GIT_{role}_EMAIL": "bench@example.com" for role in ("AUTHOR", "COMMITTER")},
        }
        self.root, self.remote, self.tree = home / "work", home / "remote.git", home / "by hand"
        self.root.mkdir()
        self.number = 0
        self.told = ""
        self.git("init", "--quiet", "--initial-branch=main")
        self.git("init", "--quiet", "--bare", "--initial-branch=main", str(self.remote))
        self.git("remote", "add", "origin", str(self.remote))
        for number in range(FILES):
            (self.root / f"part{number}.py").write_text(f"def answer():\n    return {number}\n")
        tests = "".join(
            f"import part{number}\ndef test_{number}():\n    assert part{number}.answer() == {number}\n"
            for number in range(20)
        )
        (self.root / "test_parts.py").write_text(tests)
        (self.root / ".route-agent").mkdir()
        (self.root / ".route-agent" / "policy.yaml").write_text(policy())
        self.commit()
        self.git("push", "--quiet", "--no-verify", "origin", "main")
        program = str(Path(sys.executable).with_name("route-agent"))
        self.run([program, "hook", "install"])

    def run(self, argv: list[str], cwd: Path | None = None) -> Took:
        began = now()
        done = subprocess.run(
            argv, cwd=cwd or self.root, env=self.environment, capture_output=True, text=True, check=False
        )
        took = now() - began
        self.told = done.stderr
        if done.returncode:
            sys.exit(f"{argv} failed: {done.stdout}{done.stderr}")
        return took

    def git(self, *arguments: str) -> Took:
        return self.run(["git", *arguments])

    def commit(self) -> None:
        self.number += 1
        part = self.root / "part7.py"
        part.write_text(f"{part.read_text()}\n\ndef more{self.number}():\n    return {self.number}\n")
        self.git("add", "--all")
        self.git("commit", "--quiet", "--message", f"change {self.number}")

    def push(self, *options: str) -> Took:
        self.number += 1
        return self.git("push", *options, "origin", f"HEAD:refs/heads/b{self.number}")

    def check_in_hook(self) -> float:
        """Seconds that the check took in the push before this, by the hook's own lines, to a tenth."""
        times = [float(it) for it in re.findall(r"([0-9.]+) s  checks: unit (?:runs|passed)", self.told)]
        if len(times) != 2:
            sys.exit(f"the check was expected to run once: {self.told}")
        return times[1] - times[0]

    def by_hand(self) -> Took:
        """The same checks on the same commit, in a worktree that is there already."""
        if not self.tree.exists():
            self.git("worktree", "add", "--quiet", "--detach", str(self.tree))
        self.run(["git", "checkout", "--quiet", "--detach", "main"], cwd=self.tree)
        return self.run(CHECK, cwd=self.tree)


def main() -> None:
    rounds = int(sys.argv[1]) if len(sys.argv) > 1 else 15
    found: dict[str, list[Took]] = {
        name: [] for name in ("bare", "by hand", "in hook", "changed", "unchanged")
    }
    with tempfile.TemporaryDirectory(prefix="route-agent-bench-") as folder:
        bench = Bench(Path(folder).resolve())
        for turn in range(rounds + 1):  # the first one warms up, and makes the base's results
            bench.commit()
            took = {
                "by hand": bench.by_hand(),
                "changed": bench.push(),
                "in hook": Took(bench.check_in_hook() if turn else 0.0, 0.0),
                "unchanged": bench.push(),
                "bare": bench.push("--no-verify"),
            }
            bench.git("push", "--quiet", "--no-verify", "origin", "main")
            bench.git("fetch", "--quiet", "origin")
            if turn:
                for name, it in took.items():
                    found[name].append(it)
    report(found, rounds)


def report(found: dict[str, list[Took]], rounds: int) -> None:
    for name, all_took in found.items():
        clock, cpu = told([it.wall for it in all_took]), told([it.cpu for it in all_took])
        print(f"{name:10} {clock} by the clock, {cpu} of processors (n={rounds})")
    above = {
        "unchanged": [a - b for a, b in zip(found["unchanged"], found["bare"], strict=True)],
        "changed": [
            a - b - c for a, b, c in zip(found["changed"], found["bare"], found["by hand"], strict=True)
        ],
    }
    apart = [
        a.wall - b.wall - c.wall
        for a, b, c in zip(found["changed"], found["bare"], found["in hook"], strict=True)
    ]
    print(f"changed, above a bare push and the check as it ran in the hook, wall: {told(apart)} (n={rounds})")
    what = {"unchanged": "above a bare push", "changed": "above a bare push and the check by hand"}
    for name, all_took in above.items():
        limit = LIMITS_S[name]
        for clock in ("wall", "cpu"):
            seconds = [getattr(it, clock) for it in all_took]
            share = f"{statistics.median(seconds) / limit:.2f} of the {limit:g} s allowed"
            print(f"{name}, {what[name]}, {clock}: {told(seconds)}; {share} (n={rounds})")


def told(seconds: list[float]) -> str:
    return f"median {statistics.median(seconds):.3f} s [{min(seconds):.3f}, {max(seconds):.3f}]"


if __name__ == "__main__":
    main()
