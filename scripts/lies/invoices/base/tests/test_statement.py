from datetime import date, timedelta

from conftest import make_line

from invoices.reminders import due_letters, level
from invoices.statement import aging, bucket_of, render_statement


def test_buckets():
    assert bucket_of(0) == "current"
    assert bucket_of(10) == "1-30"
    assert bucket_of(45) == "31-60"
    assert bucket_of(120) == "90+"


def test_levels():
    assert [level(days) for days in (0, 5, 40, 200)] == [0, 1, 2, 3]


def test_aging_sums(make_invoice):
    invoice = make_invoice(make_line("10.00", percent="0"), terms_days=0)
    sums = aging([invoice, invoice], invoice.issued + timedelta(days=70))
    assert sums["61-90"].cents == 2000
    assert sums["current"].cents == 0


def test_letters_latest_first(make_invoice):
    new = make_invoice(number="2024-0002", issued=date(2024, 4, 1), terms_days=0)
    old = make_invoice(number="2024-0001", issued=date(2024, 2, 1), terms_days=0)
    letters = due_letters([new, old], date(2024, 4, 11))
    assert letters == [("2024-0001", "Final notice"), ("2024-0002", "Friendly reminder")]


def test_statement(make_invoice):
    text = render_statement("Northwind", [make_invoice(), make_invoice(customer="Other")], date(2024, 3, 2))
    assert text.startswith("Statement for Northwind\n")
    assert "2024-0001" in text
    assert text.count("11.90 EUR") == 4
