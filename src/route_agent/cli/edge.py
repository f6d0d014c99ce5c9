"""What every command shares: errors as one line, consoles, and the clean end on Ctrl-C."""

from __future__ import annotations

import json
import os
import signal
import sys
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

from route_agent.errors import RouteError
from route_agent.redaction import redact_all

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from rich.console import Console

INTERRUPTED = 130


@contextmanager
def plain_errors(*, as_json: bool = False) -> Iterator[None]:
    """Turn an error that a person can act on into one line and its exit code; let bugs through.

    With `as_json` the same goes to standard output as an object, since a program is reading that.
    """
    for number in (signal.SIGTERM, signal.SIGHUP):
        signal.signal(number, signal.default_int_handler)
    try:
        yield
    except RouteError as error:
        complain(error.what, error.hint)
        if as_json:
            print_json({"schema": 1, "error": error.what, "hint": error.hint, "exit_code": error.exit_code})
        sys.exit(error.exit_code)
    except KeyboardInterrupt:
        complain("interrupted", "")
        if as_json:
            print_json({"schema": 1, "error": "interrupted", "hint": "", "exit_code": INTERRUPTED})
        sys.exit(INTERRUPTED)


def complain(what: str, hint: str) -> None:
    """One error on standard error; control characters in it are shown, not obeyed."""
    lines = [(f"error: {what}", "bold red")]
    print_lines([*lines, (f"  {hint}", "")] if hint else lines, error=True)


def visible(text: str) -> str:
    """The text with escape codes and other control characters made visible."""
    return "".join(
        letter if letter.isprintable() or letter == "\n" else repr(letter)[1:-1] for letter in text
    )


def print_lines(lines: Sequence[tuple[str, str]], *, error: bool = False) -> None:
    """Lines with their styles; plain, and with nothing imported for it, where nobody sees colour."""
    stream = sys.stderr if error else sys.stdout
    if not stream.isatty() or os.environ.get("NO_COLOR") or os.environ.get("TERM") == "dumb":
        for line, _ in lines:
            print(visible(line), file=stream)
        return
    from rich.console import Console

    console = Console(stderr=error, highlight=False, soft_wrap=True)
    for line, style in lines:
        console.print(visible(line), style=style or None, markup=False)


def say(line: str, style: str = "") -> None:
    """One line on standard output."""
    print_lines([(line, style)])


def stdout() -> Console:
    """The console for tables."""
    from rich.console import Console

    return Console(highlight=False, soft_wrap=True)


def stderr() -> Console:
    """The console for progress and errors."""
    from rich.console import Console

    return Console(stderr=True, highlight=False)


def print_json(value: Any) -> None:
    """One object, and nothing else, on standard output; secrets in it are redacted."""
    sys.stdout.write(json.dumps(redact_all(value), indent=2, ensure_ascii=not _speaks_utf8()) + os.linesep)


def _speaks_utf8() -> bool:
    return (sys.stdout.encoding or "").lower().replace("-", "") == "utf8"
