"""How far one attempt may go: turns, and the most that it may take in tokens, money, requests and time."""

from __future__ import annotations

import time
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Literal

from route_agent.errors import CapReached
from route_agent.records.lanes import CallState

if TYPE_CHECKING:
    from collections.abc import Callable

    from route_agent.policy import LaneSpec
    from route_agent.records.lanes import Call, Prompt

    What = Literal["tokens", "usd", "calls", "seconds"]

TYPICAL_OUTPUT_TOKENS = 1_500
_LOOKED_UP_BYTES = 24_000  # what one turn may bring


@dataclass(frozen=True, slots=True)
class Most:
    """The most of one thing; `learnt` says from which share of the lane's own attempts, where it does."""

    amount: float
    learnt: str = ""


@dataclass(frozen=True, slots=True)
class Terms:
    """What holds for one attempt.

    Attributes:
        max_iterations: turns, repairs included.
        tokens: read and written ones of all calls together.
        usd: what all calls may cost.
        calls: requests that somebody worked on.
        seconds: wall time from the first moment on.
        compact_at: from so many estimated tokens on, older turns are summed up.
        can_compact: whether there is anybody to do it.
        calibration: tokens that the model counts for one of ours.
        looked_up_bytes: how much one turn of asking may bring.
    """

    max_iterations: int = 15
    tokens: Most | None = None
    usd: Most | None = None
    calls: Most | None = None
    seconds: Most | None = None
    compact_at: int | None = None
    can_compact: bool = False
    calibration: float = 1.0
    looked_up_bytes: int = _LOOKED_UP_BYTES

    def estimate(self, prompt: Prompt) -> int:
        """About how many tokens the model will count."""
        return round(prompt.estimated_tokens * self.calibration)


def terms_of(
    spec: LaneSpec,
    quantile: Callable[[What, float], float | None],
    *,
    calibration: float = 1.0,
    can_compact: bool = False,
) -> Terms:
    """A lane's terms.

    Args:
        quantile: what such a share (0 to 1) of the lane's own attempts stayed within; None for too few.
    """

    def most(what: What, given: float | str | None) -> Most | None:
        if not isinstance(given, str):
            return None if given is None else Most(given)
        known = quantile(what, int(given[1:]) / 100)
        return None if known is None else Most(known, given)

    return Terms(
        max_iterations=spec.max_iterations,
        tokens=most("tokens", spec.cap.tokens),
        usd=most("usd", spec.cap.usd),
        calls=most("calls", spec.cap.calls),
        seconds=most("seconds", spec.cap.seconds),
        compact_at=spec.compact_at,
        can_compact=can_compact,
        calibration=calibration,
        looked_up_bytes=min(_LOOKED_UP_BYTES, round(spec.max_context_tokens * 3.5 / 4)),
    )


@dataclass(slots=True)
class Meter:
    """What an attempt of a lane has taken so far, held against its terms."""

    terms: Terms = field(default_factory=Terms)
    lane: str = ""
    began: float = field(default_factory=time.monotonic)
    tokens: int = 0
    micro_usd: int = 0
    calls: int = 0

    def add(self, call: Call) -> None:
        """Count a call; one of unknown price counts at what was set aside for it."""
        known = call.cost_micro_usd
        self.micro_usd += call.reserved_micro_usd if known is None else known
        self.calls += call.state is not CallState.FAILED
        if call.usage:
            self.tokens += call.usage.input_total + call.usage.output_total

    @property
    def seconds_left(self) -> float:
        """Seconds that the terms leave; very many where they say nothing."""
        most = self.terms.seconds
        return 1e9 if most is None else most.amount - (time.monotonic() - self.began)

    def refuse_next(self, prompt: Prompt, micro_usd: int) -> None:
        """Refuse a call with which a cap would be passed, as far as that can be foreseen.

        A cap from the lane's own history refuses no first call: it was not learnt from what is expected.

        Args:
            micro_usd: what the call is expected to cost.

        Raises:
            CapReached: names the lane, its cap and what was used.
        """
        self.refuse()
        tokens, usd, calls = self.terms.tokens, self.terms.usd, self.terms.calls
        first = not (self.tokens or self.micro_usd)
        if calls and self.calls + 1 > calls.amount and not (calls.learnt and not self.calls):
            raise self._reached("calls", calls, f"{self.calls} made")
        if tokens and not (tokens.learnt and first):
            next_one = self.terms.estimate(prompt)
            if self.tokens + next_one > tokens.amount:
                used = f"{self.tokens:,} used, the next call reads {next_one:,}"
                raise self._reached("tokens", tokens, used)
        if usd and not (usd.learnt and first) and self.micro_usd + micro_usd > usd.amount * 1e6:
            used = f"${self.micro_usd / 1e6:.4f} spent, the next call is expected at ${micro_usd / 1e6:.4f}"
            raise self._reached("usd", usd, used)

    def refuse(self) -> None:
        """Refuse to go on, or to use what came, where a cap is passed.

        Raises:
            CapReached: names the lane, its cap and what was used.
        """
        tokens, usd, seconds = self.terms.tokens, self.terms.usd, self.terms.seconds
        if tokens and self.tokens > tokens.amount:
            raise self._reached("tokens", tokens, f"{self.tokens:,} used")
        if usd and self.micro_usd > round(usd.amount * 1e6):
            raise self._reached("usd", usd, f"${self.micro_usd / 1e6:.4f} spent")
        if seconds and self.seconds_left <= 0:
            raise self._reached("seconds", seconds, f"{time.monotonic() - self.began:.1f} s gone")

    def _reached(self, what: What, most: Most, used: str) -> CapReached:
        shown = {
            "tokens": f"{most.amount:,.0f} tokens",
            "usd": f"${most.amount:g}",
            "calls": f"{most.amount:g} call{'' if most.amount == 1 else 's'}",
        }
        amount = shown.get(what, f"{most.amount:.1f} s" if most.learnt else f"{most.amount:g} s")
        learnt = f", {most.learnt} of its own attempts" if most.learnt else ""
        return CapReached(
            f"lane {self.lane}'s cap of {amount} for one attempt is reached ({used}{learnt})",
            hint=f"raise cap.{what} of lane {self.lane} in the policy",
        )
