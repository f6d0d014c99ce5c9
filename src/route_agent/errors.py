"""Failures that a person can act on: what, where, what next, and one exit code.

Anything that is not a `RouteError` is a bug of ours and keeps its traceback.
The numbers are the program's interface; `docs/exit-codes.md` says what each means.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from route_agent.records.lanes import Usage

MAX_REFUSAL = 8_000  # characters: a refusal goes into the next request and into reports


def _bounded(what: str) -> str:
    return what if len(what) <= MAX_REFUSAL else f"{what[:MAX_REFUSAL]} …"


class RouteError(Exception):
    """Printed as one line, with its hint, and never with a traceback.

    Args:
        what: what went wrong and where, in the user's words.
        hint: what to do next, if there is something to do.
    """

    exit_code = 1

    def __init__(self, what: str, *, hint: str = "") -> None:
        super().__init__(what)
        self.what = what
        self.hint = hint


class UsageError(RouteError):
    """An option, argument or task text that cannot be used."""

    exit_code = 2


class PolicyError(UsageError):
    """The policy file says something it may not say; the message names file, line and key."""


class ConfigError(UsageError):
    """The user's own configuration file cannot be used."""


class ProviderError(RouteError):
    """A model could not be reached or did not answer properly.

    Args:
        what: the provider's own words, shortened and redacted.
        kind: the provider's error type or HTTP status, for the ledger.
        retryable: whether the same request may succeed a little later.
        maybe_billed: whether the provider may have done the work although no answer came (a timeout, a cut
            stream): such a call stays charged at what was reserved for it.
        retry_after: seconds that the provider asked to wait, if it said so.
        parameter: which part of the request was refused by its name, where the provider said so.
        partial: of an answer that broke off, about what had been read and written by then: an estimate.
    """

    exit_code = 3

    def __init__(
        self,
        what: str,
        *,
        kind: str,
        retryable: bool = False,
        maybe_billed: bool = False,
        retry_after: float | None = None,
        parameter: str = "",
        partial: Usage | None = None,
        hint: str = "",
    ) -> None:
        super().__init__(what, hint=hint)
        self.kind = kind
        self.retryable = retryable
        self.maybe_billed = maybe_billed
        self.retry_after = retry_after
        self.parameter = parameter
        self.partial = partial


class HostilePatch(RouteError):
    """A patch tried to leave its bounds. Nothing of it was applied. Its words are bounded."""

    exit_code = 4

    def __init__(self, what: str, *, hint: str = "") -> None:
        super().__init__(_bounded(what), hint=hint)


class SecretFound(RouteError):
    """What would have to be sent holds a private key. Nothing was sent."""

    exit_code = 4


class LimitReached(RouteError):
    """A budget, an iteration limit or a deadline: stopped before it was passed."""

    exit_code = 5


class CapReached(LimitReached):
    """The most that one attempt of a lane may take. That lane stops; the next one may still try."""


class EnvironmentBroken(RouteError):
    """The checks cannot run here, or would prove the wrong thing. Ends at $0."""

    exit_code = 6


class RepositoryState(RouteError):
    """The repository is in a state in which no patch can be judged."""

    exit_code = 6


class LedgerError(RouteError):
    """The ledger cannot be read or written. It is never overwritten."""

    exit_code = 6


class DeliveryRefused(RouteError):
    """The patch was proved, but putting it where the user asked would touch the user's own work."""

    exit_code = 6


class BadPatch(Exception):
    """A reply that holds no patch, or a patch of which an edit has no home. The next attempt answers it.

    Args:
        what: which edit, what was looked for and what is there instead; shown to the next lane, and bounded.
    """

    def __init__(self, what: str) -> None:
        super().__init__(_bounded(what))
