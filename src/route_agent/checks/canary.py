"""Prove that what the checks judge is the tree under test, and neither the checkout nor an installed copy.

An editable install points at the checkout. A broken patch would then pass on the user's own good code, and
a good one fail on broken code. So: a file with a random name must be readable from inside; each interpreter
must find the tree's own packages, by path and by content; and after a test run, so must every module that
was imported. Where an interpreter finds another copy first, the tree's folder is put before it and looked
for again. What cannot be proved is never a pass.
"""

from __future__ import annotations

import hashlib
import os
import re
import secrets
import sys
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from route_agent.checks.probe import read_regular
from route_agent.sandbox.environment import DEPENDENCY_DIRS

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping
    from threading import Event

    from route_agent.checks.probe import Module, Told
    from route_agent.sandbox.place import Place
    from route_agent.sandbox.walls import Walls

WRONG_CODE = "wrong code under test"
TIMEOUT_S = 60
MAX_PACKAGES = 200

# names that many distributions install by mistake, and that are not what a project is about
_NOT_THE_CODE = frozenset({
    "bench", "benchmark", "benchmarks", "build", "conftest", "dist", "doc", "docs", "example", "examples",
    "fabfile", "manage", "noxfile", "script", "scripts", "setup", "tasks", "test", "testing", "tests",
    "tools", "versioneer",
})  # fmt: skip


@dataclass(frozen=True, slots=True)
class Footing:
    """What one interpreter stands on.

    Attributes:
        problem: why its results would prove nothing, or empty.
        python_path: folders of the tree to put first, as commands see them.
    """

    problem: str = ""
    python_path: tuple[Path, ...] = ()


@dataclass(frozen=True, slots=True)
class Ground:
    """Where the canary looks: the tree, the walls, and the environment of the checks."""

    place: Place
    walls: Walls
    env: Mapping[str, str]
    stop: Event | None = None

    def in_tree(self, path: Path) -> Path | None:
        """The tree's file for a path that a command saw; None where it is not the tree's."""
        inner = _beneath(path, self.walls.root(self.place))
        return None if inner is None else self.place.tree / inner

    def in_checkout(self, path: Path) -> bool:
        """Whether a path is a file of the original checkout, dependencies apart."""
        return self.in_tree(path) is None and _beneath(path, self.place.project) is not None


def _beneath(path: Path, root: Path) -> Path | None:
    for form in (root, root.resolve()):
        if path.is_relative_to(form):
            inner = path.relative_to(form)
            return inner if inner.parts[:1] and inner.parts[0] not in DEPENDENCY_DIRS else None
    return None


def own_packages(tree: Path) -> dict[str, Path]:
    """The top-level packages and modules that a tree brings, each with the folder they are imported from."""
    found: dict[str, Path] = {}
    for root in (tree, tree / "src"):
        if root.is_dir() and not root.is_symlink():
            found |= dict.fromkeys(_packages(root), root)
    for root in (tree, tree / "src"):
        if not found and root.is_dir() and not root.is_symlink():
            found |= dict.fromkeys(_modules(root), root)
    return dict(sorted(found.items())[:MAX_PACKAGES])


def _packages(root: Path) -> Iterator[str]:
    for path in root.iterdir():
        if _is_code(path.name) and path.is_dir() and (path / "__init__.py").is_file():
            yield path.name


def _modules(root: Path) -> Iterator[str]:
    for path in root.glob("*.py"):
        if _is_code(path.stem) and path.is_file():
            yield path.stem


def _is_code(name: str) -> bool:
    return name.isidentifier() and name not in _NOT_THE_CODE and name not in sys.stdlib_module_names


def read_back(ground: Ground) -> str:
    """Write a file into the tree and read it through the walls; empty, or why that failed."""
    name, nonce = f".canary-{secrets.token_hex(8)}", secrets.token_hex(16)
    file = ground.place.tree / name
    try:
        with file.open("x", encoding="ascii") as canary:
            canary.write(nonce)
        ended = ground.walls.run(
            ["cat", name], ground.place, env=ground.env, timeout_s=TIMEOUT_S, stop=ground.stop
        )
    except OSError as error:
        return f"the scratch cannot be written: {error.strerror}"
    finally:
        file.unlink(missing_ok=True)
    if ended.output == nonce:
        return ""
    if ended.started and not ended.timed_out:
        return f"{WRONG_CODE}: a file just written into the scratch is not there for the checks"
    return ended.reason


# runs on the project's own Python, very often, and so with few modules; the folder it runs in is not where
# installed commands look first
_LOOK = """
import sys
if sys.path and sys.path[0] == "":
    del sys.path[0]
import os
try:
    from _sha256 import sha256
except ImportError:
    from hashlib import sha256
def origin(name):
    if name in sys.modules:
        return getattr(sys.modules[name].__spec__, "origin", None)
    for finder in sys.meta_path:
        spec = finder.find_spec(name, None) if hasattr(finder, "find_spec") else None
        if spec is not None:
            return spec.origin
def told(text):
    return os.fsencode(text).hex()
found = []
for name in sys.argv[2:]:
    try:
        file = origin(name)
    except (ImportError, ValueError, AttributeError):
        file = None
    if file and os.path.isfile(file):
        with open(file, "rb") as opened:
            digest = sha256(opened.read()).hexdigest()
        found.append(":".join((told(name), told(os.path.realpath(file)), digest)))
print()
print(sys.argv[1] + ",".join(told(os.path.realpath(entry)) for entry in sys.path) + ";" + ",".join(found))
"""


@dataclass(frozen=True, slots=True)
class _Look:
    """What an interpreter finds: its search path, and the file and content of each package it knows."""

    path: tuple[Path, ...]
    found: dict[str, tuple[Path, str]]


def footing(python: Path, packages: Mapping[str, Path], ground: Ground) -> Footing:
    """Find out whose code an interpreter imports, and what to put first where it is not the tree's.

    Args:
        python: the interpreter's file on this machine.
        packages: see `own_packages`.
        ground: where to look.
    """
    look = _look(python, packages, ground, ())
    if isinstance(look, str):
        return Footing(look)
    roots = [packages[name] for name, _ in _elsewhere(look, ground)]
    # an editable install of any layout: the same folders of the tree instead
    mapped = (_beneath(entry, ground.place.project) for entry in look.path if ground.in_checkout(entry))
    roots += [ground.place.tree / inner for inner in mapped if inner and (ground.place.tree / inner).is_dir()]
    python_path = tuple(dict.fromkeys(ground.walls.standing(root, ground.place) for root in roots))
    if python_path:
        look = _look(python, packages, ground, python_path)
        if isinstance(look, str):
            return Footing(look)
    for name, path in _elsewhere(look, ground):
        return Footing(f"{WRONG_CODE}: {python} imports {name} from {path}")
    return Footing(python_path=python_path)


def _elsewhere(look: _Look, ground: Ground) -> list[tuple[str, Path]]:
    """The packages that are found, but not in the tree or not as they stand there."""
    return [
        (name, path)
        for name, (path, digest) in look.found.items()
        if (own := ground.in_tree(path)) is None or _sha256(own) != digest
    ]


def _look(
    python: Path, packages: Mapping[str, Path], ground: Ground, python_path: tuple[Path, ...]
) -> _Look | str:
    token = secrets.token_hex(8)
    first = {"PYTHONPATH": os.pathsep.join(map(str, python_path))} if python_path else {}
    ended = ground.walls.run(
        [str(python), "-c", _LOOK, token, *packages],
        ground.place,
        env={**ground.env, **first},
        timeout_s=TIMEOUT_S,
        stop=ground.stop,
    )
    if told := re.search(rf"^{token}(.*)$", ended.output, re.MULTILINE):
        with suppress(ValueError):  # cut short, or written over
            path, found = (it.split(",") if it else [] for it in told[1].split(";"))
            named = (it.split(":") for it in found)
            return _Look(
                tuple(map(Path, map(_read, path))),
                {_read(name): (Path(_read(file)), digest) for name, file, digest in named},
            )
    last = (ended.output.strip().splitlines() or [f"exit code {ended.exit_code}"])[-1]
    return f"no proof of which code {python} imports: {ended.reason or last}"


def _read(told: str) -> str:
    return os.fsdecode(bytes.fromhex(told))


def contradiction(told: Told, packages: Mapping[str, Path], ground: Ground) -> str:
    """The first module that a test run imported from elsewhere than the tree, as a reason; else empty."""
    for name, module in sorted(told.modules, key=lambda item: (item[0], item[1].path)):
        own = ground.in_tree(module.path)
        if own is not None:
            if _differs(own, module):
                return f"{WRONG_CODE}: imported {name} from {module.path}, which is not as in the scratch"
        elif ground.in_checkout(module.path):
            return f"{WRONG_CODE}: imported {name} from {module.path}"
        elif root := packages.get(name.partition(".")[0]):
            inner = name.replace(".", "/")
            if any(_differs(root / form, module) for form in (f"{inner}.py", f"{inner}/__init__.py")):
                return f"{WRONG_CODE}: imported {name} from {module.path}, an installed copy"
    return ""


def _differs(own: Path, module: Module) -> bool:
    digest = _sha256(own)
    return None not in (digest, module.sha256) and digest != module.sha256


def _sha256(path: Path) -> str | None:
    contents = read_regular(path)
    return None if contents is None else hashlib.sha256(contents).hexdigest()
