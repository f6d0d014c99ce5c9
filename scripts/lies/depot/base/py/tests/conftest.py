import json

import pytest

from depot import Item, Ledger, Stock, parse
from depot.units import SHARED


def load_cases(kind):
    """The rows of one kind from all files in shared/cases."""
    rows = []
    for path in sorted((SHARED / "cases").glob("*.json")):
        rows += [row for row in json.loads(path.read_text()) if row["kind"] == kind]
    return rows


@pytest.fixture
def cases():
    return load_cases


@pytest.fixture
def stock():
    return Stock(
        [
            Item("FL-001", "flour", parse("10 kg"), reorder_at=parse("4 kg")),
            Item("OI-001", "oil", parse("3 l"), reorder_at=parse("5 l")),
            Item("EG-001", "eggs", parse("5 dozen")),
        ]
    )


@pytest.fixture
def ledger(stock):
    return Ledger(stock)
