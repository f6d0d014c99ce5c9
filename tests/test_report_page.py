"""The report page, opened in a real Chromium: what a person sees, reaches by keyboard, and cannot be hurt by."""

from __future__ import annotations

import os
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
import seeded

from route_agent.ledger.figures import Figuring
from route_agent.ledger.listing import Listing
from route_agent.ledger.receptions import Receptions
from route_agent.ledger.store import Ledger
from route_agent.records.figures import Asked
from route_agent.report.page.overview import Told
from route_agent.report.page.pages import ledger_page, read_run, run_page

if TYPE_CHECKING:
    from collections.abc import Iterator

    from playwright.sync_api import Browser, Page

CHROMIUM = Path("/usr/bin/chromium")
FLAGS = (
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
)
WRITTEN = "2026-11-21T10:00:00"
HOSTILE = (
    "</style></title><script>window.hit=1</script><img src=x onerror=window.hit=2>"
    "\u202egpj.exe\u2066\x00\x1b[2J\u200b\u2028 {{7*7}} \"'`|"
)

pytestmark = pytest.mark.skipif(
    not CHROMIUM.exists() and not os.environ.get("ROUTE_AGENT_CI"), reason="there is no /usr/bin/chromium"
)


@dataclass(frozen=True, slots=True)
class Written:
    """The pages as files, and what they were made of."""

    ledger: Path
    run: Path
    hostile: Path
    hostile_run: Path
    told: Told


def told_of(file: Path) -> Told:
    """What the page of a ledger is made of."""
    listing, figuring = Listing(file), Figuring(file)
    asked = Asked(ladder=("fast", "strong"))
    return Told(
        title="What the lanes did",
        scope="All runs",
        figures=figuring.figures(asked),
        weeks=figuring.weeks(asked),
        cells=figuring.cells(asked),
        confidence=figuring.confidence(asked),
        latest=listing.latest(400),
        judged=listing.judged(),
        judgements=listing.judgements(30),
        received=Receptions(file).by_lane(),
    )


@pytest.fixture(scope="module")
def written(tmp_path_factory: pytest.TempPathFactory) -> Written:
    folder = tmp_path_factory.mktemp("page")
    file = folder / "ledger.sqlite3"
    made = seeded.seed(file, runs=60, strong=0.5)
    ledger = Ledger(file)
    for number, it in enumerate(made[:30]):
        if it.run.accepted:
            seeded.receive(ledger, it.run.id, "reject" if number % 5 == 0 else "accept", minutes=4.0)
    seeded.judge(ledger, "j1")
    seeded.judge(ledger, "j2", verdict="not_proved", reused=1)
    told, listing = told_of(file), Listing(file)
    bad = seeded.hostile(made[-1].run, HOSTILE)
    other = folder / "hostile.sqlite3"
    hostile = Ledger(other)
    seeded.write(hostile, seeded.Seeded(bad, HOSTILE))
    seeded.receive(hostile, bad.id, "reject", note=HOSTILE)
    pages = {
        "ledger": ledger_page(told, listing.words, written=WRITTEN),
        "run": run_page(made[-1].run, listing.words(made[-1].run.id), written=WRITTEN),
        "hostile": ledger_page(told_of(other), Listing(other).words, written=WRITTEN),
        "hostile_run": run_page(bad, Listing(other).words(bad.id), written=WRITTEN),
    }
    for name, text in pages.items():
        folder.joinpath(f"{name}.html").write_text(text)
    ledger_file, run_file, bad_file, bad_run_file = (folder / f"{name}.html" for name in pages)
    return Written(ledger_file, run_file, bad_file, bad_run_file, told)


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    from playwright.sync_api import sync_playwright

    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=str(CHROMIUM), args=list(FLAGS))
        yield browser
        browser.close()


@dataclass(slots=True)
class Opened:
    """A page, and what it said to the console and asked of anybody."""

    page: Page
    said: list[str]
    asked: list[str]

    @property
    def overflow(self) -> int:
        """How many pixels the page is wider than the window."""
        wide: int = self.page.evaluate(
            "document.documentElement.scrollWidth - document.documentElement.clientWidth"
        )
        return wide


@pytest.fixture
def open_page(browser: Browser) -> Iterator[Any]:
    contexts = []

    def opened(
        file: Path, *, at: str = "", width: int = 1440, dark: bool = False, script: bool = True
    ) -> Opened:
        context = browser.new_context(
            viewport={"width": width, "height": 900},
            color_scheme="dark" if dark else "light",
            java_script_enabled=script,
        )
        contexts.append(context)
        page = context.new_page()
        page.set_default_timeout(10_000)
        it = Opened(page, [], [])
        page.on("console", lambda message: it.said.append(message.text))
        page.on("pageerror", lambda error: it.said.append(str(error)))
        page.on("request", lambda request: it.asked.append(request.url))
        page.goto(f"{file.as_uri()}{at}")
        return it

    yield opened
    for context in contexts:
        context.close()


def test_a_page_loads_nothing_and_complains_of_nothing(written: Written, open_page: Any) -> None:
    for file in (written.ledger, written.run):
        it = open_page(file)

        assert it.said == []
        assert [url for url in it.asked if not url.startswith("data:")] == [file.as_uri()]


def test_the_headline_says_what_a_patch_costs_and_beside_what(written: Written, open_page: Any) -> None:
    page = open_page(written.ledger).page
    whole, savings = written.told.figures.whole, written.told.figures.savings

    tiles = page.locator(".tile").all_inner_texts()

    assert f"{whole.accepted} accepted of {whole.runs} runs" in tiles[0]
    assert f"${(whole.per_accepted.value or 0) / 1e6:.3g}" in tiles[0]
    assert savings.share.value is not None
    assert f"{-100 * savings.share.value:+.0f} %".replace("-", "−") in tiles[2]
    assert f"{savings.runs.part} of {savings.runs.whole} runs compared" in tiles[1]


def test_a_run_is_found_and_opened_and_left_by_keyboard_alone(written: Written, open_page: Any) -> None:
    it = open_page(written.ledger)
    page, wanted = it.page, written.told.latest[7]

    def go_to(selector: str) -> None:
        for _ in range(80):
            page.keyboard.press("Tab")
            if page.evaluate("selector => document.activeElement.matches(selector)", selector):
                return
        pytest.fail(f"{selector} cannot be reached")

    page.keyboard.press("Tab")
    assert page.evaluate("document.activeElement.className") == "skip"
    go_to("#find")
    page.keyboard.type(wanted.id)
    assert page.locator("#found").inner_text() == "1 of 60 listed runs"
    go_to("#list a")
    ring = page.evaluate("getComputedStyle(document.activeElement).outlineStyle")
    page.keyboard.press("Enter")
    run = page.locator(f"#run-{wanted.id}")
    run.wait_for()

    assert ring == "solid"
    assert page.evaluate("document.activeElement.id") == f"run-{wanted.id}"
    told = run.inner_text()
    for part in (
        "Decision",
        "Signals that hold",
        "At start",
        "Attempts",
        "Checks on the patch",
        "Grade",
        "opinion",
        "half a cent goes up",
    ):
        assert part in told
    page.keyboard.press("Shift+Tab")
    page.keyboard.press("Enter")
    page.wait_for_function("document.activeElement.closest('#list')")
    assert it.said == []


def test_no_page_is_wider_than_its_window(written: Written, open_page: Any) -> None:
    at = f"#run-{written.told.latest[0].id}"

    for file in (written.ledger, written.run, written.hostile, written.hostile_run):
        it = open_page(file, at=at)
        it.page.evaluate("document.querySelectorAll('details').forEach(it => { it.open = true })")
        for width in (375, 1440):
            it.page.set_viewport_size({"width": width, "height": 900})

            assert it.overflow == 0, (file.name, width)


def test_dark_follows_the_system_until_the_button_says_otherwise(written: Written, open_page: Any) -> None:
    page = open_page(written.ledger, dark=True).page

    def ground() -> str:
        colour: str = page.evaluate("getComputedStyle(document.body).backgroundColor")
        return colour

    dark = ground()
    page.locator("#theme").press("Enter")
    page.locator("#theme").press("Enter")
    light = ground()
    page.reload()

    assert dark == "rgb(18, 21, 26)"
    assert light == "rgb(255, 255, 255)"
    assert ground() == light
    assert "light" in page.locator("#theme").inner_text()


# contrast of every text with what is behind it, by the formula of WCAG 2
CONTRAST = """() => {
  const parse = (it) => it.match(/[\\d.]+/g).map(Number);
  const lum = ([r, g, b]) => [r, g, b].map((it) => it / 255)
    .map((it) => it <= 0.04045 ? it / 12.92 : ((it + 0.055) / 1.055) ** 2.4)
    .reduce((sum, it, at) => sum + it * [0.2126, 0.7152, 0.0722][at], 0);
  const behind = (it) => {
    for (; it; it = it.parentElement) {
      const colour = parse(getComputedStyle(it).backgroundColor);
      if (colour.length < 4 || colour[3] > 0) return colour;
    }
    return [255, 255, 255];
  };
  const bad = new Set();
  const walk = document.createTreeWalker(document.body, NodeFilter.SHOW_TEXT);
  while (walk.nextNode()) {
    const it = walk.currentNode.parentElement;
    if (!walk.currentNode.data.trim() || ["SCRIPT", "STYLE", "OPTION", "TITLE", "DESC", "title", "desc"].includes(it.tagName)) continue;
    const style = getComputedStyle(it);
    const [a, b] = [lum(parse(it.closest("svg") ? style.fill : style.color)), lum(behind(it))];
    const ratio = (Math.max(a, b) + 0.05) / (Math.min(a, b) + 0.05);
    if (ratio < 4.5) bad.add(`${it.tagName}.${it.className.baseVal ?? it.className}: ${ratio.toFixed(2)}`);
  }
  return [...bad];
}"""

# what a screen reader goes by
STRUCTURE = """() => {
  const all = (it) => [...document.querySelectorAll(it)];
  const levels = all("h1, h2, h3, h4, h5, h6").map((it) => Number(it.tagName[1]));
  const ids = all("[id]").map((it) => it.id);
  return {
    "not one of header, main, footer, h1": ["body > header", "main", "body > footer", "h1"].filter((it) => all(it).length !== 1),
    "headings that skip a level": levels.filter((it, at) => at && it > levels[at - 1] + 1),
    "ids that are there twice": ids.filter((it, at) => ids.indexOf(it) !== at),
    "tables without a caption": all("table").filter((it) => !it.caption?.textContent.trim()).length,
    "heads without a scope": all("th:not([scope])").length,
    "drawings without title and description": all("svg").filter((it) => it.ariaHidden !== "true" && !(
      it.getAttribute("role") === "img" && it.querySelector("title")?.textContent && it.querySelector("desc")?.textContent)).length,
    "fields without a label": all("input, select").filter((it) => !it.labels.length).length,
    "language": document.documentElement.lang ? [] : ["none"],
  };
}"""


def test_every_text_stands_out_enough_from_its_ground(written: Written, open_page: Any) -> None:
    for file in (written.ledger, written.run):
        page = open_page(file).page
        page.evaluate("document.querySelectorAll('details').forEach(it => { it.open = true })")
        for scheme in ("light", "dark"):
            page.emulate_media(color_scheme=scheme)

            assert page.evaluate(CONTRAST) == [], scheme


def test_a_screen_reader_finds_its_way(written: Written, open_page: Any) -> None:
    for file in (written.ledger, written.run):
        found = open_page(file).page.evaluate(STRUCTURE)

        assert {what: it for what, it in found.items() if it} == {}


def test_the_list_is_sorted_and_filtered(written: Written, open_page: Any) -> None:
    page, latest = open_page(written.ledger).page, written.told.latest
    first = page.locator("#list tbody tr:visible").first

    page.locator("#list th button", has_text="Cost").press("Enter")
    dearest = max(latest, key=lambda it: it.cost_micro_usd or 0)
    assert first.get_attribute("id") == f"row-{dearest.id}"
    assert page.locator("#list th[aria-sort]").all_inner_texts() == ["Cost"]
    page.locator("#by-verdict").select_option("not proved")
    page.locator("#by-lane").select_option("strong")
    refused = [it for it in latest if it.verdict == "not proved" and "strong" in it.lanes]
    assert page.locator("#list tbody tr:visible").count() == len(refused)
    assert page.locator("#found").inner_text() == f"{len(refused)} of {len(latest)} listed runs"


def test_a_page_is_read_without_its_script(written: Written, open_page: Any) -> None:
    one = written.told.latest[3]
    page = open_page(written.ledger, script=False).page

    assert page.locator("#list tbody tr").count() == 60
    assert not page.locator("#filters").is_visible()
    page.locator(f"#row-{one.id} a").click()
    page.locator(f"#run-{one.id}").wait_for(state="visible")


def test_what_strangers_wrote_does_nothing_and_hides_nothing(written: Written, open_page: Any) -> None:
    for file in (written.hostile, written.hostile_run):
        it = open_page(file)
        it.page.evaluate("document.querySelectorAll('details').forEach(it => { it.open = true })")
        text = file.read_text()

        assert it.page.evaluate("window.hit") is None
        assert it.said == []
        assert it.page.locator("img").count() == 0
        assert it.page.locator("script, style").count() == 2
        assert not {mark for mark in "\u202e\u2066\u200b\u2028\x00\x1b" if mark in text}
        assert "<script>window.hit=1</script>" in it.page.locator("body").inner_text()
        assert "\\u202egpj.exe" in it.page.locator("main").inner_text()
        assert "{{7*7}}" in it.page.locator("main").inner_text()


def test_the_pages_policy_lets_no_other_script_or_style_act(written: Written, open_page: Any) -> None:
    it = open_page(written.run)

    it.page.evaluate(
        """() => {
          const script = document.createElement("script");
          script.textContent = "window.hit = 1";
          document.body.append(script, Object.assign(new Image(), { src: "https://example.invalid/x.png" }));
          const style = document.createElement("style");
          style.textContent = "body { display: none }";
          document.head.append(style);
        }"""
    )

    assert it.page.evaluate("window.hit") is None
    assert it.page.locator("h1").is_visible()
    assert len(it.said) == 3
    assert all("Content Security Policy" in message for message in it.said)


def test_paper_gets_dark_text_on_white_and_no_controls(written: Written, open_page: Any) -> None:
    it = open_page(written.ledger, dark=True, at=f"#run-{written.told.latest[0].id}")
    it.page.emulate_media(media="print")

    assert it.page.evaluate("getComputedStyle(document.body).backgroundColor") == "rgb(255, 255, 255)"
    assert it.page.evaluate("getComputedStyle(document.body).color") == "rgb(0, 0, 0)"
    for control in ("nav", "#theme", "#filters"):
        assert not it.page.locator(control).is_visible()
    assert it.page.locator(f"#run-{written.told.latest[0].id}").is_visible()
    assert it.page.evaluate(CONTRAST) == []
    assert it.page.pdf(format="A4").startswith(b"%PDF")


def test_every_run_of_the_list_can_be_read_again(written: Written) -> None:
    assert all(read_run(it.report) for it in written.told.latest)
