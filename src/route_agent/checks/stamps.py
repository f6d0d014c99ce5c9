"""What a check's result hangs on beside the tree: variables, programs, packages, this program itself.

Light on purpose: a verdict of an earlier run is looked up before anything else is imported.
"""

from __future__ import annotations

import os
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Any

from route_agent.sandbox.environment import DEPENDENCY_DIRS, home_folder

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

_VARIABLES = ("PATH", "LANG", "LC_ALL", "LC_CTYPE", "TZ", "VIRTUAL_ENV", "HOME")
_RUNTIMES = ("python", "python3", "node")
_PACKAGES = ("lib/python3*/site-packages", "lib/python3*/dist-packages")


def variables(asked: Iterable[str] = ()) -> list[list[str | None]]:
    """The variables that any check gets, and those that were asked for, with their values."""
    return [[name, os.environ.get(name)] for name in (*_VARIABLES, *sorted(asked))]


def installed(root: Path, programs: set[str]) -> Iterator[list[Any]]:
    """The programs that commands name or run on, and when something was last installed beside them."""
    own = _own(root)
    yield from ([str(folder), stamp(folder)] for folder in own)
    yield [str(root), stamp(root / "node_modules" / ".package-lock.json")]
    prefixes = {folder for folder in own if folder.name != ".bin"}
    for name in sorted({*programs, *_RUNTIMES}):
        places_of = [root / name] if os.sep in name else [folder / name for folder in searched(root)]
        for path in places_of:
            if at := stamp(path):
                real = path.resolve()
                yield [name, str(path), at, str(real), stamp(real)]
                prefixes |= {path.parent.parent, real.parent.parent}
                break
    home = home_folder()
    for prefix in sorted({*prefixes, *([home / ".local"] if home else []), Path("/usr/lib/python3")}):
        packages = [path for pattern in _PACKAGES for path in prefix.glob(pattern)]
        yield from ([str(path), stamp(path)] for path in sorted([*packages, prefix / "dist-packages"]))


def searched(root: Path) -> list[Path]:
    """The folders in which a check's program is looked for, first ones first."""
    return [
        *(folder if folder.name == ".bin" else folder / "bin" for folder in _own(root)),
        *map(Path, filter(None, os.environ.get("PATH", "").split(os.pathsep))),
    ]


def _own(root: Path) -> list[Path]:
    return [root / name / ("" if name != "node_modules" else ".bin") for name in DEPENDENCY_DIRS]


def stamp(path: Path) -> list[int]:
    """What tells one state of a file or folder from another; empty where there is none."""
    try:
        about = path.stat()
    except OSError:
        return []
    return [about.st_mtime_ns, about.st_size, about.st_ino]


@cache
def this_program() -> list[Any]:
    """A grader that judges otherwise must not find what an earlier one said."""
    package = Path(__file__).parents[1]
    return sorted([str(file.relative_to(package)), *stamp(file)] for file in package.rglob("*.py"))
