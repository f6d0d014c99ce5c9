"""A real repository to play in, and the program run on it as a person would run it."""

from __future__ import annotations

import hashlib
import json
import os
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import warm

if TYPE_CHECKING:
    from loopback import Loopback

PROGRAM = str(Path(sys.executable).with_name("route-agent"))

# without the plugins of the environment that the tests run in: they take four times as long to load as itself
_PLUGINS = (
    "cacheprovider",
    "anyio",
    "hypothesispytest",
    "pytest_cov",
    "timeout",
    "xdist",
    "xdist.looponfail",
)
PYTEST = (sys.executable, "-m", "pytest", "-q", *(part for it in _PLUGINS for part in ("-p", f"no:{it}")))

# a project whose one check is quick: `add` must add. Exit 1 says red, and no test runner has to start
ADD = "def add(a, b):\n    return a - b\n\n\ndef twice(a):\n    return a + a\n"
CHECK = (
    "import sys; sys.dont_write_bytecode = True; sys.path.insert(0, '.'); import calc; "
    "sys.exit(0 if calc.twice(2) == 4 and calc.add(2, 2) == 4 else 1)"
)
POLICY = """\
version: 1
models:
  fast: {provider: openai, model: small-1}
  strong: {provider: anthropic, model: large-1}
checks:
  - {name: unit, kind: test, run: [python3, -c, "%s"], timeout: 60}
accept: {fast: ran, strong: ran}
""" % CHECK.replace('"', '\\"')  # noqa: UP031 - braces are YAML's here
# for what has nothing to do with proof: a check that only looks, and no more is asked of a patch
LIGHT = (
    POLICY.split("checks:", maxsplit=1)[0]
    + """\
checks:
  - {name: unit, kind: lint, run: [grep, -q, 'return a + b', calc.py], timeout: 60}
accept: {fast: static, strong: static}
routing: {confidence_threshold: 0}
"""
)

FIX = """\
SUMMARY: add adds again

```diff
--- a/calc.py
+++ b/calc.py
@@ -1,2 +1,2 @@
 def add(a, b):
-    return a - b
+    return a + b
```
"""
WRONG = FIX.replace("return a + b", "return a * b - 1")
BREAKS = """\
SUMMARY: breaks what worked
calc.py
<<<<<<< SEARCH
    return a + a
=======
    return a
>>>>>>> REPLACE
"""


@dataclass(frozen=True, slots=True)
class Result:
    """What a command printed and how it ended."""

    exit_code: int
    stdout: str
    stderr: str

    @property
    def json(self) -> Any:
        return json.loads(self.stdout)


class Sandpit:
    """A real git repository in a temporary folder."""

    def __init__(self, root: Path, files: dict[str, str] | None = None, policy: str | None = POLICY) -> None:
        self.root = root
        root.mkdir(parents=True)
        self.git("init", "--quiet", "--initial-branch=main")
        self.write("calc.py", ADD)
        for name, text in (files or {}).items():
            self.write(name, text)
        if policy is not None:
            self.write(".route-agent/policy.yaml", policy)
        self._commit("start")

    def git(self, *arguments: str) -> str:
        done = subprocess.run(["git", *arguments], cwd=self.root, capture_output=True, text=True, check=False)
        assert done.returncode == 0, f"git {arguments}: {done.stderr}"
        return done.stdout

    def write(self, name: str, text: str) -> Path:
        file = self.root / name
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_bytes(text.encode())
        return file

    def commit(self, message: str) -> str:
        self._commit(message)
        return self.git("rev-parse", "HEAD").strip()

    def _commit(self, message: str) -> None:
        self.git("add", "--all")
        self.git("-c", "maintenance.auto=false", "commit", "--quiet", "--allow-empty", "-m", message)

    def run(
        self, *arguments: str, env: dict[str, str] | None = None, stdin: str = "", timeout: float = 90
    ) -> Result:
        """Run route-agent in the repository."""
        command, environment = [PROGRAM, *arguments], {**os.environ, **(env or {})}
        return Result(
            *warm.run(command, cwd=self.root, environment=environment, stdin=stdin, timeout=timeout)
        )

    def state(self) -> dict[str, str]:
        """Every file of the checkout and of `.git`, by content and mode: what must not change."""
        found: dict[str, str] = {}
        for folder, _, names in os.walk(self.root):
            for name in names:
                path = Path(folder, name)
                status = path.lstat()
                content = bytes(path.readlink()) if path.is_symlink() else path.read_bytes()
                digest = hashlib.sha256(content).hexdigest()
                found[str(path.relative_to(self.root))] = f"{status.st_mode:o} {digest}"
        return found


def replies(folder: Path, *answers: tuple[str, str]) -> Path:
    """A file of recorded replies: pairs of a lane and its text, in their order."""
    file = folder / "replies.yaml"
    rows = [{"lane": lane, "model": "recorded", "seconds": 0.0, "reply": text} for lane, text in answers]
    file.write_text(json.dumps({"version": 1, "replies": rows}))
    return file


def provider_env(pit: Sandpit, server: Loopback, *, rates: bool = True) -> dict[str, str]:
    """Point both providers of the policy at a loopback server, through the user's own configuration."""
    folder = pit.root.parent / "config" / "route-agent"
    folder.mkdir(parents=True, exist_ok=True)
    providers = {
        "openai": {"wire": "openai", "base_url": server.openai_url, "key_env": "OPENAI_API_KEY"},
        "anthropic": {"wire": "anthropic", "base_url": server.anthropic_url, "key_env": "ANTHROPIC_API_KEY"},
    }
    dollars = {"small-1": (1, 5), "mid-1": (3, 15), "large-1": (10, 50)}
    known = {model: {"input_usd": read, "output_usd": said} for model, (read, said) in dollars.items()}
    written = {"providers": providers, "rates": known if rates else {}}
    (folder / "config.yaml").write_text(json.dumps(written))
    return {
        "XDG_CONFIG_HOME": str(folder.parent),
        "OPENAI_API_KEY": "sk-test-openai",
        "ANTHROPIC_API_KEY": "sk-test-anthropic",
    }
