"""Replay of a file of outcomes against the same worked out in another way, and the time it takes.

Usage: python scripts/bench_replay.py --outcomes PATH [--pairs FAST:STRONG,…] [--rounds N]

Differences are the greatest over all figures of the pairs, with and without errors of the verification. Times
are of the whole command, for 12,000 rows in two shapes; the ratio is to reading the same file with the csv
module alone in a new interpreter, in the same round.
"""

from __future__ import annotations

import argparse
import json
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Sequence
from fractions import Fraction
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parents[1] / "tests"))

import by_hand
from by_hand import Rates, Records

PROGRAM = str(Path(sys.executable).with_name("route-agent"))
RATES = (("0", "0"), ("0.2", "0"), ("0.35", "0.05"))
CAP = "0.85"
ROWS = 12_000
READ = "import csv, sys; sum(1 for _ in csv.reader(open(sys.argv[1], newline='')))"


def chosen_pairs(records: Records) -> list[tuple[str, str]]:
    """The cheapest models, each with one of the dearest."""
    mean = {name: sum(it[0][1] for it in tried.values()) / len(tried) for name, tried in records.items()}
    ordered = sorted(mean, key=lambda name: mean[name])
    return [(ordered[at], ordered[-1 - at]) for at in range(min(5, len(ordered) // 2))]


def worst_difference(path: Path, records: Records, fast: str, strong: str) -> tuple[float, str]:
    """The greatest difference between the program's figures and those by hand, and the cascade's figures."""
    tasks, worst, shown = by_hand.shared(records, (fast, strong)), 0.0, ""
    cap = by_hand.usual(records, fast, tasks, Fraction(CAP))
    for accept, reject in RATES:
        rates = Rates(Fraction(accept), Fraction(reject))
        options = ["--false-accept", accept, "--false-reject", reject, "--effort-cap", CAP, "--json"]
        argv = [PROGRAM, "replay", str(path), "--fast", fast, "--strong", strong, *options]
        told = json.loads(subprocess.run(argv, capture_output=True, text=True, check=True).stdout)
        paid = by_hand.ladder(records, [strong], tasks, rates, {})[1]
        wanted = {
            "always_fast": by_hand.ladder(records, [fast], tasks, rates, {}),
            "always_strong": by_hand.ladder(records, [strong], tasks, rates, {}),
            "cascade": by_hand.ladder(records, [fast, strong], tasks, rates, {}),
            "effort_cap": by_hand.ladder(records, [fast, strong], tasks, rates, {fast: cap}),
            "perfect": by_hand.perfect(records, (fast, strong), tasks),
        }
        for name, (solved, cost) in wanted.items():
            for key, value in (("resolved", solved), ("cost_usd", cost), ("ratio", cost / paid)):
                worst = max(worst, abs(told[name][key] - float(value)))
        even = by_hand.even(records, (fast, strong), strong, tasks, rates.reject)
        both = told["break_even_false_accept"]
        worst = max(worst, abs(both - float(even)) if both is not None and even is not None else 0.0)
        if (both is None) != (even is None):
            sys.exit(f"{fast} → {strong}: break-even {both} against {even} by hand")
        cascade = told["cascade"]
        shown += f"  {100 * cascade['resolved']:.1f} % ×{cascade['ratio']:.2f}"
    return worst, f"{shown}  break-even {both if both is None else round(both, 3)}"


def shaped(path: Path, records: Records, models: Sequence[str]) -> None:
    """A file of 12,000 rows by so many models; tasks are repeated under other names."""
    tasks, each = by_hand.shared(records, models), ROWS // len(models)
    with path.open("w", encoding="utf-8") as file:
        file.write("model,instance_id,resolved,cost_usd\n")
        for model in models:
            for at in range(each):
                right, cost = records[model][tasks[at % len(tasks)]][0]
                file.write(f"{model},a__b-{at},{right},{float(cost)}\n")


def seconds(argv: Sequence[str]) -> float:
    began = time.perf_counter()
    subprocess.run(argv, capture_output=True, check=True)
    return time.perf_counter() - began


def print_times(records: Records, rounds: int) -> None:
    names = sorted(records)
    for models in (names, [names[0], names[-1]]):
        with tempfile.TemporaryDirectory() as folder:
            path = Path(folder, "o.csv")
            shaped(path, records, models)
            options = ["--fast", models[0], "--strong", models[-1], "--effort-cap", CAP, "--json"]
            whole, ratios = [], []
            for _ in range(rounds):
                alone = seconds([sys.executable, "-c", READ, str(path)])
                whole.append(seconds([PROGRAM, "replay", str(path), *options]))
                ratios.append(whole[-1] / alone)
        print(
            f"{ROWS:,} rows, {len(models)} models: {statistics.median(whole):.2f} s the whole command"
            f" (median of {rounds}), {statistics.median(ratios):.1f} × reading the file with csv alone"
        )


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--outcomes", type=Path, required=True)
    parser.add_argument("--pairs", default="", help="FAST:STRONG,… instead of the cheapest with the dearest")
    parser.add_argument("--rounds", type=int, default=7)
    typed = parser.parse_args()
    records = by_hand.read(typed.outcomes)
    pairs = [tuple(it.split(":")) for it in typed.pairs.split(",")] if typed.pairs else chosen_pairs(records)
    told = " · ".join(f"accepts {accept}, rejects {reject}" for accept, reject in RATES)
    print(f"cascade under: {told}")
    worst = 0.0
    for fast, strong in pairs:
        difference, shown = worst_difference(typed.outcomes, records, fast, strong)
        worst = max(worst, difference)
        print(f"{fast} → {strong}:{shown}  difference {difference:.1e}")
    print(f"greatest difference of any figure: {worst:.1e} (bar: 1e-9)")
    print_times(records, typed.rounds)
    if worst > 1e-9:
        sys.exit("the program and the computation by hand differ")


if __name__ == "__main__":
    main()
