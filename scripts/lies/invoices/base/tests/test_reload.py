"""What is saved is what comes back."""

from decimal import Decimal

from conftest import make_line

from invoices import Percent


def test_percent_discount_after_reload(store, make_invoice):
    invoice = make_invoice(make_line("80.00"), discounts=[Percent(Decimal("12.5"))])
    store.save(invoice)
    assert store.load(invoice.number).total == invoice.total
