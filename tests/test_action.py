"""The composite action and the documented jobs: wired as GitHub would do it, and the very commands that they run."""

from __future__ import annotations

import json
import os
import re
import signal
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from importlib.util import module_from_spec, spec_from_file_location
from pathlib import Path
from types import ModuleType
from typing import Any
from xml.etree import ElementTree

import psutil
import pytest
import yaml
from documented import Shell
from judged import judgement
from loopback import Loopback, Reply
from sandpit import ADD, FIX, Sandpit, provider_env
from sarif_rules import assert_sarif

from route_agent.policyfiles import POLICY_PATH
from route_agent.report.sarif import sarif_object

ROOT = Path(__file__).parents[1]
ACTION: dict[str, Any] = yaml.safe_load((ROOT / "action.yml").read_text("utf-8"))
STEPS: list[dict[str, Any]] = ACTION["runs"]["steps"]
QUICK = """\
version: 1
checks:
  - {name: unit, kind: test, run: [sh, -c, "test ! -f broken"]}
"""
WITHOUT_BASE = ("GITHUB_EVENT_PATH", "GITHUB_BASE_REF", "CI")
PAGE = (ROOT / "docs" / "ci.md").read_text("utf-8")
# a runner's command: what stands before the second pair of colons is never anybody's words
COMMAND = re.compile(r"::(?P<level>error|warning|notice)(?: (?P<properties>[^:]*))?::(?P<words>.*)")


@dataclass(frozen=True, slots=True)
class Annotation:
    """What the runner understands of one command."""

    level: str
    words: str
    place: dict[str, str]

    @classmethod
    def of(cls, line: str) -> Annotation:
        found = COMMAND.fullmatch(line)
        assert found, f"no command of ours: {line}"
        pairs = (pair.split("=", 1) for pair in (found["properties"] or "").split(","))
        return cls(found["level"], unescaped(found["words"]), {name: unescaped(it) for name, it in pairs})


def unescaped(text: str) -> str:
    for code, sign in (("%3A", ":"), ("%2C", ","), ("%0D", "\r"), ("%0A", "\n"), ("%25", "%")):
        text = text.replace(code, sign)
    return text


@dataclass(frozen=True, slots=True)
class Ended:
    """What a step left behind."""

    exit_code: int
    log: str
    outputs: dict[str, str]
    summary: str
    annotations: list[Annotation]


class Job:
    """A job of GitHub's: it fills in a step's variables and runs its script, as the runner does."""

    def __init__(self, pit: Sandpit, folder: Path) -> None:
        self.pit = pit
        self.temp = folder / "runner temp"
        self.temp.mkdir()
        (self.temp / "route-agent").symlink_to(sys.prefix)  # what the install step would have made
        self.event = folder / "event.json"
        self.in_actions = "true"

    def is_warm(self, shell: Shell) -> None:
        """Put the stand-in of the warm process in route-agent's place: the same program, begun sooner."""
        (self.temp / "route-agent").unlink()
        programs = self.temp / "route-agent" / "bin"
        programs.mkdir(parents=True)
        (programs / "python").symlink_to(sys.executable)
        (programs / "route-agent").symlink_to(shell.program)

    def answers_with(self, printed: str) -> Path:
        """Put a program in route-agent's place that prints this and ends with 1; the file of its arguments."""
        programs = self.temp / "route-agent" / "bin"
        (programs / "route-agent").unlink()
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
            "GITHUB_WORKSPACE": str(self.pit.root),
            "GITHUB_ACTIONS": self.in_actions,
        }
        event = {"GITHUB_EVENT_PATH": str(self.event)} if self.event.exists() else {}
        return {**kept, **github, **event, **wired}

    def script(self, step: dict[str, Any], **variables: str) -> str:
        """Run a documented step's script, with what its expressions would have been."""
        done = subprocess.run(
            ["bash", "-e", "-o", "pipefail", "-c", step["run"]],
            cwd=self.pit.root,
            env={**os.environ, "RUNNER_TEMP": str(self.temp), **variables},
            capture_output=True,
            text=True,
            timeout=60,
        )
        assert done.returncode == 0, done.stdout + done.stderr
        return done.stdout + done.stderr

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
        lines = done.stdout.split("\n")
        spoken = [Annotation.of(line) for line in lines if line.lstrip().startswith("::")]
        log = "\n".join(line for line in lines if not line.startswith("::"))
        return Ended(done.returncode, log, outputs, (self.temp / "summary").read_text(), spoken)


def input_of(expression: str) -> str:
    found = re.fullmatch(r"\$\{\{ inputs\.([a-z-]+) \}\}", expression)
    assert found, f"{expression} is more than one input"
    return found[1]


@pytest.fixture(scope="module")
def shell(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Shell]:
    made = Shell(tmp_path_factory.mktemp("shell"), os.environ)
    yield made
    made.close()


@pytest.fixture
def job(tmp_path: Path, shell: Shell) -> Job:
    made = Job(Sandpit(tmp_path / "work", policy=QUICK), tmp_path)
    made.is_warm(shell)
    return made


def workflows() -> list[dict[str, Any]]:
    """Every YAML of the page; a piece of a workflow is put where the page says that it belongs."""
    found: list[dict[str, Any]] = []
    for block in re.findall(r"```yaml\n(.*?)```", PAGE, re.DOTALL):
        value = yaml.safe_load(block)
        if block.startswith(" "):
            found[-1]["jobs"] |= value
        else:
            found.append(value)
    return found


def step_of(workflow: str, job: str, name: str) -> dict[str, Any]:
    (found,) = [it for it in workflows() if it.get("name") == workflow]
    step: dict[str, Any]
    (step,) = [it for it in found["jobs"][job]["steps"] if it.get("name") == name]
    return step


def test_no_expression_stands_inside_a_script() -> None:
    scripts = [step["run"] for step in STEPS]
    assert len(scripts) == 2
    assert not [script for script in scripts if "${{" in script]


def test_every_input_reaches_a_step_and_every_output_comes_from_one() -> None:
    wired = {input_of(value) for step in STEPS for value in step["env"].values()}
    known = {"task", "base", "head", "policy", "fix", "max-usd", "directory", "python"}
    assert wired == set(ACTION["inputs"]) == known
    assert list(ACTION["outputs"])[:6] == ["lane", "score", "verdict", "grade", "cost_usd", "patch"]
    for name, spec in ACTION["outputs"].items():
        assert spec["value"] == "${{ steps.step.outputs.%s }}" % name  # noqa: UP031 - braces are GitHub's here


def test_the_package_is_installed_from_the_action_itself() -> None:
    install = STEPS[0]["run"]
    assert 'pip install --quiet --disable-pip-version-check "$GITHUB_ACTION_PATH"' in install


def test_installing_runs_no_module_of_the_checkout(tmp_path: Path) -> None:
    """`python -m` looks into the working folder first, and there lies a stranger's change."""
    checkout = tmp_path / "checkout"
    checkout.mkdir()
    for name in ("venv.py", "pip.py"):
        (checkout / name).write_text(f"open({str(tmp_path / 'taken')!r}, 'a').write({name!r})\n")
    python = tmp_path / "python"  # quick: without pip, so that the second command cannot go well
    python.write_text(f'#!/bin/sh\nexec {sys.executable} "$@" --without-pip\n')
    python.chmod(0o755)

    done = subprocess.run(
        ["bash", "-e", "-c", STEPS[0]["run"]],
        cwd=checkout,
        env={
            **os.environ,
            "PYTHON": str(python),
            "RUNNER_TEMP": str(tmp_path),
            "GITHUB_ACTION_PATH": "/none",
        },
        capture_output=True,
        text=True,
        timeout=60,
    )

    assert not (tmp_path / "taken").exists(), (tmp_path / "taken").read_text()
    assert "No module named pip" in done.stderr


def test_the_page_names_every_input_and_output() -> None:
    named = set(re.findall(r"`([a-z_-]+)`", "".join(re.findall(r"^\| (.*?) \|", PAGE, re.MULTILINE))))
    assert named >= {*ACTION["inputs"], *ACTION["outputs"]}


def test_the_documented_jobs_ask_for_little() -> None:
    jobs = {
        f"{workflow['name']} {name}": (workflow, job)
        for workflow in workflows()
        for name, job in workflow.get("jobs", {}).items()
    }
    rights = {name: job.get("permissions", workflow["permissions"]) for name, (workflow, job) in jobs.items()}
    assert rights == {
        "gate judge": {"contents": "read"},
        "gate upload": {"contents": "read", "security-events": "write"},
        "propose ask": {"actions": "read", "contents": "read"},
        "propose verify": {"contents": "read"},
        "task propose": {"contents": "read"},
        "task deliver": {"contents": "write", "pull-requests": "write"},
    }
    for workflow, job in jobs.values():
        events = {str(key): told for key, told in workflow.items()}["True"]  # so YAML 1.1 reads the key `on`
        assert "pull_request_target" not in events
        for step in job["steps"]:
            assert "${{" not in step.get("run", "")
            if "checkout@" in step.get("uses", ""):
                assert step["with"]["fetch-depth"] == 0
                assert "ref" not in step["with"], "what is checked out is the workflow's own"
            if "route-agent@" in step.get("uses", ""):
                assert set(step.get("with", {})) <= set(ACTION["inputs"])
                assert set(step.get("env", {})) <= {"ANTHROPIC_API_KEY"}


def test_no_documented_job_has_a_key_and_a_strangers_code() -> None:
    with_key = [
        (workflow["name"], name)
        for workflow in workflows()
        for name, job in workflow.get("jobs", {}).items()
        if "secrets." in json.dumps(job)
    ]
    assert with_key == [("propose", "ask"), ("task", "propose")]
    asking = next(it for it in workflows() if it.get("name") == "propose")["jobs"]["ask"]
    scripts = "\n".join(step.get("run", "") for step in asking["steps"])
    assert not re.search(r"checkout|switch|worktree|read-tree|gate|--task ", scripts)
    assert [step["name"] for step in asking["steps"] if "secrets." in json.dumps(step)] == ["Ask"]


def test_every_documented_script_is_shell() -> None:
    scripts = [
        step["run"] for it in workflows() for job in it.get("jobs", {}).values() for step in job["steps"]
        if "run" in step
    ]  # fmt: skip
    gitlab = next(it["gate"] for it in workflows() if "jobs" not in it)
    scripts += [*gitlab["before_script"], *gitlab["script"]]
    assert len(scripts) > 10
    for script in scripts:
        done = subprocess.run(["bash", "-n"], input=script, capture_output=True, text=True, check=False)
        assert (done.returncode, done.stderr) == (0, ""), script


def test_a_change_that_passes_is_accepted_with_outputs_and_a_summary(tmp_path: Path) -> None:
    job = Job(Sandpit(tmp_path / "work", policy=QUICK), tmp_path)  # with nothing but what is installed
    job.pit.write("docs.md", "more\n")
    job.pit.commit("more")

    ended = job.run(base="HEAD~1")

    assert ended.exit_code == 0, ended.log
    files = {name: ended.outputs.pop(name) for name in ("sarif", "junit", "markdown")}
    assert ended.outputs == {
        "lane": "fast",
        "score": "1",
        "verdict": "accepted",
        "grade": "ran",
        "cost_usd": "0.0",
        "patch": "",
        "exit-code": "0",
        "brief": "",
        "cost-usd": "0.0",
    }
    assert ended.summary.startswith("### route-agent: accepted\n")
    assert "| unit | passed |" in ended.summary
    assert Path(files["markdown"]).read_text() + "\n" == ended.summary
    log = json.loads(Path(files["sarif"]).read_bytes())
    assert_sarif(log)
    assert log["runs"][0]["results"] == []
    assert ElementTree.parse(files["junit"]).getroot().get("failures") == "0"
    assert [(it.level, it.place) for it in ended.annotations] == [("notice", {"title": "route-agent"})]
    assert "isolation" in ended.summary
    assert {*ended.outputs, *files} == set(ACTION["outputs"])


def test_a_change_that_fails_ends_the_step_with_the_verdicts_exit_code(job: Job) -> None:
    job.pit.write("broken", "")
    job.pit.commit("break it")

    ended = job.run(base="HEAD~1")

    assert ended.exit_code == 1
    assert ended.outputs["verdict"] == "not_proved"
    assert ended.outputs["exit-code"] == "1"
    assert "| unit | failed: exit code 1 |" in ended.summary
    assert [(it.level, it.place.get("file")) for it in ended.annotations] == [
        ("error", None),
        ("error", "broken"),
    ]
    assert ended.annotations[0].words.startswith("not proved: unit passed at start")
    assert_sarif(json.loads(Path(ended.outputs["sarif"]).read_bytes()))
    assert ElementTree.parse(ended.outputs["junit"]).getroot().get("failures") == "2"
    brief = Path(ended.outputs["brief"]).read_text()
    assert "unit: unit::unit fails" in brief


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
        given = [
            it for it in arguments.read_text().splitlines() if "/runner temp/route-agent-reports/" not in it
        ]
        assert given == ["gate", "--json", "-C", ".", f"--base={known}"], name

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
    tmp_path: Path, shell: Shell, monkeypatch: pytest.MonkeyPatch
) -> None:
    job = Job(Sandpit(tmp_path / "work"), tmp_path)
    job.is_warm(shell)
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
    assert float(ended.outputs["cost_usd"]) == pytest.approx(0.0016)
    assert ended.outputs["cost-usd"] == ended.outputs["cost_usd"]
    assert ended.outputs["grade"] == "discriminating"
    assert [it.level for it in ended.annotations] == ["notice"]
    assert "| fast | small&#45;1 |" in ended.summary
    assert not list(tmp_path.rglob("pwned"))
    deliver(job, Path(ended.outputs["patch"]))
    branch = job.pit.git("--git-dir", "../origin.git", "show", "route-agent/7:calc.py")
    assert "return a + b" in branch
    job.script(step_of("task", "propose", "What it cost, for your own ledger"))
    with monkeypatch.context() as at_home:
        at_home.setenv("XDG_STATE_HOME", str(tmp_path / "home"))
        job.pit.run("ledger", "import", str(job.temp / "ledger.jsonl"), "--source", "ci")
        (run,) = job.pit.run("ledger", "--json").json["runs"]
    assert run["cost_micro_usd"] == 1600


def deliver(job: Job, patch: Path) -> None:
    """What the documented job does with a patch; only `gh` stands for itself."""
    job.pit.git("init", "--quiet", "--bare", "../origin.git")
    job.pit.git("remote", "add", "origin", "../origin.git")
    artefact = job.temp / "patch" / "patch.diff"
    artefact.parent.mkdir()
    artefact.write_bytes(patch.read_bytes())
    gh = job.temp / "gh"
    gh.write_text('#!/bin/sh\necho "gh $*"\n')
    gh.chmod(0o755)
    step = step_of("task", "deliver", "A branch and a draft")
    told = job.script(step, BRANCH="route-agent/7", PATH=f"{job.temp}:{os.environ['PATH']}")
    assert "gh pr create --fill --draft\n" in told


def test_a_forks_change_is_mended_by_a_job_that_runs_nothing_of_it(
    tmp_path: Path, shell: Shell, monkeypatch: pytest.MonkeyPatch
) -> None:
    judge = fork(tmp_path, shell)
    change = judge.pit.git("rev-parse", "HEAD").strip()

    judged = judge.run(base="main")

    assert judged.outputs["verdict"] == "not_proved", judged.log
    ask = default_branch(tmp_path, shell, "ask")
    (ask.temp / "judged").mkdir()
    (ask.temp / "judged" / "brief.txt").write_bytes(Path(judged.outputs["brief"]).read_bytes())
    ask.script(step_of("propose", "ask", "The change, as data"), CHANGE=change)
    with Loopback() as server, monkeypatch.context() as with_key:
        server.script("small-1", Reply(FIX))
        for name, value in provider_env(ask.pit, server).items():
            with_key.setenv(name, value)
        told = ask.script(step_of("propose", "ask", "Ask"), CHANGE=change)
        sent = json.dumps(server.requests[0].body)
    assert "result    not proved: only asked: nothing was run, so nothing is proved" in told
    assert "unit passed at start, fails now" in sent
    assert "return a - b" in sent, "the change itself is what the model saw"
    assert ask.pit.git("status", "--porcelain") == ""
    assert "return a + b" in (ask.pit.root / "calc.py").read_text(), "the change was checked out"
    (run,) = ask.pit.run("ledger", "--json").json["runs"]
    kept = ask.pit.run("show", "latest", "--json").json
    assert (run["verdict"], kept["baseline"], kept["attempts"]) == ("not proved", [], [])

    verify = default_branch(tmp_path, shell, "verify")
    (verify.temp / "asked").mkdir()
    (verify.temp / "asked" / "patch.diff").write_bytes((ask.temp / "patch.diff").read_bytes())
    commit = step_of("propose", "verify", "The change with the patch, as a commit that is not checked out")
    verify.script(commit, CHANGE=change, GIT_INDEX_FILE=str(verify.temp / "index"))
    (propose,) = [it for it in workflows() if it.get("name") == "propose"]
    (inputs,) = [
        it["with"] for it in propose["jobs"]["verify"]["steps"] if "route-agent@" in it.get("uses", "")
    ]
    assert inputs["policy"] == POLICY_PATH, "else whoever forks an old commit chooses an old policy"
    ended = verify.run(**inputs)
    assert (ended.exit_code, ended.outputs["verdict"]) == (0, "accepted"), ended.log
    assert json.loads(ended.log)["files"] == ["notes.md"], "the patch takes back what the change broke"


def fork(folder: Path, shell: Shell) -> Job:
    """A pull request that breaks `add`, checked out as a runner does it."""
    right = ADD.replace("return a - b", "return a + b")
    judge = Job(Sandpit(folder / "judge work" / "work", {"calc.py": right}), folder / "judge work")
    judge.is_warm(shell)
    judge.pit.git("clone", "--quiet", "--bare", ".", str(folder / "origin.git"))
    judge.pit.git("switch", "--quiet", "--create", "change")
    judge.pit.write("calc.py", ADD)
    judge.pit.write("notes.md", "why\n")
    judge.pit.commit("worse")
    judge.pit.git("push", "--quiet", str(folder / "origin.git"), "change:refs/pull/1/head")
    return judge


def default_branch(folder: Path, shell: Shell, name: str) -> Job:
    """A runner of its own with the default branch and its own ledger."""
    pit = Sandpit(folder / name / "work")
    pit.git("remote", "add", "origin", str(folder / "origin.git"))
    pit.git("fetch", "--quiet", "origin")
    pit.git("reset", "--quiet", "--hard", "origin/main")
    job = Job(pit, folder / name)
    job.is_warm(shell)
    return job


def test_the_documented_gitlab_job_leaves_its_reports(job: Job, shell: Shell) -> None:
    gitlab = next(it["gate"] for it in workflows() if "jobs" not in it)
    job.pit.write("broken", "")
    job.pit.commit("break it")
    base = job.pit.git("rev-parse", "HEAD~1").strip()
    (line,) = gitlab["script"]
    shell.go(job.pit.root)

    code, out, err = shell.run(
        f"export CI_MERGE_REQUEST_DIFF_BASE_SHA={base}\n{line.replace('/opt/route-agent/bin/', '')}"
    )

    assert code == 1, out + err
    (report,) = gitlab["artifacts"]["reports"].values()
    assert ElementTree.parse(job.pit.root / report).getroot().get("failures") == "2"
    (told,) = gitlab["artifacts"]["paths"]
    assert "not proved" in (job.pit.root / told).read_text()


@pytest.mark.parametrize("name", ["base", "policy", "directory", "max_usd"])
@pytest.mark.parametrize("value", ["$(touch pwned)`touch pwned`;touch pwned", "--help", "x\n::error::boom"])
def test_a_hostile_input_is_only_a_wrong_value(job: Job, name: str, value: str) -> None:
    task = {"task": "sums must be right"} if name == "max_usd" else {"base": "HEAD"}

    ended = job.run(**(task | {name: value}))

    assert ended.exit_code in (2, 6), ended.log
    assert ended.outputs["verdict"] == "error"
    assert not list(job.temp.parent.rglob("pwned"))
    assert [it.level for it in ended.annotations] == ["error"]


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


@pytest.fixture(scope="module")
def ci_step() -> ModuleType:
    spec = spec_from_file_location("ci_step", ROOT / "scripts" / "ci_step.py")
    assert spec
    assert spec.loader
    module = module_from_spec(spec)
    sys.modules["ci_step"] = module
    spec.loader.exec_module(module)
    return module


WORDS = "a%0A::error::b\r\n::warning file=x::c, ##[add-mask]d \x1b[2J\u202e"


def annotated(ci_step: ModuleType, folder: Path, told: dict[str, Any]) -> list[Annotation]:
    """The annotations of a change that failed with this SARIF."""
    file = folder / "report.sarif"
    file.write_text(json.dumps(told))
    answer = ci_step.Answer(1, {"verdict": "not_proved", "reason": WORDS}, "", {"sarif": file})
    return [Annotation.of(line) for line in ci_step.remarks(answer, "sub/")]


def test_annotations_stand_at_their_lines_and_speak_for_nobody_else(
    ci_step: ModuleType, tmp_path: Path
) -> None:
    path = "a b,c:d%2e.py"

    spoken = annotated(ci_step, tmp_path, sarif_object(judgement(WORDS, path)))

    assert spoken[0].place == {"title": "route-agent"}
    assert spoken[0].words.startswith("not proved: a%0A::error::b\\r\n::warning")
    skipped = next(it for it in spoken if it.place["title"] == "route-agent: test-skipped")
    assert (skipped.level, skipped.place["file"], skipped.place["line"]) == ("error", f"sub/{path}", "7")
    assert not [it for it in spoken if re.search(r"##|[\r\x1b\u202e]", it.words)]
    assert {it.level for it in spoken} == {"error", "warning", "notice"}


def test_annotations_are_as_many_as_are_shown(ci_step: ModuleType, tmp_path: Path) -> None:
    log = sarif_object(judgement())
    log["runs"][0]["results"] *= 40

    spoken = annotated(ci_step, tmp_path, log)

    assert Counter(it.level for it in spoken) == {"error": 10, "warning": 10, "notice": 10}


def test_a_report_that_is_none_makes_no_annotation_but_the_verdict(
    ci_step: ModuleType, tmp_path: Path
) -> None:
    none: tuple[dict[str, Any], ...] = (
        {},
        {"runs": []},
        {"runs": [{"results": [1]}]},
        {"runs": [{"results": None}]},
    )
    for odd in none:
        assert len(annotated(ci_step, tmp_path, odd)) == 1


def test_files_are_named_from_the_workspace(ci_step: ModuleType, tmp_path: Path) -> None:
    (tmp_path / "sub" / "checkout" / ".git").mkdir(parents=True)
    (tmp_path / "sub" / "checkout" / "folder").mkdir()
    inside = {"GITHUB_WORKSPACE": str(tmp_path), "ROUTE_AGENT_DIRECTORY": f"{tmp_path}/sub/checkout/folder"}

    assert ci_step.checkout_of(inside) == "sub/checkout/"
    assert ci_step.checkout_of(inside | {"GITHUB_WORKSPACE": f"{tmp_path}/sub/checkout"}) == ""
    assert ci_step.checkout_of(inside | {"GITHUB_WORKSPACE": "/elsewhere"}) == ""


@pytest.mark.parametrize("printed", ["", "Traceback", "[1]", '{"schema": 1}'])
def test_an_answer_without_a_verdict_is_an_error_and_costs_an_unknown_sum(job: Job, printed: str) -> None:
    job.answers_with(printed)

    ended = job.run(task="x")

    assert ended.exit_code == 1
    assert ended.outputs["verdict"] == "error"
    assert ended.outputs["cost_usd"] == ""


def assert_nothing_speaks(ended: Ended) -> None:
    assert not [line for line in ended.log.splitlines() if line.lstrip().startswith("::")]
    assert "##" not in ended.log
    assert not [it for it in ended.annotations if re.search(r"##|[\x00-\x09\x0b-\x1f\x7f\u202e]", it.words)]
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
