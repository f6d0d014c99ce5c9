"""How honest is the grader on real projects? Their own history gives patches and hidden tests.

Of a commit that changes both source and tests, the source part alone is a right patch, and its tests are the
hidden ones: red before, green after. Leaving one hunk out, or breaking a changed line on purpose, makes wrong
patches; only those count that the hidden tests convict. Each is graded on the parent commit, whose own tests
are all that the grader sees, and beside it stands what their exit code alone would have accepted.

Give it clones of your own to work in, each with what its tests need in `.venv`:

    git clone https://… project && cd project && python -m venv .venv && .venv/bin/pip install -e . pytest
    python scripts/bench_history.py project --commits 10
"""

from __future__ import annotations

import argparse
import os
import random
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from bench_lies import Told, table

SEED = 20261121
LOOKED_AT = 2_000
LIMIT_S = 600
CONTEXT = "-U3"


@dataclass(frozen=True)
class Patch:
    """A diff of source files on one parent commit; `kind` says how it was made."""

    commit: str
    kind: str
    diff: str


def main() -> int:
    """Grade what the histories give and print the confusion table."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else "")
    parser.add_argument("repository", type=Path, nargs="+", help="a clone to work in; its checkout is moved")
    parser.add_argument("--commits", type=int, default=8, help="how many commits of each repository")
    parser.add_argument("--wrong", type=int, default=3, help="how many wrong patches of each commit")
    options = parser.parse_args()
    told: list[Told] = []
    for repository in options.repository:
        root = repository.resolve()
        if _git(root, "status", "--porcelain", "--untracked-files=no"):
            print(f"{root} has uncommitted work: give a clone of its own", file=sys.stderr)
            return 2
        with tempfile.TemporaryDirectory(prefix="history-") as folder:
            for name in ("CACHE", "STATE", "CONFIG", "DATA"):
                os.environ[f"XDG_{name}_HOME"] = str(Path(folder, name.lower()))
            here = list(_of(root, options.commits, options.wrong))
        print("\n".join([f"== {root.name}", *table(here), ""]) if here else f"== {root.name}: nothing usable")
        told += here
    if told:
        print("\n".join(["== together", *table(told)]))
    return 0


def _of(root: Path, commits: int, wrong: int) -> Iterator[Told]:
    tip = _git(root, "rev-parse", "HEAD").strip()
    try:
        used = 0
        for commit, sources, tests in _candidates(root):
            if used == commits:
                break
            patches = list(_labelled(root, commit, sources, tests, wrong))
            used += bool(patches)
            for patch in patches:
                told = _graded(root, patch)
                print(
                    f"{root.name} {told.name}: {told.failure or told.grade} · {told.reason}", file=sys.stderr
                )
                yield told
    finally:
        _git(root, "checkout", "-qf", tip)


def _candidates(root: Path) -> Iterator[tuple[str, list[str], list[str]]]:
    """Commits of one parent that change Python source and Python tests, the newest first."""
    for commit in _git(root, "rev-list", "--no-merges", f"--max-count={LOOKED_AT}", "HEAD").split():
        changed = _git(root, "diff", "--name-only", "--diff-filter=M", f"{commit}^", commit).splitlines()
        every = _git(root, "diff", "--name-only", f"{commit}^", commit).splitlines()
        python = [path for path in changed if path.endswith(".py")]
        tests = [path for path in python if _is_test(path)]
        sources = [path for path in python if not _is_test(path) and not path.startswith("docs/")]
        if sources and tests and not any(path.endswith(".toml") for path in every):
            yield commit, sources, tests


def _is_test(path: str) -> bool:
    return "test" in Path(path).name or path.startswith("tests/")


def _labelled(root: Path, commit: str, sources: list[str], tests: list[str], wrong: int) -> Iterator[Patch]:
    """The source part, if the commit's own tests tell it from its absence, then wrong variants of it."""
    right = _git(root, "diff", CONTEXT, f"{commit}^", commit, "--", *sources)
    if _hidden(root, commit, "", tests) or not _hidden(root, commit, right, tests):
        return
    yield Patch(commit, "right", right)
    made = 0
    for kind, diff in _variants(root, commit, right):
        if made == wrong:
            return
        if not _hidden(root, commit, diff, tests):
            made += 1
            yield Patch(commit, kind, diff)


def _variants(root: Path, commit: str, right: str) -> Iterator[tuple[str, str]]:
    """Without one of its hunks, and with one changed line broken; in a fixed, shuffled order."""
    from route_agent import mutants

    chance = random.Random(f"{SEED}{commit}")
    found: list[tuple[str, str]] = []
    _at(root, commit, right)
    for path in _git(root, "diff", "--name-only").splitlines():
        hunks = _git(root, "diff", "-U0", "--", path)
        added = frozenset(
            line
            for head in hunks.splitlines()
            if head.startswith("@@")
            for first, _, count in [head.split("+")[1].split(" ")[0].partition(",")]
            for line in range(int(first), int(first) + int(count or 1))
        )
        data = (root / path).read_bytes()
        for mutant in mutants.mutants(path, data, added, seed=commit):
            (root / path).write_bytes(mutant.content)
            found.append((f"mutant {mutant.operator}", _git(root, "diff", CONTEXT)))
        (root / path).write_bytes(data)
    chance.shuffle(found)
    partial = [("one hunk left out", it) for it in _without_one(right)]
    chance.shuffle(partial)
    while found or partial:  # in turns, as far as both go
        for group in (partial, found):
            if group:
                yield group.pop()


def _without_one(diff: str) -> Iterator[str]:
    files = [f"diff --git {it}" for it in diff.split("diff --git ")[1:]]
    parts = [(head, [f"\n@@{it}" for it in hunks]) for head, *hunks in (it.split("\n@@") for it in files)]
    if sum(len(hunks) for _, hunks in parts) < 2:
        return
    for left_out in range(len(parts)):
        for number in range(len(parts[left_out][1])):
            kept = [
                (head, [it for n, it in enumerate(hunks) if (at, n) != (left_out, number)])
                for at, (head, hunks) in enumerate(parts)
            ]
            text = "".join(head + "".join(hunks) + "\n" for head, hunks in kept if hunks)
            yield text.replace("\n\ndiff --git", "\ndiff --git")


def _at(root: Path, commit: str, diff: str) -> bool:
    """The parent's tree with a diff in it; whether the diff fits."""
    _git(root, "checkout", "-qf", f"{commit}^")
    if not diff:
        return True
    done = subprocess.run(
        ["git", "apply", "--recount", "-"], cwd=root, input=diff.encode(), capture_output=True, check=False
    )
    return done.returncode == 0


def _hidden(root: Path, commit: str, diff: str, tests: Sequence[str]) -> bool:
    """Whether the commit's tests are green on its parent with the diff."""
    if not _at(root, commit, diff):
        return True  # no patch at all: not counted among the wrong ones
    _git(root, "checkout", "-q", commit, "--", *tests)
    python = root / ".venv" / "bin" / "python"
    command = [str(python if python.exists() else "python3"), "-B", "-m", "pytest", "-q", "-x", *tests]
    try:
        done = subprocess.run(command, cwd=root, capture_output=True, timeout=LIMIT_S, check=False)
    except subprocess.TimeoutExpired:
        return False
    finally:
        _git(root, "checkout", "-qf", f"{commit}^")
    return done.returncode == 0


def _graded(root: Path, patch: Patch) -> Told:
    from route_agent.config import load_config
    from route_agent.errors import RouteError
    from route_agent.gate import WORKING_TREE, Asking, judge
    from route_agent.records.checks import IsolationLevel
    from route_agent.records.findings import Weight
    from route_agent.repo.repository import Repository

    _at(root, patch.commit, patch.diff)
    began = time.monotonic()
    name, right = f"{patch.commit[:8]} {patch.kind}", patch.kind == "right"
    try:
        judged = judge(
            Repository.open(root), load_config(), "HEAD", WORKING_TREE,
            required=IsolationLevel.NONE, on=lambda event: None, asked=Asking(fresh=True),
        )  # fmt: skip
    except RouteError as error:
        return Told(
            name, right, patch.kind, "none", "", str(error), False, False, False, time.monotonic() - began
        )
    found = judged.evidence
    weights = {it.weight for it in found.known.findings} if found else set()
    return Told(
        name, right, patch.kind,
        grade=found.grade.value if found else "none",
        failure=found.failure.value if found and found.failure else "",
        reason=judged.reason[:300],
        convicted=bool(found and found.failure),
        lowered=bool({Weight.LOWERS, Weight.CONVICTS} & weights),
        checks_pass=bool(found and all(result.passed for result in found.checks.results)),
        seconds=time.monotonic() - began,
    )  # fmt: skip


def _git(root: Path, *arguments: str) -> str:
    done = subprocess.run(["git", *arguments], cwd=root, capture_output=True, check=True)
    return done.stdout.decode("utf-8", "surrogateescape")


if __name__ == "__main__":
    sys.exit(main())
