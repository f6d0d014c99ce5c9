"""What a policy says in vain: prices, thresholds, bars and lanes that never take effect. Pure."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Sequence
from typing import TYPE_CHECKING, get_args

from route_agent import evidence, pathrules
from route_agent.pathrules import BUILT_IN, Finding, Severity, Written
from route_agent.records.checks import CheckKind, CheckResult, CheckRun, Isolation, IsolationLevel, Outcome
from route_agent.records.grades import Grade, TaskClass
from route_agent.routingspec import ESCALATION_WORDS, Condition, EscalationWord

if TYPE_CHECKING:
    from route_agent.policy import Policy, SignalRule
    from route_agent.yamlfile import Path

Priced = Callable[[str, str], bool]

FLAGS = frozenset(get_args(Condition))  # all other signals are counted
_FAULT = re.compile(r"(?P<where>.*?:\d+): (?P<what>.*)")
_NEEDED_WORDS: tuple[EscalationWord, ...] = ("failed_tests", "weak_evidence")


def faults(error: str) -> list[Finding]:
    """The faults of a policy that cannot be read, one for each line of the error."""
    return [_fault(line) for line in error.splitlines()]


def _fault(line: str) -> Finding:
    found = _FAULT.fullmatch(line)
    where, what = (found["where"], found["what"]) if found else ("", line)
    return Finding(Severity.ERROR, "schema", where, what, "docs/policy.md lists every key and its values")


def findings(
    written: Written, *, paths: Sequence[str] | None, priced: Priced, inherited: bool = False
) -> list[Finding]:
    """Everything about a policy that can be read, the weightier first, then in the order of the file.

    Args:
        written: the policy with its text.
        paths: the tree's files; None where there is no tree to hold the path rules against.
        priced: whether a provider's model has a known price.
        inherited: whether rules are told too that the built-in policy has.
    """
    found = [*_prices(written, priced), *_lanes(written), *_thresholds(written), *_signals(written)]
    found += [*_bars(written), *_climbing(written), *_asked_in_vain(written)]
    all_rules = list(pathrules.rules(written))
    found += pathrules.covered(all_rules, inherited=inherited)
    if paths is not None:
        found += pathrules.dead(all_rules, paths, inherited=inherited)
        found += pathrules.doubled(written, paths, inherited=inherited)
    order = list(Severity)
    return sorted(dict.fromkeys(found), key=lambda it: (order.index(it.severity), _line(it.where)))


def _line(where: str) -> int:
    number = where.rpartition(":")[2]
    return int(number) if number.isdigit() else 0


# --- prices and lanes


def _prices(written: Written, priced: Priced) -> Iterator[Finding]:
    policy = written.policy
    for lane, specs in policy.models.items():
        for index, spec in enumerate(specs):
            if not spec.has_model:
                continue
            asked: list[tuple[Path, str, str]] = [((lane, index, "model"), spec.provider, spec.model)]
            for at, spare in enumerate(spec.fallbacks):
                asked.append(((lane, index, "fallbacks", at), spare.provider, spare.model))
            for path, provider, model in asked:
                if not priced(provider, model):
                    yield Finding(
                        Severity.WARNING,
                        "no-price",
                        written.place("models", *path),
                        f"lane {lane}: the price of {provider} {model} is not known; {_unpriced(policy)}",
                        "say its price under `rates` of your configuration: route-agent config edit",
                    )


def _unpriced(policy: Policy) -> str:
    if policy.limits.unpriced == "refuse":
        return "limits.unpriced is refuse, so it is never called"
    return (
        "limits.unpriced is reserve: each call is held at a dear model's price and its cost told as unknown"
    )


def _lanes(written: Written) -> Iterator[Finding]:
    policy, routing = written.policy, written.policy.routing
    used = {*routing.ladder, *routing.start.values(), *routing.phases.values(), policy.verify.lane}
    used |= {policy.reproduce.lane}
    used |= {routing.shadow.lane} if routing.mode == "shadow" else set()
    for specs in policy.models.values():
        for spec in specs:
            used |= {*spec.race, *filter(None, (spec.plan_with, spec.compact_with))}
    for lane in policy.models:
        if lane not in used:
            yield Finding(
                Severity.WARNING,
                "unused-lane",
                written.place("models", lane),
                f"lane {lane} stands in no ladder, and nothing else names it: only --lane {lane} reaches it",
                "add it to routing.ladder, or take it out",
            )
    if twice := sorted({lane for lane in routing.ladder if routing.ladder.count(lane) > 1}):
        yield Finding(
            Severity.WARNING,
            "repeated-lane",
            written.place("routing", "ladder"),
            f"routing.ladder names {', '.join(twice)} twice",
            "to let a lane try again, give it `attempts`",
        )


# --- thresholds and signals


def highest_score(policy: Policy) -> int | None:
    """The highest score that any task can have; None where nothing bounds it."""
    total = 0
    for name, rule in policy.signals.items():
        if name in FLAGS:
            total += rule.points
        elif rule.points and rule.max_points is None:
            return None
        elif rule.points:
            total += rule.max_points or 0
    return total


def _thresholds(written: Written) -> Iterator[Finding]:
    routing, highest = written.policy.routing, highest_score(written.policy)
    models = _model_lanes(written.policy)
    if len(models) == 1:
        if routing.always_strong_if and written.has("routing", "always_strong_if"):
            yield Finding(
                Severity.NOTE,
                "one-lane",
                written.place("routing", "always_strong_if"),
                f"the ladder has one lane with a model ({models[0]}), so always_strong_if changes no lane",
                "nothing to do, if there shall be one; else add a lane to routing.ladder",
            )
        return
    if highest is not None and routing.fast_max_score >= highest:
        yield Finding(
            Severity.WARNING,
            "unreachable-threshold",
            written.place("routing", "fast_max_score"),
            f"no task scores above {highest}, so fast_max_score {routing.fast_max_score} sends every task to"
            f" {models[0]} that meets no always-strong condition",
            f"set it below {highest}",
        )
    elif highest is not None and routing.strong_min_score > highest:
        yield Finding(
            Severity.WARNING,
            "unreachable-threshold",
            written.place("routing", "strong_min_score"),
            f"no task scores above {highest}: strong_min_score {routing.strong_min_score} is never reached",
            f"set it to {highest} or less",
        )
    gap = routing.strong_min_score - routing.fast_max_score - 1
    if gap and len(models) == 2:
        yield Finding(
            Severity.NOTE,
            "no-middle",
            written.place("routing", "strong_min_score"),
            f"scores from {routing.fast_max_score + 1} to {routing.strong_min_score - 1} lie between the"
            f" thresholds; with two lanes they begin at {models[-1]} all the same",
            "nothing to do, or add a middle lane to routing.ladder",
        )


def _signals(written: Written) -> Iterator[Finding]:
    for name, rule in written.policy.signals.items():
        if written.has("signals", name):
            yield from _signal(written, name, rule)


def _signal(written: Written, name: str, rule: SignalRule) -> Iterator[Finding]:
    routing = written.policy.routing

    def finding(key: str, what: str, do: str, severity: Severity = Severity.WARNING) -> Finding:
        return Finding(severity, "useless-signal", written.place("signals", name, key), f"{name}: {what}", do)

    most = rule.max_points
    if name in FLAGS and most is not None:
        yield finding("max_points", "it is true or false, so max_points has no effect", "take max_points out")
    elif rule.points and most == 0:
        yield finding(
            "max_points", "max_points 0: it never adds anything", "raise max_points, or set points: 0"
        )
    elif rule.points and most is not None and most < rule.points:
        yield finding(
            "max_points",
            f"max_points {most} is below points {rule.points}: one counts {most}, any more count nothing",
            "raise max_points",
        )
    if name not in FLAGS and (rule.paths or rule.words or rule.content):
        yield finding("", "it is counted: paths, words and content have no effect", "take them out")
    idle = not rule.points and name not in routing.always_strong_if and routing.mode in ("rules", "shadow")
    if name in FLAGS and idle and written.has("signals", name, "points"):
        what = "0 points and no always-strong condition: it is shown and changes nothing"
        yield finding("points", what, "give it points, or name it in always_strong_if", Severity.NOTE)
    emptied = [key for key in ("paths", "words", "content") if written.has("signals", name, key)]
    if name in FLAGS and emptied and not (rule.paths or rule.words or rule.content):
        yield finding(emptied[0], "it has no paths, words or content left", "give it some")


# --- bars


def _bars(written: Written) -> Iterator[Finding]:
    policy = written.policy
    used = {*policy.routing.ladder, *policy.routing.start.values(), *policy.routing.phases.values()}
    for lane in policy.accept:
        if lane not in used and written.has("accept", lane):
            yield Finding(
                Severity.NOTE,
                "useless-bar",
                written.place("accept", lane),
                f"accept.{lane}: no patch of {lane} is ever judged by it, since it is not in the ladder",
                "take it out",
            )
    if not policy.checks:
        return
    tests = any(check.kind is CheckKind.TEST for check in policy.checks)
    for lane in dict.fromkeys(policy.routing.ladder):
        beyond = {it: bar for it in get_args(TaskClass) if (bar := _out_of_reach(policy, lane, it))}
        if not beyond:
            continue
        bars = ", ".join(dict.fromkeys(grade.value for grade in beyond.values()))
        classes = "every class" if len(beyond) == len(get_args(TaskClass)) else ", ".join(beyond)
        why = "none of the checks is a test" if not tests else "no check here is known to prove that much"
        yield Finding(
            Severity.NOTE if tests else Severity.WARNING,
            "unreachable-bar",
            written.place("accept", lane),
            f"{lane} needs {bars} for {classes}; {why}, so it is skipped unless a check is red at start",
            "name a check of kind test; one that runs neither Python nor Node needs `coverage`",
        )


def _out_of_reach(policy: Policy, lane: str, task_class: TaskClass) -> Grade | None:
    """The bar that no check could reach for a task of this class; None where one could, or may."""
    bar = min(policy.bar(lane, task_class), policy.bar(lane, "other"), key=lambda grade: grade.rank)
    rules = policy.reproduce
    passed = [CheckResult(it.name, it.kind, Outcome.PASSED, seconds=0) for it in policy.checks]
    highest = evidence.reachable(
        CheckRun("", tuple(passed), Isolation(IsolationLevel.NONE)),
        checks=policy.checks,
        task_class=task_class,
        reproducible=task_class in rules.when and rules.lane in policy.models,
    )
    return None if highest.reaches(bar) else bar


# --- how the ladder is climbed


def _climbing(written: Written) -> Iterator[Finding]:
    policy, models = written.policy, _model_lanes(written.policy)
    routing, limits = policy.routing, policy.limits
    if len(models) < 2:
        return
    missing = [word for word in _NEEDED_WORDS if word not in routing.escalate_on]
    others = [
        word
        for word in dict.fromkeys(ESCALATION_WORDS.values())
        if word not in (*routing.escalate_on, *_NEEDED_WORDS)
    ]
    for words, severity in ((missing, Severity.WARNING), (others, Severity.NOTE)):
        if words:
            yield Finding(
                severity,
                "no-escalation",
                written.place("routing", "escalate_on"),
                f"escalate_on does not name {', '.join(words)}: after that {models[-1]} is never tried",
                f"add {', '.join(words)}, if {models[-1]} shall be reached",
            )
    tries = {lane: policy.models[lane][0].attempts for lane in routing.ladder}
    before = sum(tries[lane] for lane in routing.ladder[:-1])
    if limits.max_attempts <= before:
        yield Finding(
            Severity.WARNING,
            "unreachable-lane",
            written.place("limits", "max_attempts"),
            f"max_attempts {limits.max_attempts} is used up by {', '.join(routing.ladder[:-1])}:"
            f" a task that begins at {routing.ladder[0]} never gets to {routing.ladder[-1]}",
            f"set it to {before + 1} or more",
        )


def _asked_in_vain(written: Written) -> Iterator[Finding]:
    """What is asked for and cannot be had: a second opinion without a verifier, a mode without its means."""
    policy, routing = written.policy, written.policy.routing
    wanted = [
        (("verify", "critique"), policy.verify.lane, policy.verify.critique != "never", "a second opinion"),
        (
            ("reproduce", "when"),
            policy.reproduce.lane,
            bool(policy.reproduce.when),
            "a test before the patch",
        ),
        (("routing", "mode"), routing.shadow.lane, routing.mode == "shadow", "the shadow's word"),
    ]
    for path, lane, asked, what in wanted:
        if asked and lane not in policy.models and (place := written.place(*path)) != BUILT_IN:
            yield Finding(
                Severity.WARNING,
                "missing-lane",
                place,
                f"{'.'.join(path)} asks for {what}, and models has no lane {lane}",
                f"add {lane} to models",
            )
    if routing.mode == "learned" and not routing.learned:
        yield Finding(
            Severity.WARNING,
            "nothing-learned",
            written.place("routing", "mode"),
            "mode learned, and routing.learned holds no rule: the scores decide",
            "route-agent tune --write makes one",
        )


def _model_lanes(policy: Policy) -> list[str]:
    return [lane for lane in policy.routing.ladder if not policy.models[lane][0].is_fixer]
