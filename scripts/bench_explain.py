"""How long score and `explain` take on a large repository, beside git itself.

Makes a repository of 100,000 files with a change of 3,000 of them in a temporary folder, and measures
seconds and the most memory of each step in a process of its own. `git status` and `git diff --numstat` are
measured in the same run: they are what any tool has to wait for.

    python scripts/bench_explain.py [--files 100000] [--changed 3000] [--repeat 3]
"""

from __future__ import annotations

import argparse
import json
import os
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

TASK = "speed up the loader in src/area003/group04/module_0007.py"
POLICY = """\
version: 1
models:
  fast: {provider: openai, model: small-1}
  strong: {provider: anthropic, model: large-1}
checks:
  - {name: unit, kind: test, run: [python3, -c, "1"]}
"""
SUFFIXES = ("py", "py", "py", "ts", "go", "java", "rs", "md", "json", "yaml")
LINES = (
    "def handler_{n}(request, {word}):",
    "    value = request.get('{word}', {n})",
    "    if value > limit_{n}: raise ValueError(f'too large: {{value}}')",
    "    return [it for it in table if it.{word} == value]",
    "export const {word}{n} = (left: number) => left * {n};",
    "    total += price_of(item, {n})  # {word}",
)
WORDS = ("colour", "weight", "answer", "window", "parcel", "signal", "column", "report")

# one library call in a process of its own: what it took, and the most memory
LIBRARY = """
import json, resource, sys, time
from pathlib import Path
from route_agent import decide, risk
from route_agent.cli.explain import explained
from route_agent.config import load_config
from route_agent.routing import Wish
began = time.perf_counter()
with decide.opened(Path(sys.argv[1]), load_config(), policy=sys.argv[2]) as ground:
    took = {"opened": time.perf_counter() - began}
    at = time.perf_counter()
    known = decide.facts(ground, sys.argv[3], None)
    took["facts"] = time.perf_counter() - at
    at = time.perf_counter()
    found = risk.assess(known, ground.policy.policy, ground.policy.lines)
    took["score"] = time.perf_counter() - at
    at = time.perf_counter()
    _, decision, answers = explained(ground, sys.argv[3], None, Wish())
    took["explained"] = time.perf_counter() - at
took["whole"] = time.perf_counter() - began
print(json.dumps({
    "took": took, "files": len(known.change.files), "hunks": known.hunks, "score": found.score,
    "lane": decision.lane, "answers": len(answers),
    "rss": resource.getrusage(resource.RUSAGE_SELF).ru_maxrss,
}))
"""


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--files", type=int, default=100_000)
    parser.add_argument("--changed", type=int, default=3_000)
    parser.add_argument("--repeat", type=int, default=3)
    wanted = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="bench-explain-") as parent:
        root = Path(parent, "large")
        began = time.perf_counter()
        built(root, wanted.files, wanted.changed)
        print(
            f"built {wanted.files:,} files, {wanted.changed:,} changed: {time.perf_counter() - began:.0f} s"
        )
        os.environ.update(
            {f"XDG_{it}_HOME": str(Path(parent, it.lower())) for it in ("STATE", "CACHE", "CONFIG")}
        )
        policy = Path(parent, "policy.yaml")
        policy.write_text(POLICY)
        measured(root, policy, wanted.repeat)


def path_of(number: int) -> str:
    if number % 997 == 0:
        return f"db/migrations/{number:06}.sql"
    area, group = number // 2000, number // 100 % 20
    kind = SUFFIXES[number % len(SUFFIXES)]
    return f"src/area{area:03}/group{group:02}/module_{number % 2000:04}.{kind}"


def text_of(number: int, salt: int = 0) -> str:
    picked = ((number * 7 + line * 3 + salt) for line in range(24))
    return "".join(LINES[it % len(LINES)].format(n=it, word=WORDS[it % len(WORDS)]) + "\n" for it in picked)


def built(root: Path, files: int, changed: int) -> None:
    """A repository with its history of a few commits, and a change in the working tree spread over it."""
    made: set[Path] = set()
    for number in range(files):
        path = root / path_of(number)
        if path.parent not in made:
            path.parent.mkdir(parents=True, exist_ok=True)
            made.add(path.parent)
        path.write_text(text_of(number))
    git(root, "init", "--quiet")
    git(root, "add", "--all")
    git(root, "commit", "--quiet", "--message", "start")
    for number in range(20):
        (root / path_of(number * 31 + 1)).write_text(text_of(number, 5))
        git(root, "commit", "--quiet", "--all", "--message", f"change {number}")
    step = max(1, files // changed)
    for number in range(0, step * changed, step):
        lines = text_of(number).splitlines(keepends=True)
        lines[5:8] = [f"    fresh_{number} = compute(left, {line})\n" for line in range(4)]
        (root / path_of(number)).write_text("".join(lines) + f"# touched {number}\n")


def git(root: Path, *arguments: str) -> None:
    told = ("-c", "user.name=bench", "-c", "user.email=bench@example.com", "-c", "gc.auto=0")
    subprocess.run(["git", *told, *arguments], cwd=root, check=True)


def measured(root: Path, policy: Path, repeat: int) -> None:
    program = str(Path(sys.executable).with_name("route-agent"))
    explain = [program, "explain", "-C", str(root), "--policy", str(policy), "--task", TASK]
    commands = {
        "git status": ["git", "-C", str(root), "status", "--porcelain"],
        "git diff --numstat": ["git", "-C", str(root), "diff", "--numstat"],
        "route-agent --help": [program, "--help"],
        "explain": explain,
        "explain --json": [*explain, "--json"],
    }
    for name in ("git status", "explain"):  # the first of each fills caches of the file system and ours
        spent(commands[name])
    seconds: dict[str, float] = {}
    for name, command in commands.items():
        runs = [spent(command) for _ in range(repeat)]
        seconds[name] = statistics.median(took for took, _ in runs)
        print(f"{name:20} {seconds[name]:7.2f} s   most memory {max(rss for _, rss in runs) / 1024:6.0f} MiB")
    asked = [sys.executable, "-c", LIBRARY, str(root), str(policy), TASK]
    told = [json.loads(subprocess.run(asked, check=True, capture_output=True).stdout) for _ in range(repeat)]
    for part in told[0]["took"]:
        print(f"library: {part:11} {statistics.median(it['took'][part] for it in told):7.3f} s")
    print(f"library: most memory {max(it['rss'] for it in told) / 1024:.0f} MiB; {told[0]}")
    for name in ("git status", "git diff --numstat"):
        print(f"explain takes {seconds['explain'] / seconds[name]:.1f} times as long as {name}")


def spent(command: list[str]) -> tuple[float, int]:
    """Wall seconds, and the most memory in KiB of the process itself (not of those it starts)."""
    began = time.perf_counter()
    process = subprocess.Popen(command, stdout=subprocess.DEVNULL)
    _, status, usage = os.wait4(process.pid, 0)
    process.returncode = os.waitstatus_to_exitcode(status)
    if process.returncode:
        raise SystemExit(f"{command} ended with {process.returncode}")
    return time.perf_counter() - began, usage.ru_maxrss


if __name__ == "__main__":
    main()
