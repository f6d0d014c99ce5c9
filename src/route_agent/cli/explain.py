"""`route-agent explain`: the decision without a call, and what would change it."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from route_agent.checks.cache import latest
from route_agent.cli.edge import plain_errors, print_json, print_lines
from route_agent.cli.inputs import read_task, wish
from route_agent.config import load_config, usable
from route_agent.decide import decide, facts, opened
from route_agent.globs import any_match
from route_agent.lanes.build import build_reviewers
from route_agent.records.change import Change

if TYPE_CHECKING:
    from pathlib import Path

    from route_agent.cli.inputs import Wanted
    from route_agent.decide import Opened
    from route_agent.records.checks import CheckRun
    from route_agent.records.risk import Decision
    from route_agent.risk import Facts
    from route_agent.routing import Wish

MAX_TRIED = 5


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
        wanted = wish(typed)
        with opened(directory, load_config(), base=base, policy=policy) as ground:
            baseline = latest(
                ground.repository,
                ground.policy.policy,
                ground.start,
                ground.trusted,
                [ground.slot.surroundings_of(overlaid=overlaid) for overlaid in (True, False)],
            )
            known = facts(ground, brief, baseline)
            risk, decision = decide(ground, known, baseline, wanted)
            notices = (*ground.notices, *_not_callable(ground, decision))
            if as_json:
                from route_agent.report.json import explain_object

                print_json(explain_object(risk, decision, notices))
                return
            from route_agent.report.terminal import explain as table

            without = _without_one_path(ground, known, baseline, wanted, decision.lane)
            print_lines(table(risk, decision, notices, without))


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


def _without_one_path(
    ground: Opened, known: Facts, baseline: CheckRun | None, wanted: Wish, lane: str
) -> tuple[str, ...]:
    """Single files without which the task would go to another lane: those that a path rule names first."""
    rules = ground.policy.policy.signals.values()
    ruled = [file for file in known.change.files if any(any_match(file.path, rule.paths) for rule in rules)]
    plain = [file for file in known.change.files if file not in ruled]
    told = []
    for file in [*ruled[:MAX_TRIED], *plain[:1]]:
        rest = tuple(it for it in known.change.files if it != file)
        change = Change(known.change.old_tree, known.change.new_tree, rest)
        risk, decision = decide(ground, replace(known, change=change), baseline, wanted)
        if decision.lane != lane:
            told.append(f"without {file.path}: score {risk.score} → {decision.lane}")
    return tuple(told[:3])
