"""From a policy's `models` to lanes that can be called here."""

from __future__ import annotations

from typing import TYPE_CHECKING

from route_agent.config import endpoint, provider_named, usable

if TYPE_CHECKING:
    from route_agent.config import Config
    from route_agent.lanes.base import Lane
    from route_agent.lanes.recorded import RecordedReplies
    from route_agent.policy import LaneSpec, Policy


def build_lanes(
    policy: Policy, config: Config, replies: RecordedReplies | None
) -> tuple[dict[str, Lane], dict[str, str], dict[str, LaneSpec]]:
    """The lanes by name; why the others cannot be called, by name; and the entry that each lane stands for.

    Of a lane's alternatives the first is taken whose key is set. With recorded replies every lane that would
    call a model plays them instead.
    """
    lanes: dict[str, Lane] = {}
    unusable: dict[str, str] = {}
    specs: dict[str, LaneSpec] = {}
    for name, alternatives in policy.models.items():
        specs[name] = next((spec for spec in alternatives if usable(spec, config)), alternatives[0])
        if specs[name].is_fixer:
            from route_agent.lanes.fixer import FixerLane

            lanes[name] = FixerLane(name, specs[name])
        elif replies:
            from route_agent.lanes.recorded import RecordedLane

            lanes[name] = RecordedLane(name, replies)
        elif usable(specs[name], config):
            from route_agent.lanes.model import ModelLane

            lanes[name] = ModelLane(name, specs[name], endpoint(specs[name], config))
        else:
            keys = dict.fromkeys(provider_named(config, spec.provider).key_env for spec in alternatives)
            unusable[name] = f"{' and '.join(keys)} {'is' if len(keys) == 1 else 'are'} not set"
    return lanes, unusable, specs
