"""Find a project's own checks in the files by which its tools are configured.

A rule without I/O: the caller says how a file is read and which paths exist. A check that cannot run makes
every patch unprovable, so a tool counts as found only where the project configures or declares it.
A file that cannot be parsed is skipped with a note, and never an error.
"""

from __future__ import annotations

import configparser
import json
import re
import tomllib
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from route_agent.policy import CheckSpec
from route_agent.records.checks import CheckKind

Read = Callable[[str], str | None]

PEEKED_TEST_FILES = 20
LISTED_TARGETS = 6


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
    project = _load(read, paths)
    found = [hit for find in _FINDERS for hit in find(project)]
    for find in _STAND_INS:
        kinds = {hit.kind for hit in found}
        found += [hit for hit in find(project) if hit.kind not in kinds]
    notes = [f"{hit.name}: {hit.origin}" for hit in found]
    return Discovered(
        checks=tuple(CheckSpec(name=hit.name, run=hit.run, kind=hit.kind) for hit in found),
        fixers=tuple(_fixers(project, {hit.name for hit in found})),
        notes=(*notes, *project.skipped, *_unfit_scripts(project)),
    )


@dataclass(frozen=True, slots=True)
class _Hit:
    name: str
    kind: CheckKind
    run: tuple[str, ...]
    origin: str


@dataclass(frozen=True, slots=True)
class _Project:
    """The project's configuration files: their texts, and their data where they have any."""

    read: Read
    paths: tuple[str, ...]
    path_set: frozenset[str]
    texts: Mapping[str, str]
    data: Mapping[str, dict[str, Any]]
    declared: Mapping[str, str]
    skipped: tuple[str, ...]

    def table(self, file: str, *keys: str) -> dict[str, Any]:
        """The table at those keys, empty where there is none."""
        return _table(self.data.get(file, {}), *keys)

    def has(self, file: str, *keys: str) -> bool:
        return _at(self.data.get(file, {}), *keys) is not None

    def section(self, file: str, *keys: str) -> str:
        """Where a TOML or INI section stands, as `file:line [section]`; empty where there is none."""
        if not self.has(file, *keys):
            return ""
        name = ".".join(keys)
        header = r"^\s*\[" + re.escape(name) + r"[.\]]"
        return f"{_placed(file, self.texts[file], header)} [{name}]"

    def first_file(self, *files: str) -> str:
        return next((file for file in files if file in self.texts), "")


_TOML_FILES = ("pyproject.toml", "Pipfile", "ruff.toml", ".ruff.toml", "Cargo.toml")
_INI_FILES = ("setup.cfg", "tox.ini", "mypy.ini", ".mypy.ini")
_JSON_FILES = ("package.json",)
_MAKEFILES = ("GNUmakefile", "makefile", "Makefile")
_PYTEST_FILES = ("pytest.toml", ".pytest.toml", "pytest.ini", ".pytest.ini")
_PLAIN_FILES = (
    *_PYTEST_FILES,
    *_MAKEFILES,
    ".flake8",
    ".pre-commit-config.yaml",
    "pyrightconfig.json",
    "tox.toml",
    "noxfile.py",
    "setup.py",
    "go.mod",
    "clippy.toml",
    ".clippy.toml",
)


def _load(read: Read, paths: Sequence[str]) -> _Project:
    path_set = frozenset(paths)
    known = (*_TOML_FILES, *_INI_FILES, *_JSON_FILES, *_PLAIN_FILES)
    there = (file for file in known if file in path_set)
    texts = {file: text.removeprefix("\ufeff") for file in there if (text := read(file)) is not None}
    data: dict[str, dict[str, Any]] = {}
    skipped: list[str] = []
    for parse, files in ((tomllib.loads, _TOML_FILES), (_ini, _INI_FILES), (_json_object, _JSON_FILES)):
        for file in files:
            if file not in texts:
                continue
            try:
                data[file] = parse(texts[file])
            except RecursionError:
                skipped.append(f"{file}: skipped, nested too deeply")
            except (ValueError, configparser.Error) as error:
                skipped.append(f"{file}: skipped, {_first_line(error)}")
    declared = dict(reversed([*_declared(read, paths, texts, data)]))  # the first mention wins
    return _Project(read, tuple(paths), path_set, texts, data, declared, tuple(skipped))


def _ini(text: str) -> dict[str, Any]:
    parser = configparser.ConfigParser(interpolation=None, strict=False, allow_no_value=True)
    parser.read_string(text)
    return {name: dict(parser.items(name)) for name in parser.sections()}


def _json_object(text: str) -> dict[str, Any]:
    data = json.loads(text)
    if not isinstance(data, dict):
        raise ValueError("not an object")  # noqa: TRY004  the caller answers every bad file alike
    return data


def _first_line(error: Exception) -> str:
    lines = str(error).splitlines()
    return lines[0] if lines else type(error).__name__


def _at(data: object, *keys: str) -> Any:
    for key in keys:
        data = data.get(key) if isinstance(data, dict) else None
    return data


def _table(data: object, *keys: str) -> dict[str, Any]:
    found = _at(data, *keys)
    return found if isinstance(found, dict) else {}


def _placed(file: str, text: str, pattern: str, start: int = 0) -> str:
    """`file:line` of the first match, or the file alone where nothing matches."""
    match = re.compile(pattern, re.MULTILINE).search(text, start)
    return f"{file}:{_line(text, match.end())}" if match else file


def _line(text: str, position: int) -> int:
    return text.count("\n", 0, position) + 1


# --- what the project declares -----------------------------------------------------------------------------

_REQUIREMENT = re.compile(r"\s*(?:-\s+)?['\"]?([A-Za-z][A-Za-z0-9._-]*)")
_REQUIREMENT_FILE = re.compile(
    r"(?:[^/]*requirements[^/]*\.(?:txt|in)|requirements/[^/]+\.(?:txt|in)|environment\.ya?ml)"
)
_QUOTED_REQUIREMENT = re.compile(
    r"""['"]([A-Za-z][A-Za-z0-9._-]*)\s*(?:\[[^\]'"]*\])?\s*(?:[<>=!~;][^'"\n]*)?['"]"""
)


def _normal(name: str) -> str:
    return re.sub(r"[-_.]+", "-", name).lower()


def _declared(
    read: Read, paths: Sequence[str], texts: Mapping[str, str], data: Mapping[str, dict[str, Any]]
) -> Iterator[tuple[str, str]]:
    """Every Python distribution that the project names, with the place of its name."""
    for file in ("pyproject.toml", "Pipfile"):
        for raw, name in _in_toml(data.get(file, {})):
            yield name, _placed(file, texts[file], rf"(?:^\s*|['\"]){re.escape(raw)}")
    for section, options in data.get("setup.cfg", {}).items():
        if section.startswith("options"):
            for line in "\n".join(str(value) for value in options.values()).splitlines():
                if match := _REQUIREMENT.match(line):
                    yield _normal(match[1]), f"setup.cfg [{section}]"
    for match in _QUOTED_REQUIREMENT.finditer(texts.get("setup.py", "")):
        yield _normal(match[1]), f"setup.py:{_line(texts['setup.py'], match.start())}"
    for file in paths:
        if _REQUIREMENT_FILE.fullmatch(file):
            for number, line in enumerate((read(file) or "").splitlines(), start=1):
                if match := _REQUIREMENT.match(line):
                    yield _normal(match[1]), f"{file}:{number}"


def _in_toml(data: dict[str, Any]) -> Iterator[tuple[str, str]]:
    """Requirements of pyproject.toml or a Pipfile: as written there, and the normal form of the name."""
    lists: list[object] = [
        _at(data, "project", "dependencies"),
        *_table(data, "project", "optional-dependencies").values(),
        *_table(data, "dependency-groups").values(),
        _at(data, "tool", "uv", "dev-dependencies"),
        *_table(data, "tool", "pdm", "dev-dependencies").values(),
    ]
    for environment in _table(data, "tool", "hatch", "envs").values():
        lists += [_at(environment, "dependencies"), _at(environment, "extra-dependencies")]
    for entries in lists:
        for entry in entries if isinstance(entries, list) else []:
            if isinstance(entry, str) and (match := _REQUIREMENT.match(entry)):
                yield entry, _normal(match[1])
    poetry = _table(data, "tool", "poetry")
    tables = [_table(poetry, key) for key in ("dependencies", "dev-dependencies")]
    tables += [_table(group, "dependencies") for group in _table(poetry, "group").values()]
    tables += [_table(data, key) for key in ("packages", "dev-packages")]
    for table in tables:
        yield from ((name, _normal(name)) for name in table)


# --- Python: tests -----------------------------------------------------------------------------------------

_TEST_FILE = re.compile(r"(?:.*/)?(?:test_[^/]*|[^/]*_test)\.py")
_IN_TEST_FOLDER = re.compile(r"(?:(?:.*/)?tests?/.*|[^/]*)")
_DJANGO_TEST_FILE = re.compile(r"(?:.*/)?test[^/]*\.py|(?:.*/)tests/.*\.py")


def _python_tests(project: _Project) -> Iterator[_Hit]:
    named = [path for path in project.paths if _TEST_FILE.fullmatch(path)]
    # a test_connection.py among the scripts is no test, unless pytest is there to collect it
    tests = [path for path in named if _IN_TEST_FOLDER.fullmatch(path)]
    origin = _pytest_configured(project)
    if not origin and named and (mention := _pytest_mentioned(project, tests)):
        origin = f"{(tests or named)[0]}, pytest in {mention}"
    if origin:
        command = ("pytest",) if _finds_its_code(project, tests or named) else ("python3", "-m", "pytest")
        yield _Hit("pytest", CheckKind.TEST, (*command, "-q"), origin)
    elif "manage.py" in project.path_set and any(map(_DJANGO_TEST_FILE.fullmatch, project.paths)):
        yield _Hit("django", CheckKind.TEST, ("python3", "manage.py", "test"), "manage.py")
    elif _looks_like_unittest(project, tests):
        origin = f"{tests[0]}, and pytest is declared nowhere"
        yield _Hit("unittest", CheckKind.TEST, _unittest_command(project, tests), origin)


def _pytest_configured(project: _Project) -> str:
    return (
        project.section("pyproject.toml", "tool", "pytest", "ini_options")
        or project.section("pyproject.toml", "tool", "pytest")
        or project.first_file(*_PYTEST_FILES)
        or project.section("tox.ini", "pytest")
        or project.section("setup.cfg", "tool:pytest")
    )


def _pytest_mentioned(project: _Project, tests: Sequence[str]) -> str:
    """Where the project says that it uses pytest: without that, its tests may be unittest's."""
    plugins = (origin for name, origin in project.declared.items() if name.startswith("pytest-"))
    if declared := project.declared.get("pytest") or next(plugins, ""):
        return declared
    for file in ("tox.ini", "tox.toml", "noxfile.py"):
        if re.search(r"^[^#\n]*\bpytest\b", project.texts.get(file, ""), re.MULTILINE):
            return _placed(file, project.texts[file], r"^[^#\n]*\bpytest\b")
    for path in project.paths:
        if path == "conftest.py" or path.endswith("/conftest.py"):
            return path
    for path in tests[:PEEKED_TEST_FILES]:
        text = project.read(path) or ""
        if re.search(r"^(?:import pytest\b|from pytest\b|(?:async )?def test_)", text, re.MULTILINE):
            return _placed(path, text, r"^(?:import pytest\b|from pytest\b|(?:async )?def test_)")
    return ""


def _looks_like_unittest(project: _Project, tests: Sequence[str]) -> bool:
    """Django's tests need settings that only the project's own command gives them."""
    texts = [text for path in tests[:PEEKED_TEST_FILES] if (text := project.read(path))]
    django = any(re.search(r"^(?:import|from) django\b", text, re.MULTILINE) for text in texts)
    return bool(tests) and not django and (not texts or any("unittest" in text for text in texts))


def _finds_its_code(project: _Project, tests: Sequence[str]) -> bool:
    """Whether plain `pytest` can import the project; `python3 -m pytest` adds the root to the search path."""
    return (
        project.has("pyproject.toml", "build-system")
        or project.has("pyproject.toml", "tool", "poetry")
        or "setup.py" in project.texts
        or project.has("setup.cfg", "metadata")
        or "conftest.py" in project.path_set
        or project.has("pyproject.toml", "tool", "pytest", "ini_options", "pythonpath")
        or project.has("pyproject.toml", "tool", "pytest", "pythonpath")
        or project.has("tox.ini", "pytest", "pythonpath")
        or any(
            re.search(r"^pythonpath\b", project.texts.get(file, ""), re.MULTILINE) for file in _PYTEST_FILES
        )
        or (bool(tests) and all(_top(project, path) == "" for path in tests))
    )


def _top(project: _Project, path: str) -> str:
    """The folder from which the file is imported: the first above it that is no package."""
    folder = path.rpartition("/")[0]
    while folder and f"{folder}/__init__.py" in project.path_set:
        folder = folder.rpartition("/")[0]
    return folder


def _unittest_command(project: _Project, tests: Sequence[str]) -> tuple[str, ...]:
    top = Counter(_top(project, path) for path in tests).most_common(1)[0][0]
    suffixed = not any(path.rpartition("/")[2].startswith("test") for path in tests)
    where = ("-s", top) if top and _is_plain(top) else ()
    pattern = ("-p", "*_test.py") if suffixed else ()
    discover = ("discover",) if where or pattern else ()
    return ("python3", "-m", "unittest", *discover, *where, *pattern)


def _tox(project: _Project) -> Iterator[_Hit]:
    origin = (
        project.section("tox.ini", "tox")
        or project.section("tox.ini", "testenv")
        or project.section("setup.cfg", "tox:tox")
        or project.section("pyproject.toml", "tool", "tox")
        or project.first_file("tox.toml")
    )
    if origin:
        yield _Hit("tox", CheckKind.TEST, ("tox", "-q"), origin)


def _nox(project: _Project) -> Iterator[_Hit]:
    if "noxfile.py" in project.texts:
        yield _Hit("nox", CheckKind.TEST, ("nox",), "noxfile.py")


# --- Python: lint, format, types ---------------------------------------------------------------------------

_HOOK = r"^[^#\n]*\bid:\s*['\"]?ruff-format\b"


def _ruff(project: _Project) -> Iterator[_Hit]:
    origin = _ruff_origin(project)
    if not origin:
        return
    yield _Hit("ruff", CheckKind.LINT, ("ruff", "check", "."), origin)
    if formatting := _ruff_format_origin(project):
        yield _Hit("ruff-format", CheckKind.FORMAT, ("ruff", "format", "--check", "."), formatting)


def _ruff_origin(project: _Project) -> str:
    return (
        project.section("pyproject.toml", "tool", "ruff")
        or project.first_file("ruff.toml", ".ruff.toml")
        or project.declared.get("ruff", "")
    )


def _ruff_format_origin(project: _Project) -> str:
    hooks = project.texts.get(".pre-commit-config.yaml", "")
    return (
        project.section("pyproject.toml", "tool", "ruff", "format")
        or project.section("ruff.toml", "format")
        or project.section(".ruff.toml", "format")
        or (_placed(".pre-commit-config.yaml", hooks, _HOOK) if re.search(_HOOK, hooks, re.MULTILINE) else "")
    )


def _flake8(project: _Project) -> Iterator[_Hit]:
    configured = (
        project.first_file(".flake8")
        or project.section("setup.cfg", "flake8")
        or project.section("tox.ini", "flake8")
    )
    # beside ruff, a section for flake8 is mostly one that was left behind
    origin = project.declared.get("flake8", "") or ("" if _ruff_origin(project) else configured)
    if origin:
        # named folders: flake8 would walk into .venv
        yield _Hit("flake8", CheckKind.LINT, ("flake8", *_python_targets(project)), origin)


def _black(project: _Project) -> Iterator[_Hit]:
    configured = project.section("pyproject.toml", "tool", "black")
    declared = project.declared.get("black", "")
    # beside ruff's formatter, one sign alone is mostly one that was left behind
    origin = (configured and declared) if _ruff_format_origin(project) else (configured or declared)
    if origin:
        yield _Hit("black", CheckKind.FORMAT, ("black", "--check", "."), origin)


_MYPY_SECTIONS = (
    ("pyproject.toml", "tool", "mypy"),
    ("mypy.ini", "mypy"),
    (".mypy.ini", "mypy"),
    ("setup.cfg", "mypy"),
)


def _mypy_origin(project: _Project) -> str:
    sections = (project.section(*section) for section in _MYPY_SECTIONS)
    files = project.first_file("mypy.ini", ".mypy.ini")
    return next(filter(None, sections), "") or files or project.declared.get("mypy", "")


def _mypy(project: _Project) -> Iterator[_Hit]:
    origin = _mypy_origin(project)
    if not origin:
        return
    knows_files = any(
        project.has(*section, key) for section in _MYPY_SECTIONS for key in ("files", "packages", "modules")
    )
    targets = () if knows_files else _source_targets(project)
    yield _Hit("mypy", CheckKind.TYPECHECK, ("mypy", *targets), origin)


def _pyright(project: _Project) -> Iterator[_Hit]:
    for name in ("basedpyright", "pyright"):
        configured = project.section("pyproject.toml", "tool", name)
        if name == "pyright":
            configured = configured or project.first_file("pyrightconfig.json")
        # beside mypy, settings for pyright alone are mostly those of an editor
        origin = project.declared.get(name, "") or ("" if _mypy_origin(project) else configured)
        if origin:
            yield _Hit(name, CheckKind.TYPECHECK, (name,), origin)
            return


_NOT_SOURCE = frozenset(
    {"tests", "test", "testing", "docs", "doc", "examples", "scripts", "tools", "benchmarks"}
)
_NOT_MODULES = frozenset({"setup.py", "conftest.py", "noxfile.py"})


def _is_plain(path: str) -> bool:
    """Whether a path can stand in a command without being taken for an option or needing care."""
    return re.fullmatch(r"[A-Za-z0-9_][A-Za-z0-9_.-]*(?:/[A-Za-z0-9_][A-Za-z0-9_.-]*)*", path) is not None


def _python_targets(project: _Project) -> tuple[str, ...]:
    """The folders and files at the root that hold Python; `.` where they are many or oddly named."""
    tops = sorted({path.partition("/")[0] for path in project.paths if path.endswith(".py")})
    fine = 0 < len(tops) <= LISTED_TARGETS and all(_is_plain(top) for top in tops)
    return tuple(tops) if fine else (".",)


def _source_targets(project: _Project) -> tuple[str, ...]:
    """`src`, else the packages at the root, else its modules, else everything."""
    if any(path.startswith("src/") and path.endswith((".py", ".pyi")) for path in project.paths):
        return ("src",)
    packages = {
        path.removesuffix("/__init__.py")
        for path in project.paths
        if path.endswith("/__init__.py") and path.count("/") == 1
    }
    modules = {path for path in project.paths if path.endswith(".py") and "/" not in path} - _NOT_MODULES
    modules = {module for module in modules if not _TEST_FILE.fullmatch(module)}
    named = sorted(packages - _NOT_SOURCE) or sorted(modules)
    fine = 0 < len(named) <= LISTED_TARGETS and all(_is_plain(name) for name in named)
    return tuple(named) if fine else (".",)


# --- JavaScript, Go, Rust, make ----------------------------------------------------------------------------

_LOCK_FILES = {
    "package-lock.json": "npm",
    "npm-shrinkwrap.json": "npm",
    "pnpm-lock.yaml": "pnpm",
    "yarn.lock": "yarn",
    "bun.lock": "bun",
    "bun.lockb": "bun",
}
_SCRIPTS = (
    (CheckKind.TEST, ("test",)),
    (CheckKind.LINT, ("lint",)),
    (CheckKind.TYPECHECK, ("typecheck", "type-check", "check-types")),
)
_UNFIT = (
    (re.compile(r"no test specified"), "the placeholder of npm init"),
    (re.compile(r"\s--watch(?:All)?(?!\S)"), "it watches and never ends"),
    (re.compile(r"\s--(?:fix|write)(?!\S)"), "it edits files"),
)


def _package_manager(project: _Project) -> str:
    for file, manager in _LOCK_FILES.items():
        if file in project.path_set:
            return manager
    named = str(_at(project.data.get("package.json"), "packageManager")).partition("@")[0]
    return named if named in _LOCK_FILES.values() else "npm"


def _scripts(project: _Project) -> Iterator[tuple[CheckKind, str, str]]:
    """Kind, name and why it is unfit (or nothing) of the package scripts that could be checks."""
    scripts = project.table("package.json", "scripts")
    for kind, names in _SCRIPTS:
        for name in names:
            command = scripts.get(name)
            if isinstance(command, str) and command.strip():
                yield kind, name, next((why for sign, why in _UNFIT if sign.search(command)), "")
                break


def _package_scripts(project: _Project) -> Iterator[_Hit]:
    manager = _package_manager(project)
    for kind, name, unfit in _scripts(project):
        if not unfit:
            text = project.texts["package.json"]
            place = _placed("package.json", text, rf'"{name}"\s*:', max(text.find('"scripts"'), 0))
            # `bun test` and `yarn test` may be other things than the script: `run` never is
            yield _Hit(f"{manager}-{name}", kind, (manager, "run", name), f"{place} scripts.{name}")


def _unfit_scripts(project: _Project) -> Iterator[str]:
    for _, name, unfit in _scripts(project):
        if unfit:
            yield f"package.json: scripts.{name} skipped, {unfit}"


def _go(project: _Project) -> Iterator[_Hit]:
    if "go.mod" in project.texts:
        if any(path.endswith("_test.go") for path in project.paths):
            yield _Hit("go-test", CheckKind.TEST, ("go", "test", "./..."), "go.mod")
        yield _Hit("go-vet", CheckKind.LINT, ("go", "vet", "./..."), "go.mod")


def _cargo(project: _Project) -> Iterator[_Hit]:
    if "Cargo.toml" not in project.texts:
        return
    yield _Hit("cargo-test", CheckKind.TEST, ("cargo", "test", "--quiet"), "Cargo.toml")
    configured = (
        project.first_file("clippy.toml", ".clippy.toml")
        or project.section("Cargo.toml", "lints", "clippy")
        or project.section("Cargo.toml", "workspace", "lints", "clippy")
    )
    if configured:
        yield _Hit("cargo-clippy", CheckKind.LINT, ("cargo", "clippy", "--quiet"), configured)


_TARGETS = (
    (CheckKind.TEST, ("test", "tests", "check")),
    (CheckKind.LINT, ("lint",)),
    (CheckKind.TYPECHECK, ("typecheck", "type-check")),
)


def _make(project: _Project) -> Iterator[_Hit]:
    file = project.first_file(*_MAKEFILES)
    text = project.texts.get(file, "")
    for kind, names in _TARGETS:
        for name in names:
            target = rf"^(?:[\w.-]+[ \t]+)*{name}(?:[ \t]+[\w.-]+)*[ \t]*:(?!:?=)"
            if re.search(target, text, re.MULTILINE):
                yield _Hit(f"make-{name}", kind, ("make", name), f"{_placed(file, text, target)} {name}")
                break


_FINDERS: tuple[Callable[[_Project], Iterable[_Hit]], ...] = (
    _python_tests,
    _ruff,
    _flake8,
    _black,
    _mypy,
    _pyright,
    _package_scripts,
    _go,
    _cargo,
)
# only for kinds of which nothing was found: they build environments of their own, or wrap the others
_STAND_INS: tuple[Callable[[_Project], Iterable[_Hit]], ...] = (_tox, _nox, _make)

_FIXER_OF = {
    "ruff": ("ruff", "check", "--fix", "."),
    "ruff-format": ("ruff", "format", "."),
    "black": ("black", "."),
}


def _fixers(project: _Project, found: set[str]) -> Iterator[tuple[str, ...]]:
    """A formatter is used only where the project is known to be formatted by it."""
    yield from (command for check, command in _FIXER_OF.items() if check in found)
    needs = {
        name
        for key in ("dependencies", "devDependencies", "optionalDependencies")
        for name in project.table("package.json", key)
    }
    if "eslint" in needs:
        yield ("npx", "--no-install", "eslint", "--fix", ".")
    if "prettier" in needs:
        yield ("npx", "--no-install", "prettier", "--write", ".")
    if "go.mod" in project.texts:
        yield ("gofmt", "-w", ".")
    if "Cargo.toml" in project.texts:
        yield ("cargo", "fmt")
