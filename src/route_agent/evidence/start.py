"""What the checks at start tell: whether they can prove anything, how much, and what a patch should mend."""

from __future__ import annotations

import posixpath
import re
from typing import TYPE_CHECKING

from route_agent.brief import words_found
from route_agent.fixing import kind_asked
from route_agent.records.checks import CheckKind, CheckResult, CheckRun, Outcome
from route_agent.records.grades import Grade

if TYPE_CHECKING:
    from collections.abc import Iterable

    from route_agent.policy import CheckSpec
    from route_agent.records.grades import TaskClass

NO_TESTS = "no tests were collected"
KEEPS_BEHAVIOUR: frozenset[TaskClass] = frozenset({"refactor", "rename"})


def broken_environment(baseline: CheckRun) -> str:
    """Why nothing can be proved here, or an empty string. Found at start, it ends the run at $0."""
    for result in baseline.results:
        if result.outcome is Outcome.NOT_RUN and not result.reason.startswith(NO_TESTS):
            return f"{result.name}: {result.reason}"
        if result.outcome is Outcome.FAILED and result.exit_code is None:  # killed: it never had its say
            return f"{result.name}: {result.reason} at start"
        is_mute = not (result.green or result.flaky)
        if result.tests and all("::" not in test for test in result.red) and is_mute:
            return f"{result.name}: no test module can be imported at start ({result.reason})"
    return ""


def reachable(
    baseline: CheckRun,
    *,
    checks: Iterable[CheckSpec] | None = None,
    task_class: TaskClass | None = None,
    wanted: frozenset[str] | None = None,
    reproducible: bool = True,
) -> Grade:
    """The highest grade that the checks here could give to any patch for a task.

    What is not given is taken to be as good as can be.

    Args:
        baseline: the checks at start.
        checks: the policy's checks: whether one tells which lines it executes.
        task_class: what the task asks for: mutants tell something of some classes only.
        wanted: the ids of `targets`; one that is red can turn green.
        reproducible: whether a test for the brief may be had.
    """
    able = [result for result in baseline.results if result.outcome is not Outcome.NOT_RUN]
    tests = [result for result in able if result.kind is CheckKind.TEST]
    red = bool(wanted) if wanted is not None else any(it.outcome is Outcome.FAILED for it in able)
    if red or (tests and reproducible):
        return Grade.DISCRIMINATING
    if not tests:
        return Grade.STATIC if able else Grade.NONE
    specs = None if checks is None else {check.name: check for check in checks}
    if not any(specs is None or _is_measured(specs.get(result.name), result) for result in tests):
        return Grade.RAN
    told_by_mutants = task_class is None or task_class in (*KEEPS_BEHAVIOUR, "tests")
    return Grade.DISCRIMINATING if told_by_mutants else Grade.COVERED


# what runs on Python or on Node, which tell what they execute
_MEASURED = re.compile(
    r"(python|pypy|node)[\d.]*|pytest|py\.test|npm|npx|pnpm|yarn|tox|nox|uv|poetry|pdm|hatch|coverage"
)


def _is_measured(check: CheckSpec | None, result: CheckResult) -> bool:
    """Whether it can be told which lines a check executes: from its file, its language or its test ids."""
    if check is None:
        return False
    tells_as_pytest = result.tests is not None and not check.junit
    program = posixpath.basename(check.run[0])
    return bool(check.coverage) or tells_as_pytest or _MEASURED.fullmatch(program) is not None


def targets(baseline: CheckRun, task_class: TaskClass, brief: str, touched: Iterable[str]) -> frozenset[str]:
    """What is red at start and should be green afterwards, as `check::test` or `check::exit`.

    For lint, format and type tasks: the red checks of that kind, or where none of lint is red, those of
    format, and the other way round. Otherwise the red tests that the brief
    names, or whose file belongs by name to a touched one (`test_worker.py` and `worker.py`) or to a word of
    the brief ("the sync worker"); other red tests are pre-existing and nobody's fault. A red test command
    that tells no test ids is always wanted: as long as it is red, it proves nothing about any patch.
    """
    stems = {posixpath.splitext(posixpath.basename(path))[0] for path in touched}
    stems |= {word for word in re.findall(r"\w+", brief.casefold()) if len(word) > 3}
    asked = kind_asked(task_class, {result.kind for result in baseline.failed})
    found: set[str] = set()
    for result in baseline.failed:
        if (
            result.flaky and not result.red
        ):  # what is green by itself at start proves nothing by turning green
            continue
        if result.kind is asked or (result.kind is CheckKind.TEST and result.tests is None):
            found |= _ids(result)
        elif result.kind is CheckKind.TEST:
            found |= {
                f"{result.name}::{test}"
                for test in result.red
                if _is_named(test, brief) or _belongs(test, stems)
            }
    return frozenset(found)


def _ids(result: CheckResult) -> set[str]:
    return {f"{result.name}::{test}" for test in result.red} or {f"{result.name}::exit"}


def _is_named(test: str, brief: str) -> bool:
    path, _, rest = test.partition("::")
    function = rest.rpartition("::")[2].partition("[")[0]
    return bool(words_found(brief, (name for name in (path, posixpath.basename(path), function) if name)))


def _belongs(test: str, stems: set[str]) -> bool:
    stem = posixpath.splitext(posixpath.basename(test.partition("::")[0]))[0]
    return stem in stems or stem.removeprefix("test_").removesuffix("_test") in stems
