"""The doctor's look at the lanes: keys, agents, fixers, and whether their price is known."""

from __future__ import annotations

import difflib
import shlex
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import TYPE_CHECKING

from route_agent import places
from route_agent.cli.facts import Item, Status
from route_agent.config import Config, prices, provider_named
from route_agent.errors import UsageError
from route_agent.lanes.build import Means, agent_program
from route_agent.policy import COMMAND, RACE, LaneSpec, Policy

if TYPE_CHECKING:
    from datetime import date

    from genai_prices.types import ModelInfo


def lanes(
    policy: Policy,
    config: Config,
    environment: Mapping[str, str],
    *,
    allowed: frozenset[str] = frozenset(),
    project: Path | None = None,
) -> Iterator[Item]:
    """A line for every lane, and one for every model whose price or age is doubtful.

    Args:
        allowed: what the user has allowed of what the policy asks for, by `trust.asked` names.
        project: the checkout's top folder.
    """
    means = Means(policy, config, allowed, project, environment)
    entries = {lane: _entry_in_use(lane, specs, means) for lane, specs in policy.models.items()}
    none_usable = not any(isinstance(entries[lane], LaneSpec) for lane in policy.routing.ladder)
    for lane, entry in entries.items():
        if isinstance(entry, LaneSpec):
            yield Item(f"lane {lane}", "ok", _described(entry, config, environment, project))
        elif isinstance(entry, UsageError):
            yield Item(f"lane {lane}", "bad", entry.what, entry.hint)
        else:
            yield _unusable(lane, policy.models[lane], means, "bad" if none_usable else "warn")
    specs = [spec for lane in policy.models.values() for spec in lane if spec.has_model]
    spare = [(it.provider, it.model) for spec in specs for it in spec.fallbacks]
    for provider, model in dict.fromkeys([*((spec.provider, spec.model) for spec in specs), *spare]):
        yield from _stale(provider, model, config)


def _entry_in_use(lane: str, specs: tuple[LaneSpec, ...], means: Means) -> LaneSpec | UsageError | None:
    try:
        return next((spec for spec in specs if not means.why_not(lane, spec)), None)
    except UsageError as error:
        return error


def _unusable(lane: str, specs: tuple[LaneSpec, ...], means: Means, status: Status) -> Item:
    others = [means.why_not(lane, spec) for spec in specs if not spec.has_model]
    keys = dict.fromkeys(_key_name(spec, means.config) for spec in specs if spec.has_model)
    names = ", ".join(keys)
    told = [f"no key: {names} not set"] if names else []
    cure = f"set one of them: {names}" if names else ""
    if any("not allowed" in why for why in others):
        cure = "route-agent trust, or name its preset under commands: route-agent config edit"
    return Item(f"lane {lane}", status, "; ".join([*told, *dict.fromkeys(others)]), cure)


def _key_name(spec: LaneSpec, config: Config) -> str:
    return provider_named(config, spec.provider).key_env


def _described(spec: LaneSpec, config: Config, environment: Mapping[str, str], project: Path | None) -> str:
    if spec.is_fixer:
        return "no model: " + ", ".join(" ".join(command) for command in spec.run)
    if spec.provider == COMMAND:
        from route_agent.lanes.command import agent_of

        agent = agent_of(spec)
        shown = spec.preset or shlex.join(spec.run[0])
        found = agent_program(agent.program, environment, project)
        gets = f"with {' and '.join(('network', *spec.env))}, which you allow"
        bill = "tells its cost" if agent.provider else "may not tell its cost"
        return f"agent {shown} ({found}) {gets}; {bill}"
    if spec.provider == RACE:
        return f"race of {' and '.join(spec.race)}"
    name = _key_name(spec, config)
    key = f"{name} is set" if name else "needs no key"
    price = "known" if price_known(spec.provider, spec.model, config) else "unknown"
    return f"{spec.provider} {spec.model}, {key}, price {price}"


def price_known(provider: str, model: str, config: Config) -> bool:
    """Whether the cost of a call to this model can be told: by the user's rates or by the price table."""
    return prices(config).known(provider, model)


def _stale(provider: str, model: str, config: Config) -> Iterator[Item]:
    """A model that the price table does not know, or calls outdated: the name may be an old one."""
    name = f"model {model}"
    if model in config.rates or provider in prices(config).free:
        return
    from genai_prices import data_snapshot

    snapshot = data_snapshot.get_snapshot()
    try:
        priced = snapshot.find_provider(None, provider, None)
    except LookupError:
        cure = f'so it is not called under a budget; say its price in {places.config_file()}, under "rates"'
        yield Item(name, "warn", f"the price table knows no provider {provider}", cure)
        return
    try:
        found = snapshot.find_provider_model(model, priced, None, None)[1]
    except LookupError:
        close = difflib.get_close_matches(model, [known.id for known in priced.models], n=1)
        cure = f"check its name; the nearest known one is {close[0]}" if close else "check its name"
        yield Item(name, "warn", f"unknown to the price table of {_table_date()}", cure)
        return
    if found.deprecated:
        yield Item(name, "warn", f"outdated, says the price table of {_table_date()}", "choose a newer one")


def _table_date() -> str:
    """The table's own release, and the latest day from which it knows a price to hold."""
    from importlib.metadata import version

    from genai_prices import data_snapshot

    days = (
        day
        for provider in data_snapshot.get_snapshot().providers
        for model in provider.models
        for day in _price_days(model)
    )
    newest = max(days, default=None)
    release = f"genai-prices {version('genai-prices')}"
    return f"{release} (newest price {newest})" if newest else release


def _price_days(model: ModelInfo) -> Iterator[date]:
    from genai_prices.types import StartDateConstraint

    for entry in model.prices if isinstance(model.prices, list) else []:
        if isinstance(entry.constraint, StartDateConstraint):
            yield entry.constraint.start_date
