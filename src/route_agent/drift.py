"""Where a code base and its outcomes have moved away from the policy's rules. Pure.

Each finding names what it was counted on: `n`, and for a share its 95 % interval.
"""

from __future__ import annotations

import re
from collections import Counter, defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from route_agent import pathrules
from route_agent.classes import is_test_path
from route_agent.globs import any_match, globs
from route_agent.verifying import interval

if TYPE_CHECKING:
    from route_agent.pathrules import Written
    from route_agent.policy import Policy
    from route_agent.records.past import PastTask

LEAST_TASKS = 5  # of a folder
_HALF = 0.5
LEAST_OF_A_SCORE = 10
LEAST_REVERTS = 2
RECENT_DAYS = 30
MOST_FINDINGS = 20  # of one kind
_DEPTH = 3  # folders of a path that are told apart

# words of a path by the signal that such a path should raise
_WORDS_OF = {
    "schema_change": "migration migrations migrate schema schemas alembic flyway liquibase ddl dbmigrate",
    "auth_code": """
        auth authn authz authentication authorization login signin logout session sessions oauth oidc sso
        saml jwt acl rbac permission permissions password passwords identity crypto token tokens
    """,
    "ci_or_deploy": """
        deploy deployment deployments infra infrastructure terraform kubernetes k8s helm ansible pulumi
        cloudformation docker dockerfile compose pipelines workflows provisioning
    """,
    "secrets_handling": """
        secret secrets credential credentials vault keyring keystore kms certs certificates apikeys
    """,
}
LOOKS_LIKE: Mapping[str, frozenset[str]] = {
    signal: frozenset(listed.split()) for signal, listed in _WORDS_OF.items()
}
_NO_CODE = ("*.md", "*.rst", "*.adoc", "docs", "doc", "CHANGELOG*")
_WORDS = re.compile(r"[A-Z]+(?![a-z])|[A-Za-z][a-z]*[0-9]*[a-z]*")


@dataclass(frozen=True, slots=True)
class Drift:
    """One place where rules and reality part.

    Attributes:
        kind: uncovered, stopped, escalates, reverted, threshold or lanes.
        n: how many files, tasks or commits it was counted on.
        share: what is told of them (0 to 1); None where it is a count.
    """

    kind: str
    what: str
    do: str
    n: int
    share: float | None = None
    low: float | None = None
    high: float | None = None


def _shared(kind: str, said: tuple[str, str], do: str, part: int, whole: int) -> Drift:
    """A share with its interval, told between two halves of a sentence."""
    low, high = interval(part, whole)
    told = f"{part} of {whole}, {100 * part / whole:.0f} % [{100 * low:.0f}, {100 * high:.0f}]"
    return Drift(kind, f"{said[0]} {told} {said[1]}", do, whole, part / whole, low, high)


# --- files


def uncovered(policy: Policy, new: Iterable[str]) -> Iterator[Drift]:
    """New files whose names look as if a signal were about them, and that no rule of any weight matches."""
    heard = [
        rule.paths
        for name, rule in policy.signals.items()
        if rule.points or name in policy.routing.always_strong_if or name in LOOKS_LIKE
    ]
    rules = globs(tuple(pattern for patterns in heard for pattern in patterns))
    groups: dict[tuple[str, str], list[str]] = defaultdict(list)
    for path in new:
        if is_test_path(path) or any_match(path, _NO_CODE):
            continue
        if (found := _look_alike(path)) and not rules.first(path):
            groups[found].append(path)
    for (signal, place), paths in sorted(groups.items(), key=lambda it: (-len(it[1]), it[0]))[:MOST_FINDINGS]:
        is_file = place == paths[0]
        files = "a new file" if is_file else f"{len(paths)} new file{'' if len(paths) == 1 else 's'}"
        yield Drift(
            "uncovered",
            f"{place}: {files} by name of {signal}, and no rule matches"
            + ("" if is_file else f": {paths[0]}"),
            f'signals.{signal}.paths: add "{f"/{place}" if is_file else f"/{place}/**"}", if it is that',
            len(paths),
        )
    yield from _more("uncovered", len(groups))


def _more(kind: str, found: int) -> Iterator[Drift]:
    """Of one kind, how many are not told."""
    if (left := found - MOST_FINDINGS) > 0:
        yield Drift(kind, f"and {left} more, with fewer of them", "begin with those above", left)


def _look_alike(path: str) -> tuple[str, str] | None:
    """The signal that a path looks like, and the uppermost folder or file that does."""
    parts = path.split("/")
    for depth, part in enumerate(parts, 1):
        words = {word.lower() for word in _WORDS.findall(part)}
        for signal, known in LOOKS_LIKE.items():
            if words & known:
                return signal, "/".join(parts[:depth])
    return None


def stopped(written: Written, before: Sequence[str], now: Sequence[str]) -> Iterator[Drift]:
    """The team's own patterns that matched files when the policy was last changed, and match none now."""
    for rule in pathrules.rules(written):
        if rule.own and not any(globs((rule.pattern,)).first(path) for path in now):
            matched = [path for path in before if globs((rule.pattern,)).first(path)]
            if matched:
                yield Drift(
                    "stopped",
                    f"{rule.key}: {rule.pattern} ({rule.where}) matched {len(matched)}"
                    f" file{'' if len(matched) == 1 else 's'}, such as {matched[0]}, and now none",
                    "name where they went, or take it out",
                    len(matched),
                )


# --- outcomes by path


def escalating(policy: Policy, tasks: Sequence[PastTask]) -> Iterator[Drift]:
    """Folders in which tasks of a low score begin low and fail there more often than not (at 95 %)."""
    tried, failed = Counter[str](), Counter[str]()
    for task in tasks:
        if task.first_try is None or task.score > policy.routing.fast_max_score or _at_top(policy, task):
            continue
        for folder in {it for path in task.touched for it in _folders(path)}:
            tried[folder] += 1
            failed[folder] += not task.first_try
    files = {path for task in tasks for path in task.touched}
    found = _narrowest(tried, failed, LEAST_TASKS)
    for folder in found[:MOST_FINDINGS]:
        pattern = f"/{folder}" if folder in files else f"/{folder}/**"
        yield _shared(
            "escalates",
            (f"{folder}: of its tasks with a low score", "failed at their first lane"),
            f'a rule that raises the score there, such as paths: ["{pattern}"]',
            failed[folder],
            tried[folder],
        )
    yield from _more("escalates", len(found))


def reverted(policy: Policy, commits: Mapping[str, int], reverts: Mapping[str, int]) -> Iterator[Drift]:
    """Files that no rule of any weight matches, and of whose commits one in ten or more took others back."""
    weighs = [
        rule.paths
        for name, rule in policy.signals.items()
        if rule.points or name in policy.routing.always_strong_if
    ]
    rules = globs(tuple(pattern for patterns in weighs for pattern in patterns))
    for path in sorted(reverts, key=lambda it: (-reverts[it], it)):
        part, whole = reverts[path], max(commits.get(path, 0), reverts[path])
        if part >= LEAST_REVERTS and 10 * part >= whole and not rules.first(path):
            yield _shared(
                "reverted",
                (f"{path}:", "of the last year's commits took one back"),
                f'a rule that raises the score there, such as paths: ["/{path}"]',
                part,
                whole,
            )


def _at_top(policy: Policy, task: PastTask) -> bool:
    return task.first_lane == policy.routing.ladder[-1]


def _folders(path: str) -> list[str]:
    """The folders above a file, the uppermost first; of a file at the top, itself."""
    parts = path.split("/")[:-1][:_DEPTH]
    return ["/".join(parts[:depth]) for depth in range(1, len(parts) + 1)] or [path]


def _narrowest(tried: Counter[str], failed: Counter[str], least: int) -> list[str]:
    """The folders where more than half failed, whatever chance did (the lower end of the 95 % interval lies
    above a half), without those of which a folder within tells the same.
    """
    found = [it for it in tried if tried[it] >= least and interval(failed[it], tried[it])[0] > _HALF]
    kept = [
        it
        for it in found
        if not any(other.startswith(f"{it}/") and failed[other] == failed[it] for other in found)
    ]
    return sorted(kept, key=lambda it: (-failed[it], it))


# --- outcomes by score


def thresholds(policy: Policy, tasks: Sequence[PastTask]) -> Iterator[Drift]:
    """Scores that begin low and fail more often than not; and scores that need not begin high."""
    routing, models = policy.routing, _model_lanes(policy)
    if len(models) < 2:
        return
    by_score: dict[int, list[bool]] = defaultdict(list)
    for task in tasks:
        if task.first_lane == models[0] and task.first_try is not None:
            by_score[task.score].append(task.first_try)
    for score, tries in sorted(by_score.items()):
        well = sum(tries)
        if len(tries) < LEAST_OF_A_SCORE:
            continue
        if score <= routing.fast_max_score and 2 * (len(tries) - well) > len(tries):
            yield _shared(
                "threshold",
                (f"score {score} begins at {models[0]}, and", "failed there"),
                f"fast_max_score {score - 1} would begin them above; policy diff tells the price"
                if score
                else "no threshold begins it elsewhere: a signal that raises such tasks, or another model",
                len(tries) - well,
                len(tries),
            )
        elif score > routing.fast_max_score and interval(well, len(tries))[0] > 0.5:
            yield _shared(
                "threshold",
                (f"score {score} begins above {models[0]}; there", "were accepted at once"),
                f"fast_max_score {score} would begin them there; policy diff tells what that saves",
                well,
                len(tries),
            )


def _model_lanes(policy: Policy) -> list[str]:
    return [lane for lane in policy.routing.ladder if not policy.models[lane][0].is_fixer]


# --- first lanes


@dataclass(frozen=True, slots=True)
class LaneShare:
    """How many of `n` tasks began at a lane, with the share's 95 % interval."""

    lane: str
    count: int
    n: int
    low: float
    high: float


def lane_shares(tasks: Iterable[PastTask]) -> list[LaneShare]:
    """Where tasks began, the most frequent lane first."""
    counts = Counter(task.first_lane for task in tasks if not task.by_hand)
    n = counts.total()
    return [LaneShare(lane, count, n, *interval(count, n)) for lane, count in counts.most_common()]


def moved_lanes(recent: Sequence[LaneShare], before: Sequence[LaneShare]) -> Iterator[Drift]:
    """Lanes whose share among the recent tasks is another than before, by more than chance."""
    earlier = {it.lane: it for it in before}
    n = before[0].n if before else 0
    for it in recent:
        was = earlier.get(it.lane) or LaneShare(it.lane, 0, n, *interval(0, n))
        if n and (it.low > was.high or it.high < was.low):
            yield Drift(
                "lanes",
                f"{it.lane}: {_percent(it)} of the tasks of the last {RECENT_DAYS} days began there,"
                f" before {_percent(was)}",
                "policy diff tells whether a change of the policy did it; else the tasks have changed",
                it.n,
                it.count / it.n,
                it.low,
                it.high,
            )


def _percent(it: LaneShare) -> str:
    share = 100 * it.count / it.n if it.n else 0
    return f"{share:.0f} % [{100 * it.low:.0f}, {100 * it.high:.0f}] (n={it.n})"
