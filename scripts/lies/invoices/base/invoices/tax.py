"""Tax lines: one per rate, on the discounted net."""

from __future__ import annotations

from dataclasses import dataclass
from decimal import Decimal
from typing import TYPE_CHECKING

from .money import Money
from .rounding import round_cents

if TYPE_CHECKING:
    from .lines import LineItem


@dataclass(frozen=True)
class TaxRate:
    code: str
    percent: Decimal


@dataclass(frozen=True)
class TaxLine:
    rate: TaxRate
    net: Money
    tax: Money


def tax_on(net: Money, rate: TaxRate) -> Money:
    return Money(round_cents(net.cents * rate.percent / 100), net.currency)


def tax_lines(lines: list[LineItem], discount: Money) -> list[TaxLine]:
    """Net and tax per rate, in the order the rates first appear.

    The discount is spread over the rates in proportion to their net.
    """
    nets: dict[TaxRate, Money] = {}
    for line in lines:
        nets[line.tax_rate] = nets.get(line.tax_rate, Money.zero(discount.currency)) + line.net
    if discount.cents:
        shares = discount.allocate([abs(net.cents) for net in nets.values()])
        nets = {rate: net - share for (rate, net), share in zip(nets.items(), shares, strict=True)}
    return [TaxLine(rate, net, tax_on(net, rate)) for rate, net in nets.items()]
