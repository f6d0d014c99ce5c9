"""Which reminder letter an invoice is due."""

from __future__ import annotations

from datetime import date

from .invoice import Invoice

LETTERS = {1: "Friendly reminder", 2: "Second reminder", 3: "Final notice"}


def level(days: int) -> int:
    """0 while nothing is late, 1 for 1-30 days, 2 for 31-60, 3 beyond."""
    if days <= 0:
        return 0
    if days < 30:
        return 1
    if days < 60:
        return 2
    return 3


def due_letters(invoices: list[Invoice], today: date) -> list[tuple[str, str]]:
    """(invoice number, letter) of each invoice that needs one, the latest first."""
    late = sorted(invoices, key=lambda invoice: (-invoice.days_overdue(today), invoice.number))
    letters = []
    for invoice in late:
        step = level(invoice.days_overdue(today))
        if step:
            letters.append((invoice.number, LETTERS[step]))
    return letters
