"""The policy's routing section and its signals, as the file writes them."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated, Literal

from pydantic import Field, field_validator, model_validator

from route_agent import linerules
from route_agent.lanespec import VERIFIER, Name, Quantile
from route_agent.records.grades import Failure, TaskClass
from route_agent.schema import Strict

# the signals that are true or false, of which each may be an always-strong condition
Condition = Literal[
    "schema_change",
    "auth_code",
    "ci_or_deploy",
    "auto_executed",
    "secrets_handling",
    "dependency_manifest",
    "public_api",
    "concurrency",
    "money",
    "time_zones",
    "external_api",
    "generated_or_vendored",
    "untested",
    "novelty",
    "production_incident",
    "new_code",
]

EscalationWord = Literal[
    "failed_tests", "patch_rejected", "weak_evidence", "low_confidence_summary", "verifier_rejected"
]

# which word of `escalate_on` allows the next lane after which failure; classes without a word never escalate
ESCALATION_WORDS: Mapping[Failure, EscalationWord] = {
    Failure.UNAPPLIABLE: "patch_rejected",
    Failure.REGRESSION: "failed_tests",
    Failure.STILL_FAILING: "failed_tests",
    Failure.TAMPERED: "failed_tests",
    Failure.STALLED: "failed_tests",
    Failure.WEAK: "weak_evidence",
    Failure.DOUBTFUL: "low_confidence_summary",
    Failure.DISPUTED: "verifier_rejected",
}

Mode = Literal["rules", "complexity", "hybrid", "shadow", "learned"]

# the steps of the development loop, in their order
Phase = Literal[
    "research",
    "plan",
    "validate-requirements",
    "validate-integration",
    "build-plan",
    "check-plan",
    "preflight",
    "implement",
    "review",
    "audit",
    "remediate",
    "e2e",
    "final-remediate",
    "commit",
    "smoke",
]

Share = Annotated[float, Field(ge=0, le=1)]
# what an accept rule weighs: effort (0 to 1, the share of the lane's attempts that took less), grade (0 to
# 1), lines (the natural logarithm of one more than the patch's lines), score, and one for each class of task
Feature = Annotated[str, Field(pattern=r"^(effort|grade|lines|score|class:[a-z]+)$")]


class ComplexityRules(Strict):
    """How complex a task must look (0 to 1) for the top of the ladder, and for its middle.

    `files` is the number above which a change counts as large. In `hybrid` complexity may send a task up;
    down only with `demote`, and never from an always-strong condition.
    """

    high: Share = 0.8
    low: Share = 0.4
    files: Annotated[int, Field(ge=1)] = 5
    demote: bool = False

    @model_validator(mode="after")
    def _in_order(self) -> ComplexityRules:
        if self.low >= self.high:
            raise ValueError("low must be below high")
        return self


class ShadowRules(Strict):
    """Which lane is asked how difficult a task is (LOW, MEDIUM or HIGH), in mode `shadow`.

    Its word may only raise, and only with `raises`; without it the answer is written down and nothing else.
    """

    lane: Name = VERIFIER
    raises: bool = True


class AcceptRule(Strict):
    """How likely a lane's patch is right, as `tune` fitted it: a logistic function of what is known.

    A patch below `accept_from` goes on to the next lane. `outcomes` is how many it was fitted on.
    """

    intercept: float
    weights: dict[Feature, float]
    accept_from: Share
    outcomes: Annotated[int, Field(ge=1)]


class AfterRules(Strict):
    """What sends a patch that met its bar on to the next lane all the same.

    `effort` is a quantile of the lane's own earlier attempts, by cost, calls or tokens: an attempt that took
    more was a struggle. `max_lines` bounds what it adds and removes. `unless` is the grade from which
    neither counts.
    """

    effort: Quantile | None = None
    max_lines: Annotated[int, Field(ge=1)] | None = None
    unless: Literal["covered", "discriminating", "never"] = "discriminating"


class Routing(Strict):
    """Scores up to `fast_max_score` start at the lowest model lane, from `strong_min_score` at the highest.

    A score between the two starts at the second of three or more model lanes, else at the highest. `start`
    lifts a class of task to a lane, `phases` picks a lane for a step of the development loop.
    """

    mode: Mode = "rules"
    ladder: Annotated[tuple[Name, ...], Field(min_length=1)] = ("fast", "strong")
    fast_max_score: Annotated[int, Field(ge=0)] = 6
    strong_min_score: Annotated[int, Field(ge=1)] = 7
    always_strong_if: tuple[Condition, ...] = ()
    escalate_on: tuple[EscalationWord, ...] = ()
    confidence_threshold: Share = 0.65
    start: dict[TaskClass, Name] = {}
    phases: dict[Phase, Name] = {}
    complexity: ComplexityRules = ComplexityRules()
    shadow: ShadowRules = ShadowRules()
    learned: dict[Name, AcceptRule] = {}
    after: AfterRules = AfterRules()

    @model_validator(mode="after")
    def _thresholds_in_order(self) -> Routing:
        if self.strong_min_score <= self.fast_max_score:
            raise ValueError("strong_min_score must be above fast_max_score")
        return self


class SignalRule(Strict):
    """How a signal is found and what it counts. A count signal gives `points` each, up to `max_points`.

    `paths` are globs over touched files, `words` are looked for in the brief, `content` are regular
    expressions over changed lines.
    """

    points: Annotated[int, Field(ge=0, le=100)] = 0
    max_points: Annotated[int, Field(ge=0, le=1000)] | None = None
    paths: tuple[str, ...] = ()
    words: tuple[str, ...] = ()
    content: tuple[str, ...] = ()

    @field_validator("content")
    @classmethod
    def _are_expressions(cls, patterns: tuple[str, ...]) -> tuple[str, ...]:
        for pattern in patterns:
            if why := linerules.why_refused(pattern):
                raise ValueError(f"{pattern!r} {why}")
        return patterns
