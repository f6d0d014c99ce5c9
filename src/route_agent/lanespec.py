"""One lane as the policy's file writes it: how a patch is got, and how far an attempt may go."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field, model_validator

from route_agent.records.grades import TaskClass
from route_agent.schema import Strict

MAX_USD = 1_000_000_000  # in micro-dollars it must fit the ledger's whole numbers

# words in the place of a provider's name: ways of getting a patch that are no model behind an address
FIXER = "fixer"
COMMAND = "command"
RACE = "race"
RECORDED = "recorded"
VERIFIER = "verifier"

Argv = Annotated[tuple[Annotated[str, Field(min_length=1)], ...], Field(min_length=1)]
PathPattern = Annotated[str, Field(pattern=r"^[^!]")]  # there is no negation, and none in silence
Name = Annotated[str, Field(pattern=r"^[A-Za-z0-9][A-Za-z0-9_.-]{0,63}$")]


# a share of a lane's own earlier attempts, in the place of a figure: p90 is what nine of ten stayed below
Quantile = Annotated[str, Field(pattern=r"^p[1-9][0-9]?$")]
Effort = Literal["none", "minimal", "low", "medium", "high", "xhigh", "max"]
OutputForm = Literal["auto", "schema", "json", "text"]
Preset = Literal["claude", "codex", "aider", "copilot"]
EnvName = Annotated[str, Field(pattern=r"^[A-Za-z_][A-Za-z0-9_]*$")]


class Cap(Strict):
    """The most that one attempt of a lane may take: a figure, or a quantile of the lane's own history.

    `tokens` are read and written ones together over all turns, `calls` requests, `seconds` wall time.
    A quantile counts from the lane's tenth attempt on; before that it limits nothing.
    """

    tokens: Annotated[int, Field(ge=1000)] | Quantile | None = None
    usd: Annotated[float, Field(gt=0, le=MAX_USD)] | Quantile | None = None
    calls: Annotated[int, Field(ge=1)] | Quantile | None = None
    seconds: Annotated[float, Field(gt=0)] | Quantile | None = None


class Fallback(Strict):
    """Who is asked when the lane's own provider fails; never a model of a lane further down the ladder."""

    provider: str
    model: str


class LaneSpec(Strict):
    """One way of getting a patch. Addresses, headers and key names are the user's and never stand here.

    `effort` is how long a model is to think. `temperature` is sent only where it is given, since newer models
    refuse it. `output` says how a patch is asked for: in JSON that the endpoint enforces, in plain JSON, or
    in text. `compact_at` is the estimated length in tokens from which a conversation is summed up, by the
    lane `compact_with`. `plan_with` names the lane that plans once before this one writes; `attempts` is how
    often this lane may try before the next one; `race` are two lanes that work at the same task. `examples`
    is how many accepted patches of earlier tasks are shown; `reuse` allows an earlier reply to the same
    request. A `command` lane runs an agent program: a `preset` or its own `run`, with the variables in `env`.
    """

    provider: str
    model: str = ""
    max_context_tokens: Annotated[int, Field(ge=1000)] = 32_000
    max_output_tokens: Annotated[int, Field(ge=256, le=128_000)] = 16_000
    timeout_s: Annotated[float, Field(gt=0, le=3600)] = 180
    run: tuple[Argv, ...] = ()
    classes: tuple[TaskClass, ...] = ("lint", "format")
    effort: Effort | None = None
    temperature: Annotated[float, Field(ge=0, le=2)] | None = None
    output: OutputForm = "auto"
    cache_ttl: Literal["5m", "1h"] = "5m"
    max_iterations: Annotated[int, Field(ge=1, le=100)] = 15
    cap: Cap = Cap()
    compact_at: Annotated[int, Field(ge=1000)] | None = None
    compact_with: Name | None = None
    fallbacks: tuple[Fallback, ...] = ()
    plan_with: Name | None = None
    attempts: Annotated[int, Field(ge=1, le=5)] = 1
    race: tuple[Name, ...] = ()
    examples: Annotated[int, Field(ge=0, le=5)] = 0
    reuse: bool = False
    preset: Preset | None = None
    env: tuple[EnvName, ...] = ()

    @model_validator(mode="after")
    def _fits_its_provider(self) -> LaneSpec:
        if self.provider == RECORDED:
            raise ValueError("recorded replies are only reachable through --replay, never from a policy")
        if self.provider == FIXER and (not self.run or self.model):
            raise ValueError("a fixer lane has `run` (a list of commands, each a list) and no model")
        if self.provider == COMMAND and bool(self.preset) == (len(self.run) == 1):
            raise ValueError("a command lane has a `preset` or one command in `run`, not both")
        if self.provider == RACE and (len(set(self.race)) != 2 or len(self.race) != 2 or self.model):
            raise ValueError("a race lane has `race`, the names of two lanes, and no model")
        if self.has_model and (not self.model or self.run):
            raise ValueError(f"a lane of provider {self.provider} has a `model` and no `run`")
        self._refuse_what_is_anothers()
        if (self.compact_at is None) != (self.compact_with is None):
            raise ValueError("compact_at and compact_with go together: when, and by which lane")
        return self

    def _refuse_what_is_anothers(self) -> None:
        if self.provider != COMMAND and (self.preset or self.env):
            raise ValueError("only a lane of provider command has a `preset` and `env`")
        if self.provider != RACE and self.race:
            raise ValueError("only a lane of provider race has `race`")
        modelled = {
            "effort", "temperature", "compact_at", "fallbacks", "plan_with", "examples", "reuse",
        }  # fmt: skip
        if not self.has_model and (odd := sorted(modelled & self.model_fields_set)):
            raise ValueError(
                f"a lane of provider {self.provider} has no `{odd[0]}`: it calls no model itself"
            )
        measured = {"cap", "max_iterations", "max_context_tokens", "max_output_tokens", "output", "timeout_s"}
        if self.provider == RACE and (odd := sorted(measured & self.model_fields_set)):
            raise ValueError(f"a race has no `{odd[0]}`: each of its lanes keeps its own")

    @property
    def is_fixer(self) -> bool:
        return self.provider == FIXER

    @property
    def has_model(self) -> bool:
        """Whether the lane is a model behind an address, which can also be asked for an opinion."""
        return self.provider not in (FIXER, COMMAND, RACE)
