"""Seeded mutants of changed lines: small, deliberate mistakes that a good test should notice. Pure.

A mutant that survives the tests says that nothing would notice that mistake; a mutant that nobody could
notice (an equivalent one) would say so falsely. The operators are therefore few: a comparison's boundary and
its opposite, arithmetic, `and`/`or`, a `not` taken away, a condition fixed to true or false, a returned or
assigned value turned into nothing, another constant, a statement or a `raise` taken away.

Left alone is what tests rarely look at, or what could only crash or hang: docstrings, annotations, imports,
decorators, `assert`, logging, messages of errors, `__repr__` and its kin, timeouts, `if TYPE_CHECKING`, the
first binding of a name, the step of a `while`.

Equivalent all the same, now and then: the boundary of a comparison whose sides give the same result when
they are equal (those of a plain minimum or maximum are left out); a condition that only guards a short cut;
a removed assignment that a later one repeats; a `None` where any false value will do.

Python is edited by its syntax tree, and what does not compile is not returned. Other languages are edited by
their tokens and by their usual spacing, with no check of validity: a mutant that a compiler refuses has not
been killed by a test, and a caller who cannot tell the two apart must not count it.
"""

from __future__ import annotations

import posixpath
import random
from collections import Counter, defaultdict
from itertools import chain, zip_longest
from typing import TYPE_CHECKING

from route_agent.mutants import python, tokens
from route_agent.mutants.reverts import reverts
from route_agent.mutants.text import CONSTANT, DEFAULT, Edit, Mutant

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

__all__ = ["Mutant", "mutants", "reverts"]

_BIGGEST = 500_000  # bytes; what is larger was generated or packed
_MOST_LINES = 2000  # of more changed lines, so many are drawn: a dozen mutants need no better choice


def mutants(
    path: str, source: bytes, lines: frozenset[int], *, seed: str, most: int = 12
) -> tuple[Mutant, ...]:
    """Mutants of some lines of a file, as well spread as their number allows, the best spread first.

    Args:
        path: tells the language by its ending: Python, or one of those that are edited by tokens.
        lines: 1-based, counted by line feeds as git does. Every edit touches at least one of them.
        seed: the same one gives the same mutants.
        most: how many at most. Each changed statement gets one before any gets a second.

    Returns:
        No two with equal contents, none equal to the source; empty where the file cannot be read.
    """
    suffix = posixpath.splitext(path)[1].lower()
    lines &= frozenset(range(1, source.count(b"\n") + 2))
    if not lines or most < 1 or len(source) > _BIGGEST:
        return ()
    chance = random.Random(f"{seed}:{path}")  # noqa: S311 - to be repeatable
    if len(lines) > _MOST_LINES:
        lines = frozenset(chance.sample(sorted(lines), _MOST_LINES))
    if suffix == ".py":
        text, edits = python.edits_of(source, lines)
    else:
        text, edits = tokens.edits_of(suffix, source, lines)
    touching = {edit: line for edit in edits if (line := text.changed_line(edit, lines))}
    found: dict[bytes, Mutant] = {}
    for edit in _spread(touching, chance):
        if len(found) == most:
            break
        content = text.edited(edit)
        if content != source and (suffix != ".py" or python.compiles(content)):
            found.setdefault(content, Mutant(path, touching[edit], edit.operator, content))
    return tuple(found.values())


def _spread(edits: Iterable[Edit], chance: random.Random) -> Iterator[Edit]:
    """In rounds, one edit of each statement a round."""
    by_statement: defaultdict[int, list[Edit]] = defaultdict(list)
    for edit in sorted(edits, key=lambda it: (it.start, it.end, it.operator, it.new)):
        by_statement[edit.statement].append(edit)
    statements = [_in_turns(own, chance) for own in by_statement.values()]
    chance.shuffle(statements)
    return (edit for edit in chain.from_iterable(zip_longest(*statements)) if edit is not None)


def _in_turns(edits: list[Edit], chance: random.Random) -> list[Edit]:
    """Each operator once before any repeats; constants come last, as good tests miss theirs most often."""
    used: Counter[str] = Counter()
    turns: dict[Edit, tuple[int, bool]] = {}
    for edit in chance.sample(edits, len(edits)):
        turns[edit] = (used[edit.operator], edit.operator in (CONSTANT, DEFAULT))
        used[edit.operator] += 1
    return sorted(turns, key=turns.__getitem__)
