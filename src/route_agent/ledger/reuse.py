"""When two requests are the very same: then a stored reply may answer again, where the policy allows it."""

from __future__ import annotations

import hashlib
import json
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Mapping

    from route_agent.records.lanes import Prompt


def request_key(provider: str, model: str, settings: Mapping[str, Any], prompt: Prompt, start: str) -> str:
    """The same for two requests only if nothing that a model could answer by differs.

    Args:
        settings: everything else that is sent: limits, effort, temperature, the form of the answer.
        prompt: as it leaves, byte for byte.
        start: the tree that the reply is a patch for; empty for a question that wants none.
    """
    shape = prompt.shape and [prompt.shape.name, dict(prompt.shape.schema)]
    asked = {
        "provider": provider,
        "model": model,
        "settings": dict(settings),
        "system": prompt.system,
        "project": prompt.project,
        "turns": [[turn.role, turn.text] for turn in prompt.turns],
        "shape": shape,
        "start": start,
    }
    canonical = json.dumps(asked, sort_keys=True, separators=(",", ":"), default=str)
    return hashlib.sha256(canonical.encode("utf-8", "surrogatepass")).hexdigest()
