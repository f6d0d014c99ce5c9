"""Policies that somebody might bring along in the change that is judged, each looser than that in force."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

from route_agent.policy import MAX_USD

if TYPE_CHECKING:
    from route_agent.policy import Policy


def loosened(policy: Policy) -> dict[str, str | None]:
    """The texts of looser policies by what is loosened; None where the file is deleted."""
    # only what was written: a lane may not even say by its default what is for other kinds of lanes
    whole: dict[str, Any] = policy.model_dump(mode="json", exclude_unset=True)
    routing, lanes = whole["routing"], list(whole["models"])
    quiet = {name: {"points": 0} for name in whole["signals"]}
    parts: dict[str, dict[str, Any]] = {
        "every score starts low": {
            "routing": routing | {"fast_max_score": 9_998, "strong_min_score": 9_999, "always_strong_if": []}
        },
        "no signal counts": {"signals": quiet},
        "every grade is enough": {"accept": dict.fromkeys(lanes, "none")},
        "one check that is always green": {"checks": [{"name": "ok", "run": ["true"]}]},
        "no limit": {"limits": {"max_usd": MAX_USD, "per_day_usd": MAX_USD, "max_attempts": 20}},
        "every path, and nobody reads": {
            "paths": {"allow": [], "deny": []},
            "verify": whole["verify"] | {"critique": "never"},
            "reproduce": whole["reproduce"] | {"when": []},
        },
    }
    texts: dict[str, str | None] = {name: json.dumps(whole | part) for name, part in parts.items()}
    everything = {key: value for part in parts.values() for key, value in part.items()}
    return texts | {
        "all of it": json.dumps(whole | everything),
        "no policy": None,
        "an empty file": "",
        "no YAML": "version: 1\n\tlane: [fast",
    }
