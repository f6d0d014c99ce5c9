"""What is to be said about places in a judged change: for SARIF, annotations and Markdown alike."""

from __future__ import annotations

import re
from dataclasses import dataclass, replace
from functools import lru_cache
from itertools import groupby
from typing import TYPE_CHECKING, Literal

from route_agent.records.findings import Weight
from route_agent.records.reviews import Opinion

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from route_agent.records.change import Change
    from route_agent.records.checks import CheckResult
    from route_agent.records.judgements import Judgement
    from route_agent.records.reviews import Review
    from route_agent.records.runs import Evidence

Level = Literal["error", "warning", "note"]

# what each rule of ours says; findings bring their own names
RULES = {
    "check-failed": "A check fails with this change.",
    "test-failed": "A test fails with this change.",
    "failed-before": "It failed before the change as well, which is not blamed for it.",
    "flaky-test": "A test was red, and green when it ran again by itself. It proves nothing.",
    "not-executed": "No green test executes these changed statements.",
    "mistake-unnoticed": "The checks stay green when this line is broken on purpose.",
    "verifier-rejects": "A second model speaks against these lines. It may be wrong.",
}

_LEVELS: dict[Weight, Level] = {Weight.CONVICTS: "error", Weight.LOWERS: "warning", Weight.NOTES: "note"}
_RANK: dict[Level, int] = {"error": 0, "warning": 1, "note": 2}
# how pytest heads what it tells of one red test
_HEADS = re.compile(r"^_{3,} (?P<name>\S.*?) _{3,}$", re.MULTILINE)
_MAX_LINE = 10_000_000
_FILE = re.compile(r"[^/:][^:]*\.[a-z0-9]{1,4}$")


@dataclass(frozen=True, slots=True)
class Remark:
    """One thing about one place.

    Attributes:
        rule: its short name.
        path: a file, relative to the tree; empty where no place is known.
        line: 1-based; 0 where no line is known.
        last: the last line of the place; `line` where it is one line.
        what: one sentence.
    """

    rule: str
    level: Level
    path: str
    line: int
    last: int
    what: str


def remarks(judged: Judgement) -> tuple[Remark, ...]:
    """Everything that can be said about a place, what speaks against the change first.

    Only what stops something is an error.
    """
    found = list(_of_reviews(judged.reviews))
    if judged.evidence:
        found = [*_of_checks(judged.evidence, judged.change), *found, *_of_the_change(judged.evidence)]
    if not judged.blocks:
        found = [replace(it, level="warning") if it.level == "error" else it for it in found]
    return tuple(sorted(found, key=lambda it: _RANK[it.level]))


def _of_checks(evidence: Evidence, change: Change) -> Iterator[Remark]:
    there = [file.path for file in change.files if not file.is_deleted] or list(change.paths)
    nowhere = there[0] if there else ""
    for result in evidence.checks.failed:
        for test in sorted(result.red) or ["exit"]:
            if f"{result.name}::{test}" not in evidence.flaky:
                yield _red(result, test, evidence, nowhere)
    for identity in evidence.flaky:
        check, _, test = identity.partition("::")
        what = f"{test}: red in the whole run of {check}, green by itself"
        yield Remark("flaky-test", "note", file_of(test) or nowhere, 0, 0, what)


def _red(result: CheckResult, test: str, evidence: Evidence, nowhere: str) -> Remark:
    before = f"{result.name}::{test}" in evidence.pre_existing
    level: Level = "note" if before else "error" if evidence.failure else "warning"
    place = file_of(test)
    line = line_in(section_of(test, result.output), place)
    if test == "exit":
        said = result.reason or f"exit {result.exit_code}"
        rule, what = "check-failed", f"the check {result.name} fails: {said}"
    else:
        raised = result.raised.get(test)
        rule, what = "test-failed", f"{test} is red" + (f": {raised.kind}" if raised and raised.kind else "")
    if before:
        rule, what = "failed-before", f"{what}; before the change as well"
    elsewhere = "" if place or not nowhere else ". No place in the files is known for it"
    return Remark(rule, level, place or nowhere, line, line, f"{what}{elsewhere}")


def section_of(test: str, output: str) -> str:
    """What a runner's output tells of one test alone; empty where it does not keep tests apart."""
    return _sections(output).get(".".join(test.split("::")[1:]), "")


@lru_cache(maxsize=8)  # asked for each red test, in each report
def _sections(output: str) -> dict[str, str]:
    heads = [*_HEADS.finditer(output)]
    ends = [*(head.start() for head in heads[1:]), len(output)]
    return (
        {head["name"]: output[head.end() : end].strip("\n") for head, end in zip(heads, ends, strict=True)}
        if heads
        else {}
    )


def line_in(section: str, file: str) -> int:
    """The line of a file at which a test failed, by the last place there that its output names; 0 if none."""
    places = re.findall(rf"^{re.escape(file)}:(\d{{1,8}}): ", section, re.MULTILINE) if file else []
    line = int(places[-1]) if places else 0
    return line if line <= _MAX_LINE else 0


def file_of(test: str) -> str:
    """The file that a test's id begins with; empty where it begins with something else."""
    head = test.partition("::")[0]
    return head if _FILE.match(head) and ".." not in head.split("/") else ""


def _of_reviews(reviews: Iterable[Review]) -> Iterator[Remark]:
    for review in reviews:
        if review.is_canary or review.opinion is not Opinion.REJECT:
            continue
        what = f"{review.model} rejects it: {'; '.join(review.reasons)}"
        for cited in review.cited:
            path, _, line = cited.rpartition(":")
            number = int(line) if path and line.isdecimal() else 0
            yield Remark("verifier-rejects", "warning", path or cited, number, number, what)


def _of_the_change(evidence: Evidence) -> Iterator[Remark]:
    known = evidence.known
    for it in known.findings:
        yield Remark(it.rule, _LEVELS[it.weight], it.path, it.line, it.line, it.what)
    for path, line, operator in known.mutants.survivors if known.mutants else ():
        what = f"the checks stay green with a mistake here: {operator}"
        yield Remark("mistake-unnoticed", "warning", path, line, line, what)
    for path, first, last in ranges(known.lines.missing if known.lines else ()):
        yield Remark("not-executed", "note", path, first, last, "no green test executes this change")


def ranges(lines: Iterable[tuple[str, int]]) -> Iterator[tuple[str, int, int]]:
    """Lines that follow each other in one file as a range each: path, first and last line."""
    numbered = enumerate(sorted(lines))
    for (path, _), group in groupby(numbered, key=lambda it: (it[1][0], it[1][1] - it[0])):
        members = [line for _, (_, line) in group]
        yield path, members[0], members[-1]
