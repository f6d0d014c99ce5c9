"""A job queue with leases, retries and dead letters."""

from .backoff import Exponential, Fixed
from .deadletter import DeadLetters
from .job import Job, State
from .queue import Queue
from .registry import Registry
from .worker import Worker

__all__ = ["DeadLetters", "Exponential", "Fixed", "Job", "Queue", "Registry", "State", "Worker"]
