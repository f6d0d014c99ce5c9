"""Run a policy's checks on one tree: the canary first, then all of them side by side."""

from __future__ import annotations

import os
import threading
import time
from concurrent.futures import FIRST_COMPLETED, Future, ThreadPoolExecutor, wait
from contextlib import contextmanager
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, TypeVar

from route_agent.checks import canary, coverage_files, junit, left_behind, probe
from route_agent.checks.judge import judge, not_run
from route_agent.checks.probe import Told
from route_agent.covering import language
from route_agent.errors import LimitReached
from route_agent.globs import any_match
from route_agent.records.checks import CheckKind, CheckRun, Outcome
from route_agent.sandbox.environment import clean_environment, resolve
from route_agent.sandbox.place import NOTHING, Exposure
from route_agent.sandbox.process import STOPPED
from route_agent.sandbox.roots import python_of

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
    from pathlib import Path

    from route_agent.checks.haste import Haste
    from route_agent.policy import CheckSpec
    from route_agent.records.checks import CheckResult
    from route_agent.sandbox.place import Place
    from route_agent.sandbox.process import Finished
    from route_agent.sandbox.walls import Walls

MAX_WORKERS = 4
_TICK_S = 0.2

Result = TypeVar("Result")

_READS_ONLY = (CheckKind.LINT, CheckKind.FORMAT, CheckKind.TYPECHECK)


def run_checks(
    specs: Sequence[CheckSpec],
    place: Place,
    walls: Walls,
    *,
    tree_id: str,
    changed_paths: Sequence[str] | None = None,
    trusted_exposures: frozenset[str] = frozenset(),
    measure: frozenset[str] = frozenset(),
    haste: Haste | None = None,
    looks: canary.Looks | None = None,
    stop: threading.Event | None = None,
    on_begun: Callable[[str], None] = lambda name: None,
    on_finished: Callable[[CheckResult], None] = lambda result: None,
) -> CheckRun:
    """Run the checks that concern the change; results come in the order of `specs`.

    Args:
        specs: the policy's checks.
        place: the tree and the folders around it.
        walls: what they run behind.
        tree_id: the tree's git object id, for the record.
        changed_paths: where given, a check whose `when` matches none of them is left out.
        trusted_exposures: names of the checks that get the exposures they ask for.
        measure: files, relative to the tree, of which the results tell the executed lines.
        haste: where given, lets a red check cancel dearer ones.
        looks: where given, what the canary knows from other trees of this run, and learns from this one.
        stop: ends the run when set, so that another thread can end it.
        on_begun: told each check's name when it begins, in the thread that runs it.
        on_finished: told each result as it comes, in the calling thread.

    Raises:
        EnvironmentBroken: a link in the tree stands where dependencies belong.
        LimitReached: `stop` was set.
    """
    began = time.monotonic()
    chosen = [spec for spec in specs if concerns(spec, changed_paths)]
    results: dict[str, CheckResult] = {}
    measured = {path: content for path in sorted(measure) if (content := left_behind.read(place.tree, path))}
    with _pool([spec.name for spec in chosen]) as (pool, stops):
        packages = canary.own_packages(place.tree)
        bench = _Bench(place, walls, packages, trusted_exposures, stops, measured, on_begun)
        problem, footings = _try_ground(chosen, bench, pool, looks or canary.Looks()) if chosen else ("", {})
        if problem:
            running: dict[Future[CheckResult], CheckSpec] = {}
            results = {spec.name: not_run(spec, problem) for spec in chosen}
            for result in results.values():
                on_finished(result)
        else:
            ordered = haste.cheapest_first(chosen) if haste else chosen
            running = {pool.submit(bench.check, spec, footings): spec for spec in ordered}
        for result in _results(running, haste, stops, stop):
            results[result.name] = result
            on_finished(result)
    return CheckRun(
        tree_id, tuple(results[spec.name] for spec in chosen), walls.isolation, time.monotonic() - began
    )


def concerns(spec: CheckSpec, changed_paths: Sequence[str] | None) -> bool:
    """Whether a check has something to say about a change; without a change, every check has."""
    if not spec.when or changed_paths is None:
        return True
    return any(any_match(path, spec.when) for path in changed_paths)


@contextmanager
def _pool(names: Iterable[str]) -> Iterator[tuple[ThreadPoolExecutor, Mapping[str, threading.Event]]]:
    """Threads whose commands are killed when the block is left early, by Ctrl-C for one; or by name."""
    stops = {name: threading.Event() for name in ("", *names)}
    with ThreadPoolExecutor(min(MAX_WORKERS, os.cpu_count() or 1), "check") as pool:
        try:
            yield pool, stops
        except BaseException:
            for stop in stops.values():
                stop.set()
            pool.shutdown(wait=False, cancel_futures=True)
            raise


def _as_they_end(
    running: Iterable[Future[Result]], stop: threading.Event | None = None
) -> Iterator[Future[Result]]:
    """Futures in the order in which they end.

    A signal that comes just before a wait begins is only seen when it is over: no wait is long.
    """
    waiting = set(running)
    while waiting:
        if stop is not None and stop.is_set():
            raise LimitReached("the checks were stopped: nobody waits for them")
        done, waiting = wait(waiting, timeout=_TICK_S, return_when=FIRST_COMPLETED)
        yield from done


def _results(
    running: Mapping[Future[CheckResult], CheckSpec],
    haste: Haste | None,
    stops: Mapping[str, threading.Event],
    stop: threading.Event | None,
) -> Iterator[CheckResult]:
    """The results as they come; one that settles the matter stops the dearer checks."""
    cancelled: dict[str, str] = {}
    ended: set[str] = set()
    for done in _as_they_end(running, stop):
        spec, result = running[done], done.result()
        ended.add(spec.name)
        if spec.name in cancelled and result.exit_code is None:
            result = replace(not_run(spec, cancelled[spec.name]), cancelled=True)
        needless = haste.cancels(result) if haste else frozenset[str]()
        for name in needless.intersection(stops) - ended:
            cancelled.setdefault(name, f"cancelled: {spec.name} failed")
            stops[name].set()
        yield result


def _try_ground(
    specs: Sequence[CheckSpec], bench: _Bench, pool: ThreadPoolExecutor, looks: canary.Looks
) -> tuple[str, Mapping[Path, canary.Footing]]:
    """What speaks against every check, and what each interpreter stands on."""
    ground = bench.ground()
    pythons = {python for spec in specs if (python := bench.python(spec)[0])} if bench.packages else set()
    try:
        file = canary.write(ground.place.tree)
    except OSError as error:
        return f"the scratch cannot be written: {error.strerror}", {}
    try:
        asked = {
            python: pool.submit(canary.footing, python, bench.packages, ground, file, looks)
            for python in pythons
        }
        for _ in _as_they_end(asked.values()):
            pass
        footings = {python: look.result() for python, look in asked.items()}
        # no interpreter had to be asked, or none could tell
        is_unread = not any(footing.read_back for footing in footings.values())
        return canary.read_back(file, ground) if is_unread else "", footings
    finally:
        file.file.unlink(missing_ok=True)


@dataclass(frozen=True, slots=True)
class _Bench:
    """What all checks of one run share."""

    place: Place
    walls: Walls
    packages: Mapping[str, Path]
    trusted: frozenset[str]
    stops: Mapping[str, threading.Event]
    measured: Mapping[str, bytes]
    on_begun: Callable[[str], None]

    def ground(self) -> canary.Ground:
        """Where the canary looks: exactly where the checks run, without any exposure."""
        return canary.Ground(self.place, self.walls, clean_environment(self.place), self.stops[""])

    def exposure(self, spec: CheckSpec) -> Exposure:
        """What the check asks for, where the user has allowed it."""
        if spec.name not in self.trusted:
            return NOTHING
        return Exposure(network=spec.network == "host", paths=spec.expose, env=spec.env)

    def python(self, spec: CheckSpec) -> tuple[Path | None, bool]:
        """The interpreter whose search path counts, and whether the command surely runs on it.

        What a Makefile calls is not known; it is taken to be the first Python of the search path.
        """
        env = clean_environment(self.place)
        command = resolve(spec.run[0], env, self.place)
        if command and (python := python_of(command, env["PATH"])):
            return python, True
        named = (resolve(name, env, self.place) for name in ("python", "python3"))
        return next((python for python in named if python), None), False

    def check(self, spec: CheckSpec, footings: Mapping[Path, canary.Footing]) -> CheckResult:
        """Run one check to its result."""
        if self.stops[spec.name].is_set():
            return not_run(spec, STOPPED)
        self.on_begun(spec.name)
        python, certain = self.python(spec)
        footing = footings.get(python, canary.Footing()) if python else canary.Footing()
        if certain and footing.problem:
            return not_run(spec, footing.problem)
        if spec.junit and not junit.remove(self.place.tree, spec.junit):
            return not_run(spec, f"what stands at {spec.junit} cannot be taken away: it may be an old one")
        if spec.kind in _READS_ONLY and not spec.junit:
            result = judge(spec, self._run(spec, footing.python_path), Told())
        else:
            result = self._probed(spec, footing.python_path)
        if result.passed or spec.name in self.trusted or not spec.exposures:
            return result
        asked = ", ".join(spec.exposures)
        return replace(result, reason=f"{result.reason} (not in force: {asked}; see route-agent trust)")

    def _probed(self, spec: CheckSpec, python_path: tuple[Path, ...]) -> CheckResult:
        root = self.walls.root(self.place)
        of_python = [path for path, source in self.measured.items() if language(path, source) == "py"]
        plugin = probe.install(self.place, self.packages, of_python, root, self.python(spec)[0])
        is_clear = bool(spec.coverage and self.measured) and left_behind.remove(
            self.place.tree, spec.coverage
        )
        try:
            with coverage_files.v8_folder(self.place.results, plugin.token) as v8:
                node = {"NODE_V8_COVERAGE": str(v8)} if len(of_python) < len(self.measured) else {}
                finished = self._run(spec, (*plugin.python_path, *python_path), plugin.name, node)
                told = probe.read(plugin)
                contradiction = canary.contradiction(told, self.packages, self.ground())
                result = judge(spec, finished, told, contradiction, self._report(spec))
                left = self._left_behind(v8, spec.coverage if is_clear else "") if result.passed else []
        finally:
            plugin.remove()
        if result.outcome is Outcome.NOT_RUN or not self.measured:
            return result
        found = [told.executed(passed=result.passed), *left]
        lines = {path: frozenset().union(*(it.get(path, ()) for it in found)) for it in found for path in it}
        return replace(result, lines=lines or None)

    def _report(self, spec: CheckSpec) -> junit.Report | None:
        """What the check's own results tell of single tests, where it is to write some."""
        roots = (self.walls.root(self.place), self.place.project, self.place.tree)
        return junit.read(self.place.tree, spec.junit, roots) if spec.junit else None

    def _left_behind(self, v8: Path, coverage: str) -> list[coverage_files.Lines]:
        """What a green check's own files tell of executed lines."""
        root = self.walls.root(self.place)
        found = [coverage_files.v8_lines(v8, root, self.measured)]
        if coverage and (content := left_behind.read(self.place.tree, coverage)):
            roots = (root, self.place.project, self.place.tree)
            found.append(coverage_files.executed_lines(content, coverage, roots, self.measured))
        return found

    def _run(
        self,
        spec: CheckSpec,
        python_path: tuple[Path, ...],
        plugin: str = "",
        more: Mapping[str, str] | None = None,
    ) -> Finished:
        exposure = self.exposure(spec)
        env = {**clean_environment(self.place, exposure.env), **(more or {})}
        if python_path:
            own = [env["PYTHONPATH"]] if "PYTHONPATH" in env else []
            env["PYTHONPATH"] = os.pathsep.join([*map(str, python_path), *own])
        if plugin:
            env["PYTEST_ADDOPTS"] = f"{env.get('PYTEST_ADDOPTS', '')} -p {plugin}".strip()
        return self.walls.run(
            spec.run,
            self.place,
            env=env,
            timeout_s=spec.timeout,
            exposure=exposure,
            stop=self.stops[spec.name],
        )
