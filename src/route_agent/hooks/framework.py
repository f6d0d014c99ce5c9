"""The entry of the pre-commit framework's configuration: added as text, so that all else stays."""

from __future__ import annotations

import re
from typing import Any

HOOK = "route-agent"
CONFIG = ".pre-commit-config.yaml"
_START = "# https://pre-commit.com  (pre-commit install --hook-type pre-push)\n"

_ENTRY = """\
- repo: local
  hooks:
  - id: route-agent
    name: route-agent
    entry: route-agent hook run
    language: system
    stages: [pre-push]
    always_run: true
    pass_filenames: false
    verbose: true
"""


def entry(indent: str = "") -> str:
    """The lines to add below `repos:`."""
    return "".join(f"{indent}{line}\n" for line in _ENTRY.splitlines())


def has_entry(text: str) -> bool:
    """Whether a configuration names our hook, be it from our repository or as a local one."""
    data = _loaded(text)
    repos = data.get("repos") if isinstance(data, dict) else None
    hooks = [
        hook
        for repo in repos or ()
        if isinstance(repo, dict)
        for hook in repo.get("hooks") or ()
        if isinstance(hook, dict)
    ]
    return any(hook.get("id") == HOOK or "route-agent hook run" in str(hook.get("entry")) for hook in hooks)


def with_entry(text: str) -> str | None:
    """The configuration with our entry as the last of its `repos`; None where that cannot be done safely.

    It is done in the text, whose comments and form stay, and counts only where what is read from it
    afterwards is what was there before and the one entry more.
    """
    if not text.strip():
        return f"{text}{_START}repos:\n{entry()}"
    before = _loaded(text)
    if not (isinstance(before, dict) and isinstance(before.get("repos"), list) and before["repos"]):
        return None
    ending = "\r\n" if "\r\n" in text else "\n"
    lines = text.splitlines(keepends=True)
    start = next(
        (number for number, line in enumerate(lines) if re.match(r"repos\s*:\s*(#.*)?$", line)), None
    )
    if start is None:
        return None
    item = next((it for line in lines[start + 1 :] if (it := re.match(r"( *)- ", line))), None)
    if item is None:
        return None
    at = _end_of_section(lines, start + 1, item[1])
    if at and not lines[at - 1].endswith("\n"):
        lines[at - 1] += ending
    added = entry(item[1]).replace("\n", ending)
    changed = "".join([*lines[:at], added, *lines[at:]])
    expected = {**before, "repos": [*before["repos"], *_loaded(entry())]}
    return changed if _loaded(changed) == expected else None


def _end_of_section(lines: list[str], start: int, indent: str) -> int:
    """The line before which the next key at the top begins, without what leads to it."""
    end = next(
        (number for number in range(start, len(lines)) if re.match(r"[^\s#-]|---|\.\.\.", lines[number])),
        len(lines),
    )
    while end > start and (not lines[end - 1].strip() or _is_comment_at_top(lines[end - 1], indent)):
        end -= 1
    return end


def _is_comment_at_top(line: str, indent: str) -> bool:
    return line.startswith("#") and bool(indent)


def _loaded(text: str) -> Any:
    """What YAML reads there; None where it is none."""
    import yaml

    try:
        return yaml.safe_load(text)
    except (yaml.YAMLError, ValueError, RecursionError):  # ValueError: a date that is none
        return None
