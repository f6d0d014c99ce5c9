"""Scores: the formula, the evidence, and that text can only raise."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from route_agent.brief import clean, named_paths, named_symbols
from route_agent.errors import UsageError
from route_agent.policy import NamedPolicy, parse_policy, presets
from route_agent.records.change import Change, FileChange
from route_agent.records.risk import Provenance, Risk
from route_agent.risk import Facts, assess, facts_of
from route_agent.routing import route

POLICY = parse_policy(presets()["default"].read_bytes(), "default")
NAMED = NamedPolicy("default", POLICY)
TREE = [
    "src/app.py",
    "src/auth/session.py",
    "migrations/0007.sql",
    "src/store.py",
    ".github/workflows/ci.yml",
]


def change(*paths: str) -> Change:
    return Change("a", "b", tuple(FileChange(path, "100644", "100644", "1", "2", 3, 1) for path in paths))


def facts(brief: str = "tidy up", *paths: str, failures: int | None = 0) -> Facts:
    return Facts(
        brief=brief,
        change=change(*paths),
        named=named_paths(brief, TREE),
        unknown_symbols=named_symbols(brief),
        failures=failures,
    )


def lane(risk: Risk) -> str:
    return route(risk, NAMED, "other").lane


@pytest.mark.parametrize(
    ("known", "score", "expected"),
    [
        (facts("tidy up", "a.py", "b.py", "c.py", "d.py"), 4, "fast"),
        (facts("add a retry", "a.py", "b.py", "c.py", "d.py", failures=2), 11, "strong"),
        (facts("tidy up"), 0, "fast"),
        (facts("tidy up", *[f"f{n}.py" for n in range(20)]), 8, "strong"),
        (facts("tidy up", *[f"f{n}.py" for n in range(6)]), 6, "fast"),
        (facts("tidy up", *[f"f{n}.py" for n in range(7)]), 7, "strong"),
        (facts("tidy up", "a.py", failures=1), 3, "fast"),
        (facts("tidy up", "a.py", failures=50), 7, "strong"),
        (facts("tidy up", "db/migrations/0007.py"), 6, "strong"),
        (facts("tidy up", "src/auth/login.py"), 6, "strong"),
        (facts("tidy up", "a/migrations/1.sql", "b/auth/x.py"), 12, "strong"),
        (facts("tidy up", ".github/workflows/ci.yml"), 1, "strong"),
        (facts("tidy up", ".env.local"), 1, "strong"),
        (facts("tidy up", "pyproject.toml"), 1, "strong"),
        (facts("tidy up", "a.py", "tests/conftest.py"), 2, "strong"),
        (facts("the site has an outage", "a.py"), 1, "strong"),
        (facts("implement a cache"), 3, "fast"),
        (facts("use the BackoffPolicy here"), 3, "fast"),
        (facts("tidy src/app.py and src/store.py"), 2, "fast"),
        (facts("tidy src/auth/session.py"), 6, "strong"),
        (facts("rename column user.mail", "app/store.py", "app/views.py"), 7, "strong"),
        (facts("tidy up", "a.py", failures=None), 1, "fast"),
    ],
)
def test_the_score_is_the_formula(known: Facts, score: int, expected: str) -> None:
    risk = assess(known, POLICY)

    assert risk.score == score
    assert lane(risk) == expected


def test_files_named_in_the_brief_count_only_where_the_diff_is_empty() -> None:
    named = assess(facts("tidy src/app.py"), POLICY).signals[0]
    both = assess(facts("tidy src/app.py", "x.py"), POLICY).signals[0]

    assert (named.value, named.provenance) == (1, Provenance.TAINTED)
    assert (both.value, both.provenance, both.evidence) == (1, Provenance.TRUSTED, ("x.py",))


def test_a_signal_says_where_it_comes_from() -> None:
    found = {
        signal.name: signal for signal in assess(facts("fix the login", "db/schema.sql"), POLICY).signals
    }

    assert found["schema_change"].evidence == ("db/schema.sql matches **/*.sql",)
    assert found["schema_change"].provenance is Provenance.TRUSTED
    assert found["auth_code"].evidence == ('the brief says "login"',)
    assert found["auth_code"].provenance is Provenance.TAINTED


def test_failures_that_were_not_counted_are_said_to_be_unknown() -> None:
    found = {signal.name: signal for signal in assess(facts(failures=None), POLICY).signals}

    assert found["test_failures"].evidence == ("checks not run yet",)


TEXTS = st.text(min_size=1, max_size=80) | st.sampled_from(
    ["this is trivial, use the cheap lane", "risk: low", "score: 0", "fix src/auth/session.py", "add login()"]
)


@given(text=TEXTS, more=TEXTS, glue=st.sampled_from([" ", "\n", "\n\n"]))
def test_text_that_is_added_can_only_raise_the_score_and_the_lane(text: str, more: str, glue: str) -> None:
    try:
        before, after = clean(text), clean(clean(text) + glue + more)
    except UsageError:
        return
    first, second = assess(facts(before), POLICY), assess(facts(after), POLICY)

    assert second.score >= first.score
    assert (lane(first), lane(second)) != ("strong", "fast")
    assert {it.name for it in first.signals if it.raised} <= {it.name for it in second.signals if it.raised}


def test_what_a_patch_touches_is_judged_by_its_paths_and_lines_alone() -> None:
    def always_strong(path: str) -> list[str]:
        risk = assess(facts_of(change(path), ""), POLICY)
        return [
            it.evidence[0] for it in risk.signals if it.raised and it.name in POLICY.routing.always_strong_if
        ]

    assert always_strong("README.md") == []
    assert always_strong("x/auth/a.py") == ["x/auth/a.py matches **/auth/**"]


@pytest.mark.parametrize(
    ("brief", "raised"),
    [
        ("write migrations/0008_users.sql for the new table", "schema_change"),
        ("put the new check into src/auth/", "auth_code"),
        ("tidy up deploy/rollout.yaml, which does not exist yet", "ci_or_deploy"),
    ],
)
def test_a_path_of_the_brief_raises_what_it_is_about_before_there_is_such_a_file(
    brief: str, raised: str
) -> None:
    risk = assess(facts(brief), POLICY)
    signal = next(it for it in risk.signals if it.name == raised)

    assert signal.raised
    assert signal.provenance is Provenance.TAINTED
    assert any("/" in why for why in signal.evidence)
    assert not assess(facts("use either and/or, true/false, input/output"), POLICY).raised(raised)
