"""What the rules of a policy find in a task's facts, looked up once and kept by file.

Kept by file, since the same question is asked again for other cuts of a change: what would hold if these
files were untouched?
"""

from __future__ import annotations

import time
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from route_agent import linerules
from route_agent.brief import paths_in, words_found
from route_agent.globs import globs
from route_agent.linerules import Hit, Lines, TooSlow, possible, vocabulary
from route_agent.records.change import Change

if TYPE_CHECKING:
    from collections.abc import Collection, Iterator, Mapping

    from route_agent.policy import Policy, SignalRule
    from route_agent.records.facts import ChangedText, Facts

_SHOWN = 60
_BATCH = 262_144  # characters

Evidence = dict[str, str]  # by path


@dataclass(frozen=True, slots=True)
class Found:
    """What holds for which reason, by signal and then by path.

    Attributes:
        paths: touched files whose path a rule names.
        contents: touched files with a changed line that a rule names.
        named: the same as `paths`, for what only the brief names, files that do not exist yet included.
        words: what the brief says.
    """

    facts: Facts
    paths: Mapping[str, Evidence]
    contents: Mapping[str, Evidence]
    named: Mapping[str, Evidence]
    words: Mapping[str, tuple[str, ...]]

    def trusted(self, name: str) -> tuple[str, ...]:
        """Why a signal is raised by the change itself: its paths, then its lines."""
        return (*self.paths.get(name, {}).values(), *self.contents.get(name, {}).values())

    def tainted(self, name: str) -> tuple[str, ...]:
        """Why a signal is raised by the brief: the files it names, then its words."""
        return (*self.named.get(name, {}).values(), *self.words.get(name, ()))

    def raisers(self, name: str) -> frozenset[str]:
        """The touched files that raise a signal."""
        return frozenset((*self.paths.get(name, {}), *self.contents.get(name, {})))

    def without(self, gone: Collection[str]) -> Found:
        """The same as if these files were untouched and the brief did not name them."""
        facts = self.facts
        files = tuple(file for file in facts.change.files if file.path not in gone)
        return Found(
            replace(
                facts,
                change=Change(facts.change.old_tree, facts.change.new_tree, files),
                named=tuple(path for path in facts.named if path not in gone),
                texts=tuple(text for text in facts.texts if text.path not in gone),
            ),
            _less(self.paths, gone),
            _less(self.contents, gone),
            _less(self.named, {it for path in gone for it in _endings(path)}),
            self.words,
        )

    def without_words(self) -> Found:
        """The same as if the brief said nothing."""
        facts = replace(self.facts, brief="", named=(), unknown_symbols=(), novel_names=())
        return Found(facts, self.paths, self.contents, {}, {})


def _endings(path: str) -> Iterator[str]:
    """How a brief may write a path: whole, or by its last parts."""
    yield path
    yield from (path[at + 1 :] for at, letter in enumerate(path) if letter == "/")


def _less(found: Mapping[str, Evidence], gone: Collection[str]) -> dict[str, Evidence]:
    return {
        name: {path: why for path, why in evidence.items() if path not in gone}
        for name, evidence in found.items()
    }


def look(facts: Facts, policy: Policy) -> Found:
    """Look every rule of the policy up in the facts."""
    rules = policy.signals
    known = set(facts.named)
    said = tuple(path for path in paths_in(facts.brief) if path not in known)
    return Found(
        facts,
        {name: _by_path(facts.change.paths, rule) for name, rule in rules.items() if rule.paths},
        _by_line(facts, rules),
        {
            name: _by_path(facts.named, rule) | _by_text(said, rule)
            for name, rule in rules.items()
            if rule.paths
        },
        {
            name: tuple(f'the brief says "{word}"' for word in words_found(facts.brief, rule.words))
            for name, rule in rules.items()
            if rule.words
        },
    )


def _by_path(paths: tuple[str, ...], rule: SignalRule) -> Evidence:
    patterns = globs(rule.paths)
    return {path: f"{path} matches {found}" for path in paths if (found := patterns.first(path))}


def _by_text(paths: tuple[str, ...], rule: SignalRule) -> Evidence:
    """The same for paths that nobody has looked for in the tree."""
    return {path: f'the brief says "{path}": {why}' for path, why in _by_path(paths, rule).items()}


def _by_line(facts: Facts, rules: Mapping[str, SignalRule]) -> dict[str, Evidence]:
    wanted = {name: rule.content for name, rule in rules.items() if rule.content}
    found: dict[str, Evidence] = {name: {} for name in wanted}
    if not wanted:
        return found
    unread, ends = set(facts.unread), time.monotonic() + linerules.MAX_SECONDS
    for batch in _batches(facts.texts):
        joined = "\n".join(text.text for text in batch)
        asked = wanted
        if joined.isascii():
            known = vocabulary(joined)
            few = {name: possible(patterns, known) for name, patterns in wanted.items()}
            asked = {name: patterns for name, patterns in few.items() if patterns}
        for text in batch if asked else ():
            lines = Lines(text.text, ends)
            try:
                for name, patterns in asked.items():
                    if hit := lines.first(patterns):
                        found[name][text.path] = _words(text, hit)
            except TooSlow:
                unread.add(text.path)
    for path in sorted(unread):  # hiding a line among too many others must lower nothing
        for evidence in found.values():
            evidence.setdefault(path, f"{path}: cannot be read, or not in full, which counts as found")
    return found


def _batches(texts: tuple[ChangedText, ...]) -> Iterator[list[ChangedText]]:
    """Texts together, so that most expressions are ruled out for many files at once; odd letters apart."""
    batch: list[ChangedText] = []
    size = 0
    for text in texts:
        if not text.text.isascii():
            yield [text]
            continue
        batch.append(text)
        size += len(text.text)
        if size > _BATCH:
            yield batch
            batch, size = [], 0
    if batch:
        yield batch


def _words(text: ChangedText, hit: Hit) -> str:
    """Where and what: `src/store.py:12 ALTER TABLE users`."""
    number = text.numbers[hit.index] if hit.index < len(text.numbers) else 0
    shown = " ".join(hit.line.split())
    shown = shown if len(shown) <= _SHOWN else f"{shown[: _SHOWN - 1]}…"
    return f"{text.path}:{abs(number)} {'(removed) ' if number < 0 else ''}{shown}"
