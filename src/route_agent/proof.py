"""From a start tree and a patched tree to evidence. Verifying and gating are this alone."""

from __future__ import annotations

import tomllib
from typing import TYPE_CHECKING

from route_agent import evidence
from route_agent.checks.cache import Cache
from route_agent.checks.runner import run_checks
from route_agent.errors import EnvironmentBroken
from route_agent.sandbox.walls import Place

if TYPE_CHECKING:
    from collections.abc import Callable

    from route_agent.policy import Policy
    from route_agent.records.change import Change
    from route_agent.records.checks import CheckResult, CheckRun
    from route_agent.records.runs import Evidence
    from route_agent.repo.scratch import Slot
    from route_agent.sandbox.walls import Walls


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

    def prove(self, change: Change, baseline: CheckRun, wanted: frozenset[str]) -> Evidence:
        """Run the checks on the patched tree and grade what they prove.

        Args:
            change: start against the patched tree; the tree was recorded before any check ran.
            baseline: the checks at start.
            wanted: what is red at start and should turn green.

        Raises:
            EnvironmentBroken: the checks saw other code than the scratch's.
        """
        run = self._run(change.new_tree, change.paths, wanted)
        if wrong := [it for it in run.results if it.reason.startswith("wrong code under test")]:
            raise EnvironmentBroken(f"{wrong[0].name}: {wrong[0].reason}", hint="route-agent doctor")
        commands = [check.run for check in self.policy.checks]
        judges = evidence.judging(change, commands, self._tools_changed(change))
        return evidence.grade(baseline, run, wanted, judges=judges)

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
        self, tree: str, changed: tuple[str, ...] | None = None, wanted: frozenset[str] = frozenset()
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
        )
