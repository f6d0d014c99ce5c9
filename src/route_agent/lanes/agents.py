"""Agent programs that edit files themselves: how each is started, and what its output says of the bill.

Every one of them was tried as it is started here; the flags and the figures are those of its own help and
its own output. What an agent does not say stays unknown and is never taken for 0.
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, field, replace
from types import MappingProxyType
from typing import TYPE_CHECKING, Any

from route_agent.lanes.answers import is_price, usage_of
from route_agent.records.lanes import Usage

if TYPE_CHECKING:
    from route_agent.policy import Argv

PLACEHOLDERS = ("prompt", "prompt_file", "model", "home")
_PLACEHOLDER = re.compile(r"\{(" + "|".join(PLACEHOLDERS) + r")\}")
_MOST_BRACES = 4  # a warning that ends in the middle of a line may hold some
_NOTHING_SET: Mapping[str, str] = MappingProxyType({})


@dataclass(frozen=True, slots=True)
class Bill:
    """What an agent's output says of its work.

    Attributes:
        usage: tokens, and its own figure of the cost in dollars; None where it says neither.
        model: the model that answered, where it says so.
        text: its last words.
        turns: how often it asked its model; 0 where it does not say.
        says_done: True or False where it says how it ended, None where it does not.
        over_budget: whether it stopped at the sum that it was given.
    """

    usage: Usage | None = None
    model: str | None = None
    text: str = ""
    turns: int = 0
    says_done: bool | None = None
    over_budget: bool = False


@dataclass(frozen=True, slots=True)
class Agent:
    """One agent program.

    Attributes:
        program: what it is called on the search path.
        provider: by whose price list its tokens are paid; empty where tokens are not what is paid.
        run: its command, with placeholders.
        model: what to add where the lane names a model.
        budget: what to add where it can be given a sum in dollars, after which it stops.
        sets: variables that it needs beside the user's own; none of them is a secret.
        wants_git: whether it sees only the files that git lists.
        leaves: what it leaves beside the files that it edits.
        obeys: a repository's files by which it is set up, as patterns. With one of them a repository could
            run what it likes beside the user's key, or have the key sent to an address of its own.
        bill_file: a file in its home folder in which its bill stands; its output where empty.
        read: reads the bill.
        prints_bill: the word of its command without which its output holds none; empty where it always does.
    """

    program: str
    run: Argv
    read: Callable[[str], Bill]
    provider: str = ""
    model: Argv = ()
    budget: Argv = ()
    sets: Mapping[str, str] = field(default_factory=lambda: _NOTHING_SET)
    wants_git: bool = False
    leaves: tuple[str, ...] = ()
    obeys: tuple[str, ...] = ()
    bill_file: str = ""
    prints_bill: str = ""

    def command(self, values: Mapping[str, str], usd: float) -> Argv:
        """The argument list, with the placeholders filled in; each value is put in as it is, once."""
        extra: Argv = (*self.model, *(word.format(usd=f"{usd:.4f}") for word in self.budget))
        if not values["model"]:
            extra = extra[len(self.model) :]
        at = self.run.index("--") if "--" in self.run else len(self.run)
        words = (*self.run[:at], *extra, *self.run[at:])
        return tuple(_PLACEHOLDER.sub(lambda found: values[found[1]], word) for word in words)


def own(argv: Argv) -> Agent:
    """An agent that a policy describes by its whole command.

    Of one that is known, and prints its bill as it does for us, the bill is read; of others it stays unknown.
    """
    known = PRESETS.get(argv[0].rpartition("/")[2])
    if known is None or known.bill_file or (known.prints_bill and known.prints_bill not in argv):
        return Agent(program=argv[0], run=argv, read=lambda output: Bill(text=output))
    wants_git = known.wants_git and "--no-git" not in argv
    return replace(known, program=argv[0], run=argv, model=(), budget=(), wants_git=wants_git)


def takes_the_task(argv: Argv) -> bool:
    """Whether a command says where the task goes."""
    return any("{prompt}" in word or "{prompt_file}" in word for word in argv[1:])


# --- reading -----------------------------------------------------------------------------------------------


def _objects(output: str) -> Iterator[dict[str, Any]]:
    """Every JSON object at the end of a line; warnings stand between them, or before one without a break."""
    for line in output.splitlines():
        at = line.find("{")
        for _ in range(_MOST_BRACES):
            if at < 0:
                break
            try:
                found = json.loads(line[at:])
            except (ValueError, RecursionError):
                at = line.find("{", at + 1)
                continue
            if isinstance(found, dict):
                yield found
            break


def _count(facts: object, *names: str) -> int:
    """A figure of the first of these names; 0 where it is none that can be counted with."""
    value = _told(facts, *names)
    return value if isinstance(value, int) and not isinstance(value, bool) and 0 <= value < 2**53 else 0


def _told(facts: object, *names: str) -> object:
    """What stands under the first of these names; None where nothing does."""
    found = (facts.get(name) for name in names) if isinstance(facts, dict) else ()
    return next((value for value in found if value is not None), None)


def _sum(parts: Iterable[object], *names: str) -> int | None:
    """The figures of all parts together, those that are left out as 0; None where one is no count."""
    values = [value for it in parts if (value := _told(it, *names)) is not None]
    counts = [it for it in values if isinstance(it, int) and not isinstance(it, bool) and it >= 0]
    return sum(counts) if len(counts) == len(values) else None


def _whole(*parts: int | None) -> int | None:
    return None if None in parts else sum(part for part in parts if part is not None)


def _claude(output: str) -> Bill:
    """One object at the end. What was read from a cache and written to it is counted apart from the input."""
    told = next((it for it in reversed([*_objects(output)]) if it.get("type") == "result"), None)
    if told is None:
        return Bill(text=output, says_done=False)
    models = told.get("modelUsage")
    models = models if isinstance(models, dict) else {}
    # of an answer cut short by its budget only this has the figures; `usage` then holds nothing but zeros
    parts = [*models.values()] or [told.get("usage")]
    read = _sum(parts, "cacheReadInputTokens", "cache_read_input_tokens")
    written = _sum(parts, "cacheCreationInputTokens", "cache_creation_input_tokens")
    fresh = _sum(parts, "inputTokens", "input_tokens")
    usd = told.get("total_cost_usd")
    usage = usage_of(
        "",
        input_total=_whole(fresh, read, written),
        cache_read=read,
        cache_write=written,
        output_total=_sum(parts, "outputTokens", "output_tokens"),
        provider_cost_usd=usd,
    )
    if usage is None and is_price(usd):  # it may know the sum and not what it is made of
        usage = Usage(provider_cost_usd=float(usd))
    subtype = str(told.get("subtype"))
    busiest = max(models, key=lambda name: _count(models[name], "outputTokens"), default=None)
    return Bill(
        usage=usage,
        model=busiest,
        text=str(told.get("result") or told.get("errors") or subtype),
        turns=_count(told, "num_turns"),
        says_done=subtype == "success" and told.get("is_error") is False,
        over_budget=subtype == "error_max_budget_usd",
    )


def _codex(output: str) -> Bill:
    """A line for every event; a turn's figures hold what was cached and what was reasoned."""
    told: list[object] = []
    text, failed = "", False
    for event in _objects(output):
        kind, item = event.get("type"), event.get("item")
        if kind == "turn.completed":
            told.append(event.get("usage"))
        elif kind == "turn.failed":
            failed, text = True, str(event.get("error"))
        elif kind == "item.completed" and isinstance(item, dict) and item.get("type") == "agent_message":
            text = str(item.get("text"))
    usage = usage_of(
        "",
        input_total=_sum(told, "input_tokens"),
        cache_read=_sum(told, "cached_input_tokens"),
        cache_write=_sum(told, "cache_write_input_tokens"),
        output_total=_sum(told, "output_tokens"),
        reasoning=_sum(told, "reasoning_output_tokens"),
    )
    return Bill(usage=usage, text=text or output, turns=len(told), says_done=bool(told) and not failed)


_AIDER_TOKENS = re.compile(r"^Tokens: (?P<figures>.+? received)\.", re.MULTILINE)
_AIDER_NUMBER = r"(\d[\d,]{0,20}(?:\.\d+)?)"
_AIDER_FIGURE = re.compile(_AIDER_NUMBER + r"(k|M)? (sent|cache write|cache hit|received)")
_AIDER_COST = re.compile(r"\$" + _AIDER_NUMBER + r" session\.")
_TIMES = {"": 1, "k": 1_000, "M": 1_000_000}


def _aider(output: str) -> Bill:
    """Words for people: figures are rounded to the hundred, and the cost of the whole session comes last."""
    counts = {"sent": 0, "cache write": 0, "cache hit": 0, "received": 0}
    asked = _AIDER_TOKENS.findall(output)
    for figures in asked:
        for number, unit, what in _AIDER_FIGURE.findall(figures):
            counts[what] += round(float(number.replace(",", "")) * _TIMES[unit])
    costs = _AIDER_COST.findall(output)
    usage = usage_of(
        "",
        # rounded as they are, the parts may pass the whole
        input_total=max(counts["sent"], counts["cache hit"] + counts["cache write"]),
        cache_read=counts["cache hit"],
        cache_write=counts["cache write"],
        output_total=counts["received"],
        provider_cost_usd=float(costs[-1].replace(",", "")) if costs else None,
    )
    words = [line for line in output.splitlines() if line.strip()]
    failed = any(line.startswith(("litellm.", "The API provider")) for line in words)
    return Bill(
        usage=replace(usage, is_estimate=True) if usage else None,
        text="\n".join(words[-20:]),
        turns=len(asked),
        says_done=False if failed and not asked else None,
    )


def _copilot(output: str) -> Bill:
    """The statistics file: tokens by model, the cached ones included. What is paid are requests of a plan."""
    try:
        told = json.loads(output)
    except (ValueError, RecursionError):
        return Bill()
    models = told.get("modelMetrics") if isinstance(told, dict) else None
    if not isinstance(models, dict):
        return Bill()
    parts = {name: it.get("usage") for name, it in models.items() if isinstance(it, dict)}
    usage = usage_of(
        "",
        input_total=_sum(parts.values(), "inputTokens"),
        cache_read=_sum(parts.values(), "cacheReadTokens"),
        cache_write=_sum(parts.values(), "cacheWriteTokens"),
        output_total=_sum(parts.values(), "outputTokens"),
    )
    busiest = max(parts, key=lambda name: _count(parts[name], "outputTokens"), default=None)
    turns = sum(_count(it.get("requests"), "count") for it in models.values() if isinstance(it, dict))
    return Bill(usage=usage, model=busiest, turns=turns)


# --- the four that are known -------------------------------------------------------------------------------

PRESETS: Mapping[str, Agent] = {
    "claude": Agent(
        program="claude",
        run=(
            *("claude", "-p", "--output-format", "json", "--permission-mode", "bypassPermissions"),
            *("--no-session-persistence", "--", "{prompt}"),
        ),
        model=("--model", "{model}"),
        budget=("--max-budget-usd", "{usd}"),
        sets={
            "IS_SANDBOX": "1",  # root may work without asking where the walls around it are told of
            "CLAUDE_CODE_DISABLE_NONESSENTIAL_TRAFFIC": "1",
            "DISABLE_AUTOUPDATER": "1",
        },
        obeys=("**/.claude/**", ".mcp.json"),
        provider="anthropic",
        prints_bill="json",
        read=_claude,
    ),
    "codex": Agent(
        program="codex",
        run=(
            *("codex", "exec", "--json", "--skip-git-repo-check", "--ephemeral"),
            *("--dangerously-bypass-approvals-and-sandbox", "--", "{prompt}"),  # it stands behind our walls
        ),
        model=("--model", "{model}"),
        obeys=("**/.codex/**",),
        provider="openai",
        prints_bill="--json",
        read=_codex,
    ),
    "aider": Agent(
        program="aider",
        run=(
            *("aider", "--message-file", "{prompt_file}", "--yes-always"),
            *("--no-auto-commits", "--no-dirty-commits", "--no-gitignore", "--env-file", "/dev/null"),
            *("--no-stream", "--no-pretty", "--no-fancy-input", "--no-check-update", "--analytics-disable"),
            *("--no-show-release-notes", "--no-show-model-warnings", "--no-suggest-shell-commands"),
            *("--no-detect-urls", "--disable-playwright", "--input-history-file", "{home}/aider.input"),
            *("--chat-history-file", "{home}/aider.chat.md"),
        ),
        model=("--model", "{model}"),
        wants_git=True,
        obeys=(".aider*",),
        leaves=(".aider.tags.cache.v4", ".aider.tags.cache.v3"),
        read=_aider,
    ),
    "copilot": Agent(
        program="copilot",
        run=(
            *("copilot", "-p", "{prompt}", "--allow-all", "--no-ask-user", "--silent", "--no-auto-update"),
            *("--no-remote", "--disable-builtin-mcps", "--usage-output-file", "{home}/copilot-usage.json"),
        ),
        model=("--model", "{model}"),
        bill_file="copilot-usage.json",
        obeys=(
            *("**/.claude/**", ".mcp.json", "**/.copilot/**", ".vscode/mcp.json"),
            *(".github/mcp.json", ".github/hooks/**", ".github/copilot/**"),
        ),
        read=_copilot,
    ),
}
