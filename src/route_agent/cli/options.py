"""Options that several commands share."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any

import typer


def nearest(context: typer.Context, directory: Path) -> Path:
    """The command's own -C, else the one that stands before it: `route-agent -C DIR explain`."""
    level: Any = context  # typer has no name for the class of its parents
    while level is not None:
        source = level.get_parameter_source("directory")
        if source is not None and source.name != "DEFAULT":
            return directory if level is context else Path(level.params["directory"])
        level = level.parent
    return directory


Directory = Annotated[
    Path, typer.Option("-C", metavar="DIR", help="Run as if started in DIR.", callback=nearest)
]
Json = Annotated[bool, typer.Option("--json", help="Print one JSON object and nothing else.")]
TaskText = Annotated[
    str | None, typer.Option("--task", metavar="TEXT", help="What to do; - reads it from standard input.")
]
TaskFile = Annotated[
    Path | None, typer.Option("--task-file", metavar="FILE", help="Read the task from a file.")
]
Base = Annotated[
    str,
    typer.Option(
        "--base", metavar="REF", help="Judge the range from REF; policy and checks come from there."
    ),
]
PolicyOption = Annotated[
    str, typer.Option("--policy", metavar="FILE|PRESET", help="Use this policy instead of the one at base.")
]
LaneOption = Annotated[
    str, typer.Option("--lane", metavar="NAME", help="Start at this lane; still escalates.")
]
OnlyLane = Annotated[str, typer.Option("--only-lane", metavar="NAME", help="Use this lane and no other.")]
ForceLane = Annotated[
    bool, typer.Option("--force-lane", help="Allow a lane below an always-strong condition.")
]
ClassOption = Annotated[
    str, typer.Option("--class", metavar="NAME", help="What kind of task it is; the brief says so otherwise.")
]
PhaseOption = Annotated[
    str,
    typer.Option("--phase", metavar="NAME", help="Which step of the development loop: implement, review …"),
]
