"""What may leave the machine: which files, and every prompt as it may be sent. Pure."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING

from route_agent.globs import any_match, first_match
from route_agent.redaction import is_secret_name, redact

if TYPE_CHECKING:
    from collections.abc import Mapping

    from route_agent.records.lanes import Prompt


@dataclass(frozen=True, slots=True)
class Withheld:
    """Which files no model is shown, in whole or in part.

    Attributes:
        no_send: patterns of the policy and of the user's configuration.
        allow: patterns of files whose secrets are known to be none; only the user's configuration has them.
        keyed: files that hold a private key, with its kind and line.
    """

    no_send: tuple[str, ...] = ()
    allow: tuple[str, ...] = ()
    keyed: Mapping[str, str] = field(default_factory=dict)

    def __call__(self, path: str) -> bool:
        """Whether the file is never shown."""
        return bool(self.why(path))

    def why(self, path: str) -> str:
        """Why the file is never shown; empty where it may be."""
        if pattern := first_match(path, self.no_send):
            return f"no_send has {pattern}"
        if any_match(path, self.allow):
            return ""
        if is_secret_name(path):
            return "files of this name hold secrets"
        return f"it holds {self.keyed[path]}" if path in self.keyed else ""

    def told(self, paths: tuple[str, ...]) -> tuple[str, ...]:
        """Those of the paths that are never shown, each with the reason."""
        return tuple(f"{path}: {why}" for path in paths if (why := self.why(path)))


def without_secrets(prompt: Prompt) -> Prompt:
    """The prompt with every secret of a known shape redacted, whoever formed it."""
    return replace(
        prompt,
        system=redact(prompt.system),
        project=redact(prompt.project),
        user=redact(prompt.user),
        later=tuple(replace(turn, text=redact(turn.text)) for turn in prompt.later),
    )
