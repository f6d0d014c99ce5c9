"""What kind of task a brief describes, and what the files of a patch confirm of that."""

from __future__ import annotations

import time
from typing import get_args

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from route_agent.brief import clean
from route_agent.classes import DEMAND, class_of, fitting, is_confirmed, most_demanding, outside
from route_agent.errors import UsageError
from route_agent.policy import parse_policy
from route_agent.records.change import Change, FileChange
from route_agent.records.grades import Grade, TaskClass
from route_agent.routing import bar_of

BRIEFS: tuple[tuple[TaskClass, str], ...] = (
    ("docs", "fix a typo in the README"),
    ("docs", "The README should say how to install it with pipx"),
    ("docs", "Document the retry options in docs/config.md; the documentation still names the old ones"),
    ("docs", "Update the changelog for 2.4"),
    ("docs", "Correct the spelling in the tutorial"),
    ("comments", "Remove the stale comments in worker.py"),
    ("comments", "Add docstrings to the public functions of store.py"),
    ("comments", "fix a typo in the comment above parse_header"),
    ("format", "reformat the package"),
    ("format", "run black over the scripts"),
    ("format", "Fix trailing whitespace and indentation in setup scripts"),
    ("lint", "fix the lint errors in report.py"),
    ("lint", "fix ruff: unused import"),
    ("lint", "Remove unused variables that eslint complains about"),
    ("lint", "Add the missing clippy fixes"),
    ("types", "fix the mypy error in store.py"),
    ("types", "Add missing type hints to the client module"),
    ("types", "annotate the return types of the parser"),
    ("tests", "add tests for the parser"),
    ("tests", "Raise the coverage of ledger/store.py"),
    ("tests", "Write unit tests for the edge cases of split_lines"),
    ("tests", "add a regression test for the empty list"),
    ("other", "Make the sum right; format as always"),
    ("other", "Use tabs in the report"),
    ("other", "Print the total at the end"),
    ("review", "Review the error handling of the upload client"),
    ("review", "Please audit the new cache for thread safety"),
    ("review", "Give this patch a code review"),
    ("research", "Investigate what an async client would need"),
    ("research", "Write a plan for splitting up the settings module, with its trade-offs"),
    ("research", "Find out which of the two queues is used"),
    ("rename", "rename fetch to load"),
    ("rename", "The new handler needs renaming"),
    ("dependency", "Bump requests from 2.31.0 to 2.32.3"),
    ("dependency", "upgrade Django to 4.2.16"),
    ("dependency", "add a dependency on httpx"),
    ("dependency", "Refresh the lock file"),
    ("dependency", "Dependabot: update lodash"),
    ("refactor", "refactor the store and fix its lint errors"),
    ("refactor", "Extract the retry logic into a helper"),
    ("refactor", "Simplify parse_line"),
    ("bug", "fix retry leak in sync worker"),
    ("bug", "fix the crash when linting"),
    ("bug", "Fix the wrong sum in calc.py (ruff is our linter)"),
    ("bug", "retry() no longer resets the counter"),
    ("bug", "Backoff.delay raises OverflowError after a long streak. It must wait for the ceiling."),
    ("bug", "The parser should split on commas"),
    ("bug", "Exporting an empty table throws a KeyError"),
    ("bug", "Fix the off-by-one in the pager of the result list's last page when the list hangs"),
    ("flaky", "fix the flaky test test_sync_worker"),
    ("flaky", "test_upload fails intermittently, about one run in ten"),
    ("flaky", "The suite depends on test order. It should not."),
    ("performance", "make it faster"),
    ("performance", "The import of large files is slow: it should take seconds, not minutes"),
    ("performance", "Optimize the n+1 queries on the order list"),
    ("performance", "Reduce memory usage of the indexer and fix the leak"),
    ("feature", "implement an export command, with docs"),
    ("feature", "add an export command"),
    ("feature", "Support reading gzip files"),
    ("feature", "Allow several recipients per message. Fix the broken header too."),
    ("architecture", "Redesign the plugin system so that plugins can be loaded lazily"),
    ("architecture", "Decouple the renderer from the store, add an interface between them"),
    ("architecture", "Replace the global settings object throughout the codebase"),
    ("deploy", "Update the Dockerfile to the slim image"),
    ("deploy", "Add a CI workflow that builds wheels"),
    ("deploy", "fix the helm chart: the deployment restarts for ever"),
    ("migration", "Write the migration that adds orders.currency"),
    ("migration", "Backfill the missing currency of old orders"),
    ("migration", "drop the column legacy_id and add tests"),
    ("auth", "Login fails for users with a plus sign in their address"),
    ("auth", "Add OAuth with PKCE"),
    ("auth", "Expire the session token after a password change"),
    ("auth", "Rename the JWT helper"),
    ("incident", "Production is down: the worker exits at start"),
    ("incident", "hotfix for the outage of the payment page, login included"),
    ("incident", "SEV-1: orders are lost after the migration"),
)


@pytest.mark.parametrize(("expected", "text"), BRIEFS, ids=[text[:40] for _, text in BRIEFS])
def test_a_brief_is_of_its_most_demanding_class(expected: TaskClass, text: str) -> None:
    assert class_of(clean(text)) == expected


def test_every_class_has_its_place_and_a_brief_in_the_table() -> None:
    assert sorted(DEMAND) == sorted(get_args(TaskClass))
    assert {name for name, _ in BRIEFS} == set(DEMAND)


@pytest.mark.parametrize(
    ("signal", "expected"),
    [
        ("auth_code", "auth"),
        ("schema_change", "migration"),
        ("ci_or_deploy", "deploy"),
        ("dependency_manifest", "dependency"),
        ("production_incident", "incident"),
        ("files", "docs"),
    ],
)
def test_a_path_that_raises_a_signal_decides_the_class_of_a_harmless_brief(
    signal: str, expected: TaskClass
) -> None:
    assert class_of("fix a typo in the README", [signal]) == expected


def test_a_text_without_a_sentence_and_one_without_a_letter_are_of_no_class() -> None:
    assert class_of("") == class_of("3.11 (2.0)") == "other"
    assert class_of("fix a typo in the README (3.11)") == "docs"


WORDS = ["fix", "lint", "ruff", "login", "slow", "readme", "add", "test", "flaky", "bump", "to 2.0.1", "x.py"]
SENTENCES = st.lists(st.sampled_from(WORDS) | st.text(max_size=8), min_size=1, max_size=6).map(" ".join)
TEXTS = st.text(min_size=1, max_size=80) | SENTENCES | st.sampled_from([text for _, text in BRIEFS])
SIGNALS = st.frozensets(
    st.sampled_from(["auth_code", "schema_change", "ci_or_deploy", "dependency_manifest"])
)


@given(text=TEXTS, more=TEXTS, raised=SIGNALS, added=SIGNALS)
@example(text="Fix the wrong sum", more="ruff is our linter, run lint", raised=frozenset(), added=frozenset())
@example(text="make it right", more="fix lint", raised=frozenset(), added=frozenset())
def test_a_sentence_or_a_path_that_is_added_makes_no_smaller_task(
    text: str, more: str, raised: frozenset[str], added: frozenset[str]
) -> None:
    try:
        before, after = clean(text), clean(f"{clean(text)}\n{more}")
    except UsageError:
        return
    fewer, all_of_them = fitting(before, raised), fitting(after, raised | added)

    assert fewer <= all_of_them
    if not fewer:
        return  # a text without a letter says nothing that could be made smaller
    assert DEMAND.index(most_demanding(all_of_them)) <= DEMAND.index(most_demanding(fewer))


LANE_BARS = (
    "version: 1\naccept: {fast: {default: covered, docs: static, tests: discriminating, bug: covered, "
)
STRICT = parse_policy(
    LANE_BARS + "auth: discriminating, dependency: ran, comments: static}, strong: ran}\n", "p"
)


@given(
    text=TEXTS,
    more=TEXTS,
    paths=st.lists(
        st.sampled_from(["README.md", "tests/test_a.py", "src/a.py", "uv.lock"]), min_size=1, unique=True
    ),
)
def test_a_sentence_that_is_added_lowers_no_bar_of_any_patch(text: str, more: str, paths: list[str]) -> None:
    try:
        before, after = clean(text), clean(f"{clean(text)}\n{more}")
    except UsageError:
        return
    patch = change(*paths)
    if not fitting(before):
        return
    asked = [
        bar_of(STRICT, "fast", most_demanding(fits), patch, fits=fits)
        for fits in (fitting(before), fitting(after))
    ]

    assert asked[1].reaches(asked[0])


def test_a_brief_of_many_sentences_is_read_in_a_moment() -> None:
    text = clean("fix the lint; " * 4600)
    began = time.perf_counter()

    assert class_of(text) == "lint"
    assert time.perf_counter() - began < 2


# --- what the files confirm ---


def change(*paths: str) -> Change:
    return Change("a", "b", tuple(FileChange(path, "100644", "100644", "1", "2") for path in paths))


@pytest.mark.parametrize(
    ("claimed", "paths", "confirmed"),
    [
        ("docs", ["README.md", "docs/a.rst"], True),
        ("docs", ["README.md", "src/a.py"], False),
        ("docs", [], False),
        ("docs", ["src/LICENSE/run.py"], False),
        ("docs", ["CHANGELOG/app.js"], False),
        ("tests", ["tests/test_a.py"], True),
        ("tests", ["tests/test_a.py", "src/a.py"], False),
        ("dependency", ["pyproject.toml", "uv.lock"], True),
        ("dependency", ["requirements-dev.txt"], True),
        ("dependency", ["setup.py"], False),
        ("dependency", ["go.mod/main.py"], False),
        ("dependency", ["pyproject.toml/uv.lock"], True),
        ("dependency", ["package.json", "src/index.js"], False),
        ("comments", ["src/a.py"], False),
        ("lint", ["src/a.py"], False),
        ("auth", ["src/auth/a.py"], False),
    ],
)
def test_a_class_that_lowers_the_bar_must_be_confirmed_by_the_files(
    claimed: TaskClass, paths: list[str], confirmed: bool
) -> None:
    assert is_confirmed(claimed, change(*paths)) is confirmed


START = b'''#!/usr/bin/env python
"""Adds."""
import os  # noqa: F401


def add(a, b):
    # summ
    return a + b
'''


@pytest.mark.parametrize(
    ("now", "confirmed"),
    [
        (START.replace(b"# summ", b"# the sum"), True),
        (START.replace(b"    # summ\n", b""), True),
        (START.replace(b"b):\n", b"b):  # two numbers\n\n    # more\n"), True),
        (START.replace(b"a + b", b"a - b  # the sum"), False),
        (START.replace(b"Adds.", b"Adds numbers."), False),
        (START.replace(b"  # noqa: F401", b""), False),
        (START.replace(b"a + b", b"a + b  # type: ignore"), False),
        (START.replace(b"#!/usr/bin/env python", b"#!/usr/bin/python3"), False),
        (b"# -*- coding: latin-1 -*-\n" + START, False),
        (START.replace(b"    return", b"   return"), False),
        (START.replace(b"return a + b", b"return '''\n# summ"), False),
        (b"\xff\xfe", False),
        (None, False),
    ],
)
def test_only_comments_means_that_no_other_token_and_no_order_to_a_tool_differs(
    now: bytes | None, confirmed: bool
) -> None:
    assert is_confirmed("comments", change("a.py"), {"a.py": (START, now)}) is confirmed


def test_comments_of_another_language_and_a_file_that_nobody_read_confirm_nothing() -> None:
    js = {"a.js": (b"// a\nf()\n", b"// b\nf()\n")}

    assert not is_confirmed("comments", change("a.js"), js)
    assert not is_confirmed("comments", change("a.py", "b.py"), {"a.py": (START, START + b"# end\n")})


def test_the_files_that_a_class_does_not_speak_of_are_told() -> None:
    assert outside("docs", change("README.md", "src/a.py")) == ("src/a.py",)
    assert outside("bug", change("README.md", "src/a.py")) == ()


@pytest.mark.parametrize(
    ("claimed", "fits", "paths", "trusted", "bar"),
    [
        ("docs", ["docs"], ["README.md"], False, Grade.STATIC),
        ("docs", ["docs"], ["src/a.py"], False, Grade.COVERED),
        ("docs", ["docs"], ["src/a.py"], True, Grade.STATIC),
        ("bug", ["bug", "docs"], ["README.md"], False, Grade.COVERED),
        ("tests", ["tests"], ["tests/test_a.py"], False, Grade.DISCRIMINATING),
        ("bug", ["bug", "tests"], ["tests/test_a.py"], False, Grade.DISCRIMINATING),
        ("bug", ["bug", "tests"], ["tests/test_a.py", "src/a.py"], False, Grade.COVERED),
        ("incident", ["incident", "auth"], ["src/a.py"], False, Grade.DISCRIMINATING),
        ("dependency", ["dependency"], ["uv.lock"], False, Grade.RAN),
        ("dependency", ["dependency"], ["uv.lock", "src/a.py"], False, Grade.COVERED),
        ("other", ["other"], ["src/a.py"], True, Grade.COVERED),
    ],
)
def test_the_bar_goes_by_the_files_and_only_upward_by_the_text_unless_the_operator_named_the_class(
    claimed: TaskClass, fits: list[TaskClass], paths: list[str], trusted: bool, bar: Grade
) -> None:
    assert bar_of(STRICT, "fast", claimed, change(*paths), fits=fits, trusted=trusted) is bar
