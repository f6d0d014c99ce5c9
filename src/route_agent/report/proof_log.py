"""The proof log as an object that `proof verify` checks, and as Markdown for people. Failure cases first."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any

from route_agent.proofcheck import KIND
from route_agent.prooflog import (
    END,
    RECEPTION,
    Pin,
    field_digest,
    field_salt,
    has_failed,
    in_order,
)
from route_agent.redaction import redact_all
from route_agent.report.inert import text, visible
from route_agent.report.words import money

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    from route_agent.ledger.chain import Entry, Slice, Unchained

_TICKS = re.compile("`+")
_MOMENT = re.compile(r"[0-9][0-9T:.+Z-]{3,39}")


def log_object(told: Slice, since: str, until: str, made_at: str) -> dict[str, Any]:
    """The object that `proof export --json` prints.

    What today's patterns take for a secret is withheld, field by field, with the field's hash in its place.
    """
    runs = [(run_id, [_entry(it) for it in entries]) for run_id, entries in told.runs.items()]
    order = in_order(
        [(has_failed((it["event"], it["content"]) for it in them), them[0]["number"]) for _, them in runs]
    )
    rows = [
        {"number": it.number, "at": it.at, "run_id": it.run_id, "event": it.event, "digest": it.digest}
        | {"link": it.link}
        for it in told.rows
    ]
    return {
        "schema": 1,
        "kind": KIND,
        "made_at": made_at,
        "window": {"since": since, "until": until},
        "head": _pin(told.head),
        "cases": [{"run_id": runs[at][0], "entries": runs[at][1]} for at in order],
        "unchained": [_unchained(it) for it in told.unchained],
        "before": _pin(told.before),
        "chain": rows,
    }


def _pin(pin: Pin) -> dict[str, Any]:
    return {"number": pin.number, "link": pin.link}


def _entry(entry: Entry) -> dict[str, Any]:
    salts = {name: field_salt(entry.salt, name) for name in entry.content}
    shown = {name: it for name, it in entry.content.items() if redact_all(it) == it}
    told = {"number": entry.row.number, "event": entry.row.event, "content": shown}
    if len(shown) == len(entry.content):
        return {**told, "salt": entry.salt}
    withheld = {
        name: field_digest(salts[name], it) for name, it in entry.content.items() if name not in shown
    }
    return {**told, "salts": {name: salts[name] for name in shown}, "withheld": withheld}


def _unchained(run: Unchained) -> dict[str, Any]:
    told: dict[str, Any] = redact_all(
        {
            "run_id": run.run_id,
            "why": run.why,
            "began": run.began,
            "ended": run.ended,
            "receptions": list(run.receptions),
        }
    )
    return told


def render_log(log: Mapping[str, Any]) -> str:
    """The log as Markdown; every word of a stranger in it is only text."""
    return "\n".join([*_head(log), *_cases(log), *_unproved(log["unchained"])]) + "\n"


def _head(log: Mapping[str, Any]) -> Iterator[str]:
    window, head, cases = log["window"], log["head"], log["cases"]
    failed = sum(has_failed((it["event"], it["content"]) for it in case["entries"]) for case in cases)
    yield "# Proof log"
    yield ""
    span = [f"{word} {_when(window[word])}" for word in ("since", "until") if window[word]]
    when = " ".join(span) or "from the beginning"
    yield f"Runs {when}: {len(cases)}, {failed} of them failures, which come first."
    yield f"Made {_when(log['made_at'])}. The chain's head is `{head['number']}:{head['link']}`."
    yield "The JSON of the same export can be checked: `route-agent proof verify proof.json`."


def _cases(log: Mapping[str, Any]) -> Iterator[str]:
    heading = ""
    for case in log["cases"]:
        contents = [(it["event"], it["content"]) for it in case["entries"]]
        wanted = "Failures" if has_failed(contents) else "The others"
        if wanted != heading:
            heading = wanted
            yield from ("", f"## {heading}")
        numbers = ", ".join(str(it["number"]) for it in case["entries"])
        hidden = sorted({name for it in case["entries"] for name in it.get("withheld", ())})
        note = f"entries {numbers} of the chain"
        if hidden:
            note += f"; withheld since they would show a secret: {', '.join(map(text, hidden))}"
        began = contents[0][1]
        ends = [content for event, content in contents if event == END]
        words = [content for event, content in contents if event == RECEPTION]
        yield from _run(case["run_id"], began, ends[-1] if ends else None, words, note)


def _unproved(runs: Sequence[Mapping[str, Any]]) -> Iterator[str]:
    if runs:
        yield from ("", "## Not in the chain", "", "Nothing vouches for these.")
    for run in runs:
        yield from _run(run["run_id"], run["began"], run["ended"], run["receptions"], run["why"])


def _run(
    run_id: str,
    began: Mapping[str, Any],
    end: Mapping[str, Any] | None,
    words: Sequence[Mapping[str, Any]],
    note: str,
) -> Iterator[str]:
    verdict = end.get("verdict") or "withheld" if end else "never ended: its process died"
    then = f", then {text(words[-1].get('outcome'))}" if words else ""
    yield from ("", f"### {text(run_id)}: {text(verdict)}{then}", "")
    replayed = " · recorded replies" if began.get("replayed") else ""
    forced = " · a lane was forced" if began.get("forced_lane") else ""
    base = text(str(began.get("base"))[:10])
    yield f"{_when(began.get('started_at'))}{replayed}{forced} · base {base} · {note}"
    yield from ("", "Task:", "", *_fenced(str(began.get("task", "withheld"))))
    if end:
        yield from _end(end)
    for it in words:
        yield from ("", f"- {_word(it)}")


def _end(end: Mapping[str, Any]) -> Iterator[str]:
    cost = None if end.get("calls_without_price") else end.get("cost_micro_usd")
    yield ""
    names = ("task_class", "score", "first_lane", "reason", "seconds")
    told = {name: "–" if end.get(name) is None else text(end[name]) for name in names}
    yield (
        f"Class {told['task_class']}, score {told['score']}, began at {told['first_lane']}; {told['reason']};"
        f" {text(money(cost))}, {told['seconds']} s. {text(end.get('delivered'))}"
    )
    for number, attempt in enumerate(end.get("attempts") or (), 1):
        yield from _attempt(number, attempt)


def _attempt(number: int, attempt: Mapping[str, Any]) -> Iterator[str]:
    model = attempt.get("model_served") or attempt.get("model")
    outcome = attempt.get("failure") or "accepted"
    yield ""
    yield (
        f"#### Attempt {number}: {text(attempt.get('lane'))} ({text(model)}): {text(outcome)},"
        f" {text(attempt.get('grade'))}"
    )
    yield from ("", text(attempt.get("reason")))
    for it in attempt.get("checks") or ():
        yield f"- check {text(it.get('name'))}: {text(it.get('outcome'))}. {text(it.get('reason'))}"
    for it in attempt.get("findings") or ():
        yield f"- found: {text(it)}"
    for it in attempt.get("reviews") or ():
        said = f"{text(it.get('lane'))} ({text(it.get('model'))}): {text(it.get('opinion'))}"
        shown = " of a known-bad patch" if it.get("is_canary") else ""
        yield f"- verifier {said}{shown}. {text('; '.join(map(str, it.get('reasons') or ())))}"
    if patch := attempt.get("patch"):
        left_out = attempt.get("patch_left_out")
        yield from ("", *_fenced(str(patch), "diff"))
        if left_out:
            yield f"… and {left_out} characters more"


def _word(word: Mapping[str, Any]) -> str:
    told = [f"{text(word.get('outcome'))}, says {text(word.get('reviewer') or word.get('source'))}"]
    if word.get("minutes") is not None:
        told.append(f"{text(word['minutes'])} minutes")
    if word.get("lines"):
        told.append(f"{text(word.get('surviving'))} of {text(word['lines'])} lines stand")
    return ", ".join(told) + (f": {text(word['note'])}" if word.get("note") else "")


def _when(moment: Any) -> str:
    """A time as it is read best; what only claims to be one is text like any other."""
    return moment if isinstance(moment, str) and _MOMENT.fullmatch(moment) else text(moment)


def _fenced(body: str, language: str = "") -> list[str]:
    """A block in which nothing is read as Markdown: its fence is longer than any in it."""
    body = visible(body.replace("\r\n", "\n")).rstrip("\n")
    fence = "`" * max(3, *(len(it) + 1 for it in _TICKS.findall(body)), 3)
    return [f"{fence}{language}", body, fence]
