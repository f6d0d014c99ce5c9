"""What is on the shelves."""

from collections.abc import Iterable
from dataclasses import dataclass, replace
from decimal import Decimal

from depot import schema
from depot.units import FACTORS, IncompatibleUnits, Quantity, UnknownUnit, add, parse, subtract


class UnknownItem(KeyError):
    pass


@dataclass(frozen=True)
class Item:
    sku: str
    name: str
    on_hand: Quantity
    reorder_at: Quantity | None = None
    tags: tuple[str, ...] = ()

    @property
    def low(self) -> bool:
        """True when it is time to order more of it."""
        if self.reorder_at is None:
            return False
        return self.on_hand.amount <= self.reorder_at.amount


def _amount_in(quantity: Quantity, unit: str) -> Decimal:
    if unit not in FACTORS:
        raise UnknownUnit(f"unknown unit: {unit}")
    dimension, factor = FACTORS[quantity.unit]
    target, divisor = FACTORS[unit]
    if dimension != target:
        raise IncompatibleUnits(f"{quantity.unit} is {dimension}, {unit} is {target}")
    return quantity.amount * factor / divisor


class Stock:
    def __init__(self, items: Iterable[Item] = ()) -> None:
        self._items = {item.sku: item for item in items}

    def __iter__(self):
        return iter(self._items.values())

    def __getitem__(self, sku: str) -> Item:
        try:
            return self._items[sku]
        except KeyError:
            raise UnknownItem(sku) from None

    def receive(self, sku: str, quantity: Quantity) -> Item:
        item = self[sku]
        return self._put(replace(item, on_hand=add(item.on_hand, quantity)))

    def issue(self, sku: str, quantity: Quantity) -> Item:
        """Takes something off the shelf; there must be enough of it."""
        item = self[sku]
        left = subtract(item.on_hand, quantity)
        if left.amount < 0:
            raise ValueError(f"only {item.on_hand} of {sku}")
        return self._put(replace(item, on_hand=left))

    def low(self) -> list[str]:
        return sorted(item.sku for item in self if item.low)

    def total(self, unit: str) -> Quantity:
        """All that can be counted in a unit, in that unit."""
        amount = Decimal(0)
        for item in self:
            try:
                amount += _amount_in(item.on_hand, unit)
            except IncompatibleUnits:
                continue
        return Quantity(amount, unit)

    def _put(self, item: Item) -> Item:
        self._items[item.sku] = item
        return item


def load(rows: Iterable[dict]) -> Stock:
    """Stock from the rows of a file; the first row that is not an item is an error."""
    items = []
    for row in rows:
        errors = schema.check(row, schema.load("item"))
        if errors:
            raise ValueError(f"{row.get('sku', '?')}: bad {', '.join(errors)}")
        reorder_at = row.get("reorder_at")
        items.append(
            Item(
                sku=row["sku"],
                name=row["name"],
                on_hand=parse(row["on_hand"]),
                reorder_at=parse(reorder_at) if reorder_at else None,
                tags=tuple(row.get("tags", ())),
            )
        )
    return Stock(items)


def load_v1(lines: Iterable[str]) -> Stock:
    """Stock from the old format, `sku;name;quantity` on each line. To be removed in 1.5."""
    rows = []
    for line in lines:
        sku, name, quantity = line.strip().split(";")
        rows.append({"sku": sku, "name": name, "on_hand": quantity})
    return load(rows)
