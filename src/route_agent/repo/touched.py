"""The changed lines of a change, read within bounds: no diff is a reason to run out of time or memory."""

from __future__ import annotations

from typing import TYPE_CHECKING

from route_agent.covering import language
from route_agent.risk.difflines import Read, read_diff

if TYPE_CHECKING:
    from route_agent.records.change import Change
    from route_agent.repo.trees import Trees

MAX_BYTES = 32 * 1024 * 1024
DEADLINE_S = 10.0
# git takes larger files for binary ones, so that a single one cannot take all the room
_LARGEST_FILE = "4m"


def read_change(trees: Trees, change: Change) -> tuple[Read, tuple[str, ...]]:
    """The changed lines by file, and the files of text or code of which they were not read.

    Raises:
        GitFailed: git cannot compare the trees.
    """
    if not change.files:
        return Read(), ()
    trees_compared = (change.old_tree, change.new_tree)
    if trees_compared not in trees.lines_read:  # a run asks before and after its baseline
        trees.lines_read[trees_compared] = _read(trees, change)
    return trees.lines_read[trees_compared]


def _read(trees: Trees, change: Change) -> tuple[Read, tuple[str, ...]]:
    shape = ("-p", "-r", "--unified=0", "--no-renames", "--no-color", "--full-index")
    plain = ("--no-ext-diff", "--no-textconv", "--src-prefix=a/", "--dst-prefix=b/")
    written, whole = trees.start_of_git(
        "-c", f"core.bigFileThreshold={_LARGEST_FILE}", "diff-tree", *shape, *plain,
        change.old_tree, change.new_tree,
        most=MAX_BYTES, deadline_s=DEADLINE_S,
    )  # fmt: skip
    read = read_diff(written.decode(errors="surrogateescape"))
    texts = read.texts if whole else read.texts[:-1]  # of the last one the end may be missing
    seen = {text.path for text in texts}
    # one NUL, or letters of two bytes, and git takes source code for a picture
    unread = (
        it.path
        for it in change.files
        if it.path not in seen and (it.added or it.deleted or (it.binary and language(it.path)))
    )
    return Read(texts, read.hunks), tuple(unread)
