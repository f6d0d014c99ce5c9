"""A Python project's linters, formatters and type checkers."""

from __future__ import annotations

import re
from collections.abc import Iterator

from route_agent.discovery.project import Hit, Project, is_plain, placed
from route_agent.discovery.python_tests import TEST_FILE
from route_agent.records.checks import CheckKind

LISTED_TARGETS = 6

_HOOK = r"^[^#\n]*\bid:\s*['\"]?ruff-format\b"


def ruff(project: Project) -> Iterator[Hit]:
    origin = ruff_origin(project)
    if not origin:
        return
    yield Hit("ruff", CheckKind.LINT, ("ruff", "check", "."), origin)
    if formatting := _ruff_format_origin(project):
        yield Hit("ruff-format", CheckKind.FORMAT, ("ruff", "format", "--check", "."), formatting)


def ruff_origin(project: Project) -> str:
    return (
        project.section("pyproject.toml", "tool", "ruff")
        or project.first_file("ruff.toml", ".ruff.toml")
        or project.declared.get("ruff", "")
    )


def _ruff_format_origin(project: Project) -> str:
    hooks = project.texts.get(".pre-commit-config.yaml", "")
    return (
        project.section("pyproject.toml", "tool", "ruff", "format")
        or project.section("ruff.toml", "format")
        or project.section(".ruff.toml", "format")
        or (placed(".pre-commit-config.yaml", hooks, _HOOK) if re.search(_HOOK, hooks, re.MULTILINE) else "")
    )


def flake8(project: Project) -> Iterator[Hit]:
    configured = (
        project.first_file(".flake8")
        or project.section("setup.cfg", "flake8")
        or project.section("tox.ini", "flake8")
    )
    # beside ruff, a section for flake8 is mostly one that was left behind
    origin = project.declared.get("flake8", "") or ("" if ruff_origin(project) else configured)
    if origin:
        # named folders: flake8 would walk into .venv
        yield Hit("flake8", CheckKind.LINT, ("flake8", *python_targets(project)), origin)


def black(project: Project) -> Iterator[Hit]:
    configured = project.section("pyproject.toml", "tool", "black")
    declared = project.declared.get("black", "")
    # beside ruff's formatter, one sign alone is mostly one that was left behind
    origin = (configured and declared) if _ruff_format_origin(project) else (configured or declared)
    if origin:
        yield Hit("black", CheckKind.FORMAT, ("black", "--check", "."), origin)


def isort(project: Project) -> Iterator[Hit]:
    """Beside ruff, which sorts imports itself, settings for isort are mostly ones that were left behind."""
    configured = (
        project.first_file(".isort.cfg")
        or project.section("pyproject.toml", "tool", "isort")
        or project.section("setup.cfg", "isort")
        or project.section("tox.ini", "isort")
    )
    origin = (configured and project.declared.get("isort", "")) if ruff_origin(project) else configured
    if origin:
        yield Hit("isort", CheckKind.FORMAT, ("isort", "--check-only", "."), origin)


_MYPY_SECTIONS = (
    ("pyproject.toml", "tool", "mypy"),
    ("mypy.ini", "mypy"),
    (".mypy.ini", "mypy"),
    ("setup.cfg", "mypy"),
)


def mypy_origin(project: Project) -> str:
    sections = (project.section(*section) for section in _MYPY_SECTIONS)
    files = project.first_file("mypy.ini", ".mypy.ini")
    return next(filter(None, sections), "") or files or project.declared.get("mypy", "")


def mypy(project: Project) -> Iterator[Hit]:
    origin = mypy_origin(project)
    if not origin:
        return
    knows_files = any(
        project.has(*section, key) for section in _MYPY_SECTIONS for key in ("files", "packages", "modules")
    )
    targets = () if knows_files else source_targets(project)
    yield Hit("mypy", CheckKind.TYPECHECK, ("mypy", *targets), origin)


def pyright(project: Project) -> Iterator[Hit]:
    for name in ("basedpyright", "pyright"):
        configured = project.section("pyproject.toml", "tool", name)
        if name == "pyright":
            configured = configured or project.first_file("pyrightconfig.json")
        # beside mypy, settings for pyright alone are mostly those of an editor
        origin = project.declared.get(name, "") or ("" if mypy_origin(project) else configured)
        if origin:
            yield Hit(name, CheckKind.TYPECHECK, (name,), origin)
            return


_NOT_SOURCE = frozenset(
    {"tests", "test", "testing", "docs", "doc", "examples", "scripts", "tools", "benchmarks"}
)
_NOT_MODULES = frozenset({"setup.py", "conftest.py", "noxfile.py"})


def python_targets(project: Project) -> tuple[str, ...]:
    """The folders and files at the root that hold Python; `.` where they are many or oddly named."""
    tops = sorted({path.partition("/")[0] for path in project.paths if path.endswith(".py")})
    fine = 0 < len(tops) <= LISTED_TARGETS and all(is_plain(top) for top in tops)
    return tuple(tops) if fine else (".",)


def source_targets(project: Project) -> tuple[str, ...]:
    """`src`, else the packages at the root, else its modules, else everything."""
    if any(path.startswith("src/") and path.endswith((".py", ".pyi")) for path in project.paths):
        return ("src",)
    packages = {
        path.removesuffix("/__init__.py")
        for path in project.paths
        if path.endswith("/__init__.py") and path.count("/") == 1
    }
    modules = {path for path in project.paths if path.endswith(".py") and "/" not in path} - _NOT_MODULES
    modules = {module for module in modules if not TEST_FILE.fullmatch(module)}
    named = sorted(packages - _NOT_SOURCE) or sorted(modules)
    fine = 0 < len(named) <= LISTED_TARGETS and all(is_plain(name) for name in named)
    return tuple(named) if fine else (".",)
