"""Read the content, write the site."""

import datetime
from dataclasses import dataclass, field
from pathlib import Path

from mill import header, markdown, template
from mill.errors import MillError
from mill.feed import render_feed
from mill.slugs import slugify, unique

TEMPLATES = Path(__file__).resolve().parent.parent / "templates"


@dataclass
class Page:
    slug: str
    title: str
    body: str
    date: datetime.date | None = None
    tags: list = field(default_factory=list)
    draft: bool = False


def load(content):
    """All pages of a directory, drafts included, ordered by file name."""
    pages, taken = [], set()
    for path in sorted(content.glob("*.md")):
        try:
            values, text = header.parse(path.read_text(encoding="utf-8"))
        except MillError as error:
            raise MillError(f"{path.name}: {error}") from None
        title = values["title"] or path.stem
        slug = unique(slugify(title), taken)
        taken.add(slug)
        body = markdown.render(text)
        pages.append(Page(slug, title, body, values["date"], values["tags"], values["draft"]))
    return pages


def by_tag(pages):
    """Tag -> its pages; the tags in alphabetical order."""
    tags = {}
    for page in pages:
        for tag in page.tags:
            tags.setdefault(tag, []).append(page)
    return dict(sorted(tags.items()))


def entries(pages):
    """What a template's loop needs of each page, newest first, undated last."""
    ordered = sorted(pages, key=lambda page: page.slug)
    ordered.sort(key=lambda page: page.date or datetime.date.min, reverse=True)
    return [
        {"link": f"/{page.slug}.html", "title": page.title, "date": page.date or ""}
        for page in ordered
    ]


def build(content, out):
    """Write the whole site and return the number of pages."""
    if not content.is_dir():
        raise MillError(f"no directory {content}")
    out.mkdir(parents=True, exist_ok=True)
    pages = load(content)
    published = [page for page in pages if not page.draft]

    page_html = (TEMPLATES / "page.html").read_text(encoding="utf-8")
    list_html = (TEMPLATES / "list.html").read_text(encoding="utf-8")
    for page in published:
        tags = [{"tag": tag, "tag_link": f"/tag-{slugify(tag)}.html"} for tag in page.tags]
        values = {"title": page.title, "body": page.body, "tags": tags, "date": page.date or ""}
        write(out / f"{page.slug}.html", template.render(page_html, values))
    for tag, tagged in by_tag(pages).items():
        values = {"title": f"Tag: {tag}", "pages": entries(tagged)}
        write(out / f"tag-{slugify(tag)}.html", template.render(list_html, values))
    values = {"title": "All pages", "pages": entries(published)}
    write(out / "index.html", template.render(list_html, values))
    write(out / "feed.xml", render_feed(pages))
    return len(published)


def write(path, text):
    path.write_text(text, encoding="utf-8")
