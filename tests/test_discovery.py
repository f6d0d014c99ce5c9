"""Which checks and fixers are found in which project, and the policy text that is made of them."""

from __future__ import annotations

import string
from pathlib import PurePosixPath

import pytest
import yaml
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from route_agent.discovery import Discovered, discover
from route_agent.policy import CheckSpec, Policy, parse_policy, presets
from route_agent.records.checks import CheckKind
from route_agent.writing import policy_text

PACKAGED = '[build-system]\nrequires = ["hatchling"]\n'


def found_in(files: dict[str, str]) -> Discovered:
    return discover(files.get, list(files))


def commands(files: dict[str, str]) -> dict[str, str]:
    return {check.name: " ".join(check.run) for check in found_in(files).checks}


PYTHON = {
    "pyproject names pytest options": (
        {"pyproject.toml": PACKAGED + "[tool.pytest.ini_options]\ntestpaths = ['t']\n"},
        {"pytest": "pytest -q"},
    ),
    "pytest 9 has its own table": (
        {"pyproject.toml": PACKAGED + "[tool.pytest]\ntestpaths = ['t']\n"},
        {"pytest": "pytest -q"},
    ),
    "an empty pytest.ini is enough": (
        {"pytest.ini": "", "setup.py": "", "tests/test_a.py": ""},
        {"pytest": "pytest -q"},
    ),
    "tox.ini has a pytest section": (
        {"tox.ini": "[tox]\n[pytest]\naddopts = -v\n", "conftest.py": ""},
        {"pytest": "pytest -q"},
    ),
    "setup.cfg has a pytest section": (
        {"setup.cfg": "[metadata]\nname = x\n[tool:pytest]\naddopts = -v\n"},
        {"pytest": "pytest -q"},
    ),
    "a declared pytest and a tests folder": (
        {"pyproject.toml": PACKAGED + '[dependency-groups]\ndev = ["pytest>=9"]\n', "tests/test_a.py": ""},
        {"pytest": "pytest -q"},
    ),
    "poetry declares pytest in a group": (
        {
            "pyproject.toml": '[tool.poetry.group.dev.dependencies]\npytest = "^9"\n',
            "tests/unit/a_test.py": "",
        },
        {"pytest": "pytest -q"},
    ),
    "requirements declare a plugin of pytest": (
        {"requirements-dev.txt": "# tools\npytest-cov==7\n", "setup.py": "", "tests/test_a.py": ""},
        {"pytest": "pytest -q"},
    ),
    "setup.py declares pytest as an extra": (
        {"setup.py": "setup(extras_require={'dev': ['pytest>=8']})", "tests/test_a.py": ""},
        {"pytest": "pytest -q"},
    ),
    "tests stand beside the code and pytest is declared": (
        {"requirements.txt": "pytest\n", "setup.py": "", "pkg/test_a.py": "", "pkg/__init__.py": ""},
        {"pytest": "pytest -q"},
    ),
    "a flat project without packaging needs its root on the path": (
        {"requirements.txt": "pytest\n", "app.py": "", "tests/test_app.py": ""},
        {"pytest": "python3 -m pytest -q"},
    ),
    "a conftest at the root puts the root on the path": (
        {"requirements.txt": "pytest\n", "app.py": "", "conftest.py": "", "tests/test_app.py": ""},
        {"pytest": "pytest -q"},
    ),
    "a tests package puts the root on the path": (
        {"requirements.txt": "pytest\n", "app.py": "", "tests/__init__.py": "", "tests/test_app.py": ""},
        {"pytest": "pytest -q"},
    ),
    "pytest is told where the code is": (
        {"pyproject.toml": "[tool.pytest.ini_options]\npythonpath = 'src'\n", "tests/test_a.py": ""},
        {"pytest": "pytest -q"},
    ),
    "undeclared, but the tests are written for pytest": (
        {"app.py": "", "tests/test_app.py": "def test_it():\n    assert True\n"},
        {"pytest": "python3 -m pytest -q"},
    ),
    "tests for unittest, and pytest nowhere": (
        {"app.py": "", "tests/test_app.py": "import unittest\n"},
        {"unittest": "python3 -m unittest discover -s tests"},
    ),
    "tests for unittest in a package": (
        {"tests/__init__.py": "", "tests/test_app.py": "from unittest import TestCase\n"},
        {"unittest": "python3 -m unittest"},
    ),
    "tests for unittest with a suffix": (
        {"tests/__init__.py": "", "tests/app_test.py": "import unittest\n"},
        {"unittest": "python3 -m unittest discover -p *_test.py"},
    ),
    "a django project without pytest": (
        {"manage.py": "", "shop/tests.py": "from django.test import TestCase\n"},
        {"django": "python3 manage.py test"},
    ),
    "django tests without a project are left to tox": (
        {"tox.ini": "[tox]\n", "tests/test_a.py": "import unittest\nfrom django.test import TestCase\n"},
        {"tox": "tox -q"},
    ),
    "a script that tests a connection is no test": ({"scripts/test_connection.py": "import unittest\n"}, {}),
    "tox where nothing runs the tests directly": (
        {"tox.ini": "[testenv]\ncommands = make it\n"},
        {"tox": "tox -q"},
    ),
    "tox that calls pytest says that pytest is there": (
        {"tox.ini": "[testenv]\ndeps = pytest\n", "setup.py": "", "tests/test_a.py": ""},
        {"pytest": "pytest -q"},
    ),
    "tox comes before nox": ({"tox.toml": "", "noxfile.py": ""}, {"tox": "tox -q"}),
    "nox": ({"noxfile.py": "import nox\n"}, {"nox": "nox"}),
    "ruff is configured": ({"pyproject.toml": "[tool.ruff.lint]\n"}, {"ruff": "ruff check ."}),
    "ruff is declared": ({"requirements.txt": "ruff==0.17\n"}, {"ruff": "ruff check ."}),
    "ruff formats too": (
        {"ruff.toml": "[format]\nquote-style = 'single'\n"},
        {"ruff": "ruff check .", "ruff-format": "ruff format --check ."},
    ),
    "a hook formats with ruff": (
        {
            "pyproject.toml": "[tool.ruff]\n",
            ".pre-commit-config.yaml": "repos:\n- hooks:\n  - id: ruff-format\n",
        },
        {"ruff": "ruff check .", "ruff-format": "ruff format --check ."},
    ),
    "a hook in a comment formats nothing": (
        {"pyproject.toml": "[tool.ruff]\n", ".pre-commit-config.yaml": "repos: []\n#  - id: ruff-format\n"},
        {"ruff": "ruff check ."},
    ),
    "flake8 gets the folders that hold code": (
        {".flake8": "", "src/a/b.py": "", "tests/x.py": "", "docs/a.md": ""},
        {"flake8": "flake8 src tests"},
    ),
    "a section for flake8 that ruff has replaced": (
        {"setup.cfg": "[flake8]\n", "pyproject.toml": "[tool.ruff]\n"},
        {"ruff": "ruff check ."},
    ),
    "black": ({"pyproject.toml": "[tool.black]\nline-length = 99\n"}, {"black": "black --check ."}),
    "black that ruff's formatter has replaced": (
        {"pyproject.toml": "[tool.black]\n[tool.ruff.format]\n"},
        {"ruff": "ruff check .", "ruff-format": "ruff format --check ."},
    ),
    "mypy knows its files": ({"pyproject.toml": "[tool.mypy]\nfiles = ['src']\n"}, {"mypy": "mypy"}),
    "mypy is given src": ({"mypy.ini": "[mypy]\nstrict = True\n", "src/a/b.py": ""}, {"mypy": "mypy src"}),
    "mypy is given the packages": (
        {"setup.cfg": "[mypy]\n", "a/__init__.py": "", "b/__init__.py": "", "tests/__init__.py": ""},
        {"mypy": "mypy a b"},
    ),
    "mypy is given the modules": (
        {"mypy.ini": "[mypy]\n", "app.py": "", "setup.py": "", "test_app.py": "import unittest"},
        {"unittest": "python3 -m unittest", "mypy": "mypy app.py"},
    ),
    "mypy is never given a name like an option": (
        {"mypy.ini": "[mypy]\n", "--install-types/__init__.py": ""},
        {"mypy": "mypy ."},
    ),
    "pyright": ({"pyrightconfig.json": "{}"}, {"pyright": "pyright"}),
    "basedpyright": ({"pyproject.toml": "[tool.basedpyright]\n"}, {"basedpyright": "basedpyright"}),
    "an editor's settings for pyright beside mypy": (
        {"pyproject.toml": "[tool.pyright]\n[tool.mypy]\nfiles='x'\n"},
        {"mypy": "mypy"},
    ),
}

OTHERS = {
    "npm": (
        {"package.json": '{"scripts": {"test": "jest", "lint": "eslint .", "typecheck": "tsc"}}'},
        {"npm-test": "npm run test", "npm-lint": "npm run lint", "npm-typecheck": "npm run typecheck"},
    ),
    "pnpm by its lock file": (
        {"package.json": '{"scripts": {"test": "vitest run"}}', "pnpm-lock.yaml": ""},
        {"pnpm-test": "pnpm run test"},
    ),
    "yarn by its lock file": (
        {"package.json": '{"scripts": {"type-check": "tsc"}}', "yarn.lock": ""},
        {"yarn-type-check": "yarn run type-check"},
    ),
    "bun by its lock file": (
        {"package.json": '{"scripts": {"test": "bun test"}}', "bun.lock": ""},
        {"bun-test": "bun run test"},
    ),
    "the manager that the package names": (
        {"package.json": '{"packageManager": "pnpm@9.1.0", "scripts": {"test": "x"}}'},
        {"pnpm-test": "pnpm run test"},
    ),
    "npm's placeholder is no test": (
        {"package.json": '{"scripts": {"test": "echo \\"Error: no test specified\\" && exit 1"}}'},
        {},
    ),
    "a script that watches or edits is no check": (
        {"package.json": '{"scripts": {"test": "jest --watch", "lint": "eslint . --fix"}}'},
        {},
    ),
    "make, where nothing better was found": (
        {"Makefile": "SRC := a\n.PHONY: test\ntest lint: build\n\tgo\ntypecheck:\n\tmypy\n"},
        {"make-test": "make test", "make-lint": "make lint", "make-typecheck": "make typecheck"},
    ),
    "make check stands for test": ({"Makefile": "check:\n\trun\n"}, {"make-check": "make check"}),
    "make only for the kinds that are missing": (
        {"Makefile": "test:\n\tpytest\nlint:\n\tx\n", "pytest.ini": "", "conftest.py": ""},
        {"pytest": "pytest -q", "make-lint": "make lint"},
    ),
    "a variable of make is no target": ({"Makefile": "test := a\nlint ::= b\nmytest:\n\tx\n"}, {}),
    "go": (
        {"go.mod": "module x\n", "a_test.go": ""},
        {"go-test": "go test ./...", "go-vet": "go vet ./..."},
    ),
    "go without tests": ({"go.mod": "module x\n"}, {"go-vet": "go vet ./..."}),
    "cargo": ({"Cargo.toml": "[package]\n"}, {"cargo-test": "cargo test --quiet"}),
    "cargo with clippy": (
        {"Cargo.toml": "[lints.clippy]\nall = 'deny'\n"},
        {"cargo-test": "cargo test --quiet", "cargo-clippy": "cargo clippy --quiet"},
    ),
    "a Rust project with a style of its own": (
        {"Cargo.toml": "", "rustfmt.toml": ""},
        {"cargo-test": "cargo test --quiet", "cargo-fmt": "cargo fmt --check"},
    ),
    "a Ruby project with rubocop": ({".rubocop.yml": ""}, {"rubocop": "rubocop"}),
    "golangci-lint has settings": (
        {"go.mod": "", ".golangci.yml": ""},
        {"go-vet": "go vet ./...", "golangci-lint": "golangci-lint run"},
    ),
    "isort has settings": ({"setup.cfg": "[isort]\nprofile = black\n"}, {"isort": "isort --check-only ."}),
    "isort's settings were left behind beside ruff": (
        {"setup.cfg": "[isort]\n", "ruff.toml": ""},
        {"ruff": "ruff check ."},
    ),
    "a script checks the format": (
        {
            "package.json": '{"scripts": {"format:check": "prettier --check .", "format": "prettier --write ."}}'
        },
        {"npm-format-check": "npm run format:check"},
    ),
    "nothing at all": ({"README.md": "# x"}, {}),
}

PROJECTS = {**PYTHON, **OTHERS}


@pytest.mark.parametrize("case", PROJECTS)
def test_finds_the_checks_of_a_project(case: str) -> None:
    files, expected = PROJECTS[case]

    assert commands(files) == expected


@pytest.mark.parametrize(
    ("files", "fixers"),
    [
        ({"ruff.toml": ""}, ["ruff check --fix ."]),
        ({"ruff.toml": "[format]\n"}, ["ruff check --fix .", "ruff format ."]),
        ({"pyproject.toml": "[tool.black]\n"}, ["black ."]),
        (
            {"package.json": '{"devDependencies": {"eslint": "9", "prettier": "3"}}'},
            ["eslint --fix .", "prettier --write ."],
        ),
        (
            {"package.json": '{"devDependencies": {"stylelint": "16"}}', "a/b.scss": "", "c.css": ""},
            ["stylelint --fix **/*.css **/*.scss"],
        ),
        ({"package.json": '{"devDependencies": {"stylelint": "16"}}'}, []),
        ({"go.mod": ""}, ["gofmt -w ."]),
        ({"go.mod": "tool golang.org/x/tools/cmd/goimports\n"}, ["goimports -w ."]),
        ({"go.mod": "", ".golangci.yml": ""}, ["golangci-lint run --fix", "gofmt -w ."]),
        ({"Cargo.toml": ""}, ["cargo fmt"]),
        (
            {"Cargo.toml": "", "clippy.toml": ""},
            ["cargo clippy --fix --allow-no-vcs --allow-dirty --quiet", "cargo fmt"],
        ),
        ({".rubocop.yml": ""}, ["rubocop --autocorrect"]),
        ({".isort.cfg": ""}, ["isort ."]),
        ({".isort.cfg": "", "ruff.toml": ""}, ["ruff check --fix ."]),
        ({"mypy.ini": "[mypy]\n"}, []),
    ],
    ids=lambda value: next(iter(value)) if isinstance(value, dict) else None,
)
def test_finds_the_fixers_that_the_project_is_formatted_with(
    files: dict[str, str], fixers: list[str]
) -> None:
    assert [" ".join(command) for command in found_in(files).fixers] == fixers


def test_says_for_each_check_where_it_was_found() -> None:
    found = found_in(
        {
            "pyproject.toml": '[project]\n\n[dependency-groups]\nlint = [\n  "flake8",\n]\n[tool.mypy]\n',
            "tox.ini": "\n[pytest]\n",
            "package.json": '{\n "name": "test",\n "scripts": {\n  "lint": "eslint ."\n }\n}',
            "Makefile": "build:\n\ntypecheck:\n",
        }
    )

    assert {check.name: found.origin(check.name) for check in found.checks} == {
        "pytest": "tox.ini:2 [pytest]",
        "flake8": "pyproject.toml:5",
        "mypy": "pyproject.toml:7 [tool.mypy]",
        "npm-lint": "package.json:4 scripts.lint",
    }


@pytest.mark.parametrize(
    ("file", "text", "said"),
    [
        ("pyproject.toml", "[tool.ruff\n", "pyproject.toml: skipped"),
        ("pyproject.toml", "a = " + "[" * 5000, "pyproject.toml: skipped, nested too deeply"),
        ("pyproject.toml", "a = " + "9" * 5000, "pyproject.toml: skipped"),
        ("setup.cfg", "no section\n", "setup.cfg: skipped"),
        ("package.json", "{", "package.json: skipped"),
        ("package.json", "[]", "package.json: skipped, not an object"),
        ("package.json", '{"a":' * 5000, "package.json: skipped, nested too deeply"),
    ],
    ids=lambda value: value[:12],
)
def test_a_broken_file_is_skipped_with_a_note_and_the_others_are_read(
    file: str, text: str, said: str
) -> None:
    found = found_in({file: text, "go.mod": "module x\n"})

    assert [check.name for check in found.checks] == ["go-vet"]
    assert any(note.startswith(said) for note in found.notes), found.notes


def test_a_skipped_script_is_noted_with_its_reason() -> None:
    found = found_in({"package.json": '{"scripts": {"test": "echo no test specified"}}'})

    assert found.notes == ("package.json: scripts.test skipped, the placeholder of npm init",)


@pytest.mark.parametrize(
    "text",
    [
        "project = 3\ntool = []\n",
        "[tool]\npytest = 1\nmypy = 2\npoetry = 3\nhatch = 4\n",
        '[project]\ndependencies = "pytest"\noptional-dependencies = []\n',
        "[dependency-groups]\ndev = [{include-group = 'x'}, 3, '>=']\n",
        "[tool.hatch]\nenvs = {a = 1}\n[tool.pdm]\ndev-dependencies = [1]\n[tool.poetry]\ngroup = {x = 1}\n",
    ],
)
def test_settings_of_an_unexpected_shape_do_no_harm(text: str) -> None:
    found = found_in({"pyproject.toml": text, "tests/test_a.py": "import unittest"})

    assert found.checks


KNOWN_FILES = sorted(
    {name for files, _ in PROJECTS.values() for name in files if len(PurePosixPath(name).parts) < 3}
)
PIECES = (
    "[tool.ruff]",
    "[tool.pytest]",
    "[project]",
    "dependencies = ['pytest', 'black']",
    "[dependency-groups]",
    "[mypy]",
    "files",
    "dev = [1, 'ruff']",
    "[tool:pytest]",
    "[testenv]",
    "[lints]",
    "clippy = 1",
    "test:",
    "check: test",
    "\t",
    '{"scripts": {"test": "x"}}',
    '{"scripts": {"lint": 3}}',
    '{"scripts": []}',
    "- id: ruff-format",
    "-r other",
    "\x00",
    "pytest",
    "ruff>=1",
    "[",
    "=",
    '"""',
)
CONTENTS = st.lists(st.sampled_from(PIECES), max_size=6).map("\n".join) | st.text(
    string.printable, max_size=40
)


@settings(max_examples=200, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(st.dictionaries(st.sampled_from(KNOWN_FILES), CONTENTS, max_size=6))
def test_no_content_of_any_file_is_an_error(files: dict[str, str]) -> None:
    found = found_in(files)

    assert len({check.name for check in found.checks}) == len(found.checks)
    assert all(found.origin(check.name) for check in found.checks)


# --- the policy text ---------------------------------------------------------------------------------------


def default_policy() -> Policy:
    return parse_policy(presets()["default"].read_bytes(), "default")


@pytest.mark.parametrize("case", PROJECTS)
def test_the_written_policy_holds_exactly_the_checks_that_were_found(case: str) -> None:
    found = found_in(PROJECTS[case][0])

    policy = parse_policy(policy_text(found), "policy.yaml")

    assert policy.checks == found.checks
    assert [spec.run for spec in policy.models.get("fixer", ())] == ([found.fixers] if found.fixers else [])


def test_a_fixer_lane_comes_first_and_everything_else_stays_as_built_in() -> None:
    built_in = default_policy()

    policy = parse_policy(policy_text(found_in({"ruff.toml": "[format]"})), "policy.yaml")

    assert policy.routing.ladder == ("fixer", "fast", "strong")
    assert policy.routing.model_copy(update={"ladder": built_in.routing.ladder}) == built_in.routing
    assert {lane: policy.models[lane] for lane in built_in.models} == built_in.models
    assert (policy.accept, policy.limits, policy.signals) == (
        built_in.accept,
        built_in.limits,
        built_in.signals,
    )


def test_without_lanes_of_its_own_the_policy_routes_as_built_in() -> None:
    text = policy_text(found_in({"ruff.toml": ""}), policy_models=False)

    policy = parse_policy(text, "policy.yaml")

    assert "models:" not in text
    assert policy.routing == default_policy().routing


def test_each_check_stands_below_the_place_where_it_was_found() -> None:
    lines = policy_text(found_in({"pyproject.toml": "\n[tool.ruff]\n"})).splitlines()

    assert lines[lines.index("  # pyproject.toml:2 [tool.ruff]") + 1] == (
        "  - {name: ruff, kind: lint, run: [ruff, check, .]}"
    )


def test_a_policy_without_checks_says_so_and_shows_an_example() -> None:
    text = policy_text(Discovered())

    assert "No checks were found" in text
    assert parse_policy(text, "policy.yaml").checks == ()


@pytest.mark.parametrize("files", [{"ruff.toml": ""}, {}], ids=["checks", "no checks"])
def test_every_section_in_a_comment_can_be_put_to_use(files: dict[str, str]) -> None:
    uncommented = "\n".join(
        line.removeprefix("# ") if line.startswith(("# accept", "# limits", "# checks", "#   ")) else line
        for line in policy_text(found_in(files)).splitlines()
    )

    policy = parse_policy(uncommented, "policy.yaml")

    assert {"accept", "limits", "checks"} <= set(yaml.safe_load(uncommented))
    assert policy.limits == default_policy().limits


WORDS = st.text(st.characters(exclude_categories=["Cs"]), min_size=1)
NAMES = st.from_regex(r"[A-Za-z0-9][A-Za-z0-9_.-]{0,20}", fullmatch=True)
CHECKS = st.builds(
    CheckSpec,
    name=NAMES,
    run=st.lists(WORDS, min_size=1).map(tuple),
    kind=st.sampled_from(CheckKind),
    timeout=st.floats(min_value=0, exclude_min=True, max_value=7200, allow_subnormal=False),
    when=st.lists(WORDS).map(tuple),
    network=st.sampled_from(["off", "host"]),
    expose=st.lists(WORDS).map(tuple),
    env=st.lists(st.from_regex(r"[A-Za-z_][A-Za-z0-9_]{0,9}", fullmatch=True)).map(tuple),
)


@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(
    checks=st.lists(CHECKS, unique_by=lambda check: check.name).map(tuple),
    fixers=st.lists(st.lists(WORDS, min_size=1).map(tuple)).map(tuple),
    place=st.text(string.printable + "\u2028\x85é\x07"),
)
def test_any_command_survives_being_written_and_read(
    checks: tuple[CheckSpec, ...], fixers: tuple[tuple[str, ...], ...], place: str
) -> None:
    notes = tuple(f"{check.name}: {place}" for check in checks)

    policy = parse_policy(policy_text(Discovered(checks, fixers, notes)), "policy.yaml")

    assert policy.checks == checks
    assert [spec.run for spec in policy.models.get("fixer", ())] == ([fixers] if fixers else [])


@pytest.mark.parametrize(
    "word",
    [
        "null",
        "True",
        "no",
        "1",
        "-1.5",
        "~",
        "-",
        "--",
        "- a",
        "# x",
        "{a}",
        "a: b",
        "12:30",
        "'",
        " ",
        "\x07",
    ],
)
def test_a_word_that_yaml_would_take_for_something_else_stays_a_word(word: str) -> None:
    check = CheckSpec(name="c", run=(word, word), when=(word,))

    assert parse_policy(policy_text(Discovered((check,), (), (f"c: {word}",))), "p").checks == (check,)
