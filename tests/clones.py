"""A repository with a remote beside it, from which is really pushed."""

from __future__ import annotations

import os
import subprocess
from pathlib import Path

from sandpit import Result, Sandpit

QUICK = """\
version: 1
checks:
  - {name: unit, kind: test, run: [sh, -c, "test ! -f broken"]}
"""
ZEROS = "0" * 40


class Clone(Sandpit):
    """A repository whose `main` has been pushed to a bare one beside it, before any hook was there."""

    def __init__(self, root: Path, policy: str = QUICK) -> None:
        super().__init__(root, policy=policy)
        self.remote = self.bare("remote.git")
        self.git("remote", "add", "origin", str(self.remote))
        self.git("push", "--quiet", "origin", "main")

    @property
    def hooks(self) -> Path:
        return self.root / ".git" / "hooks"

    @property
    def head(self) -> str:
        return self.git("rev-parse", "HEAD").strip()

    def bare(self, name: str) -> Path:
        """An empty repository to push to."""
        folder = self.root.parent / name
        subprocess.run(["git", "init", "--quiet", "--bare", "-b", "main", str(folder)], check=True)
        return folder

    def install(self) -> Result:
        done = self.run("hook", "install")
        assert done.exit_code == 0, done.stderr
        return done

    def push(self, *arguments: str, cwd: Path | None = None, **env: str) -> Result:
        done = subprocess.run(
            ["git", "push", *(arguments or ("origin", "main"))],
            cwd=cwd or self.root,
            capture_output=True,
            text=True,
            timeout=60,
            env={**os.environ, **env},
        )
        return Result(done.returncode, done.stdout, done.stderr)

    def told(
        self, *lines: str, remote: str = "origin", url: str = "", env: dict[str, str] | None = None
    ) -> Result:
        """What the hook says where git tells it these lines; much quicker than a push."""
        stdin = "".join(f"{line}\n" for line in lines)
        return self.run("hook", "run", "--", remote, url or str(self.remote), stdin=stdin, env=env)

    def change(self, message: str = "more") -> str:
        self.write("calc.py", (self.root / "calc.py").read_text() + f"# {message}\n")
        return self.commit(message)

    def break_it(self) -> str:
        self.write("broken", "")
        return self.commit("break it")

    def has(self, ref: str) -> str:
        """The commit that the remote has under a name, or nothing."""
        command = ["git", "rev-parse", "--verify", "--quiet", f"{ref}^{{commit}}"]
        return subprocess.run(command, cwd=self.remote, capture_output=True, text=True).stdout.strip()


def script(file: Path, text: str) -> bytes:
    """An executable shell script."""
    file.parent.mkdir(parents=True, exist_ok=True)
    file.write_text(f"#!/bin/sh\n{text}\n")
    file.chmod(0o755)
    return file.read_bytes()
