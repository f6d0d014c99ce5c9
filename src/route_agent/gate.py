"""Judge a change that exists already: risk, checks and evidence, without a model.

The pushed commit is judged and never the working tree; policy and check definitions come from its base.
"""

from __future__ import annotations

import time
from dataclasses import dataclass
from typing import TYPE_CHECKING

from route_agent import classes, decide, risk, routing
from route_agent.errors import RepositoryState
from route_agent.evidence import targets
from route_agent.factfinding import of_change
from route_agent.proof import Prover
from route_agent.records.events import Event, Step
from route_agent.records.grades import Grade, Verdict
from route_agent.repo.git import GitFailed, git
from route_agent.repo.scratch import slot
from route_agent.routing import is_test_path
from route_agent.sandbox.trial import walls_for

if TYPE_CHECKING:
    from collections.abc import Iterator

    from route_agent.config import Config
    from route_agent.policy import Policy
    from route_agent.records.change import Change
    from route_agent.records.checks import CheckRun, Isolation, IsolationLevel
    from route_agent.records.events import Listener
    from route_agent.records.risk import Decision, Risk
    from route_agent.records.runs import Evidence
    from route_agent.repo.repository import Repository
    from route_agent.repo.scratch import Slot
    from route_agent.sandbox.walls import Walls


WORKING_TREE = ""


@dataclass(frozen=True, slots=True)
class Judgement:
    """What is to be said about a change. `decision` is where a task like it would go; nothing is asked."""

    change: Change
    risk: Risk
    decision: Decision
    verdict: Verdict
    reason: str
    isolation: Isolation
    seconds: float
    notices: tuple[str, ...]
    baseline: CheckRun | None = None
    evidence: Evidence | None = None


def judge(
    repository: Repository,
    config: Config,
    base: str,
    head: str,
    *,
    required: IsolationLevel,
    on: Listener,
    policy: str = "",
    task: str = "",
    least: Grade = Grade.NONE,
) -> Judgement:
    """Judge the change from the merge base of `base` and `head` up to `head`.

    Args:
        head: a commit, or `WORKING_TREE` for HEAD with all uncommitted work.
        required: the least isolation for code that may not be one's own.
        policy: a file or preset instead of the policy at the base.
        task: what the change is for, in a person's words; tells its class and which red tests it should mend.
        least: the grade below which the change is not proved; of commits the policy may ask for more.

    Raises:
        RouteError: no such commits, a broken policy, or checks that cannot run here.
    """
    began = time.monotonic()
    head_commit = repository.commit("HEAD" if head == WORKING_TREE else head)
    base_commit = _merge_base(repository, repository.commit(base), head_commit)
    named, trusted, notices = decide.policy_in_force(
        repository, base_commit, policy, config, committed=head_commit
    )
    with slot(repository) as mine:
        walls = walls_for(mine, required, config.scratch)
        trees = mine.trees
        head_tree = trees.snapshot().tree if head == WORKING_TREE else trees.tree_of(head_commit)
        change = trees.change(trees.tree_of(base_commit), head_tree)
        said = task or _messages(repository, base_commit, head_commit)
        assessed = risk.assess(
            risk.Facts(brief=said, change=change, **of_change(trees, change, named.policy)),
            named.policy,
            named.lines,
        )
        raised = [signal.name for signal in assessed.signals if signal.raised]
        task_class = classes.class_of(task, raised) if task else "other"
        decision = routing.route(assessed, named, task_class)
        baseline = evidence = None
        verdict, reason = Verdict.ACCEPTED, "nothing was changed"
        if change.files:
            prover = _prover(mine, walls, named.policy, trusted, on)
            on(Event(Step.BASELINE, base_commit[:10]))
            baseline = prover.baseline(change.old_tree)
            on(Event(Step.CHECK, "the working tree" if head == WORKING_TREE else head_commit[:10]))
            wanted = targets(baseline, task_class, task, change.paths) if task else frozenset[str]()
            evidence = prover.prove(change, baseline, wanted, task_class=task_class, brief=said)
            walls = prover.walls
            bars = (least, Grade.NONE if head == WORKING_TREE else named.policy.gate.least)
            verdict, reason = _verdict(evidence, max(bars, key=lambda bar: bar.rank))
            notices = (*notices, *_edited_judges(change))
    return Judgement(
        change, assessed, decision, verdict, reason, walls.isolation, time.monotonic() - began, notices,
        baseline, evidence,
    )  # fmt: skip


def _prover(mine: Slot, walls: Walls, policy: Policy, trusted: frozenset[str], on: Listener) -> Prover:
    return Prover(
        mine,
        walls,
        policy,
        trusted=trusted,
        on_check=lambda result: on(Event(Step.CHECK, f"{result.name} {result.outcome.value}")),
    )


def _edited_judges(change: Change) -> Iterator[str]:
    if tests := [file.path for file in change.files if is_test_path(file.path) and not file.is_new]:
        yield f"the change edits what judges it: {', '.join(tests[:3])}"


def _verdict(evidence: Evidence, least: Grade) -> tuple[Verdict, str]:
    """Whether what was proved is enough, and why."""
    reason = "; ".join(evidence.reasons)
    if evidence.failure:
        return Verdict.NOT_PROVED, reason
    if not evidence.grade.reaches(least):
        return Verdict.NOT_PROVED, f"graded {evidence.grade.value}, {least.value} is asked for: {reason}"
    if evidence.grade is Grade.NONE:
        return Verdict.ACCEPTED, f"nothing got worse, and nothing was proved: {reason}"
    return Verdict.ACCEPTED, reason


def _merge_base(repository: Repository, base: str, head: str) -> str:
    try:
        return git("merge-base", base, head, cwd=repository.root).decode().strip()
    except GitFailed as error:
        raise RepositoryState(
            f"{base[:10]} and {head[:10]} have no common history here",
            hint="fetch more of it: git fetch --unshallow, or fetch-depth: 0 in CI",
        ) from error


def _messages(repository: Repository, base: str, head: str) -> str:
    """The commit messages: tainted text, which can only raise the score."""
    told = git("log", "--format=%s%n%b", "--max-count=50", f"{base}..{head}", cwd=repository.root)
    return told.decode("utf-8", "replace")[:20_000]
