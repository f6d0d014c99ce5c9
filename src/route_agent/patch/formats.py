"""From a reply to edits: what does this text ask for? Pure, and total: any text gives edits or `BadPatch`.

Each format is one function from the reply's lines to the edits it recognises there; the reply is read by the
first that finds any. What a header says of line numbers and counts is kept as a hint and never trusted.
"""

from __future__ import annotations

import difflib
import html
import json
import re
from dataclasses import replace
from typing import TYPE_CHECKING, Any

from route_agent.errors import BadPatch
from route_agent.records.change import ADDED, CONTEXT, REMOVED, UNMARKED, Edit, Hunk

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

MAX_REPLY_CHARACTERS = 4_000_000

Spanned = tuple[Edit, int, int]  # an edit, and from which line of the reply to which it was read

_FENCE = re.compile(r"^\s*(```|~~~)")
_HEADER = re.compile(r"^@@(?: -(\d{1,9})(?:,(\d{1,9}))? \+(\d{1,9})(?:,(\d{1,9}))?(?!\d)(?: @@)?)?(.*)$")
_DATE = re.compile(r"\s\d{4}-\d\d-\d\d[ T]")
MAX_JSON_STARTS = 100
MAX_PATH_CHARACTERS = 4_096
MAX_HUNKS = 5_000
_OLD_FILE = re.compile(r"^--- (?P<path>\S.*)$")
_NEW_FILE = re.compile(r"^\+\+\+ (?P<path>\S.*)$")
_GIT_FILE = re.compile(r'^diff --git (?P<old>"?a/.*?"?) (?P<new>"?b/.*"?)$')
_SEARCH = re.compile(r"^<{5,9} ?(?:SEARCH|ORIGINAL|HEAD)\b:?(?:\s*(?P<path>\S+))?\s*$")
_DIVIDER = re.compile(r"^={5,9}\s*$")
_REPLACE = re.compile(r"^>{5,9} ?(?:REPLACE|UPDATED?)\b.*$")
_V4A_FILE = re.compile(r"^\*\*\* (?P<what>Add|Update|Delete) File: (?P<path>.+?)\s*$")
_V4A_MOVE = re.compile(r"^\*\*\* Move to: (?P<path>.+?)\s*$")
_SIGNATURE = re.compile(r"^-- ?$")
_ENTITY = re.compile(r"&(?:lt|gt|amp|quot|#39|#x27|apos);")
_DIFF_TAG = re.compile(r"^\s*</?(?:patch|diff|answer|output|code|solution|response)>\s*$", re.IGNORECASE)


# --- unified and git diffs ---------------------------------------------------------------------------------


def unified(lines: list[str]) -> Iterator[Spanned]:
    """Unified and git diffs, fenced or not, whole or in pieces, with prose around them."""
    position, begin, git = 0, 0, Edit("")
    while position < len(lines):
        line = lines[position]
        if header := _GIT_FILE.match(line):
            if git.path:
                yield git, begin, position
            begin = position
            git, position = _git_header(lines, position, header)
            if git.content == "" and position >= len(lines):
                raise BadPatch(f"{git.path}: the reply ends before the new file's lines")
            continue
        if _starts_file(lines, position):
            start = position
            old = _clean(line.removeprefix("--- "), "a/")
            new = _clean(lines[position + 1].removeprefix("+++ "), "b/")
            hunks, position = _hunks(lines, position + 2)
            if git.path and not {old, new} & {git.path, git.source}:  # a header without hunks stood before it
                yield git, begin, start
                git = Edit("")
            yield _edit(old, new, hunks, git), begin if git.path else start, position
            git = Edit("")
            continue
        position += 1
    if git.path:
        yield git, begin, begin + 1


def _starts_file(lines: list[str], position: int) -> bool:
    return bool(
        position + 1 < len(lines)
        and _OLD_FILE.match(lines[position])
        and _NEW_FILE.match(lines[position + 1])
    )


def _git_header(lines: list[str], position: int, header: re.Match[str]) -> tuple[Edit, int]:
    """What stands between `diff --git` and the first `---`: modes, renames, binary marks."""
    edit = Edit(_clean(header["new"], "b/"))
    position += 1
    while position < len(lines):
        word, _, rest = lines[position].partition(" ")
        if lines[position].startswith(("new file mode ", "new mode ")):
            edit = replace(edit, mode=rest.rsplit(" ", 1)[-1].strip())
            if word == "new" and rest.startswith("file"):
                edit = replace(edit, content="")
        elif lines[position].startswith("deleted file mode "):
            edit = replace(edit, delete=True, mode=rest.rsplit(" ", 1)[-1].strip())
        elif lines[position].startswith(("rename from ", "copy from ")):
            edit = replace(edit, source=rest[5:].strip(), moved=True, keep_source=word == "copy")
        elif lines[position].startswith(("rename to ", "copy to ")):
            edit = replace(edit, path=rest[3:].strip())
        elif lines[position].startswith(("GIT binary patch", "Binary files ")):
            edit = replace(edit, binary=True)
        elif not lines[position].startswith(("index ", "old mode ", "similarity ", "dissimilarity ")):
            break
        position += 1
    return edit, position


def _edit(old: str, new: str, hunks: tuple[Hunk, ...], git: Edit) -> Edit:
    if new == "/dev/null":
        return replace(git, path=old, delete=True, content=None, hunks=hunks)
    if old == "/dev/null":
        text = "".join(f"{line}\n" for hunk in hunks for line in _new_lines(hunk, new))
        if hunks and hunks[-1].final_newline is False:
            text = text.removesuffix("\n")
        open_end = bool(hunks and hunks[-1].open_end and min(hunks[-1].missing[1], 1) > 0)
        if open_end:
            raise BadPatch(f"{new}: the reply ends in the middle of the new file")
        return replace(git, path=new, content=text)
    if not hunks and not git.path:
        raise BadPatch(f"the diff of {new} has no hunks")
    source = git.source or (old if old != new else None)
    return replace(git, path=new, hunks=hunks, source=source, content=None)


def _new_lines(hunk: Hunk, path: str) -> tuple[str, ...]:
    """What a hunk writes into a new file; what stands behind its last added line is talk."""
    last = max((at for at, (mark, _) in enumerate(hunk.lines) if mark == ADDED), default=len(hunk.lines) - 1)
    kept = [(mark, text) for mark, text in hunk.lines[: last + 1] if mark != REMOVED]
    announced = hunk.missing[1] + len(hunk.new) if hunk.line or any(hunk.missing) else len(kept)
    if len(hunk.added) == announced:
        return hunk.added
    if any(mark == UNMARKED and text.strip() for mark, text in kept) and len(kept) != announced:
        raise BadPatch(f"{path}: lines without a mark stand between those of the new file")
    return tuple(text for _, text in kept)


def _clean(path: str, prefix: str) -> str:
    path = path.split("\t", 1)[0].strip()
    if date := _DATE.search(path):
        path = path[: date.start()].rstrip()
    if len(path) > 1 and path[0] == path[-1] == '"':
        path = _unquoted(path[1:-1])
    return path.removeprefix(prefix)


def _unquoted(text: str) -> str:
    """Undo git's quoting of a name: octal bytes and backslash letters."""
    raw = re.sub(
        rb"\\([0-7]{3}|.)",
        lambda match: (
            bytes([int(match[1], 8) & 255]) if match[1].isdigit() else _ESCAPES.get(match[1], match[1])
        ),
        text.encode("utf-8", "surrogatepass"),
    )
    return raw.decode("utf-8", "surrogateescape")


_ESCAPES = {b"n": b"\n", b"t": b"\t", b"r": b"\r"}


def _hunks(lines: list[str], position: int) -> tuple[tuple[Hunk, ...], int]:
    hunks: list[Hunk] = []
    while position < len(lines):
        line = lines[position]
        if line.startswith("@@"):
            hunk, position = _hunk(lines, position)
            if hunk.lines:
                hunks.append(hunk)
        elif _FENCE.match(line) or _DIFF_TAG.match(line) or not line.strip():
            if not _goes_on(lines, position):
                break
            position += 1
        else:
            break
    return tuple(hunks), position


def _goes_on(lines: list[str], position: int) -> bool:
    """Whether another hunk of the same file follows behind fences and blank lines."""
    for line in lines[position:]:
        if line.startswith("@@"):
            return True
        if line.strip() and not _FENCE.match(line) and not _DIFF_TAG.match(line):
            return False
    return False


def _hunk(lines: list[str], position: int) -> tuple[Hunk, int]:
    header = _HEADER.match(lines[position])
    position += 1
    body: list[tuple[str, str]] = []
    last = ""
    final_newline: bool | None = None
    while position < len(lines):
        if _ends_hunk(lines, position) and not _is_counted(header, body, lines, position):
            break
        line = lines[position]
        mark = line[:1]
        if mark == "\\":
            final_newline = last == REMOVED
        elif mark in (ADDED, REMOVED, CONTEXT) and mark:
            body.append((mark, line[1:]))
        else:
            body.append((UNMARKED, line))
        last = body[-1][0] if body else ""
        position += 1
    at_end = position >= len(lines)
    if at_end and body and _DIFF_TAG.match(body[-1][1]) and body[-1][0] != ADDED:
        body.pop()  # a closing tag that got a blank in front
        at_end = False
    while body and body[-1][0] == UNMARKED and not body[-1][1].strip():
        body.pop()
        at_end = False
    return _with_hints(header, tuple(body), open_end=at_end, final_newline=final_newline), position


def _is_counted(
    header: re.Match[str] | None, body: list[tuple[str, str]], lines: list[str], position: int
) -> bool:
    """Whether what looks like a header of a file is a removed and an added line that the hunk counts."""
    if header is None or header[1] is None or not _starts_file(lines, position):
        return False
    if position + 2 < len(lines) and lines[position + 2].startswith("@@"):
        return False
    old = sum(mark != ADDED for mark, _ in body)
    new = sum(mark != REMOVED for mark, _ in body)
    return old < int(header[2] or 1) and new < int(header[4] or 1)


def _with_hints(
    header: re.Match[str] | None,
    body: tuple[tuple[str, str], ...],
    *,
    open_end: bool,
    final_newline: bool | None,
) -> Hunk:
    hunk = Hunk(body, open_end=open_end, final_newline=final_newline)
    if header is None:
        return hunk
    heading = (header[5] or "").strip().removeprefix("@@").strip()
    if header[1] is None:
        return replace(hunk, heading=heading)
    announced_old, announced_new = int(header[2] or 1), int(header[4] or 1)
    missing = (announced_old - len(hunk.old), announced_new - len(hunk.new))
    return replace(hunk, line=int(header[1]), missing=missing, heading=heading)


def _ends_hunk(lines: list[str], position: int) -> bool:
    line = lines[position]
    if line.startswith(
        ("@@", "diff --git ", "*** End", "*** Update File", "*** Add File", "*** Delete File")
    ):
        return True
    if _FENCE.match(line) and line[:1] not in " +-":
        return True
    if _DIFF_TAG.match(line) and line[:1] not in "+-" and not line.startswith(" "):
        return True
    if _SIGNATURE.match(line) and position + 1 < len(lines) and re.match(r"^\d+\.\d+", lines[position + 1]):
        return True
    return _starts_file(lines, position)


# --- search and replace ------------------------------------------------------------------------------------


def search_replace(lines: list[str]) -> Iterator[Spanned]:
    """A line with the path, then SEARCH, divider and REPLACE markers; an empty search makes a new file."""
    position, path = 0, ""
    while position < len(lines):
        start = _SEARCH.match(lines[position])
        if not start:
            position += 1
            continue
        own = start["path"] or _path_above(lines, position) or _path_in_talk(lines, position)
        path = own or path
        end = _end_of_block(lines, position)
        divider = _divider(lines, position, end)
        if not path:
            raise BadPatch(f"the SEARCH block in line {position + 1} of the reply has no file path above it")
        old, new = lines[position + 1 : divider], lines[divider + 1 : end]
        yield replacement(path, old, new), position, end + 1
        position = end + 1


def _divider(lines: list[str], start: int, end: int) -> int:
    """The one divider of a block: as long as the marker above, since a heading may be underlined alike."""
    length = len(lines[start]) - len(lines[start].lstrip("<"))
    found = [at for at in range(start + 1, end) if _DIVIDER.match(lines[at])]
    exact = [at for at in found if lines[at].strip() == "=" * length]
    if len(exact or found) != 1:
        told = "several dividers" if found else "no divider"
        raise BadPatch(f"the SEARCH block in line {start + 1} of the reply has {told} (=======)")
    return (exact or found)[0]


def _path_in_talk(lines: list[str], position: int) -> str:
    """The one path in back quotes in the talk right above a block, as in: And in `b.py`, change this."""
    for line in reversed(lines[max(0, position - 4) : position]):
        if line.strip() and not _FENCE.match(line):
            names = [name for name in re.findall(r"`([^`\s]{1,300})`", line) if _as_path(name)]
            if len(names) > 1:
                raise BadPatch(f"the SEARCH block in line {position + 1} of the reply may mean several files")
            return names[0] if names and not _REPLACE.match(line) else ""
    return ""


def replacement(path: str, old: list[str], new: list[str]) -> Edit:
    """An edit that puts lines in the place of others, or makes a file where there are none to find."""
    if not any(line.strip() for line in old):
        return Edit(path, content="".join(f"{line}\n" for line in new))
    return Edit(path, hunks=(Hunk(tuple(_marked(old, new))),))


def _marked(old: list[str], new: list[str]) -> Iterator[tuple[str, str]]:
    """Two blocks of lines as one hunk, so that one way of placing serves all formats."""
    for tag, i1, i2, j1, j2 in difflib.SequenceMatcher(None, old, new, autojunk=False).get_opcodes():
        if tag == "equal":
            yield from ((CONTEXT, line) for line in old[i1:i2])
        else:
            yield from ((REMOVED, line) for line in old[i1:i2])
            yield from ((ADDED, line) for line in new[j1:j2])


def _end_of_block(lines: list[str], start: int) -> int:
    for position in range(start + 1, len(lines)):
        if _REPLACE.match(lines[position]):
            return position
        if _SEARCH.match(lines[position]):
            break
    raise BadPatch(f"the SEARCH block in line {start + 1} of the reply has no end: was it cut off?")


def _path_above(lines: list[str], position: int) -> str:
    for line in reversed(lines[max(0, position - 4) : position]):
        name = _as_path(line)
        if name:
            return name
        if line.strip() and not _FENCE.match(line):
            return ""
    return ""


# a tag that names a file, as in: <file path="src/a.py">
_FILE_TAG = re.compile(
    r"""^\s*<\w{1,20}\s(?:[^<>]{0,200}\s)?(?:path|file|name|filename)=["']([^"'<>]{1,300})["'][^<>]{0,200}>\s*$"""
)
_TAG_BEFORE = re.compile(r"^\s*<(?:pre|code|patch|diff)>(?=--- |diff --git |\*\*\* Begin)")

# files that have a name without a dot in it
_PLAIN_NAMES = frozenset(
    {
        "Makefile",
        "GNUmakefile",
        "Dockerfile",
        "Containerfile",
        "LICENSE",
        "Procfile",
        "Gemfile",
        "Rakefile",
        "CODEOWNERS",
    }
)


def _as_path(line: str) -> str:
    """The path that a line consists of, with the decoration that models put around one; else empty."""
    fence = re.match(r"^\s*(?:```|~~~)\s*\w*[ :]+(\S+)\s*$", line)
    tag = _FILE_TAG.match(line)
    name = fence[1] if fence else tag[1] if tag else line.strip().strip("`*#").strip()
    name = (
        re.sub(r"^(?:file(?:name|path)?|path)\s*:\s*", "", name, flags=re.IGNORECASE).strip().strip("`'\"*:")
    )
    last = name.rpartition("/")[2]
    named = (
        ("." in last and not name.endswith("."))
        or last in _PLAIN_NAMES
        or (f"`{name}`" in line and "/" in name)
    )
    looks = len(name) < 300 and " " not in name and named and re.search(r"\w", name)
    return name if looks and not _FENCE.match(name) else ""


# --- the "Begin Patch" format ------------------------------------------------------------------------------


def begin_patch(lines: list[str]) -> Iterator[Spanned]:
    """`*** Begin Patch` with Add, Update and Delete File sections; `@@` lines name what stands above."""
    if not any(_V4A_FILE.match(line) for line in lines):
        return
    begun, ended = (
        sum(line.startswith(mark) for line in lines) for mark in ("*** Begin Patch", "*** End Patch")
    )
    if begun > ended:
        raise BadPatch("the reply ends before its *** End Patch: was it cut off?")
    position = 0
    while position < len(lines):
        header = _V4A_FILE.match(lines[position])
        position += 1
        if not header:
            continue
        path, start = header["path"], position - 1
        if header["what"] == "Delete":
            yield Edit(path, delete=True), start, position
        elif header["what"] == "Add":
            body, position = _until_next_section(lines, position)
            yield Edit(path, content=_added_text(body)), start, position
        else:
            move = _V4A_MOVE.match(lines[position]) if position < len(lines) else None
            body, position = _until_next_section(lines, position + (1 if move else 0))
            hunks = tuple(_sections(body))
            edit = Edit(path, hunks=hunks)
            if move:
                edit = Edit(move["path"], hunks=hunks, source=path, moved=True)
            yield edit, start, position


def _added_text(body: list[str]) -> str:
    """A new file's text; behind its last marked line stands talk."""
    last = max((at for at, line in enumerate(body) if line.startswith("+")), default=len(body) - 1)
    return "".join(f"{line.removeprefix('+')}\n" for line in body[: last + 1])


def _until_next_section(lines: list[str], position: int) -> tuple[list[str], int]:
    body: list[str] = []
    while position < len(lines) and not (
        lines[position].startswith(("*** End Patch", "*** Begin Patch")) or _V4A_FILE.match(lines[position])
    ):
        if not _FENCE.match(lines[position]) and not lines[position].startswith("*** End of File"):
            body.append(lines[position])
        position += 1
    return body, position


def _sections(body: list[str]) -> Iterator[Hunk]:
    heading, collected = "", list[tuple[str, str]]()
    for line in body:
        if line.startswith("@@"):
            if collected:
                yield Hunk(tuple(collected), heading=heading)
                collected = []
            heading = line.removeprefix("@@").removesuffix("@@").strip()
        elif line[:1] in (ADDED, REMOVED, CONTEXT) and line:
            collected.append((line[0], line[1:]))
        else:
            collected.append((UNMARKED, line))
    while collected and collected[-1] == (UNMARKED, ""):
        collected.pop()
    if collected:
        yield Hunk(tuple(collected), heading=heading)


# --- JSON and whole files ----------------------------------------------------------------------------------

_PATH_KEYS = ("path", "file", "filename", "file_path", "filePath")
_OLD_KEYS = ("search", "old", "old_string", "old_str", "find", "before", "original")
_NEW_KEYS = ("replace", "new", "new_string", "new_str", "replacement", "after", "updated")


def json_edits(lines: list[str]) -> Iterator[Spanned]:
    """JSON lists of edits (or objects that hold one): path with search and replace, content or delete."""
    text = "\n".join(lines)
    if not any(f'"{key}"' in text for key in _PATH_KEYS):
        return
    start, broken = _next_bracket(text, 0), -1
    for _ in range(MAX_JSON_STARTS):
        if start < 0:
            return
        try:
            value, end = json.JSONDecoder().raw_decode(text, start)
        except (ValueError, RecursionError):
            if broken < 0 and _JSON_LIKE.match(text, start):
                broken = start
            start = _next_bracket(text, start + 1)
            continue
        found = list(_edits_in(value))
        if found and broken >= 0:
            raise BadPatch("the reply's JSON is broken or cut off, so some of its edits cannot be read")
        first, last = text.count("\n", 0, start), text.count("\n", 0, end) + 1
        yield from ((edit, first, last) for edit in found)
        start = _next_bracket(text, end)


_JSON_LIKE = re.compile(r'[\[{]\s*[\[{"]')


def _next_bracket(text: str, start: int) -> int:
    return min((at for at in (text.find("[", start), text.find("{", start)) if at >= 0), default=-1)


def _edits_in(value: Any, path: str = "") -> Iterator[Edit]:
    """The edits of a JSON value; an entry that names a file and cannot be read is refused with all others."""
    if isinstance(value, list):
        for item in value:
            yield from _edits_in(item, path)
        return
    if not isinstance(value, dict):
        return
    path = _first(value, _PATH_KEYS) or path
    old, new = _first(value, _OLD_KEYS), _first(value, _NEW_KEYS)
    inner = [
        item for item in value.values() if isinstance(item, list) and any(isinstance(it, dict) for it in item)
    ]
    if path and (value.get("delete") is True or value.get("action") == "delete"):
        yield Edit(path, delete=True)
    elif path and old is not None and new is not None:
        yield replacement(path, _split(old), _split(new))
    elif path and isinstance(value.get("content"), str):
        yield Edit(path, content=value["content"].replace("\r\n", "\n"), overwrite=True)
    elif inner:
        for item in inner:
            yield from _edits_in(item, path)
    elif path and len(value) > 1:
        raise BadPatch(f"an entry of the reply's JSON for {path} says neither what to find nor what to write")


def _first(item: dict[str, Any], keys: tuple[str, ...]) -> str | None:
    return next((item[key] for key in keys if isinstance(item.get(key), str)), None)


def _split(text: str) -> list[str]:
    lines = text.replace("\r\n", "\n").split("\n")
    return lines[:-1] if lines and not lines[-1] else lines


def whole_files(lines: list[str]) -> Iterator[Spanned]:
    """Fenced blocks under a line with nothing but a path, each a whole file."""
    position = 0
    while position < len(lines):
        if not _FENCE.match(lines[position]):
            position += 1
            continue
        info = re.match(r"^\s*(?:`{3,}|~{3,})\s*\w*[ :]+(\S+)\s*$", lines[position])
        path = (_as_path(lines[position]) if info else "") or _path_above(lines, position)
        close = _closing_fence(lines, position)
        if close < 0:
            if path:
                raise BadPatch(
                    f"{path}: the fence around the whole file is not closed; was the reply cut off?"
                )
            return
        if path:
            content = "".join(f"{line}\n" for line in lines[position + 1 : close])
            yield Edit(path, content=content, overwrite=True), position, close + 1
        position = close + 1


def _closing_fence(lines: list[str], start: int) -> int:
    """Where a fenced block ends: a fence at least as long, after as many inner ends as inner beginnings."""
    opening = lines[start].lstrip()
    fence = opening[: len(opening) - len(opening.lstrip(opening[0]))]
    inside = 0
    for position in range(start + 1, len(lines)):
        text = lines[position].strip()
        if not text.startswith(fence):
            continue
        if text.strip(fence[0]):  # a word behind it: another block begins in this one
            inside += 1
        elif inside:
            inside -= 1
        else:
            return position
    return -1


def tagged_files(lines: list[str]) -> Iterator[Spanned]:
    """Whole files between a tag that names them and its end, without a fence."""
    position = 0
    while position < len(lines):
        tag = _FILE_TAG.match(lines[position])
        name = _as_path(lines[position]) if tag else ""
        if not name:
            position += 1
            continue
        end = f"</{lines[position].strip()[1:].split()[0]}>"
        close = next((at for at in range(position + 1, len(lines)) if lines[at].strip() == end), -1)
        if close < 0:
            raise BadPatch(f"{name}: {end} is missing; was the reply cut off?")
        body = lines[position + 1 : close]
        if any(line.strip() for line in body) and not any(_FENCE.match(line) for line in body):
            content = "".join(f"{line}\n" for line in body)
            yield Edit(name, content=content, overwrite=True), position, close + 1
        position = close + 1


FORMATS: tuple[Callable[[list[str]], Iterator[Spanned]], ...] = (
    begin_patch,
    search_replace,
    unified,
    json_edits,
    whole_files,
    tagged_files,
)


def read_reply(reply: str) -> tuple[Edit, ...]:
    """The edits that a reply asks for.

    Raises:
        BadPatch: it holds none in a known form, or one that is cut off.
    """
    if len(reply) > MAX_REPLY_CHARACTERS:
        raise BadPatch(f"the reply is longer than {MAX_REPLY_CHARACTERS:,} characters")
    lines = [line.removesuffix("\r") for line in reply.removeprefix("\ufeff").split("\n")]
    lines = [_TAG_BEFORE.sub("", line) for line in lines]
    for text in (lines, _dedented(lines), _escaped_markers(lines)):
        if text and (edits := _read(text)):
            _refuse_excess(edits)
            return edits
    raise BadPatch("the reply holds no patch: expected a unified diff or SEARCH/REPLACE blocks")


def _read(lines: list[str]) -> tuple[Edit, ...]:
    """Every edit of the reply, in the order in which they stand there, whatever their formats.

    What looks like part of a patch and belongs to no edit is a refusal: half of a patch is none.
    """
    found: list[Spanned] = []
    rest = list(lines)
    for recognise in FORMATS:
        if found and recognise is json_edits:
            continue
        read = list(recognise(rest))
        if (
            recognise in (whole_files, tagged_files) and found
        ):  # blocks of files that are edited anyway only show them
            edited = {edit.path for edit, _, _ in found}
            read = [it for it in read if it[0].path not in edited and _is_whole(it, found)]
        for _, start, end in read:
            rest[start:end] = [""] * (end - start)
        found += read
    if found:
        for number, line in enumerate(rest, 1):
            if _ORPHAN.match(line):
                raise BadPatch(f"line {number} of the reply is part of a patch and of no file: {line[:80]!r}")
    return tuple(edit for edit, _, _ in sorted(found, key=lambda it: it[1]))


def _escaped_markers(lines: list[str]) -> list[str]:
    """The lines of a reply that was escaped as a whole, its own markers too; nothing where it was not."""
    if not any(line.lstrip().startswith(_ESCAPED_MARKERS) for line in lines):
        return []
    return [html.unescape(line) for line in lines]


_ESCAPED_MARKERS = ("&lt;&lt;&lt;&lt;&lt;", "&lt;file ", "&lt;edit ")


def _is_whole(block: Spanned, found: list[Spanned]) -> bool:
    """Whether a block is a file of its own, and not the fence around an edit that was read already."""
    edit, start, end = block
    if all(last <= start or first >= end for _, first, last in found):
        return True
    if (edit.content or "").strip():
        raise BadPatch(
            f"{edit.path}: it is not clear whether the block is the file, or the edits in it are meant"
        )
    return False


# the beginning of something that every format would have read, had it been whole and in its place
_ORPHAN = re.compile(
    r"^(?:@@ -\d+(?:,\d+)? \+\d+|--- (?:a/|/dev/null)|\+\+\+ (?:b/|/dev/null)"
    r"|\*\*\* (?:Update|Add|Delete) File:|<{5,9} ?SEARCH)"
)


def _refuse_excess(edits: tuple[Edit, ...]) -> None:
    if (count := sum(len(edit.hunks) for edit in edits)) > MAX_HUNKS:
        raise BadPatch(f"the reply has {count:,} hunks; at most {MAX_HUNKS:,} are placed")
    for path in (path for edit in edits for path in (edit.path, edit.source) if path):
        if len(path) > MAX_PATH_CHARACTERS:
            raise BadPatch(f"it names a path of {len(path):,} characters: {path[:60]!r} …")


def _dedented(lines: list[str]) -> list[str]:
    """The lines with the indentation of a quoted or listed diff taken off; nothing where there is none."""
    for line in lines:
        if found := re.match(r"^(\s+|> ?)(?:--- \S|diff --git |<{5,9} ?SEARCH|\*\*\* Begin Patch)", line):
            return [text.removeprefix(found[1]) for text in lines]
    return []


def has_entity(text: str) -> bool:
    """Whether a text holds one of the entities that HTML escaping makes."""
    return bool(_ENTITY.search(text))


def unescaped(edits: tuple[Edit, ...]) -> tuple[Edit, ...] | None:
    """The edits with HTML entities resolved, if every special character in them is written as one."""
    texts = [text for edit in edits for hunk in edit.hunks for _, text in hunk.lines]
    texts += [edit.content for edit in edits if edit.content]
    whole = "\n".join(texts)
    if not _ENTITY.search(whole) or re.search(r"[<>]|&(?!(?:lt|gt|amp|quot|#39|#x27|apos);)", whole):
        return None
    return tuple(
        replace(
            edit,
            content=html.unescape(edit.content) if edit.content is not None else None,
            hunks=tuple(
                replace(hunk, lines=tuple((mark, html.unescape(text)) for mark, text in hunk.lines))
                for hunk in edit.hunks
            ),
        )
        for edit in edits
    )
