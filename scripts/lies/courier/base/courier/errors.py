class CourierError(Exception):
    """Base of everything this package raises on purpose."""


class UnknownJob(CourierError, KeyError):
    """No job of that id."""


class UnknownKind(CourierError, KeyError):
    """No handler for that kind of job."""


class LeaseLost(CourierError):
    """The caller does not hold the job (any more)."""


class NotDead(CourierError):
    """The job is no dead letter."""


class PermanentError(CourierError):
    """Raised by a handler when trying again is pointless."""


class SnapshotError(CourierError, ValueError):
    """The text is no snapshot that can be read."""
