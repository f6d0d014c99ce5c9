"""Parse, filter and summarise structured logs."""

__version__ = "0.6.0"
