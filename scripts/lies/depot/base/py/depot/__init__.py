"""Stock keeping: quantities, stock and reservations."""

from depot.reservations import Ledger, NotEnough, Reservation, UnknownReservation
from depot.stock import Item, Stock, UnknownItem
from depot.units import IncompatibleUnits, Quantity, UnitError, UnknownUnit, convert, parse

__all__ = [
    "IncompatibleUnits",
    "Item",
    "Ledger",
    "NotEnough",
    "Quantity",
    "Reservation",
    "Stock",
    "UnitError",
    "UnknownItem",
    "UnknownReservation",
    "UnknownUnit",
    "convert",
    "parse",
]
