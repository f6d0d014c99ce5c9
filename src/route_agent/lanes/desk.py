"""What a lane may use while it works: paid calls, a place to edit, the clock. Nothing else is in reach."""

from __future__ import annotations

import secrets
import time
from contextlib import contextmanager
from copy import copy
from dataclasses import dataclass, field, replace
from functools import partial
from typing import TYPE_CHECKING, Protocol

from route_agent.errors import LimitReached, ProviderError
from route_agent.lanes.terms import TYPICAL_OUTPUT_TOKENS, Meter, Terms
from route_agent.ledger.reuse import request_key
from route_agent.records.events import Event, Step
from route_agent.records.exchanges import Exchange
from route_agent.records.lanes import CallState, Purpose
from route_agent.withholding import without_secrets

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping
    from pathlib import Path

    from route_agent.asking import Need
    from route_agent.ledger.budget import Purse, Reservation
    from route_agent.records.change import Change
    from route_agent.records.events import Listener
    from route_agent.records.lanes import Call, ModelReply, Prompt
    from route_agent.repo.shelf import Shelf
    from route_agent.sandbox.process import Finished

# of what is left, what is set aside for work without a sum of its own: a test for the brief and a review must
# be paid beside it
_SHARE = 0.75


@dataclass(frozen=True, slots=True)
class Workspace:
    """A scratch at the start tree in which a fixer may run commands.

    Attributes:
        run: runs an argument list behind the walls, for at most the given seconds.
        tree: writes what the scratch holds now as a git tree and returns its id.
        agency: what an agent program gets there; None where none may work.
    """

    run: Callable[[tuple[str, ...], float], Finished]
    tree: Callable[[], str]
    agency: Agency | None = None


class Agency(Protocol):
    """The scratch for an agent program: with the network, and without the files that no model is shown.

    `home` is its private home folder; `walled` says whether anything keeps it in there.
    """

    @property
    def home(self) -> Path: ...

    @property
    def walled(self) -> bool: ...

    def hide(self, patterns: tuple[str, ...]) -> None:
        """Take more files away before it begins; they too are put back as they were."""
        ...

    def run(
        self, argv: tuple[str, ...], seconds: float, *, env: tuple[str, ...], sets: Mapping[str, str]
    ) -> Finished:
        """Run it with these variables of the user's, and with those that we set."""
        ...

    def tree(self, *, leaves: tuple[str, ...], secrets: Mapping[str, str]) -> str:
        """The tree that it made: without what it leaves lying, and with the withheld files as they were.

        Raises:
            BadPatch: it put something in the place of a withheld file.
            HostilePatch: one of the secrets, by the name of its variable, stands in a file.
        """
        ...


@dataclass(slots=True)
class Talk:
    """How far a conversation has come: its turns, and what was looked up, in words for a person."""

    iterations: int = 0
    reads: list[str] = field(default_factory=list)

    def begin(self, most: int) -> None:
        """Begin another turn.

        Raises:
            LimitReached: so many are the most.
        """
        if self.iterations >= most:
            raise LimitReached(
                f"the lane's {most} turns for one attempt are used up",
                hint="raise max_iterations of the lane in the policy",
            )
        self.iterations += 1


class Desk:
    """One attempt's means.

    Args:
        lane: the lane's name, for the ledger.
        purse: where money is reserved and settled.
        deadline: the `time.monotonic()` after which nothing may begin.
        workspace: opens a scratch for a lane that edits files itself.
        fit: what a reply makes of the start tree, by the same rules by which it will be judged.
        on: told what the lane waits for.
        leaving: a prompt as it may leave: whoever formed it, this is the one way out.
        keep: given every request and what came of it, the moment it came.
        purpose: what the calls made here are for, where a call does not say it itself.
        terms: how far an attempt of a lane may go, by its name.
        shelf: what a model may look up; nothing where there is none.
        compact: has a conversation of the desk's lane summed up.
        start: the tree that is worked on.
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
        purpose: Purpose = Purpose.PATCH,
        leaving: Callable[[Prompt], Prompt] = without_secrets,
        keep: Callable[[Exchange], None] = lambda exchange: None,
        terms: Callable[[str], Terms] = lambda lane: Terms(),
        shelf: Shelf | None = None,
        compact: Callable[[Prompt, Desk], tuple[ModelReply, Call]] | None = None,
        start: str = "",
    ) -> None:
        self.lane = lane
        self.purpose = purpose
        self.deadline = deadline
        self._purse = purse
        self._workspace = contextmanager(workspace)
        self._fit = fit
        self._on = on
        self._leaving = leaving
        self._keep = keep
        self._terms = terms
        self._shelf = shelf
        self._compact = compact
        self._start = start
        self.begin()

    def begin(self) -> None:
        """Begin an attempt: nothing was said or spent in it yet."""
        self._conversation = secrets.token_hex(4)
        self._meter = Meter(self._terms(self.lane), self.lane)
        self.talk = Talk()

    @property
    def terms(self) -> Terms:
        """How far this attempt may go."""
        return self._meter.terms

    def look_up(self, need: Need, allowed: int) -> str:
        """What a model asked to see of the start tree, in about so many bytes; or why it cannot be had."""
        return self._shelf.look_up(need, allowed) if self._shelf else "nothing can be looked up here"

    def compact(self, prompt: Prompt) -> tuple[ModelReply, Call]:
        """Have a conversation summed up by the lane that the policy names for it.

        Raises:
            ProviderError: nobody does.
            LimitReached: the budget, the deadline or a cap does not allow it.
        """
        if self._compact is None:
            raise ProviderError("nobody sums this lane's conversations up", kind="no_compactor")
        return self._compact(prompt, self.doing(Purpose.COMPACT))

    def doing(self, purpose: Purpose) -> Desk:
        """This desk, for calls of another purpose."""
        other = copy(self)
        other.purpose = purpose
        return other

    def of(self, lane: str) -> Desk:
        """This desk, for calls in another lane's name."""
        other = copy(self)
        other.lane = lane
        other.begin()
        return other

    @property
    def seconds_left(self) -> float:
        """Seconds until the run's deadline, or until the lane's cap if that is sooner; never negative."""
        left = self.deadline - time.monotonic()
        return max(0.0, min(left, self._meter.seconds_left) if self._is_capped else left)

    @property
    def _is_capped(self) -> bool:
        return self.purpose not in (
            Purpose.OPINION,
            Purpose.LEVEL,
        )  # neither is part of an attempt at a patch

    def refuse_late(self) -> None:
        """Refuse to begin anything more where the time of the attempt or of the run is over.

        Raises:
            CapReached: the lane's cap is reached.
            LimitReached: the run's deadline has passed.
        """
        if self._is_capped:
            self._meter.refuse()
        if self.seconds_left <= 0:
            raise LimitReached("the run's deadline has passed", hint="raise it: --timeout SECONDS")

    def ask(
        self,
        *,
        provider: str,
        model: str,
        prompt: Prompt,
        max_output_tokens: int,
        timeout_s: float,
        send: Callable[[Prompt, float], ModelReply],
        purpose: Purpose | None = None,
        fallback_for: str = "",
        reuse: Mapping[str, object] | None = None,
    ) -> tuple[ModelReply, Call]:
        """Make one paid request: reserve its worst case, send it, record the answer the moment it is here.

        Args:
            send: makes the request with the prompt as it may leave, within the seconds it is given.
            purpose: what the call is for; the desk's own purpose where none is given.
            fallback_for: the model that was asked first and could not be reached.
            reuse: everything that is sent beside the prompt, where a stored reply to the very same request
                may answer it; None where it may not.

        Raises:
            CapReached: the lane's cap leaves no room for it, or is passed by it.
            LimitReached: the worst case does not fit what is left; nothing was sent.
            ProviderError: the request failed; the call is recorded with its class.
        """
        self.refuse_late()
        prompt = self._leaving(prompt)
        if self._is_capped:
            expected = self._purse.expected(
                provider, model, self.terms.estimate(prompt), min(max_output_tokens, TYPICAL_OUTPUT_TOKENS)
            )
            self._meter.refuse_next(prompt, expected)
        exchange = Exchange(
            call_id=0,
            conversation=self._conversation,
            lane=self.lane,
            provider=provider,
            model=model,
            purpose=purpose or self.purpose,
            prompt=prompt,
            settings={"max_output_tokens": max_output_tokens, "timeout_s": timeout_s},
            fallback_for=fallback_for,
        )
        key = self._reusable(exchange, reuse)
        if key and (again := self._again(exchange, key)):
            return again
        # what is set aside grows with every turn: the whole conversation is read, and paid, again
        reservation = self._purse.reserve(
            self.lane,
            provider,
            model,
            prompt,
            max_output_tokens,
            purpose=exchange.purpose,
            fallback_for=fallback_for,
            request_key=key,
        )
        turn = self.talk.iterations
        self._begun(model, f" · turn {turn}" if turn > 1 else "")
        exchange = replace(exchange, call_id=reservation.call_id)
        return self._sent(reservation, exchange, partial(send, prompt), min(timeout_s, self.seconds_left))

    def _reusable(self, exchange: Exchange, settings: Mapping[str, object] | None) -> str:
        """The request's key; none for opinions and tests, since who gives them is watched."""
        if settings is None or exchange.purpose in (Purpose.OPINION, Purpose.TEST):
            return ""
        return request_key(exchange.provider, exchange.model, settings, exchange.prompt, self._start)

    def _again(self, exchange: Exchange, key: str) -> tuple[ModelReply, Call] | None:
        """A stored reply to the very same request; None where there is none."""
        found = self._purse.again(
            self.lane, exchange.provider, exchange.model, exchange.prompt, key, purpose=exchange.purpose
        )
        if found is None:
            return None
        reply, call = found
        told = f"{self.lane} · {exchange.model} · a stored reply"
        self._on(Event(Step.ASK, told, lane=self.lane, model=exchange.model, about=call))
        served = reply.model_served or ""
        self._keep(replace(exchange, call_id=call.id, served=served, reply=reply.text, stop=reply.stop))
        return found

    def employ(
        self,
        *,
        provider: str,
        model: str,
        prompt: Prompt,
        usd: float | None,
        timeout_s: float,
        work: Callable[[Prompt, float, float], ModelReply],
    ) -> tuple[ModelReply, Call]:
        """Have work done by who asks models itself: a sum is set aside, and its own bill settles it.

        Args:
            usd: the sum in dollars; three quarters of what is left where none is given.
            work: does it with the prompt as it may leave, for such a sum, within so many seconds.

        Raises:
            CapReached: it took more than the lane's cap.
            LimitReached: the sum does not fit what is left; nothing was begun.
            ProviderError: it failed; the call is recorded with its class.
        """
        self.refuse_late()
        prompt = self._leaving(prompt)
        left = self._purse.left(self.lane)
        micro_usd = max(int(left * _SHARE), 1) if usd is None else round(usd * 1_000_000)
        reservation = self._purse.hold(self.lane, provider, model, micro_usd)
        sum_usd = reservation.micro_usd / 1_000_000
        self._begun(model)
        exchange = Exchange(
            call_id=reservation.call_id,
            conversation=self._conversation,
            lane=self.lane,
            provider=provider,
            model=model,
            purpose=self.purpose,
            prompt=prompt,
            settings={"usd": sum_usd, "timeout_s": timeout_s},
        )
        send = partial(work, prompt, sum_usd)
        return self._sent(reservation, exchange, send, min(timeout_s, self.seconds_left))

    def _sent(
        self,
        reservation: Reservation,
        exchange: Exchange,
        send: Callable[[float], ModelReply],
        seconds: float,
    ) -> tuple[ModelReply, Call]:
        """Send it, keep what came, and settle."""
        began = time.monotonic()
        try:
            reply = send(seconds)
        except ProviderError as error:
            state = CallState.LOST if error.maybe_billed else CallState.FAILED
            told = f"{error.kind}: {error}"
            lasted = time.monotonic() - began
            failed = self._purse.fail(reservation, state, told, lasted, partial=error.partial)
            self._meter.add(failed)
            self._ended(failed)
            self._keep(
                replace(
                    exchange,
                    state=state,
                    error=error.kind,
                    message=error.what,
                    retryable=error.retryable,
                    maybe_billed=error.maybe_billed,
                    seconds=lasted,
                )
            )
            if self._is_capped and self._meter.seconds_left <= 0:  # it was hung up on for the cap's sake
                self._meter.refuse()
            raise
        except BaseException as cause:
            # an interrupted request may still be billed: it stays charged at what was reserved
            name = type(cause).__name__
            self._ended(self._purse.fail(reservation, CallState.LOST, name, time.monotonic() - began))
            self._keep(replace(exchange, state=CallState.LOST, error=name, seconds=time.monotonic() - began))
            raise
        ended = time.monotonic() - began
        # kept first: what is found to be a secret in it is none of the ledger's either
        self._keep(
            replace(
                exchange,
                served=reply.model_served or "",
                reply=reply.text,
                stop=reply.stop,
                usage=reply.usage,
                request_id=reply.request_id,
                seconds=ended,
            )
        )
        call = self._purse.settle(reservation, reply, ended)
        self._meter.add(call)
        self._ended(call)
        if self._is_capped:
            self._meter.refuse()
        return reply, call

    def _begun(self, model: str, more: str = "") -> None:
        told = f"{self.lane} · {model}{more}"
        money = self._purse.money
        self._on(Event(Step.ASK, told, stage="begun", lane=self.lane, model=model, money=money))

    def _ended(self, call: Call) -> None:
        model, money = call.model_requested, self._purse.money
        self._on(Event(Step.ASK, "", stage="ended", lane=self.lane, model=model, money=money, about=call))

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
