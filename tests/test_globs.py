"""Which paths a policy's patterns mean."""

from __future__ import annotations

import time

import pytest

from route_agent.globs import any_match, first_match, matches


@pytest.mark.parametrize(
    ("pattern", "path"),
    [
        ("**/migrations/**", "migrations/0001.py"),
        ("**/migrations/**", "app/db/migrations/old/0001.py"),
        ("**/*.sql", "schema.sql"),
        ("**/*.sql", "db/seed/Users.SQL"),
        ("**/*session*", "web/session_store.py"),
        ("src/**/auth/*.py", "src/auth/login.py"),
        ("src/**/auth/*.py", "src/a/b/auth/login.py"),
        (".github/**", ".github/workflows/ci.yml"),
        ("docs", "docs/guide/start.md"),
        ("docs/", "docs/index.md"),
        ("src/app", "src/app/main.py"),
        ("src/app", "src/app"),
        ("*.sql", "db/seed.sql"),
        ("Makefile", "tools/Makefile"),
        ("/Makefile", "Makefile"),
        ("**", "anything/at/all"),
        ("**/**/x.py", "x.py"),
        ("./src/*.py", "src/a.py"),
        ("test_?.py", "test_a.py"),
        ("v[0-9].txt", "v7.txt"),
        ("v[!0-9].txt", "vx.txt"),
        ("odd[].]name", "odd]name"),
        ("open[bracket", "open[bracket"),
        ("**/a b.txt", "some dir/a b.txt"),
        ("*.py", "name\nwith newline.py"),
    ],
)
def test_a_pattern_matches(pattern: str, path: str) -> None:
    assert matches(path, pattern)


@pytest.mark.parametrize(
    ("pattern", "path"),
    [
        ("**/migrations/**", "app/migrations.py"),
        ("**/migrations/**", "migrations"),
        ("**/*.sql", "notes.sql.md"),
        ("src/*.py", "src/deep/a.py"),
        ("src/*.py", "other/src/a.py"),
        ("/Makefile", "tools/Makefile"),
        ("**/*session*", "sessions/readme.md"),
        ("docs", "docs2/x.md"),
        ("src/app", "src/application.py"),
        ("test_?.py", "test_/.py"),
        ("a[!x]b", "a/b"),
        ("v[9-0].txt", "v5.txt"),
        ("x.py", "xapy"),
        ("*.py", "a.py\n"),
        ("", "a"),
    ],
)
def test_a_pattern_does_not_match(pattern: str, path: str) -> None:
    assert not matches(path, pattern)


def test_the_first_matching_pattern_is_named_for_the_report() -> None:
    assert first_match("app/models.py", ["**/*.sql", "**/models.py", "**/*.py"]) == "**/models.py"
    assert first_match("app/views.py", ["**/*.sql"]) is None
    assert any_match("a.sql", ["**/*.md", "*.sql"])


def test_a_hostile_pattern_takes_no_exponential_time() -> None:
    stars = "**/a*a*a*a*a*a*a*a*a*a*b/" * 6 + "c"
    path = ("a" * 200 + "/") * 20 + "d"
    began = time.monotonic()

    assert not matches(path, stars)
    assert not matches(path, "**/a/" * 20 + "b")

    assert time.monotonic() - began < 2


def test_two_hundred_patterns_over_two_thousand_paths_stay_quick() -> None:
    patterns = [f"**/folder{n}/**/*.x{n}" for n in range(200)]
    paths = [f"src/part{n}/deep/er/file{n}.py" for n in range(2000)]
    began = time.monotonic()

    assert not any(any_match(path, patterns) for path in paths)

    assert time.monotonic() - began < 10
