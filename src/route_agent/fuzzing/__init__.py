"""Does a policy let text lower anything? Tries it many times, and cuts what does down to its least.

Pure: a policy and a seed in, what was tried and what was found out.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, replace
from random import Random
from typing import TYPE_CHECKING, Any

from route_agent.errors import UsageError
from route_agent.fuzzing.scenes import Outlook, Scene, look, lowest_bars, scenes
from route_agent.fuzzing.ways import WAYS, Pieces, Relation, Way

if TYPE_CHECKING:
    from route_agent.policy import NamedPolicy
    from route_agent.records.grades import Grade

__all__ = ["Found", "Outlook", "Report", "Scene", "Way", "falls", "fuzz", "look", "trespass"]

# a task and a policy in, what is made of it out; `look` but for tests of the fuzzer itself
Looker = Callable[[Scene, "NamedPolicy"], Outlook]

_MOST_CUTS = 3000  # tries at making one finding smaller


@dataclass(frozen=True, slots=True)
class Found:
    """Something that an outsider lowered.

    Attributes:
        way: how.
        fell: what fell, in words, with its values before and after.
        before: the least task on which it falls.
        after: the same with what was done to it.
    """

    way: str
    fell: str
    before: Scene
    after: Scene


@dataclass(frozen=True, slots=True)
class Report:
    """What was tried, how often by each way, and what was found; one finding for each way and thing."""

    rounds: int
    seed: int
    tried: Mapping[str, int]
    refused: int
    found: tuple[Found, ...]


def fuzz(
    named: NamedPolicy, *, rounds: int, seed: int = 0, paths: tuple[str, ...] = (), looker: Looker = look
) -> Report:
    """Try to lower what a policy makes of tasks, so many times; equal seeds try the same.

    Args:
        named: the policy.
        rounds: how many mutations are tried.
        seed: of chance.
        paths: files of the team's own repository, to be named and changed.
        looker: what decides.
    """
    random = Random(seed)  # noqa: S311 - nothing secret
    tried, refused = Counter[str](), 0
    found: dict[tuple[str, str], Found] = {}
    for number, scene in zip(range(rounds), scenes(named, random, paths), strict=False):
        way = WAYS[number % len(WAYS)]
        pieces = way.pieces(random, named)
        tried[way.name] += 1
        try:
            fell = trespass(scene, way, pieces, named, looker)
        except UsageError:  # a text that is no task: nothing runs
            refused += 1
            continue
        if fell and (way.name, _kind(fell)) not in found:
            found[way.name, _kind(fell)] = _smallest(scene, way, pieces, named, looker, _kind(fell))
    return Report(rounds, seed, dict(tried), refused, tuple(found.values()))


def trespass(scene: Scene, way: Way, pieces: Pieces, named: NamedPolicy, looker: Looker = look) -> str:
    """What one way lowers in one scene, in words; empty where nothing.

    Raises:
        UsageError: the text cannot be a task before or after: nothing runs.
    """
    after = way.apply(scene, pieces)
    then = looker(after, named)
    floor = replace(looker(after.unspoken, named), bars=_lowest(then, named))
    if fell := falls(floor, then, "replaces"):
        return f"below what git and the checks ask for: {fell}"
    if way.relation == "replaces" or (after.brief and not scene.brief):  # nobody's text is added to
        return ""
    return falls(looker(scene, named), then, way.relation)


def _lowest(seen: Outlook, named: NamedPolicy) -> dict[str, Grade]:
    return {kind: bar for kind, bar in lowest_bars(named.policy).items() if kind in seen.bars}


def falls(before: Outlook, after: Outlook, relation: Relation) -> str:
    """What is lower after than before, in words; empty where nothing. With `same`, what is different."""
    if relation == "same" and before != after:
        return f"a difference that nobody sees counts: score {before.score} → {after.score}"
    if after.score < before.score:
        return f"score {before.score} → {after.score}"
    if after.lane < before.lane:
        return f"lane {before.lane_name} → {after.lane_name}"
    if gone := sorted(before.raised - after.raised):
        return f"signal {gone[0]} is no longer raised"
    for signal, points in before.points.items():
        if after.points.get(signal, 0) < points:
            return f"points of {signal} {points} → {after.points.get(signal, 0)}"
    if lost := sorted(before.checks - after.checks):
        return f"check {lost[0]} is no longer run"
    for lane, bar in before.bars.items():
        if not (now := after.bars[lane]).reaches(bar):
            return f"bar of {lane} {bar.value} → {now.value}"
    return ""


def _kind(fell: str) -> str:
    """What fell, without its values: one finding of a kind is enough."""
    return " ".join(word for word in fell.split(" → ", maxsplit=1)[0].split() if not word.isdigit())


def _smallest(scene: Scene, way: Way, pieces: Pieces, named: NamedPolicy, looker: Looker, kind: str) -> Found:
    """The finding with every part left out that it does not need."""
    cuts = 0

    def still(tried: Scene, left: Pieces) -> bool:
        nonlocal cuts
        cuts += 1
        try:
            return cuts < _MOST_CUTS and _kind(trespass(tried, way, left, named, looker)) == kind
        except UsageError:
            return False

    def cut(whole: Scene, name: str, mark: str = "") -> Scene:
        def given(left: tuple[str, ...]) -> Scene:
            return _with(whole, name, mark.join(left) if mark else left)

        parts = tuple(whole.brief.split(mark)) if mark else getattr(whole, name)
        return given(_shrunk(parts, lambda left: still(given(left), pieces)))

    pieces = _shrunk(pieces, lambda left: still(scene, left))
    for name in ("failing", "changed", "tree"):
        scene = cut(scene, name)
    for mark in ("\n", " "):
        scene = cut(scene, "brief", mark)
    if still(quiet := replace(scene, red=frozenset()), pieces):
        scene = quiet
    return Found(way.name, trespass(scene, way, pieces, named, looker), scene, way.apply(scene, pieces))


def _with(scene: Scene, name: str, value: Any) -> Scene:
    return replace(scene, **{name: value})


def _shrunk(parts: tuple[str, ...], still: Callable[[tuple[str, ...]], bool]) -> tuple[str, ...]:
    """The parts without those that can be left out while `still` holds; large pieces are tried first."""
    size = len(parts)
    while size:
        for left in _without(parts, size):
            if still(left):
                parts = left
                break
        else:
            size //= 2
        size = min(size, len(parts))
    return parts


def _without(parts: tuple[str, ...], size: int) -> Iterator[tuple[str, ...]]:
    for begin in range(0, len(parts), size):
        yield parts[:begin] + parts[begin + size :]
