from __future__ import annotations

from dataclasses import dataclass
from decimal import Decimal

from .money import Money
from .tax import TaxRate


@dataclass(frozen=True)
class LineItem:
    description: str
    quantity: Decimal
    unit_price: Money
    tax_rate: TaxRate

    @property
    def net(self) -> Money:
        return self.unit_price.times(self.quantity)
