"""Tries on a patched tree what grading asks for: other tests, other source, source broken on purpose."""

from __future__ import annotations

import time
from dataclasses import dataclass, replace
from itertools import chain, zip_longest
from typing import TYPE_CHECKING

from route_agent.checks.alone import alone, narrowed
from route_agent.checks.judge import is_pytest
from route_agent.covering import changed_statements
from route_agent.mutants import mutants, reverts, subjects
from route_agent.records.checks import CheckKind, CheckRun
from route_agent.records.experiments import Mutants, Trial
from route_agent.repo.trees import Content
from route_agent.tampering.words import is_source

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence

    from route_agent.mutants import Mutant
    from route_agent.policy import CheckSpec
    from route_agent.records.change import Change
    from route_agent.records.experiments import Experiment, Known
    from route_agent.repo.trees import Trees

# the time box of all mutants in seconds; so many runs of the tests, so that a slow moment tries no fewer
MUTANT_SECONDS, MUTANT_SECONDS_AT_MOST = 20.0, 60.0
MUTANT_RUNS = 12
LEAST_TIMEOUT = 10.0  # seconds for one mutant, however quick the check


@dataclass(frozen=True, slots=True)
class Laboratory:
    """What is needed to try things on one patch.

    Attributes:
        trees: the repository's trees.
        specs: the policy's checks.
        change: start against the patched tree.
        run: the checks on the patched tree.
        judges: the files of the change that decide what the checks say.
        sources: the changed files that are there afterwards and are no tests.
        some: runs the given checks on a tree.
        reruns: how often red tests run by themselves.
    """

    trees: Trees
    specs: Sequence[CheckSpec]
    change: Change
    run: CheckRun
    judges: frozenset[str]
    sources: Mapping[str, bytes]
    some: Callable[[Sequence[CheckSpec], str], CheckRun]
    reruns: int = 1

    def attempt(self, experiment: Experiment, known: Known) -> Known:
        """Try it, and know more."""
        match experiment.trial:
            case Trial.ALONE:
                return replace(known, alone=self.alone(experiment.tests))
            case Trial.RESTORED:
                return replace(known, restored=self.whole(self.restored(self.judges | known.own_tests)))
            case Trial.WITHOUT_SOURCE:
                kept = self.judges | known.own_tests
                taken = (path for path in self.change.paths if path not in kept)
                return replace(known, without=self.whole(self.restored(taken)))
            case Trial.MUTANTS:
                return replace(known, mutants=self.mutants(known, bool(experiment.tests)))

    def alone(self, tests: frozenset[str]) -> CheckRun:
        """These tests by themselves, on the patched tree."""
        tree = self.change.new_tree
        tried = alone(self.specs, tests, lambda checks: self.some(checks, tree), reruns=self.reruns)
        return tried or CheckRun(tree, (), self.run.isolation)

    def whole(self, tree: str) -> CheckRun:
        """The checks of the patched tree on another one; a test file that cannot be read hides no other."""
        names = {result.name for result in self.run.results}
        flag = ("--continue-on-collection-errors",)
        checks = [
            _with(check, flag if is_pytest(check.run) else ()) for check in self.specs if check.name in names
        ]
        return self.some(checks, tree)

    def restored(self, paths: Iterable[str]) -> str:
        """The patched tree with some files as they were at start."""
        names = tuple(sorted(paths))
        entries = self.trees.entries(self.change.old_tree, names)
        data = self.trees.read(entries)
        return self.trees.write(
            self.change.new_tree,
            {path: Content(entries[path].mode, data[path]) if path in data else None for path in names},
        )

    def mutants(self, known: Known, turned_green: bool) -> Mutants:
        """Break source on purpose, one place at a time, as long as the time box lasts and all is noticed.

        Of a change of source these are its lines, and start's own tests must notice: those that came with it
        say what its author thought. A change of tests alone is about tests: they must notice, and something
        of it start's tests must not have noticed.

        Args:
            known: what is known so far.
            turned_green: whether tests turned green: then each part of the change must have been needed.
        """
        began, box = time.monotonic(), self._time_box()
        adds_tests = known.only_tests
        start = self.restored(self.judges | known.own_tests)
        made, fresh, cut_short = 0, False, False
        survivors: list[tuple[str, int, str]] = []
        for mutant in self._of_tests(known) if adds_tests else self._of_lines(turned_green):
            cut_short = time.monotonic() - began > box
            if cut_short or survivors:
                break
            noticed = self._is_noticed(mutant, self.change.new_tree if adds_tests else start)
            if noticed is None:
                continue
            made += 1
            if not noticed:
                survivors.append((mutant.path, mutant.line, mutant.operator))
            elif adds_tests and not fresh and self._is_noticed(mutant, start) is False:
                fresh = True
        return Mutants(made, tuple(survivors), time.monotonic() - began, fresh, cut_short)

    def _time_box(self) -> float:
        tests = sum(it.seconds for it in self.run.results if it.kind is CheckKind.TEST)
        return min(max(MUTANT_SECONDS, MUTANT_RUNS * tests), MUTANT_SECONDS_AT_MOST)

    def _is_noticed(self, mutant: Mutant, tree: str) -> bool | None:
        """Whether a check turned red; None where one was only cut short, which a slow moment does as well."""
        mode = self.trees.entries(self.change.new_tree, (mutant.path,))[mutant.path].mode
        broken = self.trees.write(tree, {mutant.path: Content(mode, mutant.content)})
        tried = self.some([it for spec in self.specs if (it := self._hasty(spec))], broken)
        told = [(result, now) for result in tried.results if (now := self.run.named(result.name))]
        worse = [result for result, now in told if result.outcome is not now.outcome or result.red - now.red]
        said = [result for result in worse if result.exit_code is not None or result.red]
        return bool(said) if said or not worse else None

    def _hasty(self, check: CheckSpec) -> CheckSpec | None:
        """A test check that ends with the first red test, and soon; None for another, and where none ran."""
        now = self.run.named(check.name)
        if check.kind is not CheckKind.TEST or now is None:
            return None
        flag = ("-x",) if is_pytest(check.run) and now.passed else ()
        timeout = min(check.timeout, max(LEAST_TIMEOUT, 4 * now.seconds))
        return _with(check, flag).model_copy(update={"timeout": timeout})

    def _of_lines(self, turned_green: bool) -> Iterator[Mutant]:
        """Of the changed statements, whoever measured them."""
        diff = self.trees.diff(self.change.old_tree, self.change.new_tree)
        changed = changed_statements(diff, self.sources)
        lines = {path: frozenset(at for name, at in changed if name == path) for path in self.sources}
        if turned_green:
            before = self.trees.read(self.trees.entries(self.change.old_tree, tuple(self.sources)))
            for path, data in before.items():
                yield from reverts(path, data, self.sources[path], lines[path])
        yield from self._in_turns(self.sources, lines)

    def _of_tests(self, known: Known) -> Iterator[Mutant]:
        """Of the functions that the change's tests name."""
        entries = self.trees.entries(self.change.new_tree)
        own = self.trees.read({path: entries[path] for path in known.own_tests if path in entries})
        tests = [data.decode("utf-8", "replace") for data in own.values()]
        paths = [path for path in entries if is_source(path)]
        sources = self.trees.read({path: entries[path] for path in subjects.likely(tests, paths)})
        return self._in_turns(sources, subjects.named_lines(tests, sources))

    def _in_turns(
        self, sources: Mapping[str, bytes], lines: Mapping[str, frozenset[int]]
    ) -> Iterator[Mutant]:
        """In turns over the files, so that the time box leaves none out."""
        seed = self.change.new_tree
        by_file = [
            mutants(path, data, lines.get(path, frozenset()), seed=seed)
            for path, data in sorted(sources.items())
        ]
        return (it for it in chain.from_iterable(zip_longest(*by_file)) if it is not None)


def only(specs: Sequence[CheckSpec], tests: frozenset[str]) -> list[CheckSpec]:
    """Only these tests, where the check's runner takes them by name; else the whole check."""
    return [*narrowed(specs, tests)]


def _with(check: CheckSpec, arguments: Sequence[str]) -> CheckSpec:
    return check.model_copy(update={"run": (*check.run, *arguments), "when": ()})
