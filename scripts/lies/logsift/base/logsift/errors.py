"""Everything logsift raises on purpose."""


class LogsiftError(Exception):
    """Base class; the command line prints these without a traceback."""


class ParseError(LogsiftError):
    """A line of the log could not be understood."""

    def __init__(self, number, reason):
        super().__init__(f"line {number}: {reason}")
        self.number = number
        self.reason = reason


class OptionError(LogsiftError):
    """An option has a value that makes no sense."""
