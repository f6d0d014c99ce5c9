"""Where policies lie: the repository's own, and those that ship with the program. Quick to import."""

from __future__ import annotations

from pathlib import Path

POLICY_PATH = ".route-agent/policy.yaml"


def presets() -> dict[str, Path]:
    """The policies that ship with the program, by name."""
    installed = Path(__file__).parent / "policies"
    folder = installed if installed.is_dir() else Path(__file__).parents[2] / "policies"
    return {file.stem: file for file in sorted(folder.glob("*.yaml"))}
