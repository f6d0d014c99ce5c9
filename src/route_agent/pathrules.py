"""A policy's path patterns held against each other and against a tree: which are dead, which say nothing new.

Pure. A pattern is the team's own where the built-in policy does not have it for the same key.
"""

from __future__ import annotations

import itertools
import re
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import TYPE_CHECKING, Any

from route_agent import globs
from route_agent.policy import parse_policy, presets
from route_agent.schema import read

if TYPE_CHECKING:
    from route_agent.policy import Policy
    from route_agent.yamlfile import Document, Path

BUILT_IN = "built in"
SHOWN_FILES = 3
_MOST_INSTANCES = 400


class Severity(StrEnum):
    """How much a finding matters: a fault cannot be used, a warning has an effect nobody wants."""

    ERROR = "error"
    WARNING = "warning"
    NOTE = "note"


@dataclass(frozen=True, slots=True)
class Finding:
    """One thing about a policy: `rule` names its kind, `where` is `file:line`, `do` what to do about it."""

    severity: Severity
    rule: str
    where: str
    what: str
    do: str = ""


@dataclass(frozen=True, slots=True)
class Written:
    """A policy and the text that it was read from."""

    where: str
    policy: Policy
    document: Document

    @classmethod
    def of(cls, text: bytes, where: str) -> Written:
        """Read a policy.

        Raises:
            PolicyError: names file, line and key.
        """
        policy = parse_policy(text, where)
        return cls(where, policy, read(text, where))

    def has(self, *path: str | int) -> bool:
        """Whether the text itself gives a value there."""
        return self._in_text(path) in self.document.lines

    def place(self, *path: str | int) -> str:
        """`file:line` of the value or of what it stands in; told as built in where the text has neither."""
        known = self._in_text(path)
        if known[:1] not in self.document.lines:
            return BUILT_IN
        return f"{self.where}:{self.document.line(known)}"

    def _in_text(self, path: Path) -> Path:
        """A lane of one entry is written without a list."""
        if len(path) > 2 and path[0] == "models":
            lanes = self.document.data.get("models")
            if isinstance(lanes, dict) and isinstance(lanes.get(path[1]), dict):
                return (*path[:2], *path[3:])
        return path


@dataclass(frozen=True, slots=True)
class Rule:
    """One pattern: the key it stands under, where, and whether the team wrote it."""

    key: str
    pattern: str
    where: str
    own: bool


def rules(written: Written) -> Iterator[Rule]:
    """Every path pattern of a policy."""
    built_in = read((file := presets()["default"]).read_bytes(), file.name).data
    policy = written.policy
    for name, rule in policy.signals.items():
        inherited = built_in["signals"].get(name, {}).get("paths", ())
        yield from _of(written, ("signals", name, "paths"), rule.paths, inherited)
    for index, check in enumerate(policy.checks):
        yield from _of(written, ("checks", index, "when"), check.when, ())
    yield from _of(written, ("paths", "allow"), policy.paths.allow, ())
    yield from _of(written, ("paths", "deny"), policy.paths.deny, ())
    yield from _of(written, ("no_send",), policy.no_send, ())


def _of(written: Written, path: Path, patterns: Iterable[str], inherited: Iterable[str]) -> Iterator[Rule]:
    known = set(inherited)
    key = ".".join(map(str, path))
    for index, pattern in enumerate(patterns):
        own = pattern not in known and written.has(*path)
        yield Rule(key, pattern, written.place(*path, index), own)


# --- dead rules


def dead(all_rules: Iterable[Rule], paths: Sequence[str], *, inherited: bool) -> Iterator[Finding]:
    """Patterns that match no file of a tree; those of the built-in policy only if they are asked for."""
    names = {segment for path in paths for segment in path.lower().split("/")}
    for rule in all_rules:
        if (rule.own or inherited) and not _matches_any(rule.pattern, paths, names):
            guards = rule.key.startswith(("paths.deny", "no_send"))
            mild = guards or not rule.own
            yield Finding(
                Severity.NOTE if mild else Severity.WARNING,
                "dead-rule",
                rule.where,
                f"{rule.key}: {rule.pattern} matches no file",
                "nothing to do, if it guards what is yet to come" if mild else "mend it, or take it out",
            )


def _matches_any(pattern: str, paths: Sequence[str], names: set[str]) -> bool:
    if not re.search(r"[*?\[/]", pattern) and pattern.isascii() and pattern.lower() not in names:
        return False
    patterns = globs.globs((pattern,))
    return any(patterns.first(path) for path in paths)


# --- overlapping rules


def covered(all_rules: Iterable[Rule], *, inherited: bool) -> Iterator[Finding]:
    """Patterns that say nothing new, since another one of the same key matches all that they match."""
    by_key: dict[str, list[Rule]] = {}
    for rule in all_rules:
        by_key.setdefault(rule.key, []).append(rule)
    for key, group in by_key.items():
        for index, rule in enumerate(group):
            if not (rule.own or inherited):
                continue
            broad = next(
                (
                    other
                    for at, other in enumerate(group)
                    if at != index
                    and covers(other.pattern, rule.pattern)
                    and (at < index or not covers(rule.pattern, other.pattern))
                ),
                None,
            )
            if broad:
                yield Finding(
                    Severity.NOTE,
                    "covered-rule",
                    rule.where,
                    f"{key}: {rule.pattern} says nothing that {broad.pattern} does not say",
                    "take it out, or make the other narrower",
                )


def doubled(written: Written, paths: Sequence[str], *, inherited: bool) -> Iterator[Finding]:
    """The files that raise two signals by path, told as information: their points add up."""
    named = {
        rule.key.split(".")[1] for rule in rules(written) if rule.key.startswith("signals.") and rule.own
    }
    signals = {name: rule for name, rule in written.policy.signals.items() if rule.paths}
    raised = {
        name: {path for path in paths if globs.globs(rule.paths).first(path)}
        for name, rule in signals.items()
        if inherited or named
    }
    for one, other in itertools.combinations(raised, 2):
        both = sorted(raised[one] & raised[other])
        if both and (inherited or {one, other} & named):
            shown = ", ".join(both[:SHOWN_FILES]) + (" …" if len(both) > SHOWN_FILES else "")
            yield Finding(
                Severity.NOTE,
                "two-signals",
                written.place("signals", other if other in named else one, "paths"),
                f"{len(both)} {'files raise' if len(both) > 1 else 'file raises'} both {one} and {other}"
                f" ({signals[one].points} + {signals[other].points} points): {shown}",
                "nothing to do, if such a file is meant to count for both",
            )


def covers(broad: str, narrow: str) -> bool:
    """Whether `broad` matches every path that `narrow` matches.

    Told by instances of `narrow` in which each wildcard stands for nothing, for a part that no pattern names,
    and for several of them: where `broad` matches them all, its own wildcards must be at those places.
    """
    return all(globs.matches(path, broad) for path in _instances(narrow))


def _instances(pattern: str) -> Iterator[str]:
    segments = [segment for segment in pattern.split("/") if segment not in ("", ".")]
    if not segments:
        yield pattern
        return
    if "/" not in pattern.rstrip("/"):
        segments.insert(0, "**")
    if not re.search(r"[*?\[]", segments[-1]):
        segments.append("***")  # what lies beneath, or nothing
    choices = [_choices(segment, last=at == len(segments) - 1) for at, segment in enumerate(segments)]
    combined = itertools.product(*choices)
    for chosen in itertools.islice(combined, _MOST_INSTANCES):
        if path := "/".join(part for part in chosen if part):
            yield path


# letters, a sign and a digit that hardly any pattern names
_ODD, _OTHER = "~q8", "Ж-7.j"


def _choices(segment: str, *, last: bool) -> list[str]:
    if segment == "***":
        return ["", _ODD, f"{_ODD}/{_OTHER}"]
    if segment == "**":
        return [_ODD, f"{_ODD}/{_OTHER}"] if last else ["", _ODD, f"{_ODD}/{_OTHER}"]
    pieces = re.split(r"(\*+|\?|\[!?[^\]]+\])", segment)
    options = [_piece(piece) for piece in pieces]
    made = ["".join(parts) for parts in itertools.islice(itertools.product(*options), 64)]
    return [text for text in made if text] or [_ODD]


def _piece(piece: str) -> Sequence[str]:
    if not piece:
        return ("",)
    if set(piece) == {"*"}:
        return ("", _ODD, _OTHER)
    if piece == "?":
        return ("~", "Ж", "7")
    if piece[0] == "[" and piece[-1] == "]" and len(piece) > 2:
        return _of_class(piece)
    return (piece,)


def _of_class(piece: str) -> Sequence[str]:
    candidates = itertools.chain(map(chr, range(33, 127)), "Ж~")
    found = [it for it in candidates if it not in "/*?[]" and globs.matches(it, piece)]
    return found[:1] + found[len(found) // 2 : len(found) // 2 + 1] + found[-1:] if found else (piece,)


def plain(findings: Iterable[Finding]) -> list[dict[str, Any]]:
    """Findings as JSON has them."""
    return [
        {"severity": it.severity.value, "rule": it.rule, "where": it.where, "what": it.what, "do": it.do}
        for it in findings
    ]
