"""The header of a content file."""

import datetime

from mill.errors import MillError

KEYS = ("title", "date", "tags", "draft")


def split(text):
    """Return (header lines, body); a file may have no header at all."""
    lines = text.splitlines()
    if not lines or lines[0].strip() != "---":
        return [], text
    for number, line in enumerate(lines[1:], start=1):
        if line.strip() == "---":
            return lines[1:number], "\n".join(lines[number + 1 :])
    raise MillError("header without an end")


def parse(text):
    """Return (values, body) with the values converted."""
    lines, body = split(text)
    values = {"title": "", "date": None, "tags": [], "draft": False}
    for line in lines:
        if not line.strip() or line.lstrip().startswith("#"):
            continue
        key, colon, value = line.partition(":")
        key, value = key.strip().lower(), value.strip()
        if not colon or key not in KEYS:
            raise MillError(f"bad header line {line.strip()!r}")
        if key == "date":
            try:
                value = datetime.date.fromisoformat(value)
            except ValueError:
                raise MillError(f"bad date {value!r}") from None
        elif key == "tags":
            value = [tag.strip() for tag in value.split(",") if tag.strip()]
        elif key == "draft":
            if value.lower() not in ("true", "false"):
                raise MillError(f"draft is true or false, not {value!r}")
            value = value.lower() == "true"
        values[key] = value
    return values, body
