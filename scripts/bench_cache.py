"""How much of a request the provider has read before: over two attempts at one task, and over two tasks.

    scripts/bench_cache.py REPOSITORY… [--first TASK] [--second TASK] [--tokens N] [--bar SHARE]

Nothing is sent. The requests are made as a run makes them, from the repository as it stands, and compared
byte by byte in the order in which a model reads them: system, project, task, later turns. Where no tasks are
given, each names a function of one of the two largest source files. The second attempt is told of a first one
that failed with as much output and as large a patch as is ever told of one check. Exit code 1 where the share
of a second attempt is below the bar.
"""

from __future__ import annotations

import argparse
import sys
from pathlib import Path
from typing import TYPE_CHECKING

from route_agent import decide
from route_agent.config import Config, Provider
from route_agent.library import Library
from route_agent.outline import ranked
from route_agent.policy import LaneSpec
from route_agent.prompt import OUTPUT_CHARACTERS, PATCH_CHARACTERS
from route_agent.records.checks import CheckKind, CheckResult, CheckRun, Isolation, IsolationLevel, Outcome
from route_agent.records.grades import Failure, Grade
from route_agent.records.runs import Attempt, Evidence
from route_agent.symbols import symbols_in
from route_agent.withholding import Withheld

if TYPE_CHECKING:
    from route_agent.ground import Opened
    from route_agent.records.lanes import Prompt

LOOP = Config(providers={"loop": Provider(base_url="http://127.0.0.1:9/v1")})
BAR = 0.70


def main(arguments: list[str]) -> int:
    wanted = options(arguments)
    spec = LaneSpec(provider="loop", model="m", max_context_tokens=wanted.tokens)
    shares = [measured(repository.resolve(), wanted, spec) for repository in wanted.repositories]
    return int(min(shares) < wanted.bar)


def options(arguments: list[str]) -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0] if __doc__ else "")
    parser.add_argument("repositories", type=Path, nargs="+", metavar="REPOSITORY")
    parser.add_argument("--first", default="")
    parser.add_argument("--second", default="")
    parser.add_argument("--tokens", type=int, default=32_000)
    parser.add_argument("--bar", type=float, default=BAR)
    return parser.parse_args(arguments)


def measured(repository: Path, wanted: argparse.Namespace, spec: LaneSpec) -> float:
    """Print one repository's table; the share of the second attempt."""
    with decide.opened(repository, LOOP) as ground:
        told = tasks(ground)
        first, second = wanted.first or told[0], wanted.second or told[1]
        one = request(ground, first, spec)
        again = request(ground, first, spec, failed(ground))
        other = request(ground, second, spec)
    print(f"\n{repository.name}: {first} / {second}\n")
    print("| Second request | Bytes | Common beginning | Share |")
    print("| --- | --- | --- | --- |")
    share = row("a second attempt at one task", one, again)
    row("another task", one, other)
    return share


def tasks(ground: Opened) -> list[str]:
    """Two tasks as people write them: a function, the file that it is in, and what is wrong."""
    trees = ground.slot.trees
    entries = trees.entries(ground.start)
    sources = trees.read({path: entries[path] for path in ranked(entries) if "test" not in path})
    told = []
    for path, data in sorted(sources.items(), key=lambda it: -len(it[1])):
        found = [it for it in symbols_in(path, data.decode("utf-8", "replace")) if it.last > it.line + 5]
        if found:
            name = found[len(found) // 2].name
            told.append(f"`{name}` in {path} must raise ValueError where its argument is empty")
    return told


def request(ground: Opened, brief: str, spec: LaneSpec, *tried: Attempt) -> Prompt:
    """A lane's request, each from a library of its own, as different runs make them."""
    baseline = CheckRun(ground.start, (), Isolation(IsolationLevel.NONE))
    facts = decide.facts(ground, brief, baseline)
    never = Withheld((*ground.policy.policy.no_send, *ground.config.no_send))
    return Library(ground, facts, baseline, withheld=never).request(spec, tried).prompt


def failed(ground: Opened) -> Attempt:
    """An attempt with as much to tell as there ever is of one check."""
    output = "E   assert 1 == 2\n" * (OUTPUT_CHARACTERS // 18)
    check = CheckResult("unit", CheckKind.TEST, Outcome.FAILED, "1 test failed", output=output)
    run = CheckRun(ground.start, (check,), Isolation(IsolationLevel.NONE))
    patch = "+    value = compute(value)\n" * (PATCH_CHARACTERS // 28)
    found = Evidence(run, Grade.NONE, Failure.STILL_FAILING, ("unit is red",))
    return Attempt("fast", "loop", "m", evidence=found, failure=Failure.STILL_FAILING, patch=patch)


def row(what: str, one: Prompt, two: Prompt) -> float:
    before, after = wire(one), wire(two)
    common = next((at for at, (a, b) in enumerate(zip(before, after, strict=False)) if a != b), len(before))
    share = common / len(after)
    print(f"| {what} | {len(after):,} | {common:,} | {share:.1%} |")
    return share


def wire(prompt: Prompt) -> bytes:
    """A request in the order in which a model reads it."""
    texts = [prompt.system, prompt.project, *(turn.text for turn in prompt.turns)]
    return "\0".join(texts).encode("utf-8", "replace")


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
