"""What a call costs. Pure; the price table is imported on first use, since it is large.

All money is in integer micro-dollars. A price that is not known stays None: it is never taken for 0.
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from decimal import ROUND_CEILING, ROUND_HALF_UP, Decimal
from typing import TYPE_CHECKING

from route_agent.records.lanes import Usage

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from genai_prices.types import ModelPrice, TieredPrices

    from route_agent.records.lanes import Prompt

# what an unpriced call is assumed to cost at worst, so that a budget still holds: dearer than most models
ASSUMED_INPUT_USD_PER_MTOK = Decimal(10)
ASSUMED_OUTPUT_USD_PER_MTOK = Decimal(50)

BYTES_PER_TOKEN = 2  # dense code in today's tokenizers has more than two bytes in a token; prose has four
TURN_TOKENS = 16  # what a provider writes around each message
SHAPE_TOKENS = 1_000  # and around the shape of an answer: instructions of its own

_MTOK = Decimal(1_000_000)


@dataclass(frozen=True, slots=True)
class Rates:
    """Dollars per million tokens, as the user states them. What is None costs as much as other input."""

    input: Decimal
    output: Decimal
    cache_read: Decimal | None = None
    cache_write: Decimal | None = None
    cache_write_1h: Decimal | None = None

    def usd(self, usage: Usage) -> Decimal:
        """The price of a call's tokens in dollars."""
        write = self.input if self.cache_write is None else self.cache_write
        hour = write if self.cache_write_1h is None else self.cache_write_1h
        read = self.input if self.cache_read is None else self.cache_read
        plain = usage.input_total - usage.cache_read - usage.cache_write
        short = usage.cache_write - usage.cache_write_1h
        parts = (
            (plain, self.input),
            (usage.cache_read, read),
            (short, write),
            (usage.cache_write_1h, hour),
            (usage.output_total, self.output),
        )
        return sum((tokens * rate for tokens, rate in parts), Decimal(0)) / _MTOK

    def dearest(self, *, hour: bool) -> tuple[Decimal, Decimal]:
        """The most that a token of input and one of output can cost."""
        rates = (self.input, self.cache_read, self.cache_write, self.cache_write_1h if hour else None)
        return max(rate for rate in rates if rate is not None), self.output


@dataclass(frozen=True, slots=True)
class Priced:
    """What a call cost, where that is from, and what the provider's cache saved; None where not known.

    `saved_micro_usd` is below 0 where writing the cache cost more than reading it saved.
    """

    micro_usd: int | None = None
    basis: str = ""
    saved_micro_usd: int | None = None


@dataclass(frozen=True, slots=True)
class Prices:
    """What the user's configuration says about prices.

    Attributes:
        rates: the user's own, by model name; they go before the table.
        free: providers that cost nothing, such as a model on this machine.
    """

    rates: Mapping[str, Rates]
    free: frozenset[str]

    def price(self, provider: str, model: str, usage: Usage | None) -> Priced:
        """The price of a call's usage.

        The provider's own figure, where its answer has one, goes before the user's rates, and those before
        the table. Counts that are an estimate of ours, or that cannot be true, have no price.
        """
        if provider in self.free:
            return Priced(0, "free", 0)
        if usage is None or _impossible(usage):
            return Priced()
        listed = self._listed(provider, model, usage)
        reported = usage.provider_cost_usd
        if reported is not None and reported >= 0:
            return Priced(_micro(Decimal(str(reported))), "provider", listed.saved_micro_usd)
        return Priced() if usage.is_estimate else listed

    def _listed(self, provider: str, model: str, usage: Usage) -> Priced:
        """The price by the rates or the table; without a price, only that no cache saved nothing is known."""
        uncached = Usage(
            input_total=usage.input_total, output_total=usage.output_total, reasoning=usage.reasoning
        )
        if rates := self.rates.get(model):
            usd, without, basis = rates.usd(usage), rates.usd(uncached), "rates"
        else:
            found = _table_usd(provider, model, usage, uncached)
            if found is None:
                return Priced(None, "", None if usage.cache_read or usage.cache_write else 0)
            (usd, without), basis = found, _table_name()
        return Priced(_micro(usd), basis, _micro(without - usd))

    def worst(
        self,
        provider: str,
        model: str,
        prompt: Prompt,
        max_output_tokens: int,
        *,
        hour: bool = True,
        tokens: int = 0,
    ) -> int:
        """The most that a request could cost: each token at the dearest price that a token can have.

        Args:
            hour: whether the prompt may be written to a cache that is kept for an hour, which is dearer.
            tokens: how many the prompt is taken for, where that is more than every second byte.
        """
        if provider in self.free:
            return 0
        count = max(most_tokens(prompt), tokens)
        if rates := self.rates.get(model):
            dearest, a_call = rates.dearest(hour=hour), Decimal(0)
        else:
            dearest, a_call = _table_dearest(provider, model, count, hour=hour)
        usd = a_call + (count * dearest[0] + max_output_tokens * dearest[1]) / _MTOK
        return int((usd * _MTOK).to_integral_value(ROUND_CEILING))

    def expected(self, provider: str, model: str, prompt_tokens: int, output_tokens: int) -> int | None:
        """What a request of this size costs without any cache, for a quote."""
        return self.price(
            provider, model, Usage(input_total=prompt_tokens, output_total=output_tokens)
        ).micro_usd

    def known(self, provider: str, model: str) -> bool:
        """Whether this model has a price."""
        return self.expected(provider, model, 1000, 1000) is not None


def most_tokens(prompt: Prompt) -> int:
    """The most tokens that the prompt is taken for.

    Every second byte is one, with what a provider writes around the messages. A provider that counts more is
    paid what it counts: the call then costs more than was set aside, and the report says so.
    """
    around = TURN_TOKENS * len(prompt.turns)
    size = prompt.bytes
    if prompt.shape is not None:
        size += len(json.dumps(dict(prompt.shape.schema)).encode())
        around += SHAPE_TOKENS
    return size // BYTES_PER_TOKEN + 1 + around


def _impossible(usage: Usage) -> bool:
    """Whether the parts do not fit the whole: whatever is made of such counts is not what was charged."""
    parts = (usage.cache_read, usage.cache_write_1h, usage.cache_write - usage.cache_write_1h)
    plain = usage.input_total - usage.cache_read - usage.cache_write
    return min(plain, usage.output_total - usage.reasoning, usage.reasoning, *parts) < 0


# --- the table


def _table_usd(provider: str, model: str, *usages: Usage) -> tuple[Decimal, Decimal] | None:
    """What each of two usages costs in dollars, by the same prices; None where the table does not say."""
    from genai_prices import Usage as Counted

    prices = next(_table_prices(provider, model), None)
    if prices is None:
        return None
    first, second = (
        prices.calc_price(
            Counted(
                input_tokens=usage.input_total,
                cache_read_tokens=usage.cache_read or None,
                cache_write_tokens=usage.cache_write or None,
                cache_write_1h_tokens=usage.cache_write_1h or None,
                output_tokens=usage.output_total,
                output_reasoning_tokens=usage.reasoning or None,
            )
        )["total_price"]
        for usage in usages
    )
    return first, second


def _table_dearest(
    provider: str, model: str, tokens: int, *, hour: bool
) -> tuple[tuple[Decimal, Decimal], Decimal]:
    """The dearest prices of a token of input and of output, and of a call; assumed where none is listed.

    A price may change with the hour, so what holds until the answer can be here counts as well.
    """
    keys = ("input_mtok", "cache_read_mtok", "cache_write_mtok", *(("cache_write_1h_mtok",) if hour else ()))
    inputs, outputs, calls = [], [], [Decimal(0)]
    for prices in _table_prices(provider, model, hours=2):
        inputs += [_highest(getattr(prices, key), tokens) for key in keys]
        outputs += [
            _highest(getattr(prices, key), tokens) for key in ("output_mtok", "output_reasoning_mtok")
        ]
        calls.append(_highest(prices.requests_kcount, tokens) / 1000)
    if not inputs:
        return (ASSUMED_INPUT_USD_PER_MTOK, ASSUMED_OUTPUT_USD_PER_MTOK), Decimal(0)
    return (max(inputs), max(outputs)), max(calls)


def _highest(price: Decimal | TieredPrices | None, tokens: int) -> Decimal:
    """The highest price up to so many tokens of input: a long context can be dearer, from its first token."""
    if price is None:
        return Decimal(0)
    if isinstance(price, Decimal):
        return price
    return max([price.base, *(tier.price for tier in price.tiers if tier.start < tokens)])


def _table_prices(provider: str, model: str, *, hours: int = 0) -> Iterator[ModelPrice]:
    """What the table says of a model: the prices of this moment first, then those of the next hours.

    Nothing where it does not name a price for both input and output: a part that is left out is not free.
    """
    from datetime import UTC, datetime, timedelta

    from genai_prices import data_snapshot

    try:
        _, found = data_snapshot.get_snapshot().find_provider_model(model, None, provider, None)
    except LookupError:
        return
    begin = datetime.now(UTC)
    for step in range(6 * hours + 1):
        prices = found.get_prices(begin + timedelta(minutes=10 * step))
        if prices.input_mtok is not None and prices.output_mtok is not None:
            yield prices


def _table_name() -> str:
    from importlib.metadata import version

    return f"genai-prices {version('genai-prices')}"


def _micro(usd: Decimal) -> int:
    return int((usd * _MTOK).to_integral_value(ROUND_HALF_UP))
