"""Nothing gets out of the walls: by either kind of scratch, as root and as an ordinary user."""

from __future__ import annotations

import json
import os
import secrets
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from breakout import SYSTEM_PYTHON
from sandpit import Sandpit

from route_agent.records.checks import IsolationLevel
from route_agent.sandbox.process import MARK
from route_agent.sandbox.walls import best_walls

NOBODY = 65534
FILES = {
    "gone.py": "x = 1\n",
    "kept.py": "y = 1\n",
    "folder/inner.py": "z = 1\n",
    ".gitignore": ".env\nkeys/\nignored/\nway-out\n.venv/\n",
}


@pytest.fixture
def outside() -> Iterator[Path]:
    """A folder that another user may go through as well, and that is not below the walls' own /tmp."""
    where = "/srv" if os.geteuid() == 0 else Path.home()
    folder = Path(tempfile.mkdtemp(prefix="route-agent-escapes-", dir=where)).resolve()
    folder.chmod(0o755)
    yield folder
    shutil.rmtree(folder)


def attempt(outside: Path, kind: str, uid: int = 0, down: str = "") -> dict[str, Any]:
    """Break out of the walls around a repository of that user's; what was found, and that nothing changed."""
    if best_walls(Path("/nonexistent")).isolation.level is not IsolationLevel.NAMESPACES:
        if os.environ.get("ROUTE_AGENT_CI") and MARK not in os.environ:
            pytest.fail("no namespaces here")
        pytest.skip("no namespaces here")
    if os.geteuid() != uid and os.geteuid() != 0:
        pytest.skip("only root can be another user")
    if uid != os.geteuid() and not Path(SYSTEM_PYTHON).exists():
        pytest.fail(f"another user needs {SYSTEM_PYTHON}")
    pit = Sandpit(outside / "pit", FILES)
    home = outside / "home"
    for path, text in (
        (home / ".ssh" / "id_ed25519", "hunter2"),
        (pit.root / "keys" / "deploy.pem", "hunter2"),
    ):
        path.parent.mkdir(parents=True)
        path.write_text(text)
    pit.write(".env", "KEY=hunter2\n")
    pit.write("calc.py", "# not committed\n")
    (pit.root / "ignored").mkdir()
    (pit.root / "way-out").symlink_to(home / ".ssh" / "id_ed25519")
    pit.write("nested/file", "")
    subprocess.run(["git", "init", "-q"], cwd=pit.root / "nested", check=True)
    for name in ("cache", "state", "config"):
        (outside / name).mkdir()
    subprocess.run(["chown", "-R", f"{uid}:{uid}", outside], check=True)
    before = pit.state()
    key = f"sk-ant-{secrets.token_hex(12)}"
    spec = {
        "root": str(pit.root), "home": str(home), "key": key, "outside": str(outside),
        "kind": kind, "uid": uid, "down": down,
    }  # fmt: skip
    env = {**os.environ, "HOME": str(home), "ANTHROPIC_API_KEY": key}
    env |= {f"XDG_{name.upper()}_HOME": str(outside / name) for name in ("cache", "state", "config")}
    argv = [sys.executable, str(Path(__file__).with_name("breakout.py")), json.dumps(spec)]
    done = subprocess.run(argv, env=env, capture_output=True, text=True, check=False, timeout=120)
    assert done.returncode == 0, done.stderr
    (pit.root / "ignored" / "app.sock").unlink()
    found: dict[str, Any] = json.loads(done.stdout.splitlines()[-1])
    found["untouched"] = pit.state() == before
    return found


@pytest.mark.parametrize("uid", [0, NOBODY], ids=["root", "user"])
@pytest.mark.parametrize("kind", ["overlay", "mirror"])
def test_nothing_gets_out(outside: Path, kind: str, uid: int) -> None:
    found = attempt(outside, kind, uid)

    assert found["holes"] == [], found
    assert found["isolation"].startswith(f"namespaces ({kind}, bwrap "), found
    assert found["uid"] == uid
    assert found["ended"] is not None, found
    assert found["untouched"]


@pytest.mark.parametrize(
    ("down", "seen"),
    [
        ("network", "UDP gets out"),
        ("processes", "processes outside can be seen"),
        ("powers", "CapEff"),
        ("system", "/etc/shadow can be read"),
        ("secrets", ".env can be read"),
    ],
)
def test_a_wall_that_is_missing_is_noticed(outside: Path, down: str, seen: str) -> None:
    found = attempt(outside, "overlay", 0, down)

    assert any(seen in hole for hole in found["holes"]), found
