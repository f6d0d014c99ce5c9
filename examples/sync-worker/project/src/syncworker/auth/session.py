"""Signed session tokens: `user:session:expiry:signature`.

Whoever has the key can check a token, so a token outlives a restart of the process that issued it.
"""

from __future__ import annotations

import hashlib
import hmac
import secrets
import time
from collections.abc import Callable
from dataclasses import dataclass


class SessionRefused(Exception):
    """A token that proves nothing: forged, malformed or expired."""


@dataclass(frozen=True, slots=True)
class Session:
    """What a token says. `expires_at` is in whole seconds since the epoch."""

    user: str
    id: str
    expires_at: int


class Sessions:
    """Issues and checks tokens that are valid for `lifetime` seconds."""

    def __init__(
        self, key: bytes, *, lifetime: int = 900, clock: Callable[[], float] = time.time
    ) -> None:
        self._key = key
        self._lifetime = lifetime
        self._clock = clock
        self._active: dict[str, Session] = {}

    def log_in(self, user: str) -> str:
        """Start a session and return its token."""
        if not user or ":" in user:
            raise ValueError("a user name is not empty and has no colon")
        session = Session(user, secrets.token_hex(8), int(self._clock()) + self._lifetime)
        self._active[session.id] = session
        return self._token(session)

    def log_out(self, token: str) -> None:
        """End the session of a valid token.

        Raises:
            SessionRefused: the token is not valid.
        """
        session = self.verify(token)
        self._active.pop(session.id, None)

    def verify(self, token: str) -> Session:
        """The session that a token stands for.

        Raises:
            SessionRefused: forged, malformed or expired.
        """
        session = self._read(token)
        if session.expires_at <= self._clock():
            raise SessionRefused("expired")
        return session

    def active_users(self) -> tuple[str, ...]:
        """Who has logged in here and not out again, sorted."""
        now = self._clock()
        return tuple(sorted({s.user for s in self._active.values() if s.expires_at > now}))

    def _read(self, token: str) -> Session:
        claim, _, signature = token.rpartition(":")
        if not hmac.compare_digest(signature.encode(), self._sign(claim).encode()):
            raise SessionRefused("forged")
        user, session_id, expires_at = claim.split(":")
        return Session(user, session_id, int(expires_at))

    def _token(self, session: Session) -> str:
        claim = f"{session.user}:{session.id}:{session.expires_at}"
        return f"{claim}:{self._sign(claim)}"

    def _sign(self, claim: str) -> str:
        return hmac.new(self._key, claim.encode(), hashlib.sha256).hexdigest()
