"""What keeps a test that turned green from telling enough: code that fits its very input, or hides an error.

A condition that a patch adds and that asks for a value out of the deciding tests or the brief may be how the
task is solved, or how only its example is; both look alike. So nothing here speaks against a patch. It only
keeps the grade below the one that says that a test told the patch from its absence.
"""

from __future__ import annotations

import ast
import posixpath
import re
from collections import Counter
from itertools import pairwise
from typing import TYPE_CHECKING

from route_agent.brief import named_paths, named_symbols
from route_agent.records.findings import Finding, Weight
from route_agent.tampering import script
from route_agent.tampering.source import is_odd
from route_agent.tampering.syntax import Function, last, parse
from route_agent.tampering.words import DATA_SUFFIXES, definitions, is_source, is_test

if TYPE_CHECKING:
    from collections.abc import Collection, Iterable, Iterator, Mapping

    from route_agent.tampering.words import Edit

Value = str | float

_PLAIN = frozenset({-1, 0, 1})  # numbers that tell nothing
_ASKS = frozenset({
    "startswith", "endswith", "fullmatch", "match", "search", "replace", "removeprefix", "removesuffix",
    "split", "rsplit", "partition", "rpartition", "find", "rfind", "index", "count", "compile", "sub", "subn",
    "findall", "finditer",
})  # fmt: skip
_PATTERNS = frozenset({
    "fullmatch", "match", "search", "compile", "sub", "subn", "findall", "finditer", "split",
})  # fmt: skip
_SCRIPT_ASKS = re.compile(
    r"[!=]==?|[<>]|\bcase\b|\.(?:includes|has|startsWith|endsWith|test|match|matchAll|replace|replaceAll|split"
    r"|indexOf|lastIndexOf|search|exec)\(|[{,\[(]\s*['\"`\d]|\bgrep\b|\bsed\b|\[ "
)
_QUOTED = re.compile(r"""(['"`])((?:(?!\1)[^\\\n]|\\.)+)\1|(?<![\w.])(-?\d+(?:\.\d+)?)(?![\w.])""")
_REGEX = re.compile(r"(?<![\w)\]])\s*/((?![*/])(?:\\.|\[(?:\\.|[^\]\\\n])*\]|[^/\\\n\[]){1,500})/[a-z]*")
_META = re.compile(r"\\[xu]?\w{1,4}(?<=\\.)|\\.|\[(?:\\.|[^\]])*\]|\{\d*,?\d*\}|\(\?\S|[\^$.|?*+()]+")


def doubts(
    edits: Iterable[Edit], tests: Mapping[str, str], brief: str, others: Mapping[str, str]
) -> Iterator[Finding]:
    """All of them, for source that the change adds or edits.

    Args:
        edits: every file of the change.
        tests: what decides: the sources and data of tests, by path; where there are none, none is fitted.
        brief: the task's text.
        others: source files that the change leaves alone and the brief may mean; see `named_sources`.
    """
    changed = [it for it in edits if it.is_source and it.after is not None]
    held = {path: _held(path, text) for path, text in {**tests, "the brief": brief}.items()} if tests else {}
    known = Counter(value for edit in changed for _, value in _asked(edit.suffix, edit.before or ""))
    for edit in changed:
        for line, value in _asked(edit.suffix, edit.after or ""):
            if known[value] > 0:  # it stood there before, or in another of these files
                known[value] -= 1
            elif holder := next((path for path, text in held.items() if _stands_in(value, text)), ""):
                what = f"{value!r} is asked for, which stands in {holder}"
                yield Finding("narrow", edit.path, line, what, Weight.NOTES)
            elif tests and is_odd(value):
                yield Finding("narrow", edit.path, line, f"{value!r} is asked for", Weight.NOTES)
        yield from _hidden(edit)
    if tests and changed:
        yield from _left_alone(changed, brief, others)
        yield from _untested(changed[0].path, tests, brief)


def deciding(tests: Iterable[str], paths: Collection[str], brief: str = "") -> frozenset[str]:
    """The files among `paths` that hold the tests (`check::path::test`), and what surrounds all of them.

    Where a check tells no tests, those that the brief names may be the ones, or else any of the tree.
    """
    ids = list(tests)
    files = {name.split("::")[1] for name in ids if name.count("::") > 1}
    known = {path for path in paths if any(path == file or path.endswith(f"/{file}") for file in files)}
    if not known or any(name.count("::") < 2 for name in ids):
        every = {path for path in paths if is_test(path)}
        known |= every.intersection(named_paths(brief, every)) or every
    above = {path.rpartition("/")[0] for path in known}
    around = (
        path
        for path in paths
        if path.endswith("conftest.py")
        and any(f"{folder}/".startswith(path.removesuffix("conftest.py")) for folder in above)
    )
    return frozenset(known.union(around))


def named_data(tests: Mapping[str, str], paths: Collection[str]) -> frozenset[str]:
    """The files of data whose name, with or without its ending, stands in one of the tests."""
    words = {word for text in tests.values() for word in re.findall(r"[\w.-]+", text)}
    found = set()
    for path in paths:
        stem, suffix = posixpath.splitext(posixpath.basename(path))
        if suffix in DATA_SUFFIXES and not words.isdisjoint((stem, stem + suffix)):
            found.add(path)
    return frozenset(found)


def named_sources(brief: str, paths: Iterable[str]) -> frozenset[str]:
    """The source files whose name, without its ending, is a word of the brief."""
    words = set(re.findall(r"\w+", brief.casefold()))
    stems = ((path, posixpath.basename(path).partition(".")[0].casefold()) for path in paths)
    return frozenset(path for path, stem in stems if stem in words and is_source(path))


# --- what the brief names and the change leaves alone ---


_FILES = re.compile(r"[\w.@-]*/[\w./@-]+|\b[\w-]+\.[a-z]{1,4}\b")
_TOLD = re.compile(
    r"(?<![\w.])(\d+(?:\.\d+)?)(?![\w.])"
    r"|`([^`\n]{1,60})`|\"([^\"\n]{1,60})\""
    r"|(?<![\w-])(--[a-z][\w-]+)"
    r"|(?<=[a-z,] )([A-Z][a-z]+)\b"  # a name, and not the first word of a sentence
    r"|(?<=\()([A-Z][a-z]+)\b"
)


def _untested(path: str, tests: Mapping[str, str], brief: str) -> Iterator[Finding]:
    """What the brief names and no deciding test does: those tests may ask for a part of the task only."""
    plain = _FILES.sub(" ", brief)
    named = [next(group for group in match.groups() if group).strip() for match in _TOLD.finditer(plain)]
    named += [*named_symbols(brief), *_ATTRIBUTE.findall(plain)]
    text = "\n".join(tests.values())
    for word in dict.fromkeys(named):
        if word and not re.search(rf"(?<!\w){re.escape(word)}(?!\w)", text, re.IGNORECASE):
            what = f"the task names {word!r}, and none of the tests that turned green does"
            yield Finding("untested", path, 0, what, Weight.NOTES)


_ATTRIBUTE = re.compile(r"\b[A-Za-z_]\w*\.([A-Za-z_]\w{2,})\b(?!/)")


def _left_alone(changed: Iterable[Edit], brief: str, others: Mapping[str, str]) -> Iterator[Finding]:
    """Functions and classes that the brief names and that stand as they stood: a half of the task, maybe."""
    wanted = {*named_symbols(brief), *_ATTRIBUTE.findall(brief)}
    places = [(edit.path, edit.before or "", edit.after or "") for edit in changed]
    places += [(path, text, text) for path, text in others.items()]
    found: dict[str, str] = {}
    touched: set[str] = set()
    for path, before, after in places:
        old, new = _bodies(path, before), _bodies(path, after)
        for name in wanted.intersection(old):
            if old[name] != new.get(name):
                touched.add(name)
            else:
                found.setdefault(name, path)
    for name in sorted(found.keys() - touched):
        what = f"the task names {name}, and the change leaves it as it is"
        yield Finding("left-alone", found[name], 0, what, Weight.NOTES)


def _bodies(path: str, text: str) -> dict[str, list[str]]:
    """What is written under each name that a source defines."""
    bodies: dict[str, list[str]] = {}
    tree = parse(text) if path.endswith(".py") else None
    if tree is not None:
        for node in ast.walk(tree):
            if isinstance(node, Function | ast.ClassDef):
                bodies.setdefault(node.name, []).append(ast.dump(node))
    elif not path.endswith(".py"):
        starts = [*definitions(text), ("", len(text))]
        for (name, start), (_, end) in pairwise(starts):
            bodies.setdefault(name, []).append(" ".join(text[start:end].split()))
    return bodies


# --- values that are asked for ---


def _asked(suffix: str, text: str) -> Iterator[tuple[int, Value]]:
    if suffix == ".py":
        tree = parse(text)
        found = () if tree is None else _of_python(tree)
    else:
        found = _of_lines(suffix, text)
    for line, value in found:
        if isinstance(value, str) or value not in _PLAIN:
            yield line, value


def _of_python(tree: ast.Module) -> Iterator[tuple[int, Value]]:
    for node in ast.walk(tree):
        is_pattern = isinstance(node, ast.Call) and last(node) in _PATTERNS
        for place in _places(node):
            for it in ast.walk(place):
                if isinstance(it, ast.Constant) and isinstance(it.value, str | int | float):
                    for value in _pieces(it.value) if is_pattern else (it.value,):
                        yield it.lineno, value


def _places(node: ast.AST) -> list[ast.expr]:
    """What a node compares with, looks up or searches for."""
    match node:
        case ast.Compare(left=left, comparators=others):
            return [left, *others]
        case ast.Dict(keys=keys):
            return [it for it in keys if it is not None]
        case ast.Set(elts=values):
            return values
        case ast.Assign(value=ast.Tuple(elts=values) | ast.List(elts=values)):
            return values if all(isinstance(it, ast.Constant) for it in values) else []
        case ast.MatchValue(value=value):
            return [value]
        case ast.Call(args=values) if last(node) in _ASKS:
            return list(values)
    return []


def _pieces(pattern: Value) -> list[Value]:
    """The parts of a regular expression that stand for themselves."""
    if not isinstance(pattern, str):
        return [pattern]
    return [it for it in _META.split(pattern) if len(it) > 1]


def _of_lines(suffix: str, text: str) -> Iterator[tuple[int, Value]]:
    is_script = suffix in script.SUFFIXES and len(text) <= script.MAX_LETTERS
    code = script.masked(text) if is_script else script.Code.of(text, text)
    for number, line in enumerate(code.text.splitlines(), start=1):
        if is_script:
            for match in _REGEX.finditer(line):
                yield from ((number, it) for it in _pieces(match[1]))
        if _SCRIPT_ASKS.search(line):
            for match in _QUOTED.finditer(line):
                yield number, match[2] if match[2] is not None else float(match[3])


def _stands_in(value: Value, text: str) -> bool:
    if not isinstance(value, str):
        written = re.escape(format(value, "g"))
        return re.search(rf"(?<![\w.]){written}(?![\w.])", text) is not None
    if re.fullmatch(r"\w+", value):
        return re.search(rf"(?<!\w){value}(?!\w)", text) is not None
    return len(value) > 1 and not value.isspace() and value in text


def _held(path: str, text: str) -> str:
    """The values in a test: of Python its constants, of others all of it."""
    tree = parse(text) if path.endswith(".py") else None
    if tree is None:
        return text
    values = (it.value for it in ast.walk(tree) if isinstance(it, ast.Constant))
    return "\n".join(
        format(it, "g") if isinstance(it, float) else str(it)
        for it in values
        if isinstance(it, str | int | float) and not isinstance(it, bool)
    )


# --- errors and gaps that are papered over ---

_FALLBACK = re.compile(r"[^\n]*(?:\?\?|\?\.)[^\n]*")
_CATCH = re.compile(r"\bcatch\s*(?:\([^)]{0,200}\))?\s*\{([^{}]{0,2000})\}")


def _hidden(edit: Edit) -> Iterator[Finding]:
    if edit.suffix == ".py":
        before, after = (list(_gaps(parse(it) or ast.Module([], []))) for it in (edit.before, edit.after))
    elif edit.suffix in script.SUFFIXES:
        before, after = (list(_script_gaps(it or "")) for it in (edit.before, edit.after))
    else:
        return
    known = Counter(text for _, text, _, _ in before)
    for line, text, rule, what in after:
        if known[text] > 0:
            known[text] -= 1
        else:
            yield Finding(rule, edit.path, line, what, Weight.NOTES)


def _gaps(tree: ast.Module) -> Iterator[tuple[int, str, str, str]]:
    in_tests = {
        id(it)
        for node in ast.walk(tree)
        if isinstance(node, ast.If | ast.While | ast.IfExp | ast.Assert)
        for it in ast.walk(node.test)
    }
    for node in ast.walk(tree):
        match node:
            case ast.ExceptHandler(body=body):
                if not any(isinstance(it, ast.Raise) for statement in body for it in ast.walk(statement)):
                    yield node.lineno, ast.dump(node), "caught", "an error is caught and not raised again"
            case ast.Call() if last(node) == "suppress":
                yield node.lineno, ast.dump(node), "caught", "errors are suppressed"
            case ast.BoolOp(op=ast.Or()) if id(node) not in in_tests:
                yield node.lineno, ast.dump(node), "default", "something else is taken where there is nothing"


def _script_gaps(text: str) -> Iterator[tuple[int, str, str, str]]:
    if len(text) > script.MAX_LETTERS:
        return
    code = script.masked(text)
    for match in _CATCH.finditer(code.bare):
        if not re.search(r"\bthrow\b", match[1]):
            yield code.line(match.start()), match[0], "caught", "an error is caught and not thrown again"
    for match in _FALLBACK.finditer(code.bare):
        what = "something else is taken where there is nothing"
        yield code.line(match.start()), " ".join(match[0].split()), "default", what
