"""Takes jobs from an inbox and pushes them to a shared folder, with retries."""

__version__ = "0.3.0"
