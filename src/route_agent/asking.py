"""How a model asks to see more before it answers, in words and in JSON: one protocol, two spellings. Pure.

A request names what is wanted and nothing else: there is no word here with which anything could be run.
"""

from __future__ import annotations

import json
import re
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Literal

from route_agent.records.lanes import Shape

if TYPE_CHECKING:
    from collections.abc import Iterator

MAX_NEEDS = 12  # in one turn
_MAX_WORDS = 300

IN_TEXT = """\
What you can look up first, if the files shown are not enough. Answer with nothing but such lines, one for
each wish, and you get what they name:
READ path/of/file.py:120-180
READ path/of/file.py
SEARCH some text IN src/*.py
SEARCH some text
LIST folder/
"""

IN_JSON = """\
What you can look up first, if the files shown are not enough: leave `edits` empty and fill `need`, and you
get what it names. Each entry is one wish, with null for what it does not use:
- {"read": "path/of/file.py", "lines": "120-180"}: lines of a file; the whole file where `lines` is null.
- {"search": "some text", "within": "src/*.py"}: where a text stands; in all files where `within` is null.
- {"list": "folder/"}: what a folder holds.
"""


@dataclass(frozen=True, slots=True)
class Need:
    """One wish: lines of a file, the places of a text, or what a folder holds.

    `first` and `last` are lines from 1; 0 is the beginning and the end. `within` is a path pattern.
    """

    kind: Literal["read", "search", "list"]
    what: str
    first: int = 0
    last: int = 0
    within: str = ""

    def __str__(self) -> str:
        lines = f":{self.first}-{self.last or 'end'}" if self.first else ""
        within = f" in {self.within}" if self.within else ""
        quote = '"' if self.kind == "search" else ""
        return f"{self.kind} {quote}{self.what}{quote}{lines}{within}"


# a model may answer with megabytes of anything: what is matched here takes time by the length, not its square
_LINE = re.compile(r"^[ \t]*(?:[-*] +|\d+[.)] +)?`?(READ|SEARCH|LIST) +(\S.*)$", re.MULTILINE)
_LINES = re.compile(r"^(?P<path>.+?)(?::(?P<first>\d{1,9})(?:\s*-\s*(?P<last>\d{1,9}|end)?)?)?$")
_WITHIN = re.compile(r"^(?P<text>.+?) IN (?P<within>\S+)$")
_RANGE = re.compile(r"^\s*(?P<first>\d{1,7})(?:\s*-\s*(?P<last>\d{1,7}|end)?)?\s*$")
_FENCED = re.compile(r"^\s*```\w*[^\S\n]*\n(?P<inside>.*)\n```\s*$", re.DOTALL)


def needs_in(reply: str) -> tuple[Need, ...]:
    """What a reply asks to see, in its order and each once; empty where it asks for nothing."""
    value = object_in(reply)
    found = _in_json(value) if value is not None else _in_lines(reply)
    return tuple(dict.fromkeys(found))


def object_in(reply: str) -> dict[str, Any] | None:
    """The JSON object that a reply is, fenced or not; None where it is anything else."""
    fenced = _FENCED.match(reply)
    text = (fenced["inside"] if fenced else reply).strip()
    if not text.startswith("{"):
        return None
    try:
        value = json.loads(text)
    except (ValueError, RecursionError):
        return None
    return value if isinstance(value, dict) else None


def _in_lines(reply: str) -> Iterator[Need]:
    for match in _LINE.finditer(reply):
        word, told = match[1], match[2][:_MAX_WORDS].strip().removesuffix("`")
        if word == "SEARCH":
            parts = _WITHIN.match(told)
            text, within = (parts["text"], parts["within"]) if parts else (told, "")
            yield Need("search", _bare(text), within=_bare(within))
        elif word == "LIST":
            yield Need("list", _bare(told))
        elif parts := _LINES.match(_bare(told)):
            yield _read(_bare(parts["path"]), parts["first"], parts["last"])


def _in_json(value: dict[str, Any]) -> Iterator[Need]:
    wishes = value.get("need")
    for wish in wishes if isinstance(wishes, list) else []:
        if not isinstance(wish, dict):
            continue
        if path := _word(wish, "read"):
            lines = _RANGE.match(_word(wish, "lines"))
            yield _read(path, lines["first"] if lines else None, lines["last"] if lines else None)
        elif text := _word(wish, "search"):
            yield Need("search", text, within=_word(wish, "within"))
        elif isinstance(wish.get("list"), str):
            yield Need("list", _word(wish, "list") or ".")


def _word(wish: dict[str, Any], key: str) -> str:
    value = wish.get(key)
    return value[:_MAX_WORDS].strip() if isinstance(value, str) else ""


def _read(path: str, first: str | None, last: str | None) -> Need:
    begin = int(first) if first else 0
    end = int(last) if last and last != "end" else 0
    if first and last is None:
        end = begin  # one line
    if end and end < begin:
        begin, end = end, begin
    return Need("read", path, begin, end)


def _bare(text: str) -> str:
    """Without the quotes or backticks that somebody put around it."""
    text = text.strip().strip("`").strip()
    while len(text) > 1 and text[0] == text[-1] and text[0] in "\"'":
        text = text[1:-1].strip()
    return text


def _nullable(kind: str) -> dict[str, Any]:
    return {"type": [kind, "null"]}


def _object(properties: dict[str, Any]) -> dict[str, Any]:
    # what endpoints enforce strictly: every key is there, and none that is not named
    return {
        "type": "object",
        "properties": properties,
        "required": list(properties),
        "additionalProperties": False,
    }


def _list_of(item: dict[str, Any]) -> dict[str, Any]:
    return {"type": "array", "items": item}


_WISH = _object({key: _nullable("string") for key in ("read", "lines", "search", "within", "list")})
_EDIT = _object(
    {
        "path": {"type": "string"},
        **{key: _nullable("string") for key in ("search", "replace", "content")},
        "delete": _nullable("boolean"),
    }
)
ANSWER = Shape(
    "patch", _object({"summary": {"type": "string"}, "need": _list_of(_WISH), "edits": _list_of(_EDIT)})
)
