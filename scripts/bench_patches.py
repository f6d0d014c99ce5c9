"""How many patches of a corpus land, and where: our applier beside git apply, patch and aider, in one table.

A corpus is a file of JSON lines (`.jsonl`, `.jsonl.xz`) or a folder with `cases.jsonl.xz`. Each case holds
the files before, a patch as a model or a tool wrote it, and what must come of it. Every applier gets each
case in a fresh git worktree beside a folder that nothing may touch; its result is compared byte for byte.

    right   the expected files came out (blank lines and trailing blanks apart), or it refused what it must or
            may refuse
    bad     something else was written, part of it was written, it claimed success and did nothing, or it
            wrote outside
    unsafe  of the bad ones: outside the worktree, into `.git`, or a new link to the outside

Exit code 1 if `--bar` is given and missed, or a sampled command disagrees with the library.
"""

from __future__ import annotations

import argparse
import importlib
import json
import lzma
import multiprocessing
import os
import posixpath
import random
import re
import shutil
import signal
import statistics
import subprocess
import sys
import tempfile
import threading
import time
import traceback
from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import Future, ProcessPoolExecutor, as_completed
from contextlib import contextmanager
from dataclasses import asdict, dataclass, field
from enum import StrEnum
from functools import cache
from pathlib import Path
from typing import Any

OURS, GIT, AIDER = "route-agent", "git apply", "aider udiff"
MEMORY = "in memory"
COMMANDS: Mapping[str, tuple[str, ...]] = {
    GIT: ("git", "apply", "{patch}"),
    "git apply --recount --3way": ("git", "apply", "--recount", "--3way", "{patch}"),
    "patch -p1": (
        *("patch", "-p1", "--batch", "--forward", "--no-backup-if-mismatch"),
        *("-r", "-", "-i", "{patch}"),
    ),
}
ENVIRONMENT = {
    "GIT_CONFIG_GLOBAL": os.devnull,
    "GIT_CONFIG_SYSTEM": os.devnull,
    "GIT_AUTHOR_NAME": "bench",
    "GIT_AUTHOR_EMAIL": "bench@example.com",
    "GIT_COMMITTER_NAME": "bench",
    "GIT_COMMITTER_EMAIL": "bench@example.com",
    "HOME": "/nonexistent",
    "LC_ALL": "C.UTF-8",
}
OUTSIDE = "{{OUTSIDE}}"
VICTIM = b"line one\nline two\nline three\n"
SECONDS_FOR_ONE = 30
SMALL_MODELS = ("small", "qwen")


# --- the corpus --------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Case:
    """One reply, the files that it is about, and what must come of it."""

    id: str
    label: str
    kind: str
    expect: str
    patch: str
    files: Mapping[str, str]
    symlinks: Mapping[str, str]
    expected: Mapping[str, str | None]
    reject_ok: bool
    noop_ok: bool
    ws_ok: bool

    @classmethod
    def read(cls, line: str) -> Case:
        raw = json.loads(line)
        return cls(
            id=raw["id"],
            label=raw["class"],
            kind=raw["kind"],
            expect=raw["expect"],
            patch=raw["patch"],
            files=raw["files"],
            symlinks=raw.get("symlinks") or {},
            expected=raw.get("expected") or {},
            reject_ok=bool(raw.get("reject_ok")),
            noop_ok=bool(raw.get("noop_ok")),
            ws_ok=bool(raw.get("ws_ok")),
        )

    @property
    def frontier(self) -> bool:
        return not any(word in self.label for word in SMALL_MODELS)


def load(path: Path) -> list[Case]:
    """The cases of a corpus, in its order."""
    file = path / "cases.jsonl.xz" if path.is_dir() else path
    text: dict[str, Any] = {"mode": "rt", "encoding": "utf-8"}
    with lzma.open(file, **text) if file.suffix == ".xz" else file.open(**text) as lines:
        return [Case.read(line) for line in lines if line.strip()]


# --- one case in a scratch worktree ------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Place:
    """A case laid out: `root` is a git worktree, nothing else below `top` may change."""

    top: Path

    @property
    def root(self) -> Path:
        return self.top / "worktree"

    @property
    def outside(self) -> Path:
        return self.top / "outside"

    @property
    def patch(self) -> Path:
        return self.top / "case.patch"


@dataclass(frozen=True, slots=True)
class State:
    """All that an applier could change: the worktree's files and links, git's own, and those outside."""

    tree: Mapping[str, bytes]
    git: Mapping[str, bytes] = field(default_factory=dict)
    outside: Mapping[str, bytes] = field(default_factory=dict)


@contextmanager
def laid_out(case: Case, base: Path) -> Iterator[Place]:
    """A fresh worktree with the case's files committed, gone again afterwards."""
    place = Place(Path(tempfile.mkdtemp(dir=base, prefix="case-")))
    try:
        place.outside.mkdir()
        (place.outside / "victim.txt").write_bytes(VICTIM)
        shutil.copytree(_empty_repository(base), place.root)
        for path, text in case.files.items():
            (place.root / path).parent.mkdir(parents=True, exist_ok=True)
            (place.root / path).write_bytes(text.encode())
        for path, target in case.symlinks.items():
            (place.root / path).symlink_to(target.replace(OUTSIDE, str(place.outside)))
        run(("git", "add", "-A"), place.root)
        run(("git", "commit", "-qm", "base"), place.root)
        place.patch.write_bytes(case.patch.replace(OUTSIDE, str(place.outside)).encode())
        yield place
    finally:
        shutil.rmtree(place.top, ignore_errors=True)


@cache
def _empty_repository(base: Path) -> Path:
    template = Path(tempfile.mkdtemp(dir=base, prefix="template-"))
    run(("git", "init", "-q", "."), template)
    shutil.rmtree(template / ".git/hooks", ignore_errors=True)
    return template


def run(argv: Sequence[str], folder: Path) -> int:
    """The exit code of a command, 124 if it had to be stopped."""
    quiet = subprocess.DEVNULL
    try:
        return subprocess.run(
            argv,
            cwd=folder,
            env=os.environ | ENVIRONMENT,
            stdin=quiet,
            stdout=quiet,
            stderr=quiet,
            timeout=SECONDS_FOR_ONE,
        ).returncode
    except subprocess.TimeoutExpired:
        return 124


def state_of(place: Place) -> State:
    tree = dict(_files(place.root, without={".git"}))
    git = {
        path: data
        for path, data in _files(place.root / ".git", without={"objects", "logs", "refs"}, deep=True)
        if path not in ("index", "index.lock", "ORIG_HEAD")
    }
    outside = dict(_files(place.top, without={place.root.name, place.patch.name}))
    return State(tree, git, outside)


def _files(root: Path, without: set[str], *, deep: bool = False) -> Iterator[tuple[str, bytes]]:
    """Files and links below a folder; names to leave out at its top, or at every depth."""
    for folder, inner, names in os.walk(root):
        hidden = without if deep or Path(folder) == root else set()
        inner[:] = [name for name in inner if name not in hidden]
        linked = [name for name in inner if Path(folder, name).is_symlink()]
        for name in [*linked, *(name for name in names if name not in hidden)]:
            path = Path(folder, name)
            data = b"LINK " + os.fsencode(path.readlink()) if path.is_symlink() else path.read_bytes()
            yield str(path.relative_to(root)), data


# --- what came of it ---------------------------------------------------------------------------------------


class Outcome(StrEnum):
    RIGHT = "right"
    NEAR = "near"  # right but for blank lines and trailing blanks
    WRONG = "wrong"
    REJECTED = "rejected"
    DIRTY = "dirty"  # refused, and yet something was written
    NOOP = "noop"  # success claimed, nothing done
    UNSAFE = "unsafe"
    APPLIED = "applied"  # where nobody knows what is right
    CRASHED = "crashed"


def judged(case: Case, before: State, after: State, outside: str, *, applied: bool) -> Outcome:
    """What an applier did, from the files before and after."""
    if (after.git, after.outside) != (before.git, before.outside):
        return Outcome.UNSAFE
    same = after.tree == before.tree
    if not applied:
        return Outcome.REJECTED if same else Outcome.DIRTY
    if case.expect == "reject":
        if any(_links_to(outside, after.tree[path]) for path in after.tree.keys() - before.tree.keys()):
            return Outcome.UNSAFE
        unchanged = Outcome.RIGHT if case.noop_ok else Outcome.NOOP
        return unchanged if same else Outcome.WRONG
    if case.expect == "unknown":
        return Outcome.NOOP if same else Outcome.APPLIED
    return _compared(case, before.tree, after.tree)


def _links_to(outside: str, data: bytes) -> bool:
    return data.startswith(b"LINK ") and outside.encode() in data


def _compared(case: Case, before: Mapping[str, bytes], after: Mapping[str, bytes]) -> Outcome:
    changed = {path: text.encode() for path, text in case.expected.items() if text is not None}
    wanted = {path: data for path, data in before.items() if path not in case.expected} | changed
    if after == wanted:
        return Outcome.RIGHT
    ways = (_without_blank_lines, _without_blanks) if case.ws_ok else (_without_blank_lines,)
    if after.keys() == wanted.keys():
        for way in ways:
            if all(way(after[path]) == way(wanted[path]) for path in wanted):
                return Outcome.NEAR
    return Outcome.NOOP if after == before else Outcome.WRONG


def _without_blank_lines(data: bytes) -> list[str]:
    return [line.rstrip() for line in data.decode("utf-8", "replace").split("\n") if line.strip()]


def _without_blanks(data: bytes) -> list[str]:
    return ["".join(line.split()) for line in data.decode("utf-8", "replace").split("\n") if line.strip()]


def is_landed(outcome: Outcome) -> bool:
    return outcome in (Outcome.RIGHT, Outcome.NEAR)


def is_right(case: Case, outcome: Outcome) -> bool:
    if case.expect == "apply":
        return is_landed(outcome) or (case.reject_ok and outcome == Outcome.REJECTED)
    return case.expect == "reject" and outcome in (Outcome.REJECTED, Outcome.RIGHT)


def is_bad(case: Case, outcome: Outcome) -> bool:
    if outcome == Outcome.NOOP:
        return case.expect == "reject" or (case.expect == "apply" and bool(case.expected))
    return outcome in (Outcome.WRONG, Outcome.DIRTY, Outcome.UNSAFE, Outcome.CRASHED)


# --- the appliers ------------------------------------------------------------------------------------------


def apply_ours(place: Place) -> bool:
    """What `route-agent patch apply` does, without a process of its own."""
    from route_agent.errors import BadPatch, RouteError
    from route_agent.repo.folder import apply_to_folder

    try:
        apply_to_folder(place.root, place.patch.read_bytes().decode("utf-8", "surrogateescape"))
    except (BadPatch, RouteError):
        return False
    return True


def apply_command(name: str, place: Place) -> bool:
    return run([word.replace("{patch}", str(place.patch)) for word in COMMANDS[name]], place.root) == 0


def apply_by_cli(place: Place) -> bool:
    argv = (sys.executable, "-m", "route_agent", "patch", "apply", str(place.patch))
    return run(argv, place.root) == 0


def fitted_in_memory(case: Case, without: Sequence[str] = ()) -> tuple[Outcome, float]:
    """Outcome and seconds of reply → edits → files, with nothing read or written; stages can be left out."""
    from route_agent.errors import BadPatch, RouteError
    from route_agent.patch.fit import fit
    from route_agent.patch.formats import read_reply
    from route_agent.patch.stages import STAGES

    outside = "/nonexistent/outside"
    files = {path: text.encode() for path, text in case.files.items()}
    links = {path: f"LINK {to.replace(OUTSIDE, outside)}".encode() for path, to in case.symlinks.items()}
    reply = case.patch.replace(OUTSIDE, outside)
    stages = tuple(stage for stage in STAGES if stage[0] not in without)
    before = State(files | links)
    _empty_caches()
    began = time.perf_counter()
    try:
        fitted = fit(read_reply(reply), files, stages=stages)
    except (BadPatch, RouteError):
        return Outcome.REJECTED, time.perf_counter() - began
    seconds = time.perf_counter() - began
    if any(_through_a_link(path, links) for path in {*fitted.contents, *fitted.modes}):
        return Outcome.REJECTED, seconds
    after = {path: data for path, data in before.tree.items() if path not in fitted.contents}
    after |= {path: data for path, data in fitted.contents.items() if data is not None}
    escaped = {path: data for path, data in after.items() if _leaves(path)}
    return judged(case, before, State(after, outside=escaped), outside, applied=True), seconds


def _through_a_link(path: str, links: Mapping[str, bytes]) -> bool:
    return any(f"{path}/".startswith(f"{link}/") for link in links)


def _leaves(path: str) -> bool:
    plain = posixpath.normpath(path)
    return plain.startswith(("/", "../")) or ".git" in plain.casefold().split("/")


def _empty_caches() -> None:
    """A case must not profit from the one before it, nor from being tried twice."""
    ours = [module for name, module in sys.modules.items() if name.startswith("route_agent.patch.")]
    for value in (value for module in ours for value in vars(module).values()):
        if hasattr(value, "cache_clear"):
            value.cache_clear()


# --- aider's applier, in whatever Python it is installed ---------------------------------------------------


def apply_aider(python: str, place: Place) -> bool:
    server = _aider(python)
    assert server.stdin is not None
    assert server.stdout is not None
    reply = cleaned(place.patch.read_bytes().decode())
    server.stdin.write(json.dumps({"root": str(place.root), "reply": reply}) + "\n")
    server.stdin.flush()
    return bool(json.loads(server.stdout.readline()))


@cache
def _aider(python: str) -> subprocess.Popen[str]:
    """One process for all cases of a worker, for aider takes a second to import."""
    argv = (python, str(Path(__file__).resolve()), "--serve-aider")
    pipe = subprocess.PIPE
    return subprocess.Popen(argv, stdin=pipe, stdout=pipe, stderr=subprocess.DEVNULL, text=True)


def aider_version(python: str) -> str:
    script = "import aider, aider.coders.udiff_coder; print(aider.__version__)"
    try:
        told = subprocess.run((python, "-c", script), capture_output=True, text=True)
    except OSError:
        return ""
    return told.stdout.split("\n")[0] if told.returncode == 0 else ""


def serve_aider() -> int:
    """Apply what is asked for on stdin, each in a process of its own: aider raises whatever it meets."""
    importlib.import_module("aider.coders.udiff_coder")
    processes = multiprocessing.get_context("fork")
    for line in sys.stdin:
        asked = json.loads(line)
        child = processes.Process(target=_aider_applies, args=(asked["root"], asked["reply"]))
        child.start()
        child.join(SECONDS_FOR_ONE)
        if child.is_alive():
            child.kill()
            child.join()
        print(json.dumps(child.exitcode == 0), flush=True)
    return 0


def _aider_applies(root: str, reply: str) -> None:
    coders, talk = (importlib.import_module(name) for name in ("aider.coders.udiff_coder", "aider.io"))

    sys.stdout = sys.stderr
    os.chdir(root)
    coder = object.__new__(coders.UnifiedDiffCoder)  # its constructor wants a model and a chat
    coder.root, coder.abs_root_path_cache, coder.partial_response_content = root, {}, reply
    coder.io = talk.InputOutput(pretty=False, yes=True, fancy_input=False)
    edits = coder.get_edits()
    coder.apply_edits(edits)
    if not edits:
        sys.exit(1)


_DIFF_LINE = re.compile(r"^(?:--- |\+\+\+ |@@|diff --git )", re.MULTILINE)
_FENCED = re.compile(r"^[ \t]*```[^\n]*\n(.*?)(?:^[ \t]*```[ \t]*$|\Z)", re.DOTALL | re.MULTILINE)
_GIT_HEADER = re.compile(
    r"^(?:diff --git |index [0-9a-f]+\.\.|(?:new|deleted) file mode |(?:old|new) mode |similarity ).*\n",
    re.MULTILINE,
)


def cleaned(reply: str) -> str:
    """A reply as aider likes it best: only diffs, no prose and no git headers, one fence for each file."""
    text = re.sub(r"</?patch>", "```", reply.replace("\r\n", "\n")) + "\n"
    blocks = [block for block in _FENCED.findall(text) if _DIFF_LINE.search(block)]
    text = "".join(blocks) or text
    start = re.search(r"^(?:--- |diff --git )", text, re.MULTILINE)
    text = _GIT_HEADER.sub("", text[start.start() :] if start else text)
    files = re.split(r"^(?=--- [^\n]*\n\+\+\+ )", text, flags=re.MULTILINE)
    return "".join(f"```diff\n{file.rstrip()}\n```\n" for file in files if file.strip())


# --- one task, many tasks ----------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Task:
    case: Case
    applier: str
    base: Path
    aider: str
    without: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Result:
    """How one applier did on one case. `seconds` are those of the applier alone."""

    case: str
    applier: str
    outcome: Outcome
    seconds: float


def work(task: Task) -> Result:
    case = task.case
    if task.applier.startswith(MEMORY):
        return Result(case.id, task.applier, *fitted_in_memory(case, task.without))
    with laid_out(case, task.base) as place:
        before = state_of(place)
        _empty_caches()
        began = time.perf_counter()
        applied = _applied(task, place)
        seconds = time.perf_counter() - began
        outcome = judged(case, before, state_of(place), str(place.outside), applied=applied)
    return Result(case.id, task.applier, outcome, seconds)


def _applied(task: Task, place: Place) -> bool:
    if task.applier == OURS:
        return apply_ours(place)
    if task.applier == AIDER:
        return apply_aider(task.aider, place)
    return apply_by_cli(place) if task.applier == "cli" else apply_command(task.applier, place)


def set_up_worker() -> None:
    """Git reads nobody's settings, and nothing is imported while the clock runs."""
    os.environ.update(ENVIRONMENT)
    import rapidfuzz.process  # noqa: F401

    import route_agent.repo.folder  # noqa: F401


def work_off(tasks: Sequence[Task], jobs: int) -> list[Result]:
    """All results. A case on which we crash is told with its traceback, and counts as bad."""
    results: list[Result] = []
    context = multiprocessing.get_context("spawn")
    with ProcessPoolExecutor(jobs, context, initializer=set_up_worker) as pool:
        waiting: dict[Future[Result], Task] = {pool.submit(work, task): task for task in tasks}
        for done, future in enumerate(as_completed(waiting), 1):
            task = waiting[future]
            if error := future.exception():
                told = "".join(traceback.format_exception(error))
                print(f"{task.applier} crashed on {task.case.id}:\n{told}", file=sys.stderr)
                results.append(Result(task.case.id, task.applier, Outcome.CRASHED, 0.0))
            else:
                results.append(future.result())
            if sys.stderr.isatty():
                print(f"\r{done}/{len(tasks)}", end="\r", file=sys.stderr, flush=True)
    return results


# --- figures -----------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Group:
    """Cases that are counted together, and the bar for them: right in per cent, bad and unsafe cases."""

    name: str
    holds: Callable[[Case], bool]
    bar: tuple[float, int, int] | None = None


def _real(case: Case, expect: str) -> bool:
    return case.kind == "real" and case.expect == expect


GROUPS = (
    Group("real, frontier models, must apply", lambda it: _real(it, "apply") and it.frontier, (98, 0, 0)),
    Group("real, all models, must apply", lambda it: _real(it, "apply"), (95, 0, 0)),
    Group("real, must reject", lambda it: _real(it, "reject"), (100, 0, 0)),
    Group("mutated, must apply", lambda it: it.kind == "mutated", (97, 3, 0)),
    Group("negatives, must reject", lambda it: it.kind == "negative", (100, 0, 0)),
    Group("real, unknown", lambda it: _real(it, "unknown")),
)


@dataclass(frozen=True, slots=True)
class Tally:
    """One applier on one group. `landed` leaves out refusals that are permitted and counts unknown ones."""

    cases: int
    right: int
    landed: int
    bad: int
    unsafe: int

    def share(self, part: int) -> float:
        return 100 * part / self.cases if self.cases else 0.0

    def meets(self, bar: tuple[float, int, int]) -> bool:
        least, bad, unsafe = bar
        return not self.cases or (
            self.share(self.right) >= least and self.bad <= bad and self.unsafe <= unsafe
        )


def tally(group: Group, cases: Mapping[str, Case], outcomes: Mapping[str, Outcome]) -> Tally:
    judged_here = [(cases[id_], it) for id_, it in outcomes.items() if group.holds(cases[id_])]
    return Tally(
        cases=len(judged_here),
        right=sum(is_right(case, it) for case, it in judged_here),
        landed=sum(is_landed(it) or it == Outcome.APPLIED for _, it in judged_here),
        bad=sum(is_bad(case, it) for case, it in judged_here),
        unsafe=sum(it == Outcome.UNSAFE for _, it in judged_here),
    )


def by_applier(results: Sequence[Result]) -> dict[str, dict[str, Outcome]]:
    found: dict[str, dict[str, Outcome]] = {}
    for result in results:
        found.setdefault(result.applier, {})[result.case] = result.outcome
    return found


Rows = list[list[str]]


def table(head: Sequence[str], rows: Rows) -> str:
    """A Markdown table with columns of even width."""
    widths = [max(len(row[at]) for row in [list(head), *rows]) for at in range(len(head))]
    ruled = [list(head), ["-" * width for width in widths], *rows]
    return "\n".join(
        "| " + " | ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)) + " |"
        for row in ruled
    )


def main_table(
    cases: Mapping[str, Case], found: Mapping[str, Mapping[str, Outcome]], appliers: Sequence[str]
) -> str:
    rows: Rows = []
    for group in GROUPS:
        tallies = [tally(group, cases, found[name]) for name in appliers]
        if not tallies[0].cases:
            continue
        bar = f"≥ {group.bar[0]:g} / {group.bar[1]} / {group.bar[2]}" if group.bar else "–"
        rows.append([group.name, str(tallies[0].cases), bar, *(_cell(group, it) for it in tallies)])
        if any(case.reject_ok and case.expect == "apply" for case in _held(group, cases)) and group.bar:
            landed = [f"{it.share(it.landed):.1f}" for it in tallies]
            rows.append(["… of them landed", "", "", *landed])
    return table(["group: right % / bad / unsafe", "n", "bar", *appliers], rows)


def _held(group: Group, cases: Mapping[str, Case]) -> list[Case]:
    return [case for case in cases.values() if group.holds(case)]


def _cell(group: Group, it: Tally) -> str:
    share = f"{it.share(it.right):.1f}" if group.bar else f"applied {it.share(it.landed):.1f}"
    return f"{share} / {it.bad} / {it.unsafe}"


def missed_bars(cases: Mapping[str, Case], outcomes: Mapping[str, Outcome]) -> list[str]:
    return [
        group.name for group in GROUPS if group.bar and not tally(group, cases, outcomes).meets(group.bar)
    ]


def stage_tables(
    cases: Mapping[str, Case], found: Mapping[str, Mapping[str, Outcome]], stages: Sequence[str]
) -> str:
    """What is lost and what vanishes with one stage off; and what each adds to those before it."""
    groups = [group.name for group in GROUPS]
    lost: Rows = []
    added: Rows = []
    before: Mapping[str, Outcome] = dict.fromkeys(cases, Outcome.REJECTED)
    for name in stages:
        off, upto = found[f"{MEMORY} without {name}"], found[f"{MEMORY} up to {name}"]
        lost.append([name, *(_difference(group, cases, found[MEMORY], off) for group in GROUPS)])
        added.append([name, *(_difference(group, cases, before, upto) for group in GROUPS)])
        before = upto
    return (
        f"{table(['with one stage off', *groups], lost)}\n\n{table(['added by the stage', *groups], added)}"
    )


def _difference(
    group: Group, cases: Mapping[str, Case], whole: Mapping[str, Outcome], less: Mapping[str, Outcome]
) -> str:
    here = _held(group, cases)

    def good(case: Case, outcomes: Mapping[str, Outcome]) -> bool:
        return is_right(case, outcomes[case.id]) or outcomes[case.id] == Outcome.APPLIED

    def bad(case: Case, outcomes: Mapping[str, Outcome]) -> bool:
        return is_bad(case, outcomes[case.id])

    told = []
    for word, test in (("right", good), ("bad", bad)):
        lost = sum(test(case, whole) and not test(case, less) for case in here)
        gained = sum(test(case, less) and not test(case, whole) for case in here)
        told += [f"{word} {sign}{count}" for sign, count in (("−", lost), ("+", gained)) if count]
    return ", ".join(told) or "="


def time_lines(results: Sequence[Result]) -> list[str]:
    """Medians and ninth deciles, and the ratio to one `git apply` process on the same case."""
    seconds: dict[str, dict[str, float]] = {}
    for result in results:
        if result.outcome != Outcome.CRASHED:
            seconds.setdefault(result.applier, {})[result.case] = result.seconds
    told = []
    what = {OURS: "reply to written files, in process", MEMORY: "reply to fitted files, in memory"}
    for name, about in {**what, GIT: "one process"}.items():
        if len(times := seconds.get(name, {})) > 1:
            line = f"{name:12} {about:36} {_spread([it * 1000 for it in times.values()], 'ms')}"
            both = seconds.get(GIT, {}).keys() & times.keys()
            if name != GIT and both:
                line += f"; × git apply: {_spread([times[id_] / seconds[GIT][id_] for id_ in both], '')}"
            told.append(line)
    return told


def _spread(values: Sequence[float], unit: str) -> str:
    deciles = statistics.quantiles(values, n=10)
    return f"median {statistics.median(values):.2f} {unit}, p90 {deciles[8]:.2f} {unit}".replace(" ,", ",")


# --- limits ------------------------------------------------------------------------------------------------

MILLION = 1_000_000
LIMITS: Mapping[str, tuple[str, str, int, str]] = {
    # what it is: what stands before, a piece, how often, what stands behind
    "start-up: a reply of one line": ("", "no patch\n", 1, ""),
    "10⁶ lines in one hunk": ("--- a/m.py\n+++ b/m.py\n@@ -1 +1,1000000 @@\n a\n", "+b\n", MILLION, ""),
    "10⁶ lines in 333,333 hunks": ("--- a/m.py\n+++ b/m.py\n", "@@\n-a\n+b\n", MILLION // 3, ""),
    "10⁶ lines of a new file": ("--- /dev/null\n+++ b/n.py\n@@ -0,0 +1,1000000 @@\n", "+b\n", MILLION, ""),
    "10⁶ lines, 70 MB": ("--- a/m.py\n+++ b/m.py\n@@ -1 +1,1000000 @@\n a\n", f"+{'b' * 69}\n", MILLION, ""),
    "50 MB of prose": ("", "Here is what I think about it, at length.\n", 50 * MILLION // 42, ""),
    "50 MB in one line": ("", "x", 50 * MILLION, ""),
}


def measure_limit(folder: Path, name: str) -> str:
    """Seconds and peak memory of the real command on an outsized reply, and what it answered."""
    before, piece, count, behind = LIMITS[name]
    reply = folder / "reply.txt"
    with reply.open("w") as file:
        file.write(before)
        file.writelines(piece for _ in range(count))
        file.write(behind)
    (folder / "m.py").write_text("a\n")
    argv = (sys.executable, "-m", "route_agent", "patch", "apply", str(reply), "-C", str(folder), "--check")
    began = time.perf_counter()
    with (folder / "answer.txt").open("wb") as answer:
        child = subprocess.Popen(argv, stdin=subprocess.DEVNULL, stdout=answer, stderr=answer)
        stop = threading.Timer(120, child.kill)
        stop.start()
        _, status, used = os.wait4(child.pid, 0)
        stop.cancel()
    seconds = time.perf_counter() - began
    code = os.waitstatus_to_exitcode(status)
    child.returncode = code
    told = (folder / "answer.txt").read_text("utf-8", "replace").strip().split("\n")[0]
    ended = "stopped after 120 s" if code == -signal.SIGKILL else f"exit {code}"
    size, peak = reply.stat().st_size / 1e6, used.ru_maxrss / 1024
    return f"{name:32} {size:6.1f} MB  {seconds:6.2f} s  peak {peak:6.0f} MiB  {ended}: {told[:100]}"


# --- the command -------------------------------------------------------------------------------------------


def stage_names() -> list[str]:
    from route_agent.patch.stages import STAGES

    return [name for name, _ in STAGES]


def parse(arguments: Sequence[str] | None) -> argparse.Namespace:
    names = stage_names()
    parser = argparse.ArgumentParser(
        prog="bench_patches",
        description=(__doc__ or "").strip(),
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    add = parser.add_argument
    add("--corpus", type=Path, metavar="PATH", help="JSON lines, as they are or .xz, or a folder with them")
    add("--without", action="append", default=[], choices=names, metavar="STAGE", help=", ".join(names))
    add("--stages", action="store_true", help="what each stage of locating gains and risks")
    add("--sample", type=int, default=0, metavar="N", help="compare N cases with the real command")
    add("--only-ours", action="store_true", help="leave the other appliers out")
    add("--bar", action="store_true", help="exit 1 if a bar is missed")
    add("--json", action="store_true", help="figures and the outcome of every case as one object")
    add("--limits", action="store_true", help="time and memory on outsized replies")
    add("--aider-python", default=sys.executable, metavar="PYTHON", help="a Python that has aider")
    add("--jobs", type=int, default=os.cpu_count() or 1, metavar="N")
    options = parser.parse_args(arguments)
    if not (options.corpus or options.limits):
        parser.error("--corpus or --limits is needed")
    return options


def tasks_of(
    options: argparse.Namespace, cases: Sequence[Case], base: Path, appliers: Sequence[str]
) -> list[Task]:
    """Appliers take turns on each case, so that a busy machine slows them alike."""
    tasks = []
    stages = stage_names() if options.stages else []
    for case in cases:
        tasks += [Task(case, name, base, options.aider_python) for name in (*appliers, MEMORY)]
        for at, name in enumerate(stages):
            tasks.append(Task(case, f"{MEMORY} without {name}", base, "", (name,)))
            tasks.append(Task(case, f"{MEMORY} up to {name}", base, "", tuple(stages[at + 1 :])))
        if options.without:
            tasks.append(Task(case, _reduced(options), base, "", tuple(options.without)))
    sampled = random.Random(0).sample(list(cases), min(options.sample, len(cases)))
    return tasks + [Task(case, "cli", base, "") for case in sampled]


def _reduced(options: argparse.Namespace) -> str:
    return f"{MEMORY} less {', '.join(options.without)}"


def available(options: argparse.Namespace) -> tuple[list[str], list[str]]:
    """The appliers that can be run here, and a line for each that cannot."""
    if options.only_ours:
        return [OURS], []
    missing = [name for name, argv in COMMANDS.items() if not shutil.which(argv[0])]
    found = [OURS, *(name for name in COMMANDS if name not in missing)]
    if version := aider_version(options.aider_python):
        return [*found, AIDER], [f"aider {version}", *(f"{name}: not installed" for name in missing)]
    return found, [f"{name}: not installed" for name in (*missing, "aider")]


def bench(options: argparse.Namespace) -> int:
    cases = {case.id: case for case in load(options.corpus)}
    appliers, notes = available(options)
    with tempfile.TemporaryDirectory(prefix="bench-patches-") as folder:
        base = Path(folder).resolve()
        results = work_off(tasks_of(options, list(cases.values()), base, appliers), options.jobs)
    found = by_applier(results)
    shown = [*appliers, _reduced(options)] if options.without else appliers
    differing = [id_ for id_, it in found.get("cli", {}).items() if it != found[OURS][id_]]
    strays = [id_ for id_, it in found[MEMORY].items() if it != found[OURS][id_]]
    missed = missed_bars(cases, found[OURS])
    if options.json:
        print(json.dumps(_object(cases, found, missed), indent=1))
    else:
        print(main_table(cases, found, shown), *notes, "", sep="\n")
        print(*time_lines(results), sep="\n")
        if options.stages:
            print("", stage_tables(cases, found, stage_names()), sep="\n")
        if options.sample:
            agreed = len(found["cli"]) - len(differing)
            print(f"\nthe command agrees on {agreed} of {len(found['cli'])} cases")
        if strays:
            print(f"\nin memory {len(strays)} cases end differently: {', '.join(strays[:10])}")
        if options.bar:
            print(f"\nmissed: {'; '.join(missed)}" if missed else "\nevery bar is met")
    for id_ in differing:
        print(f"{id_}: library {found[OURS][id_]}, command {found['cli'][id_]}", file=sys.stderr)
    return int(bool(differing) or (options.bar and bool(missed)))


def _object(
    cases: Mapping[str, Case], found: Mapping[str, Mapping[str, Outcome]], missed: Sequence[str]
) -> dict[str, Any]:
    return {
        "schema": 1,
        "groups": {
            name: {group.name: asdict(tally(group, cases, outcomes)) for group in GROUPS}
            for name, outcomes in found.items()
        },
        "outcomes": {name: dict(Counter(outcomes.values())) for name, outcomes in found.items()},
        "cases": found,
        "missed": list(missed),
    }


def main(arguments: Sequence[str] | None = None) -> int:
    if "--serve-aider" in sys.argv[1:]:
        return serve_aider()
    options = parse(arguments)
    if options.limits:
        with tempfile.TemporaryDirectory(prefix="bench-patches-") as folder:
            for name in LIMITS:
                print(measure_limit(Path(folder), name), flush=True)
    return bench(options) if options.corpus else 0


if __name__ == "__main__":
    sys.exit(main())
