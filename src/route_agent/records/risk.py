"""What the risk of a task was judged by, and where it goes for that."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum

from route_agent.records.grades import TaskClass
from route_agent.records.lanes import Call


class Provenance(StrEnum):
    """Where a fact comes from. Tainted facts may raise a score or a lane and never lower one."""

    TRUSTED = "trusted"  # git and the results of checks
    TAINTED = "tainted"  # the brief, file names in it, anything an outsider may have written


@dataclass(frozen=True, slots=True)
class Signal:
    """One fact about a task, with the points that the policy gives it.

    `value` is None where it is not known. `evidence` holds a few short strings that let a reader check the
    fact, with `path:line` where it is a line. `rule` is where the policy gives it its points, as `file:line`.
    """

    name: str
    value: bool | int | None
    points: int
    provenance: Provenance
    evidence: tuple[str, ...] = ()
    rule: str = ""

    @property
    def raised(self) -> bool:
        """Whether the fact holds at all: a true flag or a count above zero."""
        return bool(self.value)


@dataclass(frozen=True, slots=True)
class Risk:
    """The score, and every signal behind it, raised or not."""

    score: int
    signals: tuple[Signal, ...]

    def raised(self, name: str) -> bool:
        """Whether the signal of that name holds."""
        return any(signal.raised for signal in self.signals if signal.name == name)


@dataclass(frozen=True, slots=True)
class WhatIf:
    """Where the task would go if one thing were otherwise.

    Attributes:
        kind: `untouched` (files were not changed), `signal` (one signal did not hold), `more` or `less` (of
            something that is counted), `brief` (the brief said nothing).
        condition: what would be otherwise, in words that follow "if".
        score: the score then.
        lane: the first lane then.
        changes: whether that is another lane than now.
        files: of `untouched`, those files.
    """

    kind: str
    condition: str
    score: int
    lane: str
    changes: bool
    files: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Advice:
    """What one router says to a task: a lane, why, and what it went by.

    Attributes:
        router: its name, as `routing.mode` has it.
        lane: where it would begin.
        reasons: why, in words.
        complexity: how complex the task looks to it (0 to 1), where it looks at that.
        level: LOW, MEDIUM or HIGH, where a model was asked.
    """

    router: str
    lane: str
    reasons: tuple[str, ...] = ()
    complexity: float | None = None
    level: str = ""


@dataclass(frozen=True, slots=True)
class Decision:
    """The first decision: where the task goes first, what stands above, and every reason.

    Attributes:
        mode: which router decided.
        phase: the step of the development loop that the operator named; empty where none.
        advice: what every router that was asked said, the one that decided first.
        class_named: whether the operator said what kind of task it is; else the brief alone does.
        fits: every class that the task fits, the one that counts among them.
        calls: what a model was asked to decide it, in mode `shadow`.
    """

    lane: str
    ladder: tuple[str, ...]
    reasons: tuple[str, ...]
    task_class: TaskClass
    policy_name: str
    policy_hash: str
    skipped: tuple[str, ...] = ()
    mode: str = "rules"
    phase: str = ""
    advice: tuple[Advice, ...] = ()
    class_named: bool = False
    fits: tuple[TaskClass, ...] = ()
    calls: tuple[Call, ...] = ()


@dataclass(frozen=True, slots=True)
class SecondDecision:
    """The decision after an attempt: is its patch good enough for this lane, or does the next one try?

    Attributes:
        accepts: whether the patch stays with this lane.
        reasons: each thing that was looked at, and what it said.
        score: the risk by the files that the patch really touched; None where there is no patch.
        effort: the share (0 to 1) of the lane's earlier attempts that took less; None where too few are
        effort_of: how many those are, and what was compared (cost, calls or tokens).
        likely: how likely the patch is right by the fitted rule (0 to 1); None where there is none.
        belongs_to: the higher lane at which a task that touches this would have begun; empty where none is.
    """

    accepts: bool
    reasons: tuple[str, ...]
    score: int | None = None
    effort: float | None = None
    effort_of: str = ""
    likely: float | None = None
    belongs_to: str = ""
