"""What do the results prove? Pure: two check runs in, a grade and a failure class out.

Green is not proof. `ran` says that tests passed and nothing that was green at start turned red; whether
they execute the change is not known. `discriminating` says that some check tells the patch from its
absence: red at start, green now.
"""

from __future__ import annotations

import posixpath
import re
from dataclasses import dataclass
from itertools import pairwise
from typing import TYPE_CHECKING

from route_agent.brief import words_found
from route_agent.globs import any_match
from route_agent.records.checks import CheckKind, CheckResult, CheckRun, Outcome
from route_agent.records.grades import Failure, Grade
from route_agent.records.runs import Evidence
from route_agent.routing import FIXED_BY_CLASS, is_test_path

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping, Sequence

    from route_agent.records.change import Change
    from route_agent.records.grades import TaskClass

NO_TESTS = "no tests were collected"
_SHOWN = 5
_TEST_MODULES = ("**/test_*", "**/*_test.*", "**/*.test.*", "**/*.spec.*")

# what decides how checks run, wherever it stands
_RUNNERS = (
    "**/conftest.py", "**/pytest.ini", "**/tox.ini", "**/setup.cfg", "**/noxfile.py", "**/Makefile",
    "**/package.json", "**/sitecustomize.py", "**/*.pth", "**/ruff.toml", "**/.ruff.toml", "**/.flake8",
    "**/mypy.ini", "**/.coveragerc", "**/jest.config.*", "**/.eslintrc*", "**/tsconfig.json",
    "**/GNUmakefile", "**/*.mk", "**/justfile", "**/pytest.toml", "**/.pytest.*", "**/.mypy.ini",
    "**/tox.toml", "**/.pre-commit-config.*",
)  # fmt: skip

# source code and prose, which tools are asked to look at; any other file that a command names (a list, a
# schema, an expected output) is taken to be what it looks with
_SUBJECTS = (
    "*.py", "*.pyi", "*.js", "*.jsx", "*.mjs", "*.cjs", "*.ts", "*.tsx", "*.vue", "*.svelte", "*.go", "*.rs",
    "*.c", "*.h", "*.cc", "*.cpp", "*.hpp", "*.cs", "*.java", "*.kt", "*.swift", "*.rb", "*.php", "*.sh",
    "*.sql", "*.html", "*.css", "*.scss", "*.md", "*.rst",
)  # fmt: skip
# what runs, or compares with, every file that it is given
_USES_ALL = frozenset({
    "pytest", "py.test", "nose", "unittest", "doctest", "mocha", "jest", "vitest", "ava", "tap", "rspec",
    "phpunit", "bats", "behave", "robot", "playwright", "cypress", "diff", "cmp", "comm", "cc", "gcc",
    "clang", "c++", "g++", "clang++", "rustc", "javac",
})  # fmt: skip
_PYTHONS = ("python", "pypy", "ipython")
_SHELLS = ("sh", "bash", "dash", "ash", "ksh", "zsh", "fish")
# interpreters: the option after which code stands instead of a script, and the options that take a value
_INTERPRETERS: Mapping[str, tuple[str, tuple[str, ...]]] = {
    **dict.fromkeys(_SHELLS, (r"-[a-zA-Z]*c[a-zA-Z]*", ("-o", "+o", "-O", "+O", "--rcfile", "--init-file"))),
    **dict.fromkeys(_PYTHONS, (r"-[bBdEhiIOPqRsSuvVx]*c.*", ("-W", "-X", "--check-hash-based-pycs"))),
    "node": (
        r"-[a-z]*[ep]|--eval.*|--print.*",
        ("-r", "-C", "--require", "--import", "--loader", "--env-file"),
    ),
    "tsx": (r"-[ep]|--eval.*|--print.*", ("--tsconfig",)),
    "ts-node": (r"-[a-z]*[ep]", ("-P", "-r", "--project")),
    "ruby": (r"-[a-zA-Z]*e", ("-r", "-I", "-C", "-E")),
    "php": (r"-r", ("-c", "-d")),
}
_MODULE = re.compile(r"-[bBdEhiIOPqRsSuvVx]*m(.*)")
# what runs another program or script, the words that are no program after it, and its options without a value
_LAUNCHERS = frozenset({
    "env", "time", "nice", "ionice", "timeout", "nohup", "setsid", "stdbuf", "sudo", "doas", "xargs",
    "xvfb-run", "exec", "command", "source", ".", "eval", "if", "then", "else", "elif", "while", "until",
    "do", "!", "uv", "uvx", "poetry", "pdm", "hatch", "rye", "pipenv", "pipx", "pixi", "coverage", "npx",
    "pnpm", "yarn", "npm", "bun", "bundle", "deno", "go", "java", "kotlin", "dotnet", "swift",
})  # fmt: skip
_NO_PROGRAM = re.compile(r"run|exec|dlx|x|--|\w+=.*|[0-9.]+[smhd]?")
_PLAIN_FLAG = re.compile(
    r"-[qvyiaE0]|--(quiet|verbose|yes|frozen|locked|isolated|offline|no-[a-z-]+|all-[a-z-]+|append|branch|active"
    r"|foreground|preserve-status|login|allow-[a-z-]+|[a-z-]+=.*)"
)
# options whose value is a file that a tool works with; an option with an equals sign surely has a value
_SET_BY_OPTION = re.compile(r"(?:--?[^=]+=|-[cfr])(.+)", re.DOTALL)
_CONFIGURES = re.compile(
    r"-[cfr]|--?exec|-execdir|--([a-z]+-)*(conf|config|configuration|rcfile|settings|file|makefile|justfile"
    r"|require|import|loader|plugin|rules|ruleset|project|script|schema|preset|baseline)(-file|-path)?"
)


def broken_environment(baseline: CheckRun) -> str:
    """Why nothing can be proved here, or an empty string. Found at start, it ends the run at $0."""
    for result in baseline.results:
        if result.outcome is Outcome.NOT_RUN and not result.reason.startswith(NO_TESTS):
            return f"{result.name}: {result.reason}"
        if result.outcome is Outcome.FAILED and result.exit_code is None:  # killed: it never had its say
            return f"{result.name}: {result.reason} at start"
        if result.tests and all("::" not in test for test in result.red) and not result.green:
            return f"{result.name}: no test module can be imported at start ({result.reason})"
    return ""


def reachable(baseline: CheckRun) -> Grade:
    """The highest grade that the checks here could give to any patch."""
    able = [result for result in baseline.results if result.outcome is not Outcome.NOT_RUN]
    if any(result.kind is CheckKind.TEST for result in able):
        return Grade.DISCRIMINATING
    if any(result.outcome is Outcome.FAILED for result in able):
        return Grade.DISCRIMINATING
    return Grade.STATIC if able else Grade.NONE


def targets(baseline: CheckRun, task_class: TaskClass, brief: str, touched: Iterable[str]) -> frozenset[str]:
    """What is red at start and should be green afterwards, as `check::test` or `check::exit`.

    For lint, format and type tasks: the red checks of that kind. Otherwise the red tests that the brief
    names, or whose file belongs by name to a touched one (`test_worker.py` and `worker.py`) or to a word of
    the brief ("the sync worker"); other red tests are pre-existing and nobody's fault. A red test command
    that tells no test ids is always wanted: as long as it is red, it proves nothing about any patch.
    """
    stems = {posixpath.splitext(posixpath.basename(path))[0] for path in touched}
    stems |= {word for word in re.findall(r"\w+", brief.casefold()) if len(word) > 3}
    found: set[str] = set()
    for result in baseline.failed:
        about_it = result.kind in FIXED_BY_CLASS.get(task_class, ())
        if about_it or (result.kind is CheckKind.TEST and result.tests is None):
            found |= _ids(result)
        elif result.kind is CheckKind.TEST:
            found |= {
                f"{result.name}::{test}"
                for test in result.red
                if _is_named(test, brief) or _belongs(test, stems)
            }
    return frozenset(found)


def _ids(result: CheckResult) -> set[str]:
    return {f"{result.name}::{test}" for test in result.red} or {f"{result.name}::exit"}


def _is_named(test: str, brief: str) -> bool:
    path, _, rest = test.partition("::")
    function = rest.rpartition("::")[2].partition("[")[0]
    return bool(words_found(brief, (name for name in (path, posixpath.basename(path), function) if name)))


def _belongs(test: str, stems: set[str]) -> bool:
    stem = posixpath.splitext(posixpath.basename(test.partition("::")[0]))[0]
    return stem in stems or stem.removeprefix("test_").removesuffix("_test") in stems


def mended(baseline: CheckRun, now: CheckRun) -> frozenset[str]:
    """The ids that are red in one run and green in the other."""
    compared = [
        _compare(before, result)
        for result in now.results
        if (before := baseline.named(result.name)) is not None
    ]
    return frozenset(name for it in compared for name in it.better)


def judging(change: Change, argvs: Iterable[tuple[str, ...]], tools_changed: bool) -> frozenset[str]:
    """The files of a change that decide what the checks say.

    Args:
        change: start against the patched tree.
        argvs: the checks' commands. What one runs or is configured by is a judge; source code that it is
            only given to look at is not.
        tools_changed: whether `pyproject.toml` configures its tools otherwise now.
    """
    deciding = [word for argv in argvs for word in _deciding(argv)]
    found = {
        file.path
        for file in change.files
        if any_match(file.path, _RUNNERS)
        or any(_means(word, file.path) for word in deciding)
        or (is_test_path(file.path) and not file.is_new)
    }
    return frozenset(found | ({"pyproject.toml"} if tools_changed else set()))


def _means(word: str, path: str) -> bool:
    """Whether a word of a command names the file; how an absolute one begins is not known here."""
    return posixpath.normpath(word) == path or (
        word.startswith(("/", "$", "../")) and word.endswith(f"/{path}")
    )


def _deciding(argv: Sequence[str]) -> Iterator[str]:
    """The words of a command that may name what decides about its result. In doubt a word is one of them."""
    yield from _executed(argv)
    for before, word in pairwise(("", *argv)):
        if set_by := _SET_BY_OPTION.fullmatch(word):
            yield set_by[1]
        elif before == "-m":
            yield from _module_files(word)
        elif _CONFIGURES.fullmatch(before) or not any_match(word, _SUBJECTS) or is_test_path(word):
            yield word


def _executed(argv: Sequence[str]) -> Iterator[str]:
    """The program of a command, its script, and what is run through them."""
    if not argv:
        return
    head, rest = argv[0], argv[1:]
    yield head
    name = posixpath.basename(head).lower().rstrip("0123456789.") or head
    if name in _USES_ALL:
        yield from rest
    elif name in _INTERPRETERS:
        yield from _script(name, rest)
    elif name in _LAUNCHERS:
        for at in _programs(rest):
            yield from _executed(rest[at:])


def _script(name: str, words: Sequence[str]) -> Iterator[str]:
    """What an interpreter runs: a file, a module and what that runs, or the commands of a shell's line."""
    inline, valued = _INTERPRETERS[name]
    is_line = is_value = False
    for at, word in enumerate(words):
        if is_value:
            is_value = False
        elif name in _PYTHONS and (module := _MODULE.fullmatch(word)):
            called = [module[1]] if module[1] else []
            called += words[at + 1 :]
            yield from _module_files(called[0]) if called else ()
            yield from _executed(called)
            return
        elif word in valued:
            is_value = True
        elif re.fullmatch(inline, word):
            if name not in _SHELLS:
                return
            is_line = True
        elif is_line:
            yield from _of_line(word)
            yield from words[at + 1 :] if "$" in word else ()
            return
        elif not word.startswith(("-", "+")):
            yield f"{word}/__main__.py"
            yield from _executed(words[at:])
            return


def _module_files(module: str) -> tuple[str, str]:
    path = module.replace(".", "/")
    return f"{path}.py", f"{path}/__main__.py"


def _of_line(line: str) -> Iterator[str]:
    """What the commands of a shell's line run; quotes hide nothing."""
    for command in re.split(r"[;&|()<>`{}\n]+", line):
        if words := re.findall(r"[^\s\"']+", command):
            yield from _deciding(("env", *words))


def _programs(words: Sequence[str]) -> Iterator[int]:
    """Where the program stands that a launcher runs; the word after an unknown option may be its value."""
    unsure = False
    for at, word in enumerate(words):
        if word.startswith("-") and word != "--":
            unsure = unsure or not _PLAIN_FLAG.fullmatch(word)
        elif not _NO_PROGRAM.fullmatch(word):
            yield at
            if not unsure:
                return
            unsure = False


def grade(
    baseline: CheckRun, now: CheckRun, wanted: frozenset[str], *, judges: frozenset[str] = frozenset()
) -> Evidence:
    """Compare the patched tree's results with those at start.

    Args:
        baseline: the checks at start.
        now: the same checks on the patched tree.
        wanted: the ids of `targets`.
        judges: files of start that decide what the checks say and that the patch changes: test files, their
            helpers, configuration. What turns green under them proves nothing.

    Returns:
        Evidence with its grade, or with the failure class that speaks against the patch.
    """
    pre_existing: list[str] = []
    regressions: list[str] = []
    vanished: list[str] = []
    flips: list[str] = []
    for result in now.results:
        before = baseline.named(result.name)
        if before is None:
            regressions += [f"{result.name} is new and red"] if not result.passed else []
            continue
        compared = _compare(before, result)
        regressions += compared.worse
        vanished += compared.vanished
        pre_existing += compared.same
        flips += compared.better
    counted = sorted(set(flips) & wanted) or _test_flips(now, flips)
    unmet = sorted(wanted - set(flips) - set(vanished))
    if regressions:
        return _against(now, Failure.REGRESSION, regressions, pre_existing)
    if vanished:
        reasons = [f"{name} was red at start and no longer runs" for name in sorted(vanished)]
        return _against(now, Failure.TAMPERED, reasons, pre_existing)
    if unmet:
        reasons = [f"{name} was red at start and still is" for name in unmet]
        return _against(now, Failure.STILL_FAILING, reasons, [it for it in pre_existing if it not in unmet])
    if doubtful := _judged(counted, judges):
        reasons = [f"the patch changes {judge}, which decides what {name} says" for name, judge in doubtful]
        return _against(now, Failure.TAMPERED, reasons, pre_existing)
    return _for(now, counted, pre_existing)


def _judged(flips: list[str], judges: frozenset[str]) -> list[tuple[str, str]]:
    """What turned green under a judge that the patch changed: its own file, or one that decides about all."""
    about_all = sorted(path for path in judges if not any_match(path, _TEST_MODULES))
    told = []
    for name in flips:
        own = name.partition("::")[2].partition("::")[0]
        if own in judges or about_all:
            told.append((name, own if own in judges else about_all[0]))
    return told


@dataclass(frozen=True, slots=True)
class _Compared:
    """One check before and after: what got worse, in words; what is as red, gone, or turned green, as ids."""

    worse: tuple[str, ...] = ()
    same: tuple[str, ...] = ()
    vanished: tuple[str, ...] = ()
    better: tuple[str, ...] = ()


def _compare(before: CheckResult, now: CheckResult) -> _Compared:
    if now.outcome is Outcome.NOT_RUN:
        if before.outcome is Outcome.NOT_RUN:
            return _Compared()
        return _Compared((f"{now.name} ran at start and cannot run now: {now.reason}",))
    if before.tests is not None and now.tests is None:
        return _Compared((f"{now.name} told its tests at start and tells none now",))
    if before.tests is not None and now.tests is not None:
        return _compare_tests(before, now)
    if before.passed and not now.passed:
        return _Compared((f"{now.name} passed at start, fails now: {now.reason}",))
    if before.outcome is Outcome.FAILED:
        identity = (f"{now.name}::exit",)
        return _Compared(better=identity) if now.passed else _Compared(same=identity)
    return _Compared()


def _compare_tests(before: CheckResult, now: CheckResult) -> _Compared:
    worse = [f"{test} green at start, red now" for test in sorted(before.green & now.red)]
    worse += [f"{test} green at start, no longer runs" for test in sorted(before.green - now.green - now.red)]
    worse += [f"{test} is new and red" for test in sorted(now.red - before.green - before.red)]
    # a timeout or a session that never ended hides what would have been red
    unexplained = now.outcome is Outcome.FAILED and (not now.red or now.exit_code in (None, 0))
    if not worse and (unexplained or (before.passed and not now.passed)):
        worse = [f"{now.name} fails now: {now.reason}"]

    def named(tests: frozenset[str]) -> tuple[str, ...]:
        return tuple(f"{now.name}::{test}" for test in sorted(tests))

    return _Compared(
        worse=tuple(worse),
        same=named(before.red & now.red),
        vanished=named(before.red - now.red - now.green),
        better=named(before.red & now.green),
    )


def _against(now: CheckRun, failure: Failure, reasons: list[str], pre_existing: list[str]) -> Evidence:
    more = len(reasons) - _SHOWN
    shown = (*reasons[:_SHOWN], *((f"and {more} more",) if more > 0 else ()))
    return Evidence(now, Grade.NONE, failure, shown, tuple(pre_existing))


def _test_flips(now: CheckRun, flips: list[str]) -> list[str]:
    """Red-to-green counts for tests of any name; of other checks only where the task was about them."""
    tests = {result.name for result in now.results if result.kind is CheckKind.TEST}
    return [name for name in flips if name.partition("::")[0] in tests]


def _for(now: CheckRun, flips: list[str], pre_existing: list[str]) -> Evidence:
    passed = [result for result in now.results if result.passed]
    tested = [
        result
        for result in now.results
        if result.kind is CheckKind.TEST and (result.green or (result.passed and result.tests is None))
    ]
    found, reason = Grade.NONE, "no check passed"
    if flips:
        found, reason = Grade.DISCRIMINATING, f"{', '.join(flips[:_SHOWN])} red at start, green now"
    elif tested:
        count = sum(len(result.green) for result in tested)
        counted = f"{count} tests" if count else "tests"
        found = Grade.RAN
        reason = f"{counted} passed and nothing turned red; whether they execute the change is unknown"
    elif passed:
        found, reason = Grade.STATIC, "no test ran: only static checks passed"
    return Evidence(now, found, None, (reason,), tuple(pre_existing))
