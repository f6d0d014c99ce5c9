"""The composite action: its wiring as GitHub would do it, and the very command that it runs."""

from __future__ import annotations

import json
import os
import re
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import psutil
import pytest
import yaml
from loopback import Loopback, Reply
from sandpit import FIX, Sandpit, provider_env

ROOT = Path(__file__).parents[1]
ACTION: dict[str, Any] = yaml.safe_load((ROOT / "action.yml").read_text("utf-8"))
STEPS: list[dict[str, Any]] = ACTION["runs"]["steps"]
QUICK = """\
version: 1
checks:
  - {name: unit, kind: test, run: [sh, -c, "test ! -f broken"]}
"""
WITHOUT_BASE = ("GITHUB_EVENT_PATH", "GITHUB_BASE_REF", "CI")


@dataclass(frozen=True, slots=True)
class Ended:
    """What a step left behind."""

    exit_code: int
    log: str
    outputs: dict[str, str]
    summary: str


class Job:
    """A job of GitHub's: it fills in a step's variables and runs its script, as the runner does."""

    def __init__(self, pit: Sandpit, folder: Path) -> None:
        self.pit = pit
        self.temp = folder / "runner temp"
        self.temp.mkdir()
        (self.temp / "route-agent").symlink_to(sys.prefix)  # what the install step would have made
        self.event = folder / "event.json"

    def answers_with(self, printed: str) -> Path:
        """Put a program in route-agent's place that prints this and ends with 1; the file of its arguments."""
        (self.temp / "route-agent").unlink()
        programs = self.temp / "route-agent" / "bin"
        programs.mkdir(parents=True)
        (programs / "python").symlink_to(sys.executable)
        (programs / "printed").write_text(printed)
        (programs / "route-agent").write_text(
            '#!/bin/sh\ncd "$(dirname "$0")"; printf "%s\\n" "$@" >arguments; cat printed; exit 1\n'
        )
        (programs / "route-agent").chmod(0o755)
        return programs / "arguments"

    def command(self) -> list[str]:
        (step,) = [step for step in STEPS if step.get("id") == "step"]
        assert step["shell"] == "bash"
        script = self.temp / "step.sh"
        script.write_text(step["run"])
        return ["bash", "--noprofile", "--norc", "-eo", "pipefail", str(script)]

    def environment(self, inputs: dict[str, str]) -> dict[str, str]:
        (step,) = [step for step in STEPS if step.get("id") == "step"]
        given = {name: str(spec.get("default", "")) for name, spec in ACTION["inputs"].items()} | inputs
        kept = {name: value for name, value in os.environ.items() if name not in WITHOUT_BASE}
        wired = {name: given[input_of(value)] for name, value in step["env"].items()}
        github = {
            "RUNNER_TEMP": str(self.temp),
            "GITHUB_ACTION_PATH": str(ROOT),
            "GITHUB_OUTPUT": str(self.temp / "output"),
            "GITHUB_STEP_SUMMARY": str(self.temp / "summary"),
        }
        event = {"GITHUB_EVENT_PATH": str(self.event)} if self.event.exists() else {}
        return {**kept, **github, **event, **wired}

    def run(self, **inputs: str) -> Ended:
        named = {name.replace("_", "-"): value for name, value in inputs.items()}
        done = subprocess.run(
            self.command(),
            cwd=self.pit.root,
            env=self.environment(named),
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            timeout=60,
        )
        lines = (self.temp / "output").read_text().splitlines()
        outputs = dict(line.split("=", 1) for line in lines)
        return Ended(done.returncode, done.stdout, outputs, (self.temp / "summary").read_text())


def input_of(expression: str) -> str:
    found = re.fullmatch(r"\$\{\{ inputs\.([a-z-]+) \}\}", expression)
    assert found, f"{expression} is more than one input"
    return found[1]


@pytest.fixture
def job(tmp_path: Path) -> Job:
    pit = Sandpit(tmp_path / "work", policy=QUICK)
    return Job(pit, tmp_path)


def test_no_expression_stands_inside_a_script() -> None:
    scripts = [step["run"] for step in STEPS]
    assert len(scripts) == 2
    assert not [script for script in scripts if "${{" in script]


def test_every_input_reaches_a_step_and_every_output_comes_from_one() -> None:
    wired = {input_of(value) for step in STEPS for value in step["env"].values()}
    assert wired == set(ACTION["inputs"]) == {"task", "base", "policy", "max-usd", "directory", "python"}
    for name, spec in ACTION["outputs"].items():
        assert spec["value"] == "${{ steps.step.outputs.%s }}" % name  # noqa: UP031 - braces are GitHub's here


def test_the_package_is_installed_from_the_action_itself() -> None:
    install = STEPS[0]["run"]
    assert 'pip install --quiet --disable-pip-version-check "$GITHUB_ACTION_PATH"' in install


def test_the_documented_jobs_are_valid_and_ask_for_little() -> None:
    text = (ROOT / "docs" / "ci.md").read_text("utf-8")
    blocks = [yaml.safe_load(block) for block in re.findall(r"```yaml\n(.*?)```", text, re.DOTALL)]
    workflows = [block for block in blocks if "jobs" in block]
    assert len(workflows) == 2
    for workflow in workflows:
        assert "pull_request_target" not in workflow[True]  # the key `on` is a truth value in YAML 1.1
        assert workflow["permissions"] in ({}, {"contents": "read"})
        for job in workflow["jobs"].values():
            steps = job["steps"]
            assert [it["with"]["fetch-depth"] for it in steps if "checkout@" in it.get("uses", "")] == [0]
            assert not [it for it in steps if "${{" in it.get("run", "")]
            for step in steps:
                if "route-agent@" in step.get("uses", ""):
                    assert set(step.get("with", {})) <= set(ACTION["inputs"])
                    assert job.get("permissions", workflow["permissions"]) == {"contents": "read"}


def test_a_change_that_passes_is_accepted_with_outputs_and_a_summary(job: Job) -> None:
    job.pit.write("docs.md", "more\n")
    job.pit.commit("more")

    ended = job.run(base="HEAD~1")

    assert ended.exit_code == 0, ended.log
    assert ended.outputs == {
        "verdict": "accepted",
        "exit-code": "0",
        "score": "1",
        "lane": "fast",
        "cost-usd": "0",
        "patch": "",
    }
    assert ended.summary.startswith("### route-agent: accepted (exit code 0)\n")
    assert "| unit | passed |" in ended.summary
    assert "isolation" in ended.summary
    assert set(ended.outputs) == set(ACTION["outputs"])


def test_a_change_that_fails_ends_the_step_with_the_verdicts_exit_code(job: Job) -> None:
    job.pit.write("broken", "")
    job.pit.commit("break it")

    ended = job.run(base="HEAD~1")

    assert ended.exit_code == 1
    assert ended.outputs["verdict"] == "not_proved"
    assert ended.outputs["exit-code"] == "1"
    assert "| unit | failed |" in ended.summary


def test_without_a_base_the_commit_before_the_events_change_is_used(job: Job) -> None:
    arguments = job.answers_with("{}")
    known = "a" * 40
    events = {
        "pull request": {"pull_request": {"base": {"sha": known}}, "before": "b" * 40},
        "push": {"before": known, "repository": {"default_branch": "main"}},
        "merge queue": {"merge_group": {"base_sha": known}},
    }
    for name, event in events.items():
        job.event.write_text(json.dumps(event))
        job.run()
        assert arguments.read_text().split() == ["gate", "--json", "-C", ".", f"--base={known}"], name

    job.event.write_text(json.dumps({"before": "0" * 40, "repository": {"default_branch": "main"}}))
    job.run()
    assert "--base=refs/remotes/origin/main" in arguments.read_text().split()


@pytest.mark.parametrize("event", [None, "[]", "{}", '{"pull_request": "?"}', "not JSON"])
def test_where_nothing_tells_the_base_the_step_asks_for_it(job: Job, event: str | None) -> None:
    if event is not None:
        job.event.write_text(event)

    ended = job.run()

    assert ended.exit_code == 2
    assert "| error: no base to compare with: set the input `base`" in ended.log
    assert (ended.outputs["verdict"], ended.outputs["exit-code"]) == ("error", "2")
    assert "no base to compare with" in ended.summary


def test_a_task_is_done_and_its_patch_and_cost_are_outputs(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    job = Job(Sandpit(tmp_path / "work"), tmp_path)
    task = 'sums must be right: "half" $(touch pwned) `touch pwned` ${{ github.token }}\n--only-lane=none'
    with Loopback() as server:
        server.script("small-1", Reply(FIX))
        for name, value in provider_env(job.pit, server).items():
            monkeypatch.setenv(name, value)

        ended = job.run(task=task, max_usd="0.5")

        sent = json.dumps(server.requests[0].body)
    assert ended.exit_code == 0, ended.log
    assert json.dumps(task)[1:-1] in sent
    assert ended.outputs["verdict"] == "accepted"
    assert ended.outputs["lane"] == "fast"
    assert float(ended.outputs["cost-usd"]) == pytest.approx(0.0016)
    assert "| fast | small&#45;1 |" in ended.summary
    job.pit.git("apply", ended.outputs["patch"])
    assert "return a + b" in (job.pit.root / "calc.py").read_text()
    assert not list(tmp_path.rglob("pwned"))


@pytest.mark.parametrize("name", ["base", "policy", "directory", "max_usd"])
@pytest.mark.parametrize("value", ["$(touch pwned)`touch pwned`;touch pwned", "--help", "x\n::error::boom"])
def test_a_hostile_input_is_only_a_wrong_value(job: Job, name: str, value: str) -> None:
    task = {"task": "sums must be right"} if name == "max_usd" else {"base": "HEAD"}

    ended = job.run(**(task | {name: value}))

    assert ended.exit_code in (2, 6), ended.log
    assert ended.outputs["verdict"] == "error"
    assert not list(job.temp.parent.rglob("pwned"))
    assert not [line for line in ended.log.splitlines() if line.lstrip().startswith("::")]


def test_names_of_files_do_not_speak_to_the_runner(job: Job) -> None:
    names = ["##[add-mask]b", "::error::a", "e\n::warning::f", "g\x1b[31m"]
    for name in names:
        job.pit.write(name, "")
    job.pit.commit("odd names")

    ended = job.run(base="HEAD~1")

    assert ended.exit_code == 0, ended.log
    assert json.loads(ended.log)["files"] == names
    assert_nothing_speaks(ended)


def test_words_of_strangers_are_only_text_in_the_summary(job: Job) -> None:
    words = "<img src=x> `a` [b](c) @d #1 | *e* https://f\n## g ::error:: ##[error] \x1b[2J \u202e"
    told = {
        "verdict": "not_proved",
        "reason": words,
        "risk": {"score": 3, "signals": [{"name": words, "points": 3}]},
        "decision": {"lane": words, "reasons": [words], "policy": words},
        "attempts": [{"lane": words, "checks": [{"name": words, "outcome": "failed", "reason": words * 99}]}],
        "patch_path": f"a\nverdict=accepted{words}",
        "notices": [words],
    }
    job.answers_with(json.dumps(told))

    ended = job.run(task="x")

    assert (ended.exit_code, ended.outputs["verdict"]) == (1, "not_proved")
    foreign = ended.summary.replace("### route-agent: ", "").replace("| --- ", "")
    assert not re.search(r"[<>`@*\x1b\u202e\[\]\\]|https:|^\s*#|##", foreign, re.MULTILINE)
    assert max(len(line) for line in ended.summary.splitlines()) < 20_000
    assert_nothing_speaks(ended)


@pytest.mark.parametrize("printed", ["", "Traceback", "[1]", '{"schema": 1}'])
def test_an_answer_without_a_verdict_is_an_error_and_costs_an_unknown_sum(job: Job, printed: str) -> None:
    job.answers_with(printed)

    ended = job.run(task="x")

    assert ended.exit_code == 1
    assert ended.outputs["verdict"] == "error"
    assert ended.outputs["cost-usd"] == ""


def assert_nothing_speaks(ended: Ended) -> None:
    assert not [line for line in ended.log.splitlines() if line.lstrip().startswith("::")]
    assert "##" not in ended.log
    assert not re.search(r"[\x1b\u202e]", ended.log)


def test_a_cancelled_step_ends_route_agent_and_says_interrupted(tmp_path: Path) -> None:
    seconds = "31.5"
    policy = QUICK.replace('sh, -c, "test ! -f broken"', f'sleep, "{seconds}"')
    job = Job(Sandpit(tmp_path / "work", policy=policy), tmp_path)
    job.pit.commit("nothing")
    job.pit.write("new", "")
    job.pit.commit("new")
    environment = job.environment({"base": "HEAD~1"})
    with subprocess.Popen(
        job.command(), cwd=job.pit.root, env=environment, stdout=subprocess.PIPE, stderr=subprocess.STDOUT
    ) as step:
        began = wait_for(lambda: checks_of(step.pid, seconds))
        step.send_signal(signal.SIGTERM)
        step.communicate(timeout=20)

    assert began, "the check never ran"
    assert step.returncode == 130
    assert "verdict=interrupted\n" in (job.temp / "output").read_text()
    assert wait_for(lambda: not running(seconds)), "the check outlived its step"


def checks_of(step: int, seconds: str) -> bool:
    return any(is_check(child, seconds) for child in psutil.Process(step).children(recursive=True))


def is_check(process: psutil.Process, seconds: str) -> bool:
    match command_of(process):
        case [program, argument]:
            return program.endswith("sleep") and argument == seconds
    return False


def running(seconds: str) -> bool:
    return any(is_check(process, seconds) for process in psutil.process_iter())


def command_of(process: psutil.Process) -> list[str]:
    try:
        return process.cmdline()
    except psutil.Error:  # it ended while we looked
        return []


def wait_for(condition: Callable[[], bool]) -> bool:
    deadline = time.monotonic() + 20
    while not (met := condition()) and time.monotonic() < deadline:
        time.sleep(0.05)
    return met
