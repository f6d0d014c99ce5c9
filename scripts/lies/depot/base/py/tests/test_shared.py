from decimal import Decimal

import pytest

from depot import IncompatibleUnits, Quantity, UnitError, UnknownUnit, convert, parse, schema
from depot.units import add, subtract


def test_parse_cases(cases):
    for row in cases("parse"):
        if row.get("error"):
            with pytest.raises(UnitError):
                parse(row["text"])
        else:
            expected = Quantity(Decimal(row["amount"]), row["unit"])
            assert parse(row["text"]) == expected, row["text"]


def test_convert_cases(cases):
    for row in cases("convert"):
        assert convert(parse(row["from"]), row["to"]).amount == Decimal(row["amount"])


def test_convert_needs_one_dimension():
    with pytest.raises(IncompatibleUnits):
        convert(parse("1 kg"), "l")


def test_unknown_unit():
    with pytest.raises(UnknownUnit, match="stone"):
        convert(parse("1 kg"), "stone")


def test_add_and_subtract():
    assert add(parse("1 kg"), parse("250 g")) == Quantity(Decimal("1.25"), "kg")
    assert subtract(parse("1 kg"), parse("1500 g")).amount < 0


def test_str():
    assert str(parse("2.50 kg")) == "2.5 kg"
    assert str(parse("100 g")) == "100 g"


def test_item_cases(cases):
    for row in cases("item"):
        assert schema.check(row["value"], schema.load("item")) == row["errors"]


def test_reservation_cases(cases):
    for row in cases("reservation"):
        assert schema.check(row["value"], schema.load("reservation")) == row["errors"]


def test_true_is_no_number():
    assert schema.check(True, {"type": "number"}) == [""]
    assert schema.check(True, {"type": "boolean"}) == []
