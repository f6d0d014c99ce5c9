"""Which files a model is shown, and how much of them. Pure: candidates in, a bounded selection out."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import TYPE_CHECKING

from route_agent.brief import named_symbols
from route_agent.redaction import PLACEHOLDER, find, redact
from route_agent.symbols import language_of, symbols_in

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping, Sequence

    from route_agent.symbols import Paths, Symbol

BYTES_PER_TOKEN = 3.5
MAX_FILE_BYTES = 60_000
FIRST_OF_A_DIFF = 4  # files of the diff that go before everything else; the rest goes after it
MOST_SHARING = 6
_MORE_OF_A_DIFF = 12
_LEAST = 400
_AROUND = 25  # lines shown before and after a line that matters
_LONGEST_SYMBOL = 120
_SOURCE = re.compile(
    r"\.(py|pyi|js|jsx|ts|tsx|mjs|go|rs|java|kt|rb|php|c|h|cc|cpp|hpp|cs|swift|scala|sh|sql|toml|cfg|ini|md)$"
)
_WORD = re.compile(r"[a-z]{3,}")
_CALLED = re.compile(r"\b([A-Za-z_]\w{2,})\s*\(")
_NO_NAMES = frozenset(
    {"def", "class", "for", "while", "return", "assert", "print", "len", "str", "int", "list", "dict", "set"}
    | {"range", "isinstance", "super", "open", "expect", "test", "describe", "function", "switch", "catch"}
    | {"assertEqual", "assertTrue", "raises", "tuple", "sorted", "type", "getattr", "not", "and", "with"}
)


@dataclass(frozen=True, slots=True)
class Shown:
    """One file as the model sees it; `cut` says that only parts of its `lines` are there."""

    path: str
    text: str
    cut: bool = False
    lines: int = 0


# --- what matters ---


def leading(*, touched: Sequence[str], named: Sequence[str], failing: Sequence[str]) -> list[str]:
    """The paths that matter most, in their order, each once.

    Args:
        touched: files of the diff; of a large diff most stand behind the others.
        named: files that the brief names, and those that define what it names.
        failing: files of failing tests, and those that their output points to.
    """
    first, rest = touched[:FIRST_OF_A_DIFF], touched[FIRST_OF_A_DIFF:]
    return list(dict.fromkeys([*first, *named, *failing, *rest[:_MORE_OF_A_DIFF]]))


def by_words(brief: str, paths: Iterable[str]) -> list[str]:
    """Source files whose paths share words with the brief, those with the most first."""
    words = set(_WORD.findall(brief.casefold()))
    scored = [
        (len(words & set(_WORD.findall(path.casefold()))), path) for path in paths if _SOURCE.search(path)
    ]
    ranked = sorted(scored, key=lambda it: (-it[0], len(it[1]), it[1]))
    return [path for score, path in ranked if score]


_POINTERS = (
    re.compile(r'File "(?P<path>[^"\n]{1,300})", line (?P<line>\d{1,7})'),
    re.compile(r"(?<![\w/.@+-])(?P<path>[\w@+./\\-]{1,300}\.[A-Za-z]\w{0,5}):(?P<line>\d{1,7})\b"),
    re.compile(r"(?<![\w/.@+-])(?P<path>[\w@+./\\-]{1,300}\.[A-Za-z]\w{0,5})\((?P<line>\d{1,7}),\d+\)"),
)
_MOST_POINTERS = 40


def places_in(output: str, known: Paths) -> dict[str, list[int]]:
    """The lines of the tree's files that a check's output points to, as tracebacks and compilers do."""
    found: dict[str, list[int]] = {}
    count = 0
    for pattern in _POINTERS:
        for match in pattern.finditer(output):
            path, line = known.tail_of(match["path"]), int(match["line"])
            if path and line and line not in found.setdefault(path, []):
                found[path].append(line)
                count += 1
            if count >= _MOST_POINTERS:
                return found
    return found


def names_used(text: str) -> list[str]:
    """Names that a piece of code calls, in their order: what they are defined as may matter."""
    return [name for name in dict.fromkeys(_CALLED.findall(text)) if name not in _NO_NAMES]


_COMMON = frozenset(
    {
        "must",
        "should",
        "with",
        "when",
        "that",
        "this",
        "from",
        "into",
        "where",
        "which",
        "instead",
        "does",
        "have",
    }
    | {
        "make",
        "again",
        "than",
        "then",
        "there",
        "their",
        "what",
        "file",
        "files",
        "code",
        "function",
        "return",
    }
)


def words_said(brief: str) -> list[str]:
    """The words of a brief that may say what it is about, the longest first: they are the rarest."""
    words = dict.fromkeys(re.findall(r"[a-z]{4,}", brief.casefold()))
    return sorted((word for word in words if word not in _COMMON), key=lambda word: -len(word))


_DOTTED = re.compile(r"`([A-Za-z_]\w*(?:(?:\.|::|#|->)[A-Za-z_]\w*)*)(?:\([^`\n]*\))?`")


def names_said(brief: str) -> list[str]:
    """Names of code in a brief: those that look like it, and the parts of what stands in backticks."""
    quoted = [part for told in _DOTTED.findall(brief) for part in re.findall(r"\w+", told)]
    return list(dict.fromkeys([*quoted, *named_symbols(brief)]))


_HUNK = re.compile(r"^@@ -\d+(?:,\d+)? \+(\d+)(?:,(\d+))? @@", re.MULTILINE)
_NEW_NAME = re.compile(r"^\+\+\+ b/(.+)$", re.MULTILINE)


def changed_lines(diff: str) -> dict[str, list[int]]:
    """Where each file of a diff changes, as lines of the new side; one for each hunk."""
    found: dict[str, list[int]] = {}
    for piece in re.split(r"^(?=diff --git )", diff, flags=re.MULTILINE):
        if name := _NEW_NAME.search(piece):
            middles = [int(it[1]) + int(it[2] or 1) // 2 for it in _HUNK.finditer(piece)]
            found[name[1].strip('"')] = middles
    return found


# --- how much of it ---


def visible_lines(text: str) -> list[str]:
    """A file's lines as they may be shown, as many as it has: of a secret of several lines none is there."""
    shown, done = [], 0
    for secret in find(text):
        instead = PLACEHOLDER.format(secret.kind)
        lines = text.count("\n", secret.start, secret.end) + 1
        shown += [text[done : secret.start], "\n".join([instead] * lines)]
        done = secret.end
    return "".join([*shown, text[done:]]).split("\n")


def select(
    order: Sequence[str],
    read: Callable[[str], bytes | None],
    budget_bytes: int,
    points: Mapping[str, Sequence[int]] | None = None,
    *,
    leading: int = 1,
) -> tuple[Shown, ...]:
    """Files in their order until the budget is used up, large ones in parts; binary ones are passed over.

    Args:
        order: paths, the most wanted first.
        read: a path's bytes at start.
        budget_bytes: how much may be shown, titles not counted.
        points: lines that matter, the most important first.
        leading: how many of the paths matter most: no large one of them takes the others' room.
    """
    left = budget_bytes
    shown: list[Shown] = []
    for at, path in enumerate(order):
        if left < _LEAST:
            break
        data = read(path)
        if data is None or b"\0" in data:
            continue
        others = min(max(leading - at, 1), MOST_SHARING) - 1
        allowed = max(left * 2 // (3 + others), min(left, 4_000))
        one = _one(path, data.decode("utf-8", "replace"), allowed, (points or {}).get(path, ()))
        if one is None:
            continue
        shown.append(one)
        left -= size(one.text) + size(one.path) + 60  # its title and markers
    return tuple(shown)


def size(text: str) -> int:
    """Bytes as they are sent."""
    return len(text.encode("utf-8", "replace"))


def _one(path: str, text: str, allowed: int, points: Sequence[int]) -> Shown | None:
    allowed = min(allowed, MAX_FILE_BYTES)
    if len(text) <= allowed and size(whole := redact(text)) <= allowed:
        return Shown(path, whole, lines=whole.count("\n") + 1)
    if allowed < 2_000 and not points:
        return None  # too little of it to be of use; a smaller file may follow
    lines = visible_lines(text)
    return Shown(path, _parts(path, text, lines, points, allowed), cut=True, lines=len(lines))


def _parts(path: str, text: str, lines: list[str], points: Sequence[int], allowed: int) -> str:
    """A large file's outline, and what stands around the lines that matter; else its beginning."""
    symbols = symbols_in(path, text) if language_of(path) else ()
    outline = _outline(symbols, allowed // 4)
    chosen = _chosen(lines, symbols, points or (1,), allowed - size(outline) - 100)
    told = [outline] if outline else []
    last = 0
    for first, end in _runs(chosen):
        if first > last + 1:
            told.append(f"… lines {last + 1}-{first - 1} left out …")
        told += [_short(line) for line in lines[first - 1 : end]]
        last = end
    if last < len(lines):
        told.append(f"… lines {last + 1}-{len(lines)} left out …")
    return "\n".join(told)


def _outline(symbols: Sequence[Symbol], allowed: int) -> str:
    if not symbols:
        return ""
    left = allowed - 40
    told: dict[int, str] = {}
    # what is longer than a line says more about a file than its constants, the outer more than the inner
    for it in sorted(symbols, key=lambda it: (it.depth > 0, it.last == it.line, it.depth, it.line)):
        line = redact(f"{it.line:>6} {'  ' * it.depth}{_short(it.text, 100)}")
        if (left := left - size(line) - 1) < 0:
            break
        told[it.line] = line
    return "\n".join(["What it defines, by line:", *(told[line] for line in sorted(told)), ""])


def _chosen(
    lines: list[str], symbols: Sequence[Symbol], points: Sequence[int], allowed: int
) -> frozenset[int]:
    """The lines that are shown, the most important windows first, and more of each as long as it fits."""
    chosen: set[int] = set()
    for around in (_AROUND, _AROUND * 4, len(lines)):
        for point in points:
            if not 1 <= point <= len(lines):
                continue
            first, last = max(1, point - around), min(len(lines), point + around)
            for it in symbols:
                if it.line <= point <= it.last and it.last - it.line < _LONGEST_SYMBOL:
                    first, last = min(first, it.line), max(last, it.last)
            # outwards from the line itself, so that what is cut is the farthest
            for line in sorted(range(first, last + 1), key=lambda it: abs(it - point)):
                if line in chosen:
                    continue
                allowed -= size(_short(lines[line - 1])) + 1
                if allowed < 0:
                    return frozenset(chosen)
                chosen.add(line)
    return frozenset(chosen)


def _runs(lines: Iterable[int]) -> list[tuple[int, int]]:
    """Neighbouring lines as first and last."""
    runs: list[tuple[int, int]] = []
    for line in sorted(lines):
        if runs and line == runs[-1][1] + 1:
            runs[-1] = (runs[-1][0], line)
        else:
            runs.append((line, line))
    return runs


def _short(line: str, most: int = 1_000) -> str:
    return line if len(line) <= most else f"{line[:most]} …"
