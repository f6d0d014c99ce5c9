from __future__ import annotations

from collections.abc import Callable
from typing import Any

from .errors import UnknownKind

Handler = Callable[[dict[str, Any]], None]


class Registry:
    """Which handler does which kind of job."""

    def __init__(self) -> None:
        self._handlers: dict[str, Handler] = {}

    def register(self, kind: str) -> Callable[[Handler], Handler]:
        def wrap(handler: Handler) -> Handler:
            if kind in self._handlers:
                raise ValueError(f"{kind} has a handler already")
            self._handlers[kind] = handler
            return handler

        return wrap

    def get(self, kind: str) -> Handler:
        try:
            return self._handlers[kind]
        except KeyError:
            raise UnknownKind(kind)

    def kinds(self) -> list[str]:
        return sorted(self._handlers)
