"""What a lane may use while it works: paid calls, a place to edit, the clock. Nothing else is in reach."""

from __future__ import annotations

import time
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING

from route_agent.errors import LimitReached, ProviderError
from route_agent.records.events import Event, Step
from route_agent.records.lanes import CallState

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from route_agent.ledger.budget import Purse
    from route_agent.records.change import Change
    from route_agent.records.events import Listener
    from route_agent.records.lanes import Call, ModelReply, Prompt
    from route_agent.sandbox.process import Finished


@dataclass(frozen=True, slots=True)
class Workspace:
    """A scratch at the start tree in which a fixer may run commands.

    Attributes:
        run: runs an argument list behind the walls, for at most the given seconds.
        tree: writes what the scratch holds now as a git tree and returns its id.
    """

    run: Callable[[tuple[str, ...], float], Finished]
    tree: Callable[[], str]


class Desk:
    """One attempt's means.

    Args:
        lane: the lane's name, for the ledger.
        purse: where money is reserved and settled.
        deadline: the `time.monotonic()` after which nothing may begin.
        workspace: opens a scratch for a lane that edits files itself.
        fit: what a reply makes of the start tree, by the same rules by which it will be judged.
        on: told what the lane waits for.
    """

    def __init__(
        self,
        *,
        lane: str,
        purse: Purse,
        deadline: float,
        workspace: Callable[[str], Iterator[Workspace]],
        fit: Callable[[str], Change],
        on: Listener,
    ) -> None:
        self.lane = lane
        self.deadline = deadline
        self._purse = purse
        self._workspace = contextmanager(workspace)
        self._fit = fit
        self._on = on

    @property
    def seconds_left(self) -> float:
        """Seconds until the run's deadline, never negative."""
        return max(0.0, self.deadline - time.monotonic())

    def ask(
        self,
        *,
        provider: str,
        model: str,
        prompt: Prompt,
        max_output_tokens: int,
        timeout_s: float,
        send: Callable[[float], ModelReply],
    ) -> tuple[ModelReply, Call]:
        """Make one paid request: reserve its worst case, send it, record the answer the moment it is here.

        Args:
            send: makes the request within the seconds it is given.

        Raises:
            LimitReached: the worst case does not fit what is left; nothing was sent.
            ProviderError: the request failed; the call is recorded with its class.
        """
        if self.seconds_left <= 0:
            raise LimitReached("the run's deadline has passed", hint="raise it: --timeout SECONDS")
        # what is set aside grows with every turn: the whole conversation is read, and paid, again
        reservation = self._purse.reserve(self.lane, provider, model, prompt, max_output_tokens)
        turn = sum(it.role == "user" for it in prompt.turns)
        self._on(Event(Step.ASK, f"{self.lane} · {model}" + (f" · turn {turn}" if turn > 1 else "")))
        began = time.monotonic()
        try:
            reply = send(min(timeout_s, self.seconds_left))
        except ProviderError as error:
            state = CallState.LOST if error.maybe_billed else CallState.FAILED
            self._purse.fail(reservation, state, f"{error.kind}: {error}", time.monotonic() - began)
            raise
        except BaseException as cause:
            # an interrupted request may still be billed: it stays charged at what was reserved
            self._purse.fail(reservation, CallState.LOST, type(cause).__name__, time.monotonic() - began)
            raise
        return reply, self._purse.settle(reservation, reply, time.monotonic() - began)

    def fit(self, reply: str) -> Change:
        """What the reply's patch would change, for a lane that wants to know before it returns it.

        Raises:
            BadPatch: it holds none, or an edit has no home; the text may be sent to a model.
            HostilePatch: it leaves its bounds.
        """
        return self._fit(reply)

    @contextmanager
    def workspace(self, start: str) -> Iterator[Workspace]:
        """A scratch that holds the tree `start`, behind the same walls as the checks."""
        with self._workspace(start) as place:
            yield place
