"""What the ledger says in figures: every rate and mean with how many it is of, and its 95 % interval.

Money is in micro-dollars, time in seconds; None is unknown or not there to be told, never 0.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Literal

By = Literal["lane", "model", "class", "repo", "author", "key", "endpoint", "week"]


@dataclass(frozen=True, slots=True)
class Asked:
    """What figures are asked for, and what they are held against.

    Attributes:
        by: what the groups are of.
        since: a day or a time in UTC as ISO 8601: only runs that began then or later; empty for all.
        until: only runs that began before.
        ladder: the policy's lanes, cheapest first; those below the last are the cheap ones.
        check_usd: what a minute of checks costs; None: counted, not priced.
        review_usd: what a minute of a person's reading costs; None as above.
    """

    by: By = "lane"
    since: str = ""
    until: str = ""
    ladder: tuple[str, ...] = ()
    cheap_least: float = 0.80
    frontier_most: float = 0.15
    check_usd: float | None = None
    review_usd: float | None = None


@dataclass(frozen=True, slots=True)
class Share:
    """A share with Wilson's 95 % interval; without anything to be of, it may be anything."""

    part: int = 0
    whole: int = 0
    low: float = 0.0
    high: float = 1.0

    @property
    def value(self) -> float | None:
        return self.part / self.whole if self.whole else None


@dataclass(frozen=True, slots=True)
class Estimate:
    """A mean, a ratio of two sums, or a quantile, of `n`; without ends where `n` is too small for them."""

    n: int = 0
    value: float | None = None
    low: float | None = None
    high: float | None = None


@dataclass(frozen=True, slots=True)
class Latency:
    """Wall time in seconds: of a lane's or a model's attempts, of a key's calls, else of whole runs."""

    median: Estimate = Estimate()
    p90: Estimate = Estimate()


@dataclass(frozen=True, slots=True)
class Spend:
    """Where the money and the minutes of some runs went.

    Attributes:
        model: what the attempts of the lane that a run began with cost.
        escalation: what the attempts of other lanes after it cost.
        verifier: what opinions cost, canaries included.
        tests: what writing tests for the brief cost.
        other: what belongs to none of these: routing by a model, calls that were given up.
        unknown_calls: calls without a known price; where there is one, no sum of money is known.
        check_seconds: of checks, at start and on patches.
        check: the same as money; None without a rate.
        review_minutes: of people, as far as they said.
        reviewed: for how many runs they said so.
        review: the minutes as money; None without a rate.
    """

    model: int = 0
    escalation: int = 0
    verifier: int = 0
    tests: int = 0
    other: int = 0
    unknown_calls: int = 0
    check_seconds: float = 0.0
    check: int | None = None
    review_minutes: float = 0.0
    reviewed: int = 0
    review: int | None = None

    @property
    def calls(self) -> int:
        """What was paid for calls, as far as it is known."""
        return self.model + self.escalation + self.verifier + self.tests + self.other

    @property
    def total(self) -> int | None:
        """Everything that has a price; None where a call's is not known."""
        return None if self.unknown_calls else self.calls + (self.check or 0) + (self.review or 0)


@dataclass(frozen=True, slots=True)
class Cache:
    """What did not have to be paid or done again.

    Attributes:
        read_tokens: of `input_tokens`, how many the providers read from their caches.
        saved: what that saved, less what writing to the caches cost.
        reused: calls that a stored reply answered, of all calls.
        verdicts: verdicts of the gate that were taken again, of all its verdicts.
    """

    read_tokens: int = 0
    input_tokens: int = 0
    saved: int | None = None
    reused: Share = Share()
    verdicts: Share = Share()


@dataclass(frozen=True, slots=True)
class Failed:
    """How often attempts ended in one failure; of how many attempts."""

    failure: str
    share: Share


@dataclass(frozen=True, slots=True)
class Group:
    """One row of `stats`.

    By lane and by model a run belongs where it began, and latency and failures are of that lane's attempts.
    By key and by endpoint everything is of calls: `attempts` is 0, and what follows from attempts is empty.

    Attributes:
        name: the lane, the model, the ISO week such as `2026-W47` …; `unknown` where the ledger has none.
        first_try: runs whose first attempt was accepted, of those with an attempt.
        escalated: runs in which another lane followed, of those with an attempt.
        per_run: what a run cost, everything of `spend` that has a price.
        per_accepted: the same by accepted patch: what the runs without one cost is in it.
        failures: the commonest first.
        limits: the limits that were in force, in words, the commonest first.
    """

    name: str
    runs: int = 0
    attempts: int = 0
    calls: int = 0
    accepted: int = 0
    first_try: Share = Share()
    escalated: Share = Share()
    latency: Latency = Latency()
    per_run: Estimate = Estimate()
    per_accepted: Estimate = Estimate()
    spend: Spend = Spend()
    cache: Cache = Cache()
    failures: tuple[Failed, ...] = ()
    limits: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Tiers:
    """Which lanes ended the runs, against the policy's targets.

    Attributes:
        lanes: runs by the lane of their last attempt, along the ladder, then the others.
        cheap: ended by a lane below the ladder's last.
        frontier: ended by the last.
        cheap_alarm: whether the share is below its target by more than chance.
        frontier_alarm: whether the share is above its target by more than chance.
    """

    lanes: tuple[tuple[str, int], ...] = ()
    cheap: Share = Share()
    frontier: Share = Share()
    cheap_least: float = 0.80
    frontier_most: float = 0.15
    cheap_alarm: bool = False
    frontier_alarm: bool = False


@dataclass(frozen=True, slots=True)
class Savings:
    """Cost per accepted patch against the ladder's last lane from the start.

    Attributes:
        share: 1 - actual / always strong; None where either is not known.
        actual: per accepted patch, over the classes that can be compared.
        strong: per accepted patch, had the last lane been asked at once.
        runs: how many runs were compared, of all.
    """

    share: Estimate = Estimate()
    actual: Estimate = Estimate()
    strong: Estimate = Estimate()
    runs: Share = Share()


@dataclass(frozen=True, slots=True)
class Losing:
    """A lane that loses money for a class: through it an accepted patch costs more than from the last lane.

    Attributes:
        through: cost per accepted patch of runs that began at `lane`, escalation included.
        direct: the same for the last lane alone.
        difference: `through` less `direct`; above 0 with its whole interval, or it would not be told.
        rule: what to put into the policy, as YAML.
    """

    lane: str
    last: str
    task_class: str
    through: Estimate
    direct: Estimate
    difference: Estimate
    rule: str


@dataclass(frozen=True, slots=True)
class LedgerRow:
    """One line of the classic table: lane, median latency, typical use, common failure.

    Attributes:
        uses: the commonest classes with their counts.
        failure: the commonest failure; None where none was seen.
        is_verifier: the row is of opinions; its failure is then known-bad patches that it let pass.
    """

    lane: str
    n: int
    latency: Latency
    uses: tuple[tuple[str, int], ...] = ()
    failure: Failed | None = None
    is_verifier: bool = False


@dataclass(frozen=True, slots=True)
class WeekOf:
    """One lane's week: `week` as `2026-W47`, `begins` its Monday. Attempts and runs as in `Group`."""

    week: str
    begins: str
    lane: str
    runs: int
    first_try: Share
    escalated: Share
    latency: Latency
    per_run: Estimate
    per_accepted: Estimate


@dataclass(frozen=True, slots=True)
class Cell:
    """One class of task and one lane: how its attempts ended, and what one cost."""

    task_class: str
    lane: str
    accepted: Share
    per_attempt: Estimate


@dataclass(frozen=True, slots=True)
class Confident:
    """Attempts whose computed confidence lay within [low, high), and what became of them.

    Attributes:
        accepted: by the verification.
        kept: not rejected and not reverted later, of the accepted ones of which that is known.
    """

    low: float
    high: float
    mean: float
    accepted: Share
    kept: Share


@dataclass(frozen=True, slots=True)
class Figures:
    """All that `stats` says.

    Attributes:
        whole: all groups together, counted once.
        judged: changes that the gate judged, told again ones included.
        gate_cost: what that cost in calls, apart from all runs; None where a call's price is not known.
        replayed: runs of recorded replies, which are in no figure.
        unfinished: runs whose process died; what they spent is in every sum of money.
        imported: runs that came from another ledger.
    """

    asked: Asked
    groups: tuple[Group, ...] = ()
    whole: Group = field(default_factory=lambda: Group("all"))
    tiers: Tiers = Tiers()
    savings: Savings = Savings()
    losing: tuple[Losing, ...] = ()
    table: tuple[LedgerRow, ...] = ()
    judged: int = 0
    gate_cost: int | None = 0
    replayed: int = 0
    unfinished: int = 0
    imported: int = 0
