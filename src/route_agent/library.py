"""What a model may be shown of one task."""

from __future__ import annotations

import math
from functools import cached_property
from typing import TYPE_CHECKING

from route_agent import context, outline, prompt
from route_agent.asking import ANSWER
from route_agent.brief import MAX_NAMED_FILES
from route_agent.config import Endpoint, provider_named
from route_agent.lanes.style import style_of
from route_agent.markers import marker_key
from route_agent.prompt import digest
from route_agent.records.lanes import Request
from route_agent.redaction import is_secret_name, redact
from route_agent.repo.neighbours import Neighbours
from route_agent.repo.shelf import Shelf

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from route_agent.ground import Opened
    from route_agent.policy import LaneSpec
    from route_agent.records.checks import CheckRun
    from route_agent.records.lanes import Prompt, Shape
    from route_agent.records.runs import Attempt
    from route_agent.risk import Facts

    Examples = Callable[[int], Sequence[tuple[str, str]]]

PROJECT_BYTES = 28_000  # one size wherever it fits, so that lanes of different sizes are told the same
MOST_SHOWN = 60
_FAILING_READ = 10
_FEW = 3
_SMALL_BYTES = 16_000


def _uncalibrated(spec: LaneSpec) -> float:
    return 1.0


def _no_examples(count: int) -> Sequence[tuple[str, str]]:
    return ()


class Library:
    """What a model may be shown of one task: chosen once, cut to each lane's size.

    Args:
        ground: the repository, its policy and the start tree.
        known: what is known about the task.
        baseline: the checks at start.
        task_class: the kind of task.
        calibration: how many tokens a lane's model counts for one that we estimate.
        examples: so many accepted patches of earlier tasks, each with what was asked for.
        withheld: whether no model is shown a file.
    """

    def __init__(
        self,
        ground: Opened,
        known: Facts,
        baseline: CheckRun,
        *,
        task_class: str = "other",
        calibration: Callable[[LaneSpec], float] = _uncalibrated,
        examples: Examples = _no_examples,
        withheld: Callable[[str], bool] = is_secret_name,
    ) -> None:
        self._ground = ground
        self._known = known
        self._baseline = baseline
        self._task_class = task_class
        self._calibration = calibration
        self._calibrated: dict[tuple[str, str], float] = {}
        self._examples = examples
        self._projects: dict[int, str] = {}
        self._users: dict[tuple[LaneSpec, int], Prompt] = {}
        self.is_withheld = withheld
        trees = ground.slot.trees
        self.shelf = Shelf(trees, ground.start, self.is_withheld)
        self._base = Shelf(trees, ground.change.old_tree, self.is_withheld)

    def request(self, spec: LaneSpec, tried: Sequence[Attempt]) -> Request:
        """A lane's request, within its `max_context_tokens` as far as the task itself is."""
        most = self.budget(spec)
        # asked for once: what one attempt is told is, byte for byte, what the next one is told first
        if (spec, most) not in self._users:
            self._users[spec, most] = self._first(spec, most)
        written = prompt.with_attempts(self._users[spec, most], tried, most // 5)
        return Request(
            self._ground.start,
            written,
            tuple(result.name for result in self._baseline.failed),
            task_class=self._task_class,
            brief=self._known.brief,
            told="\n\n".join(redact(digest(it)) for it in tried),
        )

    def budget(self, spec: LaneSpec) -> int:
        """How many bytes a lane's whole prompt may have."""
        return int(spec.max_context_tokens * context.BYTES_PER_TOKEN / self.calibration(spec))

    def calibration(self, spec: LaneSpec) -> float:
        """Tokens that the lane's model counts for one of ours; the same all through a run, in steps."""
        key = (spec.provider, spec.model)
        if key not in self._calibrated:
            self._calibrated[key] = max(0.3, math.ceil(self._calibration(spec) * 5) / 5)
        return self._calibrated[key]

    def _first(self, spec: LaneSpec, most: int) -> Prompt:
        """The request for a first attempt. A fifth stays free for what later ones are told."""
        ground = self._ground
        key, shape = self._key, self._shape(spec)
        project = self._project(min(PROJECT_BYTES, most // 3))
        task = prompt.Task(
            self._known.brief,
            self._baseline,
            user_diff=self._diff,
            news=outline.new_and_gone(tuple(self._base.entries), tuple(self.shelf.entries)),
            bounds=str(ground.policy.policy.paths),
            examples=tuple(self._examples(spec.examples)) if spec.examples else (),
        )
        bare = prompt.write_prompt(task, key=key, project=project, files=(), most=most // 5, shape=shape)
        left = most - bare.bytes - most // 5
        files = context.select(
            self._order, self._contents.get, left, self._points, leading=len(self._leading)
        )
        return prompt.write_prompt(task, key=key, project=project, files=files, most=most // 5, shape=shape)

    @cached_property
    def _key(self) -> bytes:
        return marker_key()

    def _shape(self, spec: LaneSpec) -> Shape | None:
        """The JSON that is asked for where the lane and its endpoint want it."""
        if not spec.has_model:
            return None
        endpoint = Endpoint(spec.provider, provider_named(self._ground.config, spec.provider))
        return None if style_of(endpoint, spec.model, spec).output == "text" else ANSWER

    def _project(self, most: int) -> str:
        """The project's rules and outline, from the base: the same for every task there."""
        if most not in self._projects:
            paths = tuple(self._base.entries)
            contents = self._base.read(outline.rule_files(paths))
            rules = [
                (path, outline.bounded(data.decode("utf-8", "replace"), most // (2 * len(contents))))
                for path, data in contents.items()
            ]
            left = most - sum(context.size(text) for _, text in rules) - 400
            told = outline.write_outline(paths, self._base.read, max(0, left))
            self._projects[most] = prompt.write_project(rules, told, self._key)
        return self._projects[most]

    # --- which files ---

    @cached_property
    def _diff(self) -> str:
        change = self._ground.change
        sendable = tuple(path for path in change.paths if not self.is_withheld(path))
        trees = self._ground.slot.trees
        return trees.diff(change.old_tree, self._ground.start, sendable) if sendable else ""

    @cached_property
    def _failing(self) -> tuple[list[str], dict[str, list[int]]]:
        """Files of failing tests and what their output points to, and the lines that it names."""
        red = sorted({test for result in self._baseline.failed for test in result.red})
        tests = [path for test in red if (path := self._near.known.tail_of(test.partition("::")[0]))]
        points: dict[str, list[int]] = {}
        for result in self._baseline.failed:
            for path, lines in context.places_in(result.output, self._near.known).items():
                points.setdefault(path, []).extend(lines)
        return list(dict.fromkeys([*tests, *points])), points

    @cached_property
    def _near(self) -> Neighbours:
        return Neighbours(self._ground.slot.trees, self._ground.start, self.shelf)

    @cached_property
    def _said(self) -> dict[str, list[int]]:
        """Where the names are defined that the brief says."""
        return self._near.definitions(context.names_said(self._known.brief))

    @cached_property
    def _defined(self) -> dict[str, list[int]]:
        """Where the names are defined that failing tests call or the diff touches."""
        failing, points = self._failing
        texts = self.shelf.read(failing[:_FAILING_READ])
        called = []
        for path, data in texts.items():
            lines = data.decode("utf-8", "replace").split("\n")
            near = points.get(path) or ([1] if len(lines) < 200 else [])
            called += [name for line in near for name in context.names_used(_around(lines, line))]
        changed = context.names_used(_changed(self._diff))
        return self._near.definitions([*called[:20], *changed[:20]])

    @cached_property
    def _points(self) -> dict[str, list[int]]:
        """The lines that matter, by file: where tests fail, what is named, what the diff changes."""
        found: dict[str, list[int]] = {}
        for told in (self._failing[1], self._said, context.changed_lines(self._diff), self._defined):
            for path, lines in told.items():
                found.setdefault(path, []).extend(lines)
        return found

    @cached_property
    def _leading(self) -> list[str]:
        """The diff, what the brief names, the failing tests: everything else is only near to them."""
        return context.leading(
            touched=self._known.change.paths,
            named=(*self._known.named[:MAX_NAMED_FILES], *self._said),
            failing=self._failing[0],
        )

    @cached_property
    def _order(self) -> list[str]:
        near, leading = self._near, self._leading
        close = [*near.imported(leading), *self._defined, *near.importers(leading)]
        words = context.by_words(self._known.brief, self.shelf.entries)
        # where nothing is named, what is written in the files may still say which ones it is about
        held = [] if leading else near.mentioning(context.words_said(self._known.brief))
        order = dict.fromkeys([*leading, *close, *self._known.change.paths, *held, *words])
        chosen = [path for path in order if path in self.shelf.entries][:MOST_SHOWN]
        if len(chosen) < _FEW:  # nothing says what it is about: the whole of a small project is soon read
            rest = [path for path in outline.ranked(self.shelf.entries) if path not in chosen]
            contents = self.shelf.read(rest[:MOST_SHOWN])
            if sum(map(len, contents.values())) <= _SMALL_BYTES and len(rest) <= MOST_SHOWN:
                return [*chosen, *contents]
        return chosen

    @cached_property
    def _contents(self) -> dict[str, bytes]:
        return self.shelf.read(self._order)


def _around(lines: list[str], line: int) -> str:
    return "\n".join(lines[max(0, line - 30) : line + 10])


def _changed(diff: str) -> str:
    marked = (line for line in diff.split("\n") if line.startswith(("+", "-")))
    return "\n".join(line[1:] for line in marked if not line.startswith(("+++", "---")))
