"""From a task and a repository to a decision: what is the start tree, how risky is it, which lane first.

`explain`, `--dry-run` and a run all go through here, so they cannot disagree.
"""

from __future__ import annotations

import shlex
import stat
from contextlib import contextmanager
from dataclasses import replace
from typing import TYPE_CHECKING

from route_agent import classes, factfinding, routing, strictness, trust, yamlfile
from route_agent import risk as risks
from route_agent.errors import EnvironmentBroken, PolicyError, UsageError
from route_agent.ground import Opened
from route_agent.policy import FIXER, POLICY_PATH, LaneSpec, NamedPolicy, named_policy, parse_policy, presets
from route_agent.records.checks import CheckKind
from route_agent.repo.repository import Repository
from route_agent.repo.scratch import slot

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence
    from pathlib import Path

    from route_agent.config import Config
    from route_agent.policy import CheckSpec, Policy
    from route_agent.records.checks import CheckRun
    from route_agent.records.risk import Decision, Risk
    from route_agent.repo.scratch import Slot


@contextmanager
def opened(
    directory: Path, config: Config, *, base: str = "", policy: str = "", head: str = ""
) -> Iterator[Opened]:
    """Open the repository around a folder as a task's ground, until the block ends.

    Args:
        directory: any folder of the checkout.
        config: the user's own configuration.
        base: a revision; the range from its merge base with HEAD is judged. HEAD where empty.
        policy: a file or a preset; the policy at base where empty.
        head: a commit that the task starts from, instead of HEAD with all uncommitted work. It is read and
            never checked out.

    Raises:
        RepositoryState: the repository cannot be judged as it is.
        PolicyError: the policy in force says what it may not say.
    """
    repository = Repository.open(directory)
    repository.refuse_if_under_way()
    commit = repository.commit(head) if head else ""
    base_commit = repository.merge_base(base, commit) if base else commit or repository.head
    named, trusted, notices = policy_in_force(repository, base_commit, policy, config, committed=commit)
    with slot(repository) as mine:
        if commit:
            start = mine.trees.tree_of(commit)
        else:
            start, told = _with_uncommitted_work(mine)
            notices = (*notices, *told)
        base_tree = (
            repository.head_tree if base_commit == repository.head else mine.trees.tree_of(base_commit)
        )
        yield Opened(
            repository=repository,
            config=config,
            policy=named,
            base=base_commit,
            start=start,
            change=mine.trees.change(base_tree, start),
            slot=mine,
            trusted=trusted,
            notices=notices,
        )


def _with_uncommitted_work(mine: Slot) -> tuple[str, tuple[str, ...]]:
    """The tree of HEAD with all uncommitted work, and what of that is not in it."""
    snapshot = mine.trees.snapshot()
    if not snapshot.left_out:
        return snapshot.tree, ()
    shown = ", ".join(snapshot.left_out[:3]) + (" …" if len(snapshot.left_out) > 3 else "")
    return snapshot.tree, (f"not in the start tree (secret, too large or a nested repository): {shown}",)


def policy_in_force(
    repository: Repository,
    base: str,
    chosen: str,
    config: Config,
    *,
    committed: str = "",
    needs_checks: bool = True,
) -> tuple[NamedPolicy, frozenset[str], tuple[str, ...]]:
    """The policy that counts, the checks whose exposures are trusted, and what to say about both.

    With `committed`, that commit is judged and not the working tree. Without `needs_checks`, a project that
    names none has a policy without checks.

    A policy that stands only in the working tree does not count: it may be part of what is judged.

    Raises:
        PolicyError: a fault in the policy, or no such file or preset.
        EnvironmentBroken: there are no checks: nothing could be proved.
    """
    notices: list[str] = []
    text: bytes | None
    if chosen:
        name, text = chosen_text(chosen)
    else:
        text = repository.file_at(base, POLICY_PATH)
        name = POLICY_PATH if text is not None else "default"
        if committed:
            if repository.file_at(committed, POLICY_PATH) != text:
                notices.append(f"{POLICY_PATH} is changed by what is judged: the one at {base[:10]} counts")
        elif _differs(repository, text):
            notices.append(
                f"{POLICY_PATH}: your change is not in force: commit it, or pass --policy {POLICY_PATH}"
            )
    named = named_policy(presets()["default"].read_bytes() if text is None else text, name)
    policy = named.policy
    if chosen and not policy.checks and (own := repository.file_at(base, POLICY_PATH)):
        policy = policy.model_copy(update={"checks": parse_policy(own, POLICY_PATH).checks})
    if not policy.checks:
        policy, found = _with_discovered(policy, repository, base, own_models=text is not None)
        notices += found
    if needs_checks and not policy.checks:
        raise no_checks(base)
    policy, without = _with_installed_fixers(policy, repository.root)
    policy, tightened = strictness.tightened(policy, config.floor)
    notices += [*without, *tightened]
    allowed = trust.allowed_by_name(config, policy)
    asking = trust.asked(policy)
    if text is not None and set(asking) - allowed and trust.is_trusted(config, repository.root, text):
        allowed = frozenset(asking)
    if wanted := "; ".join(f"{name}: {words}" for name, words in asking.items() if name not in allowed):
        notices.append(f"not allowed until you say so (route-agent trust): {wanted}")
    return replace(named, policy=policy), allowed, tuple(notices)


def no_checks(base: str) -> EnvironmentBroken:
    """What is said where no check can be found for a commit."""
    return EnvironmentBroken(
        f"no checks: neither a policy nor the project's own files at {base[:10]} name any. $0 spent",
        hint="route-agent init, then add your test command to .route-agent/policy.yaml",
    )


def chosen_text(chosen: str) -> tuple[str, bytes]:
    """The name and the text of a policy that was chosen by a file's path or a preset's name.

    Raises:
        PolicyError: neither.
    """
    from pathlib import Path

    if preset := presets().get(chosen):
        return chosen, preset.read_bytes()
    try:
        return chosen, yamlfile.bounded(Path(chosen))
    except OSError as error:
        known = ", ".join(presets())
        raise PolicyError(
            f"no policy {chosen}: {error.strerror}", hint=f"a file, or a preset: {known}"
        ) from error


def _differs(repository: Repository, committed: bytes | None) -> bool:
    """Whether the working tree has another policy. A link is not followed: it may lead to what has no end."""
    file = repository.root / POLICY_PATH
    try:
        if not stat.S_ISREG(file.lstat().st_mode):
            return True
        with file.open("rb") as opened_file:
            text = opened_file.read(yamlfile.MAX_BYTES + 1)
    except OSError:
        return committed is not None and repository.settings.get("core.sparsecheckout") != "true"
    return text.replace(b"\r\n", b"\n") != (committed or b"").replace(b"\r\n", b"\n")


def _with_discovered(
    policy: Policy, repository: Repository, base: str, *, own_models: bool
) -> tuple[Policy, list[str]]:
    """The policy with the checks that the project's own files at base ask for, if they ask for any."""
    from route_agent.discovery import discover
    from route_agent.repo.git import git, lines

    def read(path: str) -> str | None:
        content = repository.file_at(base, path)
        return None if content is None else content.decode("utf-8", "replace")

    listed = lines(git("ls-tree", "-r", "-z", "--name-only", "--full-tree", base, cwd=repository.root))
    found = discover(read, listed)
    if not found.checks:
        return policy, []
    checks, left_out = _installed(found.checks, repository.root)
    update: dict[str, object] = {"checks": checks}
    if found.fixers and not own_models:
        fixer = LaneSpec(provider=FIXER, run=found.fixers)
        update["models"] = {FIXER: (fixer,), **policy.models}
        routing_with_fixer = policy.routing.model_copy(update={"ladder": (FIXER, *policy.routing.ladder)})
        update["routing"] = routing_with_fixer
    names = ", ".join(check.name for check in checks)
    return policy.model_copy(update=update), [
        f"checks found in the project: {names} (route-agent init keeps them)",
        *left_out,
    ]


def _installed(checks: Sequence[CheckSpec], root: Path) -> tuple[tuple[CheckSpec, ...], list[str]]:
    """The found checks without linters, formatters and the like that are not installed, and a word on each.

    A policy that names such a check must have it; what was merely found is no reason to judge nothing. A
    missing test runner is: without tests hardly anything is proved.
    """
    import os

    from route_agent.sandbox.programs import missing_program

    told = {
        check.name: why
        for check in checks
        if check.kind is not CheckKind.TEST and (why := missing_program(check.run, root, os.environ))
    }
    kept = tuple(check for check in checks if check.name not in told)
    if not kept:
        return tuple(checks), []
    return kept, [f"{name} is left out: {why}" for name, why in told.items()]


def _with_installed_fixers(policy: Policy, root: Path) -> tuple[Policy, list[str]]:
    """The policy without the fixers' commands whose program is not here, and a word on each.

    A fixer lane of which nothing is left leaves the ladder: what it would have mended, the next lane does.
    """
    import os

    from route_agent.sandbox.programs import missing_program

    models, ladder, told = dict(policy.models), policy.routing.ladder, list[str]()
    for lane, specs in policy.models.items():
        kept: list[LaneSpec] = []
        for spec in specs:
            why = {
                argv: missing_program(argv, root, os.environ) if spec.is_fixer else "" for argv in spec.run
            }
            told += [f"{lane} without {shlex.join(argv)}: {lacks}" for argv, lacks in why.items() if lacks]
            run = tuple(argv for argv in spec.run if not why[argv])
            if run or not spec.is_fixer:
                kept.append(spec.model_copy(update={"run": run}))
        models[lane] = tuple(kept)
        if not kept:
            del models[lane]
            ladder = tuple(name for name in ladder if name != lane)
    if not told:
        return policy, []
    routing_left = policy.routing.model_copy(update={"ladder": ladder})
    return policy.model_copy(update={"models": models, "routing": routing_left}), told


def facts(ground: Opened, brief: str, baseline: CheckRun | None, *, deep: bool = False) -> risks.Facts:
    """What is known about the task before any lane is asked; with `deep`, also what no rule asks for."""
    return factfinding.find(ground, brief, baseline, deep=deep)


def decide(
    ground: Opened,
    known: risks.Facts,
    baseline: CheckRun | None,
    wish: routing.Wish,
    level: routing.Level | None = None,
) -> tuple[Risk, Decision]:
    """Score the task and choose its ladder.

    Args:
        level: what the shadow lane said, in mode `shadow`.
    """
    risk = risks.assess(known, ground.policy.policy, ground.policy.lines)
    return risk, routed(ground, risk, known.brief, baseline, wish, level)


def routed(
    ground: Opened,
    risk: Risk,
    brief: str,
    baseline: CheckRun | None,
    wish: routing.Wish,
    level: routing.Level | None = None,
) -> Decision:
    """Where a task of this risk goes."""
    failed = baseline.failed if baseline else ()
    fits = classes.fitting(brief, [signal.name for signal in risk.signals if signal.raised])
    decision = routing.route(
        risk,
        ground.policy,
        classes.most_demanding(fits),
        fits=fits,
        red_kinds=frozenset(result.kind for result in failed),
        red=frozenset(result.name for result in failed),
        wish=wish,
        level=level,
    )
    _refuse_below_a_floor(decision, risk, ground, force=wish.force)
    return decision


def _refuse_below_a_floor(decision: Decision, risk: Risk, ground: Opened, *, force: bool) -> None:
    """A policy's own conditions may be forced; what a floor asks for holds whatever is asked otherwise."""
    policy = ground.policy.policy
    top = [lane for lane in policy.routing.ladder if not policy.models[lane][0].is_fixer][-1]
    if not force or decision.lane == top or decision.phase in routing.AUTOMATED:
        return
    if asked := [
        f"{it} by {who}" for it, who in strictness.held(ground.config.floor).items() if risk.raised(it)
    ]:
        raise UsageError(
            f"this task always goes to {top} ({', '.join(asked)}), and --force-lane reaches below no floor",
            hint="route-agent config show",
        )


def refuse_early(ground: Opened, brief: str, wish: routing.Wish, unusable: dict[str, str]) -> None:
    """What can be known to fail before the checks have run, which may take minutes.

    Raises:
        UsageError: the wished lane cannot be had, no lane of the ladder can be called here, or the step
            that was named ends in no patch.
    """
    policy = ground.policy.policy
    _, decision = decide(ground, facts(ground, brief, None), None, wish)
    routing.refuse_text(decision)
    if decision.phase in routing.AUTOMATED:
        return  # it asks no model
    if not any(policy.models[lane][0].is_fixer for lane in policy.routing.ladder):
        with_usable_lanes(decision, unusable)


def with_usable_lanes(decision: Decision, unusable: dict[str, str]) -> Decision:
    """The decision without the lanes that cannot be called here.

    Args:
        decision: the ladder as the policy wants it.
        unusable: why a lane cannot be called, by lane.

    Raises:
        UsageError: no lane is left, or the one that was chosen as the top is not there.
    """
    ladder = tuple(lane for lane in decision.ladder if lane not in unusable)
    missing = tuple(f"{lane} skipped: {unusable[lane]}" for lane in decision.ladder if lane in unusable)
    if not ladder:
        first = decision.ladder[0]
        why = unusable[first]
        if why.endswith(" not set"):
            raise UsageError(f"no key for lane {first}: {why}", hint="set it, or use a lane that needs none")
        raise UsageError(f"lane {first}: {why}")
    return replace(decision, lane=ladder[0], ladder=ladder, skipped=(*decision.skipped, *missing))
