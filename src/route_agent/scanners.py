"""A secret scanner of the user's, where one is installed: it knows more shapes than our table.

What leaves is given to it on standard input, in a folder where no configuration of a repository can blind it.
What it finds is a secret from then on, wherever it stands.
"""

from __future__ import annotations

import hashlib
import json
import os
import re
import subprocess
import tempfile
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from route_agent.sandbox.programs import found_outside
from route_agent.withholding import without_secrets

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping
    from pathlib import Path

    from route_agent.records.lanes import Prompt
    from route_agent.redaction import Knowledge

# the first that is installed; both take the same options, and betterleaks could also ask the providers
# whether a secret still works, which must not happen
PROGRAMS: Mapping[str, tuple[str, ...]] = {"betterleaks": ("--validation=false",), "gitleaks": ()}
OPTIONS = (
    "stdin", "--report-format", "json", "--report-path", "/dev/stdout", "--exit-code", "0", "--no-banner",
    "--no-color", "--log-level", "error", "--ignore-gitleaks-allow",
)  # fmt: skip
TIMEOUT_S = 30.0
MOST_FINDINGS = 10_000
_MOST_REMEMBERED = 4_096
_SEPARATOR = "\n\n"
_NO_WORD = re.compile(r"[^a-z0-9]+")


@dataclass(frozen=True, slots=True)
class Scanner:
    """An installed scanner."""

    name: str
    program: str

    def findings(self, text: str) -> tuple[tuple[str, str], ...]:
        """The secrets in a text, each with the name of the rule that found it.

        Raises:
            ScannerFailed: it did not end well or said something else than a report.
        """
        kept = ("PATH", "HOME", "TMPDIR", "SYSTEMROOT", "LANG")
        with tempfile.TemporaryDirectory(prefix="route-agent-scan-") as folder:
            try:
                done = subprocess.run(
                    [self.program, *OPTIONS, *PROGRAMS[self.name]],
                    input=text.encode("utf-8", "replace"),
                    capture_output=True,
                    cwd=folder,
                    env={name: os.environ[name] for name in kept if name in os.environ},
                    timeout=TIMEOUT_S,
                    check=False,
                )
            except subprocess.TimeoutExpired as error:
                raise ScannerFailed(f"{self.name} did not end within {TIMEOUT_S:g} s") from error
            except OSError as error:
                raise ScannerFailed(f"{self.name} cannot be started: {error.strerror}") from error
        if done.returncode != 0:
            raise ScannerFailed(f"{self.name} ended with exit code {done.returncode}")
        return _read(self.name, done.stdout)


class ScannerFailed(Exception):
    """A scanner that is installed and cannot be used; the message holds nothing that it was given."""


def find_scanner(path: str | None = None, project: Path | None = None) -> Scanner | None:
    """The scanner that is installed, if one is: it reads what is secret, so never one of the checkout's."""
    for name in PROGRAMS:
        if program := found_outside(name, path or os.environ.get("PATH", os.defpath), project):
            return Scanner(name, program)
    return None


def _read(name: str, report: bytes) -> tuple[tuple[str, str], ...]:
    """The secrets of a report: a list of objects, of which one program writes the keys with capitals."""
    try:
        rows: Any = json.loads(report or b"[]")
    except ValueError as error:
        raise ScannerFailed(f"{name} wrote no report in JSON") from error
    if rows is None:
        return ()
    if not isinstance(rows, list) or not all(isinstance(row, dict) for row in rows):
        raise ScannerFailed(f"{name} wrote a report in another form")
    found = []
    for row in rows[:MOST_FINDINGS]:
        told = {key.lower(): value for key, value in row.items()}
        secret, rule = told.get("secret"), told.get("ruleid")
        if isinstance(secret, str) and secret.strip():
            kind = _NO_WORD.sub("-", str(rule or name).lower()).strip("-")
            found.append((secret, kind or name))
    return tuple(found)


class Border:
    """The one way out of a run: what leaves is redacted by the table, and by the scanner where there is one.

    Args:
        knowledge: learns what the scanner finds.
        scanner: the installed one.
        tell: told once where the scanner fails; the table alone counts then.
    """

    def __init__(
        self, knowledge: Knowledge, scanner: Scanner | None, tell: Callable[[str], None] = lambda _: None
    ) -> None:
        self._knowledge = knowledge
        self._scanner = scanner
        self._tell = tell
        self._seen: set[bytes] = set()

    def leaving(self, prompt: Prompt) -> Prompt:
        """The prompt as it may leave."""
        prompt = without_secrets(prompt)  # what the table knows, nobody else is told
        self.look_at(*_texts(prompt))
        prompt = without_secrets(prompt)
        self._seen |= set(_by_digest(_texts(prompt)))
        return prompt

    def look_at(self, *texts: str) -> None:
        """Have the scanner look at texts that it has not seen; one process for all of them."""
        new = {digest: it for digest, it in _by_digest(texts).items() if digest not in self._seen}
        if self._scanner is None or not new:
            return
        try:
            found = self._scanner.findings(_SEPARATOR.join(new.values()))
        except ScannerFailed as failure:
            self._scanner = None
            self._tell(f"{failure}: secrets are found by the built-in table alone")
            return
        if len(self._seen) > _MOST_REMEMBERED:
            self._seen.clear()
        self._seen |= set(new)
        for secret, kind in found:
            if "[redacted:" not in secret:
                self._knowledge.add(secret, kind)


def _texts(prompt: Prompt) -> tuple[str, ...]:
    return (prompt.system, prompt.project, *(turn.text for turn in prompt.turns))


def _by_digest(texts: tuple[str, ...]) -> dict[bytes, str]:
    return {hashlib.sha256(text.encode("utf-8", "replace")).digest(): text for text in texts if text}
