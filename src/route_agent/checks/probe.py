"""Put the pytest probe beside a tree, and read what it told. Its files come from code under test: hostile."""

from __future__ import annotations

import json
import os
import secrets
import shutil
import stat
from dataclasses import dataclass, field
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING, Any

from route_agent.records.checks import Raised
from route_agent.sandbox.environment import DEPENDENCY_DIRS

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from route_agent.sandbox.place import Place

MAX_BYTES = 64 * 1024 * 1024
MAX_FILES = 256

_SOURCE = Path(__file__).with_name("pytest_probe.py")
_LINES = Path(__file__).with_name("line_probe.py")
_MAX_LINE = 10_000_000
_RANK = {"skipped": 0, "passed": 1, "failed": 2}


@dataclass(frozen=True, slots=True)
class Module:
    """A module that tests imported: its file's real path, and the SHA-256 of what stood there."""

    path: Path
    sha256: str | None


@dataclass(slots=True)
class Told:
    """What the pytest sessions of one check told.

    Attributes:
        sessions: how many began; 0 where pytest did not run, or ran without the probe.
        statuses: pytest's own exit status of each session that ended.
        tests: outcome by node id.
        raised: what made a test red, by node id.
        modules: what was imported, by name; several where processes differ.
        unaccounted: a session ran its tests in other processes, and none of them told what it imported.
        measured: the files of which every executed line was told.
        lines: what was executed, by the test during which it was; None before, between and after tests.
    """

    sessions: int = 0
    statuses: list[int] = field(default_factory=list)
    tests: dict[str, str] = field(default_factory=dict)
    raised: dict[str, Raised] = field(default_factory=dict)
    modules: set[tuple[str, Module]] = field(default_factory=set)
    unaccounted: bool = False
    measured: set[str] = field(default_factory=set)
    lines: dict[str | None, dict[str, set[int]]] = field(default_factory=dict)

    def executed(self, *, passed: bool) -> dict[str, frozenset[int]]:
        """The lines that green tests executed, by file.

        What ran outside of tests, imports for one, counts where a test was green, or where there were no
        tests and the check as a whole passed.

        Args:
            passed: whether the check did.
        """
        green = {test for test, outcome in self.tests.items() if outcome == "passed"}
        outside = green or (passed and not self.sessions)
        found: dict[str, set[int]] = {name: set() for name in self.measured}
        for test, files in self.lines.items():
            if test in green or (outside and (test is None or not self.sessions)):
                for name, lines in files.items():
                    found.setdefault(name, set()).update(lines)
        return {name: frozenset(lines) for name, lines in found.items()}

    @property
    def ended(self) -> bool:
        """Whether every session that began came to its end."""
        return len(self.statuses) >= self.sessions


@dataclass(frozen=True, slots=True)
class Probe:
    """One copy of the plugin, for one check."""

    name: str
    place: Place
    token: str
    measured: frozenset[str] = frozenset()

    @property
    def files(self) -> tuple[Path, Path]:
        return self.place.tools / f"{self.name}.py", self.place.tools / f"{self.name}.json"

    @property
    def python_path(self) -> tuple[Path, ...]:
        """What to put first where Python looks for modules."""
        return (*([self.place.tools / self.name] if self.measured else []), self.place.tools)

    def remove(self) -> None:
        """Take the plugin and its results away again."""
        for path in (*self.files, *_results(self.place.results, self.token)):
            if path.is_dir() and not path.is_symlink():  # a check may have made one of such a name
                shutil.rmtree(path, ignore_errors=True)
            else:
                path.unlink(missing_ok=True)
        if self.measured:
            shutil.rmtree(self.place.tools / self.name, ignore_errors=True)


def install(
    place: Place,
    names: Iterable[str],
    measured: Iterable[str] = (),
    root: Path | None = None,
    python: Path | None = None,
) -> Probe:
    """Put a copy of the plugin into the folder of tools.

    Args:
        place: where the check runs.
        names: the tree's own packages.
        measured: Python files, relative to the tree, of which executed lines are to be told.
        root: where commands find the tree; without it, where it is.
        python: the interpreter of the project, whose own coverage.py may have a tracer that fits it.
    """
    place.tools.mkdir(parents=True, exist_ok=True)
    place.results.mkdir(parents=True, exist_ok=True)
    probe = Probe(
        f"probe_{secrets.token_hex(8)}",
        place,
        secrets.token_hex(16),
        frozenset(name for name in measured if name.isprintable()),  # JSON tells text, and NUL parts settings
    )
    plugin, settings = probe.files
    shutil.copyfile(_SOURCE, plugin)
    roots = sorted({form for root in (place.project, place.tree) for form in (root, root.resolve())})
    contents = {
        "results": f"{place.results}{os.sep}{probe.token}-",
        "roots": [str(root) for root in roots],
        "skip": [str(root / name) for root in roots for name in DEPENDENCY_DIRS],
        "names": sorted(names),
    }
    settings.write_text(json.dumps(contents), encoding="utf-8")
    if probe.measured:
        _install_lines(probe, root or place.tree, python)
    return probe


def _install_lines(probe: Probe, root: Path, python: Path | None) -> None:
    folder = probe.place.tools / probe.name
    folder.mkdir()
    shutil.copyfile(_LINES, folder / "sitecustomize.py")
    for compiled in _compiled_tracers(python):
        shutil.copyfile(compiled, folder / compiled.name)
    settings = [f"{probe.name}_lines", f"{probe.place.results}{os.sep}{probe.token}-"]
    for name in sorted(probe.measured):
        settings += [str(root.resolve() / name), name]
    (folder / "settings").write_text("\0".join(settings), encoding="utf-8", errors="surrogateescape")


def _compiled_tracers(python: Path | None) -> Iterator[Path]:
    """Coverage.py's, for Pythons of several versions; ours come last, over others of the same name."""
    if python:
        yield from python.parent.parent.glob("lib/python3*/site-packages/coverage/tracer.*.so")
    ours = find_spec("coverage")
    for folder in (ours.submodule_search_locations or ()) if ours else ():
        yield from Path(folder).glob("tracer.*.so")


def read(probe: Probe) -> Told:
    """What the check's pytest sessions told; unreadable parts are left out."""
    told = Told()
    distributed = accounted = False
    for path in _results(probe.place.results, probe.token):
        is_main = path.name.startswith(f"{probe.token}-main-")
        for fact in _facts(path):
            told.sessions += fact.get("session") == "main"
            distributed |= fact.get("distributed") is True
            accounted |= "modules" in fact and not is_main
            _take(fact, told, is_main=is_main)
            _take_lines(fact, told, probe.measured)
    told.unaccounted = distributed and not accounted
    return told


def _take(fact: dict[str, Any], told: Told, *, is_main: bool) -> None:
    test, outcome = fact.get("test"), fact.get("outcome")
    if isinstance(test, str) and outcome in _RANK:
        known = told.tests.get(test, outcome)
        told.tests[test] = max(known, outcome, key=_RANK.__getitem__)
        match fact.get("raised"):
            case [str(when), str(kind), bool(asserted), str(path)] if test not in told.raised:
                told.raised[test] = Raised(when, kind, asserted, path)
    if is_main and isinstance(fact.get("ended"), int):
        told.statuses.append(fact["ended"])
    modules = fact.get("modules")
    for name, value in modules.items() if isinstance(modules, dict) else ():
        match value:
            case [str(path), str() | None as digest] if "\0" not in path:
                told.modules.add((name, Module(Path(path), digest)))


def _take_lines(fact: dict[str, Any], told: Told, known: frozenset[str]) -> None:
    measured, files, test = fact.get("measured"), fact.get("lines"), fact.get("during")
    if isinstance(measured, list):
        told.measured.update(it for it in measured if isinstance(it, str) and it in known)
    if isinstance(files, dict) and isinstance(test, str | None):
        for name, lines in files.items():
            if name in known and isinstance(lines, list):
                mine = told.lines.setdefault(test, {}).setdefault(name, set())
                mine.update(it for it in lines if type(it) is int and 0 < it < _MAX_LINE)


def _results(folder: Path, token: str) -> list[Path]:
    found = sorted(path for path in folder.iterdir() if path.name.startswith(f"{token}-"))
    return found[:MAX_FILES]


def _facts(path: Path) -> Iterator[dict[str, Any]]:
    for line in (read_regular(path) or b"").splitlines():
        try:
            fact = json.loads(line)
        except (ValueError, RecursionError):  # cut short when its process was killed
            continue
        if isinstance(fact, dict):
            yield fact


def read_regular(path: Path) -> bytes | None:
    """A regular file's contents, never through a link at its end, a pipe, or beyond the limit; else None."""
    try:
        descriptor = os.open(path, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC)
    except OSError:
        return None
    about = os.fstat(descriptor)
    if not stat.S_ISREG(about.st_mode):
        os.close(descriptor)
        return None
    with os.fdopen(descriptor, "rb") as file:
        return file.read(MAX_BYTES)
