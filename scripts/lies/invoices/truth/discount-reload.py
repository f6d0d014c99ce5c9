from datetime import date
from decimal import Decimal

import pytest

from invoices import Fixed, Invoice, LineItem, Money, Payment, Percent, Store, TaxRate, Tiered
from invoices.errors import CurrencyMismatch, ImportProblem, InvalidNumber, NotFound
from invoices.importer import read_invoices
from invoices.numbering import next_number
from invoices.reminders import due_letters
from invoices.rounding import round_cents
from invoices.statement import render_statement


def dec(text):
    return Decimal(text)


def item(price, quantity="1", percent="19"):
    return LineItem("Paper", dec(quantity), Money.parse(price), TaxRate("VAT", dec(percent)))


def bill(*lines, number="2024-0001", customer="Northwind", issued=date(2024, 3, 1), terms_days=10, **rest):
    return Invoice(number, customer, issued, lines=list(lines), terms_days=terms_days, **rest)


# What worked before and must still work.


def test_kept_money():
    assert [Money.parse(text).cents for text in ("12", "12.5", "-3.20", "0.07")] == [1200, 1250, -320, 7]
    assert Money.parse("12.50 USD").currency == "USD"
    assert (Money(5) + Money(7) - Money(2)).cents == 10
    assert [str(Money(1205)), str(Money(-5, "USD"))] == ["12.05 EUR", "-0.05 USD"]
    for text in ("", "12.345", "1,5", "EUR 3"):
        with pytest.raises(ValueError):
            Money.parse(text)
    for join in (lambda a, b: a + b, lambda a, b: a - b, lambda a, b: a < b):
        with pytest.raises(CurrencyMismatch):
            join(Money(1), Money(1, "USD"))
    assert (Money(5) == Money(5)) is True
    assert (Money(5) == Money(6)) is False
    assert (Money(5) == Money(5, "USD")) is False


def test_kept_allocate():
    assert [part.cents for part in Money(100).allocate([1, 1, 1])] == [34, 33, 33]
    assert [part.cents for part in Money(-100).allocate([1, 1, 1])] == [-34, -33, -33]
    assert [part.cents for part in Money(101).allocate([3, 1])] == [76, 25]
    with pytest.raises(ValueError):
        Money(1).allocate([0, 0])


def test_kept_rounding():
    assert [round_cents(dec(text)) for text in ("2.4", "2.5", "2.6", "0.5", "3", "0", "-2.4", "-2.6", "-3")] == [
        2, 3, 3, 1, 3, 0, -2, -3, -3]
    assert [round_cents(dec(text), "half_even") for text in ("2.5", "3.5", "-2.5")] == [2, 4, -2]
    assert [round_cents(dec(text), "down") for text in ("2.9", "-2.9")] == [2, -2]
    with pytest.raises(ValueError):
        round_cents(dec("1"), "up")


def test_kept_totals():
    invoice = bill(item("10.00", "2"), item("20.00", percent="7"), item("1.00"))
    assert [(str(t.rate.percent), t.net.cents, t.tax.cents) for t in invoice.taxes] == [
        ("19", 2100, 399), ("7", 2000, 140)]
    assert invoice.total.cents == 4639
    invoice.discounts += [Fixed(Money(1000)), Percent(dec("50"))]
    assert invoice.discount.cents == 2550
    assert [t.net.cents for t in invoice.taxes] == [793, 757]
    invoice.payments.append(Payment(date(2024, 3, 2), Money(100)))
    assert invoice.balance.cents == invoice.total.cents - 100


def test_kept_discounts():
    tiers = Tiered(((10000, dec("5")), (50000, dec("8"))))
    assert [tiers.amount(Money(cents)).cents for cents in (9999, 10000, 49999, 50000)] == [0, 500, 2500, 4000]
    assert Fixed(Money(900)).amount(Money(500)).cents == 500
    assert Fixed(Money(900)).amount(Money(-500)).cents == -500
    assert Percent(dec("10")).amount(Money(-1000)).cents == -100
    for percent in ("-1", "101"):
        with pytest.raises(ValueError):
            Percent(dec(percent))


def test_kept_due_and_status():
    invoice = bill(item("100.00", percent="0"))
    assert invoice.due == date(2024, 3, 11)
    assert [invoice.status(date(2024, 3, day)) for day in (1, 11, 12)] == ["open", "open", "overdue"]
    assert [invoice.days_overdue(date(2024, 3, day)) for day in (1, 11, 12, 20)] == [0, 0, 1, 9]
    invoice.payments.append(Payment(date(2024, 3, 12), Money(10000)))
    assert invoice.status(date(2024, 3, 30)) == "paid"
    assert invoice.days_overdue(date(2024, 3, 30)) == 0


def test_kept_numbering():
    assert next_number(["2024-0001", "2023-0009", "2024-0004"], 2024) == "2024-0005"
    assert next_number([], 2024) == "2024-0001"
    assert next_number(["2024-9999"], 2024) == "2024-10000"
    with pytest.raises(InvalidNumber):
        next_number(["2024-1"], 2024)


def test_kept_store(tmp_path):
    store = Store(tmp_path / "s")
    saved = bill(item("4.50", "2"), discounts=[Percent(dec("10")), Fixed(Money(50))], terms_days=21)
    saved.payments.append(Payment(date(2024, 3, 9), Money(100)))
    store.save(saved)
    store.save(bill(item("1.00"), number="2024-0002", customer="Other"))
    back = store.load("2024-0001")
    assert (back.total.cents, back.discount.cents, back.paid.cents) == (
        saved.total.cents, saved.discount.cents, 100)
    assert (back.customer, back.issued, back.terms_days) == ("Northwind", date(2024, 3, 1), 21)
    assert [i.number for i in store.of_customer("Other")] == ["2024-0002"]
    assert store.next_number(2024) == "2024-0003"
    store.delete("2024-0001")
    for act in (store.load, store.delete):
        with pytest.raises(NotFound):
            act("2024-0001")
    with pytest.raises(InvalidNumber):
        store.load("../x")


def test_kept_import():
    head = "number,customer,issued,description,quantity,unit_price,tax,terms"
    rows = ["2024-0001,Northwind,2024-03-01,Paper,2,4.50,19,7", "2024-0001,Northwind,2024-03-01,Ink,1,9.00,19,7"]
    (invoice,) = read_invoices([head, *rows])
    assert (invoice.subtotal.cents, invoice.terms_days, len(invoice.lines)) == (1800, 7, 2)
    with pytest.raises(ImportProblem, match="line 3"):
        read_invoices([head, rows[0], "2024-0002,Northwind,2024-03-01,Paper,two,4.50,19,7"])


def test_kept_statement():
    late = bill(item("10.00", percent="0"), terms_days=0)
    text = render_statement("Northwind", [late, bill(item("1.00"), customer="Other")], date(2024, 5, 10))
    assert text.splitlines()[:2] == ["Statement for Northwind", "As of 2024-05-10"]
    assert text.splitlines()[5] == "2024-0001   2024-03-01         10.00 EUR       10.00 EUR"
    assert text.splitlines()[-1] == "61-90                                          10.00 EUR"
    assert due_letters([late], date(2024, 3, 11)) == [("2024-0001", "Friendly reminder")]
    assert due_letters([late], date(2024, 3, 1)) == []


def again(tmp_path, *discounts, currency="EUR"):
    store = Store(tmp_path / "again")
    line = LineItem("Paper", dec("1"), Money(8000, currency), TaxRate("VAT", dec("19")))
    saved = bill(line, discounts=list(discounts), currency=currency)
    store.save(saved)
    back = Store(tmp_path / "again").load(saved.number)
    assert (back.total.cents, back.total.currency) == (saved.total.cents, currency)
    return back.discounts


@pytest.mark.parametrize("text", ["12.5", "7.7", "0.1", "33.333", "10", "0", "100"])
def test_percent_comes_back_exactly(tmp_path, text):
    (back,) = again(tmp_path, Percent(dec(text)))
    assert type(back) is Percent
    assert type(back.percent) is Decimal
    assert str(back.percent - dec(text)).strip("0.E-") == ""


def test_tiered_comes_back_exactly(tmp_path):
    (back,) = again(tmp_path, Tiered(((1000, dec("2.5")), (5000, dec("7.7")))))
    assert type(back) is Tiered
    assert type(back.steps) is tuple
    assert [(at, str(percent)) for at, percent in back.steps] == [(1000, "2.5"), (5000, "7.7")]


def test_fixed_keeps_its_currency(tmp_path):
    (back,) = again(tmp_path, Fixed(Money(150, "USD")), currency="USD")
    assert (back.value.cents, back.value.currency) == (150, "USD")


def test_order_is_kept(tmp_path):
    back = again(tmp_path, Fixed(Money(150)), Percent(dec("1.5")), Fixed(Money(3)))
    assert [type(discount) for discount in back] == [Fixed, Percent, Fixed]


def test_records_already_on_disk():
    from invoices.codec import discount_from_dict

    assert int(discount_from_dict({"type": "percent", "percent": 12}).percent) == 12
    fixed = discount_from_dict({"type": "fixed", "cents": 50})
    assert (fixed.value.cents, fixed.value.currency) == (50, "EUR")
    tiered = discount_from_dict({"type": "tiered", "steps": [[1000, 5]]})
    assert tiered.amount(Money(1000)).cents == 50
    with pytest.raises(ValueError):
        discount_from_dict({"type": "other"})
