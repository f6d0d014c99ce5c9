"""What a source file defines and imports: Python by its own parser, others by tree-sitter where its grammars
are installed (the extra `symbols`), else by the words that begin a definition. Pure.

Nothing here has to be right for the program to be right: it only chooses what a model sees first.
"""

from __future__ import annotations

import ast
import posixpath
import re
import warnings
from dataclasses import dataclass
from functools import lru_cache
from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping

MAX_CHARACTERS = 400_000  # of a larger file nothing is told: it was generated


@dataclass(frozen=True, slots=True)
class Symbol:
    """A definition: its name, its first and last line (from 1), how deep it lies, and its line of text."""

    name: str
    line: int
    last: int
    depth: int
    text: str


LANGUAGES: Mapping[str, str] = {
    ".py": "python", ".pyi": "python",
    ".js": "javascript", ".mjs": "javascript", ".cjs": "javascript", ".jsx": "javascript",
    ".ts": "typescript", ".mts": "typescript", ".cts": "typescript", ".tsx": "tsx",
    ".go": "go", ".java": "java", ".rs": "rust",
    ".kt": "other", ".rb": "other", ".php": "other", ".cs": "other", ".swift": "other", ".scala": "other",
    ".c": "other", ".h": "other", ".cc": "other", ".cpp": "other", ".hpp": "other",
}  # fmt: skip


def language_of(path: str) -> str:
    """The language by the path's suffix; empty where it is none that is read for symbols."""
    return LANGUAGES.get(posixpath.splitext(path)[1].lower(), "")


def symbols_in(path: str, text: str) -> tuple[Symbol, ...]:
    """What a file defines, in the order of its lines; of a file that cannot be parsed what its words say."""
    language = language_of(path)
    if not language or len(text) > MAX_CHARACTERS:
        return ()
    found = _python(text) if language == "python" else _parsed(language, text)
    return tuple(_by_words(text)) if found is None else found


# --- Python ---


def _python(text: str) -> tuple[Symbol, ...] | None:
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # the file's own, such as an odd escape
            tree = ast.parse(text)
    except (SyntaxError, ValueError, RecursionError, MemoryError):
        return None
    lines = text.split("\n")
    return tuple(_python_symbols(tree.body, lines, 0))


def _python_symbols(body: Iterable[ast.stmt], lines: list[str], depth: int) -> Iterator[Symbol]:
    for node in body:
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef):
            yield _symbol(node.name, node.lineno, node.end_lineno or node.lineno, depth, lines)
            if isinstance(node, ast.ClassDef) and depth < 2:
                yield from _python_symbols(node.body, lines, depth + 1)
        elif isinstance(node, ast.Assign | ast.AnnAssign) and depth == 0:
            targets = node.targets if isinstance(node, ast.Assign) else [node.target]
            for target in targets:
                if isinstance(target, ast.Name):
                    yield _symbol(target.id, node.lineno, node.end_lineno or node.lineno, depth, lines)
        elif isinstance(node, ast.If | ast.Try) and depth == 0:
            yield from _python_symbols(node.body, lines, depth)


def _symbol(name: str, line: int, last: int, depth: int, lines: list[str]) -> Symbol:
    text = lines[line - 1].strip() if line <= len(lines) else name
    return Symbol(name, line, last, depth, text[:120])


# --- tree-sitter ---

_GRAMMARS: Mapping[str, tuple[str, str]] = {
    "javascript": ("tree_sitter_javascript", "language"),
    "typescript": ("tree_sitter_typescript", "language_typescript"),
    "tsx": ("tree_sitter_typescript", "language_tsx"),
    "go": ("tree_sitter_go", "language"),
    "java": ("tree_sitter_java", "language"),
    "rust": ("tree_sitter_rust", "language"),
}
_DEFINITIONS = frozenset(
    {
        "function_declaration", "generator_function_declaration", "class_declaration", "method_definition",
        "abstract_class_declaration", "interface_declaration", "type_alias_declaration", "enum_declaration",
        "internal_module", "public_field_definition", "variable_declarator",
        "method_declaration", "constructor_declaration", "record_declaration", "annotation_type_declaration",
        "type_spec", "const_spec", "var_spec",
        "function_item", "struct_item", "enum_item", "trait_item", "type_item", "const_item", "static_item",
        "mod_item", "macro_definition", "union_item", "function_signature_item", "impl_item",
    }
)  # fmt: skip
_BODIES = frozenset({"statement_block", "block", "constructor_body", "lambda_expression", "arrow_function"})


@lru_cache(maxsize=16)
def _parser(language: str) -> Any:
    """A parser, or None where the extra is not installed or does not know the language."""
    if language not in _GRAMMARS:
        return None
    module, function = _GRAMMARS[language]
    try:
        tree_sitter = import_module("tree_sitter")
        grammar = getattr(import_module(module), function)()
        return tree_sitter.Parser(tree_sitter.Language(grammar))
    except (ImportError, AttributeError, ValueError):  # none, or one of another version
        return None


def _parsed(language: str, text: str) -> tuple[Symbol, ...] | None:
    parser = _parser(language)
    if parser is None:
        return None
    data = text.encode("utf-8", "replace")
    return tuple(_nodes(parser.parse(data).root_node, text.split("\n")))


def _nodes(root: Any, lines: list[str]) -> Iterator[Symbol]:
    """Definitions outside of functions; walked with a list, since a file may nest as deep as it likes."""
    waiting = [(root, 0)]
    while waiting:
        node, depth = waiting.pop()
        defines = node.type in _DEFINITIONS and not (depth and node.type == "variable_declarator")
        name = node.child_by_field_name("name") if defines else None
        if node.type == "impl_item":
            name = node.child_by_field_name("type")
        if name is not None:
            word = name.text.decode("utf-8", "replace")
            yield _symbol(word, node.start_point[0] + 1, node.end_point[0] + 1, depth, lines)
            depth += 1
        if depth < 3:
            waiting += [(child, depth) for child in reversed(node.children) if child.type not in _BODIES]


# --- words ---

_DEFINING = re.compile(
    r"^(?P<indent>[ \t]*)(?:(?:export|default|public|private|protected|internal|static|final|abstract|async"
    r"|pub(?:\([a-z ]+\))?|unsafe|extern|override|open|sealed|data|inline|virtual|partial)\s+)*"
    r"(?:(?:def|class|function\*?|fun|func|fn|struct|enum|trait|interface|impl|type|module|object|record|protocol"
    r"|namespace)\s+(?:\([^)]*\)\s*)?(?:self\.)?(?P<name>[A-Za-z_$][\w$]*)"
    r"|(?:const|let|var|val|static)\s+(?P<value>[A-Za-z_$][\w$]*)\s*(?::[^=]*)?=)"
    r"|^(?P<deeper>[ \t]*)(?:(?:public|private|protected|static|final|abstract|override|synchronized)\s+)+"
    r"(?:[\w<>\[\],.?]+\s+)*(?P<method>[A-Za-z_$][\w$]*)\s*\(",
    re.MULTILINE,
)


def _by_words(text: str) -> Iterator[Symbol]:
    lines = text.split("\n")
    found = []
    for number, line in enumerate(lines, 1):
        if match := _DEFINING.match(line[:400]):
            indent = match["indent"] or match["deeper"] or ""
            name = match["name"] or match["value"] or match["method"]
            if match["value"] and indent:
                continue  # a local one
            width = len(indent.expandtabs(4))
            found.append((name, number, min(width // 4 + bool(width % 4), 3)))
    for (name, number, depth), after in zip(found, [*found[1:], ("", len(lines) + 1, 0)], strict=True):
        yield _symbol(name, number, max(number, after[1] - 1), depth, lines)


# --- imports ---

_PYTHON_IMPORT = re.compile(
    r"^\s*(?:from\s+(?P<dots>\.*)(?P<module>[\w.]*)\s+import\s+(?P<names>\([^)]*\)|[^\n#]+)"
    r"|import\s+(?P<plain>[\w., \t]+))",
    re.MULTILINE,
)
_SCRIPT_IMPORT = re.compile(
    r"(?:\bfrom\s*|\bimport\s*\(?\s*|\brequire\s*\(\s*)[\"'](?P<module>[^\"'\n]{1,200})[\"']"
)
_GO_IMPORT = re.compile(r"^\s*(?:import\s+)?(?:[\w.]+\s+)?\"(?P<module>[\w./~-]{1,200})\"\s*$", re.MULTILINE)
_JAVA_IMPORT = re.compile(r"^\s*import\s+(?:static\s+)?(?P<module>[\w.]+?)(?:\.\*)?\s*;?\s*$", re.MULTILINE)
_RUST_IMPORT = re.compile(
    r"^\s*(?:pub\s+)?(?:use\s+(?P<module>[\w:]+)|mod\s+(?P<child>\w+)\s*;)", re.MULTILINE
)
_SCRIPT_ENDS = ("", ".ts", ".tsx", ".js", ".jsx", ".mjs", ".cjs", "/index.ts", "/index.tsx", "/index.js")


def imports_in(path: str, text: str, known: Paths) -> tuple[str, ...]:
    """The tree's files that a file imports, as far as their names tell; never itself."""
    language = language_of(path)
    text = text[:MAX_CHARACTERS]
    if language == "python":
        found = _python_imports(path, text, known)
    elif language in ("javascript", "typescript", "tsx"):
        found = _script_imports(path, text, known)
    elif language == "go":
        modules = (match["module"] for match in _GO_IMPORT.finditer(text))
        found = (it for module in modules for it in known.in_folder(module, ".go"))
    elif language == "java" or path.endswith((".kt", ".scala")):
        modules = (match["module"].replace(".", "/") for match in _JAVA_IMPORT.finditer(text))
        found = (it for module in modules for it in known.ending(f"{module}{posixpath.splitext(path)[1]}"))
    elif language == "rust":
        found = _rust_imports(path, text, known)
    else:
        found = iter(())
    return tuple(it for it in dict.fromkeys(found) if it != path)


class Paths:
    """A tree's paths, looked up by how they end."""

    def __init__(self, paths: Iterable[str]) -> None:
        self.all = frozenset(paths)
        self._by_name: dict[str, list[str]] = {}
        self._by_folder: dict[str, list[str]] = {}
        for path in sorted(self.all):
            folder, _, name = path.rpartition("/")
            self._by_name.setdefault(name, []).append(path)
            self._by_folder.setdefault(folder.rpartition("/")[2], []).append(path)

    def tail_of(self, told: str) -> str:
        """The tree's file that a longer or shorter path means, as a traceback gives it; empty for none."""
        parts = told.replace("\\", "/").split("/")
        whole = next((it for at in range(len(parts)) if (it := "/".join(parts[at:])) in self.all), "")
        return whole or (found[0] if len(found := self.ending(told.strip("./"))) == 1 else "")

    def ending(self, end: str) -> list[str]:
        """The paths whose last parts are these; none where that is a name of many."""
        found = self._by_name.get(end.rpartition("/")[2], [])
        fitting = [path for path in found if f"/{path}".endswith(f"/{end}")]
        return fitting if len(fitting) <= 3 else []

    def in_folder(self, module: str, suffix: str) -> list[str]:
        """Files of a folder that an import's last parts name, at least two of them or the one there is."""
        found = [it for it in self._by_folder.get(module.rpartition("/")[2], []) if it.endswith(suffix)]
        return [it for it in found if f"/{module}".endswith(f"/{posixpath.dirname(it)}")][:8]


def _python_imports(path: str, text: str, known: Paths) -> Iterator[str]:
    for match in _PYTHON_IMPORT.finditer(text):
        if match["plain"] is not None:
            modules = [part.split()[0] for part in match["plain"].split(",") if part.split()]
        else:
            names = re.findall(r"\w+", re.sub(r"\bas\s+\w+", "", match["names"]))
            base = match["module"]
            modules = [base, *(f"{base}.{name}".strip(".") for name in names[:20])]
        dots = len(match["dots"] or "")
        for module in modules:
            yield from _python_module(path, module, dots, known)


def _python_module(path: str, module: str, dots: int, known: Paths) -> Iterator[str]:
    tail = module.replace(".", "/")
    if dots:
        folder = posixpath.dirname(path)
        for _ in range(dots - 1):
            folder = posixpath.dirname(folder)
        ends = (f"{tail}.py", f"{tail}/__init__.py") if tail else ("__init__.py",)
        yield from (it for end in ends if (it := posixpath.join(folder, end)) in known.all)
    elif tail:
        yield from known.ending(f"{tail}.py")
        yield from known.ending(f"{tail}/__init__.py")


def _script_imports(path: str, text: str, known: Paths) -> Iterator[str]:
    for match in _SCRIPT_IMPORT.finditer(text):
        module = match["module"]
        if not module.startswith("."):
            continue
        target = posixpath.normpath(posixpath.join(posixpath.dirname(path), module))
        bare = re.sub(r"\.[cm]?jsx?$", "", target)  # TypeScript names the file that it will become
        yield from (it for base in (target, bare) for end in _SCRIPT_ENDS if (it := base + end) in known.all)


def _rust_imports(path: str, text: str, known: Paths) -> Iterator[str]:
    folder = posixpath.dirname(path)
    for match in _RUST_IMPORT.finditer(text):
        if child := match["child"]:
            ends = (f"{child}.rs", f"{child}/mod.rs")
            yield from (it for end in ends if (it := posixpath.join(folder, end)) in known.all)
            continue
        parts = [part for part in match["module"].split("::") if part not in ("crate", "self", "super", "")]
        for size in range(len(parts), 0, -1):
            if found := known.ending(f"{'/'.join(parts[:size])}.rs"):
                yield from found
                break
