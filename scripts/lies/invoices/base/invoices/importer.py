"""Invoices from CSV: one row per line item, rows of one number belong together."""

from __future__ import annotations

import csv
from collections.abc import Iterable
from datetime import date
from decimal import Decimal, InvalidOperation

from .errors import ImportProblem
from .invoice import Invoice
from .lines import LineItem
from .money import Money
from .tax import TaxRate


def _line(row: dict[str, str]) -> LineItem:
    return LineItem(
        row["description"],
        Decimal(row["quantity"]),
        Money.parse(row["unit_price"]),
        TaxRate("VAT", Decimal(row["tax"])),
    )


def read_invoices(rows: Iterable[str]) -> list[Invoice]:
    """Columns: number, customer, issued, description, quantity, unit_price, tax and, if wanted, terms."""
    found: dict[str, Invoice] = {}
    for at, row in enumerate(csv.DictReader(rows), start=2):
        try:
            line = _line(row)
            issued = date.fromisoformat(row["issued"])
            terms = int(row.get("terms") or 14)
        except (KeyError, ValueError, InvalidOperation) as problem:
            raise ImportProblem(f"line {at}: {problem}") from problem
        number = row["number"]
        if number not in found:
            found[number] = Invoice(number, row["customer"], issued, terms_days=terms)
        found[number].lines.append(line)
    return list(found.values())
