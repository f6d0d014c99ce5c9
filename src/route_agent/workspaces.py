"""The scratch for lanes that edit files themselves: fixers, and agents, which get more and see less."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from route_agent.errors import BadPatch, HostilePatch
from route_agent.globs import any_match
from route_agent.lanes.desk import Workspace
from route_agent.records.checks import IsolationLevel
from route_agent.repo.clearing import remove
from route_agent.repo.git import GitFailed
from route_agent.repo.trees import Content
from route_agent.sandbox.environment import clean_environment
from route_agent.sandbox.place import Exposure

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping
    from pathlib import Path

    from route_agent.repo.scratch import Slot
    from route_agent.sandbox.process import Finished
    from route_agent.sandbox.walls import Walls

# in git's words: a repository without a commit, and files that nobody may read
_NOT_TAKEN = ("does not have a commit checked out", "Permission denied")


def workspace(
    slot: Slot, walls: Walls, start: str, is_withheld: Callable[[str], bool]
) -> Iterator[Workspace]:
    """The scratch at a tree; the same walls as for checks.

    Args:
        is_withheld: whether no model may be shown a file, by its path.
    """
    slot.show(start, mirrored=True)
    place = slot.place
    environment = clean_environment(place)
    yield Workspace(
        run=lambda argv, timeout: walls.run(argv, place, env=environment, timeout_s=timeout),
        tree=lambda: slot.trees.tree_in(slot.tree),
        agency=AgentScratch(slot, walls, start, is_withheld),
    )


@dataclass(slots=True)
class AgentScratch:
    """See `Agency`. The files that no model may be shown are taken away before the first command."""

    slot: Slot
    walls: Walls
    start: str
    is_withheld: Callable[[str], bool]
    _hidden: tuple[str, ...] = ()
    _withheld: tuple[str, ...] | None = None

    @property
    def home(self) -> Path:
        return self.slot.home

    @property
    def walled(self) -> bool:
        return self.walls.isolation.level is IsolationLevel.NAMESPACES

    def hide(self, patterns: tuple[str, ...]) -> None:
        """Take more files away; before the first command, since afterwards nothing here is ours."""
        self._hidden = patterns

    def run(
        self, argv: tuple[str, ...], seconds: float, *, env: tuple[str, ...], sets: Mapping[str, str]
    ) -> Finished:
        """Run it with these variables of the user's, and with those that we set."""
        self._withhold()
        place = self.slot.place
        return self.walls.run(
            argv,
            place,
            env={**clean_environment(place, env), **sets},
            timeout_s=seconds,
            exposure=Exposure(network=True, env=env),
        )

    def _withhold(self) -> tuple[str, ...]:
        if self._withheld is None:
            self._withheld = tuple(
                path
                for path in self.slot.trees.entries(self.start)
                if self.is_withheld(path) or any_match(path, self._hidden)
            )
            for path in self._withheld:
                remove(self.slot.tree / path)
        return self._withheld

    def tree(self, *, leaves: tuple[str, ...], secrets: Mapping[str, str]) -> str:
        """The tree that it made, see `Agency.tree`."""
        for path in (".git", *leaves):
            remove(self.slot.tree / path)
        tree = self._with_the_withheld(self._written())
        self._refuse_secrets(tree, secrets)
        return tree

    def _written(self) -> str:
        """The tree of what it left; what git cannot take of that is the agent's fault."""
        try:
            return self.slot.trees.tree_in(self.slot.tree)
        except GitFailed as error:
            if "invalid path" in error.words:
                raise HostilePatch(f"it made what no repository may hold: {error.words}") from error
            if any(words in error.stderr for words in _NOT_TAKEN):
                raise BadPatch(f"git cannot take what it left: {error.words}") from error
            raise

    def _with_the_withheld(self, tree: str) -> str:
        trees, withheld = self.slot.trees, self._withhold()
        if not withheld:
            return tree
        entries = trees.entries(self.start, withheld)
        contents = trees.read(entries)
        try:
            return trees.write(
                tree, {path: Content(entries[path].mode, data) for path, data in contents.items()}
            )
        except GitFailed as error:
            raise BadPatch(f"something stands where a file is that is never shown: {error.words}") from error

    def _refuse_secrets(self, tree: str, secrets: Mapping[str, str]) -> None:
        trees = self.slot.trees
        paths = trees.change(self.start, tree).paths
        for path, data in trees.read(trees.entries(tree, tuple(paths))).items():
            for name, value in secrets.items():
                if value in path:
                    raise HostilePatch(f"a file is called by the value of {name}, which the agent was given")
                if value.encode("utf-8", "surrogateescape") in data:
                    raise HostilePatch(f"{path} holds the value of {name}, which the agent was given")
