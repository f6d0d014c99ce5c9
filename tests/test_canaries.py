"""A fake secret in every field of a run: none of them is in a request, an artefact or anything printed."""

from __future__ import annotations

import json
import string
from pathlib import Path

import pytest
from loopback import Fault, Loopback, Reply
from sandpit import FIX, Result, Sandpit, provider_env
from test_reproduction import POLICY, RED, TESTS

from route_agent import places


def made(place: str) -> str:
    """A token of its own for each place; here at run time, so that this file holds none."""
    letters = "".join(it for it in place.title() if it in string.ascii_letters)
    return "ghp" + "_" + f"CANARY{letters}".ljust(36, "7")


PLACES = (
    "brief", "file", "diff", "untracked", "base file", "rules", "output", "test name", "branch", "remote",
    "environment", "provider key", "header", "reply", "refused reply", "lookup", "error message", "request id",
    "served model", "reproduction", "verifier", "policy file", "stop reason", "commit message", "failing test",
)  # fmt: skip
CANARY = {place: made(place) for place in PLACES}
CANARY["provider key"] = "a-key-without-any-shape-CANARYshapeless"
CANARY["header"] = "a-header-without-any-shape-CANARYheader"
APPROVES = {"reasons": [f"fine {CANARY['verifier']}"], "lines": ["calc.py:2"], "opinion": "approve"}
NOWHERE = FIX.replace("    return a - b", f"    return a / b  # {CANARY['refused reply']}")
BRANCH = f"fix/{CANARY['branch']}"
CHECKED = (
    TESTS
    + f"""

def test_output_is_kept(capsys):
    import os
    print(dict(os.environ))
    print("{CANARY["output"]}\\n\\t{CANARY["output"]}")


def test_{CANARY["test name"]}():
    assert True


def test_that_fails():
    import calc
    assert calc.add(2, 2) == 4, "{CANARY["failing test"]}"
"""
)


class Told:
    """Everything that a run and what follows it left anywhere."""

    def __init__(self) -> None:
        self.places: dict[str, str] = {}

    def add(self, name: str, done: Result) -> Result:
        self.places[f"{name}: stdout"] = done.stdout
        self.places[f"{name}: stderr"] = done.stderr
        return done

    def add_files(self, *folders: Path) -> None:
        for folder in folders:
            for file in folder.rglob("*"):
                if file.is_file():
                    self.places[str(file)] = file.read_bytes().decode("latin-1")

    def leaks(self) -> list[tuple[str, str]]:
        """Which canary is in which place. A part of one counts: half a key is a leak as well."""
        return [
            (place, name)
            for name, text in self.places.items()
            for place, canary in CANARY.items()
            if canary[4:20] in text.replace("\\\\", "\\")
        ]


WATCHED = POLICY.replace("canary_rate: 0", "canary_rate: 0, critique: always")


def project(folder: Path, policy: str = WATCHED) -> tuple[Sandpit, Path]:
    """A repository with a canary wherever something of it is read, and a policy file with one in its name."""
    files = {
        "tests/test_calc.py": CHECKED,
        "settings.py": f"KEY = '{CANARY['base file']}'\nOTHER = 1\nimport calc\n",
        "AGENTS.md": f"Never print {CANARY['rules']}\n",
        "lookup.py": f"# looked up\nKEY = '{CANARY['lookup']}'\n",
    }
    pit = Sandpit(folder / "pit", files=files, policy=policy)
    pit.git("commit", "--quiet", "--allow-empty", "-m", f"with {CANARY['commit message']}")
    pit.write("settings.py", f"KEY = '{CANARY['file']}'\nOTHER = 2\nimport calc\n")
    pit.write("new.py", f"KEY = '{CANARY['untracked']}'\n# {CANARY['diff']}\n")
    pit.git("remote", "add", "origin", f"https://me:{CANARY['remote']}@example.invalid/r.git")
    chosen = folder / f"policy-{CANARY['policy file']}.yaml"
    chosen.write_text(policy)
    return pit, chosen


def environment(pit: Sandpit, server: Loopback) -> dict[str, str]:
    env = provider_env(pit, server)
    file = Path(env["XDG_CONFIG_HOME"]) / "route-agent" / "config.yaml"
    config = json.loads(file.read_text())
    for provider in config["providers"].values():
        provider["headers"] = {"x-team": CANARY["header"]}
    config["rates"]["judge-1"] = {"input_usd": 1, "output_usd": 5}
    file.write_text(json.dumps(config))
    keys = dict.fromkeys(("OPENAI_API_KEY", "ANTHROPIC_API_KEY"), CANARY["provider key"])
    return {**env, **keys, "OTHER_TOKEN": CANARY["environment"]}


def brief() -> tuple[str, str]:
    return "--task", f"bug: add in calc.py, settings.py and new.py returns the wrong sum {CANARY['brief']}"


def follow(pit: Sandpit, told: Told, env: dict[str, str], folder: Path) -> None:
    """Every command that tells of a run afterwards."""
    for command in (
        ("show",), ("show", "-v"), ("show", "--json"), ("show", "--calls"), ("show", "--calls", "--json"),
        ("ledger",), ("ledger", "--json"), ("stats",), ("stats", "--json"), ("doctor",), ("config", "show"),
        ("explain", *brief()), ("record", "--out", str(folder / "kept")),
    ):  # fmt: skip
        told.add(" ".join(command[:3]), pit.run(*command, env=env))


def finished(pit: Sandpit, told: Told, server: Loopback, folder: Path) -> None:
    for number, request in enumerate(server.requests):
        told.places[f"request {number}"] = json.dumps(request.body, ensure_ascii=False)
    told.add_files(
        places.state_dir(), folder / "kept", places.repository_cache(pit.root / ".git") / "results"
    )
    assert told.leaks() == []


def test_a_run_that_repairs_looks_up_escalates_and_is_reviewed_tells_none(tmp_path: Path) -> None:
    pit, policy = project(tmp_path)
    told = Told()
    with Loopback() as server:
        looks = f"READ lookup.py\nSEARCH {CANARY['lookup'][:12]}\nSEARCH KEY\nLIST .\n"
        server.script("small-1", Reply(looks), Reply(NOWHERE), Reply(f"no patch, {CANARY['reply']}"))
        server.script("large-1", Reply(f"{CANARY['reply']}\n{FIX}", served_model=CANARY["served model"]))
        server.script("judge-1", Reply(f"{CANARY['reproduction']}\n{RED}"), Reply(json.dumps(APPROVES)))
        env = environment(pit, server)
        options = (
            "--policy",
            str(policy),
            "--branch",
            BRANCH,
            "--json",
            "-v",
            "--lane",
            "fast",
            "--force-lane",
        )
        done = told.add("run", pit.run(*brief(), *options, env=env))
        assert done.exit_code in (0, 6), done.stdout + done.stderr
        assert len(server.calls) == 6, server.calls
        assert done.json["attempts"][-1]["reviews"]
        assert done.json["reproduction"]["tests"]
        follow(pit, told, env, tmp_path)
        again = ("--task-file", str(tmp_path / "kept" / "task.md"), "--replay", str(tmp_path / "kept"))
        told.add("replay", pit.run(*again, "--policy", str(policy), "-v", env=env))
        finished(pit, told, server, tmp_path)

    sent = "".join(text for name, text in told.places.items() if name.startswith("request"))
    assert sent.count("[redacted:github-token]") > 10
    assert "KEY = '[redacted:github-token]'" in sent


@pytest.mark.parametrize("as_json", [True, False])
def test_a_run_that_its_providers_fail_tells_none(tmp_path: Path, as_json: bool) -> None:
    pit, _ = project(tmp_path)
    told = Told()
    message = f"Incorrect API key provided: {CANARY['provider key']} {CANARY['error message']}"
    with Loopback() as server:
        server.script("small-1", Fault.status(401, message, headers={"x-request-id": CANARY["request id"]}))
        server.script("large-1", Reply(FIX, stop=CANARY["stop reason"]))
        env = environment(pit, server)
        done = told.add("run", pit.run(*brief(), *(("--json",) if as_json else ("-v",)), env=env))
        assert done.exit_code != 0
        follow(pit, told, env, tmp_path)
        finished(pit, told, server, tmp_path)


def test_errors_before_a_run_and_the_hook_tell_none(tmp_path: Path) -> None:
    pit, _ = project(tmp_path)
    told = Told()
    with Loopback() as server:
        env = environment(pit, server)
        for arguments in (
            ("--task", "x", "--policy", CANARY["policy file"]),
            ("--task", "x", "--lane", CANARY["branch"]),
            ("--task", "x", "--base", CANARY["branch"]),
            ("--task", "x", "--replay", f"/nowhere/{CANARY['file']}"),
            ("--task-file", CANARY["file"]),
            ("show", CANARY["brief"]),
            ("record", CANARY["brief"]),
            ("gate", "--base", CANARY["branch"]),
        ):
            for more in ((), ("--json",)) if arguments[0] != "record" else ((),):
                done = told.add(" ".join(arguments), pit.run(*arguments, *more, env=env))
                assert done.exit_code not in (0, 70), done.stderr
        pit.commit(f"all of it {CANARY['commit message']}")
        head, zero = pit.git("rev-parse", "HEAD").strip(), "0" * 40
        refs = f"refs/heads/{BRANCH} {head} refs/heads/{BRANCH} {zero}\n"
        url = f"https://me:{CANARY['remote']}@example.invalid/r.git"
        told.add("hook", pit.run("hook", "run", "origin", url, stdin=refs, env=env))
        told.add("verify", pit.run("verify", "--base", "HEAD~1", env=env))
        told.places = {name: text for name, text in told.places.items() if text}
        finished(pit, told, server, tmp_path)


def test_a_crash_of_ours_tells_none(tmp_path: Path) -> None:
    broken = tmp_path / "broken"
    (broken / "route_agent_broken").mkdir(parents=True)
    (broken / "sitecustomize.py").write_text(
        "import route_agent.cli.ledger as it\n"
        "def fail(*_, **__):\n"
        f"    raise ValueError('unexpected {CANARY['output']}')\n"
        "it.show = fail\n"
    )
    pit = Sandpit(tmp_path / "pit")

    done = pit.run("show", env={"PYTHONPATH": str(broken)})

    assert done.exit_code == 70
    assert "Traceback" in done.stderr
    assert "[redacted:github-token]" in done.stderr
    assert CANARY["output"] not in done.stderr
