"""From a reply to edits, from an edit to its place, and whether the change may be made. All pure.

As a library, without the rest of the program:

    from route_agent import patch

    files = {"calc.py": b"def add(a, b):\\n    return a - b\\n"}
    result = patch.apply(reply, files)  # a model's whole reply, prose and fences included
    for path, data in result.contents.items():
        ...  # the new bytes, or None where the file is removed

Nothing is read or written: `files` is any mapping from a path to bytes.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from route_agent.errors import BadPatch, HostilePatch

if TYPE_CHECKING:
    from collections.abc import Mapping

    from route_agent.patch.fit import Fitted
    from route_agent.records.change import Edit

__all__ = ["BadPatch", "HostilePatch", "apply", "read"]


def read(reply: str) -> tuple[Edit, ...]:
    """What a reply asks for, before any file is looked at.

    Raises:
        BadPatch: it holds no edit in a known form, or one that is cut off.
    """
    from route_agent.patch.formats import read_reply

    return read_reply(reply)


def apply(reply: str, files: Mapping[str, bytes]) -> Fitted:
    """Put every edit of a reply in its one place: all of them, or none.

    Args:
        reply: unified or git diff, search/replace blocks, whole files, `*** Begin Patch` or a JSON list of
            edits; with whatever stands around it.
        files: the tree's files by path with `/`; only those that the reply names are read.

    Returns:
        The new bytes by path in `contents`, None where a file is removed, and git's six digits in `modes`
        for each file whose mode changes.

    Raises:
        BadPatch: an edit has no place or more than one; the message says which hunk, what was looked for
            and what the file reads there.
        HostilePatch: an edit names a path, or makes a kind of file, that no patch may have. More is judged
            on the tree that comes out; see `route_agent.patch.guard`.
    """
    from route_agent.patch.fit import fit

    return fit(read(reply), files)
