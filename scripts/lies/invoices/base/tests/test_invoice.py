from datetime import date
from decimal import Decimal

from conftest import make_line

from invoices import Fixed, Money, Payment, Percent, Tiered


def test_total_with_tax(make_invoice):
    assert make_invoice(make_line("10.00", "2")).total == Money(2380)


def test_tax_line_per_rate(make_invoice):
    invoice = make_invoice(make_line("10.00"), make_line("20.00", percent="7"), make_line("1.00"))
    assert [(str(line.rate.percent), line.net.cents) for line in invoice.taxes] == [("19", 1100), ("7", 2000)]


def test_percent_discount(make_invoice):
    invoice = make_invoice(make_line("100.00"), discounts=[Percent(Decimal(10))])
    assert invoice.discount == Money(1000)
    assert invoice.total == Money(10710)


def test_fixed_discount_stops_at_zero(make_invoice):
    invoice = make_invoice(make_line("5.00"), discounts=[Fixed(Money(900))])
    assert invoice.total == Money(0)


def test_tiered_discount():
    tiers = Tiered(((10000, Decimal(5)), (50000, Decimal(8))))
    assert tiers.amount(Money(9999)) == Money(0)
    assert tiers.amount(Money(50000)) == Money(4000)


def test_discounts_apply_in_order(make_invoice):
    invoice = make_invoice(make_line("100.00"), discounts=[Fixed(Money(1000)), Percent(Decimal(50))])
    assert invoice.discount == Money(5500)


def test_default_terms(make_invoice):
    assert make_invoice().due == date(2024, 3, 15)


def test_terms(make_invoice):
    assert make_invoice(terms_days=7).due == date(2024, 3, 8)


def test_balance_and_status(make_invoice):
    invoice = make_invoice(make_line("100.00", percent="0"), terms_days=10)
    assert invoice.status(date(2024, 3, 11)) == "open"
    assert invoice.status(date(2024, 3, 12)) == "overdue"
    invoice.payments.append(Payment(date(2024, 3, 12), Money(10000)))
    assert invoice.status(date(2024, 3, 30)) == "paid"
