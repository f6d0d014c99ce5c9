from datetime import date
from decimal import Decimal

import pytest

from invoices import Invoice, LineItem, Money, Store, TaxRate

VAT = TaxRate("VAT", Decimal(19))


def make_line(price="10.00", quantity="1", percent="19", description="Paper"):
    return LineItem(description, Decimal(quantity), Money.parse(price), TaxRate("VAT", Decimal(percent)))


@pytest.fixture
def make_invoice():
    def make(*lines, number="2024-0001", customer="Northwind", issued=date(2024, 3, 1), **rest):
        return Invoice(number, customer, issued, lines=list(lines) or [make_line()], **rest)

    return make


@pytest.fixture
def store(tmp_path):
    return Store(tmp_path / "invoices")
