"""A Python project's tests."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterator, Sequence

from route_agent.discovery.project import PYTEST_FILES, Hit, Project, is_plain, placed
from route_agent.records.checks import CheckKind

PEEKED_TEST_FILES = 20

TEST_FILE = re.compile(r"(?:.*/)?(?:test_[^/]*|[^/]*_test)\.py")
_IN_TEST_FOLDER = re.compile(r"(?:(?:.*/)?tests?/.*|[^/]*)")
_DJANGO_TEST_FILE = re.compile(r"(?:.*/)?test[^/]*\.py|(?:.*/)tests/.*\.py")


def python_tests(project: Project) -> Iterator[Hit]:
    named = [path for path in project.paths if TEST_FILE.fullmatch(path)]
    # a test_connection.py among the scripts is no test, unless pytest is there to collect it
    tests = [path for path in named if _IN_TEST_FOLDER.fullmatch(path)]
    origin = _pytest_configured(project)
    if not origin and named and (mention := _pytest_mentioned(project, tests)):
        origin = f"{(tests or named)[0]}, pytest in {mention}"
    if origin:
        command = ("pytest",) if _finds_its_code(project, tests or named) else ("python3", "-m", "pytest")
        yield Hit("pytest", CheckKind.TEST, (*command, "-q"), origin)
    elif "manage.py" in project.path_set and any(map(_DJANGO_TEST_FILE.fullmatch, project.paths)):
        yield Hit("django", CheckKind.TEST, ("python3", "manage.py", "test"), "manage.py")
    elif _looks_like_unittest(project, tests):
        origin = f"{tests[0]}, and pytest is declared nowhere"
        yield Hit("unittest", CheckKind.TEST, _unittest_command(project, tests), origin)


def _pytest_configured(project: Project) -> str:
    return (
        project.section("pyproject.toml", "tool", "pytest", "ini_options")
        or project.section("pyproject.toml", "tool", "pytest")
        or project.first_file(*PYTEST_FILES)
        or project.section("tox.ini", "pytest")
        or project.section("setup.cfg", "tool:pytest")
    )


def _pytest_mentioned(project: Project, tests: Sequence[str]) -> str:
    """Where the project says that it uses pytest: without that, its tests may be unittest's."""
    plugins = (origin for name, origin in project.declared.items() if name.startswith("pytest-"))
    if declared := project.declared.get("pytest") or next(plugins, ""):
        return declared
    for file in ("tox.ini", "tox.toml", "noxfile.py"):
        if re.search(r"^[^#\n]*\bpytest\b", project.texts.get(file, ""), re.MULTILINE):
            return placed(file, project.texts[file], r"^[^#\n]*\bpytest\b")
    for path in project.paths:
        if path == "conftest.py" or path.endswith("/conftest.py"):
            return path
    for path in tests[:PEEKED_TEST_FILES]:
        text = project.read(path) or ""
        if re.search(r"^(?:import pytest\b|from pytest\b|(?:async )?def test_)", text, re.MULTILINE):
            return placed(path, text, r"^(?:import pytest\b|from pytest\b|(?:async )?def test_)")
    return ""


def _looks_like_unittest(project: Project, tests: Sequence[str]) -> bool:
    """Django's tests need settings that only the project's own command gives them."""
    texts = [text for path in tests[:PEEKED_TEST_FILES] if (text := project.read(path))]
    django = any(re.search(r"^(?:import|from) django\b", text, re.MULTILINE) for text in texts)
    return bool(tests) and not django and (not texts or any("unittest" in text for text in texts))


def _finds_its_code(project: Project, tests: Sequence[str]) -> bool:
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
            re.search(r"^pythonpath\b", project.texts.get(file, ""), re.MULTILINE) for file in PYTEST_FILES
        )
        or (bool(tests) and all(import_root(project, path) == "" for path in tests))
    )


def import_root(project: Project, path: str) -> str:
    """The folder from which the file is imported: the first above it that is no package."""
    folder = path.rpartition("/")[0]
    while folder and f"{folder}/__init__.py" in project.path_set:
        folder = folder.rpartition("/")[0]
    return folder


def _unittest_command(project: Project, tests: Sequence[str]) -> tuple[str, ...]:
    top = Counter(import_root(project, path) for path in tests).most_common(1)[0][0]
    suffixed = not any(path.rpartition("/")[2].startswith("test") for path in tests)
    where = ("-s", top) if top and is_plain(top) else ()
    pattern = ("-p", "*_test.py") if suffixed else ()
    discover = ("discover",) if where or pattern else ()
    return ("python3", "-m", "unittest", *discover, *where, *pattern)


def tox(project: Project) -> Iterator[Hit]:
    origin = (
        project.section("tox.ini", "tox")
        or project.section("tox.ini", "testenv")
        or project.section("setup.cfg", "tox:tox")
        or project.section("pyproject.toml", "tool", "tox")
        or project.first_file("tox.toml")
    )
    if origin:
        yield Hit("tox", CheckKind.TEST, ("tox", "-q"), origin)


def nox(project: Project) -> Iterator[Hit]:
    if "noxfile.py" in project.texts:
        yield Hit("nox", CheckKind.TEST, ("nox",), "noxfile.py")
