"""What a call costs. Pure; the price table is imported on first use, since it is large.

All money is in integer micro-dollars. A price that is not known stays None: it is never taken for 0.
"""

from __future__ import annotations

from dataclasses import dataclass
from decimal import ROUND_HALF_UP, Decimal
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Mapping

    from route_agent.records.lanes import Prompt, Usage

# what an unpriced call is assumed to cost at worst, so that a budget still holds: dearer than most models
ASSUMED_INPUT_USD_PER_MTOK = Decimal(10)
ASSUMED_OUTPUT_USD_PER_MTOK = Decimal(50)
_MTOK = Decimal(1_000_000)


@dataclass(frozen=True, slots=True)
class Prices:
    """What the user's configuration says about prices.

    Attributes:
        rates: dollars per million tokens (input, output) by model name; they go before the table.
        free: providers that cost nothing, such as a model on this machine.
    """

    rates: Mapping[str, tuple[Decimal, Decimal]]
    free: frozenset[str]

    def cost(self, provider: str, model: str, usage: Usage | None) -> int | None:
        """The price of a call's usage, or None where the usage or the price is not known.

        The provider's own figure, where its answer has one, goes before every table.
        """
        if provider in self.free:
            return 0
        if usage is None:
            return None
        if usage.provider_cost_usd is not None and usage.provider_cost_usd >= 0:
            return _micro(Decimal(str(usage.provider_cost_usd)))
        if rate := self.rates.get(model):
            return _micro((usage.input_total * rate[0] + usage.output_total * rate[1]) / _MTOK)
        return _table_price(provider, model, usage)

    def worst(self, provider: str, model: str, prompt: Prompt, max_output_tokens: int) -> int:
        """The most that a request could cost: every second byte a token, and the longest answer allowed."""
        from route_agent.records.lanes import Usage

        if provider in self.free:
            return 0
        size = len((prompt.system + prompt.flat.user).encode("utf-8", "surrogateescape"))
        known = self.cost(provider, model, Usage(input_total=size // 2 + 1, output_total=max_output_tokens))
        if known is not None:
            return known
        tokens_in, tokens_out = Decimal(size // 2 + 1), Decimal(max_output_tokens)
        assumed = tokens_in * ASSUMED_INPUT_USD_PER_MTOK + tokens_out * ASSUMED_OUTPUT_USD_PER_MTOK
        return _micro(assumed / _MTOK)

    def expected(self, provider: str, model: str, prompt_tokens: int, output_tokens: int) -> int | None:
        """What a typical request costs, for a quote."""
        from route_agent.records.lanes import Usage

        return self.cost(provider, model, Usage(input_total=prompt_tokens, output_total=output_tokens))

    def known(self, provider: str, model: str) -> bool:
        """Whether this model has a price."""
        return self.expected(provider, model, 1000, 1000) is not None


def _table_price(provider: str, model: str, usage: Usage) -> int | None:
    from genai_prices import Usage as TableUsage
    from genai_prices import calc_price

    counted = TableUsage(
        input_tokens=usage.input_total,
        cache_read_tokens=usage.cache_read or None,
        cache_write_tokens=usage.cache_write or None,
        output_tokens=usage.output_total,
    )
    try:
        return _micro(calc_price(counted, model_ref=model, provider_id=provider).total_price)
    except LookupError:
        return None


def _micro(usd: Decimal) -> int:
    return int((usd * _MTOK).to_integral_value(ROUND_HALF_UP))
