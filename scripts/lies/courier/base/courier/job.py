from __future__ import annotations

from dataclasses import dataclass, field
from enum import StrEnum
from typing import Any


class State(StrEnum):
    READY = "ready"
    LEASED = "leased"
    DONE = "done"
    DEAD = "dead"


@dataclass
class Job:
    id: int
    kind: str
    payload: dict[str, Any] = field(default_factory=dict)
    max_attempts: int = 3
    attempts: int = 0
    run_at: float = 0.0
    state: State = State.READY
    lease_owner: str | None = None
    lease_until: float = 0.0
    finished_at: float | None = None
    error: str | None = None

    @property
    def finished(self) -> bool:
        return self.state in (State.DONE, State.DEAD)
