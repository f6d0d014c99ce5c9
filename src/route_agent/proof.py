"""From a start tree and a patched tree to evidence. Verifying and gating are this alone."""

from __future__ import annotations

import posixpath
import time
import tomllib
from dataclasses import replace
from typing import TYPE_CHECKING

from route_agent import covering, evidence, mutants, tampering
from route_agent.checks.cache import Cache
from route_agent.checks.runner import run_checks
from route_agent.errors import EnvironmentBroken
from route_agent.judges import judging
from route_agent.records.checks import CheckKind
from route_agent.records.experiments import Experiment, Known, Mutants, Trial
from route_agent.repo.trees import Content
from route_agent.routing import is_test_path
from route_agent.sandbox.walls import Place

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping

    from route_agent.mutants import Mutant
    from route_agent.policy import Policy
    from route_agent.records.change import Change
    from route_agent.records.checks import CheckResult, CheckRun
    from route_agent.records.findings import Finding, LineCoverage
    from route_agent.records.grades import TaskClass
    from route_agent.records.runs import Evidence
    from route_agent.repo.scratch import Slot
    from route_agent.sandbox.walls import Walls


MAX_ALONE = 50
MUTANT_SECONDS = 20.0


class Prover:
    """Runs a policy's checks on trees, always in the same scratch and behind the same walls.

    Args:
        slot: the scratch.
        walls: what the checks run behind.
        policy: which checks there are; it comes from the base.
        trusted: the checks whose exposures the user has allowed.
        on_check: told each result as it arrives.
    """

    def __init__(
        self,
        slot: Slot,
        walls: Walls,
        policy: Policy,
        *,
        trusted: frozenset[str] = frozenset(),
        on_check: Callable[[CheckResult], None] = lambda result: None,
    ) -> None:
        self.slot = slot
        self.walls = walls
        self.policy = policy
        self._trusted = trusted
        self._on_check = on_check
        self._cache = Cache(slot.trees.repository, walls.isolation, policy)

    @property
    def place(self) -> Place:
        """Where checks and fixers run: the scratch, standing at the checkout's own path."""
        slot = self.slot
        return Place(
            tree=slot.tree,
            project=slot.trees.repository.root,
            home=slot.home,
            results=slot.results,
            tools=slot.tools,
        )

    def baseline(self, tree: str) -> CheckRun:
        """The checks at start, from the cache where everything that could change them is the same.

        Raises:
            EnvironmentBroken: they cannot prove anything here. Nothing has been paid for yet.
        """
        run = self._cache.get(tree) or self._cache.put(self._run(tree))
        if reason := evidence.broken_environment(run):
            raise EnvironmentBroken(
                f"checks cannot run here: {reason}. $0 spent", hint="route-agent doctor says what is missing"
            )
        return run

    def known_baseline(self, tree: str) -> CheckRun | None:
        """The cached results of the checks on a tree, if there are any; nothing is run."""
        return self._cache.get(tree)

    def prove(
        self,
        change: Change,
        baseline: CheckRun,
        wanted: frozenset[str],
        *,
        task_class: TaskClass = "other",
        brief: str = "",
    ) -> Evidence:
        """Run the checks on the patched tree, try what grading asks for, and grade what they prove.

        Args:
            change: start against the patched tree; the tree was recorded before any check ran.
            baseline: the checks at start.
            wanted: what is red at start and should turn green.
            task_class: what the task asks for.
            brief: the task's text.

        Raises:
            EnvironmentBroken: the checks saw other code than the scratch's.
        """
        sources = self._sources(change)
        run = self._run(change.new_tree, change.paths, wanted, measure=frozenset(sources))
        if wrong := [it for it in run.results if it.reason.startswith("wrong code under test")]:
            raise EnvironmentBroken(f"{wrong[0].name}: {wrong[0].reason}", hint="route-agent doctor")
        commands = [check.run for check in self.policy.checks]
        judges = judging(change, commands, self._tools_changed(change))
        findings = self._findings(change, task_class, brief, wanted)
        known = Known(findings, self._lines(change, run, sources))
        while True:
            found = evidence.grade(baseline, run, wanted, judges=judges, task_class=task_class, known=known)
            if not isinstance(found, Experiment):
                return found
            known = self._try(found, known, change, run, judges)

    def _findings(
        self, change: Change, task_class: TaskClass, brief: str, wanted: frozenset[str]
    ) -> tuple[Finding, ...]:
        """What the change itself shows, without running anything."""
        trees = self.slot.trees
        before = trees.read(trees.entries(change.old_tree, change.paths))
        after = trees.read(trees.entries(change.new_tree, change.paths))
        files = {path: (before.get(path), after.get(path)) for path in change.paths}
        entries = trees.entries(change.old_tree)
        tests = {name.split("::")[1] for name in wanted if name.count("::") > 1}
        judged_by = trees.read({path: entries[path] for path in tests if path in entries})
        return (
            *tampering.find(files, task_class=task_class, brief=brief, tree=entries),
            *tampering.special_cased(files, judged_by, brief=brief),
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

    def _try(
        self, experiment: Experiment, known: Known, change: Change, run: CheckRun, judges: frozenset[str]
    ) -> Known:
        if experiment.trial is Trial.ALONE:
            return replace(known, alone=self._alone(change.new_tree, experiment.tests))
        if experiment.trial is Trial.RESTORED:
            return replace(known, restored=self._run(self._restored(change, judges), change.paths))
        return replace(known, mutants=self._mutants(change, run, known))

    def _alone(self, tree: str, tests: frozenset[str]) -> CheckRun:
        """Only these tests, where the check's runner takes them by name; else the whole check once more."""
        checks = []
        for check in self.policy.checks:
            ids = sorted(it.partition("::")[2] for it in tests if it.startswith(f"{check.name}::"))
            if ids:
                by_name = runs_pytest(check.run) and len(ids) <= MAX_ALONE
                checks.append(
                    check.model_copy(update={"run": (*check.run, *(ids if by_name else ())), "when": ()})
                )
        self.slot.show(tree)
        return run_checks(checks, self.place, self.walls, tree_id=tree, trusted_exposures=self._trusted)

    def _restored(self, change: Change, judges: frozenset[str]) -> str:
        """The patched tree with start's tests and configuration put back."""
        trees = self.slot.trees
        paths = tuple(sorted(judges))
        entries = trees.entries(change.old_tree, paths)
        data = trees.read(entries)
        return trees.write(
            change.new_tree,
            {path: Content(entries[path].mode, data[path]) if path in data else None for path in paths},
        )

    def _mutants(self, change: Change, run: CheckRun, known: Known) -> Mutants:
        """Break the changed lines on purpose, one at a time, as long as the time box lasts."""
        began = time.monotonic()
        trees = self.slot.trees
        sources = self._sources(change)
        entries = trees.entries(change.new_tree, tuple(sources))
        checks = [check for check in self.policy.checks if check.kind is CheckKind.TEST]
        made, survivors = 0, []
        for mutant in self._made(sources, known, change.new_tree):
            if time.monotonic() - began > MUTANT_SECONDS:
                break
            tree = trees.write(
                change.new_tree, {mutant.path: Content(entries[mutant.path].mode, mutant.content)}
            )
            self.slot.show(tree)
            tried = run_checks(checks, self.place, self.walls, tree_id=tree, trusted_exposures=self._trusted)
            made += 1
            if all(
                result.outcome is now.outcome for result in tried.results if (now := run.named(result.name))
            ):
                survivors.append((mutant.path, mutant.line, mutant.operator))
        return Mutants(made, tuple(survivors), time.monotonic() - began)

    def _made(self, sources: Mapping[str, bytes], known: Known, seed: str) -> Iterator[Mutant]:
        changed = known.lines.changed if known.lines else frozenset()
        for path, data in sorted(sources.items()):
            lines = frozenset(line for name, line in changed if name == path)
            yield from mutants.mutants(path, data, lines, seed=f"{seed}:{path}")

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
    ) -> CheckRun:
        self.slot.show(tree)
        owners = {name.partition("::")[0] for name in wanted}
        # what is red at start and should be green is looked at whatever a check's `when` says
        checks = [
            check.model_copy(update={"when": ()}) if check.name in owners else check
            for check in self.policy.checks
        ]
        return run_checks(
            checks,
            self.place,
            self.walls,
            tree_id=tree,
            changed_paths=changed,
            trusted_exposures=self._trusted,
            on_finished=self._on_check,
            measure=measure,
        )


def runs_pytest(argv: tuple[str, ...]) -> bool:
    """Whether a command is pytest itself, so that names of tests may follow it."""
    return posixpath.basename(argv[0]) in ("pytest", "py.test") or argv[1:3] == ("-m", "pytest")
