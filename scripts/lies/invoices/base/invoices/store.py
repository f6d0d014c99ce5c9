"""One JSON file per invoice in a directory."""

from __future__ import annotations

import json
import os
from pathlib import Path

from .codec import invoice_from_dict, invoice_to_dict
from .errors import NotFound
from .invoice import Invoice
from .numbering import next_number, parse_number


class Store:
    def __init__(self, root: Path) -> None:
        self.root = Path(root)
        self.root.mkdir(parents=True, exist_ok=True)

    def _path(self, number: str) -> Path:
        parse_number(number)
        return self.root / f"{number}.json"

    def save(self, invoice: Invoice) -> None:
        path = self._path(invoice.number)
        part = path.with_suffix(".part")
        part.write_text(json.dumps(invoice_to_dict(invoice), indent=1), encoding="utf-8")
        os.replace(part, path)

    def load(self, number: str) -> Invoice:
        path = self._path(number)
        if not path.exists():
            raise NotFound(number)
        return invoice_from_dict(json.loads(path.read_text(encoding="utf-8")))

    def delete(self, number: str) -> None:
        path = self._path(number)
        if not path.exists():
            raise NotFound(number)
        path.unlink()

    def numbers(self) -> list[str]:
        return sorted((path.stem for path in self.root.glob("*.json")), key=parse_number)

    def all(self) -> list[Invoice]:
        return [self.load(number) for number in self.numbers()]

    def of_customer(self, customer: str) -> list[Invoice]:
        return [invoice for invoice in self.all() if invoice.customer == customer]

    def next_number(self, year: int) -> str:
        return next_number(self.numbers(), year)
