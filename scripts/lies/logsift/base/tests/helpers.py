"""Shared by the tests."""

import os
import subprocess
import sys
from datetime import datetime
from pathlib import Path

from logsift.records import Record

ROOT = Path(__file__).resolve().parent.parent


def at(clock, day=1):
    """``at("10:05")`` -> that time on a day of May 2024."""
    hour, minute, *rest = [int(part) for part in clock.split(":")]
    return datetime(2024, 5, day, hour, minute, *rest)


def make(clock="10:00", level="info", message="hello", **fields):
    return Record(at(clock), level, message, fields)


def run_cli(*args, stdin=""):
    """Run the program in a process of its own."""
    env = dict(os.environ, PYTHONPATH=str(ROOT))
    return subprocess.run(
        [sys.executable, "-m", "logsift", *map(str, args)],
        input=stdin,
        env=env,
        capture_output=True,
        text=True,
        check=False,
    )
