"""What is asked of a lane and what it gives back."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from enum import StrEnum
from typing import Any, Literal


class CallState(StrEnum):
    """How far a paid call came. `LOST` calls count against the budget at what was reserved for them."""

    RESERVED = "reserved"
    DONE = "done"
    FAILED = "failed"
    LOST = "lost"


class Purpose(StrEnum):
    """What a call is for: a row of statistics about patches counts none of the others."""

    PATCH = "patch"
    PLAN = "plan"
    COMPACT = "compact"
    OPINION = "opinion"
    TEST = "test"
    LEVEL = "level"


@dataclass(frozen=True, slots=True)
class Usage:
    """Tokens of one call. `input_total` and `output_total` include their cached and reasoning parts.

    Providers differ (one counts cached input apart, one within); lanes normalise to this superset.
    `cache_write` is all that was written to a cache, `cache_write_1h` the part of it that is kept for an hour
    (the dearer one). `provider_cost_usd` is the provider's own figure where the answer has one. `is_estimate`
    says that we counted what arrived, because the provider's own counts never came.
    """

    input_total: int = 0
    cache_read: int = 0
    cache_write: int = 0
    output_total: int = 0
    reasoning: int = 0
    provider_cost_usd: float | None = None
    cache_write_1h: int = 0
    is_estimate: bool = False


@dataclass(frozen=True, slots=True)
class Call:
    """One request to a model, paid or not. Money is in integer micro-dollars; None is unknown, never 0.

    `reserved_micro_usd` is what was set aside before the request: the worst that it could cost. `price_basis`
    says where the price is from (`provider`, `rates`, `genai-prices 0.2.3`, `free`), and is empty where it is
    unknown. `saved_micro_usd` is what the provider's cache saved against the same tokens uncached, below 0
    where writing it cost more than reading it saved. `estimated_tokens` is what we took the prompt for. A
    `reused` call was answered from a stored reply: nothing was sent. `fallback_for` is the model that was
    asked first and could not be reached.
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
    purpose: Purpose = Purpose.PATCH
    price_basis: str = ""
    saved_micro_usd: int | None = None
    estimated_tokens: int = 0
    reused: bool = False
    fallback_for: str = ""

    @property
    def other_model_answered(self) -> bool:
        """Whether another model answered than was asked; such rows leave the lane's statistics.

        A dated or prefixed form of the same name is the same model.
        """
        return is_other_model(self.model_requested, self.model_served)

    @property
    def fallback_answered(self) -> bool:
        """Whether a model of another name answered because the lane's own could not be reached.

        Such rows leave the lane's statistics as well. The same model at another provider is the lane's own.
        """
        if not self.fallback_for or self.state is not CallState.DONE:
            return False
        return is_other_model(self.fallback_for, self.model_requested)

    @property
    def overrun_micro_usd(self) -> int:
        """How much more it cost than was set aside, where the provider counted more than we expected."""
        return max(0, (self.cost_micro_usd or 0) - self.reserved_micro_usd)


# what a provider adds to a model's name for one edition of it: a date, a number of three digits or more
_EDITION = re.compile(r"([-@](\d{3,8}|\d{2}-\d{2}|\d{4}-\d{2}-\d{2}|v\d+|latest|preview|exp))*(:.*)?")


def is_other_model(requested: str, served: str | None) -> bool:
    """Whether the provider names another model than was asked for; one that it does not name is none.

    `claude-opus-5-5-20260901` is `anthropic/claude-opus-5.5`; it is not `claude-opus-5`.
    """
    if not served:
        return False
    asked, answered = (name.rsplit("/", 1)[-1].lower().replace(".", "-") for name in (requested, served))
    asked = asked.split(":")[0].removesuffix("-latest")
    return not (answered.startswith(asked) and _EDITION.fullmatch(answered.removeprefix(asked)))


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
class Shape:
    """The JSON that an answer is to be, for endpoints that can enforce it: a name and a JSON Schema."""

    name: str
    schema: Mapping[str, Any] = field(compare=False)


@dataclass(frozen=True, slots=True)
class Prompt:
    """What a model reads: the part that never changes first (providers cache it), the task last.

    `system` is the same for every task, `project` for every task of one repository at one base (its rules and
    outline), `user` for every attempt at one task. `later` are the turns after the task, the model's own
    first. They only ever grow at the end, so what was sent before is the beginning of what is sent next, byte
    for byte. `shape` is what the answer must be where the endpoint can see to that; the words say it as well.
    """

    system: str
    user: str
    later: tuple[Turn, ...] = ()
    project: str = ""
    shape: Shape | None = None

    @property
    def turns(self) -> tuple[Turn, ...]:
        """The whole conversation after the system part, in its order."""
        return (Turn("user", self.user), *self.later)

    @property
    def flat(self) -> Prompt:
        """The same words as one message, for whoever only asks how much there is to read."""
        return Prompt(self.system, "".join(turn.text for turn in self.turns), project=self.project)

    def followed_by(self, *turns: Turn) -> Prompt:
        """The conversation with more turns at its end."""
        return replace(self, later=(*self.later, *turns))

    @property
    def estimated_tokens(self) -> int:
        """An upper-leaning estimate: no offline tokenizer exists for today's models."""
        return -(-self.bytes * 2 // 7)

    @property
    def bytes(self) -> int:
        """The whole conversation's length in UTF-8."""
        texts = (self.system, self.project, *(turn.text for turn in self.turns))
        return sum(len(text.encode("utf-8", "surrogateescape")) for text in texts)


@dataclass(frozen=True, slots=True)
class Request:
    """What a lane is asked for: a patch against the tree `start` (a git object id).

    `failing_checks` names the checks that are red there and `task_class` the kind of task, for lanes without
    a model. `brief` is the task alone and `told` what earlier attempts failed with, for an agent that
    reads the files itself. `racers` is what each lane of a race is asked, in its own form and size.
    """

    start: str
    prompt: Prompt
    failing_checks: tuple[str, ...] = ()
    task_class: str = "other"
    brief: str = ""
    told: str = ""
    racers: tuple[Request, ...] = ()


@dataclass(frozen=True, slots=True)
class Proposal:
    """What a lane returned: a `reply` to read edits from, or a `tree` that it edited itself.

    `repairs` is how often it was asked for another patch, because the one before had no home, and answered.
    `iterations` counts the turns of the conversation, `reads` says what the lane asked to see, such as
    `read a.py:1-40`, and `plan` is what another lane had planned.
    `model` is who wrote it, where that is not the lane's own; `rivals` are two proposals of which at most one
    will count.
    """

    calls: tuple[Call, ...] = ()
    reply: str | None = None
    tree: str | None = None
    summary: str = ""
    repairs: int = 0
    iterations: int = 0
    reads: tuple[str, ...] = ()
    plan: str = ""
    model: str = ""
    rivals: tuple[Proposal, ...] = ()
