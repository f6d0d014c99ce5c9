"""The feed: newest pages first."""

from xml.sax.saxutils import escape

LIMIT = 10


def render_feed(pages, base="https://example.org"):
    """RSS 2.0 of the newest dated pages."""
    dated = [page for page in pages if page.date is not None]
    dated.sort(key=lambda page: (page.date, page.slug), reverse=True)
    lines = ['<?xml version="1.0" encoding="utf-8"?>', '<rss version="2.0"><channel>']
    for page in dated[:LIMIT]:
        lines.append(
            f"<item><title>{escape(page.title)}</title>"
            f"<link>{base}/{page.slug}.html</link>"
            f"<pubDate>{page.date:%a, %d %b %Y} 00:00:00 GMT</pubDate></item>"
        )
    lines.append("</channel></rss>")
    return "\n".join(lines) + "\n"
