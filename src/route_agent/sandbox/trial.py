"""Which walls and which kind of scratch a run gets: tried once, with what the checks will stand on."""

from __future__ import annotations

import os
from dataclasses import replace
from typing import TYPE_CHECKING

from route_agent.errors import EnvironmentBroken
from route_agent.records.checks import IsolationLevel
from route_agent.sandbox.overlay import Refused
from route_agent.sandbox.tryout import new_nonce, try_place
from route_agent.sandbox.walls import Namespaces, best_walls, shows_home, untried

if TYPE_CHECKING:
    from pathlib import Path

    from route_agent.config import ScratchKind
    from route_agent.repo.scratch import Slot
    from route_agent.sandbox.walls import Walls


def walls_for(
    slot: Slot, required: IsolationLevel = IsolationLevel.NONE, scratch: ScratchKind = "auto"
) -> Walls:
    """The best walls that can be had for a slot's checkout; the slot shows trees accordingly from now on.

    Args:
        slot: the scratch. It is used for the trial.
        required: the least walls that will do.
        scratch: which kind of scratch; with `overlay` no other will do.

    Raises:
        EnvironmentBroken: less than required can be had.
    """
    project = slot.trees.repository.root
    if scratch == "mirror":
        return of_kind(best_walls(project, required), "mirror")
    walls, why_not = untried()
    why_not = why_not or shows_home(project)
    if walls is not None and not why_not:
        why_not = _why_no_overlay(slot, walls)
        if not why_not:
            return of_kind(walls, "overlay")
    if scratch == "overlay":
        raise EnvironmentBroken(
            f"a scratch of kind overlay is asked for and cannot be had: {why_not}",
            hint="scratch: auto in the configuration takes a mirror then",
        )
    return of_kind(best_walls(project, required), f"mirror: {why_not}")


def of_kind(walls: Walls, kind: str) -> Walls:
    """The same walls, which tell the kind of scratch first."""
    if not isinstance(walls, Namespaces):
        return walls
    about = walls.isolation
    program = about.detail[max(about.detail.find("bwrap "), 0) :]
    return replace(walls, isolation=replace(about, detail=f"{kind}, {program}"))


def _why_no_overlay(slot: Slot, walls: Namespaces) -> str:
    """Show the checkout once and try what must hold. The slot shows mirrors where it does not."""
    if slot.trees.repository.settings.get("core.sparsecheckout") == "true":
        return "a sparse checkout does not hold all files"
    try:
        why_not = _try(slot, walls)
    except Refused as error:
        why_not = str(error)
    except EnvironmentBroken as error:
        why_not = error.what
    slot.overlaid = not why_not
    slot.close()
    return why_not


def _try(slot: Slot, walls: Namespaces) -> str:
    """Why the overlay does not hold; empty where it does.

    A file that we lay above is seen, one that we take away is not, and what is written there goes nowhere.
    """
    project = slot.trees.repository.root
    nonce = new_nonce()
    files = sorted(path.name for path in project.iterdir() if _is_plain(path))
    taken, rewritten = ((files[0], files[-1]) if len(files) > 1 else ("", *files)) if files else ("", "")
    names = [*files, nonce, f"{nonce}-new"]
    before = _seen(project, names)
    hidden = slot.lay_trial({nonce: nonce}, [taken] if taken else [])
    why_not = try_place(walls.run, slot.place, nonce, (taken, "" if rewritten in hidden else rewritten))
    if not why_not and _seen(project, names) != before:
        return "what is written there reaches the checkout"
    return why_not


def _is_plain(path: Path) -> bool:
    return path.is_file() and not path.is_symlink() and os.access(path, os.R_OK | os.W_OK)


def _seen(project: Path, names: list[str]) -> list[tuple[int, int, int] | None]:
    found: list[tuple[int, int, int] | None] = []
    for name in names:
        try:
            about = os.lstat(project / name)
        except OSError:
            found.append(None)
        else:
            found.append((about.st_ino, about.st_size, about.st_ctime_ns))
    return found
