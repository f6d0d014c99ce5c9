"""Find a project's own checks in the files by which its tools are configured.

A rule without I/O: the caller says how a file is read and which paths exist. A check that cannot run makes
every patch unprovable, so a tool counts as found only where the project configures or declares it.
A file that cannot be parsed is skipped with a note, and never an error.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass

from route_agent.discovery import others, python_tests, python_tools
from route_agent.discovery.fixers import fixers
from route_agent.discovery.project import Hit, Project, Read, load
from route_agent.policy import CheckSpec


@dataclass(frozen=True, slots=True)
class Discovered:
    """What a project uses to judge itself.

    Attributes:
        checks: the commands, in the order in which a person would run them.
        fixers: commands that mend files without a model.
        notes: `name: file:line key` for each check, then one line for each file that was skipped.
    """

    checks: tuple[CheckSpec, ...] = ()
    fixers: tuple[tuple[str, ...], ...] = ()
    notes: tuple[str, ...] = ()

    def origin(self, check: str) -> str:
        """The file and line or key from which the check of that name was found."""
        found = (note.partition(": ") for note in self.notes)
        return next((origin for name, _, origin in found if name == check), "")


def discover(read: Read, paths: Sequence[str]) -> Discovered:
    """Find the checks and fixers of the project whose files `read` and `paths` tell of.

    Args:
        read: a file's text by its path from the repository's root, or None where it cannot be had; asked
            only for some of `paths`.
        paths: all paths of the repository, with forward slashes.
    """
    project = load(read, paths)
    found = [hit for find in _FINDERS for hit in find(project)]
    for find in _STAND_INS:
        kinds = {hit.kind for hit in found}
        found += [hit for hit in find(project) if hit.kind not in kinds]
    notes = [f"{hit.name}: {hit.origin}" for hit in found]
    return Discovered(
        checks=tuple(CheckSpec(name=hit.name, run=hit.run, kind=hit.kind) for hit in found),
        fixers=tuple(fixers(project, {hit.name for hit in found})),
        notes=(*notes, *project.skipped, *others.unfit_scripts(project)),
    )


_FINDERS: tuple[Callable[[Project], Iterable[Hit]], ...] = (
    python_tests.python_tests,
    python_tools.ruff,
    python_tools.flake8,
    python_tools.black,
    python_tools.isort,
    python_tools.mypy,
    python_tools.pyright,
    others.package_scripts,
    others.go,
    others.cargo,
    others.rubocop,
)
# only for kinds of which nothing was found: they build environments of their own, or wrap the others
_STAND_INS: tuple[Callable[[Project], Iterable[Hit]], ...] = (python_tests.tox, python_tests.nox, others.make)
