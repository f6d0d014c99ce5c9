"""Log levels and their order."""

from logsift.errors import OptionError

ORDER = ("debug", "info", "warning", "error", "critical")

ALIASES = {
    "trace": "debug",
    "warn": "warning",
    "err": "error",
    "fatal": "critical",
    "crit": "critical",
}


def normalise(name):
    """Return the canonical level; unknown names come back in lower case."""
    name = str(name).strip().lower()
    return ALIASES.get(name, name)


def rank(name):
    """Position in ORDER; unknown levels rank below everything."""
    name = normalise(name)
    return ORDER.index(name) if name in ORDER else -1


def check_level(name):
    """Validate the value of an option and return the canonical level."""
    level = normalise(name)
    if level not in ORDER:
        raise OptionError(f"unknown level {name!r}, use one of {', '.join(ORDER)}")
    return level
