"""Which files of a change decide what the checks say. Pure.

What turns green under a judge that the patch itself has changed proves nothing.
"""

from __future__ import annotations

import posixpath
import re
from itertools import pairwise
from typing import TYPE_CHECKING

from route_agent.globs import any_match
from route_agent.routing import is_test_path

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping, Sequence

    from route_agent.records.change import Change

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
