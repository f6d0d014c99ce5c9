"""Results of checks by everything that could change them, so that no tree is checked twice for nothing."""

from __future__ import annotations

import hashlib
import json
import os
from typing import TYPE_CHECKING

from route_agent import places
from route_agent.records.checks import CheckRun, Isolation, IsolationLevel, Outcome
from route_agent.redaction import redact_all

if TYPE_CHECKING:
    from pathlib import Path

    from route_agent.policy import Policy
    from route_agent.repo.repository import Repository

KEPT = 200
_ENVIRONMENTS = (".venv", "venv", "node_modules")


class Cache:
    """One repository's results. The key holds tree, commands, environment, isolation and policy."""

    def __init__(self, repository: Repository, isolation: Isolation, policy: Policy) -> None:
        self._folder = places.repository_cache(repository.git_dir) / "results"
        self._common = (repository.root, isolation.level.value, policy.hash)

    def _file(self, tree: str) -> Path:
        root, *rest = self._common
        stamps = [f"{name}={_stamp(root / name)}" for name in _ENVIRONMENTS]
        key = "\0".join([tree, str(root), *map(str, rest), os.environ.get("PATH", ""), *stamps])
        return self._folder / f"{hashlib.sha256(key.encode(errors='surrogateescape')).hexdigest()}.json"

    def get(self, tree: str) -> CheckRun | None:
        """The stored run, or None where there is none that can be read."""
        try:
            stored = self._file(tree).read_bytes()
        except OSError:
            return None
        from pydantic import TypeAdapter, ValidationError

        try:
            return TypeAdapter(CheckRun).validate_json(stored)
        except ValidationError:
            return None

    def put(self, run: CheckRun) -> CheckRun:
        """Keep a run in which every check came to its own end; a full disk only costs the saving.

        A check that was killed may only have been slow this once.

        What the checks printed is redacted there; test ids stay, since later runs are compared with them.
        """
        if any(result.outcome is Outcome.NOT_RUN or result.exit_code is None for result in run.results):
            return run
        from pydantic import TypeAdapter

        file = self._file(run.tree)
        try:
            self._folder.mkdir(parents=True, exist_ok=True, mode=0o700)
            draft = file.with_suffix(f".{os.getpid()}")
            kept = redact_all(TypeAdapter(CheckRun).dump_python(run, mode="json"))
            draft.write_text(json.dumps(kept), encoding="utf-8")
            draft.replace(file)
            self._forget_old()
        except OSError:
            return run
        return run

    def _forget_old(self) -> None:
        files = sorted(self._folder.glob("*.json"), key=lambda file: file.stat().st_mtime, reverse=True)
        for file in files[KEPT:]:
            file.unlink(missing_ok=True)


def _stamp(folder: Path) -> int:
    """When something was last installed there, as far as folder times tell."""
    newest = 0
    for path in (folder, *folder.glob("lib/python*/site-packages"), folder / ".package-lock.json"):
        try:
            newest = max(newest, path.stat().st_mtime_ns)
        except OSError:
            continue
    return newest


def latest(repository: Repository, policy: Policy, tree: str) -> CheckRun | None:
    """What is known about a tree from any isolation level, for a look that runs nothing."""
    for level in IsolationLevel:
        if run := Cache(repository, Isolation(level), policy).get(tree):
            return run
    return None
