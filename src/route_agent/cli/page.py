"""`route-agent report`: the ledger, or one run, as a page or as Markdown."""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING

from route_agent import places
from route_agent.cli.edge import plain_errors, say
from route_agent.errors import UsageError

if TYPE_CHECKING:
    from route_agent.ledger.listing import Listing
    from route_agent.records.runs import Run
    from route_agent.report.page.overview import Told


def report(
    run: str, html: Path | None, markdown: str | None, since: str, until: str, directory: Path
) -> None:
    """Write the ledger, or one run, as a page, as Markdown, or both."""
    with plain_errors():
        if html is None and not markdown:
            raise UsageError("say what to write: --html FILE, --markdown FILE|-, or both")
        if run and (since or until):
            raise UsageError("--run is one run: it takes no --since and no --until")
        page, text = _one(run, html, markdown) if run else _all(html, markdown, since, until, directory)
        if html is not None:
            _write(html, page)
        if markdown == "-":
            say(text.rstrip("\n"))
        elif markdown:
            _write(Path(markdown), text)


def _one(run_id: str, html: Path | None, markdown: str | None) -> tuple[str, str]:
    from route_agent.ledger.listing import Listing
    from route_agent.ledger.store import Ledger
    from route_agent.records.runs import written_form

    ledger = Ledger(places.ledger_file())
    run: Run = written_form().validate_python(ledger.report(run_id))
    said = Listing(places.ledger_file()).words(run.id)
    page = text = ""
    if html is not None:
        from route_agent.report.page.pages import run_page

        page = run_page(run, said, written=_now())
    if markdown:
        from route_agent.report.page.markdown import run_markdown

        text = run_markdown(run, said)
    return page, text


def _all(html: Path | None, markdown: str | None, since: str, until: str, directory: Path) -> tuple[str, str]:
    from route_agent.learning import learn_quietly
    from route_agent.ledger.listing import Listing
    from route_agent.ledger.receptions import Receptions

    learn_quietly(Receptions(places.ledger_file()), directory)
    listing = Listing(places.ledger_file())
    told = _told(listing, since, until, directory)
    page = text = ""
    if html is not None:
        from route_agent.report.page.pages import ledger_page

        page = ledger_page(told, listing.words, written=_now())
    if markdown:
        from route_agent.report.page.markdown import ledger_markdown

        text = ledger_markdown(told)
    return page, text


def _told(listing: Listing, since: str, until: str, directory: Path) -> Told:
    """Everything that a page of the ledger is made of."""
    from route_agent.cli.stats import asked_for
    from route_agent.ledger.figures import Figuring
    from route_agent.ledger.receptions import Receptions
    from route_agent.report.page.overview import Told
    from route_agent.report.page.pages import JUDGED, LISTED

    asked = asked_for(directory, "lane", since, until)
    figuring = Figuring(places.ledger_file())
    window = {"since": asked.since, "until": asked.until}
    latest = listing.latest(LISTED, **window)
    is_whole = len(latest) < LISTED
    return Told(
        title="What the lanes did",
        scope=_scope(asked.since, asked.until),
        figures=figuring.figures(asked),
        weeks=figuring.weeks(asked),
        cells=figuring.cells(asked),
        confidence=figuring.confidence(asked),
        latest=latest,
        earlier=()
        if is_whole
        else listing.earlier(latest[-1].started_at, figuring.totals(asked), since=asked.since),
        judged=listing.judged(**window),
        judgements=listing.judgements(JUDGED, **window),
        received=Receptions(places.ledger_file()).by_lane(asked.since, asked.until),
    )


def _scope(since: str, until: str) -> str:
    if not since and not until:
        return "All runs of this ledger. Times are UTC; brackets hold 95 % intervals."
    begin = f" since {since[:16]}" if since else ""
    end = f" before {until[:16]}" if until else ""
    return f"Runs{begin}{end}. Times are UTC; brackets hold 95 % intervals."


def _now() -> str:
    return datetime.now(UTC).isoformat(timespec="seconds")


def _write(file: Path, text: str) -> None:
    from route_agent.report.inert import write_file

    write_file(file, text)
