"""Agent programs as lanes: what they get, what they cost, and what becomes of what they leave behind.

The agents here are small programs of the test's own under the names of real ones, and print what those
print. `scripts/slow_agent.py` drives the real ones.
"""

from __future__ import annotations

import json
import os
import textwrap
import time
from collections.abc import Iterator
from contextlib import contextmanager
from hashlib import sha256
from pathlib import Path

import psutil
import pytest
from desks import Bench, bench
from loopback import Loopback, Reply
from sandpit import CHECK, FIX, Result, Sandpit, provider_env

from route_agent import trust
from route_agent.config import Config
from route_agent.errors import LimitReached, ProviderError
from route_agent.lanes.agents import PRESETS, own, takes_the_task
from route_agent.lanes.build import agent_program, build_lanes
from route_agent.lanes.command import CommandLane
from route_agent.lanes.desk import Workspace
from route_agent.policy import POLICY_PATH, LaneSpec, parse_policy
from route_agent.records.lanes import Call, CallState, ModelReply, Prompt, Proposal, Request, Usage
from route_agent.sandbox import place as sandbox_place
from route_agent.sandbox.process import Finished, run
from route_agent.sandbox.roots import visible

KEY = "canary-4f1d2c-of-nobody"
TASK = ("--task", "sums must be right", "--json")

POLICY = """\
version: 1
models:
  agent: {lane}
  strong: {{provider: anthropic, model: large-1}}
routing: {{ladder: [{ladder}], escalate_on: []}}
accept: {{agent: ran, strong: ran}}
reproduce: {{when: []}}
verify: {{critique: never}}
limits: {{max_usd: 2}}
checks:
  - {{name: unit, kind: test, run: {check}, timeout: 60}}
"""

MEND = "text = open('calc.py').read(); open('calc.py', 'w').write(text.replace('a - b', 'a + b'))"
# what claude prints at its end, as far as it is read
BILL = {
    "type": "result",
    "subtype": "success",
    "is_error": False,
    "num_turns": 3,
    "result": "add() adds again",
    "total_cost_usd": 0.0123,
    "usage": {"input_tokens": 0, "output_tokens": 0},
    "modelUsage": {
        "claude-sonnet-4-5": {
            "inputTokens": 2000,
            "outputTokens": 100,
            "cacheReadInputTokens": 400,
            "cacheCreationInputTokens": 50,
        }
    },
}


class Agents:
    """A repository whose first lane is an agent, and a folder of programs on the search path."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.tools = folder / "tools"
        self.tools.mkdir(parents=True)
        self.env = {
            "PATH": f"{self.tools}{os.pathsep}{os.environ['PATH']}",
            "AGENT_KEY": KEY,
            "OTHER_SECRET": "nothing of an agent's business",
        }
        self.pit: Sandpit

    def program(self, name: str, *lines: str, bill: dict[str, object] | None = BILL, code: int = 0) -> None:
        """An agent that runs these lines of Python and then prints its bill."""
        body = textwrap.indent("\n".join(lines), "")
        printed = f"print(json.dumps({bill!r}))" if bill else ""
        text = f"#!/usr/bin/env python3\nimport json, os, sys\nprompt = sys.argv[-1]\n{body}\n{printed}\n"
        file = self.tools / name
        file.write_text(f"{text}sys.exit({code})\n")
        file.chmod(0o755)

    def project(self, ladder: str = "agent", files: dict[str, str] | None = None, **lane: object) -> Sandpit:
        entry = {"provider": "command", "preset": "claude", "env": ["AGENT_KEY"], "timeout_s": 60} | lane
        entry = {key: value for key, value in entry.items() if value is not None}
        policy = POLICY.format(
            lane=json.dumps(entry), ladder=ladder, check=json.dumps(["python3", "-c", CHECK])
        )
        self.pit = Sandpit(self.folder / "pit", files, policy)
        return self.pit

    def run(self, *arguments: str, trusted: bool = True, env: dict[str, str] | None = None) -> Result:
        env = env or {}
        if trusted and "XDG_CONFIG_HOME" in env:
            config = Path(env["XDG_CONFIG_HOME"]) / "route-agent" / "config.yaml"
            known = json.loads(config.read_text())
            content = (self.pit.root / POLICY_PATH).read_bytes()
            entry = {"repository": str(self.pit.root.resolve()), "sha256": sha256(content).hexdigest()}
            config.write_text(json.dumps(known | {"trust": [entry]}))
        elif trusted:
            trust.record(self.pit.root, (self.pit.root / POLICY_PATH).read_bytes())
        return self.pit.run(*(arguments or TASK), env={**self.env, **env})


@pytest.fixture
def agents(tmp_path: Path) -> Agents:
    return Agents(tmp_path)


# --- what it does ------------------------------------------------------------------------------------------


def test_what_an_agent_leaves_in_the_files_is_the_patch(agents: Agents) -> None:
    agents.program("claude", MEND)
    before = agents.project().state()

    done = agents.run()

    assert done.exit_code == 0, done.stdout + done.stderr
    attempt = done.json["attempts"][0]
    assert attempt["summary"] == "claude ran with network and AGENT_KEY: add() adds again"
    assert attempt["iterations"] == 3
    call = attempt["calls"][0]
    assert (call["cost_usd"], call["price_basis"]) == (0.0123, "provider")
    assert (call["input_tokens"], call["cached_tokens"], call["cache_write_tokens"]) == (2450, 400, 50)
    assert agents.pit.state() == before
    agents.pit.git("apply", done.json["patch_path"])
    assert "return a + b" in (agents.pit.root / "calc.py").read_text()


def test_the_report_for_people_says_what_the_agent_got(agents: Agents) -> None:
    agents.program("claude", MEND)
    agents.project()

    done = agents.run("--task", "sums must be right")

    assert "claude ran with network and AGENT_KEY" in done.stdout, done.stdout


def test_an_agent_has_the_network_and_its_own_variables_and_no_other(agents: Agents) -> None:
    with Loopback() as server:
        agents.program(
            "claude",
            "import urllib.request",
            "told = {'model': 'small-1', 'names': sorted(os.environ), 'key': os.environ['AGENT_KEY']}",
            "told |= {'home': os.environ['HOME'], 'stdin': sys.stdin.read()}",
            "data = json.dumps(told).encode()",
            f"urllib.request.urlopen({server.openai_url + '/chat/completions'!r}, data)",
            MEND,
        )
        server.script("small-1", Reply("noted"))
        agents.project()

        done = agents.run()

        assert done.exit_code == 0, done.stdout + done.stderr
        told = server.requests[0].body
    assert told["key"] == KEY
    assert "OTHER_SECRET" not in told["names"]
    assert not [name for name in told["names"] if name.startswith(("XDG_", "ANTHROPIC", "OPENAI"))]
    assert told["home"] != str(Path.home())
    assert told["stdin"] == ""


def test_a_key_in_what_an_agent_says_is_not_repeated(agents: Agents) -> None:
    leak = {**BILL, "result": f"I used {KEY} for it"}
    agents.program("claude", MEND, bill=leak)
    agents.project()

    done = agents.run()

    assert done.exit_code == 0, done.stderr
    assert KEY not in done.stdout + done.stderr
    assert "I used [redacted:agent-key] for it" in done.stdout


@pytest.mark.parametrize("file", ["calc.py", "new.txt"])
def test_a_key_in_a_file_ends_the_run(agents: Agents, file: str) -> None:
    agents.program("claude", MEND, f"open({file!r}, 'a').write('# ' + os.environ['AGENT_KEY'] + chr(10))")
    agents.project()

    done = agents.run()

    assert done.exit_code == 4, done.stdout
    assert f"{file} holds the value of AGENT_KEY" in done.json["reason"]
    assert KEY not in done.stdout + done.stderr


def test_a_file_called_by_the_key_ends_the_run(agents: Agents) -> None:
    agents.program("claude", MEND, "open(os.environ['AGENT_KEY'] + '.txt', 'w').write('seen')")
    agents.project()

    done = agents.run()

    assert done.exit_code == 4, done.stdout
    assert done.json["reason"] == "a file is called by the value of AGENT_KEY, which the agent was given"
    assert KEY not in done.stdout + done.stderr


@pytest.mark.parametrize(
    ("left", "code", "failure"),
    [
        ("os.makedirs('.GIT'); open('.GIT/config', 'w')", 4, "hostile"),
        ("open('git~1', 'w')", 4, "hostile"),
        ("import subprocess; subprocess.run(['git', 'init', '-q', 'sub'])", 1, "unappliable"),
    ],
    ids=[".GIT", "git~1", "an empty repository"],
)
def test_what_git_cannot_take_of_an_agents_work_is_the_agents_fault(
    agents: Agents, left: str, code: int, failure: str
) -> None:
    agents.program("claude", MEND, left)
    agents.project()

    done = agents.run()

    assert (done.exit_code, done.json["attempts"][0]["failure"]) == (code, failure), done.stdout
    assert done.json["attempts"][0]["calls"][0]["cost_usd"] == 0.0123


def test_files_that_no_model_is_shown_are_not_there_for_an_agent_and_stay_as_they_are(agents: Agents) -> None:
    agents.program(
        "claude", MEND, "open('seen.txt', 'w').write(' '.join(sorted(os.listdir('.') + os.listdir('deep'))))"
    )
    files = {"deep/.env": "PASSWORD=1\n", "deep/kept.txt": "", "server.pem": "a key\n", "plan.secret": "x\n"}
    agents.project(files=files)
    policy = agents.pit.root / ".route-agent" / "policy.yaml"
    policy.write_text(policy.read_text() + "no_send: ['*.secret']\n")
    agents.pit.commit("no_send")

    done = agents.run()

    assert done.exit_code == 0, done.stdout + done.stderr
    agents.pit.git("apply", done.json["patch_path"])
    assert (agents.pit.root / "seen.txt").read_text() == ".route-agent calc.py deep kept.txt seen.txt"
    assert all((agents.pit.root / name).read_text() == text for name, text in files.items())


def test_a_repository_does_not_set_up_the_agent_that_gets_the_users_key(agents: Agents) -> None:
    agents.program(
        "claude",
        MEND,
        "names = [name for _, _, names in os.walk('.') for name in names]",
        "open('seen.txt', 'w').write(' '.join(sorted(names)))",
    )
    settings = {".claude/settings.json": '{"hooks": {}}\n', ".mcp.json": "{}\n", "CLAUDE.md": "Be brief.\n"}
    agents.project(files=settings)

    done = agents.run()

    assert done.exit_code == 0, done.stdout + done.stderr
    agents.pit.git("apply", done.json["patch_path"])
    assert (agents.pit.root / "seen.txt").read_text() == "CLAUDE.md calc.py policy.yaml"
    assert all((agents.pit.root / name).read_text() == text for name, text in settings.items())


def test_a_repository_of_the_agents_own_is_no_part_of_the_patch(agents: Agents) -> None:
    agents.program(
        "claude",
        MEND,
        "import subprocess",
        "git = ['git', '-c', 'user.name=x', '-c', 'user.email=x@x']",
        "for words in (['init', '-q'], ['add', '-A'], ['commit', '-qm', 'mine']):",
        "    subprocess.run([*git, *words], check=True)",
    )
    agents.project()

    done = agents.run()

    assert done.exit_code == 0, done.stdout + done.stderr
    assert Path(done.json["patch_path"]).read_text().count("diff --git") == 1


def test_an_agent_that_changes_nothing_has_no_patch(agents: Agents) -> None:
    agents.program("claude")
    agents.project()

    done = agents.run()

    assert done.exit_code == 1
    attempt = done.json["attempts"][0]
    assert (attempt["failure"], attempt["reason"]) == ("unappliable", "the patch changes nothing")
    assert attempt["calls"][0]["cost_usd"] == 0.0123


def test_an_agents_patch_is_held_to_the_same_bounds(agents: Agents) -> None:
    agents.program("claude", MEND, "os.symlink('/etc/passwd', 'link')")
    agents.project()

    done = agents.run()

    assert done.exit_code == 4, done.stdout


# --- the task ----------------------------------------------------------------------------------------------


def told_by(agents: Agents, brief: str) -> str:
    """What the agent was told, as it wrote it down."""
    agents.program(
        "claude",
        MEND,
        "named = prompt.partition(' stands in the file ')[2].partition('. Read')[0]",
        "open('told.txt', 'w').write(prompt + (open(named).read() if named else ''))",
    )
    agents.project()
    task = agents.folder / "task.txt"
    task.write_text(brief)
    done = agents.run("--task-file", str(task), "--json")
    assert done.exit_code == 0, done.stdout + done.stderr
    agents.pit.git("apply", done.json["patch_path"])
    return (agents.pit.root / "told.txt").read_text()


def test_the_task_is_never_taken_for_an_option(agents: Agents) -> None:
    told = told_by(agents, "--dangerously-do-it: sums must be right")

    assert told.startswith("Do the task below")
    assert "\n--dangerously-do-it: sums must be right\n" in told
    assert "Do not delete, skip or weaken tests" in told


class Place:
    """An agent's scratch without walls, in a plain folder."""

    walled = True

    def __init__(self, home: Path) -> None:
        self.home = home
        self.asked: list[tuple[str, ...]] = []

    def hide(self, patterns: object) -> None: ...

    def run(self, argv: tuple[str, ...], seconds: float, *, env: object, sets: object) -> Finished:
        self.asked.append(argv)
        return run(argv, cwd=self.home, env={"PATH": os.environ["PATH"]}, timeout_s=seconds)

    def tree(self, *, leaves: object, secrets: object) -> str:
        return "f" * 40


@contextmanager
def desk_in(folder: Path, place: Place, *, seconds: float = 60.0) -> Iterator[Bench]:
    """A desk whose scratch is that place."""

    def workspace(start: str) -> Iterator[Workspace]:
        yield Workspace(lambda *_: pytest.fail("a fixer's"), lambda: "", place)

    with bench(folder, seconds=seconds) as means:
        means.desk._workspace = contextmanager(workspace)
        yield means


def proposed(folder: Path, request: Request, *command: str) -> tuple[Proposal, Place]:
    """What a lane with this command proposes, and where it worked."""
    place = Place(folder)
    lane = CommandLane("agent", LaneSpec(provider="command", run=(command,)), command[0], {})
    with desk_in(folder, place) as means:
        return lane.propose(request, means.desk), place


def test_a_task_too_long_for_an_argument_is_read_from_a_file(tmp_path: Path) -> None:
    # letters of three bytes: more than the kernel takes for one argument
    request = Request("0" * 40, Prompt("", ""), brief="fix it " + "ง" * 20_000, told="red: " + "ง" * 30_000)

    proposal, place = proposed(tmp_path, request, "echo", "{prompt}")

    assert f"Your whole task stands in the file {tmp_path}/task.md." in proposal.summary
    told = (tmp_path / "task.md").read_text()
    assert told.count("ง") == 50_000
    assert told.index("fix it") < told.index("red: ")
    assert max(map(len, place.asked[0])) < 1000


def test_without_a_brief_the_prompt_for_a_model_is_the_task(tmp_path: Path) -> None:
    proposed(tmp_path, Request("0" * 40, Prompt("for models", "the task and files")), "true", "{prompt}")

    told = (tmp_path / "task.md").read_text()
    assert "the task and files" in told
    assert "for models" not in told


def test_an_agents_last_words_are_kept_short(tmp_path: Path) -> None:
    request = Request("0" * 40, Prompt("", ""), brief="say much")

    proposal, _ = proposed(tmp_path, request, "python3", "-c", "print('word ' * 50_000)", "{prompt}")

    assert proposal.summary.startswith("python3 ran with network: …")
    assert len(proposal.summary) < 400


def test_a_secret_of_a_known_shape_in_what_an_agent_says_is_not_kept(tmp_path: Path) -> None:
    request = Request("0" * 40, Prompt("", ""), brief="say much")

    proposal, _ = proposed(
        tmp_path, request, "echo", "it is sk-ant-api03-abcdefghijklmnop0123456789 {prompt}"
    )

    assert "sk-ant-api03" not in proposal.summary
    assert "sk-ant-api03" not in repr(proposal.calls)


# --- who may -----------------------------------------------------------------------------------------------


def test_a_repository_never_gets_an_agent_silently(agents: Agents) -> None:
    agents.program("claude", MEND)
    agents.project()

    done = agents.run(trusted=False)

    assert done.exit_code == 2
    assert "lane agent: claude is not allowed to run as an agent here" in done.stdout + done.stderr


def test_without_the_agent_the_ladder_goes_on(agents: Agents) -> None:
    agents.program("claude", MEND)
    agents.project(ladder="agent, strong")
    with Loopback() as server:
        server.script("large-1", Reply(FIX))

        done = agents.run(trusted=False, env=provider_env(agents.pit, server))

        assert done.exit_code == 0, done.stdout + done.stderr
    assert [it["lane"] for it in done.json["attempts"]] == ["strong"]
    skipped = done.json["decision"]["skipped"]
    assert any(it.startswith("agent skipped: claude is not allowed") for it in skipped), skipped
    asked = (
        "not allowed until you say so (route-agent trust): lane agent: runs claude with network and AGENT_KEY"
    )
    assert asked in done.json["notices"]


def test_trust_shows_what_a_lane_runs_and_holds_for_that_very_policy(agents: Agents) -> None:
    agents.program("claude", MEND)
    pit = agents.project()

    shown = pit.run("trust", env=agents.env)
    first = agents.run(trusted=False)
    policy = pit.root / ".route-agent" / "policy.yaml"
    policy.write_text(policy.read_text().replace("AGENT_KEY", "OTHER_SECRET"))
    pit.commit("another variable")
    second = agents.run(trusted=False)

    assert "lane agent: runs claude with network and AGENT_KEY\n" in shown.stdout
    assert first.exit_code == 0, first.stdout
    assert second.exit_code == 2


def test_a_bill_behind_a_warning_without_a_line_break_is_read(agents: Agents) -> None:
    warns = "import sys; sys.stderr.write('warning: no {config} here '); sys.stderr.flush()"
    agents.program("claude", MEND, warns)
    agents.project()

    done = agents.run(*TASK, "--json")

    assert done.exit_code == 0, done.stdout
    assert done.json["attempts"][0]["calls"][0]["cost_usd"] == BILL["total_cost_usd"]


def test_a_program_that_the_user_names_may_run_for_any_policy(agents: Agents, apart: Path) -> None:
    agents.program("claude", MEND)
    agents.project()
    config = apart / "config" / "route-agent" / "config.yaml"
    config.parent.mkdir(parents=True)

    config.write_text("commands: {codex: []}\n")
    another = agents.run(trusted=False)
    config.write_text("commands: {codex: [], claude: [AGENT_KEY]}\n")
    named = agents.run(trusted=False)
    config.write_text("commands: {claude: [OTHER_SECRET]}\n")
    without = agents.run(trusted=False)

    assert (another.exit_code, named.exit_code) == (2, 0), named.stdout + named.stderr
    assert "claude is not allowed to get AGENT_KEY here (route-agent trust" in without.stdout


def test_an_agent_is_never_one_that_the_checkout_brings(tmp_path: Path) -> None:
    for folder in ("project/node_modules/.bin", "project/.venv/bin", "elsewhere"):
        (tmp_path / folder).mkdir(parents=True)
        (tmp_path / folder / "claude").write_text("#!/bin/sh\n")
        (tmp_path / folder / "claude").chmod(0o755)
    project = tmp_path / "project"
    inner = f"{project}/node_modules/.bin:{project}/.venv/bin:."

    assert agent_program("claude", {"PATH": inner}, project) == ""
    found = agent_program("claude", {"PATH": f"{inner}:{tmp_path}/elsewhere"}, project)
    assert found == str(tmp_path / "elsewhere" / "claude")


# --- how it ends -------------------------------------------------------------------------------------------


def test_an_agent_that_does_not_end_is_killed_with_all_it_started(agents: Agents) -> None:
    mark = f"sleep-{time.monotonic_ns()}"
    agents.program(
        "claude",
        "import subprocess",
        f"subprocess.Popen(['sh', '-c', 'exec -a {mark} sleep 300'], start_new_session=True)",
        f"subprocess.Popen([sys.executable, '-c', 'import time; time.sleep(300)', {mark!r}])",
        MEND,
        "import time; time.sleep(300)",
    )
    agents.project(timeout_s=3, ladder="agent, strong", cap={"usd": 0.3})
    with Loopback() as server:
        server.script("large-1", Reply(FIX))

        done = agents.run(env=provider_env(agents.pit, server))

        assert done.exit_code == 0, done.stdout + done.stderr
    first = done.json["attempts"][0]
    assert first["failure"] == "provider"
    assert first["reason"].startswith("agent_timeout: claude ran with network and AGENT_KEY and did not end")
    assert (first["calls"][0]["state"], first["calls"][0]["cost_usd"]) == ("lost", None)
    left = [it for it in psutil.process_iter(["cmdline"]) if mark in " ".join(it.info["cmdline"] or [])]
    assert not left


def claude(agents: Agents, **spec: object) -> tuple[Proposal, tuple[Call, ...]]:
    """What comes of claude with the task, without a repository around it; and what was paid."""
    place = Place(agents.folder)
    lane = CommandLane(
        "agent",
        LaneSpec.model_validate({"provider": "command", "preset": "claude"} | spec),
        str(agents.tools / "claude"),
        {},
    )
    with desk_in(agents.folder, place) as means:
        proposal = lane.propose(Request("0" * 40, Prompt("", ""), brief="fix it"), means.desk)
        return proposal, tuple(means.purse.calls)


@pytest.mark.parametrize(
    ("bill", "code"),
    [
        ({**BILL, "is_error": True, "result": "API Error: 401"}, 1),
        ({**BILL, "is_error": True, "result": "API Error: 401"}, 0),
        ({**BILL, "subtype": "error_max_turns"}, 0),
        (None, 0),
        (None, 1),
    ],
    ids=["says so and exits 1", "says so", "out of turns", "no bill", "no bill and exits 1"],
)
def test_half_a_patch_of_an_agent_that_failed_is_none(
    agents: Agents, bill: dict[str, object] | None, code: int
) -> None:
    agents.program("claude", bill=bill, code=code)

    with pytest.raises(ProviderError, match="claude ran with network and failed") as failed:
        claude(agents)

    assert failed.value.kind == "agent_failed"


def test_an_exit_code_above_zero_does_not_count_where_the_agent_says_that_it_is_done(agents: Agents) -> None:
    agents.program("claude", code=1)

    assert claude(agents)[0].tree == "f" * 40


def test_an_agent_ends_with_the_run_and_that_is_a_limit(agents: Agents) -> None:
    agents.program("claude", "import time; time.sleep(60)")
    lane = CommandLane(
        "agent", LaneSpec(provider="command", preset="claude"), str(agents.tools / "claude"), {}
    )

    with desk_in(agents.folder, Place(agents.folder), seconds=1.5) as means:
        with pytest.raises(LimitReached, match="claude ran with network and did not end within") as stopped:
            lane.propose(Request("0" * 40, Prompt("", ""), brief="fix it"), means.desk)

        assert [call.state for call in means.purse.calls] == [CallState.LOST]
    assert "deadline" in stopped.value.hint


@pytest.mark.parametrize(
    ("asked", "said", "served", "is_other"),
    [
        ("", "claude-sonnet-4-5", None, False),
        ("sonnet", "claude-sonnet-4-5", None, False),
        ("claude-sonnet-4-5", "", "claude-sonnet-4-5", False),
        ("claude-opus-5-5", "", "claude-sonnet-4-5", True),
    ],
)
def test_only_a_model_that_was_asked_for_by_its_name_can_be_another_one(
    agents: Agents, asked: str, said: str, served: str | None, *, is_other: bool
) -> None:
    agents.program("claude")

    proposal, (call,) = claude(agents, model=asked)

    assert (proposal.model, call.model_served, call.other_model_answered) == (said, served, is_other)


@pytest.mark.parametrize(
    ("lane", "said"),
    [
        ({"preset": "claude", "env": ["AGENT_KEY", "NOT_SET"]}, "NOT_SET is not set"),
        ({"preset": "codex"}, "codex is not on the PATH"),
        ({"run": [["claude", "-p"]]}, "its `run` says nowhere where the task goes"),
        ({"run": [["./claude", "{prompt}"]]}, "./claude is not on the PATH"),
    ],
    ids=["variable", "program", "task", "the tree's own"],
)
def test_a_lane_that_cannot_run_says_why(agents: Agents, lane: dict[str, object], said: str) -> None:
    agents.program("claude")
    entry = json.dumps({"provider": "command"} | lane)
    policy = parse_policy(POLICY.format(lane=entry, ladder="agent", check='["true"]'), "p")

    built = build_lanes(policy, Config(), None, allowed=frozenset({"lane agent"}), environment=agents.env)

    assert built[1]["agent"].startswith(said)


def test_an_agent_is_told_its_budget_and_reaching_it_is_a_limit(agents: Agents) -> None:
    over = {**BILL, "subtype": "error_max_budget_usd", "is_error": True, "total_cost_usd": 0.31}
    agents.program(
        "claude",
        MEND,
        "assert sys.argv[sys.argv.index('--max-budget-usd') + 1] == '0.3000'",
        bill=over,
        code=1,
    )
    agents.project(cap={"usd": 0.3})

    done = agents.run()

    assert done.exit_code == 5, done.stdout
    assert "$0.3 for one attempt is reached ($0.3100 spent)" in done.json["reason"]
    assert done.json["attempts"][0]["calls"][0]["cost_usd"] == 0.31


def test_without_a_sum_three_quarters_of_what_is_left_are_set_aside(agents: Agents) -> None:
    agents.program("claude", MEND, "assert sys.argv[sys.argv.index('--max-budget-usd') + 1] == '1.5000'")
    agents.project()

    assert agents.run().exit_code == 0


def test_an_agent_that_tells_no_cost_is_charged_with_what_was_set_aside(agents: Agents) -> None:
    agents.program("mender", "open('notes.txt', 'w')", bill=None)  # changes something, mends nothing
    agents.project(
        ladder="agent, strong", preset=None, run=[["mender", "--task", "{prompt}"]], cap={"usd": 1.9}
    )
    policy = agents.pit.root / ".route-agent" / "policy.yaml"
    policy.write_text(policy.read_text().replace("escalate_on: []", "escalate_on: [failed_tests]"))
    agents.pit.commit("on to the next")
    with Loopback() as server:
        done = agents.run(env=provider_env(agents.pit, server))

    assert done.exit_code == 5, done.stdout
    first, second = done.json["attempts"]
    assert first["calls"][0]["cost_usd"] is None
    assert "$0.10 of the $2.00 limit is left" in second["reason"]


# --- at the desk -------------------------------------------------------------------------------------------


def test_work_with_an_unknown_bill_stays_charged_and_a_known_one_is_settled(tmp_path: Path) -> None:
    def work(cost: float | None) -> ModelReply:
        usage = None if cost is None else Usage(10, output_total=5, provider_cost_usd=cost)
        return ModelReply("done", None, usage)

    with bench(tmp_path, max_usd=4.0) as means:
        desk, prompt = means.desk, Prompt("", "task")
        asked = {"provider": "command", "model": "mender", "prompt": prompt, "timeout_s": 5.0}
        _, first = desk.employ(**asked, usd=1.0, work=lambda *_: work(0.25))  # type: ignore[arg-type]
        _, second = desk.employ(**asked, usd=1.0, work=lambda *_: work(None))  # type: ignore[arg-type]
        with pytest.raises(LimitReached, match=r"\$2\.75 of the \$4\.00 limit is left"):
            desk.employ(**asked, usd=3.0, work=lambda *_: work(0.0))  # type: ignore[arg-type]

    assert (first.cost_micro_usd, second.cost_micro_usd) == (250_000, None)
    assert [call.state for call in means.purse.calls] == [CallState.DONE, CallState.DONE]


def test_nothing_runs_where_no_walls_would_keep_it_in(tmp_path: Path) -> None:
    lane = CommandLane("agent", LaneSpec(provider="command", preset="claude"), "/bin/true", {})

    with bench(tmp_path) as means, pytest.raises(ProviderError, match="nothing would keep it in") as refused:
        lane.propose(Request("0" * 40, Prompt("", "task")), means.desk)

    assert refused.value.kind == "no_walls"
    assert means.purse.calls == []


# --- commands and bills ------------------------------------------------------------------------------------

VALUES = {"prompt": "do {model} and {prompt_file}", "prompt_file": "/h/task.md", "model": "m", "home": "/h"}


def test_a_task_that_looks_like_a_placeholder_stays_as_it_is() -> None:
    agent = own(("mender", "--model={model}", "--task", "{prompt}", "--log", "{home}/log", "{other}"))

    told = agent.command(VALUES, 1.0)

    assert told == ("mender", "--model=m", "--task", VALUES["prompt"], "--log", "/h/log", "{other}")


def test_options_stand_before_the_task() -> None:
    told = PRESETS["claude"].command(VALUES, 0.5)

    assert told[-6:] == ("--model", "m", "--max-budget-usd", "0.5000", "--", VALUES["prompt"])
    assert "--model" not in PRESETS["claude"].command({**VALUES, "model": ""}, 0.5)


def test_every_preset_is_given_its_task() -> None:
    assert all(takes_the_task(agent.run) for agent in PRESETS.values())


# as the real programs print them
CODEX = """\
warning: something is odd
{"type":"thread.started","thread_id":"01"}
{"type":"item.completed","item":{"id":"0","type":"error","message":"no metadata"}}
{"type":"turn.started"}
{"type":"item.completed","item":{"id":"3","type":"agent_message","text":"Fixed add."}}
{"type":"turn.completed","usage":{"input_tokens":2400,"cached_input_tokens":400,"output_tokens":100,"reasoning_output_tokens":20}}
"""
AIDER = """\
Aider v0.86.2
calc.py
Tokens: 1.2k sent, 300 cache write, 200 cache hit, 50 received. Cost: $0.0041 message, $0.0041 session.
Applied edit to calc.py
Tokens: 2.5k sent, 1,050 received. Cost: $0.02 message, $0.03 session.
"""
COPILOT = """\
{"totalPremiumRequestCost": 1, "modelMetrics": {
  "gpt-4.1": {"requests": {"count": 2, "cost": 1}, "usage":
    {"inputTokens": 2400, "outputTokens": 100, "cacheReadTokens": 400, "cacheWriteTokens": 0}}}}
"""


def test_the_bills_of_real_agents_are_read() -> None:
    codex, aider, copilot = (
        PRESETS[name].read(text) for name, text in (("codex", CODEX), ("aider", AIDER), ("copilot", COPILOT))
    )

    assert codex.usage == Usage(2400, cache_read=400, output_total=100, reasoning=20)
    assert (codex.says_done, codex.text, codex.turns) == (True, "Fixed add.", 1)
    assert aider.usage == Usage(
        3700, cache_read=200, cache_write=300, output_total=1100, provider_cost_usd=0.03, is_estimate=True
    )
    assert copilot.usage == Usage(2400, cache_read=400, output_total=100)
    assert (copilot.model, copilot.turns) == ("gpt-4.1", 2)


@pytest.mark.parametrize("name", PRESETS)
@pytest.mark.parametrize(
    "output",
    [
        "",
        "{",
        "[]",
        "null",
        "{" * 100_000,
        '{"type": "result"}',
        '{"type": "result", "modelUsage": [], "usage": 7, "total_cost_usd": -1, "errors": 3}',
        '{"type": "result", "modelUsage": {"m": null}, "total_cost_usd": true, "num_turns": -4}',
        '{"type": "turn.completed", "usage": {"input_tokens": "9", "output_tokens": 1e400}}',
        '{"type": "item.completed", "item": []}',
        '{"modelMetrics": {"m": {"usage": {"inputTokens": -5}}, "n": 3}}',
        "Tokens: many sent, some received. Cost: $1.2.3 session.",
    ],
)
def test_no_output_of_an_agent_is_an_error_of_ours_or_a_price_below_zero(name: str, output: str) -> None:
    bill = PRESETS[name].read(output)

    usage = bill.usage or Usage()
    assert min(usage.input_total, usage.output_total, usage.cache_read, bill.turns) >= 0
    assert usage.provider_cost_usd is None or usage.provider_cost_usd >= 0


@pytest.mark.parametrize(
    ("name", "output"),
    [
        ("claude", '{"type": "result", "subtype": "success", "is_error": false}'),
        ("claude", '{"type": "result", "total_cost_usd": 1e400}'),
        ("claude", '{"type": "result", "total_cost_usd": -5, "usage": {"input_tokens": -5}}'),
        ("claude", '{"type": "result", "usage": {"input_tokens": 1200.5, "output_tokens": 3}}'),
        ("claude", '{"type": "result", "usage": {"input_tokens": %d}}' % 10**30),  # noqa: UP031
        ("codex", '{"type": "turn.completed"}'),
        ("codex", '{"type": "turn.completed", "usage": {"input_tokens": true, "output_tokens": 3}}'),
        ("aider", f"Tokens: {'9' * 400}k sent, 1k received. Cost: $1 message, $1 session."),
        ("copilot", '{"modelMetrics": {"m": {}}}'),
    ],
)
def test_a_bill_without_figures_that_can_be_true_is_unknown_and_not_0(name: str, output: str) -> None:
    assert PRESETS[name].read(output).usage is None


@pytest.mark.parametrize("usd", ["9" * 400, "9" * 30, "2000000.00"])
def test_a_sum_that_no_work_can_cost_is_none(usd: str) -> None:
    told = f"Tokens: 1k sent, 1k received. Cost: ${usd} message, ${usd} session."
    claude_told = f'{{"type": "result", "total_cost_usd": {usd}, "usage": {{"input_tokens": 1}}}}'

    for usage in (PRESETS["aider"].read(told).usage, PRESETS["claude"].read(claude_told).usage):
        assert usage is not None
        assert usage.provider_cost_usd is None


def test_a_claude_that_knows_the_sum_alone_is_charged_with_it() -> None:
    told = '{"type": "result", "total_cost_usd": 0.31, "usage": {"input_tokens": 0, "output_tokens": 0}}'

    assert PRESETS["claude"].read(told).usage == Usage(provider_cost_usd=0.31)


@pytest.mark.parametrize(
    "left", ["os.mkdir(bill)", "os.mkfifo(bill)", "os.symlink('/etc/passwd', bill)", "open(bill, 'w')"]
)
def test_what_stands_in_the_place_of_a_bill_is_no_bill(agents: Agents, left: str) -> None:
    agents.program("copilot", "bill = os.environ['HOME'] + '/copilot-usage.json'", left, MEND, bill=None)
    agents.project(preset="copilot")

    done = agents.run()

    assert done.exit_code == 0, done.stdout + done.stderr
    assert done.json["attempts"][0]["calls"][0]["cost_usd"] is None


def test_a_known_agents_bill_is_read_from_a_command_of_ones_own_where_it_prints_one() -> None:
    assert own(("codex", "exec", "--json", "{prompt}")).read(CODEX).usage is not None
    assert own(("codex", "exec", "{prompt}")).read(CODEX).usage is None
    assert own(("/opt/bin/aider", "--message", "{prompt}")).wants_git
    assert not own(("aider", "--no-git", "--message", "{prompt}")).wants_git


def test_a_race_goes_without_a_lane_that_cannot_be_called() -> None:
    policy = parse_policy(
        "version: 1\nmodels:\n  one: {provider: command, preset: claude}\n"
        "  two: {provider: ollama, model: m}\n  duel: {provider: race, race: [one, two]}\n"
        "routing: {ladder: [duel]}\nreproduce: {when: []}\nverify: {critique: never}\n",
        "p",
    )

    lanes, unusable, _ = build_lanes(policy, Config(), None, environment={"PATH": ""})
    assert set(lanes) == {"two"}
    assert unusable["duel"].startswith("it cannot race without one: claude is not allowed")


def test_a_package_of_npm_is_shown_with_those_beside_it(tmp_path: Path) -> None:
    modules = tmp_path / "lib" / "node_modules"
    for file in (modules / "agent" / "cli.js", modules / "agent-linux" / "node_modules" / "x" / "run"):
        file.parent.mkdir(parents=True)
        file.write_text("#!/usr/bin/env node\n")
        file.chmod(0o755)
    (modules / ".bin").mkdir()
    (modules / ".bin" / "agent").symlink_to("../agent/cli.js")
    folders = (tmp_path / name for name in ("tree", "project", "home", "results", "tools"))
    place = sandbox_place.Place(*folders)

    shown = visible(place, {"PATH": "/usr/bin"}, modules / ".bin" / "agent")

    assert any(modules.is_relative_to(it) for it in shown), shown
