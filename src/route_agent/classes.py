"""What kind of task it is: rules over the brief and over the signals that its paths raise. Pure.

The brief is tainted, so a class may raise and never lower anything on its word alone: what a class lowers is
confirmed by the files of the patch. A text fits several classes at once, and the most demanding counts. Text
that is added (after a white space that ends a sentence, or a line break) and paths that are added only make
a task fit more.
"""

from __future__ import annotations

import io
import re
import tokenize
from typing import TYPE_CHECKING

from route_agent.brief import PATH
from route_agent.globs import any_match

if TYPE_CHECKING:
    from collections.abc import Collection, Iterable, Iterator, Mapping

    from route_agent.records.change import Change, FileChange
    from route_agent.records.grades import TaskClass

    Contents = Mapping[str, tuple[bytes | None, bytes | None]]

# the most demanding first; a task that fits none is `other`, which asks for more than the narrow ones
DEMAND: tuple[TaskClass, ...] = (
    "incident",
    "auth",
    "migration",
    "deploy",
    "architecture",
    "feature",
    "performance",
    "flaky",
    "bug",
    "refactor",
    "dependency",
    "rename",
    "research",
    "review",
    "other",
    "tests",
    "types",
    "lint",
    "format",
    "comments",
    "docs",
)

# what a path or a word of the policy's own rules raised says which class a task is of
BY_SIGNAL: Mapping[str, TaskClass] = {
    "production_incident": "incident",
    "auth_code": "auth",
    "schema_change": "migration",
    "ci_or_deploy": "deploy",
    "dependency_manifest": "dependency",
}

_BUG = """
fix, fixes, bug, bugs, leak, leaks, crash, crashes, error, errors, exception, traceback, raises, throws,
wrong, wrongly, incorrect, incorrectly, broken, fail, fails, failing, failure, failures, regression, race,
deadlock, deadlocks, segfault, panics, off by one, off-by-one, infinite loop, corrupt, corrupts, duplicated,
forgets, hangs, overflows, loses, ignores, unexpected, unexpectedly, instead of, no longer, does not, doesn't,
must, should, missing
"""

_WORDS: Mapping[TaskClass, str] = {
    "incident": """incident, outage, production is down, prod is down, sev1, sev-1, sev 1, p0,
        data loss, hotfix, post-mortem, postmortem""",
    "auth": """authentication, authenticate, authorization, authorisation, oauth, login, log in, password,
        passwords, session token, access token, access control, jwt, sso, mfa, 2fa, csrf, rbac""",
    "migration": """migration, migrations, schema change, database schema, alter table, rename column,
        drop column, drop the column, add column, add a column, backfill""",
    "deploy": """deploy, deploys, deployment, ci pipeline, ci workflow, github actions, release pipeline,
        dockerfile, docker image, kubernetes, helm, terraform, rolling update""",
    "architecture": """architecture, redesign, re-design, rearchitect, re-architect, decouple, monolith,
        microservice, microservices, plugin system, overhaul, across the codebase, throughout the codebase,
        cross-codebase""",
    "feature": "add, implement, introduce, support, new, feature, create, allow, enable",
    "performance": """performance, slow, slowly, slower, faster, speed up, optimise, optimize, optimisation,
        optimization, latency, throughput, memory usage, quadratic, n+1, hot path, takes too long""",
    "flaky": """flaky, flake, flakes, flakiness, fails intermittently, intermittently fails,
        intermittent failure, intermittent failures, fails sometimes, sometimes fails, fails randomly,
        randomly fails, fails at random, depends on test order, order-dependent""",
    "bug": _BUG,
    "refactor": "refactor, restructure, extract, simplify, split, move",
    "dependency": "dependency, dependencies, dependabot, renovate, lock file, lockfile, bump, bumps",
    "rename": "rename, renames, renaming",
    "research": "feasibility, trade-offs, tradeoffs, write a plan, draft a plan, options are there",
    "review": "code review, review this, review the change, review the changes, second opinion",
    "tests": "test, tests, coverage, unit test, unit tests, test case, test cases",
    "types": """type hint, type hints, annotations, annotate, typing, mypy, pyright, type error, type errors,
        typecheck, type checker""",
    "lint": """lint, linter, ruff, flake8, eslint, pylint, clippy, unused import, unused imports,
        unused variable, unused variables, lint error, lint errors""",
    "format": "format, formatting, reformat, whitespace, indentation, black, prettier, gofmt, isort",
    "comments": "comment, comments, docstring, docstrings",
    "docs": """docs, documentation, readme, changelog, typo, typos, spelling, tutorial, release notes""",
}
# a sentence that begins so asks for a text, whatever it is about
_LEADS: tuple[tuple[TaskClass, re.Pattern[str]], ...] = (
    ("research", re.compile(r"\W*(?:please\s+)?(?:research|investigate|find out|figure out|look into)\b")),
    ("docs", re.compile(r"\W*(?:please\s+)?document (?:the|how|what|why|that|all|every)\b")),
    ("review", re.compile(r"\W*(?:please\s+)?(?:review|audit|critique)\b")),
)
_NEW_VERSION = re.compile(r"\b(?:upgrade|update|downgrade|pin|unpin)\b.*\b(?:to|from|at)\s+v?\d+(?:\.\d+)*\b")

# words that the classes below use themselves: "fix the lint errors" is no bug
_SHARED = frozenset(
    {"fix", "fixes", "error", "errors", "add", "new", "must", "should", "wrong", "incorrect", "ignores"}
    | {"instead of", "no longer", "does not", "doesn't", "fail", "fails", "failing", "failure", "failures"}
    | {"raises", "missing", "create", "duplicated"}
)


def _any_of(listed: str, without: frozenset[str] = frozenset()) -> re.Pattern[str]:
    words = [" ".join(word.split()) for word in listed.split(",")]
    return re.compile(rf"(?<!\w)(?:{'|'.join(re.escape(it) for it in words if it not in without)})(?!\w)")


_FOUND_BY = {name: _any_of(listed) for name, listed in _WORDS.items()}
_UNSHARED = {name: _any_of(_WORDS[name], _SHARED) for name in ("feature", "bug")}

_NARROW: frozenset[TaskClass] = frozenset({"tests", "types", "lint", "format", "comments", "docs"})
_OWN: frozenset[TaskClass] = _NARROW | {"flaky", "dependency", "rename"}
_SENTENCE = re.compile(r"[.:](?=\s|$)|[;!?()\n]+")
_LETTER = re.compile(r"[^\W\d_]")
_REGRESSION_TEST = re.compile(r"\bregression (?=tests?\b)")


def fitting(brief: str, raised: Collection[str] = ()) -> frozenset[TaskClass]:
    """Every class that a task fits.

    Each sentence is read by itself, so that one that is added ("we lint with ruff") takes nothing from the
    one before it.

    Args:
        brief: the task's text, cleaned.
        raised: the names of the signals that hold; the paths behind them are the policy's.
    """
    plain = PATH.sub(" ", brief).casefold()  # "see tests/test_worker.py" is no wish for tests
    found: set[TaskClass] = {BY_SIGNAL[name] for name in raised if name in BY_SIGNAL}
    for sentence in _SENTENCE.split(plain):
        if _LETTER.search(sentence):
            found |= _fits(sentence) or {"other"}
    return frozenset(found)


def most_demanding(classes: Iterable[TaskClass]) -> TaskClass:
    """The class that counts of those that a task fits."""
    return min(classes, key=DEMAND.index, default="other")


def class_of(brief: str, raised: Collection[str] = ()) -> TaskClass:
    """What kind of task it is; see `fitting`."""
    return most_demanding(fitting(brief, raised))


def _fits(sentence: str) -> set[TaskClass]:
    said = _REGRESSION_TEST.sub("", " ".join(sentence.split()))
    leads = {name for name, lead in _LEADS if lead.match(said)}
    found: set[TaskClass] = {name for name, words in _FOUND_BY.items() if words.search(said)} | leads
    if _NEW_VERSION.search(said):
        found.add("dependency")
    if leads or found & _OWN:
        found -= {name for name, words in _UNSHARED.items() if not words.search(said)}
    return found


# --- what the files of a patch confirm ---

_DOCS = ("**/*.md", "**/*.rst", "**/*.adoc", "**/LICENSE", "**/CHANGELOG")
_TESTS = (
    "**/tests/**",
    "**/test/**",
    "**/test_*",
    "**/*_test.*",
    "**/*.test.*",
    "**/*.spec.*",
    "**/__tests__/**",
)
# what a package manager reads and nothing runs: setup.py and build.gradle are programs
_MANIFESTS = (
    "**/pyproject.toml",
    "**/requirements*.txt",
    "**/Pipfile",
    "**/package.json",
    "**/package-lock.json",
    "**/npm-shrinkwrap.json",
    "**/pnpm-lock.yaml",
    "**/*.lock",
    "**/go.mod",
    "**/go.sum",
    "**/Cargo.toml",
    "**/Gemfile",
    "**/composer.json",
    "**/pom.xml",
)
_BY_FILES: Mapping[TaskClass, tuple[str, ...]] = {"docs": _DOCS, "tests": _TESTS, "dependency": _MANIFESTS}
CONFIRMABLE: frozenset[TaskClass] = frozenset(_BY_FILES) | {"comments"}


def is_test_path(path: str) -> bool:
    """Whether a path is one of the usual places of tests."""
    return any_match(path, _TESTS)


def is_confirmed(task_class: TaskClass, change: Change, contents: Contents | None = None) -> bool:
    """Whether the files that a patch touches confirm what kind of task it was said to be.

    `docs`, `tests` and `dependency` hold where every touched file is of that kind, `comments` where nothing
    but comments of Python differs. The other classes are never confirmed by files; a lint, format or type
    task is confirmed by its check, which turns green and so proves more than any bar asks.

    Args:
        contents: both versions of the touched files; without them `comments` is never confirmed.
    """
    if task_class == "comments":
        return bool(change.files) and all(_only_comments(file, contents or {}) for file in change.files)
    return bool(change.files) and not outside(task_class, change) and task_class in CONFIRMABLE


def outside(task_class: TaskClass, change: Change) -> tuple[str, ...]:
    """The touched files that are not of the class's kind; none where a class says nothing about files."""
    kinds = _BY_FILES.get(task_class)
    return tuple(path for path in change.paths if not _is_of(path, task_class, kinds)) if kinds else ()


def _is_of(path: str, task_class: TaskClass, kinds: tuple[str, ...]) -> bool:
    # a folder may be called LICENSE too, and what is in it is anything
    return any_match(path if task_class == "tests" else path.rpartition("/")[2], kinds)


# comments that a tool obeys, and what says how a file is to be read or run
_OBEYED = re.compile(
    r"#!|coding[:=]|noqa|nosec|type:|pragma|pylint|pyright|mypy|ruff|isort|fmt:|yapf|flake8|cython|distutils"
    r"|doctest|nopep8|pytype|bandit|sourcery|/// script|region|%%",
    re.IGNORECASE,
)
_MAX_BYTES = 1_000_000
_LAYOUT = frozenset({tokenize.COMMENT, tokenize.NL})


def _only_comments(file: FileChange, contents: Contents) -> bool:
    before, after = contents.get(file.path, (None, None))
    if not file.path.endswith(".py") or file.old_mode != file.new_mode or before is None or after is None:
        return False
    if max(len(before), len(after)) > _MAX_BYTES or b"\f" in before + after:
        return False
    try:
        old, new = ([*tokenize.tokenize(io.BytesIO(data).readline)] for data in (before, after))
    except (tokenize.TokenError, SyntaxError, ValueError):
        return False
    return [*_code(old)] == [*_code(new)] and _obeyed(old) == _obeyed(new)


def _code(tokens: Iterable[tokenize.TokenInfo]) -> Iterator[tuple[int, str]]:
    return ((it.type, it.string) for it in tokens if it.type not in _LAYOUT)


def _obeyed(tokens: Iterable[tokenize.TokenInfo]) -> list[tuple[str, str]]:
    """Each comment that a tool obeys, with its line: it speaks of what stands there."""
    return [
        (it.string, it.line.strip())
        for it in tokens
        if it.type == tokenize.COMMENT and _OBEYED.search(it.string)
    ]
