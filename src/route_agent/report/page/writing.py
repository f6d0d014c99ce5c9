"""Templates to text: everything that is not ours is escaped, and nothing of it can act or hide."""

from __future__ import annotations

import base64
import hashlib
from functools import cache
from pathlib import Path
from types import SimpleNamespace
from typing import TYPE_CHECKING, Any

from route_agent.errors import UsageError
from route_agent.report.page import telling
from route_agent.report.page.charts import mark
from route_agent.report.page.diffs import blocks
from route_agent.report.page.words import count, moment, one_line, percent, seconds, short
from route_agent.report.words import quote_words, spent, track_words

if TYPE_CHECKING:
    from jinja2 import Environment

# as the templates call them
WORDS = SimpleNamespace(
    money=telling.usd,
    ends=telling.ends,
    total=telling.total,
    within_usd=telling.within_usd,
    within_seconds=telling.within_seconds,
    within_share=telling.within_share,
    places=telling.places,
    survivors=telling.survivors,
    track=track_words,
    quote=quote_words,
)
_FOLDER = Path(__file__).with_name("templates")
_DIFF_TAGS = {"added": "ins", "removed": "del", "file": "b", "hunk": "i", "context": "span"}


def shown(value: Any) -> Any:
    """What a template prints: unknown says so, and no character moves, hides or ends anything.

    Control and format characters (NUL, escape, marks of direction, what has no width) stand there as their
    code, as they do in a terminal's report.
    """
    from markupsafe import Markup

    if value is None:
        return "unknown"
    if not isinstance(value, str) or isinstance(value, Markup) or value.isprintable():
        return value
    return "".join(it if it.isprintable() or it in "\n\t" else repr(it)[1:-1] for it in value)


@cache
def environment() -> Environment:
    """The templates, ready to be filled.

    Raises:
        UsageError: jinja2 is not installed.
    """
    try:
        import jinja2
    except ModuleNotFoundError as error:
        if error.name != "jinja2":
            raise
        raise UsageError("a page needs jinja2", hint='pip install "route-agent[html]"') from error
    made = jinja2.Environment(
        loader=jinja2.FileSystemLoader(_FOLDER),
        autoescape=True,
        finalize=shown,
        undefined=jinja2.StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    made.globals |= {"words": WORDS, "mark": mark}
    made.filters |= {
        "money": telling.usd,
        "spent": _spent,
        "seconds": seconds,
        "share": percent,
        "count": count,
        "moment": moment,
        "one_line": one_line,
        "diff": diff,
        "short": short,
    }
    return made


def fill(template: str, **values: Any) -> str:
    """A whole page, with our own style and script in it and a policy that lets nothing else act."""
    from markupsafe import Markup

    style, script = (_FOLDER.joinpath(name).read_text(encoding="utf-8") for name in ("page.css", "page.js"))
    only = f"default-src 'none'; style-src '{_hash(style)}'; script-src '{_hash(script)}'"
    allowed = f"{only}; img-src data:; base-uri 'none'; form-action 'none'"
    text = (
        environment()
        .get_template(template)
        .render(
            style=Markup(style),  # noqa: S704 - our own files
            script=Markup(script),  # noqa: S704
            allowed=Markup(allowed),  # noqa: S704
            **values,
        )
    )
    return text.encode("utf-8", "replace").decode()  # half a pair of surrogates has no place in a file


def _hash(text: str) -> str:
    """As a content security policy names the one text that it allows."""
    return f"sha256-{base64.b64encode(hashlib.sha256(text.encode()).digest()).decode()}"


# --- figures and texts as the templates print them ---


def _spent(cost: Any) -> str:
    told = spent(cost)
    return told if told.startswith("unknown") else f"${told}"


def diff(text: str, most: int) -> Any:
    """A diff as HTML: what is added and removed is marked so, and keeps its + and −."""
    from markupsafe import Markup, escape

    told, left_out = blocks(text, most)
    parts = [f"<{_DIFF_TAGS[kind]}>{escape(shown(body))}</{_DIFF_TAGS[kind]}>" for kind, body in told]
    if left_out:
        parts.append(f"<span>… {left_out} lines more</span>")
    return Markup("".join(parts))  # noqa: S704 - its parts are escaped
