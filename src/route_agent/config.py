"""The user's own file: providers and addresses, key names, rates, trust. Never read from a repository.

An organisation's file lies beneath it: providers and rates of the same name are overridden, trust adds up.
"""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import dataclass, field
from decimal import Decimal
from pathlib import Path
from typing import Annotated, Literal
from urllib.parse import urlsplit

from pydantic import Field, field_validator

from route_agent import places
from route_agent.errors import ConfigError, UsageError
from route_agent.policy import FIXER, RECORDED, LaneSpec
from route_agent.pricing import Prices
from route_agent.records.checks import IsolationLevel
from route_agent.schema import SchemaError, Strict, read, validate

Wire = Literal["anthropic", "openai"]
ScratchKind = Literal["auto", "overlay", "mirror"]

MAX_RATE_USD = 1_000_000  # what a call costs must fit the ledger's whole numbers

_LOOPBACK = frozenset({"localhost", "127.0.0.1", "::1"})


class Provider(Strict):
    """One address that answers in one of the two wire formats.

    `key_env` is the name of an environment variable, never the key; empty where none is needed.
    `version` and `key_header` serve gateways that want an older protocol than the SDK speaks.
    """

    wire: Wire = "openai"
    base_url: str
    key_env: str = ""
    headers: dict[str, str] = {}
    version: str = ""
    key_header: Literal["authorization", "x-api-key"] = "authorization"
    free: bool = False

    @field_validator("base_url")
    @classmethod
    def _encrypted_unless_local(cls, value: str) -> str:
        parts = urlsplit(value)
        if parts.scheme not in ("http", "https") or not parts.hostname:
            raise ValueError("an address like https://host/v1")
        if parts.scheme == "http" and parts.hostname not in _LOOPBACK:
            raise ValueError("plain http is only for this machine; use https")
        if parts.username or parts.password:
            raise ValueError("no user or password in an address; use key_env")
        return value


class Rate(Strict):
    """Dollars per million tokens, for models whose price is not in the price table."""

    input_usd: Annotated[float, Field(ge=0, le=MAX_RATE_USD)]
    output_usd: Annotated[float, Field(ge=0, le=MAX_RATE_USD)]


class Trust(Strict):
    """One policy file whose exposures were looked at and allowed: a repository and the file's SHA-256."""

    repository: str
    sha256: str


class Config(Strict):
    """The whole file; every section may be left out."""

    providers: dict[str, Provider] = {}
    rates: dict[str, Rate] = {}
    least_isolation: IsolationLevel = IsolationLevel.NONE
    scratch: ScratchKind = "auto"
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
    for file in files if files is not None else (places.organisation_file(), places.config_file()):
        try:
            text = file.read_bytes()
        except FileNotFoundError:
            continue
        except OSError as error:
            raise ConfigError(f"{file}: {error.strerror}") from error
        try:
            document = read(text, str(file))
            validate(Config, document.data, document, str(file))
        except SchemaError as error:
            raise ConfigError(str(error), hint="route-agent config path") from error
        for section, value in document.data.items():
            known = merged.get(section)
            if isinstance(known, dict):
                merged[section] = known | value
            elif isinstance(known, list):
                merged[section] = known + value
            elif section == "least_isolation" and known == IsolationLevel.NAMESPACES.value:
                continue  # what the organisation requires, nobody lowers
            else:
                merged[section] = value
    return Config.model_validate(merged) if merged else Config.model_construct()


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
    if spec.is_fixer:
        return True
    key_env = provider_named(config, spec.provider).key_env
    return not key_env or bool(environment.get(key_env, "").strip())


def endpoint(spec: LaneSpec, config: Config, environment: Mapping[str, str] = os.environ) -> Endpoint:
    """The lane's address with its key."""
    provider = provider_named(config, spec.provider)
    return Endpoint(
        spec.provider, provider, environment.get(provider.key_env, "") if provider.key_env else ""
    )


def required_isolation(config: Config, environment: Mapping[str, str] = os.environ) -> IsolationLevel:
    """The least walls that checks need here: in CI the code may be a stranger's, so only the best will do."""
    return IsolationLevel.NAMESPACES if environment.get("CI") else config.least_isolation


def prices(config: Config) -> Prices:
    """The user's own rates, and the providers that cost nothing."""
    rates = {
        model: (Decimal(str(rate.input_usd)), Decimal(str(rate.output_usd)))
        for model, rate in config.rates.items()
    }
    providers = {**BUILT_IN, **config.providers}
    unpaid = {name for name, provider in providers.items() if provider.free}
    return Prices(rates, frozenset({FIXER, RECORDED} | unpaid))
