"""A real LiteLLM proxy, asked by the program from end to end: chat completions and Anthropic's format.

The proxy lives in a virtual environment of its own (under $SLOW_CACHE, else a temporary folder) and answers
from its configuration (`mock_response`): no model is called and no key is needed. Making the environment
needs a network once. Printed is a row for each run; the exit code is 1 if one of them was not as expected.
"""

from __future__ import annotations

import json
import os
import socket
import subprocess
import sys
import tempfile
import time
import urllib.error
import urllib.request
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).parents[1] / "tests"))

from sandpit import CHECK, FIX, WRONG, Result, Sandpit

PACKAGE = "litellm[proxy]>=1.106,<2"
KEY = "sk-team-0123456789"
START_S = 120.0

# the team's own names: what stands behind them is the proxy's business
MODELS = {
    "team-small": ("openai/gpt-4o-mini", FIX),
    "team-large": ("anthropic/claude-sonnet-4-5", FIX),
    "team-wrong": ("openai/gpt-4o-mini", WRONG),
    "team-busy": ("openai/gpt-4o-mini", "litellm.RateLimitError"),
}
CHAT, MESSAGES = "/v1/chat/completions", "/v1/messages"


@dataclass(frozen=True)
class Run:
    """One run of the program: its lanes, and what must come of it.

    `served` are the models that answered or refused, in their order; `paths` the proxy's own account.
    """

    name: str
    fast: str
    strong: str
    exit_code: int
    served: tuple[str, ...]
    paths: tuple[str, ...]
    says: str = ""
    key: str = KEY


FALLS_BACK = "{provider: litellm, model: team-busy, fallbacks: [{provider: litellm, model: team-small}]}"
RUNS = (
    Run(
        "chat completions, streamed",
        "{provider: litellm, model: team-small}",
        "{provider: litellm, model: team-large}",
        0,
        ("team-small",),
        (CHAT,),
    ),
    Run(
        "chat completions, whole",
        "{provider: litellm-whole, model: team-small}",
        "{provider: litellm-whole, model: team-large}",
        0,
        ("team-small",),
        (CHAT,),
    ),
    Run(
        "messages, asked as a stream",
        "{provider: litellm-messages, model: team-large}",
        "{provider: litellm-messages, model: team-large}",
        0,
        ("team-large",),
        (MESSAGES,),
    ),
    Run(
        "a wrong patch: the next lane",
        "{provider: litellm, model: team-wrong}",
        "{provider: litellm-messages, model: team-large}",
        0,
        ("team-wrong", "team-large"),
        (CHAT, MESSAGES),
    ),
    Run(
        "429 three times: the fallback",
        FALLS_BACK,
        "{provider: litellm, model: team-large}",
        0,
        ("team-busy",) * 3 + ("team-small",),
        (CHAT,) * 4,
    ),
    Run(
        "a model that the proxy has not",
        "{provider: litellm, model: team-none}",
        "{provider: litellm, model: team-none}",
        3,
        ("team-none",) * 2,
        (CHAT,) * 2,
        says="team-none",
    ),
    Run(
        "a wrong key",
        "{provider: litellm, model: team-small}",
        "{provider: litellm, model: team-small}",
        3,
        ("team-small",) * 2,
        (CHAT,) * 2,
        says="No connected db",  # a proxy without a database has no better word for it
        key="sk-somebody-elses-0123",
    ),
)


def main() -> int:
    cache = os.environ.get("SLOW_CACHE")
    with tempfile.TemporaryDirectory(prefix="slow-litellm-") as folder:
        place = Path(folder)
        proxy = made(Path(cache) if cache else place)
        with running(proxy, place) as (address, log):
            print(f"litellm {version(proxy)} at {address}")
            print(f"{'run':<32} {'exit':>4}  {'model calls':<46} {'cost':>9} {'seconds':>7}")
            wrong = [row for run in RUNS if (row := played(run, place, address, log))]
    print("\n".join(wrong) if wrong else f"all {len(RUNS)} runs as expected")
    return int(bool(wrong))


def made(folder: Path) -> Path:
    """The proxy's program, in an environment that is made where it is missing."""
    venv = folder / "litellm-venv"
    program = venv / "bin" / "litellm"
    if not program.exists():
        print(f"making {venv} …", flush=True)
        subprocess.run([sys.executable, "-m", "venv", "--clear", venv], check=True)
        pip: list[str | Path] = [
            venv / "bin" / "python",
            "-m",
            "pip",
            "install",
            "-qq",
            "--disable-pip-version-check",
            PACKAGE,
        ]
        subprocess.run(pip, check=True, stderr=subprocess.DEVNULL)
    return program


def version(program: Path) -> str:
    asked = "import importlib.metadata; print(importlib.metadata.version('litellm'))"
    done = subprocess.run(
        [program.with_name("python"), "-c", asked], capture_output=True, text=True, check=True
    )
    return done.stdout.strip()


@contextmanager
def running(program: Path, place: Path) -> Iterator[tuple[str, Path]]:
    """The proxy on a free port of this machine, and the file that it writes its requests to."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    config, log = place / "proxy.json", place / "proxy.log"
    models = [
        {"model_name": name, "litellm_params": {"model": behind, "api_key": "none", "mock_response": says}}
        for name, (behind, says) in MODELS.items()
    ]
    settings = {"num_retries": 0, "telemetry": False}
    whole = {
        "model_list": models,
        "litellm_settings": settings,
        "router_settings": {"num_retries": 0, "disable_cooldowns": True},
        "general_settings": {"master_key": KEY},
    }
    config.write_text(json.dumps(whole))  # JSON is YAML
    with log.open("wb") as out:
        proxy = subprocess.Popen(
            [program, "--config", config, "--host", "127.0.0.1", "--port", str(port)],
            stdout=out,
            stderr=out,
            cwd=place,
            env={**os.environ, "LITELLM_LOCAL_MODEL_COST_MAP": "True"},
        )
    address = f"http://127.0.0.1:{port}"
    try:
        wait_for(address, proxy, log)
        yield address, log
    finally:
        proxy.terminate()
        proxy.wait(timeout=30)


def wait_for(address: str, proxy: subprocess.Popen[bytes], log: Path) -> None:
    until = time.monotonic() + START_S
    while time.monotonic() < until:
        if proxy.poll() is not None:
            break
        try:
            with urllib.request.urlopen(f"{address}/health/liveliness", timeout=2):
                return
        except (urllib.error.URLError, OSError):
            time.sleep(0.3)
    raise SystemExit(f"the proxy did not start:\n{log.read_text()[-2000:]}")


def played(run: Run, place: Path, address: str, log: Path) -> str:
    """Play one run and print its row; what was not as expected, else nothing."""
    here = place / run.name.replace(" ", "-").replace(":", "").replace(",", "")
    policy = (
        f"version: 1\nmodels:\n  fast: {run.fast}\n  strong: {run.strong}\n"
        f"checks:\n  - {{name: unit, kind: test, run: {json.dumps(['python3', '-c', CHECK])}, timeout: 60}}\n"
        "accept: {fast: ran, strong: ran}\n"
    )
    pit = Sandpit(here / "repo", policy=policy)
    before, began = log.read_text().count("\n"), time.monotonic()
    done = pit.run("--task", "sums must be right", "--json", env=environment(run, here, address))
    seconds = time.monotonic() - began
    calls = [call for attempt in done.json["attempts"] for call in attempt["calls"]] if done.stdout else []
    asked = tuple(str(call["model_requested"]) for call in calls)
    paths = tuple(
        path
        for line in log.read_text().splitlines()[before:]
        for path in (CHAT, MESSAGES)
        if f"POST {path} " in line
    )
    cost = done.json["cost_usd"] if done.stdout else None
    counted = Counter(f"{call['model_requested']} {call['state']}" for call in calls)
    shown = ", ".join(f"{times} × {what}" if times > 1 else what for what, times in counted.items())
    print(f"{run.name:<32} {done.exit_code:>4}  {shown:<46} {cost or 0:>9.6f} {seconds:>7.1f}", flush=True)
    return unlike(run, done, asked, paths, calls)


def unlike(
    run: Run, done: Result, asked: tuple[str, ...], paths: tuple[str, ...], calls: list[dict[str, Any]]
) -> str:
    answered = [call["model_served"] for call in calls if call["state"] == "done"]
    other = [call for call in calls if call["other_model_answered"]]
    if (done.exit_code, asked, paths) != (run.exit_code, run.served, run.paths) or other:
        return (
            f"{run.name}: exit {done.exit_code}, asked {asked}, answered {answered}, the proxy saw {paths}\n"
            f"{done.stderr[-800:]}"
        )
    said = done.stdout + done.stderr
    if run.says not in said or KEY in said or "Traceback" in said:
        return f"{run.name}: says\n{said[-1500:]}"
    return ""


def environment(run: Run, here: Path, address: str) -> dict[str, str]:
    """The user's configuration for this proxy, and a state of its own."""
    config = here / "config" / "route-agent" / "config.yaml"
    config.parent.mkdir(parents=True)
    config.write_text(
        f"""\
providers:
  litellm: {{base_url: {address}/v1, key_env: LITELLM_API_KEY}}
  litellm-whole: {{base_url: {address}/v1, key_env: LITELLM_API_KEY, stream: false}}
  litellm-messages: {{wire: anthropic, base_url: {address}, key_env: LITELLM_API_KEY}}
rates:
  team-small: {{input_usd: 0.15, output_usd: 0.6}}
  team-large: {{input_usd: 3, output_usd: 15}}
  team-wrong: {{input_usd: 0.15, output_usd: 0.6}}
  team-busy: {{input_usd: 0.15, output_usd: 0.6}}
  team-none: {{input_usd: 0.15, output_usd: 0.6}}
"""
    )
    return {
        "XDG_CONFIG_HOME": str(here / "config"),
        "XDG_STATE_HOME": str(here / "state"),
        "XDG_CACHE_HOME": str(here / "cache"),
        "LITELLM_API_KEY": run.key,
    }


if __name__ == "__main__":
    sys.exit(main())
