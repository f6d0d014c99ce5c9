"""Who gets what of the stock."""

from dataclasses import dataclass
from decimal import Decimal

from depot.stock import Stock
from depot.units import FACTORS, IncompatibleUnits, Quantity, UnknownUnit


class NotEnough(ValueError):
    pass


class UnknownReservation(KeyError):
    pass


@dataclass(frozen=True)
class Reservation:
    id: int
    sku: str
    quantity: Quantity
    until: int


def _convert(quantity: Quantity, unit: str) -> Decimal:
    for name in (quantity.unit, unit):
        if name not in FACTORS:
            raise UnknownUnit(f"unknown unit: {name}")
    if FACTORS[quantity.unit][0] != FACTORS[unit][0]:
        raise IncompatibleUnits(f"{quantity.unit} is no {FACTORS[unit][0]}")
    return quantity.amount * FACTORS[quantity.unit][1] / FACTORS[unit][1]


class Ledger:
    """Reservations on a stock. Times are seconds, handed in by the caller."""

    def __init__(self, stock: Stock) -> None:
        self.stock = stock
        self._open: dict[int, Reservation] = {}
        self._last_id = 0

    def __len__(self) -> int:
        return len(self._open)

    def held(self, sku: str, now: int) -> Quantity:
        """What is reserved of an item, in the unit of its stock."""
        unit = self.stock[sku].on_hand.unit
        amount = sum(
            (_convert(entry.quantity, unit) for entry in self._open.values() if entry.sku == sku),
            Decimal(0),
        )
        return Quantity(amount, unit)

    def available(self, sku: str, now: int) -> Quantity:
        on_hand = self.stock[sku].on_hand
        return Quantity(on_hand.amount - self.held(sku, now).amount, on_hand.unit)

    def reserve(self, sku: str, quantity: Quantity, now: int, until: int) -> Reservation:
        on_hand = self.stock[sku].on_hand
        taken = sum(
            (
                _convert(entry.quantity, on_hand.unit)
                for entry in self._open.values()
                if entry.sku == sku
            ),
            Decimal(0),
        )
        if _convert(quantity, on_hand.unit) > on_hand.amount - taken:
            raise NotEnough(f"not enough {sku} for {quantity}")
        self._last_id += 1
        entry = Reservation(self._last_id, sku, quantity, until)
        self._open[entry.id] = entry
        return entry

    def release(self, id: int) -> Reservation:
        """Gives up a reservation; the stock is as it was."""
        try:
            return self._open.pop(id)
        except KeyError:
            raise UnknownReservation(id) from None

    def commit(self, id: int, now: int) -> None:
        """Takes what was reserved off the shelf. A reservation that is over cannot be committed."""
        if id not in self._open:
            raise UnknownReservation(id)
        entry = self._open[id]
        if entry.until <= now:
            raise ValueError(f"reservation {id} is over")
        self.stock.issue(entry.sku, entry.quantity)
        del self._open[id]

    def expire(self, now: int) -> list[int]:
        """Drops the reservations that are over and tells their ids."""
        over = sorted(id for id, entry in self._open.items() if entry.until <= now)
        for id in over:
            del self._open[id]
        return over
