"""Which changed statements were executed: from a diff, the patched sources and executed lines. Pure.

A statement stands for all of its lines and is named by its first one, decorators included. Nothing can be
marked as not to be counted: `# pragma: no cover` is a comment like any other. Left out is only what nothing
could execute: comments, docstrings and other bare constants, `global`, what the compiler drops, and what
stands beneath `if TYPE_CHECKING`.

Lines that are gone leave a gap, and what runs across the gap shows that their absence was seen. It counts as
changed: the statement around the gap; else the next statement at the depth of what is gone, which runs only
if the gap was passed; else, at the end of a block, the one before it or the head of the block. Gone comments
leave no gap, and neither do lines beside which new statements stand. A deleted file has no statements.
"""

from __future__ import annotations

import ast
import io
import re
import tokenize
import warnings
from dataclasses import dataclass
from pathlib import PurePosixPath
from typing import TYPE_CHECKING

from route_agent.hunks import touched_by
from route_agent.lexical import code_by_line
from route_agent.records.findings import LineCoverage
from route_agent.routing import is_test_path

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping
    from types import CodeType

    from route_agent.hunks import Gap, Touched

MAX_SOURCE_BYTES = 2 * 1024 * 1024

_PYTHON = frozenset({"py", "pyw"})
_SLASHES = frozenset({
    "js", "mjs", "cjs", "jsx", "ts", "mts", "cts", "tsx", "java", "kt", "kts", "scala", "groovy", "go", "rs",
    "c", "h", "cc", "cpp", "cxx", "hpp", "hh", "m", "mm", "cs", "swift", "dart", "php", "zig",
})  # fmt: skip
_HASHES = frozenset({"rb", "sh", "bash", "zsh", "fish", "pl", "pm", "ex", "exs", "r", "jl", "nim", "tcl"})
_OTHERS = frozenset({
    "sql", "lua", "hs", "ml", "mli", "clj", "cljs", "erl", "elm", "fs", "fsx", "vb", "vue", "svelte", "astro",
    "pyx", "coffee", "ps1", "bat", "awk", "asm", "s", "sol", "wat", "proto", "mk", "gradle", "cmake",
})  # fmt: skip
_CODE_NAMES = frozenset({"Makefile", "GNUmakefile", "makefile", "Justfile", "Rakefile", "Dockerfile"})
_SHEBANG = re.compile(rb"#!.*?([A-Za-z]+)[0-9.]*\s*$")
_SHEBANGS = {"python": "py", "pypy": "py", "node": "js", "ruby": "rb", "perl": "pl", "php": "php"}

_TYPES_ONLY = "TYPE_CHECKING"
_SAYS_SOMETHING = re.compile(r"[\w\"'`]")
_SYNTAX_ONLY = frozenset({
    "else", "else {", "} else {", "else:", "try {", "} finally {", "do {", "do", "then", "end", "fi", "done",
    "esac", "begin",
})  # fmt: skip
_NO_CODE = frozenset({
    tokenize.COMMENT, tokenize.NL, tokenize.NEWLINE, tokenize.INDENT, tokenize.DEDENT, tokenize.ENCODING,
    tokenize.ENDMARKER,
})  # fmt: skip


# --- the sources ---


@dataclass(frozen=True, slots=True)
class Piece:
    """A statement, or a line that only ends a block.

    Attributes:
        last: the last line of its own, that is without the block beneath it.
        depth: its indentation in characters.
        counts: whether it can be executed.
    """

    first: int
    last: int
    depth: int
    counts: bool


@dataclass(frozen=True, slots=True)
class Source:
    """A file's statements in order, and for each line of one its first line."""

    pieces: tuple[Piece, ...]
    first: Mapping[int, int]

    def anchor(self, gap: Gap) -> int | None:
        """The statement that counts as changed where lines are gone; None where there is none."""
        end = gap.after + len(gap.added)
        around = [it for it in self.pieces if it.first <= gap.after and end < it.last + bool(gap.added)]
        if around:
            return around[-1].first if around[-1].counts else None  # within a docstring
        following = (it for it in self.pieces if it.first > gap.after)
        before = (it for it in reversed(self.pieces) if it.first <= gap.after)
        for piece in following:
            if piece.depth < gap.depth:
                break
            if piece.depth == gap.depth and piece.counts:
                return piece.first
        return next((it.first for it in before if it.depth <= gap.depth and it.counts), None)


def language(path: str, source: bytes = b"") -> str:
    """What decides how a file is read: `py`, another suffix of source code, or nothing for other files.

    Stubs and declarations (`.pyi`, `.d.ts`) are not executed and so are no code here. A file without a suffix
    is what its first line says.
    """
    name = PurePosixPath(path).name
    stem, dot, suffix = name.rpartition(".")
    if name in _CODE_NAMES:
        return "mk"
    if not dot or not stem:
        said = _SHEBANG.match(source[:200].split(b"\n")[0].rstrip())
        return _SHEBANGS.get(said[1].decode(), "sh") if said else ""
    suffix = suffix.lower()
    if suffix in _PYTHON:
        return "py"
    is_declaration = stem.endswith(".d") and suffix in ("ts", "mts", "cts")
    return suffix if suffix in _SLASHES | _HASHES | _OTHERS and not is_declaration else ""


def statements(path: str, source: bytes) -> frozenset[int] | None:
    """The first lines of a file's executable statements; None for a language that is not known.

    Of Python they are what this interpreter's compiler makes code for. Of languages with C's or the shell's
    comments they are the lines that hold more than comments and closing brackets.
    """
    read = read_source(path, source)
    return None if read is None else frozenset(piece.first for piece in read.pieces if piece.counts)


def read_source(path: str, source: bytes) -> Source | None:
    """A file's statements; None where they cannot be told: another language, no valid code, too large."""
    kind = language(path, source)
    if not kind or len(source) > MAX_SOURCE_BYTES:
        return None
    if re.search(rb"\r(?!\n)", source):  # a line for compilers and none for git: numbers would not agree
        return None
    if kind == "py":
        return _python(source)
    if kind in _SLASHES | _HASHES:
        return _lexical(source.decode(errors="replace"), hashes=kind in _HASHES)
    return None


def _lexical(text: str, *, hashes: bool) -> Source:
    pieces = [
        Piece(line, line, depth, counts=bool(_SAYS_SOMETHING.search(code)) and code not in _SYNTAX_ONLY)
        for line, depth, code in code_by_line(text, hashes=hashes)
    ]
    return Source(tuple(pieces), {piece.first: piece.first for piece in pieces if piece.counts})


def _python(source: bytes) -> Source | None:
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # a doubtful escape in their code is no concern here
            tree = ast.parse(source)
            compiled = compile(tree, "source", "exec", dont_inherit=True)
        written = _written(source)
    except (SyntaxError, ValueError, RecursionError, MemoryError, tokenize.TokenError):
        return None
    nodes = sorted(_nodes(tree), key=lambda node: (node.first, -node.end))
    first: dict[int, int] = {}
    for node in nodes:  # outer ones first: what stands beneath writes over them
        first |= dict.fromkeys(range(node.first, node.end + 1), node.first)
    # two on one line count if one of them does
    counted = {node.first for node in nodes if not node.is_bare}
    counted &= {first[line] for line in _compiled(compiled) if line in first}
    lines = {line: name for line, name in first.items() if line in written and name in counted}
    last = {name: line for line, name in sorted(lines.items())}
    pieces = [
        Piece(
            node.first, min(last.get(node.first, node.end), node.own_end), node.depth, node.first in counted
        )
        for node in nodes
    ]
    return Source(tuple(pieces), lines)


_Place = ast.stmt | ast.ExceptHandler | ast.match_case


@dataclass(frozen=True, slots=True)
class _Node:
    first: int
    end: int
    own_end: int
    depth: int
    is_bare: bool


def _nodes(tree: ast.Module) -> Iterator[_Node]:
    """All statements, and the heads of `except` and `case`, which have code of their own."""
    names = (node for node in ast.walk(tree) if isinstance(node, ast.Name))
    is_ours = any(it.id == _TYPES_ONLY and isinstance(it.ctx, ast.Store) for it in names)
    waiting: list[tuple[_Place, bool]] = [(node, False) for node in tree.body]
    while waiting:
        node, is_bare = waiting.pop()
        children = list(_beneath(node))
        first, end = _begin(node), _end(node)
        own_end = max(first, min(_begin(child) for _, child in children) - 1) if children else end
        is_bare = is_bare or isinstance(node, ast.Global | ast.Nonlocal) or _is_constant(node)
        yield _Node(first, end, own_end, _depth(node), is_bare)
        hides = isinstance(node, ast.If) and _is_types_only(node.test) and not is_ours
        waiting += [(child, is_bare or (hides and block == "body")) for block, child in children]


def _beneath(node: _Place) -> Iterator[tuple[str, _Place]]:
    for name in ("body", "handlers", "orelse", "finalbody", "cases"):
        block = getattr(node, name, None)
        if isinstance(block, list):
            yield from ((name, child) for child in block)


def _begin(node: _Place) -> int:
    if isinstance(node, ast.match_case):
        return node.pattern.lineno
    decorators: list[ast.expr] = getattr(node, "decorator_list", [])
    return min([node.lineno, *(it.lineno for it in decorators)])


def _end(node: _Place) -> int:
    if isinstance(node, ast.match_case):
        return node.body[-1].end_lineno or node.pattern.lineno
    return node.end_lineno or node.lineno


def _depth(node: _Place) -> int:
    if isinstance(node, ast.match_case):
        return max(0, node.pattern.col_offset - len("case "))
    return node.col_offset


def _is_constant(node: _Place) -> bool:
    """A docstring, or any other constant that stands alone and does nothing, `...` included."""
    return isinstance(node, ast.Expr) and isinstance(node.value, ast.Constant)


def _is_types_only(test: ast.expr) -> bool:
    return getattr(test, "id", getattr(test, "attr", "")) == _TYPES_ONLY


def _compiled(code: CodeType) -> set[int]:
    found: set[int] = set()
    waiting = [code]
    while waiting:
        it = waiting.pop()
        found |= {line for _, _, line in it.co_lines() if line}
        waiting += [constant for constant in it.co_consts if hasattr(constant, "co_lines")]
    return found


def _written(source: bytes) -> set[int]:
    """The lines of which some part is neither comment nor blank."""
    found: set[int] = set()
    for token in tokenize.tokenize(io.BytesIO(source).readline):
        if token.type not in _NO_CODE:
            found.update(range(token.start[0], token.end[0] + 1))
    return found


# --- both together ---


def measure(diff: str, sources: Mapping[str, bytes], executed: Mapping[str, frozenset[int]]) -> LineCoverage:
    """Which of the changed statements green tests have executed.

    Test files and files that are no code (prose, data, stubs) are left out.

    Args:
        diff: start against the patched tree, as git prints it.
        sources: the patched tree's files by path, at least those that the diff writes.
        executed: by path the lines that green tests executed; a path without an entry was not measured.
    """
    changed: set[tuple[str, int]] = set()
    ran: set[tuple[str, int]] = set()
    unmeasured: list[str] = []
    for path, touched in touched_by(diff).items():
        content = sources.get(path)
        if content is None or not language(path, content) or _is_of_tests(path):
            continue
        source = read_source(path, content)
        wanted = None if source is None else _changed_statements(source, touched)
        lines = executed.get(path)
        if wanted is None or source is None or (wanted and lines is None):
            unmeasured.append(path)
            continue
        seen = {source.first.get(line, line) for line in lines or ()}
        changed |= {(path, line) for line in wanted}
        ran |= {(path, line) for line in wanted & seen}
    return LineCoverage(frozenset(changed), frozenset(ran), tuple(sorted(unmeasured)))


def changed_statements(diff: str, sources: Mapping[str, bytes]) -> frozenset[tuple[str, int]]:
    """The changed statements as (path, first line), whether or not anybody measured them."""
    whole = {path: frozenset(range(1, data.count(b"\n") + 2)) for path, data in sources.items()}
    return measure(diff, sources, whole).changed


def _changed_statements(source: Source, touched: Touched) -> set[int]:
    found = {source.first[line] for line in touched.added if line in source.first}
    for gap in touched.gaps:
        if not any(line in source.first for line in gap.added):
            anchor = source.anchor(gap)
            found |= set() if anchor is None else {anchor}
    return found


def _is_of_tests(path: str) -> bool:
    return is_test_path(path) or PurePosixPath(path).name == "conftest.py"
