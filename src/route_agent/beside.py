"""Work in a thread beside this one, which can always be left: by a deadline, by an interruption."""

from __future__ import annotations

import contextvars
import math
import threading
import time
from concurrent.futures import Future, wait
from typing import TYPE_CHECKING, TypeVar

if TYPE_CHECKING:
    from collections.abc import Callable
    from types import TracebackType
    from typing import Self

Result = TypeVar("Result")

_TICK_S = 0.2


def begin(work: Callable[[], Result], name: str) -> Future[Result]:
    """Begin it in a thread that does not keep the process alive."""
    future: Future[Result] = Future()
    context = contextvars.copy_context()  # what is known of secrets here is known there
    target, arguments = context.run, (_carry, work, future)
    threading.Thread(target=target, args=arguments, name=name, daemon=True).start()
    return future


def is_done(future: Future[Result], until: float = math.inf) -> bool:
    """Wait for it, at most until a `time.monotonic()`; what it raised is raised by `future.result()`."""
    while not future.done():
        if time.monotonic() >= until:
            return False
        # a signal that comes just before a wait begins is only seen when it is over: no wait is long
        wait([future], timeout=_TICK_S)
    return True


class _Carried:
    """Takes what a thread raises to where its result is waited for: a bug of ours keeps its traceback."""

    def __init__(self, future: Future[Result]) -> None:
        self._future = future

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> bool:
        if error is not None:
            self._future.set_exception(error)
        return True


def _carry(work: Callable[[], Result], future: Future[Result]) -> None:
    with _Carried(future):
        future.set_result(work())
