"""A credit note is the invoice with the signs turned round, to the cent."""

from conftest import make_line

from invoices import Money


def test_credit_note_mirrors_the_invoice(make_invoice):
    invoice = make_invoice(make_line("2.50"))
    credit = make_invoice(make_line("2.50", "-1"))
    assert invoice.total == Money(298)
    assert credit.total == Money(-298)
