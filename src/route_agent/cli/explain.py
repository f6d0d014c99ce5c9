"""`route-agent explain`: the decision without a call, and what would change it."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

from route_agent import risk as risks
from route_agent.checks.cache import latest
from route_agent.cli.edge import plain_errors, print_json, print_lines
from route_agent.cli.inputs import preferring, read_task, wish
from route_agent.config import load_config, usable
from route_agent.decide import facts, opened, routed
from route_agent.lanes.build import build_reviewers
from route_agent.preferences import preferences
from route_agent.quoting import quote_of_ledger
from route_agent.repo.author import name_of
from route_agent.risk.whatif import what_if

if TYPE_CHECKING:
    from pathlib import Path

    from route_agent.cli.inputs import Wanted
    from route_agent.ground import Opened
    from route_agent.records.checks import CheckRun
    from route_agent.records.risk import Decision, Risk, WhatIf
    from route_agent.routing import Wish


def explain(
    text: str | None,
    task_file: Path | None,
    directory: Path,
    base: str,
    policy: str,
    typed: Wanted,
    *,
    as_json: bool,
) -> None:
    """Print the signal table and the decision. Checks are not run; results known from before are used."""
    with plain_errors(as_json=as_json):
        brief = read_task(text, task_file) if text is not None or task_file else ""
        preferred = preferences(os.environ)
        wanted = wish(typed, preferred)
        with opened(directory, load_config(), base=base, policy=policy) as opened_ground:
            ground = preferring(opened_ground, preferred)
            risk, decision, answers = explained(ground, brief, _baseline(ground), wanted)
            notices = (*ground.notices, *_not_callable(ground, decision))
            quote = quote_of_ledger(name_of(ground.repository), decision, ground.policy.policy)
            if as_json:
                from route_agent.report.json import explain_object

                print_json(explain_object(risk, decision, notices, answers, quote))
                return
            from route_agent.report.explain import explain as table

            print_lines(table(risk, decision, notices, answers, quote))


def explained(
    ground: Opened, brief: str, baseline: CheckRun | None, wanted: Wish
) -> tuple[Risk, Decision, tuple[WhatIf, ...]]:
    """The risk with all that can be known, the decision, and what would change it."""
    policy = ground.policy.policy
    known = facts(ground, brief, baseline, deep=True)
    found = risks.look(known, policy)
    risk = risks.assess_found(found, policy, ground.policy.lines)
    decision = routed(ground, risk, brief, baseline, wanted)

    def lane_of(other: Risk) -> str:
        return routed(ground, other, brief, baseline, wanted).lane

    return risk, decision, what_if(found, risk, policy, lane_of)


def _baseline(ground: Opened) -> CheckRun | None:
    """What the checks said of this tree, if they ever ran on it."""
    surroundings = [ground.slot.surroundings_of(overlaid=overlaid) for overlaid in (True, False)]
    return latest(ground.repository, ground.policy.policy, ground.start, ground.trusted, surroundings)


def _not_callable(ground: Opened, decision: Decision) -> tuple[str, ...]:
    """The lanes of the ladder that a run here would have to skip, and whether nobody reads a patch again."""
    policy = ground.policy.policy
    off = build_reviewers(policy, ground.config, None)[1] if policy.verify.critique != "never" else ""
    told = (f"no second opinion, the verifier is off: {off}",) if off else ()
    return told + tuple(
        f"{lane} would be skipped: no key of its models is set"
        for lane in decision.ladder
        if not any(usable(spec, ground.config) for spec in policy.models[lane])
    )
