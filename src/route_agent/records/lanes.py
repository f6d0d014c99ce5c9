"""What is asked of a lane and what it gives back."""

from __future__ import annotations

from dataclasses import dataclass, replace
from enum import StrEnum
from typing import Literal


class CallState(StrEnum):
    """How far a paid call came. `LOST` calls count against the budget at what was reserved for them."""

    RESERVED = "reserved"
    DONE = "done"
    FAILED = "failed"
    LOST = "lost"


@dataclass(frozen=True, slots=True)
class Usage:
    """Tokens of one call. `input_total` and `output_total` include their cached and reasoning parts.

    Providers differ (one counts cached input apart, one within); lanes normalise to this superset.
    `provider_cost_usd` is the provider's own figure where the answer has one.
    """

    input_total: int = 0
    cache_read: int = 0
    cache_write: int = 0
    output_total: int = 0
    reasoning: int = 0
    provider_cost_usd: float | None = None


@dataclass(frozen=True, slots=True)
class Call:
    """One request to a model, paid or not. Money is in integer micro-dollars; None is unknown, never 0.

    `reserved_micro_usd` is what was set aside before the request: the worst that it could cost.
    """

    id: int
    lane: str
    provider: str
    model_requested: str
    model_served: str | None
    state: CallState
    usage: Usage | None
    cost_micro_usd: int | None
    reserved_micro_usd: int
    seconds: float
    error: str = ""

    @property
    def other_model_answered(self) -> bool:
        """Whether another model answered than was asked; such rows leave the lane's statistics.

        A dated or prefixed form of the same name is the same model.
        """
        if not self.model_served:
            return False
        asked, served = (
            name.rsplit("/", 1)[-1].lower() for name in (self.model_requested, self.model_served)
        )
        asked, served = asked.replace(".", "-"), served.replace(".", "-")
        return not served.startswith(asked.split(":")[0])


@dataclass(frozen=True, slots=True)
class ModelReply:
    """What came back from one request. `model_served` is the provider's own word for who answered.

    `usage` is None where the answer has none: its cost is then unknown, and never 0.
    """

    text: str
    model_served: str | None
    usage: Usage | None
    stop: str = ""
    request_id: str = ""


@dataclass(frozen=True, slots=True)
class Turn:
    """One message of a conversation: ours (`user`) or the model's own (`assistant`)."""

    role: Literal["user", "assistant"]
    text: str


@dataclass(frozen=True, slots=True)
class Prompt:
    """What a model reads: the part that never changes first (providers cache it), the task last.

    `later` are the turns after the task, the model's own first. They only ever grow at the end, so what was
    sent before is the beginning of what is sent next, byte for byte.
    """

    system: str
    user: str
    later: tuple[Turn, ...] = ()

    @property
    def turns(self) -> tuple[Turn, ...]:
        """The whole conversation after the system part, in its order."""
        return (Turn("user", self.user), *self.later)

    @property
    def flat(self) -> Prompt:
        """The same words as one message, for whoever only asks how much there is to read."""
        return Prompt(self.system, "".join(turn.text for turn in self.turns))

    def followed_by(self, *turns: Turn) -> Prompt:
        """The conversation with more turns at its end."""
        return replace(self, later=(*self.later, *turns))

    @property
    def estimated_tokens(self) -> int:
        """An upper-leaning estimate: no offline tokenizer exists for today's models."""
        return -(-len((self.system + self.flat.user).encode()) * 2 // 7)


@dataclass(frozen=True, slots=True)
class Request:
    """What a lane is asked for: a patch against the tree `start` (a git object id).

    `failing_checks` names the checks that are red there, for lanes that work without a model.
    """

    start: str
    prompt: Prompt
    failing_checks: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Proposal:
    """What a lane returned: a `reply` to read edits from, or a `tree` that it edited itself.

    `repairs` is how often it was asked for another patch, because the one before had no home, and answered.
    """

    calls: tuple[Call, ...] = ()
    reply: str | None = None
    tree: str | None = None
    summary: str = ""
    repairs: int = 0
