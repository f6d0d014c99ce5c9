"""Is the program of a command installed here? Found out without running anything of the repository's."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Mapping

_LOOK_SECONDS = 20


def missing_program(run: tuple[str, ...], root: Path, environment: Mapping[str, str]) -> str:
    """Why a command cannot be started in this checkout, or nothing."""
    searched = os.pathsep.join(map(str, _search_path(root, environment)))
    program = shutil.which(str(root / run[0]) if "/" in run[0] else run[0], path=searched)
    if program is None:
        return f"{run[0]} is not in .venv/bin and not on the PATH"
    if re.fullmatch(r"python[0-9.]*", Path(run[0]).name) and len(run) > 2 and run[1] == "-m":
        module = run[2].partition(".")[0]
        if not _has_module(Path(program), module, root):
            return f"{program} has no module {module}"
    return ""


def _search_path(root: Path, environment: Mapping[str, str]) -> list[Path]:
    """As for a check: the project's own folders of dependencies first, and nothing else of the checkout."""
    own = [root / ".venv" / "bin", root / "venv" / "bin", root / "node_modules" / ".bin"]
    given = [Path(entry) for entry in environment.get("PATH", os.defpath).split(os.pathsep)]
    return own + [entry for entry in given if entry.is_absolute() and not entry.is_relative_to(root)]


def found_outside(program: str, path: str, project: Path | None) -> str:
    """A program's file on a search path, or nothing; never one that the checkout brings."""
    folders = [Path(entry) for entry in path.split(os.pathsep) if entry]
    fine = [
        it
        for it in folders
        if it.is_absolute() and not (project and it.resolve().is_relative_to(project.resolve()))
    ]
    return shutil.which(program, path=os.pathsep.join(map(str, fine))) or ""


def _has_module(python: Path, module: str, root: Path) -> bool:
    if module in sys.stdlib_module_names or (root / module).is_dir() or (root / f"{module}.py").is_file():
        return True
    if python.is_relative_to(root):  # a repository may bring its own python: look, do not run
        folders = python.parent.parent.glob("lib/python*/site-packages")
        if any((folder / name).exists() for folder in folders for name in (module, f"{module}.py")):
            return True
        return _uses_system_packages(python.parent.parent / "pyvenv.cfg")
    code = "import importlib.util, sys; print(importlib.util.find_spec(sys.argv[1]) is not None)"
    try:
        told = subprocess.run(
            [str(python), "-c", code, module],
            cwd="/",
            capture_output=True,
            stdin=subprocess.DEVNULL,
            timeout=_LOOK_SECONDS,
            check=False,
        )
    except (OSError, subprocess.TimeoutExpired):
        return False
    return told.stdout.strip() == b"True"


def _uses_system_packages(settings: Path) -> bool:
    try:
        text = settings.read_bytes()
    except OSError:
        return False
    return re.search(rb"include-system-site-packages\s*=\s*true", text) is not None
