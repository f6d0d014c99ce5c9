"""How long a push may be held, whatever it is that takes so long."""

from __future__ import annotations

import os
import signal
import sys
import time
from typing import TYPE_CHECKING, Self

if TYPE_CHECKING:
    from types import FrameType

GRACE_S = 20.0  # for ending what runs and giving back what was borrowed; after it nothing is waited for


class TimeUp(BaseException):
    """The push was held for as long as it may be. What was under way has been ended while this passed by."""


class Deadline:
    """Raises `TimeUp` in the main thread when the time is up; a second time it ends the process.

    Args:
        seconds: from now on, as long as nothing else was said.
        exit_code: the process's own, where even ending things takes too long.
        margin: seconds beyond them, for who watches the same deadline and can tell more about its end.
    """

    def __init__(self, seconds: float, exit_code: int, margin: float = 0.0) -> None:
        self._began = time.monotonic()
        self._passed = False
        self._margin = margin
        self.seconds = seconds
        self.exit_code = exit_code

    def __enter__(self) -> Self:
        signal.signal(signal.SIGALRM, self._ring)
        self.set(self.seconds, self.exit_code)
        return self

    def __exit__(self, *exception: object) -> None:
        self.cancel()
        signal.signal(signal.SIGALRM, signal.SIG_DFL)

    @property
    def passed(self) -> bool:
        """Whether the time is up."""
        return self._passed or time.monotonic() - self._began >= self.seconds

    def cancel(self) -> None:
        """What was held is held no longer."""
        signal.setitimer(signal.ITIMER_REAL, 0)

    def set(self, seconds: float, exit_code: int) -> None:
        """Allow so many seconds in all, counted from the beginning, and end with this code after them."""
        self.seconds, self.exit_code = seconds, exit_code
        left = seconds + self._margin - (time.monotonic() - self._began)
        signal.setitimer(signal.ITIMER_REAL, max(left, 0.001))

    def _ring(self, number: int, frame: FrameType | None) -> None:
        if self._passed:
            sys.stderr.write("route-agent: ending the checks takes too long, and is left to the next run\n")
            sys.stderr.flush()
            os._exit(self.exit_code)
        self._passed = True
        signal.setitimer(signal.ITIMER_REAL, GRACE_S)
        raise TimeUp
