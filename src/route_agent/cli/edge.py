"""What every command shares: errors as one line, consoles, and the clean end on Ctrl-C."""

from __future__ import annotations

import errno
import json
import os
import signal
import sys
import time
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any, NoReturn, TextIO

from route_agent.errors import EnvironmentBroken, RouteError
from route_agent.redaction import redact, redact_all

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence
    from types import FrameType

    from rich.console import Console
    from rich.table import Table

INTERRUPTED = 130
LEAST_WIDTH = 200  # columns for a table, more than any needs: cells would be cut to nothing
_PAUSE_S = 2.0

# what a machine runs out of, wherever it happens: no bug of ours, and nothing that a traceback explains
_RAN_OUT = frozenset(
    {errno.ENOSPC, errno.EDQUOT, errno.EMFILE, errno.ENFILE, errno.ENOMEM, errno.EROFS, errno.EIO}
)


class _Interrupt:
    """Raises `KeyboardInterrupt`, but not again at once: what is being ended is ended properly.

    A second press within the pause would leave the checks' processes behind. After it, one counts again.
    """

    def __init__(self) -> None:
        self._last = float("-inf")

    def __call__(self, number: int, frame: FrameType | None) -> None:
        now = time.monotonic()
        if now - self._last >= _PAUSE_S:
            self._last = now
            raise KeyboardInterrupt


@contextmanager
def plain_errors(*, as_json: bool = False) -> Iterator[None]:
    """Turn an error that a person can act on into one line and its exit code; let bugs through.

    With `as_json` the same goes to standard output as an object, since a program is reading that.
    """
    interrupt = _Interrupt()
    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        if signal.getsignal(number) is not signal.SIG_IGN:  # as nohup and a shell's background set it
            signal.signal(number, interrupt)
    try:
        yield
    except RouteError as error:
        _end(error.what, error.hint, error.exit_code, as_json=as_json)
    except OSError as error:
        lost = _takes_no_more(sys.stdout)
        if lost and isinstance(error, BrokenPipeError):
            end_for_no_reader()
        if error.errno not in _RAN_OUT:
            raise
        name = "standard output cannot be written" if lost else error.filename2 or error.filename
        where = f"{name}: " if name else ""
        _end(f"{where}{error.strerror}", "", EnvironmentBroken.exit_code, as_json=as_json)
    except KeyboardInterrupt as stop:
        _end(" ".join(("interrupted", *map(str, stop.args))), "", INTERRUPTED, as_json=as_json)


def _end(what: str, hint: str, exit_code: int, *, as_json: bool) -> NoReturn:
    complain(what, hint)
    if as_json:
        print_json({"schema": 1, "error": what, "hint": hint, "exit_code": exit_code})
    sys.exit(exit_code)


def complain(what: str, hint: str) -> None:
    """One error on standard error; control characters in it are shown, not obeyed."""
    lines = [(line, "bold red") for line in f"error: {what}".split("\n")]
    print_lines([*lines, (f"  {hint}", "")] if hint else lines, error=True)


def visible(text: str) -> str:
    """The text with escape codes and other control characters made visible, and without secrets."""
    return "".join(
        letter if letter.isprintable() or letter == "\n" else repr(letter)[1:-1] for letter in redact(text)
    )


_CONTINUED = "\n" + 10 * " "


def print_lines(lines: Sequence[tuple[str, str]], *, error: bool = False) -> None:
    """Lines with their styles; plain, and with nothing imported for it, where nobody sees colour.

    A line break within a line of a report, such as a file's name may hold, begins no line of its own.
    """
    stream = sys.stderr if error else sys.stdout
    told = [(visible(line).replace("\n", _CONTINUED), style) for line, style in lines]
    if is_plain(stream):
        _write("".join(f"{line}\n" for line, _ in told), stream)
        return
    from rich.console import Console

    console = Console(stderr=error, highlight=False, soft_wrap=True)
    with console.capture() as captured:
        for line, style in told:
            console.print(line, style=style or None, markup=False)
    _write(captured.get(), stream)


def is_plain(stream: TextIO) -> bool:
    """Whether nobody sees colour and movement there."""
    return not stream.isatty() or bool(os.environ.get("NO_COLOR")) or os.environ.get("TERM") == "dumb"


def _write(text: str, stream: TextIO) -> None:
    """Write at once, so that a failure is met here and not when the interpreter ends.

    Progress that nobody takes any more stops nothing. Where the reader of the report went away
    (`route-agent … | head`) there is nothing left to do.

    Raises:
        EnvironmentBroken: standard output takes no more; what is lost there is not lost in silence.
    """
    try:
        stream.write(text)
        stream.flush()
    except OSError as error:
        _lead_nowhere(stream)
        if stream is sys.stdout and isinstance(error, BrokenPipeError):
            end_for_no_reader()
        if stream is sys.stdout:
            raise EnvironmentBroken(
                f"standard output cannot be written: {error.strerror}",
                hint="of a run, the ledger has it all: route-agent show",
            ) from error


def end_for_no_reader() -> NoReturn:
    """The end where the reader of our output went away, with the code of any program that a pipe ended."""
    sys.exit(141)


def _takes_no_more(stream: TextIO) -> bool:
    """Whether what was printed cannot be got rid of; it is forgotten, or our end would fail on it too."""
    try:
        stream.flush()
    except OSError:
        _lead_nowhere(stream)
        return True
    return False


def _lead_nowhere(stream: TextIO) -> None:
    nowhere = os.open(os.devnull, os.O_WRONLY)
    os.dup2(nowhere, stream.fileno())
    os.close(nowhere)


def say(line: str, style: str = "") -> None:
    """A line on standard output, or several that are meant to be."""
    print_lines([(it, style) for it in line.split("\n")])


def print_table(table: Table) -> None:
    """A table on standard output; where it is wider than the terminal, its lines go on in the next."""
    from rich.console import Console

    console = Console(highlight=False, soft_wrap=True)
    console.width = max(console.width, LEAST_WIDTH)
    with console.capture() as captured:
        console.print(table)
    _write(captured.get(), sys.stdout)


def stderr() -> Console:
    """The console for progress in a terminal."""
    from rich.console import Console

    return Console(stderr=True, highlight=False)


def print_json(value: Any) -> None:
    """One object, and nothing else, on standard output; secrets in it are redacted."""
    told = json.dumps(redact_all(value), indent=2, ensure_ascii=not _speaks_utf8())
    _write(told + os.linesep, sys.stdout)


def _speaks_utf8() -> bool:
    return (sys.stdout.encoding or "").lower().replace("-", "") == "utf8"
