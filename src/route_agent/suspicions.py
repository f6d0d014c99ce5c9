"""What speaks about a patch without running anything, read from its trees."""

from __future__ import annotations

from typing import TYPE_CHECKING

from route_agent import tampering

if TYPE_CHECKING:
    from route_agent.records.change import Change
    from route_agent.records.findings import Finding
    from route_agent.records.grades import TaskClass
    from route_agent.repo.trees import Entry, Trees

MAX_MEANT = 20  # source files whose name is a word of the brief
MAX_DECIDING = 200  # files of tests that are read where it is not known which of them turned green


def found(
    trees: Trees, change: Change, task_class: TaskClass, brief: str, wanted: frozenset[str]
) -> tuple[Finding, ...]:
    """What the change itself shows.

    Args:
        change: start against the patched tree.
        wanted: the ids that are red at start and should turn green.
    """
    files = versions(trees, change)
    entries = trees.entries(change.old_tree)
    tests = {name.split("::")[1] for name in wanted if name.count("::") > 1}
    judged_by = trees.read({path: entries[path] for path in tests if path in entries})
    return (
        *tampering.find(files, task_class=task_class, brief=brief, tree=entries),
        *tampering.special_cased(files, judged_by, brief=brief),
    )


def doubts(trees: Trees, change: Change, brief: str, mended: frozenset[str]) -> tuple[Finding, ...]:
    """What the change shows beside the tests that it turned green: start's, and those laid over its tree.

    Args:
        change: start against the patched tree.
        mended: the ids that were red at start and are green now.
    """
    entries: dict[str, Entry] = {}
    if mended:
        own = {it.path for it in change.files if it.is_new}
        entries = {path: it for path, it in trees.entries(change.new_tree).items() if path not in own}
        entries |= trees.entries(change.old_tree)
    tests = sorted(tampering.deciding(mended, entries, brief))[:MAX_DECIDING]
    judged_by = trees.read({path: entries[path] for path in tests})
    texts = {path: data.decode("utf-8", "replace") for path, data in judged_by.items()}
    named = sorted(tampering.named_data(texts, entries))[:MAX_DECIDING]
    judged_by |= trees.read({path: entries[path] for path in named})
    meant = sorted(tampering.named_sources(brief, entries))[:MAX_MEANT]
    others = trees.read({path: entries[path] for path in meant})
    return tampering.doubtful(versions(trees, change), judged_by, brief=brief, others=others)


def versions(trees: Trees, change: Change) -> dict[str, tuple[bytes | None, bytes | None]]:
    """The changed files at start and now."""
    before = trees.read(trees.entries(change.old_tree, change.paths))
    after = trees.read(trees.entries(change.new_tree, change.paths))
    return {path: (before.get(path), after.get(path)) for path in change.paths}
