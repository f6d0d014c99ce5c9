"""A policy in force as YAML, each value with where it comes from. Pure; what is printed can be read again."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import TYPE_CHECKING, Any

from route_agent.pathrules import BUILT_IN, Written
from route_agent.strictness import Floor, stricter

if TYPE_CHECKING:
    from route_agent.policy import LaneSpec, Policy
    from route_agent.yamlfile import Path

PROJECT = "the project"  # checks and fixers that were found in it, or that are not installed here


def plain_policy(policy: Policy) -> dict[str, Any]:
    """The policy as plain data, every default filled in, that a file could hold."""
    data: dict[str, Any] = policy.model_dump(mode="json")
    data["models"] = {lane: [_lane(spec) for spec in specs] for lane, specs in policy.models.items()}
    return data


def _lane(spec: LaneSpec) -> dict[str, Any]:
    """A lane that calls no model must not even name what only models have."""
    return spec.model_dump(mode="json", exclude_unset=not spec.has_model)


def sources(
    written: Written, in_force: Policy, floors: Sequence[Floor] = (), *, built_in: bool = False
) -> dict[Path, str]:
    """Where each value of the policy above the floors comes from, by its path.

    Args:
        written: the policy's text.
        in_force: what it came to in this project, without floors.
        floors: what is asked beyond it, in their order.
        built_in: whether the text is the built-in policy, for want of any other.
    """
    read, found = dict(leaves(plain_policy(written.policy))), dict(leaves(plain_policy(in_force)))
    told = {
        path: PROJECT if read.get(path, path) != value else _of_text(written, path, built_in=built_in)
        for path, value in found.items()
    }
    before, policy = found, in_force
    for floor in floors:
        policy, _ = stricter(policy, floor)
        now = dict(leaves(plain_policy(policy)))
        for path, value in now.items():
            if before.get(path, path) != value:
                told[path] = f"{floor.by}, over {told[path]}" if path in told else floor.by
        before = now
    return {path: told[path] for path in before}


def _of_text(written: Written, path: Path, *, built_in: bool) -> str:
    if built_in:
        return BUILT_IN
    if written.has(*path):
        return written.place(*path)
    # one grade stands for every class of a lane
    short = path[0] == "accept" and path[-1] == "default" and written.has(*path[:-1])
    data = written.document.data.get("accept")
    if short and isinstance(data, Mapping) and isinstance(data.get(path[1]), str):
        return written.place(*path[:-1])
    return BUILT_IN


def leaves(data: Any, path: Path = ()) -> Iterator[tuple[Path, Any]]:
    """Every value that is told on a line of its own, with its path."""
    if isinstance(data, Mapping) and data:
        for key, value in data.items():
            yield from leaves(value, (*path, key))
    elif _is_block(data):
        for index, value in enumerate(data):
            yield from leaves(value, (*path, index))
    else:
        yield path, data


def _is_block(data: Any) -> bool:
    """Whether it is a list of keys and values; other lists stay on one line."""
    return isinstance(data, list) and bool(data) and isinstance(data[0], Mapping)


def yaml_lines(data: Mapping[str, Any], told: Mapping[Path, str]) -> Iterator[str]:
    """The policy's text, the source of each value in a comment."""
    yield from _lines(data, (), "", told)


def _lines(data: Any, path: Path, indent: str, told: Mapping[Path, str]) -> Iterator[str]:
    for key, value in data.items() if isinstance(data, Mapping) else enumerate(data):
        here = (*path, key)
        if isinstance(data, list):
            first, *rest = _lines(value, here, f"{indent}  ", told)
            yield f"{indent}- {first.strip()}"
            yield from rest
        elif (isinstance(value, Mapping) and value) or _is_block(value):
            yield f"{indent}{_scalar(key)}:"
            yield from _lines(value, here, f"{indent}  ", told)
        else:
            by = " ".join(told.get(here, BUILT_IN).split())  # a name with a line break would end the comment
            yield f"{indent}{_scalar(key)}: {_scalar(value)}  # {by}"


def _scalar(value: Any) -> str:
    """A value on one line, quoted where a reader of YAML could take it for something else."""
    import yaml

    text = yaml.safe_dump(value, default_flow_style=True, width=2**31, allow_unicode=True)
    return str(text).removesuffix("\n...\n").rstrip("\n")
