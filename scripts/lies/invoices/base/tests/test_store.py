from datetime import date
from decimal import Decimal

import pytest

from invoices import Fixed, Money, Payment, Percent
from invoices.errors import NotFound


def test_round_trip(store, make_invoice):
    invoice = make_invoice(discounts=[Percent(Decimal(10)), Fixed(Money(50))], terms_days=21)
    invoice.payments.append(Payment(date(2024, 3, 9), Money(100)))
    store.save(invoice)
    assert store.load("2024-0001") == invoice


def test_missing(store):
    with pytest.raises(NotFound):
        store.load("2024-0099")


def test_delete(store, make_invoice):
    store.save(make_invoice())
    store.delete("2024-0001")
    assert store.numbers() == []


def test_of_customer(store, make_invoice):
    store.save(make_invoice(number="2024-0001"))
    store.save(make_invoice(number="2024-0002", customer="Other"))
    assert [invoice.number for invoice in store.of_customer("Other")] == ["2024-0002"]


def test_next_number(store, make_invoice):
    assert store.next_number(2024) == "2024-0001"
    store.save(make_invoice())
    assert store.next_number(2024) == "2024-0002"
