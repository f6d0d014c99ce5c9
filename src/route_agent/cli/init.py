"""`route-agent init`: write down what a project already uses to judge itself."""

from __future__ import annotations

import os
import tempfile
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

from route_agent import trust
from route_agent.cli.doctor import printable
from route_agent.describing import routing_text
from route_agent.discovery import Discovered, discover
from route_agent.errors import RepositoryState, UsageError
from route_agent.policy import POLICY_PATH, parse_policy
from route_agent.repo.git import GitFailed, git, lines
from route_agent.sandbox.programs import missing_program
from route_agent.writing import policy_text

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

ROUTING_PATH = "ROUTING.md"
MAX_READ_BYTES = 1024 * 1024


def init(directory: Path, *, routing_md: bool, force: bool) -> None:
    """Find the project's checks, write its policy, trust what was written, and say what comes next.

    Where a policy is there already, a ROUTING.md is written from that, and nothing else.

    Args:
        directory: anywhere in the checkout.
        routing_md: whether a ROUTING.md is written too.
        force: whether files that are there already may be replaced.

    Raises:
        RepositoryState: not in a checkout, or its files cannot be written.
        UsageError: a file is there already.
        PolicyError: the policy that is there cannot be read.
        ConfigError: the user's configuration file cannot take the trust entry.
    """
    root = _root(directory)
    if routing_md and not force and os.path.lexists(root / POLICY_PATH):
        _refuse(root, (ROUTING_PATH,), force=False)
        _describe(root)
        return
    paths = (POLICY_PATH, ROUTING_PATH) if routing_md else (POLICY_PATH,)
    _refuse(root, paths, force=force)
    discovered = _discovered(root)
    missing = _missing(discovered, root)
    discovered = replace(
        discovered,
        fixers=tuple(run for run in discovered.fixers if not missing_program(run, root, os.environ)),
    )
    text = _commented(policy_text(discovered), [check.name in missing for check in discovered.checks])
    policy = parse_policy(text, POLICY_PATH)
    trust.record(root, text.encode())
    _write(root / POLICY_PATH, text)
    if routing_md:
        _write(root / ROUTING_PATH, routing_text(policy, POLICY_PATH))
    _show(discovered, missing, paths)


def _describe(root: Path) -> None:
    """Write a ROUTING.md from the policy that is there."""
    try:
        text = (root / POLICY_PATH).read_bytes()
    except OSError as error:
        raise RepositoryState(f"cannot read {root / POLICY_PATH}: {error.strerror}") from error
    _write(root / ROUTING_PATH, routing_text(parse_policy(text, POLICY_PATH), POLICY_PATH))
    _print(
        [
            f"wrote  {ROUTING_PATH}",
            "",
            f"next   git add {ROUTING_PATH} && git commit -m 'Say how tasks are routed'",
        ]
    )


def _root(directory: Path) -> Path:
    try:
        told = git("rev-parse", "--show-toplevel", cwd=directory)
    except GitFailed as error:
        hint = "run it in a checkout, or pass -C DIR"
        if "not a git repository" in error.stderr:
            raise RepositoryState(f"{directory} is not in a git repository", hint=hint) from error
        raise RepositoryState(f"git cannot read {directory}: {error.stderr}", hint=hint) from error
    return Path(os.fsdecode(told.removesuffix(b"\n")))


def _refuse(root: Path, paths: Sequence[str], *, force: bool) -> None:
    folder = (root / POLICY_PATH).parent
    if folder.is_symlink() or (os.path.lexists(folder) and not folder.is_dir()):
        raise UsageError(f"{folder} is not a folder of this repository", hint="move it away")
    for path in paths:
        if (root / path).is_dir():
            raise UsageError(f"{path} is a folder", hint="move it away")
        if os.path.lexists(root / path) and not force:
            raise UsageError(f"{path} is there already", hint="replace it with --force")


def _discovered(root: Path) -> Discovered:
    """What the working tree tells, files that were not added yet included."""
    paths = lines(git("ls-files", "--cached", "--others", "--exclude-standard", "-z", cwd=root))

    def read(path: str) -> str | None:
        file = root / path
        try:
            if not file.is_file() or file.stat().st_size > MAX_READ_BYTES:
                return None
            return file.read_text(encoding="utf-8", errors="replace")
        except OSError:
            return None

    return discover(read, list(dict.fromkeys(paths)))


def _missing(discovered: Discovered, root: Path) -> dict[str, str]:
    """Why a check could not even start here, by its name; those that could are not in it."""
    told = ((check.name, missing_program(check.run, root, os.environ)) for check in discovered.checks)
    return {name: why for name, why in told if why}


def _commented(text: str, left_out: Sequence[bool]) -> str:
    """The policy with some of its checks as comments: one that cannot run would stop every task.

    Args:
        text: the policy, in which each check stands on one line.
        left_out: for each check, in their order, whether it becomes a comment.
    """
    checks = iter(left_out)
    lines: list[str] = []
    inside = False
    for line in text.split("\n"):
        inside = line == "checks:" or (inside and line.startswith("  "))
        if inside and line.startswith("  - ") and next(checks):
            lines += ["  # Its program was not found when this was written; without the # it counts."]
            lines += [f"  # {line[2:]}"]
        else:
            lines.append(f"# {line}" if line == "checks:" and all(left_out) else line)
    return "\n".join(lines)


def _write(file: Path, text: str) -> None:
    """Replace a file at once; a link in its place is replaced and not followed."""
    try:
        file.parent.mkdir(exist_ok=True)
        handle, name = tempfile.mkstemp(prefix=f".{file.name}.", dir=file.parent)
        candidate = Path(name)
        try:
            with os.fdopen(handle, "w", encoding="utf-8", newline="\n") as stream:
                stream.write(text)
            candidate.chmod(0o644)
            candidate.replace(file)
        finally:
            candidate.unlink(missing_ok=True)
    except OSError as error:
        raise RepositoryState(f"cannot write {file}: {error.strerror}") from error


def _show(discovered: Discovered, missing: Mapping[str, str], paths: Sequence[str]) -> None:
    _print(_report(discovered, missing, paths))


def _print(told: Sequence[str]) -> None:
    from rich.console import Console
    from rich.text import Text

    console = Console(highlight=False, soft_wrap=True)
    for line in told:
        console.print(Text(printable(line)))


def _report(discovered: Discovered, missing: Mapping[str, str], paths: Sequence[str]) -> list[str]:
    told: list[str] = []
    names = {check.name for check in discovered.checks}
    for check in discovered.checks:
        told.append(f"check  {check.name}: {' '.join(check.run)}   ({discovered.origin(check.name)})")
        if check.name in missing:
            told.append(f"       cannot run here yet: {missing[check.name]}")
            told.append(
                f"       it stands in {POLICY_PATH} as a comment, and judges nothing until you change that"
            )
    told += [f"fixer  {' '.join(command)}" for command in discovered.fixers]
    told += [f"note   {note}" for note in discovered.notes if note.partition(": ")[0] not in names]
    if not discovered.checks:
        told.append("No checks were found: without one no patch can be proved.")
        told.append(f"Name the command that runs your tests in {POLICY_PATH}; an example stands in it.")
    elif len(missing) == len(discovered.checks):
        told.append("No check can run here: without one no patch can be proved.")
        told.append(f"Install what is missing, then take the # away in {POLICY_PATH}.")
    told += [f"wrote  {path}" for path in paths]
    told.append("")
    told.append(f"next   git add {' '.join(paths)} && git commit -m 'Add a routing policy'")
    told.append('       route-agent explain --task "what you want done"')
    return told
