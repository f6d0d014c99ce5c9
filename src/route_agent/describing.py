"""A policy in words: the ROUTING.md that `init` writes for a team to keep and to go on with."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from route_agent.policy import COMMAND, ESCALATION_WORDS, CheckSpec, LaneSpec, Policy, SignalRule

_HEAD = """\
# Routing

How `{name}` sends a task to a lane, what proves its patch, and what happens
when nothing does. The policy is what counts; this page says it in words.
`route-agent explain --task "…"` shows a decision without a call.
"""

_DECIDED_TWICE = """\
## Two decisions

Before a patch: the score and the conditions choose where to begin. After each patch: what it really touched,
what the checks proved, how much effort it took and what a second model says decide whether it stays or the
next lane tries. The first one bounds the damage, the second one finds the mistakes.
"""

_TUNING = """\
## Tuning

- `route-agent stats` and `route-agent policy drift`: what the lanes did, which rules the code has outgrown.
- `route-agent policy diff HEAD:{name} {name}` before every change of the policy: which tasks
  would go elsewhere.
- `route-agent tune ledger`: which ladder and which caps the outcomes speak for, from 30 tasks on.
- Raise a class of task to a higher lane (`routing.start`) when its patches are taken back, or when more than
  half of them escalate anyway. Lower a threshold only with figures, and write them down below.
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
    "hunks": "places changed",
    "file_kinds": "kinds of files",
    "schema_change": "a schema or migration is touched",
    "auth_code": "code that decides who may do what is touched",
    "ci_or_deploy": "CI or deployment is touched",
    "auto_executed": "what tools run or obey unasked is touched",
    "secrets_handling": "secrets are handled",
    "dependency_manifest": "dependencies change",
    "public_api": "what others call changes",
    "concurrency": "threads, locks or tasks are touched",
    "money": "amounts of money are computed",
    "time_zones": "dates and time zones are computed",
    "external_api": "another service is called",
    "generated_or_vendored": "files that nobody here writes are touched",
    "untested": "no test executes what is touched",
    "churn": "how often these files changed lately",
    "past_escalations": "how often tasks on these files escalated",
    "past_reverts": "how often changes of these files were taken back",
    "novelty": "nothing like it exists yet",
    "cross_module": "how many parts of the project are touched",
    "test_failures": "tests that are red before the patch",
    "new_code": "something is asked for that does not exist yet",
    "production_incident": "the brief speaks of an incident",
}
_SHOWN_SOURCES = 6


def routing_text(policy: Policy, name: str) -> str:
    """A ROUTING.md that says in words how a policy routes.

    Args:
        policy: the policy to describe.
        name: what the policy is called: its file or preset.
    """
    parts = (
        _HEAD.format(name=name),
        _signals_part(policy),
        _lanes_part(policy),
        _thresholds_part(policy),
        _DECIDED_TWICE + _after_part(policy),
        _escalation_part(policy),
        _acceptance_part(policy),
        _others_part(policy),
        _checks_part(policy.checks),
        _limits_part(policy),
        _TUNING.format(name=name),
        _DECISIONS,
    )
    return "\n".join(parts)


def _signals_part(policy: Policy) -> str:
    signals = policy.signals
    acting = {
        name: rule for name, rule in signals.items() if rule.points or name in policy.routing.always_strong_if
    }
    rows = (
        (f"`{name}`", _SIGNAL_WORDS.get(name, ""), _points(rule), _sources(rule))
        for name, rule in acting.items()
    )
    formula = " + ".join(term for name, rule in signals.items() if (term := _term(name, rule)))
    shown = ", ".join(f"`{name}`" for name in signals if name not in acting)
    return (
        "## Signals\n\nEach signal adds its points. Words are looked for in the brief, paths among the"
        " touched files, expressions among the changed lines; what the brief says can raise a score and never"
        f" lower it.\n\n`score = {formula or '0'}`\n\n"
        + _rows(("Signal", "Means", "Points", "Found by"), rows)
        + (f"\nShown without points: {shown}.\n" if shown else "")
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
    found = (
        _some("paths", [f"`{path}`" for path in rule.paths]),
        _some("words", [f"“{word}”" for word in rule.words]),
        _some("lines with", [f"`{pattern}`" for pattern in rule.content]),
    )
    return "; ".join(part for part in found if part)


def _some(what: str, entries: Sequence[str]) -> str:
    """The first of many; the policy has them all."""
    more = len(entries) - _SHOWN_SOURCES
    shown = ", ".join(entries[:_SHOWN_SOURCES])
    return f"{what} {shown}{f' and {more} more' if more > 0 else ''}" if entries else ""


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


_MODES = {
    "rules": "the score and the conditions decide",
    "complexity": "how complex the task looks decides (files, other services, parts of the project, novelty)",
    "hybrid": "the score and the conditions decide, and a complex task goes higher",
    "shadow": "the score and the conditions decide, and a model that finds the task hard may send it up",
    "learned": "the score and the conditions decide, with what `tune` fitted to earlier outcomes",
}


def _thresholds_part(policy: Policy) -> str:
    routing = policy.routing
    models = [lane for lane in routing.ladder if not policy.models[lane][0].is_fixer]
    conditions = ", ".join(f"`{word}`" for word in routing.always_strong_if) or "none"
    told = [
        f"Mode `{routing.mode}`: {_MODES[routing.mode]}.",
        f"A score up to {routing.fast_max_score} starts at `{models[0]}`.",
    ]
    if routing.strong_min_score > routing.fast_max_score + 1:
        between = models[1] if len(models) > 2 else models[-1]
        told.append(f"A score between the two thresholds starts at `{between}`.")
    told.append(f"A score from {routing.strong_min_score} starts at `{models[-1]}`.")
    told.append(f"Always `{models[-1]}`, whatever the score: {conditions}.")
    told += [f"A task of class `{it}` starts at `{lane}` at least." for it, lane in routing.start.items()]
    told += [f"`--phase {phase}` works at `{lane}`." for phase, lane in routing.phases.items()]
    return "## Thresholds\n\n" + "".join(f"- {line}\n" for line in told)


def _after_part(policy: Policy) -> str:
    after, learned = policy.routing.after, policy.routing.learned
    told = []
    if after.effort:
        told.append(f"An attempt beyond `{after.effort}` of the lane's own earlier effort goes on.")
    if after.max_lines:
        told.append(f"A patch of more than {after.max_lines} lines goes on.")
    if told and after.unless != "never":
        told.append(f"Neither counts from `{after.unless}` on.")
    told += [
        f"A patch of `{lane}` that is right with less than {rule.accept_from:g} by the fitted rule"
        f" (from {rule.outcomes} outcomes) goes on."
        for lane, rule in learned.items()
    ]
    caps = {lane: specs[0].cap.model_dump(exclude_none=True) for lane, specs in policy.models.items()}
    told += [
        f"`{lane}` stops at {', '.join(f'{value} {what}' for what, value in cap.items())} and hands over."
        for lane, cap in caps.items()
        if cap
    ]
    return "\n" + "".join(f"- {line}\n" for line in told) if told else ""


def _escalation_part(policy: Policy) -> str:
    rows = []
    for word in policy.routing.escalate_on:
        failures = (failure.value for failure, known in ESCALATION_WORDS.items() if known == word)
        rows.append((f"`{word}`", ", ".join(f"`{failure}`" for failure in failures) or "–"))
    return (
        "## What escalates\n\nThe next lane of the ladder is tried after these failures, after `provider`,"
        " `raised` and `capped`, and after any of a fixer.\n\n"
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
    cells = ([" ".join(cell.split()).replace("|", "\\|") for cell in line] for line in lines)
    return "".join(f"| {' | '.join(line)} |\n" for line in cells)
