"""Verdicts of earlier runs on the very same change, found before anything heavy is imported or begun.

A verdict is told again only where both trees, the commit messages, the policy (it stands in the base's tree),
the configuration, what checks find around them, the ignored files that they would see and this program are
what they were. The policy in force is no part of the key by its hash: all that it is made from is.
"""

from __future__ import annotations

import hashlib
import json
import os
import secrets
import stat
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from route_agent import places
from route_agent.checks.stamps import installed, searched, stamp, this_program, variables
from route_agent.errors import ConfigError, LedgerError
from route_agent.ledger.judgements import Judgements
from route_agent.records.earlier import Earlier
from route_agent.repo.around import stamp_of
from route_agent.repo.git import GitFailed, git, lines
from route_agent.sandbox.overlay import Refused

if TYPE_CHECKING:
    from collections.abc import Sequence

    from route_agent.repo.repository import Repository

__all__ = [
    "Earlier",
    "Standing",
    "keep_again",
    "key_of",
    "messages",
    "new_id",
    "stands",
    "tell_again",
    "verdict_for",
]

MESSAGES = 50  # the latest commits whose messages count
_MOST_CHARACTERS = 20_000
_MOST_BYTES = 4 * 1024 * 1024  # more than a policy or a configuration may have
_ALPHABET = "23456789abcdefghjkmnpqrstuvwxyz"


@dataclass(frozen=True, slots=True)
class Standing:
    """What a verdict hangs on beside its key, which only the whole policy tells.

    Attributes:
        programs: what the checks run.
        variables: the names of the variables that they were allowed to get.
        overlaid: whether they also saw the ignored files of the checkout.
    """

    programs: tuple[str, ...] = ()
    variables: tuple[str, ...] = ()
    overlaid: bool = False

    def digest(self, root: Path) -> str:
        """How all of it is now; empty where that cannot be told.

        The folders of the search path count whole: a linter that was left out may be there by now.
        """
        told: list[Any] = [
            variables(self.variables),
            list(installed(root, {"bwrap", *self.programs})),
            [[str(folder), stamp(folder)] for folder in searched(root)],
        ]
        if self.overlaid:
            listed = ("ls-files", "--others", "--ignored", "--exclude-standard", "--directory", "-z")
            try:
                told.append(stamp_of(root, lines(git(*listed, cwd=root))))
            except (GitFailed, Refused):
                return ""
        return _digest(told)

    def written(self, digest: str) -> str:
        """As the ledger keeps it."""
        return json.dumps([self.programs, self.variables, self.overlaid, digest])


def verdict_for(repository: Repository, base: str, head: str, *, policy: str = "") -> Earlier | None:
    """What an earlier run said of the change from one commit to another, if it still holds.

    Args:
        base: the commit that the change is compared with, where the two histories part.
        policy: a file or preset instead of the policy at the base.

    Returns:
        None where nothing holds any more, where there is nothing, or where the ledger cannot be read.
    """
    try:
        trees = git("rev-parse", f"{base}^{{tree}}", f"{head}^{{tree}}", cwd=repository.root).decode().split()
        key = key_of(repository, trees, messages(repository, base, head), policy)
    except GitFailed:
        return None
    return stands(repository, key)


def stands(repository: Repository, key: str) -> Earlier | None:
    """The newest verdict under a key of which everything else is still as it was."""
    if not key or not places.ledger_file().is_file():
        return None
    try:
        ledger = Judgements(places.ledger_file())
    except LedgerError:
        return None
    try:
        for kept in ledger.kept(key):
            programs, asked, overlaid, digest = json.loads(kept.standing)
            if digest and Standing(tuple(programs), tuple(asked), overlaid).digest(repository.root) == digest:
                return kept.earlier
    except (LedgerError, ValueError, KeyError, TypeError):  # written by somebody else: it tells nothing
        return None
    finally:
        ledger.close()
    return None


def keep_again(earlier: Earlier, source: str, seconds: float = 0.0) -> None:
    """Write down that a verdict was told again; a ledger that takes nothing only costs the line.

    Args:
        source: who asked.
        seconds: how long it took to find it.
    """
    tell_again(earlier.id, source, seconds, new_id())


def tell_again(judgement_id: str, source: str, seconds: float, own_id: str) -> None:
    """The same for a judgement that has a name of its own already."""
    from route_agent.ledger.database import now

    with suppress(LedgerError):
        ledger = Judgements(places.ledger_file())
        try:
            ledger.add_again(judgement_id, now(), seconds, source, own_id)
        finally:
            ledger.close()


def key_of(repository: Repository, trees: Sequence[str], told: str, policy: str) -> str:
    """What tells one question from another; empty where that cannot be said.

    Args:
        trees: of the base and of what is judged.
        told: the commit messages.
        policy: as it was chosen; empty for the one at the base.
    """
    try:
        configured = [_file(path) for path in (places.organisation_file(), places.config_file())]
        chosen = [policy, _file(Path(policy))] if policy else []
    except (OSError, ConfigError):
        return ""
    return _digest([
        str(repository.root),
        str(repository.common_dir),
        repository.settings,
        [*trees],
        _digest(told),
        chosen,
        configured,
        bool(os.environ.get("CI")),
        this_program(),
        _built_in(),
    ])  # fmt: skip


def messages(repository: Repository, base: str, head: str) -> str:
    """The commit messages: tainted text, which can only raise the score."""
    asked = ("log", "--format=%s%n%b", f"--max-count={MESSAGES}", f"{base}..{head}")
    return git(*asked, cwd=repository.root).decode("utf-8", "replace")[:_MOST_CHARACTERS]


def new_id() -> str:
    """A name for a judgement, in the form of a run's."""
    return "".join(secrets.choice(_ALPHABET) for _ in range(8))


def _built_in() -> list[Any]:
    """The policies that come with the program: every other one is merged with one of them."""
    package = Path(__file__).parent
    folders = (package / "policies", package.parents[1] / "policies")
    return [[file.name, *stamp(file)] for folder in folders for file in sorted(folder.glob("*.yaml"))]


def _file(path: Path) -> str:
    """What a file holds, as a digest; empty where there is none.

    Raises:
        OSError: it is no plain file, or too large to be one of ours.
    """
    try:
        about = path.stat()
    except FileNotFoundError:
        return ""
    if not stat.S_ISREG(about.st_mode) or about.st_size > _MOST_BYTES:
        raise OSError(f"{path} is no file of ours")
    return hashlib.sha256(path.read_bytes()).hexdigest()


def _digest(value: Any) -> str:
    return hashlib.sha256(json.dumps(value, sort_keys=True).encode(errors="surrogateescape")).hexdigest()
