"""Which files of a task's trees hold private keys, and whether the user's own change would send one."""

from __future__ import annotations

from typing import TYPE_CHECKING

from route_agent.errors import BadPatch, SecretFound
from route_agent.globs import any_match
from route_agent.records.change import EXECUTABLE, REGULAR
from route_agent.redaction import Knowledge, find
from route_agent.repo.git import GitFailed, lines
from route_agent.withholding import Withheld

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from route_agent.records.change import Change
    from route_agent.redaction import Found
    from route_agent.repo.trees import Trees

HINT = "take it out, or if it is none (a test's key): secrets.allow in your own configuration names the file"
_WORDS = ("PRIVATE KEY", "PuTTY-User-Key-File-", "AGE-SECRET-KEY-1")


def look_over(
    trees: Trees, change: Change, *, no_send: Sequence[str], allow: Sequence[str], knowledge: Knowledge
) -> Withheld:
    """What is withheld of both trees of the user's own change; git finds the files that may hold a key.

    Args:
        knowledge: learns the secrets of allowed files, which are none.

    Raises:
        SecretFound: the user's change adds a private key to a file that would be sent.
    """
    after = _texts(trees, change.new_tree, allow)
    before = after if change.old_tree == change.new_tree else _texts(trees, change.old_tree, allow)
    for path, text in (*before.items(), *after.items()):
        if any_match(path, allow):
            knowledge.spare(text)
    keyed = {path: _where(text) for path, text in (before | after).items()}
    withheld = Withheld(tuple(no_send), tuple(allow), {path: told for path, told in keyed.items() if told})
    by_name = Withheld(tuple(no_send), tuple(allow))
    for path in change.paths:
        if path not in after or by_name.why(path) or any_match(path, allow):
            continue
        old = {_key(before[path], it) for it in _keys(before[path])} if path in before else set()
        if new := [it for it in _keys(after[path]) if _key(after[path], it) not in old]:
            raise SecretFound(f"{path}:{_line(after[path], new[0])} holds a {_words(new[0])}", hint=HINT)
    return withheld


def refuse_keys(brief: str) -> None:
    """Refuse a task text with a private key in it.

    Raises:
        SecretFound: names its line.
    """
    if found := _keys(brief):
        raise SecretFound(
            f"the task holds a {_words(found[0])} (line {_line(brief, found[0])})", hint="take it out"
        )


def _texts(trees: Trees, tree: str, allow: Sequence[str]) -> dict[str, str]:
    """Files that may hold a key, and all that are allowed to hold what looks like a secret."""
    wanted = [part for word in _WORDS for part in ("-e", word)]
    try:
        found = lines(trees.run_git("grep", "-lIz", "--no-color", "-F", *wanted, tree))
    except GitFailed:
        found = []  # none, or a tree that cannot be searched
    paths = {path.partition(":")[2] for path in found}
    entries = trees.entries(tree)
    if allow:
        paths |= {path for path in entries if any_match(path, allow)}
    files = {path: entries[path] for path in paths if path in entries and entries[path].mode in _FILES}
    return {path: data.decode("utf-8", "replace") for path, data in trees.read(files).items()}


_FILES = (REGULAR, EXECUTABLE)


def _keys(text: str) -> list[Found]:
    return [it for it in find(text) if it.is_private_key]


def _key(text: str, found: Found) -> str:
    return text[found.start : found.end]


def _where(text: str) -> str:
    found = _keys(text)
    return f"a {_words(found[0])} (line {_line(text, found[0])})" if found else ""


def _line(text: str, found: Found) -> int:
    return text.count("\n", 0, found.start) + 1


def _words(found: Found) -> str:
    return found.kind.replace("-", " ")


def refuse_unseen(change: Change, withheld: Callable[[str], bool]) -> None:
    """Refuse a patch of a file that no model was shown: its lines would be told with the patch.

    Raises:
        BadPatch: names the files.
    """
    if unseen := [file.path for file in change.files if not file.is_new and withheld(file.path)]:
        raise BadPatch(f"{', '.join(unseen[:5])} is never shown: leave it out of the patch")
