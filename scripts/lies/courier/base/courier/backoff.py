"""How long to wait before the next attempt. Attempts count from 1."""

from __future__ import annotations

import random
from dataclasses import dataclass, field
from typing import Protocol


class Backoff(Protocol):
    def delay(self, attempt: int) -> float: ...


@dataclass
class Fixed:
    seconds: float = 5.0

    def delay(self, attempt: int) -> float:
        return self.seconds


@dataclass
class Exponential:
    """base, base * factor, base * factor**2 ... up to cap; plus up to `jitter` of that at random."""

    base: float = 1.0
    factor: float = 2.0
    cap: float = 300.0
    jitter: float = 0.0
    rng: random.Random = field(default_factory=random.Random)

    def delay(self, attempt: int) -> float:
        delay = min(self.cap, self.base * self.factor ** (attempt - 1))
        if self.jitter:
            delay += delay * self.jitter * self.rng.random()
        return delay
