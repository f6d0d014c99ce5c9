"""Makes a test for the brief: asks for it, fits it, and runs it on start until one counts.

All of it happens in a thread and a scratch of its own, beside the work of the patch's author.
"""

from __future__ import annotations

import secrets
import time
from dataclasses import dataclass, field, replace
from functools import cache, partial
from typing import TYPE_CHECKING

from route_agent import reproduction as rules
from route_agent import tampering
from route_agent.errors import (
    BadPatch,
    EnvironmentBroken,
    HostilePatch,
    LimitReached,
    ProviderError,
    RepositoryState,
)
from route_agent.lanes.desk import Desk
from route_agent.patch import guard
from route_agent.prompt import tellable, write_repair
from route_agent.records.events import Event, Step
from route_agent.records.lanes import Purpose
from route_agent.records.reproductions import Reproduction
from route_agent.redaction import is_secret_name
from route_agent.repo.apply import TreeFiles, apply_reply, judge_patch
from route_agent.repo.secrets import refuse_unseen
from route_agent.repo.trees import Content
from route_agent.withholding import without_secrets

if TYPE_CHECKING:
    import threading
    from collections.abc import Callable, Iterator, Mapping
    from contextlib import AbstractContextManager

    from route_agent.lanes.base import Answerer, Lane
    from route_agent.lanes.desk import Workspace
    from route_agent.ledger.budget import Purse
    from route_agent.policy import LaneSpec, Policy
    from route_agent.proof import Prover
    from route_agent.records.change import Change
    from route_agent.records.checks import CheckRun
    from route_agent.records.events import Listener
    from route_agent.records.exchanges import Exchange
    from route_agent.records.lanes import Call, ModelReply, Prompt, Request
    from route_agent.repo.trees import Trees

_REASON_CHARACTERS = 300


@dataclass(frozen=True, slots=True)
class Means:
    """What it takes to get a reproduction.

    Attributes:
        brief: the task's text.
        wanted: whether the policy wants one for such a task.
        start: the tree that lanes edit.
        baseline: the checks there.
        policy: when a test is wanted, from whom, and how often it is asked for.
        writers: what can be asked for it, in the policy's order, each with its entry.
        off: why nothing can.
        reviewers: what can be asked for an opinion of it.
        specs: the entry that each lane of the ladder stands for.
        ask: what a model may be shown of the task, cut to an entry's size.
        prover: a prover with a scratch of its own, whose checks end when the event is set.
        trees: the run's own trees.
        purse: the run's money.
        deadline: the `time.monotonic()` after which nobody waits for it.
        on: told what goes on.
        withheld: whether no model is shown a file.
        leaving: a prompt as it may leave.
        keep: keeps what was said.
    """

    brief: str
    wanted: bool
    start: str
    baseline: CheckRun
    policy: Policy
    writers: tuple[tuple[Lane, LaneSpec], ...]
    off: str
    reviewers: tuple[Answerer, ...]
    specs: Mapping[str, LaneSpec]
    ask: Callable[[LaneSpec], Request]
    prover: Callable[[threading.Event], AbstractContextManager[Prover]]
    trees: Trees
    purse: Purse
    deadline: float
    on: Listener
    withheld: Callable[[str], bool] = is_secret_name
    leaving: Callable[[Prompt], Prompt] = without_secrets
    keep: Callable[[Exchange], None] = lambda exchange: None


@dataclass(frozen=True, slots=True)
class Made:
    """What came of it; with the files, since the scratch and all that lies in it is given back."""

    reproduction: Reproduction
    files: Mapping[str, Content] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class _Tried:
    """One try: the reply, and the test, or why it does not count."""

    reply: str
    why_not: str = ""
    change: Change | None = None
    baseline: CheckRun | None = None
    tests: tuple[str, ...] = ()


class Making:
    """One reproduction while it is made.

    Args:
        writer: the lane that writes it, and its entry.
        kept: micro-dollars that must be left to the patch's author beside every call.
        stop: set when nobody waits for it any more.
    """

    def __init__(self, means: Means, writer: tuple[Lane, LaneSpec], kept: int, stop: threading.Event) -> None:
        self._means = means
        self._writer, self._spec = writer
        self._kept = kept
        self._stop = stop

    def make(self) -> Made:
        """Ask until a test counts or the tries are used up; whatever goes wrong becomes the reason.

        Raises:
            LedgerError: what was paid cannot be written down.
        """
        means, lane = self._means, self._writer
        began, paid = time.monotonic(), len(means.purse.calls)
        made = Made(Reproduction(lane.name, lane.model))
        try:
            with means.prover(self._stop) as prover:
                for number, tried in enumerate(self._tries(prover), 1):
                    made = self._told(tried, number, prover.slot.trees)
        except HostilePatch as error:
            made = _unmade(made, str(error), tries=1)
        except (LimitReached, ProviderError, EnvironmentBroken, RepositoryState) as error:
            made = _unmade(made, str(error))
        paid_for = means.purse.made(paid, lane.name)
        seconds = time.monotonic() - began
        return replace(made, reproduction=replace(made.reproduction, calls=paid_for, seconds=seconds))

    def _told(self, tried: _Tried, number: int, trees: Trees) -> Made:
        told = Reproduction(self._writer.name, self._writer.model, attempts=number)
        if tried.change is None:
            tries = "the one try" if number == 1 else f"{number} tries"
            return Made(replace(told, reason=_one_line(f"none counts in {tries}: {tried.why_not}")))
        change = tried.change
        entries = trees.entries(change.new_tree, change.paths)
        data = trees.read(entries)
        told = replace(
            told,
            tests=tried.tests,
            change=change,
            baseline=tried.baseline,
            patch=trees.diff(change.old_tree, change.new_tree),
            reason="red at start in two runs of two",
        )
        return Made(told, {path: Content(entry.mode, data[path]) for path, entry in entries.items()})

    def _tries(self, prover: Prover) -> Iterator[_Tried]:
        """Tries until one counts; each later one is told why the earlier did not."""
        request = self._means.ask(self._spec)
        prompt = replace(request.prompt, system=rules.SYSTEM, shape=None)
        for _ in range(self._means.policy.reproduce.attempts):
            fit = cache(partial(self._fit, prover.slot.trees))
            desk = QuietDesk(self._means, self._writer.name, fit, self._kept, self._stop)
            reply = self._writer.propose(replace(request, prompt=prompt), desk).reply or ""
            try:
                tried = self._judged(reply, fit(reply), prover)
            except BadPatch as refusal:
                tried = _Tried(reply, str(refusal))
            yield tried
            if not tried.why_not:
                return
            prompt = write_repair(prompt, reply, tried.why_not, secrets.token_hex(6), rules.AGAIN)

    def _fit(self, trees: Trees, reply: str) -> Change:
        """The reply as a change of one test file, within its bounds and fair."""
        start = self._means.start
        try:
            tree = apply_reply(trees, start, reply)
        except BadPatch as refusal:
            files, withheld = TreeFiles(trees, start), self._means.withheld
            raise BadPatch(tellable(str(refusal), reply, files, withheld)) from refusal
        change = trees.change(start, tree)
        if why := rules.out_of_bounds(change):
            raise BadPatch(why)
        judge_patch(trees, change, self._means.policy.paths)
        refuse_unseen(change, self._means.withheld)
        if why := self._unfair(trees, change):
            raise BadPatch(why)
        return change

    def _unfair(self, trees: Trees, change: Change) -> str:
        """What speaks against the test as it is written."""
        before = trees.read(trees.entries(change.old_tree, change.paths))
        after = trees.read(trees.entries(change.new_tree, change.paths))
        files = {path: (before.get(path), after.get(path)) for path in change.paths}
        reached = {it for versions in files.values() for it in rules.reached_out(*versions)}
        if new := sorted(reached - trees.words_in(change.old_tree, tuple(sorted(reached)))):
            return f"a test reaches nothing outside: do without {', '.join(new)}"
        odd = guard.remarks(change, trees.diff(change.old_tree, change.new_tree))
        found = tampering.find(
            files,
            task_class="tests",  # whatever the task is: this part of it only writes one
            brief=self._means.brief,
            tree=trees.entries(change.old_tree),
        )
        return "; ".join(odd) or rules.unfair(found)

    def _judged(self, reply: str, change: Change, prover: Prover) -> _Tried:
        """Run it twice on start: does it count?"""
        means = self._means
        means.on(Event(Step.REPRODUCE, f"is {change.paths[0]} red at start?"))
        first = prover.run(change.new_tree)
        seen = rules.seen(means.baseline, first, means.brief)
        why = seen.why_not or rules.meddles(means.baseline, first)
        if not why:
            again = prover.run_only(change.new_tree, seen.tests | seen.others)
            why = rules.confirmed(seen, again)
        if why:
            return _Tried(reply, why)
        baseline = rules.baseline_with(means.baseline, first, seen.tests)
        return _Tried(reply, "", change, baseline, tuple(sorted(seen.tests)))


class QuietDesk(Desk):
    """A desk that leaves the patch's author what it needs, and makes no call that nobody waits for."""

    def __init__(
        self, means: Means, lane: str, fit: Callable[[str], Change], kept: int, stop: threading.Event
    ) -> None:
        super().__init__(
            lane=lane,
            purse=means.purse,
            deadline=means.deadline,
            workspace=_no_workspace,
            fit=fit,
            on=means.on,
            purpose=Purpose.TEST,
            leaving=means.leaving,
            keep=means.keep,
        )
        self._kept = kept
        self._stop = stop

    def ask(
        self,
        *,
        provider: str,
        model: str,
        prompt: Prompt,
        max_output_tokens: int,
        timeout_s: float,
        send: Callable[[Prompt, float], ModelReply],
        purpose: Purpose | None = None,
        fallback_for: str = "",
        reuse: Mapping[str, object] | None = None,
    ) -> tuple[ModelReply, Call]:
        """As at every desk, within what is to spare."""
        if self._stop.is_set():
            raise LimitReached("nobody waits for it any more")
        worst = self._purse.worst(self.lane, provider, model, prompt, max_output_tokens)
        if worst and not self._purse.spares(self.lane, worst, self._kept):
            raise LimitReached(
                f"it could cost ${worst / 1e6:.2f}, and too little of the limit would be left for the patch"
            )
        return super().ask(
            provider=provider,
            model=model,
            prompt=prompt,
            max_output_tokens=max_output_tokens,
            timeout_s=timeout_s,
            send=send,
            purpose=purpose,
            fallback_for=fallback_for,
            reuse=reuse,
        )


def _no_workspace(start: str) -> Iterator[Workspace]:
    """Nobody edits files for it: a model answers in text."""
    del start
    yield from ()


def _unmade(made: Made, why: str, *, tries: int = 0) -> Made:
    """The reason in place of a test; what earlier tries came to is told by their number."""
    told = made.reproduction
    earlier = f" (before: {told.reason})" if told.reason else ""
    reason = _one_line(f"{why}{earlier}")
    return Made(Reproduction(told.lane, told.model, reason=reason, attempts=told.attempts + tries))


def _one_line(text: str) -> str:
    line = " ".join(text.split())
    return line if len(line) <= _REASON_CHARACTERS else f"{line[: _REASON_CHARACTERS - 1]}…"
