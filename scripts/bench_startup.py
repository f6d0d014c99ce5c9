"""How long the program takes to start, as ratios to `python -c pass` in the same run.

Usage: python scripts/bench_startup.py [rounds]

Rounds are interleaved, so that a busy machine slows everything alike; each figure is the median over rounds
of the ratio within its round. `explain` runs in the current repository.
"""

from __future__ import annotations

import statistics
import subprocess
import sys
import time
from pathlib import Path

TYPER = "import typer; a = typer.Typer(); a.command()(lambda: None); a()"
LIMITS = {"--help": 10.0, "explain": 20.0}


def seconds(argv: list[str]) -> float:
    began = time.perf_counter()
    done = subprocess.run(argv, capture_output=True, check=False)
    if done.returncode:
        sys.exit(f"{argv} failed: {done.stderr.decode()}")
    return time.perf_counter() - began


def main() -> None:
    rounds = int(sys.argv[1]) if len(sys.argv) > 1 else 15
    program = str(Path(sys.executable).with_name("route-agent"))
    commands = {
        "pass": [sys.executable, "-c", "pass"],
        "--help": [program, "--help"],
        "explain": [program, "explain", "--task", "fix retry leak in sync worker"],
        "typer alone": [sys.executable, "-c", TYPER],
    }
    for argv in commands.values():
        seconds(argv)
    ratios: dict[str, list[float]] = {name: [] for name in commands}
    for _ in range(rounds):
        limit = seconds(commands["pass"])
        for name, argv in commands.items():
            ratios[name].append(seconds(argv) / limit)
    for name, found in ratios.items():
        target = f"  target ≤ {LIMITS[name]:g}" if name in LIMITS else ""
        print(f"{name:12} {statistics.median(found):6.1f} × python -c pass  (n={rounds}){target}")


if __name__ == "__main__":
    main()
