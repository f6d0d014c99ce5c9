"""A task as the rules see it, and what they make of it: what `policy fuzz` compares before and after."""

from __future__ import annotations

import re
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, get_args

from route_agent import brief as briefs
from route_agent.classes import fitting, most_demanding
from route_agent.globs import any_match, matches
from route_agent.records.change import ABSENT, REGULAR, Change, FileChange
from route_agent.records.checks import CheckKind
from route_agent.records.facts import ChangedText, Facts
from route_agent.records.grades import Grade, TaskClass
from route_agent.risk import assess
from route_agent.risk.shape import unlike_any
from route_agent.routing import Level, bar_of, is_confirmed, route, wants_reproduction

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping
    from random import Random

    from route_agent.policy import NamedPolicy, Policy
    from route_agent.records.risk import Decision

# sentences of an ordinary brief, at least one for each kind of task
ORDINARY = (
    "Fix the wrong sum in the report",
    "Tidy up",
    "Add a retry with backoff to the client",
    "Rename the helper",
    "Fix the lint errors",
    "Reformat the module with black",
    "Correct a typo in the readme",
    "Add unit tests for the parser",
    "Add type hints to the store",
    "Split the long function in two",
    "The worker hangs when the queue is empty",
    "Bump requests to the next version",
    "Make the import faster",
    "Update the comments",
    "Use `load_config` and call `RetryPolicy` there",
)
# lines of code such as the policy's rules look for
LINES = (
    "import threading",
    "requests.get(url)",
    "price = Decimal(0)",
    "datetime.utcnow()",
    "password = load()",
    "ALTER TABLE users ADD COLUMN mail",
    "def public_name(a, b):",
    "x = 1  # noqa",
)
_PLAIN_FILES = (
    "src/app.py",
    "src/store.py",
    "lib/report.py",
    "README.md",
    "docs/use.md",
    "tests/test_app.py",
)
# more names of files and of code than a brief can be about
MANY_FILES = tuple(f"f{number}.py" for number in range(210))
MANY_NAMES = tuple(f"name_{number}" for number in range(210))
_KNOWN_SYMBOLS = frozenset({"load_config", "parser", "store"})


def _change(*paths: str, old: tuple[str, ...] = ()) -> Change:
    """A change of these files; those that are not old are new."""
    modes = {path: REGULAR if path in old else ABSENT for path in sorted(set(paths))}
    return Change(
        "1", "2", tuple(FileChange(path, mode, REGULAR, "1", "2", 3, 1) for path, mode in modes.items())
    )


# the patches whose bars are compared
_PATCHES = {
    "code": _change("src/app.py"),
    "documents": _change("README.md"),
    "tests": _change("tests/test_app.py"),
}


@dataclass(frozen=True, slots=True)
class Scene:
    """Everything that a decision is made from, reduced to what can be varied.

    Attributes:
        brief: the text of the task; empty where there is none.
        tree: the files at start.
        changed: those that the change touches.
        failing: the names of the tests that are red at start.
        red: the kinds of the checks that are red there.
        symbols: the names of code that the start tree has.
        lines: what the change adds to the first of its files.
        level: what the shadow lane answered; empty where nobody was asked.
    """

    brief: str = ""
    tree: tuple[str, ...] = ()
    changed: tuple[str, ...] = ()
    failing: tuple[str, ...] = ()
    red: frozenset[CheckKind] = frozenset()
    symbols: frozenset[str] = _KNOWN_SYMBOLS
    lines: tuple[str, ...] = ()
    level: str = ""

    @property
    def unspoken(self) -> Scene:
        """The same task of which nobody says anything: what git and the checks alone ask for."""
        return replace(self, brief="", level="")

    @property
    def change(self) -> Change:
        return _change(*self.changed, old=self.tree)


@dataclass(frozen=True, slots=True)
class Outlook:
    """What the rules make of a scene.

    Attributes:
        score: the sum of the points.
        points: of every signal.
        raised: the signals that hold; every always-strong condition is one.
        lane: which model lane of the ladder comes first, 0 the lowest. A fixer before it does not count: it
            costs nothing and its patch must meet the same bar.
        bars: the least grade by lane and for patches of code, of documents and of tests.
        checks: what is run on such a patch, the test that is written for the brief included.
    """

    score: int
    points: Mapping[str, int]
    raised: frozenset[str]
    lane: int
    lane_name: str
    bars: Mapping[str, Grade] = field(default_factory=dict)
    checks: frozenset[str] = frozenset()


def look(scene: Scene, named: NamedPolicy) -> Outlook:
    """Decide as a run does.

    Raises:
        UsageError: the brief cannot be used: nothing runs.
    """
    policy = named.policy
    text = briefs.clean(scene.brief) if scene.brief else ""
    risk = assess(_facts(scene, text), policy)
    fits = fitting(text, [signal.name for signal in risk.signals if signal.raised])
    level = Level(scene.level, "it looks so") if scene.level else None
    decision = route(risk, named, most_demanding(fits), fits=fits, red_kinds=scene.red, level=level)
    models = [lane for lane in policy.routing.ladder if not policy.models[lane][0].is_fixer]
    first = next((lane for lane in decision.ladder if lane in models), models[-1])
    return Outlook(
        score=risk.score,
        points={signal.name: signal.points for signal in risk.signals},
        raised=frozenset(signal.name for signal in risk.signals if signal.raised),
        lane=models.index(first),
        lane_name=first,
        bars={kind: bar for lane in models for kind, bar in _bars(policy, lane, decision).items()},
        checks=_checks(policy, decision, scene.changed),
    )


def _facts(scene: Scene, text: str) -> Facts:
    """As `factfinding.find` does; what it reads of the past and of coverage, no outsider can change."""
    change = scene.change
    unknown = tuple(it for it in briefs.named_symbols(text, most=len(text)) if it not in scene.symbols)
    new = [file.path for file in change.files if file.is_new]
    novel, novel_names = unlike_any(new, unknown, scene.tree)
    lines = "\n".join(scene.lines)
    numbers = tuple(range(1, len(lines.split("\n")) + 1))
    return Facts(
        brief=text,
        change=change,
        named=briefs.named_paths(text, scene.tree),
        unknown_symbols=unknown,
        failures=len(scene.failing),
        failing=scene.failing,
        texts=(ChangedText(change.paths[0], lines, numbers),) if change.files and lines else (),
        hunks=len(change.files),
        novel=novel,
        novel_names=novel_names,
    )


def _bars(policy: Policy, lane: str, decision: Decision) -> dict[str, Grade]:
    return {
        f"{lane} for {kind}": bar_of(policy, lane, decision.task_class, change, fits=decision.fits)
        for kind, change in _PATCHES.items()
    }


def _checks(policy: Policy, decision: Decision, changed: tuple[str, ...]) -> frozenset[str]:
    run = {
        check.name
        for check in policy.checks
        if not check.when or any(any_match(path, check.when) for path in changed)
    }
    if wants_reproduction(policy, decision):
        run.add("a test written for the brief")
    return frozenset(run)


def lowest_bars(policy: Policy) -> dict[str, Grade]:
    """The least that a patch's files alone justify: the bar of no class, or of one that they confirm."""
    return {
        f"{lane} for {kind}": min(
            (
                policy.bar(lane, it)
                for it in ("other", *get_args(TaskClass))
                if it == "other" or is_confirmed(it, change)
            ),
            key=lambda bar: bar.rank,
        )
        for lane in policy.models
        for kind, change in _PATCHES.items()
    }


def scenes(named: NamedPolicy, random: Random, paths: tuple[str, ...] = ()) -> Iterator[Scene]:
    """Tasks without end: ordinary ones, and such as the policy's own words and paths are about.

    Args:
        named: the policy in force.
        random: where chance comes from.
        paths: files of the team's own repository.
    """
    words, files = vocabulary(named.policy)
    pool = (*_PLAIN_FILES, *files, *paths)
    sentences = (*ORDINARY, *(f"Look at the {word}" for word in words))
    kinds = list(CheckKind)
    while True:
        tree = tuple(dict.fromkeys((*_PLAIN_FILES, *random.sample(pool, min(len(pool), 12)))))
        spoken = random.sample(random.choice((ORDINARY, sentences)), random.choice((0, 1, 1, 1, 2, 3)))
        if random.random() < 0.3:
            spoken += ["Call `a_new_helper` there"]
        if random.random() < 0.4:
            spoken += [f"See {path}" for path in random.sample(tree, random.choice((1, 1, 2)))]
        changed = random.sample(tree, random.choice((0, 0, 1, 1, 2, 5)))
        crowded = random.random() < 0.3
        if crowded:
            tree += MANY_FILES
        red = frozenset(random.sample(kinds, random.choice((0, 0, 1, 2))))
        failing = tuple(f"tests/test_app.py::test_{number}" for number in range(random.choice((0, 0, 1, 4))))
        yield Scene(
            brief=random.choice(("\n", ". ", "\n\n")).join(spoken),
            tree=tree,
            changed=tuple(changed),
            failing=failing,
            red=red,
            symbols=_KNOWN_SYMBOLS | frozenset(MANY_NAMES) if crowded else _KNOWN_SYMBOLS,
            lines=tuple(random.sample(LINES, random.choice((0, 0, 1, 2)))),
            level=random.choice(("", "", "LOW", "HIGH")),
        )


def vocabulary(policy: Policy) -> tuple[tuple[str, ...], tuple[str, ...]]:
    """The words that the policy looks for, and a file for each of its path rules."""
    words = dict.fromkeys(word for rule in policy.signals.values() for word in rule.words)
    rules = [pattern for rule in policy.signals.values() for pattern in rule.paths]
    rules += [pattern for check in policy.checks for pattern in check.when]
    files = dict.fromkeys(path for pattern in rules if (path := _example(pattern)))
    return tuple(words), tuple(files)


def _example(pattern: str) -> str:
    """A path that a pattern matches; empty where none is found easily."""
    filled = pattern.strip("/").replace("**", "deep").replace("*", "x").replace("?", "x")
    filled = re.sub(r"\[!?(.)[^\]]*\]", r"\1", filled)
    for path in (filled, f"{filled}/x.py"):
        if matches(path, pattern):
            return path
    return ""
