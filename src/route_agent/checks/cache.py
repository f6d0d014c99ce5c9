"""Results of checks by everything that could change them, so that no tree is checked twice for nothing.

A result is found again only where tree, commands, policy, isolation, the variables and programs that a check
gets, installed dependencies and this program itself are what they were. What was killed or could not run is
never kept: it may only have been slow this once.
"""

from __future__ import annotations

import hashlib
import json
import os
import time
from dataclasses import dataclass, replace
from functools import cache
from itertools import product
from pathlib import Path
from typing import TYPE_CHECKING, Any

from route_agent import places
from route_agent.checks.stamps import installed, this_program, variables
from route_agent.records.checks import CheckRun, Isolation, IsolationLevel, Outcome
from route_agent.records.runs import Evidence
from route_agent.redaction import redact_all

if TYPE_CHECKING:
    from collections.abc import Iterable

    from pydantic import TypeAdapter

    from route_agent.policy import Policy
    from route_agent.repo.repository import Repository

KEPT = 400
MAX_AGE_S = 7 * 24 * 3600  # a check may look at the date, or at a service that is another one by now


@dataclass(frozen=True, slots=True)
class Cache:
    """One repository's results.

    Attributes:
        trusted: the checks whose exposures the user has allowed.
        surroundings: what the scratch lets checks see beyond the tree.
    """

    repository: Repository
    isolation: Isolation
    policy: Policy
    trusted: frozenset[str] = frozenset()
    surroundings: str = ""

    def entry(self, *parts: object) -> Entry:
        """The place of one result; to be asked for before it is worked out.

        Args:
            parts: what it is and what it is about, as values whose `repr` tells them apart.
        """
        return Entry(self, parts, self.file(parts))

    def start(self, tree: str) -> Entry:
        """The place of all checks' results on a tree."""
        return self.entry("start", tree)

    def file(self, parts: tuple[object, ...]) -> Path:
        """Where a result would lie, as things are now."""
        asked = {name for check in self.policy.checks if check.name in self.trusted for name in check.env}
        key = [
            [repr(part) for part in parts],
            str(self.repository.root),
            self.isolation.level.value,
            self.policy.hash,
            sorted(self.trusted),
            self.surroundings,
            variables(asked),
            list(installed(self.repository.root, {check.run[0] for check in self.policy.checks})),
            this_program(),
        ]
        name = hashlib.sha256(json.dumps(key).encode(errors="surrogateescape")).hexdigest()
        return places.repository_cache(self.repository.git_dir) / "results" / f"{name}.json"


@dataclass(frozen=True, slots=True)
class Entry:
    """The place of one result."""

    cache: Cache
    parts: tuple[object, ...]
    file: Path

    def run(self) -> CheckRun | None:
        """The stored run, marked as `cached` and with the seconds of looking it up; None without one."""
        began = time.monotonic()
        run: CheckRun | None = self._read(CheckRun)
        return replace(run, cached=True, seconds=time.monotonic() - began) if run else None

    def keep_run(self, run: CheckRun) -> CheckRun:
        """Keep a run in which every check came to its own end; a full disk only costs the saving."""
        if is_complete(run):
            self._write(CheckRun, run)
        return run

    def proof(self) -> Evidence | None:
        """Stored evidence, with its checks marked as `cached`; None where there is none."""
        began = time.monotonic()
        found: Evidence | None = self._read(Evidence)
        if found is None:
            return None
        return replace(found, checks=replace(found.checks, cached=True, seconds=time.monotonic() - began))

    def keep_proof(self, found: Evidence) -> Evidence:
        """Keep evidence that speaks against nothing, and of which every part came to its own end.

        What failed or was flaky is looked at anew: it may have been the machine's fault.
        """
        runs = [run for run in (found.checks, found.known.alone, found.known.restored) if run]
        if not (found.failure or found.flaky) and all(is_complete(run) for run in runs):
            self._write(Evidence, found)
        return found

    def _read(self, kind: Any) -> Any:
        try:
            if time.time() - self.file.stat().st_mtime > MAX_AGE_S:
                return None
            stored = self.file.read_bytes()
        except OSError:
            return None
        from pydantic import ValidationError

        try:
            return _adapter(kind).validate_json(stored)
        except ValidationError:
            return None

    def _write(self, kind: Any, value: Any) -> None:
        # what the checks printed is redacted there; test ids stay, since later runs are compared with them
        if self.cache.file(self.parts) != self.file:  # something was installed meanwhile
            return
        plain = _adapter(kind).dump_python(value, mode="json")
        kept = redact_all(plain, keys_too=False)
        if kept != redact_all(plain):  # a test's own name holds a secret: it can be neither kept nor changed
            return
        try:
            self.file.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
            draft = self.file.with_suffix(f".{os.getpid()}")
            draft.write_text(json.dumps(kept), encoding="utf-8")
            draft.replace(self.file)
            _forget_old(self.file.parent)
        except OSError:
            return


@cache
def _adapter(kind: Any) -> TypeAdapter[Any]:
    """Made once: it takes longer than reading a result."""
    from pydantic import TypeAdapter

    return TypeAdapter(kind)


def is_complete(run: CheckRun) -> bool:
    """Whether every check ran and came to its own end."""
    return not any(it.outcome is Outcome.NOT_RUN or it.exit_code is None for it in run.results)


def told(run: CheckRun) -> list[object]:
    """What a run says, without its times and words."""
    said: list[object] = [
        (
            it.name,
            it.outcome.value,
            it.exit_code,
            it.tests is None,
            sorted((it.tests or {}).items()),
            it.flaky,
        )
        for it in run.results
    ]
    return [*said, run.changed]


def latest(
    repository: Repository,
    policy: Policy,
    tree: str,
    trusted: frozenset[str] = frozenset(),
    surroundings: Iterable[str] = ("",),
) -> CheckRun | None:
    """What is known about a tree from any isolation level and scratch, for a look that runs nothing."""
    for level, around in product(IsolationLevel, surroundings):
        if run := Cache(repository, Isolation(level), policy, trusted, around).start(tree).run():
            return run
    return None


def _forget_old(folder: Path) -> None:
    files = sorted(folder.glob("*.json"), key=lambda file: file.stat().st_mtime, reverse=True)
    for file in files[KEPT:]:
        file.unlink(missing_ok=True)
