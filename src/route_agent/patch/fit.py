"""From a reply to the files that it would write: parse, locate, all or nothing. Pure."""

from __future__ import annotations

import re
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from route_agent.errors import BadPatch, HostilePatch
from route_agent.patch.formats import has_entity, unescaped
from route_agent.patch.guard import judge_paths
from route_agent.patch.locate import apply_edit
from route_agent.patch.refusal import missing_file
from route_agent.patch.stages import STAGES
from route_agent.records.change import ADDED, CONTEXT, EXECUTABLE, REGULAR, REMOVED
from route_agent.redaction import has_placeholder, is_secret_name

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from route_agent.patch.stages import NamedStage
    from route_agent.records.change import Edit, Hunk


@dataclass(frozen=True, slots=True)
class Fitted:
    """What each touched file holds afterwards, None where it is removed; and the modes that change."""

    contents: dict[str, bytes | None]
    modes: dict[str, str]


def fit(edits: tuple[Edit, ...], files: Mapping[str, bytes], stages: Sequence[NamedStage] = STAGES) -> Fitted:
    """What the edits make of the files: all of them or none.

    Args:
        edits: as the reply asks for them, several of one file in their order.
        files: the tree's files by path; read only where an edit names them.
        stages: how a hunk's place is looked for, in this order.

    Raises:
        BadPatch: any edit has no home; then none is made.
        HostilePatch: an edit names a path, or asks for a kind of file, that no patch may have.
    """
    for edit in edits:
        _judge(edit, files)
        _refuse_half_characters(edit)
    escaped = unescaped(edits)
    if escaped is None:
        return _fit(edits, files, stages)
    readings = (escaped, edits) if _is_escaped(edits, files) else (edits, escaped)
    try:
        return _fit(readings[0], files, stages)
    except BadPatch:
        return _fit(readings[1], files, stages)


def _is_escaped(edits: tuple[Edit, ...], files: Mapping[str, bytes]) -> bool:
    """Whether entities in a reply are the reply's own and not the text's.

    Lines to find decide by themselves: they stand in the file in one of the two forms. Where only new lines
    have any, they are the reply's if the file writes such characters, and writes them plainly.
    """
    touched = [files[path] for edit in edits for path in (edit.path, edit.source) if path and path in files]
    text = b"\n".join(touched).decode("utf-8", "replace")
    told = [line for edit in edits for hunk in edit.hunks for line in hunk.old if has_entity(line)]
    if told:
        return not any(line.strip() in text for line in told)
    return bool(re.search("[<>&]", text)) and not has_entity(text)


def _judge(edit: Edit, files: Mapping[str, bytes]) -> None:
    judge_paths(path.removeprefix("./") for path in (edit.path, edit.source) if path)
    if edit.mode and edit.mode not in (REGULAR, EXECUTABLE):
        what = {"160000": "a submodule", "120000": "a link"}.get(edit.mode, f"the file mode {edit.mode}")
        raise HostilePatch(f"patch refused: it makes {edit.path!r} {what}. Nothing was applied")
    if edit.binary:
        raise HostilePatch(f"patch refused: {edit.path!r} is binary. Nothing was applied")
    source = edit.source.removeprefix("./") if edit.moved and edit.source else ""
    if source in files and is_secret_name(source) and not is_secret_name(edit.path):
        raise HostilePatch(
            f"patch refused: it gives {edit.source!r}, which holds secrets, the name {edit.path!r}. "
            "Nothing was applied"
        )


def _refuse_half_characters(edit: Edit) -> None:
    try:
        for text in (edit.content or "", *(line for hunk in edit.hunks for _, line in hunk.lines)):
            text.encode("utf-8", "surrogateescape")
    except UnicodeEncodeError as error:
        raise BadPatch(f"{edit.path}: it holds half of a character, which no file can hold") from error


def _fit(edits: tuple[Edit, ...], files: Mapping[str, bytes], stages: Sequence[NamedStage]) -> Fitted:
    now: dict[str, bytes | None] = {}
    modes: dict[str, str] = {}

    def current(path: str) -> bytes | None:
        return now[path] if path in now else files.get(path)

    for given in _once(_under_known_folders(edits, files), files):
        edit = _resolved(given, files, now)
        added = [line for hunk in edit.hunks for line in hunk.added]
        if has_placeholder("\n".join((*added, edit.content or ""))):
            raise BadPatch(
                f"{edit.path}: an added line holds a placeholder of a redacted secret; leave it alone"
            )
        if edit.delete:
            _refuse_unless_told(edit, current(edit.path), files)
            now[edit.path] = None
            continue
        if edit.content is None and current(edit.source or edit.path) is None and current(edit.path) is None:
            raise BadPatch(missing_file(edit.path, files))
        _change(edit, now, current, stages)
        if edit.mode:
            modes[edit.path] = edit.mode
    changed = {path: data for path, data in now.items() if data != files.get(path)}
    modes = {path: mode for path, mode in modes.items() if now.get(path, b"") is not None}
    if not changed and not any(path in files for path in modes):
        raise BadPatch("the patch changes nothing")
    return Fitted(changed, modes)


def _refuse_unless_told(edit: Edit, standing: bytes | None, files: Mapping[str, bytes]) -> None:
    """A deletion names its file as it is; and one that tells the file's lines tells all of them."""
    if standing is None:
        raise BadPatch(missing_file(edit.path, files))
    if not edit.hunks:
        return
    told = [text for hunk in edit.hunks for mark, text in hunk.lines if mark in (REMOVED, CONTEXT)]
    stands = standing.decode("utf-8", "surrogateescape").removeprefix("\ufeff").split("\n")
    if any(hunk.added for hunk in edit.hunks) or _lines_told(told) != _lines_told(stands):
        raise BadPatch(f"{edit.path}: the reply removes the file, and its lines are not the file's")


def _lines_told(lines: Sequence[str]) -> list[str]:
    return [line.removeprefix("\ufeff").rstrip() for line in lines if line.strip()]


def _once(edits: Sequence[Edit], files: Mapping[str, bytes]) -> list[Edit]:
    """The edits without those that are given twice.

    Raises:
        BadPatch: a reply gives two versions of the same lines, or of a whole file; which one is not told.
    """
    kept: list[Edit] = []
    whole: dict[str, str] = {}
    seen: dict[tuple[str, tuple[str, ...]], list[Hunk]] = {}
    deleted: set[str] = set()
    for edit in edits:
        path = edit.path.removeprefix("./")
        if edit.content is not None:
            if whole.setdefault(path, edit.content) != edit.content:
                raise BadPatch(f"{path}: the reply gives two versions of the whole file")
            if any(other == edit for other in kept if other.path == edit.path):
                continue
        if edit.delete and not edit.hunks and path in deleted:
            continue
        if edit.delete:
            deleted.add(path)
        # talk between two diffs may hang on the first as unmarked lines
        hunks = [hunk.marked(CONTEXT, REMOVED, ADDED) for hunk in edit.hunks]
        for hunk in hunks:
            for other in seen.get((path, hunk.old), ()):
                _refuse_second_version(hunk, other, edit, files)
        for hunk in hunks:
            seen.setdefault((path, hunk.old), []).append(hunk)
        kept.append(edit)
    return kept


def _refuse_second_version(hunk: Hunk, other: Hunk, edit: Edit, files: Mapping[str, bytes]) -> None:
    """Two edits of a file exclude each other if they look for lines that stand there once."""
    if hunk.old == hunk.new or other.old == other.new:
        return
    if (hunk.line, hunk.heading) != (other.line, other.heading):
        text = files.get(edit.path.removeprefix("./"), b"").decode("utf-8", "surrogateescape")
        if "\n".join(_lines_told(text.split("\n"))).count("\n".join(_lines_told(hunk.old))) > 1:
            return
    told = "the same change twice" if hunk.new == other.new else "two versions of the same lines"
    raise BadPatch(f"{edit.path}: the reply gives {told}")


def _under_known_folders(edits: Sequence[Edit], files: Mapping[str, bytes]) -> list[Edit]:
    """The edits with new files in the folder in which the tree has the files that are edited beside them."""
    made = {edit.path for edit in edits if edit.content is not None or edit.moved}
    edited = [edit for edit in edits if edit.path not in made]
    extra = {prefix for edit in edited if (prefix := _extra_folders(edit, files))}
    if len(extra) != 1:
        return list(edits)
    (prefix,) = extra
    if any(known.startswith(prefix) for known in files):
        return list(edits)
    return [
        replace(edit, path=edit.path.removeprefix("./").removeprefix(prefix))
        if edit.content is not None
        else edit
        for edit in edits
    ]


def _extra_folders(edit: Edit, files: Mapping[str, bytes]) -> str:
    """The folders that a reply puts in front of the path of a file that it edits."""
    path = edit.path.removeprefix("./")
    if edit.content is not None or edit.delete or edit.moved or path in files or edit.source in files:
        return ""
    found = _similar(path, files)
    return path.removesuffix(found) if found and path.endswith(found) else ""


def _change(
    edit: Edit,
    now: dict[str, bytes | None],
    current: Callable[[str], bytes | None],
    stages: Sequence[NamedStage],
) -> None:
    origin = edit.source if edit.source and current(edit.source) is not None else edit.path
    if origin != edit.path and current(edit.path) is not None:
        raise BadPatch(f"{edit.path} exists already, and the reply moves {origin} there")
    before = current(origin)
    if edit.hunks or edit.content is not None:
        now[edit.path] = apply_edit(edit, before, stages)
    else:
        now[edit.path] = before
    if origin != edit.path and not edit.keep_source:
        now[origin] = None


def _resolved(edit: Edit, files: Mapping[str, bytes], now: Mapping[str, bytes | None]) -> Edit:
    """The edit with the path that the tree has: replies add folders in front, or leave them out.

    A path that an earlier edit of the same reply has made is taken as it is.
    """
    path = edit.path.removeprefix("./")
    source = edit.source.removeprefix("./") if edit.source else None
    if edit.delete:
        return replace(edit, path=path, source=None)
    if edit.content is not None or (edit.moved and source in files):
        return replace(edit, path=path, source=source if edit.moved else None)
    for name in (path, source):
        if name and (name in files or now.get(name) is not None):
            return replace(edit, path=name, source=None)
    found = _similar(path, files)
    return replace(edit, path=found or path, source=None if found else source)


def _similar(path: str, files: Mapping[str, bytes]) -> str:
    """The one file of the tree that the path means: its end, or the path is its end.

    A bare name is the end of any path, so it counts only where no other file is called so.
    """
    parts = path.split("/")
    for cut in range(1, len(parts)):
        if (shorter := "/".join(parts[cut:])) in files:
            alike = "/" not in shorter and any(known.endswith(f"/{shorter}") for known in files)
            return "" if alike else shorter
    longer = [known for known in files if known.endswith(f"/{path}")]
    return longer[0] if len(longer) == 1 else ""
