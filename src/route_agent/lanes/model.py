"""A lane that asks a model over HTTP."""

from __future__ import annotations

import random
import time
from functools import partial
from importlib import import_module
from typing import TYPE_CHECKING

from route_agent.errors import ProviderError
from route_agent.lanes import anthropic, openai
from route_agent.lanes.answers import require_whole
from route_agent.lanes.base import converse

if TYPE_CHECKING:
    from route_agent.config import Endpoint
    from route_agent.lanes.desk import Desk
    from route_agent.policy import LaneSpec
    from route_agent.records.lanes import Call, ModelReply, Prompt, Proposal, Request

TRIES = 3
LONGEST_WAIT_S = 60.0

_WIRES = {"anthropic": anthropic.complete, "openai": openai.complete}


class ModelLane:
    """One model behind one endpoint.

    Args:
        name: the lane's name in the policy.
        spec: model and limits.
        endpoint: address and key.
        first_wait_s: about how many seconds to wait after the first failed try; doubled after each.
    """

    def __init__(self, name: str, spec: LaneSpec, endpoint: Endpoint, *, first_wait_s: float = 1.0) -> None:
        self.name = name
        self.provider = endpoint.name
        self.model = spec.model
        self._spec = spec
        self._endpoint = endpoint
        self._first_wait_s = first_wait_s

    def propose(self, request: Request, desk: Desk) -> Proposal:
        """Ask the model, and once more where its patch has no home.

        The same request is made again only where the provider, not the answer, was at fault.

        Raises:
            ProviderError: no key, no answer, or no whole answer.
            LimitReached: the budget or the deadline does not allow another call.
        """
        self._make_ready()
        return converse(request.prompt, desk, lambda prompt: self._ask(prompt, desk))

    def answer(self, prompt: Prompt, desk: Desk) -> tuple[ModelReply, Call]:
        """Ask the model for text that is no patch: an opinion, for one.

        Raises:
            ProviderError: no key, no answer, or no whole answer; what was paid is recorded all the same.
            LimitReached: the budget or the deadline does not allow the call.
        """
        self._make_ready()
        reply, call = self._ask(prompt, desk)
        require_whole(reply, call.model_requested)
        return reply, call

    def _make_ready(self) -> None:
        key_env = self._endpoint.provider.key_env
        if key_env and not self._endpoint.key.strip():
            raise ProviderError(
                f"no key for lane {self.name}: {key_env} is not set",
                kind="no_key",
                hint=f"set {key_env}, or use a lane that needs none",
            )
        # importing an SDK takes a second or more, which is not the model's
        import_module(self._endpoint.provider.wire)

    def _ask(self, prompt: Prompt, desk: Desk) -> tuple[ModelReply, Call]:
        tries = 0
        while True:
            try:
                return self._ask_once(prompt, desk)
            except ProviderError as error:
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

    def _ask_once(self, prompt: Prompt, desk: Desk) -> tuple[ModelReply, Call]:
        send = partial(
            _WIRES[self._endpoint.provider.wire],
            self._endpoint,
            self.model,
            prompt,
            max_output_tokens=self._spec.max_output_tokens,
        )
        return desk.ask(
            provider=self.provider,
            model=self.model,
            prompt=prompt,
            max_output_tokens=self._spec.max_output_tokens,
            timeout_s=self._spec.timeout_s,
            send=lambda seconds: send(timeout_s=seconds),
        )

    def _wait_after(self, error: ProviderError, tries: int) -> float:
        """Seconds to wait: as long as was asked for, and spread, so that many runs do not return at once."""
        spread = random.uniform(0.5, 1.0)  # noqa: S311 - no secret hangs on it
        return max(self._first_wait_s * 2.0 ** (tries - 1) * spread, error.retry_after or 0.0)
