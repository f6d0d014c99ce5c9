"""A verdict of an earlier run, told again in a few lines and without its whole report."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from route_agent.records.earlier import Earlier


def render_earlier(found: Earlier) -> list[tuple[str, str]]:
    """The result first, then where it is from."""
    files = f"{found.files} file{'' if found.files == 1 else 's'}"
    ending = ending_words(found.verdict.name.lower(), found.grade.value, blocks=found.blocks)
    style = "bold red" if found.blocks else "bold yellow" if found.failure else "bold green"
    told = [(f"result    {ending}: {found.reason}", style)]
    if found.failure and not found.blocks:
        told.append((allowed_words(found.failure.value, found.reason), "bold yellow"))
    where = f"judgement {found.id} of {found.at[:16].replace('T', ' ')} UTC"
    told.append(
        (f"          from an earlier run, nothing was run: {where} ({files}, score {found.score})", "")
    )
    return told


def ending_words(verdict: str, grade: str, *, blocks: bool) -> str:
    """How a judgement ends, in the words of every report."""
    if verdict != "accepted":
        return _ENDINGS.get(verdict, "not proved") + ("" if blocks else ", and allowed")
    return "passed" if grade == "none" else f"passed at {grade}"


def allowed_words(failure: str, reason: str) -> str:
    """What is said, loudly, of a failure that the policy allows."""
    key = "gate.on_deadline" if "gate.deadline_s" in reason else "gate.on_error"
    return f"ALLOWED   {failure} blocks nothing here: {key} of the policy at the base says so"


_ENDINGS = {
    "not_proved": "not proved",
    "environment": "checks cannot run here",
    "provider": "provider unavailable",
    "limit": "stopped at a limit",
    "hostile": "refused for safety",
}
