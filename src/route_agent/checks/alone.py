"""Red tests once more by themselves: what is green then is flaky, and proves nothing in either way."""

from __future__ import annotations

import re
import time
from dataclasses import replace
from itertools import pairwise
from typing import TYPE_CHECKING

from route_agent.checks.judge import is_pytest
from route_agent.records.checks import CheckKind, CheckResult, CheckRun, Outcome

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Iterator, Sequence

    from route_agent.policy import CheckSpec

MAX_ALONE = 50
SECONDS = 60.0
EXIT = "exit"

# options of pytest that take no value, so that what follows one may be a path
_PLAIN_FLAG = re.compile(
    r"-[qvxsl]+|--[a-z-]+=.*|--(no-[a-z-]+|exitfirst|verbose|quiet|lf|ff|sw|strict-[a-z]+)"
)


def alone(
    specs: Sequence[CheckSpec],
    tests: Collection[str],
    run: Callable[[Sequence[CheckSpec]], CheckRun],
    *,
    reruns: int,
    seconds: float = SECONDS,
) -> CheckRun | None:
    """Run some tests by themselves, up to several times; those that were green once are green in the result.

    Where a check's runner takes no names, or there are too many, the whole check runs once more.

    Args:
        specs: the policy's checks.
        tests: ids as `check::test`; `check::exit` is the check itself.
        run: runs the given checks on the tree that is meant, made anew.
        reruns: how often at most.
        seconds: a time box: no rerun begins after it.

    Returns:
        None where nothing was run.
    """
    ends = time.monotonic() + seconds
    left, best = set(tests), None
    for _ in range(reruns):
        box = ends - time.monotonic()
        if not left or box <= 0:
            break
        tried = run([*narrowed(specs, left, box)])
        best = _best(best, tried) if best else tried
        left -= {name for result in tried.results for name in _green(result)}
    return best


def with_flaky(
    at_start: CheckRun,
    specs: Sequence[CheckSpec],
    run: Callable[[Sequence[CheckSpec]], CheckRun],
    *,
    reruns: int,
    seconds: float = SECONDS,
) -> CheckRun:
    """Results with what was red there, and is green by itself on the same tree, marked as flaky.

    Args:
        at_start: the results.
        specs, run, reruns, seconds: see `alone`.
    """
    tests = sorted(name for result in at_start.failed for name in _red(result, seconds))[:MAX_ALONE]
    began = time.monotonic()
    tried = alone(specs, tests, run, reruns=reruns, seconds=seconds)
    if tried is None:
        return at_start
    green = {name for result in tried.results for name in _green(result)}.intersection(tests)
    results = tuple(
        replace(it, flaky=(*it.flaky, *flaky)) if (flaky := _of(it.name, green)) else it
        for it in at_start.results
    )
    took = at_start.seconds + time.monotonic() - began
    return replace(at_start, results=results, seconds=took)


def _red(result: CheckResult, seconds: float) -> Iterator[str]:
    """What could be flaky: red tests, or a red test command that tells none and may end in time."""
    if result.kind is not CheckKind.TEST or result.exit_code is None or result.seconds > seconds:
        return
    if result.tests is None:
        yield f"{result.name}::{EXIT}"
    yield from (f"{result.name}::{test}" for test in result.red if "::" in test)


def _green(result: CheckResult) -> Iterator[str]:
    yield from (f"{result.name}::{test}" for test in result.green)
    if result.passed and result.tests is None:
        yield f"{result.name}::{EXIT}"


def _of(check: str, names: Collection[str]) -> tuple[str, ...]:
    return tuple(sorted(name.partition("::")[2] for name in names if name.startswith(f"{check}::")))


def narrowed(
    specs: Sequence[CheckSpec], tests: Collection[str], seconds: float = SECONDS
) -> Iterator[CheckSpec]:
    """The checks of some tests (ids as `check::test`), with only these where the runner takes them by name.

    Args:
        seconds: after so long those that run by name are killed, if not sooner.
    """
    for spec in specs:
        if ids := _of(spec.name, tests):
            by_name = is_pytest(spec.run) and len(ids) <= MAX_ALONE and EXIT not in ids
            command = (*_without_paths(spec.run), *ids) if by_name else spec.run
            limit = min(spec.timeout, max(seconds, 1.0)) if by_name else spec.timeout
            yield spec.model_copy(update={"run": command, "when": (), "timeout": limit})


def _without_paths(argv: Sequence[str]) -> list[str]:
    """Pytest's command without the folders and files that it names: their other tests would come along."""
    begin = 1 if is_pytest(argv[:1]) else argv.index("-m") + 2
    kept = list(argv[:begin])
    for before, word in pairwise(argv[begin - 1 :]):
        is_value = before.startswith("-") and not _PLAIN_FLAG.fullmatch(before)
        if is_value or word.startswith("-"):
            kept.append(word)
    return kept


def _best(one: CheckRun, other: CheckRun) -> CheckRun:
    """Two runs as one in which what was green in either is green."""
    results = {result.name: result for result in one.results}
    for result in other.results:
        known = results.get(result.name, result)
        green = dict.fromkeys(known.green | result.green, "passed")
        tests = None if result.tests is None else {**(known.tests or {}), **result.tests, **green}
        passed = Outcome.PASSED if known.passed else result.outcome
        results[result.name] = replace(result, tests=tests, outcome=passed)
    return replace(other, results=tuple(results.values()))
