"""From a policy's `models` to lanes that can be called here."""

from __future__ import annotations

import os
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from route_agent import places
from route_agent.config import endpoint, endpoint_of, provider_named, usable
from route_agent.policy import COMMAND, RACE
from route_agent.sandbox.programs import found_outside
from route_agent.trust import lane_word

if TYPE_CHECKING:
    from collections.abc import Mapping

    from route_agent.config import Config
    from route_agent.lanes.base import Answerer, Lane
    from route_agent.lanes.model import ModelLane
    from route_agent.lanes.recorded import Kind, RecordedLane, RecordedReplies
    from route_agent.policy import LaneSpec, Policy


def build_lanes(
    policy: Policy,
    config: Config,
    replies: RecordedReplies | None,
    *,
    allowed: frozenset[str] = frozenset(),
    project: Path | None = None,
    environment: Mapping[str, str] = os.environ,
) -> tuple[dict[str, Lane], dict[str, str], dict[str, LaneSpec]]:
    """The lanes by name; why the others cannot be called, by name; and the entry that each lane stands for.

    Of a lane's alternatives the first is taken that can be called here. With recorded replies every lane that
    would call a model plays them instead.

    Args:
        allowed: what the user has allowed of what the policy asks for, by `trust.asked` names.
        project: the checkout's top folder, whose own programs are never taken for an agent.
    """
    means = Means(policy, config, allowed, project, environment)
    lanes: dict[str, Lane] = {}
    recorded = _recorded(policy, replies) if replies else {}
    unusable: dict[str, str] = {}
    specs: dict[str, LaneSpec] = {}
    for name, alternatives in policy.models.items():
        why = {spec: means.why_not(name, spec) for spec in alternatives}
        specs[name] = next((spec for spec in alternatives if not why[spec]), alternatives[0])
        if name in recorded and not specs[name].is_fixer:
            lanes[name] = _replayed(name, specs[name], recorded)
        elif why[specs[name]]:
            unusable[name] = _in_words(alternatives, config, why)
        else:
            lanes[name] = means.lane(name, specs[name])
    return lanes, unusable, specs


def _recorded(policy: Policy, replies: RecordedReplies) -> dict[str, RecordedLane]:
    from route_agent.lanes.recorded import RecordedLane

    return {name: RecordedLane(name, replies) for name in policy.models}


def _replayed(name: str, spec: LaneSpec, recorded: Mapping[str, RecordedLane]) -> Lane:
    """A lane that plays its replies; a race between two of them is run as one."""
    if spec.provider != RACE:
        return recorded[name]
    from route_agent.lanes.race import RaceLane

    first, second = spec.race
    return RaceLane(name, (recorded[first], recorded[second]), at_once=False)


def _by_model(
    name: str, entries: tuple[LaneSpec, ...], replies: RecordedReplies, *kinds: Kind
) -> list[RecordedLane]:
    """A lane for each model that answered in its name, in the policy's order as far as it names them."""
    from route_agent.lanes.recorded import RecordedLane

    wanted = [spec.model for spec in entries]
    models = replies.models(name, *kinds)
    ordered = sorted(models, key=lambda it: wanted.index(it) if it in wanted else len(wanted))
    parts = (it for it in replies.replies if it.kind in kinds)
    said = replies.model_copy(update={"replies": tuple(parts)})
    return [RecordedLane(name, said.by(model)) for model in ordered]


@dataclass(frozen=True, slots=True)
class Means:
    """What decides whether a lane's entry can be called here."""

    policy: Policy
    config: Config
    allowed: frozenset[str]
    project: Path | None
    environment: Mapping[str, str]

    def why_not(self, name: str, spec: LaneSpec) -> str:
        """Why an entry cannot be called; empty where it can."""
        if spec.provider == COMMAND:
            return self._no_agent(name, spec)
        if spec.provider == RACE:
            racers = {it: self._first(it) for it in spec.race}
            lacking = [f"{it}: {why}" for it, (_, why) in racers.items() if why]
            return f"it cannot race without {'; '.join(lacking)}" if lacking else ""
        return "" if usable(spec, self.config, self.environment) else "no key"

    def _first(self, name: str) -> tuple[LaneSpec, str]:
        """The first usable entry of a lane, or the first one and why it is not usable."""
        entries = self.policy.models[name]
        why = {spec: self.why_not(name, spec) for spec in entries}
        chosen = next((spec for spec in entries if not why[spec]), entries[0])
        return chosen, _in_words(entries, self.config, why) if why[chosen] else ""

    def _no_agent(self, name: str, spec: LaneSpec) -> str:
        from route_agent.lanes.agents import takes_the_task
        from route_agent.lanes.command import agent_of, describe

        agent = agent_of(spec)
        if not spec.preset and not takes_the_task(spec.run[0]):
            return "its `run` says nowhere where the task goes: {prompt} or {prompt_file}"
        if lane_word(name) not in self.allowed:
            given = self.config.commands.get(spec.preset) if spec.preset else None
            beyond = "" if given is None else " and ".join(it for it in spec.env if it not in given)
            named = f", or `commands` in {places.config_file()}" if spec.preset else ""
            return (
                f"{describe(spec)} is not allowed to {f'get {beyond}' if beyond else 'run as an agent'} here"
                f" (route-agent trust{named})"
            )
        if not agent_program(agent.program, self.environment, self.project):
            return f"{agent.program} is not on the PATH"
        missing = [it for it in spec.env if not self.environment.get(it, "").strip()]
        return f"{' and '.join(missing)} {'is' if len(missing) == 1 else 'are'} not set" if missing else ""

    def lane(self, name: str, spec: LaneSpec) -> Lane:
        """The lane of an entry that can be called."""
        if spec.is_fixer:
            from route_agent.lanes.fixer import FixerLane

            return FixerLane(name, spec, self.policy.checks)
        if spec.provider == COMMAND:
            from route_agent.lanes.command import CommandLane, agent_of

            program = agent_program(agent_of(spec).program, self.environment, self.project)
            return CommandLane(name, spec, program, self.environment)
        if spec.provider == RACE:
            from route_agent.lanes.race import RaceLane

            first, second = ((it, self._first(it)[0]) for it in spec.race)
            # an agent works in the one scratch that there is
            at_once = all(entry.has_model for _, entry in (first, second))
            return RaceLane(name, (self.lane(*first), self.lane(*second)), at_once=at_once)
        return _model_lane(name, spec, self.config, self.environment)


def agent_program(program: str, environment: Mapping[str, str], project: Path | None) -> str:
    """An agent's file on this machine, or nothing.

    It gets the user's key, so it is never one that the checkout or its folders of dependencies bring.
    """
    if os.sep in program and not Path(program).is_absolute():
        return ""
    return found_outside(program, environment.get("PATH", os.defpath), project)


def _in_words(entries: tuple[LaneSpec, ...], config: Config, why: Mapping[LaneSpec, str]) -> str:
    modelled = tuple(spec for spec in entries if spec.has_model)
    told = [_keys_missing(modelled, config)] if modelled else []
    return "; ".join(dict.fromkeys([*told, *(why[spec] for spec in entries if not spec.has_model)]))


def _model_lane(
    name: str, spec: LaneSpec, config: Config, environment: Mapping[str, str] = os.environ
) -> ModelLane:
    from route_agent.lanes.model import ModelLane

    fallbacks = [(endpoint_of(it.provider, config, environment), it.model) for it in spec.fallbacks]
    return ModelLane(name, spec, endpoint(spec, config, environment), fallbacks=fallbacks)


def _keys_missing(entries: tuple[LaneSpec, ...], config: Config) -> str:
    keys = dict.fromkeys(provider_named(config, spec.provider).key_env for spec in entries)
    return f"{' and '.join(keys)} {'is' if len(keys) == 1 else 'are'} not set"


def build_reviewers(
    policy: Policy, config: Config, replies: RecordedReplies | None
) -> tuple[tuple[Answerer, ...], str]:
    """Every entry of the verifier's lane that can be called here, in the policy's order; or why none can.

    All of them, since which one may judge a patch depends on the model that wrote it.
    """
    name = policy.verify.lane
    entries = policy.models.get(name, ())
    if not entries:
        return (), f'the policy has no lane "{name}"'
    if replies:
        asked = tuple(_by_model(name, entries, replies, "opinion"))
        return asked, "" if asked else "no opinion is recorded"
    callable_here = [spec for spec in entries if usable(spec, config)]
    lanes = tuple(_model_lane(name, spec, config) for spec in callable_here)
    return lanes, "" if lanes else _keys_missing(entries, config)


def build_writers(
    policy: Policy, config: Config, replies: RecordedReplies | None
) -> tuple[tuple[tuple[Lane, LaneSpec], ...], str]:
    """Every entry of the lane that writes reproductions, as `build_reviewers` does for opinions."""
    name = policy.reproduce.lane
    entries = policy.models.get(name, ())
    if not entries:
        return (), f'the policy has no lane "{name}"'
    if replies:
        asked = _by_model(name, entries, replies, "test") or _by_model(name, entries, replies, "patch")
        why = "" if asked else f"no reply is recorded for lane {name}"
        return tuple((lane, entries[0]) for lane in asked), why
    callable_here = [spec for spec in entries if usable(spec, config)]
    lanes = tuple((_model_lane(name, spec, config), spec) for spec in callable_here)
    return lanes, "" if lanes else _keys_missing(entries, config)
