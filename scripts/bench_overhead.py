"""What a run costs beside the model and the checks, as ratios to git on the same files in the same round.

Usage: scripts/bench_overhead [--rounds N] [--sizes 170,7000,79000] [--detail] [REPOSITORY…]

A lane answers from a file without any delay, and there are three checks that do nothing. Repositories are
made up in the temporary folder where none is named; a named one is cloned first and never touched. Rounds are
interleaved with git's own figures, and each ratio is the median over rounds of the ratio within its round.
Imports are made before the clock starts. Nothing is taken out: the checks are `true`, what they take is ours.
"""

from __future__ import annotations

import argparse
import json
import os
import shutil
import statistics
import subprocess
import sys
import tempfile
import time
from contextlib import suppress
from pathlib import Path
from typing import Any

POLICY = """\
version: 1
models:
  fast: {provider: openai, model: small}
  strong: {provider: openai, model: large}
routing: {confidence_threshold: 0}
checks:
  - {name: one, run: ["true"]}
  - {name: two, run: ["true"]}
  - {name: three, run: ["true"]}
accept: {fast: none, strong: none}
"""
REPLY = """\
SUMMARY: another value
package_0/part_0/module_0.py
<<<<<<< SEARCH
VALUE = 0
=======
VALUE = 1
>>>>>>> REPLACE
"""
FILES_PER_FOLDER, FOLDERS = 12, 20
BUSY = "import hashlib\nit = b''\nfor n in range({loops}): it = hashlib.sha256(it + b'x' * 4096).digest()"


def git(root: Path, *arguments: str) -> None:
    subprocess.run(["git", *arguments], cwd=root, check=True, capture_output=True)


def made_up(root: Path, files: int) -> Path:
    """A repository of about so many small files, one commit."""
    for number in range(files):
        inner = number // FILES_PER_FOLDER
        folder = root / f"package_{inner // FOLDERS}" / f"part_{inner % FOLDERS}"
        folder.mkdir(parents=True, exist_ok=True)
        body = f"# module {number}\n" + f"def f_{number}(x):\n    return x + {number}\n\n\n" * (
            5 + number % 40
        )
        (folder / f"module_{number}.py").write_text(f"VALUE = {number}\n\n\n{body}")
    git(root, "init", "-q")
    return prepared(root)


def prepared(root: Path) -> Path:
    """Ready for a run: the policy, the file that the reply edits, everything committed."""
    file = root / "package_0" / "part_0" / "module_0.py"
    file.parent.mkdir(parents=True, exist_ok=True)
    if not file.exists():
        file.write_text("VALUE = 0\n")
    (root / ".route-agent").mkdir(exist_ok=True)
    (root / ".route-agent" / "policy.yaml").write_text(POLICY)
    git(root, "add", "-A")
    git(root, "-c", "user.name=b", "-c", "user.email=b@example.com", "commit", "-qm", "start")
    git(root, "-c", "pack.threads=1", "repack", "-adq")
    return root


def timed(argv: list[str], root: Path) -> float:
    """Seconds that a command takes."""
    began = time.perf_counter()
    subprocess.run(argv, cwd=root, check=True, capture_output=True)
    return time.perf_counter() - began


class Bench:
    """One repository, and folders of its own for everything that a run keeps."""

    def __init__(self, root: Path, home: Path) -> None:
        self.root = root
        self.home = home
        self.names = ("CONFIG", "STATE", "CACHE", "DATA")
        self.replies = home / "replies.yaml"
        home.mkdir(parents=True)
        row = {"model": "recorded", "seconds": 0.0, "reply": REPLY}
        rows = [{"lane": lane, **row} for lane in ("fast", "strong")]
        self.replies.write_text(json.dumps({"version": 1, "replies": rows}))

    def measured(self, what: str, *, fresh: bool = True) -> dict[str, Any]:
        """One run in a process of its own, `once` below."""
        if fresh:
            for name in ("state", "cache/results"):
                shutil.rmtree(self.home / name, ignore_errors=True)
            for results in (self.home / "cache").glob("route-agent/repos/*/results"):
                shutil.rmtree(results)
        folders = {f"XDG_{name}_HOME": str(self.home / name.lower()) for name in self.names}
        asked = {"what": what, "root": str(self.root), "home": str(self.home), "replies": str(self.replies)}
        argv = [sys.executable, __file__, "--once", json.dumps(asked)]
        done = subprocess.run(
            argv, env={**os.environ, **folders}, capture_output=True, text=True, check=False
        )
        if done.returncode:
            sys.exit(f"{what} failed:\n{done.stdout}{done.stderr}")
        told: dict[str, Any] = json.loads(done.stdout.splitlines()[-1])
        return told

    def worktree(self) -> float:
        """How long `git worktree add` takes."""
        tree = self.home / "worktree"
        seconds = timed(["git", "worktree", "add", "--detach", "-f", str(tree)], self.root)
        git(self.root, "worktree", "remove", "--force", str(tree))
        return seconds


# --- one process: one figure ---


def once(asked: dict[str, Any]) -> dict[str, Any]:
    """Measure one thing in this process, imports apart."""
    modules = Path(asked["home"]) / f"modules-{asked['what']}.json"
    began = time.perf_counter()
    if modules.exists():
        for name in json.loads(modules.read_text()):
            with suppress(ImportError):
                __import__(name)
    imported = time.perf_counter() - began
    told = {"run": _run, "verify": _verify, "scratch": _scratch, "inside": _inside}[asked["what"]](asked)
    if not modules.exists():
        modules.write_text(json.dumps([name for name in sys.modules if name != "__main__"]))
    return {**told, "imports": imported}


def _command(argv: list[str]) -> dict[str, Any]:
    from route_agent.cli.app import app
    from route_agent.sandbox import walls

    spent = []
    real = walls.Walls.run

    def run(self: Any, argv: Any, place: Any, **options: Any) -> Any:
        began = time.perf_counter()
        ended = real(self, argv, place, **options)
        spent.append((next(iter(argv)), time.perf_counter() - began))
        return ended

    setattr(walls.Walls, "run", run)  # noqa: B010 - a border of ours is measured from outside
    began, before = time.perf_counter(), sum(os.times()[:4])
    code = 0
    try:
        app(argv, standalone_mode=False)
    except SystemExit as ended:
        code = int(ended.code or 0)
    seconds = time.perf_counter() - began
    if code:
        sys.exit(f"{argv} ended with {code}")
    return {"seconds": seconds, "cpu": sum(os.times()[:4]) - before, "walls": spent}


def _run(asked: dict[str, Any]) -> dict[str, Any]:
    argv = [
        "-C",
        asked["root"],
        "--task",
        "another value in package_0/part_0/module_0.py",
        "--replay",
        asked["replies"],
    ]
    return _command([*argv, "--only-lane", "fast"])


def _verify(asked: dict[str, Any]) -> dict[str, Any]:
    return _command(["verify", "-C", asked["root"], "--base", "HEAD"])


def _scratch(asked: dict[str, Any]) -> dict[str, Any]:
    from route_agent.repo.repository import Repository
    from route_agent.repo.scratch import slot
    from route_agent.repo.trees import Content
    from route_agent.sandbox.trial import walls_for

    with slot(Repository.open(Path(asked["root"]))) as mine:
        stand = walls_for(mine)
        tree = mine.trees.snapshot().tree
        patched = mine.trees.write(tree, {"package_0/part_0/module_0.py": Content("100644", b"VALUE = 1\n")})
        began = time.perf_counter()
        mine.show(patched)
        return {"seconds": time.perf_counter() - began, "isolation": str(stand.isolation)}


def _inside(asked: dict[str, Any]) -> dict[str, Any]:
    """A check that computes for about a second, by hand and behind the walls, in turns."""
    from route_agent.repo.repository import Repository
    from route_agent.repo.scratch import slot
    from route_agent.sandbox.environment import clean_environment
    from route_agent.sandbox.trial import walls_for

    root = Path(asked["root"])
    with slot(Repository.open(root)) as mine:
        stand = walls_for(mine)
        mine.show(mine.trees.snapshot().tree)
        place = mine.place
        env = clean_environment(place)
        argv = [sys.executable, "-c", BUSY.format(loops=250_000)]
        found = []
        for _ in range(asked.get("rounds", 5)):
            by_hand = timed(argv, root)
            began = time.perf_counter()
            ended = stand.run(argv, place, env=env, timeout_s=60)
            found.append((time.perf_counter() - began) / by_hand)
            if ended.exit_code:
                sys.exit(ended.output + ended.reason)
        return {"ratios": found, "by_hand": by_hand}


# --- the table ---


def bench(root: Path, home: Path, rounds: int, *, detail: bool) -> None:
    """Print the figures of one repository."""
    it = Bench(root, home)
    files = (
        len(subprocess.run(["git", "ls-files", "-z"], cwd=root, capture_output=True).stdout.split(b"\0")) - 1
    )
    status = ["git", "status", "--porcelain"]
    for what in ("run", "scratch", "inside"):
        it.measured(what)
    timed(status, root)
    rows: list[dict[str, float]] = []
    for _ in range(rounds):
        limit = statistics.median(timed(status, root) for _ in range(3))
        run, scratch = it.measured("run"), it.measured("scratch")
        if detail:
            print("   ", {key: value for key, value in run.items() if key != "walls"}, run["walls"])
        rows.append(
            {
                "status": limit,
                "imports": run["imports"],
                "engine": run["seconds"],
                "cpu": run["cpu"],
                "scratch": scratch["seconds"],
                "worktree": it.worktree(),
            }
        )
    file = root / "package_0" / "part_0" / "module_0.py"
    before = file.read_text()
    file.write_text(before + "\nOTHER = 1\n")
    it.measured("verify")
    unchanged = [it.measured("verify", fresh=False)["seconds"] for _ in range(rounds)]
    file.write_text(before)
    show(files, rows, unchanged, it.measured("inside"), scratch["isolation"])


def show(
    files: int, rows: list[dict[str, float]], unchanged: list[float], inside: dict[str, Any], isolation: str
) -> None:
    """One block of the table."""

    def middle(name: str) -> str:
        return f"{statistics.median(row[name] for row in rows) * 1000:7.0f} ms"

    def ratio(one: str, other: str) -> float:
        return statistics.median(row[one] / row[other] for row in rows)

    small = "   target ≤ 150 ms" if files < 1000 else ""
    faster = 1 / ratio("scratch", "worktree")
    known = f"{statistics.median(unchanged) * 1000:7.0f} ms"
    inner = f"{statistics.median(inside['ratios']):7.3f} × by hand"
    for line in (
        f"\n{files} files, n={len(rows)}, {isolation}",
        f"  git status                    {middle('status')}",
        f"  a run, imports apart          {middle('engine')}{small}",
        f"    × git status                {ratio('engine', 'status'):7.1f}      target ≤ 6",
        f"    processor time of it        {middle('cpu')}",
        f"    imports, before the clock   {middle('imports')}",
        f"  scratch, a patched tree       {middle('scratch')}   {faster:.0f} times faster than",
        f"    git worktree add            {middle('worktree')}",
        f"  verify, already proved        {known}   target ≤ 300 ms",
        f"  a check of {inside['by_hand']:.1f} s, inside      {inner}   target ≤ 1.05",
    ):
        print(line, flush=True)


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("repositories", nargs="*", type=Path)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--sizes", default="170,7000,79000")
    parser.add_argument("--detail", action="store_true")
    parser.add_argument("--once", help=argparse.SUPPRESS)
    asked = parser.parse_args()
    if asked.once:
        print(json.dumps(once(json.loads(asked.once))))
        return
    with tempfile.TemporaryDirectory(prefix="route-agent-bench-") as folder:
        home = Path(folder)
        for number, given in enumerate(asked.repositories):
            clone = home / f"clone-{number}"
            subprocess.run(["git", "clone", "-q", "--no-hardlinks", str(given), str(clone)], check=True)
            bench(prepared(clone), home / f"given-{number}", asked.rounds, detail=asked.detail)
        if not asked.repositories:
            for size in map(int, asked.sizes.split(",")):
                root = home / f"files-{size}"
                root.mkdir()
                rounds = asked.rounds if size < 50_000 else max(3, asked.rounds // 2)
                bench(made_up(root, size), home / f"made-{size}", rounds, detail=asked.detail)
                shutil.rmtree(root)


if __name__ == "__main__":
    main()
