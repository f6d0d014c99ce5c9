"""Put the pytest probe beside a tree, and read what it told. Its files come from code under test: hostile."""

from __future__ import annotations

import json
import os
import secrets
import shutil
import stat
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

from route_agent.sandbox.environment import DEPENDENCY_DIRS

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from route_agent.sandbox.place import Place

MAX_BYTES = 64 * 1024 * 1024
MAX_FILES = 256

_SOURCE = Path(__file__).with_name("pytest_probe.py")
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
        modules: what was imported, by name; several where processes differ.
        unaccounted: a session ran its tests in other processes, and none of them told what it imported.
    """

    sessions: int = 0
    statuses: list[int] = field(default_factory=list)
    tests: dict[str, str] = field(default_factory=dict)
    modules: set[tuple[str, Module]] = field(default_factory=set)
    unaccounted: bool = False

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

    @property
    def files(self) -> tuple[Path, Path]:
        return self.place.tools / f"{self.name}.py", self.place.tools / f"{self.name}.json"

    def remove(self) -> None:
        """Take the plugin and its results away again."""
        for path in (*self.files, *_results(self.place.results, self.token)):
            path.unlink(missing_ok=True)


def install(place: Place, names: Iterable[str]) -> Probe:
    """Put a copy of the plugin into the folder of tools.

    Args:
        place: where the check runs.
        names: the tree's own packages.
    """
    place.tools.mkdir(parents=True, exist_ok=True)
    place.results.mkdir(parents=True, exist_ok=True)
    probe = Probe(f"probe_{secrets.token_hex(8)}", place, secrets.token_hex(16))
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
    return probe


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
    told.unaccounted = distributed and not accounted
    return told


def _take(fact: dict[str, Any], told: Told, *, is_main: bool) -> None:
    test, outcome = fact.get("test"), fact.get("outcome")
    if isinstance(test, str) and outcome in _RANK:
        known = told.tests.get(test, outcome)
        told.tests[test] = max(known, outcome, key=_RANK.__getitem__)
    if is_main and isinstance(fact.get("ended"), int):
        told.statuses.append(fact["ended"])
    modules = fact.get("modules")
    for name, value in modules.items() if isinstance(modules, dict) else ():
        match value:
            case [str(path), str() | None as digest] if "\0" not in path:
                told.modules.add((name, Module(Path(path), digest)))


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
    with os.fdopen(descriptor, "rb") as file:
        return file.read(MAX_BYTES) if stat.S_ISREG(os.fstat(descriptor).st_mode) else None
