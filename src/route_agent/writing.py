"""The commented policy that `init` writes into a project.

Everything that the built-in policy already says is read from it, so that each name and number has one place.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from decimal import Decimal
from typing import Any

from route_agent import yamlfile
from route_agent.discovery import Discovered
from route_agent.policy import FIXER, CheckSpec, presets

_HEADER = """\
# How route-agent judges changes to this project. It is read from the commit that a change starts from:
# commit this file to put it in force. Every section that is left out is taken from the built-in policy.
version: 1
"""

_NO_CHECKS = """
# No checks were found. Without one nothing can be proved, and no patch is accepted: name at least the
# command that runs the tests. A command is a list of words; no shell reads it.
# checks:
#   - {name: test, kind: test, run: [make, test], timeout: 300}
#   - {name: lint, kind: lint, run: [make, lint]}
"""

_CHECKS = """
# What a patch must pass. `run` is a list of words and no shell reads it; `timeout` is in seconds,
# {timeout} where none is given.
# kinds: test, lint, format, typecheck, build, snapshot, custom
checks:
"""

_MODELS = """
# A lane is one way of getting a patch. Of a list, the first entry whose key is set is used.
# The fixer mends lint and format with the project's own tools, before any model is paid.
models:
"""

_ROUTING = """
# Scores up to fast_max_score start at the lowest model lane, from strong_min_score at the highest.
routing:
"""

_ACCEPT = """
# The least that the checks must prove before a lane's patch is accepted, by lane and task class:
# none < static < ran < covered < discriminating. These bars are built in; to set your own, change them here.
"""

_LIMITS = """
# Money in dollars, durations in seconds; per_day_usd counts from midnight UTC. These limits are built in.
"""


def policy_text(discovered: Discovered, *, policy_models: bool = True) -> str:
    """The text of a policy file that holds what was discovered.

    Args:
        discovered: the project's checks and fixers.
        policy_models: whether found fixers become a lane; the lanes stay the built-in ones if not.
    """
    default = _built_in()
    checks = _CHECKS.format(timeout=_flow(CheckSpec.model_fields["timeout"].default))
    parts = [_HEADER]
    parts += [checks, *(_check_lines(discovered))] if discovered.checks else [_NO_CHECKS]
    if discovered.fixers and policy_models:
        # a section of the file replaces the built-in one, so the built-in lanes and conditions are repeated
        fixer = {"provider": FIXER, "run": discovered.fixers, "classes": ["lint", "format"]}
        parts += [_MODELS, *_section({FIXER: fixer, **default["models"]})]
        routing = {**default["routing"], "ladder": [FIXER, *default["routing"]["ladder"]]}
        parts += [_ROUTING, *_section(routing)]
    for words, key in ((_ACCEPT, "accept"), (_LIMITS, "limits")):
        parts += [words, *(f"# {line}" for line in (f"{key}:\n", *_section(default[key])))]
    return "".join(parts)


def _built_in() -> dict[str, Any]:
    data = yamlfile.parse(presets()["default"].read_bytes()).data
    return dict(data)


def _check_lines(discovered: Discovered) -> Iterator[str]:
    for check in discovered.checks:
        if origin := discovered.origin(check.name):
            yield f"  # {_one_line(origin)}\n"
        yield f"  - {_flow(_check_data(check))}\n"


def _check_data(check: CheckSpec) -> dict[str, Any]:
    order = ("name", "kind", "run", "timeout", "when", "network", "expose", "env")
    data = check.model_dump(mode="json")
    return {
        key: data[key]
        for key in order
        if key == "kind" or getattr(check, key) != CheckSpec.model_fields[key].default
    }


def _section(data: Mapping[str, Any]) -> Iterator[str]:
    """The lines below a section's name; a list of entries stands one entry a line."""
    for key, value in data.items():
        if isinstance(value, list) and any(isinstance(entry, dict) for entry in value):
            yield f"  {_scalar(key)}:\n"
            yield from (f"    - {_flow(entry)}\n" for entry in value)
        else:
            yield f"  {_scalar(key)}: {_flow(value)}\n"


def _flow(value: object) -> str:
    """A value on one line."""
    if isinstance(value, Mapping):
        return "{" + ", ".join(f"{_scalar(key)}: {_flow(entry)}" for key, entry in value.items()) + "}"
    if isinstance(value, list | tuple):
        return "[" + ", ".join(_flow(entry) for entry in value) + "]"
    return _scalar(value)


_PLAIN = re.compile(r"-{0,2}[A-Za-z_./][A-Za-z0-9_./=@+-]*")
_TAKEN = frozenset({"null", "true", "false", "yes", "no", "on", "off", "y", "n"})


def _scalar(value: object) -> str:
    if isinstance(value, bool):
        return str(value).lower()
    if isinstance(value, int | float):
        return str(int(value)) if value == int(value) else format(Decimal(repr(value)), "f")
    text = str(value)
    if _PLAIN.fullmatch(text) and text.lower() not in _TAKEN:
        return text
    import yaml

    return yaml.safe_dump(text, default_style='"', width=2**31 - 1).rstrip("\n")


def _one_line(text: str) -> str:
    """What may stand in a comment: on one line and printable."""
    return " ".join("".join(letter if letter.isprintable() else " " for letter in text).split())
