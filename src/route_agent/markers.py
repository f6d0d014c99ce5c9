"""The secret from which markers around untrusted text are made: one for each user, kept with the ledger."""

from __future__ import annotations

import os
import secrets
from typing import TYPE_CHECKING

from route_agent import places
from route_agent.errors import LedgerError

if TYPE_CHECKING:
    from pathlib import Path

_BYTES = 32


def marker_key() -> bytes:
    """The user's own 32 bytes; made, for nobody else to read, where they are not there yet.

    Raises:
        LedgerError: the state folder cannot be written.
    """
    file = places.state_dir() / "marker-key"
    try:
        if (key := _read(file)) is None:
            _make(file)
            key = _read(file)
    except OSError as error:
        raise LedgerError(
            f"{file} cannot be used: {error.strerror}", hint="set XDG_STATE_HOME to a writable folder"
        ) from error
    return key or secrets.token_bytes(_BYTES)


def _read(file: Path) -> bytes | None:
    try:
        key = file.read_bytes()
    except FileNotFoundError:
        return None
    if len(key) == _BYTES:
        return key
    file.unlink(missing_ok=True)  # cut short: a new one only costs what providers had cached
    return None


def _make(file: Path) -> None:
    """Written aside and linked into place: of two processes that begin at once, both then read the same."""
    file.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
    draft = file.with_name(f"{file.name}.{os.getpid()}.{secrets.token_hex(4)}")
    with os.fdopen(os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "wb") as out:
        out.write(secrets.token_bytes(_BYTES))
    try:
        os.link(draft, file)
    except FileExistsError:
        pass
    finally:
        draft.unlink()
