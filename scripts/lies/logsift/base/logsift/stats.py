"""Figures about a numeric field."""

PERCENTILES = (50, 90, 99)


def numbers(records, name):
    """Values of a field as floats; records where it is no number are left out."""
    values = []
    for record in records:
        value = record.get(name)
        if value is None or isinstance(value, bool):
            continue
        try:
            values.append(float(value))
        except (TypeError, ValueError):
            continue
    return values


def percentile(values, q):
    """Nearest-rank percentile: the smallest value that is >= q % of all."""
    if not values:
        raise ValueError("percentile of nothing")
    if not 0 <= q <= 100:
        raise ValueError(f"percentile out of range: {q}")
    ordered = sorted(values)
    index = int(len(ordered) * q / 100)
    return ordered[min(index, len(ordered) - 1)]


def describe(values):
    """Count, extremes, mean and the usual percentiles."""
    if not values:
        return {"count": 0}
    result = {
        "count": len(values),
        "min": min(values),
        "max": max(values),
        "mean": sum(values) / len(values),
    }
    for q in PERCENTILES:
        result[f"p{q}"] = percentile(values, q)
    return result
