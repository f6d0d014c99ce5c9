"""Prove that what the checks judge is the tree under test, and neither the checkout nor an installed copy.

An editable install points at the checkout. A broken patch would then pass on the user's own good code, and
a good one fail on broken code. So: a file with a random name must be readable from inside; each interpreter
must find the tree's own packages, by path and by content; and after a test run, so must every module that
was imported. Where an interpreter finds another copy first, the tree's folder is put before it and looked
for again. What cannot be proved is never a pass.

A sandbox takes longer to start than to look: the interpreter reads the file while it looks for packages, and
an interpreter that has nothing of the tree in its search path and knows none of its packages is not asked
about the same packages twice.
"""

from __future__ import annotations

import hashlib
import os
import re
import secrets
import sys
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

from route_agent.checks import stamps
from route_agent.checks.probe import read_regular
from route_agent.sandbox.environment import DEPENDENCY_DIRS, ignored_dirs
from route_agent.sandbox.roots import PYTHON, shebang

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping
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
        read_back: whether it read the file that had just been written into the tree.
    """

    problem: str = ""
    python_path: tuple[Path, ...] = ()
    read_back: bool = False


@dataclass(frozen=True, slots=True)
class Looks:
    """Interpreters that stand on nothing of the tree, whatever it holds, found with earlier trees of a run.

    Attributes:
        known: by all that the answer hangs on, the files and folders that it was found in as they were then.
    """

    known: dict[str, dict[Path, list[int]]] = field(default_factory=dict)

    def holds(self, key: str) -> bool:
        """Whether nothing has been installed there since."""
        seen = self.known.get(key)
        return seen is not None and seen == _stamped(seen)


@dataclass(frozen=True, slots=True)
class Written:
    """A file just written into the tree, and the random text in it. Who tells the text has read the file."""

    file: Path
    text: str


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


def write(tree: Path) -> Written:
    """Write a file that nobody knows into the tree. It has to be taken away again.

    Raises:
        OSError: the tree cannot be written.
    """
    canary = Written(tree / f".canary-{secrets.token_hex(8)}", secrets.token_hex(16))
    try:
        with canary.file.open("x", encoding="ascii") as file:
            file.write(canary.text)
    except OSError:
        canary.file.unlink(missing_ok=True)
        raise
    return canary


def read_back(canary: Written, ground: Ground) -> str:
    """Read the file through the walls; empty, or why that failed."""
    ended = ground.walls.run(
        ["cat", canary.file.name], ground.place, env=ground.env, timeout_s=TIMEOUT_S, stop=ground.stop
    )
    if ended.output == canary.text:
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
try:
    with open(sys.argv[2]) as canary:
        read = canary.read()
except (OSError, ValueError):
    read = ""
found = []
for name in sys.argv[3:]:
    try:
        file = origin(name)
    except (ImportError, ValueError, AttributeError):
        file = None
    if file and os.path.isfile(file):
        with open(file, "rb") as opened:
            digest = sha256(opened.read()).hexdigest()
        found.append(":".join((told(name), told(os.path.realpath(file)), digest)))
print()
path = ",".join(told(os.path.realpath(entry)) for entry in sys.path)
print(sys.argv[1] + ";".join((path, ",".join(found), told(read))))
"""


@dataclass(frozen=True, slots=True)
class _Look:
    """What an interpreter finds: its search path, the file and content of packages, and in the canary."""

    path: tuple[Path, ...]
    found: dict[str, tuple[Path, str]]
    read: str


def footing(
    python: Path, packages: Mapping[str, Path], ground: Ground, canary: Written, looks: Looks
) -> Footing:
    """Find out whose code an interpreter imports, and what to put first where it is not the tree's.

    Args:
        python: the interpreter's file on this machine.
        packages: see `own_packages`.
        ground: where to look.
        canary: what it is to read meanwhile.
        looks: what is known from other trees. It says nothing about the canary.
    """
    key = _key(python, packages, ground)
    if looks.holds(key):
        return Footing()
    look = _look(python, packages, ground, (), canary)
    if isinstance(look, str):
        return Footing(look)
    roots = [packages[name] for name, _ in _elsewhere(look, ground)]
    # an editable install of any layout: the same folders of the tree instead
    mapped = (_beneath(entry, ground.place.project) for entry in look.path if ground.in_checkout(entry))
    roots += [ground.place.tree / inner for inner in mapped if inner and (ground.place.tree / inner).is_dir()]
    python_path = tuple(dict.fromkeys(ground.walls.standing(root, ground.place) for root in roots))
    if python_path:
        look = _look(python, packages, ground, python_path, canary)
        if isinstance(look, str):
            return Footing(look)
    elif _is_apart(look, ground) and not _chooses(python):
        looks.known[key] = _stamped({python, *look.path})
    for name, path in _elsewhere(look, ground):
        return Footing(f"{WRONG_CODE}: {python} imports {name} from {path}")
    return Footing(python_path=python_path, read_back=look.read == canary.text)


def _key(python: Path, packages: Mapping[str, Path], ground: Ground) -> str:
    """What an answer hangs on apart from the tree's files, and the folders that the tree begins with."""
    place = ground.place
    about = (
        python,
        [(name, root.relative_to(place.tree)) for name, root in packages.items()],
        [_folders(root) for root in (place.tree, place.tree / "src")],
        # where git has to stop tells where the tree is mounted, and nothing else
        sorted(it for it in ground.env.items() if it[0] != "GIT_CEILING_DIRECTORIES"),
        (place.project, place.home, ignored_dirs(place)),
        (type(ground.walls).__name__, ground.walls.isolation, bool(place.entrance)),
    )
    return repr(about)


def _stamped(paths: Iterable[Path]) -> dict[Path, list[int]]:
    return {path: stamps.stamp(path) for path in paths}


def _chooses(python: Path) -> bool:
    """Whether a file of that name looks for the interpreter first: version managers ask the tree's files."""
    return bool(shebang(python)) or not PYTHON.match(python.resolve().name)


def _folders(root: Path) -> list[str]:
    if not root.is_dir():
        return []
    with os.scandir(root) as entries:
        return sorted(it.name for it in entries if not it.is_file(follow_symlinks=False))


def _is_apart(look: _Look, ground: Ground) -> bool:
    """Whether an interpreter knows none of the packages, and has no folder that a tree could bring."""
    place = ground.place
    roots = {form for root in (ground.walls.root(place), place.project) for form in (root, root.resolve())}
    inner = [entry.relative_to(root) for entry in look.path for root in roots if entry.is_relative_to(root)]
    return not look.found and all(it.parts[:1] and it.parts[0] in ignored_dirs(place) for it in inner)


def _elsewhere(look: _Look, ground: Ground) -> list[tuple[str, Path]]:
    """The packages that are found, but not in the tree or not as they stand there."""
    return [
        (name, path)
        for name, (path, digest) in look.found.items()
        if (own := ground.in_tree(path)) is None or _sha256(own) != digest
    ]


def _look(
    python: Path,
    packages: Mapping[str, Path],
    ground: Ground,
    python_path: tuple[Path, ...],
    canary: Written,
) -> _Look | str:
    token = secrets.token_hex(8)
    first = {"PYTHONPATH": os.pathsep.join(map(str, python_path))} if python_path else {}
    ended = ground.walls.run(
        [str(python), "-c", _LOOK, token, canary.file.name, *packages],
        ground.place,
        env={**ground.env, **first},
        timeout_s=TIMEOUT_S,
        stop=ground.stop,
    )
    if told := re.search(rf"^{token}(.*)$", ended.output, re.MULTILINE):
        with suppress(ValueError):  # cut short, or written over
            path, found, read = (it.split(",") if it else [] for it in told[1].split(";"))
            named = (it.split(":") for it in found)
            return _Look(
                tuple(map(Path, map(_read, path))),
                {_read(name): (Path(_read(file)), digest) for name, file, digest in named},
                "".join(map(_read, read)),
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
