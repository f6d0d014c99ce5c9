"""What is imported when, and from where."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest
from sandpit import PROGRAM, Sandpit

HEAVY = {"anthropic", "openai", "git", "genai_prices", "httpx2", "psutil"}


def loaded(pit: Sandpit, *arguments: str) -> set[str]:
    """The top-level modules that a command has imported when it ends."""
    script = (
        "import atexit, sys\n"
        "atexit.register(lambda: print('\\n'.join({n.partition('.')[0] for n in sys.modules}), file=sys.stderr))\n"
        f"sys.argv = ['route-agent', *{arguments!r}]\n"
        "from route_agent.__main__ import main; main()\n"
    )
    done = subprocess.run(
        [sys.executable, "-c", script], cwd=pit.root, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr
    return set(done.stderr.split())


@pytest.mark.parametrize(
    "arguments", [("--help",), ("explain", "--task", "fix it"), ("ledger",), ("show", "--help")]
)
def test_nothing_heavy_is_imported_before_it_is_needed(tmp_path: Path, arguments: tuple[str, ...]) -> None:
    assert not loaded(Sandpit(tmp_path / "pit"), *arguments) & HEAVY


def test_help_does_not_even_read_the_policy(tmp_path: Path) -> None:
    assert not loaded(Sandpit(tmp_path / "pit"), "--help") & {"pydantic", "yaml", "sqlite3"}


@pytest.mark.parametrize(
    "start", [[PROGRAM], [sys.executable, "-m", "route_agent"]], ids=["script", "module"]
)
def test_a_repository_with_modules_of_our_names_is_not_imported_from(
    tmp_path: Path, start: list[str]
) -> None:
    trap = "import pathlib; pathlib.Path('ran').write_text(__name__); raise SystemExit('imported from the repository')\n"
    names = ("yaml", "sqlite3", "json", "typer", "pydantic", "rich", "subprocess", "hashlib")
    pit = Sandpit(tmp_path / "pit", files={f"{name}.py": trap for name in names})

    done = subprocess.run(
        [*start, "explain", "--task", "fix it"], cwd=pit.root, capture_output=True, text=True, check=False
    )

    assert done.returncode == 0, done.stderr
    assert "risk_score" in done.stdout
    assert not (pit.root / "ran").exists()
