"""What a project's environment chooses: a lane, models, a limit. An option that is typed goes before it.

Nobody typed any of it for the task at hand. So it reaches below no always-strong condition, whatever else is
said, and leaves the lanes alone on which the others' work is judged. In a gate it may only tighten.
"""

from __future__ import annotations

import math
import re
from collections import Counter
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from route_agent import agreement
from route_agent.errors import UsageError
from route_agent.policy import MAX_USD
from route_agent.routing.deciding import PREFERRED

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from route_agent.policy import LaneSpec, Policy

MODEL = "ROUTE_AGENT_MODEL_"
LIMIT = "ROUTE_AGENT_MAX_USD"

_DOCUMENTED = "docs/shell.md says what they mean"
_MODEL_CHARACTERS = 200


@dataclass(frozen=True, slots=True)
class Preferences:
    """What the environment says; a variable that is empty says nothing.

    Attributes:
        lane: where a task starts; it still escalates.
        models: the model of a lane, by its variable.
        max_usd: the most that a run may spend, in dollars.
    """

    lane: str = ""
    models: Mapping[str, str] = field(default_factory=dict)
    max_usd: float | None = None


def preferences(environment: Mapping[str, str]) -> Preferences:
    """What these variables choose.

    Raises:
        UsageError: a limit that is none, or a model's name that no model has.
    """
    models = {
        name: value.strip()
        for name, value in sorted(environment.items())
        if name.startswith(MODEL) and value.strip()
    }
    for name, model in models.items():
        if not model.isprintable() or len(model) > _MODEL_CHARACTERS:
            raise UsageError(f"{name} is no name of a model", hint=_DOCUMENTED)
    return Preferences(environment.get(PREFERRED, "").strip(), models, _dollars(environment.get(LIMIT, "")))


def _dollars(text: str) -> float | None:
    if not text.strip():
        return None
    try:
        amount = float(text)
    except ValueError:
        amount = math.nan
    if not 0 <= amount <= MAX_USD:
        raise UsageError(
            f"{LIMIT}={text}: not an amount of dollars that can be reached", hint=f"{LIMIT}=0.50"
        )
    return amount


def lower_limit(preferred: Preferences, limit: float | None) -> float | None:
    """The smaller of the environment's limit and another; for a gate, where it may only lower.

    Args:
        limit: dollars; None where nothing else limits.
    """
    return min((it for it in (preferred.max_usd, limit) if it is not None), default=None)


def with_models(
    policy: Policy, preferred: Preferences, usable: Callable[[LaneSpec], bool]
) -> tuple[Policy, tuple[str, ...]]:
    """The policy with the models that the environment chose, and a word on each.

    Args:
        usable: whether an entry could be called here; of a lane's alternatives the first such one is meant.

    Raises:
        UsageError: there is no such lane, it has no model, or its model is not for the environment to choose.
    """
    if not preferred.models:
        return policy, ()
    models, told = dict(policy.models), list[str]()
    names = Counter(variable_of(lane) for lane in models)
    lanes = {variable_of(lane): lane for lane in models}
    for variable, model in preferred.models.items():
        if names[variable] != 1:
            known = ", ".join(name for name in lanes if lanes[name] not in _judging(policy))
            why = "means several lanes" if variable in names else "there is no such lane"
            raise UsageError(f"{variable}: {why}", hint=f"this policy has: {known}")
        lane = lanes[variable]
        spec = next((it for it in models[lane] if usable(it)), models[lane][0])
        _refuse(variable, lane, spec, policy)
        if spec.model != model:
            told.append(f"{variable}: lane {lane} asks {model} (the policy says {spec.model})")
        models[lane] = (spec.model_copy(update={"model": model}),)
    try:
        agreement.fallbacks(models, policy.routing.ladder)
    except ValueError as error:
        raise UsageError(f"{', '.join(preferred.models)}: {error}", hint=_DOCUMENTED) from error
    return policy.model_copy(update={"models": models}), tuple(told)


def variable_of(lane: str) -> str:
    """The variable that names a lane's model: `ROUTE_AGENT_MODEL_CHEAP_1` for `cheap-1`."""
    return MODEL + re.sub(r"[^A-Z0-9]", "_", lane.upper())


def _refuse(variable: str, lane: str, spec: LaneSpec, policy: Policy) -> None:
    if not spec.has_model:
        raise UsageError(f"{variable}: lane {lane} (provider {spec.provider}) asks no model of its own")
    if why := _judging(policy).get(lane):
        raise UsageError(
            f"{variable}: {lane} is {why}, and the environment does not choose its model",
            hint="write it in .route-agent/policy.yaml",
        )


def _judging(policy: Policy) -> dict[str, str]:
    """The lanes that the others' work leads to or is judged by, and what each is."""
    top = [lane for lane in policy.routing.ladder if not policy.models[lane][0].is_fixer][-1]
    racing = (it for spec in policy.models[top] for it in spec.race)
    asked = (policy.verify.lane, policy.reproduce.lane, policy.routing.shadow.lane)
    return {
        **dict.fromkeys(asked, "asked about the others' work"),
        **dict.fromkeys((top, *racing), "the top of the ladder"),
    }
