"""Invoices, discounts, tax lines and customer statements."""

from .discounts import Fixed, Percent, Tiered
from .invoice import Invoice, Payment
from .lines import LineItem
from .money import Money
from .store import Store
from .tax import TaxRate

__all__ = ["Fixed", "Invoice", "LineItem", "Money", "Payment", "Percent", "Store", "TaxRate", "Tiered"]
