"""The project's configuration files, read once: texts, data, and which tools the project declares."""

from __future__ import annotations

import configparser
import json
import re
import tomllib
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from route_agent.records.checks import CheckKind

Read = Callable[[str], str | None]


@dataclass(frozen=True, slots=True)
class Hit:
    name: str
    kind: CheckKind
    run: tuple[str, ...]
    origin: str


@dataclass(frozen=True, slots=True)
class Project:
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
        return table(self.data.get(file, {}), *keys)

    def has(self, file: str, *keys: str) -> bool:
        return at(self.data.get(file, {}), *keys) is not None

    def section(self, file: str, *keys: str) -> str:
        """Where a TOML or INI section stands, as `file:line [section]`; empty where there is none."""
        if not self.has(file, *keys):
            return ""
        name = ".".join(keys)
        header = r"^\s*\[" + re.escape(name) + r"[.\]]"
        return f"{placed(file, self.texts[file], header)} [{name}]"

    def first_file(self, *files: str) -> str:
        return next((file for file in files if file in self.texts), "")


_TOML_FILES = ("pyproject.toml", "Pipfile", "ruff.toml", ".ruff.toml", "Cargo.toml")
_INI_FILES = ("setup.cfg", "tox.ini", "mypy.ini", ".mypy.ini")
_JSON_FILES = ("package.json",)
MAKEFILES = ("GNUmakefile", "makefile", "Makefile")
PYTEST_FILES = ("pytest.toml", ".pytest.toml", "pytest.ini", ".pytest.ini")
_PLAIN_FILES = (
    *PYTEST_FILES,
    *MAKEFILES,
    ".flake8",
    ".pre-commit-config.yaml",
    "pyrightconfig.json",
    "tox.toml",
    "noxfile.py",
    "setup.py",
    "go.mod",
    "clippy.toml",
    ".clippy.toml",
    "rustfmt.toml",
    ".rustfmt.toml",
    ".isort.cfg",
    ".golangci.yml",
    ".golangci.yaml",
    ".golangci.toml",
    ".rubocop.yml",
)


def load(read: Read, paths: Sequence[str]) -> Project:
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
                skipped.append(f"{file}: skipped, {first_line(error)}")
    mentioned = dict(reversed([*declared(read, paths, texts, data)]))  # the first mention wins
    return Project(read, tuple(paths), path_set, texts, data, mentioned, tuple(skipped))


def _ini(text: str) -> dict[str, Any]:
    parser = configparser.ConfigParser(interpolation=None, strict=False, allow_no_value=True)
    parser.read_string(text)
    return {name: dict(parser.items(name)) for name in parser.sections()}


def _json_object(text: str) -> dict[str, Any]:
    data = json.loads(text)
    if not isinstance(data, dict):
        raise ValueError("not an object")  # noqa: TRY004  the caller answers every bad file alike
    return data


def first_line(error: Exception) -> str:
    lines = str(error).splitlines()
    return lines[0] if lines else type(error).__name__


def at(data: object, *keys: str) -> Any:
    for key in keys:
        data = data.get(key) if isinstance(data, dict) else None
    return data


def table(data: object, *keys: str) -> dict[str, Any]:
    found = at(data, *keys)
    return found if isinstance(found, dict) else {}


def placed(file: str, text: str, pattern: str, start: int = 0) -> str:
    """`file:line` of the first match, or the file alone where nothing matches."""
    match = re.compile(pattern, re.MULTILINE).search(text, start)
    return f"{file}:{line_of(text, match.end())}" if match else file


def line_of(text: str, position: int) -> int:
    return text.count("\n", 0, position) + 1


# --- what the project declares -----------------------------------------------------------------------------

REQUIREMENT = re.compile(r"\s*(?:-\s+)?['\"]?([A-Za-z][A-Za-z0-9._-]*)")
_REQUIREMENT_FILE = re.compile(
    r"(?:[^/]*requirements[^/]*\.(?:txt|in)|requirements/[^/]+\.(?:txt|in)|environment\.ya?ml)"
)
_QUOTED_REQUIREMENT = re.compile(
    r"""['"]([A-Za-z][A-Za-z0-9._-]*)\s*(?:\[[^\]'"]*\])?\s*(?:[<>=!~;][^'"\n]*)?['"]"""
)


def normal(name: str) -> str:
    return re.sub(r"[-_.]+", "-", name).lower()


def declared(
    read: Read, paths: Sequence[str], texts: Mapping[str, str], data: Mapping[str, dict[str, Any]]
) -> Iterator[tuple[str, str]]:
    """Every Python distribution that the project names, with the place of its name."""
    for file in ("pyproject.toml", "Pipfile"):
        for raw, name in in_toml(data.get(file, {})):
            yield name, placed(file, texts[file], rf"(?:^\s*|['\"]){re.escape(raw)}")
    for section, options in data.get("setup.cfg", {}).items():
        if section.startswith("options"):
            for line in "\n".join(str(value) for value in options.values()).splitlines():
                if match := REQUIREMENT.match(line):
                    yield normal(match[1]), f"setup.cfg [{section}]"
    for match in _QUOTED_REQUIREMENT.finditer(texts.get("setup.py", "")):
        yield normal(match[1]), f"setup.py:{line_of(texts['setup.py'], match.start())}"
    for file in paths:
        if _REQUIREMENT_FILE.fullmatch(file):
            for number, line in enumerate((read(file) or "").splitlines(), start=1):
                if match := REQUIREMENT.match(line):
                    yield normal(match[1]), f"{file}:{number}"


def in_toml(data: dict[str, Any]) -> Iterator[tuple[str, str]]:
    """Requirements of pyproject.toml or a Pipfile: as written there, and the normal form of the name."""
    lists: list[object] = [
        at(data, "project", "dependencies"),
        *table(data, "project", "optional-dependencies").values(),
        *table(data, "dependency-groups").values(),
        at(data, "tool", "uv", "dev-dependencies"),
        *table(data, "tool", "pdm", "dev-dependencies").values(),
    ]
    for environment in table(data, "tool", "hatch", "envs").values():
        lists += [at(environment, "dependencies"), at(environment, "extra-dependencies")]
    for entries in lists:
        for entry in entries if isinstance(entries, list) else []:
            if isinstance(entry, str) and (match := REQUIREMENT.match(entry)):
                yield entry, normal(match[1])
    poetry = table(data, "tool", "poetry")
    tables = [table(poetry, key) for key in ("dependencies", "dev-dependencies")]
    tables += [table(group, "dependencies") for group in table(poetry, "group").values()]
    tables += [table(data, key) for key in ("packages", "dev-packages")]
    for named in tables:
        yield from ((name, normal(name)) for name in named)


def is_plain(path: str) -> bool:
    """Whether a path can stand in a command without being taken for an option or needing care."""
    return re.fullmatch(r"[A-Za-z0-9_][A-Za-z0-9_.-]*(?:/[A-Za-z0-9_][A-Za-z0-9_.-]*)*", path) is not None
