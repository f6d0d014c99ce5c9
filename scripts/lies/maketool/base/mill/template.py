"""Templates: {{ name }} is replaced by a value."""

import re

from mill.errors import MillError

SLOT = re.compile(r"\{\{\s*([a-z_]+)\s*\}\}")
LOOP = re.compile(r"\{% each ([a-z_]+) %\}\n?(.*?)\{% end %\}\n?", re.S)


def fill(template, values):
    """Replace each slot; a name without a value is an error."""

    def value(match):
        name = match.group(1)
        if name not in values:
            raise MillError(f"no value for {name}")
        return str(values[name])

    return SLOT.sub(value, template)


def render(template, values):
    """Repeat the loops, one time per entry, then fill the slots.

    Inside a loop the entry's own values go before those of the page.
    """

    def repeat(match):
        name, body = match.groups()
        if name not in values:
            raise MillError(f"no value for {name}")
        return "".join(fill(body, {**values, **entry}) for entry in values[name])

    pieces, end = [], 0
    for match in LOOP.finditer(template):
        pieces.append(fill(template[end : match.start()], values))
        pieces.append(repeat(match))
        end = match.end()
    pieces.append(fill(template[end:], values))
    return "".join(pieces)
