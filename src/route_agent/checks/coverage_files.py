"""Which lines were executed, from files that a check leaves behind: V8's, LCOV and Cobertura.

All of them come from code under test: hostile. No link is followed, sizes are bounded, nothing is executed or
fetched, and a file that is not understood measures nothing. They do not part the tests, so that they count
only where the whole check is green.
"""

from __future__ import annotations

import json
import posixpath
import shutil
from array import array
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import TYPE_CHECKING, Any
from urllib.parse import unquote, urlsplit

# entities are refused below, before any is expanded; nothing external is ever loaded by it
from xml.parsers import expat

from route_agent.checks.probe import read_regular
from route_agent.covering import language
from route_agent.lexical import continued_lines, spans

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

MAX_V8_BYTES = 256 * 1024 * 1024
MAX_V8_FILES = 5000
_SYNTAX = frozenset("{}()[];,")

Lines = dict[str, frozenset[int]]


# --- LCOV and Cobertura ---


def executed_lines(content: bytes, where: str, roots: Sequence[Path], sources: Mapping[str, bytes]) -> Lines:
    """The executed lines that an LCOV or Cobertura file tells; none where it is neither.

    Args:
        content: the file.
        where: its path relative to the tree. Relative paths in it are looked for in the folders above it, the
            nearest first.
        roots: where the tree stands or stood for commands.
        sources: the files that matter, by their paths relative to the tree.
    """
    hits = _Hits(where, roots, sources)
    is_xml = content.lstrip(b"\xef\xbb\xbf \t\r\n").startswith(b"<")
    return hits.lines() if (_read_cobertura if is_xml else _read_lcov)(content, hits) else {}


class _Hits:
    """Whether lines were hit, of the files that matter and the lines that they have."""

    def __init__(self, where: str, roots: Sequence[Path], sources: Mapping[str, bytes]) -> None:
        self._where = where
        self._roots = sorted({f"{form}/" for root in roots for form in (root, root.resolve())})
        self._sources = sources
        self._lengths = {path: source.count(b"\n") + 1 for path, source in sources.items()}
        self._found: dict[str, dict[int, bool]] = {}
        self._path: str | None = None

    def begin(self, *names: str) -> None:
        """What follows is about the first of these files that matters, if one does."""
        self._path = next((path for name in names if (path := self._in_tree(name))), None)
        if self._path:
            self._found.setdefault(self._path, {})

    def add(self, line: str | bytes, hits: str | bytes) -> None:
        """Take a line's number and how often it ran; what is no number is passed over."""
        with suppress(ValueError):
            number = int(line)
            if self._path and 0 < number <= self._lengths[self._path]:
                lines = self._found[self._path]
                lines[number] = lines.get(number, False) or int(hits) > 0

    def lines(self) -> Lines:
        for path, lines in self._found.items():
            if language(path) not in ("py", ""):
                _continue(lines, self._sources[path])
        return {
            path: frozenset(it for it, was_hit in mine.items() if was_hit)
            for path, mine in self._found.items()
        }

    def _in_tree(self, name: str) -> str | None:
        if name.startswith("/"):
            inner = [posixpath.normpath(name.removeprefix(it)) for it in self._roots if name.startswith(it)]
            return next((path for path in inner if path in self._sources), None)
        folder = posixpath.dirname(self._where)
        while True:
            path = posixpath.normpath(posixpath.join(folder, name))
            if path in self._sources or not folder:
                return path if path in self._sources else None
            folder = posixpath.dirname(folder)


def _continue(lines: dict[int, bool], source: bytes) -> None:
    """A line on which no statement begins is as the one that it belongs to, where nothing else is told."""
    for line in sorted(continued_lines(source.decode(errors="replace"))):
        if line not in lines and line - 1 in lines:
            lines[line] = lines[line - 1]


def _read_lcov(content: bytes, hits: _Hits) -> bool:
    for line in content.split(b"\n"):
        key, _, value = line.partition(b":")
        if key == b"SF":
            hits.begin(value.decode(errors="surrogateescape").strip())
        elif key == b"DA":
            number, _, count = value.partition(b",")
            hits.add(number, count.split(b",")[0])
    return True


def _read_cobertura(content: bytes, hits: _Hits) -> bool:
    reader = _Cobertura(hits)
    parser = expat.ParserCreate()
    parser.StartElementHandler = reader.start
    parser.EndElementHandler = reader.end
    parser.CharacterDataHandler = reader.text
    parser.EntityDeclHandler = _refuse
    parser.buffer_text = True
    try:
        parser.Parse(content, True)
    except (expat.ExpatError, ValueError, LookupError):
        return False
    return True


def _refuse(name: str, *_declared: object) -> None:
    raise ValueError(f"an entity is declared: {name}")


class _Cobertura:
    """`<class filename>` with its `<line number hits>`, and the `<source>` folders they are relative to."""

    def __init__(self, hits: _Hits) -> None:
        self._hits = hits
        self._folders: list[str] = []
        self._in_source = False

    def start(self, name: str, attributes: dict[str, str]) -> None:
        if name == "class":
            file = attributes.get("filename", "")
            folders = (folder.strip() for folder in self._folders[:20])
            self._hits.begin(*(posixpath.join(folder, file) for folder in folders), file)
        elif name == "line":
            self._hits.add(attributes.get("number", ""), attributes.get("hits", ""))
        elif name == "source":
            self._in_source = True
            self._folders.append("")

    def end(self, name: str) -> None:
        self._in_source = self._in_source and name != "source"
        if name == "class":
            self._hits.begin()

    def text(self, words: str) -> None:
        if self._in_source:
            self._folders[-1] += words


# --- V8 ---


@contextmanager
def v8_folder(results: Path, name: str) -> Iterator[Path]:
    """A folder for `NODE_V8_COVERAGE`, gone again at the end of the block."""
    folder = results / f"v8-{name}"
    try:
        yield folder
    finally:
        if folder.is_symlink():
            folder.unlink()
        shutil.rmtree(folder, ignore_errors=True)


def v8_lines(folder: Path, root: Path, sources: Mapping[str, bytes]) -> Lines:
    """The lines that Node executed wholly, by path; of several processes what any of them executed counts.

    A file that was compiled to something else before it ran is left out: its places are other ones.

    Args:
        folder: what `NODE_V8_COVERAGE` named.
        root: where Node found the tree.
        sources: the files that matter, as they stood when they ran.
    """
    texts = {path: text for path, source in sources.items() if (text := _utf16(source)) is not None}
    ran: dict[str, bytearray] = {}
    other: set[str] = set()
    for script, is_mapped in _scripts(folder, [posixpath.basename(path).encode() for path in texts]):
        path = _script_path(script.get("url"), root)
        if path not in texts:
            continue
        ranges = _ranges(script.get("functions"))
        if is_mapped or not any(start == 0 and end == len(texts[path]) for start, end, _ in ranges):
            other.add(path)
            continue
        mask = ran.setdefault(path, bytearray(len(texts[path])))
        for start, end in _executed_parts(ranges, len(mask)):
            mask[start:end] = b"\1" * (end - start)
    return {path: _whole_lines(texts[path], mask) for path, mask in ran.items() if path not in other}


def _utf16(source: bytes) -> str | None:
    """The text as V8 counts it: a character beyond 16 bits is two."""
    try:
        text = source.decode("utf-8-sig")
    except UnicodeDecodeError:
        return None
    if text.isascii() or max(text) <= "\uffff":
        return text
    return "".join(map(chr, array("H", text.encode("utf-16-le"))))


def _scripts(folder: Path, names: list[bytes]) -> Iterator[tuple[dict[str, Any], bool]]:
    """The scripts of every process, and whether each was made from another source."""
    if folder.is_symlink() or not folder.is_dir() or not names:
        return
    left = MAX_V8_BYTES
    for file in sorted(folder.iterdir())[:MAX_V8_FILES]:
        content = read_regular(file) or b""
        left -= len(content)
        if left < 0:
            return
        if not any(name in content for name in names):
            continue
        try:
            told = json.loads(content)
        except (ValueError, RecursionError):
            continue
        results = told.get("result") if isinstance(told, dict) else None
        maps = told.get("source-map-cache") if isinstance(told, dict) else None
        for script in results if isinstance(results, list) else ():
            if isinstance(script, dict):
                yield script, isinstance(maps, dict) and script.get("url") in maps


def _script_path(url: object, root: Path) -> str:
    if not isinstance(url, str) or not url.startswith("file://"):
        return ""
    with suppress(ValueError):
        path = unquote(urlsplit(url).path)
        for form in (root, root.resolve()):
            if path.startswith(f"{form}/"):
                return path.removeprefix(f"{form}/")
    return ""


def _ranges(functions: object) -> list[tuple[int, int, int]]:
    """Start, end and count of every range; of a function without counts of blocks only that it never ran."""
    found: list[tuple[int, int, int]] = []
    for function in functions if isinstance(functions, list) else ():
        match function:
            case {"ranges": [*ranges], "isBlockCoverage": bool(has_blocks)}:
                for it in ranges:
                    match it:
                        case {"startOffset": int(start), "endOffset": int(end), "count": int(count)}:
                            found.append((start, end, count if has_blocks else 0))
    return found


def _executed_parts(ranges: list[tuple[int, int, int]], length: int) -> Iterator[tuple[int, int]]:
    """The parts of a text whose innermost range has a count."""
    open_ranges: list[tuple[int, int]] = []
    at = 0

    def until(place: int) -> Iterator[tuple[int, int]]:
        nonlocal at
        while open_ranges and open_ranges[-1][0] <= place:
            end, count = open_ranges.pop()
            if count and at < end:
                yield at, end
            at = max(at, end)
        if open_ranges and open_ranges[-1][1] and at < place:
            yield at, place
        at = max(at, place)

    for start, end, count in sorted(ranges, key=lambda it: (it[0], -it[1])):
        if 0 <= start < end <= length:
            yield from until(start)
            open_ranges.append((end, count))
    yield from until(length)


def _whole_lines(text: str, ran: bytearray) -> frozenset[int]:
    """The lines of which every part that is neither comment nor bracket was executed."""
    whole: dict[int, bool] = {}
    for span in spans(text):
        if text[span.start : span.end] not in _SYNTAX:
            is_run = b"\0" not in ran[span.start : span.end]
            whole[span.line] = whole.get(span.line, True) and is_run
    return frozenset(line for line, is_run in whole.items() if is_run)
