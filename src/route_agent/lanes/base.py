"""The one protocol: a request goes in, a proposal comes out, everything else a lane needs is on the desk."""

from __future__ import annotations

from typing import TYPE_CHECKING, Protocol

if TYPE_CHECKING:
    from route_agent.lanes.desk import Desk
    from route_agent.records.lanes import Proposal, Request


class Lane(Protocol):
    """One way of getting a patch.

    `provider` and `model` are what a report calls the lane; a fixer has no model.
    """

    name: str
    provider: str
    model: str

    def propose(self, request: Request, desk: Desk) -> Proposal:
        """Return a patch for the request.

        Raises:
            ProviderError: no answer could be had.
            LimitReached: the budget or the deadline does not allow another call.
        """
        ...
