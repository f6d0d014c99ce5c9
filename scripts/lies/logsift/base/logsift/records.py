"""The one data type that all modules share."""

from dataclasses import dataclass, field
from datetime import datetime


@dataclass(frozen=True)
class Record:
    """A log line; ``time`` is a naive datetime in UTC."""

    time: datetime
    level: str
    message: str
    fields: dict = field(default_factory=dict)

    def get(self, name, default=None):
        """Look up a field, the built-in ones included."""
        if name == "level":
            return self.level
        if name == "message":
            return self.message
        return self.fields.get(name, default)
