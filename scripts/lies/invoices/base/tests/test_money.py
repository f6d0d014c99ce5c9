from decimal import Decimal

import pytest

from invoices import Money
from invoices.errors import CurrencyMismatch
from invoices.rounding import round_cents


def test_parse():
    assert Money.parse("12.5") == Money(1250)
    assert Money.parse("-3.20 USD") == Money(-320, "USD")


def test_parse_rejects():
    with pytest.raises(ValueError):
        Money.parse("12.345")


def test_add_and_subtract():
    assert Money(5) + Money(7) - Money(2) == Money(10)


def test_currencies_do_not_mix():
    with pytest.raises(CurrencyMismatch):
        Money(1) + Money(1, "USD")


def test_str():
    assert str(Money(1205)) == "12.05 EUR"
    assert str(Money(-5)) == "-0.05 EUR"


def test_ties_round_up():
    assert round_cents(Decimal("2.5")) == 3
    assert round_cents(Decimal("2.4")) == 2


def test_other_modes():
    assert round_cents(Decimal("2.5"), "half_even") == 2
    assert round_cents(Decimal("2.9"), "down") == 2


def test_unknown_mode():
    with pytest.raises(ValueError):
        round_cents(Decimal(1), "up")


def test_allocate_keeps_every_cent():
    parts = Money(100).allocate([1, 1, 1])
    assert sum(part.cents for part in parts) == 100
