"""The user's own file: providers and addresses, key names, rates, trust. Never read from a repository.

An organisation's file lies beneath it: providers and rates of the same name are overridden, trust adds up,
and what either asks of every policy holds.
"""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import dataclass, field
from decimal import Decimal
from pathlib import Path
from typing import Annotated, Any, Literal
from urllib.parse import urlsplit

from pydantic import Field, field_validator

from route_agent import places
from route_agent.errors import ConfigError, UsageError
from route_agent.policy import FIXER, MAX_USD, RECORDED, EnvName, LaneSpec, OutputForm, PathPattern, Preset
from route_agent.pricing import Prices, Rates
from route_agent.records.checks import IsolationLevel
from route_agent.schema import SchemaError, Strict, read, validate
from route_agent.strictness import Floor

Wire = Literal["anthropic", "openai"]
ScratchKind = Literal["auto", "overlay", "mirror"]

MAX_RATE_USD = 1_000_000  # what a call costs must fit the ledger's whole numbers

TELEMETRY_OF_ENVIRONMENT = "environment"

_LOOPBACK = frozenset({"localhost", "127.0.0.1", "::1"})


def refuse_address(value: str) -> None:
    """Refuse what is no address, would send in the clear, or holds a password.

    Raises:
        ValueError: in words for a person.
    """
    parts = urlsplit(value)
    if parts.scheme not in ("http", "https") or not parts.hostname:
        raise ValueError("an address like https://host/v1")
    if parts.scheme == "http" and parts.hostname not in _LOOPBACK:
        raise ValueError("plain http is only for this machine; use https")
    if parts.username or parts.password:
        raise ValueError("no user or password in an address; use key_env")


class Provider(Strict):
    """One address that answers in one of the two wire formats.

    `key_env` is the name of an environment variable, never the key; empty where none is needed.
    `version` and `key_header` serve gateways that want an older protocol than the SDK speaks. `output` is the
    most that it can hold an answer to (`schema`, `json`, or nothing: `text`), `output_limit` what it calls
    the limit of an answer, `cache` how a part of a request is marked for caching: by `marks` on the
    parts, by a `key`, or not at all. `auto` goes by the address, and learns from what is refused.
    """

    wire: Wire = "openai"
    base_url: str
    key_env: str = ""
    headers: dict[str, str] = {}
    version: str = ""
    key_header: Literal["authorization", "x-api-key"] = "authorization"
    free: bool = False
    stream: bool = True
    output: OutputForm = "auto"
    output_limit: Literal["auto", "max_tokens", "max_completion_tokens"] = "auto"
    cache: Literal["auto", "marks", "key", "off"] = "auto"

    @field_validator("base_url")
    @classmethod
    def _encrypted_unless_local(cls, value: str) -> str:
        refuse_address(value)
        return value


class Rate(Strict):
    """Dollars per million tokens, for models whose price is not in the price table.

    What is not given of the cache's own prices costs as much as other input, and writing for an hour as much
    as other writing.
    """

    input_usd: Annotated[float, Field(ge=0, le=MAX_RATE_USD)]
    output_usd: Annotated[float, Field(ge=0, le=MAX_RATE_USD)]
    cache_read_usd: Annotated[float, Field(ge=0, le=MAX_RATE_USD)] | None = None
    cache_write_usd: Annotated[float, Field(ge=0, le=MAX_RATE_USD)] | None = None
    cache_write_1h_usd: Annotated[float, Field(ge=0, le=MAX_RATE_USD)] | None = None


class Trust(Strict):
    """One policy file whose exposures were looked at and allowed: a repository and the file's SHA-256."""

    repository: str
    sha256: str


class Secrets(Strict):
    """Files whose secrets are known to be none, such as a test's key: patterns as in a policy's paths."""

    allow: tuple[PathPattern, ...] = ()


class Budgets(Strict):
    """The most that may be spent since midnight UTC, in dollars, whatever a repository's policy allows."""

    per_day_usd: Annotated[float, Field(gt=0, le=MAX_USD)] | None = None
    repository_per_day_usd: Annotated[float, Field(gt=0, le=MAX_USD)] | None = None
    author_per_day_usd: Annotated[float, Field(gt=0, le=MAX_USD)] | None = None


class Minutes(Strict):
    """What a minute costs in dollars: of a machine that runs checks, of a person who reads a patch.

    Without a rate of its own, a minute is counted and not priced.
    """

    check_usd: Annotated[float, Field(ge=0, le=MAX_RATE_USD)] | None = None
    review_usd: Annotated[float, Field(ge=0, le=MAX_RATE_USD)] | None = None


class Telemetry(Strict):
    """Where traces go, by OTLP over HTTP; off without an endpoint. `content`: briefs and patches, too.

    `endpoint: environment` is wherever OTEL_EXPORTER_OTLP_ENDPOINT says. `headers` names the variables that
    hold their values.
    """

    endpoint: str = ""
    headers: dict[str, EnvName] = {}
    content: bool = False

    @field_validator("endpoint")
    @classmethod
    def _encrypted_unless_local(cls, value: str) -> str:
        if value not in ("", TELEMETRY_OF_ENVIRONMENT):
            refuse_address(value)
        return value


class Config(Strict):
    """The whole file; every section may be left out.

    `commands` are the known agents that any policy may run, with the network, and the variables that
    each may get; `no_send` are files that no model is ever shown. `floor` is what every policy is held to:
    one in each file, here the organisation's before the user's.
    """

    providers: dict[str, Provider] = {}
    rates: dict[str, Rate] = {}
    least_isolation: IsolationLevel = IsolationLevel.NONE
    scratch: ScratchKind = "auto"
    secrets: Secrets = Secrets()
    budgets: Budgets = Budgets()
    minutes: Minutes = Minutes()
    telemetry: Telemetry = Telemetry()
    commands: dict[Preset, tuple[EnvName, ...]] = {}
    no_send: tuple[PathPattern, ...] = ()
    floor: tuple[Floor, ...] = ()
    trust: tuple[Trust, ...] = ()


# built without validation: it is ours, and a quick look needs none of it
BUILT_IN: Mapping[str, Provider] = {
    name: Provider.model_construct(**facts)  # type: ignore[arg-type]
    for name, facts in {
        "anthropic": {
            "wire": "anthropic",
            "base_url": "https://api.anthropic.com",
            "key_env": "ANTHROPIC_API_KEY",
        },
        "openai": {"base_url": "https://api.openai.com/v1", "key_env": "OPENAI_API_KEY"},
        "openrouter": {"base_url": "https://openrouter.ai/api/v1", "key_env": "OPENROUTER_API_KEY"},
        "ollama": {"base_url": "http://localhost:11434/v1", "free": True},
    }.items()
}


@dataclass(frozen=True, slots=True)
class Endpoint:
    """A provider with its key in hand: what a model lane needs to make a call."""

    name: str
    provider: Provider
    key: str = field(default="", repr=False)


def load_config(files: tuple[Path, ...] | None = None) -> Config:
    """Read the configuration; a missing file is an empty one.

    Args:
        files: lowest first; the organisation's and the user's own where none are given.

    Raises:
        ConfigError: a file that cannot be read or says what it may not say.
    """
    merged: dict[str, object] = {}
    layers = files if files is not None else (places.organisation_file(), places.config_file())
    for file in layers:
        try:
            text = file.read_bytes()
        except FileNotFoundError:
            continue
        except OSError as error:
            raise ConfigError(f"{file}: {error.strerror}") from error
        try:
            document = read(text, str(file))
            data = _with_name(document.data, "you" if file == layers[-1] else "the organisation")
            validate(Config, data, document, str(file))
        except SchemaError as error:
            raise ConfigError(str(error), hint="route-agent config path") from error
        for section, value in data.items():
            known = merged.get(section)
            if section == "budgets" and isinstance(known, dict):
                merged[section] = {
                    key: min((it[key] for it in (known, value) if it.get(key) is not None), default=None)
                    for key in known | value
                }
            elif section == "secrets" and isinstance(known, dict):
                merged[section] = {key: [*known.get(key, ()), *value.get(key, ())] for key in known | value}
            elif isinstance(known, dict):
                merged[section] = known | value
            elif isinstance(known, list):
                merged[section] = known + value
            elif section == "least_isolation" and known == IsolationLevel.NAMESPACES.value:
                continue  # what the organisation requires, nobody lowers
            else:
                merged[section] = value
    return Config.model_validate(merged) if merged else Config.model_construct()


def _with_name(sections: dict[str, Any], whose: str) -> dict[str, Any]:
    """A file's sections, its floor with the name of whose file it is; a list, so that floors add up."""
    floor = sections.get("floor")
    return sections | {"floor": [{"by": whose, **floor}]} if isinstance(floor, dict) else sections


def provider_named(config: Config, name: str) -> Provider:
    """The provider a policy names: the user's own definition, else a built-in one.

    Raises:
        UsageError: no such provider.
    """
    provider = config.providers.get(name) or BUILT_IN.get(name)
    if provider is None:
        known = ", ".join(sorted({*config.providers, *BUILT_IN}))
        raise UsageError(
            f'unknown provider "{name}" (known: {known})',
            hint="addresses are yours to set: route-agent config edit",
        )
    return provider


def usable(spec: LaneSpec, config: Config, environment: Mapping[str, str] = os.environ) -> bool:
    """Whether a lane entry could be called now: no key needed, or its variable holds more than blanks."""
    if not spec.has_model:
        return True
    key_env = provider_named(config, spec.provider).key_env
    return not key_env or bool(environment.get(key_env, "").strip())


def endpoint(spec: LaneSpec, config: Config, environment: Mapping[str, str] = os.environ) -> Endpoint:
    """The lane's address with its key."""
    return endpoint_of(spec.provider, config, environment)


def endpoint_of(name: str, config: Config, environment: Mapping[str, str] = os.environ) -> Endpoint:
    """A provider's address with its key; an empty key where none is needed, or none is set.

    Raises:
        UsageError: no such provider.
    """
    provider = provider_named(config, name)
    return Endpoint(name, provider, environment.get(provider.key_env, "") if provider.key_env else "")


def access_of(config: Config, name: str) -> tuple[str, str]:
    """How a provider is reached: the name of the variable that has its key, and its address without a query.

    Both are empty for what is no provider of models, such as an agent command with a login of its own.
    """
    provider = config.providers.get(name) or BUILT_IN.get(name)
    return (provider.key_env, provider.base_url.partition("?")[0]) if provider else ("", "")


def required_isolation(config: Config, environment: Mapping[str, str] = os.environ) -> IsolationLevel:
    """The least walls that checks need here: in CI the code may be a stranger's, so only the best will do."""
    return IsolationLevel.NAMESPACES if environment.get("CI") else config.least_isolation


def prices(config: Config) -> Prices:
    """The user's own rates, and the providers that cost nothing."""
    rates = {
        model: Rates(
            input=Decimal(str(rate.input_usd)),
            output=Decimal(str(rate.output_usd)),
            cache_read=_exactly(rate.cache_read_usd),
            cache_write=_exactly(rate.cache_write_usd),
            cache_write_1h=_exactly(rate.cache_write_1h_usd),
        )
        for model, rate in config.rates.items()
    }
    providers = {**BUILT_IN, **config.providers}
    unpaid = {name for name, provider in providers.items() if provider.free}
    return Prices(rates, frozenset({FIXER, RECORDED} | unpaid))


def _exactly(usd: float | None) -> Decimal | None:
    return None if usd is None else Decimal(str(usd))
