"""From a policy's `models` to lanes that can be called here."""

from __future__ import annotations

from typing import TYPE_CHECKING

from route_agent.config import endpoint, provider_named, usable

if TYPE_CHECKING:
    from route_agent.config import Config
    from route_agent.lanes.base import Answerer, Lane
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
            unusable[name] = _keys_missing(alternatives, config)
    return lanes, unusable, specs


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
        from route_agent.lanes.recorded import RecordedLane

        opinions = replies.model_copy(update={"replies": replies.of(name, "opinion")})
        return ((RecordedLane(name, opinions),), "") if opinions.replies else ((), "no opinion is recorded")
    from route_agent.lanes.model import ModelLane

    callable_here = [spec for spec in entries if usable(spec, config)]
    lanes = tuple(ModelLane(name, spec, endpoint(spec, config)) for spec in callable_here)
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
        from route_agent.lanes.recorded import RecordedLane

        if not replies.of(name):
            return (), f"no reply is recorded for lane {name}"
        return ((RecordedLane(name, replies), entries[0]),), ""
    from route_agent.lanes.model import ModelLane

    callable_here = [spec for spec in entries if usable(spec, config)]
    lanes = tuple((ModelLane(name, spec, endpoint(spec, config)), spec) for spec in callable_here)
    return lanes, "" if lanes else _keys_missing(entries, config)
