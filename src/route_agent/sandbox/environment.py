"""What a check finds around it: its variables, its commands, and the folders of dependencies.

Checks run code that a model wrote. They get an environment built from a short list, so that no key, no
`GIT_*` and no `PYTHON*` of the user is in it, and their commands are found outside the tree under test, so
that a patch cannot bring its own `pytest`.
"""

from __future__ import annotations

import os
from pathlib import Path
from typing import TYPE_CHECKING

from route_agent.errors import EnvironmentBroken

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping

    from route_agent.sandbox.place import Place

# what a project keeps beside its files without tracking it, and its checks cannot do without
DEPENDENCY_DIRS = (".venv", "venv", "node_modules")

_KEPT = ("LANG", "LC_ALL", "LC_CTYPE", "TZ")
_SYSTEM_PATH = "/usr/local/bin:/usr/bin:/bin"


def home_folder() -> Path | None:
    """The user's home folder; None where there is none, as in a container under a made-up number."""
    try:
        return Path.home()
    except RuntimeError:
        return None


def ignored_dirs(place: Place) -> tuple[str, ...]:
    """The dependency folders that the checkout has and the tree under test lacks.

    Raises:
        EnvironmentBroken: the tree has a link of such a name; mounting over it would follow it.
    """
    if place.dependencies is not None:
        return place.dependencies
    project, tree = place.project, place.tree
    return tuple(
        name
        for name in DEPENDENCY_DIRS
        if _is_vacant(tree / name, project / name)
        and (project / name).is_dir()
        and is_what_it_says(project / name)
    )


def _is_vacant(path: Path, stands_for: Path) -> bool:
    """Whether a tree has nothing of its own at a path.

    A mount leaves its empty mount point behind, and without walls a link to the checkout's packages comes
    and goes while other checks run: each answer below holds for one moment.
    """
    try:
        folder = os.open(path, os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW)
    except FileNotFoundError:
        return True
    except OSError:
        return _is_our_link(path, stands_for)
    try:
        with os.scandir(folder) as entries:
            return next(entries, None) is None
    finally:
        os.close(folder)


def _is_our_link(path: Path, stands_for: Path) -> bool:
    try:
        target = path.readlink()
    except FileNotFoundError:
        return True
    except OSError:  # a file, or a folder that cannot be read
        return False
    if target == stands_for:
        return True
    raise misplaced_link(path.name)


def misplaced_link(name: str) -> EnvironmentBroken:
    """The refusal of a link that a tree brings where a folder of dependencies belongs."""
    return EnvironmentBroken(
        f"{name} is a symbolic link in the tree under test, where a folder of dependencies belongs",
        hint=f"if it is yours, keep it out of git: a line `{name}` without a slash in .gitignore",
    )


def is_what_it_says(path: Path) -> bool:
    """A link in the checkout may lead anywhere, `~/.ssh` included: only to the like of its name."""
    if not path.is_symlink():
        return True
    target = path.resolve()
    return target.name == path.name if path.name == "node_modules" else (target / "pyvenv.cfg").is_file()


def clean_environment(place: Place, names: Iterable[str] = ()) -> dict[str, str]:
    """The whole environment of a check.

    Args:
        place: where it runs.
        names: further variables of the user's environment, which a trusted policy asks for.

    Raises:
        EnvironmentBroken: see `ignored_dirs`.
    """
    kept = {name: os.environ[name] for name in (*_KEPT, *names) if name in os.environ}
    if not kept.keys() & {"LANG", "LC_ALL", "LC_CTYPE"}:
        kept["LANG"] = "C.UTF-8"
    return {
        **kept,
        **_python_homes(place),
        "PATH": os.pathsep.join(map(str, _search_path(place))),
        "HOME": str(place.home),
        "TMPDIR": str(place.home / "tmp"),
        "CI": "1",
        "NO_COLOR": "1",
        "PYTHONDONTWRITEBYTECODE": "1",
        # the scratch has no .git: no repository above it may stand in for it
        "GIT_CEILING_DIRECTORIES": f"{place.project.parent}{os.pathsep}{place.tree.parent}",
    }


def _python_homes(place: Place) -> dict[str, str]:
    homes: dict[str, str] = {}
    own = [place.project / name for name in ignored_dirs(place)]
    given = [Path(os.environ["VIRTUAL_ENV"])] if os.environ.get("VIRTUAL_ENV") else []
    for folder in (*own, *given):
        if is_there(folder / "pyvenv.cfg") and (folder in own or not _is_within(folder, place)):
            homes["VIRTUAL_ENV"] = str(folder)
            break
    # the home folder is private, so what `pip install --user` put into the real one needs a name
    home = home_folder()
    if home and any((home / ".local").glob("lib/python3*")):
        homes["PYTHONUSERBASE"] = str(home / ".local")
    return homes


def _search_path(place: Place) -> list[Path]:
    own = []
    for name in ignored_dirs(place):
        folder = place.project / name / (".bin" if name == "node_modules" else "bin")
        own += [folder] if folder.is_dir() else []
    given = (Path(entry) for entry in os.environ.get("PATH", _SYSTEM_PATH).split(os.pathsep) if entry)
    outside = (entry for entry in given if entry.is_absolute() and not _is_within(entry, place))
    return list(dict.fromkeys([*own, *outside]))


def _is_within(path: Path, place: Place) -> bool:
    """Whether what stands at this path is decided by the tree under test."""
    forms = {Path(os.path.normpath(path)), path.resolve()}
    return any(form.is_relative_to(root) for form in forms for root in (place.project, place.tree))


def resolve(argv0: str, env: Mapping[str, str], place: Place, subdirectory: str = "") -> Path | None:
    """The file on this machine that a command names, or None where there is none.

    A bare name is looked up on the search path, which holds nothing of the tree. A name with a slash means
    the tree's own file (`./scripts/test`), or one in the checkout's folders of dependencies.
    """
    if os.sep not in argv0:
        folders = [Path(entry) for entry in env.get("PATH", "").split(os.pathsep) if entry]
        return next((folder / argv0 for folder in folders if is_program(folder / argv0)), None)
    asked = Path(os.path.normpath(place.project / subdirectory / argv0))
    if asked.is_relative_to(place.project):
        inner = asked.relative_to(place.project)
        in_dependencies = inner.parts[:1] and inner.parts[0] in ignored_dirs(place)
        asked = (place.project if in_dependencies else place.tree) / inner
    return asked if is_program(asked) else None


def is_program(path: Path) -> bool:
    """Whether there is a file that may be executed."""
    return is_there(path, Path.is_file) and os.access(path, os.X_OK)


def is_there(path: Path, kind: Callable[[Path], bool] = Path.exists) -> bool:
    """Whether there is something of a kind; no, where another user's folder is in the way."""
    try:
        return kind(path)
    except OSError:
        return False


def why_unresolved(argv0: str, env: Mapping[str, str]) -> str:
    """One line for a command that `resolve` does not find."""
    if os.sep in argv0:
        return f"not found or not executable: {argv0}"
    folders = [entry for entry in env.get("PATH", "").split(os.pathsep) if entry]
    more = f" and {len(folders) - 6} more" if len(folders) > 6 else ""
    return f"not found: {argv0} (looked in: {', '.join(folders[:6])}{more})"
