"""`route-agent hook run`: judge the commits that a push adds; git calls it before it pushes.

Nothing is imported before it is needed: what was judged before is told in a fraction of a second.
"""

from __future__ import annotations

import os
import sys
import time
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import TYPE_CHECKING

from route_agent.cli.edge import complain, is_plain, plain_errors, print_lines
from route_agent.errors import LimitReached, RouteError, UsageError
from route_agent.hooks import SKIP
from route_agent.hooks.deadline import Deadline, TimeUp
from route_agent.hooks.ranges import ranges_of
from route_agent.hooks.refs import Push, of_framework, read_refs
from route_agent.repo.repository import Repository

if TYPE_CHECKING:
    from collections.abc import Iterator
    from contextlib import AbstractContextManager

    from route_agent.config import Config
    from route_agent.hooks.ranges import Range
    from route_agent.records.events import Event, Listener

UNTOLD_S = 600.0  # how long a push is held before a policy was read; the built-in policy's own deadline
_MARGIN_S = 5.0  # the checks' own deadline comes first, and tells more


def run(remote: str, url: str) -> None:
    """Judge what is about to be pushed and exit with the highest code; git tells the refs on standard input.

    Args:
        remote: the remote's name; git repeats the address here where it has none.
        url: the remote's address.
    """
    with plain_errors(), Deadline(UNTOLD_S, LimitReached.exit_code, _MARGIN_S) as deadline:
        judging = _Judging(deadline)
        try:
            judging.all_of(remote, url)
            deadline.cancel()
        except TimeUp:
            judging.too_late()
        code = max(judging.codes, default=0)
        if code:
            _say(f"the push is stopped. If you want it all the same: {SKIP}", "bold red")
        sys.exit(code)


class _Judging:
    """One push: each range of commits is judged once, and the highest exit code counts."""

    def __init__(self, deadline: Deadline) -> None:
        self.codes: list[int] = []
        self._deadline = deadline
        self._seen: set[Range] = set()
        self._config: Config | None = None

    def all_of(self, remote: str, url: str) -> None:
        try:
            push = of_framework(os.environ) or Push(
                read_refs(_standard_input()), "" if remote == url else remote, url
            )
            for ref in push.refs:
                if ref.deletes:
                    _say(f"{ref.remote}: deleted, nothing to judge")
            if any(not ref.deletes for ref in push.refs):
                self._judge(push)
        except RouteError as error:
            self.codes.append(_complain(error))

    def too_late(self) -> None:
        """Say that the time was up, and what that means for the push."""
        code = self._deadline.exit_code
        self.codes.append(code)
        held = f"held for {self._deadline.seconds:g} s, as long as a push may be (gate.deadline_s)"
        _say(f"{held}: all that ran for it is ended", "bold red" if code else "yellow")
        if not code:
            _say("it goes on without a verdict, as the policy says (gate.on_deadline: allow)", "yellow")

    def _judge(self, push: Push) -> None:
        repository = Repository.open(Path())
        for ref, pushed in ranges_of(repository, push):
            if pushed.skipped or pushed in self._seen:
                _say(f"{ref.remote}: {pushed.skipped or 'the commits judged above'}")
                continue
            self._seen.add(pushed)
            if self._deadline.passed:
                _say(f"{ref.remote}: not judged: the time is up")
                self.codes.append(self._deadline.exit_code)
                continue
            _say(f"{ref.remote}: {_words(pushed)}", "bold")
            try:
                self.codes.append(self._range(repository, pushed))
            except RouteError as error:
                self.codes.append(_complain(error))

    def _range(self, repository: Repository, pushed: Range) -> int:
        if pushed.base and (code := _judged_before(repository, pushed)) is not None:
            return code
        from route_agent.config import load_config

        self._config = self._config or load_config()
        self._obey(repository, pushed, self._config)
        if not pushed.base:
            return _judge_unbased(repository, self._config, pushed)
        return _judge_change(repository, self._config, pushed)

    def _obey(self, repository: Repository, pushed: Range, config: Config) -> None:
        """Hold the push no longer than the policy at the base says; what is wrong with it is told later."""
        from pydantic import ValidationError

        from route_agent.policy import POLICY_PATH, GateRules
        from route_agent.yamlfile import YamlError, parse

        text = repository.file_at(pushed.base or pushed.policy_at or pushed.head, POLICY_PATH)
        rules = GateRules()
        with suppress(YamlError, ValidationError, AttributeError):  # the last: it is no mapping
            rules = GateRules.model_validate(parse(text or b"{}").data.get("gate", {}))
        asked = [rules.on_deadline, *(floor.gate.on_deadline for floor in config.floor)]
        code = LimitReached.exit_code if "block" in asked else 0
        self._deadline.set(rules.deadline_s, code)


def _words(pushed: Range) -> str:
    if not pushed.base:
        return "nothing to compare with: all checks must be green"
    since = f" (since what is known of {pushed.told_by})" if pushed.told_by else ""
    return f"{pushed.base[:10]}..{pushed.head[:10]}{since}"


def _judged_before(repository: Repository, pushed: Range) -> int | None:
    """The exit code of an earlier verdict, told again; None where something changed that counts."""
    from route_agent.earlier import keep_again, verdict_for
    from route_agent.report.earlier import render_earlier

    earlier = verdict_for(repository, pushed.base, pushed.head)
    if earlier is None:
        return None
    print_lines(render_earlier(earlier), error=True)
    keep_again(earlier, "hook")
    return earlier.exit_code


def _judge_change(repository: Repository, config: Config, pushed: Range) -> int:
    """Judge what a range changes, say how it ended, and return its exit code."""
    from route_agent.config import required_isolation
    from route_agent.gate import Asking, judge
    from route_agent.report.terminal import render_gate

    with _progress() as on:
        judged = judge(
            repository,
            config,
            pushed.base,
            pushed.head,
            required=required_isolation(config),
            on=on,
            asked=Asking(source="hook", held=True),
        )
    print_lines(render_gate(judged), error=True)
    _tell_old_hook(repository)
    return judged.exit_code


def _judge_unbased(repository: Repository, config: Config, pushed: Range) -> int:
    """Judge a whole tree, say how it ended, and return its exit code."""
    from route_agent.config import required_isolation
    from route_agent.first_push import judge_unbased
    from route_agent.report.unbased import render_unbased

    with _progress() as on:
        found = judge_unbased(
            repository,
            config,
            pushed.head,
            policy_at=pushed.policy_at,
            required=required_isolation(config),
            on=on,
        )
    print_lines(render_unbased(found), error=True)
    return found.exit_code


def _progress() -> AbstractContextManager[Listener]:
    """What happens, while it does: as lines, or alive in a terminal."""
    if is_plain(sys.stderr):
        return _lines()
    from route_agent.cli.progress import shown

    return shown(quiet=False)


@contextmanager
def _lines() -> Iterator[Listener]:
    began = time.monotonic()

    def tell(event: Event) -> None:
        _say(f"{time.monotonic() - began:6.1f} s  {event.step.value}: {event.text}", "dim")

    yield tell


def _tell_old_hook(repository: Repository) -> None:
    from route_agent.hooks.installing import old_hook

    if old := old_hook(repository):
        _say(f"{old} was written by an earlier version: route-agent hook install renews it", "yellow")


def _standard_input() -> bytes:
    if sys.stdin is None or sys.stdin.isatty():
        raise UsageError(
            "git calls this, with the refs to push on standard input", hint="route-agent hook install"
        )
    return sys.stdin.buffer.read()


def _complain(error: RouteError) -> int:
    complain(error.what, error.hint)
    return error.exit_code


def _say(text: str, style: str = "") -> None:
    """One line for the person who pushes: git shows a hook's standard error."""
    print_lines([(f"route-agent: {text}", style)], error=True)
