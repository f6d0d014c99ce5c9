"""`route-agent hook`: the pre-push hook, which judges the pushed commits and calls no model.

An earlier hook is kept beside ours, runs first, and is given back. A folder of hooks that serves other
repositories as well is never written to.
"""

from __future__ import annotations

import os
import shlex
import shutil
import sys
import sysconfig
import tempfile
import time
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from route_agent.cli.edge import complain, plain_errors, print_lines, say
from route_agent.errors import RepositoryState, RouteError, UsageError
from route_agent.places import APP
from route_agent.repo.git import GitFailed, git
from route_agent.repo.repository import Repository

if TYPE_CHECKING:
    from collections.abc import Iterable

    from route_agent.config import Config
    from route_agent.records.events import Event

NAME = "pre-push"
KEPT = "pre-push.route-agent-kept"
MOVED = "pre-push.legacy"  # where the pre-commit framework puts a hook that it finds, to run it first
MARKER = b"# route-agent pre-push hook"
SKIP = "git push --no-verify"

# git tells the refs once, on standard input, and two programs want them; the dot saves the last line's end.
# A program that cannot even say its version is not installed any more, and must not stop anybody's work.
_SCRIPT = """\
#!/bin/sh
{marker}: made by `route-agent hook install`, removed by `route-agent hook uninstall`.
# The hook that stood here before is kept beside this file and runs first. To skip both: {skip}
kept=$(dirname -- "$0")/{kept}
refs=$(cat && printf .)
if [ -f "$kept" ] && [ -x "$kept" ]; then
  printf %s "${{refs%.}}" | "$kept" "$@" || exit
fi
for program in {programs}; do
  "$program" --version </dev/null >/dev/null 2>&1 || continue
  printf %s "${{refs%.}}" | "$program" hook run -- "$@"
  exit
done
echo "route-agent: nothing is judged: the program that this hook calls does not start. The push goes on." >&2
"""


@dataclass(frozen=True, slots=True)
class Folder:
    """Where git looks for hooks, and which level of its configuration says so (empty: none does)."""

    path: Path
    scope: str = ""

    @property
    def shared(self) -> bool:
        """Whether all repositories of a person or machine find their hooks there."""
        return self.scope in ("global", "system")


@dataclass(frozen=True, slots=True)
class Ref:
    """One line that git tells a pre-push hook; an id of zeros stands for a ref that is not there."""

    local: str
    local_id: str
    remote: str
    remote_id: str

    @property
    def deletes(self) -> bool:
        return set(self.local_id) == {"0"}

    @property
    def creates(self) -> bool:
        return set(self.remote_id) == {"0"}


@dataclass(frozen=True, slots=True)
class Range:
    """The commits that a push adds, or why there is nothing to judge."""

    base: str = ""
    head: str = ""
    skipped: str = ""


def install(directory: Path, framework: str = "") -> None:
    """Put the hook where git looks for it. Doing so again only renews it."""
    with plain_errors():
        if framework:
            raise UsageError(f'unknown framework "{framework}"')
        repository = Repository.open(directory)
        folder = hooks_folder(repository)
        _refuse_unsuitable(folder)
        try:
            told = _install_in(folder.path)
        except OSError as error:
            raise UsageError(f"no hook can be written to {folder.path}: {error.strerror}") from error
        _say_all((*told, *_committed_by_accident(repository, folder.path), f"to push without it: {SKIP}"))


def uninstall(directory: Path) -> None:
    """Remove the hook and give an earlier one back. What is not ours is left alone."""
    with plain_errors():
        repository = Repository.open(directory)
        folder = hooks_folder(repository)
        own = repository.common_dir / "hooks"  # it may have been installed before core.hooksPath was set
        told: list[str] = []
        for path in dict.fromkeys([own] if folder.shared else [folder.path, own]):
            try:
                told += _uninstall_from(path)
            except OSError as error:
                raise UsageError(f"{path} cannot be changed: {error.strerror}") from error
        _say_all(told or [f"not installed: there is no hook of route-agent in {folder.path}"])


def run(remote: str, url: str) -> None:
    """Judge what is about to be pushed and exit with the highest code; git tells the refs on standard input.

    Args:
        remote: the remote's name; git repeats the address here where it has none.
        url: the remote's address.
    """
    with plain_errors():
        refs = read_refs(_standard_input())
        try:
            code = _judge_all(refs, "" if remote == url else remote)
        except RouteError as error:
            code = _complain(error)
        if code:
            _say(f"the push is stopped. If you want it all the same: {SKIP}", "bold red")
        sys.exit(code)


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


def _refuse_unsuitable(folder: Folder) -> None:
    """Refuse folders in which a hook of ours would run elsewhere too, or not run for long.

    Raises:
        UsageError: with the line that does the same by hand.
    """
    line = f'{shlex.quote(str(_program() or APP))} hook run "$@"'
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
    if place := _our_place(folder):
        _write(place)
        return [f"already installed, and renewed: {place}"]
    if not _is_there(hook):
        _write(hook)
        return [f"installed: {hook}"]
    if _is_there(kept):
        raise UsageError(
            f"{hook} is not route-agent's, and an earlier hook is kept in {kept} already",
            hint="put what you need of both into one of them, remove the other, then run this again",
        )
    hook.rename(kept)
    _write(hook)
    return [f"installed: {hook}", f"the hook that stood there runs first: {kept}"]


def _uninstall_from(folder: Path) -> list[str]:
    hook, kept = folder / NAME, folder / KEPT
    place = _our_place(folder)
    if place is None and (_is_there(hook) or not _is_there(kept)):
        return [f"{hook} is not route-agent's: left alone"] if _is_there(hook) else []
    place = place or hook
    if _is_there(kept):
        kept.replace(place)
        return [f"removed, and the earlier hook is back: {place}"]
    place.unlink()
    return [f"removed: {place}"]


def _our_place(folder: Path) -> Path | None:
    """The file in which our hook lies, also after the pre-commit framework has moved it."""
    return next((folder / name for name in (NAME, MOVED) if _is_ours(folder / name)), None)


def _is_ours(file: Path) -> bool:
    if not file.is_file():
        return False
    with file.open("rb") as script:
        script.readline(256)
        return script.readline(256).startswith(MARKER)


def _is_there(file: Path) -> bool:
    return file.is_symlink() or file.exists()


def _write(file: Path) -> None:
    """Write the script whole or not at all."""
    programs = " ".join(shlex.quote(str(it)) for it in dict.fromkeys((_program() or APP, APP)))
    script = _SCRIPT.format(marker=MARKER.decode(), kept=KEPT, skip=SKIP, programs=programs)
    descriptor, name = tempfile.mkstemp(prefix=f".{NAME}-", dir=file.parent)
    try:
        with os.fdopen(descriptor, "wb") as new:
            new.write(os.fsencode(script))
        Path(name).chmod(0o755)
        Path(name).replace(file)
    finally:
        Path(name).unlink(missing_ok=True)


def _program() -> Path | None:
    """The installed `route-agent`, by a path that lasts: a link of pipx is kept as it is."""
    beside = Path(sysconfig.get_path("scripts"), APP)
    on_path = shutil.which(APP)
    candidates = [Path(sys.argv[0]), beside, *([Path(on_path)] if on_path else [])]
    return next((it.absolute() for it in candidates if it.name == APP and os.access(it, os.X_OK)), None)


def _committed_by_accident(repository: Repository, folder: Path) -> list[str]:
    """A warning where the hook lies among the files that git tracks or would offer to."""
    within = folder.resolve().is_relative_to(repository.root.resolve())
    if not within or folder.resolve().is_relative_to(repository.common_dir.resolve()):
        return []
    with suppress(GitFailed):  # exit code 1: not ignored
        git("check-ignore", "--quiet", "--", str(folder / NAME), cwd=repository.root)
        return []
    return [f"{folder} is part of the checkout: do not commit what was written, it is for this machine"]


def _standard_input() -> bytes:
    if sys.stdin is None or sys.stdin.isatty():
        raise UsageError(
            "git calls this, with the refs to push on standard input", hint="route-agent hook install"
        )
    return sys.stdin.buffer.read()


def read_refs(told: bytes) -> list[Ref]:
    """The refs of a push, as git tells them to the hook.

    Raises:
        UsageError: a line of another form.
    """
    lines = [line for line in told.decode(errors="surrogateescape").split("\n") if line]
    fields = [line.rsplit(" ", 3) for line in lines]
    if wrong := next((line for line, words in zip(lines, fields, strict=True) if len(words) != 4), None):
        raise UsageError(f'not what git tells a pre-push hook: "{wrong[:80]}"')
    return [Ref(*words) for words in fields]


def _judge_all(refs: Iterable[Ref], remote: str) -> int:
    """Judge each range of commits once and return the highest exit code."""
    kept = []
    for ref in refs:
        if ref.deletes:
            _say(f"{ref.remote}: deleted, nothing to judge")
        else:
            kept.append(ref)
    if not kept:
        return 0
    from route_agent.config import load_config

    config = load_config()
    repository = Repository.open(Path())
    codes: dict[Range, int] = {}
    for ref in kept:
        pushed = range_of(repository, ref, remote)
        if pushed.skipped or pushed in codes:
            _say(f"{ref.remote}: {pushed.skipped or 'the commits judged above'}")
            continue
        _say(f"{ref.remote}: {pushed.base[:10]}..{pushed.head[:10]}", "bold")
        codes[pushed] = _judge(repository, config, pushed)
    return max(codes.values(), default=0)


def range_of(repository: Repository, ref: Ref, remote: str) -> Range:
    """What a ref adds to what the remote has: its old value there, else the remote's default branch.

    Args:
        repository: the repository that is pushed from.
        ref: a ref that is not deleted.
        remote: the remote's name; empty where the push goes to a bare address.

    Raises:
        RepositoryState: the history that would tell is missing from a shallow clone.
    """
    head = _commit(repository, ref.local_id)
    if not head:
        return Range(skipped="not a commit, nothing to judge")
    tips = [] if ref.creates else [_commit(repository, ref.remote_id)]
    tips += [_default_branch(repository, remote)] if remote else []
    base = next((base for tip in tips if tip and (base := _merge_base(repository, tip, head))), "")
    if base == head:
        return Range(skipped="nothing new, nothing to judge")
    if base:
        return Range(base, head)
    if any(tips) and repository.shallow:
        raise RepositoryState(
            f"{ref.remote}: where it leaves the remote's branch is not in this shallow clone",
            hint="git fetch --unshallow",
        )
    return Range(skipped=f"not judged: nothing to compare with on {remote or 'an address without a name'}")


def _commit(repository: Repository, revision: str) -> str:
    try:
        return repository.commit(revision)
    except RepositoryState:
        return ""


def _default_branch(repository: Repository, remote: str) -> str:
    names = (f"refs/remotes/{remote}/{name}" for name in ("HEAD", "main", "master"))
    return next((commit for name in names if (commit := _commit(repository, name))), "")


def _merge_base(repository: Repository, tip: str, head: str) -> str:
    try:
        return git("merge-base", tip, head, cwd=repository.root).decode().strip()
    except GitFailed:  # exit code 1: no common history
        return ""


def _judge(repository: Repository, config: Config, pushed: Range) -> int:
    """Judge one range, say how it ended, and return its exit code."""
    from route_agent.config import required_isolation
    from route_agent.gate import judge
    from route_agent.report.terminal import render_gate

    began = time.monotonic()

    def tell(event: Event) -> None:
        _say(f"{time.monotonic() - began:6.1f} s  {event.step.value}: {event.text}", "dim")

    try:
        required = required_isolation(config)
        judged = judge(repository, config, pushed.base, pushed.head, required=required, on=tell)
    except RouteError as error:
        return _complain(error)
    print_lines(render_gate(judged), error=True)
    return judged.verdict.exit_code


def _complain(error: RouteError) -> int:
    complain(error.what, error.hint)
    return error.exit_code


def _say(text: str, style: str = "") -> None:
    """One line for the person who pushes: git shows a hook's standard error."""
    print_lines([(f"route-agent: {text}", style)], error=True)


def _say_all(texts: Iterable[str]) -> None:
    for text in texts:
        say(text)
