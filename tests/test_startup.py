"""What is imported when, and from where."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest
from loopback import Loopback
from sandpit import ADD, FIX, PROGRAM, Sandpit, provider_env, replies

# what talks to providers or knows their prices: a command that calls none has no business with it
PROVIDERS = {"anthropic", "openai", "genai_prices", "httpx2", "git"}
HEAVY = PROVIDERS | {"psutil"}


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


def test_no_command_that_calls_nobody_imports_what_talks_to_providers(tmp_path: Path) -> None:
    pit = Sandpit(tmp_path / "pit")
    pit.write("calc.py", ADD.replace("a - b", "a + b"))
    done = pit.run("--task", "sums", "--replay", str(replies(tmp_path, ("fast", FIX))), "--dry-run")
    assert done.exit_code == 0, done.stderr  # so that there is something to show

    for arguments in (
        ("--help",),
        ("explain", "--task", "fix it"),
        ("verify",),
        ("stats",),
        ("show", "latest"),
        ("show", "latest", "--json"),
        ("ledger",),
        ("replay",),
    ):
        found = loaded(pit, *arguments)
        assert "route_agent" in found
        assert not found & PROVIDERS, arguments


def test_a_price_is_what_loads_the_price_table(tmp_path: Path) -> None:
    with Loopback() as server:
        pit = Sandpit(tmp_path / "pit")
        env = provider_env(pit, server, rates=False)
        code = (
            "import atexit, sys\n"
            "atexit.register(lambda: print('genai_prices' in sys.modules, file=sys.stderr))\n"
            "sys.argv = ['route-agent', '--task', 'sums', '--dry-run']\n"
            "from route_agent.__main__ import main; main()\n"
        )
        done = subprocess.run(
            [sys.executable, "-c", code], cwd=pit.root, capture_output=True, text=True, check=False,
            env={**os.environ, **env},
        )  # fmt: skip

    assert done.stderr.rstrip().endswith("True"), done.stderr


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
