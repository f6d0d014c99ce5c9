"""From what was said in a run to recorded replies that play it again, without a key or a network. Pure."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any

from route_agent.records.grades import Failure
from route_agent.records.lanes import CallState, Purpose

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from route_agent.records.runs import Attempt, Run

Calls = list[dict[str, Any]]

_SURROGATES = re.compile("[\ud800-\udfff]")
_STOPPED = frozenset({"KeyboardInterrupt", "SystemExit"})  # of us, and not of the provider


def recorded(calls: Sequence[dict[str, Any]], run: Run) -> dict[str, Any]:
    """The document for `RecordedReplies`.

    Args:
        calls: as `transcripts.read_calls` gives them, in the order in which they ended.
        run: the run's report, for the patches of lanes that edit files themselves.
    """
    patches = {call.id: (it.summary, it.patch) for it in run.attempts for call in it.calls if it.patch}
    stopped = {_at_its_cap(it): it.reason for it in run.attempts if it.failure is Failure.CAPPED}
    about = {"run": run.id, "base": run.base, "start": run.start, "verdict": run.verdict.value}
    if run.decision:
        about |= {"policy": run.decision.policy_name, "policy_hash": run.decision.policy_hash}
    replies = [_entry(said, patches, stopped) for said in _conversations(calls)]
    return {"version": 1, "about": about, "replies": replies}


def _conversations(calls: Iterable[dict[str, Any]]) -> list[Calls]:
    """Calls that belong to one entry of a recording, by the first of them."""
    groups: dict[tuple[str, str, str], Calls] = {}
    for call in calls:
        if call["error"] not in _STOPPED:
            groups.setdefault((call["conversation"], call["lane"], call["purpose"]), []).append(call)
    found: list[Calls] = []
    for (_, _, purpose), said in groups.items():
        # a patch and a test are conversations; every other answer stands for itself
        found += [said] if purpose in (Purpose.PATCH, Purpose.TEST) else _answers(said)
    return sorted(found, key=lambda said: int(said[0]["number"]))


def _answers(said: Calls) -> list[Calls]:
    """One entry for each question: what failed and was asked again belongs to the answer that came then."""
    found: list[Calls] = [[]]
    for number, call in enumerate(said):
        found[-1].append(call)
        if not _asked_again(said, number):
            found.append([])
    return [it for it in found if it]


def _asked_again(said: Calls, number: int) -> bool:
    """Whether a request failed and the very same was made once more."""
    following = said[number + 1 : number + 2]
    failed = said[number]["state"] != CallState.DONE
    return bool(following) and failed and following[0]["prompt"] == said[number]["prompt"]


def _at_its_cap(attempt: Attempt) -> int:
    """The last call of the lane that stopped; 0 where it made none."""
    worked = [it for it in attempt.calls if it.purpose in (Purpose.PATCH, Purpose.PLAN)]
    own = [it for it in worked if attempt.reason.startswith(f"lane {it.lane}'s cap")] or worked
    return own[-1].id if own else 0


def _entry(said: Calls, patches: dict[int, tuple[str, str]], stopped: dict[int, str]) -> dict[str, Any]:
    turns = [_turn(said, number, patches) for number in range(len(said))]
    for turn, call in zip(turns, said, strict=True):
        if call["call"] in stopped:
            turn["capped"] = _word(stopped[call["call"]])
    first, model, served = turns[0], turns[0].get("model"), turns[0].get("served")
    then = [
        _short(turn) if (turn.get("model"), turn.get("served")) == (model, served) else turn
        for turn in turns[1:]
    ]
    entry = {"lane": said[0]["lane"], "kind": said[0]["purpose"], **first}
    return {**entry, "then": then} if then else entry


def _short(turn: dict[str, Any]) -> dict[str, Any] | str:
    """A turn that is nothing but a text, as that."""
    return turn["reply"] if not set(turn) - {"model", "served", "reply"} else turn


def _turn(said: Calls, number: int, patches: dict[int, tuple[str, str]]) -> dict[str, Any]:
    call = said[number]
    turn: dict[str, Any] = {"model": _word(call["model"])}
    if call["served"] and call["served"] != call["model"]:
        turn["served"] = _word(call["served"])
    if call["state"] != CallState.DONE:
        turn |= {"error": _word(call["error"]), "message": _word(call["message"])}
        turn |= {name: True for name in ("again",) if _asked_again(said, number)}
        turn |= {name: True for name in ("maybe_billed",) if call["maybe_billed"]}
        return {**turn, "reply": ""}
    if call["stop"] not in ("", "end"):
        turn["stop"] = _word(call["stop"])
    if redacted := call["redacted_in_reply"]:
        turn["redacted"] = max(0, redacted)
    if cut := call["cut"].get("reply"):
        turn["cut"] = cut
    reply = call["reply"]
    if "usd" in call["settings"] and call["call"] in patches:
        summary, patch = patches[call["call"]]  # it edited the files itself; its words hold no patch
        reply = f"SUMMARY: {summary.splitlines()[0] if summary else 'edited by an agent'}\n\n{patch}"
    return {**turn, "reply": _word(reply)}


def _word(text: str) -> str:
    """Without what no file of text can hold."""
    return _SURROGATES.sub("\ufffd", text)
