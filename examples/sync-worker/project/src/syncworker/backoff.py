"""How long to wait before a busy remote is asked again."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Backoff:
    """Pauses that grow by `factor` from `base` up to `ceiling`, all in seconds.

    After `max_attempts` failures in a row a job is given up.
    """

    base: float = 1.0
    factor: float = 2.0
    ceiling: float = 60.0
    max_attempts: int = 8

    def __post_init__(self) -> None:
        if self.base <= 0 or self.factor < 1 or self.max_attempts < 1:
            raise ValueError("base must be above 0, factor and max_attempts at least 1")

    def delay(self, attempts: int) -> float:
        """Seconds to wait after that many failed attempts (1 or more)."""
        if attempts < 1:
            raise ValueError("a delay follows at least one attempt")
        return min(self.ceiling, self.base * self.factor ** (attempts - 1))
