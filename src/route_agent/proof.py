"""From a start tree and a patched tree to evidence. Verifying and gating are this alone."""

from __future__ import annotations

import tomllib
from dataclasses import replace
from typing import TYPE_CHECKING

from route_agent import covering, evidence, suspicions
from route_agent.checks.alone import with_flaky
from route_agent.checks.cache import Cache, told
from route_agent.checks.canary import Looks
from route_agent.checks.haste import Haste
from route_agent.checks.left_behind import names
from route_agent.checks.runner import run_checks
from route_agent.checks.telling import Telling
from route_agent.errors import EnvironmentBroken
from route_agent.experiments import Laboratory, only
from route_agent.judges import judging
from route_agent.records.experiments import Experiment, Known, Trial
from route_agent.records.findings import Finding, Weight
from route_agent.repo.apply import with_test
from route_agent.reproduction import based_on, told_of
from route_agent.routing import is_test_path
from route_agent.sandbox.trial import of_kind
from route_agent.tampering.still_red import still_red
from route_agent.tampering.words import is_expected, is_test

if TYPE_CHECKING:
    import threading
    from collections.abc import Callable, Iterator, Mapping, Sequence

    from route_agent.policy import CheckSpec, Policy
    from route_agent.records.change import Change
    from route_agent.records.checks import CheckRun
    from route_agent.records.findings import LineCoverage
    from route_agent.records.grades import TaskClass
    from route_agent.records.reproductions import Reproduction
    from route_agent.records.runs import Evidence
    from route_agent.repo.scratch import Slot
    from route_agent.sandbox.place import Place
    from route_agent.sandbox.walls import Walls


class Prover:
    """Runs a policy's checks on trees, always in the same scratch and behind the same walls.

    Args:
        slot: the scratch.
        walls: what the checks run behind.
        policy: which checks there are; it comes from the base.
        trusted: the checks whose exposures the user has allowed.
        telling: tells of each check, and of what is tried beyond them.
        stop: ends the checks when set, so that another thread can end them.
    """

    def __init__(
        self,
        slot: Slot,
        walls: Walls,
        policy: Policy,
        *,
        trusted: frozenset[str] = frozenset(),
        telling: Telling | None = None,
        stop: threading.Event | None = None,
    ) -> None:
        self.slot = slot
        self.walls = walls
        self.policy = policy
        self._trusted = trusted
        self._telling = telling or Telling()
        self._stop = stop
        self._looks = Looks()

    @property
    def _cache(self) -> Cache:
        slot = self.slot
        return Cache(
            slot.trees.repository, self.walls.isolation, self.policy, self._trusted, slot.surroundings
        )

    @property
    def place(self) -> Place:
        """Where checks and fixers run: the scratch, standing at the checkout's own path."""
        return self.slot.place

    def baseline(self, tree: str) -> CheckRun:
        """The checks at start, from the cache where everything that could change them is the same.

        Raises:
            EnvironmentBroken: they cannot prove anything here. Nothing has been paid for yet.
        """
        self.slot.look_again()
        try:
            entry = self._cache.start(tree)
            run = entry.run() or entry.keep_run(self._at_start(tree))
        except _Disturbed:
            self._turn_to_mirror()
            entry = self._cache.start(tree)
            run = entry.run() or entry.keep_run(self._at_start(tree))
        if reason := evidence.broken_environment(run):
            raise EnvironmentBroken(
                f"checks cannot run here: {reason}. $0 spent", hint="route-agent doctor says what is missing"
            )
        return run

    def _at_start(self, tree: str) -> CheckRun:
        """The checks on a tree, and what is red there once more by itself."""
        run = self._run(tree)
        if evidence.broken_environment(run):
            return run

        def again(checks: Sequence[CheckSpec]) -> CheckRun:
            self._telling.trying(Trial.ALONE)
            return self._some(checks, tree)

        return with_flaky(run, self.policy.checks, again, reruns=self.policy.flaky.reruns)

    def known_baseline(self, tree: str) -> CheckRun | None:
        """The cached results of the checks on a tree, if there are any; nothing is run."""
        return self._cache.start(tree).run()

    def prove(
        self,
        change: Change,
        baseline: CheckRun,
        wanted: frozenset[str],
        *,
        task_class: TaskClass = "other",
        brief: str = "",
        reproduction: Reproduction | None = None,
    ) -> Evidence:
        """Run the checks on the patched tree, try what grading asks for, and grade what they prove.

        Args:
            change: start against the patched tree; the tree was recorded before any check ran.
            baseline: the checks at start.
            wanted: what is red at start and should turn green.
            task_class: what the task asks for.
            brief: the task's text.
            reproduction: a test for the brief. It stands over every tree that is run, its tests must turn
                green, and what is compared with is start with the test there. Findings and executed lines
                are about the patch alone.

        Raises:
            EnvironmentBroken: the checks saw other code than the scratch's.
        """
        self.slot.look_again()
        try:
            return self._proved(change, baseline, wanted, task_class, brief, reproduction)
        except _Disturbed:
            self._turn_to_mirror()
            # what is compared with has to be seen in the same kind of scratch
            baseline = self.baseline(change.old_tree)
            reproduction = based_on(reproduction, baseline) if reproduction else None
            found = self._proved(change, baseline, wanted, task_class, brief, reproduction)
            return replace(found, reasons=(*found.reasons, DISTURBED))

    def _turn_to_mirror(self) -> None:
        self.slot.overlaid = False
        self.walls = of_kind(self.walls, f"mirror: {DISTURBED}")

    def _proved(
        self,
        change: Change,
        baseline: CheckRun,
        wanted: frozenset[str],
        task_class: TaskClass,
        brief: str,
        reproduction: Reproduction | None,
    ) -> Evidence:
        # every argument is part of the key
        asked = (change.old_tree, change.new_tree, told(baseline), sorted(wanted), task_class, brief)
        entry = self._cache.entry("proof", *asked, _told_test(reproduction))
        return entry.proof() or entry.keep_proof(
            self._judged(change, baseline, wanted, task_class, brief, reproduction)
        )

    def _judged(
        self,
        change: Change,
        baseline: CheckRun,
        wanted: frozenset[str],
        task_class: TaskClass,
        brief: str,
        reproduction: Reproduction | None,
    ) -> Evidence:
        findings = suspicions.found(self.slot.trees, change, task_class, brief, wanted)
        if reproduction is None or reproduction.change is None or reproduction.baseline is None:
            found = self._prove(change, baseline, wanted, findings, task_class, brief)
            self._refuse_disturbed()
            return found
        found = self._prove(
            with_test(self.slot.trees, change, reproduction.change),
            reproduction.baseline,
            wanted | frozenset(reproduction.tests),
            findings,
            task_class,
            brief,
            frozenset(reproduction.tests),
        )
        self._refuse_disturbed()
        return told_of(found, reproduction)

    def _refuse_disturbed(self) -> None:
        """What was seen while the files below changed proves nothing."""
        if not self.slot.is_undisturbed():
            raise _Disturbed

    def _prove(
        self,
        change: Change,
        baseline: CheckRun,
        wanted: frozenset[str],
        findings: tuple[Finding, ...],
        task_class: TaskClass,
        brief: str,
        reproduced: frozenset[str] = frozenset(),
    ) -> Evidence:
        sources = self._sources(change)
        run = self._patched(change, baseline, wanted, frozenset(sources))
        if wrong := [it for it in run.results if it.reason.startswith("wrong code under test")]:
            raise EnvironmentBroken(f"{wrong[0].name}: {wrong[0].reason}", hint="route-agent doctor")
        commands = [check.run for check in self.policy.checks]
        judges = judging(change, commands, self._tools_changed(change))
        findings = (*findings, *_rewritten(change, baseline, run))
        own_tests = frozenset(path for path in change.paths if is_test(path) or is_expected(path))
        only_tests = all(path in own_tests or not covering.language(path) for path in change.paths)
        findings += self._edited_and_red(change, own_tests, evidence.still_red(baseline, run))
        findings += suspicions.doubts(self.slot.trees, change, brief, evidence.mended(baseline, run))
        known = Known(findings, self._lines(change, run, sources), own_tests, only_tests, reproduced)
        laboratory = self._laboratory(change, run, judges, sources)
        while True:
            found = evidence.grade(baseline, run, wanted, judges=judges, task_class=task_class, known=known)
            if not isinstance(found, Experiment):
                return replace(found, flaky=tuple(sorted({*found.flaky, *run.flaky})))
            self._telling.trying(found.trial)
            known = laboratory.attempt(found, known)

    def _edited_and_red(
        self, change: Change, own_tests: frozenset[str], red: frozenset[str]
    ) -> tuple[Finding, ...]:
        """What was red before is not the patch's fault; a test that the patch edits is never excused so."""
        trees, paths = self.slot.trees, tuple(sorted(own_tests))
        if not paths or not red:
            return ()
        before, after = (trees.read(trees.entries(it, paths)) for it in (change.old_tree, change.new_tree))
        return tuple(still_red({path: (before.get(path), after.get(path)) for path in paths}, red))

    def run(self, tree: str) -> CheckRun:
        """All checks on a tree, as at start."""
        return self._undisturbed(lambda: self._run(tree))

    def run_only(self, tree: str, tests: frozenset[str]) -> CheckRun:
        """These tests of a tree by themselves, as `check::test`; the whole check where it takes no names."""
        return self._undisturbed(lambda: self._some(only(self.policy.checks, tests), tree))

    def _undisturbed(self, work: Callable[[], CheckRun]) -> CheckRun:
        self.slot.look_again()
        run = work()
        if self.slot.is_undisturbed():
            return run
        self._turn_to_mirror()
        return work()

    def _some(self, checks: Sequence[CheckSpec], tree: str) -> CheckRun:
        self.slot.show(tree)
        return run_checks(
            checks,
            self.place,
            self.walls,
            tree_id=tree,
            trusted_exposures=self._trusted,
            looks=self._looks,
            stop=self._stop,
        )

    def _sources(self, change: Change) -> dict[str, bytes]:
        """The changed files that are there afterwards and are no tests."""
        trees = self.slot.trees
        paths = tuple(it.path for it in change.files if not it.is_deleted and not is_test_path(it.path))
        return trees.read(trees.entries(change.new_tree, paths)) if paths else {}

    def _lines(self, change: Change, run: CheckRun, sources: Mapping[str, bytes]) -> LineCoverage:
        executed: dict[str, frozenset[int]] = {}
        for result in run.results:
            for path, lines in (result.lines or {}).items():
                executed[path] = executed.get(path, frozenset()) | lines
        return covering.measure(self.slot.trees.diff(change.old_tree, change.new_tree), sources, executed)

    def _laboratory(
        self,
        change: Change,
        run: CheckRun,
        judges: frozenset[str],
        sources: Mapping[str, bytes],
    ) -> Laboratory:
        return Laboratory(
            self.slot.trees,
            self.policy.checks,
            change,
            run,
            judges,
            sources,
            self._some,
            self.policy.flaky.reruns,
        )

    def _tools_changed(self, change: Change) -> bool:
        """Whether the change gives the project's tools another configuration, apart from dependencies."""
        if "pyproject.toml" not in change.paths:
            return False
        trees = self.slot.trees
        tables = []
        for tree in (change.old_tree, change.new_tree):
            data = trees.read(trees.entries(tree, ("pyproject.toml",))).get("pyproject.toml", b"")
            try:
                tables.append(tomllib.loads(data.decode("utf-8", "replace")).get("tool", {}))
            except tomllib.TOMLDecodeError:
                return True
        return bool(tables[0] != tables[1])

    def _run(
        self,
        tree: str,
        changed: tuple[str, ...] | None = None,
        wanted: frozenset[str] = frozenset(),
        *,
        measure: frozenset[str] = frozenset(),
        haste: Haste | None = None,
    ) -> CheckRun:
        self.slot.show(tree)
        owners = {name.partition("::")[0] for name in wanted}
        # what is red at start and should be green is looked at whatever a check's `when` says
        checks = [
            check.model_copy(update={"when": ()}) if check.name in owners else check
            for check in self.policy.checks
        ]
        run = run_checks(
            checks,
            self.place,
            self.walls,
            tree_id=tree,
            changed_paths=changed,
            trusted_exposures=self._trusted,
            on_begun=self._telling.begun,
            on_finished=self._telling.ended,
            measure=measure,
            haste=haste,
            looks=self._looks,
            stop=self._stop,
        )
        self._refuse_disturbed()
        return replace(run, changed=self._changed(checks))

    def _changed(self, checks: Sequence[CheckSpec]) -> tuple[str, ...]:
        """The tree's files that checks have changed, apart from those that they are to write."""
        written = [path for check in checks for path in (check.junit, check.coverage) if path]
        changed = self.slot.changed_since_shown()
        return tuple(path for path in changed if not any(names(it, path) for it in written))

    def _patched(
        self, change: Change, baseline: CheckRun, wanted: frozenset[str], measure: frozenset[str]
    ) -> CheckRun:
        """The checks on the patched tree. What is all green is kept for other questions about that tree."""
        tree, cache = change.new_tree, self._cache
        entry = cache.entry("patched", tree, change.paths, sorted(wanted), sorted(measure))
        if run := entry.run():
            return run
        as_start = cache.start(tree)
        haste = Haste(baseline) if self.policy.stop_checks == "first_failure" else None
        run = self._run(tree, change.paths, wanted, measure=measure, haste=haste)
        if all(result.passed and not result.flaky for result in run.results):
            entry.keep_run(run)
            if len(run.results) == len(self.policy.checks):
                results = tuple(replace(result, lines=None) for result in run.results)
                as_start.keep_run(replace(run, results=results))
        return run


MAX_REWRITTEN = 20
DISTURBED = "files of the checkout were changed while they were checked: checked again in a mirror"


class _Disturbed(Exception):
    """The user worked in the checkout while an overlay stood over it."""


def _told_test(reproduction: Reproduction | None) -> list[object]:
    """All of a reproduction that can make a difference."""
    if reproduction is None or reproduction.change is None or reproduction.baseline is None:
        return []
    change = reproduction.change
    return [change.old_tree, change.new_tree, told(reproduction.baseline), sorted(reproduction.tests)]


def _rewritten(change: Change, baseline: CheckRun, run: CheckRun) -> Iterator[Finding]:
    """Files that were not the patched tree's any more when the checks had ended: what was judged is unclear.

    A file that the same checks rewrite at start, and that is none of the change's, is only shown.
    """
    usual = frozenset(baseline.changed).difference(change.paths)
    for path in run.changed[:MAX_REWRITTEN]:
        is_code = is_test_path(path) or bool(covering.language(path))
        weight = Weight.LOWERS if is_code and path not in usual else Weight.NOTES
        yield Finding("changed-by-checks", path, 0, "changed while the checks ran", weight)
