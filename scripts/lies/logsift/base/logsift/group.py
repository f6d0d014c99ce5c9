"""Counts per value of a field."""

MISSING = "-"
OTHER = "(other)"


def group_counts(records, name, top=None):
    """List of (value, count): biggest first, equal counts by value.

    Records without the field count under ``-``. With ``top``, only that many
    rows are kept and the rest is summed up in a last row ``(other)``.
    """
    counts = {}
    for record in records:
        value = record.get(name)
        key = MISSING if value is None or value == "" else str(value)
        counts[key] = counts.get(key, 0) + 1
    rows = sorted(counts.items(), key=lambda row: (-row[1], row[0]))
    if top is not None and len(rows) > top:
        rest = sum(count for _, count in rows[top:])
        rows = rows[:top] + [(OTHER, rest)]
    return rows


def share(rows):
    """Add each row's share of the total in per cent, one decimal."""
    total = sum(count for _, count in rows)
    if total == 0:
        return []
    return [(key, count, round(100 * count / total, 1)) for key, count in rows]
