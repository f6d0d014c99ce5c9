"""What was said in a run as a person reads it: each conversation once, with its answers and failures."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from route_agent.records.lanes import CallState

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

Lines = list[tuple[str, str]]


def render_calls(calls: Sequence[dict[str, Any]]) -> Lines:
    """The calls as lines with a style each; what was sent before is not repeated."""
    told: dict[tuple[str, str], list[tuple[str, str]]] = {}
    lines: Lines = []
    for call in calls:
        before = told.setdefault((call["conversation"], call["lane"]), [])
        parts = _parts(call["prompt"])
        same = next(
            (n for n, pair in enumerate(zip(before, parts, strict=False)) if pair[0] != pair[1]), None
        )
        known = min(len(before), len(parts)) if same is None else same
        lines += [*_head(call)]
        if known:
            lines.append((f"   … {known} parts as before", "dim"))
        for title, text in parts[known:]:
            lines += _block(title, text, "dim" if title != "the model itself" else "")
        lines += list(_answer(call))
        told[call["conversation"], call["lane"]] = parts
    return lines


def _parts(prompt: dict[str, Any]) -> list[tuple[str, str]]:
    """The prompt's parts in the order in which they were sent, each with who says it."""
    fixed = [("rules", prompt["system"]), ("project", prompt["project"]), ("task", prompt["user"])]
    later = [
        ("the model itself" if turn["role"] == "assistant" else "we", turn["text"])
        for turn in prompt["later"]
    ]
    return [(title, text) for title, text in [*fixed, *later] if text]


def _head(call: dict[str, Any]) -> Lines:
    served = f" (answered by {call['served']})" if call["served"] not in ("", call["model"]) else ""
    instead = f" in place of {call['fallback_for']}" if call["fallback_for"] else ""
    told = [f"{call['purpose']}", call["state"], f"{call['seconds']:.1f} s"]
    if usage := call["usage"]:
        told.append(f"{usage['input_total']:,} tokens read, {usage['output_total']:,} written")
    if call["cut"]:
        told.append(
            f"cut here: {', '.join(f'{name} by {left:,}' for name, left in call['cut'].items())} characters"
        )
    title = f"call {call['number']}  {call['lane']} · {call['provider']} {call['model']}{served}{instead}"
    return [("", ""), (f"{title} · {' · '.join(told)}", "bold")]


def _answer(call: dict[str, Any]) -> Iterator[tuple[str, str]]:
    if call["state"] != CallState.DONE:
        yield f"   failed: {call['error']}: {call['message']}", "red"
        return
    stopped = f" (stopped: {call['stop']})" if call["stop"] not in ("", "end") else ""
    yield from _block(f"answer{stopped}", call["reply"], "")


def _block(title: str, text: str, style: str) -> Lines:
    return [(f"   {title}:", "cyan"), *((f"   | {line}", style) for line in text.splitlines())]
