"""Errors that are the author's to correct."""


class MillError(Exception):
    """Shown without a traceback."""
