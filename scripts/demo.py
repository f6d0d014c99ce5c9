"""Run the main job on the sample project, scene by scene, and check how each one ends.

Each scene is a fresh git repository in a temporary folder with its own home, so that nobody's ledger,
configuration or git settings are read or written. All but the replies of the models is real.
Exit code 1 if a scene ends in another way than its `scene.yaml` says.
"""

from __future__ import annotations

import argparse
import hashlib
import json
import os
import re
import shlex
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml

SAMPLE = Path(__file__).resolve().parents[1] / "examples" / "sync-worker"
REPLAYED = "recorded replies, no model was called"
PASSED_ON = ("LANG", "LC_ALL", "TERM", "TMPDIR", "COLUMNS", "CI", "ROUTE_AGENT_CI")
LEFTOVERS = shutil.ignore_patterns("__pycache__", ".*_cache")


class DemoFailed(Exception):
    """A scene could not be set up, or did not end as it should."""


@dataclass(frozen=True, slots=True)
class Scene:
    """A task, the state of the repository it meets, and how it must end."""

    folder: Path
    about: str
    task: str
    expect: Mapping[str, Any]
    committed: str = ""
    uncommitted: str = ""

    @property
    def replies(self) -> Path:
        return self.folder / "replies.yaml"


@dataclass(frozen=True, slots=True)
class Ending:
    """What a run printed, how it exited, and what the ledger says about it."""

    exit_code: int
    printed: str
    shown: Mapping[str, Any]


def load_scenes(folder: Path) -> tuple[Scene, ...]:
    """Every folder with a `scene.yaml`, by name."""
    files = sorted(folder.glob("*/scene.yaml"))
    if not files:
        raise DemoFailed(f"no scenes in {folder}")
    return tuple(Scene(folder=file.parent, **yaml.safe_load(file.read_text("utf-8"))) for file in files)


def private_environment(place: Path) -> dict[str, str]:
    """The environment of a newcomer: the programs beside this Python first, and an empty home."""
    home = place / "home"
    home.mkdir()
    kept = {name: os.environ[name] for name in PASSED_ON if name in os.environ}
    xdg = {f"XDG_{name}_HOME": str(home / name.lower()) for name in ("CONFIG", "STATE", "CACHE", "DATA")}
    return {
        **kept,
        **xdg,
        "XDG_CONFIG_DIRS": str(home / "etc"),
        "HOME": str(home),
        "PATH": os.pathsep.join((str(Path(sys.executable).parent), os.environ.get("PATH", os.defpath))),
        "GIT_CONFIG_GLOBAL": os.devnull,
        "GIT_CONFIG_NOSYSTEM": "1",
        "GIT_OPTIONAL_LOCKS": "0",
    }


def git(repository: Path, environment: Mapping[str, str], *arguments: str) -> str:
    identity = ("-c", "user.name=Demo", "-c", "user.email=demo@example.com", "-c", "commit.gpgsign=false")
    done = subprocess.run(
        ("git", *identity, *arguments),
        cwd=repository,
        env=dict(environment),
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
    )
    if done.returncode:
        raise DemoFailed(f"git {' '.join(arguments)}: {done.stderr.strip()}")
    return done.stdout


def prepare(scene: Scene, place: Path, environment: Mapping[str, str]) -> Path:
    """The scene's repository: the project committed, then what the scene commits and leaves uncommitted."""
    repository = place / "syncworker"
    shutil.copytree(SAMPLE / "project", repository, ignore=LEFTOVERS)
    git(repository, environment, "init", "--quiet", "--initial-branch=main")
    git(repository, environment, "add", ".")
    git(repository, environment, "commit", "--quiet", "--message=Start")
    if scene.committed:
        git(repository, environment, "apply", "--index", str((scene.folder / scene.committed).resolve()))
        git(repository, environment, "commit", "--quiet", "--message=Fix the retry leak")
    if scene.uncommitted:
        git(repository, environment, "apply", str((scene.folder / scene.uncommitted).resolve()))
    return repository


def state_of(repository: Path, environment: Mapping[str, str]) -> dict[str, str]:
    """All that must not change: git's status, and mode and content of every file, those of git included."""
    state = {"git status": git(repository, environment, "status", "--porcelain", "--untracked-files=all")}
    for path in sorted(repository.rglob("*")):
        content = bytes(path.readlink()) if path.is_symlink() else b""
        if path.is_file() and not path.is_symlink():
            content = path.read_bytes()
        name = str(path.relative_to(repository))
        state[name] = f"{path.lstat().st_mode:o} {hashlib.sha256(content).hexdigest()}"
    return state


def run_task(scene: Scene, repository: Path, environment: dict[str, str]) -> Ending:
    """Run the command as a person would, then ask the ledger about that run."""
    command = ("route-agent", "--task", scene.task.strip(), "--replay", str(scene.replies))
    print(f"$ {shlex.join(command)}", flush=True)
    run = subprocess.run(
        command, cwd=repository, env=environment, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, text=True
    )
    print(run.stdout, flush=True)
    named = re.findall(r"route-agent show (\S+)", run.stdout)
    if not named:
        raise DemoFailed(f"the report names no run (exit code {run.returncode})")
    shown = subprocess.run(
        ("route-agent", "show", named[-1], "--json"),
        cwd=repository,
        env=environment,
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
    )
    if shown.returncode:
        raise DemoFailed(f"route-agent show {named[-1]}: {shown.stderr.strip()}")
    return Ending(run.returncode, run.stdout, json.loads(shown.stdout))


def differences(expect: Mapping[str, Any], ending: Ending) -> Iterator[str]:
    """Each way in which a run did not end as its scene says."""
    shown = ending.shown
    found = {
        "verdict": shown["verdict"],
        "exit_code": ending.exit_code,
        "lane": shown["decision"]["lane"],
        "attempts": [{"lane": tried["lane"], "failure": tried["failure"]} for tried in shown["attempts"]],
        "cost_usd": shown["cost_usd"],
    }
    for name, wanted in {"exit_code": 0, **expect}.items():
        if found[name] != wanted:
            yield f"{name} should be {wanted}, is {found[name]}"
    if shown["exit_code"] != ending.exit_code:
        yield f"the ledger has exit code {shown['exit_code']}, the process ended with {ending.exit_code}"
    if REPLAYED not in ending.printed:
        yield f'the report does not say "{REPLAYED}"'


def play(scene: Scene, place: Path) -> None:
    """Run one scene.

    Raises:
        DemoFailed: says every way in which it ended differently.
    """
    print(f"── {scene.folder.name}: {scene.about}", flush=True)
    environment = private_environment(place)
    repository = prepare(scene, place, environment)
    before = state_of(repository, environment)
    ending = run_task(scene, repository, environment)
    after = state_of(repository, environment)
    faults = list(differences(scene.expect, ending))
    touched = [name for name in sorted(before.keys() | after.keys()) if before.get(name) != after.get(name)]
    if touched:
        faults.append(f"the repository was touched: {', '.join(touched)}")
    if faults:
        raise DemoFailed("; ".join(faults))
    git(repository, environment, "apply", "--check", ending.shown["patch_path"])


def main(arguments: Sequence[str] | None = None) -> int:
    parser = argparse.ArgumentParser(prog="demo", description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--scenes", type=Path, default=SAMPLE / "scenes", metavar="DIR")
    parser.add_argument("--keep", action="store_true", help="leave the repositories and homes behind")
    options = parser.parse_args(arguments)
    place = Path(tempfile.mkdtemp(prefix="route-agent-demo-"))
    scene_name = "demo"
    try:
        scenes = load_scenes(options.scenes.resolve())
        for scene in scenes:
            scene_name = scene.folder.name
            (place / scene_name).mkdir()
            play(scene, place / scene_name)
    except DemoFailed as failure:
        print(f"demo: FAILED {scene_name}: {failure}", file=sys.stderr)
        return 1
    finally:
        if options.keep:
            print(f"kept: {place}", file=sys.stderr)
        else:
            shutil.rmtree(place)
    print(f"demo: {len(scenes)} scenes ended as they should; no repository was touched")
    return 0


if __name__ == "__main__":
    sys.exit(main())
