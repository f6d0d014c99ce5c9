"""Invoices to plain data and back."""

from __future__ import annotations

from datetime import date
from decimal import Decimal
from typing import Any

from .discounts import Discount, Fixed, Percent, Tiered
from .invoice import Invoice, Payment
from .lines import LineItem
from .money import Money
from .tax import TaxRate


def discount_to_dict(discount: Discount) -> dict[str, Any]:
    if isinstance(discount, Percent):
        return {"type": "percent", "percent": int(discount.percent)}
    if isinstance(discount, Fixed):
        return {"type": "fixed", "cents": discount.value.cents}
    return {"type": "tiered", "steps": [[at, int(percent)] for at, percent in discount.steps]}


def discount_from_dict(data: dict[str, Any]) -> Discount:
    if data["type"] == "percent":
        return Percent(Decimal(data["percent"]))
    if data["type"] == "fixed":
        return Fixed(Money(data["cents"]))
    if data["type"] == "tiered":
        return Tiered(tuple((at, Decimal(percent)) for at, percent in data["steps"]))
    raise ValueError(f"unknown discount: {data['type']}")


def line_to_dict(line: LineItem) -> dict[str, Any]:
    return {
        "description": line.description,
        "quantity": str(line.quantity),
        "unit_price": str(line.unit_price),
        "tax": [line.tax_rate.code, str(line.tax_rate.percent)],
    }


def line_from_dict(data: dict[str, Any]) -> LineItem:
    code, percent = data["tax"]
    return LineItem(
        data["description"],
        Decimal(data["quantity"]),
        Money.parse(data["unit_price"]),
        TaxRate(code, Decimal(percent)),
    )


def invoice_to_dict(invoice: Invoice) -> dict[str, Any]:
    return {
        "number": invoice.number,
        "customer": invoice.customer,
        "issued": invoice.issued.isoformat(),
        "terms_days": invoice.terms_days,
        "currency": invoice.currency,
        "lines": [line_to_dict(line) for line in invoice.lines],
        "discounts": [discount_to_dict(discount) for discount in invoice.discounts],
        "payments": [[p.received.isoformat(), str(p.amount)] for p in invoice.payments],
    }


def invoice_from_dict(data: dict[str, Any]) -> Invoice:
    return Invoice(
        number=data["number"],
        customer=data["customer"],
        issued=date.fromisoformat(data["issued"]),
        lines=[line_from_dict(line) for line in data["lines"]],
        discounts=[discount_from_dict(discount) for discount in data.get("discounts", [])],
        payments=[Payment(date.fromisoformat(on), Money.parse(text)) for on, text in data.get("payments", [])],
        terms_days=data.get("terms_days", 14),
        currency=data.get("currency", "EUR"),
    )
