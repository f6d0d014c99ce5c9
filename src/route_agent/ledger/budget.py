"""Money is set aside before a call and settled when it ends: a limit is reached and never passed."""

from __future__ import annotations

import math
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from route_agent.errors import LimitReached
from route_agent.ledger import allowances
from route_agent.ledger.allowances import Allowance, Payer
from route_agent.ledger.database import now, storable
from route_agent.policy import RECORDED
from route_agent.records.events import Money
from route_agent.records.lanes import Call, CallState, Purpose
from route_agent.records.runs import Cost

if TYPE_CHECKING:
    from collections.abc import Callable

    from route_agent.config import Budgets
    from route_agent.ledger.store import Held, Ledger
    from route_agent.policy import Policy
    from route_agent.pricing import Priced, Prices
    from route_agent.records.lanes import ModelReply, Prompt, Usage

MICRO = 1_000_000
_SAFETY = 1.25  # above what a lane's prompts were counted for so far

HOW_TO_PRICE = (
    "say it under `rates` in the configuration (route-agent config edit), mark the provider `free: true`,"
    " or set limits.unpriced: reserve in the policy"
)


@dataclass(frozen=True, slots=True)
class Reservation:
    """Money set aside for one call. Under `request_key`, if any, its reply may answer again."""

    call_id: int
    lane: str
    provider: str
    model: str
    micro_usd: int
    purpose: Purpose = Purpose.PATCH
    fallback_for: str = ""
    estimated_tokens: int = 0
    request_key: str = ""


class Purse:
    """One run's money: its own limit, and the day's for everything in this ledger.

    Args:
        ledger: where calls are written down.
        run_id: the run that pays.
        prices: what calls cost.
        max_usd: the run's limit in dollars.
        per_day_usd: the limit for all runs since midnight UTC, in dollars.
        payer: for whom it is paid.
        allowed: every limit, where there are more than those two.
        refuse_unpriced: whether a model whose price is not known is not called at all; else it is called
            against what a dear one would cost.
        hour_lanes: the lanes that write to a cache which is kept for an hour; None where any may.
        access: by a provider's name, the NAME of the variable with its key, and its address.
    """

    def __init__(
        self,
        ledger: Ledger,
        run_id: str,
        prices: Prices,
        *,
        max_usd: float,
        per_day_usd: float,
        payer: Payer | None = None,
        allowed: tuple[Allowance, ...] = (),
        refuse_unpriced: bool = False,
        hour_lanes: frozenset[str] | None = None,
        access: Callable[[str], tuple[str, str]] = lambda provider: ("", ""),
    ) -> None:
        self._ledger = ledger
        self._access = access
        self._run_id = run_id
        self._prices = prices
        self._payer = payer or Payer()
        self._allowed = allowed or (allowances.of_run(run_id, max_usd), allowances.of_day(per_day_usd))
        self.per_day_usd = per_day_usd
        self._max_usd = max_usd
        self._refuse_unpriced = refuse_unpriced
        self._hour_lanes = hour_lanes
        self.calls: list[Call] = []  # only ever grows at its end, from whichever thread
        self._under_way: dict[int, Reservation] = {}

    @classmethod
    def of(
        cls,
        ledger: Ledger,
        run_id: str,
        prices: Prices,
        *,
        policy: Policy,
        budgets: Budgets,
        payer: Payer,
        access: Callable[[str], tuple[str, str]] = lambda provider: ("", ""),
    ) -> Purse:
        """The purse of a run under a policy; what the user's configuration caps, no policy widens."""
        limits = policy.limits
        payer = Payer(storable(payer.repository), storable(payer.author))
        hour = (name for name, specs in policy.models.items() if any(it.cache_ttl == "1h" for it in specs))
        day = allowances.of_day(limits.per_day_usd, budgets)
        return cls(
            ledger,
            run_id,
            prices,
            max_usd=limits.max_usd,
            per_day_usd=day.usd,
            payer=payer,
            allowed=(
                allowances.of_run(run_id, limits.max_usd),
                *allowances.of_policy(limits, budgets, payer),
                day,
            ),
            refuse_unpriced=limits.unpriced == "refuse",
            hour_lanes=frozenset(hour),
            access=access,
        )

    @property
    def author(self) -> str:
        """Who pays, by git's e-mail address."""
        return self._payer.author

    @property
    def limits(self) -> dict[str, float]:
        """Every limit that holds here, in dollars, by what a refusal calls it."""
        return {it.name: it.usd for it in self._allowed}

    @property
    def money(self) -> Money:
        """What this run's calls have cost so far, and its limit."""
        cost = Cost.of(list(self.calls))
        return Money(cost.known_micro_usd, round(self._max_usd * MICRO), cost.unknown_calls)

    def made(self, since: int, lane: str) -> tuple[Call, ...]:
        """The calls of one lane from the given number of calls on; other lanes may ask at the same time."""
        return tuple(call for call in self.calls[since:] if call.lane == lane)

    def spares(self, lane: str, micro_usd: int, kept: int) -> bool:
        """Whether a lane's call could cost so much and still leave `kept` to the others.

        What they have set aside at this moment is part of what is kept.
        """
        aside = sum(it.micro_usd for it in list(self._under_way.values()) if it.lane != lane)
        return micro_usd + max(0, kept - aside) <= self.left(lane)

    def abandon(self, why: str, lane: str = "") -> None:
        """Give up calls under way, all or one lane's: nobody waits for them, and they stay charged."""
        for reservation in list(self._under_way.values()):
            if lane in ("", reservation.lane):
                self.fail(reservation, CallState.LOST, why, 0.0)

    def left(self, lane: str) -> int:
        """Micro-dollars that the tightest limit leaves to a lane's calls; never below 0."""
        held = (limit - self._ledger.spent(where, values) for where, values, limit in self._held(lane))
        return max(0, min(held))

    def spent_today(self) -> float:
        """Dollars spent or set aside since midnight UTC, over all repositories."""
        condition, parameters, _ = self._holding(allowances.of_day(0))
        return self._ledger.spent(condition, parameters) / MICRO

    def _held(self, lane: str) -> tuple[Held, ...]:
        return tuple(self._holding(it) for it in self._allowing(lane))

    def _allowing(self, lane: str) -> list[Allowance]:
        return [it for it in self._allowed if it.lane in ("", lane)]

    def _holding(self, allowance: Allowance) -> Held:
        return allowance.condition, {"day": now()[:10], **allowance.parameters}, allowance.micro_usd

    def worst(self, lane: str, provider: str, model: str, prompt: Prompt, max_output_tokens: int) -> int:
        """The most that a lane's request could cost, in micro-dollars.

        A prompt that its provider has counted for more than usual so far is taken for more here as well.
        """
        counted = prompt.estimated_tokens * self._ledger.calibration(lane, model) * _SAFETY
        hour = self._hour_lanes is None or lane in self._hour_lanes
        return self._prices.worst(
            provider, model, prompt, max_output_tokens, hour=hour, tokens=math.ceil(counted)
        )

    def expected(self, provider: str, model: str, tokens: int, output_tokens: int) -> int:
        """Micro-dollars that a request of this size usually costs at most; 0 where its price is not known."""
        return self._prices.expected(provider, model, tokens, output_tokens) or 0

    def reserve(
        self,
        lane: str,
        provider: str,
        model: str,
        prompt: Prompt,
        max_output_tokens: int,
        *,
        purpose: Purpose = Purpose.PATCH,
        fallback_for: str = "",
        request_key: str = "",
    ) -> Reservation:
        """Set aside the most that a request could cost.

        Args:
            request_key: what `ledger.reuse.request_key` makes of the request, where its reply may answer
                the same request again.

        Raises:
            LimitReached: it does not fit, or its price is not known; nothing was set aside.
        """
        if self._refuse_unpriced and not self._prices.known(provider, model):
            raise unpriced(provider, model)
        asked = Reservation(
            0,
            lane,
            provider,
            model,
            self.worst(lane, provider, model, prompt, max_output_tokens),
            purpose,
            fallback_for,
            prompt.estimated_tokens,
            request_key,
        )
        return self._set_aside(asked)

    def hold(self, lane: str, provider: str, model: str, micro_usd: int) -> Reservation:
        """Set an amount aside for work whose requests are not ours to see, such as an agent program's.

        Raises:
            LimitReached: it does not fit; nothing was set aside.
        """
        return self._set_aside(Reservation(0, lane, provider, model, micro_usd))

    def _set_aside(self, asked: Reservation) -> Reservation:
        allowing = self._allowing(asked.lane)
        row = {**self._row(asked), "state": CallState.RESERVED.value, "reserved_micro_usd": asked.micro_usd}
        call_id, broken = self._ledger.reserve(row, [self._holding(it) for it in allowing])
        if not call_id:
            raise self._refusal(asked.micro_usd, allowing[broken])
        reservation = replace(asked, call_id=call_id)
        self._under_way[call_id] = reservation
        return reservation

    def _row(self, asked: Reservation) -> dict[str, str | int]:
        key_name, address = self._access(asked.provider)
        return {
            "key_name": storable(key_name),
            "endpoint": storable(address),
            "run_id": self._run_id,
            "at": now(),
            "lane": asked.lane,
            "provider": asked.provider,
            "model_requested": asked.model,
            "replayed": int(asked.provider == RECORDED),
            "repository": self._payer.repository,
            "author": self._payer.author,
            "purpose": asked.purpose.value,
            "fallback_for": asked.fallback_for,
            "estimated_tokens": asked.estimated_tokens,
        }

    def _refusal(self, worst: int, broken: Allowance) -> LimitReached:
        condition, parameters, limit = self._holding(broken)
        spent = self._ledger.spent(condition, parameters)
        left = max(0, limit - spent)
        # as many digits as it takes to see that the one is more than the other
        digits = next(
            it for it in range(2, 7) if it == 6 or round(worst / MICRO, it) > round(left / MICRO, it)
        )
        cost, rest, whole = (f"${it / MICRO:.{digits}f}" for it in (worst, left, limit))
        return LimitReached(
            f"next call could cost {cost}, {rest} of the {whole} {broken.name} is left",
            hint=broken.hint(spent + worst),
        )

    def again(
        self, lane: str, provider: str, model: str, prompt: Prompt, request_key: str, *, purpose: Purpose
    ) -> tuple[ModelReply, Call] | None:
        """A stored reply to the very same request, for nothing; None where there is none."""
        reply = self._ledger.stored_reply(request_key)
        if reply is None:
            return None
        asked = Reservation(0, lane, provider, model, 0, purpose, "", prompt.estimated_tokens)
        done = {"state": CallState.DONE.value, "reserved_micro_usd": 0, "cost_micro_usd": 0, "reused": 1}
        call_id = self._ledger.add_call({**self._row(asked), **done, "price_basis": "reused"})
        call = replace(
            self._told(replace(asked, call_id=call_id), CallState.DONE, 0.0, reply),
            cost_micro_usd=0,
            price_basis="reused",
            saved_micro_usd=0,
            reused=True,
        )
        self._ledger.settle(call, reply)
        self.calls.append(call)
        return reply, call

    def settle(self, reservation: Reservation, reply: ModelReply, seconds: float) -> Call:
        """Write the answer down, with what it cost: all of it, also where that is more than was set aside."""
        call = self._told(reservation, CallState.DONE, seconds, reply)
        priced = self._priced(call)
        call = replace(
            call,
            cost_micro_usd=priced.micro_usd,
            price_basis=priced.basis,
            saved_micro_usd=priced.saved_micro_usd,
        )
        self._keep(call)
        self._ledger.settle(call, reply, request_key=reservation.request_key)
        return call

    def _priced(self, call: Call) -> Priced:
        """The price of the model that answered, where that is another one whose price is known.

        The user's rates for the name that was asked may be a gateway's own: only other rates go before them.
        """
        asked = self._prices.price(call.provider, call.model_requested, call.usage)
        if not call.other_model_answered or not call.model_served or asked.basis == "provider":
            return asked
        served = self._prices.price(call.provider, call.model_served, call.usage)
        if served.micro_usd is None or (asked.basis == "rates" and served.basis != "rates"):
            return asked
        return served

    def fail(
        self,
        reservation: Reservation,
        state: CallState,
        error: str,
        seconds: float,
        *,
        partial: Usage | None = None,
    ) -> Call:
        """Write down that no answer came. A refused call costs nothing; a lost one is charged as reserved,
        unless its provider is free.

        Args:
            partial: our own count of what had come before it broke off; it changes nothing of the cost.
        """
        call = self._told(reservation, state, seconds)
        free = self._prices.price(reservation.provider, reservation.model, None).micro_usd
        cost = 0 if state is CallState.FAILED else free
        call = replace(call, cost_micro_usd=cost, error=error, usage=partial)
        self._keep(call)
        self._ledger.settle(call)
        return call

    def _told(
        self, reservation: Reservation, state: CallState, seconds: float, reply: ModelReply | None = None
    ) -> Call:
        return Call(
            id=reservation.call_id,
            lane=reservation.lane,
            provider=reservation.provider,
            model_requested=reservation.model,
            model_served=reply.model_served if reply else None,
            state=state,
            usage=reply.usage if reply else None,
            cost_micro_usd=None,
            reserved_micro_usd=reservation.micro_usd,
            seconds=seconds,
            purpose=reservation.purpose,
            fallback_for=reservation.fallback_for,
            estimated_tokens=reservation.estimated_tokens,
        )

    def _keep(self, call: Call) -> None:
        if self._under_way.pop(call.id, None):  # else it was abandoned, and is counted as that
            self.calls.append(call)


def unpriced(provider: str, model: str) -> LimitReached:
    """Why a model of unknown price is not called: no limit could be kept."""
    return LimitReached(
        f"the price of {model} at {provider} is not known, so no budget could be kept",
        hint=HOW_TO_PRICE,
    )
