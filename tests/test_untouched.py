"""What must not happen: nothing of the user's is written, run, imported or told, whatever lies in the repository."""

from __future__ import annotations

import json
import os
import stat
import subprocess
import sys
from pathlib import Path

import pytest
from loopback import Loopback, Reply
from refusals import TASK, fixing, plain, untouched
from sandpit import FIX, LIGHT, POLICY, PROGRAM, WRONG, Result, Sandpit, provider_env

from route_agent import places

HOOKS = ("post-checkout", "pre-commit", "post-commit", "commit-msg", "post-index-change", "reference-transaction",
         "post-applypatch", "pre-applypatch", "pre-push", "post-rewrite", "pre-auto-gc")  # fmt: skip


@pytest.fixture
def booby_trapped(tmp_path: Path) -> Sandpit:
    """A repository in which everything that git can be made to run leaves a mark."""
    mark = tmp_path / "mark"
    attributes = "*.py filter=trap diff=trap merge=trap\n* text=auto\n"
    pit = Sandpit(tmp_path / "pit", files={".gitattributes": attributes}, policy=LIGHT)
    script = f"sh -c 'touch {mark}.$0; cat' "
    settings = {
        "filter.trap.clean": f"{script} clean",
        "filter.trap.smudge": f"{script} smudge",
        "filter.trap.required": "true",
        "diff.trap.textconv": f"{script} textconv",
        "diff.trap.command": f"{script} driver",
        "diff.external": f"{script} external",
        "merge.trap.driver": f"{script} merge",
        "core.fsmonitor": f"{script} fsmonitor",
        "core.pager": f"{script} pager",
        "core.editor": f"{script} editor",
        "core.sshCommand": f"{script} ssh",
        "credential.helper": f"!{script} credential",
        "gpg.program": f"{script} gpg",
        "commit.gpgSign": "true",
        "alias.rev-parse": f"!{script} alias",
    }
    for name, value in settings.items():
        pit.git("config", name, value)
    for name in HOOKS:
        hook = pit.write(f".git/hooks/{name}", f"#!/bin/sh\ntouch {mark}.{name}\n")
        hook.chmod(0o755)
    pit.write("calc.py", (pit.root / "calc.py").read_text() + "# not committed\n")
    for left in tmp_path.glob("mark.*"):
        left.unlink()
    return pit


def test_nothing_that_git_could_be_made_to_run_is_run(booby_trapped: Sandpit, tmp_path: Path) -> None:
    for command in (
        fixing(booby_trapped),
        ("explain", *TASK),
        ("gate", "--base", "HEAD"),
        ("doctor",),
        (*TASK, "--dry-run", "--replay", str(tmp_path / "replies" / "replies.yaml")),
    ):
        done = untouched(booby_trapped, *command)
        assert done.exit_code in (0, 6), done.stderr

    branched = booby_trapped.run(*fixing(booby_trapped), "--branch", "fix/add")

    assert branched.exit_code == 0, branched.stdout
    assert list(tmp_path.glob("mark.*")) == []


# what is looked at here is not how much a green check is worth
SURE = "routing: {confidence_threshold: 0}\n"
MODULES = ("yaml", "sqlite3", "json", "typer", "pydantic", "rich", "git", "openai", "anthropic", "httpx2", "psutil",
           "platformdirs", "filelock", "dataclasses", "typing", "subprocess", "hashlib", "pytest")  # fmt: skip


@pytest.mark.parametrize("way", [(PROGRAM,), (sys.executable, "-m", "route_agent")], ids=["script", "module"])
def test_no_module_of_the_repository_is_imported(tmp_path: Path, way: tuple[str, ...]) -> None:
    mark = tmp_path / "mark"
    hostile = (
        f"import os\nos.close(os.open({str(mark)!r}, os.O_CREAT))\nraise SystemExit('imported from here')\n"
    )
    check = "checks:\n  - {name: unit, kind: test, run: [grep, -rq, return a + b, .]}\n"
    pit = Sandpit(
        tmp_path / "pit",
        files={f"{name}.py": hostile for name in MODULES},
        policy=POLICY.split("checks:")[0] + check + "accept: {fast: ran, strong: ran}\n" + SURE,
    )
    with Loopback() as server:
        server.script("small-1", Reply(FIX))
        env = {**os.environ, **provider_env(pit, server)}
        for arguments in (
            ("explain", *TASK),
            ("doctor",),
            (*TASK, "--branch", "fix/add"),
            ("show", "--json"),
        ):
            done = subprocess.run(
                [*way, *arguments], cwd=pit.root, env=env, capture_output=True, text=True, check=False
            )
            plain(Result(done.returncode, done.stdout, done.stderr))
            assert done.returncode == 0, done.stdout + done.stderr
            if "isolation: NONE" in done.stdout:
                pytest.skip("without walls the checks, which run the repository's code, may leave a mark")
            assert not mark.exists(), arguments


def test_files_that_hold_secrets_are_neither_copied_nor_sent(tmp_path: Path) -> None:
    pit = Sandpit(tmp_path / "pit")
    names = (".env", ".env.local", "id_rsa", "deploy.pem", ".npmrc", "sub/credentials.json", "ignored.txt")
    for name in names:
        pit.write(name, "CANARY in calc.py\n")
    pit.write(".git/info/exclude", "ignored.txt\n")
    pit.write("nested/x.py", "CANARY\n")
    subprocess.run(["git", "init", "-q"], cwd=pit.root / "nested", check=True)
    with Loopback() as server:
        server.script("large-1", Reply(FIX))
        task = ("--task", f"sums in calc.py must be right, see {' '.join(names)} nested/x.py")

        done = untouched(pit, *task, env=provider_env(pit, server))

        sent = json.dumps([request.body for request in server.requests])
    assert done.exit_code == 0, done.stdout
    assert "return a - b" in sent
    assert "CANARY" not in sent
    kept = places.repository_cache(pit.root / ".git")
    scratch = {path.name for path in kept.rglob("*")}
    assert not scratch & {Path(name).name for name in names}
    note = next(line for line in done.stdout.splitlines() if line.startswith("note"))
    assert ".env" in note


IN_ENVIRONMENT = "sk-ant-CANARYenvironment00000"
IN_FILE = "sk-ant-CANARYfile00000000000"
IN_OUTPUT = "ghp_CANARYoutput000000000000000000000000"
IN_KEY = "CANARYkeyMIIEvQIBADANBg"
IN_BRIEF = "sk-ant-CANARYbrief0000000000"
CANARIES = (IN_ENVIRONMENT, IN_FILE, IN_OUTPUT, IN_KEY, IN_BRIEF)
TELLING = f"""\
import os, sys
sys.dont_write_bytecode = True
sys.path.insert(0, '.')
import calc
print(dict(os.environ))
print('first\\n{IN_OUTPUT}\\n\\t{IN_OUTPUT}')
print('-----BEGIN RSA PRIVATE KEY-----\\n{IN_KEY}')
right = calc.twice(2) == 4 and calc.add(2, 2) == 4
print('{IN_OUTPUT} is the last line')
sys.exit(0 if right else 1)
"""


def test_a_secret_in_environment_file_output_or_brief_is_told_to_nobody(tmp_path: Path) -> None:
    policy = POLICY.split("checks:")[0] + (
        "checks:\n  - {name: unit, kind: test, run: [python3, check.py], timeout: 60}\n"
        "accept: {fast: ran, strong: ran}\n"
    )
    files = {"check.py": TELLING, "settings.py": f"KEY = '{IN_FILE}'\nOTHER = 1\n"}
    pit = Sandpit(tmp_path / "pit", files=files, policy=policy)
    pit.write("settings.py", f"KEY = '{IN_FILE}'\nOTHER = 2\n")
    pit.write("new.py", f"KEY = '{IN_FILE}'\n")
    task = ("--task", f"sums in calc.py and settings.py must be right {IN_BRIEF}")
    with Loopback() as server:
        server.script("small-1", Reply(WRONG))
        server.script("large-1", Reply(FIX))
        keys = {
            "OPENAI_API_KEY": IN_ENVIRONMENT,
            "ANTHROPIC_API_KEY": IN_ENVIRONMENT,
            "TOKEN": IN_ENVIRONMENT,
        }
        env = provider_env(pit, server) | keys

        done = untouched(pit, *task, "--json", "-v", env=env)
        told = [
            done,
            *(
                untouched(pit, *command, env=env)
                for command in (("show", "--json", "-v"), ("show", "-v"), ("ledger",))
            ),
            untouched(pit, *fixing(pit), "-v", env=env),
        ]
        sent = json.dumps([request.body for request in server.requests])

    assert done.exit_code == 0, done.stderr
    assert len(server.calls) == 2
    everything = {f"output {number}": it.stdout + it.stderr for number, it in enumerate(told)}
    everything["request"] = sent
    everything |= {
        str(file): file.read_bytes().decode("latin-1")
        for folder in (places.state_dir(), places.repository_cache(pit.root / ".git") / "results")
        for file in folder.rglob("*")
        if file.is_file()
    }
    assert any(name.endswith("patch.diff") for name in everything)
    assert any(name.endswith(".json") and "is the last line" in everything[name] for name in everything)
    for name, text in everything.items():
        assert [canary for canary in CANARIES if canary in text] == [], name
    assert "[redacted:github-token]" in sent
    assert "[redacted:anthropic-key]" in done.stdout


def test_nothing_is_written_outside_its_own_folders_and_those_are_private(tmp_path: Path) -> None:
    pit = Sandpit(tmp_path / "pit")
    home = tmp_path / "home"
    home.mkdir()
    task = fixing(pit)
    around = sorted(tmp_path.iterdir())

    done = untouched(pit, *task, env={"HOME": str(home)})

    assert done.exit_code == 0
    assert sorted(tmp_path.iterdir()) == around
    assert list(home.iterdir()) == []
    run = next((places.state_dir() / "repos").glob("*/run-*"))
    for folder in (places.state_dir(), run, places.repository_cache(pit.root / ".git") / "slots"):
        assert stat.S_IMODE(folder.stat().st_mode) == 0o700, folder
    assert stat.S_IMODE(places.ledger_file().stat().st_mode) == 0o600


def test_a_check_cannot_reach_the_users_repository(tmp_path: Path) -> None:
    reach = (
        "import os, subprocess\n"
        "subprocess.run(['git', 'branch', 'planted'], stderr=subprocess.DEVNULL)\n"
        "subprocess.run(['git', 'config', 'alias.st', '!true'], stderr=subprocess.DEVNULL)\n"
        "for name in ('.git/hooks/pre-push', '.git/config', '../planted', '/tmp/../' + os.getcwd() + '/../planted'):\n"
        "    try:\n        open(name, 'a').write('planted')\n    except OSError:\n        pass\n"
        "open('calc.py', 'a').write('# planted')\n"
    )
    policy = POLICY.replace(
        '[python3, -c, "', '[python3, reach.py]}\n  - {name: unit, run: [python3, -c, "', 1
    )
    policy = policy.replace(
        "{name: unit, kind: test, run: [python3, reach.py]}", "{name: reach, run: [python3, reach.py]}"
    )
    pit = Sandpit(tmp_path / "pit", files={"reach.py": reach}, policy=policy + SURE)
    around = sorted(tmp_path.iterdir())

    done = untouched(pit, *fixing(pit))

    if "isolation: NONE" in done.stdout:
        pytest.skip("no walls can be built here")
    assert done.exit_code == 0, done.stdout
    assert [it.name for it in sorted(tmp_path.iterdir()) if it not in around] == ["replies"]
    assert pit.git("branch", "--list", "planted") == ""


@pytest.mark.parametrize(
    "command", [("explain", *TASK), ("gate", "--base", "HEAD~1"), ("doctor",), ("stats",), ("ledger",), ("config", "show")],
    ids=lambda it: it[0],
)  # fmt: skip
def test_commands_that_only_look_change_nothing(tmp_path: Path, command: tuple[str, ...]) -> None:
    pit = Sandpit(tmp_path / "pit")
    pit.write("calc.py", "def add(a, b):\n    return a + b\n\n\ndef twice(a):\n    return a + a\n")
    pit.commit("mended")
    pit.write("calc.py", "# at work\n")
    pit.git("add", "calc.py")
    pit.write("calc.py", "# at work, further\n")
    before = times(pit)

    done = untouched(pit, *command)

    assert done.exit_code in (0, 6), done.stderr
    assert times(pit) == before


def times(pit: Sandpit) -> dict[Path, int]:
    """When what was last written; git itself marks objects as still in use, in whatever store they are."""
    every = (path for path in pit.root.rglob("*") if "objects" not in path.parts)
    return {path: path.lstat().st_mtime_ns for path in every}
