"""The JSON Schema of a policy as people write it, for editors. Pure; tests compare it with the program.

What only holds between keys (a lane that is named must be there) is for `route-agent policy check`.
"""

from __future__ import annotations

from typing import Any

from route_agent.policy import Policy, parse_policy, presets

URI = "urn:route-agent:policy:1"

# by the name of the model and the key; what is a section of its own has its model's words
MEANS: dict[str, dict[str, str]] = {
    "Policy": {
        "version": "The version of this grammar.",
        "models": "Which lanes there are: each one entry, or a list: the first whose key is set is used.",
        "routing": "Which lane a task goes to, and what follows a failure.",
        "signals": "What raises the score, and the always-strong conditions.",
        "checks": "The commands that judge a tree. Left out: those that are found in the project.",
        "accept": "The least that must be proved before a lane's patch is accepted: one grade, or by class.",
        "paths": "What a patch may touch.",
        "no_send": "Patterns of files that no model is shown.",
        "reproduce": "For which tasks a test is written before any patch is seen, and by whom.",
        "verify": "When a second model reads a patch.",
        "flaky": "How often red tests run once more by themselves.",
        "stop_checks": "Whether a red check cancels dearer ones.",
        "gate": "What a change that exists already must prove, what blocks it, and who reads it.",
        "targets": "What share of the runs the cheap lanes should end, and the last one at most.",
        "limits": "Money in dollars, attempts, time in seconds.",
    },
    "LaneSpec": {
        "provider": "anthropic, openai, openrouter, ollama, a name of your own, fixer, command or race.",
        "model": "What the provider calls the model.",
        "max_context_tokens": "About how much the model is shown at first, in estimated tokens.",
        "max_output_tokens": "The longest answer; so much is reserved before each call.",
        "timeout_s": "The longest wait for one answer or one command, in seconds.",
        "run": "For a fixer: commands that edit files. For a command: the one command of an agent program.",
        "classes": "For a fixer: the tasks it is tried on first.",
        "effort": "How long the model is to think.",
        "temperature": "Sent only where it is given.",
        "output": "How a patch is asked for.",
        "cache_ttl": "How long the provider is asked to keep the unchanging part of a request.",
        "max_iterations": "How many turns a conversation may have.",
        "cap": "The most that one attempt may take.",
        "compact_at": "From so many estimated tokens on, a conversation is summed up.",
        "compact_with": "Which lane sums it up.",
        "fallbacks": "Who is asked, in this order, when the lane's own provider fails.",
        "plan_with": "That lane plans once, in words, before this one writes the patch.",
        "attempts": "How often this lane may try before the next one.",
        "race": "Two lanes that work at the same task.",
        "examples": "How many accepted patches of similar earlier tasks are shown.",
        "reuse": "Whether an identical request may be answered from a stored reply.",
        "preset": "A known agent program.",
        "env": "Variables of your environment that the agent program gets, once you allow it.",
    },
    "Cap": {
        "tokens": "Tokens of all turns, or a quantile such as p90 of the lane's own attempts.",
        "usd": "What the attempt's calls may cost, in dollars, or a quantile.",
        "calls": "How many requests it may make, or a quantile.",
        "seconds": "Wall time of the conversation, or a quantile.",
    },
    "Fallback": {"provider": "Who is asked.", "model": "What that provider calls the model."},
    "Routing": {
        "mode": "Which router chooses the first lane.",
        "ladder": "The lanes from the lowest to the highest.",
        "fast_max_score": "Scores up to here begin at the lowest lane with a model.",
        "strong_min_score": "Scores from here on begin at the highest lane.",
        "always_strong_if": "Signals that send a task to the highest lane, whatever the score.",
        "escalate_on": "After which failures the next lane is tried.",
        "confidence_threshold": "Below it (0 to 1) the next lane is tried.",
        "start": "The lowest lane at which a class of task begins.",
        "phases": "The lane for a step of the development loop, for --phase.",
        "complexity": "How complex a task must look for the middle and the top of the ladder.",
        "shadow": "Which lane is asked how difficult a task is.",
        "learned": "Accept rules by lane, as route-agent tune fits them.",
        "after": "What sends a patch that met its bar on to the next lane.",
    },
    "ComplexityRules": {
        "high": "From this complexity (0 to 1) on, the top of the ladder.",
        "low": "From this complexity on, the middle.",
        "files": "A change of more files counts as large.",
        "demote": "Whether a low complexity may send a task down.",
    },
    "ShadowRules": {"lane": "Which lane is asked.", "raises": "Whether its word may raise the lane."},
    "AcceptRule": {
        "intercept": "The constant of the logistic function.",
        "weights": "A factor for each thing that is weighed.",
        "accept_from": "From which probability (0 to 1) on a patch is accepted.",
        "outcomes": "How many outcomes it was fitted on.",
    },
    "AfterRules": {
        "effort": "A quantile of the lane's own attempts: one that took more was a struggle.",
        "max_lines": "The most lines that an accepted patch adds and removes.",
        "unless": "The grade from which neither counts.",
    },
    "SignalRule": {
        "points": "What the signal adds: for each one counted, else once.",
        "max_points": "The most that a counted signal adds.",
        "paths": "Patterns of touched files that raise it.",
        "words": "Words or phrases of the brief that raise it.",
        "content": "Regular expressions over changed lines that raise it.",
    },
    "CheckSpec": {
        "name": "What reports call it.",
        "run": "The command, a list of words. No shell reads it.",
        "kind": "What it looks at. Only a test counts as having executed the code.",
        "timeout": "Seconds, then its whole process tree is killed.",
        "when": "It runs on a patch only if a touched file matches one of these patterns.",
        "network": "host asks for the network.",
        "expose": "Files or folders that it asks to read.",
        "env": "Variables of your environment that it asks for.",
        "coverage": "A file that it writes: executed lines, as LCOV or Cobertura.",
        "junit": "A file that it writes: how each test ended, as JUnit XML.",
    },
    "PathRules": {
        "allow": "A patch may touch what matches one of these patterns. None: everything.",
        "deny": "A patch may not touch what matches one of these patterns.",
    },
    "ReproduceRules": {
        "when": "For these classes of task.",
        "lane": "Which lane writes the test.",
        "attempts": "How often it is asked for one that counts.",
    },
    "VerifyRules": {
        "lane": "Which lane is asked.",
        "critique": "Which patches that met their bar are read; when_weak: those below discriminating.",
        "canary_rate": "The share (0 to 1) of reviews that bring a known-bad patch along.",
    },
    "FlakyRules": {"reruns": "How often; 0: never."},
    "GateRules": {
        "least": "The least that a change must prove in gate and in the hook.",
        "on_error": "For each failure whether it blocks; what is not named blocks.",
        "deadline_s": "How long the hook may hold a push, in seconds.",
        "on_deadline": "Whether a push that was held so long is stopped.",
        "critique": "When a verifier reads the change: always, when_weak (below discriminating), never.",
    },
    "Targets": {
        "cheap_least": "The share (0 to 1) of runs that lanes below the ladder's last should end.",
        "frontier_most": "The share (0 to 1) that the last lane should end at most.",
    },
    "Limits": {
        "max_usd": "For one run, in dollars.",
        "per_day_usd": "For all runs since midnight UTC, in dollars.",
        "repository_per_day_usd": "For this repository since midnight UTC, in dollars.",
        "author_per_day_usd": "For one author since midnight UTC, in dollars.",
        "lane_per_day_usd": "For single lanes since midnight UTC, in dollars.",
        "unpriced": "What happens to a model whose price is not known.",
        "max_attempts": "How many attempts one run makes.",
        "deadline_s": "Seconds after which no call begins.",
    },
}  # fmt: skip


def policy_schema() -> dict[str, Any]:
    """The schema (draft 2020-12): closed, with a sentence for each key, short forms allowed."""
    made = Policy.model_json_schema()
    parts: dict[str, Any] = made.pop("$defs")
    built_in = parse_policy((file := presets()["default"]).read_bytes(), file.name)
    properties = _explained("Policy", made["properties"])
    for name, part in parts.items():
        _close(part)
        if "properties" in part:
            _explained(name, part["properties"])
    for section, model in (("routing", "Routing"), ("limits", "Limits"), ("verify", "VerifyRules"),
                           ("reproduce", "ReproduceRules")):  # fmt: skip
        # what a part of a section leaves out is as it is built in
        held = getattr(built_in, section).model_dump(mode="json")
        for key, told in parts[model]["properties"].items():
            told["default"] = held[key]
    _as_written(properties, parts, sorted(built_in.signals))
    for told in properties.values():
        told.pop("default", None)
    return {
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "$id": URI,
        "title": "A policy of route-agent",
        "description": "A section that is left out is taken from the built-in policy.",
        "type": "object",
        "additionalProperties": False,
        "properties": properties,
        "$defs": {name: parts[name] for name in sorted(parts)},
    }


def _as_written(properties: dict[str, Any], parts: dict[str, Any], signals: list[str]) -> None:
    """The forms that only the file knows: one entry for a lane, one grade for every class, fixed signals."""
    lane, grade, rule = ({"$ref": f"#/$defs/{name}"} for name in ("LaneSpec", "Grade", "SignalRule"))
    names = {"pattern": parts["CheckSpec"]["properties"]["name"]["pattern"]}
    classes = {"enum": ["default", *parts["LaneSpec"]["properties"]["classes"]["items"]["enum"]]}
    properties["models"] |= {
        "propertyNames": names,
        "additionalProperties": {"anyOf": [lane, {"type": "array", "items": lane, "minItems": 1}]},
    }
    properties["models"].pop("patternProperties", None)
    properties["accept"] |= {
        "propertyNames": names,
        "additionalProperties": {
            "anyOf": [grade, {"type": "object", "propertyNames": classes, "additionalProperties": grade}]
        },
    }
    properties["signals"] |= {"properties": dict.fromkeys(signals, rule), "additionalProperties": False}


def _explained(model: str, properties: dict[str, Any]) -> dict[str, Any]:
    for key, told in properties.items():
        told.pop("title", None)
        told["description"] = MEANS[model][key]
        _close(told)
    return properties


def _close(part: Any) -> None:
    """Refuse keys that no pattern allows, all the way down; titles that only repeat a name are left out."""
    if isinstance(part, list):
        for child in part:
            _close(child)
    elif isinstance(part, dict):
        if "patternProperties" in part:
            part.setdefault("additionalProperties", False)
        if isinstance(part.get("title"), str):
            del part["title"]
        for child in part.values():
            _close(child)
