"""What a push adds: the commits between what the other end has, as far as is known, and each ref."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from route_agent.errors import RepositoryState
from route_agent.repo.git import GitFailed, git, lines

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from route_agent.hooks.refs import Push, Ref
    from route_agent.repo.repository import Repository

_DEFAULTS = ("HEAD", "main", "master")


@dataclass(frozen=True, slots=True)
class Range:
    """What one ref adds.

    Attributes:
        base: the commit that it is compared with; empty where there is nothing to compare with.
        head: the commit that is pushed.
        told_by: whose knowledge the base is, where neither the ref nor its remote told it.
        policy_at: the commit whose policy counts where there is no base; empty where nothing is known but
            what is pushed.
        skipped: why there is nothing to judge.
    """

    base: str = ""
    head: str = ""
    told_by: str = ""
    policy_at: str = ""
    skipped: str = ""


@dataclass(frozen=True, slots=True)
class _Tip:
    commit: str
    told_by: str = ""


def ranges_of(repository: Repository, push: Push) -> Iterator[tuple[Ref, Range]]:
    """What each ref adds that is not deleted, compared with the nearest thing that is known of the remote.

    That is what the remote has of the ref, else its default branch. Where it has no name, or was never
    fetched from: what the same push tells of other refs, a configured remote of the same address, the
    branch's upstream, and at last what any other remote has.

    Raises:
        RepositoryState: what is pushed is not in this repository, or the history that would tell is missing
            from a shallow clone.
    """
    refs = [ref for ref in push.refs if not ref.deletes]
    known = _commits(repository, [name for ref in refs for name in (ref.local_id, ref.remote_id)])
    for ref in refs:
        yield ref, _range_of(repository, ref, push, known)


def _range_of(repository: Repository, ref: Ref, push: Push, known: dict[str, str]) -> Range:
    head = known[ref.local_id]
    if not head:
        return Range(skipped=_no_commit(repository, ref))
    told = [_Tip(known[ref.remote_id])] if known[ref.remote_id] else []
    if push.remote:
        told += _default_branch(repository, push.remote)
    if not told:
        told = [
            _Tip(known[it.remote_id], f"{it.remote} there") for it in push.refs if known.get(it.remote_id)
        ]
    found = _nearest(repository, told, head) or _nearest(repository, _guessed(repository, ref, push), head)
    if found and found.base == head:
        return Range(skipped="nothing new, nothing to judge")
    if found:
        return found
    if told and repository.shallow:
        raise RepositoryState(
            f"{ref.remote}: where it leaves the remote's branch is not in this shallow clone",
            hint="git fetch --unshallow",
        )
    return Range(head=head, policy_at=next((tip.commit for tip in told), ""))


def _nearest(repository: Repository, tips: Iterable[_Tip], head: str) -> Range | None:
    """From the first tip that has a common history with the head."""
    for tip in tips:
        if base := _merge_base(repository, tip.commit, head):
            return Range(base, head, tip.told_by)
    return None


def _guessed(repository: Repository, ref: Ref, push: Push) -> Iterator[_Tip]:
    """What the other end has, as far as others tell: asked one by one, the best first."""
    remotes = _remotes(repository)
    for name, addresses in remotes.items():
        if push.url in addresses and name != push.remote:
            yield from _named(_default_branch(repository, name), f"{name}, which has the same address")
    yield from (_Tip(commit, "its upstream") for commit in _upstream(repository, ref.local) if commit)
    for name in sorted(remotes, key=lambda it: it != "origin"):
        if name != push.remote:
            yield from _named(_default_branch(repository, name), name)


def _upstream(repository: Repository, local: str) -> Iterable[str]:
    """The commit that a branch's upstream was when it was last fetched; nothing for what is no branch."""
    if not local.startswith("refs/heads/"):
        return ()
    told = git("for-each-ref", "--format=%(upstream)", local, cwd=repository.root)
    names = told.decode(errors="surrogateescape").split()
    return _commits(repository, names).values() if names else ()


def _named(tips: Iterable[_Tip], told_by: str) -> Iterator[_Tip]:
    return (replace(tip, told_by=told_by) for tip in tips)


def _remotes(repository: Repository) -> dict[str, set[str]]:
    """The configured remotes and their addresses, as they are written and as git goes to them."""
    found: dict[str, set[str]] = {}
    try:
        told = lines(git("config", "-z", "--get-regexp", r"^remote\..*\.(push)?url$", cwd=repository.root))
    except GitFailed:  # exit code 1: there are none
        return found
    for entry in told:
        key, _, address = entry.partition("\n")
        found.setdefault(key.partition(".")[2].rpartition(".")[0], set()).add(address)
    return found


def _default_branch(repository: Repository, remote: str) -> list[_Tip]:
    """What a remote's default branch was when it was last fetched from, or pushed to; at most one tip."""
    found = _commits(repository, [f"refs/remotes/{remote}/{name}" for name in _DEFAULTS])
    return [_Tip(commit) for commit in found.values() if commit][:1]


def _commits(repository: Repository, names: Iterable[str]) -> dict[str, str]:
    """The commit that each name stands for, tags followed; empty where it is none. Asked in one go."""
    asked = list(dict.fromkeys(names))
    request = "".join(f"{name}^{{commit}}\n" for name in asked).encode(errors="surrogateescape")
    told = git("cat-file", "--batch-check=%(objectname)", cwd=repository.root, stdin=request).splitlines()
    ids = (line.decode(errors="surrogateescape") for line in told)
    return {name: "" if " " in found else found for name, found in zip(asked, ids, strict=True)}


def _no_commit(repository: Repository, ref: Ref) -> str:
    """Why a ref has no commit: it is a file or a folder.

    Raises:
        RepositoryState: what is pushed is not here, so this is not the repository that is pushed from.
    """
    kind = git(
        "cat-file",
        "--batch-check=%(objecttype)",
        cwd=repository.root,
        stdin=f"{ref.local_id}^{{}}\n".encode(),
    )
    if kind.strip() in (b"blob", b"tree"):
        return "not a commit, nothing to judge"
    raise RepositoryState(
        f"{ref.remote}: what is pushed ({ref.local_id[:10]}) is not in {repository.root}",
        hint="with --git-dir or GIT_DIR, git pushes from another repository than lies here",
    )


def _merge_base(repository: Repository, tip: str, head: str) -> str:
    try:
        return git("merge-base", tip, head, cwd=repository.root).decode().strip()
    except GitFailed:  # exit code 1: no common history
        return ""
