"""Real agent programs, driven by `route-agent --task` behind the walls, with a model that is scripted here.

Usage: python scripts/slow_agent.py [--installed FOLDER] [aider] [claude] [codex] [copilot]

Each agent is installed from its own registry into a temporary folder (aider takes minutes), or found in
FOLDER/<agent>. The server on this machine speaks what the agent speaks and has it mend one line; nothing
leaves the machine but the installation. It is asserted that the patch is accepted, that the server was
asked with the key of the lane, that the report tells of network and key, that no key stands in it, and that
neither the checkout nor the user's home was touched. Without names: claude and aider.
"""

from __future__ import annotations

import argparse
import json
import os
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).parents[1] / "tests"))

from loopback import Fault, Loopback, Reply, Request, _Handler

KEY = "canary-key-of-the-slow-stage-5d1f"
BUGGY = "def add(a, b):\n    return a - b\n"
FIXED = BUGGY.replace("-", "+")
MEND = "sed -i 's/a - b/a + b/' calc.py"
TESTS = """\
import unittest

from calc import add


class Adding(unittest.TestCase):
    def test_sums(self):
        self.assertEqual(add(2, 3), 5)
"""
POLICY = """\
version: 1
models:
  agent: {lane}
routing: {{ladder: [agent]}}
accept: {{agent: ran}}
reproduce: {{when: []}}
verify: {{critique: never}}
checks:
  - {{name: test, run: [python3, -m, unittest, -q]}}
"""


def sse(events: Iterable[dict[str, Any]], *, named: bool = True, last: str = "") -> Fault:
    """A stream of events, as it stands."""
    lines = ((f"event: {it['type']}\n" if named else "") + f"data: {json.dumps(it)}\n\n" for it in events)
    return Fault.raw(("".join(lines) + last).encode(), content_type="text/event-stream")


def messages(request: Request) -> Fault:
    """Anthropic's wire: a call of the tool that runs commands, then a word."""
    if "tool_result" in json.dumps(request.body.get("messages")) or not request.body.get("tools"):
        block: dict[str, Any] = {"type": "text", "text": ""}
        stop = "end_turn"
        delta = {"type": "text_delta", "text": "add() adds now."}
    else:
        block, stop = {"type": "tool_use", "id": "toolu_1", "name": "Bash", "input": {}}, "tool_use"
        inputs = json.dumps({"command": MEND, "description": "mend add"})
        delta = {"type": "input_json_delta", "partial_json": inputs}
    usage = {"input_tokens": 1000, "cache_read_input_tokens": 200, "output_tokens": 1}
    message = {"id": "msg_1", "type": "message", "role": "assistant", "model": request.model}
    return sse(
        [
            {"type": "message_start", "message": {**message, "content": [], "usage": usage}},
            {"type": "content_block_start", "index": 0, "content_block": block},
            {"type": "content_block_delta", "index": 0, "delta": delta},
            {"type": "content_block_stop", "index": 0},
            {"type": "message_delta", "delta": {"stop_reason": stop}, "usage": {"output_tokens": 50}},
            {"type": "message_stop"},
        ]
    )


def responses(request: Request) -> Fault:
    """The newer wire of OpenAI: a function call, then a message."""
    if "function_call_output" in json.dumps(request.body.get("input")):
        text = {"type": "output_text", "text": "add() adds now.", "annotations": []}
        item = {"type": "message", "id": "m1", "role": "assistant", "status": "completed", "content": [text]}
    else:
        names = {tool.get("name") for tool in request.body.get("tools", [])}
        tool = "exec_command" if "exec_command" in names else "shell_command"
        words = {"cmd" if tool == "exec_command" else "command": MEND}
        item = {
            "type": "function_call", "id": "f1", "call_id": "c1", "name": tool, "arguments": json.dumps(words)
        }  # fmt: skip
    usage = {
        "input_tokens": 1200,
        "input_tokens_details": {"cached_tokens": 200},
        "output_tokens": 50,
        "output_tokens_details": {"reasoning_tokens": 10},
        "total_tokens": 1250,
    }
    whole = {"id": "r1", "status": "completed", "model": request.model, "output": [item], "usage": usage}
    return sse(
        [
            {"type": "response.created", "response": {"id": "r1", "status": "in_progress"}},
            {"type": "response.output_item.done", "output_index": 0, "item": item},
            {"type": "response.completed", "response": whole},
        ]
    )


def completions(request: Request) -> Fault | Reply:
    """OpenAI's older wire: an agent with tools gets a call, one without gets the whole file."""
    if not request.body.get("tools"):
        return Reply(f"add() adds now.\n\ncalc.py\n```python\n{FIXED}```\n")
    message: dict[str, Any] = {"role": "assistant", "content": "add() adds now."}
    finish = "stop"
    if not any(it.get("role") == "tool" for it in request.body["messages"]):
        words = {"command": MEND, "description": "mend add", "mode": "sync", "initial_wait": 5}
        function = {"name": "bash", "arguments": json.dumps(words)}
        call = {"index": 0, "id": "c1", "type": "function", "function": function}
        message, finish = {"role": "assistant", "content": None, "tool_calls": [call]}, "tool_calls"
    usage = {"prompt_tokens": 1200, "completion_tokens": 50, "total_tokens": 1250}
    head = {"id": "x", "object": "chat.completion.chunk", "created": 1, "model": request.model}
    return sse(
        [
            {**head, "choices": [{"index": 0, "delta": message, "finish_reason": None}]},
            {**head, "choices": [{"index": 0, "delta": {}, "finish_reason": finish}]},
            {**head, "choices": [], "usage": usage},
        ],
        named=False,
        last="data: [DONE]\n\n",
    )


ROUTES: dict[str, Callable[[Request], Fault | Reply]] = {
    "/v1/messages": messages,
    "/v1/responses": responses,
    "/v1/chat/completions": completions,
}


class AgentHandler(_Handler):
    """The loopback server's handler, for agents: they ask for more than one path, and with query strings."""

    def do_POST(self) -> None:  # noqa: N802
        """Answer one request and hang up."""
        self.close_connection = True
        raw = self.rfile.read(int(self.headers.get("content-length", 0)))
        headers = {name.lower(): value for name, value in self.headers.items()}
        path = self.path.partition("?")[0]
        wire = {"/v1/messages": "anthropic", "/v1/chat/completions": "openai"}.get(path, path)
        request = Request(wire, path, headers, json.loads(raw or b"{}"))
        self.server.loopback.requests.append(request)
        if path not in ROUTES:
            self.send_json({"error": {"message": "no such path"}}, status=404)
            return
        answer = ROUTES[path](request)
        if isinstance(answer, Reply):
            from loopback import encoded

            kind = "text/event-stream" if request.streamed else "application/json"
            answer = Fault.raw(encoded(answer, request), content_type=kind)
        answer.act(self, request)

    def do_GET(self) -> None:  # noqa: N802
        """Nothing is here to get."""
        self.close_connection = True
        self.send_json({"error": {"message": "no such path"}}, status=404)

    do_HEAD = do_GET  # noqa: N815


class AgentServer(Loopback):
    """The loopback server with a handler for agents."""

    def __init__(self) -> None:
        super().__init__()
        self._http.RequestHandlerClass = AgentHandler


@dataclass(frozen=True)
class Trial:
    """One agent: how it is installed, and its lane."""

    install: Callable[[Path], None]
    program: str
    model: str
    env: Callable[[Loopback], dict[str, str]]
    paths: tuple[str, ...]
    lane: dict[str, Any] = field(default_factory=dict)


def npm(package: str) -> Callable[[Path], None]:
    def install(folder: Path) -> None:
        words = ["npm", "install", "--no-audit", "--no-fund", "--prefix", str(folder), package]
        subprocess.run(words, check=True, stdout=subprocess.DEVNULL, timeout=900)

    return install


def venv(package: str) -> Callable[[Path], None]:
    def install(folder: Path) -> None:
        subprocess.run([sys.executable, "-m", "venv", str(folder)], check=True, timeout=300)
        pip = [str(folder / "bin" / "pip"), "install", "--quiet", package]
        subprocess.run(pip, check=True, timeout=1800)

    return install


TRIALS = {
    "aider": Trial(
        venv("aider-chat"),
        "bin/aider",
        "openai/scripted",
        lambda server: {"OPENAI_API_KEY": KEY, "OPENAI_API_BASE": server.openai_url},
        ("/v1/chat/completions",),
    ),
    "claude": Trial(
        npm("@anthropic-ai/claude-code"),
        "node_modules/.bin/claude",
        "claude-sonnet-4-5",
        lambda server: {"ANTHROPIC_API_KEY": KEY, "ANTHROPIC_BASE_URL": server.anthropic_url},
        ("/v1/messages",),
    ),
    "codex": Trial(
        npm("@openai/codex"),
        "node_modules/.bin/codex",
        "gpt-5.4",
        lambda server: {"CODEX_API_KEY": KEY, "LOOPBACK_URL": server.openai_url},
        ("/v1/responses",),
    ),
    "copilot": Trial(
        npm("@github/copilot"),
        "node_modules/.bin/copilot",
        "gpt-4.1",
        lambda server: {"COPILOT_PROVIDER_API_KEY": KEY, "COPILOT_PROVIDER_BASE_URL": server.openai_url},
        ("/v1/chat/completions",),
    ),
}


def lane_of(agent: str, trial: Trial, env: dict[str, str]) -> dict[str, Any]:
    """The lane's entry. codex takes an address only as an option, so its whole command is written out."""
    lane: dict[str, Any] = {"provider": "command", "model": trial.model, "timeout_s": 240}
    lane |= {"env": sorted(env), "cap": {"usd": 0.5}}
    if agent != "codex":
        return lane | {"preset": agent}
    address = f"openai_base_url={env['LOOPBACK_URL']}"
    words = ["exec", "--json", "--skip-git-repo-check", "--ephemeral", "-c", address]
    words += ["--dangerously-bypass-approvals-and-sandbox", "-m", "{model}", "--", "{prompt}"]
    return lane | {"run": [["codex", *words]]}


def git(repository: Path, *words: str) -> str:
    settings = ["-c", "user.name=t", "-c", "user.email=t@example.com", "-c", "commit.gpgsign=false"]
    done = subprocess.run(
        ["git", *settings, *words], cwd=repository, check=True, capture_output=True, text=True
    )
    return done.stdout


def repository_in(folder: Path, lane: dict[str, Any]) -> Path:
    repository = folder / "project"
    (repository / ".route-agent").mkdir(parents=True)
    (repository / "calc.py").write_text(BUGGY)
    (repository / "test_calc.py").write_text(TESTS)
    (repository / ".env").write_text("SECRET=not for agents\n")
    (repository / ".route-agent" / "policy.yaml").write_text(POLICY.format(lane=json.dumps(lane)))
    git(repository, "init", "--quiet")
    git(repository, "add", "--all", "--force")
    git(repository, "commit", "--quiet", "-m", "start")
    return repository


def state_of(folder: Path) -> dict[str, bytes]:
    return {str(it.relative_to(folder)): it.read_bytes() for it in folder.rglob("*") if it.is_file()}


def run_trial(agent: str, installed: Path) -> str:
    """Drive one agent; a line that says how it went.

    Raises:
        AssertionError: anything is not as it should be.
    """
    trial = TRIALS[agent]
    program = installed / trial.program
    with tempfile.TemporaryDirectory(prefix="slow-agent-") as temporary, AgentServer() as server:
        folder = Path(temporary).resolve()
        env = trial.env(server)
        repository = repository_in(folder, lane_of(agent, trial, env))
        home = folder / "home"
        home.mkdir()
        config = folder / "config" / "route-agent"
        config.mkdir(parents=True)
        (config / "config.yaml").write_text("commands: {}\n")
        before = state_of(repository)
        environment = {
            **{name: os.environ[name] for name in ("LANG", "LC_ALL") if name in os.environ},
            "PATH": f"{program.parent}{os.pathsep}{os.environ['PATH']}",
            "HOME": str(home),
            "XDG_CONFIG_HOME": str(folder / "config"),
            "XDG_STATE_HOME": str(folder / "state"),
            "XDG_CACHE_HOME": str(folder / "cache"),
            "OTHER_SECRET": "never-to-be-seen",
            **env,
        }

        def route(*words: str) -> subprocess.CompletedProcess[str]:
            argv = [sys.executable, "-m", "route_agent", *words]
            return subprocess.run(argv, cwd=repository, env=environment, capture_output=True, text=True)

        task = ("--task", "add() in calc.py must add its two numbers", "--json")
        refused = route(*task)
        assert refused.returncode == 2, refused.stdout + refused.stderr
        assert "is not allowed to run as an agent here" in refused.stdout + refused.stderr
        assert not server.requests
        trusted = route("trust")
        assert f"lane agent: runs {agent}" in trusted.stdout, trusted.stdout + trusted.stderr
        began = time.monotonic()
        done = route(*task)
        seconds = time.monotonic() - began
        assert done.returncode == 0, done.stdout + done.stderr
        told = json.loads(done.stdout)
        attempt = told["attempts"][0]
        call = attempt["calls"][0]
        patch = Path(told["patch_path"]).read_text()
        assert "-    return a - b\n+    return a + b" in patch, patch
        assert patch.count("diff --git") == 1, patch  # nothing is left lying beside what was edited
        assert attempt["summary"].startswith(f"{agent} ran with network and "), attempt["summary"]
        assert all(name in attempt["summary"] for name in env), attempt["summary"]
        assert KEY not in done.stdout + done.stderr
        asked = [it for it in server.requests if it.path in trial.paths]
        assert asked, server.requests
        assert any(KEY in value for value in asked[0].headers.values()), asked[0].headers
        assert not any("never-to-be-seen" in json.dumps(it.body) for it in server.requests)
        assert not any("not for agents" in json.dumps(it.body) for it in server.requests)
        after = state_of(repository)
        changed = {path for path in before.keys() | after.keys() if before.get(path) != after.get(path)}
        assert not {path for path in changed if not path.startswith(".git/")}, changed
        assert git(repository, "status", "--porcelain") == ""
        assert not [*home.iterdir()], [*home.iterdir()]
        return (
            f"{agent}: {told['verdict']} in {seconds:.1f} s, {len(asked)} requests, isolation"
            f" {told['isolation']['level']}, {json.dumps(call)}"
        )


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("--installed", type=Path, help="a folder with the agents that are installed already")
    parser.add_argument("agents", nargs="*", default=["claude", "aider"])
    arguments = parser.parse_args()
    for agent in arguments.agents:
        if arguments.installed:
            print(run_trial(agent, (arguments.installed / agent).resolve()), flush=True)
            continue
        folder = Path(tempfile.mkdtemp(prefix=f"slow-agent-{agent}-"))
        try:
            TRIALS[agent].install(folder)
            print(run_trial(agent, folder.resolve()), flush=True)
        finally:
            shutil.rmtree(folder, ignore_errors=True)


if __name__ == "__main__":
    main()
