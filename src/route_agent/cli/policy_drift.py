"""`route-agent policy drift`: where the code base and its outcomes have moved away from the rules."""

from __future__ import annotations

from collections import Counter
from dataclasses import asdict, dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import TYPE_CHECKING

from route_agent import drift as drifting
from route_agent.cli.edge import plain_errors, print_json, say
from route_agent.cli.policies import policy_at_head, policy_named, tasks_of
from route_agent.pathrules import Written
from route_agent.policy import POLICY_PATH
from route_agent.repo.git import git
from route_agent.repo.git import lines as names
from route_agent.repo.repository import Repository

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from route_agent.drift import Drift, LaneShare
    from route_agent.records.past import PastTask

DAYS = 90  # that are looked back where no policy was ever committed
MOST_COMMITS = 5000


@dataclass(frozen=True, slots=True)
class Since:
    """The commit that the tree is compared with, and why that one; no commit where history is younger."""

    commit: str
    what: str


def drift(directory: Path, policy: str, *, as_json: bool) -> None:
    """Print what was found; ends with 0 whatever that is."""
    with plain_errors(as_json=as_json):
        repository = Repository.open(directory)
        named = policy_named(policy, repository) if policy else policy_at_head(repository)
        written = Written.of(named.text, named.name)
        since = _since(repository)
        tasks = tasks_of(repository)
        bound = (datetime.now(UTC) - timedelta(days=drifting.RECENT_DAYS)).isoformat(timespec="milliseconds")
        recent, before = (
            drifting.lane_shares(it for it in tasks if (it.started_at >= bound) is late)
            for late in (True, False)
        )
        found = list(_found(repository, written, since, tasks))
        found += drifting.moved_lanes(recent, before)
        if as_json:
            print_json(
                {
                    "schema": 1,
                    "policy": named.name,
                    "since": {"commit": since.commit or None, "what": since.what},
                    "n": len(tasks),
                    "findings": [asdict(it) for it in found],
                    "first_lanes": {
                        "recent": [asdict(it) for it in recent],
                        "before": [asdict(it) for it in before],
                    },
                }
            )
            return
        say("\n".join(_lines(named.name, since, len(tasks), found, recent, before)))


def _found(
    repository: Repository, written: Written, since: Since, tasks: Sequence[PastTask]
) -> Iterator[Drift]:
    policy = written.policy
    now = _tree(repository, repository.head)
    before = _tree(repository, since.commit) if since.commit else []
    yield from drifting.uncovered(policy, sorted(set(now) - set(before)))
    yield from drifting.stopped(written, before, now)
    yield from drifting.escalating(policy, tasks)
    yield from drifting.reverted(policy, *_commits_and_reverts(repository))
    yield from drifting.thresholds(policy, tasks)


def _since(repository: Repository) -> Since:
    """The commit in which the policy was last changed, else the last one before the 90 days."""
    cut = "; this clone is shallow: what is older is not seen" if repository.shallow else ""
    told = git("log", "-1", "--format=%H %cs", repository.head, "--", POLICY_PATH, cwd=repository.root)
    if told.strip():
        commit, day = told.decode().split()
        return Since(commit, f"{POLICY_PATH} was last changed on {day} ({commit[:10]}){cut}")
    past = git("rev-list", "-1", f"--before={DAYS}.days", repository.head, cwd=repository.root)
    commit = past.decode().strip()
    younger = "" if commit else ": the whole history is younger, so every file counts as new"
    return Since(commit, f"no {POLICY_PATH} was ever committed; {DAYS} days are looked back{younger}{cut}")


def _tree(repository: Repository, commit: str) -> list[str]:
    return names(git("ls-tree", "-r", "-z", "--name-only", "--full-tree", commit, cwd=repository.root))


def _commits_and_reverts(repository: Repository) -> tuple[Counter[str], Counter[str]]:
    """By path, how many of the last year's commits touched it, and how many of these took one back."""
    log = git(
        "log", f"-{MOST_COMMITS}", "--since=1.year", "--no-merges", "--no-renames", "-z", "--name-only",
        "--format=%x01%s%x02", repository.head, cwd=repository.root,
    )  # fmt: skip
    commits, reverts = Counter[str](), Counter[str]()
    for entry in log.decode(errors="surrogateescape").split("\x01")[1:]:
        subject, _, touched = entry.partition("\x02")
        paths = {path.lstrip("\n") for path in touched.split("\0")} - {""}
        commits.update(paths)
        if subject.startswith("Revert "):
            reverts.update(paths)
    return commits, reverts


def _lines(
    name: str,
    since: Since,
    tasks: int,
    found: Sequence[Drift],
    recent: Sequence[LaneShare],
    before: Sequence[LaneShare],
) -> Iterator[str]:
    yield f"{name}: {since.what}; {tasks} task{'' if tasks == 1 else 's'} of this repository in the ledger"
    for it in found:
        yield f"{it.kind:10} {it.what}"
        yield f"           → {it.do}"
    if not found:
        yield "nothing has drifted, as far as that tells"
    if tasks:
        yield f"first lanes, last {drifting.RECENT_DAYS} days: {_shares(recent)}; before: {_shares(before)}"


def _shares(shares: Sequence[LaneShare]) -> str:
    told = [
        f"{it.lane} {100 * it.count / it.n:.0f} % [{100 * it.low:.0f}, {100 * it.high:.0f}]" for it in shares
    ]
    return f"{', '.join(told)} (n={shares[0].n})" if shares else "none (n=0)"
