"""An amount of money: whole cents and a currency."""

from __future__ import annotations

import re
from dataclasses import dataclass
from decimal import Decimal

from .errors import CurrencyMismatch
from .rounding import round_cents

_AMOUNT = re.compile(r"(-?)(\d+)(?:\.(\d{1,2}))?(?: ([A-Z]{3}))?")


@dataclass(frozen=True)
class Money:
    cents: int
    currency: str = "EUR"

    @classmethod
    def zero(cls, currency: str = "EUR") -> Money:
        return cls(0, currency)

    @classmethod
    def parse(cls, text: str, currency: str = "EUR") -> Money:
        """Read "12", "12.5", "-3.20" or "12.50 USD"."""
        match = _AMOUNT.fullmatch(text.strip())
        if match is None:
            raise ValueError(f"not an amount: {text!r}")
        sign, whole, fraction, code = match.groups()
        cents = int(whole) * 100 + int((fraction or "").ljust(2, "0"))
        return cls(-cents if sign else cents, code or currency)

    def _same(self, other: Money) -> None:
        if self.currency != other.currency:
            raise CurrencyMismatch(f"{self.currency} and {other.currency}")

    def __add__(self, other: Money) -> Money:
        self._same(other)
        return Money(self.cents + other.cents, self.currency)

    def __sub__(self, other: Money) -> Money:
        self._same(other)
        return Money(self.cents - other.cents, self.currency)

    def __neg__(self) -> Money:
        return Money(-self.cents, self.currency)

    def __abs__(self) -> Money:
        return Money(abs(self.cents), self.currency)

    def __lt__(self, other: Money) -> bool:
        self._same(other)
        return self.cents < other.cents

    def __le__(self, other: Money) -> bool:
        self._same(other)
        return self.cents <= other.cents

    def times(self, factor: Decimal, mode: str = "half_up") -> Money:
        return Money(round_cents(self.cents * factor, mode), self.currency)

    def percent(self, percent: Decimal, mode: str = "half_up") -> Money:
        return Money(round_cents(self.cents * percent / 100, mode), self.currency)

    def allocate(self, weights: list[int]) -> list[Money]:
        """Split by weights without losing a cent; left-over cents go to the first parts."""
        total = sum(weights)
        if total <= 0 or min(weights) < 0:
            raise ValueError("weights must be positive")
        sign = -1 if self.cents < 0 else 1
        whole = abs(self.cents)
        shares = [whole * weight // total for weight in weights]
        rest = whole - sum(shares)
        for index, weight in enumerate(weights):
            if rest and weight:
                shares[index] += 1
                rest -= 1
        return [Money(sign * share, self.currency) for share in shares]

    def __str__(self) -> str:
        sign = "-" if self.cents < 0 else ""
        whole, cents = divmod(abs(self.cents), 100)
        return f"{sign}{whole}.{cents:02d} {self.currency}"
