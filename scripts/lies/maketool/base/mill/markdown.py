"""The part of Markdown that the site needs."""

import html
import re

HEADING = re.compile(r"(#{1,6})\s+(.*?)\s*#*")
INLINE = [
    (re.compile(r"\*\*(.+?)\*\*"), r"<strong>\1</strong>"),
    (re.compile(r"\*(.+?)\*"), r"<em>\1</em>"),
    (re.compile(r"\[([^\]]+)\]\(([^)\s]+)\)"), r'<a href="\2">\1</a>'),
]


def inline(text):
    """Formatting inside a line; code spans are left alone."""
    parts = re.split(r"`([^`]+)`", text)
    done = []
    for position, part in enumerate(parts):
        part = html.escape(part, quote=True)
        if position % 2:
            done.append(f"<code>{part}</code>")
            continue
        for pattern, replacement in INLINE:
            part = pattern.sub(replacement, part)
        done.append(part)
    return "".join(done)


def _block(lines):
    heading = HEADING.fullmatch(lines[0])
    if heading and len(lines) == 1:
        level = len(heading.group(1))
        return f"<h{level}>{inline(heading.group(2))}</h{level}>"
    if all(line.startswith("- ") for line in lines):
        items = "".join(f"<li>{inline(line[2:].strip())}</li>" for line in lines)
        return f"<ul>{items}</ul>"
    return "<p>" + "\n".join(inline(line.strip()) for line in lines) + "</p>"


def render(text):
    """Headings, lists and paragraphs, separated by blank lines."""
    blocks, lines = [], []
    for line in text.splitlines() + [""]:
        if line.strip():
            if HEADING.fullmatch(line) and lines:
                blocks.append(_block(lines))
                lines = []
            lines.append(line)
            if HEADING.fullmatch(line):
                blocks.append(_block(lines))
                lines = []
        elif lines:
            blocks.append(_block(lines))
            lines = []
    return "\n".join(blocks) + "\n" if blocks else ""
