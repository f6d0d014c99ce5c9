"""One step of a CI job: judge a change, or do a task; then outputs, a job summary and the exit code.

All that comes in stands in variables, and nothing of it is ever read by a shell. All that route-agent prints
may hold a stranger's words: names of files and tests, output of checks. None of it may speak to the runner
(`::error::`, `##[…]`) or be read as Markdown.

Inputs: ROUTE_AGENT_TASK, _BASE, _POLICY, _MAX_USD, _DIRECTORY; all of them may be missing. The variables
GITHUB_OUTPUT, GITHUB_STEP_SUMMARY and GITHUB_EVENT_PATH are used where they are set.
"""

from __future__ import annotations

import json
import os
import re
import shutil
import signal
import subprocess
import sys
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

USAGE = 2
CANNOT_RUN = 6
INTERRUPTED = 130
MAX_CELL = 300
MAX_ROWS = 50
NO_COMMIT = re.compile(r"0*")
NO_BASE = (
    "no base to compare with: set the input `base`, "
    "for example to the pull request's base commit or the commit before the push"
)


@dataclass(frozen=True)
class Answer:
    """How route-agent ended: its exit code, its JSON object (empty where there is none), its complaints."""

    exit_code: int
    told: Mapping[str, Any]
    complaints: str


def main(environment: Mapping[str, str]) -> int:
    task = environment.get("ROUTE_AGENT_TASK", "")
    base = environment.get("ROUTE_AGENT_BASE", "")
    if not task.strip():
        base = base or base_of_event(environment)
        if not base:
            return finish(Answer(USAGE, {"error": NO_BASE}, f"error: {NO_BASE}"), environment)
    command = arguments(environment, base=base, with_task=bool(task.strip()))
    return finish(ask(command, task), environment)


def base_of_event(environment: Mapping[str, str]) -> str:
    """The commit that the event's change started from, or an empty string."""
    try:
        event = json.loads(Path(environment.get("GITHUB_EVENT_PATH", "")).read_bytes())
    except (OSError, ValueError):
        return ""
    candidates = (
        pick(event, "pull_request", "base", "sha"),
        pick(event, "merge_group", "base_sha"),
        pick(event, "before"),
    )
    known = next((it for it in candidates if isinstance(it, str) and not NO_COMMIT.fullmatch(it)), "")
    branch = pick(event, "repository", "default_branch")  # a new branch has no commit before it
    return known or (f"refs/remotes/origin/{branch}" if isinstance(branch, str) else "")


def pick(value: Any, *keys: str) -> Any:
    """What stands at a path of keys in nested objects, or None."""
    for key in keys:
        value = value.get(key) if isinstance(value, dict) else None
    return value


def arguments(environment: Mapping[str, str], *, base: str, with_task: bool) -> list[str]:
    """The command line. Values are glued to their options, so that none can be taken for an option."""
    policy = environment.get("ROUTE_AGENT_POLICY", "")
    max_usd = environment.get("ROUTE_AGENT_MAX_USD", "")
    command = [] if with_task else ["gate"]
    command += ["--json", "-C", environment.get("ROUTE_AGENT_DIRECTORY", "") or "."]
    command += [f"--base={base}"] if base else []
    command += [f"--policy={policy}"] if policy else []
    if with_task:
        command += [f"--max-usd={max_usd}"] if max_usd else []
        command += ["--task", "-"]  # on standard input: no limit of length, and no text that is an option
    return command


def ask(command: list[str], task: str) -> Answer:
    """Run route-agent and read its one JSON object."""
    beside = Path(sys.executable).with_name("route-agent")
    program = str(beside) if beside.is_file() else shutil.which("route-agent")
    if program is None:
        why = "route-agent is not installed: neither beside this Python nor on PATH"
        return Answer(CANNOT_RUN, {"error": why}, f"error: {why}")
    process = subprocess.Popen(
        [program, *command], stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.PIPE
    )
    for number in (signal.SIGINT, signal.SIGTERM):  # a cancelled job ends cleanly, what was spent is recorded
        signal.signal(number, lambda *_: process.terminate())
    printed, complaints = process.communicate(task.encode("utf-8", "surrogateescape"))
    code = process.returncode if process.returncode >= 0 else INTERRUPTED
    try:
        told = json.loads(printed)
    except ValueError:
        told = {}
    return Answer(code, told if isinstance(told, dict) else {}, complaints.decode("utf-8", "replace"))


def finish(answer: Answer, environment: Mapping[str, str]) -> int:
    """Print, write outputs and summary, and return the exit code."""
    if answer.told:
        print(harmless(json.dumps(answer.told, indent=2)), flush=True)
    for line in answer.complaints.splitlines():
        print(harmless(f"| {line}"), file=sys.stderr)
    write(environment.get("GITHUB_OUTPUT", ""), (f"{name}={value}" for name, value in outputs(answer)))
    write(environment.get("GITHUB_STEP_SUMMARY", ""), summary(answer))
    return answer.exit_code


def harmless(text: str) -> str:
    """What may go to the log: visible, and without the sign by which runners know their commands.

    In JSON it still means the same. The other sign, `::`, counts at the start of a line only.
    """
    return visible(text).replace("##", "\\u0023#")


def visible(text: str) -> str:
    """The text with control characters made visible."""
    return "".join(it if it.isprintable() or it == "\n" else repr(it)[1:-1] for it in text)


def write(file: str, lines: Iterator[str]) -> None:
    """Append lines to one of the runner's files, if it has one."""
    if file:
        with Path(file).open("a", encoding="utf-8", errors="backslashreplace") as opened:
            opened.writelines(f"{line}\n" for line in lines)


def outputs(answer: Answer) -> Iterator[tuple[str, str]]:
    """What later steps may use, each on one line."""
    told = answer.told
    is_gate = "verdict" in told and "attempts" not in told  # it calls no model
    values = {
        "verdict": verdict(answer),
        "exit-code": answer.exit_code,
        "score": pick(told, "risk", "score"),
        "lane": pick(told, "decision", "lane"),
        "cost-usd": 0 if is_gate else told.get("cost_usd"),
        "patch": told.get("patch_path"),
    }
    for name, value in values.items():
        yield name, "" if value is None else re.sub(r"[\r\n\0]", " ", str(value))


def verdict(answer: Answer) -> str:
    """The verdict in one word of the JSON; `error` where no verdict was reached."""
    if answer.exit_code == INTERRUPTED:
        return "interrupted"
    return str(answer.told.get("verdict", "error"))


def summary(answer: Answer) -> Iterator[str]:
    """The job summary: a few lines of Markdown in which every foreign word is only text."""
    told = answer.told
    yield f"### route-agent: {cell(verdict(answer))} (exit code {answer.exit_code})"
    yield ""
    if reason := told.get("error") or told.get("reason"):
        yield f"{cell(reason)}"
        yield ""
    if told.get("hint"):
        yield f"{cell(told['hint'])}"
        yield ""
    if "risk" in told:
        yield from decided(told)
    yield from tried(told)
    yield from checked(told)
    for notice in listed(told, "notices"):
        yield f"- {cell(notice)}"


def decided(told: Mapping[str, Any]) -> Iterator[str]:
    raised = [it for it in listed(told, "risk", "signals") if isinstance(it, dict) and it.get("points")]
    signals = ", ".join(f"{cell(it.get('name'))} +{cell(it.get('points'))}" for it in raised) or "none"
    reasons = "; ".join(map(str, listed(told, "decision", "reasons")))
    rows = {
        "risk score": f"{cell(pick(told, 'risk', 'score'))} ({signals})",
        "lane": f"{cell(pick(told, 'decision', 'lane'))}: {cell(reasons)}",
        "policy": f"{cell(pick(told, 'decision', 'policy'))}, {cell(pick(told, 'decision', 'policy_hash'))}",
        "seconds": cell(told.get("latency_seconds")),
        "isolation": f"{cell(pick(told, 'isolation', 'level'))} ({cell(pick(told, 'isolation', 'detail'))})",
    }
    if "attempts" in told:
        cost = told.get("cost_usd")
        rows["cost in dollars"] = "unknown" if cost is None else cell(cost)
    yield from table(("", ""), ((name, value) for name, value in rows.items()))


def tried(told: Mapping[str, Any]) -> Iterator[str]:
    keys = ("lane", "model_requested", "failure", "grade", "cost_usd", "seconds")
    attempts = [it for it in listed(told, "attempts") if isinstance(it, dict)]
    if attempts:
        yield from table(keys, ([cell(attempt.get(key)) for key in keys] for attempt in attempts))


def checked(told: Mapping[str, Any]) -> Iterator[str]:
    last = (listed(told, "attempts") or [{}])[-1]
    checks = listed(told, "checks") or listed(last, "checks")
    keys = ("name", "outcome", "reason", "seconds")
    if checks:
        yield from table(keys, ([cell(pick(check, key)) for key in keys] for check in checks))


def listed(value: Any, *keys: str) -> list[Any]:
    """A list at a path of keys, cut to what a summary can show; empty where there is none."""
    found = pick(value, *keys)
    return found[:MAX_ROWS] if isinstance(found, list) else []


def table(head: tuple[str, ...], rows: Any) -> Iterator[str]:
    yield f"| {' | '.join(head)} |"
    yield "| --- " * len(head) + "|"
    for row in rows:
        yield f"| {' | '.join(row)} |"
    yield ""


def cell(value: object) -> str:
    """A value as text that Markdown and HTML leave alone, on one line and not too long."""
    text = "" if value is None else str(value)
    shown = f"{text[: MAX_CELL - 1]}…" if len(text) > MAX_CELL else text
    return "".join(it if it.isalnum() or it in " …" else f"&#{ord(it)};" for it in visible(shown))


if __name__ == "__main__":
    sys.exit(main(os.environ))
