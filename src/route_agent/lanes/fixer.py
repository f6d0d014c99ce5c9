"""A lane without a model, at no cost: commands that edit the files, for what has one right answer."""

from __future__ import annotations

import shlex
from typing import TYPE_CHECKING

from route_agent.errors import ProviderError
from route_agent.fixing import commands_for
from route_agent.policy import FIXER
from route_agent.records.lanes import Proposal

if TYPE_CHECKING:
    from route_agent.lanes.desk import Desk, Workspace
    from route_agent.policy import Argv, CheckSpec, LaneSpec
    from route_agent.records.lanes import Request


class FixerLane:
    """Runs a lane's commands in a scratch, one after the other; what they leave behind is the proposal.

    Args:
        checks: the project's, by which the commands are chosen that answer the red ones among them.
    """

    provider = FIXER
    model = ""

    def __init__(self, name: str, spec: LaneSpec, checks: tuple[CheckSpec, ...] = ()) -> None:
        self.name = name
        self._spec = spec
        self._checks = checks

    def propose(self, request: Request, desk: Desk) -> Proposal:
        """Run every command and return the tree.

        An exit code above zero is no failure: fixers use it to say that findings remain.

        Raises:
            ProviderError: a command cannot start, or did not end by itself.
            LimitReached: the run's deadline has passed, or the time that the lane's cap gives.
        """
        chosen = self._answering(request)
        with desk.workspace(request.start) as place:
            for argv in chosen:
                self._run(argv, place, desk)
            return Proposal(tree=place.tree(), summary=f"ran: {'; '.join(map(shlex.join, chosen))}")

    def _answering(self, request: Request) -> tuple[Argv, ...]:
        """The commands for what is red. Whoever asked for this lane where nothing is red gets them all."""
        red = {*request.failing_checks} & {check.name for check in self._checks}
        return commands_for(self._spec.run, self._checks, red, request.task_class) or self._spec.run

    def _run(self, argv: Argv, place: Workspace, desk: Desk) -> None:
        desk.refuse_late()
        seconds = min(self._spec.timeout_s, desk.seconds_left)
        finished = place.run(argv, seconds)
        shown = shlex.join(argv)
        if not finished.started:
            raise ProviderError(
                f"lane {self.name} cannot run `{shown}`: {finished.reason}",
                kind="fixer_missing",
                hint=f"install {argv[0]} where the checks find it, or take it out of the lane's `run`",
            )
        if finished.timed_out:
            # what it leaves behind may be half an edit
            raise ProviderError(
                f"lane {self.name}: `{shown}` did not end within {seconds:.3g} s",
                kind="fixer_timeout",
                hint="timeout_s of the lane in the policy is the longest wait",
            )
        if finished.exit_code is None or finished.exit_code > 128:
            why = finished.reason or f"exit code {finished.exit_code}"
            raise ProviderError(f"lane {self.name}: `{shown}` was killed: {why}", kind="fixer_killed")
