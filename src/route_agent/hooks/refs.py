"""What a push is about, in git's own words or in those of the pre-commit framework."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from route_agent.errors import UsageError

if TYPE_CHECKING:
    from collections.abc import Mapping

_ZEROS = "0" * 40


@dataclass(frozen=True, slots=True)
class Ref:
    """One line that git tells a pre-push hook; an id of zeros stands for a ref that is not there."""

    local: str
    local_id: str
    remote: str
    remote_id: str

    @property
    def deletes(self) -> bool:
        return set(self.local_id) == {"0"}

    @property
    def creates(self) -> bool:
        return set(self.remote_id) == {"0"}


@dataclass(frozen=True, slots=True)
class Push:
    """A push before it happens.

    Attributes:
        refs: what is to be changed at the other end.
        remote: the remote's name; empty where the push goes to a bare address.
        url: the address.
    """

    refs: tuple[Ref, ...]
    remote: str = ""
    url: str = ""


def read_refs(told: bytes) -> tuple[Ref, ...]:
    """The refs of a push, as git tells them to the hook.

    Raises:
        UsageError: a line of another form.
    """
    lines = [line for line in told.decode(errors="surrogateescape").split("\n") if line]
    fields = [line.rsplit(" ", 3) for line in lines]
    if wrong := next((line for line, words in zip(lines, fields, strict=True) if len(words) != 4), None):
        raise UsageError(f'not what git tells a pre-push hook: "{wrong[:80]}"')
    return tuple(Ref(*words) for words in fields)


def of_framework(environment: Mapping[str, str]) -> Push | None:
    """The push as the pre-commit framework tells it, by variables; None where it is not what calls us.

    It tells one ref of a push, and no ids where the whole history is new to the remote.
    """
    if environment.get("PRE_COMMIT") != "1":
        return None

    def told(name: str, otherwise: str = "") -> str:
        return environment.get(f"PRE_COMMIT_{name}") or otherwise

    local = told("LOCAL_BRANCH", "HEAD")
    ref = Ref(local, told("TO_REF", local), told("REMOTE_BRANCH", local), told("FROM_REF", _ZEROS))
    url = told("REMOTE_URL")
    remote = told("REMOTE_NAME")
    return Push((ref,), "" if remote == url else remote, url)
