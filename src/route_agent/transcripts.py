"""What was said in a run: each request and its answer in a file of its own, written the moment it is there.

The ledger keeps figures for ever. These files are larger and are kept for a while: the newest runs of a
repository, within a size, and each file within one.
"""

from __future__ import annotations

import json
import os
import threading
from contextlib import suppress
from dataclasses import asdict
from typing import TYPE_CHECKING, Any

from route_agent import places
from route_agent.errors import UsageError
from route_agent.records.lanes import Prompt
from route_agent.redaction import redact, redact_all
from route_agent.repo.clearing import remove

if TYPE_CHECKING:
    from pathlib import Path

    from route_agent.records.exchanges import Exchange

FOLDER = "calls"
SCHEMA = 1
CALL_BYTES = 4 * 1024 * 1024  # of one request and its answer
RUN_BYTES = 64 * 1024 * 1024
KEPT_RUNS = 100
KEPT_BYTES = 512 * 1024 * 1024  # of one repository
_LEAST = 4_000  # characters of each text that are kept of a run that is full


class Transcripts:
    """The calls of one run. Any thread may keep one; writing never fails a run.

    Args:
        folder: the run's own folder, see `places.run_dir`.
    """

    def __init__(self, folder: Path) -> None:
        self._folder = folder / FOLDER
        self._turn = threading.Lock()
        self._number = 0
        self._written = 0
        self.lost = ""  # why the latest could not be kept

    def keep(self, exchange: Exchange) -> None:
        """Write one down."""
        with self._turn:
            self._number += 1
            allowed = CALL_BYTES if self._written < RUN_BYTES else 0
            told = object_of(exchange, self._number, allowed)
            try:
                self._write(self._folder / f"{self._number:04}.json", told)
            except OSError as error:
                self.lost = f"what was said cannot be kept: {error.strerror}"

    def _write(self, file: Path, told: dict[str, Any]) -> None:
        data = json.dumps(told, ensure_ascii=False, indent=1).encode("utf-8", "backslashreplace")
        if self._number == 1:
            self._folder.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
            self._folder.mkdir(exist_ok=True, mode=0o700)
            prune(self._folder.parents[1], keep=self._folder.parent)
        self._written += len(data)
        draft = file.with_suffix(".draft")
        handle = os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
        with open(handle, "wb") as opened:  # noqa: PTH123 - it is open already
            opened.write(data)
        draft.replace(file)


def object_of(exchange: Exchange, number: int, allowed: int = CALL_BYTES) -> dict[str, Any]:
    """An exchange as it is kept: redacted once more, and each text cut to its share of the size."""
    words = _Words(exchange.prompt, allowed)
    clean = redact(exchange.reply)
    reply = words.cut("reply", clean, max(_LEAST, allowed // 3))
    prompt = words.prompt()
    told = {
        "schema": SCHEMA,
        "number": number,
        "call": exchange.call_id,
        "conversation": exchange.conversation,
        "lane": exchange.lane,
        "provider": exchange.provider,
        "model": exchange.model,
        "served": exchange.served,
        "fallback_for": exchange.fallback_for,
        "purpose": exchange.purpose.value,
        "settings": exchange.settings,
        "state": exchange.state.value,
        "error": exchange.error,
        "message": exchange.message,
        "retryable": exchange.retryable,
        "maybe_billed": exchange.maybe_billed,
        "stop": exchange.stop,
        "request_id": exchange.request_id,
        "seconds": round(exchange.seconds, 3),
        "usage": asdict(exchange.usage) if exchange.usage else None,
        "redacted_in_reply": clean.count("[redacted:") - exchange.reply.count("[redacted:"),
    }
    return {**redact_all(told), "cut": words.told, "prompt": prompt, "reply": reply}


class _Words:
    """Cuts texts to a size and remembers of which how much is missing."""

    def __init__(self, prompt: Prompt, allowed: int) -> None:
        self._prompt = prompt
        self._allowed = allowed
        self.told: dict[str, int] = {}

    def cut(self, name: str, text: str, allowed: int) -> str:
        """The text, or of a long one its beginning and its end."""
        if len(text) <= allowed:
            return text
        self.told[name] = len(text) - allowed
        head = allowed * 2 // 3
        return f"{text[:head]}\n… {len(text) - allowed} characters left out …\n{text[head - allowed :]}"

    def prompt(self) -> dict[str, Any]:
        """The conversation that left."""
        asked = self._prompt
        share = max(_LEAST, self._allowed // 8)
        each = max(_LEAST, share * 2 // max(1, len(asked.later)))
        later = [
            {"role": turn.role, "text": self.cut(f"later {number}", redact(turn.text), each)}
            for number, turn in enumerate(asked.later, 1)
        ]
        return {
            "system": self.cut("system", redact(asked.system), share),
            "project": self.cut("project", redact(asked.project), share),
            "user": self.cut("user", redact(asked.user), share * 2),
            "later": later,
            "shape": asked.shape.name if asked.shape else "",
        }


def read_calls(folder: Path) -> list[dict[str, Any]]:
    """Every kept call of a run, in the order in which they ended.

    Raises:
        UsageError: none was kept, or no longer.
    """
    files = sorted((folder / FOLDER).glob("[0-9]*.json"))
    if not files:
        raise UsageError(
            "nothing that was said in this run is kept",
            hint=f"a run without a model says nothing; of a repository the newest {KEPT_RUNS} runs are kept",
        )
    try:
        return [json.loads(file.read_bytes()) for file in files]
    except (OSError, ValueError) as error:
        raise UsageError(f"{folder / FOLDER} cannot be read: {error}") from error


def prune(repository: Path, keep: Path) -> None:
    """Take away what was said in all but a repository's newest runs; their patches and their rows stay."""
    runs: list[tuple[float, int, Path]] = []
    for calls in repository.glob(f"run-*/{FOLDER}"):
        if calls.parent == keep:
            continue
        with suppress(OSError):
            size = sum(file.stat().st_size for file in calls.iterdir())
            runs.append((calls.stat().st_mtime, size, calls))
    left = KEPT_BYTES - RUN_BYTES
    for number, (_, size, calls) in enumerate(sorted(runs, reverse=True), 2):
        left -= size
        if number > KEPT_RUNS or left < 0:
            with suppress(OSError):
                remove(calls)


def folder_of(run_id: str) -> Path:
    """The folder of a run by its id, whichever repository it was in."""
    found = sorted(places.state_dir().glob(f"repos/*/run-{run_id}"))
    return found[0] if found else places.state_dir() / "repos" / "none" / f"run-{run_id}"
