"""One step of a CI job: judge a change, or do a task; then outputs, reports, annotations and the exit code.

All that comes in stands in variables, and nothing of it is ever read by a shell. All that route-agent prints
may hold a stranger's words: names of files and tests, output of checks. None of it may speak to the runner
(`::error::`, `##[…]`) or be read as Markdown.

Inputs: ROUTE_AGENT_TASK, _BASE, _HEAD, _POLICY, _FIX, _MAX_USD, _DIRECTORY, and _REPORTS, the folder for the
reports on a judged change; all of them may be missing. The variables GITHUB_OUTPUT, GITHUB_STEP_SUMMARY and
GITHUB_EVENT_PATH are used where they are set, and annotations are made where GITHUB_ACTIONS is.
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
from urllib.parse import unquote

# only a report that route-agent has written is read with it
from xml.etree import ElementTree

USAGE = 2
CANNOT_RUN = 6
INTERRUPTED = 130
MAX_CELL = 300
MAX_ROWS = 50
MAX_ANNOTATIONS = 10  # of each kind: GitHub shows no more of one step
MAX_ANNOTATION = 1000
MAX_BRIEF = 20_000
PLAIN = frozenset(" ,…·+=%/")
REPORTS = {"sarif": "report.sarif", "junit": "junit.xml", "markdown": "report.md"}
COMMANDS = {"error": "error", "warning": "warning", "note": "notice"}
NO_COMMIT = re.compile(r"0*")
NO_BASE = (
    "no base to compare with: set the input `base`, "
    "for example to the pull request's base commit or the commit before the push"
)


@dataclass(frozen=True)
class Answer:
    """How route-agent ended: its exit code, its JSON object (empty where there is none), its complaints.

    `reports` are the files that it wrote, by the option that asked for them.
    """

    exit_code: int
    told: Mapping[str, Any]
    complaints: str
    reports: Mapping[str, Path]


def main(environment: Mapping[str, str]) -> int:
    task = environment.get("ROUTE_AGENT_TASK", "")
    base = environment.get("ROUTE_AGENT_BASE", "")
    if not task.strip():
        base = base or base_of_event(environment)
        if not base:
            return finish(Answer(USAGE, {"error": NO_BASE}, f"error: {NO_BASE}", {}), environment)
    reports = {} if task.strip() else places_of_reports(environment)
    command = arguments(environment, base=base, with_task=bool(task.strip()))
    command += [f"--{name}={file}" for name, file in reports.items()]
    return finish(ask(command, task, reports), environment)


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


def places_of_reports(environment: Mapping[str, str]) -> dict[str, Path]:
    """Where the reports on a judged change go, in a folder that is made; nowhere where none is named."""
    named = environment.get("ROUTE_AGENT_REPORTS", "")
    if not named:
        return {}
    folder = Path(named).absolute()
    folder.mkdir(parents=True, exist_ok=True)
    places = {name: folder / file for name, file in REPORTS.items()}
    for file in (*places.values(), folder / "brief.txt"):
        file.unlink(missing_ok=True)  # an earlier step's
    return places


def arguments(environment: Mapping[str, str], *, base: str, with_task: bool) -> list[str]:
    """The command line. Values are glued to their options, so that none can be taken for an option."""
    policy = environment.get("ROUTE_AGENT_POLICY", "")
    max_usd = environment.get("ROUTE_AGENT_MAX_USD", "")
    command = [] if with_task else ["gate"]
    command += ["--json", "-C", environment.get("ROUTE_AGENT_DIRECTORY", "") or "."]
    command += [f"--base={base}"] if base else []
    command += [f"--policy={policy}"] if policy else []
    head = environment.get("ROUTE_AGENT_HEAD", "")
    fixes = not with_task and environment.get("ROUTE_AGENT_FIX", "") == "true"
    command += [f"--head={head}"] if head and not with_task else []
    command += ["--fix"] if fixes else []
    command += [f"--max-usd={max_usd}"] if max_usd and (with_task or fixes) else []
    if with_task:
        command += ["--task", "-"]  # on standard input: no limit of length, and no text that is an option
    return command


def ask(command: list[str], task: str, reports: Mapping[str, Path]) -> Answer:
    """Run route-agent and read its one JSON object."""
    beside = Path(sys.executable).with_name("route-agent")
    program = str(beside) if beside.is_file() else shutil.which("route-agent")
    if program is None:
        why = "route-agent is not installed: neither beside this Python nor on PATH"
        return Answer(CANNOT_RUN, {"error": why}, f"error: {why}", {})
    process = subprocess.Popen(
        [program, *command], stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.PIPE
    )
    for number in (signal.SIGINT, signal.SIGTERM):  # a cancelled job ends cleanly, what was spent is recorded
        signal.signal(number, lambda *_: process.terminate())
    printed, complaints = process.communicate(task.encode("utf-8", "surrogateescape"))
    code = process.returncode if process.returncode >= 0 else INTERRUPTED
    written = {name: file for name, file in reports.items() if file.is_file()}
    told = parsed(printed)
    return Answer(code, told, complaints.decode("utf-8", "replace"), written)


def parsed(text: bytes) -> dict[str, Any]:
    """A JSON object; empty where it is none."""
    try:
        value = json.loads(text)
    except ValueError:
        return {}
    return value if isinstance(value, dict) else {}


def finish(answer: Answer, environment: Mapping[str, str]) -> int:
    """Print, write outputs and summary, and return the exit code."""
    if answer.told:
        print(harmless(json.dumps(answer.told, indent=2)), flush=True)
    for line in answer.complaints.splitlines():
        print(harmless(f"| {line}"), file=sys.stderr)
    if environment.get("GITHUB_ACTIONS") == "true":
        for line in remarks(answer, checkout_of(environment)):
            print(line, flush=True)
    brief = write_brief(answer)
    write(environment.get("GITHUB_OUTPUT", ""), (f"{name}={value}" for name, value in outputs(answer, brief)))
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


def checkout_of(environment: Mapping[str, str]) -> str:
    """The checkout's path below the workspace, by which the code host knows files."""
    folder = Path(environment.get("ROUTE_AGENT_DIRECTORY", "") or ".").absolute()
    workspace = environment.get("GITHUB_WORKSPACE", "")
    root = next((it for it in (folder, *folder.parents) if (it / ".git").exists()), folder)
    below = os.path.relpath(os.path.realpath(root), os.path.realpath(workspace or root))
    return "" if Path(below).parts[:1] in ((), ("..",)) else f"{below}/"


def remarks(answer: Answer, prefix: str) -> Iterator[str]:
    """The runner's commands that put the verdict, and what was found, beside the lines."""
    reason = answer.told.get("error") or answer.told.get("reason") or f"exit code {answer.exit_code}"
    level = "error" if answer.exit_code else "note"
    yield annotation(level, f"{verdict(answer).replace('_', ' ')}: {reason}", {"title": "route-agent"})
    left = dict.fromkeys(COMMANDS, MAX_ANNOTATIONS) | {level: MAX_ANNOTATIONS - 1}
    for result in results_of(answer):
        level = str(result.get("level"))
        if left.get(level, 0) > 0:
            left[level] -= 1
            place = place_of(result, prefix) | {"title": f"route-agent: {result.get('ruleId')}"}
            yield annotation(level, str(pick(result, "message", "text")), place)


def results_of(answer: Answer) -> list[dict[str, Any]]:
    """The results in the SARIF that was written, the worst first."""
    if "sarif" not in answer.reports:
        return []
    runs = listed(parsed(answer.reports["sarif"].read_bytes()), "runs")
    results = pick(runs[0], "results") if runs else None
    return [it for it in results or [] if isinstance(it, dict)]


def place_of(result: dict[str, Any], prefix: str) -> dict[str, Any]:
    physical = pick((result.get("locations") or [{}])[0], "physicalLocation")
    region = pick(physical, "region") or {}
    path = unquote(str(pick(physical, "artifactLocation", "uri") or ""), errors="surrogateescape")
    place = {"file": f"{prefix}{path}", "line": region.get("startLine"), "endLine": region.get("endLine")}
    return {name: value for name, value in place.items() if value} if path else {}


def annotation(level: str, words: str, place: Mapping[str, Any]) -> str:
    """One command on one line; whatever stands in it, it ends nothing and begins nothing."""
    properties = ",".join(f"{name}={escaped(value, of_property=True)}" for name, value in place.items())
    return f"::{COMMANDS[level]} {properties}::{escaped(words[:MAX_ANNOTATION])}"


def escaped(value: object, *, of_property: bool = False) -> str:
    """A value as the runner's commands take it. Older runners know `##[…]` anywhere in a line."""
    text = visible(str(value)).replace("##", "#\u2060#").replace("%", "%25").replace("\n", "%0A")
    return text.replace(":", "%3A").replace(",", "%2C") if of_property else text


def write_brief(answer: Answer) -> Path | None:
    """What failed, as a task for `route-agent ask`: from the JUnit report, so that output is in it."""
    if answer.exit_code == 0 or "junit" not in answer.reports:
        return None
    file = answer.reports["junit"].with_name("brief.txt")
    told = [f"The change fails its checks. Mend it without weakening a test.\n{answer.told.get('reason')}"]
    for suite in ElementTree.parse(answer.reports["junit"]).getroot().findall("testsuite")[1:]:
        failed = [case for case in suite.findall("testcase") if case.find("failure") is not None]
        told += [f"{suite.get('name')}: {it.get('classname')}::{it.get('name')} fails" for it in failed]
        told += [f"{it.findtext('failure')}" for it in failed[:1]]
        if failed and (output := suite.findtext("system-out")):
            told.append(output)
    file.write_text("\n\n".join(told)[:MAX_BRIEF], encoding="utf-8", errors="backslashreplace")
    return file


def outputs(answer: Answer, brief: Path | None) -> Iterator[tuple[str, str]]:
    """What later steps may use, each on one line."""
    told = answer.told
    is_gate = "verdict" in told and "attempts" not in told  # it calls no model, unless it says what that cost
    cost = told.get("cost_usd", 0 if is_gate else None)
    values = {
        "lane": pick(told, "decision", "lane"),
        "score": pick(told, "risk", "score"),
        "verdict": verdict(answer),
        "grade": grade(told),
        "cost_usd": cost,
        "patch": told.get("patch_path"),
        "exit-code": answer.exit_code,
        **{name: answer.reports.get(name) for name in REPORTS},
        "brief": brief,
        "cost-usd": cost,  # its earlier name
    }
    for name, value in values.items():
        yield name, "" if value is None else re.sub(r"[\r\n\0]", " ", str(value))


def grade(told: Mapping[str, Any]) -> Any:
    """What was proved: of the change, or of the last attempt's patch."""
    last = (listed(told, "attempts") or [{}])[-1]
    return told.get("grade") or pick(last, "grade")


def verdict(answer: Answer) -> str:
    """The verdict in one word of the JSON; `error` where no verdict was reached."""
    if answer.exit_code == INTERRUPTED:
        return "interrupted"
    return str(answer.told.get("verdict", "error"))


def summary(answer: Answer) -> Iterator[str]:
    """The job summary: the report on a judged change, else a few lines; foreign words are only text."""
    if "markdown" in answer.reports:
        yield answer.reports["markdown"].read_text("utf-8")
        return
    told = answer.told
    yield f"### route-agent: {cell(verdict(answer))} (exit code {answer.exit_code})"
    yield ""
    for said in (told.get("error") or told.get("reason"), told.get("hint")):
        if said:
            yield f"{cell(said)}\n"
    if "risk" in told:
        yield from decided(told)
    yield from rows_of(listed(told, "attempts"), "lane model_requested failure grade cost_usd seconds")
    last = (listed(told, "attempts") or [{}])[-1]
    yield from rows_of(listed(told, "checks") or listed(last, "checks"), "name outcome reason seconds")
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


def rows_of(values: list[Any], names: str) -> Iterator[str]:
    """A table of objects, a column for each key; nothing where there are none."""
    keys = tuple(names.split())
    if rows := [[cell(it.get(key)) for key in keys] for it in values if isinstance(it, dict)]:
        yield from table(keys, rows)


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
    """A value as text that Markdown and HTML leave alone, on one line and not too long.

    GitHub looks for `@names` in what it has rendered, where escaping is no help: a joiner parts the two.
    """
    text = "" if value is None else str(value)
    shown = f"{text[: MAX_CELL - 1]}…" if len(text) > MAX_CELL else text
    return "".join(
        it if it.isalnum() or it in PLAIN else f"&#{ord(it)};{'&#8288;' if it == '@' else ''}"
        for it in visible(shown)
    )


if __name__ == "__main__":
    sys.exit(main(os.environ))
