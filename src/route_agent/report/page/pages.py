"""Both pages, whole: the ledger's with as many opened runs as have room in it, and one run's."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

from route_agent import __version__
from route_agent.records.runs import written_form
from route_agent.report.page.overview import page_of
from route_agent.report.page.writing import environment, fill

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from route_agent.ledger.listing import Listed, Word
    from route_agent.records.runs import Run
    from route_agent.report.page.overview import Told

LISTED = 400  # runs one by one; the earlier ones are summed up
JUDGED = 30
ROOM = 1_250_000  # bytes for opened runs: with the list and the figures a page stays below 2 MB
DIFF_LINES, WHOLE_DIFF_LINES = 120, 4000


def ledger_page(told: Told, words: Callable[[str], Sequence[Word]], *, written: str) -> str:
    """The ledger as a page.

    Args:
        words: what was said of a run's patch, by its id.
        written: when, as ISO 8601 in UTC.
    """
    page = page_of(told, _details(told.latest, words))
    return fill("ledger.html.j2", page=page, version=__version__, written=written)


def run_page(run: Run, said: Sequence[Word], *, written: str) -> str:
    """One run as a page, with every signal and the whole of its diffs."""
    return fill(
        "run.html.j2", run=run, said=said, most=WHOLE_DIFF_LINES, version=__version__, written=written
    )


def _details(latest: Sequence[Listed], words: Callable[[str], Sequence[Word]]) -> dict[str, Any]:
    """What is shown of each run when it is opened, the latest first, until the room is taken."""
    from markupsafe import Markup

    template, found, left = environment().get_template("one_run.html.j2"), {}, ROOM
    for it in latest:
        run = read_run(it.report)
        if run is None:
            continue
        said = words(it.id) if it.received else ()
        text = template.render(run=run, said=said, most=DIFF_LINES)
        left -= len(text.encode("utf-8", "replace"))
        if left < 0:
            break
        found[it.id] = Markup(text)  # noqa: S704 - what the template escaped
    return found


def read_run(report: str) -> Run | None:
    """A run from its stored report; None where it has none, or one that cannot be read any more."""
    from pydantic import ValidationError

    if not report:
        return None
    try:
        return written_form().validate_python(json.loads(report))
    except (ValueError, ValidationError):
        return None
