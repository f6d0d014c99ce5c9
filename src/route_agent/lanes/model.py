"""A lane that asks a model over HTTP, and others where its provider fails."""

from __future__ import annotations

import random
import time
from dataclasses import asdict
from importlib import import_module
from typing import TYPE_CHECKING

from route_agent.errors import ProviderError
from route_agent.lanes import anthropic, openai
from route_agent.lanes.answers import require_whole
from route_agent.lanes.base import converse
from route_agent.lanes.style import style_of

if TYPE_CHECKING:
    from collections.abc import Sequence

    from route_agent.config import Endpoint
    from route_agent.lanes.desk import Desk
    from route_agent.lanes.style import Style
    from route_agent.policy import LaneSpec
    from route_agent.records.lanes import Call, ModelReply, Prompt, Proposal, Request

TRIES = 3
LONGEST_WAIT_S = 60.0

_WIRES = {"anthropic": anthropic.complete, "openai": openai.complete}

# what is wrong with the request stays wrong wherever it is sent: the lane's own settings are to blame
_OUR_FAULT = frozenset({"bad_request", "context_window", "request_too_large"})


class _Seat:
    """One model behind one endpoint, and how it is to be asked: as far as was found out by asking."""

    def __init__(self, endpoint: Endpoint, model: str, spec: LaneSpec, fallback_for: str = "") -> None:
        self.endpoint = endpoint
        self.model = model
        self.fallback_for = fallback_for
        self.style: Style = style_of(endpoint, model, spec)
        self._styles = {self.style}

    @property
    def has_key(self) -> bool:
        return not self.endpoint.provider.key_env or bool(self.endpoint.key.strip())

    def learns(self, parameter: str) -> bool:
        """Leave out what was refused by name; False where nothing is left to leave out.

        The lane's effort and temperature are its own model's: a fallback that does not know them is asked
        without, while the lane's own model is not, since the policy asks for what it cannot have.
        """
        lesser = self.style.without(parameter, lenient=bool(self.fallback_for)) if parameter else None
        if lesser is None or lesser in self._styles:
            return False
        self._styles.add(lesser)
        self.style = lesser
        return True


class ModelLane:
    """One model behind one endpoint, with others that are asked only where that provider fails.

    Args:
        name: the lane's name in the policy.
        spec: model and limits.
        endpoint: address and key.
        fallbacks: who is asked next, in this order; one without its key is passed over.
        first_wait_s: about how many seconds to wait after the first failed try; doubled after each.
    """

    def __init__(
        self,
        name: str,
        spec: LaneSpec,
        endpoint: Endpoint,
        *,
        fallbacks: Sequence[tuple[Endpoint, str]] = (),
        first_wait_s: float = 1.0,
    ) -> None:
        self.name = name
        self.provider = endpoint.name
        self.model = spec.model
        self._spec = spec
        self._first_wait_s = first_wait_s
        self._own = _Seat(endpoint, spec.model, spec)
        others = (_Seat(other, model, spec, fallback_for=spec.model) for other, model in fallbacks)
        self._seats = [self._own, *(seat for seat in others if seat.has_key)]

    def propose(self, request: Request, desk: Desk) -> Proposal:
        """Ask the model, and once more where its patch has no home.

        The same request is made again only where the provider, not the answer, was at fault.

        Raises:
            ProviderError: no key, no answer, or no whole answer.
            LimitReached: the budget or the deadline does not allow another call.
        """
        self._require_key()
        return converse(request.prompt, desk, lambda prompt: self._ask(prompt, desk))

    def answer(self, prompt: Prompt, desk: Desk) -> tuple[ModelReply, Call]:
        """Ask the model for text that is no patch: an opinion, for one.

        Raises:
            ProviderError: no key, no answer, or no whole answer; what was paid is recorded all the same.
            LimitReached: the budget or the deadline does not allow the call.
        """
        self._require_key()
        reply, call = self._ask(prompt, desk)
        require_whole(reply, call.model_requested)
        return reply, call

    def _require_key(self) -> None:
        if not self._own.has_key:
            key_env = self._own.endpoint.provider.key_env
            raise ProviderError(
                f"no key for lane {self.name}: {key_env} is not set",
                kind="no_key",
                hint=f"set {key_env}, or use a lane that needs none",
            )

    def _ask(self, prompt: Prompt, desk: Desk) -> tuple[ModelReply, Call]:
        """The answer of the first who gives one.

        An answer that is refused, filtered or cut at its limit is an answer: nobody else is asked for a
        better one, since that is what the next lane is for. Whoever answered is asked first the next time,
        because the conversation is in its cache.
        """
        failures: list[ProviderError] = []
        for seat in tuple(self._seats):
            try:
                answer = self._ask_patiently(seat, prompt, desk)
            except ProviderError as error:
                failures.append(error)
                if (error.kind in _OUR_FAULT and len(failures) == 1) or desk.seconds_left <= 0:
                    break
            else:
                at = self._seats.index(seat)
                self._seats = [*self._seats[at:], *self._seats[:at]]
                return answer
        raise _together(failures)

    def _ask_patiently(self, seat: _Seat, prompt: Prompt, desk: Desk) -> tuple[ModelReply, Call]:
        """Ask one of them, again where a wait may help or where it must be asked otherwise."""
        # importing an SDK takes a second or more, which is not the model's
        import_module(seat.endpoint.provider.wire)
        tries = 0
        while True:
            try:
                return self._ask_once(seat, prompt, desk)
            except ProviderError as error:
                if seat.learns(error.parameter):
                    continue
                tries += 1
                wait = self._wait_after(error, tries)
                if (
                    not error.retryable
                    or tries == TRIES
                    or wait > LONGEST_WAIT_S
                    or wait >= desk.seconds_left
                ):
                    raise
            time.sleep(wait)

    def _ask_once(self, seat: _Seat, prompt: Prompt, desk: Desk) -> tuple[ModelReply, Call]:
        complete, style = _WIRES[seat.endpoint.provider.wire], seat.style
        return desk.ask(
            provider=seat.endpoint.name,
            model=seat.model,
            prompt=prompt,
            max_output_tokens=self._spec.max_output_tokens,
            timeout_s=self._spec.timeout_s,
            send=lambda leaving, seconds: complete(
                seat.endpoint,
                seat.model,
                leaving,
                max_output_tokens=self._spec.max_output_tokens,
                timeout_s=seconds,
                style=style,
            ),
            fallback_for=seat.fallback_for,
            reuse=self._sent_beside(seat) if self._spec.reuse else None,
        )

    def _sent_beside(self, seat: _Seat) -> dict[str, object]:
        """Everything by which two requests with the same words may differ."""
        provider = seat.endpoint.provider
        return {
            **asdict(seat.style),
            "wire": provider.wire,
            "base_url": provider.base_url,
            "version": provider.version,
            "headers": provider.headers,  # of a gateway they choose who answers
            "max_output_tokens": self._spec.max_output_tokens,
        }

    def _wait_after(self, error: ProviderError, tries: int) -> float:
        """Seconds to wait: what was asked for and more, so that not all runs come back at once."""
        spread = random.uniform(0.5, 1.0)  # noqa: S311 - no secret hangs on it
        asked = (error.retry_after or 0.0) * (0.9 + 0.2 * spread)
        return max(self._first_wait_s * 2.0 ** (tries - 1) * spread, asked)


def _together(failures: Sequence[ProviderError]) -> ProviderError:
    """The failure of who was asked first, with what became of the others that were asked instead."""
    first = failures[0]
    if len(failures) == 1:
        return first
    told = "; ".join(str(error) for error in failures[1:])
    return ProviderError(f"{first.what}; asked instead: {told}", kind=first.kind, hint=first.hint)
