"""From a reply to the files that it would write: parse, locate, all or nothing. Pure."""

from __future__ import annotations

from typing import TYPE_CHECKING

from route_agent.errors import BadPatch
from route_agent.patch.guard import judge_paths
from route_agent.patch.locate import apply_edit
from route_agent.redaction import has_placeholder

if TYPE_CHECKING:
    from collections.abc import Mapping

    from route_agent.records.change import Edit


def touched_paths(edits: tuple[Edit, ...]) -> tuple[str, ...]:
    """Every path that the edits read or write, each judged as a name.

    Raises:
        HostilePatch: a name that no patch may have.
    """
    paths = {path for edit in edits for path in (edit.path, edit.source) if path}
    judge_paths(paths)
    return tuple(sorted(paths))


def fit(edits: tuple[Edit, ...], files: Mapping[str, bytes]) -> dict[str, bytes | None]:
    """What each touched file holds afterwards; None where it is removed.

    Args:
        edits: as the reply asks for them, several of one file in their order.
        files: the touched files that exist at start, by path.

    Raises:
        BadPatch: any edit has no home; then none is made.
    """
    result: dict[str, bytes | None] = dict(files)
    written: set[str] = set()
    for edit in edits:
        added = [line for hunk in edit.hunks for line in set(hunk.new) - set(hunk.old)]
        if has_placeholder("\n".join((*added, edit.content or ""))):
            raise BadPatch(
                f"{edit.path}: an added line holds a placeholder of a redacted secret; leave it alone"
            )
        origin = edit.source if edit.source and edit.source in files else edit.path
        if edit.delete:
            if result.get(edit.path) is None:
                raise BadPatch(f"{edit.path} does not exist at start and cannot be deleted")
            result[edit.path] = None
        else:
            result[edit.path] = apply_edit(edit, result.get(origin))
            if origin != edit.path:
                result[origin] = None
        written |= {edit.path, origin}
    changed = {path: result[path] for path in written if result[path] != files.get(path)}
    if not changed:
        raise BadPatch("the patch changes nothing")
    return changed
