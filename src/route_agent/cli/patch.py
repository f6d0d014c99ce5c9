"""`route-agent patch apply` and `patch show`: the applier as a tool by itself."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import TYPE_CHECKING

from route_agent.cli.edge import plain_errors, print_json, say
from route_agent.errors import BadPatch, RouteError, UsageError
from route_agent.patch.formats import MAX_REPLY_CHARACTERS, read_reply
from route_agent.repo.folder import apply_to_folder

if TYPE_CHECKING:
    from route_agent.records.change import Edit


class _Refused(RouteError):
    """A patch that has no one home; nothing was written."""

    exit_code = 1


def apply(file: str, directory: Path, *, check: bool, as_json: bool) -> None:
    """Apply a reply to the folder: exit 0 applied, 1 refused, 4 hostile."""
    with plain_errors(as_json=as_json):
        try:
            fitted = apply_to_folder(directory.resolve(), _read(file), check=check)
        except BadPatch as error:
            raise _Refused(f"patch refused: {error}", hint="nothing was applied") from error
        told = [
            {"path": path, "action": "delete" if data is None else "write"}
            for path, data in sorted(fitted.contents.items())
        ]
        told += [
            {"path": path, "action": f"mode {mode}"}
            for path, mode in sorted(fitted.modes.items())
            if path not in fitted.contents
        ]
        if as_json:
            print_json({"schema": 1, "applied": not check, "files": told})
            return
        for row in told:
            say(f"{'would ' if check else ''}{row['action']} {row['path']}")


def show(file: str, *, as_json: bool) -> None:
    """Print what a reply asks for, before any file is looked at."""
    with plain_errors(as_json=as_json):
        try:
            edits = read_reply(_read(file))
        except BadPatch as error:
            raise _Refused(f"no patch: {error}") from error
        if as_json:
            print_json({"schema": 1, "edits": [_edit_object(edit) for edit in edits]})
            return
        for edit in edits:
            say(_edit_line(edit))


def _read(file: str) -> str:
    try:
        raw = sys.stdin.buffer.read(MAX_REPLY_CHARACTERS * 4) if file == "-" else Path(file).read_bytes()
    except OSError as error:
        raise UsageError(f"{file}: {error.strerror}") from error
    return raw.decode("utf-8", "surrogateescape")


def _kind(edit: Edit) -> str:
    if edit.delete:
        return "delete"
    return "whole file" if edit.content is not None else "edit" if edit.hunks else "header only"


def _edit_line(edit: Edit) -> str:
    source = f" from {edit.source}" if edit.source else ""
    added = sum(len(hunk.added) for hunk in edit.hunks)
    removed = sum(len(hunk.removed) for hunk in edit.hunks)
    counts = f"  +{added} −{removed} in {len(edit.hunks)} hunks" if edit.hunks else ""
    return f"{_kind(edit):10} {edit.path}{source}{counts}"


def _edit_object(edit: Edit) -> dict[str, object]:
    return {
        "path": edit.path,
        "kind": _kind(edit),
        "source": edit.source,
        "mode": edit.mode or None,
        "hunks": [{"old": list(hunk.old), "new": list(hunk.new)} for hunk in edit.hunks],
    }
