"""`route-agent hook install` and `uninstall`: the pre-push hook, git's own or the pre-commit framework's."""

from __future__ import annotations

from typing import TYPE_CHECKING

from route_agent.cli.edge import plain_errors, say
from route_agent.errors import UsageError
from route_agent.hooks import SKIP, installing
from route_agent.hooks import framework as frameworks
from route_agent.repo.repository import Repository

if TYPE_CHECKING:
    from collections.abc import Iterable
    from pathlib import Path

MAX_BYTES = 256 * 1024


def install(directory: Path, framework: str = "") -> None:
    """Put the hook where git, or a framework, looks for it. Doing so again only renews it."""
    with plain_errors():
        if framework not in ("", "pre-commit"):
            raise UsageError(f'unknown framework "{framework}"', hint="--framework pre-commit")
        repository = Repository.open(directory)
        told = _add_to_framework(repository) if framework else installing.install(repository)
        _say_all((*told, f"to push without it: {SKIP}"))


def uninstall(directory: Path) -> None:
    """Remove the hook and give an earlier one back. What is not ours is left alone."""
    with plain_errors():
        _say_all(installing.uninstall(Repository.open(directory)))


def _add_to_framework(repository: Repository) -> list[str]:
    """Write our entry into the framework's configuration; nothing else in it changes.

    Raises:
        UsageError: that cannot be done safely; with what to add by hand.
    """
    file = repository.root / frameworks.CONFIG
    text = _text(file)
    if frameworks.has_entry(text):
        return [f"already there, nothing was changed: {file}", *_next_steps(repository)]
    changed = None if file.is_symlink() else frameworks.with_entry(text)
    if changed is None:
        raise _by_hand(file)
    try:
        _replace(file, changed)
    except OSError as error:
        raise UsageError(f"{file} cannot be written: {error.strerror}") from error
    return [f"{'added to' if text else 'written'}: {file}", *_next_steps(repository)]


def _text(file: Path) -> str:
    """What stands in a file, its line ends untouched; empty where it is not there.

    Raises:
        UsageError: it cannot be read.
    """
    try:
        with file.open("rb") as opened:
            data = opened.read(MAX_BYTES + 1)
    except FileNotFoundError:
        return ""
    except OSError as error:
        raise UsageError(f"{file} cannot be read: {error.strerror}") from error
    try:
        text = data.decode()
    except UnicodeDecodeError as error:
        raise _by_hand(file) from error
    if len(data) > MAX_BYTES:
        raise _by_hand(file)
    return text


def _by_hand(file: Path) -> UsageError:
    return UsageError(
        f"{file} is left as it is: its form is not one that can be added to safely",
        hint=f"add this below `repos:` yourself:\n{frameworks.entry('    ')}",
    )


def _replace(file: Path, text: str) -> None:
    """Write the file whole or not at all, with the mode that it had."""
    draft = file.with_name(f"{file.name}.route-agent-draft")
    try:
        draft.write_bytes(text.encode())
        if file.exists():
            draft.chmod(file.stat().st_mode & 0o777)
        draft.replace(file)
    finally:
        draft.unlink(missing_ok=True)


def _next_steps(repository: Repository) -> list[str]:
    told = ["commit it, and in every checkout, once: pre-commit install --hook-type pre-push"]
    if installing.own_hook(repository):
        told.append(
            "git's own hook is installed as well, and would judge a second time: route-agent hook uninstall"
        )
    return told


def _say_all(texts: Iterable[str]) -> None:
    for text in texts:
        say(text)
