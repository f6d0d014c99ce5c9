import pytest

from depot import Item, UnknownItem, parse
from depot.stock import load, load_v1


def test_receive(stock):
    stock.receive("FL-001", parse("500 g"))
    assert str(stock["FL-001"].on_hand) == "10.5 kg"


def test_issue(stock):
    stock.issue("EG-001", parse("18 pcs"))
    assert str(stock["EG-001"].on_hand) == "3.5 dozen"


def test_issue_too_much(stock):
    with pytest.raises(ValueError, match="only 3 l"):
        stock.issue("OI-001", parse("4 l"))
    assert str(stock["OI-001"].on_hand) == "3 l"


def test_unknown_item(stock):
    with pytest.raises(UnknownItem):
        stock.receive("XX-999", parse("1 kg"))


def test_low(stock):
    assert stock.low() == ["OI-001"]


def test_low_cases(cases):
    for row in cases("low"):
        item = Item("AA-001", "x", parse(row["on_hand"]), reorder_at=parse(row["reorder_at"]))
        assert item.low == row["low"], row


def test_total(stock):
    assert str(stock.total("g")) == "10000 g"
    assert str(stock.total("pcs")) == "60 pcs"


def test_load():
    stock = load([{"sku": "FL-001", "name": "flour", "on_hand": "5 kg", "tags": ["dry"]}])
    assert stock["FL-001"].tags == ("dry",)
    with pytest.raises(ValueError, match="bad name"):
        load([{"sku": "FL-001", "name": "", "on_hand": "5 kg"}])


def test_load_v1():
    stock = load_v1(["FL-001;flour;5 kg\n", "OI-001;oil;2 l\n"])
    assert [item.name for item in stock] == ["flour", "oil"]
