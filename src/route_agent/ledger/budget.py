"""Money is set aside before a call and settled when it ends: a limit is reached and never passed."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from route_agent.errors import LimitReached
from route_agent.ledger.store import now
from route_agent.policy import RECORDED
from route_agent.records.lanes import Call, CallState

if TYPE_CHECKING:
    from route_agent.ledger.store import Ledger
    from route_agent.pricing import Prices
    from route_agent.records.lanes import ModelReply, Prompt

MICRO = 1_000_000


@dataclass(frozen=True, slots=True)
class Reservation:
    """Money set aside for one call."""

    call_id: int
    lane: str
    provider: str
    model: str
    micro_usd: int


class Purse:
    """One run's money: its own limit, and the day's for everything in this ledger.

    Args:
        ledger: where calls are written down.
        run_id: the run that pays.
        prices: what calls cost.
        max_usd: the run's limit in dollars.
        per_day_usd: the limit for all runs since midnight UTC, in dollars.
    """

    def __init__(
        self, ledger: Ledger, run_id: str, prices: Prices, *, max_usd: float, per_day_usd: float
    ) -> None:
        self._ledger = ledger
        self._run_id = run_id
        self._prices = prices
        self.max_usd = max_usd
        self.per_day_usd = per_day_usd
        self.calls: list[Call] = []  # only ever grows at its end, from whichever thread
        self._under_way: dict[int, Reservation] = {}

    def made(self, since: int, lane: str) -> tuple[Call, ...]:
        """The calls of one lane from the given number of calls on; other lanes may ask at the same time."""
        return tuple(call for call in self.calls[since:] if call.lane == lane)

    def spares(self, lane: str, micro_usd: int, kept: int) -> bool:
        """Whether a lane's call could cost so much and still leave `kept` to the others.

        What they have set aside at this moment is part of what is kept.
        """
        aside = sum(it.micro_usd for it in list(self._under_way.values()) if it.lane != lane)
        left = min(limit - self._ledger.spent(where, values) for where, values, limit in self._limits())
        return micro_usd + max(0, kept - aside) <= left

    def abandon(self, lane: str, why: str) -> None:
        """Give up a lane's calls that are under way: nobody waits for them; they stay charged as reserved."""
        for reservation in list(self._under_way.values()):
            if reservation.lane == lane:
                self.fail(reservation, CallState.LOST, why, 0.0)

    def _limits(self) -> tuple[tuple[str, dict[str, str], int], ...]:
        return (
            ("run_id = :run", {"run": self._run_id}, round(self.max_usd * MICRO)),
            ("replayed = 0 AND at >= :day", {"day": now()[:10]}, round(self.per_day_usd * MICRO)),
        )

    def spent_today(self) -> float:
        """Dollars spent or set aside since midnight UTC, over all repositories."""
        condition, parameters, _ = self._limits()[1]
        return self._ledger.spent(condition, parameters) / MICRO

    def reserve(
        self, lane: str, provider: str, model: str, prompt: Prompt, max_output_tokens: int
    ) -> Reservation:
        """Set aside the most that a request could cost.

        Raises:
            LimitReached: it does not fit; nothing was set aside.
        """
        worst = self._prices.worst(provider, model, prompt, max_output_tokens)
        limits = self._limits()
        row = {
            "run_id": self._run_id,
            "at": now(),
            "lane": lane,
            "provider": provider,
            "model_requested": model,
            "state": CallState.RESERVED.value,
            "replayed": int(provider == RECORDED),
            "reserved_micro_usd": worst,
        }
        call_id, broken = self._ledger.reserve(row, limits)
        if not call_id:
            raise self._refusal(worst, *limits[broken], daily=broken == 1)
        reservation = Reservation(call_id, lane, provider, model, worst)
        self._under_way[call_id] = reservation
        return reservation

    def _refusal(
        self, worst: int, condition: str, parameters: dict[str, str], limit: int, *, daily: bool
    ) -> LimitReached:
        left = max(0, limit - self._ledger.spent(condition, parameters)) / MICRO
        name = "limit of the day" if daily else "limit"
        raised = (
            "raise limits.per_day_usd in the policy"
            if daily
            else f"raise it: --max-usd {limit / MICRO * 2:g}"
        )
        whole = limit / MICRO
        return LimitReached(
            f"next call could cost ${worst / MICRO:.2f}, ${left:.2f} of the ${whole:.2f} {name} is left",
            hint=raised,
        )

    def settle(self, reservation: Reservation, reply: ModelReply, seconds: float) -> Call:
        """Write the answer down, with what it cost."""
        cost = self._prices.cost(reservation.provider, reservation.model, reply.usage)
        call = self._told(reservation, CallState.DONE, cost, seconds, reply=reply)
        self._ledger.settle(
            reservation.call_id,
            state=CallState.DONE,
            seconds=seconds,
            cost_micro_usd=cost,
            model_served=reply.model_served,
            usage=reply.usage,
            reply=reply.text,
        )
        return call

    def fail(self, reservation: Reservation, state: CallState, error: str, seconds: float) -> Call:
        """Write down that no answer came. A refused call costs nothing; a lost one is charged as reserved."""
        cost = 0 if state is CallState.FAILED else None
        call = self._told(reservation, state, cost, seconds, error=error)
        self._ledger.settle(
            reservation.call_id, state=state, seconds=seconds, cost_micro_usd=cost, error=error
        )
        return call

    def _told(
        self,
        reservation: Reservation,
        state: CallState,
        cost: int | None,
        seconds: float,
        *,
        reply: ModelReply | None = None,
        error: str = "",
    ) -> Call:
        call = Call(
            id=reservation.call_id,
            lane=reservation.lane,
            provider=reservation.provider,
            model_requested=reservation.model,
            model_served=reply.model_served if reply else None,
            state=state,
            usage=reply.usage if reply else None,
            cost_micro_usd=cost,
            reserved_micro_usd=reservation.micro_usd,
            seconds=seconds,
            error=error,
        )
        if self._under_way.pop(reservation.call_id, None):  # else it was abandoned, and is counted as that
            self.calls.append(call)
        return call
