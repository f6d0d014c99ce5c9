"""Words of strangers made harmless: names of files and tests, output of checks, words of a model.

Whatever they hold, they are only text where they are shown. Secrets in them are redacted.
"""

from __future__ import annotations

import re
from pathlib import Path

from route_agent.errors import EnvironmentBroken
from route_agent.redaction import redact

MAX_CELL = 300

# what neither Markdown nor HTML reads as anything but itself, wherever it stands
_PLAIN = frozenset(" ,…·+=%/")
_JOINER = "&#8288;"
_ISSUE = re.compile(r"\bgh&#45;(?=\d)", re.IGNORECASE)


def visible(text: str) -> str:
    """The text without secrets, and with control characters shown and not obeyed; line breaks stay."""
    return "".join(it if it.isprintable() or it == "\n" else repr(it)[1:-1] for it in redact(text))


def one_line(value: object) -> str:
    """The same on one line, and not too long."""
    shown = " ".join(visible("" if value is None else str(value)).split("\n"))
    return f"{shown[: MAX_CELL - 1]}…" if len(shown) > MAX_CELL else shown


def text(value: object) -> str:
    """One line that is only text in Markdown and in HTML, in a table's cell too.

    GitHub looks for `@names`, `#1` and `GH-1` in what it has rendered, where escaping is no help: a joiner
    parts the two.
    """
    told = "".join(
        it if it.isalnum() or it in _PLAIN else f"&#{ord(it)};{_JOINER if it in '@#' else ''}"
        for it in one_line(value)
    )
    return _ISSUE.sub(rf"\g<0>{_JOINER}", told)


def write_file(file: Path, content: str) -> None:
    """Write a report.

    Raises:
        EnvironmentBroken: it cannot be written.
    """
    try:
        file.write_text(content, encoding="utf-8", errors="backslashreplace", newline="\n")
    except OSError as error:
        raise EnvironmentBroken(
            f"{file} cannot be written: {error.strerror}", hint="name a file in a folder that is there"
        ) from error
