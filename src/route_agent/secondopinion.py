"""A verifier's opinion of a change that exists already: by policy, paid within its limits.

Nobody knows which model wrote the change, if one did; so any entry of the verifier's lane may be asked.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from route_agent import blocking, places
from route_agent.assembling import Assembly
from route_agent.blocking import Ending
from route_agent.config import prices
from route_agent.errors import SecretFound
from route_agent.lanes.build import build_lanes
from route_agent.ledger.allowances import Payer
from route_agent.ledger.budget import Purse
from route_agent.ledger.store import Ledger
from route_agent.outward import Outward
from route_agent.records.events import Event, Step
from route_agent.records.grades import Failure, Verdict
from route_agent.records.runs import Attempt
from route_agent.redaction import knowing
from route_agent.repo.author import author_of, name_of

if TYPE_CHECKING:
    from route_agent.ground import Opened
    from route_agent.policy import Policy
    from route_agent.proof import Prover
    from route_agent.records.change import Change
    from route_agent.records.checks import CheckRun
    from route_agent.records.events import Listener
    from route_agent.records.facts import Facts
    from route_agent.records.reviews import Review
    from route_agent.records.risk import Decision
    from route_agent.records.runs import Evidence
    from route_agent.review import Reviewer

NOTHING_SAID = "Nobody said what this change is for. Judge whether it harms anything."


@dataclass(frozen=True, slots=True)
class Case:
    """What the verifier is to look at, and with which means.

    Attributes:
        id: of the judgement, which pays.
        known: what is known of the change; its brief is what was said of it.
        ending: what the checks came to.
        deadline: the `time.monotonic()` after which nothing is asked.
        max_usd: the most that it may cost, in dollars, if less than the policy's limit.
    """

    id: str
    ground: Opened
    decision: Decision
    baseline: CheckRun
    evidence: Evidence
    known: Facts
    ending: Ending
    prover: Prover
    deadline: float
    on: Listener
    max_usd: float | None = None


@dataclass(frozen=True, slots=True)
class Said:
    """What came of it."""

    ending: Ending
    reviews: tuple[Review, ...] = ()
    unreviewed: str = ""
    notices: tuple[str, ...] = ()


def second_opinion(case: Case) -> Said:
    """Ask the verifier where `gate.critique`, which is not `never`, wants it; no failure is an approval.

    Raises:
        LedgerError: what is paid cannot be written down, so nothing is.
    """
    policy = _policy_for(case)
    outward = Outward(case.ground, case.id)
    with knowing(outward.knowledge):
        try:
            outward.look_over(case.known.brief)
        except SecretFound as error:
            ending = Ending(Verdict.HOSTILE, f"{error}. Nothing was sent; {error.hint}", Failure.HOSTILE)
            return Said(ending, unreviewed="nothing was sent")
        asked = _reviewer(case, policy, outward).look(_attempt(case), _never)
        notices = tuple(outward.notices)
    if asked.failure is Failure.LIMIT:
        return Said(Ending(Verdict.LIMIT, asked.reason, Failure.LIMIT), asked.reviews, asked.reason, notices)
    if asked.unreviewed and not asked.unreviewed.startswith("off"):
        return Said(case.ending, unreviewed=asked.unreviewed, notices=notices)
    ending = blocking.after_review(case.ending, asked.review, asked.unreviewed)
    return Said(ending, asked.reviews, asked.unreviewed, notices)


def _policy_for(case: Case) -> Policy:
    """The policy with the gate's own word on the verifier, which is not tested here: runs do that."""
    policy = case.ground.policy.policy
    verify = policy.verify.model_copy(update={"critique": policy.gate.critique, "canary_rate": 0.0})
    usd = min(policy.limits.max_usd, policy.limits.max_usd if case.max_usd is None else case.max_usd)
    limits = policy.limits.model_copy(update={"max_usd": usd})
    return policy.model_copy(update={"verify": verify, "limits": limits})


def _reviewer(case: Case, policy: Policy, outward: Outward) -> Reviewer:
    ground = case.ground
    ledger, rates = Ledger(places.ledger_file()), prices(ground.config)
    lanes, _, specs = build_lanes(
        policy, ground.config, None, allowed=ground.trusted, project=ground.repository.root
    )
    payer = Payer(name_of(ground.repository), author_of(ground.repository))
    assembly = Assembly(
        ground=ground,
        policy=policy,
        decision=case.decision,
        baseline=case.baseline,
        known=replace(case.known, brief=case.known.brief or NOTHING_SAID),
        lanes=lanes,
        specs=specs,
        ledger=ledger,
        purse=Purse.of(ledger, case.id, rates, policy=policy, budgets=ground.config.budgets, payer=payer),
        prices=rates,
        prover=case.prover,
        outward=outward,
        replies=None,
        deadline=case.deadline,
        record=lambda attempt: None,
        on=case.on,
    )
    case.on(Event(Step.ASK, f"{policy.verify.lane}: a second opinion"))
    return replace(assembly.reviewer(), withheld=outward.withheld)


def _attempt(case: Case) -> Attempt:
    """The change as if a lane had made it, of which only the lane is not known."""
    change = case.ground.change
    patch = case.ground.slot.trees.diff(change.old_tree, change.new_tree)
    return Attempt("", "", "", change=change, evidence=case.evidence, patch=patch)


def _never(change: Change) -> Evidence:
    raise ValueError("no variant is shown to a verifier of a gate")
