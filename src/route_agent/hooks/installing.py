"""Put the hook where git looks for it, and take it away again.

An earlier hook is kept beside ours, runs first, and is given back. A folder of hooks that serves other
repositories as well is never written to.
"""

from __future__ import annotations

from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from route_agent.errors import UsageError
from route_agent.hooks.script import KEPT, NAME, is_old, line_by_hand, our_place, write
from route_agent.repo.git import GitFailed, git

if TYPE_CHECKING:
    from route_agent.repo.repository import Repository


@dataclass(frozen=True, slots=True)
class Folder:
    """Where git looks for hooks, and which level of its configuration says so (empty: none does)."""

    path: Path
    scope: str = ""

    @property
    def shared(self) -> bool:
        """Whether all repositories of a person or machine find their hooks there."""
        return self.scope in ("global", "system")


def hooks_folder(repository: Repository) -> Folder:
    """The folder in which git looks for this repository's hooks."""
    # our own git switches hooks off on its command line: that entry is there as well, and does not count
    told = git(
        "config", "-z", "--show-scope", "--type=path", "--get-all", "core.hooksPath", cwd=repository.root
    )
    fields = told.decode(errors="surrogateescape").split("\0")
    pairs = zip(fields[::2], fields[1::2], strict=False)
    found = [(scope, value) for scope, value in pairs if scope != "command" and value]
    if not found:
        return Folder(repository.common_dir / "hooks")
    scope, value = found[-1]
    # a relative folder is each checkout's own, wherever it was configured
    return Folder(repository.root / value, scope if Path(value).is_absolute() else "local")


def install(repository: Repository) -> list[str]:
    """Install the hook, or renew it, and say what was done.

    Raises:
        UsageError: it cannot stand where git looks for it.
    """
    folder = hooks_folder(repository)
    _refuse_unsuitable(folder)
    try:
        return [*_install_in(folder.path), *_committed_by_accident(repository, folder.path)]
    except OSError as error:
        raise UsageError(f"no hook can be written to {folder.path}: {error.strerror}") from error


def uninstall(repository: Repository) -> list[str]:
    """Remove the hook, give an earlier one back, and say what was done.

    Raises:
        UsageError: the folder cannot be changed.
    """
    folder = hooks_folder(repository)
    own = repository.common_dir / "hooks"  # it may have been installed before core.hooksPath was set
    told: list[str] = []
    for path in dict.fromkeys([own] if folder.shared else [folder.path, own]):
        try:
            told += _uninstall_from(path)
        except OSError as error:
            raise UsageError(f"{path} cannot be changed: {error.strerror}") from error
    return told or [f"not installed: there is no hook of route-agent in {folder.path}"]


def own_hook(repository: Repository) -> Path | None:
    """Our hook, where it is installed in this repository."""
    return our_place(hooks_folder(repository).path)


def old_hook(repository: Repository) -> Path | None:
    """The same, where an earlier version wrote it."""
    place = own_hook(repository)
    return place if place and is_old(place) else None


def _refuse_unsuitable(folder: Folder) -> None:
    """Refuse folders in which a hook of ours would run elsewhere too, or not run for long.

    Raises:
        UsageError: with the line that does the same by hand.
    """
    line = line_by_hand()
    if folder.shared:
        raise UsageError(
            f"core.hooksPath ({folder.scope}) is {folder.path}: a hook there runs in all repositories",
            hint=f"if that is what you want, add this line to {folder.path / NAME} yourself: {line}",
        )
    if folder.path.parts[-2:] == (".husky", "_"):
        raise UsageError(
            f"husky writes the hooks in {folder.path} anew at every install of its packages",
            hint=f"add this line to {folder.path.parent / NAME} instead: {line}",
        )
    if folder.path.exists() and not folder.path.is_dir():
        raise UsageError(
            f"core.hooksPath is {folder.path}, which is not a folder: git runs no hooks here",
            hint="git config --unset core.hooksPath, or set it to a folder",
        )


def _install_in(folder: Path) -> list[str]:
    folder.mkdir(parents=True, exist_ok=True)
    hook, kept = folder / NAME, folder / KEPT
    if place := our_place(folder):
        earlier = " (an earlier version had written it)" if is_old(place) else ""
        write(place)
        return [f"already installed, and renewed{earlier}: {place}"]
    if not _is_there(hook):
        write(hook)
        return [f"installed: {hook}"]
    if _is_there(kept):
        raise UsageError(
            f"{hook} is not route-agent's, and an earlier hook is kept in {kept} already",
            hint="put what you need of both into one of them, remove the other, then run this again",
        )
    hook.rename(kept)
    try:
        write(hook)
    except OSError:
        kept.rename(hook)
        raise
    return [f"installed: {hook}", f"the hook that stood there runs first: {kept}"]


def _uninstall_from(folder: Path) -> list[str]:
    hook, kept = folder / NAME, folder / KEPT
    place = our_place(folder)
    if place is None and (_is_there(hook) or not _is_there(kept)):
        return [f"{hook} is not route-agent's: left alone"] if _is_there(hook) else []
    place = place or hook
    if _is_there(kept):
        kept.replace(place)
        return [f"removed, and the earlier hook is back: {place}"]
    place.unlink()
    return [f"removed: {place}"]


def _is_there(file: Path) -> bool:
    return file.is_symlink() or file.exists()


def _committed_by_accident(repository: Repository, folder: Path) -> list[str]:
    """A warning where the hook lies among the files that git tracks or would offer to."""
    within = folder.resolve().is_relative_to(repository.root.resolve())
    if not within or folder.resolve().is_relative_to(repository.common_dir.resolve()):
        return []
    with suppress(GitFailed):  # exit code 1: not ignored
        git("check-ignore", "--quiet", "--", str(folder / NAME), cwd=repository.root)
        return []
    return [f"{folder} is part of the checkout: do not commit what was written, it is for this machine"]
