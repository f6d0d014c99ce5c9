"""Discounts. Each tells how much it takes off a subtotal; they are applied one after another."""

from __future__ import annotations

from dataclasses import dataclass
from decimal import Decimal

from .money import Money


@dataclass(frozen=True)
class Percent:
    percent: Decimal

    def __post_init__(self) -> None:
        if not 0 <= self.percent <= 100:
            raise ValueError("a percentage is between 0 and 100")

    def amount(self, subtotal: Money) -> Money:
        return subtotal.percent(self.percent)


@dataclass(frozen=True)
class Fixed:
    value: Money

    def amount(self, subtotal: Money) -> Money:
        if subtotal.cents < 0:
            return -self.amount(-subtotal)
        return min(self.value, subtotal)


@dataclass(frozen=True)
class Tiered:
    """The percentage of the highest threshold (in cents) that the subtotal reaches."""

    steps: tuple[tuple[int, Decimal], ...]

    def amount(self, subtotal: Money) -> Money:
        reached = [(at, percent) for at, percent in self.steps if abs(subtotal.cents) >= at]
        if not reached:
            return Money.zero(subtotal.currency)
        return subtotal.percent(max(reached)[1])


Discount = Percent | Fixed | Tiered


def total_discount(subtotal: Money, discounts: list[Discount]) -> Money:
    left = subtotal
    for discount in discounts:
        left = left - discount.amount(left)
    return subtotal - left
