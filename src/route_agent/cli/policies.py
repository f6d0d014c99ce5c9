"""Where a policy that somebody names lies: a preset, a file, a path of a commit, or what HEAD has."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from route_agent import places
from route_agent.errors import PolicyError, RepositoryState
from route_agent.ledger.routes import Routes
from route_agent.policy import POLICY_PATH, presets
from route_agent.repo.repository import Repository
from route_agent.yamlfile import bounded

if TYPE_CHECKING:
    from collections.abc import Sequence

    from route_agent.records.past import PastTask


@dataclass(frozen=True, slots=True)
class Named:
    """A policy's text and what reports call it; `stands_in` where it is the built-in one for want of any."""

    name: str
    text: bytes
    stands_in: bool = False


def repository_around(directory: Path) -> Repository | None:
    """The repository around a folder, or None where there is none."""
    try:
        return Repository.open(directory)
    except RepositoryState:
        return None


def policy_at_head(repository: Repository) -> Named:
    """The policy that HEAD has, else the built-in one."""
    text = repository.file_at(repository.head, POLICY_PATH)
    if text is None:
        return Named("default", presets()["default"].read_bytes(), stands_in=True)
    return Named(POLICY_PATH, text)


def policy_named(name: str, repository: Repository | None = None) -> Named:
    """A preset, a file, or `REF:PATH` of a repository.

    Raises:
        PolicyError: there is none of that name.
        RepositoryState: the commit of `REF:PATH` is not there.
    """
    if preset := presets().get(name):
        return Named(name, preset.read_bytes())
    try:
        return Named(name, bounded(Path(name)))
    except OSError as error:
        revision, separator, path = name.partition(":")
        if separator and repository is not None:
            return Named(name, _at(repository, revision, path))
        known = ", ".join(presets())
        raise PolicyError(
            f"no policy {name}: {error.strerror}", hint=f"a file, REF:PATH, or a preset: {known}"
        ) from error


def _at(repository: Repository, revision: str, path: str) -> bytes:
    text = repository.file_at(repository.commit(revision or "HEAD"), path)
    if text is None:
        raise PolicyError(f"{revision or 'HEAD'} has no file {path}", hint="git ls-tree --name-only -r REF")
    return text


def files_of(repository: Repository) -> Sequence[str]:
    """Every file of the checkout that git tracks or could: what a start tree would hold."""
    from route_agent.repo.git import git, lines

    listed = git(
        "ls-files", "-z", "--cached", "--others", "--exclude-standard", "--full-name", cwd=repository.root
    )
    return sorted({path for path in lines(listed) if not path.endswith("/")})


def tasks_of(repository: Repository | None) -> Sequence[PastTask]:
    """What the ledger remembers of a repository's tasks, or of all; nothing where there is no ledger yet."""
    file = places.ledger_file()
    if not file.exists():
        return ()
    ledger = Routes(file)
    try:
        return ledger.tasks(str(repository.root) if repository else "")
    finally:
        ledger.close()
