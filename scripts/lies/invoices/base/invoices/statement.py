"""The account statement of a customer, as text."""

from __future__ import annotations

from datetime import date

from .invoice import Invoice
from .money import Money

BUCKETS = ["current", "1-30", "31-60", "61-90", "90+"]


def bucket_of(days: int) -> str:
    if days <= 0:
        return "current"
    if days < 30:
        return "1-30"
    if days < 60:
        return "31-60"
    if days < 90:
        return "61-90"
    return "90+"


def aging(invoices: list[Invoice], today: date, currency: str = "EUR") -> dict[str, Money]:
    """What is owed, by how late it is."""
    sums = {bucket: Money.zero(currency) for bucket in BUCKETS}
    for invoice in invoices:
        bucket = bucket_of(invoice.days_overdue(today))
        sums[bucket] = sums[bucket] + invoice.balance
    return sums


def render_statement(customer: str, invoices: list[Invoice], today: date, currency: str = "EUR") -> str:
    mine = sorted((i for i in invoices if i.customer == customer), key=lambda i: (i.issued, i.number))
    out = [f"Statement for {customer}", f"As of {today.isoformat()}", ""]
    out.append(f"{'Number':<12}" + f"{'Due':<12}" + f"{'Total':>16}" + f"{'Balance':>16}")
    out.append("-" * 56)
    owed = Money.zero(currency)
    for invoice in mine:
        out.append(
            f"{invoice.number:<12}"
            + f"{invoice.due.isoformat():<12}"
            + f"{str(invoice.total):>16}"
            + f"{str(invoice.balance):>16}"
        )
        owed = owed + invoice.balance
    out.append("-" * 56)
    out.append(f"{'Balance':<12}" + f"{'':<12}" + f"{'':>16}" + f"{str(owed):>16}")
    out.append("")
    for bucket, amount in aging(mine, today, currency).items():
        if amount.cents:
            out.append(f"{bucket:<12}" + f"{'':<12}" + f"{'':>16}" + f"{str(amount):>16}")
    return "\n".join(out) + "\n"
