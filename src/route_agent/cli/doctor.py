"""`route-agent doctor`: what is missing before a run can succeed, and what to do about it.

Facts are collected first and shown afterwards. Nothing of the repository is executed: its programs are only
looked up. Keys are named and never read out.
"""

from __future__ import annotations

import json
import os
import re
import shutil
import sqlite3
import subprocess
import sys
from collections.abc import Iterable, Iterator, Mapping
from contextlib import closing
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING
from urllib.parse import quote

from route_agent import places
from route_agent.cli.facts import Item, Status
from route_agent.cli.lanes import lanes
from route_agent.config import Config, load_config
from route_agent.decide import policy_in_force
from route_agent.errors import ConfigError, EnvironmentBroken, PolicyError, RouteError
from route_agent.policy import POLICY_PATH, CheckSpec, Policy, parse_policy, presets
from route_agent.records.checks import IsolationLevel
from route_agent.repo.repository import Repository
from route_agent.sandbox.programs import missing_program
from route_agent.trust import asked

if TYPE_CHECKING:
    pass

SCHEMA = 1
OLDEST_GIT = (2, 31)
LEDGER_NAME = "ledger.sqlite3"
PROBE_SECONDS = 20.0


def doctor(directory: Path, *, as_json: bool) -> int:
    """Show every fact and return the exit code: 0, or 6 where something makes runs impossible."""
    items = collect(directory, os.environ)
    fine = all(item.status != "bad" for item in items)
    if as_json:
        import typer

        shown = {"schema": SCHEMA, "ok": fine, "items": [asdict(item) for item in items]}
        typer.echo(json.dumps(shown, indent=2))
    else:
        _show(items)
    return 0 if fine else 6


def collect(directory: Path, environment: Mapping[str, str]) -> tuple[Item, ...]:
    """Everything that a run from `directory` would depend on, in the order in which it would."""
    found, repository = _repository(directory)
    config_items, config = _config()
    policy_items, policy, allowed = _policy(repository, config)
    return (
        Item("Python", "ok", ".".join(map(str, sys.version_info[:3]))),
        _git(environment),
        found,
        *config_items,
        *policy_items,
        *lanes(policy, config, environment, allowed=allowed, project=repository.root if repository else None),
        *_checks(repository, policy, environment),
        *_walls(repository, config, environment),
        _scanner(environment, repository.root if repository else None),
        *_folders(),
        *_ledger(places.state_dir() / LEDGER_NAME),
    )


def _show(items: Iterable[Item]) -> None:
    from rich.console import Console
    from rich.text import Text

    items = list(items)
    console = Console(highlight=False, soft_wrap=True)
    colours = {"ok": "green", "warn": "yellow", "bad": "red"}
    width = max(len(item.name) for item in items)
    for item in items:
        line = Text(f"{item.status:<4}  ", style=colours[item.status])
        console.print(line.append(f"{item.name:<{width}}  {printable(item.detail)}", style="default"))
        if item.cure:
            console.print(Text(f"{'':<6}{'':<{width}}  → {printable(item.cure)}", style="dim"))
    worst = [sum(item.status == status for item in items) for status in ("bad", "warn")]
    console.print(f"\n{worst[0]} bad, {worst[1]} to look at")


def printable(text: str) -> str:
    """The text on one line, without anything that a terminal would obey."""
    return "".join(letter if letter.isprintable() else " " for letter in text)


# --- git, repository, configuration, policy ----------------------------------------------------------------


def _git(environment: Mapping[str, str]) -> Item:
    program = shutil.which("git", path=environment.get("PATH"))
    wanted = ".".join(map(str, OLDEST_GIT))
    cure = f"install git {wanted} or newer"
    if program is None:
        return Item("git", "bad", "not found on the PATH", cure)
    told = _output([program, "--version"])
    numbers = re.search(r"(\d+)\.(\d+)[\d.]*", told)
    if numbers is None:
        return Item("git", "warn", f"{program} does not tell its version", cure)
    if (int(numbers[1]), int(numbers[2])) < OLDEST_GIT:
        return Item("git", "bad", f"{numbers[0]} is older than {wanted}", cure)
    return Item("git", "ok", numbers[0])


def _output(command: list[str], environment: Mapping[str, str] | None = None) -> str:
    """What a short command writes, its errors included; empty where it cannot be run."""
    try:
        done = subprocess.run(
            command,
            cwd="/",
            capture_output=True,
            stdin=subprocess.DEVNULL,
            timeout=PROBE_SECONDS,
            env=environment,
        )
    except (OSError, subprocess.TimeoutExpired):
        return ""
    return (done.stdout + done.stderr).decode(errors="replace")


def _repository(directory: Path) -> tuple[Item, Repository | None]:
    repository = None
    try:
        repository = Repository.open(directory)
        repository.refuse_if_under_way()
        repository.untracked()
    except RouteError as error:
        return Item("repository", "bad", error.what, error.hint), repository
    where = f"{repository.root} at {repository.head[:10]}"
    if repository.shallow:
        cure = "git fetch --unshallow, or fetch-depth: 0 in CI"
        return Item("repository", "warn", f"{where}, without its older history", cure), repository
    return Item("repository", "ok", where), repository


def _config() -> tuple[list[Item], Config]:
    try:
        config = load_config()
    except ConfigError as error:
        return [Item("config", "bad", error.what, error.hint)], Config()
    file = places.config_file()
    return [Item("config", "ok", str(file) if file.exists() else f"{file} (none yet)")], config


def _policy(repository: Repository | None, config: Config) -> tuple[list[Item], Policy, frozenset[str]]:
    """The policy that a run would use, checks that it would find included, and what differs from it."""
    policy = parse_policy(presets()["default"].read_bytes(), "default")
    if repository is None:
        return [Item("policy", "ok", f"default@{policy.hash}, built in")], policy, frozenset()
    base = repository.file_at(repository.head, POLICY_PATH)
    items = list(_uncommitted(base, _bytes(repository.root / POLICY_PATH)))
    try:
        policy = parse_policy(base, POLICY_PATH) if base is not None else policy
        named, trusted, notices = policy_in_force(repository, repository.head, "", config)
    except PolicyError as error:
        return [Item("policy", "bad", f"at HEAD: {error.what}", error.hint), *items], policy, frozenset()
    except EnvironmentBroken as error:
        return [*items, Item("checks", "bad", error.what, error.hint)], policy, frozenset()
    where = "committed" if base is not None else "built in, with the checks that were found"
    cure = "" if base is not None or items else "route-agent init"
    in_force = Item("policy", "ok", f"{named.name}@{named.policy.hash}, {where}", cure)
    told = (*_exposures(named.policy, trusted), *_without(notices))
    return [in_force, *items, *told], named.policy, trusted


def _without(notices: Iterable[str]) -> Iterator[Item]:
    """The fixers that were left out, since their program is not here."""
    for notice in notices:
        lane, found, what = notice.partition(" without ")
        if found and " " not in lane:
            yield Item(f"lane {lane}", "warn", f"without {what}", "install it in .venv or on the PATH")


def _uncommitted(base: bytes | None, ours: bytes | None) -> Iterator[Item]:
    if ours == base:
        return
    if ours is None:
        yield Item("policy", "warn", "deleted in the working tree; the committed one stays in force")
        return
    state = "is not committed" if base is None else "was changed"
    yield Item("policy", "warn", f"not in force: {POLICY_PATH} {state}", "commit it, or pass --policy")
    try:
        parse_policy(ours, POLICY_PATH)
    except PolicyError as error:
        yield Item("policy", "warn", f"in the working tree: {error.what}", error.hint)


def _bytes(file: Path) -> bytes | None:
    try:
        return file.read_bytes()
    except OSError:
        return None


def _exposures(policy: Policy, trusted: frozenset[str]) -> Iterator[Item]:
    for name, words in asked(policy).items():
        wanted = f"{name}: {words}" if " " in name else f"{name} asks for {words}"
        if name in trusted:
            yield Item("exposure", "ok", f"{wanted}, and you trust it")
        else:
            yield Item("exposure", "warn", f"{wanted}, which is not in effect", "route-agent trust")


# --- checks ------------------------------------------------------------------------------------------------


def _checks(repository: Repository | None, policy: Policy, environment: Mapping[str, str]) -> Iterator[Item]:
    if repository is not None:
        yield from (_check(check, repository.root, environment) for check in policy.checks)


def _check(check: CheckSpec, root: Path, environment: Mapping[str, str]) -> Item:
    name = f"check {check.name}"
    if missing := missing_program(check.run, root, environment):
        return Item(name, "warn" if check.when else "bad", missing, "install it in .venv or on the PATH")
    return Item(name, "ok", " ".join(check.run))


# --- isolation ---------------------------------------------------------------------------------------------

_RESTRICTED = (
    "Ubuntu 24.04 and later: sudo sysctl -w kernel.apparmor_restrict_unprivileged_userns=0"
    " (or give bwrap an AppArmor profile)"
)
_CURES = (
    ("setting up uid map: Permission denied", _RESTRICTED),
    ("Failed RTM_NEWADDR", _RESTRICTED),
    ("/proc/sys/user/max_", "more namespaces: sudo sysctl -w user.max_user_namespaces=15000"),
    (
        "No permissions to creat",
        "Docker: --security-opt seccomp=unconfined; else: sudo sysctl -w kernel.unprivileged_userns_clone=1",
    ),
    ("Can't mount proc", "the container masks /proc: docker run --security-opt systempaths=unconfined"),
    (
        "Failed to make / slave",
        "the container forbids mounts: --security-opt seccomp=unconfined --security-opt apparmor=unconfined",
    ),
)


_UNKNOWN_CURE = "mend what bwrap names; until then checks run without walls"


def isolation_cure(said: str) -> str:
    """What to do about what bwrap said when it could not start."""
    return next((cure for sign, cure in _CURES if sign in said), _UNKNOWN_CURE)


def _walls(repository: Repository | None, config: Config, environment: Mapping[str, str]) -> Iterator[Item]:
    isolation = _isolation(config, environment)
    yield isolation
    if repository is not None and isolation.status == "ok":
        yield _scratch(repository, config)


def _scratch(repository: Repository, config: Config) -> Item:
    """Which kind of scratch a run would get, tried as a run tries it."""
    from route_agent.repo.scratch import slot
    from route_agent.sandbox.trial import walls_for

    try:
        with slot(repository) as mine:
            detail = walls_for(mine, scratch=config.scratch).isolation.detail
    except RouteError as error:
        return Item("scratch", "bad", error.what, error.hint)
    kind = detail.partition(", bwrap ")[0]
    slow = "a mirror takes longer on large repositories; ignored files are not in it"
    return Item("scratch", "ok", kind, slow if kind.startswith("mirror:") else "")


def _isolation(config: Config, environment: Mapping[str, str]) -> Item:
    status: Status = "warn" if config.least_isolation is IsolationLevel.NONE else "bad"
    program = shutil.which("bwrap", path=environment.get("PATH"))
    if program is None:
        cure = "sudo apt install bubblewrap (dnf and pacman call it the same)"
        return Item("isolation", status, "NONE: bwrap is not installed, checks run without walls", cure)
    said = _output([program, *_probe()], environment={"PATH": "/usr/bin:/bin", "LC_ALL": "C"})
    if said.strip() == "walls stand":
        version = _output([program, "--version"]).strip()
        return Item("isolation", "ok", f"namespaces ({version})")
    return Item("isolation", status, f"NONE: {said.strip() or 'bwrap did not start'}", isolation_cure(said))


def _probe() -> Iterator[str]:
    """The walls that the checks get, as far as they can fail, around a command that proves that it ran."""
    yield from ("--unshare-user", "--unshare-pid", "--unshare-net", "--unshare-ipc", "--unshare-uts")
    yield from ("--cap-drop", "ALL", "--die-with-parent", "--new-session", "--ro-bind", "/usr", "/usr")
    for name in ("bin", "sbin", "lib", "lib64"):
        if Path("/", name).is_symlink():
            yield from ("--symlink", f"usr/{name}", f"/{name}")
        elif Path("/", name).is_dir():
            yield from ("--ro-bind", f"/{name}", f"/{name}")
    yield from ("--proc", "/proc", "--dev", "/dev", "--tmpfs", "/tmp")  # noqa: S108  inside the walls
    yield from ("--", "/bin/sh", "-c", "echo walls stand")


# --- secrets, folders and ledger ---------------------------------------------------------------------------


def _scanner(environment: Mapping[str, str], project: Path | None) -> Item:
    """Which scanner looks at what leaves, beside our own table."""
    from route_agent.scanners import PROGRAMS, find_scanner

    found = find_scanner(environment.get("PATH"), project)
    if found:
        return Item("secrets", "ok", f"found by the built-in table and by {found.program}")
    return Item(
        "secrets", "ok", f"found by the built-in table ({' or '.join(PROGRAMS)} would be asked as well)"
    )


def _folders() -> Iterator[Item]:
    folders: tuple[tuple[str, Path, Status], ...] = (
        ("config folder", places.config_file().parent, "warn"),
        ("state folder", places.state_dir(), "bad"),
        ("cache folder", places.repository_cache(Path(".git")).parent, "bad"),
    )
    for name, folder, status in folders:
        if _writable(folder):
            yield Item(name, "ok", str(folder))
        else:
            yield Item(name, status, f"{folder} cannot be written", "change its owner or its permissions")


def _writable(folder: Path) -> bool:
    nearest = next(path for path in (folder, *folder.parents) if os.path.lexists(path))
    return nearest.is_dir() and os.access(nearest, os.W_OK | os.X_OK)


def _ledger(file: Path) -> Iterator[Item]:
    if not file.exists():
        yield Item("ledger", "ok", f"{file} (none yet)")
        return
    try:
        with closing(sqlite3.connect(f"file:{quote(str(file))}?mode=ro", uri=True, timeout=5)) as ledger:
            told = str(ledger.execute("pragma integrity_check").fetchone()[0])
    except sqlite3.Error as error:
        told = str(error)
    if told == "ok":
        yield Item("ledger", "ok", str(file))
    else:
        yield Item(
            "ledger", "bad", f"{file}: {told}", f"keep a copy and move it away: mv {file} {file}.broken"
        )
