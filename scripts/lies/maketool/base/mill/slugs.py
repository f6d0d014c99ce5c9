"""Names for files and links."""

import re
import unicodedata


def slugify(text):
    """``Hello, World!`` -> ``hello-world``."""
    text = unicodedata.normalize("NFKD", text)
    text = text.encode("ascii", "ignore").decode("ascii").lower()
    return re.sub(r"[^a-z0-9]", "-", text)


def unique(slug, taken):
    """Add ``-2``, ``-3`` ... until the slug is not taken."""
    if slug not in taken:
        return slug
    number = 2
    while f"{slug}-{number}" in taken:
        number += 1
    return f"{slug}-{number}"
