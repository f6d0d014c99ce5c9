"""Write records in the format asked for."""

import json

from logsift.timespec import format_time


def _plain(value):
    text = value if isinstance(value, str) else json.dumps(value)
    return f'"{text}"' if " " in text else text


def render_text(records):
    """One line per record: time, level, message, then name=value pairs."""
    lines = []
    for record in records:
        parts = [format_time(record.time), record.level.upper(), record.message]
        for name in sorted(record.fields):
            parts.append(f"{name}={_plain(record.fields[name])}")
        lines.append(" ".join(parts))
    return "".join(line + "\n" for line in lines)


def render_json(records):
    """One object per line, the built-in keys first."""
    lines = []
    for record in records:
        data = {
            "time": format_time(record.time),
            "level": record.level,
            "message": record.message,
        }
        data.update(record.fields)
        lines.append(json.dumps(data, sort_keys=False))
    return "".join(line + "\n" for line in lines)


def render_table(records):
    """Aligned columns, without the extra fields."""
    rows = [("TIME", "LEVEL", "MESSAGE")]
    for record in records:
        rows.append((format_time(record.time), record.level, record.message))
    return columns(rows)


FORMATS = {
    "text": render_text,
    "json": render_json,
    "table": render_table,
}


def columns(rows):
    """Pad all cells but those of the last column."""
    if not rows:
        return ""
    rows = [[str(cell) for cell in row] for row in rows]
    widths = [max(len(row[i]) for row in rows) for i in range(len(rows[0]))]
    lines = []
    for row in rows:
        cells = [cell.ljust(width) for cell, width in zip(row, widths)]
        lines.append("  ".join(cells).rstrip())
    return "".join(line + "\n" for line in lines)
