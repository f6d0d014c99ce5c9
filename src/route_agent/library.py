"""What a model may be shown of one task."""

from __future__ import annotations

import secrets
from typing import TYPE_CHECKING

from route_agent import context, prompt
from route_agent.records.lanes import Request
from route_agent.redaction import is_secret_name

if TYPE_CHECKING:
    from collections.abc import Sequence

    from route_agent.decide import Opened
    from route_agent.policy import LaneSpec
    from route_agent.records.checks import CheckRun
    from route_agent.records.runs import Attempt
    from route_agent.risk import Facts


class Library:
    """What a model may be shown of one task: chosen once, cut to each lane's size."""

    def __init__(self, ground: Opened, known: Facts, baseline: CheckRun) -> None:
        self._ground = ground
        self._known = known
        self._baseline = baseline
        trees = ground.slot.trees
        self._entries = trees.entries(ground.start)
        failing = sorted({test for result in baseline.failed for test in result.red})
        self._paths = tuple(self._entries)
        order = context.candidates(known.brief, self._paths, known.change.paths, known.named, failing)
        tests = [
            path
            for path in dict.fromkeys(test.partition("::")[0] for test in failing)
            if path in self._entries
        ]
        imported = [
            path
            for data in trees.read({path: self._entries[path] for path in tests[:10]}).values()
            for path in context.imported_by(data.decode("utf-8", "replace"), self._paths)
        ]
        self._order = list(dict.fromkeys([*known.named, *known.change.paths, *tests, *imported, *order]))

    def request(self, spec: LaneSpec, tried: Sequence[Attempt]) -> Request:
        """A lane's request, within its `max_context_tokens`."""
        ground, trees = self._ground, self._ground.slot.trees
        wanted = {path: self._entries[path] for path in self._order[:60] if path in self._entries}
        contents = trees.read(wanted)
        sendable = tuple(path for path in ground.change.paths if not is_secret_name(path))
        diff = trees.diff(ground.change.old_tree, ground.start, sendable) if sendable else ""
        written = prompt.write_prompt(
            self._known.brief,
            marker=secrets.token_hex(6),
            files=context.select(list(wanted), contents.get, spec.max_context_tokens * 3 // 4),
            paths=context.listing([path for path in self._paths if not is_secret_name(path)]),
            user_diff=diff,
            baseline=self._baseline,
            tried=tried,
            bounds=str(ground.policy.policy.paths),
        )
        return Request(ground.start, written, tuple(result.name for result in self._baseline.failed))
