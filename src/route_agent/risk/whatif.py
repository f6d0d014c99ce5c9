"""What would send a task elsewhere: the counterfactual of each signal, of folders, and of counts.

Everything is computed from what was found once, so that a change of thousands of files costs no more looks.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import TYPE_CHECKING

from route_agent import risk as risks
from route_agent.policy import SignalRule
from route_agent.records.risk import Provenance, Risk, WhatIf
from route_agent.risk.signals import points_of

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from route_agent.policy import Policy
    from route_agent.risk.found import Found

MAX_FOLDERS = 40
MAX_STEPS = 60
_DEEPEST = 3

LaneOf = Callable[[Risk], str]


def what_if(found: Found, risk: Risk, policy: Policy, lane_of: LaneOf) -> tuple[WhatIf, ...]:
    """Every question that has an answer, those that change the lane first.

    Args:
        lane_of: the first lane of a risk.
    """
    asking = _Asking(found, risk, policy, lane_of)
    answers = [*asking.untouched(), *asking.counts(), *asking.brief(), *asking.signals()]
    return tuple(sorted(answers, key=lambda it: not it.changes))


class _Asking:
    def __init__(self, found: Found, risk: Risk, policy: Policy, lane_of: LaneOf) -> None:
        self.found = found
        self.risk = risk
        self.policy = policy
        self.lane_of = lane_of
        self.lane = lane_of(risk)

    def _answer(self, kind: str, condition: str, then: Risk, files: tuple[str, ...] = ()) -> WhatIf:
        lane = self.lane_of(then)
        return WhatIf(kind, condition, then.score, lane, lane != self.lane, files)

    def untouched(self) -> Iterator[WhatIf]:
        """By rule and by folder: the fewest files first, and no set of files twice."""
        asked: set[frozenset[str]] = set()
        told: list[frozenset[str]] = []
        for label, files in self._groups():
            if files in asked or not files or any(files > smaller for smaller in told):
                continue
            asked.add(files)
            then = risks.reassess(self.risk, self.found.without(files), self.policy)
            answer = self._answer("untouched", f"{label} were untouched", then, tuple(sorted(files)))
            if answer.changes:
                told.append(files)
                yield answer

    def _groups(self) -> list[tuple[str, frozenset[str]]]:
        """Files that a rule names, files of a folder, and all that is always strong, with their names."""
        touched = self.found.facts.change.paths or self.found.facts.named
        if not touched:
            return []
        ruled = {name: self._raisers(name) for name in self.policy.signals}
        always = [ruled[name] for name in self.policy.routing.always_strong_if if ruled.get(name)]
        groups = {files: _label(files, touched) for files in ruled.values() if files}
        if len(always) > 1:
            union = frozenset[str]().union(*always)
            groups.setdefault(union, _label(union, touched))
        for folder, files in _folders(touched, set().union(*ruled.values())).items():
            groups[files] = f"{folder}/"
        if len(touched) > 1:  # a change without its only file is none
            groups.pop(frozenset(touched), None)
        return sorted(((label, files) for files, label in groups.items()), key=lambda it: (len(it[1]), it[0]))

    def _raisers(self, name: str) -> frozenset[str]:
        changed = self.found.raisers(name)
        return changed if self.found.facts.change.files else frozenset(self.found.named.get(name, {}))

    def counts(self) -> Iterator[WhatIf]:
        """The nearest numbers of files and failures at which the task goes elsewhere."""
        for name, one, many in (
            ("test_failures", "test failed", "tests failed"),
            ("files", "file was touched", "files were touched"),
        ):
            value = next((int(it.value or 0) for it in self.risk.signals if it.name == name), 0)
            for kind, sign, most in (("more", 1, MAX_STEPS), ("less", -1, value)):
                steps = self._nearest(name, value, sign, most)
                if steps:
                    word = "more" if sign > 0 else "fewer"
                    what = f"{'one' if steps == 1 else steps} {word} {one if steps == 1 else many}"
                    yield self._answer(kind, what, self._with(name, value + sign * steps))

    def _nearest(self, name: str, value: int, sign: int, most: int) -> int:
        """The least steps up or down that change the lane, 0 where none do: lanes only rise with a count."""
        if most < 1 or not self._goes_elsewhere(name, value + sign * most):
            return 0
        low, high = 0, most
        while high - low > 1:
            middle = (low + high) // 2
            low, high = (low, middle) if self._goes_elsewhere(name, value + sign * middle) else (middle, high)
        return high

    def _goes_elsewhere(self, name: str, value: int) -> bool:
        return self.lane_of(self._with(name, value)) != self.lane

    def brief(self) -> Iterator[WhatIf]:
        """The task by its change alone."""
        said = any(self.found.words.values()) or any(self.found.named.values())
        if not said and not any(
            it.provenance is Provenance.TAINTED and it.raised for it in self.risk.signals
        ):
            return
        silent = self.found.without_words()
        answer = self._answer("brief", "the brief said nothing", risks.assess_found(silent, self.policy))
        yield answer
        held = frozenset[str]().union(*map(self.found.raisers, self.policy.routing.always_strong_if))
        if held and not answer.changes:
            label = _label(held, self.found.facts.change.paths)
            then = risks.assess_found(silent.without(held), self.policy)
            answer = self._answer("brief", f"the brief said nothing and {label} were untouched", then)
            if answer.changes:
                yield replace(answer, files=tuple(sorted(held)))

    def signals(self) -> Iterator[WhatIf]:
        """The same without each signal that holds and counts."""
        always = self.policy.routing.always_strong_if
        for signal in self.risk.signals:
            if signal.raised and (signal.points or signal.name in always):
                told = "were 0" if type(signal.value) is int else "did not hold"
                yield self._answer("signal", f"{signal.name} {told}", self._with(signal.name, 0))

    def _with(self, name: str, value: int) -> Risk:
        """The risk with another value of one signal; 0 is also what a flag is that does not hold."""
        rule = self.policy.signals.get(name, SignalRule())
        signals = tuple(
            replace(it, value=value if type(it.value) is not bool else False, points=points_of(rule, value))
            if it.name == name
            else it
            for it in self.risk.signals
        )
        return Risk(sum(it.points for it in signals), signals)


def _label(files: frozenset[str], touched: Iterable[str]) -> str:
    """A folder, where the files are all that is touched in it; else the first of them and how many more."""
    first = min(files)
    parts = first.split("/")[:-1]
    while parts and not all(path.startswith("/".join(parts) + "/") for path in files):
        parts.pop()
    folder = "/".join(parts)
    if folder and sum(path.startswith(folder + "/") for path in touched) == len(files):
        return f"{folder}/"
    return first if len(files) == 1 else f"{first} and {len(files) - 1} more"


def _folders(touched: Iterable[str], ruled: set[str]) -> dict[str, frozenset[str]]:
    """The touched files by folder: those with files that a rule names, and the largest, a few levels deep."""
    by: dict[str, set[str]] = {}
    for path in touched:
        parts = path.split("/")[:-1][:_DEEPEST]
        for depth in range(1, len(parts) + 1):
            by.setdefault("/".join(parts[:depth]), set()).add(path)
    told = sorted(by, key=lambda folder: (not by[folder] & ruled, -len(by[folder]), folder))
    return {folder: frozenset(by[folder]) for folder in told[:MAX_FOLDERS]}
