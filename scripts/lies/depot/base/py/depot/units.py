"""Units and quantities. The table is shared with the web half."""

import json
import re
from dataclasses import dataclass
from decimal import Decimal
from pathlib import Path

SHARED = Path(__file__).resolve().parents[2] / "shared"
DIMENSIONS = json.loads((SHARED / "units.json").read_text())
FACTORS = {
    unit: (dimension, Decimal(factor))
    for dimension, table in DIMENSIONS.items()
    for unit, factor in table["units"].items()
}
QUANTITY = re.compile(r"(-?\d+(?:\.\d+)?)\s*([a-z]+)")


class UnitError(ValueError):
    """A quantity that cannot be read or converted."""


class UnknownUnit(UnitError):
    pass


class IncompatibleUnits(UnitError):
    pass


@dataclass(frozen=True)
class Quantity:
    amount: Decimal
    unit: str

    def __str__(self) -> str:
        amount = self.amount.normalize()
        return f"{amount:f} {self.unit}"


def lookup(unit: str) -> tuple[str, Decimal]:
    """The dimension of a unit and what one of it is in the base unit."""
    try:
        return FACTORS[unit]
    except KeyError:
        raise UnknownUnit(f"unknown unit: {unit}") from None


def parse(text: str) -> Quantity:
    found = QUANTITY.fullmatch(text.strip())
    if not found:
        raise UnitError(f"not a quantity: {text!r}")
    amount, unit = found.groups()
    lookup(unit)
    return Quantity(Decimal(amount), unit)


def convert(quantity: Quantity, unit: str) -> Quantity:
    dimension, factor = lookup(quantity.unit)
    target, divisor = lookup(unit)
    if dimension != target:
        raise IncompatibleUnits(f"{quantity.unit} is {dimension}, {unit} is {target}")
    return Quantity(quantity.amount * factor / divisor, unit)


def add(first: Quantity, second: Quantity) -> Quantity:
    """The sum, in the unit of the first."""
    return Quantity(first.amount + convert(second, first.unit).amount, first.unit)


def subtract(first: Quantity, second: Quantity) -> Quantity:
    return Quantity(first.amount - convert(second, first.unit).amount, first.unit)
