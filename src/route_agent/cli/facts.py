"""One line of the doctor's report."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

Status = Literal["ok", "warn", "bad"]


@dataclass(frozen=True, slots=True)
class Item:
    """One fact. `bad` makes runs impossible, `warn` makes them worse; `cure` says what to do."""

    name: str
    status: Status
    detail: str
    cure: str = ""
