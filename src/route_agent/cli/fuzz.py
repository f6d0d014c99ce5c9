"""`route-agent policy fuzz`: does anything that an outsider writes lower what the policy asks for?"""

from __future__ import annotations

import sys
import tempfile
from pathlib import Path
from random import Random
from typing import TYPE_CHECKING

from route_agent.cli.edge import plain_errors, print_json, print_lines
from route_agent.config import load_config
from route_agent.decide import chosen_text, policy_in_force
from route_agent.errors import EnvironmentBroken, RepositoryState
from route_agent.fuzzing import Found, Report
from route_agent.fuzzing import fuzz as tried
from route_agent.fuzzing.heads import loosened
from route_agent.policy import POLICY_PATH, NamedPolicy, parse_policy
from route_agent.repo.git import git, lines
from route_agent.repo.repository import Repository

if TYPE_CHECKING:
    from route_agent.config import Config

MOST_PATHS = 300  # files of the repository that are named and changed
MOST_SHOWN = 400  # characters of a text

_APART = {"GIT_CONFIG_GLOBAL": "/dev/null", "GIT_CONFIG_NOSYSTEM": "1"}
_AUTHOR = ("-c", "user.name=fuzz", "-c", "user.email=fuzz@localhost", "-c", "commit.gpgsign=false")


def fuzz(directory: Path, policy: str, *, rounds: int, seed: int, as_json: bool) -> None:
    """Try, print what was tried and what fell, and exit 1 where anything did."""
    with plain_errors(as_json=as_json):
        config = load_config()
        named, paths = _ground(directory, policy, config, seed)
        report = tried(named, rounds=rounds, seed=seed, paths=paths)
        heads = in_force_despite(named, config)
        if as_json:
            print_json(_object(named, report, heads))
        else:
            print_lines(_lines(named, report, heads))
        if report.found or any(heads.values()):
            sys.exit(1)


def _ground(directory: Path, policy: str, config: Config, seed: int) -> tuple[NamedPolicy, tuple[str, ...]]:
    """The policy to try, and files of the repository where there is one; it needs no check for that."""
    try:
        repository = Repository.open(directory)
    except RepositoryState:
        if not policy:
            raise
        return _parsed(policy), ()
    listed = lines(git("ls-tree", "-r", "-z", "--name-only", "--full-tree", "HEAD", cwd=repository.root))
    paths = tuple(Random(seed).sample(listed, min(len(listed), MOST_PATHS)))  # noqa: S311 - nothing secret
    try:
        return policy_in_force(repository, repository.head, policy, config)[0], paths
    except EnvironmentBroken:
        return _parsed(policy or "default"), paths


def _parsed(policy: str) -> NamedPolicy:
    name, text = chosen_text(policy)
    return NamedPolicy(name, parse_policy(text, name))


def in_force_despite(named: NamedPolicy, config: Config) -> dict[str, str]:
    """What each looser policy at a head, committed or not, changes of the one at base; empty where nothing.

    A repository of its own is made for it, in a temporary folder.
    """
    policy = named.policy
    if not policy.checks:
        policy = parse_policy('version: 1\nchecks: [{name: any, run: ["false"]}]', named.name).model_copy(
            update={name: getattr(policy, name) for name in type(policy).model_fields if name != "checks"}
        )
    with tempfile.TemporaryDirectory(prefix="route-agent-fuzz-") as folder:
        root = Path(folder)
        git("init", "--quiet", "--template=", cwd=root, environment=_APART)
        base = _committed(root, policy.model_dump_json(exclude_unset=True))
        expected = policy_in_force(Repository.open(root), base, "", config)[0].policy
        told = {}
        for name, text in loosened(policy).items():
            head = _committed(root, text)
            repository = Repository.open(root)
            in_force = [
                policy_in_force(repository, base, "", config, committed=it)[0].policy for it in (head, "")
            ]
            fell = any(policy != expected for policy in in_force)
            told[name] = "the policy at base is no longer what is in force" if fell else ""
        return told


def _committed(root: Path, text: str | None) -> str:
    file = root / POLICY_PATH
    file.parent.mkdir(exist_ok=True)
    if text is None:
        file.unlink()
    else:
        file.write_text(text)
    git("add", "--all", cwd=root, environment=_APART)
    git(
        *_AUTHOR,
        "commit",
        "--quiet",
        "--allow-empty",
        "--no-verify",
        "-m",
        "policy",
        cwd=root,
        environment=_APART,
    )
    return git("rev-parse", "HEAD", cwd=root).decode().strip()


def _object(named: NamedPolicy, report: Report, heads: dict[str, str]) -> dict[str, object]:
    return {
        "schema": 1,
        "policy": named.name,
        "policy_hash": named.policy.hash,
        "rounds": report.rounds,
        "seed": report.seed,
        "tried": dict(report.tried),
        "refused": report.refused,
        "head_policies": len(heads),
        "found": [_found(it) for it in report.found]
        + [{"way": f"a policy at head: {name}", "fell": fell} for name, fell in heads.items() if fell],
    }


def _found(it: Found) -> dict[str, object]:
    return {
        "way": it.way,
        "fell": it.fell,
        **{
            when: {"brief": scene.brief, "changed": list(scene.changed), "failing": list(scene.failing)}
            for when, scene in (("before", it.before), ("after", it.after))
        },
        "red": sorted(kind.value for kind in it.before.red),
    }


def _lines(named: NamedPolicy, report: Report, heads: dict[str, str]) -> list[tuple[str, str]]:
    refused = f", {report.refused} texts refused" if report.refused else ""
    told = [(f"policy {named.name} {named.policy.hash}", "bold")]
    told += [
        (f"tried   {report.rounds} changes in {len(report.tried)} ways, seed {report.seed}{refused}", "")
    ]
    told += [(f"        {name} {count}", "dim") for name, count in report.tried.items()]
    told += [(f"heads   {len(heads)} looser policies brought along by the change", "")]
    told += [
        (f"FELL    a policy at head ({name}): {fell}", "bold red") for name, fell in heads.items() if fell
    ]
    for it in report.found:
        told += [(f"FELL    {it.way}: {it.fell}", "bold red")]
        told += [
            (f"  {what:<8}{_shown(before, after)}", "")
            for what, before, after in _sides(it)
            if before or after
        ]
    if not report.found and not any(heads.values()):
        told += [("nothing fell: no score, lane, always-strong condition, bar or check", "green")]
    return told


def _sides(it: Found) -> list[tuple[str, str, str]]:
    old, new = it.before, it.after
    return [
        ("brief", old.brief, new.brief),
        ("files", ", ".join(old.changed), ", ".join(new.changed)),
        ("red", ", ".join(old.failing), ", ".join(new.failing)),
    ]


def _shown(before: str, after: str) -> str:
    one, other = (
        repr(text[:MOST_SHOWN]) + (" …" if len(text) > MOST_SHOWN else "") for text in (before, after)
    )
    return one if before == after else f"{one} → {other}"
