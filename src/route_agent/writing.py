"""The files that `init` writes into a project: a commented policy, and how that policy routes.

Everything that the built-in policy already says is read from it, so that each name and number has one place.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from decimal import Decimal
from typing import Any

from route_agent import yamlfile
from route_agent.discovery import Discovered
from route_agent.policy import (
    COMMAND,
    ESCALATION_WORDS,
    FIXER,
    CheckSpec,
    LaneSpec,
    Policy,
    SignalRule,
    presets,
)

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


# --- ROUTING.md --------------------------------------------------------------------------------------------

_ROUTING_HEAD = """\
# Routing

How `{name}` sends a task to a lane, what proves its patch, and what happens
when nothing does. The policy is what counts; this page says it in words.
`route-agent explain --task "…"` shows a decision without a call.
"""

_DECISIONS = """\
## Decision log

Every change of the policy, with what was measured before and after.

| Date | Change | Why | Measured |
| --- | --- | --- | --- |
"""

_SIGNAL_WORDS = {
    "files": "files touched",
    "lines": "lines changed",
    "schema_change": "a schema or migration is touched",
    "auth_code": "code that decides who may do what is touched",
    "ci_or_deploy": "CI or deployment is touched",
    "auto_executed": "what tools run or obey unasked is touched",
    "secrets_handling": "secrets are handled",
    "dependency_manifest": "dependencies change",
    "test_failures": "tests that are red before the patch",
    "new_code": "something is asked for that does not exist yet",
    "production_incident": "the brief speaks of an incident",
}


def routing_text(policy: Policy, name: str) -> str:
    """A ROUTING.md that says in words how a policy routes.

    Args:
        policy: the policy to describe.
        name: what the policy is called: its file or preset.
    """
    parts = (
        _ROUTING_HEAD.format(name=name),
        _signals_part(policy.signals),
        _lanes_part(policy),
        _thresholds_part(policy),
        _escalation_part(policy),
        _acceptance_part(policy),
        _others_part(policy),
        _checks_part(policy.checks),
        _limits_part(policy),
        _DECISIONS,
    )
    return "\n".join(parts)


def _signals_part(signals: Mapping[str, SignalRule]) -> str:
    rows = (
        (f"`{name}`", _SIGNAL_WORDS.get(name, ""), _points(rule), _sources(rule))
        for name, rule in signals.items()
    )
    formula = " + ".join(term for name, rule in signals.items() if (term := _term(name, rule)))
    return (
        "## Signals\n\nEach signal adds its points. Words are looked for in the brief, paths among the"
        " touched files; what the brief says can raise a score and never lower it.\n\n"
        f"`score = {formula or '0'}`\n\n" + _rows(("Signal", "Means", "Points", "Found by"), rows)
    )


def _points(rule: SignalRule) -> str:
    return (
        f"{rule.points} each, at most {rule.max_points}" if rule.max_points is not None else str(rule.points)
    )


def _term(name: str, rule: SignalRule) -> str:
    times = name if rule.points == 1 else f"{rule.points}·{name}"
    if not rule.points:
        return ""
    return times if rule.max_points is None else f"min({times}, {rule.max_points})"


def _sources(rule: SignalRule) -> str:
    paths = ", ".join(f"`{path}`" for path in rule.paths)
    words = ", ".join(f"“{word}”" for word in rule.words)
    return "; ".join(part for part in (paths and f"paths {paths}", words and f"words {words}") if part)


def _lanes_part(policy: Policy) -> str:
    rows = (
        (f"`{lane}`", " or ".join(map(_entry, specs)), str(specs[0].max_context_tokens))
        if specs[0].has_model
        else (f"`{lane}`", " or ".join(map(_entry, specs)), "")
        for lane, specs in policy.models.items()
    )
    ladder = " → ".join(f"`{lane}`" for lane in policy.routing.ladder)
    return f"## Lanes\n\nLadder: {ladder}\n\n" + _rows(("Lane", "Answers", "Context tokens"), rows)


def _entry(spec: LaneSpec) -> str:
    if spec.is_fixer:
        commands = ", ".join(f"`{' '.join(command)}`" for command in spec.run)
        return f"no model: {commands} for {', '.join(spec.classes)}"
    if spec.race:
        return f"a race of {' and '.join(f'`{lane}`' for lane in spec.race)}"
    if spec.provider == COMMAND:
        return f"the agent program `{spec.preset or spec.run[0][0]}`"
    return f"`{spec.model}` ({spec.provider})"


def _thresholds_part(policy: Policy) -> str:
    routing = policy.routing
    models = [lane for lane in routing.ladder if not policy.models[lane][0].is_fixer]
    conditions = ", ".join(f"`{word}`" for word in routing.always_strong_if) or "none"
    return (
        "## Thresholds\n\n"
        f"- A score up to {routing.fast_max_score} starts at `{models[0]}`.\n"
        f"- A score from {routing.strong_min_score} starts at `{models[-1]}`.\n"
        f"- Always `{models[-1]}`, whatever the score: {conditions}.\n"
    )


def _escalation_part(policy: Policy) -> str:
    rows = []
    for word in policy.routing.escalate_on:
        failures = (failure.value for failure, known in ESCALATION_WORDS.items() if known == word)
        rows.append((f"`{word}`", ", ".join(f"`{failure}`" for failure in failures) or "–"))
    return (
        "## What escalates\n\nThe next lane of the ladder is tried after these failures and no others.\n\n"
        + _rows(("Word of the policy", "Failure classes"), rows)
    )


def _acceptance_part(policy: Policy) -> str:
    rows = []
    for lane in policy.routing.ladder:
        bars = policy.accept.get(lane, {})
        others = (f"{key}: {grade.value}" for key, grade in bars.items() if key != "default")
        rows.append((f"`{lane}`", policy.bar(lane, "other").value, ", ".join(others) or "–"))
    return (
        "## Acceptance\n\nThe least that the checks must prove: none < static < ran < covered <"
        " discriminating.\n\n" + _rows(("Lane", "Bar", "By task class"), rows)
    )


_CRITIQUE = {
    "always": "reads every patch that met its bar",
    "when_weak": "reads a patch that met its bar below `discriminating`",
    "never": "reads no patch",
}


def _others_part(policy: Policy) -> str:
    """What models other than the patch's author do, and how sure one must be."""
    writes, reads, models = policy.reproduce, policy.verify, policy.models
    classes = ", ".join(f"`{it}`" for it in writes.when)
    reproduction = (
        f"For {classes} the lane `{writes.lane}` writes a test for the brief before any patch is seen, in"
        f" at most {writes.attempts} tries; a patch must turn it green."
        if writes.when and writes.lane in models
        else "No test is written before a patch."
    )
    critique = (
        f"The lane `{reads.lane}` {_CRITIQUE[reads.critique]}, and {reads.canary_rate:.0%} of the time one"
        " that is known to be bad as well. Only its approval lets a patch pass, and it raises no grade."
        if reads.lane in models and reads.critique != "never"
        else "No second model reads a patch."
    )
    return (
        "## Other models\n\n"
        f"- {reproduction}\n- {critique}\n"
        f"- Confidence is computed. Below {policy.routing.confidence_threshold:g} a higher lane is asked, if"
        " there is one.\n"
    )


def _checks_part(checks: Sequence[CheckSpec]) -> str:
    rows = (
        (f"`{check.name}`", check.kind.value, f"`{' '.join(check.run)}`", f"{check.timeout:g} s")
        for check in checks
    )
    table = _rows(("Check", "Kind", "Command", "Timeout"), rows) if checks else "The policy names none.\n"
    return f"## Checks\n\n{table}"


def _limits_part(policy: Policy) -> str:
    limits = policy.limits
    return (
        "## Limits\n\n"
        f"- ${limits.max_usd:.2f} for a run, ${limits.per_day_usd:.2f} for a day (UTC)\n"
        + "".join(
            f"- ${most:.2f} for a day and {what}\n"
            for what, most in (
                ("this repository", limits.repository_per_day_usd),
                ("one author", limits.author_per_day_usd),
                *((f"lane `{lane}`", most) for lane, most in limits.lane_per_day_usd.items()),
            )
            if most is not None
        )
        + f"- {limits.max_attempts} attempts, {limits.deadline_s:g} seconds\n"
    )


def _rows(head: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    lines = (head, ("---",) * len(head), *rows)
    cells = ([_one_line(cell).replace("|", "\\|") for cell in line] for line in lines)
    return "".join(f"| {' | '.join(line)} |\n" for line in cells)
