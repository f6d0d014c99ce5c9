"""What a task stands on: its repository, the policy in force, the start tree, and a scratch of our own."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator

    from route_agent.config import Config
    from route_agent.policy import NamedPolicy
    from route_agent.records.change import Change
    from route_agent.repo.repository import Repository
    from route_agent.repo.scratch import Slot


@dataclass(frozen=True, slots=True)
class Opened:
    """A task's ground: the repository, the policy in force, the start tree, and a scratch of our own.

    Attributes:
        base: the trusted commit, from which policy and check definitions come.
        start: the tree that lanes edit.
        change: what start differs in from base.
        trusted: the checks and lanes whose exposures the user has allowed, by `trust.asked` names.
        notices: what a person should know about this ground.
    """

    repository: Repository
    config: Config
    policy: NamedPolicy
    base: str
    start: str
    change: Change
    slot: Slot
    trusted: frozenset[str]
    notices: tuple[str, ...]

    def paths(self) -> Iterator[str]:
        """Every path of the start tree; git is asked when the first is wanted."""
        yield from self.slot.trees.entries(self.start)
