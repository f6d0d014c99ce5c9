"""The built-in policy's score is the formula and nothing else: a table of tasks, worked out by hand."""

from __future__ import annotations

from dataclasses import dataclass

import pytest

from route_agent.brief import named_paths, named_symbols
from route_agent.policy import named_policy, presets
from route_agent.records.change import Change, FileChange
from route_agent.records.facts import ChangedText, Facts
from route_agent.risk import assess
from route_agent.routing import route

NAMED = named_policy(presets()["default"].read_bytes(), "default")
TREE = ("src/app.py", "src/store.py", "src/auth/session.py", "db/schema.sql", "README.md")


def formula(files: int, *, schema: bool, auth: bool, failures: int, new_code: bool) -> int:
    """min(files,8) + 5·schema + 5·auth + min(2·failures,6) + 3·new_code."""
    return min(files, 8) + 5 * schema + 5 * auth + min(2 * failures, 6) + 3 * new_code


@dataclass(frozen=True)
class Task:
    """A task, and what a person reads off it: which terms of the formula hold, the lane, and why."""

    brief: str
    paths: tuple[str, ...] = ()
    failures: int = 0
    said: str = ""  # which of schema, auth, new hold
    files: int | None = None  # where the brief names them
    line: str = ""
    score: int = 0
    reason: str = ""

    def facts(self) -> Facts:
        files = tuple(FileChange(path, "100644", "100644", "1", "2", 3, 1) for path in self.paths)
        return Facts(
            brief=self.brief,
            change=Change("a", "b", files),
            named=named_paths(self.brief, TREE),
            unknown_symbols=named_symbols(self.brief),
            failures=self.failures,
            texts=(ChangedText(self.paths[0], self.line, (12,)),) if self.line else (),
        )


def some(count: int, folder: str = "src") -> tuple[str, ...]:
    return tuple(f"{folder}/part{number}.py" for number in range(count))


FAST = "score {} ≤ 6, nothing always-strong"
HIGH = "score {} ≥ 7"
ALWAYS = "always strong: {}"

TASKS = (
    # the README's example
    Task("add a retry", some(4), 2, "new", score=11, reason=HIGH.format(11)),
    # files alone
    Task("tidy up", score=0, reason=FAST.format(0)),
    Task("tidy up", some(1), score=1, reason=FAST.format(1)),
    Task("tidy up", some(5), score=5, reason=FAST.format(5)),
    Task("tidy up", some(6), score=6, reason=FAST.format(6)),
    Task("tidy up", some(7), score=7, reason=HIGH.format(7)),
    Task("tidy up", some(8), score=8, reason=HIGH.format(8)),
    Task("tidy up", some(9), score=8, reason=HIGH.format(8)),
    Task("tidy up", some(300), score=8, reason=HIGH.format(8)),
    Task("tidy src/app.py", files=1, score=1, reason=FAST.format(1)),
    Task("tidy src/app.py and src/store.py", files=2, score=2, reason=FAST.format(2)),
    Task("tidy src/app.py", some(3), score=3, reason=FAST.format(3)),
    # red tests
    Task("tidy up", (), 1, score=2, reason=FAST.format(2)),
    Task("tidy up", some(1), 1, score=3, reason=FAST.format(3)),
    Task("tidy up", some(1), 2, score=5, reason=FAST.format(5)),
    Task("tidy up", (), 3, score=6, reason=FAST.format(6)),
    Task("tidy up", some(1), 3, score=7, reason=HIGH.format(7)),
    Task("tidy up", some(1), 4, score=7, reason=HIGH.format(7)),
    Task("tidy up", some(2), 500, score=8, reason=HIGH.format(8)),
    # new code
    Task("implement a cache", (), 0, "new", score=3, reason=FAST.format(3)),
    Task("use the BackoffPolicy here", (), 0, "new", score=3, reason=FAST.format(3)),
    Task("implement a cache", some(3), 0, "new", score=6, reason=FAST.format(6)),
    Task("implement a cache", some(4), 0, "new", score=7, reason=HIGH.format(7)),
    Task("implement a cache", some(1), 1, "new", score=6, reason=FAST.format(6)),
    Task("implement a cache", some(2), 1, "new", score=7, reason=HIGH.format(7)),
    # schema
    Task("tidy up", ("db/migrations/0007.py",), 0, "schema", score=6, reason=ALWAYS.format("schema_change")),
    Task("tidy up", ("db/users.sql",), 0, "schema", score=6, reason=ALWAYS.format("schema_change")),
    Task("drop column mail", (), 0, "schema", score=5, reason=ALWAYS.format("schema_change")),
    Task("drop column mail", some(2), 1, "schema", score=9, reason=ALWAYS.format("schema_change")),
    Task("tidy db/schema.sql", (), 0, "schema", files=1, score=6, reason=ALWAYS.format("schema_change")),
    Task(
        "tidy up", some(1), 0, "schema", line="    cur.execute('ALTER TABLE users ADD x')",
        score=6, reason=ALWAYS.format("schema_change"),
    ),
    # auth
    Task("tidy up", ("src/auth/login.py",), 0, "auth", score=6, reason=ALWAYS.format("auth_code")),
    Task("fix the login", (), 0, "auth", score=5, reason=ALWAYS.format("auth_code")),
    Task("tidy src/auth/session.py", (), 0, "auth", files=1, score=6, reason=ALWAYS.format("auth_code")),
    Task("fix the login", some(9), 9, "auth", score=19, reason=ALWAYS.format("auth_code")),
    Task(
        "tidy up", some(2), 0, "auth", line="    if not check_password(given, user.hash):",
        score=7, reason=ALWAYS.format("auth_code"),
    ),
    # everything at once: the most that there is
    Task(
        "add a login, drop column mail", some(20), 20, "schema auth new", score=27,
        reason=ALWAYS.format("schema_change, auth_code"),
    ),
    # 0 points, and always strong all the same
    Task("tidy up", (".github/workflows/ci.yml",), score=1, reason=ALWAYS.format("ci_or_deploy")),
    Task("tidy up", ("Dockerfile",), score=1, reason=ALWAYS.format("ci_or_deploy")),
    Task("tidy up", ("tests/conftest.py",), score=1, reason=ALWAYS.format("auto_executed")),
    Task("tidy up", ("Makefile", "src/app.py"), score=2, reason=ALWAYS.format("auto_executed")),
    Task("tidy up", (".env.local",), score=1, reason=ALWAYS.format("secrets_handling")),
    Task("the site has an outage", some(1), score=1, reason=ALWAYS.format("production_incident")),
    Task(
        "tidy up", some(1), line="KEY = os.environ['STRIPE_SECRET_KEY']",
        score=1, reason=ALWAYS.format("secrets_handling"),
    ),
    # 0 points, and shown only
    Task("tidy up", some(1), line="amount = Decimal('0.10')", score=1, reason=FAST.format(1)),
    Task("tidy up", some(1), line="requests.get(address)", score=1, reason=FAST.format(1)),
    Task("tidy up", some(1), line="lock = threading.Lock()", score=1, reason=FAST.format(1)),
    Task("tidy up", ("vendor/lib.py", "src/app.py"), score=2, reason=FAST.format(2)),
)  # fmt: skip


def test_the_table_has_at_least_forty_tasks() -> None:
    assert len(set(TASKS)) == len(TASKS) >= 40


@pytest.mark.parametrize("task", TASKS, ids=lambda task: f"{task.brief[:20]}-{len(task.paths)}-{task.score}")
def test_a_task_scores_by_the_formula_and_goes_where_it_says(task: Task) -> None:
    held = task.said.split()
    files = len(task.paths) or task.files or 0
    terms = {"schema": "schema" in held, "auth": "auth" in held, "new_code": "new" in held}
    assert formula(files, failures=task.failures, **terms) == task.score  # the table is right by itself

    risk = assess(task.facts(), NAMED.policy, NAMED.lines)
    decision = route(risk, NAMED, "other")

    assert risk.score == task.score
    assert decision.reasons[0] == task.reason
    assert decision.lane == ("fast" if task.reason.startswith("score") and task.score <= 6 else "strong")


def test_only_the_formulas_own_signals_have_points() -> None:
    weighed = {
        name: (rule.points, rule.max_points) for name, rule in NAMED.policy.signals.items() if rule.points
    }

    assert weighed == {
        "files": (1, 8),
        "schema_change": (5, None),
        "auth_code": (5, None),
        "test_failures": (2, 6),
        "new_code": (3, None),
    }
