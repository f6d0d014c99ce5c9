"""Judge a push with nothing to compare with: the pushed tree by itself must be green.

There is no base, so no policy and no results of one. The policy is that of what the remote has, where it has
anything, and else the one that is pushed: nothing earlier is there to be loosened.
"""

from __future__ import annotations

import time
from dataclasses import dataclass
from typing import TYPE_CHECKING

from route_agent import decide
from route_agent.blocking import blocks
from route_agent.checks.telling import Telling
from route_agent.errors import EnvironmentBroken
from route_agent.proof import Prover
from route_agent.records.events import Event, Step
from route_agent.records.grades import Failure, Verdict
from route_agent.repo.scratch import slot
from route_agent.sandbox.trial import walls_for

if TYPE_CHECKING:
    from route_agent.config import Config
    from route_agent.records.checks import CheckRun, Isolation, IsolationLevel
    from route_agent.records.events import Listener
    from route_agent.repo.repository import Repository

NOTHING = "nothing to compare with"


@dataclass(frozen=True, slots=True)
class Unbased:
    """How the checks of a whole tree ended, and whether that stops the push."""

    checks: CheckRun | None
    isolation: Isolation
    policy: str
    reason: str
    failure: Failure | None
    blocks: bool
    notices: tuple[str, ...]
    seconds: float

    @property
    def exit_code(self) -> int:
        """0 where nothing is red, or the policy lets it through."""
        if not self.blocks:
            return 0
        return (Verdict.ENVIRONMENT if self.failure is Failure.ENVIRONMENT else Verdict.NOT_PROVED).exit_code


def judge_unbased(
    repository: Repository,
    config: Config,
    head: str,
    *,
    policy_at: str,
    required: IsolationLevel,
    on: Listener,
) -> Unbased:
    """Run the checks on a commit's tree. What is red there stops it, unless the policy lets it through.

    Args:
        policy_at: the commit whose policy counts; the pushed one's own where empty.
        required: the least isolation for code that may not be one's own.

    Raises:
        RouteError: a broken policy, no checks at all, or no scratch.
    """
    began = time.monotonic()
    named, trusted, notices = decide.policy_in_force(
        repository, policy_at or head, "", config, committed=head
    )
    with slot(repository) as mine:
        walls = walls_for(mine, required, config.scratch)
        prover = Prover(mine, walls, named.policy, trusted=trusted, telling=Telling(on))
        on(Event(Step.CHECK, head[:10]))
        checks: CheckRun | None = None
        try:
            checks = prover.baseline(mine.trees.tree_of(head))
            reason, failure = _said(checks)
        except EnvironmentBroken as error:
            reason, failure = error.what, Failure.ENVIRONMENT
        isolation = prover.walls.isolation
    return Unbased(
        checks, isolation, named.name, reason, failure, blocks(failure, named.policy.gate), notices,
        time.monotonic() - began,
    )  # fmt: skip


def _said(checks: CheckRun) -> tuple[str, Failure | None]:
    """A reason and, where something is red, the failure that it counts as: what must be green is not."""
    red = [it.name for it in checks.results if not it.passed]
    if red:
        return f"{NOTHING}, and {', '.join(red)} {'is' if len(red) == 1 else 'are'} red", Failure.REGRESSION
    return f"{NOTHING}, and all checks are green", None
