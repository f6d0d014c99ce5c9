"""A recommendation as a change of the policy's text: ladder, caps and rules, with the evidence as a comment.

The text is changed in place, at the marks that the parser gives, so that comments and layout stay. What comes
out is read back, and must say what was meant.
"""

from __future__ import annotations

import difflib
import json
import math
import re
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

import yaml

from route_agent.errors import PolicyError
from route_agent.policy import Policy, parse_policy

if TYPE_CHECKING:
    from route_agent.tuning.tune import Lane

_DATE = re.compile(r"-(?:\d{8}|\d{4}-\d{2}-\d{2})$")
_MARK = "# tuned:"
PROVIDER = "fill-in"  # who serves a model that no lane of the policy names; a person knows


def as_diff(old: str, new: str, path: str) -> str:
    """Both texts as a unified diff that `git apply` takes; an empty old text is a new file."""
    before = f"a/{path}" if old else "/dev/null"
    changed = difflib.unified_diff(_lines(old), _lines(new), before, f"b/{path}")
    return "".join(
        line if line.endswith("\n") else f"{line}\n\\ No newline at end of file\n" for line in changed
    )


def _lines(text: str) -> list[str]:
    """As git sees them: nothing but a line feed ends a line."""
    return [it for it in re.split(r"(?<=\n)", text) if it]


def patched(text: str, where: str, lanes: Sequence[Lane], evidence: Sequence[str]) -> str:
    """The policy's text with the recommended ladder; its fixers, which no outcomes tell of, stay below it.

    Args:
        text: of the policy; empty where there is none, so that a new one is written.
        lanes: of the recommendation, the lowest first.
        evidence: lines for the comment.

    Raises:
        PolicyError: the text is no policy, or is written in a way that cannot be changed safely.
    """
    policy = parse_policy(text or "version: 1\n", where)
    names = lane_names(policy, [it.model for it in lanes])
    of_windows = "\r\n" in text
    new = text.replace("\r\n", "\n") or "version: 1\n"
    new = "".join(line for line in _lines(new) if not line.startswith(_MARK))
    if text and not new.endswith("\n"):
        new += "\n"
    is_new = not set(names.values()) <= set(policy.models) or any(it.cap_usd is not None for it in lanes)
    if is_new and not _has(new, "models"):
        new += _models_section(policy)  # a policy that names lanes names all of them
    for lane in lanes if _has(new, "models") else ():
        new = _with_lane(new, names[lane.model], lane)
    fixers = [
        it for it in policy.routing.ladder if policy.models[it][0].is_fixer and it not in names.values()
    ]
    ladder = (*fixers, *(names[it.model] for it in lanes))
    new = _with_routing(new, names, lanes, ladder)
    bars = _bars(policy, [names[it.model] for it in lanes])
    for name, shown in bars.items():
        new = (
            _set(new, ["accept", name], shown)
            if _has(new, "accept")
            else f"{new}accept:\n  {name}: {shown}\n"
        )
    place = re.search(r"^routing:", new, re.MULTILINE)
    told = [*evidence, *_warnings(policy, ladder)]
    comment = "".join(f"{_MARK} {_one_line(it)}\n" for it in told)
    new = new[: place.start()] + comment + new[place.start() :] if place else comment + new
    _must_say(new, where, names, lanes, ladder)
    return new.replace("\n", "\r\n") if of_windows else new


def lane_names(policy: Policy, models: Sequence[str]) -> dict[str, str]:
    """The lane of each model: one of that name or with that model, else a new one."""
    names: dict[str, str] = {}
    for model in models:
        own = [
            name
            for name, specs in policy.models.items()
            if name not in names.values()
            and any(_plain(it.model) == _plain(model) for it in specs if it.model)
        ]
        if model in policy.models and model not in names.values():
            own = [model]
        on_ladder = [name for name in own if name in policy.routing.ladder]
        names[model] = (on_ladder or own or [_new_name(model, {*policy.models, *names.values()})])[0]
    return names


def _plain(model: str) -> str:
    """A model's name without who offers it and without its date."""
    return _DATE.sub("", model.rsplit("/", 1)[-1].lower()).replace(".", "-")


def _new_name(model: str, taken: set[str]) -> str:
    name = (
        re.sub(r"[^A-Za-z0-9_.-]+", "-", _DATE.sub("", model.rsplit("/", 1)[-1])).strip("-._")[:60] or "lane"
    )
    while name in taken:
        name += "2"
    return name


def _one_line(text: str) -> str:
    return "".join(letter if letter.isprintable() else "?" for letter in text)


# --- the text


def _root(text: str) -> Any:
    return yaml.compose(text, Loader=yaml.SafeLoader)


def _child(node: Any, key: str) -> Any:
    if not isinstance(node, yaml.MappingNode):
        return None
    return next((value for name, value in node.value if name.value == key), None)


def _has(text: str, key: str) -> bool:
    return _child(_root(text), key) is not None


def _end(node: Any) -> int:
    """Where a node's own text ends: a block's mark lies behind the comments that follow it."""
    if isinstance(node, yaml.ScalarNode) or node.flow_style or not node.value:
        return int(node.end_mark.index)
    last = node.value[-1]
    return _end(last[1] if isinstance(last, tuple) else last)


def _set(text: str, path: Sequence[str | int], value: str) -> str:
    """The text with one value written at a path of keys; its parent must be there."""
    node = _root(text)
    for key in path[:-1]:
        node = node.value[key] if isinstance(key, int) else _child(node, key)
    name = str(path[-1])
    if (old := _child(node, name)) is not None:
        return text[: old.start_mark.index] + value + text[_end(old) :]
    if node.flow_style:
        at = node.end_mark.index - 1
        before = text[:at].rstrip()
        return before + ("" if before.endswith(("{", ",")) else ",") + f" {name}: {value}" + text[at:]
    at = node.start_mark.index
    return text[:at] + f"{name}: {value}\n{' ' * node.start_mark.column}" + text[at:]


def _models_section(policy: Policy) -> str:
    """The lanes that were in force by default, written out."""
    lines = ["models:"]
    for name, specs in policy.models.items():
        lines.append(f"  {name}:")
        lines += [f"    - {json.dumps(it.model_dump(mode='json', exclude_unset=True))}" for it in specs]
    return "\n".join(lines) + "\n"


def _warnings(policy: Policy, ladder: Sequence[str]) -> list[str]:
    """What a person has to do, or to look at, before the change is taken."""
    told = []
    if unserved := [name for name in ladder if name not in policy.models]:
        told.append(f"fill in who serves: {', '.join(unserved)}")
    top = policy.routing.ladder[-1]
    if ladder[-1] != top:
        where = f"goes to {ladder[-1]} now, and not to {top}"
        told.append(f"what is always strong {where}: look whether you want that")
    if len(ladder) > (most := policy.limits.max_attempts):
        told.append(f"limits.max_attempts is {most}, and this ladder needs {len(ladder)}")
    return told


def _bars(policy: Policy, ladder: Sequence[str]) -> dict[str, str]:
    """What new lanes have to prove: as much as the lanes of the policy whose places they take."""
    known = [it for it in policy.routing.ladder if not policy.models[it][0].is_fixer]
    bars = {}
    for name in ladder:
        like = policy.accept.get(known[-1] if name == ladder[-1] else known[0], {}) if known else {}
        if name not in policy.models and like:
            bars[name] = f"{{{', '.join(f'{key}: {grade.value}' for key, grade in like.items())}}}"
    return bars


def _with_lane(text: str, name: str, lane: Lane) -> str:
    cap = None if lane.cap_usd is None else f"{{usd: {_money(lane.cap_usd)}}}"
    spec = _child(_child(_root(text), "models"), name)
    if spec is None:
        stub = f"{{provider: {PROVIDER}, model: {json.dumps(lane.model)}}}"
        text = _set(text, ["models", name], stub)
        spec = _child(_child(_root(text), "models"), name)
    if cap is None:
        return text
    if isinstance(spec, yaml.MappingNode):
        return _with_cap(text, ["models", name], spec, cap)
    for place, entry in enumerate(spec.value):
        model = _child(entry, "model")
        is_meant = len(spec.value) == 1 or lane.model == name
        if is_meant or (model is not None and _plain(model.value) == _plain(lane.model)):
            text = _with_cap(text, ["models", name, place], entry, cap)
    return text


def _with_cap(text: str, path: list[str | int], entry: Any, cap: str) -> str:
    known = _child(entry, "cap")
    if known is not None and isinstance(known, yaml.MappingNode):
        return _set(text, [*path, "cap", "usd"], cap[6:-1])
    return _set(text, [*path, "cap"], cap)


def _money(usd: float) -> str:
    """Dollars in three digits, rounded up: a cap is not to be below what it was fitted to."""
    places = max(0, 2 - math.floor(math.log10(usd))) if usd > 0 else 6
    return f"{math.ceil(usd * 10**places - 1e-9) / 10**places:.{places}f}"


def _with_routing(
    text: str, names: Mapping[str, str], lanes: Sequence[Lane], names_in_order: Sequence[str]
) -> str:
    ladder = f"[{', '.join(names_in_order)}]"
    rules = {names[it.model]: it.rule.model_dump() for it in lanes if it.rule}
    if not _has(text, "routing"):
        text += f"routing:\n  ladder: {ladder}\n"
    text = _set(text, ["routing", "ladder"], ladder)
    if rules:
        text = _set(text, ["routing", "learned"], json.dumps(rules))
        text = _set(text, ["routing", "mode"], "learned")
    return text


def _must_say(
    text: str, where: str, names: Mapping[str, str], lanes: Sequence[Lane], ladder: Sequence[str]
) -> None:
    """Raises where the changed text does not say what was meant."""
    policy = parse_policy(text, where)
    is_meant = policy.routing.ladder == ladder and all(
        any(_is_near(spec.cap.usd, it.cap_usd) for spec in policy.models[names[it.model]])
        for it in lanes
        if it.cap_usd is not None
    )
    if not is_meant:
        raise PolicyError(
            f"{where}: its lanes are written in a way that tune does not change",
            hint="write the ladder and the caps that it prints by hand",
        )


def _is_near(written: float | str | None, meant: float | None) -> bool:
    return isinstance(written, float) and meant is not None and meant <= written <= meant * 1.02 + 1e-6
