"""`route-agent report`: what it writes, how much at most, and what becomes of the words of strangers in it."""

from __future__ import annotations

import re
import sys
from dataclasses import replace
from datetime import date, timedelta
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
import seeded
from sandpit import Sandpit
from test_report_page import HOSTILE, WRITTEN, told_of

from route_agent import places
from route_agent.errors import UsageError
from route_agent.ledger.figures import Figuring
from route_agent.ledger.listing import Listing
from route_agent.ledger.store import Ledger
from route_agent.records.figures import Asked, Estimate, Figures, Savings, Share
from route_agent.records.runs import Run, written_form
from route_agent.report.page.charts import Line, over_time
from route_agent.report.page.diffs import blocks
from route_agent.report.page.headline import notes, tiles
from route_agent.report.page.markdown import fenced, ledger_markdown, run_markdown
from route_agent.report.page.pages import LISTED, ledger_page
from route_agent.report.page.telling import usd
from route_agent.report.page.words import percent, seconds

if TYPE_CHECKING:
    from route_agent.ledger.listing import Listed


def rendered(markdown: str) -> str:
    """As a reader of Markdown with tables and raw HTML makes it a page."""
    from markdown_it import MarkdownIt

    return str(MarkdownIt("commonmark", {"html": True}).enable("table").render(markdown))


@pytest.fixture(scope="module")
def runs(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, list[Run]]:
    file = tmp_path_factory.mktemp("report") / "ledger.sqlite3"
    return file, [it.run for it in seeded.seed(file, runs=12)]


def test_the_command_writes_the_page_and_the_markdown_of_all_runs_and_of_one(tmp_path: Path) -> None:
    made = seeded.seed(places.ledger_file(), runs=8)
    pit, last = Sandpit(tmp_path / "repository"), made[-1].run

    every = pit.run("report", "--html", "all.html", "--markdown", "-")
    one = pit.run("report", "--run", last.id[:6], "--html", "one.html", "--markdown", "one.md")
    nowhere = pit.run("report", "--html", "missing/all.html")
    nothing = pit.run("report")
    unknown = pit.run("report", "--run", "zzz", "--html", "x.html")

    assert (every.exit_code, one.exit_code) == (0, 0), every.stderr + one.stderr
    page = (pit.root / "all.html").read_text()
    assert all(f'id="run-{it.run.id}"' in page for it in made)
    assert every.stdout.startswith("## What the lanes did\n")
    assert "| 8 accepted" in every.stdout.replace("of 8 runs", "") or "of 8 runs" in every.stdout
    assert "half a cent goes up" in (pit.root / "one.html").read_text()
    assert "+    return (amount + 50) // 100" in (pit.root / "one.md").read_text()
    assert (nowhere.exit_code, nothing.exit_code, unknown.exit_code) == (6, 2, 2)
    assert "missing/all.html cannot be written" in nowhere.stderr
    assert "--html FILE" in nothing.stderr


def test_an_empty_ledger_has_a_page_that_says_so(tmp_path: Path) -> None:
    file = tmp_path / "ledger.sqlite3"
    Ledger(file).close()
    told = told_of(file)

    page = ledger_page(told, lambda _: (), written=WRITTEN)

    assert "The ledger has no run yet." in page
    assert "$0.00" not in page
    assert "The ledger has no run yet." in ledger_markdown(told)


def test_a_time_without_runs_says_that_and_not_that_the_ledger_is_empty(runs: tuple[Path, list[Run]]) -> None:
    told = told_of(runs[0])
    asked = replace(told.figures.asked, since="2031-01-01")
    empty = replace(told, latest=(), judged=(), figures=Figures(asked))

    assert "No run began in this time." in ledger_page(empty, lambda _: (), written=WRITTEN)
    assert "No run began in this time." in ledger_markdown(empty)


def test_without_jinja_the_page_says_what_to_install(
    monkeypatch: pytest.MonkeyPatch, runs: tuple[Path, list[Run]]
) -> None:
    from route_agent.report.page import writing

    writing.environment.cache_clear()
    monkeypatch.setitem(sys.modules, "jinja2", None)

    with pytest.raises(UsageError) as refused:
        ledger_page(told_of(runs[0]), lambda _: (), written=WRITTEN)

    assert refused.value.hint == 'pip install "route-agent[html]"'
    assert "jinja2" in refused.value.what


def test_a_page_of_huge_runs_stays_below_two_megabytes_and_says_what_is_left_out(
    runs: tuple[Path, list[Run]],
) -> None:
    file, made = runs
    told, listing, totals = told_of(file), Listing(file), Figuring(file).totals(Asked())
    long = "".join(f"+{'x' * 500}<&>\n" for _ in range(3000))
    run = made[-1]
    patch = f"diff --git a/x b/x\n--- a/x\n+++ b/x\n@@ -0,0 +1,3000 @@\n{long}"
    huge = replace(run, brief="<&" * 60_000, attempts=tuple(replace(it, patch=patch) for it in run.attempts))
    report = seeded.dumped(huge)

    def copy(number: int) -> Listed:
        return replace(
            told.latest[0], id=f"r{number}", brief=huge.brief, report=report if number < 40 else ""
        )

    many = replace(
        told, latest=[copy(number) for number in range(LISTED)], earlier=listing.earlier("2027-01-01", totals)
    )
    page = ledger_page(many, lambda _: (), written=WRITTEN)

    assert len(page.encode()) < 2_000_000
    assert page.count('<tr id="row-') == LISTED
    assert f"The latest {LISTED} runs; 12 earlier ones are summed up by month below." in page
    assert "lines more" in page
    assert "route-agent report --run ID --html FILE" in page


def test_earlier_runs_are_summed_up_by_month(runs: tuple[Path, list[Run]]) -> None:
    file, made = runs
    told = Listing(file).earlier(made[-3].started_at, Figuring(file).totals(Asked()))

    days = [date.fromisoformat(run.started_at[:10]) for run in made[:-3]]
    months = {str(day - timedelta(days=day.weekday()))[:7] for day in days}
    assert [it.month for it in told] == sorted(months, reverse=True)
    assert sum(it.runs for it in told) == len(made) - 3
    assert sum(it.accepted for it in told) == sum(run.accepted is not None for run in made[:-3])
    assert sum(it.cost_micro_usd or 0 for it in told) == sum(run.cost.known_micro_usd for run in made[:-3])


def test_an_unfinished_run_is_listed_and_a_report_of_another_shape_costs_only_its_own_part(
    tmp_path: Path,
) -> None:
    file = tmp_path / "ledger.sqlite3"
    made = seeded.seed(file, runs=3)
    ledger = Ledger(file)
    ledger.begin(replace(made[0].run, id="died"), forced_lane=False)
    ledger._write("UPDATE run SET report = '{\"other\": 1}' WHERE id = :id", {"id": made[1].run.id})
    ledger.close()

    page = ledger_page(told_of(file), lambda _: (), written=WRITTEN)

    assert 'id="row-died"' in page
    assert "unfinished</span>" in page
    assert f'id="row-{made[1].run.id}"' in page
    assert f'id="run-{made[1].run.id}"' not in page
    assert f'id="run-{made[2].run.id}"' in page


def test_what_always_strong_would_have_cost_is_unknown_where_it_was_hardly_run() -> None:
    figures = Figures(Asked(ladder=("fast", "strong")), savings=Savings(runs=Share(0, 40, 0.0, 0.1)))

    strong, against = list(tiles(figures))[1:3]
    words = [it.text for it in notes(figures)]

    assert (strong.value, against.value) == ("unknown", "unknown")
    assert against.interval == "too few strong runs with a price"
    assert against.of == "0 of 40 runs compared"
    assert any(it.startswith("What routing saves is unknown") for it in words)


def test_words_of_strangers_are_only_text_in_markdown(runs: tuple[Path, list[Run]]) -> None:
    file, made = runs
    attack = f"{HOSTILE}\n# Accepted\n| a | b |\n![x](https://x/y) @one #1 gh-1 `` ``` ````\n</details>"
    bad = seeded.hostile(made[-1], attack)
    told = told_of(file)
    listed = replace(told.latest[0], brief=attack)

    for text in (run_markdown(bad, ()), ledger_markdown(replace(told, latest=[listed]))):
        page = rendered(text)

        assert "<script" not in page
        assert "<img" not in page
        assert "<h1" not in page
        assert "https://x/y</a>" not in page
        assert page.count("</details>") == text.count("<details>")
        assert not {mark for mark in "\u202e\u2066\u200b\u2028\x00\x1b" if mark in text}
        prose = re.sub("```+diff.*?```+", "", text, flags=re.DOTALL)
        assert not re.search(r"(?:&#64;|&#35;|gh&#45;)(?!&#8288;)", prose), "GitHub would call somebody"
    bloated = seeded.hostile(made[-1], "\u202e" * 20_000)
    assert len(run_markdown(bad, ())) < 65_536
    assert len(run_markdown(bloated, ())) < 65_536


def test_a_fence_is_longer_than_any_in_it() -> None:
    block = fenced("a\n```\n`````` b", "diff")

    assert block.splitlines()[0] == "```````diff"
    assert rendered(block).count("<pre>") == 1


def test_a_removed_line_of_sql_is_no_head_of_a_file() -> None:
    diff = "--- a/x.sql\n+++ b/x.sql\n@@ -1,2 +1 @@\n--- drop it\n keep\n\\ No newline at end of file\n"

    told, left_out = blocks(diff, 100)

    assert told == [
        ("file", "--- a/x.sql\n+++ b/x.sql"),
        ("hunk", "@@ -1,2 +1 @@"),
        ("removed", "--- drop it"),
        ("context", " keep\n\\ No newline at end of file"),
    ]
    assert left_out == 0
    assert blocks(diff, 2) == ([("file", "--- a/x.sql\n+++ b/x.sql")], 4)


def test_a_week_without_a_figure_is_a_gap_and_the_axis_begins_at_nought() -> None:
    plot = over_time(["w1", "w2", "w3", "w4"], [Line("fast", (2.0, None, 4.0, 8.0))], str)

    assert plot.series[0].line.count("M") == 2
    assert plot.series[0].line.count("L") == 1
    assert [it.text for it in plot.up] == ["0.0", "2.0", "4.0", "6.0", "8.0"]
    assert plot.up[0].at == plot.bottom


def test_a_chart_of_which_nothing_is_known_says_that(runs: tuple[Path, list[Run]]) -> None:
    told = told_of(runs[0])
    unpriced = replace(told, weeks=[replace(it, per_run=Estimate()) for it in told.weeks])

    pages = [ledger_page(it, lambda _: (), written=WRITTEN) for it in (told, unpriced)]

    assert [page.count("unknown in every week") for page in pages] == [0, 1]


def test_nothing_to_draw_is_drawn_as_nothing() -> None:
    plot = over_time([], [], str)

    assert plot.series == ()


def test_units_are_those_that_a_person_reads() -> None:
    assert [seconds(it) for it in (None, 0.04, 99.0, 600.0, 7200.0)] == [
        "unknown",
        "0.0 s",
        "99.0 s",
        "10.0 min",
        "2.0 h",
    ]
    assert [percent(it) for it in (None, 0.0, 0.021, 0.5, 1.0)] == [
        "unknown",
        "0 %",
        "2.1 %",
        "50 %",
        "100 %",
    ]
    amounts = (None, 0, 50, 42_000, 300_000, 999_900, 2_500_000)
    told = ["unknown", "$0.00", "$0.000050", "$0.0420", "$0.300", "$1.00", "$2.50"]
    assert [usd(it) for it in amounts] == told


def test_a_stored_run_reads_as_it_was(runs: tuple[Path, list[Run]]) -> None:
    import json

    assert written_form().validate_python(json.loads(seeded.dumped(runs[1][0]))) == runs[1][0]
