"""Every limit that a call must fit, as a condition on the ledger's calls, and how a person may raise it."""

from __future__ import annotations

import math
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from route_agent.config import Budgets
    from route_agent.policy import Limits

# what is recorded costs nothing, and what another ledger brought was spent elsewhere: the days are left alone
_TODAY = "replayed = 0 AND imported = 0 AND at >= :day"


@dataclass(frozen=True, slots=True)
class Payer:
    """Who pays: the repository that the run is for, and its author by git's e-mail address."""

    repository: str = ""
    author: str = ""


@dataclass(frozen=True, slots=True)
class Allowance:
    """One limit.

    Attributes:
        usd: the most that may be spent, in dollars.
        name: what a refusal calls it, after the amount.
        raised: how a person raises it; empty where an option does.
        condition: which rows of `call` count; `:day` is the day's beginning.
        parameters: the condition's other values.
        lane: the one lane whose calls it holds; empty where it holds all.
    """

    usd: float
    name: str
    raised: str
    condition: str = _TODAY
    parameters: Mapping[str, str] = field(default_factory=dict)
    lane: str = ""

    @property
    def micro_usd(self) -> int:
        return round(self.usd * 1_000_000)

    def hint(self, micro_usd: int) -> str:
        """How a person raises it, to so much at least."""
        enough = max(self.usd * 2, math.ceil(micro_usd / 10_000) / 100)
        return self.raised or f"raise it: --max-usd {enough:g}"


def of_run(run_id: str, usd: float) -> Allowance:
    """The run's own limit."""
    return Allowance(usd, "limit", "", "run_id = :run", {"run": run_id})


def of_day(usd: float, budgets: Budgets | None = None) -> Allowance:
    """The day's limit for everything in the ledger."""
    return _smaller(usd, budgets.per_day_usd if budgets else None, "per_day_usd", "limit of the day", "", {})


def of_policy(limits: Limits, budgets: Budgets, payer: Payer) -> Iterator[Allowance]:
    """The day's other limits, where the policy or the user's configuration sets them; the smaller wins."""
    for owner, key, value in (
        ("repository", "repository_per_day_usd", payer.repository),
        ("author", "author_per_day_usd", payer.author),
    ):
        usd, cap = getattr(limits, key), getattr(budgets, key)
        if usd is not None or cap is not None:
            whose = f"limit of the day for {'this repository' if owner == 'repository' else value}"
            yield _smaller(usd, cap, key, whose, f" AND {owner} = :{owner}", {owner: value})
    for lane, usd in limits.lane_per_day_usd.items():
        yield Allowance(
            usd,
            f"limit of the day for lane {lane}",
            f"raise limits.lane_per_day_usd.{lane} in the policy",
            f"{_TODAY} AND lane = :lane",
            {"lane": lane},
            lane,
        )


def _smaller(
    policy: float | None,
    cap: float | None,
    key: str,
    name: str,
    condition: str,
    parameters: Mapping[str, str],
) -> Allowance:
    """The smaller of what the policy and the user allow, with the place in which it stands."""
    usd = min(it for it in (policy, cap) if it is not None)
    raised = f"raise limits.{key} in the policy"
    if usd == cap:
        raised = f"raise budgets.{key} in the configuration: route-agent config edit"
    return Allowance(usd, name, raised, f"{_TODAY}{condition}", parameters)
