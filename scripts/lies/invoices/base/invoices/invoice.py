from __future__ import annotations

from dataclasses import dataclass, field
from datetime import date, timedelta

from .discounts import Discount, total_discount
from .lines import LineItem
from .money import Money
from .tax import TaxLine, tax_lines


@dataclass(frozen=True)
class Payment:
    received: date
    amount: Money


@dataclass
class Invoice:
    number: str
    customer: str
    issued: date
    lines: list[LineItem] = field(default_factory=list)
    discounts: list[Discount] = field(default_factory=list)
    payments: list[Payment] = field(default_factory=list)
    terms_days: int = 14
    currency: str = "EUR"

    @property
    def due(self) -> date:
        return self.issued + timedelta(days=self.terms_days)

    @property
    def subtotal(self) -> Money:
        return sum((line.net for line in self.lines), Money.zero(self.currency))

    @property
    def discount(self) -> Money:
        return total_discount(self.subtotal, self.discounts)

    @property
    def taxes(self) -> list[TaxLine]:
        return tax_lines(self.lines, self.discount)

    @property
    def total(self) -> Money:
        net = self.subtotal - self.discount
        return sum((line.tax for line in self.taxes), net)

    @property
    def paid(self) -> Money:
        return sum((payment.amount for payment in self.payments), Money.zero(self.currency))

    @property
    def balance(self) -> Money:
        return self.total - self.paid

    def days_overdue(self, today: date) -> int:
        """Days since the due date; 0 when it has not passed or nothing is owed."""
        if self.balance.cents <= 0:
            return 0
        return max(0, (today - self.due).days)

    def status(self, today: date) -> str:
        if self.balance.cents <= 0:
            return "paid"
        return "overdue" if self.days_overdue(today) else "open"
